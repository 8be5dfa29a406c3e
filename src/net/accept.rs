// SPDX-License-Identifier: GPL-2.0
//! What sockets share without their lock: a listener's queue, which is the requests that are half open and the connections that
//! wait for accept(); and what of a socket others look at.
//!
//! The queue has its own lock, a leaf (see [`super`]): segments reach it without the listener's lock.

use super::request::{self, RequestRef};
use super::{effects, Locked, Rtcpfsm, Socket};
use crate::src::fsm::{cookie, DropReason, Duration, Instant, Settings, State, UserCall};
use crate::src::kapi::lock::{lock_class, BhLock};
use crate::src::kapi::snapshot::Snapshot;
use crate::src::kapi::wait::Condition;
use crate::src::kapi::word::Word;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::atomic::Relaxed;

/// So exactly it is known when the last SYN cookie was sent.
const COOKIE_NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// What a socket shares without its lock.
pub(crate) struct Shared {
    queue: BhLock<Queue>,
    /// What the socket's program has set, unless it has set nothing.
    settings: Snapshot<Settings>,
    /// Of the queue what those look at who do not change it. Written under its lock, but for the limit.
    waiting: Word<u32>,
    half_open: Word<u32>,
    /// Connections that wait, and those for which a place is reserved.
    taken: Word<u32>,
    /// Not 0: connections are taken.
    open: Word<u32>,
    limit: Word<u32>,
    /// Octets that were not sent yet, as last counted, and from how many on nothing more is to be queued.
    unsent: Word<u32>,
    unsent_limit: Word<u32>,
    /// When a SYN was last answered by a cookie, in microseconds, to a second; 0: never.
    cookie_at: Word<u64>,
    /// What ICMP told while a process owned the socket, in one word of [`super::icmp`]; 0: nothing.
    icmp: Word<u64>,
    /// Where urgent data stands, see [`super::urgent`]. Written under the socket lock.
    pub(super) urgent: Word<u64>,
}

/// A listener's; another socket has none of it.
type Queue = Option<KBox<Lists>>;

#[derive(Default)]
struct Lists {
    /// Established connections: accepted from the end of `ready`, and when that is empty `arrived` is turned over into it.
    arrived: KVec<ARef<Socket>>,
    ready: KVec<ARef<Socket>>,
    /// All half-open requests; each knows its place.
    requests: KVec<RequestRef>,
}

/// A reserved place in an accept queue.
pub(crate) struct Slot(());

impl Shared {
    pub(crate) fn new() -> Self {
        Shared {
            queue: BhLock::new(None, lock_class!(c"rtcpfsm listener queue")),
            settings: Snapshot::new(lock_class!(c"rtcpfsm settings")),
            waiting: Word::new(0),
            half_open: Word::new(0),
            taken: Word::new(0),
            open: Word::new(0),
            limit: Word::new(0),
            unsent: Word::new(0),
            unsent_limit: Word::new(u32::MAX),
            cookie_at: Word::new(0),
            icmp: Word::new(0),
            urgent: Word::new(0),
        }
    }

    /// Notes what the socket's program has set, for the children of a listener.
    pub(crate) fn set_settings(&self, settings: Settings) {
        // That nothing was set needs not be said, unless something was.
        if settings != Settings::new() || self.settings.get().is_some() {
            self.settings.set(settings);
        }
    }

    /// What the socket's program has set.
    pub(crate) fn settings(&self) -> Settings {
        self.settings.get().unwrap_or(Settings::new())
    }

    /// Notes how many octets were not sent yet; only needed where there is a limit.
    #[inline]
    pub(crate) fn set_unsent(&self, octets: u32) {
        self.unsent.store(octets);
    }

    /// Notes from how many octets on that were not sent yet nothing more is to be queued (TCP_NOTSENT_LOWAT); `u32::MAX`: no
    /// limit.
    #[inline]
    pub(crate) fn set_unsent_limit(&self, limit: u32) {
        self.unsent_limit.store(limit);
    }

    /// May more octets be queued? `wake`: for a program that waits for it, which is not woken for a few.
    pub(crate) fn has_send_room(&self, wake: bool) -> bool {
        let limit = self.unsent_limit.load();
        let unsent = self.unsent.load();
        limit == u32::MAX || u64::from(unsent) << u32::from(wake) < u64::from(limit)
    }

    /// What ICMP told while a process owned the socket. It changes under the socket's spin lock.
    pub(super) fn icmp(&self) -> &Word<u64> {
        &self.icmp
    }

    /// Makes the queue of a socket that is to listen. The socket is locked by a process.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn make_queue(&self) -> Result {
        if self.queue.lock().is_none() {
            let lists = KBox::new(Lists::default(), GFP_KERNEL)?;
            *self.queue.lock() = Some(lists);
        }
        Ok(())
    }

    /// Starts to take connections, at most `backlog` waiting; or changes the limit.
    pub(crate) fn open(&self, backlog: u32) {
        let _queue = self.queue.lock();
        self.open.store(1);
        self.limit.store(backlog);
    }

    /// Does it take connections?
    pub(crate) fn is_open(&self) -> bool {
        self.open.load() != 0
    }

    /// Connections that wait for accept().
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load()
    }

    /// How many may wait (one more does, as in Linux).
    pub(crate) fn limit(&self) -> u32 {
        self.limit.load()
    }

    /// As Linux's sk_acceptq_is_full(): a backlog of n lets n + 1 wait.
    pub(crate) fn accept_queue_is_full(&self) -> bool {
        self.taken.load() > self.limit()
    }

    /// Stops taking connections, if none is half open or waiting; false: some are, nothing has changed.
    pub(crate) fn close_if_idle(&self) -> bool {
        let _queue = self.queue.lock();
        if self.half_open.load() != 0 || self.taken.load() != 0 {
            return false;
        }
        self.open.store(0);
        true
    }

    /// Is there no room for one more request? `max` is what any listener may have; the backlog asks for n + 1.
    pub(crate) fn requests_are_full(&self, max: u32) -> bool {
        let len = self.half_open.load();
        len >= max || len > self.limit()
    }

    /// A SYN was answered by a cookie.
    pub(crate) fn note_cookie(&self, now: Instant) {
        // A flood need not write this line of the cache for each of its segments.
        let last = self.last_cookie();
        if last.as_us() == 0 || now.since(last) >= COOKIE_NOTE_INTERVAL {
            self.cookie_at.store(now.as_us().max(1));
        }
    }

    /// May a cookie still come back? If not, no acknowledgment is looked at: it could only be a guess.
    pub(crate) fn cookies_are_out(&self, now: Instant) -> bool {
        let last = self.last_cookie();
        last.as_us() != 0 && now.since(last) <= cookie::LIFE + COOKIE_NOTE_INTERVAL
    }

    fn last_cookie(&self) -> Instant {
        Instant::from_us(self.cookie_at.load())
    }

    /// Lists a new request. `max` is what any listener may have; `None`: there is room in any case.
    ///
    /// # Errors
    ///
    /// `ListenOverflow`: [there is no room](Self::requests_are_full); `NoSocket`: closed; `NoMemory`.
    pub(crate) fn add_request(
        &self,
        request: &RequestRef,
        max: Option<u32>,
    ) -> Result<(), DropReason> {
        let mut queue = self.queue.lock();
        let lists = match &mut *queue {
            Some(lists) if self.is_open() => lists,
            _ => return Err(DropReason::NoSocket),
        };
        if max.is_some_and(|max| self.requests_are_full(max)) {
            return Err(DropReason::ListenOverflow);
        }
        let place = lists.requests.len() as u32;
        request.place().store(place, Relaxed);
        lists
            .requests
            .push(request.clone(), GFP_ATOMIC)
            .map_err(|_| DropReason::NoMemory)?;
        self.half_open.store(place + 1);
        Ok(())
    }

    /// Unlists a request, if it is listed.
    pub(crate) fn remove_request(&self, request: &RequestRef) {
        let mut queue = self.queue.lock();
        let Some(lists) = &mut *queue else { return };
        let place = request.place().load(Relaxed) as usize;
        let listed = lists
            .requests
            .get(place)
            .is_some_and(|at| core::ptr::eq(&**at, &**request));
        if !listed {
            return;
        }
        let last = lists.requests.pop();
        self.half_open.store(lists.requests.len() as u32);
        if let (Some(last), Some(slot)) = (last, lists.requests.get_mut(place)) {
            last.place().store(place as u32, Relaxed);
            let removed = core::mem::replace(slot, last);
            drop(queue);
            // Not the last reference: the caller has one.
            drop(removed);
        }
    }

    /// Reserves a place for a connection that is about to be established.
    pub(crate) fn reserve(&self) -> Option<Slot> {
        let mut queue = self.queue.lock();
        if !self.is_open() || self.accept_queue_is_full() {
            return None;
        }
        // The place is real: memory for it is there.
        (*queue).as_mut()?.arrived.reserve(1, GFP_ATOMIC).ok()?;
        self.taken.store(self.taken.load() + 1);
        Some(Slot(()))
    }

    /// Gives a place back.
    pub(crate) fn give_back(&self, _slot: Slot) {
        let _queue = self.queue.lock();
        self.taken.store(self.taken.load() - 1);
    }

    /// Takes the connection that has waited longest; and: does none wait any more?
    fn pop(&self) -> Option<(ARef<Socket>, bool)> {
        if self.waiting() == 0 {
            return None;
        }
        let mut queue = self.queue.lock();
        let lists: &mut Lists = (*queue).as_mut()?;
        if lists.ready.is_empty() {
            core::mem::swap(&mut lists.ready, &mut lists.arrived);
            lists.ready.reverse();
        }
        let sk = lists.ready.pop()?;
        self.taken.store(self.taken.load() - 1);
        let waiting = self.waiting.load() - 1;
        self.waiting.store(waiting);
        Some((sk, waiting == 0))
    }
}

/// Queues an established connection and tells who waits in accept(). If the listener was closed meanwhile, it is aborted.
pub(crate) fn push(listener: &ARef<Socket>, sk: ARef<Socket>, _slot: Slot) {
    let shared = listener.shared();
    let mut queue = shared.queue.lock();
    let refused = match &mut *queue {
        Some(lists) if shared.is_open() => match lists.arrived.push(sk.clone(), GFP_ATOMIC) {
            Ok(()) => {
                shared.waiting.store(shared.waiting.load() + 1);
                false
            }
            Err(_) => true,
        },
        _ => true,
    };
    if refused {
        shared.taken.store(shared.taken.load() - 1);
    }
    drop(queue);
    if refused {
        forget(&sk);
    } else {
        listener.data_ready();
    }
}

/// Ends a connection that nobody will accept: RFC 9293 3.10.5.
fn forget(sk: &Socket) {
    let mut locked = sk.bh_lock_child();
    if let Some(guard) = locked.unowned() {
        guard.orphan();
        if guard.tcb.state() == State::Closed {
            effects::bury(guard);
        } else {
            let _ = effects::user(guard, UserCall::ListenerClosed);
        }
    }
}

/// Stops taking connections: the requests end, and what waits for accept() is aborted. The listener is locked.
pub(crate) fn stop(listener: &mut Locked<'_>) {
    let shared = listener.sk().shared();
    {
        let _queue = shared.queue.lock();
        shared.open.store(0);
    }
    loop {
        let last = shared
            .queue
            .lock()
            .as_ref()
            .and_then(|lists| lists.requests.last().cloned());
        let Some(last) = last else { break };
        request::close_with_listener(&last);
        // If it had ended already, whoever ended it may not have unlisted it yet.
        shared.remove_request(&last);
    }
    while let Some((sk, _)) = shared.pop() {
        forget(&sk);
    }
}

/// Something waits for accept(), or the listener is none any more.
struct Acceptable;

impl Condition<Rtcpfsm> for Acceptable {
    fn holds(sk: &Socket) -> bool {
        sk.shared().waiting() > 0 || sk.kernel_state() != super::kernel_state(State::Listen)
    }
}

/// accept(): the oldest connection that waits, sleeping for one if need be.
///
/// # Errors
///
/// `EINVAL`: not listening; `EAGAIN`: none waits and the call must not, or SO_RCVTIMEO is over; or a signal.
pub(crate) fn accept(sk: &Socket, nonblocking: bool) -> Result<(ARef<Socket>, bool)> {
    let mut owned = sk.lock();
    let mut patience = owned.receive_patience(nonblocking);
    loop {
        if owned.tcb.state() != State::Listen {
            return Err(EINVAL);
        }
        if let Some(accepted) = sk.shared().pop() {
            return Ok(accepted);
        }
        if patience.is_over() {
            return Err(EAGAIN);
        }
        patience.interrupted()?;
        owned.wait_until::<Acceptable>(&mut patience, true);
    }
}
