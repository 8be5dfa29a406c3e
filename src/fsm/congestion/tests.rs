// SPDX-License-Identifier: GPL-2.0

//! What all algorithms share, in round numbers.

use super::*;

const MSS: u16 = 1_000;
const START: Instant = Instant::from_us(1_000_000);

fn reno() -> Congestion {
    Congestion::new(Kind::Reno, MSS)
}

fn cubic() -> Congestion {
    Congestion::new(Kind::Cubic, MSS)
}

/// An acknowledgment of a sender that fills its window.
fn ack(congestion: &mut Congestion, acked: u32) {
    congestion.on_ack(START, acked, MSS, None, 0, true);
}

/// With the window and the threshold at 20 segments.
fn at_20(kind: Kind) -> Congestion {
    let mut congestion = Congestion::new(kind, MSS);
    congestion.cwnd = 20_000;
    congestion.ssthresh = 20_000;
    congestion
}

#[test]
fn the_initial_window_is_ten_segments_unless_they_are_large() {
    for kind in Kind::ALL {
        let cwnd = |mss| Congestion::new(kind, mss).cwnd();
        assert_eq!(cwnd(536), 5_360);
        assert_eq!(cwnd(1_460), 14_600);
        assert_eq!(cwnd(1_461), 14_600);
        assert_eq!(cwnd(9_000), 18_000);
        assert_eq!(cwnd(65_535), 131_070);
        assert_eq!(cwnd(0), 10);
    }
}

#[test]
fn algorithms_have_names() {
    assert_eq!(Kind::default(), Kind::Cubic);
    assert_eq!(Kind::from_name(b"cubic"), Some(Kind::Cubic));
    assert_eq!(Kind::from_name(b"reno"), Some(Kind::Reno));
    for name in ["", "bbr", "cubic\0", "Reno", "cubi", "renoo"] {
        assert_eq!(Kind::from_name(name.as_bytes()), None);
    }
    for kind in Kind::ALL {
        assert_eq!(Congestion::new(kind, MSS).kind(), kind);
        assert_eq!(Kind::from_name(kind.name().as_bytes()), Some(kind));
    }
}

#[test]
fn slow_start_grows_by_what_is_acknowledged_but_two_segments_at_most() {
    let mut congestion = reno();
    ack(&mut congestion, 1_000);
    assert_eq!(congestion.cwnd(), 11_000);
    ack(&mut congestion, 300);
    assert_eq!(congestion.cwnd(), 11_300);
    ack(&mut congestion, 5_000);
    assert_eq!(congestion.cwnd(), 13_300);
    ack(&mut congestion, 0);
    assert_eq!(congestion.cwnd(), 13_300);
}

#[test]
fn a_timeout_halves_the_threshold_and_leaves_one_segment() {
    let mut congestion = reno();
    congestion.on_timeout(START, 8_000, MSS);
    assert_eq!(congestion.cwnd(), 1_000);
    assert_eq!(congestion.ssthresh(), 4_000);
    let mut congestion = reno();
    congestion.on_timeout(START, 1_500, MSS);
    assert_eq!(congestion.ssthresh(), 2_000);
}

#[test]
fn a_second_timeout_of_the_same_segment_holds_the_threshold() {
    let mut congestion = reno();
    congestion.on_timeout(START, 8_000, MSS);
    congestion.on_timeout(START, 1_000, MSS);
    assert_eq!(congestion.ssthresh(), 4_000);
    // Something was acknowledged in between: it is another segment.
    ack(&mut congestion, 1_000);
    congestion.on_timeout(START, 6_000, MSS);
    assert_eq!(congestion.ssthresh(), 3_000);
}

#[test]
fn congestion_avoidance_grows_by_a_segment_for_each_window() {
    let mut congestion = reno();
    congestion.on_timeout(START, 8_000, MSS);
    for _ in 0..3 {
        ack(&mut congestion, 1_000);
    }
    assert_eq!(congestion.cwnd(), 4_000);
    for _ in 0..3 {
        ack(&mut congestion, 1_000);
        assert_eq!(congestion.cwnd(), 4_000);
    }
    ack(&mut congestion, 1_000);
    assert_eq!(congestion.cwnd(), 5_000);
}

#[test]
fn a_lost_syn_leaves_one_segment_and_slow_start() {
    let mut congestion = reno();
    congestion.on_syn_lost(MSS);
    assert_eq!(congestion.cwnd(), 1_000);
    ack(&mut congestion, 1_000);
    assert_eq!(congestion.cwnd(), 2_000);
}

#[test]
fn the_window_saturates() {
    for kind in Kind::ALL {
        let mut congestion = Congestion::new(kind, u16::MAX);
        congestion.cwnd = u32::MAX - 1;
        for _ in 0..3 {
            congestion.on_ack(START, u32::MAX, u16::MAX, None, u32::MAX, true);
        }
        assert_eq!(congestion.cwnd(), u32::MAX);
    }
}

#[test]
fn the_first_slow_start_of_cubic_takes_eight_segments_of_an_acknowledgment() {
    // RFC 9406 4.3.
    let mut congestion = cubic();
    ack(&mut congestion, 9_000);
    assert_eq!(congestion.cwnd(), 18_000);
    assert!(congestion.in_slow_start());
}

#[test]
fn after_a_timeout_an_acknowledgment_gives_one_segment() {
    // RFC 3465 2.3.
    for kind in Kind::ALL {
        let mut congestion = Congestion::new(kind, MSS);
        congestion.on_timeout(START, 10_000, MSS);
        ack(&mut congestion, 4_000);
        assert_eq!(congestion.cwnd(), 2_000);
    }
}

#[test]
fn slow_start_stops_at_the_threshold_and_the_rest_counts_for_avoidance() {
    let mut congestion = reno();
    congestion.ssthresh = 10_500;
    ack(&mut congestion, 2_000);
    assert_eq!(congestion.cwnd(), 10_500);
    assert!(!congestion.in_slow_start());
    // 1500 of 10500 are counted.
    ack(&mut congestion, 8_999);
    assert_eq!(congestion.cwnd(), 10_500);
    ack(&mut congestion, 1);
    assert_eq!(congestion.cwnd(), 11_500);
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    for kind in Kind::ALL {
        for mut congestion in [Congestion::new(kind, MSS), at_20(kind)] {
            let before = congestion.cwnd();
            for seconds in 1..100 {
                let now = START + Duration::from_secs(seconds);
                congestion.on_ack(now, before, MSS, None, 100_000, false);
            }
            assert_eq!(congestion.cwnd(), before);
        }
    }
}

#[test]
fn fast_recovery_ends_with_the_reduced_window() {
    for (kind, reduced) in [(Kind::Reno, 10_000), (Kind::Cubic, 14_000)] {
        let mut congestion = at_20(kind);
        congestion.on_loss(START, 20_000, MSS);
        assert!(congestion.in_recovery());
        assert!(!congestion.in_slow_start());
        assert_eq!(congestion.ssthresh(), reduced);
        // One response for each window.
        congestion.on_loss(START, 9_000, MSS);
        congestion.on_ecn(START, 9_000, MSS);
        ack(&mut congestion, 5_000);
        assert_eq!(congestion.ssthresh(), reduced);
        assert_eq!(congestion.cwnd(), 20_000);
        congestion.on_recovered(START, MSS);
        assert!(!congestion.in_recovery());
        assert_eq!(congestion.cwnd(), reduced);
        assert!(!congestion.in_slow_start());
    }
}

#[test]
fn the_threshold_follows_what_was_in_flight_but_no_more_than_the_window() {
    let mut congestion = at_20(Kind::Reno);
    congestion.on_loss(START, 12_000, MSS);
    assert_eq!(congestion.ssthresh(), 6_000);
    let mut congestion = at_20(Kind::Reno);
    congestion.on_loss(START, 22_000, MSS);
    assert_eq!(congestion.ssthresh(), 10_000);
    // RFC 9438 4.6 allows CUBIC the window.
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_loss(START, 1_000, MSS);
    assert_eq!(congestion.ssthresh(), 14_000);
}

#[test]
fn an_ecn_mark_may_leave_one_segment() {
    // RFC 9438 4.6, figure 5.
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_ecn(START, 1_500, MSS);
    assert_eq!(congestion.ssthresh(), 2_000);
    congestion.on_recovered(START, MSS);
    assert_eq!(congestion.cwnd(), 1_050);
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_ecn(START, 20_000, MSS);
    congestion.on_recovered(START, MSS);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (14_000, 14_000));
    // The mark was no mistake.
    congestion.undo();
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (14_000, 14_000));
}

#[test]
fn a_timeout_in_fast_recovery_does_not_reduce_twice() {
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_loss(START, 20_000, MSS);
    congestion.on_timeout(START, 24_000, MSS);
    assert!(!congestion.in_recovery());
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (1_000, 14_000));
    // But what is in flight bounds it (RFC 5681 3.1, equation 4).
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_loss(START, 20_000, MSS);
    congestion.on_timeout(START, 10_000, MSS);
    assert_eq!(congestion.ssthresh(), 7_000);
}

#[test]
fn undo_restores_what_was_before_a_loss_once() {
    for kind in Kind::ALL {
        let mut congestion = at_20(kind);
        ack(&mut congestion, 500);
        let before = congestion;
        congestion.on_loss(START, 20_000, MSS);
        congestion.on_recovery_ack(1_000, 18_000, false, false, MSS);
        congestion.undo();
        assert_eq!(congestion, before);
        // There is nothing left to undo.
        let mut congestion = at_20(kind);
        congestion.on_loss(START, 20_000, MSS);
        congestion.undo();
        congestion.on_ecn(START, 20_000, MSS);
        congestion.on_recovered(START, MSS);
        let after = congestion;
        congestion.undo();
        assert_eq!(congestion, after);
    }
}

#[test]
fn undo_restores_what_was_before_the_first_of_several_timeouts() {
    for kind in Kind::ALL {
        let mut congestion = Congestion::new(kind, MSS);
        let before = congestion;
        congestion.on_timeout(START, 10_000, MSS);
        congestion.on_timeout(START, 1_000, MSS);
        congestion.on_timeout(START, 1_000, MSS);
        congestion.undo();
        assert_eq!(congestion, before);
    }
}

#[test]
fn undo_of_a_timeout_in_fast_recovery_leaves_the_window_of_that_recovery() {
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_loss(START, 20_000, MSS);
    congestion.on_timeout(START, 20_000, MSS);
    congestion.undo();
    assert!(!congestion.in_recovery());
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (14_000, 14_000));
}

#[test]
fn undo_never_narrows_the_window() {
    let mut congestion = cubic();
    congestion.on_timeout(START, 10_000, MSS);
    congestion.cwnd = 50_000;
    congestion.undo();
    assert_eq!(congestion.cwnd(), 50_000);
}

#[test]
fn undo_after_a_change_of_the_algorithm_restores_the_windows_alone() {
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_loss(START, 20_000, MSS);
    congestion.set_kind(Kind::Reno);
    assert!(congestion.in_recovery());
    congestion.undo();
    assert_eq!(congestion.kind(), Kind::Reno);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (20_000, 20_000));
}

#[test]
fn an_idle_time_halves_the_window_for_each_timeout() {
    let rto = Duration::from_ms(200);
    let idle = |ms| {
        let mut congestion = at_20(Kind::Reno);
        congestion.cwnd = 100_000;
        congestion.on_idle(Duration::from_ms(ms), rto, MSS, true);
        (congestion.cwnd(), congestion.ssthresh())
    };
    assert_eq!(idle(200), (100_000, 20_000));
    assert_eq!(idle(201), (50_000, 75_000));
    assert_eq!(idle(400), (50_000, 75_000));
    assert_eq!(idle(401), (25_000, 75_000));
    assert_eq!(idle(601), (12_500, 75_000));
    // The restart window.
    assert_eq!(idle(801), (10_000, 75_000));
    assert_eq!(idle(u64::MAX), (10_000, 75_000));
    // A window below it stays, and a timeout of nothing ends, too.
    let mut congestion = reno();
    congestion.on_timeout(START, 10_000, MSS);
    congestion.on_idle(Duration::from_secs(100), Duration::ZERO, MSS, true);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (1_000, 5_000));
}

#[test]
fn smaller_segments_leave_as_many_of_them() {
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_mss_change(500);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (10_000, 10_000));
    let mut congestion = cubic();
    congestion.on_mss_change(500);
    assert_eq!(
        (congestion.cwnd(), congestion.ssthresh()),
        (5_000, u32::MAX)
    );
    // In recovery, its end is at as many segments, too.
    let mut congestion = at_20(Kind::Reno);
    congestion.on_loss(START, 20_000, MSS);
    congestion.on_mss_change(500);
    congestion.on_recovered(START, 500);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (5_000, 5_000));
}

#[test]
fn larger_segments_leave_the_octets_but_at_least_one_segment() {
    let mut congestion = at_20(Kind::Cubic);
    congestion.on_mss_change(9_000);
    assert_eq!((congestion.cwnd(), congestion.ssthresh()), (20_000, 20_000));
    congestion.on_mss_change(u16::MAX);
    assert_eq!(
        (congestion.cwnd(), congestion.ssthresh()),
        (65_535, 131_070)
    );
    congestion.on_mss_change(0);
    assert!(congestion.cwnd() >= 1);
}
