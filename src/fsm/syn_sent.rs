// SPDX-License-Identifier: GPL-2.0

//! SEGMENT ARRIVES in SYN-SENT (RFC 9293 section 3.10.7.3), and what a SYN of the peer tells.

use super::arcs::Event;
use super::dispatch::rst_for_ack;
use super::outbox::{ConnError, Outbox, ReplyWhy};
use super::reasons::{DropReason, ResetReason};
use super::records::RecordList;
use super::segment::{Flags, Segment};
use super::tcb::{Tcb, MIN_SND_MSS};
use super::time::Instant;

impl<L: RecordList> Tcb<L> {
    pub(super) fn on_syn_sent(&mut self, now: Instant, segment: &Segment, out: &mut Outbox) {
        let has_ack = segment.flags.contains(Flags::ACK);
        let has_rst = segment.flags.contains(Flags::RST);

        // RFC 9293 3.10.7.3, first: ACK. It can only be that of our SYN.
        if has_ack && !(segment.ack.after(self.iss) && segment.ack.at_or_before(self.snd_nxt)) {
            out.discard(if has_rst {
                DropReason::RstInSynSent
            } else {
                DropReason::BadAck
            });
            if !has_rst {
                out.reply(
                    rst_for_ack(segment),
                    ReplyWhy::Reset(ResetReason::BadAckInSynSent),
                );
            }
            return;
        }

        // Second: RST; RFC 5961 3.2: it must acknowledge our SYN.
        if has_rst {
            if has_ack {
                self.end(now, Event::RcvRst, Some(ConnError::Refused), out);
            } else {
                out.discard(DropReason::RstInSynSent);
            }
            return;
        }

        // Fourth: SYN. Fifth: without it, nothing.
        if !segment.flags.contains(Flags::SYN) {
            out.discard(DropReason::NoSyn);
            return;
        }
        self.on_peer_syn(now, segment);
        if has_ack {
            self.syn_is_acknowledged(now, segment, out);
            self.take(now, Event::RcvSynAck, out);
            self.ack_due = true;
            // Data and FIN may have come along: the sixth step and what follows.
            let _ = self.step_6_to_8(now, segment, segment.seq + 1, out);
        } else {
            // Simultaneous open (MUST-10): our SYN goes out again, with the acknowledgment of the peer's. Data and FIN
            // that came along are not acknowledged, and come again.
            self.set_window(segment);
            self.snd_wl2 = self.iss;
            self.take(now, Event::RcvSyn, out);
            self.syn_due = true;
            // MUST-18: it may be either SYN that is acknowledged.
            self.rtt_timing = false;
            self.disarm();
        }
    }

    /// What the peer's SYN tells: its sequence number, and what its options agree to.
    fn on_peer_syn(&mut self, now: Instant, segment: &Segment) {
        let offered = self.rcv_wnd();
        self.irs = segment.seq;
        self.rcv_nxt = segment.seq + 1;
        self.rcv_adv = self.rcv_nxt + offered;
        self.last_ack_sent = self.rcv_nxt;
        self.rcv_up = self.rcv_nxt;
        // MUST-15: without the option the default of the IP version stays.
        if let Some(mss) = segment.options.mss {
            self.snd_mss = mss.max(MIN_SND_MSS);
        }
        // RFC 7323 2.2: both scale or none does.
        match segment.options.wscale {
            Some(scale) if self.ws_on => self.snd_wscale = scale,
            _ => {
                self.ws_on = false;
                self.snd_wscale = 0;
                self.rcv_wscale = 0;
            }
        }
        self.sack_on = self.sack_on && segment.options.sack_permitted;
        self.ecn.on_peer_syn(segment);
        match segment.options.timestamps {
            Some(timestamps) if self.ts_on => {
                self.ts_recent = timestamps.val;
                self.ts_recent_at = now;
            }
            _ => self.ts_on = false,
        }
        self.renew_mss();
    }
}
