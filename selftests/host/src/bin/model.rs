// SPDX-License-Identifier: GPL-2.0

//! model [--most TRANSITIONS] [NAME..]: checks the configurations, all or those named.

use std::process::ExitCode;

use rtcpfsm_host::model::{arc_count, check, missing_arcs, names, OUT_OF_REACH};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let mut most = None;
    let mut chosen = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--most" => {
                let number = rest.next().and_then(|text| text.parse().ok());
                most = Some(number.ok_or("--most wants a number")?);
            }
            name => chosen.push(name),
        }
    }
    let all: Vec<&str> = names().into_iter().map(|(name, _)| name).collect();
    let is_whole = chosen.is_empty();
    if is_whole {
        chosen.clone_from(&all);
    }
    let mut reports = Vec::new();
    for name in chosen {
        let report = check(name, most);
        let report = report.ok_or_else(|| format!("{name} is none of: {}", all.join(" ")))?;
        println!("{report}");
        reports.push(report);
    }
    let missing = missing_arcs(&reports);
    let taken = arc_count() - missing.len();
    println!(
        "{taken} of the {} arcs of the table were taken, and no others",
        arc_count()
    );
    let mut unexplained = 0;
    for name in missing {
        let known = OUT_OF_REACH.iter().find(|(arc, _)| *arc == name);
        unexplained += u32::from(known.is_none());
        let why = known.map_or(String::new(), |(_, why)| format!(" ({why})"));
        println!("  not taken: {name}{why}");
    }
    let violated = reports.iter().filter(|report| !report.holds()).count();
    let largest = reports.iter().map(|report| report.states).max();
    println!(
        "{} states in the largest configuration",
        largest.unwrap_or(0)
    );
    match (violated, is_whole && unexplained != 0) {
        (0, false) => Ok(()),
        (0, true) => Err("there are arcs that no configuration takes".to_string()),
        _ => Err(format!("{violated} configurations violate a claim")),
    }
}
