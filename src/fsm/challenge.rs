// SPDX-License-Identifier: GPL-2.0

//! How many challenge ACKs one network namespace may send in a second (RFC 5961 section 7).

use super::time::{Duration, Instant};

/// The length of the period over which challenge ACKs are counted.
const PERIOD: Duration = Duration::from_secs(1);

/// A limit of this value or more means that there is none.
const UNLIMITED: u32 = i32::MAX as u32;

/// The challenge ACKs that one namespace has sent in the current second.
///
/// With a finite limit, whoever may draw challenge ACKs on a connection of their own can tell from their absence that others
/// drew some too. That is why the default is to have no limit here, and one per connection instead.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostBudget {
    period_start: Instant,
    sent: u32,
}

impl HostBudget {
    /// A budget of which nothing is spent.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            period_start: Instant::from_us(0),
            sent: 0,
        }
    }

    /// Whether a challenge ACK may be sent at `now`; it is then counted. `limit_per_s` is in segments per second.
    #[inline]
    pub(crate) fn allow(&mut self, now: Instant, limit_per_s: u32) -> bool {
        if limit_per_s >= UNLIMITED {
            return true;
        }
        if now.since(self.period_start) >= PERIOD {
            self.period_start = now;
            self.sent = 0;
        }
        if self.sent >= limit_per_s {
            return false;
        }
        self.sent = self.sent.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_within_each_second() {
        let mut budget = HostBudget::new();
        let start = Instant::from_us(5_000_000);
        for _ in 0..3 {
            assert!(budget.allow(start, 3));
        }
        assert!(!budget.allow(start, 3));
        assert!(!budget.allow(start + Duration::from_ms(999), 3));
        assert!(budget.allow(start + Duration::from_ms(1_000), 3));
    }

    #[test]
    fn a_limit_of_zero_forbids_all_and_the_default_none() {
        let mut budget = HostBudget::new();
        assert!(!budget.allow(Instant::from_us(9_000_000), 0));
        for _ in 0..10_000 {
            assert!(budget.allow(Instant::from_us(0), UNLIMITED));
        }
        // What was sent without a limit is not held against a later one.
        assert!(budget.allow(Instant::from_us(0), 1));
    }

    #[test]
    fn a_limit_that_is_lowered_holds_at_once() {
        let mut budget = HostBudget::new();
        let now = Instant::from_us(1);
        assert!(budget.allow(now, 10) && budget.allow(now, 10));
        assert!(!budget.allow(now, 2));
    }
}
