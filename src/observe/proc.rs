// SPDX-License-Identifier: GPL-2.0
//! `/proc/net/rtcpfsm`, a line for each connection, and `/proc/net/rtcpfsm_stat`, a line for each count.

use super::counters::Counters;
use crate::src::fsm::{ArcId, ChallengeReason, DropReason, Instant, ResetReason, State, Status};
use crate::src::kapi::addr::Endpoint;
use crate::src::kapi::netns::Net;
use crate::src::kapi::proc::Rows;
use core::marker::PhantomData;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// What a line says of a listener, a connection, a request or a TIME-WAIT.
pub(crate) struct Line {
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    pub(crate) status: Status,
    /// Octets not yet acknowledged; of a listener, how many connections may wait for accept().
    pub(crate) snd_q: u32,
    /// Octets not yet read; of a listener, how many connections wait for accept().
    pub(crate) rcv_q: u32,
    pub(crate) uid: u32,
    /// 0: no process has it.
    pub(crate) inode: u64,
}

/// Where the lines and the counts come from.
pub(crate) trait Source: 'static {
    /// How many rows the tables have.
    fn rows(net: &Net) -> usize;
    /// May this row be passed over?
    fn is_empty(net: &Net, row: usize) -> bool;
    /// Shows the objects of a row that belong to this namespace.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn lines(net: &Net, row: usize, show: &mut dyn FnMut(&Line)) -> Result;
    /// The namespace's counts.
    fn counters(net: &Net) -> &Counters;
    /// The machine's clock.
    fn now() -> Instant;
}

/// The contents of `/proc/net/rtcpfsm`.
pub(crate) struct Connections<S>(PhantomData<S>);

impl<S: Source> Rows for Connections<S> {
    fn count(net: &Net) -> usize {
        S::rows(net)
    }

    fn is_empty(net: &Net, row: usize) -> bool {
        S::is_empty(net, row)
    }

    fn header(file: &SeqFile) {
        seq_print!(
            file,
            "{:<23} {:<23} {:<12} {:<10} {:>8} {:>7} {:>8} {:>8} {:>10} {:>10} {:>8} {:>10} {:>8} {:>11} {:>5} inode\n",
            "local",
            "remote",
            "state",
            "timer",
            "left_ms",
            "retrans",
            "snd_q",
            "rcv_q",
            "snd_una",
            "snd_nxt",
            "snd_wnd",
            "rcv_nxt",
            "rcv_wnd",
            "in_state_ms",
            "uid"
        );
    }

    fn show(net: &Net, row: usize, file: &SeqFile) -> Result {
        let now = S::now();
        S::lines(net, row, &mut |line| write_line(file, line, now))
    }
}

fn write_line(file: &SeqFile, line: &Line, now: Instant) {
    let status = &line.status;
    let mut text = Columns::new(file);
    text.shown(23, line.local);
    text.shown(23, line.remote);
    text.left(12, status.state.name());
    match status.timer {
        Some((kind, deadline)) => {
            text.left(10, kind.name());
            text.right(8, deadline.since(now).as_us().div_ceil(1000));
        }
        None => {
            text.left(10, "none");
            text.left(8, "       -");
        }
    }
    text.right(7, status.retransmits.into());
    text.right(8, line.snd_q.into());
    text.right(8, line.rcv_q.into());
    text.right(10, status.snd_una.into());
    text.right(10, status.snd_nxt.into());
    text.right(8, status.snd_wnd.into());
    text.right(10, status.rcv_nxt.into());
    text.right(8, status.rcv_wnd.into());
    text.right(11, now.since(status.since).as_us() / 1000);
    text.right(5, line.uid.into());
    text.last(line.inode);
}

/// Octets of any line, and more.
const ROOM: usize = 256;

/// A line of columns with a space between them, printed at once: a table may have a million lines, and the formatter of
/// `core` pads octet by octet.
struct Columns<'a> {
    file: &'a SeqFile,
    /// Spaces from `len` on.
    text: [u8; ROOM],
    len: usize,
    /// Octets since the column's start.
    column: usize,
}

impl<'a> Columns<'a> {
    fn new(file: &'a SeqFile) -> Self {
        Columns {
            file,
            text: [b' '; ROOM],
            len: 0,
            column: 0,
        }
    }

    /// The next octets, which are spaces.
    fn next(&mut self, octets: usize) -> &mut [u8] {
        if octets > ROOM - self.len {
            self.print();
        }
        let start = self.len;
        self.len = start.saturating_add(octets).min(ROOM);
        self.column += self.len - start;
        self.text.get_mut(start..self.len).unwrap_or_default()
    }

    fn push(&mut self, text: &str) {
        let room = self.next(text.len());
        if let Some(text) = text.as_bytes().get(..room.len()) {
            room.copy_from_slice(text);
        }
    }

    /// Ends a column that is at least `width` wide.
    fn end(&mut self, width: usize) {
        self.next(width.saturating_sub(self.column) + 1);
        self.column = 0;
    }

    fn left(&mut self, width: usize, text: &str) {
        self.push(text);
        self.end(width);
    }

    fn shown(&mut self, width: usize, value: Endpoint) {
        // It cannot fail: neither does what it writes to.
        let _ = core::fmt::Write::write_fmt(self, kernel::prelude::fmt!("{}", value));
        self.end(width);
    }

    fn right(&mut self, width: usize, value: u64) {
        let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut rest = value;
        for digit in self.next(width.max(digits)).iter_mut().rev().take(digits) {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.end(width);
    }

    /// Ends the line, whose last column is `value`.
    fn last(&mut self, value: u64) {
        self.right(0, value);
        self.len = self.len.saturating_sub(1);
        self.push("\n");
        self.print();
    }

    fn print(&mut self) {
        let text = self.text.get(..self.len).unwrap_or_default();
        let text = core::str::from_utf8(text).unwrap_or_default();
        seq_print!(self.file, "{}", text);
        self.text = [b' '; ROOM];
        self.len = 0;
    }
}

impl core::fmt::Write for Columns<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// The contents of `/proc/net/rtcpfsm_stat`: one row.
pub(crate) struct Statistics<S>(PhantomData<S>);

impl<S: Source> Rows for Statistics<S> {
    fn count(_net: &Net) -> usize {
        1
    }

    fn is_empty(_net: &Net, _row: usize) -> bool {
        false
    }

    fn header(_file: &SeqFile) {}

    fn show(net: &Net, _row: usize, file: &SeqFile) -> Result {
        let counters = S::counters(net);
        for id in ArcId::all() {
            let (arc, count) = (id.arc(), counters.arcs(id));
            let (from, to) = (arc.from.name(), arc.to.name());
            seq_print!(
                file,
                "arc {} {} {} {} {}\n",
                arc.name,
                count,
                from,
                to,
                arc.clause
            );
        }
        for reason in DropReason::ALL {
            let count = counters.drops(*reason);
            seq_print!(
                file,
                "drop {} {} {}\n",
                reason.name(),
                count,
                reason.clause()
            );
        }
        for reason in ResetReason::ALL {
            let count = counters.resets(*reason);
            seq_print!(
                file,
                "reset {} {} {}\n",
                reason.name(),
                count,
                reason.clause()
            );
        }
        for reason in ChallengeReason::ALL {
            let count = counters.challenges(*reason);
            seq_print!(
                file,
                "challenge {} {} {}\n",
                reason.name(),
                count,
                reason.clause()
            );
        }
        for state in State::ALL.iter().filter(|state| **state != State::Closed) {
            seq_print!(file, "gauge {} {}\n", state.name(), counters.gauge(*state));
        }
        Ok(())
    }
}
