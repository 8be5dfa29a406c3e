// SPDX-License-Identifier: GPL-2.0

//! The tail loss probe (RFC 8985 section 7): when the last of what is in flight is not acknowledged in time, one more segment
//! goes out, so that its acknowledgment, and not a timeout, tells what was lost; and the timer of what is in flight.

use super::records::RecordList;
use super::recovery::{Phase, Progress, TIMER_MARGIN};
use super::scoreboard::age_of_first;
use super::segment::Segment;
use super::tcb::Tcb;
use super::time::{Duration, Instant};
use super::timers::TimerKind;

/// What the peer may wait for a second segment before it acknowledges a single one (RFC 8985 section 7.2, WCDelAckT).
const WORST_DELAYED_ACK: Duration = Duration::from_ms(200);

/// A tail loss probe that was not answered yet (RFC 8985 section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Probe {
    None,
    /// It carried new data.
    New,
    /// It repeated the last segment.
    Repeated,
}

impl<L: RecordList> Tcb<L> {
    // RFC 8985 7.4.2: has a probe repaired a loss that must count?
    pub(super) fn judge_probe(&mut self, now: Instant, segment: &Segment, progress: &Progress) {
        let recovery = &self.recovery;
        if recovery.probe == Probe::None || segment.ack.before(recovery.probe_end) {
            return;
        }
        let beyond = segment.ack.after(recovery.probe_end);
        let nothing_new = progress.acked == 0 && progress.delivery.octets == 0;
        if recovery.probe == Probe::New || progress.dsack || nothing_new {
            self.recovery.probe = Probe::None;
        } else if beyond {
            self.recovery.probe = Probe::None;
            self.on_repaired_loss(now, progress.flight);
        }
    }

    /// Whether a tail loss probe may be scheduled (RFC 8985 section 7.2).
    fn may_probe_tail(&self) -> bool {
        self.sack_on
            && !self.probe_due
            && self.recovery.phase == Phase::Open
            && self.recovery.probe == Probe::None
            && self.sums.sacked == 0
            && self.sums.lost == 0
            // SHLD-15: nothing goes beyond a window that has shrunk, the last segment neither.
            && self.snd_nxt.distance_from(self.snd_una) <= self.snd_wnd
            && self.rtt.srtt_us() != 0
    }

    /// Whether a probe is scheduled that is of no use any more: the peer has told of a gap meanwhile.
    pub(super) fn is_probe_obsolete(&self) -> bool {
        self.timer == Some(TimerKind::TailProbe) && !self.may_probe_tail()
    }

    // RFC 8985 7.2: the probe timeout.
    fn probe_timeout(&self) -> Duration {
        let two_rtts = Duration::from_us(u64::from(self.rtt.srtt_us()).saturating_mul(2));
        let single = self.snd_nxt.distance_from(self.snd_una) <= u32::from(self.effective_mss());
        two_rtts
            + if single {
                WORST_DELAYED_ACK
            } else {
                TIMER_MARGIN
            }
    }

    /// Starts the timer for what is in flight: until more reordering would be loss, until a probe, or until the timeout.
    pub(super) fn time_flight(&mut self, now: Instant) {
        let rto = self.rtt.rto();
        if self.reorder_wait.as_us() != 0 {
            self.arm(
                TimerKind::Reorder,
                now + (self.reorder_wait + TIMER_MARGIN).min(rto),
            );
            return;
        }
        self.arm(TimerKind::Retransmit, now + rto);
        self.time_tail(now);
    }

    // RFC 8985 7.2: the probe is for the last that was sent, but comes before the timeout of the first.
    #[inline(always)]
    pub(super) fn time_tail(&mut self, now: Instant) {
        if !self.may_probe_tail() {
            return;
        }
        let first_age = age_of_first(now, self.sent.as_slice());
        let probe = self
            .probe_timeout()
            .min(self.rtt.rto() - first_age)
            .max(TIMER_MARGIN);
        let deadline = now + probe;
        if self.timer == Some(TimerKind::TailProbe) || deadline < self.deadline {
            self.arm(TimerKind::TailProbe, deadline);
        }
    }

    // RFC 8985 7.3: the probe itself is made by next_segment.
    pub(super) fn on_tail_probe_timer(&mut self, now: Instant) {
        self.probe_due = true;
        self.arm(TimerKind::Retransmit, now + self.rtt.rto());
    }

    /// The probe was sent: new data, or the last segment once more.
    pub(super) fn tail_probe_sent(&mut self, repeated: bool) {
        self.probe_due = false;
        self.recovery.probe = if repeated {
            Probe::Repeated
        } else {
            Probe::New
        };
        self.recovery.probe_end = self.snd_nxt;
    }
}
