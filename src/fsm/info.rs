// SPDX-License-Identifier: GPL-2.0

//! What a connection tells of itself (TCP_INFO), and the counts for it (their names are those of RFC 4898).

use super::arcs::State;
use super::records::RecordList;
use super::recovery::Phase;
use super::scoreboard::resent_in_flight;
use super::segment::{Segment, SegmentOut};
use super::seq::SeqNumber;
use super::tcb::{Tcb, TIMESTAMPS_LEN};
use super::time::{Duration, Instant};

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Traffic {
    /// Octets of data that were sent, those that were sent again included.
    pub(crate) bytes_sent: u64,
    /// Octets of data that were sent again.
    pub(crate) bytes_retrans: u64,
    /// Octets of data that the peer has acknowledged.
    pub(crate) bytes_acked: u64,
    /// Octets of data that were received in order.
    pub(crate) bytes_received: u64,
    /// Segments that were sent.
    pub(crate) segs_out: u32,
    /// Those of them with data.
    pub(crate) data_segs_out: u32,
    /// Those of them with data that had been sent before.
    pub(crate) segs_retrans: u32,
    /// Segments that arrived.
    pub(crate) segs_in: u32,
    /// Those of them with data.
    pub(crate) data_segs_in: u32,
    /// Timeouts.
    pub(crate) timeouts: u16,
    /// The most octets of data that a segment had that arrived.
    pub(crate) largest_in: u16,
    /// When data was last sent, in milliseconds of the clock, whose upper bits are missing.
    data_sent_ms: u32,
    /// When data last arrived, likewise.
    data_received_ms: u32,
    /// Up to where octets are counted: sent, acknowledged, received. Meaningful once `counting`.
    sent_until: SeqNumber,
    acked_until: SeqNumber,
    received_until: SeqNumber,
    counting: bool,
}

/// A connection at one moment. Where not said otherwise: octets, and microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    /// What went over the wire.
    pub(crate) traffic: Traffic,
    /// Where the sender stands with losses.
    pub(crate) phase: Phase,
    /// Retransmissions since the peer last answered; of a closed window's probes, or of keep-alives.
    pub(crate) retries: u8,
    /// Whether `retries` are probes.
    pub(crate) probing: bool,
    /// Keep-alives that were not answered.
    pub(crate) keepalives: u8,
    /// Timestamps, selective acknowledgments, explicit congestion notification: agreed upon.
    pub(crate) timestamps: bool,
    /// See `timestamps`.
    pub(crate) sack: bool,
    /// See `timestamps`.
    pub(crate) ecn: bool,
    /// The shifts of the peer's windows and of ours, if there are any.
    pub(crate) scales: Option<(u8, u8)>,
    /// The retransmission timeout.
    pub(crate) rto: Duration,
    /// The smoothed round-trip time; 0: none yet.
    pub(crate) srtt_us: u32,
    /// Its variation.
    pub(crate) rttvar_us: u32,
    /// The least round-trip time of late; 0: none yet.
    pub(crate) min_rtt_us: u32,
    /// The round-trip time by what arrives; 0: none yet.
    pub(crate) rcv_rtt_us: u32,
    /// What is in flight, holes included.
    pub(crate) unacked: u32,
    /// What of it was sent again.
    pub(crate) resent: u32,
    /// What of it the peer holds out of order.
    pub(crate) sacked: u32,
    /// What of it is taken for lost.
    pub(crate) lost: u32,
    /// What is queued and was never sent.
    pub(crate) unsent: u32,
    /// The most data in a segment.
    pub(crate) snd_mss: u16,
    /// The segment size that was offered to the peer, less the timestamps.
    pub(crate) adv_mss: u16,
    /// The congestion window.
    pub(crate) cwnd: u32,
    /// The slow start threshold; `None` before the first loss.
    pub(crate) ssthresh: Option<u32>,
    /// The windows: the peer's, and ours as it was last told.
    pub(crate) snd_wnd: u32,
    /// See `snd_wnd`.
    pub(crate) rcv_wnd: u32,
    /// The receive buffer as far as it can be offered.
    pub(crate) rcv_buf: u32,
    /// Whether segments were seen to overtake each other.
    pub(crate) reordering_seen: bool,
    /// Since an acceptable acknowledgment last came.
    pub(crate) since_ack: Duration,
    /// Since data was last sent, and received.
    pub(crate) since_data_sent: Duration,
    /// See `since_data_sent`.
    pub(crate) since_data_received: Duration,
}

/// The clock in milliseconds, of which the upper bits are lost.
fn clock_ms(now: Instant) -> u32 {
    (now.as_us() / 1_000) as u32
}

/// The time since that clock showed `then`: right for 49 days.
fn since_ms(now: Instant, then: u32) -> Duration {
    Duration::from_ms(u64::from(clock_ms(now).wrapping_sub(then)))
}

impl<L: RecordList> Tcb<L> {
    /// Octets are counted from the first one on.
    fn start_counting(&mut self) {
        let traffic = &mut self.traffic;
        if !traffic.counting && self.syn_acked {
            traffic.counting = true;
            traffic.sent_until = self.iss + 1;
            traffic.acked_until = self.iss + 1;
            traffic.received_until = self.irs + 1;
        }
    }

    /// A segment leaves; to be told of each of this connection's, once.
    #[inline(always)]
    pub(crate) fn count_sent(&mut self, now: Instant, segment: &SegmentOut) {
        self.start_counting();
        let traffic = &mut self.traffic;
        let count = segment.count();
        traffic.segs_out = traffic.segs_out.wrapping_add(count);
        let len = segment.payload_len;
        // A keep-alive's octet is no data.
        if len == 0 || !traffic.counting || segment.seq.before(self.snd_una) {
            return;
        }
        traffic.data_segs_out = traffic.data_segs_out.wrapping_add(count);
        traffic.bytes_sent = traffic.bytes_sent.wrapping_add(u64::from(len));
        traffic.data_sent_ms = clock_ms(now);
        let end = segment.seq + len;
        let known = if traffic.sent_until.after(segment.seq) {
            traffic.sent_until.distance_from(segment.seq).min(len)
        } else {
            0
        };
        if known != 0 {
            traffic.segs_retrans = traffic.segs_retrans.wrapping_add(count);
            traffic.bytes_retrans = traffic.bytes_retrans.wrapping_add(u64::from(known));
        }
        traffic.sent_until = SeqNumber::max_of(traffic.sent_until, end);
    }

    /// A segment came and was [handled](Self::on_segment); to be told of each of this connection's, once.
    pub(crate) fn count_arrived(&mut self, now: Instant, segment: &Segment) {
        self.start_counting();
        let traffic = &mut self.traffic;
        let count = segment.count();
        traffic.segs_in = traffic.segs_in.wrapping_add(count);
        if segment.payload_len != 0 {
            traffic.data_segs_in = traffic.data_segs_in.wrapping_add(count);
            traffic.data_received_ms = clock_ms(now);
            let len = u16::try_from(segment.largest()).unwrap_or(u16::MAX);
            traffic.largest_in = traffic.largest_in.max(len);
        }
        if !traffic.counting {
            return;
        }
        let received = self.rcv_nxt - u32::from(self.fin_received);
        let octets = received.distance_from(traffic.received_until);
        traffic.bytes_received = traffic.bytes_received.wrapping_add(u64::from(octets));
        traffic.received_until = received;
        let fin = u32::from(self.fin_sent && self.snd_una.after(self.write_end));
        let acked = self.snd_una - fin;
        let octets = acked.distance_from(traffic.acked_until);
        traffic.bytes_acked = traffic.bytes_acked.wrapping_add(u64::from(octets));
        traffic.acked_until = acked;
    }

    /// The numbers that are queued and not acknowledged, a FIN's with them. What the end of a connection left is told until
    /// the next one begins.
    pub(crate) fn unacknowledged(&self) -> u32 {
        if self.is_opening() {
            return 0;
        }
        (self.write_end + u32::from(self.fin_queued)).distance_from(self.snd_una)
    }

    /// Those of [`unacknowledged`](Self::unacknowledged) that were never sent.
    pub(crate) fn never_sent(&self) -> u32 {
        if self.is_opening() {
            return 0;
        }
        (self.write_end + u32::from(self.fin_queued)).distance_from(self.snd_nxt)
    }

    fn is_opening(&self) -> bool {
        matches!(self.state(), State::SynSent | State::SynReceived)
    }

    /// How the connection stands.
    pub(crate) fn info(&self, now: Instant) -> Info {
        let probing = self.snd_wnd == 0 && self.has_pending();
        let ssthresh = self.congestion.ssthresh();
        Info {
            traffic: self.traffic,
            phase: self.recovery.phase(),
            retries: self.retries,
            probing,
            keepalives: self.life.probes,
            timestamps: self.ts_on,
            sack: self.sack_on,
            ecn: self.ecn.on,
            scales: self.ws_on.then_some((self.snd_wscale, self.rcv_wscale)),
            rto: self.rtt.rto(),
            srtt_us: self.rtt.srtt_us(),
            rttvar_us: self.rtt.rttvar_us(),
            min_rtt_us: self.recovery.min_rtt_us(),
            rcv_rtt_us: self.receive_rtt_us(),
            unacked: self.snd_nxt.distance_from(self.snd_una),
            resent: resent_in_flight(self.sent.as_slice()),
            sacked: self.sums.sacked,
            lost: self.sums.lost,
            unsent: self.unsent_len(),
            snd_mss: self.effective_mss(),
            adv_mss: if self.ts_on {
                self.rcv_mss.saturating_sub(TIMESTAMPS_LEN as u16)
            } else {
                self.rcv_mss
            },
            cwnd: self.congestion.cwnd(),
            ssthresh: (ssthresh != u32::MAX).then_some(ssthresh),
            snd_wnd: self.snd_wnd,
            rcv_wnd: self.status().rcv_wnd,
            rcv_buf: self.rcv_buf,
            reordering_seen: self.recovery.reordering_seen(),
            since_ack: now.since(self.life.heard_at),
            since_data_sent: since_ms(now, self.traffic.data_sent_ms),
            since_data_received: since_ms(now, self.traffic.data_received_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsm::tests::{data, seg, wnd, Host, ACK, FIN, IRS, ISS, RST};
    use crate::fsm::UserCall;

    /// The host sends what it has to, and counts it.
    fn count(host: &mut Host) {
        for segment in host.sent.clone() {
            host.tcb.count_sent(host.now, &segment);
        }
    }

    fn arrive(host: &mut Host, segment: Segment) {
        host.arrive(segment);
        host.tcb.count_arrived(host.now, &segment);
        count(host);
    }

    #[test]
    fn what_the_end_left_unacknowledged_is_told_a_fin_included() {
        let mut host = Host::established();
        let told = |host: &Host| (host.tcb.unacknowledged(), host.tcb.never_sent());
        assert_eq!(told(&host), (0, 0));
        host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 2_000));
        host.queue(2_500);
        assert_eq!(told(&host), (2_500, 500));
        host.user(UserCall::ShutdownWrite);
        assert_eq!(told(&host), (2_501, 501));
        host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1_001), 0));
        assert_eq!(told(&host), (1_501, 501));
        host.arrive(seg(RST, IRS + 1, 0));
        assert_eq!(host.state(), State::Closed);
        assert_eq!((told(&host), host.tcb.send_queue_len()), ((1_501, 501), 0));
        host.tcb.forget();
        assert_eq!(told(&host), (0, 0));
    }

    #[test]
    fn nothing_is_unacknowledged_while_opening_and_after_an_orderly_end() {
        for state in [
            State::SynSent,
            State::SynReceived,
            State::FinWait2,
            State::CloseWait,
        ] {
            let host = Host::in_state(state);
            assert_eq!(
                (host.tcb.unacknowledged(), host.tcb.never_sent()),
                (0, 0),
                "{state:?}"
            );
        }
        let mut host = Host::last_ack();
        assert_eq!(host.tcb.unacknowledged(), 1);
        host.arrive(seg(ACK, IRS + 2, ISS + 2));
        assert_eq!(
            (host.state(), host.tcb.unacknowledged()),
            (State::Closed, 0)
        );
    }

    #[test]
    fn octets_are_counted_once_each_way_and_again_when_sent_again() {
        let mut host = Host::established();
        host.queue(2_500);
        count(&mut host);
        assert_eq!(host.tcb.info(host.now).unacked, 2_500);
        arrive(&mut host, seg(ACK, IRS + 1, ISS + 1_001));
        let before = host.tcb.traffic;
        assert_eq!((before.bytes_sent, before.bytes_acked), (2_500, 1_000));
        assert_eq!((before.data_segs_out, before.segs_retrans), (3, 0));
        while host.tcb.traffic.bytes_retrans == 0 {
            host.fire();
            count(&mut host);
        }
        let after = host.tcb.traffic;
        assert_eq!(after.bytes_sent - after.bytes_retrans, 2_500);
        assert!(after.segs_retrans >= 1);
        arrive(&mut host, seg(ACK, IRS + 1, ISS + 2_501));
        assert_eq!(host.tcb.traffic.bytes_acked, 2_500);
    }

    #[test]
    fn what_arrives_is_counted_without_syn_and_fin() {
        let mut host = Host::established();
        arrive(&mut host, data(seg(ACK, IRS + 1, ISS + 1), 700));
        arrive(&mut host, data(seg(ACK, IRS + 1, ISS + 1), 700));
        arrive(&mut host, data(seg(ACK | FIN, IRS + 701, ISS + 1), 300));
        let traffic = host.tcb.traffic;
        assert_eq!(traffic.bytes_received, 1_000);
        assert_eq!((traffic.segs_in, traffic.data_segs_in), (3, 3));
        assert_eq!(traffic.largest_in, 700);
        host.user(crate::fsm::UserCall::ShutdownWrite);
        arrive(&mut host, seg(ACK, IRS + 1_002, ISS + 2));
        assert_eq!(host.tcb.traffic.bytes_acked, 0);
    }

    #[test]
    fn a_keep_alive_is_no_data() {
        let mut host = Host::established();
        arrive(&mut host, seg(ACK, IRS + 1, ISS + 1));
        host.cfg.keepalive_octet = true;
        host.set(|settings| settings.keepalive = true);
        host.fire();
        count(&mut host);
        assert_eq!(host.only().payload_len, 1);
        assert_eq!(host.tcb.traffic.data_segs_out, 0);
        assert_eq!(host.tcb.info(host.now).keepalives, 1);
    }

    #[test]
    fn times_are_told_since_they_were() {
        let mut host = Host::established();
        host.queue(10);
        count(&mut host);
        host.pass(Duration::from_ms(30));
        arrive(&mut host, data(seg(ACK, IRS + 1, ISS + 11), 1));
        host.pass(Duration::from_ms(5));
        let info = host.tcb.info(host.now);
        assert_eq!(info.since_data_sent, Duration::from_ms(35));
        assert_eq!(info.since_data_received, Duration::from_ms(5));
        assert_eq!(info.since_ack, Duration::from_ms(5));
        assert!(info.srtt_us >= 30_000 / 8 && info.ssthresh.is_none());
    }

    #[test]
    fn a_connection_tells_how_it_stands() {
        let mut host = Host::established();
        host.queue(2_500);
        let info = host.tcb.info(host.now);
        assert_eq!(
            (info.phase, info.retries, info.probing),
            (Phase::Open, 0, false)
        );
        // None of these was offered.
        assert!(!info.timestamps && !info.sack && !info.ecn && info.scales.is_none());
        assert_eq!((info.snd_mss, info.adv_mss), (1_000, 1_000));
        assert_eq!((info.unacked, info.unsent), (2_500, 0));
        assert_eq!((info.sacked, info.lost), (0, 0));
        assert_eq!((info.cwnd, info.snd_wnd), (10_000, 8_000));
        assert_eq!((info.rcv_wnd, info.rcv_buf), (10_000, 10_000));
        assert!(info.rto >= Duration::from_ms(200) && !info.reordering_seen);
        // The handshake took no time at all in this test.
        assert_eq!((info.srtt_us, info.rttvar_us), (1, 0));
        assert!(info.min_rtt_us <= 1);
        while host.tcb.info(host.now).phase != Phase::Timeout {
            host.fire();
        }
        let info = host.tcb.info(host.now);
        assert_eq!((info.retries, info.traffic.timeouts), (1, 1));
        // A window of one segment goes out again.
        assert_eq!((info.resent, info.lost), (1_000, 1_500));
        assert!(info.ssthresh.is_some() && info.cwnd < 10_000);
        // A closed window is probed.
        arrive(
            &mut host,
            crate::fsm::tests::wnd(seg(ACK, IRS + 1, ISS + 2_501), 0),
        );
        host.queue(10);
        assert!(host.tcb.info(host.now).probing);
    }
}
