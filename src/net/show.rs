// SPDX-License-Identifier: GPL-2.0
//! What /proc shows of the tables: first the listeners, then the connections, a bucket at a time.

use super::pernet::PerNet;
use super::tables::Object;
use super::{instance, now, request, time_wait, Rtcpfsm, Socket};
use crate::src::fsm::{Instant, State};
use crate::src::kapi::addr::{Address, Endpoint};
use crate::src::kapi::hash::{flag, Head, Link, Table};
use crate::src::kapi::netns::Net;
use crate::src::observe::counters::Counters;
use crate::src::observe::proc::{Line, Source};
use kernel::prelude::*;

impl Source for Rtcpfsm {
    fn rows(_net: &Net) -> usize {
        let tables = &instance().tables;
        tables.listeners.buckets() + tables.connections.buckets()
    }

    fn is_empty(_net: &Net, row: usize) -> bool {
        let tables = &instance().tables;
        match row.checked_sub(tables.listeners.buckets()) {
            None => tables.listeners.is_empty(row as u32),
            Some(row) => tables.connections.is_empty(row as u32),
        }
    }

    fn lines(net: &Net, row: usize, show: &mut dyn FnMut(&Line)) -> Result {
        let tables = &instance().tables;
        let objects = match row.checked_sub(tables.listeners.buckets()) {
            None => objects(&tables.listeners, row, net)?,
            Some(row) => objects(&tables.connections, row, net)?,
        };
        for object in &objects {
            let line = match object {
                Object::Socket(sk) => socket(sk),
                Object::Request(half_open) => {
                    let (status, uid) = request::status(half_open);
                    small(half_open.head(), status, uid)
                }
                Object::TimeWait(waiting) => small(waiting.head(), time_wait::status(waiting), 0),
            };
            // One that ended since the bucket was unlocked is in no table any more.
            if line.status.state != State::Closed {
                show(&line);
            }
        }
        Ok(())
    }

    fn counters(net: &Net) -> &Counters {
        PerNet::of(net).counters()
    }

    fn now() -> Instant {
        now()
    }
}

/// References of all objects of a bucket that belong to this namespace: shown after the bucket is unlocked.
fn objects<L: Link>(table: &Table<Rtcpfsm, L>, row: usize, net: &Net) -> Result<KVec<Object>> {
    let mut objects = KVec::new();
    let mut full = false;
    let bucket = table.lock(row as u32);
    bucket.walk(|head: &Head| {
        if head.key().net == net.id() {
            if let Some(object) = bucket.get(head) {
                full |= objects.push(object, GFP_ATOMIC).is_err();
            }
        }
        full.then_some(())
    });
    drop(bucket);
    if full {
        Err(ENOMEM)
    } else {
        Ok(objects)
    }
}

fn endpoints(head: &Head) -> (Endpoint, Endpoint) {
    let key = head.key();
    let as_v6 = head.has(flag::V6);
    // The wildcard of an IPv4 socket is 0.0.0.0.
    let family = |address: Address| {
        if address.is_any() && !as_v6 {
            Address::ANY_V4
        } else {
            address
        }
    };
    (
        Endpoint {
            address: family(key.local),
            port: key.local_port(),
            as_v6,
        },
        Endpoint {
            address: family(key.remote),
            port: key.remote_port(),
            as_v6,
        },
    )
}

fn socket(sk: &Socket) -> Line {
    let (local, remote) = endpoints(sk.head());
    let (status, send_queue_len) = sk.snapshot(
        |connection| &connection.tcb,
        |tcb| (tcb.status(), tcb.send_queue_len()),
    );
    let (snd_q, rcv_q) = if status.state == State::Listen {
        (sk.shared().limit(), sk.shared().waiting())
    } else {
        (send_queue_len, sk.rcv_queued())
    };
    Line {
        local,
        remote,
        status,
        snd_q,
        rcv_q,
        uid: sk.uid(),
        inode: sk.inode(),
    }
}

fn small(head: &Head, status: crate::src::fsm::Status, uid: u32) -> Line {
    let (local, remote) = endpoints(head);
    Line {
        local,
        remote,
        status,
        snd_q: 0,
        rcv_q: 0,
        uid,
        inode: 0,
    }
}
