// SPDX-License-Identifier: GPL-2.0

//! Urgent data (RFC 9293 section 3.8.5, RFC 6093): SND.UP and RCV.UP, and where the last urgent octet stands for readers.
//!
//! The urgent pointer names the octet after the last urgent one (MUST-62). Of all urgent octets that one alone, the
//! octet before the pointer, means something to a program: it is what MSG_OOB reads, and the mark at which an ordinary read stops.
//! That is what Linux and the BSDs make of it, and why RFC 6093 section 6 advises new programs against it (SHLD-13).

use super::outbox::Outbox;
use super::records::RecordList;
use super::segment::{Flags, Segment};
use super::seq::SeqNumber;
use super::tcb::Tcb;

impl<L: RecordList> Tcb<L> {
    /// SEND with the URGENT flag (RFC 9293 section 3.10.2): what is queued so far is urgent, up to its last octet.
    pub(crate) fn mark_urgent(&mut self) {
        if self.write_end == self.send_queue_start() {
            return;
        }
        self.snd_up = Some(self.write_end);
        let window_end = self.snd_una + self.snd_wnd;
        if self.syn_acked && window_end.at_or_before(self.snd_nxt) {
            // RFC 9293 3.8.5: the pointer may lie beyond the window. An ACK tells it while no data can.
            self.ack_due = true;
        }
    }

    /// The flags, and the urgent pointer, of a segment that starts at `seq` and would have these flags.
    #[inline]
    pub(super) fn urgent_pointer(&mut self, seq: SeqNumber, flags: Flags) -> (Flags, u16) {
        match self.snd_up {
            None => (flags, 0),
            Some(up) => self.urgent_pointer_to(up, seq, flags),
        }
    }

    fn urgent_pointer_to(&mut self, up: SeqNumber, seq: SeqNumber, flags: Flags) -> (Flags, u16) {
        if up.at_or_before(self.snd_una) {
            self.snd_up = None;
        }
        if !up.after(seq) {
            return (flags, 0);
        }
        // MUST-31: urgent data may be longer than the field can tell. The pointer then moves on with each segment,
        // always ahead of the segment's own data.
        let pointer = up.distance_from(seq).min(u32::from(u16::MAX)) as u16;
        (flags | Flags::URG, pointer)
    }

    /// Whether urgent octets wait that were never sent: Nagle's algorithm does not hold them back, as in Linux.
    #[inline]
    pub(super) fn has_unsent_urgent(&self) -> bool {
        self.snd_up.is_some_and(|up| up.after(self.snd_nxt))
    }

    // RFC 9293 3.10.7.4, sixth: URG.
    pub(super) fn step_6_urg(&mut self, segment: &Segment, out: &mut Outbox) {
        if !segment.flags.contains(Flags::URG) {
            return;
        }
        // MUST-62: the octet after the last urgent one. RFC 9293 3.1: counted from SEG.SEQ, be it a SYN's.
        let up = segment.seq + u32::from(segment.urg);
        if up.after(self.rcv_nxt) && (!self.urgent || up.after(self.rcv_up)) {
            // MUST-32: RCV.UP <- max(RCV.UP, SEG.UP), and the user is told.
            self.urgent = true;
            self.rcv_up = up;
            out.urgent = Some(up.distance_from(self.rcv_nxt).saturating_sub(1));
        }
    }

    /// The program has read beyond the last urgent octet: every later pointer is news.
    pub(crate) fn urgent_is_read(&mut self) {
        self.urgent = false;
    }
}

/// Where the last urgent octet stands, counted from the next octet that a program reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UrgentMark(Option<Place>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Octets before the urgent one; it may not have arrived.
    ahead: u32,
    /// MSG_OOB has read it.
    taken: bool,
}

/// What to do with the next octets at some place of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrgentStep {
    /// At most so many may be read: the urgent octet, if there is one, comes behind them.
    Read(u32),
    /// The urgent octet is next.
    AtMark,
}

/// Where [`UrgentMark::to_word`] says that there is a mark, and that it is taken.
const WORD_PRESENT: u64 = 1 << 32;
const WORD_TAKEN: u64 = 1 << 33;

impl UrgentMark {
    /// No urgent data.
    pub(crate) const NONE: Self = Self(None);

    /// A new urgent octet, with `ahead` unread octets before it.
    pub(crate) fn announced(ahead: u32) -> Self {
        Self(Some(Place {
            ahead,
            taken: false,
        }))
    }

    /// As one word, for those who look without a lock.
    pub(crate) fn to_word(self) -> u64 {
        match self.0 {
            None => 0,
            Some(place) => {
                let taken = if place.taken { WORD_TAKEN } else { 0 };
                WORD_PRESENT | taken | u64::from(place.ahead)
            }
        }
    }

    /// What [`to_word`](Self::to_word) made.
    pub(crate) fn from_word(word: u64) -> Self {
        if word & WORD_PRESENT == 0 {
            return Self::NONE;
        }
        Self(Some(Place {
            ahead: word as u32,
            taken: word & WORD_TAKEN != 0,
        }))
    }

    /// Was urgent data announced, and not all of it read yet (MUST-33)?
    pub(crate) fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// Is the urgent octet the next to be read (SIOCATMARK)?
    pub(crate) fn is_at_mark(self) -> bool {
        self.0.is_some_and(|place| place.ahead == 0)
    }

    /// Is the urgent octet there, and not read by MSG_OOB, when `unread` octets wait?
    pub(crate) fn is_available(self, unread: u32) -> bool {
        self.0
            .is_some_and(|place| !place.taken && place.ahead < unread)
    }

    /// Has MSG_OOB read it?
    pub(crate) fn is_taken(self) -> bool {
        self.0.is_some_and(|place| place.taken)
    }

    /// MSG_OOB reads it.
    pub(crate) fn take(self) -> Self {
        Self(self.0.map(|place| Place {
            taken: true,
            ..place
        }))
    }

    /// How many octets stand before it.
    pub(crate) fn ahead(self) -> Option<u32> {
        self.0.map(|place| place.ahead)
    }

    /// What a read at `offset` octets beyond the next one may do.
    pub(crate) fn step(self, offset: u32) -> UrgentStep {
        match self.0 {
            Some(place) if place.ahead == offset => UrgentStep::AtMark,
            Some(place) if place.ahead > offset => UrgentStep::Read(place.ahead - offset),
            _ => UrgentStep::Read(u32::MAX),
        }
    }

    /// `count` octets were read. Who has read the urgent octet has left urgent mode.
    pub(crate) fn advance(self, count: u32) -> Self {
        Self(self.0.and_then(|place| {
            Some(Place {
                ahead: place.ahead.checked_sub(count)?,
                ..place
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_moves_with_the_reader() {
        let mark = UrgentMark::announced(3);
        assert_eq!(mark.step(0), UrgentStep::Read(3));
        assert_eq!(mark.step(2), UrgentStep::Read(1));
        assert_eq!(mark.step(3), UrgentStep::AtMark);
        assert_eq!(mark.step(4), UrgentStep::Read(u32::MAX));
        assert!(mark.is_some() && !mark.is_at_mark());
        let mark = mark.advance(3);
        assert!(mark.is_at_mark());
        assert_eq!(mark.step(0), UrgentStep::AtMark);
        assert_eq!(mark.advance(0), mark);
        assert_eq!(mark.advance(1), UrgentMark::NONE);
        assert_eq!(mark.advance(u32::MAX), UrgentMark::NONE);
    }

    #[test]
    fn without_urgent_data_nothing_stops_a_read() {
        let none = UrgentMark::NONE;
        assert_eq!(none.step(0), UrgentStep::Read(u32::MAX));
        assert!(!none.is_some() && !none.is_at_mark() && !none.is_taken());
        assert!(!none.is_available(u32::MAX));
        assert_eq!(none.advance(7), none);
        assert_eq!(none.take(), none);
        assert_eq!(none.ahead(), None);
    }

    #[test]
    fn the_urgent_octet_is_there_when_all_before_it_is() {
        let mark = UrgentMark::announced(3);
        assert!(!mark.is_available(3));
        assert!(mark.is_available(4));
        assert!(!mark.take().is_available(4));
        assert!(mark.take().is_taken() && !mark.is_taken());
        // A later urgent octet is another one.
        assert!(!UrgentMark::announced(9).is_taken());
    }

    #[test]
    fn a_mark_and_its_word_are_the_same() {
        for mark in [
            UrgentMark::NONE,
            UrgentMark::announced(0),
            UrgentMark::announced(u32::MAX),
            UrgentMark::announced(5).take(),
        ] {
            assert_eq!(UrgentMark::from_word(mark.to_word()), mark);
        }
        assert_eq!(UrgentMark::from_word(0), UrgentMark::NONE);
    }
}
