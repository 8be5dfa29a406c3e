// SPDX-License-Identifier: GPL-2.0

//! What is to be sent: SYNs, data, FINs, probes and ACKs, one segment at a time.

use super::arcs::State;
use super::config::Config;
use super::options::{OutOptions, Timestamps};
use super::records::RecordList;
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
        let syn_due = !self.syn_acked && self.resend_next == self.iss;
        let syn = match self.state() {
            State::Closed | State::Listen | State::TimeWait => return None,
            State::SynSent if !syn_due => return None,
            State::SynSent => Some(self.syn_segment(now, Flags::SYN)),
            _ if syn_due => Some(self.syn_segment(now, Flags::SYN | Flags::ACK)),
            _ => None,
        };
        if syn.is_some() {
            self.ack_due = false;
            self.force = false;
            self.sent(now, self.iss, self.iss + 1);
            return syn;
        }
        if let Some(segment) = self.next_text(now) {
            return Some(segment);
        }
        if self.timer.is_none() && self.syn_acked && self.has_pending() {
            // MUST-36: nothing else would ever send it.
            self.arm_persist(now);
        }
        if self.ack_due {
            return Some(self.ack_segment(now));
        }
        None
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
        }
    }

    /// Data, a FIN, or both.
    fn next_text(&mut self, now: Instant) -> Option<SegmentOut> {
        let seq = self.resend_next;
        if seq.after(self.write_end) {
            return None;
        }
        let queued = self.write_end.distance_from(seq);
        if queued == 0 && !self.fin_queued {
            return None;
        }
        // RFC 9293 3.10.2: data waits for the acknowledgment of our SYN; 3.10.4: a FIN alone does not.
        if queued != 0 && !self.syn_acked || self.state() == State::SynReceived {
            return None;
        }

        let mss = u32::from(self.effective_mss());
        let offset = seq.distance_from(self.snd_una);
        // SHLD-15: a window that shrank leaves no room, never a negative one.
        let window_room = self.snd_wnd.saturating_sub(offset);
        let room = window_room.min(self.congestion.cwnd().saturating_sub(offset));
        let mut len = queued.min(room).min(mss);
        // The FIN's number, too, must be in the window; it is not in the congestion window's way.
        let mut fin = self.fin_queued && len == queued && window_room > len;
        if self.force {
            if len == 0 && queued != 0 {
                // RFC 9293 3.8.6.1, MUST-35: a probe carries one octet, or the FIN.
                len = 1;
            } else if queued == 0 {
                fin = true;
            }
        } else if len < mss && !fin && !self.worth_sending(len, queued, offset) {
            return None;
        }

        let mut flags = Flags::ACK;
        if fin {
            flags |= Flags::FIN;
            self.fin_sent = true;
        }
        let end = seq + len;
        if len != 0 && end == self.write_end {
            // MUST-61.
            flags |= Flags::PSH;
        }
        self.force = false;
        let segment = self.segment(now, seq, flags, len);
        self.sent(now, seq, end + u32::from(fin));
        Some(segment)
    }

    /// Whether `len` octets, less than a full segment, are worth one now (RFC 9293 sections 3.8.6.2.1 and 3.7.4).
    fn worth_sending(&self, len: u32, queued: u32, offset: u32) -> bool {
        // Nagle (SHLD-7): one small segment at a time.
        let idle = offset == 0 || self.nodelay;
        len != 0 && idle && (len == queued || len >= self.max_snd_wnd / 2)
    }

    /// The numbers from `seq` to `end` are on their way.
    fn sent(&mut self, now: Instant, seq: SeqNumber, end: SeqNumber) {
        self.resend_next = end;
        if end.after(self.snd_nxt) {
            if !self.rtt_timing && seq == self.snd_nxt && self.retries == 0 {
                self.rtt_timing = true;
                self.rtt_seq = end;
                self.rtt_start = now;
            }
            self.snd_nxt = end;
        }
        // RFC 6298 5.1. A probe of a closed window leaves the persist timer running.
        match self.timer {
            None => self.arm(TimerKind::Retransmit, now + self.rtt.rto()),
            Some(TimerKind::Persist) if self.snd_wnd != 0 => {
                self.arm(TimerKind::Retransmit, now + self.rtt.rto());
            }
            _ => {}
        }
    }

    /// An ACK with the window of now.
    pub(super) fn ack_segment(&mut self, now: Instant) -> SegmentOut {
        let seq = self.acceptable_seq();
        self.segment(now, seq, Flags::ACK, 0)
    }

    /// An ACK that may never be sent: it offers no new window and fulfils no duty.
    pub(super) fn challenge_ack(&mut self, now: Instant) -> SegmentOut {
        let ack_due = self.ack_due;
        let last_ack_sent = self.last_ack_sent;
        let space = core::mem::take(&mut self.rcv_space);
        let segment = self.ack_segment(now);
        self.rcv_space = space;
        self.last_ack_sent = last_ack_sent;
        self.ack_due = ack_due;
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
        }
    }

    /// SND.NXT; but after a window shrank, the last number that the peer takes: it would drop a later one.
    fn acceptable_seq(&self) -> SeqNumber {
        if self.snd_nxt.distance_from(self.snd_una) <= self.snd_wnd || !self.syn_acked {
            self.snd_nxt
        } else {
            self.snd_una + self.snd_wnd
        }
    }

    /// A segment with ACK; the window is chosen, and what it offers is noted.
    fn segment(
        &mut self,
        now: Instant,
        seq: SeqNumber,
        flags: Flags,
        payload_len: u32,
    ) -> SegmentOut {
        let window = self.new_window();
        self.rcv_adv = self.rcv_nxt + window;
        self.last_ack_sent = self.rcv_nxt;
        self.ack_due = false;
        SegmentOut {
            seq,
            ack: self.rcv_nxt,
            flags,
            wnd: window_field(window, self.rcv_wscale),
            urg: 0,
            options: self.options(now),
            payload_len,
        }
    }

    /// RCV.WND as it is best offered now (RFC 9293 section 3.8.6.2.2).
    pub(super) fn new_window(&self) -> u32 {
        select_window(
            self.rcv_nxt,
            self.rcv_adv,
            self.rcv_space,
            self.rcv_buf,
            self.rcv_mss,
            self.rcv_wscale,
        )
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
    }
}
