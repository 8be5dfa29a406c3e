// SPDX-License-Identifier: GPL-2.0

//! SEGMENT ARRIVES in the states from SYN-RECEIVED on (RFC 9293 section 3.10.7.4): one function for each step, in the
//! order of the RFC. SYN-SENT is in `syn_sent`, LISTEN and CLOSED are in `listen`.

use super::arcs::{Event, State};
use super::config::Config;
use super::dispatch::rst_for_ack;
use super::listen::{closed_on_segment, listen_on_segment, ListenVerdict};
use super::outbox::{ConnError, Deliver, Fate, Outbox, ReplyWhy, Wake};
use super::reasons::{ChallengeReason, DropReason, ResetReason};
use super::records::RecordList;
use super::segment::{Flags, Segment};
use super::seq::SeqNumber;
use super::tcb::{ts_before, Tcb, CHALLENGE_INTERVAL};
use super::time::{Duration, Instant};
use super::timers::TimerKind;

/// A TS.Recent of this age or more is not valid (RFC 7323 section 5.5).
const TS_RECENT_LIFE: Duration = Duration::from_secs(24 * 24 * 60 * 60);

/// Whether the next step is to be done.
pub(super) type Step = core::ops::ControlFlow<()>;

pub(super) const NEXT: Step = Step::Continue(());
pub(super) const DONE: Step = Step::Break(());

impl<L: RecordList> Tcb<L> {
    /// A segment of this connection arrived.
    #[inline]
    pub(crate) fn on_segment(
        &mut self,
        now: Instant,
        segment: &Segment,
        cfg: &Config,
        out: &mut Outbox,
    ) {
        if self.is_predicted(segment) {
            self.on_predicted(now, segment, out);
        } else {
            self.on_any_segment(now, segment, cfg, out);
        }
    }

    /// Whether a segment is what one expects most of the time: the next data, or an ACK, and nothing else.
    #[inline]
    pub(super) fn is_predicted(&self, segment: &Segment) -> bool {
        const IGNORED: u8 = !Flags::PSH.bits();
        self.state() == State::Established
            && segment.flags.bits() & IGNORED == Flags::ACK.bits()
            && segment.seq == self.rcv_nxt
            && segment.payload_len <= self.rcv_wnd()
            && (segment.payload_len == 0 || self.is_taken_as_it_comes())
            && segment.ack.distance_from(self.snd_una) <= self.snd_nxt.distance_from(self.snd_una)
            && segment.wnd != 0
            && !segment.ce
            && self.snd_wl1.at_or_before(segment.seq)
            && self.timer != Some(TimerKind::Persist)
            && match (self.ts_on, &segment.options.timestamps) {
                (false, _) => true,
                (true, Some(timestamps)) => !ts_before(timestamps.val, self.ts_recent),
                (true, None) => false,
            }
    }

    /// Whether the next text goes to the receive queue without more ado.
    #[inline]
    fn is_taken_as_it_comes(&self) -> bool {
        self.rcv_space != 0 && self.held.is_empty() && self.gaps.fin_at.is_none()
    }

    /// The short way for a predicted segment. Does what [`on_any_segment`](Self::on_any_segment) would do.
    #[inline]
    fn on_predicted(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) {
        self.heard(now);
        self.note_timestamp(now, segment);
        self.on_ack(now, segment, out);
        if segment.payload_len != 0 {
            self.deliver(0, segment.payload_len, out);
            self.owe_ack(now, segment);
        }
    }

    /// Every segment can go this way.
    pub(super) fn on_any_segment(
        &mut self,
        now: Instant,
        segment: &Segment,
        cfg: &Config,
        out: &mut Outbox,
    ) {
        match self.state() {
            State::Closed => match closed_on_segment(segment) {
                Some((rst, why)) => {
                    out.discard(DropReason::NoSocket);
                    out.reply(rst, ReplyWhy::Reset(why));
                }
                None => out.discard(DropReason::ClosedRst),
            },
            State::Listen => match listen_on_segment(segment) {
                ListenVerdict::Drop(why) => out.discard(why),
                ListenVerdict::Reset(rst, why) => {
                    out.discard(DropReason::ListenAck);
                    out.reply(rst, ReplyWhy::Reset(why));
                }
                // A listener's requests are objects of their own; this SYN has come past it, and will come again.
                ListenVerdict::Open => out.discard(DropReason::ListenOverflow),
            },
            State::SynSent => self.on_syn_sent(now, segment, out),
            // The connection has gone on as a TimeWait.
            State::TimeWait => out.discard(DropReason::AfterClose),
            _ => {
                let _ = self.on_synchronized(now, segment, out);
            }
        }
        if self.timer.is_none() {
            self.watch_orphan(now, cfg, out);
        }
    }

    /// The eight steps of RFC 9293 section 3.10.7.4.
    fn on_synchronized(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) -> Step {
        if self.is_syn_ack_of_simultaneous_open(now, segment) {
            // RFC 9293 3.5, figure 8: the SYN is known already, its acknowledgment is what counts.
            self.step_5_ack(now, segment, out)?;
            return self.step_6_to_8(now, segment, segment.seq + 1, out);
        }
        self.step_1_sequence(now, segment, out)?;
        self.step_2_rst(now, segment, out)?;
        // The third step, security and compartment, has no meaning here.
        self.step_4_syn(now, segment, out)?;
        self.step_1_timestamp_present(segment, out)?;
        self.step_5_ack(now, segment, out)?;
        self.step_6_to_8(now, segment, segment.seq, out)
    }

    /// In SYN-RECEIVED after a simultaneous open, the peer's SYN once more, now with the acknowledgment of ours.
    fn is_syn_ack_of_simultaneous_open(&self, now: Instant, segment: &Segment) -> bool {
        !self.syn_acked
            && !self.passive
            && segment.flags.contains(Flags::SYN | Flags::ACK)
            && !segment.flags.contains(Flags::RST)
            && segment.seq == self.irs
            && !self.is_paws_rejected(now, segment)
            && segment.ack.after(self.snd_una)
            && segment.ack.at_or_before(self.snd_nxt)
    }

    /// Whether the timestamp is older than the last one (RFC 7323 section 5.3, R1).
    fn is_paws_rejected(&self, now: Instant, segment: &Segment) -> bool {
        match segment.options.timestamps {
            Some(timestamps) => self.ts_on && self.is_timestamp_older(now, timestamps.val),
            None => false,
        }
    }

    /// Whether the sequence number is acceptable, for a segment without RST.
    fn is_in_window(&self, segment: &Segment) -> bool {
        let wnd = self.rcv_wnd();
        if wnd == 0 {
            // RFC 9293 3.10.7.4, first, MUST-66: nothing fits in a closed window, but the control part of the next
            // segment counts.
            return segment.seq == self.rcv_nxt;
        }
        let seg_len = segment.seg_len();
        // One step beyond the table of RFC 9293 3.10.7.4, first: the ACK of a peer that has filled the window, whose data was
        // lost on the way, has no other number. Nothing of it lies beyond the window.
        if seg_len == 0 && segment.seq == self.rcv_nxt + wnd {
            return true;
        }
        segment.seq.in_window(self.rcv_nxt, wnd)
            || (seg_len != 0 && (segment.seq + (seg_len - 1)).in_window(self.rcv_nxt, wnd))
    }

    // RFC 9293 3.10.7.4, first: sequence number; RFC 7323 5.3: timestamp.
    fn step_1_sequence(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) -> Step {
        if segment.flags.contains(Flags::RST) {
            // The second step looks at the sequence number alone: data in an RST (SHLD-2) or a closed window
            // (MUST-66) do not matter.
            return NEXT;
        }
        let too_old = self.is_paws_rejected(now, segment);
        if !too_old && self.is_in_window(segment) {
            return NEXT;
        }
        let seg_len = segment.seg_len();
        out.discard(if too_old {
            DropReason::PawsRejected
        } else if (segment.seq + seg_len).at_or_before(self.rcv_nxt) {
            DropReason::Duplicate
        } else {
            DropReason::OutOfWindow
        });
        if segment.flags.contains(Flags::SYN) {
            if !self.syn_acked && segment.seq == self.irs && !segment.flags.contains(Flags::ACK) {
                // The peer has not seen our SYN.
                out.drop = None;
                out.note(DropReason::SynAgain);
                let syn_ack = self.syn_segment(now, Flags::SYN | Flags::ACK);
                out.reply(syn_ack, ReplyWhy::SynAck);
            } else {
                // RFC 5961 4.2: whatever its sequence number.
                self.challenge(now, ChallengeReason::Syn, out);
            }
        } else if seg_len != 0 {
            self.note_old(segment.seq, segment.seq + segment.payload_len);
            self.ack_quickly();
            let ack = self.ack_segment(now);
            out.reply(ack, ReplyWhy::Ack);
        } else {
            // Two sides that take each other's ACKs for wrong would go on for ever.
            self.challenge(now, ChallengeReason::OutOfWindow, out);
        }
        self.aim_reply(segment, out);
        DONE
    }

    /// The answer to a segment that is not acceptable gets the number which the peer expects: the ACK in it, unread otherwise, tells.
    ///
    /// Where a window shrank, or seems to have shrunk because two segments changed places, SND.NXT may be beyond it, and our idea of what
    /// the peer takes is behind what it has taken. If so on both sides, each would drop the other's ACKs for ever.
    fn aim_reply(&self, segment: &Segment, out: &mut Outbox) {
        if let Some(reply) = &mut out.reply {
            if segment.flags.contains(Flags::ACK)
                && segment.ack.after(reply.segment.seq)
                && segment.ack.at_or_before(self.snd_nxt)
            {
                reply.segment.seq = segment.ack;
            }
        }
    }

    // RFC 7323 3.2: once agreed upon, the timestamp must be there; an RST needs none. A SYN has been answered before.
    fn step_1_timestamp_present(&self, segment: &Segment, out: &mut Outbox) -> Step {
        if self.ts_on && segment.options.timestamps.is_none() {
            out.discard(DropReason::MissingTimestamp);
            return DONE;
        }
        NEXT
    }

    // RFC 9293 3.10.7.4, second: RST; RFC 5961 3.2.
    fn step_2_rst(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) -> Step {
        if !segment.flags.contains(Flags::RST) {
            return NEXT;
        }
        if segment.seq != self.rcv_nxt {
            if segment.seq.in_window(self.rcv_nxt, self.rcv_wnd()) {
                out.discard(DropReason::RstInWindow);
                self.challenge(now, ChallengeReason::RstInWindow, out);
            } else {
                out.discard(DropReason::RstOutOfWindow);
            }
            return DONE;
        }
        match self.state() {
            // MUST-11: what a listener spawned goes away, and nobody is told.
            State::SynReceived if self.passive => self.end(now, Event::RcvRstPassive, None, out),
            State::SynReceived => self.end(now, Event::RcvRst, Some(ConnError::Refused), out),
            // Both sides have closed: nothing is lost but what the peer has not acknowledged.
            State::Closing | State::LastAck => {
                let error = (self.send_queue_len() != 0).then_some(ConnError::Reset);
                self.end(now, Event::RcvRst, error, out);
            }
            State::CloseWait => self.end(now, Event::RcvRst, Some(ConnError::BrokenPipe), out),
            _ => self.end(now, Event::RcvRst, Some(ConnError::Reset), out),
        }
        DONE
    }

    // RFC 9293 3.10.7.4, fourth: SYN; RFC 5961 4.2.
    fn step_4_syn(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) -> Step {
        if !segment.flags.contains(Flags::SYN) {
            return NEXT;
        }
        out.discard(DropReason::SynInWindow);
        if self.state() == State::SynReceived && self.passive {
            // MUST-11: back to LISTEN.
            self.end(now, Event::RcvSynPassive, None, out);
        } else {
            self.challenge(now, ChallengeReason::Syn, out);
        }
        DONE
    }

    // RFC 9293 3.10.7.4, fifth: ACK.
    fn step_5_ack(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) -> Step {
        if !segment.flags.contains(Flags::ACK) {
            out.discard(DropReason::NoAck);
            return DONE;
        }
        if !self.ack_is_acceptable(now, segment, out) {
            return DONE;
        }
        self.heard(now);
        self.note_timestamp(now, segment);
        self.note_ecn(now, segment);
        self.on_ack(now, segment, out);
        if !self.fin_acked() {
            return NEXT;
        }
        match self.state() {
            State::Closing => {
                self.enter_time_wait(now, Event::RcvAckOfFin, out);
                DONE
            }
            State::LastAck => {
                self.end(now, Event::RcvAckOfFin, None, out);
                DONE
            }
            // FIN-WAIT-1 is left at the end, when it is known whether a FIN came along.
            _ => NEXT,
        }
    }

    /// The sixth step and the last two, for a segment whose data starts at `seq`.
    pub(super) fn step_6_to_8(
        &mut self,
        now: Instant,
        segment: &Segment,
        seq: SeqNumber,
        out: &mut Outbox,
    ) -> Step {
        if matches!(
            self.state(),
            State::Established | State::FinWait1 | State::FinWait2
        ) {
            self.step_6_urg(segment, out);
            self.step_7_text(now, segment, seq, out)?;
        } else if segment.payload_len != 0 || segment.flags.contains(Flags::FIN) {
            // The peer has closed: it cannot have more to say.
            out.discard(DropReason::AfterClose);
        }
        if self.state() == State::FinWait1 && self.fin_acked() {
            self.take(now, Event::RcvAckOfFin, out);
            out.wake |= Wake::STATE_CHANGE;
        }
        NEXT
    }

    // RFC 9293 3.10.7.4, seventh: segment text.
    fn step_7_text(
        &mut self,
        now: Instant,
        segment: &Segment,
        seq: SeqNumber,
        out: &mut Outbox,
    ) -> Step {
        let fin = segment.flags.contains(Flags::FIN);
        if segment.payload_len == 0 && !fin {
            return NEXT;
        }
        let text_end = seq + segment.payload_len;
        // Who shuts both sides down has closed, too.
        let closed = self.user_gone || self.reads_no_more && self.state() != State::Established;
        if closed && text_end.after(self.rcv_nxt) {
            // RFC 9293 3.6.1, SHLD-3: the sequence number is the one that the peer takes for sure.
            out.discard(DropReason::NoReader);
            out.reply(
                rst_for_ack(segment),
                ReplyWhy::Reset(ResetReason::DataAfterClose),
            );
            let error = (!self.user_gone).then_some(ConnError::Reset);
            self.end(now, Event::DataAfterClose, error, out);
            return DONE;
        }
        if seq.after(self.rcv_nxt) {
            self.hold(seq, segment.payload_len, fin, out);
            self.ack_quickly();
            // MAY-13: the sender learns of the gap at once.
            let ack = self.ack_segment(now);
            out.reply(ack, ReplyWhy::Ack);
            return NEXT;
        }
        let known = self.rcv_nxt.distance_from(seq);
        let new = segment.payload_len.saturating_sub(known);
        let room = if self.rcv_space == 0 {
            0
        } else {
            self.rcv_wnd()
        };
        let mut taken = new.min(room);
        if let Some(fin_at) = self.gaps.fin_at {
            // A FIN came before: nothing is behind it.
            taken = taken.min(fin_at.distance_from(self.rcv_nxt));
        } else if fin && taken == new {
            self.gaps.fin_at = Some(text_end);
        }
        self.note_old(seq, text_end);
        if taken != 0 {
            self.note_held_twice(self.rcv_nxt + taken);
            self.deliver(known, taken, out);
            self.release_held(out);
            self.owe_ack(now, segment);
            // RFC 5681 4.2: what fills a gap is acknowledged at once, what came twice, too.
            self.ack_due |= out.release.is_some() || known != 0;
        }
        if self.gaps.fin_at == Some(self.rcv_nxt) {
            self.step_8_fin(now, out);
        } else if taken < new {
            // MUST-66: the rest of the segment was handled all the same; a probe is answered.
            out.discard(DropReason::ReceiveBufferFull);
            self.ack_due = true;
        }
        NEXT
    }

    /// The next `len` octets of the stream are in the segment's data, after `skip` others.
    #[inline]
    fn deliver(&mut self, skip: u32, len: u32, out: &mut Outbox) {
        out.deliver = Some(Deliver { skip, len });
        out.wake |= Wake::READABLE;
        self.rcv_nxt = self.rcv_nxt + len;
        self.rcv_space = self.rcv_space.saturating_sub(len);
    }

    // RFC 9293 3.10.7.4, eighth: a FIN whose number is RCV.NXT. It needs no room: a full buffer does not matter.
    fn step_8_fin(&mut self, now: Instant, out: &mut Outbox) {
        self.rcv_nxt = self.rcv_nxt + 1;
        self.rcv_adv = SeqNumber::max_of(self.rcv_adv, self.rcv_nxt);
        self.fin_received = true;
        if self.state() == State::Established {
            // RFC 9293 3.8.6.3: the program may answer with its own FIN, which takes the ACK along.
            self.owe_fin_ack(now);
        } else {
            self.ack_due = true;
        }
        self.forget_held();
        out.fin_received = true;
        out.wake |= Wake::READABLE | Wake::STATE_CHANGE;
        match self.state() {
            State::FinWait1 if self.fin_acked() => {
                self.enter_time_wait(now, Event::RcvFinAckOfFin, out);
            }
            State::FinWait2 => self.enter_time_wait(now, Event::RcvFin, out),
            _ => self.take(now, Event::RcvFin, out),
        }
    }

    /// Both sides have closed, and both know.
    fn enter_time_wait(&mut self, now: Instant, event: Event, out: &mut Outbox) {
        self.take(now, event, out);
        self.disarm();
        if self.ack_due {
            let ack = self.ack_segment(now);
            out.reply(ack, ReplyWhy::Ack);
        }
        out.wake |= Wake::STATE_CHANGE;
        out.fate = Fate::TimeWait;
    }

    // RFC 7323 4.3: TS.Recent follows the segments that the last ACK did not cover.
    #[inline]
    pub(super) fn note_timestamp(&mut self, now: Instant, segment: &Segment) {
        if let (true, Some(timestamps)) = (self.ts_on, &segment.options.timestamps) {
            if segment.seq.at_or_before(self.last_ack_sent)
                && !self.is_timestamp_older(now, timestamps.val)
            {
                self.ts_recent = timestamps.val;
                self.ts_recent_at = now;
            }
        }
    }

    /// Whether a timestamp is older than a TS.Recent that is still valid.
    #[inline]
    fn is_timestamp_older(&self, now: Instant, val: u32) -> bool {
        ts_before(val, self.ts_recent) && now.since(self.ts_recent_at) < TS_RECENT_LIFE
    }

    /// Sends a challenge ACK, unless the last one was just now (RFC 5961 section 7).
    pub(super) fn challenge(&mut self, now: Instant, why: ChallengeReason, out: &mut Outbox) {
        if self.challenged && now.since(self.last_challenge) < CHALLENGE_INTERVAL {
            out.note(DropReason::ChallengeLimited);
            return;
        }
        self.challenged = true;
        self.last_challenge = now;
        let ack = self.challenge_ack(now);
        out.reply(ack, ReplyWhy::Challenge(why));
    }
}
