// SPDX-License-Identifier: GPL-2.0

//! The retransmission timeout (RFC 6298), from a sample of each acknowledgment (RFC 7323 section 4.1, appendix G).
//!
//! One deviation: the timeout is at least 200 ms above the smoothed round-trip time, as in Linux, and not at least one second (RFC
//! 6298 section 2.4), so that a loss on a fast path does not stall the connection for a second. The margin covers a peer that
//! delays its ACK, also on a path so steady that the variance is nothing.

use super::time::Duration;

/// The timeout before there is a sample (section 2.1).
const INITIAL_RTO: Duration = Duration::from_secs(1);

/// The timeout for data whose SYN had to be retransmitted (section 5.7).
const RTO_AFTER_SYN_LOSS: Duration = Duration::from_secs(3);

/// The timeout is at least so much longer than the smoothed round-trip time. It is more than G of RFC 6298.
const MIN_MARGIN: Duration = Duration::from_ms(200);

/// No round trip has more samples than this: what they weigh must not vanish in the rounding.
const MAX_SAMPLES: u32 = 64;

/// The longest timeout, backoff included (section 2.5: at least 60 s).
const MAX_RTO: Duration = Duration::from_secs(120);

/// No sample counts for more than this: it keeps the sums within 32 bits.
const MAX_SAMPLE_US: u64 = MAX_RTO.as_us();

/// Doubled this often, the shortest timeout is beyond the longest.
const MAX_BACKOFF: u8 = 10;

/// The estimator of one connection's round-trip time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RttEstimator {
    /// SRTT in microseconds; 0 before the first sample.
    srtt_us: u32,
    /// RTTVAR in microseconds.
    rttvar_us: u32,
    /// The timeout without backoff.
    base: Duration,
    /// How often the timeout is doubled.
    backoff: u8,
}

impl RttEstimator {
    /// An estimator without a sample: RFC 6298 section 2.1.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            srtt_us: 0,
            rttvar_us: 0,
            base: INITIAL_RTO,
            backoff: 0,
        }
    }

    /// Takes the measured round-trip time of a segment that was not retransmitted, or that timestamps tell apart
    /// (section 3); the backoff ends. `expected_samples` is how many samples come in one round trip: together they weigh
    /// as much as one would (RFC 7323 appendix G).
    pub(crate) fn on_sample(&mut self, rtt: Duration, expected_samples: u32) {
        let shift = expected_samples
            .clamp(1, MAX_SAMPLES)
            .next_power_of_two()
            .trailing_zeros();
        let rtt_us = rtt.as_us().clamp(1, MAX_SAMPLE_US) as u32;
        if self.srtt_us == 0 {
            // RFC 6298 2.2: the first sample.
            self.srtt_us = rtt_us;
            self.rttvar_us = rtt_us / 2;
        } else {
            // RFC 6298 2.3: beta is 1/4, alpha is 1/8; RTTVAR first, from the old SRTT.
            let deviation = self.srtt_us.abs_diff(rtt_us);
            self.rttvar_us = weigh(self.rttvar_us, deviation, 2 + shift);
            self.srtt_us = weigh(self.srtt_us, rtt_us, 3 + shift).max(1);
        }
        let margin = Duration::from_us(u64::from(self.rttvar_us).saturating_mul(4));
        self.base =
            (Duration::from_us(u64::from(self.srtt_us)) + margin.max(MIN_MARGIN)).min(MAX_RTO);
        self.backoff = 0;
    }

    /// The retransmission timeout, backoff included: more than 200 ms, at most 120 s.
    #[inline]
    pub(crate) fn rto(&self) -> Duration {
        let mut rto = self.base;
        for _ in 0..self.backoff {
            rto = rto.doubled();
        }
        rto.min(MAX_RTO)
    }

    /// Doubles the timeout after a retransmission: RFC 6298 section 5.5.
    #[inline]
    pub(crate) fn back_off(&mut self) {
        if self.backoff < MAX_BACKOFF {
            self.backoff = self.backoff.saturating_add(1);
        }
    }

    /// The connection was established, but its SYN had to be retransmitted: RFC 6298 section 5.7. No effect where there
    /// is a sample.
    pub(crate) fn on_syn_lost(&mut self) {
        self.backoff = 0;
        if self.srtt_us == 0 {
            self.base = RTO_AFTER_SYN_LOSS;
        }
    }

    /// SRTT in microseconds; 0 before the first sample.
    #[inline]
    pub(crate) const fn srtt_us(&self) -> u32 {
        self.srtt_us
    }

    /// RTTVAR in microseconds; 0 before the first sample.
    pub(crate) const fn rttvar_us(&self) -> u32 {
        self.rttvar_us
    }
}

/// The mean of `old` and `new`, where `new` weighs 1 of a whole of 2^`shift`.
#[inline]
fn weigh(old: u32, new: u32, shift: u32) -> u32 {
    let share = (1u64 << shift) - 1;
    // Both are at most MAX_SAMPLE_US: no sum comes near 64 bits, no mean exceeds 32.
    ((u64::from(old) * share + u64::from(new)) >> shift) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(samples_ms: &[u64]) -> RttEstimator {
        let mut rtt = RttEstimator::new();
        for &ms in samples_ms {
            rtt.on_sample(Duration::from_ms(ms), 1);
        }
        rtt
    }

    #[test]
    fn the_timeout_is_one_second_before_the_first_sample() {
        assert_eq!(RttEstimator::new().rto(), Duration::from_secs(1));
        assert_eq!(RttEstimator::new().srtt_us(), 0);
        assert_eq!(RttEstimator::new().rttvar_us(), 0);
    }

    #[test]
    fn the_first_sample_sets_both_estimates() {
        let rtt = after(&[400]);
        assert_eq!(rtt.srtt_us(), 400_000);
        assert_eq!(rtt.rttvar_us(), 200_000);
        assert_eq!(rtt.rto(), Duration::from_ms(1_200));
    }

    #[test]
    fn later_samples_are_weighed() {
        let rtt = after(&[400, 800]);
        // 3/4 of 200 + 1/4 of |400 - 800|; 7/8 of 400 + 1/8 of 800.
        assert_eq!(rtt.rttvar_us(), 250_000);
        assert_eq!(rtt.srtt_us(), 450_000);
        assert_eq!(rtt.rto(), Duration::from_ms(1_450));
        let rtt = after(&[800, 400]);
        assert_eq!(rtt.rttvar_us(), 400_000);
        assert_eq!(rtt.srtt_us(), 750_000);
    }

    #[test]
    fn the_samples_of_one_round_trip_weigh_as_much_as_one() {
        let mut many = after(&[400]);
        for _ in 0..16 {
            many.on_sample(Duration::from_ms(800), 16);
        }
        // One of 800 ms would give 450 ms; the later of sixteen meet a mean that has moved.
        assert!((445_000..=450_000).contains(&many.srtt_us()));
        // However many are claimed, a change of the path is seen in time.
        let mut crowd = after(&[400]);
        for _ in 0..2_000 {
            crowd.on_sample(Duration::from_ms(800), u32::MAX);
        }
        assert!(crowd.srtt_us() > 790_000);
    }

    #[test]
    fn a_steady_path_brings_the_timeout_to_its_margin_above_the_path() {
        assert_eq!(after(&[1; 100]).rto(), Duration::from_ms(201));
        assert_eq!(after(&[500; 200]).rto(), Duration::from_ms(700));
        assert_eq!(after(&[0; 100]).rto(), Duration::from_us(200_001));
    }

    #[test]
    fn the_timeout_has_a_ceiling() {
        let mut rtt = after(&[u64::MAX, 0, u64::MAX]);
        assert_eq!(rtt.rto(), MAX_RTO);
        for _ in 0..300 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), MAX_RTO);
    }

    #[test]
    fn each_backoff_doubles_the_timeout() {
        let mut rtt = RttEstimator::new();
        for seconds in [1, 2, 4, 8, 16, 32, 64, 120, 120] {
            assert_eq!(rtt.rto(), Duration::from_secs(seconds));
            rtt.back_off();
        }
        rtt.on_sample(Duration::from_ms(100), 1);
        assert_eq!(rtt.rto(), Duration::from_ms(300));
    }

    #[test]
    fn even_the_shortest_timeout_backs_off_to_the_longest() {
        let mut rtt = after(&[1; 100]);
        for _ in 0..MAX_BACKOFF {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), MAX_RTO);
    }

    #[test]
    fn a_lost_syn_leaves_three_seconds() {
        let mut rtt = RttEstimator::new();
        rtt.back_off();
        rtt.on_syn_lost();
        assert_eq!(rtt.rto(), Duration::from_secs(3));
        rtt.on_sample(Duration::from_ms(400), 1);
        assert_eq!(rtt.rto(), Duration::from_ms(1_200));
        // Timestamps gave a sample in spite of the loss: it holds.
        rtt.on_syn_lost();
        assert_eq!(rtt.rto(), Duration::from_ms(1_200));
    }
}
