// SPDX-License-Identifier: GPL-2.0

//! What an acknowledgment lets out, what takes a recovery back (RFC 3522, RFC 3708), and what does not.

use super::judged::{ack, open, open_sack, rest, sent_at};
use super::*;
use crate::fsm::recovery::Phase;

fn cwnd(host: &Host) -> u32 {
    host.tcb.congestion.cwnd()
}

fn ssthresh(host: &Host) -> u32 {
    host.tcb.congestion.ssthresh()
}

fn phase(host: &Host) -> Phase {
    host.tcb.recovery.phase()
}

/// The octets of the stream that are acknowledged.
fn una(host: &Host) -> u32 {
    host.tcb.snd_una.distance_from(raw(ISS + 1))
}

/// Ten segments are on their way for a round trip, with SACK and timestamps; also when they were sent.
fn ten_with_timestamps() -> (Host, Instant) {
    let mut host = open(Config {
        sack: true,
        timestamps: true,
        ..plain()
    });
    let sent = host.now;
    host.queue(10_000);
    rest(&mut host);
    (host, sent)
}

/// The same segment with an echo of our timestamp of then.
fn echo(segment: Segment, then: Instant) -> Segment {
    ts(segment, 1, (then.as_us() / 1_000) as u32)
}

/// The program fills the window, and a round-trip time goes by. The numbers after what is acknowledged and what is sent.
fn fill(host: &mut Host) -> (u32, u32) {
    host.queue(cwnd(host));
    rest(host);
    let begin = una(host);
    let flight = host.tcb.snd_nxt.distance_from(host.tcb.snd_una);
    (begin, begin + flight)
}

/// The first of a window is lost, SACKs or time tell so, and it is repaired.
fn recover(host: &mut Host) {
    while cwnd(host) < 2_000 {
        let (_, end) = fill(host);
        host.arrive(ack(end, &[]));
    }
    let (begin, end) = fill(host);
    host.arrive(ack(begin, &[(begin + 1_000, end)]));
    while phase(host) != Phase::Fast {
        assert_eq!(host.timer(), Some(TimerKind::Reorder));
        host.fire();
    }
    rest(host);
    host.arrive(ack(end, &[]));
    assert_eq!(phase(host), Phase::Open);
}

// RFC 2018 section 2.
#[test]
fn blocks_that_were_not_agreed_upon_mean_nothing() {
    let mut host = open(plain());
    host.queue(10_000);
    rest(&mut host);
    for octet in 0..6 {
        // With data it is no duplicate either (RFC 5681 section 2).
        let mut segment = ack(0, &[(1_000, 4_000)]);
        segment.seq = raw(IRS + 1 + octet);
        host.arrive(data(segment, 1));
        assert!(sent_at(&host).is_empty());
        assert_eq!(host.tcb.sums.sacked, 0);
        assert_eq!(host.tcb.pipe(), 10_000);
    }
    assert_eq!(phase(&host), Phase::Open);
}

// RFC 5681 3.2, step 1: what is in flight stays within the window and two segments.
#[test]
fn after_a_timeout_duplicates_let_nothing_out() {
    let mut host = open(plain());
    host.queue(20_000);
    while host.tcb.traffic.timeouts == 0 {
        host.fire();
    }
    assert_eq!(sent_at(&host), [0]);
    for _ in 0..5 {
        host.arrive(ack(0, &[]));
        assert!(sent_at(&host).is_empty());
    }
    assert_eq!(phase(&host), Phase::Timeout);
}

// The timer fires, and what it waited for is acknowledged before anything is sent.
#[test]
fn a_timeout_that_an_acknowledgment_overtakes_sends_nothing() {
    let mut host = open_sack();
    host.queue(1_000);
    while host.timer() != Some(TimerKind::Retransmit) {
        host.fire();
    }
    host.pass(host.time_left());
    host.tcb.on_timer(host.now, &host.cfg, &mut Outbox::new());
    host.arrive(ack(1_000, &[]));
    assert!(host.sent.is_empty());
    assert_eq!(host.timer(), None);
}

// RFC 6675 5, step 4.3, where the window is still on its way down from an earlier mark.
#[test]
fn the_first_retransmission_goes_out_whatever_the_window_is() {
    let mut host = open(Config {
        sack: true,
        ecn: 1,
        ..plain()
    });
    host.queue(5_000);
    host.pass(Duration::from_ms(50));
    host.queue(20_000);
    assert_eq!(sent_at(&host).len(), 5);
    host.pass(Duration::from_ms(80));
    let mut mark = ack(100, &[]);
    mark.flags = ACK | Flags::ECE;
    host.arrive(mark);
    assert_eq!(phase(&host), Phase::Reduction);
    host.pass(Duration::from_ms(20));
    host.arrive(ack(100, &[(7_000, 7_010)]));
    assert_eq!(phase(&host), Phase::Fast);
    assert_eq!(sent_at(&host), [100]);
}

// RFC 9937 6.2: SafeACK.
#[test]
fn progress_without_loss_lets_a_segment_more_out() {
    let mut host = open_sack();
    host.queue(10_000);
    rest(&mut host);
    host.arrive(ack(0, &[(7_000, 10_000)]));
    assert_eq!(sent_at(&host), [0, 1_000, 2_000]);
    rest(&mut host);
    let mut still = host.clone();
    host.arrive(ack(1_000, &[(7_000, 10_000)]));
    assert_eq!(sent_at(&host), [3_000, 4_000]);
    // SND.UNA stands still.
    still.arrive(ack(0, &[(1_000, 2_000), (7_000, 10_000)]));
    assert_eq!(sent_at(&still), [3_000]);
}

// RFC 3042 section 2; what was overtaken was not lost, and nothing else ever tells of it.
#[test]
fn blocks_alone_widen_the_window_only_where_the_path_reorders() {
    let mut host = open_sack();
    host.queue(10_000);
    rest(&mut host);
    host.arrive(ack(0, &[(1_000, 2_000)]));
    assert_eq!(cwnd(&host), 10_000);
    host.arrive(ack(2_000, &[]));
    let before = cwnd(&host);
    assert!(before > 10_000);
    host.arrive(ack(2_000, &[(5_000, 6_000)]));
    assert_eq!(cwnd(&host), before + 1_000);
}

// RFC 3708 section 3: what cannot be about anything that was sent.
#[test]
fn a_duplicate_of_what_was_never_sent_means_nothing() {
    let from = |octets: u32| 10_000u32.wrapping_sub(octets);
    for (blocks, multiple) in [
        (vec![(from(1_000), 10_000)], 2),
        (vec![(from(65_535), 10_000)], 2),
        (vec![(from(65_536), 10_000)], 1),
        (vec![(from(1 << 30), 10_000)], 1),
        (vec![(20_000, 21_000), (19_000, 22_000)], 1),
    ] {
        let mut host = open_sack();
        host.queue(10_000);
        rest(&mut host);
        host.arrive(ack(10_000, &[]));
        host.arrive(ack(10_000, &blocks));
        // RFC 8985 6.2, step 4.
        assert_eq!(host.tcb.recovery.reo_wnd_mult, multiple, "{blocks:?}");
    }
}

// RFC 8985 6.2, step 4: a recovery from a loss counts, the answer to a mark does not.
#[test]
fn sixteen_recoveries_narrow_the_reordering_window_again() {
    let mut host = open(Config {
        sack: true,
        ecn: 1,
        ..plain()
    });
    host.queue(10_000);
    rest(&mut host);
    host.arrive(ack(10_000, &[]));
    host.arrive(ack(10_000, &[(9_000, 10_000)]));
    for _ in 0..15 {
        recover(&mut host);
        assert_eq!(host.tcb.recovery.reo_wnd_mult, 2);
    }
    let begin = una(&host);
    host.queue(2_000);
    rest(&mut host);
    let mut mark = ack(begin + 1_000, &[]);
    mark.flags = ACK | Flags::ECE;
    host.arrive(mark);
    assert_eq!(phase(&host), Phase::Reduction);
    host.arrive(ack(begin + 2_000, &[]));
    assert_eq!(phase(&host), Phase::Open);
    assert_eq!(host.tcb.recovery.reo_wnd_mult, 2);
    recover(&mut host);
    assert_eq!(host.tcb.recovery.reo_wnd_mult, 1);
}

// RFC 8985 6.2, step 4: what was taken back is over once.
#[test]
fn acknowledgments_without_a_recovery_do_not_narrow_it() {
    let mut host = open_sack();
    recover(&mut host);
    let mut end = una(&host);
    host.arrive(ack(end, &[(0, 1_000)]));
    assert_eq!(ssthresh(&host), u32::MAX);
    for _ in 0..40 {
        host.queue(1_000);
        rest(&mut host);
        end += 1_000;
        host.arrive(ack(end, &[]));
    }
    assert_eq!(host.tcb.recovery.reo_wnd_mult, 2);
}

// RFC 3708 section 3: a duplicate may come some time after the recovery that caused it, but not at any time.
#[test]
fn a_recovery_is_taken_back_as_long_as_something_of_its_time_is_in_flight() {
    let mut host = open_sack();
    host.queue(10_000);
    rest(&mut host);
    host.queue(5_000);
    host.arrive(ack(0, &[(1_000, 10_000)]));
    assert_eq!(sent_at(&host)[0], 0);
    let end = host.tcb.snd_nxt.distance_from(raw(ISS + 1));
    assert!(end >= 13_000);
    host.arrive(ack(10_000, &[]));
    assert_eq!(phase(&host), Phase::Open);
    host.arrive(ack(12_000, &[]));
    let mut late = host.clone();
    host.arrive(ack(12_000, &[(0, 1_000)]));
    assert_eq!(ssthresh(&host), u32::MAX);
    let threshold = ssthresh(&late);
    let (_, end) = fill(&mut late);
    late.arrive(ack(end, &[]));
    late.arrive(ack(end, &[(0, 1_000)]));
    assert_eq!(ssthresh(&late), threshold);
}

// RFC 3522 3.2, RFC 4015 3; RFC 8985 6.2, step 3.
#[test]
fn a_recovery_that_an_echo_takes_back_shows_a_path_that_reorders() {
    let (mut host, sent) = ten_with_timestamps();
    let mut slow = host.clone();
    let before = cwnd(&host);
    host.arrive(echo(ack(0, &[(1_000, 4_000)]), sent));
    assert_eq!(sent_at(&host), [0]);
    host.pass(Duration::from_ms(5));
    host.arrive(echo(ack(4_000, &[]), sent));
    assert_eq!(phase(&host), Phase::Open);
    assert!(cwnd(&host) >= before && ssthresh(&host) == u32::MAX);
    assert!(host.tcb.info(host.now).reordering_seen);
    // After a timeout that came too early, it is only slow.
    while slow.tcb.traffic.timeouts == 0 {
        slow.fire();
    }
    slow.arrive(echo(ack(4_000, &[]), sent));
    assert_eq!(phase(&slow), Phase::Open);
    assert!(cwnd(&slow) >= before && ssthresh(&slow) == u32::MAX);
    assert!(!slow.tcb.info(slow.now).reordering_seen);
}

// RFC 7323 3.2: a zero echoes nothing.
#[test]
fn an_echo_of_nothing_takes_nothing_back() {
    let (mut host, _) = ten_with_timestamps();
    while host.tcb.traffic.timeouts == 0 {
        host.fire();
    }
    host.arrive(ts(ack(1_000, &[]), 1, 0));
    assert_eq!(phase(&host), Phase::Timeout);
    assert!(ssthresh(&host) < 10_000 && cwnd(&host) < 10_000);
}

// RFC 3522 3.2, step 4: the first acceptable acknowledgment decides.
#[test]
fn an_echo_after_the_recovery_takes_nothing_back() {
    let (mut host, sent) = ten_with_timestamps();
    host.arrive(echo(ack(0, &[(1_000, 10_000)]), sent));
    assert_eq!(sent_at(&host), [0]);
    let again = host.now;
    rest(&mut host);
    host.arrive(echo(ack(10_000, &[]), again));
    assert_eq!(phase(&host), Phase::Open);
    let threshold = ssthresh(&host);
    assert!(threshold < 10_000);
    host.queue(1_000);
    rest(&mut host);
    host.arrive(echo(ack(11_000, &[]), sent));
    assert_eq!(ssthresh(&host), threshold);
}
