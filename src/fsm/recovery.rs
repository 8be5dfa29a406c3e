// SPDX-License-Identifier: GPL-2.0

//! How loss is found and repaired: by time with [RACK](super::rack) and a [tail loss probe](super::tail_probe) where the peer
//! sends SACKs (RFC 8985, RFC 6675), by duplicate acknowledgments where it does not (RFC 5681 section 3.2, RFC 6582), and how a
//! repair that was not needed is taken back (RFC 3522 with timestamps, RFC 3708 with D-SACK; the response is that of RFC 4015).
//!
//! What is lost is marked in the scoreboard, and what is marked goes out as soon as the congestion window allows: nothing else
//! decides on a retransmission.

use super::options::SackBlock;
use super::records::RecordList;
use super::scoreboard::{Delivery, Scoreboard};
use super::segment::Segment;
use super::seq::SeqNumber;
use super::tail_probe::Probe;
use super::tcb::{ts_before, Tcb};
use super::time::{Duration, Instant};

/// DupThresh (RFC 5681 section 3.2, RFC 6675 section 2).
pub(super) const DUP_THRESHOLD: u8 = 3;

/// So many recoveries keep the reordering window that D-SACKs have widened (RFC 8985 section 6.2, step 4).
const REO_WND_PERSIST: u8 = 16;

/// The granularity of a timer that waits for reordering or a probe.
pub(super) const TIMER_MARGIN: Duration = Duration::from_ms(2);

/// Where the sender stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// The path reported congestion without loss (RFC 3168); the window shrinks until SND.UNA has passed `high_seq`.
    Reduction,
    /// Fast recovery, until SND.UNA has passed `high_seq`.
    Fast,
    /// Recovery after a timeout, until SND.UNA has passed `high_seq`.
    Timeout,
}

/// What loss detection and recovery remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Recovery {
    pub(super) phase: Phase,
    pub(super) probe: Probe,
    /// A segment was seen to be overtaken.
    pub(super) reordering_seen: bool,
    /// RACK.xmit_ts and the variables with it are set.
    pub(super) rack_valid: bool,
    /// The last reduction of the window can be undone.
    can_undo: bool,
    /// All that was sent again since then arrived twice.
    all_needless: bool,
    /// There was a recovery of a loss: `high_seq` is RFC 6582's `recover`.
    recovered_once: bool,
    /// There was a reduction: `high_seq` is where the peer can have heard of it.
    reduced_once: bool,
    /// Duplicate acknowledgments, where the peer sends no SACKs.
    dup_acks: u8,
    /// RACK.reo_wnd_mult: how much D-SACKs have widened the reordering window.
    pub(super) reo_wnd_mult: u8,
    /// RACK.reo_wnd_persist.
    reo_wnd_persist: u8,
    /// SND.NXT when the phase began.
    high_seq: SeqNumber,
    /// SND.UNA when the recovery began that may be undone.
    undo_from: SeqNumber,
    /// SND.NXT when it ended: once that is acknowledged nothing is undone any more.
    undo_until: SeqNumber,
    /// Octets that duplicate acknowledgments without SACK show to have arrived.
    dup_octets: u32,
    /// RACK.rtt in microseconds.
    pub(super) rack_rtt_us: u32,
    /// RACK.xmit_ts, in microseconds, the lower bits.
    pub(super) rack_sent_us: u32,
    /// RACK.end_seq.
    pub(super) rack_end: SeqNumber,
    /// The highest number that is known to have arrived.
    pub(super) fack: SeqNumber,
    /// D-SACKs count once for each round: until SND.UNA passes this.
    dsack_round: SeqNumber,
    /// The least round-trip time of late, in microseconds; 0 before the first.
    pub(super) min_rtt_us: u32,
    /// When `min_rtt_us` was measured, in milliseconds.
    min_rtt_at_ms: u32,
    /// TLP.end_seq.
    pub(super) probe_end: SeqNumber,
    /// Our timestamp at the first retransmission of this recovery.
    retransmit_ts: u32,
    /// Octets sent again in this recovery, less those that a D-SACK showed to be needless.
    resent: u32,
}

/// How long a least round-trip time is believed.
const MIN_RTT_LIFE_MS: u32 = 300_000;

impl Recovery {
    /// Nothing was sent.
    pub(crate) const fn new() -> Self {
        Self {
            phase: Phase::Open,
            probe: Probe::None,
            reordering_seen: false,
            rack_valid: false,
            can_undo: false,
            all_needless: false,
            recovered_once: false,
            reduced_once: false,
            dup_acks: 0,
            reo_wnd_mult: 1,
            reo_wnd_persist: REO_WND_PERSIST,
            high_seq: SeqNumber::from_raw(0),
            undo_from: SeqNumber::from_raw(0),
            undo_until: SeqNumber::from_raw(0),
            dup_octets: 0,
            rack_rtt_us: 0,
            rack_sent_us: 0,
            rack_end: SeqNumber::from_raw(0),
            fack: SeqNumber::from_raw(0),
            dsack_round: SeqNumber::from_raw(0),
            min_rtt_us: 0,
            min_rtt_at_ms: 0,
            probe_end: SeqNumber::from_raw(0),
            retransmit_ts: 0,
            resent: 0,
        }
    }

    /// Where the sender stands.
    #[inline]
    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// The least round-trip time of late, in microseconds; 0 before the first.
    pub(crate) const fn min_rtt_us(&self) -> u32 {
        self.min_rtt_us
    }

    /// Whether segments were seen to be overtaken on their way.
    pub(crate) const fn reordering_seen(&self) -> bool {
        self.reordering_seen
    }

    /// The connection opens: `una` is the first number after our SYN, whose round-trip time may be known.
    pub(super) fn open(&mut self, now: Instant, una: SeqNumber, rtt: Option<Duration>) {
        self.fack = una;
        self.dsack_round = una;
        if let Some(rtt) = rtt {
            self.note_min_rtt(now, rtt);
        }
    }

    /// Forgets the times, for [`abstraction`](super::abstraction).
    pub(super) fn forget_time(&mut self) {
        self.rack_rtt_us = 0;
        self.rack_sent_us = 0;
        self.min_rtt_us = 0;
        self.min_rtt_at_ms = 0;
        self.retransmit_ts = 0;
    }

    pub(super) fn note_min_rtt(&mut self, now: Instant, rtt: Duration) {
        let rtt_us = u32::try_from(rtt.as_us()).unwrap_or(u32::MAX).max(1);
        let now_ms = (now.as_us() / 1_000) as u32;
        if self.min_rtt_us == 0
            || rtt_us <= self.min_rtt_us
            || now_ms.wrapping_sub(self.min_rtt_at_ms) > MIN_RTT_LIFE_MS
        {
            self.min_rtt_us = rtt_us;
            self.min_rtt_at_ms = now_ms;
        }
    }
}

/// What an acknowledgment brought, for those who decide what follows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// What is known to have arrived since the last one.
    pub(super) delivery: Delivery,
    /// Octets that were in flight before, less what the peer held (RecoverFS of RFC 9937 section 6.1).
    pub(super) flight: u32,
    /// Octets by which SND.UNA moved.
    pub(super) acked: u32,
    /// The acknowledgment reported a duplicate (RFC 2883).
    pub(super) dsack: bool,
    /// Nothing but the acknowledgment number, which is SND.UNA once more (RFC 5681 section 2).
    pub(super) duplicate: bool,
}

impl<L: RecordList> Tcb<L> {
    #[inline]
    pub(super) fn scoreboard(&mut self) -> Scoreboard<'_, L> {
        Scoreboard {
            list: &mut self.sent,
            sums: &mut self.sums,
        }
    }

    /// Octets on their way: sent, not known to have arrived, not taken for lost (RFC 6675 section 4, "pipe").
    #[inline]
    pub(crate) fn pipe(&self) -> u32 {
        self.snd_nxt
            .distance_from(self.snd_una)
            .saturating_sub(self.sums.sacked)
            .saturating_sub(self.sums.lost)
            .saturating_sub(self.recovery.dup_octets)
    }

    /// Reads the selective acknowledgment of a segment whose ACK was not yet taken (RFC 2018, RFC 2883).
    pub(super) fn take_sack(&mut self, now: Instant, segment: &Segment, progress: &mut Progress) {
        let blocks = &segment.options.sack;
        if !self.sack_on || blocks.as_slice().is_empty() {
            return;
        }
        let una = SeqNumber::max_of(self.snd_una, segment.ack);
        let mss = self.effective_mss();
        for (at, block) in blocks.as_slice().iter().enumerate() {
            if at == 0 && is_dsack(block, blocks.as_slice().get(1), segment.ack) {
                progress.dsack = true;
                self.on_dsack(block);
                continue;
            }
            // Only what was sent can be held; the rest of a block that was acknowledged meanwhile may count.
            let left = SeqNumber::max_of(block.left, una);
            if left.before(block.right) && block.right.at_or_before(self.snd_nxt) {
                let mut delivery = progress.delivery;
                self.scoreboard()
                    .sack(now, left, block.right, mss, &mut delivery);
                progress.delivery = delivery;
            }
        }
    }

    // RFC 2883 section 5, RFC 8985 6.2 step 4: what we sent again arrived twice.
    fn on_dsack(&mut self, block: &SackBlock) {
        let octets = block.right.distance_from(block.left);
        // RFC 3708 section 3: nothing that cannot be about something we sent counts.
        if octets > self.max_snd_wnd.max(u32::from(u16::MAX)) || block.right.after(self.snd_nxt) {
            return;
        }
        // RFC 3708 section 3: what this recovery sent again, nothing else.
        let of_recovery = self.recovery.can_undo
            && block.left.at_or_after(self.recovery.undo_from)
            && block.right.at_or_before(self.recovery.high_seq);
        if of_recovery && self.recovery.resent != 0 {
            self.recovery.resent = self.recovery.resent.saturating_sub(octets);
            self.recovery.all_needless = self.recovery.resent == 0;
        }
        let round = self.recovery.dsack_round;
        if self.snd_una.at_or_after(round) || round.after(self.snd_nxt) {
            self.recovery.dsack_round = self.snd_nxt;
            self.recovery.reo_wnd_mult = self.recovery.reo_wnd_mult.saturating_add(1);
            self.recovery.reo_wnd_persist = REO_WND_PERSIST;
        }
    }

    // RFC 5681 3.2, RFC 6582 3.2 without SACK: what the duplicates tell. How many octets are new among the lost.
    pub(super) fn detect_loss_by_duplicates(&mut self, progress: &mut Progress) -> u32 {
        let mss = u32::from(self.effective_mss());
        let recovery = &mut self.recovery;
        if progress.acked != 0 {
            // RFC 6582 3.2, step 3: a partial acknowledgment deflates by what it covers and shows the next hole.
            recovery.dup_octets = recovery
                .dup_octets
                .saturating_sub(progress.acked.saturating_sub(mss));
            recovery.dup_acks = 0;
            let partial =
                recovery.phase == Phase::Fast && self.snd_una.before(self.recovery.high_seq);
            if !partial {
                self.recovery.dup_octets = 0;
                return 0;
            }
            return self.scoreboard().mark_head_lost(mss);
        }
        if !progress.duplicate || recovery.phase == Phase::Timeout {
            return 0;
        }
        // RFC 3042: each duplicate means that a segment has left the network.
        recovery.dup_octets = recovery.dup_octets.saturating_add(mss);
        recovery.dup_acks = recovery.dup_acks.saturating_add(1);
        progress.delivery.octets = mss;
        // RFC 6582 3.2, step 1: not for duplicates that an earlier recovery has caused itself.
        let fresh = !recovery.recovered_once || self.snd_una.after(recovery.high_seq);
        if recovery.phase != Phase::Fast {
            if fresh && recovery.dup_acks == DUP_THRESHOLD {
                return self.scoreboard().mark_head_lost(mss);
            }
            // RFC 3042: two segments beyond the window at most.
            self.recovery.dup_octets = recovery.dup_octets.min(mss.saturating_mul(2));
        }
        0
    }

    /// The phase, the window and the timer after an acknowledgment of which `progress` tells; `lost` octets were found to be
    /// lost by it.
    pub(super) fn after_ack(
        &mut self,
        now: Instant,
        segment: &Segment,
        progress: &Progress,
        pipe_before: u32,
        mut lost: u32,
    ) {
        let mss = self.effective_mss();
        self.judge_probe(now, segment, progress);
        if progress.acked != 0 && self.was_spurious(segment) {
            self.undo();
            // Nothing is taken for lost any more.
            lost = 0;
        }
        let passed = self.snd_una.at_or_after(self.recovery.high_seq);
        self.forget_past_recoveries();
        let mut ends_recovery = false;
        match self.recovery.phase {
            Phase::Open => {}
            Phase::Fast | Phase::Reduction if passed => {
                self.congestion.on_recovered(now, mss);
                self.leave();
                ends_recovery = true;
            }
            Phase::Timeout if passed => self.leave(),
            _ => {}
        }
        if lost != 0 && matches!(self.recovery.phase, Phase::Open | Phase::Reduction) {
            if self.recovery.phase == Phase::Open {
                self.congestion.on_loss(now, progress.flight, mss);
            }
            self.enter(now, Phase::Fast);
        }
        if self.sums.lost == 0 {
            // What was to go out whatever the window is was acknowledged, or found not to be lost, before it did.
            self.force = false;
        }
        match self.recovery.phase {
            Phase::Fast | Phase::Reduction => {
                let pipe = self.pipe();
                self.congestion.on_recovery_ack(
                    progress.delivery.octets,
                    pipe,
                    progress.acked != 0,
                    lost != 0,
                    mss,
                );
            }
            // RFC 9937 6.2, RFC 6582 3.2, step 3: what the recovery has delivered does not widen the window once more.
            Phase::Open | Phase::Timeout if self.may_widen(progress) && !ends_recovery => {
                let limited = self.is_cwnd_limited(pipe_before);
                let news = if self.sack_on {
                    progress.delivery.octets
                } else {
                    progress.acked
                };
                self.congestion.on_ack(
                    now,
                    news,
                    mss,
                    progress.delivery.rtt(),
                    self.rtt.srtt_us(),
                    limited,
                );
            }
            Phase::Open | Phase::Timeout => {}
        }
    }

    /// Whether an acknowledgment outside of a recovery may widen the window. RFC 3042 section 2: duplicates do not, for they may
    /// mean a loss; but on a path that was seen to reorder they tell what has arrived, and nothing else ever will.
    fn may_widen(&self, progress: &Progress) -> bool {
        let overtaken = self.recovery.phase == Phase::Open && self.recovery.reordering_seen;
        progress.acked != 0 || overtaken && progress.delivery.octets != 0
    }

    /// Whether it is the congestion window that keeps us from sending more (RFC 7661 section 4.1): in slow start, where the
    /// window doubles, more than half of it must have been used.
    fn is_cwnd_limited(&self, pipe_before: u32) -> bool {
        self.cwnd_limited
            || self.congestion.in_slow_start()
                && self.congestion.cwnd() < pipe_before.saturating_mul(2)
    }

    /// A recovery begins.
    pub(super) fn enter(&mut self, now: Instant, phase: Phase) {
        let ts = self.ts_now(now);
        // RFC 3168 6.1.2: whatever the reason.
        self.ecn.cwr_due = self.ecn.on;
        let recovery = &mut self.recovery;
        recovery.phase = phase;
        recovery.high_seq = self.snd_nxt;
        recovery.undo_from = self.snd_una;
        recovery.recovered_once |= phase != Phase::Reduction;
        recovery.reduced_once = true;
        recovery.can_undo = phase != Phase::Reduction;
        recovery.retransmit_ts = ts;
        recovery.resent = 0;
        recovery.all_needless = false;
        recovery.probe = Probe::None;
        // RFC 6675 5, step 4.3: the first retransmission goes out whatever the window is.
        self.force |= phase == Phase::Fast;
    }

    fn leave(&mut self) {
        let recovery = &mut self.recovery;
        // RFC 8985 6.2, step 4: a wide reordering window is kept for some recoveries only.
        if recovery.phase != Phase::Reduction && recovery.reo_wnd_mult > 1 {
            recovery.reo_wnd_persist = recovery.reo_wnd_persist.saturating_sub(1);
            if recovery.reo_wnd_persist == 0 {
                recovery.reo_wnd_mult = 1;
                recovery.reo_wnd_persist = REO_WND_PERSIST;
            }
        }
        recovery.phase = Phase::Open;
        recovery.undo_until = self.snd_nxt;
        recovery.dup_acks = 0;
        recovery.dup_octets = 0;
    }

    /// What was noted of a recovery means nothing once all that was in flight then is acknowledged, and 2^31 octets later the
    /// contrary.
    fn forget_past_recoveries(&mut self) {
        let (una, recovery) = (self.snd_una, &mut self.recovery);
        if recovery.phase == Phase::Open {
            recovery.recovered_once &= !una.after(recovery.high_seq);
            recovery.reduced_once &= !una.after(recovery.high_seq);
            recovery.can_undo &= !una.after(recovery.undo_until);
        }
    }

    /// The path has reported congestion (RFC 3168 6.1.2): at most one reduction for each window of data.
    pub(super) fn on_congestion_echo(&mut self, now: Instant, ack: SeqNumber) {
        let flight = self.snd_nxt.distance_from(self.snd_una);
        // The peer echoes one mark until it has our CWR, which the first data after `high_seq` carries.
        let told = !self.recovery.reduced_once || ack.after(self.recovery.high_seq);
        if flight != 0 && told && self.recovery.phase == Phase::Open {
            let mss = self.effective_mss();
            self.congestion.on_ecn(now, flight, mss);
            self.enter(now, Phase::Reduction);
        }
    }

    /// RFC 8985 7.4.2: a loss that a probe has repaired counts as one that fast recovery repairs.
    pub(super) fn on_repaired_loss(&mut self, now: Instant, flight: u32) {
        if self.recovery.phase == Phase::Open {
            let mss = self.effective_mss();
            self.congestion.on_loss(now, flight, mss);
            self.enter(now, Phase::Reduction);
        }
    }

    /// Whether what was sent again had not been lost: RFC 3522 3.2: the echo is of the first transmission; RFC 3708: all that was sent
    /// again arrived twice.
    fn was_spurious(&self, segment: &Segment) -> bool {
        let recovery = &self.recovery;
        if !recovery.can_undo || !matches!(recovery.phase, Phase::Fast | Phase::Timeout) {
            return false;
        }
        match (self.ts_on, segment.options.timestamps) {
            (true, Some(timestamps)) if timestamps.ecr != 0 => {
                ts_before(timestamps.ecr, recovery.retransmit_ts)
            }
            _ => false,
        }
    }

    /// A D-SACK may show that nothing at all was lost.
    pub(super) fn undo_by_dsack(&mut self, progress: &Progress) {
        let recovery = &self.recovery;
        if progress.dsack && recovery.can_undo && recovery.all_needless {
            self.undo();
        }
    }

    // RFC 4015 section 3: the state of before; new data goes on where it was.
    fn undo(&mut self) {
        // RFC 8985 6.2, step 3: what was taken for lost had only been overtaken.
        self.recovery.reordering_seen |= self.recovery.phase == Phase::Fast;
        self.congestion.undo();
        self.recovery.can_undo = false;
        self.scoreboard().unmark_lost();
        self.leave();
        self.recovery.recovered_once = false;
        self.recovery.reduced_once = false;
    }

    /// A timer fired: if the peer held what it waits for, it has thrown that away (RFC 2018 section 8).
    pub(super) fn notice_reneging(&mut self) {
        if self.scoreboard().head_is_sacked() {
            self.scoreboard().forget_sacked();
        }
    }

    // RFC 6298 5.4 to 5.6, RFC 8985 6.3: what a timeout takes for lost.
    pub(super) fn on_flight_timeout(&mut self, now: Instant) {
        let mss = self.effective_mss();
        let flight = self.snd_nxt.distance_from(self.snd_una);
        self.notice_reneging();
        self.recovery.dup_octets = 0;
        self.recovery.dup_acks = 0;
        self.reorder_wait = Duration::from_us(0);
        let by_time = self.sack_on && self.recovery.rack_valid;
        let patience =
            Duration::from_us(u64::from(self.recovery.rack_rtt_us)) + self.reordering_window();
        let mut scoreboard = self.scoreboard();
        scoreboard.mark_head_lost(u32::from(mss));
        scoreboard.mark_lost(now, |age, _, _| !by_time || age >= patience);
        self.congestion.on_timeout(now, flight, mss);
        // A timeout of what was sent again after a timeout is part of the same recovery: the undo goes back to its start.
        if self.recovery.phase != Phase::Timeout {
            self.enter(now, Phase::Timeout);
        } else {
            self.recovery.high_seq = self.snd_nxt;
        }
    }

    /// All that is in flight and that the peer does not hold goes out again, as if it were lost, but without blame: the window of the
    /// peer was the reason (SHLD-16).
    pub(super) fn resend_flight(&mut self) {
        self.scoreboard().mark_all_lost();
        // MUST-18: what is sent twice is not timed.
        self.recovery.can_undo = false;
    }

    /// What is in flight in segments of more octets than this, as far as it can be told, goes out again without blame: no router
    /// on the way takes them (RFC 1191 section 6.4).
    pub(super) fn resend_larger(&mut self, octets: u16) {
        if self.scoreboard().mark_larger_lost(u32::from(octets)) {
            // MUST-18: what is sent twice is not timed.
            self.recovery.can_undo = false;
        }
    }

    /// `left` to `right` goes out once more.
    pub(super) fn note_resent(&mut self, now: Instant, left: SeqNumber, right: SeqNumber) {
        self.scoreboard().resend(now, left, right);
        let recovery = &mut self.recovery;
        recovery.resent = recovery.resent.saturating_add(right.distance_from(left));
    }
}

/// Whether the first block of a list reports a duplicate (RFC 2883 section 4): it is acknowledged, or inside the second block.
fn is_dsack(first: &SackBlock, second: Option<&SackBlock>, ack: SeqNumber) -> bool {
    if !first.left.before(first.right) {
        return false;
    }
    first.right.at_or_before(ack)
        || second.is_some_and(|second| {
            second.left.at_or_before(first.left) && first.right.at_or_before(second.right)
        })
}
