// SPDX-License-Identifier: GPL-2.0

//! Loss is found and repaired, and nothing else is sent again (RFC 5681, RFC 6675, RFC 6582, RFC 8985).

use super::*;
use crate::fsm::recovery::Phase;

/// The round-trip time of the path, in milliseconds.
const RTT_MS: u64 = 100;

/// Ten full segments are in flight, sent at the same time, to a peer that sends SACKs or does not.
fn ten_in_flight(sack: bool, timestamps: bool) -> Host {
    let cfg = Config {
        sack,
        timestamps,
        ..plain()
    };
    let mut host = Host::syn_sent_with(cfg);
    host.pass(Duration::from_ms(RTT_MS));
    let mut answer = syn(SYN | ACK, IRS, ISS + 1);
    answer.options.sack_permitted = sack;
    if timestamps {
        answer = ts(answer, 1, now_ms(&host));
    }
    host.arrive(wnd(answer, 60_000));
    // Timestamps take twelve octets of each segment.
    host.tcb.snd_mss += if timestamps { 12 } else { 0 };
    host.tcb.renew_mss();
    host.tcb.congestion = crate::fsm::congestion::Congestion::new(Default::default(), MSS);
    host.queue(10_000);
    assert_eq!(host.sent.len(), 10);
    host.pass(Duration::from_ms(RTT_MS));
    host
}

fn now_ms(host: &Host) -> u32 {
    (host.now.as_us() / 1_000) as u32
}

/// The number of the first octet of the segment at this place in the stream.
fn at(segment: u32) -> u32 {
    ISS + 1 + 1_000 * segment
}

/// An ACK of everything before a segment, with SACKs for these ranges of segments.
fn ack(next: u32, sacked: &[(u32, u32)]) -> Segment {
    let mut segment = wnd(seg(ACK, IRS + 1, at(next)), 60_000);
    for &(left, right) in sacked {
        segment.options.sack.push(raw(at(left)), raw(at(right)));
    }
    segment
}

/// The same with an echo of our timestamp of so many milliseconds ago.
fn echo(host: &Host, segment: Segment, ago_ms: u32) -> Segment {
    ts(segment, 1, now_ms(host).wrapping_sub(ago_ms))
}

/// Which segments of the stream the last call sent.
fn sent(host: &Host) -> Vec<u32> {
    host.sent
        .iter()
        .filter(|sent| sent.payload_len != 0)
        .map(|sent| (sent.seq.raw() - ISS - 1) / 1_000)
        .collect()
}

#[test]
fn the_pipe_is_what_is_on_its_way() {
    // RFC 6675 section 4: sent, not held by the peer, not lost; and what was sent again.
    let mut host = ten_in_flight(true, false);
    assert_eq!(host.tcb.pipe(), 10_000);
    host.arrive(ack(0, &[(1, 3)]));
    assert_eq!(host.tcb.pipe(), 8_000);
    // The first is lost by three segments beyond it, and goes again at once.
    host.arrive(ack(0, &[(1, 4)]));
    assert_eq!(sent(&host), [0]);
    assert_eq!(host.tcb.pipe(), 7_000);
    // What was acknowledged and what was held does not count twice.
    host.arrive(ack(4, &[(5, 6)]));
    assert_eq!(host.tcb.snd_una, raw(at(4)));
    assert_eq!(host.tcb.sums.sacked, 1_000);
}

#[test]
fn three_segments_beyond_a_hole_mean_that_it_is_lost() {
    let mut host = ten_in_flight(true, false);
    host.arrive(ack(0, &[(1, 2)]));
    assert!(sent(&host).is_empty());
    host.arrive(ack(0, &[(1, 3)]));
    assert!(sent(&host).is_empty());
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
    host.arrive(ack(0, &[(1, 4)]));
    assert_eq!(sent(&host), [0]);
    assert_eq!(host.tcb.recovery.phase(), Phase::Fast);
    assert!(host.tcb.congestion.ssthresh() < 10_000);
    // Once only, however many acknowledgments follow.
    for last in 5..=10 {
        host.arrive(ack(0, &[(1, last)]));
        assert!(sent(&host).is_empty());
    }
    host.arrive(ack(10, &[]));
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
    assert_eq!(host.timer(), None);
    assert!(host.tcb.sent == Default::default());
}

#[test]
fn each_hole_is_filled_and_nothing_else() {
    let mut host = ten_in_flight(true, false);
    host.arrive(ack(0, &[(8, 10), (5, 7), (1, 4)]));
    let mut again = sent(&host);
    // The window lets them go one by one.
    for _ in 0..10 {
        host.pass(Duration::from_ms(RTT_MS));
        host.arrive(ack(again.iter().max().unwrap() + 1, &[]));
        again.extend(sent(&host));
        if host.timer().is_none() {
            break;
        }
    }
    assert!(again == [0, 4, 7], "{again:?}");
}

#[test]
fn a_segment_that_is_only_late_is_not_sent_again() {
    let mut host = ten_in_flight(true, false);
    host.arrive(ack(0, &[(1, 2)]));
    // RFC 8985 6.2: a quarter of the least round-trip time, and the margin of the timer.
    assert_eq!(host.timer(), Some(TimerKind::Reorder));
    assert_eq!(host.time_left(), Duration::from_ms(RTT_MS / 4 + 2));
    host.pass(Duration::from_ms(10));
    host.arrive(ack(3, &[]));
    assert!(sent(&host).is_empty());
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
    assert!(host.tcb.recovery.reordering_seen());
    // From now on three segments are not enough.
    host.arrive(ack(3, &[(4, 8)]));
    assert!(sent(&host).is_empty());
    assert_eq!(host.timer(), Some(TimerKind::Reorder));
}

#[test]
fn a_segment_that_stays_away_is_lost_when_its_time_is_up() {
    let mut host = ten_in_flight(true, false);
    host.arrive(ack(0, &[(1, 2)]));
    host.fire();
    assert_eq!(sent(&host)[0], 0);
    assert_eq!(host.tcb.recovery.phase(), Phase::Fast);
    assert_eq!(host.tcb.status().retransmits, 0);
}

#[test]
fn a_retransmission_that_is_lost_is_found_by_what_was_sent_after_it() {
    let mut host = ten_in_flight(true, false);
    host.arrive(ack(0, &[(1, 9)]));
    assert_eq!(sent(&host), [0]);
    host.pass(Duration::from_ms(1));
    host.queue(3_000);
    let later = sent(&host);
    assert!(!later.is_empty());
    host.pass(Duration::from_ms(RTT_MS));
    // The new data arrives, the retransmission before it does not: a round trip and the window later it goes again.
    host.arrive(ack(0, &[(10, 11), (1, 10)]));
    let mut again = sent(&host);
    if again.is_empty() {
        assert_eq!(host.timer(), Some(TimerKind::Reorder));
        host.fire();
        again = sent(&host);
    }
    assert!(again.contains(&0), "{again:?}");
}

#[test]
fn the_tail_is_probed_after_two_round_trips() {
    let mut host = ten_in_flight(true, false);
    assert_eq!(host.timer(), Some(TimerKind::TailProbe));
    let sent_at = host.now.as_us() - RTT_MS * 1_000;
    let (_, deadline) = host.tcb.next_deadline().unwrap();
    assert_eq!(deadline.as_us() - sent_at, 2 * RTT_MS * 1_000 + 2_000);
    host.fire();
    // RFC 8985 7.3: nothing new is there, the last goes again.
    assert_eq!(sent(&host), [9]);
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
    // The first was lost, the last arrives: the SACK repairs without a timeout.
    host.pass(Duration::from_ms(RTT_MS));
    host.arrive(ack(0, &[(1, 10)]));
    assert_eq!(sent(&host), [0]);
    host.pass(Duration::from_ms(RTT_MS));
    host.arrive(ack(10, &[]));
    assert_eq!(host.tcb.status().retransmits, 0);
}

/// What tells of a gap, and acknowledges nothing, has the wait for late segments take the place of the retransmission timeout.
#[test]
fn a_gap_that_is_told_after_the_probe_is_waited_for() {
    let mut host = ten_in_flight(true, false);
    host.fire();
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
    host.pass(Duration::from_ms(RTT_MS));
    host.arrive(ack(0, &[(1, 2)]));
    assert_eq!(host.timer(), Some(TimerKind::Reorder));
    assert_eq!(host.time_left(), Duration::from_ms(RTT_MS / 4 + 2));
}

#[test]
fn a_probe_takes_new_data_if_there_is_some() {
    let mut host = ten_in_flight(true, false);
    host.queue(500);
    assert!(sent(&host).is_empty(), "the window is full");
    host.fire();
    assert_eq!(sent(&host), [10]);
    assert_eq!(host.only().payload_len, 500);
    // There is one probe until it is answered.
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
}

#[test]
fn a_single_segment_waits_for_a_delayed_ack_as_well() {
    let cfg = Config {
        sack: true,
        ..plain()
    };
    let mut host = Host::syn_sent_with(cfg);
    host.pass(Duration::from_ms(300));
    let mut answer = syn(SYN | ACK, IRS, ISS + 1);
    answer.options.sack_permitted = true;
    host.arrive(answer);
    host.queue(10);
    assert_eq!(host.timer(), Some(TimerKind::TailProbe));
    assert_eq!(host.time_left(), Duration::from_ms(2 * 300 + 200));
}

#[test]
fn must_18_what_waited_for_a_retransmission_gives_no_sample() {
    for timestamps in [false, true] {
        let mut host = ten_in_flight(true, timestamps);
        let srtt = host.tcb.rtt.srtt_us();
        host.fire();
        assert_eq!(sent(&host), [9]);
        host.fire();
        assert_eq!(sent(&host), [0]);
        host.pass(Duration::from_ms(RTT_MS));
        // All the others arrived long ago, but no ACK of theirs did.
        let mut answer = ack(10, &[]);
        if timestamps {
            answer = echo(&host, answer, RTT_MS as u32);
        }
        host.arrive(answer);
        assert_eq!(host.tcb.rtt.srtt_us(), srtt, "timestamps {timestamps}");
    }
}

#[test]
fn must_18_the_ack_of_a_duplicate_gives_no_sample() {
    for dsack in [false, true] {
        let mut host = ten_in_flight(true, true);
        let first = echo(&host, ack(10, &[]), RTT_MS as u32);
        host.arrive(first);
        let srtt = host.tcb.rtt.srtt_us();
        host.queue(1_000);
        let sent_ms = now_ms(&host);
        host.fire();
        host.fire();
        assert_eq!(sent(&host), [10]);
        host.pass(Duration::from_ms(RTT_MS));
        // The ACK of the first transmission was lost; this one still has its echo.
        let mut answer = ack(11, &[]);
        if dsack {
            answer.options.sack.push(raw(at(10)), raw(at(11)));
        }
        let ago_ms = now_ms(&host) - sent_ms;
        let answer = echo(&host, answer, ago_ms);
        host.arrive(answer);
        assert_eq!(host.tcb.rtt.srtt_us() == srtt, dsack);
    }
}

#[test]
fn a_loss_that_a_probe_repaired_reduces_the_window() {
    for (dsack, reduced) in [(false, true), (true, false)] {
        let mut host = ten_in_flight(true, false);
        host.fire();
        assert_eq!(sent(&host), [9]);
        let before = host.tcb.congestion.cwnd();
        host.pass(Duration::from_ms(RTT_MS));
        let mut answer = ack(10, &[]);
        if dsack {
            // RFC 8985 7.4.2: both copies arrived.
            answer.options.sack.push(raw(at(9)), raw(at(10)));
        }
        host.arrive(answer);
        host.queue(1_000);
        let before = host.tcb.congestion.cwnd().max(before);
        host.arrive(ack(11, &[]));
        assert_eq!(
            host.tcb.congestion.ssthresh() < before,
            reduced,
            "dsack {dsack}"
        );
    }
}

#[test]
fn without_sack_three_duplicates_mean_a_loss() {
    let mut host = ten_in_flight(false, false);
    host.queue(5_000);
    // RFC 3042: each of the first two lets a new segment go.
    host.arrive(ack(0, &[]));
    assert_eq!(sent(&host), [10]);
    host.arrive(ack(0, &[]));
    assert_eq!(sent(&host), [11]);
    host.arrive(ack(0, &[]));
    assert_eq!(sent(&host)[0], 0);
    assert_eq!(host.tcb.recovery.phase(), Phase::Fast);
}

#[test]
fn without_sack_a_partial_ack_shows_the_next_hole() {
    let mut host = ten_in_flight(false, false);
    for _ in 0..3 {
        host.arrive(ack(0, &[]));
    }
    assert_eq!(sent(&host), [0]);
    for _ in 0..5 {
        host.arrive(ack(0, &[]));
    }
    // RFC 6582 3.2, step 3.
    host.pass(Duration::from_ms(RTT_MS));
    host.arrive(ack(4, &[]));
    assert_eq!(sent(&host), [4]);
    assert_eq!(host.tcb.recovery.phase(), Phase::Fast);
    host.pass(Duration::from_ms(RTT_MS));
    host.arrive(ack(10, &[]));
    assert!(sent(&host).is_empty());
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
}

#[test]
fn without_sack_duplicates_of_an_earlier_recovery_mean_nothing() {
    let mut host = ten_in_flight(false, false);
    host.fire();
    assert_eq!(host.tcb.recovery.phase(), Phase::Timeout);
    host.arrive(ack(10, &[]));
    host.queue(3_000);
    let threshold = host.tcb.congestion.ssthresh();
    // RFC 6582 3.2, step 1: what was sent again needlessly comes back as duplicates of the same number.
    for _ in 0..3 {
        host.arrive(ack(10, &[]));
    }
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
    assert_eq!(host.tcb.congestion.ssthresh(), threshold);
}

#[test]
fn a_segment_with_data_or_another_window_is_no_duplicate() {
    let mut host = ten_in_flight(false, false);
    for other in 0..6 {
        host.arrive(data(wnd(seg(ACK, IRS + 1 + other * 10, at(0)), 60_000), 10));
        let seq = IRS + 1 + (other + 1) * 10;
        host.arrive(wnd(seg(ACK, seq, at(0)), 60_001 + other as u16));
        assert!(sent(&host).is_empty());
        host.arrive(wnd(seg(ACK, seq, at(0)), 60_000));
    }
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
}

#[test]
fn a_timeout_sends_again_what_the_peer_does_not_hold() {
    let mut host = ten_in_flight(true, false);
    host.arrive(ack(0, &[(1, 2)]));
    host.arrive(ack(0, &[(5, 7), (1, 2)]));
    while host.tcb.status().retransmits == 0 {
        host.fire();
    }
    assert_eq!(host.tcb.recovery.phase(), Phase::Timeout);
    let mut again = sent(&host);
    assert_eq!(again, [0]);
    for _ in 0..10 {
        host.pass(Duration::from_ms(RTT_MS));
        // The peer acknowledges what it has by now.
        let next = (0..10)
            .find(|segment| !again.contains(segment) && ![1, 5, 6].contains(segment))
            .unwrap_or(10);
        host.arrive(ack(next, &[]));
        again.extend(sent(&host));
    }
    again.sort_unstable();
    again.dedup();
    assert_eq!(again, [0, 2, 3, 4, 7, 8, 9]);
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
}

#[test]
fn a_peer_may_throw_away_what_it_held() {
    let mut host = ten_in_flight(true, false);
    host.arrive(ack(0, &[(1, 10)]));
    // It acknowledges the first alone, though it had said to hold what follows: RFC 2018 section 8.
    host.arrive(ack(1, &[]));
    while host.tcb.status().retransmits == 0 {
        host.fire();
    }
    assert_eq!(sent(&host), [1]);
    assert_eq!(host.tcb.sums.sacked, 0);
}

#[test]
fn a_timeout_that_was_too_early_is_taken_back() {
    // RFC 3522, RFC 4015.
    let mut host = ten_in_flight(true, true);
    let before = host.tcb.congestion.cwnd();
    while host.tcb.status().retransmits == 0 {
        host.fire();
    }
    assert_eq!(host.tcb.congestion.cwnd(), u32::from(MSS));
    host.pass(Duration::from_ms(20));
    // The ACK of the first transmission comes at last: its echo is of long ago.
    let late = echo(&host, ack(5, &[]), 1_000);
    host.arrive(late);
    assert!(host.tcb.congestion.cwnd() >= before);
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
    assert_eq!(host.tcb.sums.lost, 0);
    assert!(!sent(&host).contains(&5), "nothing else is sent again");
}

#[test]
fn a_timeout_that_was_right_is_not_taken_back() {
    let mut host = ten_in_flight(true, true);
    while host.tcb.status().retransmits == 0 {
        host.fire();
    }
    host.pass(Duration::from_ms(RTT_MS));
    let answer = echo(&host, ack(1, &[]), RTT_MS as u32);
    host.arrive(answer);
    assert_eq!(host.tcb.recovery.phase(), Phase::Timeout);
    assert!(host.tcb.congestion.cwnd() <= 3 * u32::from(MSS));
}

#[test]
fn a_recovery_that_only_made_duplicates_is_taken_back() {
    // RFC 3708, without timestamps.
    let mut host = ten_in_flight(true, false);
    let before = host.tcb.congestion.cwnd();
    host.arrive(ack(0, &[(1, 4)]));
    assert_eq!(sent(&host), [0]);
    assert!(host.tcb.congestion.ssthresh() < before);
    // The first was late, not lost; then the copy arrives, too.
    host.arrive(ack(10, &[]));
    let mut duplicate = ack(10, &[]);
    duplicate.options.sack.push(raw(at(0)), raw(at(1)));
    host.arrive(duplicate);
    assert!(host.tcb.congestion.cwnd() >= before);
    assert_eq!(host.tcb.congestion.ssthresh(), u32::MAX);
}

#[test]
fn blocks_of_what_was_never_sent_mean_nothing() {
    let mut host = ten_in_flight(true, false);
    for (left, right) in [
        (at(5), at(11)),
        (at(11), at(12)),
        (at(3), at(2)),
        (at(4), at(4)),
        (ISS.wrapping_sub(5_000), ISS.wrapping_sub(4_000)),
        (at(0).wrapping_add(1 << 31), at(1).wrapping_add(1 << 31)),
    ] {
        let mut segment = ack(0, &[]);
        segment.options.sack.push(raw(left), raw(right));
        host.arrive(segment);
        assert_eq!(host.tcb.sums.sacked, 0, "{left} {right}");
    }
    assert_eq!(host.tcb.pipe(), 10_000);
}

#[test]
fn without_memory_for_the_scoreboard_everything_still_arrives() {
    let mut host = Host::with(Config {
        sack: true,
        ..plain()
    });
    host.tcb.sent.limit = 2;
    let mut open = host.clone();
    open.user(UserCall::Connect(params()));
    open.tcb.sent.limit = 2;
    let mut answer = syn(SYN | ACK, IRS, ISS + 1);
    answer.options.sack_permitted = true;
    open.arrive(wnd(answer, 60_000));
    for _ in 0..5 {
        open.queue(1_000);
        open.pass(Duration::from_ms(1));
    }
    open.arrive(ack(0, &[(1, 2), (3, 4)]));
    open.arrive(ack(0, &[(1, 5)]));
    for _ in 0..20 {
        if open.timer().is_none() {
            break;
        }
        open.fire();
        let next = open
            .sent
            .first()
            .map_or(at(0), |sent| (sent.seq + sent.payload_len).raw());
        open.arrive(wnd(seg(ACK, IRS + 1, next), 60_000));
    }
    assert_eq!(open.tcb.snd_una, open.tcb.write_end);
}
