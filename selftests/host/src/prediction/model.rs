// SPDX-License-Identifier: GPL-2.0

//! The host under test as the machine predicts it: one connection in all its forms, and what the module does around it
//! (`src/net`), in the words of drill.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::fsm::segment::{ParseError, Segment, SegmentOut};
use crate::fsm::timers::TimerKind;
use crate::fsm::{
    closed_on_segment, listen_on_segment, Config, DropReason, Fate, Instant, ListenVerdict,
    OpenParams, Outbox, ReplyWhy, ReqTimer, ReqVerdict, SeqNumber, State, Status, SynReq, TimeWait,
    TwVerdict, UserCall,
};
use crate::records::Records;

type Tcb = crate::fsm::Tcb<Records>;

/// More segments than any call may send.
const MAX_BURST: usize = 10_000;

/// Our initial sequence number: any does, for drill counts from it.
const ISS: SeqNumber = SeqNumber::from_raw(77_000);

/// The module's first sequence number of a namespace's settings.
const OFFSET: u32 = 5_000;

/// What the host has for the connection.
#[derive(Clone, Debug)]
enum Form {
    None,
    Request(Box<SynReq>),
    Block,
    TimeWait(TimeWait),
}

/// A host, its clock, and what it did since it was asked last.
#[derive(Clone, Debug)]
pub(super) struct Model {
    cfg: Config,
    v6: bool,
    form: Form,
    tcb: Tcb,
    /// The peer's initial sequence number.
    pub(super) irs: u32,
    /// The peer has seen our SYN: it counts from it.
    seen: bool,
    pub(super) now: Instant,
    pub(super) listens: bool,
    /// The program holds the connection's socket.
    pub(super) held: bool,
    /// A connection waits for accept().
    pub(super) arrived: bool,
    /// Octets that the program can read.
    pub(super) unread: u32,
    /// What a read gives is not known: urgent data was announced, at which it ends; or the peer's SYN had another number than drill counts the
    /// stream's octets from.
    pub(super) unreadable: bool,
    /// TCP_WINDOW_CLAMP, or 0.
    pub(super) clamp: u32,
    /// The last timestamp that we sent.
    pub(super) stamp: u32,
    /// Lines of what is sent.
    pub(super) sent: Vec<String>,
    /// Counters that move.
    pub(super) counts: BTreeMap<(&'static str, &'static str), u64>,
    /// It broke an invariant of its own.
    pub(super) broken: Option<String>,
}

impl Model {
    pub(super) fn new(v6: bool, irs: u32, clamp: u32) -> Self {
        Self {
            cfg: Config::default(),
            v6,
            form: Form::None,
            tcb: Tcb::new(),
            irs,
            seen: false,
            now: Instant::from_us(1_000_000_000),
            listens: false,
            held: false,
            arrived: false,
            unread: 0,
            unreadable: false,
            clamp,
            stamp: 0,
            sent: Vec::new(),
            counts: BTreeMap::new(),
            broken: None,
        }
    }

    /// The state as `/proc` shows it: that of the connection alone.
    pub(super) fn state(&self) -> State {
        match &self.form {
            Form::None => State::Closed,
            Form::Request(request) => request.state(),
            Form::Block => self.tcb.state(),
            Form::TimeWait(waiting) => waiting.state(),
        }
    }

    pub(super) fn status(&self) -> Option<Status> {
        match &self.form {
            Form::None => None,
            Form::Request(request) => Some(request.status()),
            Form::Block => Some(self.tcb.status()),
            Form::TimeWait(waiting) => Some(waiting.status()),
        }
    }

    /// The number that our numbers are counted from.
    pub(super) fn base(&self) -> u32 {
        if self.seen {
            ISS.raw()
        } else {
            0
        }
    }

    /// Whether timestamps were agreed upon, as far as what was last sent tells.
    pub(super) fn stamps(&self) -> bool {
        self.stamp != 0
    }

    /// The timer that comes next, and when.
    pub(super) fn next_timer(&self) -> Option<(TimerKind, Instant)> {
        match &self.form {
            Form::None => None,
            Form::Request(request) => request.next_deadline(),
            Form::Block => self.tcb.next_deadline(),
            Form::TimeWait(waiting) => waiting.next_deadline(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next_timer().map(|(_, deadline)| deadline)
    }

    /// As `net::effects::update_room` with a receive queue that is nearly empty.
    fn update_room(&mut self) {
        let room = self.tcb.window_from(self.cfg.rmem.default);
        self.tcb.set_receive_buffer(room);
        self.tcb.set_receive_space(room);
    }

    /// The socket's options, which a connection has of its listener.
    fn set_options(&mut self) {
        if self.clamp != 0 {
            let mut settings = *self.tcb.settings();
            let set = settings.set_window_clamp(self.clamp as i32, false);
            debug_assert!(set.is_ok());
            self.tcb.apply_settings(settings, &self.cfg);
        }
    }

    fn params(&self) -> OpenParams {
        let space = self.cfg.rmem.default / 2;
        OpenParams {
            iss: ISS,
            ts_offset: OFFSET,
            mss: if self.v6 { 1_440 } else { 1_460 },
            default_snd_mss: if self.v6 { 1_220 } else { 536 },
            path_mss: if self.v6 { 1_440 } else { 1_460 },
            rcv_space: match self.clamp {
                0 => space,
                clamp => space.min(clamp),
            },
            rcv_wscale: crate::fsm::window::scale_for(self.cfg.rmem.max),
        }
    }

    /// connect().
    pub(super) fn connect(&mut self) -> bool {
        self.form = Form::Block;
        self.held = true;
        self.set_options();
        self.call(UserCall::Connect(self.params()))
    }

    /// A call of the program; false where it is refused.
    pub(super) fn call(&mut self, call: UserCall) -> bool {
        let mut out = Outbox::new();
        let (now, cfg) = (self.now, self.cfg);
        self.update_room();
        if matches!(call, UserCall::Queued { .. }) {
            self.tcb.set_more(false);
        }
        if self.tcb.on_user(now, call, &cfg, &mut out).is_err() {
            return false;
        }
        self.apply(&out);
        true
    }

    /// The program may send.
    pub(super) fn may_send(&self) -> bool {
        matches!(self.form, Form::Block) && self.tcb.may_send().is_ok()
    }

    /// A segment arrives; false where it starts a connection whose numbers are not known.
    pub(super) fn arrive(&mut self, octets: &[u8]) -> bool {
        // As `net::rx`.
        match Segment::parse(octets, octets.len() as u32) {
            Ok(segment) => {
                if segment.options.malformed {
                    self.count("drop", DropReason::BadOption.name());
                }
                self.process(&segment)
            }
            Err(ParseError::Truncated) => self.refuse(DropReason::Truncated),
            Err(ParseError::BadDataOffset) => self.refuse(DropReason::BadDataOffset),
        }
    }

    /// What arrives is no segment.
    pub(super) fn refuse(&mut self, why: DropReason) -> bool {
        self.count("drop", why.name());
        true
    }

    fn process(&mut self, segment: &Segment) -> bool {
        let (now, cfg) = (self.now, self.cfg);
        let mut out = Outbox::new();
        match &mut self.form {
            Form::None if self.listens => return self.listener(segment),
            Form::None => match closed_on_segment(segment) {
                Some((rst, why)) => {
                    self.count("drop", DropReason::NoSocket.name());
                    self.count("reset", why.name());
                    self.put(&rst);
                }
                None => self.count("drop", DropReason::ClosedRst.name()),
            },
            Form::Request(request) => {
                let verdict = request.on_segment(now, segment, &cfg, &mut out);
                let mut child = Tcb::new();
                request.establish(now, &cfg, &mut child);
                match verdict {
                    ReqVerdict::Establish => {
                        // What the request found out is not counted then, as in `net::request::segment`.
                        self.tcb = child;
                        self.set_options();
                        self.form = Form::Block;
                        self.arrived = true;
                        return self.process(segment);
                    }
                    ReqVerdict::Remove => self.form = Form::None,
                    ReqVerdict::Keep => {}
                }
                self.stateless(&out);
            }
            Form::Block => {
                let before = self.tcb.receive_next();
                self.update_room();
                self.tcb.on_segment(now, segment, &cfg, &mut out);
                self.unreadable |= out.urgent.is_some();
                if self.state() != State::Closed && out.fate == Fate::Live {
                    let after = self.tcb.receive_next();
                    let syn = matches!(out.arcs.iter().next(), Some(id) if id.arc().from == State::SynSent);
                    let from = if syn { segment.seq + 1 } else { before };
                    self.unreadable |= syn && segment.seq.raw() != self.irs;
                    self.unread += after.distance_from(from) - u32::from(out.fin_received);
                }
                self.apply(&out);
            }
            Form::TimeWait(waiting) => {
                match waiting.on_segment(now, segment, &cfg, &mut out) {
                    TwVerdict::Keep => {}
                    TwVerdict::Reopen { .. } if self.listens => return false,
                    TwVerdict::Reopen { .. } => waiting.refuse(now, &mut out),
                    TwVerdict::Remove => self.form = Form::None,
                }
                self.stateless(&out);
            }
        }
        true
    }

    fn listener(&mut self, segment: &Segment) -> bool {
        match listen_on_segment(segment) {
            ListenVerdict::Drop(reason) => self.count("drop", reason.name()),
            ListenVerdict::Reset(rst, why) => {
                self.count("drop", DropReason::ListenAck.name());
                self.count("reset", why.name());
                self.put(&rst);
            }
            // A second connection would have other numbers, and so would the first with another SYN than drill knows of.
            ListenVerdict::Open if self.seen || segment.seq.raw() != self.irs => return false,
            ListenVerdict::Open => {
                let mut out = Outbox::new();
                let request = SynReq::open(
                    self.now,
                    segment,
                    &self.params(),
                    false,
                    &self.cfg,
                    &mut out,
                );
                let syn_ack = request.syn_ack(self.now);
                self.form = Form::Request(Box::new(request));
                self.count_all(&out);
                self.put(&syn_ack);
            }
        }
        true
    }

    /// What a form without a socket does.
    fn stateless(&mut self, out: &Outbox) {
        self.count_all(out);
        if let Some(reply) = &out.reply {
            self.put(&reply.segment);
        }
    }

    /// As `net::effects::apply`.
    fn apply(&mut self, out: &Outbox) {
        if let Err(broken) = self.tcb.invariants() {
            self.broken = Some(broken.to_string());
        }
        self.count_all(out);
        if let Some(reply) = &out.reply {
            self.put(&reply.segment);
        }
        match out.fate {
            Fate::Live => self.transmit(),
            Fate::TimeWait => {
                self.form = Form::TimeWait(TimeWait::from_tcb(&self.tcb, self.now, &self.cfg));
                self.tcb.retire();
            }
            Fate::Closed => self.form = Form::None,
        }
    }

    fn transmit(&mut self) {
        self.update_room();
        for _ in 0..MAX_BURST {
            match self.tcb.next_segment(self.now, &self.cfg) {
                Some(segment) => self.put(&segment),
                None => return,
            }
        }
        self.broken = Some("it never stops to send".to_string());
    }

    /// The time has come.
    pub(super) fn expire(&mut self) {
        let mut out = Outbox::new();
        let (now, cfg) = (self.now, self.cfg);
        match &mut self.form {
            Form::None => {}
            Form::Request(request) => match request.on_timer(now, &cfg, &mut out) {
                ReqTimer::Resend => {
                    let syn_ack = request.syn_ack(now);
                    self.count_all(&out);
                    self.put(&syn_ack);
                }
                ReqTimer::GiveUp => {
                    self.count_all(&out);
                    self.form = Form::None;
                }
                ReqTimer::NotYet => {}
            },
            Form::Block => {
                self.update_room();
                self.tcb.on_timer(now, &cfg, &mut out);
                self.apply(&out);
            }
            Form::TimeWait(waiting) => {
                if waiting.on_timer(now, &mut out) {
                    self.form = Form::None;
                }
                self.count_all(&out);
            }
        }
    }

    fn count(&mut self, kind: &'static str, name: &'static str) {
        *self.counts.entry((kind, name)).or_default() += 1;
    }

    /// As `observe::counters`.
    fn count_all(&mut self, out: &Outbox) {
        for id in out.arcs.iter() {
            self.count("arc", id.arc().name);
        }
        for reason in out.drop.into_iter().chain(out.notes()) {
            self.count("drop", reason.name());
        }
        match out.reply.as_ref().map(|reply| reply.why) {
            Some(ReplyWhy::Reset(why)) => self.count("reset", why.name()),
            Some(ReplyWhy::Challenge(why)) => self.count("challenge", why.name()),
            _ => {}
        }
    }

    /// A line of drill that expects this segment.
    fn put(&mut self, segment: &SegmentOut) {
        let mut octets = [0; 60];
        let Some(len) = segment.emit(1, 2, &mut octets) else {
            self.broken = Some("a header does not fit".to_string());
            return;
        };
        let flags = segment.flags.bits();
        if flags & 0x02 != 0 {
            self.seen = true;
        }
        let base = self.base();
        let mut line = format!("> {}", letters(flags));
        // The number of an RST that belongs to no connection is 0, wherever ours are counted from.
        if base == 0 || flags & 0x14 != 0x14 {
            let _ = write!(line, " seq {}", segment.seq.raw().wrapping_sub(base));
        }
        if flags & 0x10 != 0 {
            let _ = write!(line, " ack {}", segment.ack.raw().wrapping_sub(self.irs));
        }
        if segment.payload_len != 0 {
            let _ = write!(line, " len {}", segment.payload_len);
        }
        let _ = write!(line, " <{}>", self.options(&octets[20..len]));
        self.sent.push(line);
    }

    /// Options as drill writes them. Of a timestamp only the echo can be known.
    fn options(&mut self, mut octets: &[u8]) -> String {
        let mut words = Vec::new();
        let number = |at: &[u8]| u32::from_be_bytes([at[0], at[1], at[2], at[3]]);
        while let Some((&kind, rest)) = octets.split_first() {
            let len = match kind {
                0 | 1 => 1,
                _ => usize::from(rest[0]),
            };
            let value = &octets[2.min(len)..len];
            words.push(match kind {
                0 => "eol".to_string(),
                1 => "nop".to_string(),
                2 => format!("mss {}", u16::from_be_bytes([value[0], value[1]])),
                3 => format!("wscale {}", value[0]),
                4 => "sackOK".to_string(),
                5 => {
                    let edges = value
                        .chunks(4)
                        .map(|edge| number(edge).wrapping_sub(self.irs));
                    let edges: Vec<_> = edges.map(|edge| edge.to_string()).collect();
                    format!("sack {}", edges.join(" "))
                }
                _ => {
                    self.stamp = number(value);
                    format!("ts * {}", number(&value[4..]))
                }
            });
            octets = &octets[len..];
        }
        words.join(",")
    }
}

/// Control bits as drill writes them.
pub(super) fn letters(flags: u8) -> String {
    let letters: String = "FSRPAUEC"
        .chars()
        .enumerate()
        .filter(|(bit, _)| flags & 1 << bit != 0)
        .map(|(_, letter)| letter)
        .collect();
    if letters.is_empty() {
        "-".to_string()
    } else {
        letters
    }
}
