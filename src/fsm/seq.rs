// SPDX-License-Identifier: GPL-2.0

//! Sequence numbers: 32-bit values on a circle (RFC 9293 section 3.4).
//!
//! `a` is before `b` when going forward from `a` reaches `b` in 1 to 2^31 - 1 steps. The numbers at a distance of
//! exactly 2^31 lie opposite each other, and neither direction is shorter: they are unrelated, and every
//! comparison of them is false. What a peer sent is thus rejected, not guessed at. For the same reason the negation of
//! one comparison is not the opposite one, and there is no `Ord`.

use core::ops::{Add, Sub};

/// A sequence or acknowledgment number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SeqNumber(u32);

/// The distance at which two sequence numbers are opposite each other, and unrelated.
const OPPOSITE: u32 = 1 << 31;

impl SeqNumber {
    /// The sequence number of this raw value.
    #[inline]
    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The raw value, as in the header.
    #[inline]
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    /// Steps forward from `earlier` to this number, modulo 2^32.
    #[inline]
    pub(crate) const fn distance_from(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether this number lies 1 to 2^31 - 1 steps before `other`.
    #[inline]
    pub(crate) const fn before(self, other: Self) -> bool {
        // As a signed number the distance is positive in just that range.
        (other.distance_from(self) as i32) > 0
    }

    /// Whether this number lies 0 to 2^31 - 1 steps before `other`.
    #[inline]
    pub(crate) const fn at_or_before(self, other: Self) -> bool {
        other.distance_from(self) < OPPOSITE
    }

    /// Whether this number lies 1 to 2^31 - 1 steps after `other`.
    #[inline]
    pub(crate) const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Whether this number lies 0 to 2^31 - 1 steps after `other`.
    #[inline]
    pub(crate) const fn at_or_after(self, other: Self) -> bool {
        other.at_or_before(self)
    }

    /// Whether this number is one of the `len` numbers from `start` on; never if `len` is 0.
    #[inline]
    pub(crate) const fn in_window(self, start: Self, len: u32) -> bool {
        self.distance_from(start) < len
    }

    /// The later of two numbers; `a` if they are equal or unrelated.
    #[inline]
    pub(crate) const fn max_of(a: Self, b: Self) -> Self {
        if b.after(a) {
            b
        } else {
            a
        }
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;

    #[inline]
    fn add(self, steps: u32) -> Self {
        Self(self.0.wrapping_add(steps))
    }
}

impl Sub<u32> for SeqNumber {
    type Output = Self;

    #[inline]
    fn sub(self, steps: u32) -> Self {
        Self(self.0.wrapping_sub(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: SeqNumber = SeqNumber::from_raw(u32::MAX);
    const ZERO: SeqNumber = SeqNumber::from_raw(0);

    #[test]
    fn numbers_wrap_in_both_directions() {
        assert_eq!(LAST + 1, ZERO);
        assert_eq!(ZERO - 1, LAST);
        assert_eq!(ZERO.distance_from(LAST), 1);
        assert_eq!(LAST.distance_from(ZERO), u32::MAX);
        assert_eq!((LAST + 5).raw(), 4);
    }

    #[test]
    fn order_holds_across_the_wrap() {
        assert!(LAST.before(ZERO));
        assert!(ZERO.after(LAST));
        assert!(!ZERO.before(LAST));
        assert!(LAST.at_or_before(ZERO));
        assert!(!LAST.at_or_after(ZERO));
        assert!((ZERO - 1000).before(ZERO + 1000));
    }

    #[test]
    fn equal_numbers_are_neither_before_nor_after() {
        assert!(!LAST.before(LAST) && !LAST.after(LAST));
        assert!(LAST.at_or_before(LAST) && LAST.at_or_after(LAST));
    }

    #[test]
    fn the_farthest_related_numbers_are_just_short_of_opposite() {
        for start in [ZERO, LAST, SeqNumber::from_raw(OPPOSITE)] {
            let far = start + (OPPOSITE - 1);
            assert!(start.before(far) && start.at_or_before(far));
            assert!(far.after(start) && far.at_or_after(start));
            assert!(!far.before(start) && !start.after(far));
            // One step on, the shorter way leads round the other side.
            let beyond = start + (OPPOSITE + 1);
            assert!(beyond.before(start) && start.after(beyond));
        }
    }

    #[test]
    fn opposite_numbers_are_unrelated() {
        for start in [ZERO, LAST, SeqNumber::from_raw(12_345)] {
            let opposite = start + OPPOSITE;
            for (a, b) in [(start, opposite), (opposite, start)] {
                assert!(!a.before(b) && !a.after(b));
                assert!(!a.at_or_before(b) && !a.at_or_after(b));
                assert_eq!(SeqNumber::max_of(a, b), a);
            }
        }
    }

    #[test]
    fn windows_have_a_first_and_a_last_number_across_the_wrap() {
        let start = LAST - 1;
        assert!(start.in_window(start, 4));
        assert!((start + 3).in_window(start, 4));
        assert!(!(start + 4).in_window(start, 4));
        assert!(!(start - 1).in_window(start, 4));
        assert!(!start.in_window(start, 0));
    }

    #[test]
    fn the_later_number_wins_in_either_order() {
        assert_eq!(SeqNumber::max_of(LAST, ZERO), ZERO);
        assert_eq!(SeqNumber::max_of(ZERO, LAST), ZERO);
        assert_eq!(SeqNumber::max_of(ZERO, ZERO), ZERO);
    }
}
