// SPDX-License-Identifier: GPL-2.0

//! The settings of a network namespace, as the machine sees them.

use super::congestion::Kind;
use super::time::Duration;

/// Three sizes of a socket buffer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferSizes {
    /// What a socket may use even when memory is short.
    pub(crate) min: u32,
    /// The size with which a socket starts.
    pub(crate) default: u32,
    /// The largest size to which it may grow; it decides the window scale.
    pub(crate) max: u32,
}

impl BufferSizes {
    /// The least of a receive buffer, in bytes, which is also what SO_RCVBUF does not go below: a window of one octet at least
    /// fits, so that no setting stops a stream for ever.
    pub(crate) const LEAST_RECEIVE: i32 = 2_304;
}

/// A snapshot of the sysctls under `net.rtcpfsm.`, taken for one call of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Retransmissions of a SYN before an active open is given up. Default 7: after 247 s at an initial RTO of 1 s, since
    /// RFC 9293 asks for at least 3 minutes (MUST-23); Linux has 6, which are 127 s.
    pub(crate) syn_retries: u8,
    /// Retransmissions of a SYN-ACK before a half-open request is given up. Default 5.
    pub(crate) synack_retries: u8,
    /// R1 of RFC 9293 section 3.8.3, in retransmissions: IP is advised to look for another route. Default 3.
    pub(crate) retries1: u8,
    /// R2 of RFC 9293 section 3.8.3, in retransmissions: the connection is closed. Default 15.
    pub(crate) retries2: u8,
    /// R2 for a connection without a socket; 0 means [`Config::DEFAULT_ORPHAN_RETRIES`]. Default 0.
    pub(crate) orphan_retries: u8,
    /// How long a connection without a socket stays in FIN-WAIT-2. Default 60 s.
    pub(crate) fin_timeout: Duration,
    /// The maximum segment lifetime; TIME-WAIT lasts twice as long. Default 30 s.
    pub(crate) msl: Duration,
    /// Whether timestamps are offered and accepted (RFC 7323 section 3). Default true.
    pub(crate) timestamps: bool,
    /// Whether window scaling is offered and accepted (RFC 7323 section 2). Default true.
    pub(crate) window_scaling: bool,
    /// Whether selective acknowledgments are offered and accepted (RFC 2018). Default true.
    pub(crate) sack: bool,
    /// Whether an RST is ignored in TIME-WAIT (RFC 1337). Default false.
    pub(crate) rfc1337: bool,
    /// Whether connect() may take the ports of a connection in TIME-WAIT: 0 never, 1 always where timestamps make it
    /// safe, 2 over loopback only. Default 2.
    pub(crate) tw_reuse: u8,
    /// Challenge ACKs per second and namespace (RFC 5961 section 7). Default `i32::MAX`: no limit.
    pub(crate) challenge_ack_limit: u32,
    /// Receive buffer of a socket.
    pub(crate) rmem: BufferSizes,
    /// Send buffer of a socket.
    pub(crate) wmem: BufferSizes,
    /// Connections in TIME-WAIT that a namespace may hold. Default 65536.
    pub(crate) max_tw_buckets: u32,
    /// Half-open requests that one listener may hold. Default 1024.
    pub(crate) max_syn_backlog: u32,
    /// Whether listeners answer with SYN cookies (RFC 4987 section 3.6): 0 never, 1 when the queue of requests is full, 2
    /// always. Default 1.
    pub(crate) syncookies: u8,
    /// Explicit congestion notification (RFC 3168): 0 never, 1 asked for and agreed to, 2 agreed to where the peer asks for
    /// it. Default 2.
    pub(crate) ecn: u8,
    /// How long a connection is idle before the first keep-alive, where the program asks for them (MUST-28). Default 2 h.
    pub(crate) keepalive_time: Duration,
    /// Between two keep-alives that are not answered. Default 75 s.
    pub(crate) keepalive_intvl: Duration,
    /// Keep-alives without an answer after which a connection is given up (MUST-26, MUST-29). Default 9.
    pub(crate) keepalive_probes: u8,
    /// Whether a keep-alive carries an octet, which means nothing (RFC 9293 section 3.8.4, MAY-6). Default false.
    pub(crate) keepalive_octet: bool,
    /// So many octets that were not sent yet make a socket unwritable. Default `u32::MAX`: no limit.
    pub(crate) notsent_lowat: u32,
    /// Whether the congestion window starts anew after a connection was idle for an RTO (RFC 5681 section 4.1). Default true.
    pub(crate) slow_start_after_idle: bool,
    /// The congestion control of connections whose program does not choose one. Default CUBIC.
    pub(crate) congestion_control: Kind,
    /// Connections without a socket that a namespace may hold; beyond it they are reset. Default 65536.
    pub(crate) max_orphans: u32,
}

impl Config {
    /// R2 for a connection without a socket where the setting leaves it open.
    pub(crate) const DEFAULT_ORPHAN_RETRIES: u8 = 8;

    /// R2 for a connection without a socket, in retransmissions.
    #[inline]
    pub(crate) const fn orphan_r2(&self) -> u8 {
        match self.orphan_retries {
            0 => Self::DEFAULT_ORPHAN_RETRIES,
            retries => retries,
        }
    }

    /// How long TIME-WAIT lasts: twice the maximum segment lifetime.
    #[inline]
    pub(crate) const fn time_wait(&self) -> Duration {
        self.msl.doubled()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            syn_retries: 7,
            synack_retries: 5,
            retries1: 3,
            retries2: 15,
            orphan_retries: 0,
            fin_timeout: Duration::from_secs(60),
            msl: Duration::from_secs(30),
            timestamps: true,
            window_scaling: true,
            sack: true,
            rfc1337: false,
            tw_reuse: 2,
            challenge_ack_limit: i32::MAX as u32,
            rmem: BufferSizes {
                min: 4_096,
                default: 131_072,
                max: 6_291_456,
            },
            wmem: BufferSizes {
                min: 4_096,
                default: 16_384,
                max: 4_194_304,
            },
            max_tw_buckets: 65_536,
            max_syn_backlog: 1_024,
            syncookies: 1,
            ecn: 2,
            keepalive_time: Duration::from_secs(2 * 60 * 60),
            keepalive_intvl: Duration::from_secs(75),
            keepalive_probes: 9,
            keepalive_octet: false,
            notsent_lowat: u32::MAX,
            slow_start_after_idle: true,
            congestion_control: Kind::Cubic,
            max_orphans: 65_536,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_wait_lasts_twice_the_segment_lifetime() {
        let mut cfg = Config::default();
        assert_eq!(cfg.time_wait(), Duration::from_secs(60));
        cfg.msl = Duration::from_secs(120);
        assert_eq!(cfg.time_wait(), Duration::from_secs(240));
    }

    #[test]
    fn orphan_retries_of_zero_mean_the_default() {
        let mut cfg = Config::default();
        assert_eq!(cfg.orphan_r2(), Config::DEFAULT_ORPHAN_RETRIES);
        cfg.orphan_retries = 3;
        assert_eq!(cfg.orphan_r2(), 3);
    }

    #[test]
    fn buffer_sizes_are_in_order() {
        let cfg = Config::default();
        for sizes in [cfg.rmem, cfg.wmem] {
            assert!(sizes.min <= sizes.default && sizes.default <= sizes.max);
        }
    }
}
