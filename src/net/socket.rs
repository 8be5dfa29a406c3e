// SPDX-License-Identifier: GPL-2.0
//! The system calls: what the kernel's socket layer asks of the protocol, in terms of the machine.
//!
//! Locks: see [`super`].

use super::pernet::Reading;
use super::{
    accept, bind, connect, effects, instance, options, rx, splice, stream, urgent, Locked, Rtcpfsm,
    Socket,
};
use crate::src::fsm::{State, UserCall};
use crate::src::kapi::addr::{Address, Endpoint};
use crate::src::kapi::hash::{flag, Key};
use crate::src::kapi::options::{Info, IntOption};
use crate::src::kapi::proto::{Message, Operations};
use crate::src::kapi::skb::Skb;
use crate::src::kapi::sock::{poll, shutdown};
use crate::src::kapi::splice::Pipe;
use crate::src::kapi::wait::{Condition, Patience};
use kernel::prelude::*;
use kernel::sync::aref::ARef;

impl Operations for Rtcpfsm {
    const NAME: &'static [u8] = b"RTCPFSM\0";

    fn opened(sk: &mut Locked<'_>) -> Result {
        let mut reading = Reading::new();
        let config = sk.sk().per_net().config(&mut reading);
        sk.set_buffers(config.wmem.default, config.rmem.default);
        Ok(())
    }

    fn connect(sk: &mut Locked<'_>, peer: Endpoint, scope_id: u32) -> Result {
        connect::connect(sk, peer, scope_id)
    }

    fn before_connect(sk: &mut Locked<'_>) -> Result<bool> {
        connect::leave_listen(sk)
    }

    fn connect_failed(sk: &mut Locked<'_>) {
        connect::resume_listen(sk);
    }

    fn disconnect(sk: &mut Locked<'_>) -> Result {
        let state = sk.tcb.state();
        if state == State::Listen {
            stop_listening(sk, UserCall::Abort);
        } else if state != State::Closed {
            effects::user(sk, UserCall::Abort)?;
            sk.set_error(ECONNRESET);
        }
        let unread = sk.sk().rcv_queued();
        sk.receive_queue_free(unread);
        sk.purge_held();
        urgent::forget(sk);
        sk.tcb.forget();
        sk.reset_addresses();
        sk.forget_route();
        sk.set_shutdown(0);
        sk.set_done(false);
        Ok(())
    }

    fn get_port(sk: &mut Locked<'_>, port: u16) -> Result {
        bind::take_port(sk, port)
    }

    fn put_port(sk: &mut Locked<'_>) {
        bind::release_port(sk);
    }

    fn listen(sk: &mut Locked<'_>, backlog: u32) -> Result {
        sk.sk().shared().make_queue()?;
        match sk.tcb.state() {
            State::Listen => {}
            State::Closed => start_listening(sk)?,
            _ => return Err(EINVAL),
        }
        sk.set_backlog_limit(backlog);
        sk.sk().shared().open(backlog);
        Ok(())
    }

    fn accept(sk: &Socket, nonblocking: bool) -> Result<(ARef<Socket>, bool)> {
        accept::accept(sk, nonblocking)
    }

    fn shutdown(sk: &mut Locked<'_>, send: bool, receive: bool) {
        if sk.tcb.state() == State::Closed {
            return;
        }
        if receive {
            sk.tcb.stop_reading();
        }
        if send {
            let _ = effects::user(sk, UserCall::ShutdownWrite);
        }
    }

    fn close(sk: ARef<Socket>, linger: i64) {
        let mut owned = sk.lock();
        owned.set_shutdown(shutdown::RECEIVE | shutdown::SEND);
        let unread_data = sk.rcv_queued() > 0;
        let all = sk.rcv_queued();
        owned.receive_queue_free(all);
        // The machine forgets it with the user.
        owned.purge_held();
        match owned.tcb.state() {
            State::Closed => {}
            State::Listen => stop_listening(&mut owned, UserCall::ShutdownWrite),
            _ => {
                // SO_LINGER with a time of zero: RFC 9293 3.10.5. Data that nobody will read: RFC 2525 2.17.
                let call = if !unread_data && owned.linger() == Some(0) {
                    UserCall::Abort
                } else {
                    UserCall::Close { unread_data }
                };
                let _ = effects::user(&mut owned, call);
                let mut patience = Patience::jiffies(linger);
                while !patience.is_over() && !Closed::holds(&sk) && patience.interrupted().is_ok() {
                    owned.wait_until::<Closed>(&mut patience, false);
                }
            }
        }
        owned.orphan();
        if owned.tcb.state() == State::Closed {
            effects::bury(&mut owned);
        } else {
            // The connection goes on without a process, and so does the file's reference.
            let per_net = sk.per_net();
            let orphans = per_net.orphan_born();
            owned.orphan = Some(sk.clone());
            let max = per_net.config(&mut Reading::new()).max_orphans;
            if orphans > max || sk.is_out_of_memory() {
                let _ = effects::user(&mut owned, UserCall::OrphanLimit);
            }
        }
    }

    fn sendmsg(sk: &mut Locked<'_>, message: &mut Message<'_>, len: usize) -> Result<usize> {
        stream::send(sk, message, len)
    }

    fn recvmsg(
        sk: &mut Locked<'_>,
        message: &mut Message<'_>,
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        stream::receive(sk, message, len, flags)
    }

    fn splice_read(
        sk: &mut Locked<'_>,
        pipe: &mut Pipe<'_>,
        len: usize,
        nonblocking: bool,
    ) -> Result<usize> {
        splice::read(sk, pipe, len, nonblocking)
    }

    fn splice_eof(sk: &mut Locked<'_>) {
        // What waited for more (MSG_MORE) waits no longer.
        effects::run(sk, |tcb, _, _, _| tcb.set_more(false));
    }

    fn unread(sk: &Socket) -> Result<i32> {
        if sk.kernel_state() == super::kernel_state(State::Listen) {
            return Err(EINVAL);
        }
        Ok(urgent::readable(sk).min(i32::MAX as u32) as i32)
    }

    fn is_at_mark(sk: &Socket) -> bool {
        urgent::mark(sk).is_at_mark()
    }

    fn unacknowledged(sk: &Socket, unsent: bool) -> Result<i32> {
        if sk.kernel_state() == super::kernel_state(State::Listen) {
            return Err(EINVAL);
        }
        let octets = sk.snapshot(
            |connection| &connection.tcb,
            |tcb| {
                if unsent {
                    tcb.never_sent()
                } else {
                    tcb.unacknowledged()
                }
            },
        );
        Ok(octets.min(i32::MAX as u32) as i32)
    }

    fn set_option(sk: &mut Locked<'_>, option: IntOption, value: i32) -> Result {
        options::set(sk, option, value)
    }

    fn option(sk: &Locked<'_>, option: IntOption) -> i32 {
        options::get(sk, option)
    }

    fn set_congestion_control(sk: &mut Locked<'_>, name: &[u8]) -> Result {
        options::set_congestion_control(sk, name)
    }

    fn congestion_control(sk: &Locked<'_>) -> &'static str {
        options::congestion_control(sk)
    }

    fn set_keepalive(sk: &mut Locked<'_>, on: bool) {
        options::set_keepalive(sk, on);
    }

    fn set_low_water(sk: &mut Locked<'_>, octets: u32) {
        options::set_low_water(sk, octets);
    }

    fn info(sk: &mut Locked<'_>, info: &mut Info) {
        options::info(sk, info);
    }

    fn has_send_room(sk: &Socket, wake: bool) -> bool {
        sk.shared().has_send_room(wake)
    }

    fn poll(sk: &Socket) -> u32 {
        events(sk)
    }

    fn backlog(sk: &mut Locked<'_>, skb: Skb) {
        rx::backlog(sk, skb);
    }
}

/// The connection needs no more from the process that lingers.
struct Closed;

impl Condition<Rtcpfsm> for Closed {
    fn holds(sk: &Socket) -> bool {
        let waits = [State::FinWait1, State::Closing, State::LastAck].map(super::kernel_state);
        !waits.contains(&sk.kernel_state())
    }
}

/// RFC 9293 3.10.1: passive OPEN.
fn start_listening(sk: &mut Locked<'_>) -> Result {
    bind::take_port_to_listen(sk)?;
    let local = sk.sk().local();
    let key = Key::new(
        sk.sk().net(),
        (local.address, local.port),
        (Address::ANY, 0),
    );
    sk.sk().head().set_key(&key, 0);
    sk.forget_route();
    if let Err(error) = effects::user(sk, UserCall::Listen) {
        sk.sk().head().set_flags(flag::LISTENING, false);
        return Err(error);
    }
    sk.outlast_readers();
    instance().tables.listeners.insert(sk.sk());
    Ok(())
}

/// RFC 9293 3.10.4, 3.10.5: CLOSE or ABORT in LISTEN.
fn stop_listening(sk: &mut Locked<'_>, call: UserCall) {
    instance().tables.listeners.remove(sk.sk());
    sk.sk().head().set_flags(flag::LISTENING, false);
    accept::stop(sk);
    let shut = sk.shutdown();
    let _ = effects::user(sk, call);
    // What the end of a connection does to the directions is not for a listener, which may be used again.
    sk.set_shutdown(shut);
}

/// Are `target` octets (SO_RCVLOWAT) there of which a reader is told, or fewer, beside which no more find room? As Linux's
/// tcp_epollin_ready().
pub(super) fn is_readable(sk: &Socket, unread: u32, target: u32) -> bool {
    let nothing_fits = || {
        sk.is_receive_memory_short()
            || sk.snapshot(|connection| &connection.tcb, |tcb| tcb.is_window_spent())
    };
    unread > 0 && (unread >= target || nothing_fits())
}

/// The events of poll(), as Linux's TCP gives them.
fn events(sk: &Socket) -> u32 {
    let state = sk.kernel_state();
    let is = |which: State| state == super::kernel_state(which);
    if is(State::Listen) {
        return if sk.shared().waiting() > 0 {
            poll::IN | poll::RDNORM
        } else {
            0
        };
    }
    let shut = sk.shutdown_now();
    let mut events = 0;
    if shut == shutdown::RECEIVE | shutdown::SEND || is(State::Closed) {
        events |= poll::HUP;
    }
    if shut & shutdown::RECEIVE != 0 {
        events |= poll::IN | poll::RDNORM | poll::RDHUP;
    }
    if !is(State::SynSent) && !is(State::SynReceived) {
        let (mark, unread) = (urgent::mark(sk), sk.rcv_queued());
        // An urgent octet that a read would skip is nothing to read.
        let skipped = u32::from(mark.is_at_mark() && !sk.takes_urgent_inline());
        if is_readable(sk, unread, sk.receive_low_water().saturating_add(skipped)) {
            events |= poll::IN | poll::RDNORM;
        }
        if mark.is_available(unread) {
            events |= poll::PRI;
        }
        let writable = || sk.is_writable() && sk.shared().has_send_room(false);
        if shut & shutdown::SEND != 0 || writable() {
            events |= poll::OUT | poll::WRNORM;
        } else {
            sk.ask_for_write_space();
            // Space may have come before we asked.
            if writable() {
                events |= poll::OUT | poll::WRNORM;
            }
        }
    }
    if sk.has_pending_error() {
        events |= poll::ERR;
    }
    events
}
