// SPDX-License-Identifier: GPL-2.0

//! The transmission control block: all that is known of one connection (RFC 9293 section 3.3.1).
//!
//! The variables have their names in the RFC. What the RFC derives from the state's name is kept in flags of its own
//! here: whether our SYN is acknowledged, whether our FIN is queued or was sent, whether the peer's has come.

use super::ack::Acks;
use super::arcs::{Event, MachineState, State};
use super::autotune::Tuning;
use super::congestion::{Congestion, Kind};
use super::ecn::Ecn;
use super::info::Traffic;
use super::keepalive::Liveness;
use super::outbox::{ConnError, Fate, Outbox, Wake};
use super::reassembly::Gaps;
use super::records::RecordList;
use super::recovery::Recovery;
use super::rtt::RttEstimator;
use super::runs::MaxRun;
use super::scoreboard::Sums;
use super::seq::SeqNumber;
use super::settings::Settings;
use super::time::{Duration, Instant};
use super::timers::TimerKind;

/// The least send MSS that is believed, in octets: an absurd offer must not make a segment of each octet.
pub(crate) const MIN_SND_MSS: u16 = 48;

/// The octets that the timestamps take in each header, padding included (RFC 7323 appendix A).
pub(super) const TIMESTAMPS_LEN: u32 = 12;

/// The most octets that a send queue may hold: sequence numbers stay comparable.
pub(crate) const MAX_QUEUED: u32 = 1 << 30;

/// Between two challenge ACKs of one connection (RFC 5961 section 7).
pub(crate) const CHALLENGE_INTERVAL: Duration = Duration::from_ms(500);

/// What the owner of a connection knows when it is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenParams {
    /// Our initial sequence number.
    pub(crate) iss: SeqNumber,
    /// What is added to the clock in our timestamps, in ticks of a millisecond.
    pub(crate) ts_offset: u32,
    /// The largest segment that we take, to be offered in the MSS option (MUST-67).
    pub(crate) mss: u16,
    /// The send MSS for a peer that offers none: 536 or 1220 octets (MUST-15).
    pub(crate) default_snd_mss: u16,
    /// The largest segment that the path takes, options not deducted.
    pub(crate) path_mss: u16,
    /// The free receive buffer, in octets.
    pub(crate) rcv_space: u32,
    /// The scale of our windows, if it is agreed upon: 0 to 14.
    pub(crate) rcv_wscale: u8,
}

/// What `/proc` shows of a connection, a request or a TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// The state.
    pub(crate) state: State,
    /// The timer that runs, and when it fires.
    pub(crate) timer: Option<(TimerKind, Instant)>,
    /// Retransmissions or probes since the peer last answered.
    pub(crate) retransmits: u8,
    /// SND.UNA less ISS.
    pub(crate) snd_una: u32,
    /// SND.NXT less ISS.
    pub(crate) snd_nxt: u32,
    /// SND.WND in octets.
    pub(crate) snd_wnd: u32,
    /// RCV.NXT less IRS.
    pub(crate) rcv_nxt: u32,
    /// RCV.WND in octets.
    pub(crate) rcv_wnd: u32,
    /// When the state was entered.
    pub(crate) since: Instant,
}

/// A connection, or a socket without one (CLOSED and LISTEN included).
///
/// `L` is the memory for what must be known of single segments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tcb<L: RecordList> {
    machine: MachineState,
    /// An arc was taken since it was made.
    used: bool,

    /// A listener's child (MUST-11); else this side opened actively.
    pub(super) passive: bool,
    /// Our SYN is acknowledged.
    pub(super) syn_acked: bool,
    /// The user closed the send side: a FIN follows the last octet of the queue.
    pub(super) fin_queued: bool,
    /// Our FIN was sent, with the sequence number `write_end`.
    pub(super) fin_sent: bool,
    /// The peer's FIN was taken; RCV.NXT is beyond it.
    pub(super) fin_received: bool,
    /// Nobody holds the socket any more: data that arrives has no reader.
    pub(super) user_gone: bool,
    /// The program has shut down the receive side.
    pub(super) reads_no_more: bool,
    /// An ACK is to be sent, with data if there is any.
    pub(super) ack_due: bool,
    /// What else is known of the ACKs that we owe.
    pub(super) acks: Acks,
    /// The next segment is sent whatever its size: a retransmission, a probe, or small data after long waiting.
    pub(super) force: bool,
    /// The congestion window starts anew after an idle time.
    pub(super) idle_restart: bool,
    /// What is queued goes out whatever its size: neither Nagle nor a cork holds it back.
    pub(super) push: bool,
    /// The program has more to say (MSG_MORE): the last, small segment waits for it.
    pub(super) more: bool,
    /// Timestamps: offered in SYN-SENT, agreed upon after it.
    pub(super) ts_on: bool,
    /// Window scaling: offered in SYN-SENT, agreed upon after it.
    pub(super) ws_on: bool,
    /// Selective acknowledgments: offered in SYN-SENT, agreed upon after it.
    pub(super) sack_on: bool,
    /// Our SYN, sent at `rtt_start`, is timed: it was not retransmitted (MUST-18). Later segments are timed by `sent`.
    pub(super) rtt_timing: bool,
    /// Our SYN is to be sent, for the first time or again.
    pub(super) syn_due: bool,
    /// A tail loss probe is to be sent (RFC 8985 section 7.3).
    pub(super) probe_due: bool,
    /// When something was sent last, the congestion window kept more from being sent.
    pub(super) cwnd_limited: bool,
    /// RCV.UP is meaningful: the program has not read all urgent data.
    pub(super) urgent: bool,
    /// A challenge ACK was sent, at `last_challenge`.
    pub(super) challenged: bool,

    /// The timer that runs: of the three kinds at most one is ever needed.
    pub(super) timer: Option<TimerKind>,
    /// Retransmissions or probes since the peer last answered.
    pub(super) retries: u8,
    /// How often the interval between zero-window probes was doubled.
    pub(super) probe_backoff: u8,
    /// The shift of the peer's windows.
    pub(super) snd_wscale: u8,
    /// The shift of our windows.
    pub(super) rcv_wscale: u8,
    /// The largest segment that we take, as offered.
    pub(super) rcv_mss: u16,
    /// The largest segment that the peer takes.
    pub(super) snd_mss: u16,
    /// The largest segment that the path takes.
    pub(super) path_mss: u16,
    /// See [`effective_mss`](Tcb::effective_mss).
    mss: u16,

    pub(super) iss: SeqNumber,
    pub(super) snd_una: SeqNumber,
    pub(super) snd_nxt: SeqNumber,
    /// The end of the last segment that was smaller than the MSS (Nagle).
    pub(super) snd_small: SeqNumber,
    /// The number after the last octet of the send queue: that of the FIN.
    pub(super) write_end: SeqNumber,
    pub(super) snd_wnd: u32,
    /// The largest run of segments.
    pub(super) max_run: MaxRun,
    /// The largest SND.WND there was.
    pub(super) max_snd_wnd: u32,
    /// SND.UP, while urgent data is not acknowledged: the number after its last octet.
    pub(super) snd_up: Option<SeqNumber>,
    pub(super) snd_wl1: SeqNumber,
    pub(super) snd_wl2: SeqNumber,

    pub(super) irs: SeqNumber,
    pub(super) rcv_nxt: SeqNumber,
    /// RCV.NXT + RCV.WND as last offered. In SYN-SENT: the window itself.
    pub(super) rcv_adv: SeqNumber,
    /// RCV.UP: the number after the last urgent octet.
    pub(super) rcv_up: SeqNumber,
    /// The free receive buffer, in octets.
    pub(super) rcv_space: u32,
    /// The receive buffer as a window, in octets.
    pub(super) rcv_buf: u32,

    /// TS.Recent (RFC 7323 section 4.3).
    pub(super) ts_recent: u32,
    /// Last.ACK.sent (RFC 7323 section 4.3).
    pub(super) last_ack_sent: SeqNumber,
    /// What is added to the clock in our timestamps, in milliseconds.
    pub(super) ts_offset: u32,
    /// When TS.Recent was last set.
    pub(super) ts_recent_at: Instant,

    /// When `timer` fires.
    pub(super) deadline: Instant,
    /// When the state was entered.
    pub(super) since: Instant,
    /// When the last challenge ACK was sent.
    pub(super) last_challenge: Instant,

    /// When our SYN was sent.
    pub(super) rtt_start: Instant,
    /// When data was last sent.
    pub(super) last_sent: Instant,
    /// How long to wait for what may only be reordered; zero: nothing is late (RFC 8985 section 6.2, step 5).
    pub(super) reorder_wait: Duration,

    pub(super) rtt: RttEstimator,
    pub(super) congestion: Congestion,
    pub(super) recovery: Recovery,
    pub(super) ecn: Ecn,

    /// What the program has set.
    pub(super) settings: Settings,
    /// Is the peer there?
    pub(super) life: Liveness,
    /// What went over the wire.
    pub(super) traffic: Traffic,

    /// What is in flight: see [`scoreboard`](super::scoreboard).
    pub(super) sent: L,
    /// The sums of what is in `sent`.
    pub(super) sums: Sums,
    /// What arrived out of order.
    pub(super) held: L,
    /// What else is known of that.
    pub(super) gaps: Gaps,
    /// What is measured for the sizes of the buffers.
    pub(super) tuning: Tuning,
}

impl<L: RecordList> Tcb<L> {
    /// A socket without a connection.
    ///
    /// Inline, as what it is made of, so that it is made where it is to be: it is large.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        const ZERO: SeqNumber = SeqNumber::from_raw(0);
        const START: Instant = Instant::from_us(0);
        Self {
            machine: MachineState::CLOSED,
            used: false,
            passive: false,
            syn_acked: false,
            fin_queued: false,
            fin_sent: false,
            fin_received: false,
            user_gone: false,
            reads_no_more: false,
            ack_due: false,
            acks: Acks::new(),
            force: false,
            idle_restart: true,
            push: false,
            more: false,
            ts_on: false,
            ws_on: false,
            sack_on: false,
            rtt_timing: false,
            syn_due: false,
            probe_due: false,
            cwnd_limited: false,
            urgent: false,
            challenged: false,
            timer: None,
            retries: 0,
            probe_backoff: 0,
            snd_wscale: 0,
            rcv_wscale: 0,
            rcv_mss: 0,
            snd_mss: MIN_SND_MSS,
            path_mss: u16::MAX,
            mss: MIN_SND_MSS,
            iss: ZERO,
            snd_una: ZERO,
            snd_nxt: ZERO,
            snd_small: ZERO,
            write_end: ZERO,
            snd_wnd: 0,
            max_run: MaxRun::NONE,
            max_snd_wnd: 0,
            snd_up: None,
            snd_wl1: ZERO,
            snd_wl2: ZERO,
            irs: ZERO,
            rcv_nxt: ZERO,
            rcv_adv: ZERO,
            rcv_up: ZERO,
            rcv_space: 0,
            rcv_buf: 0,
            ts_recent: 0,
            last_ack_sent: ZERO,
            ts_offset: 0,
            ts_recent_at: START,
            deadline: START,
            since: START,
            last_challenge: START,
            rtt_start: START,
            last_sent: START,
            reorder_wait: Duration::from_us(0),
            rtt: RttEstimator::new(),
            congestion: Congestion::new(Kind::default(), MIN_SND_MSS),
            recovery: Recovery::new(),
            settings: Settings::new(),
            life: Liveness::default(),
            ecn: Ecn::default(),
            traffic: Traffic::default(),
            sent: L::default(),
            sums: Sums::default(),
            held: L::default(),
            gaps: Gaps::default(),
            tuning: Tuning::new(),
        }
    }

    /// Makes this the block of a new connection in the state of `machine` with these parameters, all sequence variables at their
    /// start. What the program has set is to be [applied](Self::apply_settings) then.
    pub(super) fn open(&mut self, machine: MachineState, now: Instant, params: &OpenParams) {
        // One that was never used is as new, and it is large.
        if self.used {
            *self = Self::new();
        }
        self.used = true;
        self.machine = machine;
        self.rcv_wscale = params.rcv_wscale;
        self.rcv_mss = params.mss;
        self.snd_mss = params.default_snd_mss.max(MIN_SND_MSS);
        self.path_mss = params.path_mss;
        self.iss = params.iss;
        self.snd_una = params.iss;
        self.snd_nxt = params.iss;
        self.snd_small = params.iss;
        self.write_end = params.iss + 1;
        self.rcv_space = params.rcv_space;
        self.rcv_buf = params.rcv_space;
        self.ts_offset = params.ts_offset;
        self.since = now;
        self.renew_mss();
    }

    /// The state.
    #[inline]
    pub(crate) const fn state(&self) -> State {
        self.machine.get()
    }

    /// The machine, for who continues the connection in another form.
    #[inline]
    pub(super) const fn machine(&self) -> MachineState {
        self.machine
    }

    /// Takes the arc of `event`.
    pub(super) fn take(&mut self, now: Instant, event: Event, out: &mut Outbox) {
        let before = self.state();
        self.used = true;
        self.machine.take(event, out);
        if self.state() != before {
            self.since = now;
        }
    }

    /// Ends the connection by the arc of `event`, with an error for the program if there is one.
    pub(super) fn end(
        &mut self,
        now: Instant,
        event: Event,
        error: Option<ConnError>,
        out: &mut Outbox,
    ) {
        self.take(now, event, out);
        self.fall_silent();
        out.wake |= Wake::READABLE | Wake::WRITABLE | Wake::STATE_CHANGE;
        if error.is_some() {
            out.error = error;
            out.wake |= Wake::ERROR;
        }
        out.fate = Fate::Closed;
    }

    /// What is left of the Tcb when its connection went on as a `TimeWait`: CLOSED, without an arc, since the connection
    /// itself is still in TIME-WAIT.
    pub(crate) fn retire(&mut self) {
        self.machine = MachineState::CLOSED;
        self.fall_silent();
    }

    /// Nothing is to be sent any more, no timer runs, and what is held has no reader.
    fn fall_silent(&mut self) {
        self.disarm();
        self.ack_due = false;
        self.acks.deadline = None;
        self.force = false;
        self.forget_held();
    }

    /// Forgets an earlier connection: CLOSED, without an arc.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            settings: self.settings,
            ..Self::new()
        };
    }

    /// Tells what the whole receive buffer is good for as a window, in octets: what the packets of this peer take of memory
    /// beside their payload, and what the program sets, make it larger or smaller. To be called as [`Self::set_receive_space`].
    #[inline]
    pub(crate) fn set_receive_buffer(&mut self, whole: u32) {
        self.rcv_buf = self.settings.clamp_window(whole);
    }

    /// There is memory for the packet that comes. The next one is taken then, also where there is no room beyond it: what fills a gap
    /// must not wait for what is behind it.
    pub(crate) fn spare_receive_space(&mut self) {
        self.rcv_space = self.rcv_space.max(1);
    }

    /// Tells how much of the receive buffer is free, in octets. To be called before each `on_segment`, `next_segment`
    /// and `UserCall::Read`.
    #[inline]
    pub(crate) fn set_receive_space(&mut self, free: u32) {
        let free = self.settings.clamp_window(free);
        self.rcv_space = free;
        if free > self.rcv_buf {
            self.rcv_buf = free;
        }
    }

    /// Tells the largest segment that the path takes now, options not deducted (SHLD-6). Where segments have to become smaller,
    /// those in flight that are too large go out again at once (RFC 1191 section 6.4).
    pub(crate) fn set_path_mss(&mut self, mss: u16) {
        let before = self.effective_mss();
        self.path_mss = mss;
        self.renew_mss();
        if !self.syn_acked {
            return;
        }
        let now = self.effective_mss();
        self.congestion.on_mss_change(now);
        if now < before {
            self.resend_larger(now);
        }
    }

    /// The first octet that the send queue must keep.
    #[inline]
    pub(crate) fn send_queue_start(&self) -> SeqNumber {
        if !self.syn_acked {
            // Our SYN takes the first number.
            self.iss + 1
        } else if self.snd_una.after(self.write_end) {
            // Our FIN is acknowledged.
            self.write_end
        } else {
            self.snd_una
        }
    }

    /// Octets that are queued and not acknowledged, sent or not.
    #[inline]
    pub(crate) fn send_queue_len(&self) -> u32 {
        match self.state() {
            State::Closed | State::Listen => 0,
            _ => self.write_end.distance_from(self.send_queue_start()),
        }
    }

    /// Octets that were never sent.
    #[inline]
    pub(crate) fn unsent_len(&self) -> u32 {
        match self.state() {
            State::Closed | State::Listen => 0,
            _ if !self.syn_acked => self.send_queue_len(),
            _ if self.snd_nxt.after(self.write_end) => 0,
            _ => self.write_end.distance_from(self.snd_nxt),
        }
    }

    /// Where the urgent data that the peer announced ends, if it ever announced some: the number after its last octet.
    #[cfg(test)]
    pub(crate) fn urgent_end(&self) -> Option<SeqNumber> {
        self.urgent.then_some(self.rcv_up)
    }

    /// The most octets of data in a segment now (MUST-16): the peer's and the path's limit, less the options.
    #[inline]
    pub(crate) const fn effective_mss(&self) -> u16 {
        self.mss
    }

    /// What decides the [`effective_mss`](Self::effective_mss) has changed.
    #[inline]
    pub(super) fn renew_mss(&mut self) {
        self.mss = self.computed_mss();
    }

    /// The effective MSS of the fields as they are.
    pub(super) fn computed_mss(&self) -> u16 {
        let mss = self.snd_mss.min(self.path_mss);
        let mss = self.settings.cap_mss(mss).max(MIN_SND_MSS);
        if self.ts_on {
            mss.saturating_sub(TIMESTAMPS_LEN as u16)
        } else {
            mss
        }
    }

    /// RCV.NXT: the number that the receive queue ends with.
    #[inline]
    pub(crate) fn receive_next(&self) -> SeqNumber {
        self.rcv_nxt
    }

    /// RCV.WND: what the peer may still send, as it was last told.
    #[inline]
    pub(super) fn rcv_wnd(&self) -> u32 {
        self.rcv_adv.distance_from(self.rcv_nxt)
    }

    /// Our FIN was sent and is acknowledged.
    #[inline]
    pub(super) fn fin_acked(&self) -> bool {
        self.fin_sent && self.snd_una.after(self.write_end)
    }

    /// Whether anything is left to be sent for the first time: data or a FIN.
    #[inline]
    pub(super) fn has_unsent(&self) -> bool {
        self.snd_nxt.before(self.write_end) || (self.fin_queued && !self.fin_sent)
    }

    /// Whether anything is left to be sent or to be acknowledged.
    #[inline]
    pub(super) fn has_pending(&self) -> bool {
        self.snd_una != self.snd_nxt || self.has_unsent()
    }

    /// Our timestamp clock: milliseconds, shifted for each connection (RFC 7323 section 5.4).
    #[inline]
    pub(super) fn ts_now(&self, now: Instant) -> u32 {
        ts_clock(now, self.ts_offset)
    }

    /// Starts the timer, or starts it anew.
    #[inline]
    pub(super) fn arm(&mut self, kind: TimerKind, deadline: Instant) {
        self.timer = Some(kind);
        self.deadline = deadline;
    }

    /// Stops the timer.
    #[inline]
    pub(super) fn disarm(&mut self) {
        self.timer = None;
    }

    /// The timer that runs, and when it fires.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<(TimerKind, Instant)> {
        let timer = match self.timer {
            Some(kind) => Some((kind, self.deadline)),
            None => self.keepalive_timer(),
        };
        match (self.acks.deadline, timer) {
            (Some(ack_at), Some((_, at))) if at <= ack_at => timer,
            (Some(ack_at), _) => Some((TimerKind::DelayedAck, ack_at)),
            (None, _) => timer,
        }
    }

    /// What `/proc` shows.
    pub(crate) fn status(&self) -> Status {
        let state = self.state();
        let synchronized = !matches!(state, State::Closed | State::Listen | State::SynSent);
        Status {
            state,
            timer: self.next_deadline(),
            retransmits: self.retries,
            snd_una: self.snd_una.distance_from(self.iss),
            snd_nxt: self.snd_nxt.distance_from(self.iss),
            snd_wnd: self.snd_wnd,
            rcv_nxt: self.rcv_nxt.distance_from(self.irs),
            rcv_wnd: if synchronized { self.rcv_wnd() } else { 0 },
            since: self.since,
        }
    }
}

/// The clock of timestamps: milliseconds, shifted by an offset.
#[inline]
pub(super) fn ts_clock(now: Instant, offset: u32) -> u32 {
    // The clock wraps: RFC 7323 compares timestamps on a circle.
    ((now.as_us() / 1_000) as u32).wrapping_add(offset)
}

/// Whether timestamp `a` is older than `b`, on the circle (RFC 7323 section 5.2).
#[inline]
pub(super) const fn ts_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
