// SPDX-License-Identifier: GPL-2.0

//! The machine without time, for model checking: two blocks that differ only in when things happened become equal.
//!
//! The clock stands still, and a timer that runs may fire next: whatever the times are, that order of events is among those
//! which are tried. With the times go what is computed of them alone (the round-trip time, the congestion window, the
//! counts for TCP_INFO, the sizes of buffers). All else stays as it is.

#![allow(dead_code, reason = "the module does not call it, model checking does")]

use super::ack::Acks;
use super::autotune::Tuning;
use super::congestion::Congestion;
use super::info::Traffic;
use super::keepalive::Liveness;
use super::records::RecordList;
use super::rtt::RttEstimator;
use super::seq::SeqNumber;
use super::tcb::Tcb;
use super::time::{Duration, Instant};
use super::timers::TimerKind;

/// How far in the future every deadline is.
const FUTURE: Duration = Duration::from_secs(1);

/// When a timer fires that runs since the clock has stopped at `now`.
pub(crate) fn some_time_after(now: Instant) -> Instant {
    now + FUTURE
}

impl<L: RecordList> Tcb<L> {
    /// Forgets all times; the clock stands at `now`. `passed`: enough time has passed for one more challenge ACK.
    pub(crate) fn forget_time(&mut self, now: Instant, passed: bool) {
        let later = some_time_after(now);
        self.deadline = match self.timer {
            Some(_) => later,
            None => now,
        };
        let ack_waits = self.acks.deadline.is_some();
        self.acks = Acks::new();
        self.acks.deadline = ack_waits.then_some(later);
        self.since = now;
        self.ts_recent_at = now;
        self.rtt_start = now;
        self.last_sent = now;
        self.last_challenge = now;
        self.challenged &= !passed;
        self.probe_backoff = 0;
        self.rtt = RttEstimator::new();
        self.recovery.forget_time();
        self.congestion = Congestion::new(self.congestion.kind(), self.effective_mss());
        self.life = Liveness::default();
        self.traffic = Traffic::default();
        self.tuning = Tuning::new();
        for record in self.sent.as_mut_slice() {
            record.at_us = now.as_us() as u32;
        }
    }

    /// Lets the timer of this kind, which runs, be the next one: it is due at `now`, and no other.
    pub(crate) fn make_due(&mut self, kind: TimerKind, now: Instant) {
        if kind == TimerKind::DelayedAck {
            self.acks.deadline = Some(now);
        } else {
            self.deadline = now;
        }
    }

    /// The timers that run.
    pub(crate) fn timers(&self) -> impl Iterator<Item = TimerKind> {
        let ack = self.acks.deadline.map(|_| TimerKind::DelayedAck);
        self.timer.into_iter().chain(ack)
    }

    /// Whether anything is left to be sent or to be acknowledged.
    pub(crate) fn is_busy(&self) -> bool {
        self.has_pending()
    }

    /// Our initial sequence number and the peer's, SND.UNA, SND.NXT, RCV.NXT.
    pub(crate) fn numbers(&self) -> [SeqNumber; 5] {
        [self.iss, self.irs, self.snd_una, self.snd_nxt, self.rcv_nxt]
    }
}
