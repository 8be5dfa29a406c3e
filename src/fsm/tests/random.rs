// SPDX-License-Identifier: GPL-2.0

//! Whatever happens in whatever order, the machine keeps its promises; and its short way does what the long one does.

use proptest::prelude::*;

use super::*;
use crate::fsm::arcs::Gauge;
use crate::fsm::congestion::Kind;
use crate::fsm::AckMode;
use crate::fsm::{IcmpError, IcmpKind, ReqVerdict};

/// A segment relative to what the connection expects.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    flags: u8,
    seq: i32,
    ack: i32,
    wnd: u16,
    len: u32,
    urg: u16,
    ts: Option<(i32, i32)>,
    mss: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum Input {
    Segment(Arrival),
    Queue(u32),
    Read(u32),
    Shutdown,
    Close(bool),
    Abort,
    Connect,
    Listen,
    Fire,
    Early(u64),
    PathMss(u16),
    Option(u8, i32),
    More(bool),
    Icmp(u8, i32),
}

/// Distances at which something happens: small ones around zero, the window's edges, the other side of the circle.
fn distance() -> impl Strategy<Value = i32> {
    prop_oneof![
        6 => Just(0),
        4 => -3..=3,
        2 => -2_000..=12_000,
        1 => any::<i32>(),
    ]
}

/// Values that options take, and those that they do not.
fn option_value() -> impl Strategy<Value = i32> {
    prop_oneof![3 => 0..=3, 3 => 1..=40_000, 1 => any::<i32>()]
}

/// The program sets an option; what is refused changes nothing.
fn set_option(host: &mut Host, which: u8, value: i32) {
    let (closed, on) = (host.state() == State::Closed, value & 1 != 0);
    let mut push = false;
    host.set(|settings| {
        let _ = match which % 14 {
            0 => settings.set_keepalive_time(value),
            1 => settings.set_keepalive_intvl(value),
            2 => settings.set_keepalive_probes(value),
            3 => settings.set_syn_retries(value),
            4 => settings.set_user_timeout(value),
            5 => settings.set_max_seg(value),
            6 => settings.set_window_clamp(value, closed),
            rest => {
                match rest {
                    7 => settings.set_linger2(value),
                    8 => settings.set_notsent_lowat(value),
                    9 => settings.keepalive = on,
                    10 => settings.cork = on,
                    11 => settings.acks = [AckMode::Quick, AckMode::Delayed][usize::from(on)],
                    12 => settings.congestion = Some(Kind::ALL[usize::from(on)]),
                    _ => (settings.nodelay, push) = (on, on),
                }
                Ok(())
            }
        };
    });
    if push {
        host.tcb.push_queued();
    }
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let flags = prop_oneof![
        6 => Just(ACK.bits()),
        3 => Just((ACK | PSH).bits()),
        2 => Just((ACK | FIN).bits()),
        1 => Just(SYN.bits()),
        1 => Just((SYN | ACK).bits()),
        1 => Just(RST.bits()),
        2 => any::<u8>(),
    ];
    let len = prop_oneof![4 => Just(0u32), 4 => 1..=1_460u32, 1 => 0..=65_535u32];
    let wnd = prop_oneof![6 => 1_000..=u16::MAX, 2 => Just(0), 1 => any::<u16>()];
    let ts = proptest::option::weighted(0.7, (-2..=5, distance()));
    let mss = proptest::option::weighted(0.3, any::<u16>());
    (
        flags,
        distance(),
        distance(),
        wnd,
        len,
        any::<u16>(),
        ts,
        mss,
    )
        .prop_map(|(flags, seq, ack, wnd, len, urg, ts, mss)| Arrival {
            flags,
            seq,
            ack,
            wnd,
            len,
            urg,
            ts,
            mss,
        })
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        20 => arrival().prop_map(Input::Segment),
        5 => (0..=20_000u32).prop_map(Input::Queue),
        3 => (0..=20_000u32).prop_map(Input::Read),
        1 => Just(Input::Shutdown),
        1 => any::<bool>().prop_map(Input::Close),
        1 => Just(Input::Abort),
        1 => Just(Input::Connect),
        1 => Just(Input::Listen),
        5 => Just(Input::Fire),
        3 => (0..=2_000_000u64).prop_map(Input::Early),
        1 => any::<u16>().prop_map(Input::PathMss),
        2 => (any::<u8>(), option_value()).prop_map(|(which, value)| Input::Option(which, value)),
        1 => any::<bool>().prop_map(Input::More),
        1 => (any::<u8>(), distance()).prop_map(|(code, at)| Input::Icmp(code, at)),
    ]
}

impl Arrival {
    fn segment(&self, host: &Host) -> Segment {
        let tcb = &host.tcb;
        // Relative to the end of what was sent, so that good ACKs are frequent.
        let shift = |base: SeqNumber, by: i32| base.raw().wrapping_add(by as u32);
        let mut segment = seg(
            Flags::from_bits(self.flags),
            shift(tcb.rcv_nxt, self.seq),
            shift(tcb.snd_nxt, self.ack),
        );
        segment.wnd = self.wnd;
        segment.payload_len = self.len;
        segment.urg = self.urg;
        segment.options.mss = self.mss;
        segment.options.wscale = self.mss.map(|mss| (mss % 15) as u8);
        segment.options.timestamps = self.ts.map(|(val, ecr)| Timestamps {
            val: tcb.ts_recent.wrapping_add(val as u32),
            ecr: tcb.ts_now(host.now).wrapping_add(ecr as u32),
        });
        segment
    }
}

/// What must never go back, seen from outside.
struct Watch {
    una: SeqNumber,
    nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    edge: SeqNumber,
}

impl Watch {
    fn of(host: &Host) -> Self {
        Self {
            una: host.tcb.snd_una,
            nxt: host.tcb.snd_nxt,
            rcv_nxt: host.tcb.rcv_nxt,
            edge: host.tcb.rcv_adv,
        }
    }
}

fn is_open(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen | State::SynSent)
}

/// The arcs lead from the state before to the state after.
fn check_arcs(before: State, out: &Outbox, after: State) {
    let mut at = before;
    for id in out.arcs.iter() {
        let arc = id.arc();
        assert_eq!(arc.from, at);
        at = match arc.gauge {
            Gauge::Moves | Gauge::Spawns => arc.to,
            Gauge::Vanishes => State::Closed,
        };
    }
    assert_eq!(at, after);
}

fn check_segment(host: &mut Host, segment: Segment) {
    let before = host.clone();
    let watch = Watch::of(host);
    let out = host.arrive(segment);
    check_arcs(before.state(), &out, host.state());

    // The long way leads to the same place.
    let mut long = before.tcb.clone();
    let mut long_out = Outbox::new();
    long.set_receive_space(before.space);
    long.on_any_segment(before.now, &segment, &before.cfg, &mut long_out);
    let mut short = before.tcb.clone();
    let mut short_out = Outbox::new();
    short.set_receive_space(before.space);
    short.on_segment(before.now, &segment, &before.cfg, &mut short_out);
    assert_eq!((short, short_out), (long, long_out));

    if segment.flags.contains(RST) {
        let resets = matches!(why(&out), Some(ReplyWhy::Reset(_)));
        assert!(!resets, "an RST answers an RST");
    }
    if let Some(deliver) = out.deliver {
        assert!(deliver.len != 0);
        assert!(deliver.skip + deliver.len <= segment.payload_len);
    }
    if is_open(before.state()) && is_open(host.state()) {
        assert!(watch.una.at_or_before(host.tcb.snd_una));
        assert!(watch.nxt.at_or_before(host.tcb.snd_nxt));
        let delivered = watch.rcv_nxt + out.deliver.map_or(0, |deliver| deliver.len);
        let end = out.release.unwrap_or(delivered);
        assert!(delivered.at_or_before(end));
        assert_eq!(host.tcb.rcv_nxt, end + u32::from(out.fin_received));
        assert!(watch.edge.at_or_before(host.tcb.rcv_adv));
    }
}

fn check_sent(host: &Host) {
    for sent in &host.sent {
        let flags = sent.flags;
        assert!(sent.header_len() <= 60);
        if flags.contains(RST) {
            assert_eq!(sent.payload_len, 0);
            continue;
        }
        assert_eq!(flags.contains(ACK), flags != SYN);
        assert!(!flags.contains(SYN) || sent.payload_len == 0);
        if sent.payload_len != 0 {
            let end = sent.seq + sent.payload_len;
            // Probes and what the window lost since are one octet beyond it at most.
            let wnd = host.tcb.snd_wnd.max(1);
            assert!(
                end.distance_from(host.tcb.snd_una) <= wnd,
                "beyond the window"
            );
            assert!(sent.payload_len <= u32::from(host.tcb.effective_mss()));
            assert!(end.at_or_before(host.tcb.write_end));
        }
    }
}

fn apply(host: &mut Host, input: Input) {
    let before = host.state();
    let out = match input {
        Input::Segment(arrival) => {
            let segment = arrival.segment(host);
            check_segment(host, segment);
            check_sent(host);
            return;
        }
        Input::Queue(len) => host.try_user(UserCall::Queued { len }),
        Input::Read(len) => {
            host.space = (host.space + len).min(SPACE);
            host.try_user(UserCall::Read)
        }
        Input::Shutdown => host.try_user(UserCall::ShutdownWrite),
        Input::Close(unread_data) => host.try_user(UserCall::Close { unread_data }),
        Input::Abort => host.try_user(UserCall::Abort),
        Input::Connect => host.try_user(UserCall::Connect(params())),
        Input::Listen => host.try_user(UserCall::Listen),
        Input::Fire if host.timer().is_some() => Ok(host.fire()),
        Input::Fire => return,
        Input::Early(us) => {
            host.pass(Duration::from_us(us));
            return;
        }
        Input::PathMss(mss) => {
            host.tcb.set_path_mss(mss);
            return;
        }
        Input::Option(which, value) => {
            set_option(host, which, value);
            return;
        }
        Input::More(more) => {
            host.tcb.set_more(more);
            return;
        }
        Input::Icmp(code, at) => {
            let mut out = Outbox::new();
            let kind = match code {
                254 => IcmpKind::TimeExceeded,
                255 => IcmpKind::ParameterProblem,
                code => IcmpKind::Unreachable(code),
            };
            let quoted = host.tcb.snd_una.raw().wrapping_add(at as u32);
            let icmp = IcmpError {
                kind,
                quoted_seq: raw(quoted),
            };
            host.tcb.on_icmp(host.now, icmp, &mut out);
            check_arcs(before, &out, host.state());
            return;
        }
    };
    if let Ok(out) = out {
        check_arcs(before, &out, host.state());
        check_sent(host);
    } else {
        assert_eq!(before, host.state());
    }
}

fn with(full: bool) -> Config {
    if full {
        Config::default()
    } else {
        plain()
    }
}

fn established(full: bool) -> Host {
    let mut host = Host::syn_sent_with(with(full));
    let mut syn_ack = ts(syn(SYN | ACK, IRS, ISS + 1), 100, 1_000_000);
    syn_ack.options.wscale = Some(2);
    host.arrive(syn_ack);
    host
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn the_machine_keeps_its_promises(
        state in 0u8..11,
        inputs in proptest::collection::vec(input(), 1..60),
    ) {
        let mut host = Host::in_state(State::from_u8(state).unwrap());
        for input in inputs {
            apply(&mut host, input);
        }
    }

    #[test]
    fn an_established_connection_keeps_its_promises(
        full in any::<bool>(),
        inputs in proptest::collection::vec(input(), 1..60),
    ) {
        let mut host = established(full);
        for input in inputs {
            apply(&mut host, input);
        }
    }

    /// A request and the block that is made of it agree on the segment that completes the handshake.
    #[test]
    fn a_request_is_completed_or_stays(
        full in any::<bool>(),
        arrivals in proptest::collection::vec(arrival(), 1..20),
    ) {
        let cfg = with(full);
        let mut first = syn(SYN, IRS, 0);
        if full {
            first = ts(first, 100, 0);
            first.options.wscale = Some(7);
        }
        let mut request = request_of(&first, &cfg);
        let mut host = Host::with(cfg);
        for arrival in arrivals {
            request.establish(host.now, &cfg, &mut host.tcb);
            let mut segment = arrival.segment(&host);
            // Of some the ACK is that of our SYN.
            if arrival.urg % 2 == 0 {
                segment.ack = raw(ISS + 1);
            }
            let mut out = Outbox::new();
            match request.on_segment(host.now, &segment, &cfg, &mut out) {
                ReqVerdict::Establish => {
                    let out = host.arrive(segment);
                    prop_assert!(!matches!(host.state(), State::SynReceived | State::Closed));
                    prop_assert!(matches!(why(&out), None | Some(ReplyWhy::Ack)));
                    return Ok(());
                }
                ReqVerdict::Keep => {
                    prop_assert_eq!(request.state(), State::SynReceived);
                    prop_assert!(out.arcs.is_empty());
                }
                ReqVerdict::Remove => {
                    prop_assert_eq!(request.state(), State::Closed);
                    check_arcs(State::SynReceived, &out, State::Closed);
                    return Ok(());
                }
            }
        }
    }

    #[test]
    fn time_wait_keeps_its_promises(
        arrivals in proptest::collection::vec((arrival(), 0u64..10_000), 1..20),
    ) {
        let host = Host::time_wait();
        let mut waiting = TimeWait::from_tcb(&host.tcb, host.now, &host.cfg);
        let mut now = host.now;
        for (arrival, ms) in arrivals {
            now = now + Duration::from_ms(ms);
            let mut out = Outbox::new();
            let before = waiting.state();
            waiting.on_segment(now, &arrival.segment(&host), &host.cfg, &mut out);
            check_arcs(before, &out, waiting.state());
            if waiting.state() == State::Closed {
                return Ok(());
            }
            prop_assert!(!matches!(why(&out), Some(ReplyWhy::Reset(_))));
            if waiting.on_timer(now, &mut out) {
                return Ok(());
            }
        }
    }
}

#[test]
fn the_short_way_is_the_usual_one() {
    for full in [false, true] {
        let mut host = established(full);
        let with_clock = |segment| {
            if full {
                ts(segment, 101, 1_000_000)
            } else {
                segment
            }
        };
        host.queue(1_000);
        let nxt = host.tcb.snd_nxt.raw();
        let ack = with_clock(seg(ACK, IRS + 1, nxt));
        let text = with_clock(data(seg(ACK | PSH, IRS + 1, ISS + 1), 100));
        assert!(host.tcb.is_predicted(&ack) && host.tcb.is_predicted(&text));
        for other in [
            with_clock(seg(FIN | ACK, IRS + 1, ISS + 1)),
            with_clock(seg(ACK, IRS + 2, ISS + 1)),
            with_clock(seg(ACK, IRS + 1, nxt + 1)),
            with_clock(seg(ACK, IRS + 1, ISS)),
            with_clock(data(seg(ACK, IRS + 1, ISS + 1), SPACE + 1)),
            with_clock(wnd(seg(ACK, IRS + 1, ISS + 1), 0)),
            with_clock(seg(ACK | URG, IRS + 1, ISS + 1)),
        ] {
            assert!(!host.tcb.is_predicted(&other), "{other:?}");
        }
    }
}
