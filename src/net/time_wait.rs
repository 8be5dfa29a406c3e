// SPDX-License-Identifier: GPL-2.0
//! TIME-WAIT as a small object: a connection that is over needs neither a socket nor buffers, only its key and its machine
//! (RFC 9293 3.10.7.4, RFC 6191, RFC 1337).
//!
//! It ends once, under its own lock (`ended`): after 2MSL, by an RST, by a new SYN, by a connect() that takes its place, or
//! evicted. Locks: see [`super`].

use super::pernet::{PerNet, Reading};
use super::rx::{Arrived, Taken};
use super::{instance, kernel_state, now, tx, Locked, Rtcpfsm};
use crate::src::fsm::{
    Config, DropReason, Instant, Outbox, ReuseFloor, State, TimeWait, TwVerdict,
};
use crate::src::kapi::hash::Kind;
use crate::src::kapi::lock::{lock_class, Class};
use crate::src::kapi::netns::Net;
use crate::src::kapi::route::{reply_mark, traffic_class};
use crate::src::kapi::small::{CacheCell, Small, SmallObject};
use kernel::sync::aref::ARef;

/// What is behind the lock of a TIME-WAIT.
pub(crate) struct Waiting {
    machine: TimeWait,
    ended: bool,
    /// Of the packets of its socket, and so of its own.
    traffic_class: u8,
    mark: u32,
}

/// A counted TIME-WAIT.
pub(crate) type WaitingRef = ARef<Small<Waiting>>;

static CACHE: CacheCell = CacheCell::new();

// The price of a closed connection for a minute. Lock debugging makes every lock larger.
#[cfg(not(CONFIG_DEBUG_SPINLOCK))]
const _: () = assert!(core::mem::size_of::<Small<Waiting>>() <= 192);

impl SmallObject for Waiting {
    type Protocol = Rtcpfsm;
    const KIND: Kind = Kind::TimeWait;

    fn class() -> Class {
        lock_class!(c"rtcpfsm time-wait")
    }

    fn cache() -> &'static CacheCell {
        &CACHE
    }

    fn on_timer(this: WaitingRef) {
        let mut out = Outbox::new();
        let mut data = this.lock();
        if data.ended {
            return;
        }
        let per_net = per_net_of(&this);
        if data.machine.on_timer(now(), &mut out) {
            end(&this, &mut data, per_net);
        } else {
            rearm(&this, &data.machine);
        }
        drop(data);
        per_net.counters().count(&out);
    }
}

/// What the namespace of a TIME-WAIT that has not ended keeps; the caller holds the lock of the TIME-WAIT.
fn per_net_of(waiting: &Small<Waiting>) -> &PerNet {
    // SAFETY: A namespace that goes away evicts its TIME-WAITs first, under their locks (`Tables::purge`), and this one
    // has not ended.
    PerNet::of(unsafe { Net::from_id(waiting.head().key().net) })
}

fn rearm(waiting: &Small<Waiting>, machine: &TimeWait) {
    if let Some((_, deadline)) = machine.next_deadline() {
        waiting.arm(deadline.as_us());
    }
}

/// The machine of a socket has entered TIME-WAIT: a small object takes the socket's place; the socket is closed.
pub(crate) fn enter(sk: &mut Locked<'_>, now: Instant, config: &Config) {
    let per_net = sk.sk().per_net();
    let mut out = Outbox::new();
    let mut machine = TimeWait::from_tcb(&sk.tcb, now, config);
    if per_net.time_wait_begins(config.max_tw_buckets) {
        match Small::new(Waiting {
            machine,
            ended: false,
            traffic_class: traffic_class(sk.sk(), sk.sk().key().remote),
            mark: sk.sk().mark(),
        }) {
            Ok(waiting) => {
                // Its lock keeps those away who find it at once: they may end it when it is let go, and then its life is given up.
                // It may be found as soon as it has its key, by one who looks at what lay in its memory before.
                let data = waiting.lock();
                Small::live(waiting.clone());
                let head = waiting.head();
                head.set_key(&sk.sk().key(), sk.sk().head().hash());
                head.set_flags(sk.sk().head().flags() | sk.sk().sharing(), true);
                head.set_bound_device(sk.sk().bound_device());
                let tables = &instance().tables;
                tables.ports.insert(&*waiting);
                let replaced = tables.replace(sk.sk(), &*waiting);
                debug_assert!(replaced);
                rearm(&waiting, &data.machine);
            }
            Err(_) => {
                per_net.time_wait_ends();
                per_net.counters().drop(DropReason::NoMemory);
                machine.evict(&mut out);
            }
        }
    } else {
        per_net.counters().drop(DropReason::TimeWaitFull);
        machine.evict(&mut out);
    }
    per_net.counters().count(&out);
    sk.tcb.retire();
    sk.set_kernel_state(kernel_state(State::Closed));
    super::effects::finish(sk);
    sk.wake_state_change();
}

/// Ends a TIME-WAIT under its lock. The table's reference is given back; the caller has another.
fn end(waiting: &WaitingRef, data: &mut Waiting, per_net: &PerNet) {
    data.ended = true;
    let tables = &instance().tables;
    tables.connections.remove(&**waiting);
    tables.unbind(&**waiting);
    waiting.disarm();
    per_net.time_wait_ends();
    waiting.die();
}

/// A segment for a connection in TIME-WAIT.
pub(crate) fn segment<'a>(waiting: &WaitingRef, arrived: Arrived<'a>) -> Taken<'a> {
    let mut data = waiting.lock();
    if data.ended {
        return Taken::Again(arrived);
    }
    // The namespace lives: the segment came in by one of its devices.
    let net = arrived.skb.net();
    let per_net = PerNet::of(net);
    let now = now();
    let mut reading = Reading::new();
    let config = per_net.config(&mut reading);
    let mut out = Outbox::new();
    let mut verdict = data
        .machine
        .on_segment(now, arrived.segment, config, &mut out);
    let listened = || instance().tables.find_listener(&arrived).is_some();
    if matches!(verdict, TwVerdict::Reopen { .. }) && !listened() {
        data.machine.refuse(now, &mut out);
        verdict = TwVerdict::Keep;
    }
    let machine = data.machine;
    let (traffic_class, mark) = (data.traffic_class, data.mark);
    match verdict {
        TwVerdict::Keep => rearm(waiting, &data.machine),
        TwVerdict::Remove | TwVerdict::Reopen { .. } => end(waiting, &mut data, per_net),
    }
    drop(data);
    per_net.counters().count(&out);
    if let Some(reply) = out.reply {
        if per_net.allows(&reply, now, config) {
            let device = waiting.head().bound_device();
            let interface = tx::answer_interface(arrived.key.remote, arrived.interfaces(), device);
            let mark = reply_mark(net, arrived.key.remote, arrived.skb.mark(), mark);
            let _ = tx::send_waiting(
                net,
                &arrived.key,
                &reply.segment,
                interface,
                mark,
                traffic_class,
            );
        }
    }
    match verdict {
        TwVerdict::Reopen { iss_floor } => Taken::Reopen(arrived, iss_floor, machine),
        _ => Taken::Done,
    }
}

/// The listener did not take the SYN that ended a TIME-WAIT after all: no new connection follows the old one.
pub(crate) fn not_reopened(per_net: &PerNet, mut machine: TimeWait) {
    let mut out = Outbox::new();
    machine.evict(&mut out);
    per_net.counters().count(&out);
}

/// May a connect() take this connection's place (net.rtcpfsm.tw_reuse)? If so it has ended, and its numbers are the floor.
pub(crate) fn take_over(
    waiting: &WaitingRef,
    now: Instant,
    config: &Config,
    out: &mut Outbox,
) -> Option<ReuseFloor> {
    let mut data = waiting.lock();
    if data.ended {
        return None;
    }
    let floor = data.machine.may_reuse_for_connect(now, config)?;
    data.machine.evict(out);
    let per_net = per_net_of(waiting);
    end(waiting, &mut data, per_net);
    Some(floor)
}

/// Ends a TIME-WAIT whose namespace, or whose module, goes away.
pub(crate) fn evict(waiting: &WaitingRef) {
    let mut out = Outbox::new();
    let mut data = waiting.lock();
    if data.ended {
        return;
    }
    let per_net = per_net_of(waiting);
    data.machine.evict(&mut out);
    end(waiting, &mut data, per_net);
    drop(data);
    per_net.counters().count(&out);
}

/// What /proc shows of a TIME-WAIT.
pub(crate) fn status(waiting: &Small<Waiting>) -> crate::src::fsm::Status {
    waiting.lock().machine.status()
}
