// SPDX-License-Identifier: GPL-2.0

//! Pictures of the state machine, drawn from its table of arcs.

use crate::fsm::arcs::{Arc, Gauge, State, ARCS};
use std::fmt::Write;

/// The line of the README before the generated part.
const BEGIN: &str = "<!-- arcs:begin -->";
/// The line of the README after it.
const END: &str = "<!-- arcs:end -->";

/// What happens on an arc: its name without its state, and what becomes of the object where that is not plain.
fn label(arc: &Arc) -> String {
    let event = arc
        .name
        .strip_prefix(&arc.from.name().to_lowercase())
        .and_then(|rest| rest.strip_prefix('-'))
        .unwrap_or(arc.name);
    match arc.gauge {
        Gauge::Moves => event.to_string(),
        Gauge::Spawns => format!("{event} (a request appears)"),
        Gauge::Vanishes => format!("{event} (the request goes)"),
    }
}

/// Each pair of states that arcs join, with the labels of these arcs, in the order of the table.
fn joined() -> Vec<(State, State, Vec<String>)> {
    let mut pairs: Vec<(State, State, Vec<String>)> = Vec::new();
    for arc in ARCS {
        match pairs
            .iter_mut()
            .find(|(from, to, _)| (*from, *to) == (arc.from, arc.to))
        {
            Some((_, _, labels)) => labels.push(label(arc)),
            None => pairs.push((arc.from, arc.to, vec![label(arc)])),
        }
    }
    pairs
}

/// The machine as a Graphviz graph, an edge for each arc, with its clause as the tooltip.
pub fn dot() -> String {
    let mut out = String::from("digraph rtcpfsm {\n\tnode [shape=box, style=rounded];\n");
    for state in State::ALL {
        let _ = writeln!(out, "\t\"{}\";", state.name());
    }
    for arc in ARCS {
        let style = match arc.gauge {
            Gauge::Moves => "",
            Gauge::Spawns | Gauge::Vanishes => ", style=dashed",
        };
        let _ = writeln!(
            out,
            "\t\"{}\" -> \"{}\" [label=\"{}\", edgetooltip=\"{}: {}\"{style}];",
            arc.from.name(),
            arc.to.name(),
            label(arc),
            arc.name,
            arc.clause,
        );
    }
    out.push_str("}\n");
    out
}

/// The machine as a mermaid diagram, an edge for each pair of states. CLOSED is both its start and its end.
pub fn mermaid() -> String {
    let id = |state: State| match state {
        State::Closed => "[*]".to_string(),
        state => state.name().replace('-', "_"),
    };
    let mut out = String::from("stateDiagram-v2\n");
    for state in State::ALL {
        if *state != State::Closed {
            let _ = writeln!(out, "    state \"{}\" as {}", state.name(), id(*state));
        }
    }
    for (from, to, labels) in joined() {
        let _ = writeln!(
            out,
            "    {} --> {} : {}",
            id(from),
            id(to),
            labels.join(", ")
        );
    }
    out
}

/// The generated part of the README: the diagram, and the table of all arcs.
fn readme_block() -> String {
    let mut out = format!("```mermaid\n{}```\n\n<details>\n", mermaid());
    let _ = write!(
        out,
        "<summary>All {} arcs, by their names in /proc/net/rtcpfsm_stat</summary>\n\n\
         | Arc | From | To | Clause |\n|---|---|---|---|\n",
        ARCS.len(),
    );
    for arc in ARCS {
        let (from, to) = (arc.from.name(), arc.to.name());
        let _ = writeln!(out, "| `{}` | {from} | {to} | {} |", arc.name, arc.clause);
    }
    out.push_str("\n</details>\n");
    out
}

/// The README with its generated part drawn anew.
///
/// # Errors
///
/// Says what is wrong if the part is not marked, once, by a line for its begin and one for its end.
pub fn updated(readme: &str) -> Result<String, String> {
    let one = |marker: &str| {
        let mut found = readme.match_indices(marker).map(|(at, _)| at);
        match (found.next(), found.next()) {
            (Some(at), None) => Ok(at),
            (None, _) => Err(format!("there is no {marker}")),
            _ => Err(format!("{marker} is there twice")),
        }
    };
    let (begin, end) = (one(BEGIN)?, one(END)?);
    if end < begin {
        return Err(format!("{END} stands before {BEGIN}"));
    }
    let (before, after) = (&readme[..begin], &readme[end..]);
    Ok(format!("{before}{BEGIN}\n{}{after}", readme_block()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_readme_shows_the_machine_as_it_is() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let drawn = updated(&readme).unwrap();
        assert!(
            drawn == readme,
            "the picture is stale: run selftests/host/update-readme-picture.sh"
        );
    }

    #[test]
    fn every_arc_and_state_is_in_every_picture() {
        let (dot, mermaid, block) = (dot(), mermaid(), readme_block());
        assert_eq!(dot.matches(" -> ").count(), ARCS.len());
        for arc in ARCS {
            assert!(dot.contains(&format!("\"{}: {}\"", arc.name, arc.clause)));
            assert!(mermaid.contains(&label(arc)), "{}", arc.name);
            assert!(block.contains(&format!("| `{}` |", arc.name)));
        }
        for state in &State::ALL[1..] {
            assert!(mermaid.contains(&format!("state \"{}\" as", state.name())));
        }
        let edges = mermaid.lines().filter(|line| line.contains(" --> "));
        assert_eq!(edges.count(), joined().len());
    }

    #[test]
    fn only_the_marked_part_is_drawn_anew() {
        let readme = format!("one\n{BEGIN}\nold\n{END}\ntwo\n");
        let new = updated(&readme).unwrap();
        assert_eq!(new, format!("one\n{BEGIN}\n{}{END}\ntwo\n", readme_block()));
        assert_eq!(updated(&new).unwrap(), new);
    }

    #[test]
    fn a_readme_without_its_marks_is_refused() {
        for readme in [
            String::new(),
            format!("{BEGIN}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{BEGIN}\n{END}\n"),
        ] {
            assert!(updated(&readme).is_err(), "{readme}");
        }
    }
}
