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
/// drew some too. That is why the default is to have no limit here, and one per connection instead; and why nobody knows how much of a
/// finite one is spent: each second it is another number, from half of the limit on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostBudget {
    period_start: Option<Instant>,
    /// How many the current period has room for.
    most: u32,
    sent: u32,
}

impl HostBudget {
    /// A budget of which nothing is spent.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            period_start: None,
            most: 0,
            sent: 0,
        }
    }

    /// Whether a challenge ACK may be sent at `now`; it is then counted. `limit_per_s` is in segments per second, `random` gives any
    /// number.
    #[inline]
    pub(crate) fn allow(
        &mut self,
        now: Instant,
        limit_per_s: u32,
        random: impl FnOnce() -> u32,
    ) -> bool {
        if limit_per_s >= UNLIMITED {
            return true;
        }
        if self
            .period_start
            .is_none_or(|start| now.since(start) >= PERIOD)
        {
            self.period_start = Some(now);
            self.most = limit_per_s - random() % (limit_per_s / 2 + 1);
            self.sent = 0;
        }
        if self.sent >= self.most.min(limit_per_s) {
            return false;
        }
        self.sent = self.sent.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws the whole limit.
    fn all() -> u32 {
        0
    }

    #[test]
    fn the_limit_holds_within_each_second() {
        let mut budget = HostBudget::new();
        let start = Instant::from_us(5_000_000);
        for _ in 0..3 {
            assert!(budget.allow(start, 3, all));
        }
        assert!(!budget.allow(start, 3, all));
        assert!(!budget.allow(start + Duration::from_ms(999), 3, all));
        assert!(budget.allow(start + Duration::from_ms(1_000), 3, all));
    }

    #[test]
    fn each_second_has_from_half_of_the_limit_to_all_of_it() {
        let mut budget = HostBudget::new();
        for (second, (limit, random, sent)) in [
            (8, 0, 8),
            (8, 4, 4),
            (8, 5, 8),
            (7, u32::MAX, 4),
            (1, u32::MAX, 1),
            (0, u32::MAX, 0),
        ]
        .into_iter()
        .enumerate()
        {
            let now = Instant::from_us(0) + Duration::from_secs(second as u64);
            let allowed = (0..20).filter(|_| budget.allow(now, limit, || random));
            assert_eq!(allowed.count(), sent, "{limit} {random}");
        }
    }

    #[test]
    fn a_limit_of_zero_forbids_all_and_the_default_none() {
        let mut budget = HostBudget::new();
        assert!(!budget.allow(Instant::from_us(9_000_000), 0, all));
        let mut budget = HostBudget::new();
        for _ in 0..10_000 {
            assert!(budget.allow(Instant::from_us(0), UNLIMITED, all));
        }
        // What was sent without a limit is not held against a later one.
        assert!(budget.allow(Instant::from_us(0), 1, all));
    }

    #[test]
    fn a_limit_that_is_lowered_holds_at_once() {
        let mut budget = HostBudget::new();
        let now = Instant::from_us(1);
        assert!(budget.allow(now, 10, all) && budget.allow(now, 10, all));
        assert!(!budget.allow(now, 2, all));
    }
}
