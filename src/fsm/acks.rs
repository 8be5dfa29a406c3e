// SPDX-License-Identifier: GPL-2.0

//! What an acknowledgment does: the send queue, the round-trip time, the send window and the timer move on
//! (RFC 9293 section 3.10.7.4, fifth; RFC 6298 section 5; RFC 7323 section 4).

use super::arcs::{Event, State};
use super::congestion::Congestion;
use super::dispatch::rst_for_ack;
use super::outbox::{Outbox, ReplyWhy, Wake};
use super::reasons::{ChallengeReason, DropReason, ResetReason};
use super::records::RecordList;
use super::recovery::Progress;
use super::segment::{Flags, Segment};
use super::tcb::Tcb;
use super::time::{Duration, Instant};
use super::timers::TimerKind;

impl<L: RecordList> Tcb<L> {
    /// Whether the acknowledgment number can be true; if not, the answer is in `out`.
    pub(super) fn ack_is_acceptable(
        &mut self,
        now: Instant,
        segment: &Segment,
        out: &mut Outbox,
    ) -> bool {
        if !self.syn_acked {
            // RFC 9293 3.10.7.4, fifth, SYN-RECEIVED: it must acknowledge our SYN. Also where CLOSE has left that
            // state since.
            if segment.ack.after(self.snd_una) && segment.ack.at_or_before(self.snd_nxt) {
                return true;
            }
            out.discard(DropReason::BadAck);
            out.reply(
                rst_for_ack(segment),
                ReplyWhy::Reset(ResetReason::BadAckInSynReceived),
            );
            return false;
        }
        // RFC 5961 5.2: no older than the largest window, nor what was never sent (RFC 9293 3.10.7.4, fifth).
        let oldest = self.snd_una - self.max_snd_wnd;
        if segment.ack.distance_from(oldest) <= self.snd_nxt.distance_from(oldest) {
            return true;
        }
        out.discard(if segment.ack.before(self.snd_una) {
            DropReason::OldAck
        } else {
            DropReason::BadAck
        });
        self.challenge(now, ChallengeReason::UnacceptableAck, out);
        false
    }

    /// Takes an acceptable acknowledgment.
    pub(super) fn on_ack(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) {
        let was_open = self.snd_wnd;
        if !self.syn_acked {
            self.on_syn_acked(now, segment, out);
        } else if segment.ack.at_or_after(self.snd_una) {
            // RFC 9293 3.10.7.4, fifth, ESTABLISHED: an old segment does not set the window. One that acknowledges more than
            // any before is not old, even if its data is: SND.WND counts from SND.UNA, and would otherwise reach beyond the
            // window that was offered.
            let sets_window = segment.ack != self.snd_una
                || self.snd_wl1.before(segment.seq)
                || (self.snd_wl1 == segment.seq && self.snd_wl2.at_or_before(segment.ack));
            // RFC 5681 section 2: a duplicate acknowledgment brings nothing else. What answers a probe of a closed window is
            // none: the octet was refused, not lost (RFC 9293 3.8.6.1).
            let duplicate = segment.ack == self.snd_una
                && was_open != 0
                && self.snd_una != self.snd_nxt
                && segment.seg_len() == 0
                && self.window_of(segment) == was_open;
            let says_something = segment.ack != self.snd_una
                || duplicate
                || !segment.options.sack.as_slice().is_empty();
            if says_something {
                self.progress(now, segment, duplicate, out);
            }
            if sets_window {
                self.set_window(segment);
            }
        }
        self.watch_window(now, was_open);
    }

    /// What the acknowledgment says of what is in flight: it moves SND.UNA, the scoreboard, the windows and the timer.
    fn progress(&mut self, now: Instant, segment: &Segment, duplicate: bool, out: &mut Outbox) {
        let pipe_before = self.pipe();
        let mut progress = Progress {
            flight: self
                .snd_nxt
                .distance_from(self.snd_una)
                .saturating_sub(self.sums.sacked),
            acked: segment.ack.distance_from(self.snd_una),
            duplicate,
            ..Progress::default()
        };
        self.take_sack(now, segment, &mut progress);
        if progress.acked != 0 {
            self.advance(now, segment, &mut progress, out);
        }
        self.note_delivery(now, segment, &progress);
        let lost = if self.sack_on {
            self.undo_by_dsack(&progress);
            self.detect_loss_by_time(now)
        } else {
            self.detect_loss_by_duplicates(&mut progress)
        };
        self.after_ack(now, segment, &progress, pipe_before, lost);
        if self.snd_una == self.snd_nxt {
            // RFC 6298 5.2.
            self.disarm();
        } else if progress.acked != 0
            || self.reorder_wait != Duration::from_us(0)
            || self.is_probe_obsolete()
        {
            // RFC 6298 5.3.
            self.time_flight(now);
        }
    }

    // RFC 9293 3.10.7.4, fifth, SYN-RECEIVED: our SYN is acknowledged.
    fn on_syn_acked(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) {
        self.syn_is_acknowledged(now, segment, out);
        if self.state() == State::SynReceived {
            self.take(now, Event::RcvAckOfSyn, out);
            if self.fin_queued {
                // RFC 9293 3.10.4, SYN-RECEIVED: a CLOSE that waited for this.
                self.take(now, Event::Close, out);
            }
        }
    }

    /// Our SYN is acknowledged, and the peer's MSS known: data may flow.
    pub(super) fn syn_is_acknowledged(
        &mut self,
        now: Instant,
        segment: &Segment,
        out: &mut Outbox,
    ) {
        self.heard(now);
        let syn_lost = self.retries != 0;
        let timed = core::mem::take(&mut self.rtt_timing).then(|| now.since(self.rtt_start));
        let rtt = timed.or_else(|| self.echoed_rtt(now, segment));
        if let Some(rtt) = rtt {
            self.rtt.on_sample(rtt, 1);
        }
        self.recovery.open(now, self.iss + 1, rtt);
        self.syn_acked = true;
        self.syn_due = false;
        let mss = self.effective_mss();
        self.congestion = Congestion::new(self.congestion.kind(), mss);
        if syn_lost {
            // RFC 6298 5.7, RFC 5681 3.1.
            self.rtt.on_syn_lost();
            self.congestion.on_syn_lost(mss);
        }
        let mut progress = Progress::default();
        self.snd_una = self.iss + 1;
        if segment.ack.after(self.snd_una) {
            self.advance(now, segment, &mut progress, out);
        }
        self.retries = 0;
        self.set_window(segment);
        if self.snd_una == self.snd_nxt {
            self.disarm();
        } else {
            self.time_flight(now);
        }
        out.wake |= Wake::WRITABLE | Wake::STATE_CHANGE;
    }

    /// SND.UNA moves to SEG.ACK, which is after it.
    #[inline(always)]
    fn advance(
        &mut self,
        now: Instant,
        segment: &Segment,
        progress: &mut Progress,
        out: &mut Outbox,
    ) {
        let ack = segment.ack;
        // Else it is our FIN alone that is acknowledged.
        let some_data = self.snd_una.before(self.write_end);
        self.scoreboard()
            .acknowledge(now, ack, &mut progress.delivery);
        self.snd_una = ack;
        self.retries = 0;
        if let Some(rtt) = self.sample(now, segment, progress) {
            // RFC 7323 appendix G: an ACK comes for every second segment.
            let flight = progress.flight / u32::from(self.effective_mss()).max(1);
            self.rtt.on_sample(rtt, flight.div_ceil(2));
        }
        if some_data {
            out.acked = true;
            out.wake |= Wake::WRITABLE;
        }
    }

    // RFC 6298 3: nothing that was sent again gives a sample, unless timestamps tell the transmissions apart.
    fn sample(&self, now: Instant, segment: &Segment, progress: &Progress) -> Option<Duration> {
        let rtt = progress.delivery.rtt();
        if rtt.is_some() || progress.dsack {
            // RFC 7323 5.3: a duplicate does not renew what is echoed, so that its ACK has the echo of a segment of long ago.
            return rtt;
        }
        self.echoed_rtt(now, segment)
    }

    // RFC 7323 4.1: the echo tells which of the transmissions arrived. An echo of the future is no echo.
    fn echoed_rtt(&self, now: Instant, segment: &Segment) -> Option<Duration> {
        let timestamps = segment.options.timestamps.filter(|_| self.ts_on)?;
        let age_ms = self.ts_now(now).wrapping_sub(timestamps.ecr);
        (timestamps.ecr != 0 && age_ms <= i32::MAX as u32)
            .then(|| Duration::from_ms(u64::from(age_ms)))
    }

    /// The window of a segment in octets.
    #[inline]
    fn window_of(&self, segment: &Segment) -> u32 {
        // RFC 7323 2.2: the window of a SYN is never scaled.
        let scale = if segment.flags.contains(Flags::SYN) {
            0
        } else {
            u32::from(self.snd_wscale)
        };
        u32::from(segment.wnd) << scale
    }

    /// SND.WND, SND.WL1 and SND.WL2 are set.
    #[inline]
    pub(super) fn set_window(&mut self, segment: &Segment) {
        self.snd_wnd = self.window_of(segment);
        if self.snd_wnd > self.max_snd_wnd {
            self.max_snd_wnd = self.snd_wnd;
        }
        self.snd_wl1 = segment.seq;
        self.snd_wl2 = segment.ack;
    }

    /// An acceptable acknowledgment came; the window was `was_open` before. RFC 9293 3.8.6.1.
    pub(super) fn watch_window(&mut self, now: Instant, was_open: u32) {
        if self.timer == Some(TimerKind::Persist) {
            // MUST-37: the peer answers.
            self.retries = 0;
            if self.snd_wnd > was_open {
                self.disarm();
                // SHLD-16: what the window had left out is sent (again) now.
                self.resend_flight();
            }
        } else if self.snd_wnd == 0 && self.has_pending() {
            // SHLD-17: no retransmission timeout for what the window does not allow.
            self.arm_persist(now);
        }
    }
}
