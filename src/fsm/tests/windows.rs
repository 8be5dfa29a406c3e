// SPDX-License-Identifier: GPL-2.0

//! Windows: closed ones are probed, small ones waited for, shrunken ones respected; ours moves by worthwhile steps.

use super::*;
use crate::fsm::{ConnError, DropReason};

/// The peer's window is closed, with everything acknowledged, and data waits.
fn shut() -> Host {
    let mut host = Host::established();
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 0));
    assert_eq!(host.timer(), None);
    host.queue(300);
    assert!(host.sent.is_empty());
    host
}

fn answer(host: &mut Host, window: u16) {
    let una = host.tcb.snd_una.raw();
    host.arrive(wnd(seg(ACK, IRS + 1, una), window));
}

#[test]
fn must_35_shld_29_a_closed_window_is_probed_after_one_rto() {
    let mut host = shut();
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    assert_eq!(host.time_left(), host.tcb.rtt.rto());
    host.fire();
    // One octet of new data.
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 1));
    assert_eq!(host.timer(), Some(TimerKind::Persist));
}

#[test]
fn must_36_a_window_that_never_opened_is_probed() {
    let mut host = Host::syn_sent();
    host.arrive(wnd(syn(SYN | ACK, IRS, ISS + 1), 0));
    host.queue(300);
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    host.fire();
    assert_eq!(host.only().payload_len, 1);
}

#[test]
fn shld_30_probes_back_off() {
    let mut host = shut();
    let mut last = host.time_left();
    for _ in 0..20 {
        host.fire();
        assert_eq!(host.only().seq, raw(ISS + 1));
        let left = host.time_left();
        assert_eq!(left, last.doubled().min(Duration::from_secs(120)));
        last = left;
        answer(&mut host, 0);
        // An answer does not delay the next probe.
        assert_eq!(host.time_left(), last);
    }
}

#[test]
fn must_37_may_8_a_window_may_stay_closed_for_ever_while_probes_are_answered() {
    let mut host = shut();
    for _ in 0..1_000 {
        host.fire();
        answer(&mut host, 0);
    }
    assert_eq!(host.state(), State::Established);
    // Also for a FIN, and without a user.
    let mut host = Host::established();
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 0));
    host.user(UserCall::Close { unread_data: false });
    for _ in 0..1_000 {
        host.fire();
        answer(&mut host, 0);
    }
    assert_eq!(host.state(), State::FinWait1);
    // Silence ends it.
    loop {
        let out = host.fire();
        if out.fate == Fate::Closed {
            assert_eq!(out.error, Some(ConnError::TimedOut));
            break;
        }
    }
}

#[test]
fn a_window_that_opens_lets_everything_go() {
    let mut host = shut();
    host.fire();
    answer(&mut host, 0);
    answer(&mut host, 2_000);
    // The octet of the probe was not taken: it goes again.
    assert_eq!(brief(&host.only()), (ACK | PSH, ISS + 1, IRS + 1, 300));
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
    assert_eq!(host.tcb.status().retransmits, 0);
}

#[test]
fn a_probe_that_is_taken_counts() {
    let mut host = shut();
    host.fire();
    let out = host.arrive(wnd(seg(ACK, IRS + 1, ISS + 2), 0));
    assert!(out.acked);
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    host.fire();
    assert_eq!(brief(&host.only()), (ACK, ISS + 2, IRS + 1, 1));
}

#[test]
fn a_fin_probes_a_closed_window() {
    let mut host = Host::established();
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 0));
    host.user(UserCall::ShutdownWrite);
    assert!(host.sent.is_empty());
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    host.fire();
    assert_eq!(brief(&host.only()), (FIN | ACK, ISS + 1, IRS + 1, 0));
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 2), 0));
    assert_eq!(host.state(), State::FinWait2);
    assert_eq!(host.timer(), None);
}

/// Two machines whose windows are both closed do not block each other: an ACK carries a number that the peer takes.
#[test]
fn an_ack_past_a_closed_window_is_acceptable() {
    let mut host = shut();
    host.fire();
    assert_eq!(host.tcb.snd_nxt, raw(ISS + 2));
    host.arrive(wnd(data(seg(ACK, IRS + 1, ISS + 1), 10), 0));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 11, 0));
}

/// A peer that has filled the window has no other number for its ACK than that of the edge.
#[test]
fn an_ack_at_the_edge_of_the_window_is_acceptable_and_none_beyond() {
    for (seq, drop) in [
        (IRS + SPACE, None),
        (IRS + 1 + SPACE, None),
        (IRS + 2 + SPACE, Some(DropReason::OutOfWindow)),
        (IRS, Some(DropReason::Duplicate)),
    ] {
        let mut host = Host::established();
        host.queue(100);
        let out = host.arrive(seg(ACK, seq, ISS + 101));
        assert_eq!((out.acked, out.drop), (drop.is_none(), drop), "{seq}");
        // Data is not acceptable there.
        let out = host.arrive(data(seg(ACK, IRS + 1 + SPACE, ISS + 101), 1));
        assert_eq!(out.drop, Some(DropReason::OutOfWindow));
        let out = host.arrive(data(seg(ACK, IRS - 9, ISS + 101), 10));
        assert_eq!(out.drop, Some(DropReason::Duplicate));
    }
}

/// RFC 7323 2.4: a peer takes what it has offered, though its window as scaled cannot tell all of that any more. An ACK of ours with a lower
/// number than SND.NXT would be old when it comes.
#[test]
fn a_window_that_is_rounded_off_has_not_shrunk() {
    let mut host = Host::syn_sent_with(Config {
        window_scaling: true,
        ..plain()
    });
    let mut syn_ack = syn(SYN | ACK, IRS, ISS + 1);
    syn_ack.options.wscale = Some(7);
    host.arrive(wnd(syn_ack, 1_024));
    host.queue(1_024);
    for (acked, fields, seq) in [
        // 924 octets are left, of which the field tells 896; then 896, of which it tells 768: the window did shrink.
        (100, 7, ISS + 1_025),
        (128, 6, ISS + 1 + 128 + 768),
    ] {
        host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1 + acked), fields));
        assert_eq!(host.tcb.snd_wnd, u32::from(fields) << 7);
        let mut other = host.clone();
        other.arrive(wnd(data(seg(ACK, IRS + 1, ISS + 1 + acked), 2_000), fields));
        assert_eq!(other.only().seq, raw(seq));
    }
}

/// What was sent beyond the window was taken, and the peer's ACK of it is not acceptable: it tells what the peer takes all the same.
#[test]
fn an_ack_of_what_is_not_acceptable_has_the_number_that_the_peer_expects() {
    for old in [seg(ACK, IRS, ISS + 2), data(seg(ACK, IRS - 9, ISS + 2), 10)] {
        let mut host = shut();
        host.fire();
        host.arrive(wnd(old, 0));
        assert_eq!(brief(&host.only()), (ACK, ISS + 2, IRS + 1, 0));
        // But not one that was never sent.
        host.arrive(wnd(data(seg(ACK, IRS - 9, ISS + 3), 10), 0));
        assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 0));
    }
}

#[test]
fn must_34_shld_15_nothing_new_goes_beyond_a_window_that_shrank() {
    let mut host = Host::established();
    host.queue(6_000);
    assert_eq!(host.sent.len(), 6);
    answer(&mut host, 2_000);
    host.queue(1_000);
    assert!(host.sent.is_empty());
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1_001), 1_000));
    assert!(host.sent.is_empty());
    assert_eq!(host.state(), State::Established);
    // What is acknowledged beyond the edge is acceptable all the same.
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 6_001), 1_000));
    assert_eq!(
        brief(&host.only()),
        (ACK | PSH, ISS + 6_001, IRS + 1, 1_000)
    );
}

#[test]
fn shld_16_old_data_in_a_shrunken_window_is_sent_again() {
    let mut host = Host::established();
    host.queue(6_000);
    answer(&mut host, 1_500);
    host.fire();
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 1_000));
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1_001), 500));
    // Less than a segment is allowed: it is sent all the same, when it is due.
    host.fire();
    assert_eq!(brief(&host.only()), (ACK, ISS + 1_001, IRS + 1, 500));
}

#[test]
fn shld_17_data_beyond_the_right_edge_times_nothing_out() {
    let mut host = Host::established();
    host.queue(6_000);
    answer(&mut host, 0);
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    for _ in 0..100 {
        let out = host.fire();
        assert_eq!((out.fate, host.only().payload_len), (Fate::Live, 1));
        answer(&mut host, 0);
    }
    answer(&mut host, 6_000);
    assert_eq!(brief(&host.sent[0]), (ACK, ISS + 1, IRS + 1, 1_000));
}

#[test]
fn must_38_small_windows_are_not_filled() {
    let mut host = Host::established();
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 900));
    host.queue(5_000);
    // Less than a segment, and less than half of the largest window.
    assert!(host.sent.is_empty());
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    answer(&mut host, 999);
    assert!(host.sent.is_empty());
    answer(&mut host, 1_000);
    assert_eq!(host.only().payload_len, 1_000);
}

#[test]
fn must_38_half_of_the_largest_window_is_enough() {
    let mut host = Host::syn_sent();
    host.arrive(wnd(syn(SYN | ACK, IRS, ISS + 1), 600));
    host.queue(5_000);
    assert_eq!(host.only().payload_len, 600);
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 601), 299));
    assert!(host.sent.is_empty());
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 601), 300));
    assert_eq!(host.only().payload_len, 300);
}

#[test]
fn must_38_must_60_a_small_window_is_filled_after_a_while() {
    let mut host = Host::established();
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 900));
    host.queue(5_000);
    let wait = host.time_left();
    assert!(wait >= Duration::from_ms(100) && wait <= Duration::from_secs(1));
    host.fire();
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 900));
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
}

/// What is sent while the machine waits for a small window to grow is retransmitted like everything else.
#[test]
fn a_segment_that_became_worth_sending_is_timed() {
    let mut host = Host::established();
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 900));
    host.queue(5_000);
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    host.tcb.set_path_mss(800);
    host.queue(1);
    assert_eq!(host.only().payload_len, 800);
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
    host.fire();
    assert_eq!(host.tcb.status().retransmits, 1);
}

#[test]
fn an_old_segment_does_not_set_the_window() {
    let mut host = Host::established();
    host.arrive(data(wnd(seg(ACK, IRS + 1, ISS + 1), 4_000), 20));
    host.arrive(wnd(seg(ACK, IRS + 21, ISS + 1), 3_000));
    assert_eq!(host.tcb.snd_wnd, 3_000);
    // It was overtaken, but brings new data: its number is older than SND.WL1.
    let out = host.arrive(data(wnd(seg(ACK, IRS + 11, ISS + 1), 77), 30));
    assert!(out.deliver.is_some());
    assert_eq!(host.tcb.snd_wnd, 3_000);
    // Of two segments with the same number the one with the later ACK counts.
    host.queue(20);
    host.arrive(wnd(seg(ACK, IRS + 41, ISS + 21), 2_000));
    host.arrive(wnd(seg(ACK, IRS + 41, ISS + 11), 5_000));
    assert_eq!(host.tcb.snd_wnd, 2_000);
}

#[test]
fn an_ack_of_more_than_before_sets_the_window_whatever_its_number() {
    let mut host = Host::established();
    host.queue(2_000);
    // Without its data, which was lost; it is sent again below, with a number before SND.WL1.
    host.arrive(wnd(seg(ACK, IRS + 51, ISS + 1), 2_000));
    assert_eq!(host.tcb.snd_wnd, 2_000);
    host.arrive(data(wnd(seg(ACK, IRS + 1, ISS + 2_001), 0), 50));
    // Else it would reach 2,000 octets further than any window that was offered.
    assert_eq!(host.tcb.snd_wnd, 0);
    host.queue(10);
    assert!(host.sent.is_empty());
}

#[test]
fn must_1_rec_1_windows_are_unsigned_and_of_32_bits() {
    let mut host = Host::syn_sent_with(Config::default());
    let mut syn_ack = ts(syn(SYN | ACK, IRS, ISS + 1), 1, 1_000_000);
    syn_ack.options.wscale = Some(14);
    host.arrive(wnd(syn_ack, u16::MAX));
    assert_eq!(host.tcb.snd_wnd, 65_535);
    host.arrive(wnd(ts(seg(ACK, IRS + 1, ISS + 1), 1, 1_000_000), u16::MAX));
    assert_eq!(host.tcb.snd_wnd, 65_535 << 14);
    // A field with the top bit set is no negative number.
    host.arrive(wnd(ts(seg(ACK, IRS + 1, ISS + 1), 1, 1_000_000), 0x8000));
    assert_eq!(host.tcb.snd_wnd, 1 << 29);
}

#[test]
fn shld_14_our_window_never_shrinks() {
    let mut host = Host::established();
    host.space = 100;
    host.arrive(data(seg(ACK, IRS + 1, ISS + 1), 1_000));
    // What was offered stays on offer, though there is no room for it.
    assert_eq!(u32::from(host.only().wnd), SPACE - 1_000);
    let edge = host.only().ack + u32::from(host.only().wnd);
    host.space = 0;
    host.queue(10);
    assert_eq!(host.only().ack + u32::from(host.only().wnd), edge);
}

#[test]
fn must_39_our_window_opens_by_worthwhile_steps() {
    let mut host = Host::established();
    host.arrive(data(seg(ACK, IRS + 1, ISS + 1), SPACE));
    assert_eq!(host.only().wnd, 0);
    for _ in 0..9 {
        host.read(100);
        assert!(host.sent.is_empty());
    }
    host.read(100);
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1 + SPACE, 0));
    assert_eq!(host.only().wnd, 1_000);
    // As long as the peer has room, there is no news.
    host.read(500);
    assert!(host.sent.is_empty());
    host.read(500);
    assert_eq!(host.only().wnd, 2_000);
}

#[test]
fn must_39_a_buffer_that_became_smaller_opens_by_its_own_halves() {
    let mut host = Host::established();
    host.arrive(data(seg(ACK, IRS + 1, ISS + 1), SPACE));
    // Below two segments, by SO_RCVBUF or since the peer's packets need more memory than was thought.
    host.tcb.set_receive_buffer(800);
    host.read(399);
    assert!(host.sent.is_empty());
    host.read(1);
    assert_eq!(host.only().wnd, 400);
}

/// A program that reads after the peer has closed tells the peer nothing.
#[test]
fn no_window_update_after_the_peers_fin() {
    let mut host = Host::established();
    host.arrive(data(seg(FIN | ACK, IRS + 1, ISS + 1), SPACE));
    host.read(SPACE);
    assert!(host.sent.is_empty());
}

#[test]
fn what_a_scaled_window_cannot_tell_is_taken_all_the_same() {
    // RFC 7323 2.4.
    let mut host = Host::syn_sent_with(Config {
        window_scaling: true,
        ..plain()
    });
    let mut syn_ack = syn(SYN | ACK, IRS, ISS + 1);
    syn_ack.options.wscale = Some(0);
    host.arrive(syn_ack);
    let scale = params().rcv_wscale;
    // One octet, of which the reader takes no notice: the field tells less than what is on offer.
    host.arrive(data(seg(ACK, IRS + 1, ISS + 1), 1));
    host.pass(Duration::from_secs(1));
    let edge = IRS + 1 + SPACE;
    host.arrive(data(seg(ACK, IRS + 2, ISS + 1), 1));
    let told = IRS + 3 + (u32::from(host.only().wnd) << scale);
    assert!(told < edge && told + (1 << scale) > edge);
    let out = host.arrive(data(seg(ACK, IRS + 3, ISS + 1), SPACE - 2));
    assert_eq!(out.deliver.unwrap().len, SPACE - 2);
    assert_eq!(host.space, 0);
}

#[test]
fn a_closed_window_is_probed_with_what_the_peer_has_thrown_away() {
    // RFC 2018 section 8.
    let mut host = Host::with_sack();
    host.queue(3_000);
    let mut held = seg(ACK, IRS + 1, ISS + 1);
    held.options.sack.push(raw(ISS + 1_001), raw(ISS + 3_001));
    host.arrive(held);
    // It acknowledges the first segment alone: the others are not there any more.
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1_001), 0));
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    host.fire();
    assert_eq!(brief(&host.only()), (ACK, ISS + 1_001, IRS + 1, 1));
}

#[test]
fn what_the_peer_holds_is_timed_when_a_closed_window_opens() {
    // RFC 2018 section 8, RFC 6298 5.1: it may yet throw it away.
    let mut host = Host::with_sack();
    host.queue(3_000);
    let mut held = seg(ACK, IRS + 1, ISS + 1);
    held.options.sack.push(raw(ISS + 1), raw(ISS + 3_001));
    host.arrive(wnd(held, 0));
    assert_eq!(host.timer(), Some(TimerKind::Persist));
    host.arrive(wnd(held, 10_000));
    assert!(host.sent.is_empty());
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
    host.fire();
    assert_eq!(brief(&host.sent[0]), (ACK, ISS + 1, IRS + 1, 1_000));
}

#[test]
fn a_window_of_a_segment_or_less_is_spent() {
    let mut host = Host::established();
    assert!(!host.tcb.is_window_spent());
    // Nobody reads.
    for at in 0..SPACE / u32::from(MSS) {
        assert_eq!(host.tcb.is_window_spent(), at == 9, "{at}");
        host.arrive(data(seg(ACK, IRS + 1 + at * 1_000, ISS + 1), 1_000));
    }
    assert!(host.tcb.is_window_spent());
    host.read(SPACE);
    assert!(!host.tcb.is_window_spent());
}
