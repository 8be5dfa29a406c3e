// SPDX-License-Identifier: GPL-2.0

//! What the options of a socket change in the machine.

use super::*;
use crate::fsm::congestion::Kind;
use crate::fsm::{AckMode, DropReason, ReplyWhy, ReqTimer, ReqVerdict, ResetReason};

#[test]
fn settings_outlive_connections() {
    let mut host = Host::established();
    host.set(|settings| {
        settings.nodelay = true;
        settings.acks = AckMode::Quick;
        settings.set_max_seg(500).unwrap();
    });
    let before = *host.tcb.settings();
    host.user(UserCall::Abort);
    assert_eq!(*host.tcb.settings(), before);
    host.user(UserCall::Connect(params()));
    assert_eq!(*host.tcb.settings(), before);
}

#[test]
fn a_cork_holds_small_segments_for_200_ms_at_most() {
    let mut host = Host::established();
    host.set(|settings| {
        settings.cork = true;
        // The cork is stronger.
        settings.nodelay = true;
    });
    host.queue(10);
    assert!(host.sent.is_empty());
    assert_eq!(host.time_left(), Duration::from_ms(200));
    host.queue(1_000);
    assert_eq!(host.only().payload_len, 1_000);
    host.arrive(seg(ACK, IRS + 1, ISS + 1_001));
    assert!(host.sent.is_empty());
    assert_eq!(host.time_left(), Duration::from_ms(200));
    host.fire();
    assert_eq!(brief(&host.only()), (ACK | PSH, ISS + 1_001, IRS + 1, 10));
}

#[test]
fn what_a_cork_held_goes_out_when_it_is_pulled() {
    let mut host = Host::established();
    host.set(|settings| settings.cork = true);
    host.queue(10);
    assert!(host.sent.is_empty());
    host.set(|settings| settings.cork = false);
    host.queue(0);
    assert_eq!(host.only().payload_len, 10);
}

#[test]
fn must_17_turning_nagle_off_pushes_even_from_under_a_cork() {
    let mut host = Host::established();
    host.set(|settings| settings.cork = true);
    host.queue(10);
    host.set(|settings| settings.nodelay = true);
    host.tcb.push_queued();
    host.queue(0);
    assert_eq!(host.only().payload_len, 10);
    // Once: what is queued later is held again.
    host.queue(10);
    assert!(host.sent.is_empty());
}

#[test]
fn a_fin_takes_what_a_cork_holds_along() {
    let mut host = Host::established();
    host.set(|settings| settings.cork = true);
    host.queue(10);
    host.user(UserCall::ShutdownWrite);
    assert_eq!(brief(&host.only()), (ACK | PSH | FIN, ISS + 1, IRS + 1, 10));
}

#[test]
fn more_to_come_is_a_cork_for_one_call() {
    let mut host = Host::established();
    host.tcb.set_more(true);
    host.queue(10);
    assert!(host.sent.is_empty());
    host.tcb.set_more(false);
    host.queue(20);
    assert_eq!(host.only().payload_len, 30);
}

#[test]
fn max_seg_limits_what_is_offered_and_what_is_sent() {
    let mut host = Host::closed();
    host.set(|settings| settings.set_max_seg(600).unwrap());
    host.user(UserCall::Connect(params()));
    assert_eq!(host.only().options.mss, Some(600));
    host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    host.queue(1_200);
    assert!(host.sent.iter().all(|sent| sent.payload_len == 600));
    assert_eq!(host.sent.len(), 2);
    // It takes nothing away from what is smaller anyway.
    let mut host = Host::closed();
    host.set(|settings| settings.set_max_seg(32_000).unwrap());
    host.user(UserCall::Connect(params()));
    assert_eq!(host.only().options.mss, Some(MSS));
}

#[test]
fn the_window_is_clamped_from_the_syn_on() {
    let mut host = Host::closed();
    host.set(|settings| settings.set_window_clamp(2_000, true).unwrap());
    host.user(UserCall::Connect(params()));
    assert_eq!(host.only().wnd, 2_000);
    host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    assert_eq!(host.only().wnd, 2_000);
    host.arrive(data(seg(ACK | PSH, IRS + 1, ISS + 1), 1_000));
    let status = host.tcb.status();
    assert!(status.rcv_wnd <= 2_000, "{}", status.rcv_wnd);
}

#[test]
fn must_23_the_program_sets_r2_of_its_syn() {
    let mut host = Host::closed();
    host.set(|settings| settings.set_syn_retries(2).unwrap());
    host.user(UserCall::Connect(params()));
    for _ in 0..2 {
        host.fire();
        assert_eq!(host.sent.len(), 1);
    }
    assert_eq!(host.fire().fate, Fate::Closed);
}

#[test]
fn the_program_sets_how_long_fin_wait_2_lasts_without_it() {
    let mut host = Host::fin_wait_1();
    host.set(|settings| settings.set_linger2(7));
    host.user(UserCall::Close { unread_data: false });
    host.arrive(seg(ACK, IRS + 1, ISS + 2));
    assert_eq!(host.timer(), Some(TimerKind::FinWait2));
    assert_eq!(host.time_left(), Duration::from_secs(7));
}

#[test]
fn without_fin_wait_2_the_connection_is_reset_once_all_is_acknowledged() {
    // The FIN is acknowledged after close(), or before.
    let mut late = Host::fin_wait_1();
    late.set(|settings| settings.set_linger2(-1));
    late.user(UserCall::Close { unread_data: false });
    assert_eq!(late.state(), State::FinWait1);
    let mut early = Host::fin_wait_2();
    early.set(|settings| settings.set_linger2(-1));
    let outs = [
        late.arrive(seg(ACK, IRS + 1, ISS + 2)),
        early.user(UserCall::Close { unread_data: false }),
    ];
    for out in outs {
        assert_eq!(out.fate, Fate::Closed);
        assert_eq!(
            out.reply.map(|reply| reply.why),
            Some(ReplyWhy::Reset(ResetReason::NoFinWait2))
        );
    }
}

#[test]
fn an_orphan_too_many_is_reset() {
    let mut host = Host::established();
    host.user(UserCall::Close { unread_data: false });
    let out = host.user(UserCall::OrphanLimit);
    assert_eq!(out.fate, Fate::Closed);
    assert_eq!(
        out.reply.map(|reply| reply.why),
        Some(ReplyWhy::Reset(ResetReason::TooManyOrphans))
    );
}

/// A request of a listener that waits for data through so many retransmissions.
fn deferred(retransmissions: u8) -> SynReq {
    let mut request = request();
    request.defer(retransmissions);
    request
}

#[test]
fn a_deferred_request_needs_data() {
    let (cfg, now) = (plain(), Instant::from_us(1_000_000_000));
    let mut request = deferred(3);
    let mut out = Outbox::new();
    let bare = seg(ACK, IRS + 1, ISS + 1);
    assert_eq!(
        request.on_segment(now, &bare, &cfg, &mut out),
        ReqVerdict::Keep
    );
    assert_eq!(out.drop, Some(DropReason::Deferred));
    assert!(out.reply.is_none());
    for enough in [data(bare, 1), seg(ACK | FIN, IRS + 1, ISS + 1)] {
        let verdict = request.on_segment(now, &enough, &cfg, &mut out);
        assert_eq!(verdict, ReqVerdict::Establish);
    }
}

#[test]
fn a_deferred_request_asks_once_more_when_the_time_is_up() {
    let cfg = plain();
    let mut request = deferred(3);
    let mut out = Outbox::new();
    let bare = seg(ACK, IRS + 1, ISS + 1);
    let mut now = Instant::from_us(1_000_000_000);
    request.on_segment(now, &bare, &cfg, &mut out);
    // The peer has answered: no need to ask it twice.
    for wanted in [ReqTimer::NotYet, ReqTimer::NotYet, ReqTimer::Resend] {
        now = request.next_deadline().unwrap().1;
        assert_eq!(request.on_timer(now, &cfg, &mut out), wanted);
    }
    let verdict = request.on_segment(now, &bare, &cfg, &mut out);
    assert_eq!(verdict, ReqVerdict::Establish);
}

// RFC 5681 3.1, MUST-18: the SYN-ACK that is answered is not lost, and how long the program at the other end thinks is no
// round-trip time.
#[test]
fn a_deferred_connection_has_lost_no_syn_ack() {
    let cfg = plain();
    let bare = seg(ACK, IRS + 1, ISS + 1);
    for times in 0..2 {
        let mut request = deferred(3);
        let mut out = Outbox::new();
        let answered = Instant::from_us(1_000_050_000);
        request.on_segment(answered, &bare, &cfg, &mut out);
        for _ in 0..times {
            let now = request.next_deadline().unwrap().1;
            assert_eq!(request.on_timer(now, &cfg, &mut out), ReqTimer::NotYet);
        }
        let now = Instant::from_us(1_001_900_000);
        let text = data(bare, 10);
        let verdict = request.on_segment(now, &text, &cfg, &mut out);
        assert_eq!(verdict, ReqVerdict::Establish);
        let mut tcb = Tcb::new();
        tcb.set_receive_space(SPACE);
        request.establish(now, &cfg, &mut tcb);
        tcb.on_segment(now, &text, &cfg, &mut out);
        let segment = u32::from(tcb.effective_mss());
        assert_eq!(tcb.congestion.cwnd(), 10 * segment);
        assert_eq!(tcb.rtt.rto(), Duration::from_secs(1));
    }
}

#[test]
fn a_deferred_request_without_an_ack_is_asked_as_any_other() {
    let cfg = plain();
    let mut request = deferred(9);
    let mut out = Outbox::new();
    for _ in 0..cfg.synack_retries {
        let now = request.next_deadline().unwrap().1;
        assert_eq!(request.on_timer(now, &cfg, &mut out), ReqTimer::Resend);
    }
    let now = request.next_deadline().unwrap().1;
    assert_eq!(request.on_timer(now, &cfg, &mut out), ReqTimer::GiveUp);
}

#[test]
fn may_18_the_program_chooses_the_congestion_control() {
    let mut host = Host::established();
    assert_eq!(host.tcb.congestion_control(), Kind::Cubic);
    host.set(|settings| settings.congestion = Some(Kind::Reno));
    assert_eq!(host.tcb.congestion_control(), Kind::Reno);
    // Or the namespace, for those who did not choose.
    let mut host = Host::closed();
    host.cfg.congestion_control = Kind::Reno;
    host.user(UserCall::Connect(params()));
    host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    assert_eq!(host.tcb.congestion_control(), Kind::Reno);
}

#[test]
fn an_idle_connection_keeps_its_window_if_the_namespace_says_so() {
    for restart in [false, true] {
        let mut host = Host::closed();
        host.cfg.slow_start_after_idle = restart;
        host.user(UserCall::Connect(params()));
        host.arrive(syn(SYN | ACK, IRS, ISS + 1));
        let mut acked = ISS + 1;
        for _ in 0..20 {
            host.queue(8_000);
            acked += 8_000;
            host.arrive(seg(ACK, IRS + 1, acked));
        }
        let before = host.tcb.congestion.cwnd();
        host.pass(Duration::from_secs(100));
        host.queue(1_000);
        assert_eq!(host.tcb.congestion.cwnd() < before, restart);
    }
}
