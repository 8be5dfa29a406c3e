// SPDX-License-Identifier: GPL-2.0

//! What is to be sent: SYNs, data, FINs, probes and ACKs, one segment at a time.

use super::arcs::State;
use super::config::Config;
use super::options::{OutOptions, Timestamps};
use super::records::RecordList;
use super::scoreboard::next_lost;
use super::segment::{Flags, Segment, SegmentOut};
use super::seq::SeqNumber;
use super::tcb::Tcb;
use super::time::Instant;
use super::timers::TimerKind;
use super::window::{select_window, window_field};

impl<L: RecordList> Tcb<L> {
    /// The next segment that is due, if there is one. To be called until there is none, after every other call; ACKs
    /// are thus sent with data, and one for several segments (MUST-58).
    pub(crate) fn next_segment(&mut self, now: Instant, _cfg: &Config) -> Option<SegmentOut> {
        match self.state() {
            State::Closed | State::Listen | State::TimeWait => return None,
            State::SynSent if self.syn_due => return Some(self.send_syn(now, Flags::SYN)),
            State::SynSent => return None,
            _ if self.syn_due => return Some(self.send_syn(now, Flags::SYN | Flags::ACK)),
            _ => {}
        }
        if self.is_quiet() {
            return None;
        }
        if let Some(segment) = self.next_text(now) {
            return Some(segment);
        }
        if self.timer.is_none() && self.syn_acked && self.has_pending() {
            if self.snd_una != self.snd_nxt && self.snd_wnd != 0 {
                // RFC 6298 5.1: the peer holds all that is in flight, and may yet throw it away.
                self.time_flight(now);
            } else {
                // MUST-36: nothing else would ever send it.
                self.arm_persist(now);
            }
        }
        if self.is_ack_due() {
            return Some(self.ack_segment(now));
        }
        None
    }

    /// Whether [`next_segment`](Self::next_segment) would find nothing, and start no timer: so it is after most segments.
    #[inline]
    pub(crate) fn is_quiet(&mut self) -> bool {
        let quiet = !self.has_unsent()
            && !self.is_ack_due()
            && !self.syn_due
            && self.sums.lost == 0
            && !self.probe_due
            && (self.timer.is_some() || self.snd_una == self.snd_nxt);
        // It is not the congestion window that ended it.
        self.cwnd_limited &= !quiet;
        quiet
    }

    /// Our SYN is on its way, for the first time or again.
    fn send_syn(&mut self, now: Instant, flags: Flags) -> SegmentOut {
        self.syn_due = false;
        self.ack_due = false;
        self.acks.deadline = None;
        self.force = false;
        if self.snd_nxt == self.iss {
            self.snd_nxt = self.iss + 1;
            self.rtt_timing = true;
            self.rtt_start = now;
        }
        if self.timer.is_none() {
            self.arm(TimerKind::Retransmit, now + self.rtt.rto());
        }
        let ecn = self.ecn.syn_flags(self.retries != 0);
        self.syn_segment(now, flags | ecn)
    }

    /// Our SYN, or with ACK the SYN-ACK of a simultaneous open.
    pub(super) fn syn_segment(&self, now: Instant, flags: Flags) -> SegmentOut {
        SegmentOut {
            seq: self.iss,
            // Zero in SYN-SENT.
            ack: self.rcv_nxt,
            flags,
            // RFC 7323 2.2: the window of a SYN is never scaled.
            wnd: window_field(self.rcv_wnd(), 0),
            urg: 0,
            options: OutOptions {
                // RFC 9293 3.7.1, SHLD-5, MAY-3.
                mss: Some(self.rcv_mss),
                wscale: self.ws_on.then_some(self.rcv_wscale),
                sack_permitted: self.sack_on,
                ..self.options(now)
            },
            payload_len: 0,
            ect: false,
            piece: 0,
        }
    }

    /// Data, a FIN, or both: first what is lost, then what was never sent.
    fn next_text(&mut self, now: Instant) -> Option<SegmentOut> {
        if self.state() == State::SynReceived {
            return None;
        }
        if let Some(segment) = self.next_lost_text(now) {
            return Some(segment);
        }
        if self.probe_due {
            return self.tail_probe(now);
        }
        self.next_new_text(now)
    }

    /// What is lost goes out again as soon as the windows allow (RFC 6675 section 5, RFC 9293 3.8.6).
    fn next_lost_text(&mut self, now: Instant) -> Option<SegmentOut> {
        if self.sums.lost == 0 {
            return None;
        }
        let mss = self.text_mss();
        let (left, right) = next_lost(self.sent.as_slice(), mss)?;
        let len = right.distance_from(left);
        if !self.force {
            let pipe = self.pipe();
            if pipe != 0 && pipe.saturating_add(len) > self.congestion.cwnd() {
                return None;
            }
        }
        // SHLD-15: a window that shrank leaves no room, never a negative one.
        let room = self
            .snd_wnd
            .saturating_sub(left.distance_from(self.snd_una));
        let len = match len.min(room) {
            0 if self.force => 1,
            0 => return None,
            len => len,
        };
        let right = left + len;
        if right == self.snd_nxt && len < mss {
            let more = self
                .unsent_len()
                .min(mss - len)
                .min(room.saturating_sub(len));
            self.take_along(now, more);
            return Some(self.repeat(now, left, right + more));
        }
        Some(self.repeat(now, left, right))
    }

    /// The next `len` octets go out behind some that are sent again, in the same segment.
    fn take_along(&mut self, now: Instant, len: u32) {
        if len != 0 {
            let left = self.snd_nxt;
            self.snd_nxt = left + len;
            self.scoreboard().append(now, left, left + len);
        }
    }

    /// `left` to `right`, which may end with our FIN, once more.
    fn repeat(&mut self, now: Instant, left: SeqNumber, right: SeqNumber) -> SegmentOut {
        self.force = false;
        let fin = right.after(self.write_end);
        let len = right.distance_from(left).saturating_sub(u32::from(fin));
        let (ecn, _) = self.ecn_of(false);
        let flags = self.text_flags(left, len, fin) | ecn;
        let segment = self.segment(now, left, flags, len);
        self.note_resent(now, left, right);
        self.on_the_way(now, right.distance_from(left));
        segment
    }

    /// RFC 8985 7.3: new data if there is some, else the last segment once more.
    fn tail_probe(&mut self, now: Instant) -> Option<SegmentOut> {
        let mss = self.text_mss();
        let queued = self.unsent_len();
        let offset = self.snd_nxt.distance_from(self.snd_una);
        let len = queued.min(mss).min(self.snd_wnd.saturating_sub(offset));
        if len != 0 {
            let segment = self.send_new(now, len, false, mss);
            self.tail_probe_sent(false);
            return Some(segment);
        }
        if offset == 0 || !self.syn_acked {
            self.probe_due = false;
            return None;
        }
        let right = self.snd_nxt;
        let segment = self.repeat(now, right - offset.min(mss), right);
        self.tail_probe_sent(true);
        Some(segment)
    }

    /// What was never sent.
    fn next_new_text(&mut self, now: Instant) -> Option<SegmentOut> {
        self.cwnd_limited = false;
        if self.fin_sent {
            return None;
        }
        let queued = self.write_end.distance_from(self.snd_nxt);
        if queued == 0 && !self.fin_queued {
            return None;
        }
        // RFC 9293 3.10.2: data waits for the acknowledgment of our SYN; 3.10.4: a FIN alone does not.
        if queued != 0 && !self.syn_acked {
            return None;
        }
        let mss = self.text_mss();
        let offset = self.snd_nxt.distance_from(self.snd_una);
        // SHLD-15: a window that shrank leaves no room, never a negative one.
        let window_room = self.snd_wnd.saturating_sub(offset);
        let room = window_room.min(self.congestion.cwnd().saturating_sub(self.pipe()));
        let mut len = self.run_of(queued.min(room), mss);
        // The FIN's number, too, must be in the window; it is not in the congestion window's way.
        let mut fin = self.fin_queued && len == queued && window_room > len;
        if self.force {
            if len == 0 && queued != 0 {
                // RFC 9293 3.8.6.1, MUST-35: a probe carries one octet, or the FIN.
                len = 1;
            } else if queued == 0 {
                fin = true;
            }
        } else if len < mss && !fin && !self.worth_sending(len, queued) {
            // RFC 7661 4.1: was it the congestion window, not the program or the peer, that ended it?
            self.cwnd_limited = len < queued.min(mss).min(window_room);
            return None;
        }
        self.force = false;
        Some(self.send_new(now, len, fin, mss))
    }

    /// The next `len` octets, and the FIN if they are the last, in segments of `mss` octets.
    #[inline(always)]
    fn send_new(&mut self, now: Instant, len: u32, fin: bool, mss: u32) -> SegmentOut {
        let (seq, una) = (self.snd_nxt, self.snd_una);
        if seq == una && self.syn_acked {
            let (idle, rto) = (now.since(self.last_sent), self.rtt.rto());
            if idle > rto {
                // RFC 5681 4.1, RFC 9438 5.8.
                let mss = self.effective_mss();
                self.congestion.on_idle(idle, rto, mss, self.idle_restart);
            }
        }
        self.fin_sent |= fin;
        // RFC 3168 6.1.6: the path may not mark a probe of a closed window.
        let fits = seq.distance_from(una).saturating_add(len) <= self.snd_wnd;
        let (ecn, ect) = self.ecn_of(len != 0 && fits);
        let flags = self.text_flags(seq, len, fin) | ecn;
        let right = seq + len + u32::from(fin);
        self.push &= right.before(self.write_end);
        if len < mss {
            self.snd_small = right;
        }
        let mut segment = self.segment(now, seq, flags, len);
        segment.ect = ect;
        if len > mss {
            segment.piece = mss as u16;
        }
        self.snd_nxt = right;
        self.scoreboard().append(now, seq, right);
        self.on_the_way(now, right.distance_from(seq));
        segment
    }

    /// The control bits of a segment with data, a FIN, or both.
    fn text_flags(&self, seq: SeqNumber, len: u32, fin: bool) -> Flags {
        let mut flags = Flags::ACK;
        if fin {
            flags |= Flags::FIN;
        }
        if len != 0 && seq + len == self.write_end {
            // MUST-61.
            flags |= Flags::PSH;
        }
        flags
    }

    /// Whether `len` octets, less than a full segment, are worth one now (RFC 9293 sections 3.8.6.2.1 and 3.7.4).
    fn worth_sending(&self, len: u32, queued: u32) -> bool {
        // Nagle (SHLD-7): one small segment at a time.
        // What was sent 2^31 octets ago seems to be to come.
        let idle = !self.snd_small.after(self.snd_una) || self.snd_small.after(self.snd_nxt);
        let now = self.sends_small(idle) || self.has_unsent_urgent();
        len != 0 && now && (len == queued || len >= self.max_snd_wnd / 2)
    }

    /// The most octets of data in the next segment: the blocks that it carries take room (RFC 2018 section 3).
    #[inline]
    fn text_mss(&self) -> u32 {
        u32::from(self.effective_mss())
            .saturating_sub(self.sack_len())
            .max(1)
    }

    /// So many numbers have left, and are to be timed.
    #[inline(always)]
    fn on_the_way(&mut self, now: Instant, octets: u32) {
        self.last_sent = now;
        if self.syn_acked {
            self.congestion.on_sent(octets);
        }
        // RFC 6298 5.1. A probe of a closed window leaves the persist timer running.
        match self.timer {
            None => self.time_flight(now),
            Some(TimerKind::Persist) if self.snd_wnd != 0 => self.time_flight(now),
            Some(TimerKind::Retransmit | TimerKind::TailProbe) => self.time_tail(now),
            _ => {}
        }
    }

    /// An ACK with the window of now.
    pub(super) fn ack_segment(&mut self, now: Instant) -> SegmentOut {
        let seq = self.acceptable_seq();
        let (ecn, _) = self.ecn_of(false);
        self.segment(now, seq, Flags::ACK | ecn, 0)
    }

    /// An ACK that may never be sent: it offers no new window and fulfils no duty.
    pub(super) fn challenge_ack(&mut self, now: Instant) -> SegmentOut {
        let (ack_due, acks) = (self.ack_due, self.acks);
        let last_ack_sent = self.last_ack_sent;
        let duplicate = self.gaps.duplicate;
        let space = core::mem::take(&mut self.rcv_space);
        let segment = self.ack_segment(now);
        self.rcv_space = space;
        self.gaps.duplicate = duplicate;
        self.last_ack_sent = last_ack_sent;
        (self.ack_due, self.acks) = (ack_due, acks);
        segment
    }

    /// RFC 9293 3.10.5: the RST of an abort.
    pub(super) fn abort_rst(&self) -> SegmentOut {
        SegmentOut {
            seq: self.acceptable_seq(),
            ack: SeqNumber::from_raw(0),
            flags: Flags::RST,
            wnd: 0,
            urg: 0,
            options: OutOptions::none(),
            payload_len: 0,
            ect: false,
            piece: 0,
        }
    }

    /// SND.NXT; but after a window shrank, the last number that the peer takes: it would drop a later one.
    fn acceptable_seq(&self) -> SeqNumber {
        let flight = self.snd_nxt.distance_from(self.snd_una);
        let beyond = flight.saturating_sub(self.snd_wnd);
        // RFC 7323 2.4: what the scale rounds off the peer takes all the same. A probe of a closed window it need not take.
        let rounded_off = beyond < 1 << self.snd_wscale && self.timer != Some(TimerKind::Persist);
        if beyond == 0 || rounded_off || !self.syn_acked {
            self.snd_nxt
        } else {
            self.snd_una + self.snd_wnd
        }
    }

    /// A segment with ACK; the window is chosen, and what it offers is noted.
    #[inline(always)]
    pub(super) fn segment(
        &mut self,
        now: Instant,
        seq: SeqNumber,
        flags: Flags,
        payload_len: u32,
    ) -> SegmentOut {
        let window = self.new_window();
        // RFC 7323 2.4: what was offered before holds, even if the scaled field cannot tell it any more.
        self.rcv_adv = SeqNumber::max_of(self.rcv_adv, self.rcv_nxt + window);
        self.last_ack_sent = self.rcv_nxt;
        self.ack_goes_out(now, payload_len);
        let (flags, urg) = self.urgent_pointer(seq, flags);
        let sack = self.sack_blocks();
        // RFC 2883 4: told once.
        self.gaps.duplicate = None;
        SegmentOut {
            seq,
            ack: self.rcv_nxt,
            flags,
            wnd: window_field(window, self.rcv_wscale),
            urg,
            options: OutOptions {
                sack,
                ..self.options(now)
            },
            payload_len,
            ect: false,
            piece: 0,
        }
    }

    /// RCV.WND as it is best offered now (RFC 9293 section 3.8.6.2.2).
    pub(super) fn new_window(&self) -> u32 {
        select_window(
            self.rcv_nxt,
            self.rcv_adv,
            self.window_space(),
            self.rcv_buf,
            self.rcv_mss,
            self.rcv_wscale,
        )
    }

    /// The free receive buffer, in octets from RCV.NXT on: what is held has its room already.
    #[inline]
    pub(super) fn window_space(&self) -> u32 {
        self.rcv_space.saturating_add(self.gaps.octets)
    }

    /// The options of every segment but an RST (RFC 7323 section 3.2).
    #[inline]
    fn options(&self, now: Instant) -> OutOptions {
        OutOptions {
            timestamps: if self.ts_on {
                Some(Timestamps {
                    val: self.ts_now(now),
                    ecr: self.ts_recent,
                })
            } else {
                None
            },
            ..OutOptions::none()
        }
    }
}

/// The RST that answers a segment with ACK: `<SEQ=SEG.ACK><CTL=RST>`.
pub(super) fn rst_for_ack(segment: &Segment) -> SegmentOut {
    SegmentOut {
        seq: segment.ack,
        ack: SeqNumber::from_raw(0),
        flags: Flags::RST,
        wnd: 0,
        urg: 0,
        options: OutOptions::none(),
        payload_len: 0,
        ect: false,
        piece: 0,
    }
}

/// The RST that answers any segment but an RST, where there is no connection (RFC 9293 section 3.10.7.1).
pub(super) fn rst_for(segment: &Segment) -> SegmentOut {
    if segment.flags.contains(Flags::ACK) {
        return rst_for_ack(segment);
    }
    SegmentOut {
        seq: SeqNumber::from_raw(0),
        ack: segment.seq + segment.seg_len(),
        flags: Flags::RST | Flags::ACK,
        wnd: 0,
        urg: 0,
        options: OutOptions::none(),
        payload_len: 0,
        ect: false,
        piece: 0,
    }
}
