// SPDX-License-Identifier: GPL-2.0

//! arcs dot|mermaid: prints the state machine as a picture. arcs update FILE: draws it anew in a README.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["dot"] => {
            print!("{}", rtcpfsm_host::picture::dot());
            Ok(())
        }
        ["mermaid"] => {
            print!("{}", rtcpfsm_host::picture::mermaid());
            Ok(())
        }
        ["update", path] => update(path).map_err(|error| format!("{path}: {error}")),
        _ => Err("usage: arcs dot|mermaid, or arcs update FILE".to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Draws the machine anew in the README at `path`.
fn update(path: &str) -> Result<(), String> {
    let readme = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let drawn = rtcpfsm_host::picture::updated(&readme)?;
    if drawn != readme {
        std::fs::write(path, drawn).map_err(|error| error.to_string())?;
    }
    Ok(())
}
