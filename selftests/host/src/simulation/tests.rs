// SPDX-License-Identifier: GPL-2.0

//! Simulations that run with every test: some hundred seeds.

use super::*;

/// Simulates the seeds from `first` on; so many, times ten to the power of `RTCPFSM_THOROUGH` if that is set.
fn seeds(first: u64, count: u64) -> Report {
    let thorough = std::env::var("RTCPFSM_THOROUGH").unwrap_or_default();
    let count = count * 10u64.pow(thorough.parse().unwrap_or(0));
    let mut sums = Report::default();
    for seed in first..first + count {
        match outcome(&Scenario::of(seed), &mut Trace::default()) {
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
    check_variety(&seeds(0, 300));
}
