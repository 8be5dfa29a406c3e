// SPDX-License-Identifier: GPL-2.0
//! send() and recv() (RFC 9293 3.10.2, 3.10.3).
//!
//! Locks: see [`super`].

use super::urgent::{self, Limit};
use super::{effects, Locked};
use crate::src::fsm::State;
use crate::src::kapi::proto::{msg, Message};
use crate::src::kapi::sock::shutdown;
use crate::src::kapi::wait::Patience;
use kernel::prelude::*;

/// So many octets are queued before the machine is asked to send.
const SEND_STEP: u32 = 64 * 1024;

/// Queues the message and lets the machine send what it may.
///
/// # Errors
///
/// `EPIPE` (with SIGPIPE, unless MSG_NOSIGNAL): sending was shut down, or the connection is over; a pending error; `EAGAIN`;
/// `EFAULT`; and those of [`Message::check_control`].
pub(crate) fn send(sk: &mut Locked<'_>, message: &mut Message<'_>, len: usize) -> Result<usize> {
    let flags = message.flags();
    let mut sent = 0;
    match send_loop(sk, message, len, flags, &mut sent) {
        Ok(()) => Ok(sent),
        // What was queued before counts; the error comes with the next call.
        Err(_) if sent > 0 => Ok(sent),
        Err(error) => Err(sk.stream_error(flags, error)),
    }
}

fn send_loop(
    sk: &mut Locked<'_>,
    message: &mut Message<'_>,
    len: usize,
    flags: u32,
    sent: &mut usize,
) -> Result {
    let mut patience = sk.send_patience(flags & msg::DONTWAIT != 0);
    if matches!(sk.tcb.state(), State::SynSent | State::SynReceived) {
        sk.wait_for_connection(&mut patience)?;
    }
    if let Err(error) = message.check_control(sk) {
        // That there is no connection comes first.
        sk.tcb.may_send().map_err(|_| EPIPE)?;
        return Err(error);
    }
    if len == 0 {
        // It tells of the end, too.
        return check_alive(sk);
    }
    while *sent < len {
        if sk.has_backlog() {
            // Nothing goes out before it was heard.
            sk.flush_backlog();
        }
        check_alive(sk)?;
        if !sk.sk().shared().has_send_room(false) {
            wait_for_room(sk, &mut patience)?;
            continue;
        }
        let rest = (len - *sent).min(SEND_STEP as usize) as u32;
        let (queued, failure) = queue(sk, message, rest);
        *sent += queued as usize;
        if queued > 0 {
            // The rest of the message follows at once, too.
            let follows = *sent < len && queued == rest;
            sk.tcb.set_more(flags & msg::MORE != 0 || follows);
            // RFC 9293 3.8.5: the last octet of the message is the urgent one; or of what fits, so that the reader knows to
            // make room.
            let urgent = flags & msg::OOB != 0 && (*sent == len || queued < rest);
            queued_by(sk, queued, urgent)?;
        }
        if let Some(error) = failure {
            return Err(error);
        }
        if queued == 0 {
            wait_for_room(sk, &mut patience)?;
        }
    }
    Ok(())
}

/// Whether anything may be sent at all.
#[inline(always)]
fn check_alive(sk: &Locked<'_>) -> Result {
    if sk.has_error() || sk.shutdown() & shutdown::SEND != 0 || sk.tcb.may_send().is_err() {
        return Err(EPIPE);
    }
    Ok(())
}

/// Waits until the send buffer has room.
///
/// # Errors
///
/// Those of [`Locked::wait_for_send_memory`].
fn wait_for_room(sk: &mut Locked<'_>, patience: &mut Patience) -> Result {
    // What waits for more (MSG_MORE) would wait for us, who wait for it to be acknowledged.
    effects::run(sk, |tcb, _, _, _| tcb.push_queued());
    sk.wait_for_send_memory(patience)
}

/// Tells the machine of `len` octets that were queued; `urgent`: the last one is.
fn queued_by(sk: &mut Locked<'_>, len: u32, urgent: bool) -> Result {
    effects::run(sk, |tcb, _, _, _| {
        tcb.on_queued(len)?;
        if urgent {
            tcb.mark_urgent();
        }
        Ok(())
    })
    .map_err(effects::errno)
}

/// Appends at most `max` octets to the send queue: how many, and what stopped it but a full buffer.
fn queue(sk: &mut Locked<'_>, message: &mut Message<'_>, max: u32) -> (u32, Option<Error>) {
    let mut queued = 0;
    while queued < max {
        let appended = if message.lends_pages() {
            sk.send_queue_splice(message, max - queued)
        } else {
            sk.send_queue_append(message, max - queued)
        };
        match appended {
            Ok(0) => break,
            Ok(count) => queued += count,
            Err(error) => return (queued, Some(error)),
        }
    }
    (queued, None)
}

/// Copies what was received to the message.
///
/// # Errors
///
/// `ENOTCONN`: never connected, or a listener; a pending error; `EAGAIN`; a signal; `EFAULT`; and those of
/// [`urgent::receive`] for MSG_OOB.
pub(crate) fn receive(
    sk: &mut Locked<'_>,
    message: &mut Message<'_>,
    len: usize,
    flags: u32,
) -> Result<usize> {
    if sk.tcb.state() == State::Listen {
        return Err(ENOTCONN);
    }
    if flags & msg::OOB != 0 {
        return urgent::receive(sk, message, len, flags);
    }
    let peek = flags & msg::PEEK != 0;
    let discard = flags & msg::TRUNC != 0;
    let mut patience = sk.receive_patience(flags & msg::DONTWAIT != 0);
    let target = sk.receive_target(flags & msg::WAITALL != 0, len);
    let mut copied = 0;
    let mut peek_at = if peek { sk.peek_offset(flags) } else { 0 };
    let result = loop {
        let rest = (len - copied).min(u32::MAX as usize) as u32;
        if copied == 0 && urgent::is_next(sk, peek_at) {
            // The program may want to handle SIGURG before it goes on.
            if let Err(error) = patience.interrupted() {
                break Err(if patience.is_over() { EAGAIN } else { error });
            }
        }
        let (skip, rest) = match urgent::limit(sk, peek_at, rest, copied > 0) {
            Limit::Read { skip, max } => (skip, max),
            Limit::Stop => break Ok(()),
        };
        if peek {
            peek_at = peek_at.saturating_add(skip);
        } else if skip > 0 {
            urgent::skip(sk);
        }
        let offset = peek_at;
        let (count, failure) = match sk.receive_queue_copy(message, discard, offset, rest) {
            Ok(count) => (count, None),
            Err((error, count)) => (count, Some(error)),
        };
        copied += count as usize;
        if peek {
            peek_at = peek_at.saturating_add(count);
            sk.peeked(count);
        } else {
            consume(sk, count);
        }
        if let Some(error) = failure {
            break Err(error);
        }
        if count > 0 && count == rest && copied < len {
            // Urgent data comes next.
            continue;
        }
        // As Linux: asking for nothing waits until there is something, too.
        if copied >= len && (len > 0 || sk.sk().rcv_queued() > 0) {
            break Ok(());
        }
        if copied >= target && !sk.has_backlog() {
            break Ok(());
        }
        if let Err(end) = why_no_more(sk, copied, patience.is_over()) {
            break end;
        }
        if let Err(error) = patience.interrupted() {
            break Err(error);
        }
        if copied >= target {
            // Enough already: only what has arrived meanwhile.
            sk.flush_backlog();
            continue;
        }
        if let Err(error) = sk.wait_for_data(&mut patience, !peek) {
            break Err(error);
        }
    };
    match result {
        Err(error) if copied == 0 => Err(error),
        _ => Ok(copied),
    }
}

/// Frees what was read, and lets the machine offer the room to the peer.
pub(super) fn consume(sk: &mut Locked<'_>, count: u32) {
    if count == 0 {
        return;
    }
    sk.receive_queue_free(count);
    urgent::advance(sk, count);
    sk.peek_consumed(count);
    effects::read(sk, count);
}

/// The queue is empty: `Err(Ok(()))`: the end, or enough; `Err(Err(_))`: an error; `Ok(())`: more may come, wait for it.
pub(super) fn why_no_more(
    sk: &mut Locked<'_>,
    copied: usize,
    impatient: bool,
) -> Result<(), Result> {
    if copied > 0 {
        let over = impatient
            || sk.has_error()
            || sk.is_done()
            || sk.shutdown() & shutdown::RECEIVE != 0
            || sk.tcb.state() == State::Closed;
        return if over { Err(Ok(())) } else { Ok(()) };
    }
    if sk.is_done() {
        return Err(Ok(()));
    }
    sk.take_error().map_err(Err)?;
    if sk.shutdown() & shutdown::RECEIVE != 0 {
        return Err(Ok(()));
    }
    if sk.tcb.state() == State::Closed {
        return Err(Err(ENOTCONN));
    }
    if impatient {
        return Err(Err(EAGAIN));
    }
    Ok(())
}
