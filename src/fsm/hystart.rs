// SPDX-License-Identifier: GPL-2.0

//! HyStart++ (RFC 9406): slow start ends when the round-trip time rises, before packets are lost.
//!
//! After a rise, a few rounds of conservative slow start (CSS) tell whether it was one. A round ends when as many octets are acknowledged as
//! the window had at its start: what SND.NXT was then, for a sender that fills its window.

use super::time::Duration;

/// The least rise that counts, in microseconds (section 4.3).
const MIN_RTT_THRESH_US: u32 = 4_000;

/// The rise that always counts, in microseconds (section 4.3).
const MAX_RTT_THRESH_US: u32 = 16_000;

/// The rise in between is this fraction of the round-trip time (section 4.3).
const MIN_RTT_DIVISOR: u32 = 8;

/// Samples without which a round tells nothing (section 4.3).
const N_RTT_SAMPLE: u8 = 8;

/// How much slower the window grows in CSS (section 4.3).
const CSS_GROWTH_DIVISOR: u32 = 4;

/// Rounds of CSS until slow start ends (section 4.3).
const CSS_ROUNDS: u8 = 5;

/// No sample yet.
const INFINITE_US: u32 = u32::MAX;

/// The search for the end of slow start; times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HyStart {
    /// lastRoundMinRTT.
    last_round_us: u32,
    /// currentRoundMinRTT.
    this_round_us: u32,
    /// cssBaselineMinRtt; infinite outside of CSS.
    css_baseline_us: u32,
    /// Octets to be acknowledged until the round ends; 0: the next acknowledgment starts one.
    round_left: u32,
    /// rttSampleCount; what is more than enough is not counted.
    samples: u8,
    /// The rounds of CSS that have begun.
    css_rounds: u8,
}

impl HyStart {
    /// Before the first round.
    pub(crate) const fn new() -> Self {
        Self {
            last_round_us: INFINITE_US,
            this_round_us: INFINITE_US,
            css_baseline_us: INFINITE_US,
            round_left: 0,
            samples: 0,
            css_rounds: 0,
        }
    }

    /// By how many octets slow start may widen the window for `octets` that count.
    #[inline]
    pub(crate) fn growth(&self, octets: u32) -> u32 {
        if self.in_css() {
            // Section 4.2: growth in CSS.
            octets / CSS_GROWTH_DIVISOR
        } else {
            octets
        }
    }

    /// Whether the conservative slow start is under way.
    #[inline]
    pub(crate) const fn in_css(&self) -> bool {
        self.css_rounds != 0
    }

    /// `acked` octets were acknowledged in slow start, with the window `cwnd` before; `rtt` is a sample, if there is one.
    /// True: slow start ends here.
    pub(crate) fn on_ack(&mut self, acked: u32, rtt: Option<Duration>, cwnd: u32) -> bool {
        if self.round_left == 0 {
            // Section 4.2: a round begins.
            self.round_left = cwnd;
            self.last_round_us = self.this_round_us;
            self.this_round_us = INFINITE_US;
            self.samples = 0;
        }
        if let Some(rtt) = rtt {
            let rtt_us = u32::try_from(rtt.as_us()).unwrap_or(INFINITE_US);
            self.this_round_us = self.this_round_us.min(rtt_us);
            self.samples = self.samples.saturating_add(1);
        }
        self.judge();
        self.round_left = self.round_left.saturating_sub(acked);
        if self.round_left == 0 && self.in_css() {
            // Section 4.2: the round in which CSS began counts, too.
            if self.css_rounds >= CSS_ROUNDS {
                return true;
            }
            self.css_rounds = self.css_rounds.saturating_add(1);
        }
        false
    }

    /// Section 4.2: whether CSS begins, or was begun for nothing.
    fn judge(&mut self) {
        if self.samples < N_RTT_SAMPLE || self.this_round_us == INFINITE_US {
            return;
        }
        if self.in_css() {
            if self.this_round_us < self.css_baseline_us {
                self.css_baseline_us = INFINITE_US;
                self.css_rounds = 0;
            }
            return;
        }
        if self.last_round_us == INFINITE_US {
            return;
        }
        let rise_us =
            (self.last_round_us / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH_US, MAX_RTT_THRESH_US);
        if self.this_round_us >= self.last_round_us.saturating_add(rise_us) {
            self.css_baseline_us = self.this_round_us;
            self.css_rounds = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1_000;

    /// A sender that fills its window, and acknowledgments for single segments.
    struct Sender {
        hystart: HyStart,
        cwnd: u32,
        ended: bool,
    }

    impl Sender {
        fn new() -> Self {
            Self {
                hystart: HyStart::new(),
                cwnd: 10 * MSS,
                ended: false,
            }
        }

        fn ack(&mut self, rtt_us: u64) {
            let rtt = Some(Duration::from_us(rtt_us));
            self.ended |= self.hystart.on_ack(MSS, rtt, self.cwnd);
            self.cwnd += self.hystart.growth(MSS);
        }

        /// A round in which all samples are the same.
        fn round(&mut self, rtt_us: u64) {
            for _ in 0..self.cwnd / MSS {
                self.ack(rtt_us);
            }
        }
    }

    #[test]
    fn a_steady_path_is_no_reason_to_stop() {
        let mut sender = Sender::new();
        for round in 1..10 {
            sender.round(50_000);
            assert_eq!(sender.cwnd, (10 * MSS) << round);
        }
        assert!(!sender.hystart.in_css() && !sender.ended);
    }

    #[test]
    fn a_rise_by_an_eighth_counts_within_4_and_16_ms() {
        for (before_us, threshold_us) in [
            (1_000, 4_000),
            (32_000, 4_000),
            (80_000, 10_000),
            (128_000, 16_000),
            (400_000, 16_000),
        ] {
            for (rise_us, found) in [(threshold_us - 1, false), (threshold_us, true)] {
                let mut sender = Sender::new();
                sender.round(before_us);
                sender.round(before_us + rise_us);
                assert_eq!(sender.hystart.in_css(), found, "{before_us} + {rise_us}");
            }
        }
    }

    #[test]
    fn the_eighth_sample_of_a_round_decides() {
        let mut sender = Sender::new();
        sender.round(50_000);
        for _ in 0..7 {
            sender.ack(60_000);
            assert!(!sender.hystart.in_css());
        }
        sender.ack(60_000);
        assert!(sender.hystart.in_css());
        // A single fast one of the eight speaks against it.
        let mut sender = Sender::new();
        sender.round(50_000);
        sender.ack(50_000);
        sender.round(60_000);
        assert!(!sender.hystart.in_css());
    }

    #[test]
    fn conservative_slow_start_grows_by_a_quarter_and_ends_after_five_rounds() {
        let mut sender = Sender::new();
        sender.round(50_000);
        assert_eq!(sender.cwnd, 20 * MSS);
        // Seven acknowledgments widen the window as before, thirteen by a quarter.
        for _ in 0..20 {
            sender.ack(60_000);
        }
        assert_eq!(sender.cwnd, 20 * MSS + 7 * MSS + 13 * MSS / 4);
        assert_eq!(sender.hystart.css_rounds, 2);
        for _ in 0..3 {
            let octets = sender.cwnd;
            sender.round(60_000);
            // The last acknowledgment of the round may be of a part only.
            sender.ack(60_000);
            assert!(sender.cwnd.abs_diff(octets + octets / 4) <= MSS);
            assert!(!sender.ended);
        }
        sender.round(60_000);
        assert!(sender.ended);
    }

    #[test]
    fn a_rise_that_goes_away_was_none() {
        let mut sender = Sender::new();
        sender.round(50_000);
        sender.round(60_000);
        assert!(sender.hystart.in_css());
        sender.round(59_999);
        assert!(!sender.hystart.in_css());
        // From here, it is searched for anew.
        sender.round(60_000);
        sender.round(60_000);
        assert!(!sender.hystart.in_css());
        sender.round(80_000);
        assert!(sender.hystart.in_css() && !sender.ended);
    }

    #[test]
    fn without_samples_nothing_is_found() {
        let mut hystart = HyStart::new();
        for _ in 0..1_000 {
            assert!(!hystart.on_ack(MSS, None, 10 * MSS));
        }
        for _ in 0..1_000 {
            // The largest is no sample.
            let rtt = Some(Duration::from_us(u64::MAX));
            assert!(!hystart.on_ack(u32::MAX, rtt, u32::MAX));
        }
        assert_eq!(hystart.growth(u32::MAX), u32::MAX);
    }
}
