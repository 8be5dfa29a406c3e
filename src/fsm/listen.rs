// SPDX-License-Identifier: GPL-2.0

//! SEGMENT ARRIVES in CLOSED and LISTEN (RFC 9293 sections 3.10.7.1 and 3.10.7.2), and the half-open request that a
//! listener makes of a SYN: SYN-RECEIVED in a few octets, until the third segment of the handshake comes.

use super::abstraction::some_time_after;
use super::arcs::{Event, MachineState, State};
use super::config::Config;
use super::dispatch::{rst_for, rst_for_ack};
use super::ecn;
use super::options::{OutOptions, Timestamps};
use super::outbox::{Fate, Outbox, ReplyWhy};
use super::reasons::{ChallengeReason, DropReason, ResetReason};
use super::records::RecordList;
use super::segment::{Flags, Segment, SegmentOut};
use super::seq::SeqNumber;
use super::tcb::{ts_before, ts_clock, OpenParams, Status, Tcb, CHALLENGE_INTERVAL, MIN_SND_MSS};
use super::time::{Duration, Instant};
use super::timers::TimerKind;
use super::window::window_field;

/// The time to the first retransmission of a SYN-ACK (RFC 6298 section 2.1); it doubles each time.
const SYN_ACK_RTO: Duration = Duration::from_secs(1);

/// The longest time between two SYN-ACKs.
const MAX_SYN_ACK_RTO: Duration = Duration::from_secs(120);

/// The same as an active open needs to know.
pub(crate) type SynReqParams = OpenParams;

/// What a listener does with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenVerdict {
    /// Nothing.
    Drop(DropReason),
    /// It answers with this RST.
    Reset(SegmentOut, ResetReason),
    /// It makes a [`SynReq`].
    Open,
}

/// What a listener does with a segment: RFC 9293 section 3.10.7.2.
pub(crate) fn listen_on_segment(segment: &Segment) -> ListenVerdict {
    if segment.flags.contains(Flags::RST) {
        // First: RST.
        ListenVerdict::Drop(DropReason::ListenRst)
    } else if segment.flags.contains(Flags::ACK) {
        // Second: ACK. Nothing was sent that it could acknowledge.
        ListenVerdict::Reset(rst_for_ack(segment), ResetReason::AckInListen)
    } else if segment.flags.contains(Flags::SYN) {
        // Third: SYN.
        ListenVerdict::Open
    } else {
        // Fourth: anything else.
        ListenVerdict::Drop(DropReason::ListenBadFlags)
    }
}

/// The answer to a segment for which there is no connection and no listener: RFC 9293 section 3.10.7.1. None for an RST.
pub(crate) fn closed_on_segment(segment: &Segment) -> Option<(SegmentOut, ResetReason)> {
    if segment.flags.contains(Flags::RST) {
        None
    } else {
        Some((rst_for(segment), ResetReason::NoConnection))
    }
}

/// What becomes of a request after a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReqVerdict {
    /// It stays as it is.
    Keep,
    /// The handshake is complete: make the [Tcb](SynReq::establish), and give the same segment to it. If there is no room for
    /// it now, the request may stay: the segment will come again.
    Establish,
    /// It goes away.
    Remove,
}

/// What a request's timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReqTimer {
    /// Nothing; the deadline is still to come.
    NotYet,
    /// The SYN-ACK is to be sent again.
    Resend,
    /// The request goes away: the peer does not answer.
    GiveUp,
}

/// A half-open request: SYN-RECEIVED after a passive open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SynReq {
    machine: MachineState,
    ts_on: bool,
    ws_on: bool,
    sack_on: bool,
    ecn_on: bool,
    challenged: bool,
    /// Our SYN was acknowledged by a segment without data, which was not enough (TCP_DEFER_ACCEPT).
    acked: bool,
    /// It is known when the SYN-ACK was sent: not where the request was made of a [cookie](super::cookie).
    timed: bool,
    /// The SYN-ACK was sent again before the peer had answered it.
    resent: bool,
    /// Retransmissions of the SYN-ACK.
    retries: u8,
    /// So many retransmissions long such segments are not enough; 0: they are.
    defer: u8,
    snd_wscale: u8,
    rcv_wscale: u8,
    /// The largest segment that we take.
    rcv_mss: u16,
    /// The largest segment that the peer takes.
    snd_mss: u16,
    path_mss: u16,
    /// The peer's window, not scaled.
    snd_wnd: u16,
    /// Our window, not scaled.
    rcv_wnd: u16,
    iss: SeqNumber,
    irs: SeqNumber,
    ts_recent: u32,
    ts_offset: u32,
    since: Instant,
    deadline: Instant,
    last_challenge: Instant,
}

const _: () = assert!(core::mem::size_of::<SynReq>() <= 64);

impl SynReq {
    /// Makes a request of a SYN for which the verdict was to open. What follows the SYN in the same segment is not
    /// acknowledged, and comes again.
    ///
    /// `from_time_wait`: the SYN opens a connection anew that was in TIME-WAIT; else it spawns from a listener.
    pub(crate) fn open(
        now: Instant,
        segment: &Segment,
        params: &SynReqParams,
        from_time_wait: bool,
        cfg: &Config,
        out: &mut Outbox,
    ) -> Self {
        let mut machine = if from_time_wait {
            MachineState::TIME_WAIT
        } else {
            MachineState::LISTEN
        };
        machine.take(Event::RcvSyn, out);
        let options = &segment.options;
        let timestamps = options.timestamps.filter(|_| cfg.timestamps);
        // RFC 7323 2.2: both scale or none does.
        let snd_wscale = options.wscale.filter(|_| cfg.window_scaling);
        Self {
            machine,
            ts_on: timestamps.is_some(),
            ws_on: snd_wscale.is_some(),
            sack_on: cfg.sack && options.sack_permitted,
            ecn_on: ecn::is_offered(segment, cfg),
            challenged: false,
            acked: false,
            timed: true,
            resent: false,
            retries: 0,
            defer: 0,
            snd_wscale: snd_wscale.unwrap_or(0),
            rcv_wscale: snd_wscale.map_or(0, |_| params.rcv_wscale),
            rcv_mss: params.mss,
            // MUST-15: without the option the default of the IP version.
            snd_mss: options
                .mss
                .unwrap_or(params.default_snd_mss)
                .max(MIN_SND_MSS),
            path_mss: params.path_mss,
            snd_wnd: segment.wnd,
            rcv_wnd: window_field(params.rcv_space, 0),
            iss: params.iss,
            irs: segment.seq,
            ts_recent: timestamps.map_or(0, |timestamps| timestamps.val),
            ts_offset: params.ts_offset,
            since: now,
            deadline: now + SYN_ACK_RTO,
            last_challenge: now,
        }
    }

    /// The connection is wanted only once data has come, or so many retransmissions of the SYN-ACK later (TCP_DEFER_ACCEPT).
    pub(crate) fn defer(&mut self, retransmissions: u8) {
        self.defer = retransmissions;
    }

    /// As [`SynReq::open`], for a SYN-ACK that was answered already: when it was sent is not known any more.
    pub(super) fn reopen(
        now: Instant,
        syn: &Segment,
        params: &SynReqParams,
        cfg: &Config,
        out: &mut Outbox,
    ) -> Self {
        Self {
            timed: false,
            ..Self::open(now, syn, params, false, cfg, out)
        }
    }

    /// The largest segment that the peer takes, in octets: as it offered it, or the default.
    pub(super) const fn snd_mss(&self) -> u16 {
        self.snd_mss
    }

    /// The scale of the peer's windows, if it was agreed upon.
    #[cfg(test)]
    pub(super) fn peer_scale(&self) -> Option<u8> {
        self.ws_on.then_some(self.snd_wscale)
    }

    /// The state: SYN-RECEIVED, until the request has gone.
    #[inline]
    pub(crate) const fn state(&self) -> State {
        self.machine.get()
    }

    /// RCV.NXT.
    #[inline]
    fn rcv_nxt(&self) -> SeqNumber {
        self.irs + 1
    }

    /// The SYN-ACK.
    pub(crate) fn syn_ack(&self, now: Instant) -> SegmentOut {
        SegmentOut {
            seq: self.iss,
            ack: self.rcv_nxt(),
            flags: Flags::SYN | Flags::ACK | ecn::syn_ack_flags(self.ecn_on),
            // RFC 7323 2.2: the window of a SYN is never scaled.
            wnd: self.rcv_wnd,
            urg: 0,
            options: OutOptions {
                mss: Some(self.rcv_mss),
                wscale: self.ws_on.then_some(self.rcv_wscale),
                sack_permitted: self.sack_on,
                timestamps: self.timestamps(now),
                ..OutOptions::none()
            },
            payload_len: 0,
            ect: false,
            piece: 0,
        }
    }

    fn timestamps(&self, now: Instant) -> Option<Timestamps> {
        self.ts_on.then(|| Timestamps {
            val: ts_clock(now, self.ts_offset),
            ecr: self.ts_recent,
        })
    }

    fn ack(&self, now: Instant) -> SegmentOut {
        SegmentOut {
            seq: self.iss + 1,
            ack: self.rcv_nxt(),
            flags: Flags::ACK,
            // RFC 7323 2.4: rounded down; what the SYN-ACK offered holds all the same.
            wnd: window_field(u32::from(self.rcv_wnd), self.rcv_wscale),
            urg: 0,
            options: OutOptions {
                timestamps: self.timestamps(now),
                ..OutOptions::none()
            },
            payload_len: 0,
            ect: false,
            piece: 0,
        }
    }

    /// A segment for this request: RFC 9293 section 3.10.7.4 for SYN-RECEIVED.
    pub(crate) fn on_segment(
        &mut self,
        now: Instant,
        segment: &Segment,
        _cfg: &Config,
        out: &mut Outbox,
    ) -> ReqVerdict {
        let flags = segment.flags;
        if flags.contains(Flags::RST) {
            return self.on_rst(now, segment, out);
        }
        let is_syn = flags.contains(Flags::SYN);
        if is_syn && segment.seq == self.irs && !flags.contains(Flags::ACK) {
            // The peer's SYN again: it has not seen ours.
            out.note(DropReason::SynAgain);
            out.reply(self.syn_ack(now), ReplyWhy::SynAck);
            return ReqVerdict::Keep;
        }

        // First: sequence number; RFC 7323 5.3: timestamp.
        if let Some(why) = self.unacceptable(segment) {
            out.discard(why);
            if is_syn {
                self.challenge(now, ChallengeReason::Syn, out);
            } else if segment.seg_len() != 0 {
                out.reply(self.ack(now), ReplyWhy::Ack);
            } else {
                self.challenge(now, ChallengeReason::OutOfWindow, out);
            }
            return ReqVerdict::Keep;
        }
        // Fourth: SYN. MUST-11: back to LISTEN.
        if is_syn {
            out.discard(DropReason::SynInWindow);
            return self.remove(Event::RcvSynPassive, out);
        }
        // RFC 7323 3.2: the timestamp that was agreed upon.
        if self.ts_on && segment.options.timestamps.is_none() {
            out.discard(DropReason::MissingTimestamp);
            return ReqVerdict::Keep;
        }
        // Fifth: ACK.
        if !flags.contains(Flags::ACK) {
            out.discard(DropReason::NoAck);
            return ReqVerdict::Keep;
        }
        if segment.ack != self.iss + 1 {
            out.discard(DropReason::BadAck);
            out.reply(
                rst_for_ack(segment),
                ReplyWhy::Reset(ResetReason::BadAckInSynReceived),
            );
            return ReqVerdict::Keep;
        }
        let is_bare = segment.payload_len == 0 && !flags.contains(Flags::FIN);
        if is_bare && self.retries < self.defer {
            // The program sleeps until there is something to read.
            self.acked = true;
            out.discard(DropReason::Deferred);
            return ReqVerdict::Keep;
        }
        ReqVerdict::Establish
    }

    // Second: RST; RFC 5961 3.2.
    fn on_rst(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) -> ReqVerdict {
        if segment.seq == self.rcv_nxt() {
            // MUST-11: back to LISTEN.
            return self.remove(Event::RcvRstPassive, out);
        }
        if segment
            .seq
            .in_window(self.rcv_nxt(), u32::from(self.rcv_wnd))
        {
            out.discard(DropReason::RstInWindow);
            self.challenge(now, ChallengeReason::RstInWindow, out);
        } else {
            out.discard(DropReason::RstOutOfWindow);
        }
        ReqVerdict::Keep
    }

    /// Why the sequence number or the timestamp is not acceptable; `None` if they are.
    fn unacceptable(&self, segment: &Segment) -> Option<DropReason> {
        if let (true, Some(timestamps)) = (self.ts_on, segment.options.timestamps) {
            if ts_before(timestamps.val, self.ts_recent) {
                return Some(DropReason::PawsRejected);
            }
        }
        let rcv_nxt = self.rcv_nxt();
        let wnd = u32::from(self.rcv_wnd);
        let seg_len = segment.seg_len();
        let acceptable = if wnd == 0 {
            segment.seq == rcv_nxt
        } else {
            segment.seq.in_window(rcv_nxt, wnd)
                || (seg_len != 0 && (segment.seq + (seg_len - 1)).in_window(rcv_nxt, wnd))
        };
        if acceptable {
            None
        } else if (segment.seq + seg_len).at_or_before(rcv_nxt) {
            Some(DropReason::Duplicate)
        } else {
            Some(DropReason::OutOfWindow)
        }
    }

    fn challenge(&mut self, now: Instant, why: ChallengeReason, out: &mut Outbox) {
        if self.challenged && now.since(self.last_challenge) < CHALLENGE_INTERVAL {
            out.note(DropReason::ChallengeLimited);
            return;
        }
        self.challenged = true;
        self.last_challenge = now;
        out.reply(self.ack(now), ReplyWhy::Challenge(why));
    }

    fn remove(&mut self, event: Event, out: &mut Outbox) -> ReqVerdict {
        self.machine.take(event, out);
        out.fate = Fate::Closed;
        ReqVerdict::Remove
    }

    /// Makes `tcb` the block of the connection, still in SYN-RECEIVED; the segment for which the verdict was [`ReqVerdict::Establish`]
    /// is to be given to it next. Tell it the receive space before.
    pub(crate) fn establish<L: RecordList>(&self, now: Instant, cfg: &Config, tcb: &mut Tcb<L>) {
        let params = OpenParams {
            iss: self.iss,
            ts_offset: self.ts_offset,
            mss: self.rcv_mss,
            default_snd_mss: self.snd_mss,
            path_mss: self.path_mss,
            rcv_space: u32::from(self.rcv_wnd),
            rcv_wscale: self.rcv_wscale,
        };
        tcb.open(self.machine, self.since, &params);
        tcb.passive = true;
        tcb.congestion.set_kind(cfg.congestion_control);
        tcb.ts_on = self.ts_on;
        tcb.renew_mss();
        tcb.ws_on = self.ws_on;
        tcb.sack_on = self.sack_on;
        tcb.ecn.on = self.ecn_on;
        tcb.retries = u8::from(self.resent);
        tcb.snd_wscale = self.snd_wscale;
        tcb.snd_nxt = self.iss + 1;
        tcb.snd_wnd = u32::from(self.snd_wnd);
        tcb.max_snd_wnd = tcb.snd_wnd;
        tcb.snd_wl1 = self.irs;
        tcb.snd_wl2 = self.iss;
        tcb.irs = self.irs;
        tcb.rcv_nxt = self.rcv_nxt();
        tcb.rcv_adv = tcb.rcv_nxt + u32::from(self.rcv_wnd);
        tcb.rcv_up = tcb.rcv_nxt;
        tcb.last_ack_sent = tcb.rcv_nxt;
        tcb.ts_recent = self.ts_recent;
        tcb.ts_recent_at = self.since;
        tcb.challenged = self.challenged;
        tcb.last_challenge = self.last_challenge;
        if self.retries == 0 && self.timed && !self.acked {
            // MUST-18: the SYN-ACK was sent once.
            tcb.rtt_timing = true;
            tcb.rtt_start = self.since;
        }
        // Only until that segment comes.
        tcb.arm(TimerKind::Retransmit, self.deadline.max(now));
    }

    /// Does what is due at `now`: RFC 9293 section 3.8.3, MUST-22.
    pub(crate) fn on_timer(&mut self, now: Instant, cfg: &Config, out: &mut Outbox) -> ReqTimer {
        if now < self.deadline {
            return ReqTimer::NotYet;
        }
        let r2 = if self.acked {
            cfg.synack_retries.max(self.defer)
        } else {
            cfg.synack_retries
        };
        if self.retries >= r2 {
            self.remove(Event::Timeout, out);
            return ReqTimer::GiveUp;
        }
        self.retries = self.retries.saturating_add(1);
        self.resent |= !self.acked;
        let mut rto = SYN_ACK_RTO;
        for _ in 0..self.retries.min(7) {
            rto = rto.doubled();
        }
        self.deadline = now + rto.min(MAX_SYN_ACK_RTO);
        if self.acked && self.retries < self.defer {
            // The peer has our SYN: only the last one asks it for one more ACK, which then counts.
            return ReqTimer::NotYet;
        }
        ReqTimer::Resend
    }

    /// The timer that runs, and when it fires.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<(TimerKind, Instant)> {
        Some((TimerKind::SynAck, self.deadline))
    }

    /// Forgets all times, as [`Tcb::forget_time`].
    #[allow(dead_code, reason = "the module does not call it, model checking does")]
    pub(crate) fn forget_time(&mut self, now: Instant, passed: bool) {
        self.since = now;
        self.deadline = some_time_after(now);
        self.last_challenge = now;
        self.challenged &= !passed;
    }

    /// The listener goes away, and the request with it: the peer is told by an RST, which is valid in SYN-SENT, too.
    pub(crate) fn on_listener_closed(&mut self, out: &mut Outbox) {
        let rst = SegmentOut {
            seq: self.iss + 1,
            ack: self.rcv_nxt(),
            flags: Flags::RST | Flags::ACK,
            wnd: 0,
            urg: 0,
            options: OutOptions::none(),
            payload_len: 0,
            ect: false,
            piece: 0,
        };
        out.reply(rst, ReplyWhy::Reset(ResetReason::ListenerClosed));
        self.remove(Event::ListenerClosed, out);
    }

    /// An ICMP error that quotes this sequence number says that the peer cannot be reached. Whether the request ends: it does if
    /// the error is about our SYN (MUST-54) and a hard one (SHLD-26).
    pub(crate) fn on_icmp(&mut self, quoted: SeqNumber, hard: bool, out: &mut Outbox) -> bool {
        let ends = hard && quoted == self.iss;
        if ends {
            self.remove(Event::Icmp, out);
        }
        ends
    }

    /// What `/proc` shows.
    pub(crate) fn status(&self) -> Status {
        Status {
            state: self.state(),
            timer: self.next_deadline(),
            retransmits: self.retries,
            snd_una: 0,
            snd_nxt: 1,
            snd_wnd: u32::from(self.snd_wnd),
            rcv_nxt: 1,
            rcv_wnd: u32::from(self.rcv_wnd),
            since: self.since,
        }
    }
}
