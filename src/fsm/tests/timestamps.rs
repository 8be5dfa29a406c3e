// SPDX-License-Identifier: GPL-2.0

//! Timestamps: what is echoed, and what is rejected as old (RFC 7323).

use super::*;
use crate::fsm::{ChallengeReason, DropReason, ReqVerdict};

/// The peer's clock when it sent its SYN.
const CLOCK: u32 = 500;

/// ESTABLISHED with timestamps; ours started at 1,000,000.
fn established() -> Host {
    let mut host = Host::syn_sent_with(Config {
        timestamps: true,
        ..plain()
    });
    host.arrive(ts(syn(SYN | ACK, IRS, ISS + 1), CLOCK, 1_000_000));
    host
}

fn echoed(host: &Host) -> u32 {
    host.only().options.timestamps.unwrap().ecr
}

fn peer(flags: Flags, seq: u32, val: u32) -> Segment {
    ts(seg(flags, seq, ISS + 1), val, 1_000_000)
}

#[test]
fn the_latest_timestamp_in_order_is_echoed() {
    let mut host = established();
    assert_eq!(echoed(&host), CLOCK);
    host.arrive(data(peer(ACK, IRS + 1, CLOCK + 5), 10));
    assert_eq!(echoed(&host), CLOCK + 5);
    // What comes after a gap does not count: its ACK is not that of its data.
    host.arrive(data(peer(ACK, IRS + 100, CLOCK + 9), 10));
    assert_eq!(echoed(&host), CLOCK + 5);
    host.arrive(data(peer(ACK, IRS + 11, CLOCK + 8), 10));
    assert_eq!(echoed(&host), CLOCK + 8);
}

/// RFC 7323 4.3: of several segments that one ACK covers, the earliest is echoed.
#[test]
fn an_ack_for_several_segments_echoes_the_first() {
    let mut host = established();
    let mut out = Outbox::new();
    for (at, val) in [(0, 5), (10, 6), (20, 7)] {
        let segment = data(peer(ACK, IRS + 1 + at, CLOCK + val), 10);
        host.tcb.on_segment(host.now, &segment, &host.cfg, &mut out);
    }
    let ack = host.tcb.next_segment(host.now, &host.cfg).unwrap();
    assert_eq!(ack.ack, raw(IRS + 31));
    assert_eq!(ack.options.timestamps.unwrap().ecr, CLOCK + 5);
}

#[test]
fn our_clock_ticks_in_milliseconds_from_an_offset() {
    let mut host = Host::with(Config::default());
    host.user(UserCall::Connect(OpenParams {
        ts_offset: u32::MAX - 999_999,
        ..params()
    }));
    assert_eq!(host.only().options.timestamps.unwrap().val, 0);
    host.fire();
    assert_eq!(host.only().options.timestamps.unwrap().val, 1_000);
}

#[test]
fn paws_rejects_what_is_old_and_answers() {
    let mut host = established();
    host.arrive(data(peer(ACK, IRS + 1, CLOCK + 50), 10));
    let out = host.arrive(data(peer(ACK, IRS + 11, CLOCK + 49), 10));
    assert_eq!(
        (out.deliver, out.drop),
        (None, Some(DropReason::PawsRejected))
    );
    assert_eq!(why(&out), Some(ReplyWhy::Ack));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 11, 0));
    // Without data the answer is one that is limited.
    let out = host.arrive(peer(ACK, IRS + 11, CLOCK + 49));
    assert_eq!(
        why(&out),
        Some(ReplyWhy::Challenge(ChallengeReason::OutOfWindow))
    );
    // The same timestamp again is not old.
    let out = host.arrive(data(peer(ACK, IRS + 11, CLOCK + 50), 10));
    assert!(out.deliver.is_some());
}

#[test]
fn paws_compares_on_the_circle() {
    let mut host = established();
    host.arrive(data(peer(ACK, IRS + 1, CLOCK.wrapping_add(1 << 30)), 10));
    host.arrive(data(
        peer(ACK, IRS + 11, CLOCK.wrapping_add(3 << 30).wrapping_sub(9)),
        10,
    ));
    host.arrive(data(peer(ACK, IRS + 21, CLOCK), 10));
    assert_eq!(host.delivered, 30);
}

#[test]
fn paws_does_not_stop_an_rst() {
    let mut host = established();
    host.arrive(ts(seg(RST, IRS + 1, 0), CLOCK - 400, 0));
    assert_eq!(host.state(), State::Closed);
    // An RST needs no timestamp at all.
    let mut host = established();
    host.arrive(seg(RST, IRS + 1, 0));
    assert_eq!(host.state(), State::Closed);
}

/// RFC 7323 5.5: a connection that was idle for 24 days is not cut off.
#[test]
fn an_outdated_timestamp_rejects_nothing() {
    let mut host = established();
    let old = data(peer(ACK, IRS + 1, CLOCK - 1), 10);
    host.pass(Duration::from_secs(24 * 86_400 - 1));
    assert!(host.arrive(old).deliver.is_none());
    host.pass(Duration::from_secs(1));
    assert!(host.arrive(old).deliver.is_some());
    assert_eq!(echoed(&host), CLOCK - 1);
}

#[test]
fn a_missing_timestamp_is_dropped_in_silence() {
    let mut host = established();
    let out = host.arrive(data(seg(ACK, IRS + 1, ISS + 1), 10));
    assert_eq!(
        (out.deliver, out.drop),
        (None, Some(DropReason::MissingTimestamp))
    );
    assert!(host.sent.is_empty());
    // But a SYN of a peer that has restarted gets its challenge.
    let out = host.arrive(syn(SYN, IRS + 7, 0));
    assert_eq!(why(&out), Some(ReplyWhy::Challenge(ChallengeReason::Syn)));
}

#[test]
fn a_timestamp_that_was_not_agreed_upon_means_nothing() {
    let mut host = Host::established();
    for val in [9, 3, u32::MAX] {
        let seq = host.tcb.rcv_nxt.raw();
        host.arrive(data(ts(seg(ACK, seq, ISS + 1), val, 0), 10));
        assert!(host.only().options.timestamps.is_none());
    }
    assert_eq!(host.delivered, 30);
}

/// A segment whose ACK is not acceptable may be forged: it does not set TS.Recent.
#[test]
fn only_an_acceptable_ack_moves_ts_recent() {
    let mut host = established();
    host.arrive(ts(seg(ACK, IRS + 1, ISS + 5_000), CLOCK + 1_000_000, 0));
    host.arrive(data(peer(ACK, IRS + 1, CLOCK + 1), 10));
    assert_eq!(host.delivered, 10);
}

#[test]
fn a_request_rejects_old_timestamps_too() {
    let cfg = Config::default();
    let now = Instant::from_us(1_000_100_000);
    let mut request = request_of(&ts(syn(SYN, IRS, 0), CLOCK, 0), &cfg);
    let mut out = Outbox::new();
    let old = ts(seg(ACK, IRS + 1, ISS + 1), CLOCK - 1, 0);
    assert_eq!(
        request.on_segment(now, &old, &cfg, &mut out),
        ReqVerdict::Keep
    );
    assert_eq!(out.drop, Some(DropReason::PawsRejected));
    let mut out = Outbox::new();
    let bare = seg(ACK, IRS + 1, ISS + 1);
    assert_eq!(
        request.on_segment(now, &bare, &cfg, &mut out),
        ReqVerdict::Keep
    );
    assert_eq!(out.drop, Some(DropReason::MissingTimestamp));
    let mut out = Outbox::new();
    let good = ts(seg(ACK, IRS + 1, ISS + 1), CLOCK, 1_000_000);
    assert_eq!(
        request.on_segment(now, &good, &cfg, &mut out),
        ReqVerdict::Establish
    );
}

/// RFC 7323 3.2: in every segment.
#[test]
fn a_challenge_ack_of_a_request_has_timestamps() {
    let cfg = Config::default();
    let now = Instant::from_us(1_000_100_000);
    let mut request = request_of(&ts(syn(SYN, IRS, 0), CLOCK, 0), &cfg);
    let mut out = Outbox::new();
    request.on_segment(now, &seg(RST, IRS + 2, 0), &cfg, &mut out);
    let timestamps = out.reply.unwrap().segment.options.timestamps;
    assert_eq!(timestamps.map(|timestamps| timestamps.ecr), Some(CLOCK));
}

#[test]
fn a_request_limits_its_challenges() {
    let cfg = plain();
    let mut request = request();
    let mut now = Instant::from_us(1_000_100_000);
    for _ in 0..3 {
        for round in 0..5 {
            let mut out = Outbox::new();
            request.on_segment(now, &seg(RST, IRS + 2, 0), &cfg, &mut out);
            assert_eq!(out.reply.is_some(), round == 0);
            assert_eq!(out.notes().count(), usize::from(round != 0));
        }
        now = now + Duration::from_ms(500);
    }
}
