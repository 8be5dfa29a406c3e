// SPDX-License-Identifier: GPL-2.0
//! Handshakes by SYN cookie (RFC 4987 3.6): no request, no memory, no timer between the SYN and the ACK of our SYN-ACK.
//!
//! The SYN takes no arc when it comes, for nothing is in SYN-RECEIVED then. The ACK that brings the cookie back proves that it
//! came, and both arcs, LISTEN to SYN-RECEIVED and on, are taken then. Locks: see [`super`].

use super::accept::Shared;
use super::pernet::{PerNet, Reading};
use super::request::{establish, new_child, params_of_listener};
use super::rx::{Arrived, Taken};
use super::{effects, instance, now, tx, Socket};
use crate::src::fsm::{cookie, Config, DropReason, Flags, Instant, Outbox, State, SynReqParams};
use crate::src::kapi::route::Route;
use core::ops::ControlFlow;
use kernel::sync::aref::ARef;

/// The setting with which cookies are sent where there is no room for a request.
const WHEN_FULL: u8 = 1;

/// Is a SYN for this listener to be answered by a cookie?
pub(super) fn wanted(shared: &Shared, config: &Config) -> bool {
    match config.syncookies {
        0 => false,
        WHEN_FULL => shared.requests_are_full(config.max_syn_backlog),
        _ => true,
    }
}

/// The secrets that the cookies of a connection are made with, of its hash.
fn secrets(hash: u64) -> cookie::Secrets<impl Fn([u64; 2]) -> u64> {
    cookie::Secrets {
        isn_hash: hash as u32,
        tag: move |words| instance().cookie_secret.tag(hash, words),
    }
}

/// Answers a SYN by a SYN-ACK with a cookie, and keeps nothing. `hash` is the connection's under the host's secret.
pub(super) fn answer(
    listener: &Socket,
    arrived: &Arrived<'_>,
    now: Instant,
    (params, hash): (&SynReqParams, u64),
    config: &Config,
    route: Route,
) {
    let net = listener.net();
    let key = &arrived.key;
    let segment = cookie::syn_ack(now, arrived.segment, params, config, &secrets(hash));
    listener.shared().note_cookie(now);
    PerNet::of(net).counters().drop(DropReason::SynCookieSent);
    // If it is lost, the peer's SYN comes again.
    let _ = tx::send_by(net, Some(listener), route, key, &segment);
}

/// An ACK for a listener: if it brings a cookie back, it opens a connection. If it does not, `Continue`: the listener knows no
/// such connection.
pub(super) fn take<'a>(
    listener: &ARef<Socket>,
    arrived: Arrived<'a>,
) -> ControlFlow<Taken<'a>, Arrived<'a>> {
    let net = listener.net();
    let per_net = PerNet::of(net);
    let now = now();
    let mut reading = Reading::new();
    let config = per_net.config(&mut reading);
    let shared = listener.shared();
    if config.syncookies == 0
        || arrived.segment.flags.contains(Flags::SYN)
        || !shared.cookies_are_out(now)
    {
        return ControlFlow::Continue(arrived);
    }
    let key = arrived.key;
    let device = listener.bound_device();
    let interface = tx::answer_interface(key.remote, arrived.interfaces(), device);
    let route = Route::find(
        net,
        Some(&**listener),
        &key,
        interface,
        listener.mark(),
        instance().protocol,
    );
    let Ok(route) = route else {
        per_net.counters().drop(DropReason::NoRoute);
        return ControlFlow::Break(Taken::Done);
    };
    let hash = instance().secret.connection(&key);
    let params = params_of_listener(listener, &key, hash, now, &route, config, None);
    let mut out = Outbox::new();
    let machine = match cookie::request(
        now,
        arrived.segment,
        &params,
        config,
        &secrets(hash),
        &mut out,
    ) {
        Ok(machine) => machine,
        Err(reason) => {
            per_net.counters().drop(reason);
            return ControlFlow::Continue(arrived);
        }
    };
    let Some(slot) = shared.reserve() else {
        // As if the ACK were lost: what the peer sends next brings the cookie back, too, if it is the first.
        per_net.counters().drop(DropReason::AcceptQueueFull);
        return ControlFlow::Break(Taken::Done);
    };
    let way = (interface, route.keep(listener));
    let Some(sk) = new_child(&machine, listener, (&key, arrived.hash), way, now, config) else {
        per_net.counters().drop(DropReason::NoMemory);
        shared.give_back(slot);
        return ControlFlow::Break(Taken::Done);
    };
    if !instance().tables.insert_unique(net, &*sk) {
        // The same ACK on another CPU was first.
        discard(&sk);
        shared.give_back(slot);
        return ControlFlow::Break(Taken::Again(arrived));
    }
    per_net.counters().count(&out);
    per_net.counters().drop(DropReason::SynCookieTaken);
    establish(listener, sk, slot, arrived, now);
    ControlFlow::Break(Taken::Done)
}

/// Ends a child that nobody but us has seen: no arc is taken.
fn discard(sk: &Socket) {
    let mut locked = sk.bh_lock();
    if let Some(guard) = locked.unowned() {
        guard.orphan();
        guard.set_kernel_state_silently(super::kernel_state(State::Closed));
        effects::bury(guard);
    }
}
