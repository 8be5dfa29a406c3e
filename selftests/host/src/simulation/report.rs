// SPDX-License-Identifier: GPL-2.0

//! What simulations did, in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::end::End;
use super::network::LinkCounts;
use super::watch::SentCounts;
use crate::fsm::Duration;

/// The sums over some simulations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) runs: u64,
    pub(crate) virtual_time: Duration,
    /// Until the last octet had arrived.
    pub(crate) transfer_time: Duration,
    /// Octets of data that arrived in order.
    pub(crate) octets: u64,
    pub(crate) sent: SentCounts,
    pub(crate) network: LinkCounts,
    /// Connections that ended with an error.
    pub(crate) errors: u64,
    pub(crate) arcs: BTreeSet<&'static str>,
    pub(crate) timers: BTreeMap<&'static str, u64>,
    pub(crate) drops: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Adds what one end did, and the direction away from it.
    pub(crate) fn add_end(&mut self, end: &End, link: &LinkCounts) {
        self.octets += u64::from(end.program.received);
        self.errors += u64::from(end.error.is_some());
        self.add_sent(&end.watch.counts);
        self.add_link(link);
        self.arcs.extend(&end.arcs);
        add_all(&mut self.timers, &end.timers);
        add_all(&mut self.drops, &end.drops);
    }

    /// Adds another report.
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.virtual_time = self.virtual_time + other.virtual_time;
        self.transfer_time = self.transfer_time + other.transfer_time;
        self.octets += other.octets;
        self.errors += other.errors;
        self.add_sent(&other.sent);
        self.add_link(&other.network);
        self.arcs.extend(&other.arcs);
        add_all(&mut self.timers, &other.timers);
        add_all(&mut self.drops, &other.drops);
    }

    fn add_sent(&mut self, sent: &SentCounts) {
        let sum = &mut self.sent;
        sum.segments += sent.segments;
        sum.data += sent.data;
        sum.octets += sent.octets;
        sum.resent += sent.resent;
        sum.resent_sacked += sent.resent_sacked;
        sum.sacks += sent.sacks;
        sum.resets += sent.resets;
        sum.keep_alives += sent.keep_alives;
    }

    fn add_link(&mut self, link: &LinkCounts) {
        let sum = &mut self.network;
        sum.sent += link.sent;
        sum.lost += link.lost;
        sum.queue_full += link.queue_full;
        sum.doubled += link.doubled;
        sum.late += link.late;
        sum.reordered += link.reordered;
        sum.damaged += link.damaged;
        sum.marked += link.marked;
        sum.too_large += link.too_large;
    }

    /// How often a timer fired.
    #[cfg(test)]
    pub(crate) fn timer(&self, name: &str) -> u64 {
        self.timers.get(name).copied().unwrap_or(0)
    }
}

fn add_all(sums: &mut BTreeMap<&'static str, u64>, more: &BTreeMap<&'static str, u64>) {
    for (name, count) in more {
        *sums.entry(name).or_default() += count;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<&str, u64>| {
            let words: Vec<String> = counts
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            words.join(", ")
        };
        let Self { sent, network, .. } = self;
        writeln!(
            f,
            "{} connections, {} s of virtual time, {} octets, {} errors as expected",
            self.runs,
            self.virtual_time.as_us() / 1_000_000,
            self.octets,
            self.errors
        )?;
        writeln!(
            f,
            "sent:    {} segments, {} with data, {} octets, {} of them again ({} of these sacked), {} with SACK, {} keep-alives, {} resets",
            sent.segments,
            sent.data,
            sent.octets,
            sent.resent,
            sent.resent_sacked,
            sent.sacks,
            sent.keep_alives,
            sent.resets
        )?;
        writeln!(
            f,
            "network: {} lost ({} in a full queue, {} too large), {} doubled ({} late), {} reordered, {} damaged, {} marked",
            network.lost,
            network.queue_full,
            network.too_large,
            network.doubled,
            network.late,
            network.reordered,
            network.damaged,
            network.marked
        )?;
        writeln!(f, "timers:  {}", list(&self.timers))?;
        writeln!(f, "dropped: {}", list(&self.drops))?;
        let arcs: Vec<&str> = self.arcs.iter().copied().collect();
        write!(f, "arcs:    {} {}", arcs.len(), arcs.join(", "))
    }
}
