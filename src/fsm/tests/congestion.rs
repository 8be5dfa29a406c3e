// SPDX-License-Identifier: GPL-2.0

//! The congestion window of a whole connection: it starts, grows, shrinks and rests as its algorithm says, and what is in
//! flight keeps to it.

use super::*;
use crate::fsm::congestion::Kind;

/// Segments of 1000 octets, so that windows can be told in segments.
const SEGMENT: u32 = MSS as u32;

/// An established connection whose peer has a window of 60000 octets, with a megabyte to send.
fn sender(kind: Kind) -> Host {
    let mut host = Host::syn_sent_with(Config {
        congestion_control: kind,
        ..plain()
    });
    host.arrive(wnd(syn(SYN | ACK, IRS, ISS + 1), 60_000));
    host.queue(1_000_000);
    host
}

/// The peer acknowledges the first `octets` octets of all, after `ms` milliseconds.
fn ack_after(host: &mut Host, ms: u64, octets: u32) {
    host.pass(Duration::from_ms(ms));
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1 + octets), 60_000));
}

fn cwnd(host: &Host) -> u32 {
    host.tcb.congestion.cwnd()
}

fn ssthresh(host: &Host) -> u32 {
    host.tcb.congestion.ssthresh()
}

fn in_flight(host: &Host) -> u32 {
    host.tcb.snd_nxt.distance_from(host.tcb.snd_una)
}

/// Of 20 segments in flight, the first is lost; the peer's duplicates tell of it, and then of the repair.
fn after_a_loss(kind: Kind) -> Host {
    let mut host = sender(kind);
    host.pass(Duration::from_ms(10));
    for segments in 1..=10 {
        ack_after(&mut host, 0, segments * SEGMENT);
    }
    assert_eq!((cwnd(&host), in_flight(&host)), (20_000, 20_000));
    let lost = host.tcb.snd_una;
    let mut resent = 0;
    for _ in 0..19 {
        ack_after(&mut host, 1, 10 * SEGMENT);
        resent += host.sent.iter().filter(|sent| sent.seq == lost).count();
        // RFC 9937: no more in flight than before, but for the two of limited transmit (RFC 3042).
        assert!(host.tcb.pipe() <= 22_000);
    }
    assert_eq!(resent, 1);
    let all = host.tcb.snd_nxt.distance_from(raw(ISS + 1));
    ack_after(&mut host, 10, all);
    host
}

#[test]
fn may_18_cubic_is_the_default_and_reno_can_be_chosen() {
    let host = Host::established();
    assert_eq!(host.tcb.congestion.kind(), Kind::Cubic);
    for kind in Kind::ALL {
        let cfg = Config {
            congestion_control: kind,
            ..plain()
        };
        let host = sender(kind);
        assert_eq!(host.tcb.congestion.kind(), kind);
        // The passive side, too.
        let mut request = request_of(&syn(SYN, IRS, 0), &cfg);
        let mut out = Outbox::new();
        request.on_segment(host.now, &seg(ACK, IRS + 1, ISS + 1), &cfg, &mut out);
        let mut child = Tcb::new();
        request.establish(host.now, &cfg, &mut child);
        assert_eq!(child.congestion.kind(), kind);
    }
}

#[test]
fn must_19_slow_start_sends_two_segments_for_each_acknowledged() {
    for kind in Kind::ALL {
        let mut host = sender(kind);
        // RFC 6928.
        assert_eq!(host.sent.len(), 10);
        for segments in 1..=30 {
            // Round trips of 50 ms each: ten segments, then twenty.
            let starts = segments == 1 || segments == 11;
            ack_after(&mut host, if starts { 50 } else { 0 }, segments * SEGMENT);
            assert_eq!(host.sent.len(), 2);
            assert_eq!(cwnd(&host), 10_000 + segments * SEGMENT);
            assert_eq!(in_flight(&host), cwnd(&host));
        }
    }
}

#[test]
fn must_19_a_loss_leaves_seven_tenths_of_the_window_or_a_half() {
    for (kind, left) in [(Kind::Cubic, 14_000), (Kind::Reno, 10_000)] {
        let host = after_a_loss(kind);
        assert_eq!((cwnd(&host), ssthresh(&host)), (left, left));
        assert!(!host.tcb.congestion.in_recovery());
        assert_eq!(in_flight(&host), left);
    }
}

#[test]
fn must_19_congestion_avoidance_follows_the_algorithm() {
    // Over a short path CUBIC is Reno-friendly (RFC 9438 4.3): 9/17 of a segment for each window that is acknowledged.
    for (kind, first, growth) in [(Kind::Cubic, 14_000, 529), (Kind::Reno, 10_000, 1_000)] {
        let mut host = after_a_loss(kind);
        let mut acked = host.tcb.snd_una.distance_from(raw(ISS + 1));
        for window in 1..=4 {
            let full = cwnd(&host);
            let flight = in_flight(&host) / SEGMENT;
            for _ in 0..flight {
                acked += SEGMENT;
                ack_after(&mut host, 0, acked);
            }
            assert!(cwnd(&host) <= full + growth);
            let expected = first + window * growth;
            // What is less than a segment waits, so that a window is not always acknowledged to its last octet.
            assert!(
                cwnd(&host).abs_diff(expected) <= growth,
                "{kind:?} {window}"
            );
            assert!(in_flight(&host) <= cwnd(&host));
            host.pass(Duration::from_ms(10));
        }
    }
}

#[test]
fn cubic_climbs_with_time_back_to_the_window_of_the_loss() {
    // (20 - 14) / 0.4 = 15, whose cube root is 2.47: after that many seconds, the window is 20 segments again. With a
    // round trip of 250 ms, Reno would have 9/17 * 10 = 5.3 segments more only.
    let mut host = after_a_loss(Kind::Cubic);
    let mut acked = host.tcb.snd_una.distance_from(raw(ISS + 1));
    let mut windows = Vec::new();
    for _ in 0..16 {
        let flight = in_flight(&host);
        // Each segment by itself, in the middle of the round trip.
        for _ in 0..flight / SEGMENT {
            acked += SEGMENT;
            ack_after(&mut host, u64::from(250 * SEGMENT / flight), acked);
        }
        windows.push(cwnd(&host));
    }
    assert!(
        windows.windows(2).all(|pair| pair[0] <= pair[1]),
        "{windows:?}"
    );
    // About 2.5 seconds, and about 4.
    assert!((19_000..=21_000).contains(&windows[9]), "{windows:?}");
    assert!(windows[15] > 21_000, "{windows:?}");
}

#[test]
fn must_19_a_timeout_leaves_one_segment_and_slow_start() {
    for (kind, left) in [(Kind::Cubic, 7_000), (Kind::Reno, 5_000)] {
        let mut host = sender(kind);
        host.fire();
        assert_eq!(host.only().seq, raw(ISS + 1));
        assert_eq!((cwnd(&host), ssthresh(&host)), (1_000, left));
        // The same once more: the threshold holds (RFC 5681 3.1).
        host.fire();
        assert_eq!((cwnd(&host), ssthresh(&host)), (1_000, left));
        ack_after(&mut host, 10, SEGMENT);
        assert_eq!(cwnd(&host), 2_000);
    }
}

#[test]
fn must_19_an_idle_connection_starts_with_the_initial_window_again() {
    for kind in Kind::ALL {
        let mut host = Host::syn_sent_with(Config {
            congestion_control: kind,
            ..plain()
        });
        host.arrive(wnd(syn(SYN | ACK, IRS, ISS + 1), 60_000));
        host.queue(60_000);
        for segments in 1..=60 {
            ack_after(&mut host, 0, segments * SEGMENT);
        }
        let full = cwnd(&host);
        assert!(full >= 40_000, "{full}");
        // Minutes later.
        host.pass(Duration::from_secs(300));
        host.queue(100_000);
        assert_eq!(host.sent.len(), 10);
        assert_eq!(cwnd(&host), 10_000);
    }
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    for kind in Kind::ALL {
        let mut host = Host::syn_sent_with(Config {
            congestion_control: kind,
            ..plain()
        });
        host.arrive(wnd(syn(SYN | ACK, IRS, ISS + 1), 60_000));
        // A segment at a time, a hundred times.
        for segments in 1..=100 {
            host.queue(SEGMENT);
            ack_after(&mut host, 1, segments * SEGMENT);
        }
        assert_eq!(cwnd(&host), 10_000);
    }
}

#[test]
fn a_narrower_path_takes_as_many_segments() {
    for kind in Kind::ALL {
        let mut host = sender(kind);
        assert_eq!(cwnd(&host), 10_000);
        host.tcb.set_path_mss(600);
        assert_eq!(cwnd(&host), 6_000);
        // A wider one has to prove itself.
        host.tcb.set_path_mss(1_460);
        assert_eq!(cwnd(&host), 6_000);
    }
}
