// SPDX-License-Identifier: GPL-2.0
//! The protocol in the kernel: sockets, packets, timers and tables around the pure machine of [`crate::src::fsm`].
//!
//! # Who does what
//!
//! A segment comes in by [`rx`], which finds the object that it is for in [`tables`], locks it and asks the machine. What
//! the machine wants done comes back in an `Outbox` and is carried out by [`effects`]; [`tx`] makes packets. System calls
//! come in by [`socket`] (and [`bind`], [`connect`], [`stream`], [`splice`], [`urgent`], [`accept`]), timers by
//! [`Protocol::on_timer`]: all three end in [`effects`]. [`request`] and [`time_wait`] are the small objects before and after a
//! socket's life; [`cookie`] does without the first.
//!
//! # Locks
//!
//! In this order, none ever taken in the other:
//!
//! 1. the socket lock (a listener's before its child's),
//! 2. the lock of a request or of a TIME-WAIT,
//! 3. a bucket of the table of bound ports,
//! 4. a bucket of the table of connections or of listeners, never two at once,
//! 5. a listener's queue, the challenge budget, the writers of a [snapshot](crate::src::kapi::snapshot) and of what is
//!    [published](crate::src::kapi::published): leaves.
//!
//! RCU readers stand outside. No socket lock is taken under any of the others: a reference is taken, the lock released, the
//! socket locked, and what was read before is asked again. But for one: a request's socket is made under the request's lock, and is
//! locked while it is filled. It has no key yet, so that nobody else can find it, let alone wait for what its maker holds.

pub(crate) mod accept;
pub(crate) mod bind;
pub(crate) mod connect;
pub(crate) mod cookie;
pub(crate) mod effects;
pub(crate) mod icmp;
pub(crate) mod options;
pub(crate) mod pernet;
pub(crate) mod records;
pub(crate) mod request;
pub(crate) mod rx;
pub(crate) mod show;
pub(crate) mod socket;
pub(crate) mod splice;
pub(crate) mod stream;
pub(crate) mod tables;
pub(crate) mod time_wait;
pub(crate) mod tx;
pub(crate) mod urgent;

use crate::src::fsm::{self, Instant, SeqNumber, State};
use crate::src::kapi::global::Global;
use crate::src::kapi::guard::Guard;
use crate::src::kapi::random::SipKey;
use crate::src::kapi::sock::{Protocol, Sock};
use crate::src::kapi::time;
use kernel::sync::aref::ARef;

/// The protocol, as a type.
pub(crate) struct Rtcpfsm;

/// A socket of ours.
pub(crate) type Socket = Sock<Rtcpfsm>;
/// The proof that a socket of ours is locked.
pub(crate) type Locked<'a> = Guard<'a, Rtcpfsm>;

/// The machine of a connection, with its lists in the kernel's memory.
pub(crate) type Tcb = fsm::Tcb<records::Records>;

/// What the socket lock guards.
pub(crate) struct Connection {
    /// The machine.
    pub(crate) tcb: Tcb,
    /// The sequence number of the first octet in the send queue.
    pub(crate) queue_start: SeqNumber,
    /// Segments that waited for the socket are being handled: what they ask for is sent after the last (MUST-58, MUST-59).
    pub(crate) in_backlog: bool,
    /// After close(): the reference that the file had, kept until the connection has ended.
    pub(crate) orphan: Option<ARef<Socket>>,
    /// Packets say that the path may mark them (RFC 3168).
    pub(crate) ect: bool,
    /// The receive buffer and what of it is taken, in octets, of which the machine knows; `None`: it has to be told.
    pub(crate) room_told: Option<(u32, u32)>,
    /// The path MTU that the machine was told last, in octets.
    pub(crate) path_mtu: u32,
}

/// What all of the module shares while it is loaded.
pub(crate) struct Instance {
    /// The IP protocol number.
    pub(crate) protocol: u8,
    /// Where connections, listeners and ports are found.
    pub(crate) tables: tables::Tables,
    /// The secret of initial sequence numbers and timestamp offsets (RFC 6528, RFC 7323 7.1).
    pub(crate) secret: SipKey,
    /// The secret of SYN cookies (RFC 4987 3.6).
    pub(crate) cookie_secret: SipKey,
}

static INSTANCE: Global<Instance> = Global::new();

/// The loaded module.
pub(crate) fn instance() -> &'static Instance {
    INSTANCE.get()
}

/// Where [`instance`] is published.
pub(crate) fn instance_cell() -> &'static Global<Instance> {
    &INSTANCE
}

/// The machine's clock.
pub(crate) fn now() -> Instant {
    Instant::from_us(time::now_us())
}

impl Protocol for Rtcpfsm {
    type Shared = accept::Shared;
    type Locked = Connection;
    type PerNet = pernet::PerNet;
    type Request = request::Request;
    type TimeWait = time_wait::Waiting;

    fn shared() -> accept::Shared {
        accept::Shared::new()
    }

    fn locked() -> Connection {
        Connection {
            tcb: Tcb::new(),
            queue_start: SeqNumber::default(),
            orphan: None,
            in_backlog: false,
            ect: false,
            room_told: None,
            path_mtu: 0,
        }
    }

    fn on_release(sk: &mut Locked<'_>) {
        icmp::deferred(sk);
        effects::send_due(sk);
    }

    fn on_timer(sk: &mut Locked<'_>) {
        // A peer that answers probes of its closed window could keep what nobody waits for any more for ever.
        if sk.orphan.is_some() && sk.sk().is_out_of_memory() {
            let _ = effects::user(sk, fsm::UserCall::OrphanLimit);
            return;
        }
        effects::run(sk, |tcb, now, config, out| tcb.on_timer(now, config, out));
    }
}

/// The kernel's name for a state of the machine.
pub(crate) fn kernel_state(state: State) -> u32 {
    use crate::src::kapi::state;
    match state {
        State::Closed => state::CLOSE,
        State::Listen => state::LISTEN,
        State::SynSent => state::SYN_SENT,
        State::SynReceived => state::SYN_RECV,
        State::Established => state::ESTABLISHED,
        State::FinWait1 => state::FIN_WAIT1,
        State::FinWait2 => state::FIN_WAIT2,
        State::CloseWait => state::CLOSE_WAIT,
        State::Closing => state::CLOSING,
        State::LastAck => state::LAST_ACK,
        State::TimeWait => state::TIME_WAIT,
    }
}
