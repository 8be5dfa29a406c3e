// SPDX-License-Identifier: GPL-2.0

//! What happened, as a message sequence chart: time runs down, each end has its column, packets cross between them.

use std::fmt::Write;

use crate::fsm::segment::{Flags, Segment, SegmentOut};
use crate::fsm::{Instant, SeqNumber};

/// The columns' widths, in characters.
const END_WIDTH: usize = 58;
const WIRE_WIDTH: usize = 16;

/// One line of the chart.
#[derive(Clone, Debug)]
struct Line {
    at: Instant,
    side: usize,
    text: String,
    wire: String,
}

/// The chart; one that is off costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    lines: Option<Vec<Line>>,
}

impl Trace {
    /// A chart that is drawn.
    pub(crate) fn drawn() -> Self {
        Self {
            lines: Some(Vec::new()),
        }
    }

    /// Whether it is drawn.
    pub(crate) fn is_drawn(&self) -> bool {
        self.lines.is_some()
    }

    /// Something happened at an end: 0 on the left, 1 on the right. `text` is only called if the chart is drawn.
    pub(crate) fn note(&mut self, at: Instant, side: usize, text: impl FnOnce() -> String) {
        self.line(at, side, || (text(), String::new()));
    }

    /// An end sent a packet.
    pub(crate) fn sends(
        &mut self,
        at: Instant,
        side: usize,
        id: u64,
        text: impl FnOnce() -> String,
        fault: Option<&str>,
        copies: usize,
    ) {
        self.line(at, side, || {
            let mut text = text();
            if let Some(fault) = fault {
                let _ = write!(text, " [{fault}]");
            } else if copies > 1 {
                let _ = write!(text, " [{copies} copies]");
            }
            let wire = match (side, fault.is_some()) {
                (0, false) => format!("#{id} -->"),
                (0, true) => format!("#{id} --X"),
                (_, false) => format!("{:>1$}", format!("<-- #{id}"), WIRE_WIDTH),
                (_, true) => format!("{:>1$}", format!("X-- #{id}"), WIRE_WIDTH),
            };
            (text, wire)
        });
    }

    /// A packet reached an end.
    pub(crate) fn arrives(
        &mut self,
        at: Instant,
        side: usize,
        id: u64,
        text: impl FnOnce() -> String,
    ) {
        self.line(at, side, || {
            let wire = match side {
                0 => format!("<-- #{id}"),
                _ => format!("{:>1$}", format!("#{id} -->"), WIRE_WIDTH),
            };
            (text(), wire)
        });
    }

    fn line(&mut self, at: Instant, side: usize, text: impl FnOnce() -> (String, String)) {
        if let Some(lines) = &mut self.lines {
            let (text, wire) = text();
            lines.push(Line {
                at,
                side,
                text,
                wire,
            });
        }
    }

    /// How many lines the chart has.
    pub(crate) fn len(&self) -> usize {
        self.lines.as_ref().map_or(0, Vec::len)
    }

    /// The chart from a line on, with times since `start`.
    pub(crate) fn chart(&self, start: Instant, from: usize) -> String {
        let mut chart = format!(
            "{:>12}  {:<END_WIDTH$}|{:^WIRE_WIDTH$}| {}\n",
            "seconds", "A", "", "B"
        );
        for line in self.lines.iter().flatten().skip(from) {
            let us = line.at.since(start).as_us();
            let [left, right] = match line.side {
                0 => [line.text.as_str(), ""],
                _ => ["", line.text.as_str()],
            };
            let row = format!(
                "{:>5}.{:06}  {left:<END_WIDTH$}|{:<WIRE_WIDTH$}| {right}",
                us / 1_000_000,
                us % 1_000_000,
                line.wire,
            );
            chart.push_str(row.trim_end());
            chart.push('\n');
        }
        chart
    }
}

/// A segment in a few words. Sequence numbers count from the initial ones.
pub(crate) fn sent_words(segment: &SegmentOut, iss: SeqNumber, irs: SeqNumber) -> String {
    let mut header = [0; 60];
    let parsed = segment
        .emit(1, 2, &mut header)
        .and_then(|len| Segment::parse(&header[..len], len as u32 + segment.payload_len).ok());
    match parsed {
        Some(parsed) => words(&parsed, iss, irs),
        None => format!("{segment:?}"),
    }
}

/// The same of a segment that arrived: `iss` is its sender's.
pub(crate) fn words(segment: &Segment, iss: SeqNumber, irs: SeqNumber) -> String {
    let mut text = String::new();
    for (flag, name) in [
        (Flags::SYN, "SYN "),
        (Flags::FIN, "FIN "),
        (Flags::RST, "RST "),
        (Flags::PSH, "PSH "),
        (Flags::URG, "URG "),
        (Flags::ECE, "ECE "),
        (Flags::CWR, "CWR "),
    ] {
        if segment.flags.contains(flag) {
            text.push_str(name);
        }
    }
    let seq = segment.seq.distance_from(iss);
    let _ = match segment.payload_len {
        0 => write!(text, "{seq}"),
        len => write!(text, "{seq}+{len}"),
    };
    if segment.flags.contains(Flags::ACK) {
        let _ = write!(text, " ack {}", segment.ack.distance_from(irs));
    }
    if !segment.flags.contains(Flags::RST) {
        let _ = write!(text, " win {}", segment.wnd);
    }
    let options = &segment.options;
    if let Some(mss) = options.mss {
        let _ = write!(text, " mss {mss}");
    }
    if let Some(scale) = options.wscale {
        let _ = write!(text, " ws {scale}");
    }
    if options.sack_permitted {
        text.push_str(" sackOK");
    }
    if let Some(timestamps) = options.timestamps {
        let _ = write!(text, " ts {}:{}", timestamps.val, timestamps.ecr);
    }
    for block in options.sack.as_slice() {
        let [left, right] = [block.left, block.right].map(|edge| edge.distance_from(irs));
        let _ = write!(text, " sack {left}:{right}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_column_for_each_end() {
        let start = Instant::from_us(5);
        let mut trace = Trace::drawn();
        trace.note(start, 0, || "connect".to_string());
        trace.sends(start, 0, 1, || "SYN 0".to_string(), None, 1);
        trace.arrives(Instant::from_us(1_500_005), 1, 1, || "SYN 0".to_string());
        let lost = Some("lost");
        trace.sends(start, 1, 2, || "SYN 0 ack 1".to_string(), lost, 0);
        let chart = trace.chart(start, 0);
        let rows: Vec<&str> = chart.lines().map(|line| &line[14..]).collect();
        let left = |text: &str, wire: &str| format!("{text:<END_WIDTH$}|{wire:<WIRE_WIDTH$}|");
        let right =
            |wire: &str, text: &str| format!("{:END_WIDTH$}|{wire:>WIRE_WIDTH$}| {text}", "");
        assert_eq!(rows[1], left("connect", ""));
        assert_eq!(rows[2], left("SYN 0", "#1 -->"));
        assert_eq!(rows[3], right("#1 -->", "SYN 0"));
        assert_eq!(rows[4], right("X-- #2", "SYN 0 ack 1 [lost]"));
        assert!(chart.contains("    1.500000  "));
    }

    #[test]
    fn a_chart_that_is_off_asks_for_no_text() {
        let mut trace = Trace::default();
        trace.note(Instant::from_us(0), 0, || unreachable!());
        assert_eq!(trace.len(), 0);
    }
}
