// SPDX-License-Identifier: GPL-2.0

//! The initial sequence number (RFC 6528; RFC 9293 section 3.4.1).

use super::seq::SeqNumber;
use super::time::Instant;

/// Microseconds per tick of the clock that drives initial sequence numbers.
pub(super) const TICK_US: u64 = 4;

/// The initial sequence number of a connection that is opened at `now`.
///
/// `keyed_hash` is a pseudo-random function of the connection's addresses and ports under a secret key; its owner is
/// the caller. The clock's 32 bits wrap every 4.8 hours, far beyond the life of a segment.
#[inline]
pub(crate) const fn initial_sequence_number(keyed_hash: u32, now: Instant) -> SeqNumber {
    SeqNumber::from_raw(keyed_hash.wrapping_add(clock(now) as u32))
}

/// The clock that drives initial sequence numbers: ticks of four microseconds.
#[inline]
pub(super) const fn clock(now: Instant) -> u64 {
    now.as_us() / TICK_US
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn must_8_the_clock_ticks_every_four_microseconds() {
        let at = |us| initial_sequence_number(7, Instant::from_us(us));
        assert_eq!(at(0), at(3));
        assert_eq!(at(4).distance_from(at(0)), 1);
        assert_eq!(at(1_000_000).distance_from(at(0)), 250_000);
    }

    #[test]
    fn must_8_the_clock_wraps_without_a_jump() {
        let wrap_us = (1 << 32) * TICK_US;
        let before = initial_sequence_number(0, Instant::from_us(wrap_us - TICK_US));
        let after = initial_sequence_number(0, Instant::from_us(wrap_us));
        assert_eq!(after.distance_from(before), 1);
        let end = initial_sequence_number(u32::MAX, Instant::from_us(u64::MAX));
        assert_eq!(end.raw(), u32::MAX - 1);
    }

    #[test]
    fn the_hash_is_added_to_the_clock() {
        let now = Instant::from_us(40);
        assert_eq!(initial_sequence_number(1_000, now).raw(), 1_010);
        assert_eq!(initial_sequence_number(u32::MAX, now).raw(), 9);
    }
}
