// SPDX-License-Identifier: GPL-2.0

//! The small configurations, and that the checker finds what is broken.

use super::setup::Broken;
use super::*;

#[test]
fn the_small_configurations_hold() {
    let reports: Vec<Report> = Setup::quick().into_iter().map(run).collect();
    for report in &reports {
        println!("{report}");
        assert!(report.holds() && report.complete && report.states > 10_000);
    }
    // What is left is taken by the larger ones.
    assert!(missing_arcs(&reports).len() <= 5);
}

/// A violation is found long before so many transitions.
const ENOUGH: usize = 500_000;

/// In the configuration of this name, an end that is broken so violates this claim, and the chart shows the way there.
fn check_broken(name: &str, broken: Broken, claim: Claim) {
    let setup = Setup::all().into_iter().find(|setup| setup.name == name);
    check_violated(
        Setup {
            broken,
            ..setup.unwrap()
        },
        claim,
    );
}

fn check_violated(setup: Setup, claim: Claim) {
    let broken = setup.broken;
    let report = run(Setup {
        most_transitions: ENOUGH,
        ..setup
    });
    println!("{report}");
    let found = report.broken.iter().find(|(found, _)| *found == claim);
    let (_, chart) = found.unwrap_or_else(|| panic!("{broken:?} is not found"));
    assert!(chart.contains("connect") && chart.contains("-->"));
}

#[test]
fn an_ack_of_a_fin_that_was_not_sent_is_found() {
    check_broken("small", Broken::AcksFinEarly, Claim::Agree);
}

#[test]
fn a_fin_that_counts_as_acknowledged_too_early_is_found() {
    check_broken("small", Broken::KeepsFin, Claim::Fin);
}

#[test]
fn text_that_is_taken_twice_is_found() {
    check_broken("small", Broken::TakesTextTwice, Claim::Stream);
}

#[test]
fn an_end_that_nobody_is_told_of_is_found() {
    check_broken("small", Broken::TellsNobody, Claim::Stream);
}

#[test]
fn a_timer_that_is_forgotten_is_found() {
    check_broken("small", Broken::ForgetsTimer, Claim::Waits);
}

#[test]
fn a_connection_that_never_ends_is_found() {
    check_broken("small", Broken::DeafToTimers, Claim::Ends);
}

#[test]
fn challenge_acks_without_limit_that_never_end_are_found() {
    // RFC 5961 section 7: two ends would answer each other for ever.
    check_broken("restart", Broken::ChallengesAll, Claim::Ends);
}

#[test]
fn a_segment_of_an_old_connection_that_is_taken_is_found() {
    check_violated(Setup::two_connections(Broken::TakesAnyRst), Claim::Old);
}

#[test]
fn an_rst_that_answers_an_rst_is_found() {
    check_broken("small", Broken::AnswersRst, Claim::Rst);
}
