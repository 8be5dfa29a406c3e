// SPDX-License-Identifier: GPL-2.0

//! Model checking: two ends made of the real machine, and every order of what may happen to them, by stateright.
//!
//! A state is both ends and the packets on the way. From each state all that may happen next is tried: a packet arrives, arrives
//! and may come again, is lost; a program opens, sends an octet, reads, closes its side or all, aborts; a timer that runs fires; ICMP
//! tells of an unreachable peer; a host restarts. Packets are a set without order, so that they overtake each other, and those of an
//! earlier connection stay until they are lost.
//!
//! What is left out: time (see [`abstraction`](crate::fsm::abstraction): any timer that runs may be the next to fire), and with it
//! round-trip times and congestion windows; timestamps, window scaling, SACK and ECN, which are switched off; urgent data and
//! keep-alives; more than a few packets on the way, more than two octets of data, and more than one retransmission.
//! Initial sequence numbers are next to the wrap.

mod arrive;
mod chart;
mod claims;
mod effects;
mod end;
mod setup;
mod work;
mod world;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::fsm::arcs::ARCS;
use claims::Claim;
use setup::Setup;
use world::Pair;

/// What came of one configuration.
pub struct Report {
    name: &'static str,
    about: &'static str,
    /// Different states.
    pub states: usize,
    /// Transitions that were tried.
    transitions: usize,
    /// Different ends, of which two make a state.
    ends: usize,
    depth: usize,
    time: Duration,
    /// All states were seen.
    complete: bool,
    arcs: u64,
    /// What does not hold, with its chart.
    broken: Vec<(Claim, String)>,
}

impl Report {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.about)?;
        writeln!(
            f,
            "  {} states, {} transitions, {} steps deep, {} different ends, {:.1} s{}",
            self.states,
            self.transitions,
            self.depth,
            self.ends,
            self.time.as_secs_f64(),
            match self.complete {
                _ if !self.holds() => ": ended at the first violation",
                true => ": all there are",
                false => ": more than were looked at",
            }
        )?;
        for claim in Claim::ALL {
            let broken = self.broken.iter().any(|(broken, _)| *broken == claim);
            // After a violation nothing else is known.
            let verdict = match (broken, self.holds()) {
                (true, _) => "VIOLATED",
                (false, true) => "holds",
                (false, false) => "not seen",
            };
            writeln!(f, "  {verdict:<8}  {}", claim.text())?;
        }
        for (claim, chart) in &self.broken {
            writeln!(f, "\n{}:\n{chart}", claim.text())?;
        }
        Ok(())
    }
}

/// The names of the configurations, with what they are.
pub fn names() -> Vec<(&'static str, &'static str)> {
    let setups = Setup::all().into_iter();
    setups.map(|setup| (setup.name, setup.about)).collect()
}

/// Checks the configuration of this name; `None` if there is none. `most` transitions at most, if it is given.
pub fn check(name: &str, most: Option<usize>) -> Option<Report> {
    let mut setup = Setup::all().into_iter().find(|setup| setup.name == name)?;
    setup.most_transitions = most.unwrap_or(setup.most_transitions);
    Some(run(setup))
}

/// The arcs that no configuration can take, and why. The unit tests of the machine take all arcs.
pub const OUT_OF_REACH: [(&str, &str); 1] = [(
    "syn-received-rcv-syn-passive",
    "the initial sequence numbers of two attempts are further apart than the window",
)];

/// The arcs of the table that none of these reports took.
pub fn missing_arcs(reports: &[Report]) -> Vec<&'static str> {
    let taken = reports.iter().fold(0, |all, report| all | report.arcs);
    let arcs = ARCS.iter().enumerate();
    arcs.filter(|(at, _)| taken & 1 << at == 0)
        .map(|(_, arc)| arc.name)
        .collect()
}

/// How many arcs the table has.
pub fn arc_count() -> usize {
    ARCS.len()
}

/// Explores a configuration breadth first, so that a violation is found by its shortest way.
fn run(setup: Setup) -> Report {
    let start = Instant::now();
    let (name, about, most) = (setup.name, setup.about, setup.most_transitions);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let checker = Pair::new(setup)
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(most)
        .spawn_bfs()
        .join();
    let pair = checker.model();
    let discoveries = checker.discoveries();
    let broken = Claim::ALL
        .into_iter()
        .filter_map(|claim| {
            let path = discoveries.get(claim.text())?;
            Some((claim, chart::draw(pair, claim, path.clone().into_vec())))
        })
        .collect();
    Report {
        name,
        about,
        states: checker.unique_state_count(),
        transitions: checker.state_count(),
        ends: pair.distinct_ends(),
        depth: checker.max_depth(),
        time: start.elapsed(),
        complete: checker.state_count() < most,
        arcs: pair.arcs(),
        broken,
    }
}
