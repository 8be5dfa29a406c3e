// SPDX-License-Identifier: GPL-2.0
//! Carries out what the machine asked for: the one way out of every input, be it a segment, a timer or a call.
//!
//! Runs under the socket lock; locks taken below it: see [`super`].

use super::pernet::Reading;
use super::{kernel_state, now, time_wait, tx, Locked, Tcb};
use crate::src::fsm::{
    Config, ConnError, Fate, Instant, MaxRun, Outbox, State, UserCall, UserError, Wake,
};
use crate::src::kapi::sock::{shutdown, wake};
use kernel::prelude::*;

/// Gives the machine one input and carries out what comes of it.
pub(crate) fn run<R>(
    sk: &mut Locked<'_>,
    input: impl FnOnce(&mut Tcb, Instant, &Config, &mut Outbox) -> R,
) -> R {
    run_at(sk, now(), input)
}

/// As [`run`], where it is known what time it is.
#[inline]
fn run_at<R>(
    sk: &mut Locked<'_>,
    now: Instant,
    input: impl FnOnce(&mut Tcb, Instant, &Config, &mut Outbox) -> R,
) -> R {
    let mut reading = Reading::new();
    let config = sk.sk().per_net().config(&mut reading);
    let mut out = Outbox::new();
    update_room(sk);
    let result = input(&mut sk.tcb, now, config, &mut out);
    apply(sk, &out, now, config);
    result
}

/// Gives the machine a user's call.
pub(crate) fn user(sk: &mut Locked<'_>, call: UserCall) -> Result {
    user_at(sk, now(), call)
}

/// As [`user`], where it is known what time it is.
pub(crate) fn user_at(sk: &mut Locked<'_>, now: Instant, call: UserCall) -> Result {
    run_at(sk, now, |tcb, now, config, out| {
        tcb.on_user(now, call, config, out)
    })
    .map_err(errno)
}

/// Tells the machine how much more the receive buffer takes, if that is another amount than it was told.
#[inline]
pub(crate) fn update_room(sk: &mut Locked<'_>) {
    let memory = (sk.sk().rcvbuf(), sk.sk().rmem_alloc());
    if sk.room_told != Some(memory) {
        sk.room_told = Some(memory);
        let (free, whole) = receive_room(sk);
        sk.tcb.set_receive_buffer(whole);
        sk.tcb.set_receive_space(free);
    }
}

/// What the free receive memory is good for as a window, and what all of it is: packets need memory beside their payload.
#[inline]
pub(crate) fn receive_room(sk: &Locked<'_>) -> (u32, u32) {
    let memory = sk.sk().rcvbuf();
    let free = memory.saturating_sub(sk.sk().rmem_alloc());
    let most = if sk.is_under_memory_pressure() {
        sk.tcb.window_under_pressure()
    } else {
        u32::MAX
    };
    let window = |memory| sk.tcb.window_from(memory).min(most);
    (window(free), window(memory))
}

/// Tells the machine how large segments may be, and how many may leave as one.
#[inline(always)]
pub(crate) fn update_path(sk: &mut Locked<'_>) {
    // Other segments than those of the queue have no size that a path could limit.
    if sk.tcb.send_queue_len() == 0 {
        return;
    }
    let (octets, segments) = sk.max_run();
    sk.tcb.set_max_run(MaxRun { octets, segments });
    let mtu = sk.path_mtu();
    if mtu != sk.path_mtu && mtu != 0 {
        sk.path_mtu = mtu;
        let v4 = sk.sk().head().key().remote.is_v4();
        sk.tcb.set_path_mss(tx::mss_of_mtu(mtu, v4));
    }
}

/// The program has read so many octets, which are freed already: the receive buffer may grow, and the peer may be told of room.
pub(crate) fn read(sk: &mut Locked<'_>, count: u32) {
    let unread = sk.sk().rcv_queued();
    if sk.may_grow_receive_buffer() {
        if let Some(size) = sk.tcb.tune_receive_buffer(now, count, unread) {
            let max = sk.sk().per_net().config(&mut Reading::new()).rmem.max;
            sk.grow_receive_buffer(size.min(max));
        }
    }
    tell_room(sk);
}

/// There may be more room: the peer is told if that is worth a segment.
#[inline(always)]
pub(crate) fn tell_room(sk: &mut Locked<'_>) {
    update_room(sk);
    if sk.tcb.has_something_to_tell() {
        let _ = user(sk, UserCall::Read);
    }
}

/// Carries out the effects of one call of the machine.
pub(crate) fn apply(sk: &mut Locked<'_>, out: &Outbox, now: Instant, config: &Config) {
    // In a kernel with debug assertions the machine is checked after every input.
    if cfg!(debug_assertions) {
        if let Err(broken) = sk.tcb.invariants() {
            pr_err!(
                "BUG: the machine in {} breaks: {}\n",
                sk.tcb.state().name(),
                broken
            );
        }
    }
    if let Some(error) = out.error {
        // Before the state that it explains.
        let error = why(sk, error);
        sk.note_error(error);
    }
    let mut got_through = out.acked;
    if !out.counts_nothing() {
        sk.sk().per_net().counters().count(out);
        for arc in out.arcs.iter() {
            let to = arc.arc().to;
            // To the kernel TCP_TIME_WAIT means an object that is no socket: ours goes on as CLOSED (`time_wait::enter`).
            if to != State::TimeWait {
                sk.set_kernel_state(kernel_state(to));
            }
            got_through |= to == State::Established;
        }
    }
    if out.acked {
        free_acknowledged(sk);
    }
    if out.acked || sk.tcb.peer_holds_some() {
        grow_send_buffer(sk, config);
    }
    if got_through {
        // What was noted while nothing did is over.
        sk.clear_soft_error();
    }
    if out.fin_received {
        let mask = sk.shutdown() | shutdown::RECEIVE;
        sk.set_shutdown(mask);
        sk.set_done(true);
    }
    if out.negative_advice {
        sk.advise_ip();
    }
    if let Some(error) = out.soft_error {
        // RFC 9293 3.9.1.8, SHLD-9: that nobody answers is noted; what ICMP tells is told to who asked for it (SHLD-20).
        let told = why(sk, error);
        if error != ConnError::TimedOut && sk.sk().wants_soft_errors() {
            sk.set_error(told);
        } else {
            sk.set_soft_error(told);
        }
    }
    if let Some(reply) = out.reply {
        if sk.sk().per_net().allows(&reply, now, config) {
            tx::send(sk, &reply.segment);
            sk.tcb.count_sent(now, &reply.segment);
        }
    }
    if out.fate == Fate::Live {
        if sk.in_backlog {
            sk.defer();
        } else {
            transmit(sk, now, config);
        }
    }
    let limit = sk.tcb.settings().notsent_lowat(config);
    sk.sk().shared().set_unsent_limit(limit);
    if limit != u32::MAX {
        let unsent = sk.tcb.unsent_len();
        sk.sk().shared().set_unsent(unsent);
    }
    match out.fate {
        Fate::Live => {
            if let Some((_, deadline)) = sk.tcb.next_deadline() {
                sk.arm_timer(now.as_us(), deadline.as_us());
            }
        }
        Fate::TimeWait => time_wait::enter(sk, now, config),
        Fate::Closed => finish(sk),
    }
    wake_up(sk, out);
}

/// Sends what is due, without an input to the machine.
pub(crate) fn send_due(sk: &mut Locked<'_>) {
    let now = now();
    let mut reading = Reading::new();
    let config = sk.sk().per_net().config(&mut reading);
    apply(sk, &Outbox::new(), now, config);
    if sk.tcb.settings().notsent_lowat(config) != u32::MAX {
        // What was sent made room for more that is not.
        sk.wake_writers();
    }
}

/// Sends all that is due.
fn transmit(sk: &mut Locked<'_>, now: Instant, config: &Config) {
    if sk.tcb.is_quiet() {
        return;
    }
    update_path(sk);
    loop {
        // Only a process can find something there, which interrupts have left for it: that may acknowledge what would be sent again.
        if sk.has_backlog() {
            sk.defer();
            break;
        }
        let Some(segment) = &sk.tcb.next_segment(now, config) else {
            break;
        };
        sk.tcb.count_sent(now, segment);
        if !tx::send(sk, segment) {
            // No memory: the retransmission timer is running, it will send it again.
            break;
        }
    }
}

fn wake_up(sk: &mut Locked<'_>, out: &Outbox) {
    if out.wake.is_empty() && out.error.is_none() {
        return;
    }
    if out.error.is_some() {
        sk.report_error();
    }
    if out.wake.contains(Wake::STATE_CHANGE) {
        sk.wake_state_change();
        if out.fin_received {
            sk.wake_async(wake::WAIT_DATA, wake::POLL_IN);
        } else if sk.tcb.state() == State::Established {
            sk.wake_async(wake::IO, wake::POLL_OUT);
        }
    }
    if out.wake.contains(Wake::READABLE) {
        sk.wake_readers();
    }
    if out.wake.contains(Wake::WRITABLE) {
        sk.wake_writers();
    }
}

/// Frees what the peer has acknowledged.
fn free_acknowledged(sk: &mut Locked<'_>) {
    let start = sk.tcb.send_queue_start();
    let count = start.distance_from(sk.queue_start).min(sk.send_queue_len());
    sk.queue_start = start;
    if count > 0 {
        sk.send_queue_free(count);
    }
}

/// The send buffer follows the congestion window, which has grown only if all of it was used.
fn grow_send_buffer(sk: &mut Locked<'_>, config: &Config) {
    let octets = sk.tcb.send_buffer_wanted();
    // The packets of the queue need a little memory of their own.
    let wanted = octets.saturating_add(octets / 4).min(config.wmem.max);
    if wanted > sk.sk().sndbuf() && sk.may_grow_send_buffer() {
        sk.set_send_buffer(wanted);
        sk.wake_writers();
    }
}

/// The connection is over: nobody finds the socket any more. If no process has it, it dies.
pub(crate) fn finish(sk: &mut Locked<'_>) {
    unhash(sk);
    sk.stop_timer();
    sk.send_queue_purge();
    sk.purge_held();
    sk.set_shutdown(shutdown::RECEIVE | shutdown::SEND);
    if sk.sk().is_dead() {
        bury(sk);
    }
}

/// Takes the socket out of the tables, and gives a port back that bind() did not ask for.
pub(crate) fn unhash(sk: &mut Locked<'_>) {
    let tables = &super::instance().tables;
    if sk.sk().head().is_hashed() {
        tables.connections.remove(sk.sk());
    }
    if !sk.port_is_locked() {
        super::bind::release_port(sk);
    }
}

/// Gives back what a dead socket holds, and the reference that the file had.
pub(crate) fn bury(sk: &mut Locked<'_>) {
    super::bind::release_port(sk);
    sk.kill_queues();
    if let Some(life) = sk.orphan.take() {
        sk.sk().per_net().orphan_gone();
        // Never the last one: whoever holds the lock has a reference of its own.
        drop(life);
    }
}

/// What the program of this socket is told of an error of its connection.
fn why(sk: &Locked<'_>, error: ConnError) -> Error {
    match error {
        // Where nobody answers, ICMP may have told why.
        ConnError::TimedOut => sk.soft_error().unwrap_or(ETIMEDOUT),
        _ => conn_errno(error, !sk.sk().key().remote.is_v4()),
    }
}

/// What a program is told of an error of a connection, over IPv6 or IPv4.
pub(super) fn conn_errno(error: ConnError, v6: bool) -> Error {
    match error {
        ConnError::Refused => ECONNREFUSED,
        ConnError::Reset => ECONNRESET,
        ConnError::BrokenPipe => EPIPE,
        ConnError::TimedOut => ETIMEDOUT,
        ConnError::TimeExceeded => EHOSTUNREACH,
        ConnError::ParameterProblem => EPROTO,
        ConnError::Unreachable(code) => super::icmp::unreachable_errno(code, v6),
    }
}

/// What a program is told of a call that the machine refused.
pub(crate) fn errno(error: UserError) -> Error {
    match error {
        UserError::NotConnected => ENOTCONN,
        UserError::AlreadyConnected => EISCONN,
        UserError::Closing => EPIPE,
        _ => EINVAL,
    }
}
