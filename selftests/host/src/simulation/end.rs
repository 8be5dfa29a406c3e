// SPDX-License-Identifier: GPL-2.0

//! One end of a simulated connection: the machine in all its forms, its program, and everything that the module does
//! around them (`src/net`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::dice::Dice;
use super::program::{Program, ProgramPlan};
use super::watch::Watch;
use crate::fsm::segment::Segment;
use crate::fsm::{
    closed_on_segment, listen_on_segment, Config, ConnError, Duration, Fate, Instant,
    ListenVerdict, OpenParams, Outbox, ReplyWhy, ReqTimer, ReqVerdict, SeqNumber, State, SynReq,
    TimeWait, TwVerdict, UserCall, Wake,
};
use crate::records::Records;

/// The machine, with its lists in the host's memory.
pub(crate) type Tcb = crate::fsm::Tcb<Records>;

/// What must hold, or the text of what does not.
pub(crate) type Check = Result<(), String>;

/// The octets of a header without options.
const MIN_HEADER: u16 = 20;

/// How far apart the initial sequence numbers of two attempts are.
const NEXT_ISS: u32 = 1_000_003;

/// The settings of an end.
#[derive(Clone, Debug)]
pub(crate) struct EndPlan {
    pub(crate) cfg: Config,
    pub(crate) iss: u32,
    pub(crate) ts_offset: u32,
    /// The largest segment that it takes.
    pub(crate) mss: u16,
    /// What it sends to a peer that offers no MSS.
    pub(crate) default_snd_mss: u16,
    /// The largest segment that its path takes.
    pub(crate) path_mss: u16,
    /// Octets.
    pub(crate) receive_buffer: u32,
    pub(crate) send_buffer: u32,
    /// Octets of memory that a packet takes beside its payload; 0: memory is counted in payload alone, and the receive buffer
    /// stays as it is.
    pub(crate) overhead: u32,
    /// The scale of its windows.
    pub(crate) wscale: u8,
    pub(crate) nodelay: bool,
    /// The first keep-alive after so much silence, the next ones after the same time again; zero: none.
    pub(crate) keepalive: Duration,
    /// What is not acknowledged for so long ends the connection; zero: R2 decides.
    pub(crate) user_timeout: Duration,
    /// Whether it connects; else it listens.
    pub(crate) active: bool,
    /// Segments in a thousand that it has no memory to send.
    pub(crate) refuse: u32,
    /// The most octets in a run of segments.
    pub(crate) max_run: u32,
    /// Segments with data in a thousand that find memory so short that something out of order is given up.
    pub(crate) forget: u32,
    /// Arrivals in a thousand that find the socket in use, so that they wait, and more with them.
    pub(crate) busy: u32,
    /// For how long at most.
    pub(crate) busy_for: Duration,
}

/// What an end is at the moment.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Closed,
    Listener,
    Request(Box<SynReq>),
    Block,
    TimeWait(TimeWait),
}

/// One end.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(super) plan: EndPlan,
    pub(super) form: Form,
    pub(super) tcb: Tcb,
    pub(crate) program: Program,
    pub(super) dice: Dice,
    pub(crate) watch: Watch,
    /// The stream that the peer sends.
    pub(super) peer_stream: u32,
    /// Attempts at a connection so far.
    attempts: u32,
    /// Arcs taken so far.
    moves: u64,
    /// Octets that the program can read.
    pub(super) unread: u32,
    /// The packets of the receive queue: octets that are unread, and the memory that they take.
    pub(super) queue: VecDeque<(u32, u32)>,
    /// Octets that came out of order, by their place in the peer's stream.
    pub(super) held: BTreeMap<u32, Vec<u8>>,
    /// The peer's FIN was taken.
    pub(super) end_received: bool,
    /// The socket is in use until then, and these segments wait.
    busy_until: Option<Instant>,
    backlog: Vec<(Rc<[u8]>, bool)>,
    /// ICMP has told of a smaller path.
    narrowed: bool,
    /// What the program was told.
    pub(crate) error: Option<ConnError>,
    /// The last call's segments: the octets, and whether there is data.
    pub(crate) outgoing: Vec<Outgoing>,
    /// What happened, for the chart, if it is drawn.
    pub(crate) notes: Option<Vec<String>>,
    /// The arcs that were taken.
    pub(crate) arcs: BTreeSet<&'static str>,
    /// How often which timer fired.
    pub(crate) timers: BTreeMap<&'static str, u64>,
    /// How often which reason was counted.
    pub(crate) drops: BTreeMap<&'static str, u64>,
}

/// A segment that is sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) octets: Rc<[u8]>,
    pub(crate) has_data: bool,
    pub(crate) ect: bool,
    /// For the chart.
    pub(crate) words: String,
}

impl End {
    /// An end before the connection. Its stream starts at `streams.0` of the content of all streams, the peer's at `streams.1`.
    pub(crate) fn new(
        plan: EndPlan,
        program: ProgramPlan,
        streams: (u32, u32),
        mut dice: Dice,
        draws: bool,
    ) -> Self {
        let program = Program::new(program, streams.0, dice.split());
        let watch = Watch::new(plan.default_snd_mss, plan.path_mss);
        Self {
            plan,
            form: Form::Closed,
            tcb: Tcb::new(),
            program,
            dice,
            watch,
            peer_stream: streams.1,
            attempts: 0,
            moves: 0,
            unread: 0,
            queue: VecDeque::new(),
            held: BTreeMap::new(),
            end_received: false,
            busy_until: None,
            backlog: Vec::new(),
            narrowed: false,
            error: None,
            outgoing: Vec::new(),
            notes: draws.then(Vec::new),
            arcs: BTreeSet::new(),
            timers: BTreeMap::new(),
            drops: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            notes.push(text());
        }
    }

    fn params(&mut self) -> OpenParams {
        let plan = &self.plan;
        let iss = plan.iss.wrapping_add(self.attempts.wrapping_mul(NEXT_ISS));
        self.attempts += 1;
        OpenParams {
            iss: SeqNumber::from_raw(iss),
            ts_offset: plan.ts_offset,
            mss: plan.mss,
            default_snd_mss: plan.default_snd_mss,
            path_mss: plan.path_mss,
            rcv_space: self.space(),
            rcv_wscale: plan.wscale,
        }
    }

    /// The connection's state.
    pub(crate) fn state(&self) -> State {
        match &self.form {
            Form::Closed => State::Closed,
            Form::Listener => State::Listen,
            Form::Request(request) => request.state(),
            Form::Block => self.tcb.state(),
            Form::TimeWait(waiting) => waiting.state(),
        }
    }

    /// Whether nothing will happen here any more, unless a packet comes.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.form, Form::Closed) && self.program.gone
    }

    /// A number that grows whenever something is achieved here.
    pub(crate) fn progress(&self) -> u64 {
        let read = self.program.received - self.unread;
        u64::from(self.program.written)
            + u64::from(self.program.received)
            + u64::from(read)
            + self.moves
    }

    /// Whether it may wait for ever for a peer that does not answer: it has nothing to say, or is not connected.
    pub(crate) fn may_wait(&self) -> bool {
        match self.form {
            Form::Listener => true,
            Form::Block => self.tcb.next_deadline().is_none(),
            _ => false,
        }
    }

    /// Whether it still waited for the ACK of its FIN when the peer's TIME-WAIT ended.
    pub(crate) fn outlived_time_wait_of(&self, peer: &Self) -> bool {
        peer.arcs.contains("time-wait-two-msl")
            && [
                "last-ack-rcv-rst",
                "last-ack-timeout",
                "closing-rcv-rst",
                "closing-timeout",
            ]
            .iter()
            .any(|arc| self.arcs.contains(arc))
    }

    /// The number after the last one that arrived in order.
    pub(super) fn received_until(&self) -> SeqNumber {
        self.watch.origins().1 + 1 + self.program.received + u32::from(self.end_received)
    }

    /// setsockopt(), before the connection is made or after it was accepted.
    fn set_options(&mut self) {
        let mut settings = *self.tcb.settings();
        settings.nodelay = self.plan.nodelay;
        settings.keepalive = self.plan.keepalive != Duration::from_us(0);
        let secs = (self.plan.keepalive.as_us() / 1_000_000).max(1) as i32;
        let set = settings
            .set_keepalive_time(secs)
            .and(settings.set_keepalive_intvl(secs))
            .and(settings.set_keepalive_probes(i32::from(self.plan.cfg.retries2)))
            .and(settings.set_user_timeout((self.plan.user_timeout.as_us() / 1_000) as i32));
        debug_assert!(set.is_ok());
        self.tcb.apply_settings(settings, &self.plan.cfg);
    }

    /// listen() or connect().
    pub(crate) fn start(&mut self, now: Instant) -> Check {
        self.set_options();
        if self.plan.active {
            let params = self.params();
            self.form = Form::Block;
            self.program.start(now);
            self.note(|| "connect".to_string());
            self.user(now, UserCall::Connect(params))
        } else {
            self.note(|| "listen".to_string());
            self.form = Form::Listener;
            Ok(())
        }
    }

    /// When it wants to be called without a packet.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        if self.busy_until.is_some() {
            return self.busy_until;
        }
        let timer = match &self.form {
            Form::Request(request) => request.next_deadline(),
            Form::Block => self.tcb.next_deadline(),
            Form::TimeWait(waiting) => waiting.next_deadline(),
            Form::Listener | Form::Closed => None,
        };
        let timer = timer.map(|(_, deadline)| deadline);
        timer.into_iter().chain(self.program.wakes_at()).min()
    }

    /// The time has come.
    pub(crate) fn wake(&mut self, now: Instant) -> Check {
        if let Some(until) = self.busy_until {
            return if until <= now {
                self.release(now)
            } else {
                Ok(())
            };
        }
        self.expire(now)?;
        self.run_program(now)
    }

    /// A segment arrives that is whole.
    pub(crate) fn arrive(&mut self, now: Instant, octets: &Rc<[u8]>, marked: bool) -> Check {
        let is_block = matches!(self.form, Form::Block);
        let roll = self.dice.happens(self.plan.busy);
        let time = Duration::from_us(self.dice.between(1, self.plan.busy_for.as_us()));
        if self.busy_until.is_none() && is_block && roll {
            self.note(|| "the socket is in use".to_string());
            self.busy_until = Some(now + time);
        }
        if self.busy_until.is_some() {
            self.backlog.push((Rc::clone(octets), marked));
            return Ok(());
        }
        self.process(now, octets, marked, false)
    }

    /// The socket is in use no longer: what waited is handled, then all is sent that is due, as in `net::rx::backlog`.
    fn release(&mut self, now: Instant) -> Check {
        self.busy_until = None;
        let backlog = core::mem::take(&mut self.backlog);
        self.note(|| format!("{} segments waited", backlog.len()));
        for (octets, marked) in backlog {
            self.process(now, &octets, marked, true)?;
        }
        self.expire(now)?;
        if matches!(self.form, Form::Block) {
            self.transmit(now)?;
        }
        Ok(())
    }

    /// ICMP tells that the path takes no larger segments any more, header included.
    pub(crate) fn path_narrowed(&mut self, now: Instant, most: u16) -> Check {
        let mss = most.saturating_sub(MIN_HEADER);
        self.note(|| format!("the path takes {mss} octets"));
        self.plan.path_mss = self.plan.path_mss.min(mss);
        self.narrowed = true;
        self.watch.set_path_mss(self.plan.path_mss);
        if !matches!(self.form, Form::Block) {
            return Ok(());
        }
        self.tcb.set_path_mss(self.plan.path_mss);
        match self.busy_until {
            Some(_) => Ok(()),
            None => self.transmit(now),
        }
    }

    fn process(&mut self, now: Instant, octets: &[u8], marked: bool, deferred: bool) -> Check {
        let mut segment = Segment::parse(octets, octets.len() as u32)
            .map_err(|error| format!("what was sent cannot be read: {error:?}"))?;
        segment.ce = marked;
        let cfg = self.plan.cfg;
        let mut out = Outbox::new();
        match &mut self.form {
            Form::Closed => {
                if let Some((rst, _)) = closed_on_segment(&segment) {
                    self.send_stateless(&rst)?;
                }
                Ok(())
            }
            Form::Listener => match listen_on_segment(&segment) {
                ListenVerdict::Open => self.open(now, &segment),
                ListenVerdict::Reset(rst, _) => self.send_stateless(&rst),
                ListenVerdict::Drop(_) => Ok(()),
            },
            Form::Request(request) => {
                let verdict = request.on_segment(now, &segment, &cfg, &mut out);
                let mut child = Tcb::new();
                request.establish(now, &cfg, &mut child);
                self.watch.received(&segment);
                self.count(&out);
                match verdict {
                    ReqVerdict::Establish => {
                        self.tcb = child;
                        self.set_options();
                        self.form = Form::Block;
                        self.note(|| "accept".to_string());
                        self.program.start(now);
                        if self.narrowed {
                            self.tcb.set_path_mss(self.plan.path_mss);
                        }
                        return self.process(now, octets, marked, deferred);
                    }
                    ReqVerdict::Remove => self.listen_again(),
                    ReqVerdict::Keep => {}
                }
                match out.reply {
                    Some(reply) => self.send(&reply.segment).map(|_| ()),
                    None => Ok(()),
                }
            }
            Form::Block => {
                self.watch.received(&segment);
                self.update_room();
                let room = self.room_for(&segment);
                self.tcb.set_receive_space(room);
                self.tcb.on_segment(now, &segment, &cfg, &mut out);
                if self.plan.overhead != 0 && (out.deliver.is_some() || out.hold.is_some()) {
                    let memory = segment.payload_len + self.plan.overhead;
                    self.tcb.note_packet(now, &segment, memory);
                }
                self.take_text(&out, &octets[usize::from(segment.header_len)..])?;
                self.apply(now, &out, deferred)
            }
            Form::TimeWait(waiting) => {
                match waiting.on_segment(now, &segment, &cfg, &mut out) {
                    TwVerdict::Keep => {}
                    TwVerdict::Reopen { .. } => {
                        return Err("an old SYN opens a connection anew (RFC 6191 2)".to_string())
                    }
                    TwVerdict::Remove => self.form = Form::Closed,
                }
                self.count(&out);
                match out.reply {
                    Some(reply) => self.send_stateless(&reply.segment),
                    None => Ok(()),
                }
            }
        }
    }

    /// A SYN reached the listener.
    fn open(&mut self, now: Instant, segment: &Segment) -> Check {
        let mut out = Outbox::new();
        let params = self.params();
        let request = SynReq::open(now, segment, &params, false, &self.plan.cfg, &mut out);
        let syn_ack = request.syn_ack(now);
        self.form = Form::Request(Box::new(request));
        self.count(&out);
        self.watch.received(segment);
        self.send(&syn_ack).map(|_| ())
    }

    /// The request has gone, the listener is still there.
    fn listen_again(&mut self) {
        self.note(|| "back to LISTEN".to_string());
        self.form = Form::Listener;
        self.watch.forget();
    }

    /// Counts what a call did.
    fn count(&mut self, out: &Outbox) {
        self.moves += out.arcs.iter().count() as u64;
        self.arcs.extend(out.arcs.iter().map(|id| id.arc().name));
        for reason in out.drop.into_iter().chain(out.notes()) {
            *self.drops.entry(reason.name()).or_default() += 1;
            self.note(|| format!("  {}", reason.name()));
        }
        for id in out.arcs.iter() {
            self.note(|| format!("  {}", id.arc().to.name()));
        }
    }

    /// Carries out what a call of the machine asks for, as `net::effects::apply`.
    pub(super) fn apply(&mut self, now: Instant, out: &Outbox, deferred: bool) -> Check {
        self.tcb.invariants()?;
        self.count(out);
        self.end_received |= out.fin_received;
        if let Some(reply) = out.reply {
            if reply.why == ReplyWhy::KeepAlive {
                self.watch.keep_alive(&reply.segment)?;
                self.put(
                    &reply.segment,
                    &[0xff][..reply.segment.payload_len as usize],
                )?;
            } else {
                self.send(&reply.segment)?;
            }
        }
        match out.fate {
            Fate::Live if deferred => {}
            Fate::Live => self.transmit(now)?,
            Fate::TimeWait => {
                let waiting = TimeWait::from_tcb(&self.tcb, now, &self.plan.cfg);
                self.tcb.retire();
                self.form = Form::TimeWait(waiting);
            }
            Fate::Closed if self.plan.active || self.program.started() => self.form = Form::Closed,
            Fate::Closed => self.listen_again(),
        }
        if let Some(error) = out.error {
            self.note(|| format!("  error: {error:?}"));
            self.error = Some(error);
            if !out.wake.contains(Wake::ERROR) {
                return Err("nobody is told of an error".to_string());
            }
            self.program.gone = true;
        }
        if out.wake.contains(Wake::READABLE) {
            self.program.may_read(now);
        }
        if out.wake.contains(Wake::WRITABLE) || out.wake.contains(Wake::STATE_CHANGE) {
            self.program.may_write(now);
        }
        Ok(())
    }

    /// Does what is due by a timer.
    fn expire(&mut self, now: Instant) -> Check {
        let mut out = Outbox::new();
        match &mut self.form {
            Form::Request(request) => match request.on_timer(now, &self.plan.cfg, &mut out) {
                ReqTimer::Resend => {
                    let syn_ack = request.syn_ack(now);
                    self.note(|| "timer: syn-ack".to_string());
                    self.send(&syn_ack)?;
                }
                ReqTimer::GiveUp => {
                    self.count(&out);
                    self.listen_again();
                }
                ReqTimer::NotYet => {}
            },
            Form::Block => {
                let due = self.tcb.next_deadline().filter(|(_, at)| *at <= now);
                let Some((kind, _)) = due else {
                    return Ok(());
                };
                *self.timers.entry(kind.name()).or_default() += 1;
                self.note(|| format!("timer: {}", kind.name()));
                self.update_room();
                self.tcb.on_timer(now, &self.plan.cfg, &mut out);
                self.apply(now, &out, false)?;
                let next = self.tcb.next_deadline();
                if next.is_some_and(|(_, at)| at <= now) && matches!(self.form, Form::Block) {
                    return Err("a timer fires again at once".to_string());
                }
            }
            Form::TimeWait(waiting) => {
                if waiting.on_timer(now, &mut out) {
                    self.form = Form::Closed;
                    self.count(&out);
                }
            }
            Form::Listener | Form::Closed => {}
        }
        Ok(())
    }
}
