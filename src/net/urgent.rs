// SPDX-License-Identifier: GPL-2.0
//! Urgent data and programs (RFC 9293 3.8.5, RFC 6093): SIGURG, MSG_OOB, the mark at which a read stops. All as in Linux.
//!
//! Where the urgent octet stands is one word beside the socket ([`UrgentMark`]), written under the socket lock (see [`super`]) and
//! read without it by poll() and SIOCATMARK.

use super::{Locked, Socket};
use crate::src::fsm::{State, UrgentMark, UrgentStep};
use crate::src::kapi::proto::{msg, Message};
use crate::src::kapi::sock::shutdown;
use kernel::prelude::*;

/// Where urgent data stands.
pub(crate) fn mark(sk: &Socket) -> UrgentMark {
    UrgentMark::from_word(sk.shared().urgent.load())
}

fn set_mark(sk: &Socket, mark: UrgentMark) {
    sk.shared().urgent.store(mark.to_word());
}

/// The peer announces urgent data (MUST-32): its last octet comes after `ahead` that have not arrived. To be called before
/// what came along with it is queued.
pub(crate) fn announced(sk: &mut Locked<'_>, ahead: u32) {
    let old = mark(sk.sk());
    let unread = sk.sk().rcv_queued();
    if old.is_at_mark() && unread > 0 && !sk.sk().takes_urgent_inline() {
        // The reader stands before an older urgent octet: that is no data for it, although it is not marked any more.
        sk.receive_queue_free(1);
    }
    let mark = UrgentMark::announced(sk.sk().rcv_queued().saturating_add(ahead));
    set_mark(sk.sk(), mark);
    sk.signal_urgent();
}

/// `count` octets were taken from the receive queue.
pub(crate) fn advance(sk: &mut Locked<'_>, count: u32) {
    let old = mark(sk.sk());
    if !old.is_some() {
        return;
    }
    let new = old.advance(count);
    set_mark(sk.sk(), new);
    if !new.is_some() {
        sk.tcb.urgent_is_read();
    }
}

/// Forgets urgent data: the connection's octets are gone.
pub(crate) fn forget(sk: &mut Locked<'_>) {
    set_mark(sk.sk(), UrgentMark::NONE);
}

/// Is the urgent octet `offset` octets beyond the next one?
pub(crate) fn is_next(sk: &Locked<'_>, offset: u32) -> bool {
    mark(sk.sk()).step(offset) == UrgentStep::AtMark
}

/// How far an ordinary read at some place may go.
pub(crate) enum Limit {
    /// So many octets, from `skip` octets later on.
    Read { skip: u32, max: u32 },
    /// Nothing: the urgent octet is next, and what was read before it is a read of its own.
    Stop,
}

/// What a read of at most `max` octets, `offset` octets beyond the next one, may do. `copied`: it has got octets already.
pub(crate) fn limit(sk: &Locked<'_>, offset: u32, max: u32, copied: bool) -> Limit {
    match mark(sk.sk()).step(offset) {
        UrgentStep::Read(before) => Limit::Read {
            skip: 0,
            max: max.min(before),
        },
        UrgentStep::AtMark if copied => Limit::Stop,
        UrgentStep::AtMark => {
            // The urgent octet is skipped once it is there, by a read that wants something.
            let inline = sk.sk().takes_urgent_inline();
            let there = sk.sk().rcv_queued() > offset && max > 0;
            Limit::Read {
                skip: u32::from(!inline && there),
                max,
            }
        }
    }
}

/// How many octets a read gets before it stops at the urgent one (SIOCINQ).
pub(crate) fn readable(sk: &Socket) -> u32 {
    let unread = sk.rcv_queued();
    match mark(sk).ahead() {
        Some(ahead) if ahead < unread && !sk.takes_urgent_inline() => ahead,
        _ => unread,
    }
}

/// recv(MSG_OOB): the urgent octet. It never waits.
///
/// # Errors
///
/// `EINVAL`: there is none, or it was read already, or it stays in the stream (SO_OOBINLINE); `EAGAIN`: it has not arrived;
/// `ENOTCONN`: the connection failed; `EFAULT`.
pub(crate) fn receive(
    sk: &mut Locked<'_>,
    message: &mut Message<'_>,
    len: usize,
    flags: u32,
) -> Result<usize> {
    let mark = mark(sk.sk());
    let (Some(ahead), false) = (mark.ahead(), mark.is_taken()) else {
        return Err(EINVAL);
    };
    if sk.sk().takes_urgent_inline() {
        return Err(EINVAL);
    }
    let closed = sk.tcb.state() == State::Closed;
    if closed && !sk.is_done() {
        return Err(ENOTCONN);
    }
    if !mark.is_available(sk.sk().rcv_queued()) {
        return if closed || sk.shutdown() & shutdown::RECEIVE != 0 {
            Ok(0)
        } else {
            Err(EAGAIN)
        };
    }
    if flags & msg::PEEK == 0 {
        set_mark(sk.sk(), mark.take());
    }
    message.add_flags(msg::OOB);
    if len == 0 {
        message.add_flags(msg::TRUNC);
        return Ok(0);
    }
    if flags & msg::TRUNC == 0 {
        sk.receive_queue_copy(message, false, ahead, 1)
            .map_err(|(error, _)| error)?;
    }
    Ok(1)
}

/// Takes the urgent octet out of an ordinary read's way.
pub(crate) fn skip(sk: &mut Locked<'_>) {
    sk.receive_queue_free(1);
    advance(sk, 1);
}
