// SPDX-License-Identifier: GPL-2.0

//! What a call of the machine asks its owner to do. Of fixed size; making an empty one costs a few stores.

use core::ops::{BitOr, BitOrAssign};

use super::arcs::ArcId;
use super::reasons::{ChallengeReason, DropReason, ResetReason};
use super::segment::SegmentOut;
use super::seq::SeqNumber;

/// Why a reply is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyWhy {
    /// An acknowledgment of, or in spite of, what arrived.
    Ack,
    /// A challenge ACK. To be sent only if the namespace's budget allows; the connection's own limit is kept already.
    Challenge(ChallengeReason),
    /// An RST.
    Reset(ResetReason),
    /// A SYN-ACK, once more.
    SynAck,
    /// A keep-alive. If it has an octet, that is no data of the connection.
    KeepAlive,
}

/// A segment that answers an input at once. It has no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The segment.
    pub(crate) segment: SegmentOut,
    /// Why it is sent.
    pub(crate) why: ReplyWhy,
}

/// The part of an arrived segment's data that is new and in order, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deliver {
    /// So many octets at the data's start are not wanted.
    pub(crate) skip: u32,
    /// So many octets after them go to the receive queue. Never 0.
    pub(crate) len: u32,
}

/// The part of an arrived segment's data that is to be kept, because what comes before it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The sequence number of its first octet. Octets that are kept already are at neither end; between them there may be
    /// some, in packets that this one covers.
    pub(crate) at: SeqNumber,
    /// So many octets at the data's start are not wanted.
    pub(crate) skip: u32,
    /// So many octets after them are to be kept. Never 0.
    pub(crate) len: u32,
}

/// The arcs that a call took, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArcList {
    // None after the last one.
    arcs: [Option<ArcId>; Self::MAX],
}

impl ArcList {
    /// More than one call can take: SYN-RECEIVED, ESTABLISHED, FIN-WAIT-1, CLOSING are three.
    pub(crate) const MAX: usize = 4;

    /// No arcs.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            arcs: [None; Self::MAX],
        }
    }

    /// Adds an arc.
    #[inline]
    pub(crate) fn push(&mut self, id: ArcId) {
        if let Some(slot) = self.arcs.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(id);
        }
    }

    /// The arcs, in the order in which they were taken.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = ArcId> + '_ {
        self.arcs.iter().map_while(|slot| *slot)
    }

    /// Whether no arc was taken.
    #[cfg(test)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.arcs[0].is_none()
    }
}

/// Whom to wake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wake(u8);

impl Wake {
    /// Nobody.
    pub(crate) const NONE: Self = Self(0);
    /// Readers: data or the end of the stream is there.
    pub(crate) const READABLE: Self = Self(1);
    /// Writers: octets were acknowledged, or the connection opened.
    pub(crate) const WRITABLE: Self = Self(2);
    /// Whoever waits for a change of state: connect(), close(), accept().
    pub(crate) const STATE_CHANGE: Self = Self(4);
    /// Whoever waits for an error.
    pub(crate) const ERROR: Self = Self(8);

    /// Whether all of `other` are in it.
    #[inline]
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it wakes nobody.
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Wake {
    type Output = Self;

    #[inline]
    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

impl BitOrAssign for Wake {
    #[inline]
    fn bitor_assign(&mut self, rhs: Self) {
        self.0 |= rhs.0;
    }
}

/// An error of the connection, for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnError {
    /// The peer refused the connection (ECONNREFUSED).
    Refused,
    /// The peer reset the connection (ECONNRESET).
    Reset,
    /// The peer reset the connection after it had closed (EPIPE).
    BrokenPipe,
    /// The peer does not answer (ETIMEDOUT).
    TimedOut,
    /// ICMP destination unreachable, by its IPv4 code.
    Unreachable(u8),
    /// ICMP time exceeded (EHOSTUNREACH). Only ever a soft error.
    TimeExceeded,
    /// ICMP parameter problem (EPROTO). Only ever a soft error.
    ParameterProblem,
}

/// What becomes of the object after the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on as it is.
    #[default]
    Live,
    /// The connection entered TIME-WAIT: it goes on as a `TimeWait`, and the Tcb is to be [retired](super::Tcb::retire).
    TimeWait,
    /// The connection is over: take it out of the tables.
    Closed,
}

/// What one call of the machine asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outbox {
    /// To be sent at once, before anything from `next_segment`.
    pub(crate) reply: Option<Reply>,
    /// To be appended to the receive queue.
    pub(crate) deliver: Option<Deliver>,
    /// To be kept until what is missing before it has come.
    pub(crate) hold: Option<Hold>,
    /// The octets before this number that are kept, and were not delivered, follow in the receive queue.
    pub(crate) release: Option<SeqNumber>,
    /// The arcs that were taken.
    pub(crate) arcs: ArcList,
    /// Why the segment, or its data, was dropped.
    pub(crate) drop: Option<DropReason>,
    notes: [Option<DropReason>; 2],
    /// Something is to be counted.
    counts: bool,
    /// SND.UNA moved: the send queue can be freed up to `send_queue_start`.
    pub(crate) acked: bool,
    /// The peer's FIN was taken: after the data of the receive queue comes the end.
    pub(crate) fin_received: bool,
    /// Urgent data is announced (MUST-32): so many octets stand between RCV.NXT, before this segment's text, and the last
    /// urgent octet.
    pub(crate) urgent: Option<u32>,
    /// R1 was reached: IP is to look for another route (RFC 9293 3.8.3, MUST-20).
    pub(crate) negative_advice: bool,
    /// Whom to wake.
    pub(crate) wake: Wake,
    /// The connection failed.
    pub(crate) error: Option<ConnError>,
    /// Something went wrong, and the connection goes on (RFC 9293 3.9.1.8, SHLD-9).
    pub(crate) soft_error: Option<ConnError>,
    /// What becomes of the object.
    pub(crate) fate: Fate,
}

impl Outbox {
    /// Nothing to do.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            reply: None,
            deliver: None,
            hold: None,
            release: None,
            arcs: ArcList::new(),
            drop: None,
            notes: [None; 2],
            counts: false,
            acked: false,
            fin_received: false,
            urgent: None,
            negative_advice: false,
            wake: Wake::NONE,
            error: None,
            soft_error: None,
            fate: Fate::Live,
        }
    }

    /// Notes that an arc was taken.
    #[inline]
    pub(crate) fn take_arc(&mut self, id: ArcId) {
        self.arcs.push(id);
        self.counts = true;
    }

    /// Notes why the segment, or its data, is dropped.
    #[inline]
    pub(crate) fn discard(&mut self, reason: DropReason) {
        self.drop = Some(reason);
        self.counts = true;
    }

    /// Adds something to be counted that drops nothing.
    #[inline]
    pub(crate) fn note(&mut self, reason: DropReason) {
        if let Some(slot) = self.notes.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(reason);
            self.counts = true;
        }
    }

    /// What else is to be counted.
    #[inline]
    pub(crate) fn notes(&self) -> impl Iterator<Item = DropReason> + '_ {
        self.notes.iter().map_while(|note| *note)
    }

    /// Whether there is nothing to be counted: no arc, no drop, no note and no reply.
    #[inline]
    pub(crate) const fn counts_nothing(&self) -> bool {
        !self.counts
    }

    /// Sets the reply.
    #[inline]
    pub(crate) fn reply(&mut self, segment: SegmentOut, why: ReplyWhy) {
        self.reply = Some(Reply { segment, why });
        self.counts = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsm::arcs::{Event, State};

    #[test]
    fn arcs_keep_their_order_and_never_overflow() {
        let mut arcs = ArcList::new();
        assert_eq!(arcs.iter().count(), 0);
        let close = ArcId::lookup(State::Established, Event::Close).unwrap();
        let fin = ArcId::lookup(State::FinWait1, Event::RcvFin).unwrap();
        arcs.push(close);
        arcs.push(fin);
        assert_eq!(arcs.iter().collect::<Vec<_>>(), [close, fin]);
        for _ in 0..10 {
            arcs.push(fin);
        }
        assert_eq!(arcs.iter().count(), ArcList::MAX);
    }

    #[test]
    fn an_empty_outbox_asks_for_nothing() {
        let out = Outbox::new();
        assert!(out.reply.is_none() && out.deliver.is_none() && out.drop.is_none());
        assert!(
            out.counts_nothing()
                && out.arcs.iter().next().is_none()
                && out.wake.is_empty()
                && out.notes().next().is_none()
        );
        assert!(out.error.is_none() && out.soft_error.is_none());
        assert!(out.hold.is_none() && out.release.is_none());
        assert!(!out.acked && !out.fin_received && !out.negative_advice);
        assert!(out.urgent.is_none());
        assert_eq!(out.fate, Fate::Live);
    }

    #[test]
    fn wakes_add_up() {
        let both = Wake::READABLE | Wake::ERROR;
        assert!(both.contains(Wake::READABLE) && both.contains(Wake::ERROR));
        assert!(!both.contains(Wake::WRITABLE) && !both.is_empty());
    }

    #[test]
    fn notes_are_few_and_in_order() {
        let mut out = Outbox::new();
        out.note(DropReason::BadOption);
        out.note(DropReason::NoArc);
        out.note(DropReason::Duplicate);
        let notes: Vec<_> = out.notes().collect();
        assert_eq!(notes, [DropReason::BadOption, DropReason::NoArc]);
    }
}
