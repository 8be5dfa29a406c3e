// SPDX-License-Identifier: GPL-2.0

//! When data is acknowledged: at once, or together with more data or with data of ours (RFC 9293 section 3.8.6.3, RFC 5681
//! section 4.2).

use super::records::RecordList;
use super::segment::Segment;
use super::settings::AckMode;
use super::tcb::Tcb;
use super::time::{Duration, Instant};

/// The longest that an ACK waits (MUST-40: less than 0.5 s), as in Linux.
pub(crate) const MAX_ACK_DELAY: Duration = Duration::from_ms(40);

/// So many ACKs go out at once at the start, after a pause and after a gap, where each of them lets the peer's congestion window
/// grow: as many as in Linux.
const QUICK_ACKS: u8 = 16;

/// Segments of this size count as full until a larger one comes (RFC 9293 section 3.7.1: what every host takes).
const FULL_SEGMENT: u16 = 536;

/// No link carries so many octets in one segment: it has never left this host, or a lower layer has joined many.
const BEYOND_LINKS: u32 = 16 * 1024;

/// The longest that an ACK waits which is left to a reader that is about to run. The peer's probe of its tail comes no earlier (RFC 8985
/// section 7.2): it knows nothing of readers.
const READER_DELAY: Duration = Duration::from_ms(2);

/// What is known of the acknowledgments that we owe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Acks {
    /// Data waits for its ACK until then.
    pub(super) deadline: Option<Instant>,
    /// So many more are sent at once.
    quick: u8,
    /// The program answers what it receives: its answer takes the ACK along.
    answers: bool,
    /// A reader is about to run who waited for data: see [`Tcb::set_reader_waits`].
    reader_waits: bool,
    /// The largest segment of data that came, in octets.
    full: u16,
    /// When data last came.
    data_at: Instant,
}

impl Acks {
    /// Those of a connection that has received nothing.
    pub(super) const fn new() -> Self {
        Self {
            deadline: None,
            quick: QUICK_ACKS,
            answers: false,
            reader_waits: false,
            full: FULL_SEGMENT,
            data_at: Instant::from_us(0),
        }
    }
}

impl<L: RecordList> Tcb<L> {
    /// Tells whether a reader waits for data. Many segments that arrive as one packet are then acknowledged when they have been read, which
    /// is soon, and with the room that this makes: one ACK, where there would be two. To be called before `on_segment`.
    #[inline]
    pub(crate) fn set_reader_waits(&mut self, waits: bool) {
        self.acks.reader_waits = waits;
    }

    /// Whether data was left to the reader to be acknowledged, which has read some of it.
    #[inline]
    pub(super) fn reader_owes_ack(&self) -> bool {
        self.acks.deadline.is_some()
            && self.rcv_nxt.distance_from(self.last_ack_sent) > self.full_segment()
    }

    /// Data of a segment was taken in order: its ACK is due, or is timed.
    #[inline]
    pub(super) fn owe_ack(&mut self, now: Instant, segment: &Segment) {
        let full = segment.largest().min(u32::from(self.rcv_mss)) as u16;
        let acks = &mut self.acks;
        acks.full = acks.full.max(full);
        if now.since(acks.data_at) > self.rtt.rto() {
            // The peer's congestion window may be small again (RFC 5681 4.1).
            acks.quick = QUICK_ACKS;
        }
        acks.data_at = now;
        let unacked = self.rcv_nxt.distance_from(self.last_ack_sent);
        let quick = match self.settings.acks {
            AckMode::Auto => acks.quick != 0 && !acks.answers,
            AckMode::Quick => true,
            AckMode::Delayed => false,
        };
        // SHLD-19: at least every second full-sized segment; RFC 5681 4.2: what fills a gap, or a part of it, at once; RFC 3168
        // 6.1.3: marks are echoed while they matter.
        let left_to_reader = acks.reader_waits && unacked >= BEYOND_LINKS;
        if quick
            || unacked > u32::from(acks.full) && !left_to_reader
            || !self.held.is_empty()
            || self.ecn.echo
        {
            acks.quick = acks.quick.saturating_sub(1);
            self.ack_due = true;
        } else {
            // SHLD-18, MUST-40.
            let delay = if left_to_reader {
                READER_DELAY
            } else {
                MAX_ACK_DELAY
            };
            let deadline = now + delay;
            acks.deadline = Some(acks.deadline.map_or(deadline, |at| at.min(deadline)));
        }
    }

    /// Small segments have used half of the receive buffer's memory. They are merged, but not as long as a peer on this host keeps them
    /// until they are acknowledged: an ACK that waits goes out.
    pub(crate) fn acknowledge_for_room(&mut self) {
        if self.acks.deadline.is_some() {
            self.ack_due = true;
        }
    }

    /// The peer's FIN was taken, and our side is still open: its ACK may wait (MUST-40), for a FIN of ours or for data, but not where a
    /// gap was filled or a mark is to be echoed.
    pub(super) fn owe_fin_ack(&mut self, now: Instant) {
        if self.settings.acks == AckMode::Quick || !self.held.is_empty() || self.ecn.echo {
            self.ack_due = true;
        } else if self.acks.deadline.is_none() {
            self.acks.deadline = Some(now + MAX_ACK_DELAY);
        }
    }

    /// From so many octets of data on a segment counts as full.
    #[inline]
    pub(super) fn full_segment(&self) -> u32 {
        u32::from(self.acks.full)
    }

    /// Whether the peer may send no more than a segment: a program that waits for much more waits in vain until it reads.
    pub(crate) fn is_window_spent(&self) -> bool {
        self.rcv_wnd() <= self.full_segment()
    }

    /// Something came out of order, or twice: a sender that repairs a loss needs each ACK.
    pub(super) fn ack_quickly(&mut self) {
        self.acks.quick = QUICK_ACKS;
        self.acks.answers = false;
    }

    /// A segment with `len` octets of data goes out, with the ACK of all that came.
    #[inline]
    pub(super) fn ack_goes_out(&mut self, now: Instant, len: u32) {
        self.ack_due = false;
        self.acks.deadline = None;
        if len != 0 && now.since(self.acks.data_at) < MAX_ACK_DELAY {
            self.acks.answers = true;
        }
    }

    /// Whether an ACK is to be sent, if nothing takes it along.
    #[inline]
    pub(super) fn is_ack_due(&self) -> bool {
        self.ack_due || self.acks.deadline.is_some() && self.settings.acks == AckMode::Quick
    }

    /// The time of an ACK that was delayed may be over.
    pub(super) fn on_ack_timer(&mut self, now: Instant) {
        if self.acks.deadline.is_some_and(|deadline| deadline <= now) {
            self.acks.deadline = None;
            // The program did not answer.
            self.acks.answers = false;
            self.ack_due = true;
        }
    }
}
