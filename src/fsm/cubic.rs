// SPDX-License-Identifier: GPL-2.0

//! CUBIC (RFC 9438): congestion avoidance along a cubic curve of time, which is steep far from the window where
//! congestion was met and flat next to it.
//!
//! Windows are in octets, times in milliseconds, and all arithmetic is in integers. The curve in octets is that of the RFC,
//! which is in segments, times the MSS.

use super::congestion::{Algorithm, WindowAck};
use super::time::{Duration, Instant};

/// C (section 5.1), 0.4 segments per cubic second, as a fraction.
const C_NUMERATOR: u64 = 2;
const C_DENOMINATOR: u64 = 5;

/// beta_cubic (section 4.6) in tenths: what congestion leaves of the window.
const BETA_TENTHS: u64 = 7;

/// (1 + beta_cubic) / 2 (section 4.7), in hundredths: what fast convergence leaves of W_max.
const FAST_CONVERGENCE_HUNDREDTHS: u64 = 85;

/// alpha_cubic (section 4.3), 3 * (1 - beta_cubic) / (1 + beta_cubic), as a fraction.
const ALPHA: (u64, u64) = (9, 17);

/// alpha_cubic once the window is what it was before the reduction (section 4.3).
const ALPHA_AFTER: (u64, u64) = (1, 1);

/// A distance in time from K beyond which the curve is no further followed: the window is 3.2 * 10^9 segments there.
/// Twice its cube is within 64 bits.
const MAX_DISTANCE_MS: u64 = 2_000_000;

/// Cubic milliseconds in a cubic second.
const MS3_PER_S3: u64 = 1_000_000_000;

/// Where Cubic is on its curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cubic {
    /// W_max in octets, less what fast convergence takes; 0: no congestion was met that could tell.
    w_max: u32,
    /// cwnd_prior: the window before the last reduction, in octets.
    cwnd_prior: u32,
    /// W_est: the window that Reno would have, in octets.
    w_est: u32,
    /// K: when after the start of the epoch the curve is at W_max, in milliseconds.
    k_ms: u32,
    /// t_epoch: when this stage of congestion avoidance began, in milliseconds, modulo 2^32. Time in which the window was
    /// not used is added to it (section 5.8).
    epoch_ms: u32,
    /// When the last acknowledgment came, in milliseconds, modulo 2^32.
    last_ms: u32,
    /// The remainder of the last division that widened cwnd, in parts of cwnd.
    cwnd_rest: u32,
    /// The same for W_est.
    est_rest: u32,
    /// Whether a stage of congestion avoidance is under way: `k_ms`, `epoch_ms`, `last_ms` and `w_est` hold.
    in_epoch: bool,
}

impl Cubic {
    /// Section 4.2: a stage of congestion avoidance begins with the window `cwnd`.
    fn start_epoch(&mut self, now_ms: u32, cwnd: u32, mss: u32) {
        self.in_epoch = true;
        self.epoch_ms = now_ms;
        self.last_ms = now_ms;
        self.cwnd_rest = 0;
        self.est_rest = 0;
        // Section 4.3.
        self.w_est = cwnd;
        // Sections 4.8 and 4.10: where the curve has no W_max above the window, it starts at its flat point.
        self.w_max = self.w_max.max(cwnd);
        self.k_ms = time_to_climb_ms(self.w_max.saturating_sub(cwnd), mss);
    }

    /// W_cubic(t), section 4.2, figure 1, in octets; 0 where the curve is below.
    fn w_cubic(&self, t_ms: u64, mss: u32) -> u32 {
        let k_ms = u64::from(self.k_ms);
        let distance_ms = t_ms.abs_diff(k_ms).min(MAX_DISTANCE_MS);
        // At most 8 * 10^18, and twice that: within 64 bits.
        let cube = distance_ms
            .saturating_mul(distance_ms)
            .saturating_mul(distance_ms);
        // In thousandths of a segment, so that the product with the MSS stays within 64 bits.
        let thousandths = cube.saturating_mul(C_NUMERATOR) / (C_DENOMINATOR * (MS3_PER_S3 / 1_000));
        let octets = to_u32(thousandths.saturating_mul(u64::from(mss)) / 1_000);
        if t_ms < k_ms {
            self.w_max.saturating_sub(octets)
        } else {
            self.w_max.saturating_add(octets)
        }
    }

    /// Section 4.3, figure 4: W_est for `acked` more octets.
    fn grow_estimate(&mut self, ack: &WindowAck, acked: u32) {
        let (numerator, denominator) = if self.w_est < self.cwnd_prior {
            ALPHA
        } else {
            ALPHA_AFTER
        };
        let per_window = u64::from(ack.cwnd.max(1)).saturating_mul(denominator);
        let sum = u64::from(acked)
            .saturating_mul(u64::from(ack.mss))
            .saturating_mul(numerator)
            .saturating_add(u64::from(self.est_rest).saturating_mul(denominator));
        self.w_est = self.w_est.saturating_add(to_u32(sum / per_window));
        self.est_rest = to_u32(sum % per_window / denominator);
    }
}

impl Algorithm for Cubic {
    fn on_ack(&mut self, ack: &WindowAck) -> u32 {
        let now_ms = ms(ack.now);
        if !self.in_epoch {
            self.start_epoch(now_ms, ack.cwnd, ack.mss);
        }
        self.last_ms = now_ms;
        // More than a window cannot have been acknowledged at once; it bounds the products.
        let acked = ack.acked.min(ack.cwnd);
        self.grow_estimate(ack, acked);

        let t_ms = u64::from(elapsed_ms(now_ms, self.epoch_ms));
        let most = ack.cwnd.saturating_add(acked);
        if self.w_cubic(t_ms, ack.mss) < self.w_est {
            // Section 4.3: the Reno-friendly region. Never faster than slow start would be.
            return self.w_est.clamp(ack.cwnd, most);
        }
        // Section 4.2: target is W_cubic(t + RTT), at least cwnd and at most half as much again.
        let rtt_ms = u64::from(ack.srtt_us / 1_000);
        let target = self
            .w_cubic(t_ms.saturating_add(rtt_ms), ack.mss)
            .clamp(ack.cwnd, ack.cwnd.saturating_add(ack.cwnd / 2));
        // Sections 4.4 and 4.5: (target - cwnd) / cwnd for each octet. At most 2^31 * 2^32, so that the sum fits.
        let cwnd = u64::from(ack.cwnd.max(1));
        let sum = u64::from(target.saturating_sub(ack.cwnd))
            .saturating_mul(u64::from(acked))
            .saturating_add(u64::from(self.cwnd_rest));
        self.cwnd_rest = to_u32(sum % cwnd);
        ack.cwnd.saturating_add(to_u32(sum / cwnd)).min(most)
    }

    fn on_unused(&mut self, now: Instant) {
        // Section 5.8: the curve does not go on while the window is not used.
        let now_ms = ms(now);
        let unused_ms = elapsed_ms(now_ms, self.last_ms);
        self.epoch_ms = self.epoch_ms.wrapping_add(unused_ms);
        self.last_ms = now_ms;
    }

    fn on_idle(&mut self, idle: Duration) {
        // Section 5.8. More than a quarter of what the clock can tell is no different from it.
        let idle_ms = to_u32(idle.as_us() / 1_000).min(u32::MAX / 4);
        self.epoch_ms = self.epoch_ms.wrapping_add(idle_ms);
        self.last_ms = self.last_ms.wrapping_add(idle_ms);
    }

    fn reduced(&self, octets: u32) -> u32 {
        // Section 4.6, figure 5.
        to_u32(u64::from(octets) * BETA_TENTHS / 10)
    }

    fn on_congestion(&mut self, cwnd: u32) {
        // Section 4.7: a flow that could not regain its window leaves room for new ones.
        self.w_max = if cwnd < self.w_max {
            to_u32(u64::from(cwnd) * FAST_CONVERGENCE_HUNDREDTHS / 100)
        } else {
            cwnd
        };
        self.cwnd_prior = cwnd;
        self.in_epoch = false;
    }

    fn on_timeout(&mut self, cwnd: u32) {
        // Section 4.8: the next stage has K = 0, and begins at W_max.
        self.w_max = 0;
        self.cwnd_prior = cwnd;
        self.in_epoch = false;
    }

    fn on_slow_start(&mut self) {
        self.in_epoch = false;
    }

    fn rescale(&mut self, old_mss: u32, new_mss: u32) {
        self.w_max = rescaled(self.w_max, old_mss, new_mss);
        self.cwnd_prior = rescaled(self.cwnd_prior, old_mss, new_mss);
        self.in_epoch = false;
    }
}

/// `octets` of segments of `old_mss` octets, where segments now have `new_mss` octets: as many segments as before.
pub(super) fn rescaled(octets: u32, old_mss: u32, new_mss: u32) -> u32 {
    to_u32(u64::from(octets) * u64::from(new_mss) / u64::from(old_mss.max(1)))
}

/// K, section 4.2, figure 2: how long the curve takes to climb `octets`, in milliseconds.
fn time_to_climb_ms(octets: u32, mss: u32) -> u32 {
    // (W_max - cwnd_epoch) / C in cubic milliseconds: at most 1.08 * 10^19, which is within 64 bits.
    let cube = u64::from(octets).saturating_mul(MS3_PER_S3 / C_NUMERATOR * C_DENOMINATOR);
    cube_root(cube / u64::from(mss.max(1)))
}

/// The cube root, rounded down: at most 2642245.
fn cube_root(x: u64) -> u32 {
    // No cube root of 64 bits has more than 22.
    const HIGHEST_BIT: u32 = 1 << 21;
    let mut root = 0u32;
    let mut bit = HIGHEST_BIT;
    while bit != 0 {
        let candidate = u64::from(root | bit);
        if candidate
            .checked_mul(candidate)
            .and_then(|square| square.checked_mul(candidate))
            .is_some_and(|cube| cube <= x)
        {
            root |= bit;
        }
        bit >>= 1;
    }
    root
}

/// An instant in milliseconds, modulo 2^32: 49 days.
fn ms(instant: Instant) -> u32 {
    (instant.as_us() / 1_000) as u32
}

/// The milliseconds from `earlier` to `now`; 0 if `earlier` is the later one.
fn elapsed_ms(now_ms: u32, earlier_ms: u32) -> u32 {
    let elapsed_ms = now_ms.wrapping_sub(earlier_ms);
    if elapsed_ms > u32::MAX / 2 {
        0
    } else {
        elapsed_ms
    }
}

/// The number, or the largest one that fits.
fn to_u32(x: u64) -> u32 {
    u32::try_from(x).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1_000;

    /// Full segments of 1000 octets are acknowledged after so many milliseconds.
    fn ack(ms: u64, cwnd: u32, acked: u32, rtt_ms: u32) -> WindowAck {
        WindowAck {
            now: Instant::from_us(ms * 1_000),
            acked,
            cwnd,
            mss: MSS,
            srtt_us: rtt_ms * 1_000,
        }
    }

    /// In the stage that begins at 0 ms with a window of `cwnd`, after congestion at `w_max`.
    fn after_congestion(w_max: u32, cwnd: u32) -> Cubic {
        let mut cubic = Cubic::default();
        cubic.on_congestion(w_max);
        cubic.start_epoch(0, cwnd, MSS);
        cubic
    }

    #[test]
    fn cube_roots_are_rounded_down() {
        for (x, root) in [
            (0, 0),
            (1, 1),
            (7, 1),
            (8, 2),
            (26, 2),
            (27, 3),
            (1_000_000_000_000_000_000, 1_000_000),
            (999_999_999_999_999_999, 999_999),
            // 2642245^3, the last cube within 64 bits.
            (18_446_724_184_312_856_125, 2_642_245),
            (18_446_724_184_312_856_124, 2_642_244),
            (u64::MAX, 2_642_245),
        ] {
            assert_eq!(cube_root(x), root, "{x}");
        }
    }

    #[test]
    fn the_way_back_takes_the_cube_root_of_what_is_missing() {
        // (100 - 70) / 0.4 = 75, whose cube root is 4.2172.
        assert_eq!(time_to_climb_ms(30_000, 1_000), 4_217);
        // (1000 - 700) / 0.4 = 750: 9.0856. The same in segments of 1460 octets.
        assert_eq!(time_to_climb_ms(300_000, 1_000), 9_085);
        assert_eq!(time_to_climb_ms(438_000, 1_460), 9_085);
        assert_eq!(time_to_climb_ms(0, 1_000), 0);
        // 2^32 / 0.4 cubic seconds are 2206 s.
        assert_eq!(time_to_climb_ms(u32::MAX, 1), 2_206_141);
        assert_eq!(time_to_climb_ms(u32::MAX, 0), 2_206_141);
    }

    #[test]
    fn the_curve_is_flat_at_the_old_window_and_steep_elsewhere() {
        // W_cubic(t) = 0.4 (t - 4.2172)^3 + 100 segments.
        let cubic = after_congestion(100_000, 70_000);
        for (ms, octets) in [
            (0, 70_000),
            (1_000, 86_680),
            (2_000, 95_640),
            (4_217, 100_000),
            (5_000, 100_192),
            (8_000, 121_652),
            (20_000, 1_672_580),
        ] {
            // K is rounded to milliseconds: a few octets.
            let error = cubic.w_cubic(ms, MSS).abs_diff(octets);
            assert!(error <= octets / 10_000, "{ms} ms: {error} octets beside");
        }
        // In segments of 500 octets, the window of as many segments takes as long.
        let mut small = Cubic::default();
        small.on_congestion(50_000);
        small.start_epoch(0, 35_000, 500);
        assert_eq!(small.k_ms, cubic.k_ms);
        assert!(small.w_cubic(8_000, 500).abs_diff(60_826) <= 6);
    }

    #[test]
    fn the_curve_has_an_end_in_both_directions() {
        let cubic = after_congestion(100_000, 70_000);
        assert_eq!(cubic.w_cubic(u64::MAX, MSS), u32::MAX);
        assert_eq!(cubic.w_cubic(u64::MAX, 65_535), u32::MAX);
        let mut late = cubic;
        late.k_ms = u32::MAX;
        assert_eq!(late.w_cubic(0, MSS), 0);
    }

    #[test]
    fn each_acknowledgment_makes_a_part_of_the_way_to_the_curve() {
        let mut cubic = after_congestion(100_000, 70_000);
        // W_cubic(1.1 s) = 100 - 0.4 * 3.1172^3 = 87.884 segments: 17884 octets in 70 segments.
        let cwnd = cubic.on_ack(&ack(1_000, 70_000, 1_000, 100));
        assert_eq!(cwnd, 70_255);
        // What the divisions left is not lost: 17884 / 70 = 255.5.
        let mut cubic = after_congestion(100_000, 70_000);
        let grown: u32 = (0..70)
            .map(|_| cubic.on_ack(&ack(1_000, 70_000, 1_000, 100)) - 70_000)
            .sum();
        assert!(grown.abs_diff(17_884) <= 4, "{grown}");
    }

    #[test]
    fn a_window_grows_by_half_in_a_round_trip_at_most() {
        // Section 4.2: W_cubic(20 s) is 1672 segments, but the target 105: 35000 octets in 70 segments.
        let mut cubic = after_congestion(100_000, 70_000);
        assert_eq!(cubic.on_ack(&ack(20_000, 70_000, 1_000, 100)), 70_500);
    }

    #[test]
    fn the_window_follows_the_curve() {
        // 1460 octets, 200 ms, from 70 to 100 segments and beyond: an acknowledgment for each segment.
        let mss = 1_460;
        let mut cubic = Cubic::default();
        cubic.on_congestion(146_000);
        let (mut cwnd, mut us) = (102_200, 0);
        while us < 9_000_000 {
            cwnd = cubic.on_ack(&WindowAck {
                now: Instant::from_us(us),
                acked: mss,
                cwnd,
                mss,
                srtt_us: 200_000,
            });
            us += u64::from(200_000 * mss / cwnd);
            let curve = f64::from(mss) * (0.4 * (us as f64 / 1e6 - 4.217_16).powi(3) + 100.0);
            let error = (f64::from(cwnd) / curve - 1.0).abs();
            assert!(error < 0.02, "{us} us: {cwnd} beside {curve}");
        }
        assert!(cwnd > 190_000, "{cwnd}");
    }

    #[test]
    fn over_a_short_path_cubic_is_as_fast_as_reno() {
        // Section 4.3: 1 ms, 7 of 10 segments left. The curve needs two seconds, Reno 9/17 segments for each window until
        // the old window is reached, a segment then.
        let mut cubic = after_congestion(10_000, 7_000);
        let mut cwnd = 7_000;
        for (ms, expected) in [
            (1, 7_529),
            (2, 8_058),
            (3, 8_588),
            (4, 9_117),
            (5, 9_647),
            (6, 10_176),
            (7, 11_176),
            (8, 12_176),
        ] {
            cwnd = cubic.on_ack(&ack(ms, cwnd, cwnd, 1));
            // The fraction of an octet in each division.
            assert!(cwnd.abs_diff(expected) <= 1, "{ms} ms: {cwnd}");
        }
    }

    #[test]
    fn a_flow_that_did_not_regain_its_window_leaves_room() {
        // Section 4.7.
        let mut cubic = after_congestion(100_000, 70_000);
        cubic.on_congestion(80_000);
        assert_eq!((cubic.w_max, cubic.cwnd_prior), (68_000, 80_000));
        // (68 - 56) / 0.4 = 30: 3.1072.
        cubic.start_epoch(0, 56_000, MSS);
        assert_eq!(cubic.k_ms, 3_107);
        // It came back to the old window: all of it counts.
        cubic.on_congestion(68_000);
        assert_eq!(cubic.w_max, 68_000);
    }

    #[test]
    fn congestion_leaves_seven_tenths() {
        let cubic = Cubic::default();
        assert_eq!(cubic.reduced(100_000), 70_000);
        assert_eq!(cubic.reduced(9), 6);
        assert_eq!(cubic.reduced(0), 0);
        assert_eq!(cubic.reduced(u32::MAX), 3_006_477_106);
    }

    #[test]
    fn without_an_old_window_the_curve_starts_flat() {
        // Sections 4.8 and 4.10: K = 0, W_max = cwnd; 0.4 segments after a second, 50 after five.
        let mut after_timeout = after_congestion(100_000, 70_000);
        after_timeout.on_timeout(100_000);
        for mut cubic in [Cubic::default(), after_timeout] {
            cubic.start_epoch(0, 20_000, MSS);
            assert_eq!((cubic.k_ms, cubic.w_max, cubic.w_est), (0, 20_000, 20_000));
            assert_eq!(cubic.w_cubic(1_000, MSS), 20_400);
            assert_eq!(cubic.w_cubic(5_000, MSS), 70_000);
        }
    }

    #[test]
    fn time_in_which_the_window_is_not_used_does_not_count() {
        // Section 5.8. An acknowledgment each second, of which only the last finds the window full.
        let mut cubic = after_congestion(100_000, 70_000);
        for s in 1..=10 {
            cubic.on_unused(Instant::from_us(s * 1_000_000));
        }
        let mut other = after_congestion(100_000, 70_000);
        assert_eq!(
            cubic.on_ack(&ack(11_000, 70_000, 1_000, 100)),
            other.on_ack(&ack(1_000, 70_000, 1_000, 100))
        );
        // Nothing in flight for ten seconds.
        let mut cubic = after_congestion(100_000, 70_000);
        cubic.on_idle(Duration::from_secs(10));
        let mut other = after_congestion(100_000, 70_000);
        assert_eq!(
            cubic.on_ack(&ack(11_000, 70_000, 1_000, 100)),
            other.on_ack(&ack(1_000, 70_000, 1_000, 100))
        );
        // More idle than time has passed is no negative time.
        let mut cubic = after_congestion(100_000, 70_000);
        cubic.on_idle(Duration::from_us(u64::MAX));
        let cwnd = cubic.on_ack(&ack(1_000, 70_000, 1_000, 0));
        assert!((70_000..70_010).contains(&cwnd), "{cwnd}");
    }

    #[test]
    fn the_clock_may_wrap() {
        let start_ms = (1 << 32) - 500;
        let mut cubic = Cubic::default();
        cubic.on_congestion(100_000);
        cubic.on_ack(&ack(start_ms, 70_000, 1, 100));
        let mut other = after_congestion(100_000, 70_000);
        other.on_ack(&ack(0, 70_000, 1, 100));
        assert_eq!(
            cubic.on_ack(&ack(start_ms + 1_000, 70_000, 1_000, 100)),
            other.on_ack(&ack(1_000, 70_000, 1_000, 100))
        );
    }

    #[test]
    fn smaller_segments_keep_their_number() {
        let mut cubic = after_congestion(100_000, 70_000);
        cubic.rescale(1_000, 500);
        assert_eq!((cubic.w_max, cubic.cwnd_prior), (50_000, 50_000));
        assert!(!cubic.in_epoch);
        assert_eq!(rescaled(u32::MAX, 1, 65_535), u32::MAX);
        assert_eq!(rescaled(1_000, 0, 500), 500_000);
    }
}
