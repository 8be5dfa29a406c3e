// SPDX-License-Identifier: GPL-2.0

//! Explicit congestion notification (RFC 3168): the path marks packets instead of dropping them, the receiver echoes the
//! marks (ECE) until the sender says that it has reacted (CWR).

use super::config::Config;
use super::records::RecordList;
use super::segment::{Flags, Segment};
use super::tcb::Tcb;
use super::time::Instant;

/// The `ecn` setting with which connections that we open offer it, too.
const OFFER: u8 = 1;

/// What ECN remembers of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ecn {
    /// Offered in SYN-SENT, agreed upon after it.
    pub(super) on: bool,
    /// A mark came: our ACKs say so until the peer has reacted.
    pub(super) echo: bool,
    /// We have reduced the window: the next new data says so.
    pub(super) cwr_due: bool,
}

/// What a SYN says that offers ECN (RFC 3168 section 6.1.1).
const SYN_OFFER: Flags = Flags::ECE.union(Flags::CWR);

/// Whether a SYN for a listener offers ECN, and the settings take it.
pub(super) fn is_offered(segment: &Segment, cfg: &Config) -> bool {
    cfg.ecn != 0 && segment.flags.contains(SYN_OFFER)
}

/// The bits that a SYN-ACK adds (RFC 3168 section 6.1.1).
pub(super) fn syn_ack_flags(on: bool) -> Flags {
    if on {
        Flags::ECE
    } else {
        Flags::from_bits(0)
    }
}

impl Ecn {
    /// An active open.
    pub(super) fn opening(cfg: &Config) -> Self {
        Self {
            on: cfg.ecn == OFFER,
            ..Self::default()
        }
    }

    /// The bits that our SYN adds. RFC 3168 6.1.1.1: one that was lost may have been dropped for them.
    pub(super) fn syn_flags(&mut self, again: bool) -> Flags {
        self.on &= !again;
        if self.on {
            SYN_OFFER
        } else {
            Flags::from_bits(0)
        }
    }

    /// The peer's SYN or SYN-ACK came. RFC 3168 6.1.1: ECE alone accepts; both bits are an echo by some router or an offer.
    pub(super) fn on_peer_syn(&mut self, segment: &Segment) {
        let accepted = segment.flags.contains(Flags::ECE) && !segment.flags.contains(Flags::CWR);
        self.on &= accepted && segment.flags.contains(Flags::ACK);
    }
}

impl<L: RecordList> Tcb<L> {
    /// Reads the marks of an acceptable segment: RFC 3168 6.1.2 and 6.1.3.
    #[inline]
    pub(super) fn note_ecn(&mut self, now: Instant, segment: &Segment) {
        if !self.ecn.on {
            return;
        }
        if segment.flags.contains(Flags::CWR) && segment.payload_len != 0 {
            self.ecn.echo = false;
        }
        if segment.ce {
            self.ecn.echo = true;
        }
        if segment.flags.contains(Flags::ECE) && segment.flags.contains(Flags::ACK) {
            self.on_congestion_echo(now, segment.ack);
        }
    }

    /// The bits that a segment with ACK adds, and whether IP may mark it: only new data may be (RFC 3168 sections 6.1.4
    /// to 6.1.6).
    #[inline]
    pub(super) fn ecn_of(&mut self, is_new_data: bool) -> (Flags, bool) {
        if !self.ecn.on {
            return (Flags::from_bits(0), false);
        }
        let mut flags = Flags::from_bits(0);
        if self.ecn.echo {
            flags |= Flags::ECE;
        }
        if is_new_data && core::mem::take(&mut self.ecn.cwr_due) {
            flags |= Flags::CWR;
        }
        (flags, is_new_data)
    }
}
