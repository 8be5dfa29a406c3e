// SPDX-License-Identifier: GPL-2.0

//! What is true of a transmission control block between two calls.

use super::arcs::State;
use super::records::RecordList;
use super::scoreboard;
use super::tcb::{Tcb, MAX_QUEUED};
use super::timers::TimerKind;

/// Returns the text of the first claim that does not hold.
macro_rules! claim {
    ($($holds:expr, $text:literal;)+) => {
        $(if !$holds {
            return Err($text);
        })+
    };
}

impl<L: RecordList> Tcb<L> {
    /// Checks what must hold after each call.
    ///
    /// # Errors
    ///
    /// The claim that does not hold.
    pub(crate) fn invariants(&self) -> Result<(), &'static str> {
        use State as S;
        let state = self.state();
        if matches!(state, S::Closed | S::Listen) {
            claim! {
                self.timer.is_none() && self.acks.deadline.is_none(), "no timer without a connection";
            }
            return Ok(());
        }
        let sent = self.snd_nxt.distance_from(self.iss);
        let flight = self.snd_nxt.distance_from(self.snd_una);
        let fin_end = self.write_end + u32::from(self.fin_sent);
        claim! {
            self.snd_una.at_or_before(self.snd_nxt), "SND.UNA <= SND.NXT";
            self.snd_nxt.at_or_before(fin_end), "nothing is sent that was not queued";
            !self.fin_sent || self.snd_nxt == fin_end, "nothing is sent after the FIN";
            !self.fin_sent || self.fin_queued, "a FIN is sent only after CLOSE";
            self.send_queue_len() <= MAX_QUEUED, "the send queue is bounded";
            self.syn_acked || self.snd_una == self.iss, "SND.UNA is ISS until our SYN is acknowledged";
            self.syn_acked || sent <= 1 + u32::from(self.fin_sent), "no data before our SYN is acknowledged";
            self.unsent_len() <= self.send_queue_len(), "what was not sent is in the queue";
            self.max_snd_wnd >= self.snd_wnd, "the largest window is the largest";
            self.effective_mss() == self.computed_mss(), "the effective MSS is that of the limits";
        }

        let syn_sent = u32::from(!self.syn_acked && sent != 0);
        scoreboard::check(
            self.sent.as_slice(),
            self.sums,
            self.snd_una + syn_sent,
            self.snd_nxt,
        )?;

        let synchronized = !matches!(state, S::SynSent);
        let closed_by_us = matches!(
            state,
            S::FinWait1 | S::FinWait2 | S::Closing | S::LastAck | S::TimeWait
        );
        let closed_by_peer = matches!(state, S::CloseWait | S::Closing | S::LastAck | S::TimeWait);
        let opening = matches!(state, S::SynSent | S::SynReceived);
        let both_know = matches!(state, S::FinWait2 | S::TimeWait);
        claim! {
            !synchronized || self.rcv_nxt.at_or_before(self.rcv_adv), "the offered window is not negative";
            !synchronized || self.last_ack_sent.at_or_before(self.rcv_nxt), "no ACK goes beyond RCV.NXT";
            self.fin_queued == closed_by_us || state == S::SynReceived,
                "our FIN is queued in the states after CLOSE";
            self.fin_received == closed_by_peer, "the peer's FIN was taken in the states after it";
            !both_know || self.fin_acked(), "our FIN is acknowledged in FIN-WAIT-2 and TIME-WAIT";
            both_know || !self.fin_acked(), "an acknowledged FIN leaves the other states";
            !opening || !self.syn_acked, "the acknowledgment of our SYN ends the opening";
            !matches!(state, S::Established | S::CloseWait) || self.syn_acked,
                "our SYN is acknowledged in ESTABLISHED and CLOSE-WAIT";
            !matches!(state, S::Established | S::CloseWait) || !self.user_gone,
                "a connection that its user left is closed";
            state != S::TimeWait || self.timer.is_none(), "TIME-WAIT's timer is not the block's";
        }

        self.held_invariants()?;
        claim! {
            self.acks.deadline.is_none() || self.last_ack_sent.before(self.rcv_nxt),
                "an ACK that waits has something to tell";
        }
        claim! {
            self.timer != Some(TimerKind::Retransmit) || flight != 0, "the retransmission timer has work";
            self.timer != Some(TimerKind::Retransmit) || !self.syn_acked || self.snd_wnd != 0,
                "a closed window is probed";
            self.timer != Some(TimerKind::Persist) || self.has_pending(), "the persist timer has work";
            self.timer != Some(TimerKind::FinWait2) || state == S::FinWait2 && self.user_gone,
                "only an orphan in FIN-WAIT-2 is timed so";
            !matches!(self.timer, Some(TimerKind::SynAck | TimerKind::TimeWait)),
                "the timers of other objects do not run here";
        }
        Ok(())
    }

    /// Checks what must hold of what came out of order.
    fn held_invariants(&self) -> Result<(), &'static str> {
        // Two ranges at the same time: the gap before each.
        let mut end = self.rcv_nxt;
        let mut octets = 0u32;
        for range in self.held.as_slice() {
            claim! {
                range.left.after(end), "before each range that is held is a gap";
                range.right.after(range.left), "no range that is held is empty";
            }
            end = range.right;
            octets = octets.saturating_add(range.right.distance_from(range.left));
        }
        claim! {
            end.at_or_before(self.rcv_adv), "what is held is in the window";
            self.gaps.octets == octets, "the octets that are held are counted";
            self.gaps.fin_at.is_none_or(|at| at.after(self.rcv_nxt)), "a FIN that is waited for is to come";
        }
        Ok(())
    }

    /// Checks what must hold when `next_segment` was called since, until there was none.
    ///
    /// # Errors
    ///
    /// The claim that does not hold.
    #[allow(
        dead_code,
        reason = "the module does not call it, tests and simulations do"
    )]
    pub(crate) fn settled_invariants(&self) -> Result<(), &'static str> {
        self.invariants()?;
        if matches!(self.state(), State::Closed | State::Listen) {
            return Ok(());
        }
        let flight = self.snd_nxt.distance_from(self.snd_una);
        let orphan_waits = self.state() == State::FinWait2 && self.user_gone;
        claim! {
            (self.timer == Some(TimerKind::FinWait2)) == orphan_waits, "an orphan in FIN-WAIT-2 is timed";
            flight == 0 || self.timer.is_some(), "what is in flight is timed";
            !self.syn_acked || !self.has_unsent() || self.timer.is_some(), "what cannot be sent is timed";
            self.timer != Some(TimerKind::Persist) || self.snd_wnd == 0 || flight == 0,
                "what is in flight in an open window is retransmitted";
            !self.is_ack_due() && !self.force, "what is due is sent";
        }
        Ok(())
    }
}
