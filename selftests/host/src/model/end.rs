// SPDX-License-Identifier: GPL-2.0

//! One end of the model: the machine in all its forms, and what may happen to it next. Time stands still.
//!
//! The machine is the real one. Beside it an end knows what only an onlooker can: which attempt at a connection is whose, and
//! which octets were written.

use super::claims::Fault;
use super::setup::{Broken, Setup};
use crate::fsm::segment::Segment;
use crate::fsm::timers::TimerKind;
use crate::fsm::{Instant, OpenParams, SeqNumber, State, SynReq, TimeWait};
use crate::records::Records;

/// The machine, with its lists in the host's memory.
pub(super) type Tcb = crate::fsm::Tcb<Records>;

/// When everything happens.
pub(super) const NOW: Instant = Instant::from_us(1_000_000_000);

/// How far apart the initial sequence numbers of two attempts are: more than what is added to those of a TIME-WAIT, and than any
/// window (MUST-8: the clock goes on).
const NEXT_ISS: u32 = 100_000;

/// The largest segment: all data fits into one.
const MSS: u16 = 536;

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
    pub(super) listener: Option<Box<Tcb>>,
    /// Attempts at a connection so far.
    pub(super) attempts: u8,
    /// The attempt of the connection that there is, and the peer's whose SYN it took; 0: none.
    pub(super) ours: u8,
    pub(super) theirs: u8,
    /// A program holds the socket.
    pub(super) here: bool,
    /// Octets that it wrote, received and did not read.
    pub(super) written: u8,
    pub(super) received: u8,
    pub(super) unread: u8,
    /// The peer's FIN was taken.
    pub(super) ended: bool,
    /// Our FIN was sent.
    pub(super) fin_sent: bool,
    /// What came out of order: number and octet.
    pub(super) held: Vec<(SeqNumber, u8)>,
    pub(super) writes_left: u8,
    pub(super) restarts_left: u8,
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

impl End {
    pub(super) fn new(setup: &Setup, side: usize) -> Self {
        Self {
            writes_left: setup.writes[side],
            restarts_left: setup.restarts[side],
            ..Self::without_connection()
        }
    }

    /// Nothing is there, and nothing is left to be done.
    fn without_connection() -> Self {
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
            writes_left: 0,
            restarts_left: 0,
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
    pub(super) fn is_waiting(&self, setup: &Setup) -> bool {
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
    pub(super) fn space(&self, setup: &Setup) -> u32 {
        let used = u32::from(self.unread) + self.held.len() as u32;
        setup.buffer.saturating_sub(used)
    }

    /// There is no connection any more.
    pub(super) fn forget(&mut self) {
        let fresh = Self {
            listener: self.listener.take(),
            attempts: self.attempts,
            writes_left: self.writes_left,
            restarts_left: self.restarts_left,
            ..Self::without_connection()
        };
        *self = fresh;
    }

    pub(super) fn next_attempt(&mut self, setup: &Setup, side: usize) -> OpenParams {
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

    /// Whether a program loses something by the end of the connection of this block: octets that the peer has not acknowledged, or
    /// those that the peer may still have had to say. That the peer has not acknowledged the last FIN does not matter.
    pub(super) fn is_lost(&self) -> bool {
        let Some([iss, _, una, _, _]) = self.block().map(Tcb::numbers) else {
            return false;
        };
        !self.ended || una.before(iss + 1 + u32::from(self.written))
    }
}

/// The octet at this place of the stream of an attempt.
pub(super) fn content(attempt: u8, at: u8) -> u8 {
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
