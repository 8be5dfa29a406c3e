// SPDX-License-Identifier: GPL-2.0

//! Retransmission: what is sent again and when, until R1 and R2; the round-trip time (RFC 6298).

use super::*;
use crate::fsm::{ConnError, ReqTimer};

/// Lets the timer fire until the connection ends; the seconds from the first transmission to the end, and how often
/// something was sent again.
fn until_the_end(host: &mut Host) -> (u64, u32, Outbox) {
    let start = host.now;
    let mut again = 0;
    loop {
        let out = host.fire();
        if out.fate == Fate::Closed {
            return (host.now.since(start).as_ms() / 1_000, again, out);
        }
        assert!(!host.sent.is_empty(), "something is sent again");
        again += 1;
    }
}

#[test]
fn must_22_must_23_a_syn_is_sent_again_for_three_minutes_at_least() {
    let mut host = Host::syn_sent();
    let first = host.only();
    for seconds in [1, 2, 4, 8, 16, 32, 64] {
        assert_eq!(host.time_left(), Duration::from_secs(seconds));
        host.fire();
        assert_eq!(host.only(), first);
    }
    let mut host = Host::syn_sent();
    let (seconds, again, out) = until_the_end(&mut host);
    assert!(seconds >= 180, "{seconds}");
    assert_eq!(again, 7);
    assert_eq!(out.error, Some(ConnError::TimedOut));
    assert_eq!(host.state(), State::Closed);
}

#[test]
fn must_22_the_threshold_of_a_syn_can_be_set() {
    for retries in [0, 1, 3, u8::MAX] {
        let cfg = Config {
            syn_retries: retries,
            ..plain()
        };
        let mut host = Host::syn_sent_with(cfg);
        assert_eq!(until_the_end(&mut host).1, u32::from(retries));
    }
}

#[test]
fn must_22_a_syn_ack_is_sent_again_and_given_up() {
    let cfg = plain();
    let mut request = request();
    let mut now = Instant::from_us(1_000_000_000);
    let first = request.syn_ack(now);
    let mut out = Outbox::new();
    assert_eq!(request.on_timer(now, &cfg, &mut out), ReqTimer::NotYet);
    for (retry, seconds) in [1, 2, 4, 8, 16].into_iter().enumerate() {
        let (kind, deadline) = request.next_deadline().unwrap();
        assert_eq!(kind, TimerKind::SynAck);
        assert_eq!(deadline.since(now), Duration::from_secs(seconds));
        now = deadline;
        assert_eq!(request.on_timer(now, &cfg, &mut out), ReqTimer::Resend);
        assert_eq!(request.syn_ack(now), first);
        assert_eq!(usize::from(request.status().retransmits), retry + 1);
    }
    now = request.next_deadline().unwrap().1;
    assert_eq!(request.on_timer(now, &cfg, &mut out), ReqTimer::GiveUp);
}

#[test]
fn must_20_shld_10_r1_advises_ip_and_r2_closes() {
    let mut host = Host::established();
    host.queue(100);
    for retry in 1..=15 {
        let out = host.fire();
        // R1 is three retransmissions by default.
        assert_eq!(out.negative_advice, retry >= 3);
        assert_eq!(out.soft_error.is_some(), retry >= 3);
        assert_eq!((out.error, host.state()), (None, State::Established));
        assert_eq!(brief(&host.only()), (ACK | PSH, ISS + 1, IRS + 1, 100));
        assert_eq!(host.tcb.status().retransmits, retry);
    }
    let out = host.fire();
    assert_eq!(
        (out.error, host.state()),
        (Some(ConnError::TimedOut), State::Closed)
    );
    assert!(host.sent.is_empty());
}

#[test]
fn the_program_can_learn_of_trouble_between_r1_and_r2() {
    let mut host = Host::established();
    host.queue(100);
    let mut told = 0;
    loop {
        let out = host.fire();
        if out.fate == Fate::Closed {
            break;
        }
        told += u32::from(out.soft_error == Some(ConnError::TimedOut));
    }
    assert_eq!(told, 13);
}

#[test]
fn shld_11_r2_is_a_hundred_seconds_at_least() {
    // Even on the fastest path, where the timeout is shortest.
    let mut host = Host::established();
    for round in 0..30 {
        host.queue(10);
        host.arrive(seg(ACK, IRS + 1, ISS + 11 + 10 * round));
    }
    assert!(host.tcb.rtt.rto() <= Duration::from_ms(201));
    host.queue(10);
    let mut orphan = host.clone();
    let (seconds, _, _) = until_the_end(&mut host);
    assert!(seconds >= 100, "{seconds}");
    // An orphan, too.
    orphan.user(UserCall::Close { unread_data: false });
    let (seconds, again, _) = until_the_end(&mut orphan);
    assert!(seconds >= 100, "{seconds}");
    assert_eq!(again, 8);
}

#[test]
fn must_19_the_timeout_backs_off_exponentially() {
    let mut host = Host::established();
    host.queue(10);
    let mut last = host.time_left();
    for _ in 0..6 {
        host.fire();
        assert_eq!(host.time_left(), last.doubled());
        last = host.time_left();
    }
}

#[test]
fn must_18_a_segment_that_was_sent_twice_gives_no_sample() {
    let mut host = Host::established();
    host.queue(10);
    host.pass(Duration::from_ms(40));
    host.arrive(seg(ACK, IRS + 1, ISS + 11));
    let srtt = host.tcb.rtt.srtt_us();
    assert_ne!(srtt, 0);
    host.queue(10);
    host.fire();
    let backed_off = host.time_left();
    host.pass(Duration::from_ms(1));
    host.arrive(seg(ACK, IRS + 1, ISS + 21));
    assert_eq!(host.tcb.rtt.srtt_us(), srtt);
    // Karn: the backed-off timeout holds until there is a sample.
    host.queue(10);
    assert_eq!(host.time_left(), backed_off);
    host.pass(Duration::from_ms(50));
    host.arrive(seg(ACK, IRS + 1, ISS + 31));
    assert_ne!(host.tcb.rtt.srtt_us(), srtt);
    host.queue(10);
    assert!(host.time_left() < backed_off);
}

#[test]
fn must_18_timestamps_tell_the_transmissions_apart() {
    let mut host = Host::syn_sent_with(Config::default());
    host.arrive(ts(syn(SYN | ACK, IRS, ISS + 1), 70, 1_000_000));
    host.queue(10);
    host.fire();
    let resent = host.only().options.timestamps.unwrap().val;
    host.pass(Duration::from_ms(30));
    let srtt = host.tcb.rtt.srtt_us();
    host.arrive(ts(seg(ACK, IRS + 1, ISS + 11), 71, resent));
    // A sample of 30 ms joins the first, of no time at all.
    assert_eq!(host.tcb.rtt.srtt_us(), (srtt * 7 + 30_000) / 8);
    // An echo of what was never sent is none.
    host.queue(10);
    host.fire();
    let srtt = host.tcb.rtt.srtt_us();
    host.arrive(ts(
        seg(ACK, IRS + 1, ISS + 21),
        72,
        resent.wrapping_add(1 << 30),
    ));
    assert_eq!(host.tcb.rtt.srtt_us(), srtt);
}

#[test]
fn the_handshake_gives_the_first_sample() {
    let mut host = Host::syn_sent();
    host.pass(Duration::from_ms(80));
    host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    assert_eq!(host.tcb.rtt.srtt_us(), 80_000);

    let cfg = plain();
    let request = request();
    let mut child = Host::closed();
    child.pass(Duration::from_ms(60));
    request.establish(child.now, &cfg, &mut child.tcb);
    child.arrive(seg(ACK, IRS + 1, ISS + 1));
    assert_eq!(child.tcb.rtt.srtt_us(), 60_000);
}

/// RFC 6298 5.7, RFC 5681 3.1.
#[test]
fn a_lost_syn_makes_a_careful_start() {
    let mut host = Host::syn_sent();
    host.fire();
    host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    host.queue(5_000);
    assert_eq!(host.sent.len(), 1);
    assert_eq!(host.time_left(), Duration::from_secs(3));

    let cfg = plain();
    let mut request = request();
    let mut out = Outbox::new();
    let (_, deadline) = request.next_deadline().unwrap();
    request.on_timer(deadline, &cfg, &mut out);
    let mut child = Host::closed();
    request.establish(child.now, &cfg, &mut child.tcb);
    child.arrive(seg(ACK, IRS + 1, ISS + 1));
    child.queue(5_000);
    assert_eq!(child.sent.len(), 1);
    assert_eq!(child.time_left(), Duration::from_secs(3));
}

#[test]
fn must_19_after_a_timeout_slow_start_sends_all_again_as_the_acks_come() {
    let mut host = Host::established();
    host.queue(5_000);
    assert_eq!(host.sent.len(), 5);
    host.fire();
    // Loss window: one segment.
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 1_000));
    // SND.NXT stays: what was acknowledged meanwhile is acceptable.
    assert_eq!(host.tcb.snd_nxt, raw(ISS + 5_001));
    host.arrive(seg(ACK, IRS + 1, ISS + 2_001));
    let sent: Vec<_> = host.sent.iter().map(brief).collect();
    assert_eq!(
        sent,
        [
            (ACK, ISS + 2_001, IRS + 1, 1_000),
            (ACK, ISS + 3_001, IRS + 1, 1_000)
        ]
    );
    host.arrive(seg(ACK, IRS + 1, ISS + 5_001));
    assert!(host.sent.is_empty());
    assert_eq!((host.timer(), host.tcb.status().retransmits), (None, 0));
}

#[test]
fn the_timer_starts_anew_with_each_ack_of_something_new() {
    let mut host = Host::established();
    host.queue(2_000);
    host.pass(Duration::from_ms(150));
    host.arrive(seg(ACK, IRS + 1, ISS + 1_001));
    assert_eq!(host.time_left(), host.tcb.rtt.rto());
    host.pass(Duration::from_ms(50));
    let left = host.time_left();
    // A duplicate does not.
    host.arrive(seg(ACK, IRS + 1, ISS + 1_001));
    assert_eq!(host.time_left(), left);
}

#[test]
fn a_fin_is_sent_again_and_counts_like_data() {
    let mut host = Host::last_ack();
    host.fire();
    assert_eq!(brief(&host.only()), (FIN | ACK, ISS + 1, IRS + 2, 0));
    let (_, again, out) = until_the_end(&mut host);
    assert_eq!(again, 14);
    assert_eq!(out.error, Some(ConnError::TimedOut));
}

#[test]
fn a_timer_that_fires_early_does_nothing() {
    let mut host = Host::established();
    host.queue(10);
    let before = host.tcb.clone();
    let mut out = Outbox::new();
    let early = Instant::from_us(host.tcb.next_deadline().unwrap().1.as_us() - 1);
    host.tcb.on_timer(early, &host.cfg, &mut out);
    assert_eq!(host.tcb, before);
    assert!(host.tcb.next_segment(early, &host.cfg).is_none());
    // So does one that fires where none runs.
    let mut idle = Host::established();
    let before = idle.tcb.clone();
    idle.tcb
        .on_timer(Instant::from_us(u64::MAX), &idle.cfg, &mut out);
    assert_eq!(idle.tcb, before);
}

#[test]
fn timers_are_named() {
    let names = [
        (TimerKind::Retransmit, "retransmit"),
        (TimerKind::Persist, "persist"),
        (TimerKind::FinWait2, "fin-wait-2"),
        (TimerKind::SynAck, "synack"),
        (TimerKind::TimeWait, "time-wait"),
    ];
    for (kind, name) in names {
        assert_eq!(kind.name(), name);
    }
}

#[test]
fn what_an_undone_recovery_wanted_to_force_out_is_forgotten() {
    let cfg = Config {
        sack: false,
        ..Config::default()
    };
    let mut host = Host::syn_sent_with(cfg);
    let before = host.now.as_us() as u32 / 1_000;
    host.arrive(ts(syn(SYN | ACK, IRS, ISS + 1), 1, before));
    host.pass(Duration::from_ms(50));
    host.queue(8_000);
    host.pass(Duration::from_ms(50));
    // Three duplicates and the ACK of all that was sent wait together for a socket in use.
    let answer = |ack| ts(seg(ACK, IRS + 1, ack), 2, before + 50);
    for ack in [ISS + 1, ISS + 1, ISS + 1, ISS + 8_001] {
        let mut out = Outbox::new();
        host.tcb.on_segment(host.now, &answer(ack), &cfg, &mut out);
    }
    host.user(UserCall::Read);
    assert!(host.sent.is_empty());
}

#[test]
fn what_arrives_before_it_is_sent_again_is_not_forced_out() {
    let cfg = Config {
        timestamps: false,
        ..Config::default()
    };
    let mut host = Host::syn_sent_with(cfg);
    let mut syn_ack = syn(SYN | ACK, IRS, ISS + 1);
    syn_ack.options.sack_permitted = true;
    host.arrive(syn_ack);
    for _ in 0..5 {
        host.queue(1_000);
        host.pass(Duration::from_ms(1));
    }
    // The first is overtaken by three more; their ACKs wait together for a socket in use.
    let mut held = seg(ACK, IRS + 1, ISS + 1);
    held.options.sack.push(raw(ISS + 1_001), raw(ISS + 4_001));
    for segment in [held, seg(ACK, IRS + 1, ISS + 4_001)] {
        let mut out = Outbox::new();
        host.tcb.on_segment(host.now, &segment, &cfg, &mut out);
    }
    host.user(UserCall::Read);
    assert!(host.sent.is_empty());
}
