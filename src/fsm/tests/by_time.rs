// SPDX-License-Identifier: GPL-2.0

//! What the times of transmissions tell: which one has arrived, and what is lost (RFC 8985 section 6).

use super::judged::{ack, open, open_sack, rest, sent_at};
use super::*;
use crate::fsm::recovery::Phase;

/// Small segments go out at once, and a first one has arrived after a round trip, if there is one of so many octets.
fn after(mut host: Host, first: u32) -> Host {
    host.set(|settings| settings.nodelay = true);
    if first != 0 {
        host.queue(first);
        rest(&mut host);
        let answer = echo(ack(first, &[]), &host, 100_000);
        host.arrive(answer);
    }
    assert_eq!(host.tcb.snd_una, host.tcb.snd_nxt);
    host
}

/// The same segment with an echo of what we sent so many microseconds ago, where timestamps are agreed upon.
fn echo(segment: Segment, host: &Host, ago_us: u64) -> Segment {
    if host.tcb.ts_on {
        ts(segment, 1, ((host.now.as_us() - ago_us) / 1_000) as u32)
    } else {
        segment
    }
}

/// Lets the time pass until so much is left to the retransmission timeout.
fn before_timeout(host: &mut Host, left: Duration) {
    while host.timer() != Some(TimerKind::Retransmit) {
        host.fire();
    }
    let passes = host.time_left() - left;
    host.pass(passes);
}

/// A timeout; it sends the segment at this place in the stream, of so many octets.
fn times_out(host: &mut Host, at: u32, len: u32) {
    let before = host.tcb.traffic.timeouts;
    host.fire();
    assert_eq!(host.tcb.traffic.timeouts, before + 1);
    assert_eq!(sent_at(host), [at]);
    assert_eq!(host.only().payload_len, len);
}

/// Octets that are taken for lost, sent again or not.
fn lost(host: &Host) -> u32 {
    let info = host.tcb.info(host.now);
    info.lost + info.resent
}

// RFC 8985 6.2, step 2.
#[test]
fn an_echo_of_an_earlier_transmission_tells_nothing_of_the_last() {
    for (last, again) in [(false, vec![]), (true, vec![1_100])] {
        let mut host = after(
            open(Config {
                sack: true,
                timestamps: true,
                ..plain()
            }),
            1_000,
        );
        host.queue(100);
        while host.tcb.traffic.timeouts == 0 {
            host.fire();
        }
        let first_again = host.now;
        before_timeout(&mut host, Duration::from_ms(50));
        host.queue(100);
        assert_eq!(sent_at(&host), [1_100]);
        times_out(&mut host, 1_000, 100);
        let second_again = host.now;
        rest(&mut host);
        let of = if last { second_again } else { first_again };
        let answer = echo(ack(1_100, &[]), &host, host.now.since(of).as_us());
        host.arrive(answer);
        // What was sent before the transmission that arrived is lost.
        assert_eq!(sent_at(&host), again);
    }
}

// RFC 8985 6.2, step 2: no path is faster than it ever was.
#[test]
fn what_is_acknowledged_too_soon_was_not_the_retransmission() {
    for (after_us, again) in [(20_000, vec![]), (99_999, vec![]), (100_000, vec![2_000])] {
        let mut host = after(open_sack(), 1_000);
        host.queue(1_000);
        before_timeout(&mut host, Duration::from_ms(50));
        host.queue(1_000);
        times_out(&mut host, 1_000, 1_000);
        host.pass(Duration::from_us(after_us));
        host.arrive(ack(2_000, &[]));
        assert_eq!(sent_at(&host), again, "{after_us}");
    }
}

// RFC 8985 6.2, step 2: RACK.xmit_ts and RACK.end_seq are of what was sent last.
#[test]
fn what_was_overtaken_does_not_hide_what_is_lost() {
    // Two bursts, the second of which overtakes.
    let mut host = open_sack();
    host.queue(5_000);
    host.pass(Duration::from_ms(20));
    host.queue(5_000);
    rest(&mut host);
    host.arrive(ack(0, &[(5_000, 6_000)]));
    assert_eq!(host.timer(), Some(TimerKind::Reorder));
    host.pass(Duration::from_ms(3));
    host.arrive(ack(0, &[(1_000, 2_000), (5_000, 6_000)]));
    host.fire();
    assert_eq!(sent_at(&host)[0], 0);
    assert_eq!(lost(&host), 4_000);
    // One burst: of the same time is what has the higher number, whichever arrives first.
    for [first, second] in [[1_000, 5_000], [5_000, 1_000]] {
        let mut host = open_sack();
        host.queue(10_000);
        rest(&mut host);
        host.arrive(ack(0, &[(first, first + 1_000)]));
        host.arrive(ack(0, &[(second, second + 1_000), (first, first + 1_000)]));
        host.fire();
        assert_eq!(lost(&host), 4_000, "{first}");
    }
}

// RFC 8985 6.2, step 5, where the lower bits of the clock are few.
#[test]
fn nothing_is_lost_by_time_before_anything_has_arrived() {
    let mut host = after(open_sack(), 0);
    let mut trial = host.clone();
    trial.queue(100);
    before_timeout(&mut trial, Duration::from_us(0));
    let wait = trial.now.since(host.now);
    host.now = Instant::from_us((1 << 32) + 10 - 20_000 - wait.as_us());
    host.queue(100);
    before_timeout(&mut host, Duration::from_us(0));
    times_out(&mut host, 0, 100);
    host.pass(Duration::from_ms(5));
    host.queue(100);
    assert_eq!(sent_at(&host), [100]);
    host.pass(Duration::from_ms(15));
    assert_eq!(host.now.as_us() as u32, 10);
    // It is too soon for the answer to what was sent again.
    host.arrive(ack(100, &[]));
    assert_eq!(lost(&host), 0);
}

// RFC 8985 6.3: at a timeout the first is lost, and of the others what had the time to arrive, and to be late.
#[test]
fn a_timeout_leaves_what_was_sent_shortly_before() {
    for (age_ms, len) in [(1, 100), (99, 100), (124, 100), (125, 200), (200, 200)] {
        let mut host = after(open_sack(), 1_000);
        host.queue(100);
        before_timeout(&mut host, Duration::from_ms(age_ms));
        host.queue(100);
        assert_eq!(sent_at(&host), [1_100]);
        times_out(&mut host, 1_000, len);
        assert_eq!(lost(&host), len, "{age_ms}");
    }
}

// RFC 8985 6.3, RFC 6298 5.4: no time is known that it would take, or no SACK can tell of it.
#[test]
fn a_timeout_takes_all_for_lost_where_nothing_else_tells() {
    for (host, first) in [(open_sack(), 0), (open(plain()), 1_000)] {
        let mut host = after(host, first);
        host.queue(100);
        before_timeout(&mut host, Duration::from_ms(10));
        host.queue(100);
        assert_eq!(sent_at(&host), [first + 100]);
        times_out(&mut host, first, 200);
    }
}

// RFC 8985 6.3, RFC 5681 3.2.
#[test]
fn a_loss_that_only_time_shows_costs_the_window_the_same() {
    let mut timed = open_sack();
    timed.queue(10_000);
    rest(&mut timed);
    let mut counted = timed.clone();
    timed.arrive(ack(0, &[(1_000, 2_000)]));
    timed.fire();
    assert_eq!(sent_at(&timed), [0]);
    counted.arrive(ack(0, &[(1_000, 4_000)]));
    assert_eq!(sent_at(&counted), [0]);
    let threshold = timed.tcb.congestion.ssthresh();
    assert!(threshold < 10_000);
    assert_eq!(threshold, counted.tcb.congestion.ssthresh());
}

// RFC 6675 5: a recovery ends when all is acknowledged that was in flight at its start, whatever else was lost.
#[test]
fn a_loss_that_time_shows_in_a_recovery_begins_no_other() {
    let mut host = open_sack();
    host.queue(10_000);
    rest(&mut host);
    // The path reorders.
    host.arrive(ack(0, &[(1_000, 2_000)]));
    host.arrive(ack(2_000, &[]));
    host.queue(20_000);
    host.arrive(ack(2_000, &[(3_000, 4_000)]));
    host.fire();
    assert_eq!(host.tcb.recovery.phase(), Phase::Fast);
    assert_eq!(sent_at(&host), [2_000]);
    let high = host.tcb.snd_nxt;
    host.arrive(ack(2_000, &[(3_000, 9_000)]));
    assert!(host.tcb.snd_nxt.after(high));
    host.pass(Duration::from_ms(73));
    host.arrive(ack(2_000, &[(11_000, 12_000), (3_000, 9_000)]));
    assert_eq!(host.timer(), Some(TimerKind::Reorder));
    let before = lost(&host);
    host.fire();
    assert!(lost(&host) > before);
    host.arrive(ack(high.distance_from(raw(ISS + 1)), &[]));
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
}

// RFC 8985 6.2, step 1: the least of late, not of ever.
#[test]
fn the_least_round_trip_time_is_believed_for_five_minutes() {
    let sample = |host: &mut Host, rtt_ms| {
        host.queue(100);
        host.pass(Duration::from_ms(rtt_ms));
        let octets = host.tcb.snd_nxt.distance_from(raw(ISS + 1));
        host.arrive(ack(octets, &[]));
        host.tcb.info(host.now).min_rtt_us
    };
    let mut host = open_sack();
    assert_eq!(host.tcb.info(host.now).min_rtt_us, 100_000);
    assert_eq!(sample(&mut host, 50), 50_000);
    assert_eq!(sample(&mut host, 80), 50_000);
    host.pass(Duration::from_secs(299));
    assert_eq!(sample(&mut host, 80), 50_000);
    host.pass(Duration::from_secs(2));
    assert_eq!(sample(&mut host, 80), 80_000);
    // It counts from then on.
    host.pass(Duration::from_secs(200));
    assert_eq!(sample(&mut host, 90), 80_000);
}

/// What the same events leave at any times is the same, but for the times: so many states there are, and no more.
#[test]
fn without_its_times_a_connection_is_what_its_events_made_of_it() {
    let [quick, slow] = [30, 90].map(|rtt_ms| {
        let mut host = open(Config {
            sack: true,
            timestamps: true,
            ..plain()
        });
        host.queue(10_000);
        host.pass(Duration::from_ms(rtt_ms));
        let answer = echo(ack(0, &[(1_000, 4_000)]), &host, rtt_ms * 1_000);
        host.arrive(answer);
        assert_eq!(sent_at(&host), [0]);
        host
    });
    assert!(quick.tcb != slow.tcb);
    let now = slow.now;
    let [quick, slow] = [quick, slow].map(|mut host| {
        host.tcb.forget_time(now, false);
        host.tcb
    });
    assert!(quick == slow);
}
