// SPDX-License-Identifier: GPL-2.0
//! splice() from a socket: RECEIVE (RFC 9293 3.10.3) into a pipe, which takes the pages over.
//!
//! Locks: see [`super`]. The pipe is locked by the caller, outside of them all.

use super::stream::{consume, why_no_more};
use super::urgent::mark;
use super::Locked;
use crate::src::fsm::{State, UrgentStep};
use crate::src::kapi::splice::Pipe;
use kernel::prelude::*;

/// Moves at most `len` octets of what was received to the pipe, and waits for the first ones unless `nonblocking`.
///
/// # Errors
///
/// `ENOTCONN`: never connected, or a listener; a pending error; `EAGAIN`: nothing there, or the pipe is full; `EPIPE`: nobody
/// reads the pipe; a signal.
pub(crate) fn read(
    sk: &mut Locked<'_>,
    pipe: &mut Pipe<'_>,
    len: usize,
    nonblocking: bool,
) -> Result<usize> {
    if sk.tcb.state() == State::Listen {
        return Err(ENOTCONN);
    }
    let mut patience = sk.receive_patience(nonblocking);
    let mut spliced = 0;
    let result = loop {
        if spliced == len {
            break Ok(());
        }
        let (moved, full) = move_queued(sk, pipe, len - spliced);
        spliced += moved;
        if let Err(error) = full {
            break Err(error);
        }
        if spliced > 0 && moved == 0 {
            break Ok(());
        }
        if let Err(end) = why_no_more(sk, spliced, patience.is_over()) {
            break end;
        }
        if moved == 0 && sk.sk().rcv_queued() > 0 {
            // Urgent data: recv() goes past it.
            break Ok(());
        }
        if moved == 0 {
            if let Err(error) = sk.wait_for_data(&mut patience, true) {
                break Err(error);
            }
        } else {
            // Only what has arrived meanwhile.
            sk.flush_backlog();
        }
        if let Err(error) = patience.interrupted() {
            break Err(error);
        }
    };
    match result {
        Err(error) if spliced == 0 => Err(error),
        _ => Ok(spliced),
    }
}

/// Moves what there is, at most `max` octets, and lets the machine offer the room to the peer: how many, and what stopped it
/// but an empty queue.
fn move_queued(sk: &mut Locked<'_>, pipe: &mut Pipe<'_>, max: usize) -> (usize, Result) {
    let mut moved = 0;
    let result = loop {
        let rest = (max - moved).min(u32::MAX as usize) as u32;
        // As in Linux, a splice stops at urgent data even where a read would not, and never skips it.
        let rest = match mark(sk.sk()).step(0) {
            UrgentStep::Read(before) => rest.min(before),
            UrgentStep::AtMark => break Ok(()),
        };
        match sk.receive_queue_splice(pipe, rest) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                moved += count as usize;
                consume(sk, count);
            }
            Err(error) => break Err(error),
        }
    };
    (moved, result)
}
