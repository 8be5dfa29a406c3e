// SPDX-License-Identifier: GPL-2.0
//! Counts of arcs, drops, resets and challenges, per network namespace and CPU. The gauges of states follow from the arcs alone.

use crate::src::fsm::arcs::Gauge;
use crate::src::fsm::{ArcId, ChallengeReason, DropReason, Outbox, ReplyWhy, ResetReason, State};
use crate::src::kapi::percpu;
use kernel::prelude::*;

const DROPS: usize = ArcId::COUNT;
const RESETS: usize = DROPS + DropReason::COUNT;
const CHALLENGES: usize = RESETS + ResetReason::COUNT;
const COUNT: usize = CHALLENGES + ChallengeReason::COUNT;

/// All counts of one namespace.
pub(crate) struct Counters(percpu::Counters<COUNT>);

impl Counters {
    /// All zero.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        percpu::Counters::new().map(Counters)
    }

    /// Counts what a call of the machine did, but for a challenge: that may still be refused by the namespace's budget.
    #[inline]
    pub(crate) fn count(&self, out: &Outbox) {
        // Most calls are of this kind.
        if out.counts_nothing() {
            return;
        }
        for arc in out.arcs.iter() {
            self.0.increment(arc.index());
        }
        if let Some(reason) = out.drop {
            self.drop(reason);
        }
        for reason in out.notes() {
            self.drop(reason);
        }
        if let Some(reply) = &out.reply {
            if let ReplyWhy::Reset(reason) = reply.why {
                self.reset(reason);
            }
        }
    }

    /// Counts a dropped segment, or a note about one.
    pub(crate) fn drop(&self, reason: DropReason) {
        self.0.increment(DROPS + reason.index());
    }

    /// Counts an RST that is sent.
    pub(crate) fn reset(&self, reason: ResetReason) {
        self.0.increment(RESETS + reason.index());
    }

    /// Counts a challenge ACK that is sent.
    pub(crate) fn challenge(&self, reason: ChallengeReason) {
        self.0.increment(CHALLENGES + reason.index());
    }

    /// How often this arc was taken.
    pub(crate) fn arcs(&self, arc: ArcId) -> u64 {
        self.0.sum(arc.index())
    }

    /// How often this was a reason to drop.
    pub(crate) fn drops(&self, reason: DropReason) -> u64 {
        self.0.sum(DROPS + reason.index())
    }

    /// How many RSTs were sent for this reason.
    pub(crate) fn resets(&self, reason: ResetReason) -> u64 {
        self.0.sum(RESETS + reason.index())
    }

    /// How many challenge ACKs were sent for this reason.
    pub(crate) fn challenges(&self, reason: ChallengeReason) -> u64 {
        self.0.sum(CHALLENGES + reason.index())
    }

    /// How many objects are in this state: what entered it less what left it. CLOSED has none.
    pub(crate) fn gauge(&self, state: State) -> i64 {
        let mut gauge = 0;
        for id in ArcId::all() {
            let (arc, count) = (id.arc(), self.arcs(id) as i64);
            if arc.to == state && arc.gauge != Gauge::Vanishes {
                gauge += count;
            }
            if arc.from == state && arc.gauge != Gauge::Spawns {
                gauge -= count;
            }
        }
        gauge
    }
}
