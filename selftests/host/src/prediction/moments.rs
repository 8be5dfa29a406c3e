// SPDX-License-Identifier: GPL-2.0

//! The moments that timers are measured from. A line of a script takes as long as it takes: what is foretold of a timer is
//! the time since the segment or the call that started it, as drill saw that.

use crate::fsm::{Duration, Instant};

/// Something that drill takes the time of: a segment, or a call that sends.
#[derive(Clone, Debug)]
struct Moment {
    /// The script's lines up to its own.
    line: usize,
    /// When it was for the host that loses no time, and for the slow one.
    fast: Instant,
    slow: Instant,
    /// So much later than it happened drill may have taken its time.
    seen_late: Duration,
}

/// All of a conversation, in order.
#[derive(Debug, Default)]
pub(super) struct Moments(Vec<Moment>);

/// When something comes, as drill measures it.
#[derive(Debug, PartialEq)]
pub(super) struct When {
    /// The line that it is measured from.
    pub(super) line: usize,
    pub(super) least: Duration,
    pub(super) most: Duration,
}

impl Moments {
    /// Something happens, in the script's line `line`, at these times of the fast and the slow host.
    pub(super) fn begin(&mut self, line: usize, at: (Instant, Instant), seen_late: Duration) {
        self.0.push(Moment {
            line,
            fast: at.0,
            slow: at.1,
            seen_late,
        });
    }

    /// A timer whose time hangs on that moment fires unseen: what it starts hangs on that moment, too.
    pub(super) fn again(&mut self, moment: usize) {
        if let Some(again) = self.0.get(moment) {
            self.0.push(again.clone());
        }
    }

    /// The moment that a deadline hangs on, `early` for the fast host and `late` for the slow one: the last one that is as far
    /// from it for both of them, or farther for the slow one, which measures longer round trips. After it, the slow host
    /// has lost time that did not move the deadline.
    pub(super) fn start_of(&self, early: Instant, late: Instant) -> Option<usize> {
        self.0
            .iter()
            .rposition(|moment| late.since(moment.slow) >= early.since(moment.fast))
    }

    /// How long a timer of the slow host runs that was started at that moment, and is due at `late`.
    pub(super) fn time_until(&self, moment: usize, late: Instant) -> Duration {
        self.0
            .get(moment)
            .map_or(Duration::from_us(0), |moment| late.since(moment.slow))
    }

    /// When what is due at `early` in the fast host and seen at `latest` in the slow one comes after that moment.
    pub(super) fn when(&self, moment: usize, early: Instant, latest: Instant) -> Option<When> {
        let moment = self.0.get(moment)?;
        let least = early.since(moment.fast);
        let most = latest.since(moment.slow).max(least);
        Some(When {
            line: moment.line,
            least: Duration::from_us(least.as_us().saturating_sub(moment.seen_late.as_us())),
            most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER_LATE: Duration = Duration::from_us(0);

    fn at(ms: u64) -> Instant {
        Instant::from_us(1_000_000 + 1_000 * ms)
    }

    /// Three segments at one time of the fast host, 5 ms apart for the slow one.
    fn three() -> Moments {
        let mut moments = Moments::default();
        for number in 0..3 {
            moments.begin(number as usize, (at(100), at(105 + 5 * number)), NEVER_LATE);
        }
        moments
    }

    #[test]
    fn a_timer_is_measured_from_what_started_it_not_from_what_came_last() {
        let moments = three();
        // It runs 40 ms, from the first segment on, or from the last.
        assert_eq!(moments.start_of(at(140), at(145)), Some(0));
        assert_eq!(moments.start_of(at(140), at(150)), Some(1));
        assert_eq!(moments.start_of(at(140), at(155)), Some(2));
        // It hangs on nothing that is known.
        assert_eq!(moments.start_of(at(140), at(144)), None);
    }

    #[test]
    fn bounds_are_the_time_of_the_fast_host_and_of_the_slow_one() {
        let mut moments = three();
        let ms = Duration::from_ms;
        let when = moments.when(1, at(140), at(160)).unwrap();
        assert_eq!((when.line, when.least, when.most), (1, ms(40), ms(50)));
        // A segment that was read late seems to be followed early.
        moments.begin(7, (at(200), at(230)), ms(5));
        let when = moments.when(3, at(300), at(350)).unwrap();
        assert_eq!((when.line, when.least, when.most), (7, ms(95), ms(120)));
    }

    #[test]
    fn what_fires_unseen_hands_on_the_moment_of_its_start() {
        let mut moments = three();
        moments.again(0);
        // 40 ms after the first segment something fired, and started 60 ms more.
        assert_eq!(moments.start_of(at(200), at(215)), Some(3));
        assert_eq!(moments.when(3, at(200), at(215)).unwrap().line, 0);
    }
}
