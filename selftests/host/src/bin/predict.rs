// SPDX-License-Identifier: GPL-2.0

//! predict DIR --seeds N [--first M]: scripts for drill that say what the module must answer, SEED.drill in DIR.
//! predict --seed N: one of them, to be read.

use std::path::Path;
use std::process::ExitCode;

use rtcpfsm_host::prediction::{predict, Prediction};

const USAGE: &str = "usage: predict DIR --seeds N [--first M], or predict --seed N";

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

/// The script's text: its first line has drill's options and what it is about.
fn text(seed: u64, talk: &Prediction) -> String {
    let family = if talk.v6 { 6 } else { 4 };
    format!(
        "# --family {family} seed {seed} starts in {} injects {} expects {}\n{}",
        talk.start, talk.injected, talk.expected, talk.script
    )
}

fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().map_err(|_| USAGE.to_string());
    match words[..] {
        ["--seed", seed] => {
            let seed = number(seed)?;
            print!("{}", text(seed, &predict(seed)?));
            Ok(())
        }
        [dir, "--seeds", seeds] => write_all(Path::new(dir), 0, number(seeds)?),
        [dir, "--seeds", seeds, "--first", first] => {
            write_all(Path::new(dir), number(first)?, number(seeds)?)
        }
        _ => Err(USAGE.to_string()),
    }
}

fn write_all(dir: &Path, first: u64, seeds: u64) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", dir.display());
    std::fs::create_dir_all(dir).map_err(failed)?;
    for seed in first..first.saturating_add(seeds) {
        let script = text(seed, &predict(seed)?);
        std::fs::write(dir.join(format!("{seed}.drill")), script).map_err(failed)?;
    }
    Ok(())
}
