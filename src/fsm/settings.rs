// SPDX-License-Identifier: GPL-2.0

//! What a program has set for its socket: the options of the level IPPROTO_TCP and SO_KEEPALIVE, with the ranges and the
//! meaning that Linux's TCP gives them. They outlive connections, and what a listener has set its children inherit.

use super::config::Config;
use super::congestion::Kind;
use super::records::RecordList;
use super::tcb::Tcb;
use super::time::Duration;

/// The most seconds that TCP_KEEPIDLE and TCP_KEEPINTVL take, as in Linux.
pub(crate) const MAX_KEEPALIVE_SECS: i32 = 32_767;

/// The most that TCP_KEEPCNT takes, as in Linux.
pub(crate) const MAX_KEEPALIVE_PROBES: i32 = 127;

/// The most that TCP_SYNCNT takes, as in Linux.
pub(crate) const MAX_SYN_RETRIES: i32 = 127;

/// The most seconds that TCP_LINGER2 means, as in Linux.
const MAX_LINGER2_SECS: i32 = 120;

/// The range of TCP_MAXSEG, as in Linux; 0 takes it back.
const MAX_SEG: core::ops::RangeInclusive<i32> = 88..=32_767;

/// The least TCP_WINDOW_CLAMP but 0: half of the least receive buffer, as in Linux.
const MIN_WINDOW_CLAMP: u32 = 1_152;

/// The time to the first retransmission of a SYN-ACK, and the longest, in seconds: by these TCP_DEFER_ACCEPT counts.
const SYN_ACK_SECS: (u32, u32) = (1, 120);

/// A value that an option does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadValue;

/// How long an orphan waits in FIN-WAIT-2 (TCP_LINGER2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Linger2 {
    /// As long as the namespace says ([`Config::fin_timeout`]).
    Default,
    /// So many seconds.
    Secs(u8),
    /// Not at all: the connection is reset.
    Never,
}

/// When data is acknowledged (TCP_QUICKACK).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AckMode {
    /// As the machine sees fit.
    Auto,
    /// At once.
    Quick,
    /// Delayed, where RFC 9293 allows it.
    Delayed,
}

/// The options of one socket. What is 0 was not set: the namespace's setting counts then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Settings {
    /// Small segments are not held back: Nagle is off (TCP_NODELAY, MUST-17).
    pub(crate) nodelay: bool,
    /// Only full segments are sent (TCP_CORK).
    pub(crate) cork: bool,
    /// Keep-alives are sent (SO_KEEPALIVE, MUST-24).
    pub(crate) keepalive: bool,
    /// TCP_QUICKACK.
    pub(crate) acks: AckMode,
    /// TCP_LINGER2.
    pub(crate) linger2: Linger2,
    /// TCP_CONGESTION; `None`: the namespace's when the connection opens.
    pub(crate) congestion: Option<Kind>,
    /// TCP_SYNCNT: retransmissions of a SYN, or of a SYN-ACK.
    syn_retries: u8,
    /// TCP_KEEPCNT.
    keepalive_probes: u8,
    /// TCP_DEFER_ACCEPT, in retransmissions of a SYN-ACK; 0: off.
    defer_accept: u8,
    /// TCP_KEEPIDLE in seconds.
    keepalive_time: u16,
    /// TCP_KEEPINTVL in seconds.
    keepalive_intvl: u16,
    /// TCP_MAXSEG in octets.
    max_seg: u16,
    /// TCP_USER_TIMEOUT in milliseconds.
    user_timeout_ms: u32,
    /// TCP_WINDOW_CLAMP in octets.
    window_clamp: u32,
    /// TCP_NOTSENT_LOWAT in octets.
    notsent_lowat: u32,
}

impl Settings {
    /// Nothing was set. MUST-25: no keep-alives.
    pub(crate) const fn new() -> Self {
        Self {
            nodelay: false,
            cork: false,
            keepalive: false,
            acks: AckMode::Auto,
            linger2: Linger2::Default,
            congestion: None,
            syn_retries: 0,
            keepalive_probes: 0,
            defer_accept: 0,
            keepalive_time: 0,
            keepalive_intvl: 0,
            max_seg: 0,
            user_timeout_ms: 0,
            window_clamp: 0,
            notsent_lowat: 0,
        }
    }

    /// What a child of a listener with these settings starts with: all of them, but for those of a listener.
    pub(crate) const fn inherited(&self) -> Self {
        Self {
            defer_accept: 0,
            ..*self
        }
    }

    /// Sets TCP_KEEPIDLE: 1 to 32767 seconds (MUST-27).
    ///
    /// # Errors
    ///
    /// [`BadValue`], here and below: nothing has changed.
    pub(crate) fn set_keepalive_time(&mut self, secs: i32) -> Result<(), BadValue> {
        self.keepalive_time = within(secs, 1..=MAX_KEEPALIVE_SECS)?;
        Ok(())
    }

    /// Sets TCP_KEEPINTVL: 1 to 32767 seconds.
    pub(crate) fn set_keepalive_intvl(&mut self, secs: i32) -> Result<(), BadValue> {
        self.keepalive_intvl = within(secs, 1..=MAX_KEEPALIVE_SECS)?;
        Ok(())
    }

    /// Sets TCP_KEEPCNT: 1 to 127.
    pub(crate) fn set_keepalive_probes(&mut self, probes: i32) -> Result<(), BadValue> {
        self.keepalive_probes = within(probes, 1..=MAX_KEEPALIVE_PROBES)? as u8;
        Ok(())
    }

    /// Sets TCP_SYNCNT: 1 to 127.
    pub(crate) fn set_syn_retries(&mut self, retries: i32) -> Result<(), BadValue> {
        self.syn_retries = within(retries, 1..=MAX_SYN_RETRIES)? as u8;
        Ok(())
    }

    /// Sets TCP_USER_TIMEOUT in milliseconds; 0: none.
    pub(crate) fn set_user_timeout(&mut self, ms: i32) -> Result<(), BadValue> {
        self.user_timeout_ms = u32::try_from(ms).map_err(|_| BadValue)?;
        Ok(())
    }

    /// Sets TCP_MAXSEG: 88 to 32767 octets, or 0 for none.
    pub(crate) fn set_max_seg(&mut self, octets: i32) -> Result<(), BadValue> {
        self.max_seg = match octets {
            0 => 0,
            octets => within(octets, MAX_SEG)?,
        };
        Ok(())
    }

    /// Sets TCP_LINGER2 in seconds: any value; negative: no FIN-WAIT-2 at all, 0: the namespace's, at most 120.
    pub(crate) fn set_linger2(&mut self, secs: i32) {
        self.linger2 = match secs {
            0 => Linger2::Default,
            secs if secs < 0 => Linger2::Never,
            secs => Linger2::Secs(secs.min(MAX_LINGER2_SECS) as u8),
        };
    }

    /// Sets TCP_DEFER_ACCEPT in seconds: any value; none above 0 turns it off. It is kept as so many retransmissions of a
    /// SYN-ACK as take at least this time.
    pub(crate) fn set_defer_accept(&mut self, secs: i32) {
        let secs = secs.max(0) as u32;
        self.defer_accept = 0;
        while self.defer_accept < u8::MAX && syn_ack_secs(self.defer_accept) < secs {
            self.defer_accept = self.defer_accept.saturating_add(1);
        }
    }

    /// Sets TCP_WINDOW_CLAMP in octets: any value above 0 counts as 1152 at least; 0 takes it back, where there is no
    /// connection.
    pub(crate) fn set_window_clamp(&mut self, octets: i32, closed: bool) -> Result<(), BadValue> {
        self.window_clamp = match octets {
            0 if !closed => return Err(BadValue),
            0 => 0,
            octets => (octets.max(0) as u32).max(MIN_WINDOW_CLAMP),
        };
        Ok(())
    }

    /// Sets TCP_NOTSENT_LOWAT in octets: any value, by its bits; 0: the namespace's.
    pub(crate) fn set_notsent_lowat(&mut self, octets: i32) {
        self.notsent_lowat = octets as u32;
    }

    /// How long a connection is idle before the first keep-alive.
    pub(crate) fn keepalive_time(&self, cfg: &Config) -> Duration {
        or(self.keepalive_time, cfg.keepalive_time)
    }

    /// Between two keep-alives that are not answered.
    pub(crate) fn keepalive_intvl(&self, cfg: &Config) -> Duration {
        or(self.keepalive_intvl, cfg.keepalive_intvl)
    }

    /// Keep-alives without an answer after which a connection is given up.
    pub(crate) fn keepalive_probes(&self, cfg: &Config) -> u8 {
        match self.keepalive_probes {
            0 => cfg.keepalive_probes,
            probes => probes,
        }
    }

    /// R2 of a SYN, in retransmissions (MUST-23).
    pub(crate) fn syn_retries(&self, cfg: &Config) -> u8 {
        match self.syn_retries {
            0 => cfg.syn_retries,
            retries => retries,
        }
    }

    /// R2 of a SYN-ACK for a listener's request, in retransmissions: TCP_SYNCNT counts for it, too.
    pub(crate) fn synack_retries(&self, cfg: &Config) -> u8 {
        match self.syn_retries {
            0 => cfg.synack_retries,
            retries => retries,
        }
    }

    /// How long data may go unacknowledged, if the program has said so (MUST-21; RFC 5482 calls it the user timeout).
    pub(crate) fn user_timeout(&self) -> Option<Duration> {
        match self.user_timeout_ms {
            0 => None,
            ms => Some(Duration::from_ms(u64::from(ms))),
        }
    }

    /// TCP_USER_TIMEOUT in milliseconds, or 0.
    pub(crate) const fn user_timeout_ms(&self) -> u32 {
        self.user_timeout_ms
    }

    /// TCP_MAXSEG in octets, or 0.
    pub(crate) const fn max_seg(&self) -> u16 {
        self.max_seg
    }

    /// `mss`, or TCP_MAXSEG if that is less.
    #[inline]
    pub(crate) fn cap_mss(&self, mss: u16) -> u16 {
        match self.max_seg {
            0 => mss,
            max_seg => mss.min(max_seg),
        }
    }

    /// How long an orphan waits in FIN-WAIT-2; `None`: it does not.
    pub(crate) fn fin_timeout(&self, cfg: &Config) -> Option<Duration> {
        match self.linger2 {
            Linger2::Default => Some(cfg.fin_timeout),
            Linger2::Secs(secs) => Some(Duration::from_secs(u64::from(secs))),
            Linger2::Never => None,
        }
    }

    /// How many retransmissions of the SYN-ACK a request waits for data (TCP_DEFER_ACCEPT); 0: it does not.
    pub(crate) const fn defer_accept(&self) -> u8 {
        self.defer_accept
    }

    /// The same in seconds.
    pub(crate) fn defer_accept_secs(&self) -> u32 {
        syn_ack_secs(self.defer_accept)
    }

    /// TCP_WINDOW_CLAMP in octets, or 0.
    pub(crate) const fn window_clamp(&self) -> u32 {
        self.window_clamp
    }

    /// `window` octets, or TCP_WINDOW_CLAMP if that is less.
    #[inline]
    pub(crate) fn clamp_window(&self, window: u32) -> u32 {
        match self.window_clamp {
            0 => window,
            clamp => window.min(clamp),
        }
    }

    /// TCP_NOTSENT_LOWAT in octets, or 0.
    pub(crate) const fn own_notsent_lowat(&self) -> u32 {
        self.notsent_lowat
    }

    /// So many octets that were not sent yet make a socket unwritable.
    pub(crate) fn notsent_lowat(&self, cfg: &Config) -> u32 {
        match self.notsent_lowat {
            0 => cfg.notsent_lowat,
            octets => octets,
        }
    }
}

/// `value` as a smaller number, if it is in `range`.
fn within(value: i32, range: core::ops::RangeInclusive<i32>) -> Result<u16, BadValue> {
    if range.contains(&value) {
        u16::try_from(value).map_err(|_| BadValue)
    } else {
        Err(BadValue)
    }
}

/// So many seconds, or where there are none what the namespace says.
fn or(secs: u16, default: Duration) -> Duration {
    match secs {
        0 => default,
        secs => Duration::from_secs(u64::from(secs)),
    }
}

/// How many seconds after a SYN-ACK its retransmission number `retries` has waited for an answer.
fn syn_ack_secs(retries: u8) -> u32 {
    let (mut timeout, longest) = SYN_ACK_SECS;
    let mut secs = 0u32;
    for _ in 0..retries {
        secs = secs.saturating_add(timeout);
        timeout = timeout.saturating_mul(2).min(longest);
    }
    secs
}

impl<L: RecordList> Tcb<L> {
    /// Whether a segment that is not full may be sent now; `idle`: nothing is in flight.
    #[inline]
    pub(super) fn sends_small(&self, idle: bool) -> bool {
        // RFC 9293 3.7.4, SHLD-7: Nagle, one small segment at a time; MUST-17: unless the program turns it off.
        self.push || (idle || self.settings.nodelay) && !self.is_corked()
    }

    /// Whether the program holds small segments back (TCP_CORK, MSG_MORE).
    #[inline]
    pub(super) fn is_corked(&self) -> bool {
        self.settings.cork || self.more
    }

    /// The congestion control of the connection.
    pub(crate) fn congestion_control(&self) -> Kind {
        self.congestion.kind()
    }

    /// Tells whether more will follow at once what is queued next (MSG_MORE).
    #[inline]
    pub(crate) fn set_more(&mut self, more: bool) {
        self.more = more;
    }

    /// What is queued now goes out whatever its size, even from under a cork.
    pub(crate) fn push_queued(&mut self) {
        self.push = self.has_unsent();
    }

    /// What the program has set.
    #[inline]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the program sets now, in place of what it had set. Ask [`next_segment`](Self::next_segment) then.
    pub(crate) fn apply_settings(&mut self, settings: Settings, cfg: &Config) {
        self.settings = settings;
        self.renew_mss();
        self.idle_restart = cfg.slow_start_after_idle;
        if let Some(kind) = settings.congestion {
            // MAY-18.
            self.congestion.set_kind(kind);
        }
        self.refresh_keepalive(cfg);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_set_is_the_namespaces() {
        let (settings, cfg) = (Settings::new(), Config::default());
        assert_eq!(settings.keepalive_time(&cfg), Duration::from_secs(7_200));
        assert_eq!(settings.keepalive_intvl(&cfg), Duration::from_secs(75));
        assert_eq!(settings.keepalive_probes(&cfg), 9);
        assert_eq!(settings.syn_retries(&cfg), 7);
        assert_eq!(settings.synack_retries(&cfg), 5);
        assert_eq!(settings.user_timeout(), None);
        assert_eq!(settings.fin_timeout(&cfg), Some(Duration::from_secs(60)));
        assert_eq!(settings.notsent_lowat(&cfg), u32::MAX);
        assert_eq!(settings.cap_mss(1_460), 1_460);
        assert_eq!(settings.clamp_window(u32::MAX), u32::MAX);
    }

    #[test]
    fn must_27_the_intervals_are_configurable() {
        let (mut settings, cfg) = (Settings::new(), Config::default());
        for bad in [i32::MIN, -1, 0, 32_768, i32::MAX] {
            assert_eq!(settings.set_keepalive_time(bad), Err(BadValue), "{bad}");
            assert_eq!(settings.set_keepalive_intvl(bad), Err(BadValue), "{bad}");
        }
        for bad in [-1, 0, 128] {
            assert_eq!(settings.set_keepalive_probes(bad), Err(BadValue), "{bad}");
            assert_eq!(settings.set_syn_retries(bad), Err(BadValue), "{bad}");
        }
        assert_eq!(settings, Settings::new());
        settings.set_keepalive_time(1).unwrap();
        settings.set_keepalive_intvl(32_767).unwrap();
        settings.set_keepalive_probes(127).unwrap();
        settings.set_syn_retries(1).unwrap();
        assert_eq!(settings.keepalive_time(&cfg), Duration::from_secs(1));
        assert_eq!(settings.keepalive_intvl(&cfg), Duration::from_secs(32_767));
        assert_eq!(settings.keepalive_probes(&cfg), 127);
        assert_eq!(
            (settings.syn_retries(&cfg), settings.synack_retries(&cfg)),
            (1, 1)
        );
    }

    #[test]
    fn the_ranges_are_those_of_linux() {
        let (mut settings, cfg) = (Settings::new(), Config::default());
        assert_eq!(settings.set_user_timeout(-1), Err(BadValue));
        settings.set_user_timeout(i32::MAX).unwrap();
        assert_eq!(settings.user_timeout_ms(), i32::MAX as u32);
        for bad in [-1, 1, 87, 32_768] {
            assert_eq!(settings.set_max_seg(bad), Err(BadValue), "{bad}");
        }
        settings.set_max_seg(88).unwrap();
        assert_eq!((settings.cap_mss(1_460), settings.cap_mss(60)), (88, 60));
        assert_eq!(settings.max_seg(), 88);
        settings.set_max_seg(0).unwrap();
        assert_eq!(settings.cap_mss(1_460), 1_460);
        settings.set_linger2(1_000);
        assert_eq!(settings.fin_timeout(&cfg), Some(Duration::from_secs(120)));
        settings.set_linger2(-5);
        assert_eq!(settings.fin_timeout(&cfg), None);
        settings.set_linger2(0);
        assert_eq!(settings.fin_timeout(&cfg), Some(cfg.fin_timeout));
        settings.set_notsent_lowat(-1);
        assert_eq!(settings.notsent_lowat(&cfg), u32::MAX);
        assert_eq!(settings.own_notsent_lowat(), u32::MAX);
    }

    #[test]
    fn a_window_is_clamped_to_no_less_than_half_of_the_least_buffer() {
        let mut settings = Settings::new();
        settings.set_window_clamp(1, false).unwrap();
        assert_eq!(settings.clamp_window(100_000), 1_152);
        settings.set_window_clamp(-1, false).unwrap();
        assert_eq!(settings.window_clamp(), 1_152);
        assert_eq!(settings.set_window_clamp(0, false), Err(BadValue));
        assert_eq!(settings.window_clamp(), 1_152);
        settings.set_window_clamp(0, true).unwrap();
        assert_eq!(settings.clamp_window(100_000), 100_000);
    }

    /// Seconds that are asked for, and those that the retransmissions of a SYN-ACK make of it: 1, 1+2, 1+2+4, ..
    #[test]
    fn deferring_counts_in_retransmissions() {
        let mut settings = Settings::new();
        let table = [
            (-1, 0, 0),
            (0, 0, 0),
            (1, 1, 1),
            (2, 2, 3),
            (3, 2, 3),
            (4, 3, 7),
            (127, 7, 127),
            (128, 8, 247),
            (i32::MAX, 255, 127 + 248 * 120),
        ];
        for (asked, retries, secs) in table {
            settings.set_defer_accept(asked);
            assert_eq!(settings.defer_accept(), retries, "{asked}");
            assert_eq!(settings.defer_accept_secs(), secs, "{asked}");
        }
        assert_eq!(settings.inherited().defer_accept(), 0);
    }
}
