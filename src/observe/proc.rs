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
    seq_print!(
        file,
        "{:<23} {:<23} {:<12} ",
        Padded(line.local),
        Padded(line.remote),
        status.state.name()
    );
    match status.timer {
        Some((kind, deadline)) => {
            seq_print!(
                file,
                "{:<10} {:>8} ",
                kind.name(),
                deadline.since(now).as_us().div_ceil(1000)
            )
        }
        None => seq_print!(file, "{:<10} {:>8} ", "none", "-"),
    }
    seq_print!(
        file,
        "{:>7} {:>8} {:>8} {:>10} {:>10} {:>8} {:>10} {:>8} {:>11} {:>5} {}\n",
        status.retransmits,
        line.snd_q,
        line.rcv_q,
        status.snd_una,
        status.snd_nxt,
        status.snd_wnd,
        status.rcv_nxt,
        status.rcv_wnd,
        now.since(status.since).as_us() / 1000,
        line.uid,
        line.inode
    );
}

/// An endpoint that takes part in the alignment of a column.
struct Padded(Endpoint);

impl kernel::fmt::Display for Padded {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        /// Counts what is written.
        struct Length(usize);
        impl core::fmt::Write for Length {
            fn write_str(&mut self, text: &str) -> core::fmt::Result {
                self.0 += text.len();
                Ok(())
            }
        }
        let mut length = Length(0);
        core::fmt::Write::write_fmt(&mut length, kernel::prelude::fmt!("{}", self.0))?;
        kernel::fmt::Display::fmt(&self.0, f)?;
        for _ in length.0..f.width().unwrap_or(0) {
            f.write_str(" ")?;
        }
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
