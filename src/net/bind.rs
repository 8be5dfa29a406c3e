// SPDX-License-Identifier: GPL-2.0
//! Ports: who may have which, by the rules of bind() in Linux.
//!
//! Locks: see [`super`].

use super::{instance, Locked, Rtcpfsm, Socket};
use crate::src::kapi::addr::Address;
use crate::src::kapi::hash::{flag, Bound, Head, Key, LockedBucket};
use crate::src::kapi::random;
use kernel::prelude::*;

type Ports<'a> = LockedBucket<'a, Rtcpfsm, Bound>;

/// What a socket asks for: an address and a port, and how it shares them.
struct Claim {
    net: usize,
    address: Address,
    device: u32,
    flags: u32,
    user: u32,
    /// Any port will do: one that would have to be shared is none.
    any_port: bool,
}

impl Claim {
    fn of(sk: &Locked<'_>, any_port: bool) -> Self {
        let head = sk.sk().head();
        Claim {
            net: sk.sk().net().id(),
            address: sk.sk().local().address,
            device: head.bound_device(),
            flags: head.flags() | sk.sk().sharing(),
            user: sk.sk().user(),
            any_port,
        }
    }

    /// May this claim not have the port because of `other`, which lies in this socket or in a TIME-WAIT?
    fn conflicts(&self, port: u16, other: &Head, socket: Option<&Socket>) -> bool {
        if !other.has_port(self.net, port) {
            return false;
        }
        let its_device = other.bound_device();
        if self.device != 0 && its_device != 0 && self.device != its_device {
            return false;
        }
        if !addresses_meet((self.address, self.flags), (other.local(), other.flags())) {
            return false;
        }
        if self.any_port {
            return true;
        }
        // SO_REUSEADDR on both sides lets everything but two listeners share (a server restarts over its TIME-WAITs).
        let its_flags = other.flags() | socket.map_or(0, Socket::sharing);
        let both = self.flags & its_flags;
        if both & flag::REUSE != 0 && its_flags & flag::LISTENING == 0 {
            return false;
        }
        // SO_REUSEPORT on both sides, by the same user: nobody else may take a part of its connections. A TIME-WAIT takes none.
        let same_user = socket.is_none_or(|socket| socket.user() == self.user);
        !(both & flag::REUSE_PORT != 0 && same_user)
    }
}

/// Could one packet be for both? Each is an address and the flags of the socket that has it.
fn addresses_meet(a: (Address, u32), b: (Address, u32)) -> bool {
    if a.0.is_any() || b.0.is_any() {
        let ((a4, a6), (b4, b6)) = (families(a), families(b));
        (a4 && b4) || (a6 && b6)
    } else {
        a.0 == b.0
    }
}

/// Does it take IPv4, and IPv6? `ANY` is the wildcard of the socket's own family, and IPv6's takes IPv4 too, unless V6ONLY.
fn families((address, flags): (Address, u32)) -> (bool, bool) {
    if address != Address::ANY {
        (address.is_v4(), !address.is_v4())
    } else if flags & flag::V6 == 0 {
        (true, false)
    } else {
        (flags & flag::V6_ONLY == 0, true)
    }
}

fn in_conflict(bucket: &Ports<'_>, claim: &Claim, port: u16, me: &Head) -> bool {
    bucket
        .walk(|other| {
            let conflicts =
                !core::ptr::eq(other, me) && claim.conflicts(port, other, bucket.socket(other));
            conflicts.then_some(())
        })
        .is_some()
}

fn key_of(sk: &Locked<'_>, port: u16) -> Key {
    Key::new(
        sk.sk().net(),
        (sk.sk().local().address, port),
        (Address::ANY, 0),
    )
}

/// bind(): takes `port`, or any that is free for 0. The address is in the socket already.
///
/// # Errors
///
/// `EADDRINUSE`: another socket has it, and they may not share.
pub(crate) fn take_port(sk: &mut Locked<'_>, port: u16) -> Result {
    take_port_as(sk, port, 0)
}

/// listen(): takes the port that the socket has, or any, to listen there; the flag `LISTENING` says so from then on.
///
/// # Errors
///
/// `EADDRINUSE`: others have bound it as well (SO_REUSEADDR), one of whom listens.
pub(crate) fn take_port_to_listen(sk: &mut Locked<'_>) -> Result {
    let port = sk.sk().local().port;
    take_port_as(sk, port, flag::LISTENING)
}

/// `role`: the flag that the socket has from the moment that the port is its own.
fn take_port_as(sk: &mut Locked<'_>, port: u16, role: u32) -> Result {
    sk.refresh_bind_flags();
    if port != 0 {
        return claim_port(sk, port, false, role);
    }
    let (low, high) = sk.port_range();
    let count = u32::from(high - low) + 1;
    let start = random::random_u32() % count;
    for i in 0..count {
        let candidate = low + ((start + i) % count) as u16;
        if sk.sk().net().port_is_reserved(candidate) {
            continue;
        }
        if claim_port(sk, candidate, true, role).is_ok() {
            return Ok(());
        }
    }
    Err(EADDRINUSE)
}

fn claim_port(sk: &mut Locked<'_>, port: u16, any_port: bool, role: u32) -> Result {
    let key = key_of(sk, port);
    let claim = Claim::of(sk, any_port);
    let head = sk.sk().head();
    let bucket = instance().tables.lock_port(&key);
    if in_conflict(&bucket, &claim, port, head) {
        return Err(EADDRINUSE);
    }
    if !head.is_bound() {
        head.set_key(&key, 0);
    }
    if !head.is_bound() || head.has(flag::AUTO_PORT) {
        // From now on it stands where connect() looks.
        bucket.remove(head);
        head.set_flags(flag::AUTO_PORT, false);
        bucket.insert(sk.sk());
    }
    // While the bucket is locked: whoever claims the port next sees it.
    head.set_flags(role, true);
    drop(bucket);
    sk.set_ports(port, 0);
    Ok(())
}

/// Gives the socket's port back, if it has one.
pub(crate) fn release_port(sk: &mut Locked<'_>) {
    if sk.sk().head().is_bound() {
        instance().tables.unbind(sk.sk());
        sk.forget_port();
    }
}

/// May connect() take this port without having asked by bind(): is it nobody's, or only of other such connections?
///
/// The bucket is that of the port.
pub(crate) fn is_free_for_connect(bucket: &Ports<'_>, net: usize, port: u16) -> bool {
    bucket
        .walk_first(|other| other.has_port(net, port).then_some(()))
        .is_none()
}
