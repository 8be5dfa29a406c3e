// SPDX-License-Identifier: GPL-2.0

//! One end of the model: the machine in all its forms, and what it does with one input. Time stands still.
//!
//! The machine is the real one. Beside it an end knows what only an onlooker can: which attempt at a connection is whose, and
//! which octets were written.

use super::setup::{Broken, Setup};
use crate::fsm::abstraction::some_time_after;
use crate::fsm::segment::{Flags, Segment, SegmentOut};
use crate::fsm::timers::TimerKind;
use crate::fsm::{
    closed_on_segment, listen_on_segment, Fate, IcmpError, IcmpKind, Instant, ListenVerdict,
    OpenParams, Outbox, ReqTimer, ReqVerdict, SeqNumber, State, SynReq, TimeWait, TwVerdict,
    UserCall,
};
use crate::records::Records;

use super::claims::{Claim, Fault};

/// The machine, with its lists in the host's memory.
pub(super) type Tcb = crate::fsm::Tcb<Records>;

/// When everything happens.
const NOW: Instant = Instant::from_us(1_000_000_000);

/// How far apart the initial sequence numbers of two attempts are: more than what is added to those of a TIME-WAIT, and than any
/// window (MUST-8: the clock goes on).
const NEXT_ISS: u32 = 100_000;

/// The largest segment: all data fits into one.
const MSS: u16 = 536;

/// A host unreachable error of ICMP.
const HOST_UNREACHABLE: IcmpKind = IcmpKind::Unreachable(1);

/// The initial sequence number of an attempt. Those of the first attempts are the last before the wrap: the SYN, or the first octet
/// of data, has the number 2^32 - 1.
pub(super) fn iss_of(side: usize, attempt: u8) -> SeqNumber {
    let first = SeqNumber::from_raw(u32::MAX) - side as u32;
    first + u32::from(attempt.saturating_sub(1)) * NEXT_ISS
}

/// What happens to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    /// The packet of this number arrives.
    Packet(u32),
    Listen,
    Connect,
    /// SEND of one octet.
    Write,
    Read,
    /// CLOSE of the send side.
    Shutdown,
    /// CLOSE by a program that does not read any more.
    Close,
    Abort,
    CloseListener,
    Timer(TimerKind),
    /// ICMP tells that the peer cannot be reached.
    Unreachable,
    /// The host takes the memory of a TIME-WAIT back.
    Evict,
    /// The host restarts, and its server with it: nothing is remembered.
    Restart,
}

/// A packet, and what an onlooker knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Packet {
    pub(super) to: usize,
    /// The segment as it is on the wire.
    pub(super) octets: Box<[u8]>,
    /// The attempt of its sender that it belongs to; 0: none.
    pub(super) from: u8,
    /// The attempt of its receiver that it is about; 0: none yet.
    pub(super) about: u8,
}

impl Packet {
    pub(super) fn segment(&self) -> Segment {
        Segment::parse(&self.octets, self.octets.len() as u32)
            .expect("what the machine sends can be read")
    }
}

/// What an end is at the moment, a listener aside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Closed,
    Request(SynReq),
    Block(Box<Tcb>),
    TimeWait(TimeWait),
}

/// One end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct End {
    pub(super) form: Form,
    listener: Option<Box<Tcb>>,
    /// Attempts at a connection so far.
    attempts: u8,
    /// The attempt of the connection that there is, and the peer's whose SYN it took; 0: none.
    pub(super) ours: u8,
    pub(super) theirs: u8,
    /// A program holds the socket.
    here: bool,
    /// Octets that it wrote, received and did not read.
    pub(super) written: u8,
    pub(super) received: u8,
    unread: u8,
    /// The peer's FIN was taken.
    pub(super) ended: bool,
    /// Our FIN was sent.
    fin_sent: bool,
    /// What came out of order: number and octet.
    held: Vec<(SeqNumber, u8)>,
    writes_left: u8,
    restarts_left: u8,
}

/// What an input does.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) end: End,
    pub(super) sent: Vec<Packet>,
    /// A bit for each arc that was taken.
    pub(super) arcs: u64,
    pub(super) fault: Option<Fault>,
    /// What happened, for a chart.
    pub(super) notes: Vec<String>,
}

/// An end with what the input does so far.
struct Work<'a> {
    setup: &'a Setup,
    side: usize,
    step: Step,
    /// The packet that arrived.
    packet: Option<&'a Packet>,
    draws: bool,
}

impl End {
    pub(super) fn new(setup: &Setup, side: usize) -> Self {
        Self {
            form: Form::Closed,
            listener: None,
            attempts: 0,
            ours: 0,
            theirs: 0,
            here: false,
            written: 0,
            received: 0,
            unread: 0,
            ended: false,
            fin_sent: false,
            held: Vec::new(),
            writes_left: setup.writes[side],
            restarts_left: setup.restarts[side],
        }
    }

    /// The connection's state; a listener's, if it has none.
    pub(super) fn state(&self) -> State {
        match &self.form {
            Form::Closed if self.listener.is_some() => State::Listen,
            Form::Closed => State::Closed,
            Form::Request(request) => request.state(),
            Form::Block(tcb) => tcb.state(),
            Form::TimeWait(waiting) => waiting.state(),
        }
    }

    pub(super) fn block(&self) -> Option<&Tcb> {
        match &self.form {
            Form::Block(tcb) => Some(tcb),
            _ => None,
        }
    }

    /// The timers that run.
    pub(super) fn timers(&self, setup: &Setup) -> Vec<TimerKind> {
        let runs = |kind: &TimerKind| {
            setup.broken != Broken::ForgetsTimer || *kind != TimerKind::Retransmit
        };
        match &self.form {
            Form::Closed => Vec::new(),
            Form::Request(_) => vec![TimerKind::SynAck],
            Form::Block(tcb) => tcb.timers().filter(runs).collect(),
            Form::TimeWait(_) => vec![TimerKind::TimeWait],
        }
    }

    /// All that may happen next but the arrival of a packet.
    pub(super) fn inputs(&self, setup: &Setup, side: usize, inputs: &mut Vec<Input>) {
        inputs.extend(self.timers(setup).into_iter().map(Input::Timer));
        if self.restarts_left != 0 && self.attempts != 0 {
            inputs.push(Input::Restart);
        }
        if self.listener.is_some() {
            inputs.push(Input::CloseListener);
        }
        let may_open = self.attempts < setup.attempts[side];
        match &self.form {
            Form::Closed => {
                if setup.connects[side] && may_open {
                    inputs.push(Input::Connect);
                }
                if setup.listens[side] && may_open && self.listener.is_none() {
                    inputs.push(Input::Listen);
                }
            }
            Form::Request(_) if setup.accidents => inputs.push(Input::Unreachable),
            Form::Request(_) => {}
            Form::Block(tcb) => {
                let opening = matches!(tcb.state(), State::SynSent | State::SynReceived);
                if setup.accidents && opening && tcb.is_busy() {
                    inputs.push(Input::Unreachable);
                }
                if self.here {
                    if tcb.may_send().is_ok() {
                        inputs.push(Input::Shutdown);
                        if self.writes_left != 0 {
                            inputs.push(Input::Write);
                        }
                    }
                    if self.unread != 0 {
                        inputs.push(Input::Read);
                    }
                    inputs.push(Input::Close);
                    if setup.aborts {
                        inputs.push(Input::Abort);
                    }
                }
            }
            Form::TimeWait(_) if setup.accidents => inputs.push(Input::Evict),
            Form::TimeWait(_) => {}
        }
    }

    /// What the programs and the timers do when nothing is on the way, so that all comes to its end.
    pub(super) fn next_to_finish(&self, setup: &Setup) -> Option<(u8, Input)> {
        let rests = |kind: &TimerKind| matches!(kind, TimerKind::TimeWait | TimerKind::FinWait2);
        let timers = self.timers(setup);
        if self.here && self.unread != 0 {
            return Some((0, Input::Read));
        }
        if let Some(kind) = timers.iter().find(|kind| !rests(kind)) {
            return Some((1, Input::Timer(*kind)));
        }
        match &self.form {
            Form::Block(tcb) if self.here && tcb.may_send().is_ok() => Some((2, Input::Shutdown)),
            Form::Block(_) if self.here && self.ended => Some((2, Input::Close)),
            _ if self.listener.is_some() => Some((2, Input::CloseListener)),
            // The peer is gone: no FIN of it will come.
            Form::Block(_) if self.here => Some((4, Input::Close)),
            _ => timers.first().map(|kind| (3, Input::Timer(*kind))),
        }
    }

    /// Whether something must come that makes it go on: a timer, a call of the program, or the peer's FIN.
    fn is_waiting(&self, setup: &Setup) -> bool {
        let Form::Block(tcb) = &self.form else {
            // A request and a TIME-WAIT have their timer, a listener waits for ever.
            return true;
        };
        if !self.timers(setup).is_empty() {
            return true;
        }
        match tcb.state() {
            // The program may do what it likes, and has nothing outstanding.
            State::Established | State::CloseWait => self.here && !tcb.is_busy(),
            // The peer's FIN must come; an orphan's timer runs.
            State::FinWait2 => self.here,
            _ => false,
        }
    }

    /// Octets of the receive buffer that are free.
    fn space(&self, setup: &Setup) -> u32 {
        let used = u32::from(self.unread) + self.held.len() as u32;
        setup.buffer.saturating_sub(used)
    }

    /// There is no connection any more.
    fn forget(&mut self) {
        let fresh = Self {
            listener: self.listener.take(),
            attempts: self.attempts,
            form: Form::Closed,
            ours: 0,
            theirs: 0,
            here: false,
            written: 0,
            received: 0,
            unread: 0,
            ended: false,
            fin_sent: false,
            held: Vec::new(),
            writes_left: self.writes_left,
            restarts_left: self.restarts_left,
        };
        *self = fresh;
    }

    fn next_attempt(&mut self, setup: &Setup, side: usize) -> OpenParams {
        self.attempts += 1;
        self.ours = self.attempts;
        OpenParams {
            iss: iss_of(side, self.ours),
            ts_offset: 0,
            mss: MSS,
            default_snd_mss: MSS,
            path_mss: MSS,
            rcv_space: self.space(setup),
            rcv_wscale: 0,
        }
    }

    /// What an input does, without its effect on anything but this end.
    pub(super) fn step(
        &self,
        setup: &Setup,
        side: usize,
        input: Input,
        packet: Option<&Packet>,
        draws: bool,
    ) -> Step {
        let mut work = Work {
            setup,
            side,
            step: Step {
                end: self.clone(),
                sent: Vec::new(),
                arcs: 0,
                fault: None,
                notes: Vec::new(),
            },
            packet,
            draws,
        };
        work.run(input);
        // Every timer but that of an ACK takes longer than the pause between two challenge ACKs (RFC 5961 section 7).
        let passed = match input {
            Input::Timer(kind) => kind != TimerKind::DelayedAck,
            _ => setup.broken == Broken::ChallengesAll,
        };
        match &mut work.step.end.form {
            Form::Closed => {}
            Form::Request(request) => request.forget_time(NOW, passed),
            Form::Block(tcb) => tcb.forget_time(NOW, passed),
            Form::TimeWait(waiting) => waiting.forget_time(NOW),
        }
        if !work.step.end.is_waiting(setup) {
            work.fail(Claim::Waits, "nothing will ever happen here");
        }
        work.step
    }
}

impl Work<'_> {
    fn fail(&mut self, claim: Claim, text: &'static str) {
        self.step.fault = self.step.fault.or(Some(Fault { claim, text }));
    }

    fn check(&mut self, holds: Result<(), &'static str>) {
        if let Err(text) = holds {
            self.fail(Claim::Invariants, text);
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.draws {
            self.step.notes.push(text());
        }
    }

    fn run(&mut self, input: Input) {
        if !matches!(input, Input::Packet(_)) {
            self.note(|| input.words());
        }
        match input {
            Input::Packet(_) => {
                if let Some(packet) = self.packet {
                    self.arrive(packet);
                }
            }
            Input::Listen => {
                let mut tcb = Tcb::new();
                self.listener_call(&mut tcb, UserCall::Listen);
                self.step.end.listener = Some(Box::new(tcb));
            }
            Input::CloseListener => self.close_listener(),
            Input::Connect => self.connect(),
            Input::Write => {
                self.step.end.written += 1;
                self.step.end.writes_left -= 1;
                self.user(UserCall::Queued { len: 1 }, false);
            }
            Input::Read => {
                self.step.end.unread = 0;
                self.user(UserCall::Read, false);
            }
            Input::Shutdown => self.user(UserCall::ShutdownWrite, true),
            Input::Close => {
                let unread_data = self.step.end.unread != 0;
                self.step.end.here = false;
                self.step.end.held.clear();
                self.user(UserCall::Close { unread_data }, true);
            }
            Input::Abort => self.user(UserCall::Abort, true),
            Input::Timer(kind) => self.expire(kind),
            Input::Unreachable => self.unreachable(),
            Input::Evict => {
                let mut out = Outbox::new();
                if let Form::TimeWait(waiting) = &mut self.step.end.form {
                    waiting.evict(&mut out);
                }
                self.count(&out);
                self.step.end.forget();
            }
            Input::Restart => {
                self.step.end.restarts_left -= 1;
                let listened = self.step.end.listener.take().is_some();
                self.step.end.forget();
                if listened {
                    self.run(Input::Listen);
                }
            }
        }
    }

    fn listener_call(&mut self, tcb: &mut Tcb, call: UserCall) {
        let mut out = Outbox::new();
        let done = tcb.on_user(NOW, call, &self.setup.cfg, &mut out);
        debug_assert!(done.is_ok());
        self.count(&out);
    }

    fn close_listener(&mut self) {
        if let Some(mut tcb) = self.step.end.listener.take() {
            // Both end a listener, by arcs of their own.
            let call = match self.step.end.attempts % 2 {
                0 => UserCall::Close { unread_data: false },
                _ => UserCall::Abort,
            };
            self.listener_call(&mut tcb, call);
        }
        let mut out = Outbox::new();
        if let Form::Request(request) = &mut self.step.end.form {
            request.on_listener_closed(&mut out);
            self.count(&out);
            self.reply(&out);
            self.step.end.forget();
        }
    }

    fn connect(&mut self) {
        // A listener may connect (RFC 9293 3.10.1); another socket may as well.
        let tcb = self.step.end.listener.take();
        let mut tcb = tcb.unwrap_or_else(|| Box::new(Tcb::new()));
        let mut settings = *tcb.settings();
        settings.acks = self.setup.acks;
        settings.nodelay = self.setup.nodelay;
        tcb.apply_settings(settings, &self.setup.cfg);
        let end = &mut self.step.end;
        end.form = Form::Block(tcb);
        end.here = true;
        let params = end.next_attempt(self.setup, self.side);
        self.user(UserCall::Connect(params), false);
    }

    /// A call of the program; `ends` if it may end the connection without the program being told more.
    fn user(&mut self, call: UserCall, ends: bool) {
        let space = self.step.end.space(self.setup);
        let mut out = Outbox::new();
        if let Form::Block(tcb) = &mut self.step.end.form {
            tcb.set_receive_space(space);
            let done = tcb.on_user(NOW, call, &self.setup.cfg, &mut out);
            debug_assert!(done.is_ok(), "{call:?}");
            self.apply(&out, ends);
        }
    }

    fn expire(&mut self, kind: TimerKind) {
        if self.setup.broken == Broken::DeafToTimers {
            return;
        }
        let mut out = Outbox::new();
        let cfg = &self.setup.cfg;
        match &mut self.step.end.form {
            Form::Closed => {}
            Form::Request(request) => {
                match request.on_timer(some_time_after(NOW), cfg, &mut out) {
                    ReqTimer::Resend => {
                        let syn_ack = request.syn_ack(NOW);
                        self.send(&syn_ack);
                    }
                    ReqTimer::GiveUp => self.step.end.forget(),
                    ReqTimer::NotYet => {}
                }
                self.count(&out);
            }
            Form::Block(tcb) => {
                tcb.make_due(kind, NOW);
                tcb.on_timer(NOW, cfg, &mut out);
                self.apply(&out, false);
            }
            Form::TimeWait(waiting) => {
                if waiting.on_timer(some_time_after(NOW), &mut out) {
                    self.step.end.forget();
                }
                self.count(&out);
            }
        }
    }

    fn unreachable(&mut self) {
        let mut out = Outbox::new();
        match &mut self.step.end.form {
            Form::Request(request) => {
                let iss = iss_of(self.side, self.step.end.ours);
                if request.on_icmp(iss, true, &mut out) {
                    self.step.end.forget();
                }
                self.count(&out);
            }
            Form::Block(tcb) => {
                let [_, _, una, _, _] = tcb.numbers();
                let icmp = IcmpError {
                    kind: HOST_UNREACHABLE,
                    quoted_seq: una,
                };
                tcb.on_icmp(NOW, icmp, &mut out);
                self.apply(&out, false);
            }
            _ => {}
        }
    }

    fn arrive(&mut self, packet: &Packet) {
        let segment = packet.segment();
        let cfg = &self.setup.cfg;
        let has_room = self.has_room();
        let mut out = Outbox::new();
        match &mut self.step.end.form {
            Form::Closed => self.arrive_without_connection(&segment),
            Form::Request(request) => {
                let verdict = request.on_segment(NOW, &segment, cfg, &mut out);
                let child = request.establish(NOW, cfg);
                self.count(&out);
                self.reply(&out);
                match verdict {
                    ReqVerdict::Keep => {}
                    ReqVerdict::Remove => {
                        self.check_reset(packet, &segment);
                        self.step.end.forget();
                    }
                    ReqVerdict::Establish => {
                        if packet.about != self.step.end.ours {
                            self.fail(Claim::Old, "an old ACK completes a handshake");
                        }
                        self.accept(child);
                        self.arrive(packet);
                    }
                }
            }
            Form::Block(_) => self.arrive_at_block(packet, &segment),
            Form::TimeWait(waiting) => match waiting.on_segment(NOW, &segment, cfg, &mut out) {
                TwVerdict::Keep => {
                    self.count(&out);
                    self.reply(&out);
                }
                TwVerdict::Remove => {
                    self.count(&out);
                    self.check_reset(packet, &segment);
                    self.step.end.forget();
                }
                TwVerdict::Reopen { iss_floor } => {
                    if !has_room {
                        waiting.refuse(NOW, &mut out);
                        self.count(&out);
                        self.reply(&out);
                        return;
                    }
                    if packet.from <= self.step.end.theirs {
                        self.fail(Claim::Old, "an old SYN opens a connection anew");
                    }
                    self.step.end.forget();
                    self.open(&segment, true);
                    let iss = iss_of(self.side, self.step.end.ours);
                    if iss.before(iss_floor) {
                        self.fail(Claim::Old, "the new numbers are among the old ones");
                    }
                }
            },
        }
    }

    fn arrive_without_connection(&mut self, segment: &Segment) {
        if self.setup.broken == Broken::AnswersRst && segment.flags.contains(Flags::RST) {
            let plain = Segment {
                flags: Flags::ACK,
                ..*segment
            };
            if let Some((rst, _)) = closed_on_segment(&plain) {
                self.send(&rst);
            }
            return;
        }
        if self.step.end.listener.is_none() {
            if let Some((rst, _)) = closed_on_segment(segment) {
                self.send(&rst);
            }
            return;
        }
        match listen_on_segment(segment) {
            ListenVerdict::Open if self.has_room() => self.open(segment, false),
            ListenVerdict::Reset(rst, _) => self.send(&rst),
            ListenVerdict::Open | ListenVerdict::Drop(_) => {}
        }
    }

    /// Whether the listener takes one more request.
    fn has_room(&self) -> bool {
        let end = &self.step.end;
        end.listener.is_some() && end.attempts < self.setup.attempts[self.side]
    }

    /// A listener takes a SYN.
    fn open(&mut self, segment: &Segment, from_time_wait: bool) {
        let mut out = Outbox::new();
        let end = &mut self.step.end;
        let params = end.next_attempt(self.setup, self.side);
        let request = SynReq::open(
            NOW,
            segment,
            &params,
            from_time_wait,
            &self.setup.cfg,
            &mut out,
        );
        let syn_ack = request.syn_ack(NOW);
        end.theirs = self.packet.map_or(0, |packet| packet.from);
        end.form = Form::Request(request);
        self.count(&out);
        self.send(&syn_ack);
    }

    /// The handshake is complete, and a program takes the connection.
    fn accept(&mut self, mut child: Tcb) {
        self.note(|| "accept".to_string());
        let mut settings = *child.settings();
        settings.acks = self.setup.acks;
        settings.nodelay = self.setup.nodelay;
        child.apply_settings(settings, &self.setup.cfg);
        self.step.end.form = Form::Block(Box::new(child));
        self.step.end.here = true;
    }

    fn arrive_at_block(&mut self, packet: &Packet, segment: &Segment) {
        let space = self.step.end.space(self.setup);
        let mut out = Outbox::new();
        let end = &mut self.step.end;
        let Form::Block(tcb) = &mut end.form else {
            return;
        };
        let was = tcb.state();
        let una = tcb.numbers()[2];
        tcb.set_receive_space(space);
        let mut seen = *segment;
        if self.setup.broken == Broken::TakesAnyRst && segment.flags.contains(Flags::RST) {
            seen.seq = tcb.receive_next();
        }
        tcb.on_segment(NOW, &seen, &self.setup.cfg, &mut out);
        let moved = tcb.numbers()[2] != una;
        if was == State::SynSent && tcb.state() != State::SynSent && out.fate == Fate::Live {
            end.theirs = packet.from;
        }
        let (ours, theirs) = (end.ours, end.theirs);
        let is_old = packet.about != 0 && packet.about != ours;
        let takes_text = out.deliver.is_some() || out.hold.is_some();
        if is_old && (moved || takes_text) || packet.from != theirs && takes_text {
            self.fail(Claim::Old, "a segment of an old connection is taken");
        }
        if segment.flags.contains(Flags::RST) && out.fate == Fate::Closed {
            self.check_reset(packet, segment);
        }
        if self.setup.broken == Broken::TakesTextTwice && segment.payload_len != 0 {
            self.take(packet, segment, 0, segment.payload_len);
        }
        self.take_text(packet, segment, &out);
        self.apply(&out, false);
    }

    /// An RST ends a connection: it must be about that one, or of the peer's attempt that it is with, which is over then.
    fn check_reset(&mut self, packet: &Packet, segment: &Segment) {
        let end = &self.step.end;
        let is_old = packet.about != end.ours && packet.from != end.theirs;
        // RFC 9293 3.10.7.1: the RST that answers a segment without ACK has the number 0, which is RCV.NXT by chance here, so near
        // to the wrap. RFC 5961 3.2 takes it, as it takes any RST that hits the number.
        let is_numbered = segment.seq != SeqNumber::from_raw(0);
        if segment.flags.contains(Flags::RST) && is_numbered && is_old {
            self.fail(Claim::Old, "an RST of an old connection is taken");
        }
    }

    /// The octets that the machine takes go where it says.
    fn take_text(&mut self, packet: &Packet, segment: &Segment, out: &Outbox) {
        if let Some(deliver) = out.deliver {
            self.take(packet, segment, deliver.skip, deliver.len);
        }
        let text = &packet.octets[usize::from(segment.header_len)..];
        if let Some(hold) = out.hold {
            for at in 0..hold.len {
                let octet = text[(hold.skip + at) as usize];
                self.step.end.held.push((hold.at + at, octet));
            }
            self.step.end.held.sort_by_key(|held| held.0.raw());
        }
        if let Some(until) = out.release {
            let mut held = core::mem::take(&mut self.step.end.held);
            let irs = iss_of(1 - self.side, self.step.end.theirs);
            held.sort_by_key(|held| held.0.distance_from(irs));
            held.retain(|(at, octet)| {
                let goes = at.before(until);
                // What was delivered meanwhile is there already.
                if goes && at.distance_from(irs + 1) == u32::from(self.step.end.received) {
                    self.deliver(*octet);
                }
                !goes
            });
            self.step.end.held = held;
        }
        if out.fin_received || out.fate != Fate::Live {
            self.step.end.held.clear();
        }
        self.step.end.ended |= out.fin_received;
    }

    fn take(&mut self, packet: &Packet, segment: &Segment, skip: u32, len: u32) {
        let start = usize::from(segment.header_len) + skip as usize;
        for octet in &packet.octets[start..start + len as usize] {
            self.deliver(*octet);
        }
    }

    /// The program gets an octet: it must be the next one.
    fn deliver(&mut self, octet: u8) {
        let end = &mut self.step.end;
        let expected = content(end.theirs, end.received);
        end.received += 1;
        end.unread += 1;
        if self.setup.reads_at_once {
            end.unread = 0;
        }
        if octet != expected {
            self.fail(Claim::Stream, "an octet arrives twice, or not in order");
        }
    }

    /// Counts what a call of the machine did.
    fn count(&mut self, out: &Outbox) {
        for id in out.arcs.iter() {
            self.step.arcs |= 1 << id.index();
            self.note(|| format!("  {}", id.arc().to.name()));
        }
        for reason in out.drop.into_iter().chain(out.notes()) {
            self.note(|| format!("  {}", reason.name()));
            if reason == crate::fsm::DropReason::NoArc {
                self.fail(Claim::Arcs, "an event comes in a state without an arc");
            }
        }
    }

    fn reply(&mut self, out: &Outbox) {
        if let Some(reply) = out.reply {
            self.send(&reply.segment);
        }
    }

    /// Carries out what a call of the block asks for; `is_own`: the program has ended the connection itself.
    fn apply(&mut self, out: &Outbox, is_own: bool) {
        self.count(out);
        if let Some(error) = out.error {
            self.note(|| format!("  error: {error:?}"));
        }
        self.reply(out);
        let end = &mut self.step.end;
        let space = end.space(self.setup);
        let lost = end.is_lost();
        let Form::Block(tcb) = &mut end.form else {
            return;
        };
        let holds = tcb.invariants();
        let counts_fin = out.arcs.iter().any(|id| {
            use crate::fsm::arcs::Event;
            matches!(id.arc().event, Event::RcvAckOfFin | Event::RcvFinAckOfFin)
        });
        let fin_sent = end.fin_sent;
        match out.fate {
            Fate::Live => {
                tcb.set_receive_space(space);
                self.transmit();
            }
            Fate::TimeWait => {
                let waiting = TimeWait::from_tcb(tcb, NOW, &self.setup.cfg);
                end.form = Form::TimeWait(waiting);
                // The program has its end, and has sent its own: nothing that it does is seen any more.
                (end.here, end.unread, end.written, end.received) = (false, 0, 0, 0);
            }
            Fate::Closed => {
                let told = out.error.is_some() && self.setup.broken != Broken::TellsNobody;
                let here = end.here;
                end.forget();
                if here && lost && !told && !is_own {
                    self.fail(Claim::Stream, "a connection ends, and nobody is told");
                }
            }
        }
        self.check(holds);
        if counts_fin && !fin_sent {
            self.fail(Claim::Fin, "a FIN is acknowledged that was not sent");
        }
    }

    fn transmit(&mut self) {
        loop {
            let Form::Block(tcb) = &mut self.step.end.form else {
                return;
            };
            let Some(segment) = tcb.next_segment(NOW, &self.setup.cfg) else {
                let holds = tcb.settled_invariants();
                return self.check(holds);
            };
            self.send(&segment);
        }
    }

    /// A segment goes out.
    fn send(&mut self, segment: &SegmentOut) {
        let mut segment = *segment;
        let end = &mut self.step.end;
        let is_rst = segment.flags.contains(Flags::RST);
        let broken = self.setup.broken;
        if broken == Broken::KeepsFin && self.side == 0 && segment.flags.contains(Flags::FIN) {
            segment.flags = Flags::ACK;
        }
        if matches!(broken, Broken::AcksFinEarly | Broken::KeepsFin)
            && self.side == 1
            && !end.ended
            && end.block().is_some()
            && segment.flags.bits() == Flags::ACK.bits()
        {
            segment.ack = segment.ack + 1;
        }
        end.fin_sent |= segment.flags.contains(Flags::FIN);
        let mut header = [0; 60];
        let ports = [40_000, 80];
        let len = segment
            .emit(ports[self.side], ports[1 - self.side], &mut header)
            .expect("60 octets are enough for any header");
        let first = segment.seq.distance_from(iss_of(self.side, end.ours) + 1);
        let text = (0..segment.payload_len).map(|at| content(end.ours, (first + at) as u8));
        let octets = header[..len].iter().copied().chain(text).collect();
        // An RST answers the segment that came, for the connection that was meant.
        let (from, about) = match self.packet {
            Some(packet) if is_rst => (packet.about, packet.from),
            _ => (end.ours, end.theirs),
        };
        let packet = Packet {
            to: 1 - self.side,
            octets,
            from,
            about,
        };
        self.step.sent.push(packet);
        let answers_rst = self
            .packet
            .is_some_and(|packet| packet.segment().flags.contains(Flags::RST));
        if is_rst && answers_rst {
            self.fail(Claim::Rst, "an RST answers an RST");
        }
    }
}

impl End {
    /// Whether a program loses something by the end of the connection of this block: octets that the peer has not acknowledged, or
    /// those that the peer may still have had to say. That the peer has not acknowledged the last FIN does not matter.
    fn is_lost(&self) -> bool {
        let Some([iss, _, una, _, _]) = self.block().map(Tcb::numbers) else {
            return false;
        };
        !self.ended || una.before(iss + 1 + u32::from(self.written))
    }
}

/// The octet at this place of the stream of an attempt.
fn content(attempt: u8, at: u8) -> u8 {
    attempt << 4 | at & 0xf
}

impl Input {
    /// What it is, for a chart.
    pub(super) fn words(self) -> String {
        match self {
            Self::Packet(_) => "packet".to_string(),
            Self::Timer(kind) => format!("timer: {}", kind.name()),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}
