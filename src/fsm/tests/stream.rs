// SPDX-License-Identifier: GPL-2.0

//! The stream: what is delivered, acknowledged, cut into segments, pushed and held back.

use super::*;
use crate::fsm::outbox::Deliver;
use crate::fsm::{ChallengeReason, DropReason, Wake};

#[test]
fn data_is_delivered_in_order_and_once() {
    let mut host = Host::established();
    let out = host.arrive(data(seg(ACK | PSH, IRS + 1, ISS + 1), 100));
    assert_eq!(out.deliver, Some(Deliver { skip: 0, len: 100 }));
    assert!(out.wake.contains(Wake::READABLE));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 101, 0));
    // Half of it is old.
    let out = host.arrive(data(seg(ACK, IRS + 51, ISS + 1), 100));
    assert_eq!(out.deliver, Some(Deliver { skip: 50, len: 50 }));
    let out = host.arrive(data(seg(ACK, IRS + 51, ISS + 1), 100));
    assert_eq!((out.deliver, out.drop), (None, Some(DropReason::Duplicate)));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 151, 0));
}

#[test]
fn what_exceeds_the_window_is_not_taken() {
    let mut host = Host::established();
    let out = host.arrive(data(seg(ACK, IRS + 1, ISS + 1), SPACE + 500));
    assert_eq!(
        out.deliver,
        Some(Deliver {
            skip: 0,
            len: SPACE
        })
    );
    assert_eq!(out.drop, Some(DropReason::ReceiveBufferFull));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1 + SPACE, 0));
}

#[test]
fn a_full_buffer_takes_no_data_even_in_the_window() {
    let mut host = Host::established();
    host.space = 0;
    let out = host.arrive(data(seg(ACK, IRS + 1, ISS + 1), 10));
    assert_eq!(
        (out.deliver, out.drop),
        (None, Some(DropReason::ReceiveBufferFull))
    );
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 0));
}

#[test]
fn must_58_one_ack_for_all_segments_that_were_handled() {
    let mut host = Host::established();
    let mut out = Outbox::new();
    for at in 0..3 {
        let segment = data(seg(ACK, IRS + 1 + 100 * at, ISS + 1), 100);
        host.tcb.on_segment(host.now, &segment, &host.cfg, &mut out);
    }
    let ack = host.tcb.next_segment(host.now, &host.cfg).unwrap();
    assert_eq!(brief(&ack), (ACK, ISS + 1, IRS + 301, 0));
    assert!(host.tcb.next_segment(host.now, &host.cfg).is_none());
}

#[test]
fn must_58_an_ack_goes_with_the_data_that_is_sent() {
    let mut host = Host::established();
    let mut out = Outbox::new();
    let segment = data(seg(ACK, IRS + 1, ISS + 1), 100);
    host.tcb.on_segment(host.now, &segment, &host.cfg, &mut out);
    host.queue(10);
    assert_eq!(brief(&host.only()), (ACK | PSH, ISS + 1, IRS + 101, 10));
}

#[test]
fn must_40_shld_19_an_ack_is_sent_at_once() {
    let mut host = Host::established();
    for (at, len) in [(1, 1), (2, 1_000), (1_002, 1_000)] {
        host.arrive(data(seg(ACK, IRS + at, ISS + 1), len));
        assert_eq!(host.only().ack, raw(IRS + at + len));
        assert_eq!(host.timer(), None);
    }
}

#[test]
fn must_16_shld_28_segments_are_as_large_as_both_sides_and_the_path_allow() {
    for (peer, path, timestamps, expected) in [
        (1_460, 1_460, false, 1_460),
        (1_460, 1_460, true, 1_448),
        (1_000, 1_460, true, 988),
        (9_000, 1_460, false, 1_460),
        (9_000, 1_220, true, 1_208),
    ] {
        let mut host = Host::with(Config {
            timestamps,
            ..plain()
        });
        host.user(UserCall::Connect(OpenParams {
            path_mss: path,
            ..params()
        }));
        let mut syn_ack = syn(SYN | ACK, IRS, ISS + 1);
        syn_ack.options.mss = Some(peer);
        if timestamps {
            syn_ack = ts(syn_ack, 1, 1_000_000);
        }
        host.arrive(wnd(syn_ack, 60_000));
        host.queue(2 * expected + 1);
        let lens: Vec<_> = host.sent.iter().map(|sent| sent.payload_len).collect();
        assert_eq!(lens, [expected, expected, 1]);
        for sent in &host.sent {
            let size = sent.header_len() as u32 + sent.payload_len;
            assert!(size <= u32::from(peer.min(path)) + 20);
        }
    }
}

#[test]
fn shld_6_segments_follow_the_path_mtu() {
    let mut host = Host::established();
    host.queue(2_000);
    assert_eq!(host.sent.len(), 2);
    host.tcb.set_path_mss(600);
    host.arrive(seg(ACK, IRS + 1, ISS + 1));
    // What is in flight was too large: it goes again.
    let lens: Vec<_> = host
        .sent
        .iter()
        .map(|sent| (sent.seq.raw(), sent.payload_len))
        .collect();
    assert_eq!(
        lens,
        [
            (ISS + 1, 600),
            (ISS + 601, 600),
            (ISS + 1_201, 600),
            (ISS + 1_801, 200)
        ]
    );
    host.arrive(seg(ACK, IRS + 1, ISS + 2_001));
    host.tcb.set_path_mss(1_460);
    host.queue(1_000);
    assert_eq!(host.only().payload_len, 1_000);
}

#[test]
fn a_larger_path_sends_nothing_again() {
    let mut host = Host::established();
    host.queue(2_000);
    host.tcb.set_path_mss(9_000);
    host.arrive(seg(ACK, IRS + 1, ISS + 1));
    assert!(host.sent.is_empty());
}

#[test]
fn must_61_psh_is_on_the_last_segment_of_the_queue() {
    let mut host = Host::established();
    host.queue(3_000);
    let flags: Vec<_> = host.sent.iter().map(|sent| sent.flags).collect();
    assert_eq!(flags, [ACK, ACK, ACK | PSH]);
}

#[test]
fn shld_7_shld_27_nagle_holds_small_segments_back_while_data_is_in_flight() {
    let mut host = Host::established();
    host.queue(10);
    assert_eq!(host.only().payload_len, 10);
    host.queue(20);
    host.queue(30);
    assert!(host.sent.is_empty());
    host.arrive(seg(ACK, IRS + 1, ISS + 11));
    // SHLD-27: both are packed into one, with one PSH.
    assert_eq!(brief(&host.only()), (ACK | PSH, ISS + 11, IRS + 1, 50));
    // A full segment does not wait.
    host.queue(1_000);
    assert_eq!(host.only().payload_len, 1_000);
}

#[test]
fn nagle_can_be_turned_off() {
    let mut host = Host::established();
    assert!(!host.tcb.settings().nodelay);
    host.set(|settings| settings.nodelay = true);
    assert!(host.tcb.settings().nodelay);
    for _ in 0..3 {
        host.queue(10);
        assert_eq!(host.only().payload_len, 10);
    }
    // The choice outlives the connection.
    host.user(UserCall::Abort);
    assert!(host.tcb.settings().nodelay);
}

#[test]
fn a_fin_takes_the_last_small_segment_along() {
    let mut host = Host::established();
    host.queue(10);
    host.queue(20);
    host.user(UserCall::ShutdownWrite);
    assert_eq!(
        brief(&host.only()),
        (FIN | PSH | ACK, ISS + 11, IRS + 1, 20)
    );
}

#[test]
fn must_60_small_data_is_not_held_back_for_ever() {
    let mut host = Host::established();
    host.queue(10);
    host.queue(20);
    // The ACK is lost; the retransmission takes all along.
    host.fire();
    assert_eq!(brief(&host.only()), (ACK | PSH, ISS + 1, IRS + 1, 30));
}

#[test]
fn no_more_is_in_flight_than_both_windows_allow() {
    let mut host = Host::established();
    host.queue(100_000);
    let sent: u32 = host.sent.iter().map(|sent| sent.payload_len).sum();
    assert_eq!(sent, u32::from(WND));
    let mut host = Host::established();
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 60_000));
    host.queue(100_000);
    let sent: u32 = host.sent.iter().map(|sent| sent.payload_len).sum();
    assert_eq!(sent, 10 * u32::from(MSS));
}

#[test]
fn the_send_queue_is_freed_as_the_acks_come() {
    let mut host = Host::established();
    host.queue(3_000);
    assert_eq!(host.tcb.send_queue_start(), raw(ISS + 1));
    assert_eq!(host.tcb.write_end, raw(ISS + 3_001));
    let out = host.arrive(seg(ACK, IRS + 1, ISS + 1_501));
    assert!(out.acked && out.wake.contains(Wake::WRITABLE));
    assert_eq!(host.tcb.send_queue_start(), raw(ISS + 1_501));
    assert_eq!(
        (host.tcb.send_queue_len(), host.tcb.unsent_len()),
        (1_500, 0)
    );
    let out = host.arrive(seg(ACK, IRS + 1, ISS + 1_501));
    assert!(!out.acked && out.wake.is_empty());
}

#[test]
fn a_queue_has_a_limit() {
    let mut host = Host::established();
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 0));
    assert_eq!(
        host.try_user(UserCall::Queued { len: u32::MAX }).err(),
        Some(UserError::TooMuch)
    );
    host.queue(1 << 30);
    assert_eq!(
        host.try_user(UserCall::Queued { len: 1 }).err(),
        Some(UserError::TooMuch)
    );
}

#[test]
fn may_12_challenges_are_few() {
    let mut host = Host::established();
    let attack = [
        (seg(RST, IRS + 2, 0), ChallengeReason::RstInWindow),
        (syn(SYN, IRS + 9, 0), ChallengeReason::Syn),
        (
            seg(ACK, IRS + 1, ISS + 900),
            ChallengeReason::UnacceptableAck,
        ),
        (seg(ACK, IRS, ISS + 1), ChallengeReason::OutOfWindow),
    ];
    for (segment, reason) in attack {
        let out = host.arrive(segment);
        assert_eq!(why(&out), Some(ReplyWhy::Challenge(reason)));
        assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 0));
        for _ in 0..100 {
            let out = host.arrive(segment);
            assert!(host.sent.is_empty());
            assert_eq!(out.notes().next(), Some(DropReason::ChallengeLimited));
        }
        host.pass(Duration::from_ms(500));
    }
    assert_eq!(host.state(), State::Established);
}

/// RFC 5961 3.2 and 4.2: a peer that has forgotten the connection gets through within a round trip.
#[test]
fn may_12_a_peer_that_restarted_resets_the_old_connection() {
    let mut host = Host::established();
    let mut peer = Host::closed();
    peer.user(UserCall::Connect(OpenParams {
        iss: raw(IRS + 3_000),
        ..params()
    }));
    let first = received(&peer.only());
    host.arrive(first);
    let challenge = received(&host.only());
    peer.arrive(challenge);
    let rst = received(&peer.only());
    assert_eq!(rst.seq, raw(IRS + 1));
    host.arrive(rst);
    assert_eq!(host.state(), State::Closed);
    // The next SYN finds no connection.
    peer.fire();
    assert_eq!(peer.only().flags, SYN);
}

/// A challenge may never be sent: it must not count as the ACK that is due, nor promise a window.
#[test]
fn a_challenge_fulfils_no_duty() {
    let mut host = Host::established();
    let mut out = Outbox::new();
    let segment = data(seg(ACK, IRS + 1, ISS + 1), 100);
    host.tcb.on_segment(host.now, &segment, &host.cfg, &mut out);
    let out = host.arrive(seg(RST, IRS + 150, 0));
    assert!(matches!(why(&out), Some(ReplyWhy::Challenge(_))));
    assert_eq!(host.sent.len(), 2);
    assert_eq!(host.sent[0].ack, host.sent[1].ack);
}

#[test]
fn urgent_data_is_announced_once() {
    let mut host = Host::established();
    let mut urgent = data(seg(ACK | URG, IRS + 1, ISS + 1), 10);
    urgent.urg = 30;
    assert_eq!(host.arrive(urgent).urgent, Some(29));
    assert_eq!(host.tcb.urgent_end(), Some(raw(IRS + 31)));
    let mut again = data(seg(ACK | URG, IRS + 11, ISS + 1), 10);
    again.urg = 20;
    assert_eq!(host.arrive(again).urgent, None);
    let mut behind = data(seg(ACK | URG, IRS + 21, ISS + 1), 10);
    behind.urg = 0;
    assert_eq!(host.arrive(behind).urgent, None);
}

/// The numbers go round the circle: a connection of more than four gigabytes.
#[test]
fn sequence_numbers_wrap() {
    let mut host = Host::closed();
    host.user(UserCall::Connect(OpenParams {
        iss: raw(u32::MAX - 700),
        ..params()
    }));
    host.arrive(syn(SYN | ACK, u32::MAX - 50, u32::MAX - 699));
    host.queue(2_000);
    let out = host.arrive(data(seg(ACK, u32::MAX - 49, 300), 100));
    assert!(out.acked);
    assert_eq!(host.delivered, 100);
    assert_eq!(host.tcb.send_queue_start(), raw(300));
    assert_eq!(host.tcb.send_queue_len(), 1_000);
    assert_eq!(host.tcb.rcv_nxt, raw(50));
    // SND.UNA comes by ISS again: a flag, not that number, tells that our SYN is acknowledged.
    host.arrive(seg(ACK, 50, host.tcb.write_end.raw()));
    while host.tcb.snd_una != host.tcb.iss {
        let step = host.tcb.iss.distance_from(host.tcb.snd_una).min(1 << 30);
        host.tcb.write_end = host.tcb.snd_una + step;
        host.tcb.snd_nxt = host.tcb.write_end;
        let (now, una, nxt) = (host.now, host.tcb.snd_una, host.tcb.snd_nxt);
        host.tcb.scoreboard().append(now, una, nxt);
        host.tcb.max_snd_wnd = step;
        host.tcb
            .arm(TimerKind::Retransmit, host.now + Duration::from_secs(1));
        host.arrive(seg(ACK, 50, host.tcb.write_end.raw()));
    }
    host.queue(10);
    assert_eq!(host.tcb.send_queue_start(), host.tcb.iss);
    assert_eq!(brief(&host.only()), (ACK | PSH, u32::MAX - 700, 50, 10));
}
