// SPDX-License-Identifier: GPL-2.0

//! TIME-WAIT in a few octets (RFC 9293 section 3.10.7.4; RFC 6191; RFC 1337).

use super::abstraction::some_time_after;
use super::arcs::{Event, MachineState, State};
use super::config::Config;
use super::options::{OutOptions, Timestamps};
use super::outbox::{Fate, Outbox, ReplyWhy};
use super::reasons::{ChallengeReason, DropReason};
use super::records::RecordList;
use super::segment::{Flags, Segment, SegmentOut};
use super::seq::SeqNumber;
use super::tcb::{ts_before, ts_clock, Status, Tcb};
use super::time::{Duration, Instant};
use super::timers::TimerKind;
use super::window::window_field;

/// How far beyond the old connection's last number a new one starts at least: no window reaches from one to the other
/// by accident.
const ISS_GAP: u32 = 65_537;

/// How long the old connection must have rested before its ports are taken for a new one: a tick of any peer's
/// timestamp clock (RFC 7323 section 5.4: at most 1 s).
const REUSE_AFTER: Duration = Duration::from_secs(1);

/// What becomes of a TIME-WAIT after a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TwVerdict {
    /// It stays; its deadline may have moved.
    Keep,
    /// The segment is a SYN that may open the connection anew: it goes to the listener, and `SynReq::open` takes the
    /// arc. Without a listener, or if it refuses, the TIME-WAIT stays.
    Reopen {
        /// The new initial sequence number must not be before this one.
        iss_floor: SeqNumber,
    },
    /// It goes away.
    Remove,
}

/// What a new connection must observe that takes the ports of one in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReuseFloor {
    /// The initial sequence number must not be before this one.
    pub(crate) iss: SeqNumber,
    /// Our timestamps must have this offset: they must not go back.
    pub(crate) ts_offset: u32,
}

/// A connection in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TimeWait {
    deadline: Instant,
    /// When the state was entered, in milliseconds, modulo 2^32.
    since_ms: u32,
    iss: SeqNumber,
    irs: SeqNumber,
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    ts_recent: u32,
    ts_offset: u32,
    /// The window field of our ACKs.
    wnd: u16,
    machine: MachineState,
    /// The shift of our windows in the low four bits, [`TS_ON`](Self::TS_ON).
    bits: u8,
}

const _: () = assert!(core::mem::size_of::<TimeWait>() <= 40);

impl TimeWait {
    /// The bit for timestamps.
    const TS_ON: u8 = 0x80;
    /// The bits of the window scale.
    const SCALE: u8 = 0x0f;

    /// Continues a Tcb that has just entered TIME-WAIT; the Tcb is then to be [retired](Tcb::retire). No arc is taken: it is the
    /// same connection.
    pub(crate) fn from_tcb<L: RecordList>(tcb: &Tcb<L>, now: Instant, cfg: &Config) -> Self {
        let ts_on = if tcb.ts_on { Self::TS_ON } else { 0 };
        Self {
            deadline: now + cfg.time_wait(),
            since_ms: ms(now),
            iss: tcb.iss,
            irs: tcb.irs,
            snd_nxt: tcb.snd_nxt,
            rcv_nxt: tcb.rcv_nxt,
            ts_recent: tcb.ts_recent,
            ts_offset: tcb.ts_offset,
            wnd: window_field(tcb.rcv_wnd(), tcb.rcv_wscale),
            machine: tcb.machine(),
            bits: ts_on | (tcb.rcv_wscale & Self::SCALE),
        }
    }

    /// The state: TIME-WAIT, until it is over.
    #[inline]
    pub(crate) const fn state(&self) -> State {
        self.machine.get()
    }

    #[inline]
    fn ts_on(&self) -> bool {
        self.bits & Self::TS_ON != 0
    }

    /// RCV.WND.
    #[inline]
    fn rcv_wnd(&self) -> u32 {
        u32::from(self.wnd) << (self.bits & Self::SCALE)
    }

    /// A segment for this connection: RFC 9293 section 3.10.7.4 for TIME-WAIT.
    pub(crate) fn on_segment(
        &mut self,
        now: Instant,
        segment: &Segment,
        cfg: &Config,
        out: &mut Outbox,
    ) -> TwVerdict {
        let flags = segment.flags;
        if flags.contains(Flags::RST) {
            return self.on_rst(now, segment, cfg, out);
        }
        if flags.contains(Flags::SYN) {
            return self.on_syn(now, segment, cfg, out);
        }
        let timestamps = segment.options.timestamps.filter(|_| self.ts_on());
        let too_old = timestamps.is_some_and(|ts| ts_before(ts.val, self.ts_recent));
        if too_old || !self.is_in_window(segment) {
            self.on_unacceptable(now, segment, too_old, cfg, out);
            return TwVerdict::Keep;
        }
        if let Some(timestamps) = timestamps {
            if segment.seq == self.rcv_nxt {
                self.ts_recent = timestamps.val;
            }
        } else if self.ts_on() {
            // RFC 7323 3.2.
            out.discard(DropReason::MissingTimestamp);
            return TwVerdict::Keep;
        }
        // Fifth: ACK.
        if !flags.contains(Flags::ACK) {
            out.discard(DropReason::NoAck);
        } else if segment.ack.after(self.snd_nxt) {
            out.discard(DropReason::BadAck);
            self.challenge(now, ChallengeReason::UnacceptableAck, out);
        } else if segment.seg_len() != 0 {
            // The peer has closed: it cannot have more to say.
            out.discard(DropReason::AfterClose);
        }
        TwVerdict::Keep
    }

    // Second: RST; RFC 5961 3.2; RFC 1337 section 3.
    fn on_rst(
        &mut self,
        now: Instant,
        segment: &Segment,
        cfg: &Config,
        out: &mut Outbox,
    ) -> TwVerdict {
        if segment.seq == self.rcv_nxt {
            if cfg.rfc1337 {
                out.discard(DropReason::RstInTimeWait);
                return TwVerdict::Keep;
            }
            self.end(Event::RcvRst, out);
            return TwVerdict::Remove;
        }
        if segment.seq.in_window(self.rcv_nxt, self.rcv_wnd()) {
            out.discard(DropReason::RstInWindow);
            self.challenge(now, ChallengeReason::RstInWindow, out);
        } else {
            out.discard(DropReason::RstOutOfWindow);
        }
        TwVerdict::Keep
    }

    // Fourth: SYN.
    fn on_syn(
        &mut self,
        now: Instant,
        segment: &Segment,
        cfg: &Config,
        out: &mut Outbox,
    ) -> TwVerdict {
        if !segment.flags.contains(Flags::ACK) && self.may_reopen(segment, cfg) {
            return TwVerdict::Reopen {
                iss_floor: self.iss_floor(),
            };
        }
        // RFC 5961 4.2: whatever its sequence number.
        out.discard(DropReason::StaleSyn);
        self.challenge(now, ChallengeReason::Syn, out);
        TwVerdict::Keep
    }

    /// RFC 6191 section 2: whether a SYN is new for sure. MAY-2, SHLD-4.
    fn may_reopen(&self, segment: &Segment, cfg: &Config) -> bool {
        let later = segment.seq.at_or_after(self.rcv_nxt);
        match segment.options.timestamps.filter(|_| cfg.timestamps) {
            Some(timestamps) if self.ts_on() => {
                ts_before(self.ts_recent, timestamps.val)
                    || (timestamps.val == self.ts_recent && later)
            }
            // The old connection had none: its SYN cannot be this one.
            Some(_) => true,
            None => later,
        }
    }

    /// A SYN could open the connection anew, but nobody listens: it is answered as any other.
    pub(crate) fn refuse(&self, now: Instant, out: &mut Outbox) {
        out.discard(DropReason::StaleSyn);
        self.challenge(now, ChallengeReason::Syn, out);
    }

    fn iss_floor(&self) -> SeqNumber {
        self.snd_nxt + ISS_GAP
    }

    // First: sequence number, timestamp. Eighth: the FIN again.
    fn on_unacceptable(
        &mut self,
        now: Instant,
        segment: &Segment,
        too_old: bool,
        cfg: &Config,
        out: &mut Outbox,
    ) {
        let seg_len = segment.seg_len();
        let end = segment.seq + seg_len;
        out.discard(if too_old {
            DropReason::PawsRejected
        } else if end.at_or_before(self.rcv_nxt) {
            DropReason::Duplicate
        } else {
            DropReason::OutOfWindow
        });
        if seg_len == 0 {
            self.challenge(now, ChallengeReason::OutOfWindow, out);
            return;
        }
        out.reply(self.ack(now), ReplyWhy::Ack);
        if !too_old && segment.flags.contains(Flags::FIN) && end == self.rcv_nxt {
            // The peer has not seen the ACK of its FIN: 2MSL starts again.
            self.deadline = now + cfg.time_wait();
        }
    }

    fn is_in_window(&self, segment: &Segment) -> bool {
        let wnd = self.rcv_wnd();
        if wnd == 0 {
            return segment.seq == self.rcv_nxt;
        }
        let seg_len = segment.seg_len();
        segment.seq.in_window(self.rcv_nxt, wnd)
            || (seg_len != 0 && (segment.seq + (seg_len - 1)).in_window(self.rcv_nxt, wnd))
    }

    fn ack(&self, now: Instant) -> SegmentOut {
        SegmentOut {
            seq: self.snd_nxt,
            ack: self.rcv_nxt,
            flags: Flags::ACK,
            wnd: self.wnd,
            urg: 0,
            options: OutOptions {
                timestamps: self.ts_on().then(|| Timestamps {
                    val: ts_clock(now, self.ts_offset),
                    ecr: self.ts_recent,
                }),
                ..OutOptions::none()
            },
            payload_len: 0,
            ect: false,
            piece: 0,
        }
    }

    /// There is no limit for each connection here, only the namespace's: nothing that is sent in answer is answered again.
    fn challenge(&self, now: Instant, why: ChallengeReason, out: &mut Outbox) {
        out.reply(self.ack(now), ReplyWhy::Challenge(why));
    }

    fn end(&mut self, event: Event, out: &mut Outbox) {
        self.machine.take(event, out);
        out.fate = Fate::Closed;
    }

    /// Whether 2MSL are over; if so, the arc is taken (RFC 9293 section 3.10.8, MUST-13).
    pub(crate) fn on_timer(&mut self, now: Instant, out: &mut Outbox) -> bool {
        if now < self.deadline {
            return false;
        }
        self.end(Event::TwoMsl, out);
        true
    }

    /// The host takes the memory back: there are too many, or the namespace ends, or its ports are taken for a new
    /// connection.
    pub(crate) fn evict(&mut self, out: &mut Outbox) {
        self.end(Event::Evict, out);
    }

    /// Whether connect() may take the ports: only where timestamps tell the old segments from the new ones (RFC 6191
    /// section 2). Where `tw_reuse` is 2, the caller sees to it that both addresses are loopback.
    pub(crate) fn may_reuse_for_connect(&self, now: Instant, cfg: &Config) -> Option<ReuseFloor> {
        let rested = now.since(self.since()) >= REUSE_AFTER;
        (cfg.tw_reuse != 0 && cfg.timestamps && self.ts_on() && rested).then(|| ReuseFloor {
            iss: self.iss_floor(),
            ts_offset: self.ts_offset,
        })
    }

    /// Forgets all times, as [`Tcb::forget_time`].
    #[allow(dead_code, reason = "the module does not call it, model checking does")]
    pub(crate) fn forget_time(&mut self, now: Instant) {
        self.since_ms = ms(now);
        self.deadline = some_time_after(now);
    }

    /// When the state was entered, rounded down to milliseconds. It is less than 49 days before the deadline.
    fn since(&self) -> Instant {
        let total = ms(self.deadline).wrapping_sub(self.since_ms);
        let deadline_ms = self.deadline.as_us() / 1_000;
        let since_ms = deadline_ms.saturating_sub(u64::from(total));
        Instant::from_us(since_ms.saturating_mul(1_000))
    }

    /// The timer that runs, and when it fires.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<(TimerKind, Instant)> {
        Some((TimerKind::TimeWait, self.deadline))
    }

    /// What `/proc` shows.
    pub(crate) fn status(&self) -> Status {
        Status {
            state: self.state(),
            timer: self.next_deadline(),
            retransmits: 0,
            snd_una: self.snd_nxt.distance_from(self.iss),
            snd_nxt: self.snd_nxt.distance_from(self.iss),
            snd_wnd: 0,
            rcv_nxt: self.rcv_nxt.distance_from(self.irs),
            rcv_wnd: self.rcv_wnd(),
            since: self.since(),
        }
    }
}

/// An instant in milliseconds, modulo 2^32.
fn ms(at: Instant) -> u32 {
    (at.as_us() / 1_000) as u32
}
