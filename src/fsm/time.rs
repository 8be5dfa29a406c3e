// SPDX-License-Identifier: GPL-2.0

//! Instants and durations in microseconds. The machine has no clock: it is told the time.
//!
//! All arithmetic saturates: a deadline beyond the end of time stays there, a negative difference is zero.

use core::ops::{Add, Sub};

/// A point in time, in microseconds since boot (monotonic).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Instant {
    us: u64,
}

impl Instant {
    /// The instant `us` microseconds after boot.
    #[inline]
    pub(crate) const fn from_us(us: u64) -> Self {
        Self { us }
    }

    /// Microseconds since boot.
    #[inline]
    pub(crate) const fn as_us(self) -> u64 {
        self.us
    }

    /// The time that passed since `earlier`; zero if `earlier` is in fact later.
    #[inline]
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_us(self.us.saturating_sub(earlier.us))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, rhs: Duration) -> Self {
        Self::from_us(self.us.saturating_add(rhs.us))
    }
}

/// A length of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Duration {
    us: u64,
}

impl Duration {
    /// No time at all.
    #[cfg(test)]
    pub(crate) const ZERO: Self = Self::from_us(0);

    /// A duration of `us` microseconds.
    #[inline]
    pub(crate) const fn from_us(us: u64) -> Self {
        Self { us }
    }

    /// A duration of `ms` milliseconds.
    #[inline]
    pub(crate) const fn from_ms(ms: u64) -> Self {
        Self::from_us(ms.saturating_mul(1_000))
    }

    /// A duration of `s` seconds.
    #[inline]
    pub(crate) const fn from_secs(s: u64) -> Self {
        Self::from_us(s.saturating_mul(1_000_000))
    }

    /// Microseconds.
    #[inline]
    pub(crate) const fn as_us(self) -> u64 {
        self.us
    }

    /// Whole milliseconds, rounded down.
    #[cfg(test)]
    pub(crate) const fn as_ms(self) -> u64 {
        self.us / 1_000
    }

    /// Twice this duration.
    #[inline]
    pub(crate) const fn doubled(self) -> Self {
        Self::from_us(self.us.saturating_mul(2))
    }
}

impl Add for Duration {
    type Output = Self;

    #[inline]
    fn add(self, rhs: Self) -> Self {
        Self::from_us(self.us.saturating_add(rhs.us))
    }
}

impl Sub for Duration {
    type Output = Self;

    #[inline]
    fn sub(self, rhs: Self) -> Self {
        Self::from_us(self.us.saturating_sub(rhs.us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Instant = Instant::from_us(u64::MAX);

    #[test]
    fn units_convert() {
        assert_eq!(Duration::from_secs(2), Duration::from_ms(2_000));
        assert_eq!(Duration::from_ms(3).as_us(), 3_000);
        assert_eq!(Duration::from_us(1_999).as_ms(), 1);
        assert_eq!(Duration::from_ms(7).doubled(), Duration::from_ms(14));
        assert_eq!(Instant::from_us(9).as_us(), 9);
    }

    #[test]
    fn instants_and_durations_add_and_subtract() {
        let start = Instant::from_us(1_000);
        assert_eq!((start + Duration::from_ms(4)).as_us(), 5_000);
        assert_eq!(
            (start + Duration::from_ms(4)).since(start),
            Duration::from_ms(4)
        );
        assert_eq!(
            Duration::from_ms(5) - Duration::from_ms(2),
            Duration::from_ms(3)
        );
        assert_eq!(
            Duration::from_ms(5) + Duration::from_ms(2),
            Duration::from_ms(7)
        );
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(END + Duration::from_us(1), END);
        assert_eq!(Instant::from_us(5).since(END), Duration::ZERO);
        assert_eq!(Duration::from_us(1) - Duration::from_us(2), Duration::ZERO);
        let longest = Duration::from_us(u64::MAX);
        assert_eq!(longest.doubled(), longest);
        assert_eq!(longest + longest, longest);
        assert_eq!(Duration::from_ms(u64::MAX), longest);
        assert_eq!(Duration::from_secs(u64::MAX), longest);
    }

    #[test]
    fn order_is_that_of_time() {
        assert!(Instant::from_us(1) < Instant::from_us(2));
        assert_eq!(
            Duration::from_ms(3).max(Duration::from_secs(1)),
            Duration::from_secs(1)
        );
        assert_eq!(Duration::ZERO.min(Duration::from_us(1)), Duration::ZERO);
    }
}
