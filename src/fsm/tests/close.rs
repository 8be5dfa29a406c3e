// SPDX-License-Identifier: GPL-2.0

//! Closing: by FINs in every order, half of a connection, by RST, with data unread, without a user.

use super::*;
use crate::fsm::{ConnError, DropReason, ResetReason, Wake};

const GONE: UserCall = UserCall::Close { unread_data: false };
const GONE_UNREAD: UserCall = UserCall::Close { unread_data: true };

#[test]
fn an_active_close_in_two_segments() {
    let mut host = Host::established();
    host.user(UserCall::ShutdownWrite);
    assert_eq!(host.state(), State::FinWait1);
    assert_eq!(brief(&host.only()), (FIN | ACK, ISS + 1, IRS + 1, 0));
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
    let out = host.arrive(seg(ACK, IRS + 1, ISS + 2));
    assert_eq!(host.state(), State::FinWait2);
    assert!(out.wake.contains(Wake::STATE_CHANGE));
    // A program that still holds the socket may wait for as long as it likes.
    assert_eq!(host.timer(), None);
    let out = host.arrive(seg(FIN | ACK, IRS + 1, ISS + 2));
    assert_eq!(host.state(), State::TimeWait);
    assert!(out.fin_received && out.wake.contains(Wake::READABLE));
    assert_eq!(brief(&host.only()), (ACK, ISS + 2, IRS + 2, 0));
}

#[test]
fn an_active_close_in_one_segment() {
    let mut host = Host::fin_wait_1();
    let out = host.arrive(seg(FIN | ACK, IRS + 1, ISS + 2));
    assert_eq!(host.state(), State::TimeWait);
    let arcs: Vec<_> = out.arcs.iter().map(|id| id.arc().name).collect();
    assert_eq!(arcs, ["fin-wait-1-rcv-fin-ack-of-fin"]);
    assert_eq!(brief(&host.only()), (ACK, ISS + 2, IRS + 2, 0));
    assert_eq!(host.timer(), None);
}

#[test]
fn a_simultaneous_close() {
    let mut one = Host::fin_wait_1();
    let out = one.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
    assert_eq!(one.state(), State::Closing);
    assert!(out.fin_received);
    assert_eq!(brief(&one.only()), (ACK, ISS + 2, IRS + 2, 0));
    let out = one.arrive(seg(ACK, IRS + 2, ISS + 2));
    assert_eq!((one.state(), out.fate), (State::TimeWait, Fate::TimeWait));
    assert!(one.sent.is_empty());
}

#[test]
fn a_passive_close() {
    let mut host = Host::established();
    let out = host.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
    assert_eq!(host.state(), State::CloseWait);
    assert!(out.fin_received && out.wake.contains(Wake::READABLE | Wake::STATE_CHANGE));
    // The ACK waits for our FIN: three segments, as in a close of both at once (RFC 9293 3.8.6.3).
    assert!(host.sent.is_empty());
    assert_eq!(host.timer(), Some(TimerKind::DelayedAck));
    host.user(UserCall::ShutdownWrite);
    assert_eq!(host.state(), State::LastAck);
    assert_eq!(brief(&host.only()), (FIN | ACK, ISS + 1, IRS + 2, 0));
    let out = host.arrive(seg(ACK, IRS + 2, ISS + 2));
    assert_eq!((host.state(), out.fate), (State::Closed, Fate::Closed));
    assert_eq!((out.error, host.timer()), (None, None));
}

#[test]
fn after_a_half_close_data_still_arrives() {
    for mut host in [Host::fin_wait_1(), Host::fin_wait_2()] {
        let state = host.state();
        let una = host.tcb.snd_una.raw();
        let out = host.arrive(data(seg(ACK, IRS + 1, una), 500));
        assert_eq!(host.state(), state);
        assert_eq!((host.delivered, out.error), (500, None));
        assert_eq!(brief(&host.only()), (ACK, ISS + 2, IRS + 501, 0));
    }
}

#[test]
fn after_the_peers_half_close_data_is_still_sent() {
    let mut host = Host::close_wait();
    host.queue(400);
    assert_eq!(brief(&host.only()), (ACK | PSH, ISS + 1, IRS + 2, 400));
    let out = host.arrive(seg(ACK, IRS + 2, ISS + 401));
    assert!(out.acked && out.wake.contains(Wake::WRITABLE));
    assert_eq!(host.tcb.send_queue_len(), 0);
}

#[test]
fn a_fin_waits_for_the_data_before_it() {
    let mut host = Host::established();
    host.queue(u32::from(WND) + 2_000);
    host.user(UserCall::ShutdownWrite);
    assert_eq!(host.state(), State::FinWait1);
    assert!(!host.tcb.fin_sent);
    // The window is full; when it opens, the FIN goes with the last octets.
    host.arrive(seg(ACK, IRS + 1, ISS + 1 + u32::from(WND)));
    let sent: Vec<_> = host.sent.iter().map(brief).collect();
    let rest = ISS + 1 + u32::from(WND);
    assert_eq!(
        sent,
        [
            (ACK, rest, IRS + 1, 1_000),
            (FIN | PSH | ACK, rest + 1_000, IRS + 1, 1_000)
        ]
    );
}

#[test]
fn nothing_can_be_queued_after_a_close() {
    for state in [
        State::FinWait1,
        State::FinWait2,
        State::Closing,
        State::LastAck,
        State::TimeWait,
    ] {
        let mut host = Host::in_state(state);
        assert_eq!(host.tcb.may_send(), Err(UserError::Closing));
        assert_eq!(
            host.try_user(UserCall::Queued { len: 1 }).err(),
            Some(UserError::Closing)
        );
    }
    for state in [State::Closed, State::Listen] {
        assert_eq!(
            Host::in_state(state).tcb.may_send(),
            Err(UserError::NotConnected)
        );
    }
}

#[test]
fn a_second_close_sends_no_second_fin() {
    for state in [
        State::FinWait1,
        State::FinWait2,
        State::Closing,
        State::LastAck,
    ] {
        let mut host = Host::in_state(state);
        host.user(UserCall::ShutdownWrite);
        assert!(host.sent.is_empty());
        assert_eq!(host.state(), state);
        host.user(GONE);
        assert!(host.sent.is_empty());
        assert_eq!(host.state(), state);
        assert!(host.tcb.user_gone);
    }
}

#[test]
fn calls_without_a_connection_are_refused() {
    for call in [
        UserCall::ShutdownWrite,
        GONE,
        UserCall::Abort,
        UserCall::Queued { len: 1 },
    ] {
        assert_eq!(
            Host::closed().try_user(call).err(),
            Some(UserError::NotConnected)
        );
    }
}

#[test]
fn an_abort_sends_an_rst_where_the_peer_has_a_connection() {
    for state in State::ALL {
        let mut host = Host::in_state(*state);
        let nxt = host.tcb.snd_nxt.raw();
        let Ok(out) = host.try_user(UserCall::Abort) else {
            assert_eq!(*state, State::Closed);
            continue;
        };
        match state {
            // RFC 9293 3.10.5.
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait => {
                assert_eq!(why(&out), Some(ReplyWhy::Reset(ResetReason::Aborted)));
                assert_eq!(brief(&host.only()), (RST, nxt, 0, 0), "{state:?}");
            }
            _ => assert!(host.sent.is_empty(), "{state:?}"),
        }
        if *state != State::TimeWait {
            assert_eq!((host.state(), out.fate), (State::Closed, Fate::Closed));
        }
    }
}

#[test]
fn a_connection_that_was_never_handed_out_is_aborted_for_that_reason() {
    let mut host = Host::established();
    let out = host.user(UserCall::ListenerClosed);
    assert_eq!(
        why(&out),
        Some(ReplyWhy::Reset(ResetReason::ListenerClosed))
    );
}

/// After a window shrank, SND.NXT is no number that the peer would take.
#[test]
fn must_34_an_abort_after_a_window_shrank_is_still_in_the_window() {
    let mut host = Host::established();
    host.queue(3_000);
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 500));
    host.user(UserCall::Abort);
    assert_eq!(brief(&host.only()), (RST, ISS + 501, 0, 0));
}

#[test]
fn shld_3_a_close_with_unread_data_resets() {
    for state in [
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
    ] {
        let mut host = Host::in_state(state);
        let out = host.user(GONE_UNREAD);
        assert_eq!(
            why(&out),
            Some(ReplyWhy::Reset(ResetReason::UnreadDataAtClose))
        );
        assert!(host.only().flags.contains(RST));
        assert_eq!((host.state(), out.fate), (State::Closed, Fate::Closed));
    }
}

#[test]
fn shld_3_data_after_both_sides_were_shut_down_resets() {
    // Shutting down the receive side alone is no CLOSE.
    let mut host = Host::established();
    host.tcb.stop_reading();
    let una = host.tcb.snd_una.raw();
    let out = host.arrive(data(seg(ACK, IRS + 1, una), 1));
    assert_eq!((why(&out), host.state()), (None, State::Established));
    for mut host in [Host::fin_wait_1(), Host::fin_wait_2()] {
        host.tcb.stop_reading();
        let una = host.tcb.snd_una.raw();
        let out = host.arrive(data(seg(ACK, IRS + 1, una), 1));
        assert_eq!(
            why(&out),
            Some(ReplyWhy::Reset(ResetReason::DataAfterClose))
        );
        assert_eq!(out.error, Some(ConnError::Reset));
        assert_eq!((host.state(), out.fate), (State::Closed, Fate::Closed));
    }
}

#[test]
fn shld_3_data_after_the_user_has_gone_resets() {
    for mut host in [Host::fin_wait_1(), Host::fin_wait_2()] {
        host.user(GONE);
        let una = host.tcb.snd_una.raw();
        let out = host.arrive(data(seg(ACK, IRS + 1, una), 1));
        assert_eq!(out.drop, Some(DropReason::NoReader));
        assert_eq!(
            why(&out),
            Some(ReplyWhy::Reset(ResetReason::DataAfterClose))
        );
        // The number that the peer expects for sure.
        assert_eq!(brief(&host.only()), (RST, una, 0, 0));
        assert_eq!((host.state(), out.fate), (State::Closed, Fate::Closed));
        assert!(out.deliver.is_none());
    }
}

#[test]
fn an_orphan_takes_the_fin_and_old_data() {
    let mut host = Host::fin_wait_2();
    host.user(GONE);
    // Old data is no new data.
    host.arrive(data(seg(ACK, IRS - 99, ISS + 2), 100));
    assert_eq!(host.state(), State::FinWait2);
    host.arrive(seg(FIN | ACK, IRS + 1, ISS + 2));
    assert_eq!(host.state(), State::TimeWait);
}

#[test]
fn an_orphan_does_not_wait_for_ever_in_fin_wait_2() {
    // The user goes before or after the FIN is acknowledged.
    let mut early = Host::established();
    early.user(GONE);
    early.arrive(seg(ACK, IRS + 1, ISS + 2));
    let mut late = Host::fin_wait_2();
    late.user(GONE);
    for mut host in [early, late] {
        assert_eq!(host.state(), State::FinWait2);
        assert_eq!(host.timer(), Some(TimerKind::FinWait2));
        assert_eq!(host.time_left(), host.cfg.fin_timeout);
        // What else arrives does not start it anew.
        host.pass(Duration::from_secs(10));
        host.arrive(seg(ACK, IRS + 1, ISS + 2));
        assert_eq!(host.time_left(), Duration::from_secs(50));
        let out = host.fire();
        assert_eq!((host.state(), out.fate), (State::Closed, Fate::Closed));
        assert!(host.sent.is_empty());
    }
}

#[test]
fn the_program_can_tell_a_reset_from_a_close() {
    for (state, error) in [
        (State::SynReceived, Some(ConnError::Refused)),
        (State::Established, Some(ConnError::Reset)),
        (State::FinWait1, Some(ConnError::Reset)),
        (State::FinWait2, Some(ConnError::Reset)),
        (State::CloseWait, Some(ConnError::BrokenPipe)),
        (State::Closing, None),
        (State::LastAck, None),
    ] {
        let mut host = Host::in_state(state);
        let next = host.tcb.rcv_nxt.raw();
        let out = host.arrive(seg(RST, next, 0));
        assert_eq!(out.error, error, "{state:?}");
        assert_eq!(out.wake.contains(Wake::ERROR), error.is_some());
        assert!(!out.fin_received);
        assert_eq!(host.timer(), None);
    }
    // An orderly end has no error.
    let out = Host::established().arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
    assert!(out.fin_received && out.error.is_none());
}

/// RFC 9293 3.10.7.4, second, tells nobody when both sides have closed. But data that was not acknowledged is lost.
#[test]
fn the_program_learns_that_its_last_data_is_lost() {
    for (fin_first, state) in [(true, State::LastAck), (false, State::Closing)] {
        let mut host = Host::established();
        let fin = seg(FIN | ACK, IRS + 1, ISS + 1);
        if fin_first {
            host.arrive(fin);
        }
        host.queue(5);
        host.user(UserCall::ShutdownWrite);
        if !fin_first {
            host.arrive(fin);
        }
        assert_eq!(host.state(), state);
        let mut acknowledged = host.clone();
        let out = host.arrive(seg(RST, IRS + 2, 0));
        assert_eq!(out.error, Some(ConnError::Reset));
        // All but the FIN has arrived: nothing is lost.
        acknowledged.arrive(seg(ACK, IRS + 2, ISS + 6));
        assert_eq!(acknowledged.state(), state);
        let out = acknowledged.arrive(seg(RST, IRS + 2, 0));
        assert_eq!((out.fate, out.error), (Fate::Closed, None));
    }
}

/// A FIN, an ACK or an RST is not lost because the reader is slow.
#[test]
fn must_66_control_is_processed_while_the_window_is_zero() {
    let full = || {
        let mut host = Host::established();
        // The peer fills the window.
        host.arrive(data(seg(ACK, IRS + 1, ISS + 1), SPACE));
        assert_eq!(host.only().wnd, 0);
        host
    };
    let next = IRS + 1 + SPACE;

    let mut host = full();
    host.arrive(seg(RST, next, 0));
    assert_eq!(host.state(), State::Closed);
    // An RST with data.
    let mut host = full();
    host.arrive(data(seg(RST, next, 0), 10));
    assert_eq!(host.state(), State::Closed);

    let mut host = full();
    host.arrive(seg(FIN | ACK, next, ISS + 1));
    assert_eq!(host.state(), State::CloseWait);
    assert_eq!(host.timer(), Some(TimerKind::DelayedAck));
    host.fire();
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, next + 1, 0));

    // The ACK of a segment whose data cannot be taken counts.
    let mut host = full();
    host.queue(100);
    let out = host.arrive(data(seg(ACK, next, ISS + 101), 10));
    assert!(out.acked);
    assert_eq!(out.drop, Some(DropReason::ReceiveBufferFull));
    assert_eq!(host.delivered, SPACE);
    assert_eq!(brief(&host.only()), (ACK, ISS + 101, next, 0));

    // The urgent pointer, too.
    let mut host = full();
    let mut urgent = data(seg(ACK | URG, next, ISS + 1), 10);
    urgent.urg = 7;
    let out = host.arrive(urgent);
    assert_eq!(out.urgent, Some(6));
    assert_eq!(host.tcb.urgent_end(), Some(raw(next + 7)));
}

/// A FIN behind data that does not fit is not taken, and comes again.
#[test]
fn a_fin_behind_data_that_does_not_fit_waits() {
    let mut host = Host::established();
    host.arrive(data(seg(ACK, IRS + 1, ISS + 1), SPACE - 10));
    let out = host.arrive(data(seg(FIN | ACK, IRS + 1 + SPACE - 10, ISS + 1), 20));
    assert_eq!(host.state(), State::Established);
    assert_eq!(out.deliver.map(|deliver| deliver.len), Some(10));
    assert_eq!(out.drop, Some(DropReason::ReceiveBufferFull));
    assert!(!out.fin_received);
    host.read(SPACE);
    assert_eq!(u32::from(host.only().wnd), SPACE);
    let out = host.arrive(data(seg(FIN | ACK, IRS + 1 + SPACE, ISS + 1), 10));
    assert!(out.fin_received);
    assert_eq!(host.state(), State::CloseWait);
    assert_eq!(host.delivered, SPACE + 10);
}

/// The last octets fill the window, and the FIN comes with them.
#[test]
fn a_fin_at_the_right_edge_of_the_window_is_taken() {
    let mut host = Host::established();
    let out = host.arrive(data(seg(FIN | ACK, IRS + 1, ISS + 1), SPACE));
    assert_eq!(out.deliver.map(|deliver| deliver.len), Some(SPACE));
    assert_eq!(host.state(), State::CloseWait);
}

#[test]
fn a_fin_is_reported_once() {
    let mut host = Host::close_wait();
    let out = host.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
    assert!(!out.fin_received);
    assert_eq!(out.drop, Some(DropReason::Duplicate));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 2, 0));
}

#[test]
fn a_retired_block_is_closed_without_an_arc() {
    let mut host = Host::time_wait();
    let waiting = crate::fsm::TimeWait::from_tcb(&host.tcb, host.now, &host.cfg);
    let status = waiting.status();
    assert_eq!(status.state, State::TimeWait);
    assert_eq!((status.snd_nxt, status.rcv_nxt), (2, 2));
    assert_eq!(status.since, host.tcb.status().since);
    host.tcb.retire();
    assert_eq!(host.state(), State::Closed);
    assert_eq!(host.tcb.next_deadline(), None);
    assert_eq!(host.tcb.send_queue_len(), 0);
}
