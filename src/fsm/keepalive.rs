// SPDX-License-Identifier: GPL-2.0

//! Is the peer still there? Keep-alives on an idle connection (RFC 9293 section 3.8.4) and the user timeout of one that is not
//! (RFC 9293 section 3.8.3, RFC 5482).

use super::arcs::{Event, State};
use super::config::Config;
use super::outbox::{ConnError, Outbox, ReplyWhy};
use super::reasons::ResetReason;
use super::records::RecordList;
use super::segment::{Flags, SegmentOut};
use super::tcb::Tcb;
use super::time::{Duration, Instant};
use super::timers::TimerKind;

/// The least time to the next try when the user timeout is close.
const LEAST_WAIT: Duration = Duration::from_ms(2);

/// What is known of the peer's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Liveness {
    /// When an acceptable acknowledgment last came.
    pub(super) heard_at: Instant,
    /// When the last keep-alive was sent.
    sent_at: Instant,
    /// Since when what was sent, or a closed window, has waited for an answer.
    stalled_since: Instant,
    /// How long the connection is idle before the first keep-alive, and between two.
    idle_ms: u32,
    interval_ms: u32,
    /// Keep-alives since the peer was last heard.
    pub(super) probes: u8,
}

/// A duration in milliseconds: keep-alives wait for nine hours at most.
fn ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_us() / 1_000).unwrap_or(u32::MAX)
}

impl<L: RecordList> Tcb<L> {
    /// The peer lives: an acceptable acknowledgment came.
    #[inline]
    pub(super) fn heard(&mut self, now: Instant) {
        self.life.heard_at = now;
        self.life.probes = 0;
    }

    /// The times between keep-alives as they are set now.
    pub(super) fn refresh_keepalive(&mut self, cfg: &Config) {
        self.life.idle_ms = ms(self.settings.keepalive_time(cfg));
        self.life.interval_ms = ms(self.settings.keepalive_intvl(cfg));
    }

    /// When the next keep-alive is due, if any: MUST-26, only while nothing that was sent is outstanding.
    pub(super) fn keepalive_deadline(&self) -> Option<Instant> {
        let open = matches!(
            self.state(),
            State::Established | State::FinWait2 | State::CloseWait
        );
        // MUST-24, MUST-25: only where the program asks for it.
        if !self.settings.keepalive || !open || self.has_pending() {
            return None;
        }
        Some(match self.life.probes {
            0 => self.life.heard_at + Duration::from_ms(u64::from(self.life.idle_ms)),
            _ => self.life.sent_at + Duration::from_ms(u64::from(self.life.interval_ms)),
        })
    }

    /// The keep-alive timer fired.
    pub(super) fn on_keepalive_timer(&mut self, now: Instant, cfg: &Config, out: &mut Outbox) {
        self.refresh_keepalive(cfg);
        if self
            .keepalive_deadline()
            .is_none_or(|deadline| now < deadline)
        {
            return;
        }
        // MUST-29: never for one probe alone, unless the program said how long, or how often.
        let over = match self.settings.user_timeout() {
            Some(timeout) => self.life.probes != 0 && now.since(self.life.heard_at) >= timeout,
            None => self.life.probes >= self.settings.keepalive_probes(cfg),
        };
        if over {
            out.reply(
                self.abort_rst(),
                ReplyWhy::Reset(ResetReason::KeepAliveTimeout),
            );
            let event = match self.state() {
                // Nothing is retransmitted there: the table knows no timeout but the orphan's.
                State::FinWait2 => Event::Abort,
                _ => Event::Timeout,
            };
            self.end(now, event, Some(ConnError::TimedOut), out);
            return;
        }
        self.life.probes = self.life.probes.saturating_add(1);
        self.life.sent_at = now;
        out.reply(self.keepalive(now, cfg), ReplyWhy::KeepAlive);
    }

    // RFC 9293 3.8.4: a segment that the peer has had, so that it must answer. SHLD-12: without data; MAY-6: or with one
    // octet, whose content does not matter, for a peer that answers nothing else.
    fn keepalive(&mut self, now: Instant, cfg: &Config) -> SegmentOut {
        let len = u32::from(cfg.keepalive_octet);
        let mut segment = self.segment(now, self.snd_nxt - 1, Flags::ACK, 0);
        segment.payload_len = len;
        segment
    }

    /// A timeout is about to be counted: the first one tells that the connection is stalled since what it is about was sent.
    pub(super) fn note_stall(&mut self, now: Instant) {
        self.traffic.timeouts = self.traffic.timeouts.saturating_add(1);
        if self.retries == 0 {
            let sent_at = now.as_us().saturating_sub(self.rtt.rto().as_us());
            self.life.stalled_since = Instant::from_us(sent_at);
        }
    }

    /// A closed window is about to be probed for the first time.
    pub(super) fn note_closed_window(&mut self, now: Instant) {
        self.life.stalled_since = now;
    }

    /// Whether the program's user timeout is over, if it has set one.
    pub(super) fn is_user_timeout_over(&self, now: Instant) -> bool {
        self.settings
            .user_timeout()
            .is_some_and(|timeout| now.since(self.life.stalled_since) >= timeout)
    }

    /// Whether what was retransmitted long enough is given up (RFC 9293 3.8.3, MUST-20): by the user timeout if the program has
    /// set one (MUST-21), else by R2; a SYN by whichever comes first.
    pub(super) fn gives_up(&self, now: Instant, r2: u8) -> bool {
        let timed_out = self.retries != 0 && self.is_user_timeout_over(now);
        let opening = matches!(self.state(), State::SynSent | State::SynReceived);
        let by_count = opening || self.settings.user_timeout().is_none();
        timed_out || by_count && self.retries >= r2
    }

    /// `wait`, or what is left of the user timeout if that is less.
    pub(super) fn until_user_timeout(&self, now: Instant, wait: Duration) -> Duration {
        match self.settings.user_timeout() {
            None => wait,
            Some(timeout) => {
                let left = timeout - now.since(self.life.stalled_since);
                wait.min(left.max(LEAST_WAIT))
            }
        }
    }

    /// The keep-alive timer, if it runs: only where no other does.
    pub(super) fn keepalive_timer(&self) -> Option<(TimerKind, Instant)> {
        let deadline = self.keepalive_deadline()?;
        Some((TimerKind::KeepAlive, deadline))
    }
}
