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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
