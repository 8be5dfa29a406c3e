// SPDX-License-Identifier: GPL-2.0

//! Proportional rate reduction (RFC 9937, which follows RFC 6937): how much each acknowledgment of fast recovery lets
//! out, so that what is in flight ends at the slow start threshold, and the ACK clock never stops.

/// One episode of recovery; all in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prr {
    /// What is to be in flight at the end.
    target: u32,
    /// RecoverFS: what was in flight at the start; not 0.
    recover_fs: u32,
    /// prr_delivered: what was delivered since.
    delivered: u32,
    /// prr_out: what was sent since.
    out: u32,
}

impl Prr {
    /// An episode that starts with `recover_fs` octets in flight and is to end with `target` (section 6.1).
    pub(crate) fn new(recover_fs: u32, target: u32) -> Self {
        Self {
            target,
            recover_fs: recover_fs.max(1),
            delivered: 0,
            out: 0,
        }
    }

    /// What is to be in flight at the end, in octets.
    #[inline]
    pub(crate) const fn target(&self) -> u32 {
        self.target
    }

    /// Another target, in octets: segments have become smaller.
    #[inline]
    pub(crate) fn set_target(&mut self, target: u32) {
        self.target = target;
    }

    /// `octets` were sent, for the first time or again.
    #[inline]
    pub(crate) fn on_sent(&mut self, octets: u32) {
        self.out = self.out.saturating_add(octets);
    }

    /// The octets that may be sent now that an acknowledgment told of `delivered` octets, `pipe` octets are thought to
    /// be in flight, and `safe` is whether SND.UNA moved on and no further loss was seen. None: the acknowledgment changes nothing.
    pub(crate) fn on_ack(
        &mut self,
        delivered: u32,
        pipe: u32,
        safe: bool,
        mss: u32,
    ) -> Option<u32> {
        // RFC 9937 6.2: without a delivery nothing is let out. But where a timer found the loss, there was no
        // acknowledgment, and the first retransmission must go out all the same.
        if delivered == 0 && self.out != 0 {
            return None;
        }
        self.delivered = self.delivered.saturating_add(delivered);
        let room = if pipe > self.target {
            // RFC 9937 6.2: proportional reduction, rounded up.
            let share = (u64::from(self.delivered) * u64::from(self.target))
                .div_ceil(u64::from(self.recover_fs));
            let sent = u64::from(self.out);
            u32::try_from(share.saturating_sub(sent)).unwrap_or(u32::MAX)
        } else {
            // RFC 9937 6.2: as much as was delivered (PRR-CRB), and a segment more where recovery goes well (PRR-SSRB).
            let mut bound = self.delivered.saturating_sub(self.out).max(delivered);
            if safe {
                bound = bound.saturating_add(mss);
            }
            bound.min(self.target.saturating_sub(pipe))
        };
        if room == 0 && self.out == 0 {
            // RFC 9937 6.2: recovery starts with a retransmission.
            return Some(mss);
        }
        Some(room)
    }
}
