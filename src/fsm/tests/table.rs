// SPDX-License-Identifier: GPL-2.0

//! Every arc of the table is taken by the input that the RFC names for it.

use super::*;
use crate::fsm::arcs::{ArcId, Event, ARCS};
use crate::fsm::{IcmpError, IcmpKind, ReqTimer, ReqVerdict, TwVerdict};

type Taken = Vec<&'static str>;

fn arcs_of(out: &Outbox) -> Taken {
    out.arcs.iter().map(|id| id.arc().name).collect()
}

/// Defines a test for each arc, which must be the last that its scenario takes, and one that none is missing.
macro_rules! scenarios {
    ($($test:ident takes $arc:literal: $scenario:expr;)+) => {
        $(#[test]
        fn $test() {
            let scenario: fn() -> Taken = $scenario;
            assert_eq!(scenario().last(), Some(&$arc));
        })+

        #[test]
        fn every_arc_is_taken_by_a_test() {
            let scenarios: &[fn() -> Taken] = &[$($scenario),+];
            let mut covered = [false; ArcId::COUNT];
            for scenario in scenarios {
                let last = scenario().pop();
                let row = ARCS.iter().position(|arc| Some(arc.name) == last);
                covered[row.expect("a scenario takes an arc")] = true;
            }
            for (arc, covered) in ARCS.iter().zip(covered) {
                assert!(covered, "no test takes {}", arc.name);
            }
        }
    };
}

fn by_call(mut host: Host, call: UserCall) -> Taken {
    arcs_of(&host.user(call))
}

fn by_segment(mut host: Host, segment: Segment) -> Taken {
    arcs_of(&host.arrive(segment))
}

/// Nothing that is sent is ever answered.
fn by_silence(mut host: Host) -> Taken {
    loop {
        let taken = arcs_of(&host.fire());
        if !taken.is_empty() {
            return taken;
        }
    }
}

fn with_data(mut host: Host) -> Host {
    host.queue(10);
    host
}

fn orphan(mut host: Host) -> Host {
    host.user(UserCall::Close { unread_data: false });
    host
}

fn by_icmp(mut host: Host) -> Taken {
    let mut out = Outbox::new();
    let icmp = IcmpError {
        kind: IcmpKind::Unreachable(1),
        quoted_seq: raw(ISS),
    };
    host.tcb.on_icmp(host.now, icmp, &mut out);
    arcs_of(&out)
}

fn request_gets(segment: Segment, verdict: ReqVerdict) -> Taken {
    let mut out = Outbox::new();
    let now = Instant::from_us(1_000_100_000);
    let mut request = request();
    assert_eq!(
        request.on_segment(now, &segment, &plain(), &mut out),
        verdict
    );
    arcs_of(&out)
}

fn opened(from_time_wait: bool) -> Taken {
    let mut out = Outbox::new();
    let now = Instant::from_us(1_000_000_000);
    let first = syn(SYN, IRS, 0);
    SynReq::open(now, &first, &params(), from_time_wait, &plain(), &mut out);
    arcs_of(&out)
}

const EXACT_RST: fn(u32) -> Segment = |seq| seg(RST, seq, 0);
const TIME_WAIT_SECS: u64 = 60;

scenarios! {
    closed_passive_open takes "closed-passive-open":
        || by_call(Host::closed(), UserCall::Listen);
    closed_active_open takes "closed-active-open":
        || by_call(Host::closed(), UserCall::Connect(params()));

    listen_active_open takes "listen-active-open":
        || by_call(Host::listen(), UserCall::Connect(params()));
    listen_rcv_syn takes "listen-rcv-syn": || opened(false);
    listen_close takes "listen-close":
        || by_call(Host::listen(), UserCall::Close { unread_data: false });
    listen_abort takes "listen-abort": || by_call(Host::listen(), UserCall::Abort);

    syn_sent_rcv_syn takes "syn-sent-rcv-syn":
        || by_segment(Host::syn_sent(), syn(SYN, IRS, 0));
    syn_sent_rcv_syn_ack takes "syn-sent-rcv-syn-ack":
        || by_segment(Host::syn_sent(), syn(SYN | ACK, IRS, ISS + 1));
    syn_sent_close takes "syn-sent-close":
        || by_call(Host::syn_sent(), UserCall::ShutdownWrite);
    syn_sent_abort takes "syn-sent-abort": || by_call(Host::syn_sent(), UserCall::Abort);
    syn_sent_rcv_rst takes "syn-sent-rcv-rst":
        || by_segment(Host::syn_sent(), seg(RST | ACK, 0, ISS + 1));
    syn_sent_icmp takes "syn-sent-icmp": || by_icmp(Host::syn_sent());
    syn_sent_timeout takes "syn-sent-timeout": || by_silence(Host::syn_sent());

    syn_received_rcv_ack_of_syn takes "syn-received-rcv-ack-of-syn":
        || by_segment(Host::syn_received(), seg(ACK, IRS + 1, ISS + 1));
    syn_received_close takes "syn-received-close":
        || by_call(Host::syn_received(), UserCall::ShutdownWrite);
    must_11_syn_received_rcv_rst_passive takes "syn-received-rcv-rst-passive":
        || request_gets(EXACT_RST(IRS + 1), ReqVerdict::Remove);
    must_11_syn_received_rcv_syn_passive takes "syn-received-rcv-syn-passive":
        || request_gets(syn(SYN, IRS + 10, 0), ReqVerdict::Remove);
    must_11_syn_received_rcv_rst takes "syn-received-rcv-rst":
        || by_segment(Host::syn_received(), EXACT_RST(IRS + 1));
    syn_received_abort takes "syn-received-abort":
        || by_call(Host::syn_received(), UserCall::Abort);
    syn_received_icmp takes "syn-received-icmp": || by_icmp(Host::syn_received());
    syn_received_timeout takes "syn-received-timeout": || by_silence(Host::syn_received());
    syn_received_listener_closed takes "syn-received-listener-closed": || {
        let mut out = Outbox::new();
        request().on_listener_closed(&mut out);
        arcs_of(&out)
    };

    established_close takes "established-close":
        || by_call(Host::established(), UserCall::ShutdownWrite);
    established_rcv_fin takes "established-rcv-fin":
        || by_segment(Host::established(), seg(FIN | ACK, IRS + 1, ISS + 1));
    established_rcv_rst takes "established-rcv-rst":
        || by_segment(Host::established(), EXACT_RST(IRS + 1));
    established_abort takes "established-abort":
        || by_call(Host::established(), UserCall::Abort);
    established_timeout takes "established-timeout":
        || by_silence(with_data(Host::established()));

    fin_wait_1_rcv_ack_of_fin takes "fin-wait-1-rcv-ack-of-fin":
        || by_segment(Host::fin_wait_1(), seg(ACK, IRS + 1, ISS + 2));
    fin_wait_1_rcv_fin takes "fin-wait-1-rcv-fin":
        || by_segment(Host::fin_wait_1(), seg(FIN | ACK, IRS + 1, ISS + 1));
    fin_wait_1_rcv_fin_ack_of_fin takes "fin-wait-1-rcv-fin-ack-of-fin":
        || by_segment(Host::fin_wait_1(), seg(FIN | ACK, IRS + 1, ISS + 2));
    fin_wait_1_rcv_rst takes "fin-wait-1-rcv-rst":
        || by_segment(Host::fin_wait_1(), EXACT_RST(IRS + 1));
    fin_wait_1_data_after_close takes "fin-wait-1-data-after-close":
        || by_segment(orphan(Host::fin_wait_1()), data(seg(ACK, IRS + 1, ISS + 1), 5));
    fin_wait_1_abort takes "fin-wait-1-abort":
        || by_call(Host::fin_wait_1(), UserCall::Abort);
    fin_wait_1_timeout takes "fin-wait-1-timeout": || by_silence(Host::fin_wait_1());

    fin_wait_2_rcv_fin takes "fin-wait-2-rcv-fin":
        || by_segment(Host::fin_wait_2(), seg(FIN | ACK, IRS + 1, ISS + 2));
    fin_wait_2_rcv_rst takes "fin-wait-2-rcv-rst":
        || by_segment(Host::fin_wait_2(), EXACT_RST(IRS + 1));
    fin_wait_2_data_after_close takes "fin-wait-2-data-after-close":
        || by_segment(orphan(Host::fin_wait_2()), data(seg(ACK, IRS + 1, ISS + 2), 5));
    fin_wait_2_abort takes "fin-wait-2-abort":
        || by_call(Host::fin_wait_2(), UserCall::Abort);
    fin_wait_2_orphan_timeout takes "fin-wait-2-orphan-timeout":
        || by_silence(orphan(Host::fin_wait_2()));

    close_wait_close takes "close-wait-close":
        || by_call(Host::close_wait(), UserCall::ShutdownWrite);
    close_wait_rcv_rst takes "close-wait-rcv-rst":
        || by_segment(Host::close_wait(), EXACT_RST(IRS + 2));
    close_wait_abort takes "close-wait-abort":
        || by_call(Host::close_wait(), UserCall::Abort);
    close_wait_timeout takes "close-wait-timeout":
        || by_silence(with_data(Host::close_wait()));

    closing_rcv_ack_of_fin takes "closing-rcv-ack-of-fin":
        || by_segment(Host::closing(), seg(ACK, IRS + 2, ISS + 2));
    closing_rcv_rst takes "closing-rcv-rst":
        || by_segment(Host::closing(), EXACT_RST(IRS + 2));
    closing_abort takes "closing-abort": || by_call(Host::closing(), UserCall::Abort);
    closing_timeout takes "closing-timeout": || by_silence(Host::closing());

    last_ack_rcv_ack_of_fin takes "last-ack-rcv-ack-of-fin":
        || by_segment(Host::last_ack(), seg(ACK, IRS + 2, ISS + 2));
    last_ack_rcv_rst takes "last-ack-rcv-rst":
        || by_segment(Host::last_ack(), EXACT_RST(IRS + 2));
    last_ack_abort takes "last-ack-abort": || by_call(Host::last_ack(), UserCall::Abort);
    last_ack_timeout takes "last-ack-timeout": || by_silence(Host::last_ack());

    time_wait_rcv_syn takes "time-wait-rcv-syn": || opened(true);
    time_wait_rcv_rst takes "time-wait-rcv-rst": || {
        let mut out = Outbox::new();
        let now = Instant::from_us(1_001_000_000);
        let verdict = time_wait().on_segment(now, &EXACT_RST(IRS + 2), &plain(), &mut out);
        assert_eq!(verdict, TwVerdict::Remove);
        arcs_of(&out)
    };
    must_13_time_wait_two_msl takes "time-wait-two-msl": || {
        let mut out = Outbox::new();
        let mut waiting = time_wait();
        let end = Instant::from_us(1_000_000_000) + Duration::from_secs(TIME_WAIT_SECS);
        assert!(!waiting.on_timer(Instant::from_us(end.as_us() - 1), &mut out));
        assert!(out.arcs.is_empty());
        assert!(waiting.on_timer(end, &mut out));
        arcs_of(&out)
    };
    time_wait_evict takes "time-wait-evict": || {
        let mut out = Outbox::new();
        time_wait().evict(&mut out);
        arcs_of(&out)
    };
}

#[test]
fn the_arc_of_a_given_up_request_is_that_of_the_timeout() {
    let mut out = Outbox::new();
    let mut request = request();
    let cfg = plain();
    loop {
        let (_, deadline) = request.next_deadline().unwrap();
        match request.on_timer(deadline, &cfg, &mut out) {
            ReqTimer::Resend => assert!(out.arcs.is_empty()),
            ReqTimer::GiveUp => break,
            ReqTimer::NotYet => panic!("the deadline has come"),
        }
    }
    assert_eq!(arcs_of(&out), ["syn-received-timeout"]);
    assert_eq!(out.fate, Fate::Closed);
}

#[test]
fn the_states_lie_on_the_arcs_that_lead_to_them() {
    for state in State::ALL {
        let host = Host::in_state(*state);
        let entered = host
            .arcs
            .last()
            .and_then(|name| ARCS.iter().find(|arc| arc.name == *name));
        assert_eq!(entered.map_or(State::Closed, |arc| arc.to), *state);
    }
    assert!(ArcId::lookup(State::Closed, Event::RcvSyn).is_none());
}
