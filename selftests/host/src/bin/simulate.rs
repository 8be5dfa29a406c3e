// SPDX-License-Identifier: GPL-2.0

//! simulate --seeds N [--first M] | --seed N [--without NAME,..] [--chart]: two machines and a simulated network.

use std::process::ExitCode;
use std::time::Instant;

use rtcpfsm_host::simulation::{explain, names, replay, Request, Sums};

const USAGE: &str =
    "usage: simulate --seeds N [--first M], or simulate --seed N [--without NAME,..] [--chart]";

/// So many failing seeds are explained; more are counted.
const EXPLAINED: u64 = 3;

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
    let (mut seed, mut seeds, mut first) = (None, None, 0);
    let mut request = Request::default();
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        let mut number = || rest.next().and_then(|text| text.parse().ok()).ok_or(USAGE);
        match argument {
            "--seed" => seed = Some(number()?),
            "--seeds" => seeds = Some(number()?),
            "--first" => first = number()?,
            "--chart" => request.chart = true,
            "--without" => request.without = rest.next().ok_or(USAGE)?.split(',').collect(),
            _ => return Err(format!("{USAGE}\nnames: {}", names().join(" "))),
        }
    }
    match (seed, seeds) {
        (Some(seed), None) => {
            request.seed = seed;
            let mut sums = Sums::default();
            replay(&request, &mut sums)?;
            println!("{sums}");
            Ok(())
        }
        (None, Some(seeds)) => run_many(first, seeds),
        _ => Err(USAGE.to_string()),
    }
}

/// Simulates many seeds.
fn run_many(first: u64, seeds: u64) -> Result<(), String> {
    let start = Instant::now();
    let mut sums = Sums::default();
    let mut failures = 0;
    // A panic of the machine is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    for seed in first..first.saturating_add(seeds) {
        let request = Request {
            seed,
            ..Request::default()
        };
        if let Err(failure) = replay(&request, &mut sums) {
            failures += 1;
            if failures <= EXPLAINED {
                println!("{}\n", explain(seed));
            } else {
                println!("seed {seed}: {failure}");
            }
        }
    }
    println!("{sums}");
    println!(
        "{seeds} seeds in {:.1} s, {failures} failed",
        start.elapsed().as_secs_f64()
    );
    match failures {
        0 => Ok(()),
        _ => Err(format!("{failures} seeds failed")),
    }
}
