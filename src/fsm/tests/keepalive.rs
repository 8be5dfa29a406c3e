// SPDX-License-Identifier: GPL-2.0

//! Keep-alives (RFC 9293 section 3.8.4) and the user timeout (RFC 9293 section 3.8.3, RFC 5482).

use super::*;
use crate::fsm::{ConnError, ReplyWhy, ResetReason};

const TWO_HOURS: Duration = Duration::from_secs(7_200);

/// An idle connection with keep-alives.
fn idle() -> Host {
    let mut host = Host::established();
    host.set(|settings| settings.keepalive = true);
    host
}

/// Lets the keep-alive timer fire, and returns the probe.
fn probe(host: &mut Host) -> SegmentOut {
    assert_eq!(host.timer(), Some(TimerKind::KeepAlive));
    host.fire();
    host.only()
}

#[test]
fn must_25_keep_alives_are_off_unless_the_program_asks_for_them() {
    for state in [Host::established, Host::fin_wait_2, Host::close_wait] {
        assert_eq!(state().tcb.next_deadline(), None);
    }
}

#[test]
fn must_24_they_are_turned_on_and_off_for_one_connection() {
    let mut host = idle();
    assert_eq!(host.timer(), Some(TimerKind::KeepAlive));
    host.set(|settings| settings.keepalive = false);
    assert_eq!(host.timer(), None);
    host.pass(Duration::from_secs(100_000));
    let mut out = Outbox::new();
    host.tcb.on_timer(host.now, &host.cfg, &mut out);
    assert_eq!(out, Outbox::new());
}

#[test]
fn must_28_the_first_one_comes_after_two_hours() {
    let mut host = idle();
    assert_eq!(host.time_left(), TWO_HOURS);
    // Not a moment before.
    host.pass(TWO_HOURS - Duration::from_us(1));
    let mut out = Outbox::new();
    host.tcb.on_timer(host.now, &host.cfg, &mut out);
    assert_eq!(out, Outbox::new());
    host.pass(Duration::from_us(1));
    host.tcb.on_timer(host.now, &host.cfg, &mut out);
    assert_eq!(out.reply.map(|reply| reply.why), Some(ReplyWhy::KeepAlive));
}

#[test]
fn shld_12_a_keep_alive_has_the_number_before_the_next_and_no_data() {
    let mut host = idle();
    assert_eq!(brief(&probe(&mut host)), (ACK, ISS, IRS + 1, 0));
    host.arrive(seg(ACK, IRS + 1, ISS + 1));
    host.queue(10);
    host.arrive(seg(ACK, IRS + 1, ISS + 11));
    assert_eq!(brief(&probe(&mut host)), (ACK, ISS + 10, IRS + 1, 0));
    // In the other states in which nothing may be in flight, too.
    let mut host = Host::fin_wait_2();
    host.set(|settings| settings.keepalive = true);
    assert_eq!(brief(&probe(&mut host)), (ACK, ISS + 1, IRS + 1, 0));
    let mut host = Host::close_wait();
    host.set(|settings| settings.keepalive = true);
    assert_eq!(brief(&probe(&mut host)), (ACK, ISS, IRS + 2, 0));
}

#[test]
fn may_6_it_has_one_octet_if_so_configured() {
    let mut host = idle();
    host.cfg.keepalive_octet = true;
    assert_eq!(brief(&probe(&mut host)), (ACK, ISS, IRS + 1, 1));
    // Which is no data of the connection.
    assert_eq!(host.tcb.unsent_len(), 0);
    assert_eq!(host.timer(), Some(TimerKind::KeepAlive));
}

#[test]
fn must_26_they_wait_until_nothing_came_for_the_interval() {
    let mut host = idle();
    for _ in 0..5 {
        host.pass(Duration::from_secs(7_000));
        host.arrive(data(seg(ACK, IRS + 1 + host.delivered, ISS + 1), 10));
        assert_eq!(host.time_left(), TWO_HOURS);
    }
    // An ACK alone counts, too; a segment that is not acceptable does not.
    host.pass(Duration::from_secs(7_000));
    host.arrive(seg(ACK, IRS + 51, ISS + 1));
    assert_eq!(host.time_left(), TWO_HOURS);
    host.pass(Duration::from_secs(7_000));
    host.arrive(seg(ACK, IRS + 51, ISS + 100_000));
    assert_eq!(host.time_left(), Duration::from_secs(200));
}

#[test]
fn must_26_none_is_sent_while_something_is_in_flight() {
    let mut host = idle();
    host.queue(10);
    assert_ne!(host.timer(), Some(TimerKind::KeepAlive));
    host.arrive(seg(ACK, IRS + 1, ISS + 11));
    assert_eq!(host.timer(), Some(TimerKind::KeepAlive));
    // Nor while a closed window is probed.
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 11), 0));
    host.queue(10);
    assert_eq!(host.timer(), Some(TimerKind::Persist));
}

#[test]
fn must_27_the_intervals_and_the_count_can_be_set() {
    let mut host = Host::established();
    host.set(|settings| {
        settings.keepalive = true;
        settings.set_keepalive_time(100).unwrap();
        settings.set_keepalive_intvl(7).unwrap();
        settings.set_keepalive_probes(3).unwrap();
    });
    assert_eq!(host.time_left(), Duration::from_secs(100));
    for _ in 0..3 {
        probe(&mut host);
        assert_eq!(host.time_left(), Duration::from_secs(7));
    }
    let out = host.fire();
    assert_eq!(out.error, Some(ConnError::TimedOut));
    assert_eq!(
        out.reply.map(|reply| reply.why),
        Some(ReplyWhy::Reset(ResetReason::KeepAliveTimeout))
    );
    assert_eq!(host.state(), State::Closed);
}

#[test]
fn must_27_the_namespaces_settings_count_where_the_program_set_none() {
    let mut host = Host::established();
    host.cfg.keepalive_time = Duration::from_secs(50);
    host.cfg.keepalive_intvl = Duration::from_secs(5);
    host.cfg.keepalive_probes = 1;
    host.set(|settings| settings.keepalive = true);
    assert_eq!(host.time_left(), Duration::from_secs(50));
    probe(&mut host);
    assert_eq!(host.time_left(), Duration::from_secs(5));
    assert_eq!(host.fire().fate, Fate::Closed);
}

#[test]
fn must_29_a_probe_that_is_not_answered_ends_nothing() {
    let mut host = idle();
    for _ in 0..9 {
        probe(&mut host);
        assert_eq!(host.state(), State::Established);
        assert_eq!(host.time_left(), Duration::from_secs(75));
    }
    // The answer to the last one starts all over.
    host.arrive(seg(ACK, IRS + 1, ISS + 1));
    assert_eq!(host.time_left(), TWO_HOURS);
    for _ in 0..9 {
        probe(&mut host);
    }
    assert_eq!(host.fire().fate, Fate::Closed);
}

#[test]
fn a_half_closed_connection_ends_by_keep_alives_too() {
    for state in [Host::fin_wait_2, Host::close_wait] {
        let mut host = state();
        host.set(|settings| {
            settings.keepalive = true;
            settings.set_keepalive_probes(1).unwrap();
        });
        probe(&mut host);
        let out = host.fire();
        assert_eq!(out.error, Some(ConnError::TimedOut));
        assert_eq!(host.state(), State::Closed);
    }
}

#[test]
fn a_keep_alive_of_ours_is_answered_by_a_host_like_ours() {
    for octet in [false, true] {
        let mut host = idle();
        host.cfg.keepalive_octet = octet;
        let keepalive = probe(&mut host);
        // The peer has the same numbers the other way round.
        let mut peer = Host::established();
        peer.pass(TWO_HOURS);
        let probe = data(seg(ACK, IRS, ISS + 1), keepalive.payload_len);
        peer.arrive(probe);
        assert_eq!(brief(&peer.only()), (ACK, ISS + 1, IRS + 1, 0), "{octet}");
        assert_eq!(peer.delivered, 0);
    }
}

#[test]
fn the_user_timeout_is_that_of_keep_alives_too() {
    let mut host = Host::established();
    host.set(|settings| {
        settings.keepalive = true;
        settings.set_keepalive_time(10).unwrap();
        settings.set_keepalive_intvl(10).unwrap();
        settings.set_keepalive_probes(1).unwrap();
        settings.set_user_timeout(45_000).unwrap();
    });
    // Not the count: the time since the peer was last heard.
    for _ in 0..4 {
        probe(&mut host);
    }
    assert_eq!(host.fire().error, Some(ConnError::TimedOut));
}

/// The time from sending ten octets that nobody acknowledges to the end, in seconds.
fn silence(user_timeout_ms: i32, retries2: u8) -> u64 {
    let mut host = Host::established();
    host.cfg.retries2 = retries2;
    host.set(|settings| settings.set_user_timeout(user_timeout_ms).unwrap());
    host.queue(10);
    let start = host.now;
    loop {
        let out = host.fire();
        if out.fate == Fate::Closed {
            assert_eq!(out.error, Some(ConnError::TimedOut));
            return host.now.since(start).as_ms() / 1_000;
        }
    }
}

#[test]
fn must_21_the_program_sets_r2_as_a_time() {
    // Shorter than R2, and longer; to the second, not only when the next retransmission is due.
    assert_eq!(silence(30_000, 15), 30);
    assert_eq!(silence(3_000_000, 3), 3_000);
    assert!(silence(0, 3) < 30);
}

#[test]
fn must_21_a_short_user_timeout_waits_for_one_retransmission() {
    let mut host = Host::established();
    host.set(|settings| settings.set_user_timeout(1).unwrap());
    host.queue(10);
    host.fire();
    assert_eq!(host.state(), State::Established);
    while host.timer() == Some(TimerKind::TailProbe) || host.tcb.status().retransmits == 0 {
        host.fire();
    }
    assert_eq!(host.fire().fate, Fate::Closed);
}

#[test]
fn must_21_progress_starts_the_user_timeout_anew() {
    let mut host = Host::established();
    host.set(|settings| settings.set_user_timeout(30_000).unwrap());
    for round in 0..3 {
        host.queue(10);
        let start = host.now;
        while host.now.since(start) < Duration::from_secs(20) {
            assert_eq!(host.fire().fate, Fate::Live);
        }
        host.arrive(seg(ACK, IRS + 1, ISS + 1 + 10 * (round + 1)));
    }
    assert_eq!(host.state(), State::Established);
}

#[test]
fn the_user_timeout_ends_an_open_and_a_closed_window_too() {
    let mut host = Host::closed();
    host.set(|settings| settings.set_user_timeout(10_000).unwrap());
    host.user(UserCall::Connect(params()));
    let start = host.now;
    while host.fire().fate == Fate::Live {}
    assert_eq!(host.now.since(start), Duration::from_secs(10));

    // As in Linux: even where the probes are answered.
    let mut host = Host::established();
    host.set(|settings| settings.set_user_timeout(20_000).unwrap());
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 0));
    host.queue(10);
    let start = host.now;
    while host.fire().fate == Fate::Live {
        host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 0));
    }
    let seconds = host.now.since(start).as_ms() / 1_000;
    assert!((20..=22).contains(&seconds), "{seconds}");
}

#[test]
fn the_idle_time_counts_from_the_handshake_on() {
    let mut host = Host::closed();
    host.set(|settings| settings.keepalive = true);
    host.user(UserCall::Connect(params()));
    // The peer answers late.
    host.pass(Duration::from_secs(60));
    host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    assert_eq!(host.timer(), Some(TimerKind::KeepAlive));
    assert_eq!(host.time_left(), TWO_HOURS);
}
