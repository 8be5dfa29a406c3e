// SPDX-License-Identifier: GPL-2.0
//! Half-open requests: between the SYN for a listener and the ACK of our SYN-ACK, no socket exists, only a small object.
//!
//! A request holds its listener. It ends once, under its own lock (`ended`): by becoming a socket, by an RST, by a timeout, or
//! with its listener. Locks: see [`super`].

use super::accept::{self, Slot};
use super::pernet::{PerNet, Reading};
use super::rx::{self, Arrived, Taken};
use super::{cookie, instance, now, tx, Rtcpfsm, Socket};
use crate::src::fsm::{
    initial_sequence_number, listen_on_segment, Config, DropReason, Instant, ListenVerdict, Outbox,
    ReqTimer, ReqVerdict, SegmentOut, SeqNumber, SynReq, SynReqParams,
};
use crate::src::kapi::hash::{flag, Key, Kind};
use crate::src::kapi::lock::{lock_class, Class};
use crate::src::kapi::netns::Net;
use crate::src::kapi::proto::Registration;
use crate::src::kapi::route::{KeptRoute, Route};
use crate::src::kapi::small::{CacheCell, Small, SmallObject};
use core::ops::ControlFlow;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// A half-open request, behind its own lock.
pub(crate) struct Request {
    /// Its machine.
    machine: SynReq,
    listener: ARef<Socket>,
    /// Where the SYN came in; link-local answers leave there.
    interface: i32,
    mark: u32,
    /// The way that the SYN-ACK went, for the connection.
    route: Option<KeptRoute>,
    ended: bool,
}

/// Requests are shown and listed by what they are.
pub(crate) type RequestRef = ARef<Small<Request>>;

static CACHE: CacheCell = CacheCell::new();

impl SmallObject for Request {
    type Protocol = Rtcpfsm;
    const KIND: Kind = Kind::Request;

    fn class() -> Class {
        lock_class!(c"rtcpfsm request")
    }

    fn cache() -> &'static CacheCell {
        &CACHE
    }

    fn on_timer(this: RequestRef) {
        let net = listener_of(&this);
        let settings = net.shared().settings();
        let net = net.net();
        let now = now();
        let mut config = *PerNet::of(net).config(&mut Reading::new());
        config.synack_retries = settings.synack_retries(&config);
        let mut out = Outbox::new();
        let mut data = this.lock();
        if data.ended {
            return;
        }
        match data.machine.on_timer(now, &config, &mut out) {
            ReqTimer::Resend => {
                let segment = data.machine.syn_ack(now);
                rearm(&this, &data.machine);
                let (listener, interface, mark) =
                    (data.listener.clone(), data.interface, data.mark);
                drop(data);
                let _ = tx::send_sockless(
                    net,
                    &listener,
                    &this.head().key(),
                    &segment,
                    interface,
                    mark,
                );
            }
            ReqTimer::NotYet => rearm(&this, &data.machine),
            ReqTimer::GiveUp => {
                end(&this, &mut data);
                drop(data);
            }
        }
        PerNet::of(net).counters().count(&out);
    }
}

fn listener_of(request: &Small<Request>) -> ARef<Socket> {
    request.lock().listener.clone()
}

fn rearm(request: &Small<Request>, machine: &SynReq) {
    if let Some((_, deadline)) = machine.next_deadline() {
        request.arm(deadline.as_us());
    }
}

/// RFC 9293 3.10.7.2: a segment for a listener. The listener is not locked: nothing of it changes but its queue.
pub(crate) fn listen<'a>(listener: &ARef<Socket>, mut arrived: Arrived<'a>) -> Taken<'a> {
    if !rx::admits(listener, &mut arrived) {
        return Taken::Done;
    }
    let net = listener.net();
    let per_net = PerNet::of(net);
    match listen_on_segment(arrived.segment) {
        ListenVerdict::Drop(reason) => per_net.counters().drop(reason),
        ListenVerdict::Reset(segment, reason) => {
            let arrived = match cookie::take(listener, arrived) {
                ControlFlow::Break(taken) => return taken,
                ControlFlow::Continue(arrived) => arrived,
            };
            per_net.counters().drop(DropReason::ListenAck);
            per_net.counters().reset(reason);
            let _ = tx::send_reset(net, Some(&**listener), &arrived, &segment);
        }
        ListenVerdict::Open => {
            if let Err(reason) = open(listener, &arrived, None) {
                per_net.counters().drop(reason);
            }
        }
    }
    Taken::Done
}

/// A SYN that may open, in spite of a TIME-WAIT if there is a floor: makes the request and answers with a SYN-ACK.
///
/// # Errors
///
/// Why there is no request; no arc was taken then.
pub(crate) fn open(
    listener: &ARef<Socket>,
    arrived: &Arrived<'_>,
    floor: Option<SeqNumber>,
) -> Result<(), DropReason> {
    let net = listener.net();
    let per_net = PerNet::of(net);
    let device = listener.bound_device();
    let interface = tx::answer_interface(arrived.key.remote, arrived.interfaces(), device);
    let now = now();
    let mut reading = Reading::new();
    let config = per_net.config(&mut reading);
    let shared = listener.shared();
    if shared.accept_queue_is_full() {
        return Err(DropReason::AcceptQueueFull);
    }
    let key = &arrived.key;
    let mark = listener.mark();
    let route = Route::find(
        net,
        Some(&**listener),
        key,
        interface,
        mark,
        instance().protocol,
    )
    .map_err(|_| DropReason::NoRoute)?;
    let hash = instance().secret.connection(key);
    let params = params_of_listener(listener, key, hash, now, &route, config, floor);
    // RFC 6191: who opens anew what is in TIME-WAIT has proved to be there, and a cookie knows no floor. There is room for such a request:
    // it takes that of the TIME-WAIT.
    let max = floor.is_none().then_some(config.max_syn_backlog);
    if floor.is_none() && cookie::wanted(shared, config) {
        cookie::answer(listener, arrived, now, (&params, hash), config, route);
        return Ok(());
    }
    let mut out = Outbox::new();
    let mut machine = SynReq::open(
        now,
        arrived.segment,
        &params,
        floor.is_some(),
        config,
        &mut out,
    );
    machine.defer(shared.settings().defer_accept());
    let segment = machine.syn_ack(now);
    let request = Small::new(Request {
        machine,
        listener: listener.clone(),
        interface,
        mark,
        route: route.keep(listener),
        ended: false,
    })
    .map_err(|_| DropReason::NoMemory)?;
    {
        // Whoever finds it may end it: not before it is in the queue and in the table, and its timer runs. It may be found as soon as it
        // has its key, by one who looks at what lay in its memory before.
        let mut data = request.lock();
        request.head().set_key(key, arrived.hash);
        request
            .head()
            .set_flags(listener.head().flags() & flag::V6, true);
        request.head().set_bound_device(interface as u32);
        let opened = shared.add_request(&request, max).and_then(|()| {
            if instance().tables.insert_unique(net, &*request) {
                return Ok(());
            }
            // The same SYN on another CPU was first.
            shared.remove_request(&request);
            Err(DropReason::SynAgain)
        });
        if let Err(reason) = opened {
            // There is nothing to end for one who has found it.
            data.ended = true;
            return Err(reason);
        }
        rearm(&request, &data.machine);
    }
    per_net.counters().count(&out);
    // From here on it ends with its listener, if that is closed just now (`accept::stop`): there is no error to tell.
    if !shared.is_open() {
        return Ok(());
    }
    // If it does not leave now, the timer sends it again.
    let _ = tx::send_by(net, Some(&**listener), route, key, &segment);
    Ok(())
}

/// What the machine is told of this host and this way, for the passive side of an open. `hash`: see [`secrets`].
fn params(
    key: &Key,
    hash: u64,
    now: Instant,
    route: &Route,
    config: &Config,
    floor: Option<SeqNumber>,
) -> SynReqParams {
    let v4 = key.remote.is_v4();
    let (iss, ts_offset) = secrets(hash, now, floor);
    let mss = tx::mss_of_mtu(route.mtu(), v4);
    SynReqParams {
        iss,
        ts_offset,
        mss,
        default_snd_mss: default_mss(v4),
        path_mss: mss,
        rcv_space: config.rmem.default / 2,
        rcv_wscale: crate::src::fsm::window::scale_for(config.rmem.max),
    }
}

/// As [`params`], for a connection that this listener makes.
pub(super) fn params_of_listener(
    listener: &Socket,
    key: &Key,
    hash: u64,
    now: Instant,
    route: &Route,
    config: &Config,
    floor: Option<SeqNumber>,
) -> SynReqParams {
    let settings = listener.shared().settings();
    let params = params(key, hash, now, route, config, floor);
    SynReqParams {
        rcv_space: settings.clamp_window(listener.rcvbuf() / 2),
        mss: settings.cap_mss(params.mss),
        ..params
    }
}

/// RFC 9293 3.7.1, MUST-15: the send MSS of a peer that says nothing.
pub(crate) fn default_mss(v4: bool) -> u16 {
    if v4 {
        536
    } else {
        1220
    }
}

/// RFC 6528: the initial sequence number, and RFC 7323 7.1: the offset of the timestamps, of the connection whose hash under
/// the host's secret this is.
pub(crate) fn secrets(hash: u64, now: Instant, floor: Option<SeqNumber>) -> (SeqNumber, u32) {
    let iss = initial_sequence_number(hash as u32, now);
    let iss = match floor {
        Some(floor) if !iss.after(floor) => floor,
        _ => iss,
    };
    (iss, (hash >> 32) as u32)
}

/// RFC 9293 3.10.7.4 in SYN-RECEIVED: a segment for a half-open request.
pub(crate) fn segment<'a>(request: &RequestRef, mut arrived: Arrived<'a>) -> Taken<'a> {
    let mut data = request.lock();
    if data.ended {
        return Taken::Again(arrived);
    }
    let listener = data.listener.clone();
    if !rx::admits(&listener, &mut arrived) {
        return Taken::Done;
    }
    let net = listener.net();
    let per_net = PerNet::of(net);
    let now = now();
    let mut reading = Reading::new();
    let config = per_net.config(&mut reading);
    let mut out = Outbox::new();
    let verdict = data
        .machine
        .on_segment(now, arrived.segment, config, &mut out);
    let taken = match verdict {
        ReqVerdict::Keep => {
            rearm(request, &data.machine);
            drop(data);
            Taken::Done
        }
        ReqVerdict::Remove => {
            end(request, &mut data);
            drop(data);
            Taken::Done
        }
        ReqVerdict::Establish => match listener.shared().reserve() {
            None => {
                // RFC 9293 3.10.7.4: as if the ACK were lost; our SYN-ACK will ask for it again.
                drop(data);
                per_net.counters().drop(DropReason::AcceptQueueFull);
                Taken::Done
            }
            Some(slot) => match child(
                request,
                &mut data,
                &listener,
                (&arrived.key, arrived.hash),
                now,
                config,
            ) {
                None => {
                    drop(data);
                    per_net.counters().drop(DropReason::NoMemory);
                    listener.shared().give_back(slot);
                    Taken::Done
                }
                Some(sk) => {
                    data.ended = true;
                    request.disarm();
                    drop(data);
                    listener.shared().remove_request(request);
                    establish(&listener, sk, slot, arrived, now);
                    return Taken::Done;
                }
            },
        },
    };
    per_net.counters().count(&out);
    if let Some(reply) = out.reply {
        if per_net.allows(&reply, now, config) {
            send(net, &listener, request, &reply.segment);
        }
    }
    taken
}

fn send(net: &Net, listener: &Socket, request: &Small<Request>, segment: &SegmentOut) {
    let (interface, mark) = {
        let data = request.lock();
        (data.interface, data.mark)
    };
    let _ = tx::send_sockless(
        net,
        listener,
        &request.head().key(),
        segment,
        interface,
        mark,
    );
}

/// Makes the socket of an established request and puts it in the request's place in the tables.
fn child(
    request: &RequestRef,
    data: &mut Request,
    listener: &ARef<Socket>,
    key: (&Key, u32),
    now: Instant,
    config: &Config,
) -> Option<ARef<Socket>> {
    let (device, route) = (data.interface, data.route.take());
    let sk = new_child(&data.machine, listener, key, (device, route), now, config)?;
    // Who still finds the request waits for its lock, and then looks again.
    let replaced = instance().tables.replace(&**request, &*sk);
    debug_assert!(replaced);
    Some(sk)
}

/// The socket of a request, its port taken; it is not found by its connection, of this key and hash, yet. It leaves by this device
/// (0: any), and this way, if that is known.
pub(super) fn new_child(
    machine: &SynReq,
    listener: &ARef<Socket>,
    (key, hash): (&Key, u32),
    (device, route): (i32, Option<KeptRoute>),
    now: Instant,
    config: &Config,
) -> Option<ARef<Socket>> {
    let (local, remote) = (
        (key.local, key.local_port()),
        (key.remote, key.remote_port()),
    );
    let sk = Registration::clone_listener(listener, local, remote, device as u32)?;
    {
        let mut locked = sk.bh_lock();
        // Nobody else knows the child yet.
        let locked = locked.unowned()?;
        locked.set_kernel_state_silently(super::kernel_state(crate::src::fsm::State::SynReceived));
        machine.establish(now, config, &mut locked.tcb);
        let settings = listener.shared().settings().inherited();
        locked.tcb.apply_settings(settings, config);
        sk.shared().set_settings(settings);
        locked.queue_start = locked.tcb.send_queue_start();
        if let Some(route) = route {
            locked.follow(route);
        }
        locked.refresh_bind_flags();
    }
    let tables = &instance().tables;
    sk.head().set_key(key, hash);
    sk.head().set_flags(
        listener.head().flags() & !crate::src::kapi::hash::flag::LISTENING,
        true,
    );
    tables.ports.insert(&*sk);
    Some(sk)
}

/// The child meets its first segment: it is established, and waits for accept(), unless that segment ends it.
pub(super) fn establish(
    listener: &ARef<Socket>,
    sk: ARef<Socket>,
    slot: Slot,
    arrived: Arrived<'_>,
    now: Instant,
) {
    {
        let mut locked = sk.bh_lock();
        match locked.unowned() {
            // The listener has admitted it for its child.
            Some(guard) if !rx::has_ended(guard) => {
                rx::meet(guard, arrived.skb, arrived.segment, now)
            }
            Some(_) => {}
            // Segments may find it already, but no process has it before it waits for accept().
            None => return,
        }
    }
    accept::push(listener, sk, slot);
}

/// Ends a request under its lock: out of the table, the timer and the queue. It dies with its last reference.
fn end(request: &RequestRef, data: &mut Request) {
    data.ended = true;
    request.disarm();
    instance().tables.connections.remove(&**request);
    data.listener.shared().remove_request(request);
}

/// The listener was closed: RFC 9293 3.10.4.
pub(crate) fn close_with_listener(request: &RequestRef) {
    let mut out = Outbox::new();
    let mut data = request.lock();
    if data.ended {
        return;
    }
    data.machine.on_listener_closed(&mut out);
    let listener = data.listener.clone();
    end(request, &mut data);
    drop(data);
    PerNet::of(listener.net()).counters().count(&out);
    if let Some(reply) = out.reply {
        send(listener.net(), &listener, request, &reply.segment);
    }
}

/// What /proc shows of a request.
pub(crate) fn status(request: &Small<Request>) -> (crate::src::fsm::Status, u32) {
    let data = request.lock();
    (data.machine.status(), data.listener.uid())
}

/// An ICMP error that quotes our SYN-ACK.
pub(crate) fn icmp(request: &RequestRef, quoted: SeqNumber, hard: bool) {
    let mut data = request.lock();
    let mut out = Outbox::new();
    if data.ended || !data.machine.on_icmp(quoted, hard, &mut out) {
        return;
    }
    end(request, &mut data);
    let listener = data.listener.clone();
    drop(data);
    PerNet::of(listener.net()).counters().count(&out);
}
