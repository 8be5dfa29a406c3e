// SPDX-License-Identifier: GPL-2.0

//! The tests of the machine as a whole, and what they share: a connection with round numbers, and a clock that they set.

mod autotune;
mod by_time;
mod close;
mod congestion;
mod delayed_acks;
mod ecn;
mod illegal;
mod judged;
mod keepalive;
mod long_lived;
mod open;
mod path_mtu;
mod probes;
mod random;
mod reassembly;
mod recovery;
mod retransmit;
mod settings;
mod stream;
mod table;
mod taken_back;
mod time_wait;
mod timestamps;
mod urgent;
mod windows;

use crate::fsm::options::{Options, Timestamps};
use crate::fsm::outbox::Hold;
use crate::fsm::segment::{Flags, Segment, SegmentOut};
use crate::fsm::settings::Settings;
use crate::fsm::timers::TimerKind;
use crate::fsm::{
    Config, Duration, Fate, Instant, OpenParams, Outbox, ReplyWhy, SeqNumber, State, SynReq,
    TimeWait, UserCall, UserError,
};

/// The machine, with its lists in the host's memory.
pub(crate) type Tcb = crate::fsm::Tcb<crate::records::Records>;

/// Our initial sequence number.
pub(super) const ISS: u32 = 1_000;
/// The peer's.
pub(super) const IRS: u32 = 5_000;
/// The peer's window.
pub(super) const WND: u16 = 8_000;
/// Our receive buffer.
pub(super) const SPACE: u32 = 10_000;
/// The MSS of both sides.
pub(super) const MSS: u16 = 1_000;

pub(super) const FIN: Flags = Flags::FIN;
pub(super) const SYN: Flags = Flags::SYN;
pub(super) const RST: Flags = Flags::RST;
pub(super) const PSH: Flags = Flags::PSH;
pub(super) const ACK: Flags = Flags::ACK;
pub(super) const URG: Flags = Flags::URG;
pub(super) const NONE: Flags = Flags::NONE;

/// A segment from the peer.
pub(super) fn seg(flags: Flags, seq: u32, ack: u32) -> Segment {
    Segment {
        src_port: 80,
        dst_port: 40_000,
        seq: SeqNumber::from_raw(seq),
        ack: SeqNumber::from_raw(ack),
        flags,
        wnd: WND,
        urg: 0,
        options: Options::none(),
        header_len: 20,
        payload_len: 0,
        ce: false,
        piece: 0,
    }
}

/// The peer's SYN or SYN-ACK, with an MSS option.
pub(super) fn syn(flags: Flags, seq: u32, ack: u32) -> Segment {
    let mut segment = seg(flags, seq, ack);
    segment.options.mss = Some(MSS);
    segment
}

/// The same segment with so many octets of data.
pub(super) fn data(mut segment: Segment, len: u32) -> Segment {
    segment.payload_len = len;
    segment
}

/// The same segment with this window field.
pub(super) fn wnd(mut segment: Segment, wnd: u16) -> Segment {
    segment.wnd = wnd;
    segment
}

/// The same segment with timestamps.
pub(super) fn ts(mut segment: Segment, val: u32, ecr: u32) -> Segment {
    segment.options.timestamps = Some(Timestamps { val, ecr });
    segment
}

/// What the peer sees of a segment that we send.
pub(super) fn received(sent: &SegmentOut) -> Segment {
    let mut header = [0; 60];
    let header_len = sent.emit(40_000, 80, &mut header).unwrap();
    Segment::parse(&header[..header_len], header_len as u32 + sent.payload_len).unwrap()
}

pub(super) fn raw(raw: u32) -> SeqNumber {
    SeqNumber::from_raw(raw)
}

/// Settings without the extensions of RFC 7323 and RFC 2018: the numbers stay round.
pub(super) fn plain() -> Config {
    Config {
        timestamps: false,
        window_scaling: false,
        sack: false,
        ..Config::default()
    }
}

pub(super) fn params() -> OpenParams {
    OpenParams {
        iss: raw(ISS),
        ts_offset: 0,
        mss: MSS,
        default_snd_mss: 536,
        path_mss: 1_460,
        rcv_space: SPACE,
        rcv_wscale: 2,
    }
}

/// A socket, its settings, the time, and what it has sent.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) tcb: Tcb,
    pub(super) cfg: Config,
    pub(super) now: Instant,
    /// What the last call sent, the reply first.
    pub(super) sent: Vec<SegmentOut>,
    /// The names of all arcs that were taken.
    pub(super) arcs: Vec<&'static str>,
    /// All octets that were delivered.
    pub(super) delivered: u32,
    /// RCV.NXT before the last segment.
    rcv_before: SeqNumber,
    /// What net keeps, out of order: number of the first octet, and how many.
    pub(super) kept: Vec<(SeqNumber, u32)>,
    /// The free receive buffer.
    pub(super) space: u32,
}

impl Host {
    pub(super) fn with(cfg: Config) -> Self {
        Self {
            tcb: Tcb::new(),
            cfg,
            now: Instant::from_us(1_000_000_000),
            sent: Vec::new(),
            arcs: Vec::new(),
            delivered: 0,
            rcv_before: raw(0),
            kept: Vec::new(),
            space: SPACE,
        }
    }

    pub(super) fn closed() -> Self {
        Self::with(plain())
    }

    /// What net does after each call.
    fn after(&mut self, out: &Outbox) {
        self.sent.clear();
        self.sent.extend(out.reply.map(|reply| reply.segment));
        let mut delivered = out.deliver.map_or(0, |deliver| deliver.len);
        self.space = self.space.saturating_sub(delivered);
        if let Some(hold) = out.hold {
            self.keep(&hold);
        }
        if let Some(end) = out.release {
            delivered += self.release(self.rcv_before + delivered, end);
        }
        self.delivered += delivered;
        if out.fin_received || out.fate != Fate::Live {
            self.drop_kept();
        }
        self.arcs.extend(out.arcs.iter().map(|id| id.arc().name));
        assert_eq!(
            out.notes()
                .find(|note| *note == crate::fsm::DropReason::NoArc),
            None
        );
        if let Err(broken) = self.tcb.invariants() {
            panic!("does not hold at once: {broken}");
        }
        self.tcb.set_receive_space(self.space);
        while let Some(segment) = self.tcb.next_segment(self.now, &self.cfg) {
            self.sent.push(segment);
            assert!(self.sent.len() < 1_000, "the machine never stops to send");
        }
        if let Err(broken) = self.tcb.settled_invariants() {
            panic!("does not hold: {broken}");
        }
        if out.fate == Fate::Closed {
            assert_eq!(self.state(), State::Closed);
            assert!(self.sent.len() <= 1);
        }
        assert_eq!(out.fate == Fate::TimeWait, {
            let last = out.arcs.iter().last();
            last.is_some_and(|id| id.arc().to == State::TimeWait)
        });
    }

    /// What net does with octets out of order: they take room. Packets that the new one covers go.
    fn keep(&mut self, hold: &Hold) {
        let end = hold.at + hold.len;
        self.kept.retain(|&(at, len)| {
            let kept_end = at + len;
            let covered = hold.at.at_or_before(at) && kept_end.at_or_before(end);
            let apart = kept_end.at_or_before(hold.at) || end.at_or_before(at);
            assert!(covered || apart, "what is kept does not overlap");
            if covered {
                self.space += len;
            }
            !covered
        });
        self.kept.push((hold.at, hold.len));
        self.space = self.space.saturating_sub(hold.len);
    }

    /// What net does when a gap is filled: what is kept from `next` to `end` becomes readable; how many octets.
    fn release(&mut self, mut next: SeqNumber, end: SeqNumber) -> u32 {
        let start = next;
        self.kept
            .sort_by_key(|kept| kept.0.distance_from(start) as i32);
        self.kept.retain(|&(at, len)| {
            if at.at_or_after(end) {
                return true;
            }
            assert!(at.at_or_before(next), "a gap is released");
            let last = if (at + len).before(end) {
                at + len
            } else {
                end
            };
            let usable = if last.after(next) {
                last.distance_from(next)
            } else {
                0
            };
            next = next + usable;
            self.space += len - usable;
            false
        });
        assert_eq!(next, end);
        end.distance_from(start)
    }

    pub(super) fn drop_kept(&mut self) {
        self.space += self.kept.drain(..).map(|kept| kept.1).sum::<u32>();
    }

    pub(super) fn try_user(&mut self, call: UserCall) -> Result<Outbox, UserError> {
        let mut out = Outbox::new();
        self.tcb.set_receive_space(self.space);
        self.tcb.on_user(self.now, call, &self.cfg, &mut out)?;
        self.after(&out);
        Ok(out)
    }

    pub(super) fn user(&mut self, call: UserCall) -> Outbox {
        self.try_user(call).unwrap()
    }

    pub(super) fn queue(&mut self, len: u32) -> Outbox {
        self.user(UserCall::Queued { len })
    }

    /// The program reads so many octets.
    pub(super) fn read(&mut self, len: u32) -> Outbox {
        self.space += len;
        self.user(UserCall::Read)
    }

    pub(super) fn arrive(&mut self, segment: Segment) -> Outbox {
        let mut out = Outbox::new();
        self.tcb.set_receive_space(self.space);
        self.rcv_before = self.tcb.receive_next();
        self.tcb.on_segment(self.now, &segment, &self.cfg, &mut out);
        self.after(&out);
        out
    }

    /// The program sets options; what comes of it is sent with the next call.
    pub(super) fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = *self.tcb.settings();
        change(&mut settings);
        self.tcb.apply_settings(settings, &self.cfg);
    }

    /// Lets the timer that runs fire.
    pub(super) fn fire(&mut self) -> Outbox {
        let (_, deadline) = self.tcb.next_deadline().expect("a timer runs");
        self.now = self.now.max(deadline);
        let mut out = Outbox::new();
        self.tcb.on_timer(self.now, &self.cfg, &mut out);
        self.after(&out);
        out
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(super) fn state(&self) -> State {
        self.tcb.state()
    }

    pub(super) fn timer(&self) -> Option<TimerKind> {
        self.tcb.next_deadline().map(|(kind, _)| kind)
    }

    /// The time until the timer fires.
    pub(super) fn time_left(&self) -> Duration {
        let (_, deadline) = self.tcb.next_deadline().expect("a timer runs");
        deadline.since(self.now)
    }

    /// The one segment that the last call sent.
    pub(super) fn only(&self) -> SegmentOut {
        assert_eq!(self.sent.len(), 1, "{:?}", self.sent);
        self.sent[0]
    }

    // The states, each entered by the shortest way.

    pub(super) fn listen() -> Self {
        let mut host = Self::closed();
        host.user(UserCall::Listen);
        host
    }

    pub(super) fn syn_sent_with(cfg: Config) -> Self {
        let mut host = Self::with(cfg);
        host.user(UserCall::Connect(params()));
        host
    }

    pub(super) fn syn_sent() -> Self {
        Self::syn_sent_with(plain())
    }

    /// After a simultaneous open.
    pub(super) fn syn_received() -> Self {
        let mut host = Self::syn_sent();
        host.arrive(syn(SYN, IRS, 0));
        host
    }

    pub(super) fn established() -> Self {
        let mut host = Self::syn_sent();
        host.arrive(syn(SYN | ACK, IRS, ISS + 1));
        host
    }

    /// Established, with selective acknowledgments agreed upon.
    pub(super) fn with_sack() -> Self {
        let mut host = Self::syn_sent_with(Config {
            sack: true,
            ..plain()
        });
        let mut syn_ack = syn(SYN | ACK, IRS, ISS + 1);
        syn_ack.options.sack_permitted = true;
        host.arrive(syn_ack);
        host
    }

    pub(super) fn fin_wait_1() -> Self {
        let mut host = Self::established();
        host.user(UserCall::ShutdownWrite);
        host
    }

    pub(super) fn fin_wait_2() -> Self {
        let mut host = Self::fin_wait_1();
        host.arrive(seg(ACK, IRS + 1, ISS + 2));
        host
    }

    pub(super) fn close_wait() -> Self {
        let mut host = Self::established();
        host.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
        // The ACK of the FIN has waited long enough.
        assert_eq!(host.timer(), Some(TimerKind::DelayedAck));
        host.fire();
        host
    }

    pub(super) fn closing() -> Self {
        let mut host = Self::fin_wait_1();
        host.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
        host
    }

    pub(super) fn last_ack() -> Self {
        let mut host = Self::close_wait();
        host.user(UserCall::ShutdownWrite);
        host
    }

    /// The Tcb that has just entered TIME-WAIT.
    pub(super) fn time_wait() -> Self {
        let mut host = Self::fin_wait_2();
        host.arrive(seg(FIN | ACK, IRS + 1, ISS + 2));
        host
    }

    pub(super) fn in_state(state: State) -> Self {
        let host = match state {
            State::Closed => Self::closed(),
            State::Listen => Self::listen(),
            State::SynSent => Self::syn_sent(),
            State::SynReceived => Self::syn_received(),
            State::Established => Self::established(),
            State::FinWait1 => Self::fin_wait_1(),
            State::FinWait2 => Self::fin_wait_2(),
            State::CloseWait => Self::close_wait(),
            State::Closing => Self::closing(),
            State::LastAck => Self::last_ack(),
            State::TimeWait => Self::time_wait(),
        };
        assert_eq!(host.state(), state);
        host
    }
}

/// A request that a listener made of a SYN.
pub(super) fn request_of(segment: &Segment, cfg: &Config) -> SynReq {
    let mut out = Outbox::new();
    let now = Instant::from_us(1_000_000_000);
    SynReq::open(now, segment, &params(), false, cfg, &mut out)
}

pub(super) fn request() -> SynReq {
    request_of(&syn(SYN, IRS, 0), &plain())
}

/// The object that a connection in TIME-WAIT leaves.
pub(super) fn time_wait() -> TimeWait {
    let host = Host::time_wait();
    TimeWait::from_tcb(&host.tcb, host.now, &host.cfg)
}

/// The flags and numbers of a segment, for short assertions.
pub(super) fn brief(segment: &SegmentOut) -> (Flags, u32, u32, u32) {
    (
        segment.flags,
        segment.seq.raw(),
        segment.ack.raw(),
        segment.payload_len,
    )
}

pub(super) fn why(out: &Outbox) -> Option<ReplyWhy> {
    out.reply.map(|reply| reply.why)
}

/// Settings of a property test: so many cases, times ten to the power of `RTCPFSM_THOROUGH` if that is set; no files are
/// written into the sources.
pub(super) fn cases(cases: u32) -> proptest::test_runner::Config {
    let thorough = std::env::var("RTCPFSM_THOROUGH").unwrap_or_default();
    proptest::test_runner::Config {
        cases: cases * 10u32.pow(thorough.parse().unwrap_or(0)),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
