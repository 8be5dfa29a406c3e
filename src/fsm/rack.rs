// SPDX-License-Identifier: GPL-2.0

//! RACK: what was sent before something that has arrived, and long enough before, is lost (RFC 8985 section 6). For peers that send
//! SACKs; what is done about a loss is in [`super::recovery`].

use super::records::RecordList;
use super::recovery::{Phase, Progress, DUP_THRESHOLD};
use super::scoreboard::Arrival;
use super::segment::Segment;
use super::seq::SeqNumber;
use super::tcb::{ts_before, Tcb};
use super::time::{Duration, Instant};

impl<L: RecordList> Tcb<L> {
    // RFC 8985 6.2, steps 1 to 3.
    pub(super) fn note_delivery(&mut self, now: Instant, segment: &Segment, progress: &Progress) {
        let delivery = &progress.delivery;
        if let Some(rtt) = delivery.rtt() {
            self.recovery.note_min_rtt(now, rtt);
        }
        if let Some(newest) = delivery.newest {
            if let Some(original) = delivery.newest_original {
                self.update_rack(now, segment, &original);
            }
            self.update_rack(now, segment, &newest);
            // Step 3: something older than the highest that has arrived, and sent once only, arrived later.
            if self.sack_on {
                let overtaken = delivery
                    .lowest_original
                    .is_some_and(|lowest| lowest.before(self.recovery.fack));
                self.recovery.reordering_seen |= overtaken;
                self.recovery.fack = SeqNumber::max_of(self.recovery.fack, newest.end);
            }
        }
        self.recovery.fack = SeqNumber::max_of(self.recovery.fack, self.snd_una);
    }

    // Steps 1 and 2: RACK.xmit_ts, RACK.end_seq and RACK.rtt are those of the segment sent last of all that have arrived.
    fn update_rack(&mut self, now: Instant, segment: &Segment, newest: &Arrival) {
        if newest.retransmitted {
            // Which transmission arrived? Not this one if the echo is older, or no path is that fast. What is behind a gap is
            // not echoed (RFC 7323 4.3): there the timestamp tells nothing.
            let sent_at = Instant::from_us(now.as_us().saturating_sub(newest.age.as_us()));
            let sent_ts = self.ts_now(sent_at);
            let echo_is_older = self.ts_on
                && newest.end.at_or_before(segment.ack)
                && segment
                    .options
                    .timestamps
                    .is_some_and(|timestamps| ts_before(timestamps.ecr, sent_ts));
            if echo_is_older || newest.age < Duration::from_us(u64::from(self.recovery.min_rtt_us))
            {
                return;
            }
        }
        let rtt_us = u32::try_from(newest.age.as_us()).unwrap_or(u32::MAX);
        let sent_us = (now.as_us() as u32).wrapping_sub(rtt_us);
        let recovery = &mut self.recovery;
        // By their ages: however long ago the last one was, what is in flight is young.
        let rack_age_us = (now.as_us() as u32).wrapping_sub(recovery.rack_sent_us);
        if !recovery.rack_valid
            || rtt_us < rack_age_us
            || rtt_us == rack_age_us && newest.end.after(recovery.rack_end)
        {
            recovery.rack_valid = true;
            recovery.rack_sent_us = sent_us;
            recovery.rack_end = newest.end;
            recovery.rack_rtt_us = rtt_us;
        }
    }

    // RFC 8985 6.2, step 4: how late a segment may be before it is lost.
    pub(super) fn reordering_window(&self) -> Duration {
        let recovery = &self.recovery;
        let mss = u32::from(self.effective_mss());
        let threshold = mss.saturating_mul(u32::from(DUP_THRESHOLD));
        if !recovery.reordering_seen
            && (matches!(recovery.phase, Phase::Fast | Phase::Timeout)
                || self.sums.sacked >= threshold)
        {
            return Duration::from_us(0);
        }
        let quarter = recovery.min_rtt_us / 4;
        let window = quarter.saturating_mul(u32::from(recovery.reo_wnd_mult));
        Duration::from_us(u64::from(window.min(self.rtt.srtt_us().max(quarter))))
    }

    // RFC 8985 6.2, step 5: what was sent long enough before something that has arrived is lost. How many octets are new
    // among the lost. The timer waits for what may still arrive.
    pub(super) fn detect_loss_by_time(&mut self, now: Instant) -> u32 {
        self.reorder_wait = Duration::from_us(0);
        if !self.recovery.rack_valid || self.sums.sacked == 0 && self.recovery.phase == Phase::Open
        {
            return 0;
        }
        let patience =
            Duration::from_us(u64::from(self.recovery.rack_rtt_us)) + self.reordering_window();
        let rack_age = now_less(now, self.recovery.rack_sent_us);
        let rack_end = self.recovery.rack_end;
        let mut wait = Duration::from_us(0);
        let lost = self.scoreboard().mark_lost(now, |age, end, again| {
            // What was sent again in the same microsecond as something new was not sent before it.
            let sent_before = age > rack_age || age == rack_age && !again && end.before(rack_end);
            if !sent_before {
                return false;
            }
            if age >= patience {
                return true;
            }
            wait = wait.max(patience - age);
            false
        });
        self.reorder_wait = wait;
        lost
    }

    // RFC 8985 6.3, end of section: what waited for reordering is lost now.
    pub(super) fn on_reorder_timer(&mut self, now: Instant) {
        let lost = self.detect_loss_by_time(now);
        if lost != 0 && matches!(self.recovery.phase, Phase::Open | Phase::Reduction) {
            let flight = self.snd_nxt.distance_from(self.snd_una);
            let (flight, mss) = (
                flight.saturating_sub(self.sums.sacked),
                self.effective_mss(),
            );
            if self.recovery.phase == Phase::Open {
                self.congestion.on_loss(now, flight, mss);
            }
            self.enter(now, Phase::Fast);
            let pipe = self.pipe();
            self.congestion.on_recovery_ack(0, pipe, false, true, mss);
        }
        self.time_flight(now);
    }
}

/// The time since the instant of which these are the lower bits.
fn now_less(now: Instant, earlier_us: u32) -> Duration {
    Duration::from_us(u64::from((now.as_us() as u32).wrapping_sub(earlier_us)))
}
