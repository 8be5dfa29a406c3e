// SPDX-License-Identifier: GPL-2.0

//! TIME-WAIT: how long, who may open the connection anew, who may end it.

use super::*;
use crate::fsm::{DropReason, ReuseFloor, TwVerdict};

/// The peer's clock when it sent its FIN.
const CLOCK: u32 = 500;

const NOW: Instant = Instant::from_us(1_000_000_000);

/// A connection in TIME-WAIT that used timestamps.
fn with_timestamps() -> TimeWait {
    let mut host = Host::syn_sent_with(Config {
        timestamps: true,
        ..plain()
    });
    host.arrive(ts(syn(SYN | ACK, IRS, ISS + 1), CLOCK, 1_000_000));
    host.user(UserCall::ShutdownWrite);
    host.arrive(ts(seg(FIN | ACK, IRS + 1, ISS + 2), CLOCK, 1_000_000));
    assert_eq!(host.state(), State::TimeWait);
    TimeWait::from_tcb(&host.tcb, host.now, &host.cfg)
}

fn arrive(waiting: &mut TimeWait, segment: Segment, cfg: &Config) -> (TwVerdict, Outbox) {
    let mut out = Outbox::new();
    let now = NOW + Duration::from_secs(5);
    let verdict = waiting.on_segment(now, &segment, cfg, &mut out);
    (verdict, out)
}

fn reopens(mut waiting: TimeWait, segment: Segment, cfg: &Config) -> bool {
    let (verdict, out) = arrive(&mut waiting, segment, cfg);
    let reopens = matches!(verdict, TwVerdict::Reopen { .. });
    if !reopens {
        // A stale SYN opens nothing; its sender is challenged.
        assert_eq!(out.drop, Some(DropReason::StaleSyn));
        assert!(matches!(why(&out), Some(ReplyWhy::Challenge(_))));
    }
    assert_eq!(waiting.state(), State::TimeWait);
    reopens
}

#[test]
fn must_13_time_wait_lasts_twice_the_msl() {
    let host = Host::time_wait();
    for msl in [0, 1, 30, 120] {
        let cfg = Config {
            msl: Duration::from_secs(msl),
            ..plain()
        };
        let waiting = TimeWait::from_tcb(&host.tcb, NOW, &cfg);
        let end = NOW + Duration::from_secs(2 * msl);
        assert_eq!(waiting.next_deadline(), Some((TimerKind::TimeWait, end)));
    }
}

#[test]
fn must_13_the_peers_fin_again_is_acknowledged_and_starts_2msl_anew() {
    let mut waiting = time_wait();
    let (verdict, out) = arrive(&mut waiting, seg(FIN | ACK, IRS + 1, ISS + 2), &plain());
    assert_eq!(verdict, TwVerdict::Keep);
    let ack = out.reply.unwrap();
    assert_eq!(
        (ack.why, brief(&ack.segment)),
        (ReplyWhy::Ack, (ACK, ISS + 2, IRS + 2, 0))
    );
    let end = NOW + Duration::from_secs(65);
    assert_eq!(waiting.next_deadline(), Some((TimerKind::TimeWait, end)));
    // It has been in the state since then all the same.
    assert_eq!(waiting.status().since, NOW);
    let mut out = Outbox::new();
    assert!(!waiting.on_timer(NOW + Duration::from_secs(60), &mut out));
    assert!(waiting.on_timer(end, &mut out));
    assert_eq!((waiting.state(), out.fate), (State::Closed, Fate::Closed));
}

#[test]
fn other_segments_do_not_prolong_it() {
    let mut waiting = time_wait();
    let before = waiting.next_deadline();
    for segment in [
        seg(ACK, IRS + 2, ISS + 2),
        seg(ACK, IRS + 1, ISS + 2),
        data(seg(ACK, IRS - 50, ISS + 2), 50),
        seg(FIN | ACK, IRS + 2, ISS + 2),
        syn(SYN, IRS, 0),
    ] {
        arrive(&mut waiting, segment, &plain());
        assert_eq!(waiting.next_deadline(), before);
    }
}

#[test]
fn may_2_a_syn_beyond_the_old_numbers_reopens() {
    for (seq, new) in [
        (IRS, false),
        (IRS + 1, false),
        (IRS + 2, true),
        (IRS + 100_000, true),
        (IRS.wrapping_sub(9), false),
        ((IRS + 2).wrapping_add(1 << 31), false),
    ] {
        assert_eq!(
            reopens(time_wait(), syn(SYN, seq, 0), &plain()),
            new,
            "{seq}"
        );
    }
    // Only a SYN without ACK.
    assert!(!reopens(
        time_wait(),
        syn(SYN | ACK, IRS + 100, ISS + 2),
        &plain()
    ));
}

#[test]
fn shld_4_timestamps_decide_where_both_connections_have_them() {
    let cfg = Config::default();
    for (val, seq, new) in [
        (CLOCK + 1, IRS, true),
        (CLOCK + 1, IRS + 100, true),
        (CLOCK, IRS + 100, true),
        (CLOCK, IRS, false),
        (CLOCK - 1, IRS + 100, false),
    ] {
        let segment = ts(syn(SYN, seq, 0), val, 0);
        assert_eq!(
            reopens(with_timestamps(), segment, &cfg),
            new,
            "{val} {seq}"
        );
    }
}

#[test]
fn shld_4_where_only_one_connection_has_timestamps() {
    let cfg = Config::default();
    // The old one had: the sequence number decides.
    assert!(reopens(with_timestamps(), syn(SYN, IRS + 100, 0), &cfg));
    assert!(!reopens(with_timestamps(), syn(SYN, IRS, 0), &cfg));
    // The new one will have: no segment of the old one looks like that.
    assert!(reopens(time_wait(), ts(syn(SYN, IRS, 0), 1, 0), &cfg));
    // But not where we do not agree to them.
    assert!(!reopens(time_wait(), ts(syn(SYN, IRS, 0), 1, 0), &plain()));
}

#[test]
fn may_2_the_new_connection_starts_beyond_the_old_one() {
    let (verdict, _) = arrive(&mut time_wait(), syn(SYN, IRS + 9, 0), &plain());
    let TwVerdict::Reopen { iss_floor } = verdict else {
        panic!("{verdict:?}");
    };
    assert!(iss_floor.distance_from(raw(ISS + 2)) > u32::from(u16::MAX));
    let mut out = Outbox::new();
    let params = OpenParams {
        iss: iss_floor,
        ..params()
    };
    let request = SynReq::open(
        NOW,
        &syn(SYN, IRS + 9, 0),
        &params,
        true,
        &plain(),
        &mut out,
    );
    assert_eq!(request.state(), State::SynReceived);
    let arcs: Vec<_> = out.arcs.iter().map(|id| id.arc().name).collect();
    assert_eq!(arcs, ["time-wait-rcv-syn"]);
}

#[test]
fn a_syn_that_nobody_listens_for_is_challenged() {
    let mut out = Outbox::new();
    time_wait().refuse(NOW, &mut out);
    assert_eq!(out.drop, Some(DropReason::StaleSyn));
    assert!(matches!(why(&out), Some(ReplyWhy::Challenge(_))));
    assert!(out.arcs.is_empty());
}

/// RFC 1337: an RST can end TIME-WAIT, unless the setting forbids.
#[test]
fn an_rst_ends_time_wait_unless_it_is_protected() {
    let rst = seg(RST, IRS + 2, 0);
    let (verdict, out) = arrive(&mut time_wait(), rst, &plain());
    assert_eq!((verdict, out.fate), (TwVerdict::Remove, Fate::Closed));
    let cfg = Config {
        rfc1337: true,
        ..plain()
    };
    let mut waiting = time_wait();
    let (verdict, out) = arrive(&mut waiting, rst, &cfg);
    assert_eq!(
        (verdict, out.drop),
        (TwVerdict::Keep, Some(DropReason::RstInTimeWait))
    );
    assert_eq!(waiting.state(), State::TimeWait);
    assert!(out.reply.is_none());
}

/// After our CLOSE, with a window of `window` octets that was scaled by two bits.
fn with_window(window: u32) -> (TimeWait, u32) {
    let mut host = Host::with(Config {
        window_scaling: true,
        ..plain()
    });
    host.user(UserCall::Connect(OpenParams {
        rcv_space: window,
        ..params()
    }));
    host.space = window;
    let mut answer = syn(SYN | ACK, IRS, ISS + 1);
    answer.options.wscale = Some(0);
    host.arrive(answer);
    host.user(UserCall::ShutdownWrite);
    // All of it is filled, and none is read.
    if window < 1_000 {
        host.arrive(data(seg(ACK, IRS + 1, ISS + 1), window));
    }
    let fin = host.tcb.receive_next();
    host.arrive(seg(FIN | ACK, fin.raw(), ISS + 2));
    assert_eq!(host.state(), State::TimeWait);
    let waiting = TimeWait::from_tcb(&host.tcb, host.now, &host.cfg);
    (waiting, fin.raw() + 1)
}

#[test]
fn what_lies_in_the_window_is_taken_for_late_and_all_else_for_old_or_forged() {
    let (waiting, next) = with_window(8_000);
    // Less the FIN, in steps of four.
    let window = 7_996;
    for (seq, len, drop) in [
        (next, 0, None),
        (next + window - 1, 0, None),
        (next + window, 0, Some(DropReason::OutOfWindow)),
        (next + window - 1, 9, Some(DropReason::AfterClose)),
        (next + window, 9, Some(DropReason::OutOfWindow)),
        (next - 4, 5, Some(DropReason::AfterClose)),
        (next - 4, 4, Some(DropReason::Duplicate)),
        (next - 1, 0, Some(DropReason::Duplicate)),
    ] {
        let segment = data(seg(ACK, seq, ISS + 2), len);
        let (verdict, out) = arrive(&mut waiting.clone(), segment, &plain());
        assert_eq!(verdict, TwVerdict::Keep);
        assert_eq!(out.drop, drop, "{} {len}", seq.wrapping_sub(next));
    }
}

#[test]
fn a_closed_window_has_room_for_the_next_number_alone() {
    let (waiting, next) = with_window(800);
    for (seq, drop) in [
        (next, None),
        (next + 1, Some(DropReason::OutOfWindow)),
        (next - 1, Some(DropReason::Duplicate)),
    ] {
        let (_, out) = arrive(&mut waiting.clone(), seg(ACK, seq, ISS + 2), &plain());
        assert_eq!(out.drop, drop, "{}", seq.wrapping_sub(next));
    }
}

#[test]
fn the_peers_clock_is_told_by_the_next_number_alone() {
    let cfg = Config {
        timestamps: true,
        ..plain()
    };
    for (seq, told) in [(IRS + 2, true), (IRS + 3, false)] {
        let mut waiting = with_timestamps();
        let late = ts(seg(ACK, seq, ISS + 2), CLOCK + 100, 1_000_000);
        assert_eq!(arrive(&mut waiting, late, &cfg).1.drop, None);
        // RFC 6191 2: a SYN of between those times is new if the clock was not told.
        let between = ts(syn(SYN, IRS - 9, 0), CLOCK + 50, 0);
        assert_eq!(reopens(waiting, between, &cfg), !told);
    }
}

#[test]
fn shld_4_a_syn_with_any_timestamp_is_new_where_the_old_connection_had_none() {
    let cfg = Config {
        timestamps: true,
        ..plain()
    };
    for clock in [0, 1, u32::MAX / 2, u32::MAX] {
        assert!(reopens(
            time_wait(),
            ts(syn(SYN, IRS - 9, 0), clock, 0),
            &cfg
        ));
    }
}

#[test]
fn old_timestamps_are_rejected() {
    let mut waiting = with_timestamps();
    let before = waiting.next_deadline();
    let fin = ts(seg(FIN | ACK, IRS + 1, ISS + 2), CLOCK - 1, 0);
    let (_, out) = arrive(&mut waiting, fin, &plain());
    assert_eq!(out.drop, Some(DropReason::PawsRejected));
    assert_eq!(why(&out), Some(ReplyWhy::Ack));
    assert_eq!(waiting.next_deadline(), before);
    let (_, out) = arrive(&mut waiting, seg(ACK, IRS + 2, ISS + 2), &plain());
    assert_eq!(out.drop, Some(DropReason::MissingTimestamp));
    // Its ACKs carry timestamps on.
    let (_, out) = arrive(
        &mut waiting,
        ts(seg(FIN | ACK, IRS + 1, ISS + 2), CLOCK, 0),
        &plain(),
    );
    let clock = out.reply.unwrap().segment.options.timestamps.unwrap();
    assert_eq!((clock.val, clock.ecr), (1_005_000, CLOCK));
}

#[test]
fn connect_may_take_the_ports_only_with_timestamps_and_after_a_second() {
    let cfg = Config {
        tw_reuse: 1,
        ..Config::default()
    };
    let later = NOW + Duration::from_secs(1);
    let floor = with_timestamps().may_reuse_for_connect(later, &cfg);
    let expected = ReuseFloor {
        iss: raw(ISS + 2 + 65_537),
        ts_offset: 0,
    };
    assert_eq!(floor, Some(expected));
    let early = Instant::from_us(later.as_us() - 1_000);
    assert_eq!(with_timestamps().may_reuse_for_connect(early, &cfg), None);
    assert_eq!(time_wait().may_reuse_for_connect(later, &cfg), None);
    for never in [
        Config { tw_reuse: 0, ..cfg },
        Config {
            timestamps: false,
            ..cfg
        },
    ] {
        assert_eq!(with_timestamps().may_reuse_for_connect(later, &never), None);
    }
}

#[test]
fn the_status_tells_where_the_numbers_ended() {
    let status = time_wait().status();
    assert_eq!(status.state, State::TimeWait);
    assert_eq!((status.snd_una, status.snd_nxt, status.rcv_nxt), (2, 2, 2));
    assert_eq!(status.rcv_wnd, SPACE - 1);
    assert_eq!(status.since, NOW);
}

#[test]
fn the_objects_are_small() {
    assert_eq!(core::mem::size_of::<TimeWait>(), 40);
    assert!(core::mem::size_of::<SynReq>() <= 64);
    // Linux's struct tcp_sock has 2,368, a connection's struct inet_sock (about 1,000) included.
    assert!(core::mem::size_of::<Tcb>() <= 768);
}
