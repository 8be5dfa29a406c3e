// SPDX-License-Identifier: GPL-2.0
//! The tables of connections, listeners and bound ports.
//!
//! Locks: see [`super`]. A bucket of ports may be held while a bucket of connections is taken, never the other way round.

use super::pernet::PerNet;
use super::rx::Arrived;
use super::{Rtcpfsm, Socket};
use crate::src::kapi::addr::Address;
use crate::src::kapi::hash::{
    self, flag, Bound, Connected, Found, Hashable, Head, Key, Listening, LockedBucket, Table,
};
use crate::src::kapi::lock::lock_class;
use crate::src::kapi::lock::Class;
use crate::src::kapi::netns::Net;
use crate::src::kapi::random;
use crate::src::kapi::wait;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// What was found in a table.
pub(crate) type Object = Found<Rtcpfsm>;

/// All three tables.
pub(crate) struct Tables {
    pub(crate) connections: Table<Rtcpfsm, Connected>,
    pub(crate) listeners: Table<Rtcpfsm, Listening>,
    pub(crate) ports: Table<Rtcpfsm, Bound>,
    seed: u32,
}

/// Buckets of the table of listeners, as a power of two.
const LISTENER_BITS: u32 = 12;
/// Of the table of ports, at least and at most: as many as there are for connections, but one for each port is enough.
const PORT_BITS: (u32, u32) = (12, 16);

/// How many buckets are looked at before others may run.
const PURGED_AT_ONCE: u32 = 1024;

fn connections_class() -> Class {
    lock_class!(c"rtcpfsm connections")
}
fn listeners_class() -> Class {
    lock_class!(c"rtcpfsm listeners")
}
fn ports_class() -> Class {
    lock_class!(c"rtcpfsm ports")
}

impl Tables {
    /// Tables with `1 << bits` buckets for connections.
    pub(crate) fn new(bits: u32) -> Result<Self> {
        Ok(Tables {
            connections: Table::new(bits, connections_class())?,
            listeners: Table::new(LISTENER_BITS, listeners_class())?,
            ports: Table::new(bits.clamp(PORT_BITS.0, PORT_BITS.1), ports_class())?,
            seed: random::random_u32(),
        })
    }

    /// The number by which the table of connections is spread.
    #[inline]
    pub(crate) fn hash(&self, key: &Key) -> u32 {
        hash::connection_hash(key, self.seed)
    }

    /// Locks the bucket of this key's local port.
    pub(crate) fn lock_port(&self, key: &Key) -> LockedBucket<'_, Rtcpfsm, Bound> {
        self.ports.lock(hash::port_hash(key) << 1)
    }

    /// The object of the connection that a segment from one of these interfaces belongs to (SO_BINDTODEVICE, VRFs).
    #[inline]
    pub(crate) fn find_for(&self, arrived: &Arrived<'_>) -> Option<Object> {
        // `takes`, cut short where there are no devices to compare, as nearly always.
        let enslaved = arrived.skb.enslaved(!arrived.key.remote.is_v4());
        self.connections.find(arrived.hash, |head| {
            head.matches(&arrived.key, arrived.hash)
                && (head.bound_device() | enslaved as u32 == 0 || takes_arrived(head, arrived))
        })
    }

    /// The object of the connection that an ICMP error from these interfaces is about.
    pub(crate) fn find_quoted(
        &self,
        net: &Net,
        key: &Key,
        interfaces: (i32, i32),
    ) -> Option<Object> {
        let hash = self.hash(key);
        self.connections.find(hash, |head| {
            head.matches(key, hash) && takes(head, net, interfaces)
        })
    }

    /// The object that stands where one with this key and this device (0: none) would.
    pub(crate) fn find_in_place(&self, net: &Net, key: &Key, device: u32) -> Option<Object> {
        let hash = self.hash(key);
        self.connections.find(hash, |head| {
            head.matches(key, hash) && devices_meet(net, head.bound_device(), device)
        })
    }

    /// The listener for this segment: a socket bound to the very address before one bound to all, IPv4's own before one of
    /// both families (as Linux chooses). Of several equal ones (SO_REUSEPORT) the connection's hash decides.
    pub(crate) fn find_listener(&self, arrived: &Arrived<'_>) -> Option<ARef<Socket>> {
        let (key, interfaces) = (&arrived.key, arrived.interfaces());
        let net = arrived.skb.net();
        let found = self.listeners.find_best(hash::port_hash(key), |head| {
            if !head.has_port(key.net, key.local_port()) || !takes(head, net, interfaces) {
                return 0;
            }
            // One that has stopped may have led the search to connections.
            if !head.has(flag::LISTENING) {
                return 0;
            }
            let its = head.local();
            let v4 = key.local.is_v4();
            let address = if its == key.local {
                8
            } else if its == Address::ANY && head.has(flag::V6) {
                // The IPv6 wildcard takes IPv4 too, unless told otherwise.
                match (v4, head.has(flag::V6_ONLY)) {
                    (false, _) => 6,
                    (true, false) => 2,
                    (true, true) => return 0,
                }
            } else if its.is_any() && v4 {
                // All of IPv4: of an IPv6 socket if bound to `::ffff:0.0.0.0`.
                if head.has(flag::V6) {
                    4
                } else {
                    6
                }
            } else {
                return 0;
            };
            // Above the low bits stands what decides; they spread the connections over equal ones.
            let rank = address + u32::from(head.bound_device() != 0);
            (rank << 16) | u32::from(head.bid(arrived.hash))
        })?;
        match found {
            Found::Socket(sk) => Some(sk),
            _ => None,
        }
    }

    /// Puts `new` in the place of `old`, with the same key, in the table of connections, where one of the two is found at any time;
    /// false: `old` was not there any more.
    pub(crate) fn replace(
        &self,
        old: &impl Hashable<Rtcpfsm>,
        new: &impl Hashable<Rtcpfsm>,
    ) -> bool {
        let bucket = self.connections.lock(old.head().hash());
        bucket.replace(old.head(), new)
    }

    /// Adds an object to the table of connections, unless one with its key is there that one segment could be for as well.
    pub(crate) fn insert_unique(&self, net: &Net, object: &impl Hashable<Rtcpfsm>) -> bool {
        let (key, hash) = (object.head().key(), object.head().hash());
        let device = object.head().bound_device();
        let bucket = self.connections.lock(hash);
        let in_place = |head: &Head| {
            head.matches(&key, hash) && devices_meet(net, head.bound_device(), device)
        };
        if bucket.walk(|head| in_place(head).then_some(())).is_some() {
            return false;
        }
        bucket.insert(object);
        true
    }

    /// Gives the object's port back.
    pub(crate) fn unbind(&self, object: &impl Hashable<Rtcpfsm>) {
        if object.head().is_bound() {
            self.ports.remove(object);
        }
    }

    /// Ends every TIME-WAIT of a namespace that goes away. Sockets and requests keep their namespace, so none is left.
    pub(crate) fn purge(&self, net: &Net) {
        let (gone, per_net) = (net.id(), PerNet::of(net));
        for bucket in 0..self.connections.buckets() as u32 {
            if !per_net.has_time_waits() {
                return;
            }
            if bucket % PURGED_AT_ONCE == 0 {
                wait::reschedule();
            }
            // What stands there, this CPU has seen: it was put there by the last who held the namespace, or before.
            if self.connections.is_empty(bucket) {
                continue;
            }
            loop {
                let found = {
                    let locked = self.connections.lock(bucket);
                    locked.walk(|head: &Head| {
                        if head.key().net == gone {
                            locked.get(head)
                        } else {
                            None
                        }
                    })
                };
                match found {
                    Some(Found::TimeWait(waiting)) => super::time_wait::evict(&waiting),
                    _ => break,
                }
            }
        }
    }
}

/// Is the object bound to the interface of arrival or to the one enslaved to it, a VRF (0: none is)? What came by a VRF is not for
/// one that is bound to no device, unless it may be (`l3mdev_accept`). As Linux's inet_bound_dev_eq().
#[inline]
fn takes(head: &Head, net: &Net, (interface, enslaved): (i32, i32)) -> bool {
    match head.bound_device() as i32 {
        0 => enslaved == 0 || PerNet::of(net).unbound_take_from_vrfs(),
        device => device == enslaved || device == interface,
    }
}

#[cold]
fn takes_arrived(head: &Head, arrived: &Arrived<'_>) -> bool {
    takes(head, arrived.skb.net(), arrived.interfaces())
}

/// Could one segment be for an object of this device and for one of that (0: bound to none)?
fn devices_meet(net: &Net, a: u32, b: u32) -> bool {
    if a == b {
        return true;
    }
    // With one of the two 0 that is the other.
    a.min(b) == 0 && (PerNet::of(net).unbound_take_from_vrfs() || !net.is_of_vrf(a.max(b)))
}
