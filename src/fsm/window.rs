// SPDX-License-Identifier: GPL-2.0

//! The window that the receiver offers (RFC 9293 section 3.8.6.2.2) and its scale (RFC 7323 section 2).

use super::options::MAX_WINDOW_SCALE;
use super::seq::SeqNumber;

/// The largest value of the window field.
const MAX_FIELD: u32 = u16::MAX as u32;

/// The window to offer now, in octets from `rcv_nxt` on: a multiple of 2^`wscale` that the field can hold.
///
/// `right_edge` is the first number beyond the window that was offered last; `free_space` is the free part of a receive
/// buffer of `buffer` octets; `mss` is the largest segment that we take. In a SYN, which is not scaled, `wscale` is 0.
///
/// The right edge moves to the right only by a worthwhile step, and to the left only by what the field cannot tell, less than
/// 2^`wscale` octets: the receiver takes all the same what it has offered (RFC 7323 section 2.4). Rounded up, it would move on
/// with each small segment, and the window of a reader that does not read would never close.
#[inline]
pub(crate) fn select_window(
    rcv_nxt: SeqNumber,
    right_edge: SeqNumber,
    free_space: u32,
    buffer: u32,
    mss: u16,
    wscale: u8,
) -> u32 {
    let wscale = scale(wscale);
    // What is still on offer.
    let offered = if right_edge.after(rcv_nxt) {
        right_edge.distance_from(rcv_nxt)
    } else {
        0
    };
    let told = |window: u32| window.min(MAX_FIELD << wscale) & (u32::MAX << wscale);
    let current = told(offered);
    // RFC 9293 3.8.6.2.2: the edge waits until it can move by half the buffer or a segment.
    let step = (buffer / 2).min(u32::from(mss)).max(1);
    let possible = if buffer >> wscale == 0 && free_space >= step {
        // The smallest window that the field can tell: else there would never be one.
        1 << wscale
    } else {
        told(free_space)
    };
    // What counts is what the peer is told: a window that rounding has closed is a closed one. But what is free counts in full, or a
    // scale that is coarse beside the segments would keep it closed.
    if possible > current && free_space.saturating_sub(current) >= step {
        possible
    } else {
        current
    }
}

/// The window field for a window of this many octets.
#[inline]
pub(crate) fn window_field(window: u32, wscale: u8) -> u16 {
    (window >> scale(wscale)).min(MAX_FIELD) as u16
}

/// The smallest scale with which the field can offer `buffer` octets: 0 to 14.
#[inline]
pub(crate) fn scale_for(buffer: u32) -> u8 {
    let mut wscale = 0;
    while wscale < MAX_WINDOW_SCALE && MAX_FIELD << wscale < buffer {
        wscale += 1;
    }
    wscale
}

/// The scale as a shift that cannot overflow.
#[inline]
fn scale(wscale: u8) -> u32 {
    u32::from(wscale.min(MAX_WINDOW_SCALE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u16 = 1_000;
    const BUFFER: u32 = 60_000;

    /// The window after `window` octets were offered from `rcv_nxt` on.
    fn window(rcv_nxt: u32, offered: u32, free_space: u32, wscale: u8) -> u32 {
        let rcv_nxt = SeqNumber::from_raw(rcv_nxt);
        select_window(rcv_nxt, rcv_nxt + offered, free_space, BUFFER, MSS, wscale)
    }

    #[test]
    fn the_first_window_is_the_free_space() {
        assert_eq!(window(1, 0, BUFFER, 0), BUFFER);
        assert_eq!(window(1, 0, BUFFER, 7), BUFFER & !127);
        assert_eq!(window(1, 0, 1 << 20, 0), 65_535);
        assert_eq!(window(1, 0, u32::MAX, 14), 65_535 << 14);
    }

    #[test]
    fn shld_14_the_right_edge_moves_left_only_by_rounding() {
        for wscale in 0..=MAX_WINDOW_SCALE {
            for offered in [0, 1, 100, 127, 128, 1_000, 50_000, 65_535] {
                for free_space in [0, 1, 500, 999, 30_000, u32::MAX] {
                    // Across the wrap, too.
                    for rcv_nxt in [5, u32::MAX - 50] {
                        let window = window(rcv_nxt, offered, free_space, wscale);
                        let rounding = (1 << wscale) - 1;
                        assert!(
                            window + rounding >= offered,
                            "{wscale} {offered} {free_space}"
                        );
                        let on_the_wire = u32::from(window_field(window, wscale)) << wscale;
                        assert_eq!(on_the_wire, window, "{wscale} {offered} {free_space}");
                    }
                }
            }
        }
    }

    #[test]
    fn must_39_the_right_edge_waits_for_a_worthwhile_step() {
        // 999 octets more than is on offer are less than a segment.
        assert_eq!(window(1, 0, 999, 0), 0);
        assert_eq!(window(1, 0, 1_000, 0), 1_000);
        assert_eq!(window(1, 5_000, 5_999, 0), 5_000);
        assert_eq!(window(1, 5_000, 6_000, 0), 6_000);
    }

    #[test]
    fn must_39_a_buffer_smaller_than_two_segments_opens_by_halves() {
        let start = SeqNumber::from_raw(9);
        let open = |free| select_window(start, start, free, 600, MSS, 0);
        assert_eq!(open(299), 0);
        assert_eq!(open(300), 300);
        // Not even an empty buffer stops it.
        assert_eq!(select_window(start, start, 0, 0, MSS, 0), 0);
        assert_eq!(select_window(start, start, 1, 0, 0, 0), 1);
    }

    #[test]
    fn small_segments_close_the_window_of_a_full_buffer() {
        // Nothing is read: the edge stays where it is, whatever the size of segments.
        let edge = SeqNumber::from_raw(10_000);
        for at in 1..=10_000u32 {
            let rcv_nxt = SeqNumber::from_raw(at);
            let window = select_window(rcv_nxt, edge, 10_000 - at, 10_000, MSS, 7);
            assert!((rcv_nxt + window).at_or_before(edge), "{at}");
        }
    }

    #[test]
    fn a_buffer_below_the_scale_is_offered_all_the_same() {
        let start = SeqNumber::from_raw(9);
        assert_eq!(select_window(start, start, 145, 145, MSS, 11), 2_048);
        assert_eq!(select_window(start, start, 71, 145, MSS, 11), 0);
        assert_eq!(select_window(start, start, 2_047, 2_048, MSS, 11), 0);
        // Not only once, though most of it is on offer still.
        assert_eq!(
            select_window(start + 9, start + 2_048, 145, 145, MSS, 11),
            2_048
        );
    }

    #[test]
    fn a_window_that_rounding_has_closed_is_opened_again() {
        let start = SeqNumber::from_raw(9);
        assert_eq!(
            select_window(start + 1, start + 2_048, 4_096, 4_096, MSS, 11),
            4_096
        );
        assert_eq!(
            select_window(start + 1, start + 2_048, 2_100, 4_096, MSS, 11),
            2_048
        );
        assert_eq!(
            select_window(start + 1, start + 2_048, 2_047, 4_096, MSS, 11),
            0
        );
        assert_eq!(select_window(start, start, 1_800, 3_000, 1_460, 10), 1_024);
    }

    #[test]
    fn an_edge_behind_the_next_octet_offers_nothing() {
        let rcv_nxt = SeqNumber::from_raw(10);
        assert_eq!(select_window(rcv_nxt, rcv_nxt - 5, 0, BUFFER, MSS, 3), 0);
    }

    #[test]
    fn the_scale_is_the_smallest_that_offers_the_buffer() {
        assert_eq!(scale_for(0), 0);
        assert_eq!(scale_for(65_535), 0);
        assert_eq!(scale_for(65_536), 1);
        assert_eq!(scale_for(6_291_456), 7);
        assert_eq!(scale_for(65_535 << 14), 14);
        assert_eq!(scale_for(u32::MAX), 14);
    }

    #[test]
    fn the_field_holds_the_scaled_window() {
        assert_eq!(window_field(65_535, 0), 65_535);
        assert_eq!(window_field(65_536, 0), 65_535);
        assert_eq!(window_field(29_312, 7), 229);
        // A scale that no peer may use shifts no further than 14.
        assert_eq!(window_field(1 << 14, 255), 1);
    }
}
