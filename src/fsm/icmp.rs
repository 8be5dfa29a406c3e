// SPDX-License-Identifier: GPL-2.0

//! ICMP errors that quote a segment of a connection (RFC 9293 section 3.9.2.2, RFC 5461, RFC 5927).

use super::arcs::{Event, State};
use super::outbox::{ConnError, Outbox, Wake};
use super::reasons::DropReason;
use super::records::RecordList;
use super::seq::SeqNumber;
use super::tcb::Tcb;
use super::time::Instant;

/// The code of "fragmentation needed", which belongs to path MTU discovery.
const CODE_FRAGMENTATION_NEEDED: u8 = 4;

/// An error that ICMP tells. Those of ICMPv6 are named by the IPv4 code that means the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IcmpKind {
    /// Destination unreachable, with its code.
    Unreachable(u8),
    /// Time exceeded.
    TimeExceeded,
    /// Parameter problem.
    ParameterProblem,
}

/// An ICMP error, and what it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IcmpError {
    /// What went wrong.
    pub(crate) kind: IcmpKind,
    /// The sequence number of the segment that is quoted.
    pub(crate) quoted_seq: SeqNumber,
}

/// What came of an ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IcmpOutcome {
    /// Nothing: it quotes nothing that is in flight, or says nothing.
    Ignored,
    /// The program is told, by `soft_error`; the connection goes on.
    Soft,
    /// The connection, which was still being opened, has ended.
    Hard,
}

impl IcmpKind {
    /// What a program is told of it; `None`: nothing.
    pub(crate) fn error(self) -> Option<ConnError> {
        match self {
            IcmpKind::Unreachable(CODE_FRAGMENTATION_NEEDED) => None,
            IcmpKind::Unreachable(code) => Some(ConnError::Unreachable(code)),
            IcmpKind::TimeExceeded => Some(ConnError::TimeExceeded),
            IcmpKind::ParameterProblem => Some(ConnError::ParameterProblem),
        }
    }
}

impl<L: RecordList> Tcb<L> {
    /// Whether an ICMP error that quotes this sequence number can be about a segment of ours: only what is in flight can have met
    /// an error (MUST-54, RFC 5927 4.1).
    pub(crate) fn is_in_flight(&self, quoted: SeqNumber) -> bool {
        quoted.in_window(self.snd_una, self.snd_nxt.distance_from(self.snd_una))
    }

    /// As [`is_in_flight`](Self::is_in_flight), an ACK without data included: what is no error may be about any segment of ours.
    pub(crate) fn may_be_ours(&self, quoted: SeqNumber) -> bool {
        quoted == self.snd_nxt || self.is_in_flight(quoted)
    }

    /// An ICMP error quotes a segment that this connection may have sent.
    pub(crate) fn on_icmp(
        &mut self,
        now: Instant,
        icmp: IcmpError,
        out: &mut Outbox,
    ) -> IcmpOutcome {
        if !self.is_in_flight(icmp.quoted_seq) {
            out.note(DropReason::IcmpNotInFlight);
            return IcmpOutcome::Ignored;
        }
        let Some(error) = icmp.kind.error() else {
            return IcmpOutcome::Ignored;
        };
        let opening = matches!(self.state(), State::SynSent | State::SynReceived);
        if opening && matches!(error, ConnError::Unreachable(_)) {
            // SHLD-26; RFC 5461 section 4: while opening, the soft codes end the attempt, too.
            self.end(now, Event::Icmp, Some(error), out);
            return IcmpOutcome::Hard;
        }
        // MUST-56, SHLD-25.
        out.soft_error = Some(error);
        out.wake |= Wake::ERROR;
        IcmpOutcome::Soft
    }
}
