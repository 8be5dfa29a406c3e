// SPDX-License-Identifier: GPL-2.0

//! Opening: the SYN and what its options agree to, simultaneous open, closing before it is done, ICMP while opening.

use super::*;
use crate::fsm::congestion::Kind;
use crate::fsm::icmp::IcmpOutcome;
use crate::fsm::{AckMode, ConnError, DropReason, IcmpError, IcmpKind, ResetReason, Wake};
use crate::records::Records;

/// All extensions on.
fn full() -> Config {
    Config::default()
}

#[test]
fn must_14_shld_5_may_3_a_syn_carries_the_mss_and_what_is_offered() {
    let host = Host::syn_sent_with(full());
    let sent = host.only();
    assert_eq!(brief(&sent), (SYN, ISS, 0, 0));
    assert_eq!(sent.options.mss, Some(MSS));
    assert_eq!(sent.options.wscale, Some(2));
    assert!(sent.options.sack_permitted);
    let clock = sent.options.timestamps.unwrap();
    assert_eq!((clock.val, clock.ecr), (1_000_000, 0));
    // RFC 7323 2.2: the window of a SYN is not scaled.
    assert_eq!(u32::from(sent.wnd), SPACE);
}

#[test]
fn what_is_switched_off_is_not_offered() {
    let options = Host::syn_sent().only().options;
    assert_eq!(options.mss, Some(MSS));
    assert!(options.wscale.is_none() && !options.sack_permitted && options.timestamps.is_none());
}

#[test]
fn must_65_no_other_segment_carries_an_mss() {
    let mut host = Host::syn_sent_with(full());
    let mut syn_ack = ts(syn(SYN | ACK, IRS, ISS + 1), 7, 1_000_000);
    syn_ack.options.wscale = Some(3);
    syn_ack.options.sack_permitted = true;
    host.arrive(syn_ack);
    let mut sent = host.sent.clone();
    host.queue(5_000);
    sent.append(&mut host.sent.clone());
    host.user(UserCall::ShutdownWrite);
    sent.append(&mut host.sent.clone());
    host.fire();
    sent.append(&mut host.sent.clone());
    assert!(sent.len() >= 6);
    for segment in sent {
        assert!(!segment.flags.contains(SYN));
        assert_eq!(segment.options.mss, None);
        assert_eq!(segment.options.wscale, None);
        assert!(!segment.options.sack_permitted);
        assert!(segment.options.timestamps.is_some());
    }
}

#[test]
fn must_14_the_send_mss_is_the_peers() {
    let mut host = Host::syn_sent();
    let mut syn_ack = syn(SYN | ACK, IRS, ISS + 1);
    syn_ack.options.mss = Some(700);
    host.arrive(syn_ack);
    host.queue(1_500);
    let lens: Vec<_> = host.sent.iter().map(|sent| sent.payload_len).collect();
    assert_eq!(lens, [700, 700, 100]);
}

#[test]
fn must_15_without_the_option_the_send_mss_is_the_default() {
    for default in [536, 1_220] {
        let mut host = Host::closed();
        host.user(UserCall::Connect(OpenParams {
            default_snd_mss: default,
            ..params()
        }));
        host.arrive(seg(SYN | ACK, IRS, ISS + 1));
        assert_eq!(host.tcb.effective_mss(), default);

        let cfg = plain();
        let mut out = Outbox::new();
        let defaults = OpenParams {
            default_snd_mss: default,
            ..params()
        };
        let request = SynReq::open(
            host.now,
            &seg(SYN, IRS, 0),
            &defaults,
            false,
            &cfg,
            &mut out,
        );
        let mut child = Tcb::new();
        request.establish(host.now, &cfg, &mut child);
        assert_eq!(child.effective_mss(), default);
    }
}

#[test]
fn an_absurd_mss_does_not_make_a_segment_of_each_octet() {
    for mss in [0, 1, 11] {
        let mut host = Host::syn_sent_with(full());
        let mut syn_ack = ts(syn(SYN | ACK, IRS, ISS + 1), 7, 1_000_000);
        syn_ack.options.mss = Some(mss);
        host.arrive(syn_ack);
        assert_eq!(host.tcb.effective_mss(), 36);
    }
}

/// Options are agreed upon only if both sides have them, and a window is scaled only after the SYNs.
#[test]
fn extensions_hold_only_if_both_sides_offer_them() {
    for offered in [false, true] {
        for answered in [false, true] {
            let cfg = if offered { full() } else { plain() };
            let mut host = Host::syn_sent_with(cfg);
            let mut syn_ack = syn(SYN | ACK, IRS, ISS + 1);
            if answered {
                syn_ack = ts(syn_ack, 77, 1_000_000);
                syn_ack.options.wscale = Some(3);
                syn_ack.options.sack_permitted = true;
            }
            host.arrive(syn_ack);
            let both = offered && answered;
            let ack = host.only();
            assert_eq!(
                ack.options.timestamps.map(|clock| clock.ecr),
                both.then_some(77)
            );
            let scale = if both { 2 } else { 0 };
            assert_eq!(u32::from(ack.wnd), SPACE >> scale);
            assert_eq!(host.tcb.sack_on, both);
            // The window of the SYN-ACK was not scaled, that of the next segment is.
            assert_eq!(host.tcb.snd_wnd, u32::from(WND));
            let mut next = seg(ACK, IRS + 1, ISS + 1);
            if both {
                next = ts(next, 78, 1_000_000);
            }
            host.arrive(next);
            let wnd = u32::from(WND);
            assert_eq!(host.tcb.snd_wnd, if both { wnd << 3 } else { wnd });
        }
    }
}

#[test]
fn a_request_agrees_to_the_extensions_in_its_syn_ack() {
    let cfg = full();
    let now = Instant::from_us(1_000_000_000);
    let mut first = ts(syn(SYN, IRS, 0), 77, 0);
    first.options.wscale = Some(3);
    first.options.sack_permitted = true;
    let answer = request_of(&first, &cfg).syn_ack(now);
    assert_eq!(brief(&answer), (SYN | ACK, ISS, IRS + 1, 0));
    assert_eq!(answer.options.mss, Some(MSS));
    assert_eq!(answer.options.wscale, Some(2));
    assert!(answer.options.sack_permitted);
    assert_eq!(answer.options.timestamps.map(|clock| clock.ecr), Some(77));
    // Nothing is answered that was not offered.
    let options = request_of(&syn(SYN, IRS, 0), &cfg).syn_ack(now).options;
    assert!(options.wscale.is_none() && !options.sack_permitted && options.timestamps.is_none());
}

#[test]
fn must_10_simultaneous_open() {
    let mut host = Host::syn_sent();
    host.arrive(syn(SYN, IRS, 0));
    assert_eq!(host.state(), State::SynReceived);
    assert_eq!(brief(&host.only()), (SYN | ACK, ISS, IRS + 1, 0));
    // Figure 8 of the RFC: the peer's SYN-ACK, whose SYN is known already, completes it.
    let out = host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    assert_eq!(host.state(), State::Established);
    assert_eq!(out.drop, None);
    assert!(out.wake.contains(Wake::WRITABLE | Wake::STATE_CHANGE));
    host.queue(3);
    assert_eq!(brief(&host.only()), (ACK | PSH, ISS + 1, IRS + 1, 3));
}

#[test]
fn must_10_simultaneous_open_of_two_machines() {
    let mut one = Host::closed();
    let mut two = Host::closed();
    one.user(UserCall::Connect(params()));
    two.user(UserCall::Connect(OpenParams {
        iss: raw(IRS),
        ..params()
    }));
    let (from_one, from_two) = (one.only(), two.only());
    one.arrive(received(&from_two));
    two.arrive(received(&from_one));
    assert_eq!(
        (one.state(), two.state()),
        (State::SynReceived, State::SynReceived)
    );
    let (from_one, from_two) = (one.only(), two.only());
    one.arrive(received(&from_two));
    two.arrive(received(&from_one));
    assert_eq!(
        (one.state(), two.state()),
        (State::Established, State::Established)
    );
    assert!(one.sent.is_empty() && two.sent.is_empty());
}

#[test]
fn must_10_a_connection_to_oneself_is_a_simultaneous_open() {
    let mut host = Host::syn_sent_with(full());
    let mut rounds = 0;
    while let Some(sent) = host.sent.first().copied() {
        host.arrive(received(&sent));
        rounds += 1;
        assert!(rounds < 10);
    }
    assert_eq!(host.state(), State::Established);
    host.queue(10);
    let sent = host.only();
    host.arrive(received(&sent));
    assert_eq!(host.delivered, 10);
}

#[test]
fn a_lost_syn_ack_of_a_simultaneous_open_is_sent_again() {
    let mut host = Host::syn_received();
    host.fire();
    assert_eq!(brief(&host.only()), (SYN | ACK, ISS, IRS + 1, 0));
    assert_eq!(host.time_left(), Duration::from_secs(2));
}

/// The known bug of an existing stack: the ACK of the SYN is none of a FIN that was never sent.
#[test]
fn closing_in_syn_received_waits_for_the_ack_of_the_fin_itself() {
    let mut host = Host::syn_received();
    host.user(UserCall::ShutdownWrite);
    assert_eq!(host.state(), State::FinWait1);
    assert_eq!(brief(&host.only()), (FIN | ACK, ISS + 1, IRS + 1, 0));
    host.arrive(seg(ACK, IRS + 1, ISS + 1));
    assert_eq!(host.state(), State::FinWait1);
    host.arrive(seg(ACK, IRS + 1, ISS + 2));
    assert_eq!(host.state(), State::FinWait2);
}

#[test]
fn closing_in_syn_received_sends_both_syn_and_fin_again() {
    let mut host = Host::syn_received();
    host.user(UserCall::ShutdownWrite);
    host.fire();
    let flags: Vec<_> = host.sent.iter().map(|sent| sent.flags).collect();
    assert_eq!(flags, [SYN | ACK, FIN | ACK]);
    // The peer has seen neither SYN nor FIN: its SYN comes again, and only the SYN-ACK is the answer.
    host.arrive(syn(SYN, IRS, 0));
    assert_eq!(brief(&host.only()), (SYN | ACK, ISS, IRS + 1, 0));
    host.arrive(seg(FIN | ACK, IRS + 1, ISS + 2));
    assert_eq!(host.state(), State::TimeWait);
}

/// The SYN-ACK of a simultaneous open may acknowledge the FIN that followed our SYN.
#[test]
fn a_syn_ack_may_acknowledge_the_fin_too() {
    let mut host = Host::syn_received();
    host.user(UserCall::ShutdownWrite);
    host.arrive(syn(SYN | ACK, IRS, ISS + 2));
    assert_eq!(host.state(), State::FinWait2);
}

/// RFC 9293 3.10.4, SYN-RECEIVED: with data queued the CLOSE waits.
#[test]
fn closing_in_syn_received_sends_the_data_first() {
    let mut host = Host::syn_received();
    host.queue(100);
    assert!(host.sent.is_empty());
    host.user(UserCall::Close { unread_data: false });
    assert_eq!(host.state(), State::SynReceived);
    assert_eq!(
        host.try_user(UserCall::Queued { len: 1 }).err(),
        Some(UserError::Closing)
    );
    host.arrive(seg(ACK, IRS + 1, ISS + 1));
    assert_eq!(host.state(), State::FinWait1);
    assert_eq!(
        brief(&host.only()),
        (FIN | PSH | ACK, ISS + 1, IRS + 1, 100)
    );
    assert!(host.tcb.user_gone);
}

/// A SYN-RECEIVED that a FIN completes goes by way of ESTABLISHED.
#[test]
fn a_fin_with_the_ack_of_the_syn_takes_two_arcs() {
    let mut host = Host::syn_received();
    let out = host.arrive(data(seg(FIN | ACK, IRS + 1, ISS + 1), 4));
    assert_eq!(host.state(), State::CloseWait);
    let arcs: Vec<_> = out.arcs.iter().map(|id| id.arc().name).collect();
    assert_eq!(arcs, ["syn-received-rcv-ack-of-syn", "established-rcv-fin"]);
    assert_eq!(host.delivered, 4);
    assert!(out.fin_received && out.wake.contains(Wake::READABLE));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 6, 0));
}

#[test]
fn data_and_fin_may_come_with_the_syn_ack() {
    let mut host = Host::syn_sent();
    host.arrive(data(syn(SYN | ACK | FIN, IRS, ISS + 1), 4));
    assert_eq!(host.state(), State::CloseWait);
    assert_eq!(host.delivered, 4);
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 6, 0));
}

/// Where both open at once, too.
#[test]
fn data_and_fin_may_come_with_the_crossing_syn_ack() {
    let mut host = Host::syn_received();
    host.arrive(data(syn(SYN | ACK | FIN, IRS, ISS + 1), 4));
    assert_eq!(host.state(), State::CloseWait);
    assert_eq!(host.delivered, 4);
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 6, 0));
}

/// Of a request that can take nothing, the next number alone is acceptable.
#[test]
fn a_request_without_a_window_takes_the_next_number_alone() {
    let params = OpenParams {
        rcv_space: 0,
        ..params()
    };
    for (seq, drop) in [
        (IRS + 1, None),
        (IRS, Some(DropReason::Duplicate)),
        (IRS + 2, Some(DropReason::OutOfWindow)),
    ] {
        let now = Instant::from_us(1_000_000_000);
        let mut out = Outbox::new();
        let mut request = SynReq::open(now, &syn(SYN, IRS, 0), &params, false, &plain(), &mut out);
        let mut out = Outbox::new();
        request.on_segment(now, &seg(ACK, seq, ISS + 1), &plain(), &mut out);
        assert_eq!(out.drop, drop, "{seq}");
    }
}

#[test]
fn data_that_was_queued_while_opening_is_sent_when_it_is_done() {
    let mut host = Host::syn_sent();
    host.queue(1_500);
    assert!(host.sent.is_empty());
    assert_eq!(
        (host.tcb.send_queue_len(), host.tcb.unsent_len()),
        (1_500, 1_500)
    );
    host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    let sent: Vec<_> = host.sent.iter().map(brief).collect();
    assert_eq!(
        sent,
        [
            (ACK, ISS + 1, IRS + 1, 1_000),
            (ACK | PSH, ISS + 1_001, IRS + 1, 500)
        ]
    );
}

#[test]
fn a_listener_can_connect() {
    let mut host = Host::listen();
    host.user(UserCall::Connect(params()));
    assert_eq!(host.state(), State::SynSent);
    assert_eq!(host.only().flags, SYN);
}

#[test]
fn open_is_refused_where_there_is_a_connection() {
    for state in State::ALL {
        let mut host = Host::in_state(*state);
        let closed = matches!(state, State::Closed | State::Listen);
        let error = (!closed).then_some(UserError::AlreadyConnected);
        assert_eq!(
            host.clone().try_user(UserCall::Listen).err(),
            error,
            "{state:?}"
        );
        assert_eq!(
            host.try_user(UserCall::Connect(params())).err(),
            error,
            "{state:?}"
        );
    }
}

#[test]
fn a_socket_can_be_opened_again_after_its_connection() {
    let mut host = Host::established();
    host.user(UserCall::Abort);
    host.user(UserCall::Connect(OpenParams {
        iss: raw(77_000),
        ..params()
    }));
    assert_eq!(brief(&host.only()), (SYN, 77_000, 0, 0));
    assert_eq!(host.tcb.rcv_nxt, raw(0));
    assert!(!host.tcb.syn_acked && !host.tcb.fin_queued);
}

#[test]
fn a_refused_connection_tells_the_program() {
    let mut host = Host::syn_sent();
    let out = host.arrive(seg(RST | ACK, 0, ISS + 1));
    assert_eq!(out.error, Some(ConnError::Refused));
    assert!(out
        .wake
        .contains(Wake::ERROR | Wake::STATE_CHANGE | Wake::READABLE));
    assert_eq!(out.fate, Fate::Closed);
}

#[test]
fn shld_2_an_rst_may_carry_data() {
    let mut host = Host::established();
    let out = host.arrive(data(seg(RST | ACK, IRS + 1, ISS + 1), 30));
    assert_eq!(host.state(), State::Closed);
    assert_eq!(out.error, Some(ConnError::Reset));
    assert_eq!(host.delivered, 0);
}

#[test]
fn a_request_whose_listener_goes_tells_the_peer() {
    let mut out = Outbox::new();
    request().on_listener_closed(&mut out);
    let reply = out.reply.unwrap();
    assert_eq!(reply.why, ReplyWhy::Reset(ResetReason::ListenerClosed));
    // Valid for a peer in SYN-SENT, which has not got the SYN-ACK.
    assert_eq!(brief(&reply.segment), (RST | ACK, ISS + 1, IRS + 1, 0));
    let mut peer = Host::closed();
    peer.user(UserCall::Connect(OpenParams {
        iss: raw(IRS),
        ..params()
    }));
    assert_eq!(
        peer.arrive(received(&reply.segment)).error,
        Some(ConnError::Refused)
    );
}

fn icmp(host: &mut Host, kind: IcmpKind, quoted: u32) -> (IcmpOutcome, Outbox) {
    let mut out = Outbox::new();
    let icmp = IcmpError {
        kind,
        quoted_seq: raw(quoted),
    };
    let outcome = host.tcb.on_icmp(host.now, icmp, &mut out);
    (outcome, out)
}

#[test]
fn shld_26_unreachable_ends_a_connection_that_is_being_opened() {
    for code in [0, 1, 2, 3, 5, 13] {
        for state in [State::SynSent, State::SynReceived] {
            let mut host = Host::in_state(state);
            let (outcome, out) = icmp(&mut host, IcmpKind::Unreachable(code), ISS);
            assert_eq!(outcome, IcmpOutcome::Hard);
            assert_eq!(out.error, Some(ConnError::Unreachable(code)));
            assert_eq!((host.state(), out.fate), (State::Closed, Fate::Closed));
        }
    }
}

#[test]
fn must_54_shld_26_a_hard_error_about_our_syn_ends_a_request() {
    for (quoted, hard, ends) in [
        (ISS, true, true),
        (ISS, false, false),
        (ISS + 1, true, false),
        (ISS - 1, true, false),
    ] {
        let mut request = request();
        let mut out = Outbox::new();
        assert_eq!(request.on_icmp(raw(quoted), hard, &mut out), ends);
        let arcs: Vec<_> = out.arcs.iter().map(|id| id.arc().name).collect();
        let expected: &[&str] = if ends { &["syn-received-icmp"] } else { &[] };
        assert_eq!(arcs, expected);
        assert_eq!(request.state() == State::Closed, ends);
    }
}

#[test]
fn must_54_an_icmp_error_must_quote_what_is_in_flight() {
    let mut host = Host::syn_sent();
    for quoted in [ISS - 1, ISS + 1, 0, ISS + 1_000_000] {
        let (outcome, out) = icmp(&mut host, IcmpKind::Unreachable(3), quoted);
        assert_eq!(outcome, IcmpOutcome::Ignored);
        assert!(out.error.is_none() && out.soft_error.is_none());
    }
    assert_eq!(host.state(), State::SynSent);
    // Nothing at all is in flight.
    let mut host = Host::established();
    let (outcome, _) = icmp(&mut host, IcmpKind::Unreachable(1), ISS + 1);
    assert_eq!(outcome, IcmpOutcome::Ignored);
}

#[test]
fn must_56_shld_25_an_established_connection_survives_and_the_program_is_told() {
    for (kind, error) in [
        (IcmpKind::Unreachable(0), ConnError::Unreachable(0)),
        (IcmpKind::Unreachable(1), ConnError::Unreachable(1)),
        (IcmpKind::Unreachable(5), ConnError::Unreachable(5)),
        (IcmpKind::Unreachable(3), ConnError::Unreachable(3)),
        (IcmpKind::TimeExceeded, ConnError::TimeExceeded),
        (IcmpKind::ParameterProblem, ConnError::ParameterProblem),
    ] {
        let mut host = Host::established();
        host.queue(10);
        let (outcome, out) = icmp(&mut host, kind, ISS + 1);
        assert_eq!(outcome, IcmpOutcome::Soft);
        assert_eq!((out.error, out.soft_error), (None, Some(error)));
        assert!(out.wake.contains(Wake::ERROR));
        assert_eq!(host.state(), State::Established);
    }
}

#[test]
fn the_path_mtu_is_no_error() {
    let mut host = Host::syn_sent();
    let (outcome, out) = icmp(&mut host, IcmpKind::Unreachable(4), ISS);
    assert_eq!(outcome, IcmpOutcome::Ignored);
    assert!(out.soft_error.is_none() && out.wake.is_empty());
    assert_eq!(host.state(), State::SynSent);
}

#[test]
fn a_soft_error_does_not_end_the_opening_unless_it_is_unreachable() {
    let mut host = Host::syn_sent();
    let (outcome, _) = icmp(&mut host, IcmpKind::TimeExceeded, ISS);
    assert_eq!((outcome, host.state()), (IcmpOutcome::Soft, State::SynSent));
}

/// A stale duplicate SYN opens nothing: the peer resets what comes of it (RFC 9293 section 3.5, figure 9).
#[test]
fn a_stale_syn_is_reset_by_the_peer() {
    let now = Instant::from_us(1_000_000_000);
    let mut request = request_of(&syn(SYN, 90, 0), &plain());
    let answer = received(&request.syn_ack(now));
    let mut peer = Host::closed();
    peer.user(UserCall::Connect(OpenParams {
        iss: raw(100),
        ..params()
    }));
    let out = peer.arrive(answer);
    assert_eq!(
        why(&out),
        Some(ReplyWhy::Reset(ResetReason::BadAckInSynSent))
    );
    assert_eq!(peer.state(), State::SynSent);
    let rst = received(&peer.only());
    let mut out = Outbox::new();
    let verdict = request.on_segment(now, &rst, &plain(), &mut out);
    assert_eq!(verdict, crate::fsm::ReqVerdict::Remove);
    assert_eq!(
        out.arcs.iter().last().map(|id| id.arc().to),
        Some(State::Listen)
    );
}

/// An old SYN-ACK, or one of another attempt.
#[test]
fn a_stale_syn_ack_is_reset() {
    let mut host = Host::syn_sent();
    let out = host.arrive(syn(SYN | ACK, IRS, ISS));
    assert_eq!(out.drop, Some(DropReason::BadAck));
    assert_eq!(brief(&host.only()), (RST, ISS, 0, 0));
    assert_eq!(host.state(), State::SynSent);
}

#[test]
fn a_block_that_was_only_set_up_opens_as_one_that_was_used() {
    let (now, cfg) = (Instant::from_us(5_000_000), Config::default());
    let mut settings = Settings::new();
    (settings.nodelay, settings.cork, settings.keepalive) = (true, true, true);
    settings.acks = AckMode::Quick;
    settings.congestion = Some(Kind::Reno);
    settings.set_max_seg(700).unwrap();
    settings.set_window_clamp(9_000, true).unwrap();
    let open = |used, settings| {
        let mut tcb = Tcb::new();
        let mut call = |call| {
            tcb.apply_settings(settings, &cfg);
            tcb.set_receive_buffer(8_000);
            tcb.set_receive_space(7_000);
            tcb.on_user(now, call, &cfg, &mut Outbox::new()).unwrap();
        };
        if used {
            call(UserCall::Listen);
            call(UserCall::ShutdownWrite);
        }
        call(UserCall::Connect(params()));
        tcb
    };
    for settings in [Settings::new(), settings] {
        assert_eq!(open(false, settings), open(true, settings));
    }
}
