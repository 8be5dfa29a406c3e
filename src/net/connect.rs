// SPDX-License-Identifier: GPL-2.0
//! connect(): a way to the peer, a local port, a place in the table of connections, and the machine's active OPEN
//! (RFC 9293 3.10.1).
//!
//! Locks: see [`super`].

use super::pernet::{PerNet, Reading};
use super::request::{default_mss, secrets};
use super::tables::Object;
use super::{bind, effects, instance, now, time_wait, tx, Locked};
use crate::src::fsm::{window, OpenParams, Outbox, SeqNumber, State, UserCall};
use crate::src::kapi::addr::{Address, Endpoint};
use crate::src::kapi::hash::{flag, Key};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};

/// What a TIME-WAIT left behind whose place we took: numbers to start beyond.
#[derive(Clone, Copy, Default)]
struct Floor {
    iss: Option<SeqNumber>,
    ts_offset: Option<u32>,
}

/// Starts to open a connection to `peer`. On failure the socket is as before.
///
/// # Errors
///
/// `EADDRNOTAVAIL`: no port is left, or this very connection exists; `ENETUNREACH` and others from routing.
pub(crate) fn connect(sk: &mut Locked<'_>, peer: Endpoint, scope_id: u32) -> Result {
    let mut peer = peer;
    if peer.address.is_any() {
        // As everywhere: the unspecified address means this host.
        peer.address =
            if sk.sk().is_v6() && !peer.address.is_v4() && !sk.sk().local().address.is_v4() {
                Address::LOOPBACK_V6
            } else if sk.sk().is_v6() {
                Address::LOOPBACK_V4
            } else {
                peer.address
            };
    }
    let old_port = sk.sk().local().port;
    let (route, local, remote) = sk.route_connect(peer, scope_id)?;
    // RFC 9293 3.9.2.3, MUST-44 and MUST-45: from now on this is the connection's address.
    sk.set_addresses(local, remote);
    sk.refresh_bind_flags();
    let connected = take_place(sk, (local, old_port), (remote, peer.port)).and_then(|floor| {
        let port = sk.sk().head().key().local_port();
        sk.set_ports(port, peer.port);
        sk.commit_route(route, old_port)?;
        open(sk, floor)
    });
    if connected.is_ok() {
        // Until now it could have gone back to LISTEN.
        sk.sk().head().set_flags(flag::LISTENING, false);
    } else {
        instance().tables.connections.remove(sk.sk());
        if old_port == 0 {
            bind::release_port(sk);
        }
        sk.reset_addresses();
        sk.forget_route();
    }
    connected
}

/// Enters the tables under a port that makes the connection the only one of its kind.
fn take_place(sk: &mut Locked<'_>, local: (Address, u16), remote: (Address, u16)) -> Result<Floor> {
    if local.1 != 0 {
        // The port was bound before: this one or none.
        if enter(sk, local, remote) {
            return Ok(Floor::default());
        }
        let floor = take_over(sk, local, remote).ok_or(EADDRNOTAVAIL)?;
        return enter(sk, local, remote)
            .then_some(floor)
            .ok_or(EADDRNOTAVAIL);
    }
    let net = sk.sk().net();
    let (low, high) = sk.port_range();
    let count = u32::from(high - low) + 1;
    // RFC 6056 3.3.3: an offset by keyed hash of the destination, so that ports can be neither guessed nor seen to run out.
    let start = instance()
        .secret
        .port_offset(&Key::new(net, (local.0, 0), remote))
        .wrapping_add(next_port());
    for i in 0..count {
        let port = low + (start.wrapping_add(i) % count) as u16;
        if net.port_is_reserved(port) {
            continue;
        }
        let candidate = (local.0, port);
        match enter_with_port(sk, candidate, remote) {
            Entered::In => {
                // Not this one again for the next connection: the other end may still be in TIME-WAIT.
                skip_ports(i);
                return Ok(Floor::default());
            }
            Entered::PortTaken => continue,
            // Perhaps by a TIME-WAIT that gives way.
            Entered::EndsTaken => {}
        }
        if let Some(floor) = take_over(sk, candidate, remote) {
            if enter_with_port(sk, candidate, remote) == Entered::In {
                skip_ports(i);
                return Ok(floor);
            }
        }
    }
    Err(EADDRNOTAVAIL)
}

/// Successive connections to one destination take successive ports.
static NEXT_PORT: Atomic<u32> = Atomic::new(0);

fn next_port() -> u32 {
    NEXT_PORT.fetch_add(1, Relaxed)
}

/// So many ports were passed over.
fn skip_ports(count: u32) {
    if count != 0 {
        NEXT_PORT.fetch_add(count, Relaxed);
    }
}

/// What became of an attempt to enter the tables.
#[derive(PartialEq, Eq)]
enum Entered {
    In,
    /// The port is not ours to take.
    PortTaken,
    /// These very ends are connected.
    EndsTaken,
}

/// Enters both tables with a port that nobody asked for by bind().
fn enter_with_port(sk: &mut Locked<'_>, local: (Address, u16), remote: (Address, u16)) -> Entered {
    let net = sk.sk().net();
    let bound = Key::new(net, local, (Address::ANY, 0));
    let bucket = instance().tables.lock_port(&bound);
    if !bind::is_free_for_connect(&bucket, net.id(), local.1) {
        return Entered::PortTaken;
    }
    // The bucket stays locked: nobody binds this port meanwhile.
    if !enter(sk, local, remote) {
        return Entered::EndsTaken;
    }
    sk.sk().head().set_flags(flag::AUTO_PORT, true);
    bucket.insert(sk.sk());
    Entered::In
}

/// Enters the table of connections with these ends; false: they are taken.
fn enter(sk: &mut Locked<'_>, local: (Address, u16), remote: (Address, u16)) -> bool {
    let tables = &instance().tables;
    let key = Key::new(sk.sk().net(), local, remote);
    sk.sk().head().set_key(&key, tables.hash(&key));
    tables.insert_unique(sk.sk().net(), sk.sk())
}

/// Ends the TIME-WAIT between these ends, if there is one and it gives way: RFC 6191, where timestamps keep its segments
/// out of the new connection. Takes its lock and that of its port: neither may be held.
fn take_over(sk: &Locked<'_>, local: (Address, u16), remote: (Address, u16)) -> Option<Floor> {
    let mut reading = Reading::new();
    let config = sk.sk().per_net().config(&mut reading);
    // tw_reuse 2: only where the path is this host, which reorders nothing.
    if config.tw_reuse == 2 && !(local.0 == remote.0 || local.0.is_loopback()) {
        return None;
    }
    let net = sk.sk().net();
    let key = Key::new(net, local, remote);
    let device = sk.sk().head().bound_device();
    let Some(Object::TimeWait(waiting)) = instance().tables.find_in_place(net, &key, device) else {
        return None;
    };
    let mut out = Outbox::new();
    let taken = time_wait::take_over(&waiting, now(), config, &mut out);
    PerNet::of(net).counters().count(&out);
    taken.map(|taken| Floor {
        iss: Some(taken.iss),
        ts_offset: Some(taken.ts_offset),
    })
}

/// The machine's active OPEN; the SYN goes out at once.
fn open(sk: &mut Locked<'_>, floor: Floor) -> Result {
    let key = sk.sk().key();
    let v4 = key.remote.is_v4();
    let now = now();
    let (iss, ts_offset) = secrets(instance().secret.connection(&key), now, floor.iss);
    let mut reading = Reading::new();
    let config = sk.sk().per_net().config(&mut reading);
    let mtu = sk.path_mtu();
    let mss = tx::mss_of_mtu(mtu, v4);
    sk.path_mtu = mtu;
    sk.room_told = None;
    sk.queue_start = iss + 1;
    let params = OpenParams {
        iss,
        ts_offset: floor.ts_offset.unwrap_or(ts_offset),
        mss,
        default_snd_mss: default_mss(v4),
        path_mss: mss,
        rcv_space: effects::receive_room(sk).0,
        rcv_wscale: window::scale_for(config.rmem.max),
    };
    sk.set_shutdown(0);
    sk.set_done(false);
    sk.forget_errors();
    effects::user_at(sk, now, UserCall::Connect(params))
}

/// connect() on a socket in LISTEN (RFC 9293 3.10.1): allowed while nothing is pending. It stops listening; the machine
/// stays in LISTEN until [`connect`] moves it to SYN-SENT, and so long nobody else may listen on its port. `Ok(false)`: not a listener.
///
/// # Errors
///
/// `EISCONN`: connections are half open or wait for accept(), so it remains a listener.
pub(crate) fn leave_listen(sk: &mut Locked<'_>) -> Result<bool> {
    if sk.tcb.state() != State::Listen {
        return Ok(false);
    }
    if !sk.sk().shared().close_if_idle() {
        return Err(EISCONN);
    }
    instance().tables.listeners.remove(sk.sk());
    // For the kernel's own connect() the socket must look closed.
    sk.set_kernel_state_silently(super::kernel_state(State::Closed));
    Ok(true)
}

/// That connect() failed: the socket listens again.
pub(crate) fn resume_listen(sk: &mut Locked<'_>) {
    if sk.tcb.state() != State::Listen {
        return;
    }
    let key = Key::new(
        sk.sk().net(),
        (sk.sk().local().address, sk.sk().local().port),
        (Address::ANY, 0),
    );
    sk.sk().head().set_key(&key, 0);
    let backlog = sk.sk().shared().limit();
    sk.sk().shared().open(backlog);
    sk.set_kernel_state_silently(super::kernel_state(State::Listen));
    instance().tables.listeners.insert(sk.sk());
}
