// SPDX-License-Identifier: GPL-2.0

//! Simulations that run with every test: some hundred seeds.

use super::*;

/// Simulates the seeds from `first` on that are chosen; so many are looked at, times ten to the power of `RTCPFSM_THOROUGH`
/// if that is set.
fn seeds(first: u64, count: u64, is_chosen: impl Fn(&Scenario) -> bool) -> Report {
    let thorough = std::env::var("RTCPFSM_THOROUGH").unwrap_or_default();
    let count = count * 10u64.pow(thorough.parse().unwrap_or(0));
    let mut sums = Report::default();
    for seed in first..first + count {
        let scenario = Scenario::of(seed);
        if !is_chosen(&scenario) {
            continue;
        }
        match outcome(&scenario, &mut Trace::default()) {
            Ok(report) => sums.add(&report),
            Err(_) => panic!("\n{}", explain(seed)),
        }
    }
    sums
}

/// The seeds of these tests together: what they brought about, so that they cannot pass because nothing happened.
fn check_variety(sums: &Report) {
    println!("{sums}");
    let network = &sums.network;
    let happened = [
        network.lost,
        network.queue_full,
        network.doubled,
        network.late,
        network.reordered,
        network.damaged,
        sums.sent.resent,
        sums.errors,
        sums.timer("retransmit"),
        sums.timer("persist"),
    ];
    assert!(happened.iter().all(|count| *count > 10), "{happened:?}");
    assert!(sums.octets > 1_000_000 && sums.arcs.len() > 25);
}

#[test]
fn every_octet_arrives_and_both_ends_close() {
    check_variety(&seeds(0, 250, |_| true));
}

#[test]
fn must_10_every_octet_arrives_after_a_simultaneous_open() {
    let both_open = |scenario: &Scenario| scenario.ends.iter().all(|end| end.active);
    let sums = seeds(1_000, 1_000, both_open);
    assert!(sums.runs > 30);
    assert!(sums.arcs.contains("syn-sent-rcv-syn"), "{sums}");
}

/// A probe of a closed window and the update that opens it change places, and both ends believe the other's window to be closed, with
/// octets beyond it that were taken.
#[test]
fn two_windows_that_only_seem_closed_open_again() {
    seeds(325_913, 1, |_| true);
}

#[test]
fn a_seed_runs_the_same_again() {
    for seed in 0..20 {
        let chart = || {
            let mut trace = Trace::drawn();
            let outcome = outcome(&Scenario::of(seed), &mut trace);
            (outcome.is_ok(), trace.chart(world::START, 0))
        };
        assert!(chart() == chart());
    }
}

#[test]
fn what_can_be_left_out_is_known_by_its_name() {
    let names = names();
    for (at, name) in names.iter().enumerate() {
        assert!(!names[..at].contains(name), "{name}");
        let scenario = Scenario::of(3).without(&[*name]).unwrap();
        assert!(outcome(&scenario, &mut Trace::default()).is_ok(), "{name}");
    }
    assert_eq!(Scenario::of(3).without(&["nothing"]).err(), Some("nothing"));
}
