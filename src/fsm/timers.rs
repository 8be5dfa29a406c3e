// SPDX-License-Identifier: GPL-2.0

//! What happens when a timer fires: retransmission with its two thresholds (RFC 9293 section 3.8.3, RFC 6298 section 5),
//! zero-window probes (RFC 9293 section 3.8.6.1), and the end of an orphan in FIN-WAIT-2.

use super::arcs::{Event, State};
use super::config::Config;
use super::outbox::{ConnError, Outbox};
use super::records::RecordList;
use super::tcb::Tcb;
use super::time::{Duration, Instant};

/// The longest interval between two probes.
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(120);

/// A probe's interval doubled this often is beyond the longest.
const MAX_PROBE_BACKOFF: u8 = 10;

/// The longest that small data is held back by a small window (RFC 9293 section 3.8.6.2.1: 0.1 to 1.0 s).
const MAX_OVERRIDE: Duration = Duration::from_ms(500);

/// The longest that a cork holds small data back, as in Linux.
const CORK_CEILING: Duration = Duration::from_ms(200);

/// The timers of connections, requests and TIME-WAITs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum TimerKind {
    /// A SYN, data or a FIN is sent again.
    Retransmit,
    /// What waited for segments that may only be out of order is lost (RFC 8985 section 6.3).
    Reorder,
    /// The tail of what is in flight is probed (RFC 8985 section 7.3).
    TailProbe,
    /// A window that is closed, or too small, is tried.
    Persist,
    /// An orphan has waited too long for the peer's FIN.
    FinWait2,
    /// An ACK has waited long enough for company.
    DelayedAck,
    /// The peer was not heard for a while.
    KeepAlive,
    /// A request's SYN-ACK is sent again.
    SynAck,
    /// Twice the maximum segment lifetime.
    TimeWait,
}

impl TimerKind {
    /// The name in `/proc`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Retransmit => "retransmit",
            Self::Reorder => "reorder",
            Self::TailProbe => "tail-probe",
            Self::Persist => "persist",
            Self::FinWait2 => "fin-wait-2",
            Self::DelayedAck => "ack",
            Self::KeepAlive => "keep-alive",
            Self::SynAck => "synack",
            Self::TimeWait => "time-wait",
        }
    }
}

impl<L: RecordList> Tcb<L> {
    /// Does what is due at `now`; nothing if the deadline is still to come.
    pub(crate) fn on_timer(&mut self, now: Instant, cfg: &Config, out: &mut Outbox) {
        self.on_ack_timer(now);
        let Some(kind) = self.timer else {
            self.on_keepalive_timer(now, cfg, out);
            return;
        };
        if now < self.deadline {
            return;
        }
        match kind {
            TimerKind::Retransmit => self.on_retransmit_timer(now, cfg, out),
            TimerKind::Reorder => self.on_reorder_timer(now),
            TimerKind::TailProbe => self.on_tail_probe_timer(now),
            TimerKind::Persist => self.on_persist_timer(now, cfg, out),
            // Nobody is there to be told.
            TimerKind::FinWait2 => self.end(now, Event::OrphanTimeout, None, out),
            // These belong to objects of their own, or are never in the slot.
            TimerKind::SynAck
            | TimerKind::TimeWait
            | TimerKind::KeepAlive
            | TimerKind::DelayedAck => self.disarm(),
        }
    }

    // RFC 6298 5.4 to 5.6; RFC 9293 3.8.3.
    fn on_retransmit_timer(&mut self, now: Instant, cfg: &Config, out: &mut Outbox) {
        if self.gives_up(now, self.r2(cfg)) {
            // MUST-20: R2 is reached.
            self.end(now, Event::Timeout, Some(ConnError::TimedOut), out);
            return;
        }
        self.note_stall(now);
        self.retries = self.retries.saturating_add(1);
        if self.retries >= cfg.retries1 {
            // MUST-20, SHLD-9: R1 is reached.
            out.negative_advice = true;
            out.soft_error = Some(ConnError::TimedOut);
        }
        if self.syn_acked {
            self.on_flight_timeout(now);
        } else {
            self.syn_due = true;
            // A FIN may follow the SYN already.
            self.resend_flight();
        }
        self.rtt.back_off();
        self.rtt_timing = false;
        self.force = true;
        // RFC 6298 5.6: whether or not next_segment finds something that fits.
        let wait = self.until_user_timeout(now, self.rtt.rto());
        self.arm(TimerKind::Retransmit, now + wait);
    }

    /// R2, in retransmissions.
    fn r2(&self, cfg: &Config) -> u8 {
        match self.state() {
            // MUST-22, MUST-23: a SYN has a threshold of its own.
            State::SynSent | State::SynReceived => self.settings.syn_retries(cfg),
            _ if self.user_gone => cfg.orphan_r2(),
            _ => cfg.retries2,
        }
    }

    // RFC 9293 3.8.6.1: a probe; or 3.8.6.2.1: what was held back long enough is sent.
    fn on_persist_timer(&mut self, now: Instant, cfg: &Config, out: &mut Outbox) {
        self.notice_reneging();
        self.resend_flight();
        self.force = true;
        if self.snd_wnd != 0 {
            // The window is small, not closed: next_segment fills it and starts the retransmission timer.
            self.disarm();
            return;
        }
        // MUST-37: every answer sets the count back, so that only silence ends a connection.
        if self.probe_backoff == 0 {
            self.note_closed_window(now);
        }
        if self.retries >= self.r2(cfg) || self.is_user_timeout_over(now) {
            self.end(now, Event::Timeout, Some(ConnError::TimedOut), out);
            return;
        }
        self.retries = self.retries.saturating_add(1);
        // SHLD-30.
        self.probe_backoff = self.probe_backoff.saturating_add(1).min(MAX_PROBE_BACKOFF);
        let wait = self.until_user_timeout(now, self.probe_interval());
        self.arm(TimerKind::Persist, now + wait);
    }

    /// The time to the next probe: the first waits one RTO (SHLD-29).
    fn probe_interval(&self) -> Duration {
        let mut interval = self.rtt.rto();
        for _ in 0..self.probe_backoff {
            interval = interval.doubled();
        }
        interval.min(MAX_PROBE_INTERVAL)
    }

    /// Starts probing a closed window, or waiting for a small one.
    pub(super) fn arm_persist(&mut self, now: Instant) {
        self.probe_backoff = 0;
        let interval = self.probe_interval();
        let interval = if self.snd_wnd == 0 {
            interval
        } else if self.is_corked() {
            CORK_CEILING
        } else {
            interval.min(MAX_OVERRIDE)
        };
        self.arm(TimerKind::Persist, now + interval);
    }
}
