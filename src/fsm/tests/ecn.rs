// SPDX-License-Identifier: GPL-2.0

//! Explicit congestion notification (RFC 3168).

use super::*;
use crate::fsm::AckMode;

const ECE: Flags = Flags::ECE;
const CWR: Flags = Flags::CWR;

fn cfg(ecn: u8) -> Config {
    Config { ecn, ..plain() }
}

/// Opened by us, with ECN agreed upon; what the SYN carried.
fn opened() -> (Host, Flags) {
    let mut host = Host::syn_sent_with(cfg(1));
    let flags = host.only().flags;
    host.arrive(wnd(syn(SYN | ACK | ECE, IRS, ISS + 1), 60_000));
    (host, flags)
}

/// The same segment, marked by the path.
fn marked(mut segment: Segment) -> Segment {
    segment.ce = true;
    segment
}

#[test]
fn shld_8_an_active_open_offers_it_where_the_setting_says_so() {
    assert_eq!(opened().1, SYN | ECE | CWR);
    for ecn in [0, 2] {
        let host = Host::syn_sent_with(cfg(ecn));
        assert_eq!(host.only().flags, SYN);
    }
}

#[test]
fn a_syn_that_was_lost_may_have_been_dropped_for_the_offer() {
    let mut host = Host::syn_sent_with(cfg(1));
    host.fire();
    assert_eq!(host.only().flags, SYN);
    // Whatever the answer says then.
    host.arrive(syn(SYN | ACK | ECE, IRS, ISS + 1));
    host.queue(10);
    assert!(!host.only().ect);
}

#[test]
fn only_ece_alone_accepts_the_offer() {
    for (flags, accepted) in [
        (SYN | ACK, false),
        (SYN | ACK | ECE, true),
        (SYN | ACK | ECE | CWR, false),
        (SYN | ACK | CWR, false),
    ] {
        let mut host = Host::syn_sent_with(cfg(1));
        host.arrive(syn(flags, IRS, ISS + 1));
        host.queue(10);
        assert_eq!(host.only().ect, accepted, "{flags:?}");
    }
    // A simultaneous open is no answer.
    let mut host = Host::syn_sent_with(cfg(1));
    host.arrive(syn(SYN | ECE | CWR, IRS, 0));
    assert_eq!(host.only().flags, SYN | ACK);
}

/// RFC 3168 6.1.3: what is marked, text or FIN, is echoed without delay, until the peer says that it has reduced its window.
#[test]
fn marks_are_echoed_at_once_where_acks_are_delayed() {
    for (flags, len) in [(ACK, 10), (ACK | FIN, 0)] {
        let (mut host, _) = opened();
        host.set(|settings| settings.acks = AckMode::Delayed);
        host.arrive(data(seg(ACK, IRS + 1, ISS + 1), 10));
        assert!(host.sent.is_empty());
        host.arrive(marked(data(seg(flags, IRS + 11, ISS + 1), len)));
        assert_eq!(host.only().flags, ACK | ECE, "{flags:?}");
    }
}

#[test]
fn a_listener_accepts_it_unless_the_setting_forbids() {
    for (ecn, offer, accepted) in [
        (0, SYN | ECE | CWR, false),
        (1, SYN | ECE | CWR, true),
        (2, SYN | ECE | CWR, true),
        (2, SYN | ECE, false),
        (2, SYN, false),
    ] {
        let request = request_of(&syn(offer, IRS, 0), &cfg(ecn));
        let flags = request.syn_ack(Instant::from_us(1_000_000_000)).flags;
        let expected = if accepted { SYN | ACK | ECE } else { SYN | ACK };
        assert_eq!(flags, expected, "{ecn} {offer:?}");
    }
}

#[test]
fn new_data_alone_may_be_marked() {
    let (mut host, _) = opened();
    // Pure ACKs may not.
    host.arrive(data(seg(ACK, IRS + 1, ISS + 1), 10));
    assert!(host.sent.iter().all(|sent| !sent.ect));
    host.queue(500);
    assert!(host.only().ect);
    // What is sent again may not.
    host.fire();
    assert_eq!(host.only().payload_len, 500);
    assert!(!host.only().ect);
}

#[test]
fn a_probe_of_a_closed_window_may_not_be_marked_and_does_not_tell_of_a_smaller_one() {
    let (mut host, _) = opened();
    host.queue(100);
    // The path is congested, and the window closes.
    host.arrive(wnd(seg(ACK | ECE, IRS + 1, ISS + 101), 0));
    host.queue(100);
    assert!(host.sent.is_empty());
    for _ in 0..3 {
        host.fire();
        let probe = host.only();
        assert_eq!(probe.payload_len, 1);
        assert!(!probe.ect && !probe.flags.contains(CWR));
    }
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 102), 60_000));
    let data = host.only();
    assert_eq!(data.payload_len, 99);
    assert!(data.ect && data.flags.contains(CWR));
}

#[test]
fn a_mark_is_echoed_until_the_peer_has_reacted() {
    let (mut host, _) = opened();
    host.arrive(marked(data(seg(ACK, IRS + 1, ISS + 1), 10)));
    host.queue(10);
    assert!(host.sent.last().unwrap().flags.contains(ECE));
    host.arrive(data(seg(ACK, IRS + 11, ISS + 11), 10));
    host.queue(10);
    assert!(host.sent.last().unwrap().flags.contains(ECE));
    host.arrive(data(seg(ACK | CWR, IRS + 21, ISS + 21), 10));
    host.queue(10);
    assert!(!host.sent.last().unwrap().flags.contains(ECE));
    // CWR and a new mark in one segment: the mark holds.
    host.arrive(marked(data(seg(ACK | CWR, IRS + 31, ISS + 31), 10)));
    host.queue(10);
    assert!(host.sent.last().unwrap().flags.contains(ECE));
}

#[test]
fn an_echo_reduces_the_window_once_and_says_so() {
    let (mut host, _) = opened();
    host.queue(100_000);
    let flight = host.sent.len() as u32;
    let before = host.tcb.congestion.cwnd();
    let echo = |ack| wnd(seg(ACK | ECE, IRS + 1, ack), 60_000);
    host.arrive(echo(ISS + 1 + 1_000));
    let threshold = host.tcb.congestion.ssthresh();
    assert!(threshold < before);
    for segment in 2..=flight {
        host.arrive(echo(ISS + 1 + segment * 1_000));
        assert_eq!(host.tcb.congestion.ssthresh(), threshold, "once a window");
    }
    // All that was in flight at the first echo is acknowledged: the next one counts again.
    assert!(host.tcb.congestion.cwnd() <= before);
    let next = host.tcb.snd_nxt.raw();
    host.arrive(echo(next));
    host.arrive(echo(host.tcb.snd_nxt.raw()));
    assert!(host.tcb.congestion.ssthresh() < threshold);
}

#[test]
fn the_first_new_data_after_a_reduction_carries_cwr_alone() {
    let (mut host, _) = opened();
    host.queue(2_000);
    host.arrive(wnd(seg(ACK | ECE, IRS + 1, ISS + 2_001), 60_000));
    host.queue(3_000);
    let flags: Vec<_> = host
        .sent
        .iter()
        .map(|sent| sent.flags.contains(CWR))
        .collect();
    assert_eq!(flags.iter().filter(|cwr| **cwr).count(), 1);
    assert!(flags[0]);
}

#[test]
fn without_agreement_marks_and_echoes_mean_nothing() {
    let mut host = Host::established();
    host.queue(2_000);
    let before = host.tcb.congestion;
    host.arrive(marked(data(seg(ACK | ECE, IRS + 1, ISS + 1), 10)));
    assert_eq!(host.tcb.congestion, before);
    host.queue(10);
    let sent = host.sent.last().unwrap();
    assert!(!sent.flags.contains(ECE) && !sent.ect);
}
