// SPDX-License-Identifier: GPL-2.0

//! The congestion avoidance of RFC 5681 ("Reno"): a segment more for each window that was acknowledged, half as much
//! after congestion. The octets are counted as in RFC 3465 section 2.1.

use super::congestion::{Algorithm, WindowAck};
use super::time::{Duration, Instant};

/// What Reno remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reno {
    /// Octets that were acknowledged since the window was last widened.
    acked: u32,
}

impl Algorithm for Reno {
    fn on_ack(&mut self, ack: &WindowAck) -> u32 {
        // RFC 5681 3.1, RFC 3465 2.1: one segment for each window that was acknowledged.
        self.acked = self.acked.saturating_add(ack.acked);
        if self.acked < ack.cwnd {
            return ack.cwnd;
        }
        self.acked = self.acked.saturating_sub(ack.cwnd);
        ack.cwnd.saturating_add(ack.mss)
    }

    fn on_unused(&mut self, _now: Instant) {}

    fn on_idle(&mut self, _idle: Duration) {}

    fn reduced(&self, octets: u32) -> u32 {
        // RFC 5681 3.1, equation 4.
        octets / 2
    }

    fn on_congestion(&mut self, _cwnd: u32) {
        self.acked = 0;
    }

    fn on_timeout(&mut self, _cwnd: u32) {
        self.acked = 0;
    }

    fn on_slow_start(&mut self) {
        self.acked = 0;
    }

    fn rescale(&mut self, _old_mss: u32, _new_mss: u32) {
        self.acked = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(cwnd: u32, acked: u32) -> WindowAck {
        WindowAck {
            now: Instant::from_us(0),
            acked,
            cwnd,
            mss: 1_000,
            srtt_us: 0,
        }
    }

    #[test]
    fn each_window_gives_a_segment() {
        let mut reno = Reno::default();
        for _ in 0..3 {
            assert_eq!(reno.on_ack(&ack(4_000, 1_000)), 4_000);
        }
        assert_eq!(reno.on_ack(&ack(4_000, 1_000)), 5_000);
        // What was acknowledged beyond the window counts for the next one.
        assert_eq!(reno.on_ack(&ack(5_000, 7_000)), 6_000);
        assert_eq!(reno.on_ack(&ack(6_000, 4_000)), 7_000);
    }

    #[test]
    fn congestion_halves_and_starts_to_count_anew() {
        let mut reno = Reno::default();
        assert_eq!(reno.on_ack(&ack(4_000, 3_999)), 4_000);
        assert_eq!(reno.reduced(9_001), 4_500);
        reno.on_congestion(4_000);
        assert_eq!(reno.on_ack(&ack(2_000, 1_999)), 2_000);
        assert_eq!(reno.on_ack(&ack(2_000, 1)), 3_000);
    }
}
