// SPDX-License-Identifier: GPL-2.0

//! Congestion control: how much may be in flight.
//!
//! Here is what all algorithms share: the initial window (RFC 6928), slow start (RFC 5681, RFC 3465, RFC 9406), fast
//! recovery (RFC 9937), the loss window after a timeout (RFC 5681), what an idle time leaves (RFC 2861), and how a response is taken back
//! (RFC 4015). How the window grows in congestion avoidance, and what congestion leaves of it, is an [`Algorithm`]'s to say.

use super::cubic::{rescaled, Cubic};
use super::hystart::HyStart;
use super::prr::Prr;
use super::reno::Reno;
use super::time::{Duration, Instant};

/// Octets of the initial window where the segments are large (RFC 6928 section 2).
const INITIAL_WINDOW: u32 = 14_600;

/// The least slow start threshold, in segments (RFC 5681 section 3.1, equation 4).
const MIN_SSTHRESH_SEGMENTS: u32 = 2;

/// L of RFC 3465 section 2.2: by how many segments one acknowledgment may widen the window in slow start.
const SLOW_START_LIMIT: u32 = 2;

/// L after a timeout, where an acknowledgment may tell of what had arrived before (RFC 3465 section 2.3).
const SLOW_START_LIMIT_AFTER_TIMEOUT: u32 = 1;

/// L while HyStart++ watches a sender that does not pace (RFC 9406 section 4.3).
const SLOW_START_LIMIT_HYSTART: u32 = 8;

/// The algorithms, by the names that TCP_CONGESTION has for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// RFC 5681.
    Reno,
    /// RFC 9438.
    #[default]
    Cubic,
}

impl Kind {
    /// All of them, the default first.
    pub(crate) const ALL: [Self; 2] = [Self::Cubic, Self::Reno];

    /// The algorithm of this name, which is without a NUL; None: there is none.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().as_bytes() == name)
    }

    /// The algorithm's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reno => "reno",
            Self::Cubic => "cubic",
        }
    }
}

/// An acknowledgment in congestion avoidance, for an [`Algorithm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowAck {
    /// When it came.
    pub(crate) now: Instant,
    /// The octets that it acknowledged, more than none.
    pub(crate) acked: u32,
    /// The congestion window before, in octets, at least a segment.
    pub(crate) cwnd: u32,
    /// The size of a segment, in octets, at least 1.
    pub(crate) mss: u32,
    /// The smoothed round-trip time in microseconds; 0: not known.
    pub(crate) srtt_us: u32,
}

/// What tells one congestion control from another: congestion avoidance, and the answer to congestion.
pub(crate) trait Algorithm: Copy {
    /// An acknowledgment came while the window was full; the answer is the new window, never smaller than the old one and never larger by
    /// more than a segment or what was acknowledged.
    fn on_ack(&mut self, ack: &WindowAck) -> u32;

    /// An acknowledgment came while the window was not full: it does not grow, and the time does not count.
    fn on_unused(&mut self, now: Instant);

    /// Nothing was in flight for so long, which has just ended.
    fn on_idle(&mut self, idle: Duration);

    /// What congestion leaves of `octets`.
    fn reduced(&self, octets: u32) -> u32;

    /// A loss or an ECN mark ends this stage, in which the window came to `cwnd` octets.
    fn on_congestion(&mut self, cwnd: u32);

    /// A timeout ends it.
    fn on_timeout(&mut self, cwnd: u32);

    /// Slow start begins again, without congestion.
    fn on_slow_start(&mut self);

    /// A segment has `new_mss` octets now, no longer `old_mss`.
    fn rescale(&mut self, old_mss: u32, new_mss: u32);
}

/// The algorithm in use, and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Reno(Reno),
    Cubic(Cubic),
}

/// Calls the method of the algorithm in use.
macro_rules! dispatch {
    ($state:expr, $algorithm:ident => $call:expr) => {
        match $state {
            State::Reno($algorithm) => $call,
            State::Cubic($algorithm) => $call,
        }
    };
}

impl State {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Reno => Self::Reno(Reno::default()),
            Kind::Cubic => Self::Cubic(Cubic::default()),
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Self::Reno(_) => Kind::Reno,
            Self::Cubic(_) => Kind::Cubic,
        }
    }
}

/// What was before a response to congestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Before {
    cwnd: u32,
    ssthresh: u32,
    state: State,
}

/// The congestion state of one connection; all windows are in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Congestion {
    /// The congestion window: how much may be in flight. At least a segment.
    cwnd: u32,
    /// Below it cwnd grows by slow start, from it on by congestion avoidance.
    ssthresh: u32,
    /// The size of a segment.
    mss: u16,
    /// A timeout happened, and nothing was acknowledged since.
    timed_out: bool,
    /// This slow start follows a timeout.
    after_timeout: bool,
    state: State,
    hystart: HyStart,
    /// Fast recovery, or the reduction after an ECN mark, is under way.
    recovery: Option<Prr>,
    /// What [`Congestion::undo`] restores.
    before: Option<Before>,
}

// Each connection has one.
const _: () = assert!(core::mem::size_of::<Congestion>() <= 128);

impl Congestion {
    /// The state of a new connection whose segments carry up to `mss` octets.
    pub(crate) fn new(kind: Kind, mss: u16) -> Self {
        Self {
            cwnd: initial_window(mss),
            ssthresh: u32::MAX,
            mss,
            timed_out: false,
            after_timeout: false,
            state: State::new(kind),
            hystart: HyStart::new(),
            recovery: None,
            before: None,
        }
    }

    /// The algorithm in use.
    #[inline]
    pub(crate) const fn kind(&self) -> Kind {
        self.state.kind()
    }

    /// Changes the algorithm; the window, the threshold and a recovery that is under way stay.
    pub(crate) fn set_kind(&mut self, kind: Kind) {
        if kind != self.kind() {
            self.state = State::new(kind);
        }
    }

    /// The congestion window in octets: at least one segment.
    #[inline]
    pub(crate) const fn cwnd(&self) -> u32 {
        self.cwnd
    }

    /// The slow start threshold in octets; `u32::MAX` before the first congestion.
    #[inline]
    pub(crate) const fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    /// Whether the window grows by slow start: never in fast recovery.
    #[inline]
    pub(crate) const fn in_slow_start(&self) -> bool {
        self.recovery.is_none() && self.cwnd < self.ssthresh
    }

    /// Whether fast recovery, or the reduction after an ECN mark, is under way: acknowledgments go to
    /// [`Congestion::on_recovery_ack`].
    #[inline]
    pub(crate) const fn in_recovery(&self) -> bool {
        self.recovery.is_some()
    }

    /// Outside of recovery, `acked` octets were acknowledged. `rtt` is the sample that this acknowledgment gave, if any, and `srtt_us`
    /// the smoothed time, or 0. `cwnd_limited`: the window, and not the program or the peer, held back what was sent; if not,
    /// the window does not grow (RFC 7661 section 1, RFC 9438 section 4.2), since nothing shows that the path would bear it. In slow start, it
    /// is enough that half of the window was in use.
    pub(crate) fn on_ack(
        &mut self,
        now: Instant,
        acked: u32,
        mss: u16,
        rtt: Option<Duration>,
        srtt_us: u32,
        cwnd_limited: bool,
    ) {
        if acked == 0 || self.in_recovery() {
            return;
        }
        self.timed_out = false;
        let mss = octets(mss);
        let mut left = acked;
        if self.in_slow_start() {
            left = self.slow_start(acked, mss, rtt, cwnd_limited);
        }
        if self.in_slow_start() || left == 0 {
            return;
        }
        self.after_timeout = false;
        if !cwnd_limited {
            dispatch!(&mut self.state, algorithm => algorithm.on_unused(now));
            return;
        }
        let ack = WindowAck {
            now,
            acked: left,
            cwnd: self.cwnd,
            mss,
            srtt_us,
        };
        self.cwnd = dispatch!(&mut self.state, algorithm => algorithm.on_ack(&ack));
    }

    /// Slow start; the answer is what is left for congestion avoidance of the octets that were acknowledged.
    fn slow_start(
        &mut self,
        acked: u32,
        mss: u32,
        rtt: Option<Duration>,
        cwnd_limited: bool,
    ) -> u32 {
        // RFC 9406 4.3: only the first slow start is watched. RFC 9438 4.10 asks for it; Reno remains what it is.
        let watched = self.ssthresh == u32::MAX && self.kind() == Kind::Cubic;
        let ends = watched && self.hystart.on_ack(acked, rtt, self.cwnd);
        if ends {
            // RFC 9406 4.2: congestion avoidance.
            self.ssthresh = self.cwnd;
            return acked;
        }
        if !cwnd_limited {
            return 0;
        }
        let limit = if watched {
            SLOW_START_LIMIT_HYSTART
        } else if self.after_timeout {
            SLOW_START_LIMIT_AFTER_TIMEOUT
        } else {
            SLOW_START_LIMIT
        };
        // RFC 5681 3.1, equation 2, with the limit of RFC 3465 2.2.
        let counted = acked.min(mss.saturating_mul(limit));
        let growth = if watched {
            self.hystart.growth(counted)
        } else {
            counted
        };
        let room = self.ssthresh.saturating_sub(self.cwnd);
        self.cwnd = self.cwnd.saturating_add(growth.min(room));
        growth.saturating_sub(room)
    }

    /// A loss was found, and fast recovery starts: the threshold is set, and [`Congestion::on_recovery_ack`] brings the
    /// window down to it. No effect in recovery: there is one response for each window.
    ///
    /// `flight` is RecoverFS of RFC 9937 section 6.1, in octets: SND.NXT - SND.UNA, and what this acknowledgment has acknowledged, less what was
    /// selectively acknowledged before it.
    pub(crate) fn on_loss(&mut self, _now: Instant, flight: u32, mss: u16) {
        if self.in_recovery() {
            return;
        }
        self.remember();
        let used = match self.kind() {
            // RFC 5681 3.1, equation 4: by what was in flight; no more than the window, since what limited transmit sent does
            // not count (3.2, step 2).
            Kind::Reno => flight.min(self.cwnd),
            // RFC 9438 4.6 allows the window itself where it does not grow unused, as here: in a small window that has just lost
            // several segments little is in flight.
            Kind::Cubic => self.cwnd,
        };
        let reduced = self.respond(used);
        // RFC 5681 3.1, equation 4; RFC 9438 4.6.
        self.ssthresh = reduced.max(least_ssthresh(mss));
        self.recovery = Some(Prr::new(flight, self.ssthresh));
    }

    /// The peer echoed an ECN mark: as after a loss (RFC 3168 section 6.1.2), but that the window may come down to one
    /// segment (RFC 9438 section 4.6), and nothing undoes it. The factor is that of a loss, since a larger one (RFC 8511) is
    /// an experiment. No effect in recovery.
    pub(crate) fn on_ecn(&mut self, _now: Instant, flight: u32, mss: u16) {
        if self.in_recovery() {
            return;
        }
        self.before = None;
        let reduced = self.respond(flight.min(self.cwnd));
        self.ssthresh = reduced.max(least_ssthresh(mss));
        self.recovery = Some(Prr::new(flight, reduced.max(octets(mss))));
    }

    /// What congestion leaves of so many octets.
    fn respond(&mut self, used: u32) -> u32 {
        let cwnd = self.cwnd;
        self.timed_out = false;
        self.after_timeout = false;
        dispatch!(&mut self.state, algorithm => {
            algorithm.on_congestion(cwnd);
            algorithm.reduced(used)
        })
    }

    /// In recovery, an acknowledgment told of `delivered` octets that arrived (cumulatively or selectively), `pipe` octets
    /// are thought to be in flight after it, and `sent_lost` is whether it showed further losses. The window becomes what lets out as much as
    /// RFC 9937 allows. Where a timer found the loss, one call with `delivered` 0 lets the first retransmission out.
    pub(crate) fn on_recovery_ack(
        &mut self,
        delivered: u32,
        pipe: u32,
        snd_una_advanced: bool,
        sent_lost: bool,
        mss: u16,
    ) {
        let mss = octets(mss);
        let safe = snd_una_advanced && !sent_lost;
        let Some(prr) = &mut self.recovery else {
            return;
        };
        if let Some(room) = prr.on_ack(delivered, pipe, safe, mss) {
            self.cwnd = pipe.saturating_add(room).max(mss);
        }
    }

    /// `octets` of data were sent, for the first time or again.
    #[inline]
    pub(crate) fn on_sent(&mut self, octets: u32) {
        if let Some(prr) = &mut self.recovery {
            prr.on_sent(octets);
        }
    }

    /// All that was in flight when the recovery started is acknowledged: it ends (RFC 9937 section 6.2).
    pub(crate) fn on_recovered(&mut self, _now: Instant, mss: u16) {
        if let Some(prr) = self.recovery.take() {
            self.cwnd = prr.target().max(octets(mss));
        }
    }

    /// The retransmission timer fired with `flight` octets outstanding, SND.NXT - SND.UNA; a recovery ends by it.
    pub(crate) fn on_timeout(&mut self, _now: Instant, flight: u32, mss: u16) {
        // RFC 5681 3.1, equation 4; held when the same segment times out again.
        if !self.timed_out {
            let cwnd = self.settled_cwnd();
            self.remember();
            let reduced = dispatch!(&mut self.state, algorithm => {
                algorithm.on_timeout(cwnd);
                algorithm.reduced(flight)
            });
            let reduced = reduced.max(least_ssthresh(mss));
            self.ssthresh = if self.in_recovery() {
                // It has come down for this window.
                self.ssthresh.min(reduced)
            } else {
                reduced
            };
        }
        self.timed_out = true;
        self.after_timeout = true;
        self.recovery = None;
        // RFC 5681 3.1: the loss window is one segment.
        self.cwnd = octets(mss);
    }

    /// The last loss or timeout was none: what was before is restored (RFC 4015 section 3.2, RFC 9438 section 4.9), unless it is
    /// less than what is. At most once for each; a recovery ends by it. What a timeout in fast recovery restores is the
    /// window that the recovery would have ended with.
    pub(crate) fn undo(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        self.recovery = None;
        self.timed_out = false;
        self.after_timeout = false;
        self.cwnd = self.cwnd.max(before.cwnd);
        self.ssthresh = self.ssthresh.max(before.ssthresh);
        if before.state.kind() == self.kind() {
            self.state = before.state;
        }
        // The rounds were not counted in between.
        self.hystart = HyStart::new();
    }

    /// Keeps what [`Congestion::undo`] restores.
    fn remember(&mut self) {
        self.before = Some(Before {
            cwnd: self.settled_cwnd(),
            ssthresh: self.ssthresh,
            state: self.state,
        });
    }

    /// The window, or in recovery the one that it will end with.
    fn settled_cwnd(&self) -> u32 {
        self.recovery.map_or(self.cwnd, |prr| prr.target())
    }

    /// Something is to be sent after nothing was in flight for `idle`: the window that the path has borne is forgotten, by a
    /// half for each `rto` (RFC 2861 section 3), down to the restart window (RFC 5681 section 4.1). Where it was is where slow start will
    /// end. Unless `restarts`, it stays, and only the algorithm's clock has stood still (RFC 9438 section 5.8).
    pub(crate) fn on_idle(&mut self, idle: Duration, rto: Duration, mss: u16, restarts: bool) {
        if self.in_recovery() {
            return;
        }
        let restart = initial_window(mss).min(self.cwnd);
        let mut cwnd = self.cwnd;
        let mut left = idle;
        // Ends early, since the window has 32 bits.
        while restarts && left > rto && cwnd > restart {
            left = left - rto;
            cwnd = (cwnd / 2).max(restart);
        }
        dispatch!(&mut self.state, algorithm => algorithm.on_idle(idle));
        if cwnd == self.cwnd {
            return;
        }
        // RFC 2861 3: three quarters of what was in use.
        self.ssthresh = self.ssthresh.max(self.cwnd / 4 * 3);
        self.cwnd = cwnd;
        dispatch!(&mut self.state, algorithm => algorithm.on_slow_start());
    }

    /// The connection was established, but its SYN or SYN-ACK had to be retransmitted: RFC 5681 section 3.1, the first
    /// window is one segment.
    pub(crate) fn on_syn_lost(&mut self, mss: u16) {
        self.cwnd = octets(mss);
    }

    /// Segments carry up to `mss` octets now. Where they became smaller, the windows hold as many of them as before, so that a path which
    /// takes less octets in a packet gets no more packets (RFC 4821 section 7.1); where they became larger, the octets stay.
    pub(crate) fn on_mss_change(&mut self, mss: u16) {
        let old = octets(self.mss);
        let new = octets(mss);
        self.mss = mss;
        if new < old {
            self.cwnd = rescaled(self.cwnd, old, new);
            if self.ssthresh != u32::MAX {
                self.ssthresh = rescaled(self.ssthresh, old, new);
            }
            if let Some(prr) = &mut self.recovery {
                prr.set_target(rescaled(prr.target(), old, new));
            }
            dispatch!(&mut self.state, algorithm => algorithm.rescale(old, new));
            // It was of larger segments.
            self.before = None;
        }
        self.cwnd = self.cwnd.max(new);
        self.ssthresh = self.ssthresh.max(least_ssthresh(mss));
    }
}

/// RFC 6928 section 2: min (10 * MSS, max (2 * MSS, 14600)).
fn initial_window(mss: u16) -> u32 {
    let mss = octets(mss);
    let ten = mss.saturating_mul(10);
    let two = mss.saturating_mul(2);
    ten.min(two.max(INITIAL_WINDOW))
}

/// The least slow start threshold, in octets.
fn least_ssthresh(mss: u16) -> u32 {
    octets(mss).saturating_mul(MIN_SSTHRESH_SEGMENTS)
}

/// The segment size as a number to reckon with: never 0, or nothing would ever be sent.
#[inline]
fn octets(mss: u16) -> u32 {
    u32::from(mss.max(1))
}

#[cfg(test)]
mod tests;
