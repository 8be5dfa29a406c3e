// SPDX-License-Identifier: GPL-2.0

//! Two machines joined by a simulated network: virtual time, and all chance from a seed.
//!
//! A seed decides everything: the settings of both ends, what their programs do, what the network does to each packet. Whatever
//! comes, all octets arrive, once and in order; both ends reach CLOSED; memory stays within its bounds; nobody is stuck. A seed that
//! fails is simulated again with a chart drawn, and made simpler as long as it still fails.

mod calls;
pub(crate) mod dice;
mod end;
mod network;
mod program;
mod receive;
mod report;
mod scenario;
pub(crate) mod trace;
mod transmit;
mod watch;
mod world;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use std::panic::{catch_unwind, AssertUnwindSafe};

use report::Report;
use scenario::{Scenario, SIMPLER};
use trace::Trace;

/// So many lines of a chart are shown where it goes wrong.
const LAST_LINES: usize = 80;

/// Simulates; a panic of the machine is a failure as any other.
fn outcome(scenario: &Scenario, trace: &mut Trace) -> Result<Report, String> {
    catch_unwind(AssertUnwindSafe(|| world::run(scenario, trace))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("?")))
    })
}

/// The names of what can be left out of a scenario such that it still fails.
fn minimized(scenario: &Scenario) -> Vec<&'static str> {
    let mut simplest = scenario.clone();
    let mut left_out = Vec::new();
    for (name, change) in SIMPLER {
        let mut simpler = simplest.clone();
        change(&mut simpler);
        let differs = format!("{simpler:?}") != format!("{simplest:?}");
        if differs && outcome(&simpler, &mut Trace::default()).is_err() {
            simplest = simpler;
            left_out.push(*name);
        }
    }
    left_out
}

/// One simulation as it is asked for: a seed, and what is left out of its scenario.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The seed.
    pub seed: u64,
    /// The names of what is left out.
    pub without: Vec<&'a str>,
    /// Whether the chart is drawn, failure or not.
    pub chart: bool,
}

/// The numbers of some simulations, to be printed.
#[derive(Debug, Default)]
pub struct Sums(Report);

impl std::fmt::Display for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The names of what can be left out of a scenario.
pub fn names() -> Vec<&'static str> {
    SIMPLER.iter().map(|(name, _)| *name).collect()
}

/// Simulates a seed and prints its chart if that is asked for.
///
/// # Errors
///
/// What went wrong, in a sentence; or a name that is none.
pub fn replay(request: &Request<'_>, sums: &mut Sums) -> Result<(), String> {
    let scenario = Scenario::of(request.seed)
        .without(&request.without)
        .map_err(|name| format!("{name} is none of: {}", names().join(", ")))?;
    let mut trace = match request.chart {
        true => Trace::drawn(),
        false => Trace::default(),
    };
    let outcome = outcome(&scenario, &mut trace);
    if request.chart {
        println!("{scenario:#?}\n{}", trace.chart(world::START, 0));
    }
    sums.0.add(&outcome?);
    Ok(())
}

/// Simulates the scenario of a seed in a network that does to the first packets each way what the octets say, and no harm to
/// the others.
///
/// # Errors
///
/// What went wrong, with the end of the chart.
pub(crate) fn scheduled(seed: u64, schedules: [&[u8]; 2]) -> Result<(), String> {
    let scenario = Scenario::scheduled(seed, schedules);
    if world::run(&scenario, &mut Trace::default()).is_ok() {
        return Ok(());
    }
    let mut trace = Trace::drawn();
    match world::run(&scenario, &mut trace) {
        Ok(_) => Err("it does not fail again".to_string()),
        Err(failure) => {
            let from = trace.len().saturating_sub(LAST_LINES);
            Err(format!("{}\n{failure}", trace.chart(world::START, from)))
        }
    }
}

/// What to tell of a seed that fails: why, the end of the chart of its simplest form, and how to see it again.
pub fn explain(seed: u64) -> String {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let whole = Scenario::of(seed);
    let left_out = minimized(&whole);
    let simplest = whole.clone().without(&left_out).unwrap_or(whole);
    let mut trace = Trace::drawn();
    let outcome = outcome(&simplest, &mut trace);
    std::panic::set_hook(hook);
    let failure = match outcome {
        Ok(_) => "it does not fail again".to_string(),
        Err(failure) => failure,
    };
    let from = trace.len().saturating_sub(LAST_LINES);
    let without = match left_out.is_empty() {
        true => String::new(),
        false => format!(" --without {}", left_out.join(",")),
    };
    format!(
        "{}\nseed {seed}: {failure}\nagain: cd selftests/host && cargo run --release --bin simulate -- --seed {seed}{without} --chart",
        trace.chart(world::START, from)
    )
}
