// SPDX-License-Identifier: GPL-2.0

//! What a loss, a mark or a duplicate costs the window, and what takes it back: each counts once, and for what it is.

use super::*;
use crate::fsm::recovery::Phase;

/// The round-trip time of the path, in milliseconds.
const RTT_MS: u64 = 100;

/// Established over a path of [`RTT_MS`], with what the configuration asks for agreed upon, nothing in flight.
pub(super) fn open(cfg: Config) -> Host {
    let (sack, timestamps, ecn) = (cfg.sack, cfg.timestamps, cfg.ecn == 1);
    let mut host = Host::syn_sent_with(cfg);
    rest(&mut host);
    let flags = if ecn {
        SYN | ACK | Flags::ECE
    } else {
        SYN | ACK
    };
    let mut answer = syn(flags, IRS, ISS + 1);
    answer.options.sack_permitted = sack;
    if timestamps {
        answer = ts(answer, 1, (host.now.as_us() / 1_000) as u32);
        // They take twelve octets of each segment.
        answer.options.mss = Some(MSS + 12);
    }
    host.arrive(wnd(answer, 60_000));
    assert_eq!(u32::from(host.tcb.effective_mss()), 1_000);
    host
}

/// As [`open`], to a peer that sends SACKs.
pub(super) fn open_sack() -> Host {
    open(Config {
        sack: true,
        ..plain()
    })
}

/// A round-trip time goes by.
pub(super) fn rest(host: &mut Host) {
    host.pass(Duration::from_ms(RTT_MS));
}

/// An ACK of so many octets of the stream, with SACKs for these ranges of octets.
pub(super) fn ack(octets: u32, sacked: &[(u32, u32)]) -> Segment {
    let at = |octet: u32| ISS.wrapping_add(1).wrapping_add(octet);
    let mut segment = wnd(seg(ACK, IRS + 1, at(octets)), 60_000);
    for &(left, right) in sacked {
        segment.options.sack.push(raw(at(left)), raw(at(right)));
    }
    segment
}

/// The same with ECE.
fn ece(octets: u32) -> Segment {
    let mut segment = ack(octets, &[]);
    segment.flags = ACK | Flags::ECE;
    segment
}

/// Where in the stream the segments begin that the last call sent.
pub(super) fn sent_at(host: &Host) -> Vec<u32> {
    host.sent
        .iter()
        .filter(|sent| sent.payload_len != 0)
        .map(|sent| sent.seq.raw().wrapping_sub(ISS + 1))
        .collect()
}

fn cwnd(host: &Host) -> u32 {
    host.tcb.congestion.cwnd()
}

fn ssthresh(host: &Host) -> u32 {
    host.tcb.congestion.ssthresh()
}

/// Slow start until the window has 40 segments. How much was sent, all of which is acknowledged.
fn widen(host: &mut Host) -> u32 {
    let mut una = 0;
    while cwnd(host) < 40_000 {
        let len = cwnd(host);
        host.queue(len);
        rest(host);
        una += len;
        host.arrive(ack(una, &[]));
    }
    una
}

// RFC 8985 7.4.2.
#[test]
fn a_loss_that_a_probe_repaired_costs_what_fast_recovery_costs() {
    let mut probed = open_sack();
    let una = widen(&mut probed);
    let mut fast = probed.clone();
    probed.queue(10_000);
    rest(&mut probed);
    probed.arrive(ack(una + 9_000, &[]));
    probed.fire();
    assert_eq!(sent_at(&probed), [una + 9_000]);
    rest(&mut probed);
    probed.arrive(ack(una + 10_000, &[]));
    probed.queue(1_000);
    rest(&mut probed);
    probed.arrive(ack(una + 11_000, &[]));
    fast.queue(10_000);
    rest(&mut fast);
    fast.arrive(ack(una, &[(una + 1_000, una + 10_000)]));
    assert_eq!(sent_at(&fast), [una]);
    rest(&mut fast);
    fast.arrive(ack(una + 10_000, &[]));
    // Seven tenths of the window, not of what is in flight when it is seen.
    assert!(ssthresh(&fast) > 20_000 && ssthresh(&fast) < 40_000);
    assert_eq!(ssthresh(&probed), ssthresh(&fast));
    assert!(cwnd(&probed) >= ssthresh(&fast));
}

// RFC 3168 6.1.2: the peer says ECE until it has heard CWR.
#[test]
fn a_mark_counts_once_however_often_it_is_echoed() {
    let mut host = open(Config { ecn: 1, ..plain() });
    let una = widen(&mut host);
    host.queue(10_000);
    rest(&mut host);
    host.arrive(ece(una + 2_000));
    host.arrive(ece(una + 10_000));
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
    let once = (cwnd(&host), ssthresh(&host));
    // The peer's answer: there was nothing that could have said CWR.
    for octet in 0..3 {
        let mut answer = ece(una + 10_000);
        answer.seq = raw(IRS + 1 + octet);
        host.arrive(data(answer, 1));
    }
    assert_eq!((cwnd(&host), ssthresh(&host)), once);
    host.queue(1_000);
    assert!(host.sent.iter().any(|sent| sent.flags.contains(Flags::CWR)));
    rest(&mut host);
    let mut last = ack(una + 11_000, &[]);
    last.seq = raw(IRS + 4);
    host.arrive(last);
    assert!(cwnd(&host) >= once.0 && ssthresh(&host) == once.1);
}

// RFC 3168 6.1.2: a window update that left before our CWR arrived.
#[test]
fn an_echo_from_before_our_answer_counts_no_more() {
    let mut host = open(Config { ecn: 1, ..plain() });
    let mut una = widen(&mut host);
    host.queue(100_000);
    let high = una + host.tcb.snd_nxt.distance_from(host.tcb.snd_una);
    rest(&mut host);
    let mut answered = false;
    while una < high {
        una += 1_000;
        host.arrive(ece(una));
        answered |= host.sent.iter().any(|sent| sent.flags.contains(Flags::CWR));
    }
    assert!(answered);
    let once = ssthresh(&host);
    host.arrive(wnd(ece(una), 61_000));
    assert_eq!(ssthresh(&host), once);
    // One that comes of what was sent since is another mark.
    host.arrive(ece(una + 1_000));
    assert!(ssthresh(&host) < once);
}

// RFC 6582 3.2, step 1: `recover` is of the losses, not of the marks.
#[test]
fn a_mark_does_not_hide_a_loss_in_the_same_window() {
    let mut host = open(Config { ecn: 1, ..plain() });
    host.queue(10_000);
    rest(&mut host);
    host.arrive(ece(1_000));
    assert_eq!(host.tcb.recovery.phase(), Phase::Reduction);
    let mut sent = Vec::new();
    for _ in 0..3 {
        host.arrive(ack(1_000, &[]));
        sent.extend(sent_at(&host));
    }
    assert!(sent.contains(&1_000), "{sent:?}");
    assert_eq!(host.tcb.recovery.phase(), Phase::Fast);
}

// RFC 3708 section 3: duplicates of what the recovery sent again, and of nothing else.
#[test]
fn a_duplicate_of_something_else_takes_no_recovery_back() {
    let mut host = open_sack();
    let mut una = widen(&mut host);
    host.queue(10_000);
    rest(&mut host);
    host.arrive(ack(una, &[(una + 1_000, una + 10_000)]));
    assert_eq!(sent_at(&host), [una]);
    // The network has copied a segment from before.
    let mut copied = host.clone();
    let old = (una - 5_000, una - 4_000);
    copied.arrive(ack(una, &[old, (una + 1_000, una + 10_000)]));
    assert_eq!(copied.tcb.recovery.phase(), Phase::Fast);
    // What was sent again was not lost: the recovery was needless.
    let mut needless = host.clone();
    let before = cwnd(&needless);
    needless.arrive(ack(una + 10_000, &[]));
    needless.arrive(ack(una + 10_000, &[(una, una + 1_000)]));
    assert!(cwnd(&needless) > before);
    // The same about another segment, long after the recovery.
    rest(&mut host);
    una += 10_000;
    host.arrive(ack(una, &[]));
    for _ in 0..100 {
        host.queue(1_000);
        host.pass(Duration::from_secs(60));
        una += 1_000;
        host.arrive(ack(una, &[]));
    }
    let later = cwnd(&host);
    host.arrive(ack(una, &[(una - 1_000, una)]));
    assert_eq!(cwnd(&host), later);
}

// RFC 3042: for duplicates that begin no recovery, two segments beyond the window.
#[test]
fn duplicates_of_a_recovery_that_is_over_let_two_segments_out() {
    let mut host = open(plain());
    host.queue(10_000);
    rest(&mut host);
    while host.tcb.traffic.timeouts == 0 {
        host.fire();
    }
    host.arrive(ack(10_000, &[]));
    host.queue(40_000);
    for _ in 0..30 {
        host.arrive(ack(10_000, &[]));
    }
    assert_eq!(host.tcb.recovery.phase(), Phase::Open);
    assert!(host.tcb.snd_nxt.distance_from(host.tcb.snd_una) <= cwnd(&host) + 2_000);
}

// RFC 8985 6.2, step 2: the clock of timestamps ticks in milliseconds, that of transmissions in microseconds.
#[test]
fn a_retransmission_that_arrived_tells_of_what_was_sent_before_it() {
    for (sent_us, arrives_us) in [(100, 200), (900, 300)] {
        let mut host = open(Config {
            sack: true,
            timestamps: true,
            ..plain()
        });
        let echo = |segment, sent: Instant| ts(segment, 1, (sent.as_us() / 1_000) as u32);
        host.now = Instant::from_us(2_000_000_000);
        host.queue(1_000);
        let sent = host.now;
        rest(&mut host);
        host.arrive(echo(ack(1_000, &[]), sent));
        // Both of the next two are lost, the second of which leaves shortly before the timeout.
        host.queue(1_000);
        while host.tcb.traffic.timeouts == 0 {
            let (kind, deadline) = host.tcb.next_deadline().unwrap();
            if kind == TimerKind::Retransmit {
                host.now = Instant::from_us(deadline.as_us() - 50_000);
                host.queue(1_000);
                assert_eq!(sent_at(&host).len(), 1);
                let tick = deadline.as_us() / 1_000 + 1;
                host.now = Instant::from_us(tick * 1_000 + sent_us);
            }
            host.fire();
        }
        assert_eq!(sent_at(&host), [1_000]);
        let sent = host.now;
        host.now = Instant::from_us((sent.as_us() / 1_000 + 101) * 1_000 + arrives_us);
        host.arrive(echo(ack(2_000, &[]), sent));
        assert_eq!(sent_at(&host), [2_000], "{sent_us}, {arrives_us}");
    }
}

// RFC 9438 5.8, where the window does not restart after an idle time.
#[test]
fn idle_time_is_no_time_on_the_curve() {
    let window_after = |idle_s| {
        let mut host = open(Config {
            sack: true,
            slow_start_after_idle: false,
            ..plain()
        });
        let mut una = widen(&mut host);
        host.queue(10_000);
        rest(&mut host);
        host.arrive(ack(una, &[(una + 1_000, una + 10_000)]));
        rest(&mut host);
        una += 10_000;
        host.arrive(ack(una, &[]));
        // A first round begins the curve.
        for pause_s in [0, idle_s] {
            host.pass(Duration::from_secs(pause_s));
            host.queue(60_000);
            while host.tcb.snd_una != host.tcb.write_end {
                rest(&mut host);
                una += host.tcb.snd_nxt.distance_from(host.tcb.snd_una);
                host.arrive(ack(una, &[]));
            }
        }
        cwnd(&host)
    };
    assert!(window_after(60) <= window_after(0));
}
