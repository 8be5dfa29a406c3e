// SPDX-License-Identifier: GPL-2.0

//! Congestion control: slow start, congestion avoidance and what follows a timeout (RFC 5681), with an initial
//! window of ten segments (RFC 6928).

use super::time::{Duration, Instant};

/// Octets of the initial window where the segments are large (RFC 6928 section 2).
const INITIAL_WINDOW: u32 = 14_600;

/// The algorithm that governs the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RFC 5681.
    #[default]
    Reno,
}

/// The congestion state of one connection, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Congestion {
    /// The congestion window: how much may be in flight.
    cwnd: u32,
    /// Below it cwnd grows by slow start, from it on by congestion avoidance.
    ssthresh: u32,
    /// What was acknowledged since congestion avoidance last widened the window.
    acked: u32,
    /// A timeout happened, and nothing was acknowledged since.
    timed_out: bool,
    /// cwnd and ssthresh before the last reduction.
    before: Option<(u32, u32)>,
    kind: Kind,
}

impl Congestion {
    /// The state of a new connection whose segments carry up to `mss` octets.
    #[inline]
    pub(crate) fn new(kind: Kind, mss: u16) -> Self {
        let mss = octets(mss);
        // RFC 6928 section 2: min (10 * MSS, max (2 * MSS, 14600)).
        let ten = mss.saturating_mul(10);
        let two = mss.saturating_mul(2);
        Self {
            cwnd: ten.min(two.max(INITIAL_WINDOW)),
            ssthresh: u32::MAX,
            acked: 0,
            timed_out: false,
            before: None,
            kind,
        }
    }

    /// The congestion window in octets: at least one segment.
    #[inline]
    pub(crate) const fn cwnd(&self) -> u32 {
        self.cwnd
    }

    /// The slow start threshold in octets; `u32::MAX` before the first loss.
    pub(crate) const fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    /// The algorithm.
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the window is below the slow start threshold.
    pub(crate) const fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// A loss was found with `flight` octets outstanding: RFC 5681 3.2, step 2.
    pub(crate) fn on_loss(&mut self, _now: Instant, flight: u32, mss: u16) {
        self.before = Some((self.cwnd, self.ssthresh));
        self.ssthresh = (flight / 2).max(octets(mss).saturating_mul(2));
        self.cwnd = self.ssthresh;
        self.acked = 0;
    }

    /// The path reported congestion with `flight` octets outstanding: RFC 3168 6.1.2.
    pub(crate) fn on_ecn(&mut self, now: Instant, flight: u32, mss: u16) {
        self.on_loss(now, flight, mss);
    }

    /// An acknowledgment came during recovery.
    pub(crate) fn on_recovery_ack(
        &mut self,
        _delivered: u32,
        _pipe: u32,
        _snd_una_advanced: bool,
        _lost: bool,
        _mss: u16,
    ) {
    }

    /// So many octets were sent.
    pub(crate) fn on_sent(&mut self, _octets: u32) {}

    /// The recovery has ended: RFC 5681 3.2, step 6.
    pub(crate) fn on_recovered(&mut self, _now: Instant, _mss: u16) {
        self.cwnd = self.ssthresh;
    }

    /// The last reduction was not needed: RFC 4015.
    pub(crate) fn undo(&mut self) {
        if let Some((cwnd, ssthresh)) = self.before.take() {
            self.cwnd = self.cwnd.max(cwnd);
            self.ssthresh = ssthresh;
        }
    }

    /// Nothing was sent for longer than the timeout: RFC 5681 4.1.
    pub(crate) fn on_idle(&mut self, _idle: Duration, _rto: Duration, mss: u16) {
        self.cwnd = self.cwnd.min(Self::new(self.kind, mss).cwnd);
    }

    /// `acked` octets, more than none, were acknowledged for the first time.
    pub(crate) fn on_ack(
        &mut self,
        _now: Instant,
        acked: u32,
        mss: u16,
        _rtt: Option<Duration>,
        _srtt_us: u32,
        cwnd_limited: bool,
    ) {
        if acked == 0 || !cwnd_limited {
            return;
        }
        let mss = octets(mss);
        self.timed_out = false;
        if self.cwnd < self.ssthresh {
            // RFC 5681 3.1, equation 2: slow start, at most a segment for each ACK.
            self.cwnd = self.cwnd.saturating_add(acked.min(mss));
            return;
        }
        // RFC 5681 3.1: congestion avoidance, one segment for each window that was acknowledged.
        self.acked = self.acked.saturating_add(acked);
        if self.acked >= self.cwnd {
            self.acked = self.acked.saturating_sub(self.cwnd);
            self.cwnd = self.cwnd.saturating_add(mss);
        }
    }

    /// The retransmission timer fired with `flight` octets outstanding.
    pub(crate) fn on_timeout(&mut self, _now: Instant, flight: u32, mss: u16) {
        let mss = octets(mss);
        if !self.timed_out {
            self.before = Some((self.cwnd, self.ssthresh));
        }
        // RFC 5681 3.1, equation 4; held when the same segment times out again.
        if !self.timed_out {
            self.ssthresh = (flight / 2).max(mss.saturating_mul(2));
        }
        self.timed_out = true;
        self.acked = 0;
        // RFC 5681 3.1: the loss window is one segment.
        self.cwnd = mss;
    }

    /// The connection was established, but its SYN or SYN-ACK had to be retransmitted: RFC 5681 section 3.1, the first
    /// window is one segment.
    pub(crate) fn on_syn_lost(&mut self, mss: u16) {
        self.cwnd = octets(mss);
    }
}

/// The segment size as a number to reckon with: never 0, or nothing would ever be sent.
#[inline]
fn octets(mss: u16) -> u32 {
    u32::from(mss.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u16 = 1_000;
    const NOW: Instant = Instant::from_us(0);

    #[test]
    fn the_initial_window_is_ten_segments_unless_they_are_large() {
        assert_eq!(Congestion::new(Kind::Reno, 536).cwnd(), 5_360);
        assert_eq!(Congestion::new(Kind::Reno, 1_460).cwnd(), 14_600);
        assert_eq!(Congestion::new(Kind::Reno, 1_461).cwnd(), 14_600);
        assert_eq!(Congestion::new(Kind::Reno, 9_000).cwnd(), 18_000);
        assert_eq!(Congestion::new(Kind::Reno, 65_535).cwnd(), 131_070);
        assert_eq!(Congestion::new(Kind::Reno, 0).cwnd(), 10);
    }

    #[test]
    fn slow_start_grows_by_what_is_acknowledged_but_a_segment_at_most() {
        let mut congestion = Congestion::new(Kind::Reno, MSS);
        congestion.on_ack(NOW, 1_000, MSS, None, 0, true);
        assert_eq!(congestion.cwnd(), 11_000);
        congestion.on_ack(NOW, 300, MSS, None, 0, true);
        assert_eq!(congestion.cwnd(), 11_300);
        congestion.on_ack(NOW, 5_000, MSS, None, 0, true);
        assert_eq!(congestion.cwnd(), 12_300);
        congestion.on_ack(NOW, 0, MSS, None, 0, true);
        assert_eq!(congestion.cwnd(), 12_300);
    }

    #[test]
    fn a_timeout_halves_the_threshold_and_leaves_one_segment() {
        let mut congestion = Congestion::new(Kind::Reno, MSS);
        congestion.on_timeout(NOW, 8_000, MSS);
        assert_eq!(congestion.cwnd(), 1_000);
        assert_eq!(congestion.ssthresh(), 4_000);
        let mut congestion = Congestion::new(Kind::Reno, MSS);
        congestion.on_timeout(NOW, 1_500, MSS);
        assert_eq!(congestion.ssthresh(), 2_000);
    }

    #[test]
    fn a_second_timeout_of_the_same_segment_holds_the_threshold() {
        let mut congestion = Congestion::new(Kind::Reno, MSS);
        congestion.on_timeout(NOW, 8_000, MSS);
        congestion.on_timeout(NOW, 1_000, MSS);
        assert_eq!(congestion.ssthresh(), 4_000);
        // Something was acknowledged in between: it is another segment.
        congestion.on_ack(NOW, 1_000, MSS, None, 0, true);
        congestion.on_timeout(NOW, 6_000, MSS);
        assert_eq!(congestion.ssthresh(), 3_000);
    }

    #[test]
    fn congestion_avoidance_grows_by_a_segment_for_each_window() {
        let mut congestion = Congestion::new(Kind::Reno, MSS);
        congestion.on_timeout(NOW, 8_000, MSS);
        for _ in 0..3 {
            congestion.on_ack(NOW, 1_000, MSS, None, 0, true);
        }
        assert_eq!(congestion.cwnd(), 4_000);
        for _ in 0..3 {
            congestion.on_ack(NOW, 1_000, MSS, None, 0, true);
            assert_eq!(congestion.cwnd(), 4_000);
        }
        congestion.on_ack(NOW, 1_000, MSS, None, 0, true);
        assert_eq!(congestion.cwnd(), 5_000);
    }

    #[test]
    fn a_lost_syn_leaves_one_segment_and_slow_start() {
        let mut congestion = Congestion::new(Kind::Reno, MSS);
        congestion.on_syn_lost(MSS);
        assert_eq!(congestion.cwnd(), 1_000);
        congestion.on_ack(NOW, 1_000, MSS, None, 0, true);
        assert_eq!(congestion.cwnd(), 2_000);
    }

    #[test]
    fn the_window_saturates() {
        let mut congestion = Congestion::new(Kind::Reno, u16::MAX);
        congestion.cwnd = u32::MAX - 1;
        congestion.on_ack(NOW, u32::MAX, u16::MAX, None, 0, true);
        assert_eq!(congestion.cwnd(), u32::MAX);
        congestion.on_ack(NOW, u32::MAX, u16::MAX, None, 0, true);
        congestion.on_ack(NOW, u32::MAX, u16::MAX, None, 0, true);
        assert_eq!(congestion.cwnd(), u32::MAX);
    }
}
