// SPDX-License-Identifier: GPL-2.0

//! Proportional rate reduction (RFC 9937, which follows RFC 6937): how much each acknowledgment of fast recovery lets
//! out, so that what is in flight ends at the slow start threshold, and the ACK clock never stops.

use core::num::NonZeroU32;

/// One episode of recovery; all in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Prr {
    /// What is to be in flight at the end.
    target: u32,
    /// RecoverFS: what was in flight at the start; 1 stands for nothing.
    recover_fs: NonZeroU32,
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
            recover_fs: NonZeroU32::new(recover_fs).unwrap_or(NonZeroU32::MIN),
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
            // RFC 9937 6.2: proportional reduction, rounded up: to whole segments, since nothing less is sent. prr_out makes good
            // for it; without it, the few ACKs of a small window would let nothing out.
            let share = (u64::from(self.delivered) * u64::from(self.target))
                .div_ceil(u64::from(self.recover_fs.get()));
            let sent = u64::from(self.out);
            let room = share
                .saturating_sub(sent)
                .div_ceil(u64::from(mss))
                .saturating_mul(u64::from(mss));
            u32::try_from(room).unwrap_or(u32::MAX)
        } else {
            // RFC 9937 6.2: as much as was delivered (PRR-CRB), and a segment more where recovery goes well (PRR-SSRB).
            let mut bound = self.delivered.saturating_sub(self.out).max(delivered);
            if safe {
                bound = bound.saturating_add(mss);
            }
            bound.min(self.target.saturating_sub(pipe))
        };
        if self.out == 0 {
            // RFC 9937 6.2: recovery starts with a retransmission. Less than a segment is as good as nothing.
            return Some(room.max(mss));
        }
        Some(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1_000;

    /// A sender whose first acknowledgment of recovery finds `pipe` segments in flight, and that sends what it may; each
    /// acknowledgment delivers one segment.
    struct Sender {
        prr: Prr,
        pipe: u32,
    }

    impl Sender {
        fn new(recover_fs: u32, target: u32, pipe: u32) -> Self {
            Self {
                prr: Prr::new(recover_fs * MSS, target * MSS),
                pipe: pipe + 1,
            }
        }

        /// The segments that the next acknowledgment lets out.
        fn ack(&mut self, safe: bool) -> u32 {
            self.pipe -= 1;
            let room = self.prr.on_ack(MSS, self.pipe * MSS, safe, MSS).unwrap();
            let segments = room / MSS;
            self.prr.on_sent(segments * MSS);
            self.pipe += segments;
            segments
        }
    }

    #[test]
    fn a_single_loss_lets_every_second_acknowledgment_send() {
        // RFC 6937 section 3.1: 20 segments, of which the first is lost. The third duplicate finds 22 sent, 3 of them
        // received and 1 lost; half of 20 are to remain.
        let mut sender = Sender::new(20, 10, 18);
        let sending: Vec<u32> = (3..20).filter(|_| sender.ack(false) == 1).collect();
        assert_eq!(sending, [3, 5, 7, 9, 11, 13, 15, 17]);
        assert_eq!(sender.pipe, 10);
    }

    #[test]
    fn seven_of_ten_acknowledgments_send_where_three_tenths_must_go() {
        // 100 segments, of which the first is lost, and CUBIC's factor: 102 sent, 3 received, 1 lost.
        let mut sender = Sender::new(100, 70, 98);
        let mut sent = 0;
        for delivered in 1..=91u32 {
            sent += sender.ack(false);
            assert_eq!(sent, (delivered * 7).div_ceil(10));
        }
        // A few more, and what is in flight is what it should be.
        for _ in 0..8 {
            sender.ack(false);
        }
        assert_eq!(sender.pipe, 70);
        // From here on, one for each: nothing more is lost, nothing is gained.
        for _ in 0..10 {
            assert_eq!(sender.ack(true), 1);
            assert_eq!(sender.pipe, 70);
        }
    }

    #[test]
    fn a_burst_of_losses_sends_what_is_delivered() {
        // RFC 6937 section 3.1, PRR-CRB: the first 15 of 20 are lost; RFC 9937 takes this bound as long as SND.UNA stands still.
        let mut sender = Sender::new(20, 10, 4);
        for _ in 17..20 {
            assert_eq!(sender.ack(false), 1);
            assert_eq!(sender.pipe, 5);
        }
    }

    #[test]
    fn progress_lets_a_segment_more_out() {
        // The same, PRR-SSRB: two segments for each, the pipe before them is 4, 5, 6.
        let mut sender = Sender::new(20, 10, 4);
        for pipe in 4..7 {
            assert_eq!(sender.ack(true), 2);
            assert_eq!(sender.pipe, pipe + 2);
        }
        // Never beyond the target.
        assert_eq!([0; 4].map(|_| sender.ack(true)), [2, 2, 1, 1]);
        assert_eq!(sender.pipe, 10);
    }

    #[test]
    fn recovery_begins_with_a_segment() {
        // Half of one would be due.
        let mut prr = Prr::new(20_000, 10_000);
        assert_eq!(prr.on_ack(1_000, 18_000, false, MSS), Some(MSS));
        // The pipe is full: nothing would be due.
        let mut prr = Prr::new(20_000, 10_000);
        assert_eq!(prr.on_ack(1_000, 10_000, true, MSS), Some(MSS));
        // A timer found the loss.
        let mut prr = Prr::new(20_000, 10_000);
        assert_eq!(prr.on_ack(0, 18_000, false, MSS), Some(MSS));
        prr.on_sent(MSS);
        // An acknowledgment without a delivery.
        assert_eq!(prr.on_ack(0, 18_000, false, MSS), None);
    }

    #[test]
    fn what_the_program_could_not_send_is_made_up_for() {
        // Ten deliveries without a transmission but the first: what is banked goes out at once, up to the target.
        let mut prr = Prr::new(20_000, 10_000);
        prr.on_sent(1_000);
        for pipe in (9..19).rev() {
            prr.on_ack(1_000, pipe * 1_000, false, MSS);
        }
        assert_eq!(prr.on_ack(1_000, 8_000, false, MSS), Some(2_000));
        assert_eq!(prr.on_ack(1_000, 2_000, false, MSS), Some(8_000));
    }

    #[test]
    fn the_extremes_are_borne() {
        let mut prr = Prr::new(0, u32::MAX);
        assert_eq!(prr.on_ack(u32::MAX, 0, true, u32::MAX), Some(u32::MAX));
        prr.on_sent(u32::MAX);
        prr.on_sent(u32::MAX);
        assert_eq!(prr.on_ack(u32::MAX, u32::MAX, true, 1), Some(0));
        let mut prr = Prr::new(1, u32::MAX - 1);
        assert_eq!(prr.on_ack(u32::MAX, u32::MAX, false, 1), Some(u32::MAX));
    }
}
