// SPDX-License-Identifier: GPL-2.0
//! Sockets (`struct sock`) of one protocol, with the protocol's own data behind the socket lock.
//!
//! A [`Sock`] is the kernel's `inet_sock` and, behind it in the same memory, a [`Head`] by which it is found, what
//! the protocol shares without the socket lock, and what the socket lock guards. The lock's two halves are two types:
//! [`Owned`] is what a process gets by `lock_sock()`; [`BhLocked`] is the spin lock in a softirq, which is worth something
//! only while no process owns the socket ([`BhLocked::unowned`]). Both give a [`Guard`], the proof that the locked
//! data may be touched.

use super::addr::{Address, Endpoint};
use super::hash::{flag, Head, Key, Kind};
use super::netns::Net;
use super::skb::Skb;
use super::small::SmallObject;
use super::time;
use crate::src::ffi::bindings;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::aref::{ARef, AlwaysRefCounted};
use kernel::sync::atomic::{Atomic, Relaxed};

/// What a protocol keeps in its objects; its operations are in [`super::proto::Operations`].
pub(crate) trait Protocol: Sized + 'static {
    /// Reached without the socket lock: has its own locks.
    type Shared: Send + Sync;
    /// Guarded by the socket lock.
    type Locked: Send;
    /// A half-open request's data, guarded by the request's own lock.
    type Request: SmallObject<Protocol = Self>;
    /// A TIME-WAIT's data, guarded by its own lock.
    type TimeWait: SmallObject<Protocol = Self>;

    /// A new socket's shared data.
    fn shared() -> Self::Shared;
    /// A new socket's locked data.
    fn locked() -> Self::Locked;
    /// The socket's timer fired.
    fn on_timer(sk: &mut Guard<'_, Self>);
}

/// The directions of shutdown().
pub(crate) mod shutdown {
    use crate::src::ffi::bindings as c;
    pub(crate) const RECEIVE: u8 = c::RCV_SHUTDOWN as u8;
    pub(crate) const SEND: u8 = c::SEND_SHUTDOWN as u8;
}

/// What SIGIO says, and to whom.
pub(crate) mod wake {
    use crate::src::ffi::bindings as c;
    pub(crate) const IO: u32 = c::SOCK_WAKE_IO;
    pub(crate) const WAIT_DATA: u32 = c::SOCK_WAKE_WAITD;
    pub(crate) const POLL_IN: u32 = c::POLL_IN;
    pub(crate) const POLL_OUT: u32 = c::POLL_OUT;
}

/// The events of poll().
pub(crate) mod poll {
    use crate::src::ffi::bindings as c;
    pub(crate) const IN: u32 = c::RTCPFSM_EPOLLIN;
    pub(crate) const OUT: u32 = c::RTCPFSM_EPOLLOUT;
    pub(crate) const ERR: u32 = c::RTCPFSM_EPOLLERR;
    pub(crate) const HUP: u32 = c::RTCPFSM_EPOLLHUP;
    pub(crate) const RDHUP: u32 = c::RTCPFSM_EPOLLRDHUP;
    pub(crate) const RDNORM: u32 = c::RTCPFSM_EPOLLRDNORM;
    pub(crate) const WRNORM: u32 = c::RTCPFSM_EPOLLWRNORM;
}

/// The memory of a socket.
#[repr(C)]
pub(super) struct Storage<P: Protocol> {
    inet: bindings::inet_sock,
    pub(super) head: Head,
    /// Microseconds since boot when the pending timer fires, or 0. Guarded by the socket lock.
    timer_at: Atomic<u64>,
    /// The timer fired while a process owned the socket.
    timer_deferred: Atomic<u32>,
    pub(super) send: UnsafeCell<super::stream::SendState>,
    pub(super) rcv_queued: Atomic<u32>,
    shared: MaybeUninit<P::Shared>,
    locked: UnsafeCell<MaybeUninit<P::Locked>>,
}

/// The memory of an `AF_INET6` socket.
#[repr(C)]
pub(super) struct Storage6<P: Protocol> {
    pub(super) base: Storage<P>,
    pub(super) v6: bindings::ipv6_pinfo,
}

/// A socket of protocol `P`, shared: what needs no lock.
#[repr(transparent)]
pub(crate) struct Sock<P: Protocol>(UnsafeCell<Storage<P>>);

// SAFETY: Sockets are shared between CPUs; what is not atomic is behind the socket lock or a queue's lock.
unsafe impl<P: Protocol> Sync for Sock<P> {}
// SAFETY: The last reference may go on any CPU.
unsafe impl<P: Protocol> Send for Sock<P> {}

// SAFETY: The count is that of the kernel's socket.
unsafe impl<P: Protocol> AlwaysRefCounted for Sock<P> {
    fn inc_ref(&self) {
        // SAFETY: `&self` keeps the socket alive.
        unsafe { bindings::rtcpfsm_sock_hold(self.raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: By this function's contract there is a reference to give up.
        unsafe { bindings::rtcpfsm_sock_put(obj.as_ptr().cast()) };
    }
}

impl<P: Protocol> Sock<P> {
    /// # Safety
    ///
    /// `sk` is a live, initialised socket of protocol `P` for all of `'a`.
    pub(super) unsafe fn from_raw<'a>(sk: *mut bindings::sock) -> &'a Self {
        // SAFETY: By this function's contract; `Sock` is the memory that starts with the `sock`.
        unsafe { &*sk.cast() }
    }

    pub(super) fn raw(&self) -> *mut bindings::sock {
        self.0.get().cast()
    }

    pub(super) fn inet(&self) -> *mut bindings::inet_sock {
        self.0.get().cast()
    }

    fn storage(&self) -> *mut Storage<P> {
        self.0.get()
    }

    /// The socket that this head lies in.
    ///
    /// # Safety
    ///
    /// The head is that of a socket of protocol `P` (`Kind::Socket`), in memory that is not given back during `'a`.
    pub(super) unsafe fn of_head<'a>(head: &Head) -> &'a Self {
        let offset = core::mem::offset_of!(Storage<P>, head);
        // SAFETY: By this function's contract.
        unsafe { &*core::ptr::from_ref(head).byte_sub(offset).cast::<Self>() }
    }

    /// A reference, unless the last one is already gone. For readers under RCU.
    #[inline]
    pub(super) fn try_get(&self) -> Option<ARef<Self>> {
        // SAFETY: The count lies in type-stable memory.
        if unsafe { bindings::rtcpfsm_sock_hold_not_zero(self.raw()) } {
            // SAFETY: We own that reference.
            Some(unsafe { ARef::from_raw(NonNull::from(self)) })
        } else {
            None
        }
    }

    /// Links and key.
    pub(crate) fn head(&self) -> &Head {
        // SAFETY: The head is only changed through its atomics.
        unsafe { &(*self.storage()).head }
    }

    /// What the protocol shares without the socket lock.
    pub(crate) fn shared(&self) -> &P::Shared {
        // SAFETY: Written by `init` before the socket could be reached, dropped with it.
        unsafe { (*self.storage()).shared.assume_init_ref() }
    }

    pub(super) fn send_state(&self) -> *mut super::stream::SendState {
        // SAFETY: The field of a live socket.
        unsafe { (*self.storage()).send.get() }
    }

    pub(super) fn rcv_queued_word(&self) -> &Atomic<u32> {
        // SAFETY: An atomic of a live socket.
        unsafe { &(*self.storage()).rcv_queued }
    }

    /// Octets that wait to be read.
    pub(crate) fn rcv_queued(&self) -> u32 {
        self.rcv_queued_word().load(Relaxed)
    }

    fn timer_at(&self) -> &Atomic<u64> {
        // SAFETY: An atomic of a live socket.
        unsafe { &(*self.storage()).timer_at }
    }

    fn timer_deferred(&self) -> &Atomic<u32> {
        // SAFETY: An atomic of a live socket.
        unsafe { &(*self.storage()).timer_deferred }
    }

    /// First steps of a socket's life: writes all that lies behind the kernel's part.
    ///
    /// # Safety
    ///
    /// `sk` is a socket whose memory has the size of `Storage<P>`, whose kernel part is initialised, and which nobody else
    /// can reach.
    pub(super) unsafe fn init_raw(sk: *mut bindings::sock) {
        let storage: *mut Storage<P> = sk.cast();
        // SAFETY: By this function's contract the memory is ours.
        unsafe {
            // Stale readers may look at the head: it is written by its atomics, `next` left as it is.
            core::ptr::addr_of_mut!((*storage).head).write(Head::new(Kind::Socket));
            core::ptr::addr_of_mut!((*storage).timer_at).write(Atomic::new(0));
            core::ptr::addr_of_mut!((*storage).timer_deferred).write(Atomic::new(0));
            core::ptr::addr_of_mut!((*storage).send).write(UnsafeCell::new(Default::default()));
            core::ptr::addr_of_mut!((*storage).rcv_queued).write(Atomic::new(0));
            core::ptr::addr_of_mut!((*storage).shared)
                .cast::<P::Shared>()
                .write(P::shared());
            core::ptr::addr_of_mut!((*storage).locked)
                .cast::<P::Locked>()
                .write(P::locked());
            bindings::rtcpfsm_sk_timer_setup(sk, Some(timer_fired::<P>));
            bindings::rtcpfsm_sock_set_flag(sk, bindings::sock_flags_SOCK_USE_WRITE_QUEUE as i32);
        }
    }

    /// Last step of a socket's life: drops what `init_raw` wrote.
    ///
    /// # Safety
    ///
    /// Called once, when the last reference is gone.
    pub(super) unsafe fn destruct_raw(sk: *mut bindings::sock) {
        let storage: *mut Storage<P> = sk.cast();
        // SAFETY: By this function's contract.
        unsafe {
            assert!(!(*storage).head.is_hashed() && !(*storage).head.is_bound());
            (*storage).shared.assume_init_drop();
            (*storage).locked.get_mut().assume_init_drop();
        }
    }

    /// The socket's namespace.
    pub(crate) fn net(&self) -> &Net {
        // SAFETY: A socket keeps its namespace alive.
        unsafe { Net::from_ptr(bindings::rtcpfsm_sock_net(self.raw())) }
    }

    /// The state that the kernel's own code sees (`TCP_LISTEN`, ...).
    pub(crate) fn kernel_state(&self) -> u32 {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sk_state_load(self.raw()) as u32 }
    }

    /// Is it an `AF_INET6` socket?
    pub(crate) fn is_v6(&self) -> bool {
        // SAFETY: Never changes while the socket lives.
        u32::from(unsafe { (*self.raw()).__sk_common.skc_family }) == bindings::AF_INET6
    }

    /// Does it take IPv6 only (IPV6_V6ONLY)?
    pub(crate) fn is_v6_only(&self) -> bool {
        // SAFETY: The socket is alive.
        self.is_v6() && unsafe { bindings::rtcpfsm_ipv6_only(self.raw()) }
    }

    /// The protocol number that it was opened with.
    pub(crate) fn protocol(&self) -> u8 {
        // SAFETY: Never changes while the socket lives.
        unsafe { (*self.raw()).sk_protocol as u8 }
    }

    /// SO_MARK.
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: A racy read of a word, as the kernel does it.
        unsafe { core::ptr::addr_of!((*self.raw()).sk_mark).read_volatile() }
    }

    /// SO_RCVBUF: the limit of what the receive queue may hold, in octets of memory.
    pub(crate) fn rcvbuf(&self) -> u32 {
        // SAFETY: A racy read of a word, as the kernel does it.
        unsafe {
            core::ptr::addr_of!((*self.raw()).sk_rcvbuf)
                .read_volatile()
                .max(0) as u32
        }
    }

    /// SO_SNDBUF: the limit of what the send queue may hold, in octets of memory.
    pub(crate) fn sndbuf(&self) -> u32 {
        // SAFETY: A racy read of a word, as the kernel does it.
        unsafe {
            core::ptr::addr_of!((*self.raw()).sk_sndbuf)
                .read_volatile()
                .max(0) as u32
        }
    }

    /// Memory that the receive queue holds now.
    pub(crate) fn rmem_alloc(&self) -> u32 {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sk_rmem_alloc(self.raw()).max(0) as u32 }
    }

    /// Memory that the send queue holds now.
    pub(crate) fn wmem_queued(&self) -> u32 {
        // SAFETY: A racy read of a word, as the kernel does it.
        unsafe {
            core::ptr::addr_of!((*self.raw()).sk_wmem_queued)
                .read_volatile()
                .max(0) as u32
        }
    }

    /// The user that it belongs to, as the reader's user namespace numbers it.
    pub(crate) fn uid(&self) -> u32 {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sk_uid_value(self.raw()) }
    }

    /// The inode of its file; 0: no process has it any more.
    pub(crate) fn inode(&self) -> u64 {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sk_inode(self.raw()) as u64 }
    }

    /// Has the last process let it go?
    pub(crate) fn is_dead(&self) -> bool {
        self.flag(bindings::sock_flags_SOCK_DEAD)
    }

    pub(super) fn flag(&self, flag: u32) -> bool {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sock_flag(self.raw(), flag as i32) }
    }

    /// Is the socket usable for packets of this interface (SO_BINDTODEVICE)?
    pub(crate) fn takes_interface(&self, interfaces: (i32, i32)) -> bool {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_same_bind_dev(self.raw(), interfaces.0, interfaces.1) }
    }

    /// SO_BINDTODEVICE as an interface index; 0: any.
    pub(crate) fn bound_device(&self) -> u32 {
        // SAFETY: A racy read of a word, as the kernel does it.
        unsafe {
            core::ptr::addr_of!((*self.raw()).__sk_common.skc_bound_dev_if).read_volatile() as u32
        }
    }

    /// Tells readers that something can be read; of a listener, that a connection waits.
    pub(crate) fn data_ready(&self) {
        // SAFETY: The callback is set for the socket's whole life.
        unsafe {
            if let Some(data_ready) = (*self.raw()).sk_data_ready {
                data_ready(self.raw());
            }
        }
    }

    /// Which directions are shut down just now.
    pub(crate) fn shutdown_now(&self) -> u8 {
        // SAFETY: A racy read of a byte, as the kernel does it.
        unsafe { core::ptr::addr_of!((*self.raw()).sk_shutdown).read_volatile() }
    }

    /// Is an error pending, of the connection or in the error queue?
    pub(crate) fn has_pending_error(&self) -> bool {
        // SAFETY: Racy reads, as the kernel does it.
        unsafe { bindings::rtcpfsm_has_error(self.raw()) }
    }

    /// SO_RCVLOWAT: from how many octets on a socket is readable.
    pub(crate) fn receive_low_water(&self) -> u32 {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sock_rcvlowat(self.raw(), 0, i32::MAX).max(0) as u32 }
    }

    /// Is a third of the send buffer free (as Linux's sk_stream_is_writeable())?
    pub(crate) fn is_writable(&self) -> bool {
        let queued = self.wmem_queued();
        self.sndbuf().saturating_sub(queued) >= queued >> 1 && self.sndbuf() > queued
    }

    /// Asks to be told when the send buffer has room again.
    pub(crate) fn ask_for_write_space(&self) {
        // SAFETY: Called for a socket that has its file.
        unsafe { bindings::rtcpfsm_sk_set_async_nospace(self.raw()) };
    }

    /// The local end, as the socket's own fields say it.
    pub(crate) fn local(&self) -> Endpoint {
        // SAFETY: Racy reads of words, as the kernel does it.
        unsafe {
            let (sk, inet) = (self.raw(), self.inet());
            let address = if self.is_v6() {
                Address::from_in6(&(*sk).__sk_common.skc_v6_rcv_saddr)
            } else {
                match bindings::rtcpfsm_rcv_saddr(inet) {
                    0 => Address::ANY,
                    v4 => Address::v4(v4),
                }
            };
            Endpoint {
                address,
                port: bindings::rtcpfsm_inet_num(inet),
                as_v6: self.is_v6(),
            }
        }
    }

    /// Locks the socket for a process; may sleep.
    pub(crate) fn lock(&self) -> Owned<'_, P> {
        // SAFETY: The socket is alive; process context.
        unsafe { bindings::rtcpfsm_lock_sock(self.raw()) };
        Owned(Guard { sk: self })
    }

    /// Takes the socket's spin lock, in a softirq.
    pub(crate) fn bh_lock(&self) -> BhLocked<'_, P> {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_bh_lock_sock(self.raw()) };
        BhLocked {
            guard: Guard { sk: self },
            process: false,
        }
    }

    /// Takes the socket's spin lock from a process, bottom halves off; `self` is a child, and its listener may be locked.
    pub(crate) fn bh_lock_child(&self) -> BhLocked<'_, P> {
        // SAFETY: No preconditions.
        unsafe { bindings::rtcpfsm_local_bh_disable() };
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_bh_lock_sock_nested(self.raw()) };
        BhLocked {
            guard: Guard { sk: self },
            process: true,
        }
    }

    /// A copy of a part of the locked data, for showing: softirqs are kept out, but a process that owns the socket may be
    /// writing, so words of different moments may stand side by side. Each word is one that stood there.
    pub(crate) fn snapshot<T: Copy>(&self, part: impl FnOnce(&P::Locked) -> &T) -> T {
        let locked = self.bh_lock_child();
        let part: *const T = part(&locked.guard);
        // SAFETY: The part is initialised memory; volatile, as it may be written meanwhile.
        unsafe { part.read_volatile() }
    }
}

extern "C" fn timer_fired<P: Protocol>(timer: *mut bindings::timer_list) {
    // SAFETY: The timer is that of a socket of protocol `P`, which holds a reference for it.
    let sk = unsafe { bindings::rtcpfsm_sk_of_timer(timer) };
    // SAFETY: As above; that reference is now ours.
    let sk: ARef<Sock<P>> = unsafe { ARef::from_raw(NonNull::new_unchecked(sk.cast())) };
    let mut locked = sk.bh_lock();
    match locked.unowned() {
        Some(guard) => guard.run_timer(),
        // The owner runs it when it lets go: `Guard::run_deferred`.
        None => sk.timer_deferred().store(1, Relaxed),
    }
}

/// Proof that the socket is locked and that no other context owns it: the locked data, and what else the lock guards.
pub(crate) struct Guard<'a, P: Protocol> {
    sk: &'a Sock<P>,
}

impl<P: Protocol> Deref for Guard<'_, P> {
    type Target = P::Locked;
    #[inline]
    fn deref(&self) -> &P::Locked {
        // SAFETY: The socket is locked by us and initialised.
        unsafe { (*(*self.sk.storage()).locked.get()).assume_init_ref() }
    }
}

impl<P: Protocol> DerefMut for Guard<'_, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut P::Locked {
        // SAFETY: The socket is locked by us and initialised; `&mut self` makes it the only borrow.
        unsafe { (*(*self.sk.storage()).locked.get()).assume_init_mut() }
    }
}

impl<'a, P: Protocol> Guard<'a, P> {
    /// # Safety
    ///
    /// The socket is locked by the current context for all of `'a`, and no other guard of it is in use.
    pub(super) unsafe fn assume(sk: &'a Sock<P>) -> Self {
        Guard { sk }
    }

    /// The socket itself.
    pub(crate) fn sk(&self) -> &'a Sock<P> {
        self.sk
    }

    /// Sets the state that the kernel and its tracepoint `sock:inet_sock_set_state` see.
    pub(crate) fn set_kernel_state(&mut self, state: u32) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::inet_sk_set_state(self.sk.raw(), state as i32) };
    }

    /// As [`Guard::set_kernel_state`], unseen by the tracepoint: not a transition of the machine.
    pub(crate) fn set_kernel_state_silently(&mut self, state: u32) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_sk_state_store(self.sk.raw(), state as i32) };
    }

    /// The pending error, taken (a positive errno), or 0.
    pub(crate) fn take_error(&mut self) -> Result {
        // SAFETY: The socket is locked by us.
        match unsafe { bindings::rtcpfsm_sock_error(self.sk.raw()) } {
            0 => Ok(()),
            errno => Err(Error::from_errno(errno)),
        }
    }

    /// Is an error pending?
    pub(crate) fn has_error(&self) -> bool {
        // SAFETY: The socket is locked by us.
        unsafe { (*self.sk.raw()).sk_err != 0 }
    }

    /// Makes this the pending error of the socket and tells who waits.
    pub(crate) fn set_error(&mut self, error: Error) {
        // SAFETY: The socket is locked by us.
        unsafe {
            (*self.sk.raw()).sk_err = -error.to_errno();
            bindings::sk_error_report(self.sk.raw());
        }
    }

    /// Notes an error that does not end the connection (SO_ERROR shows it when nothing worse happened).
    pub(crate) fn set_soft_error(&mut self, error: Error) {
        // SAFETY: The socket is locked by us.
        unsafe { (*self.sk.raw()).sk_err_soft = -error.to_errno() };
    }

    /// The noted soft error, a positive errno or 0.
    pub(crate) fn soft_error(&self) -> i32 {
        // SAFETY: The socket is locked by us.
        unsafe { (*self.sk.raw()).sk_err_soft }
    }

    /// Which directions were shut down (`RCV_SHUTDOWN`, `SEND_SHUTDOWN`).
    pub(crate) fn shutdown(&self) -> u8 {
        // SAFETY: The socket is locked by us.
        unsafe { (*self.sk.raw()).sk_shutdown }
    }

    /// Sets the directions that are shut down.
    pub(crate) fn set_shutdown(&mut self, mask: u8) {
        // SAFETY: The socket is locked by us; poll reads it without the lock, a byte.
        unsafe { core::ptr::addr_of_mut!((*self.sk.raw()).sk_shutdown).write_volatile(mask) };
    }

    /// Marks or unmarks the end of what can be received.
    pub(crate) fn set_done(&mut self, done: bool) {
        let flag = bindings::sock_flags_SOCK_DONE as i32;
        // SAFETY: The socket is locked by us.
        unsafe {
            if done {
                bindings::rtcpfsm_sock_set_flag(self.sk.raw(), flag);
            } else {
                bindings::rtcpfsm_sock_reset_flag(self.sk.raw(), flag);
            }
        }
    }

    /// Has the end of the stream been received?
    pub(crate) fn is_done(&self) -> bool {
        self.sk.flag(bindings::sock_flags_SOCK_DONE)
    }

    /// SO_LINGER, when set: seconds are in jiffies already.
    pub(crate) fn linger(&self) -> Option<u64> {
        if self.sk.flag(bindings::sock_flags_SOCK_LINGER) {
            // SAFETY: The socket is locked by us.
            Some(unsafe { (*self.sk.raw()).sk_lingertime } as u64)
        } else {
            None
        }
    }

    /// Tells readers that something can be read.
    pub(crate) fn wake_readers(&mut self) {
        // SAFETY: The callback is set for the socket's whole life.
        unsafe {
            if let Some(data_ready) = (*self.sk.raw()).sk_data_ready {
                data_ready(self.sk.raw());
            }
        }
    }

    /// Tells all who wait that the state changed; `band`: what SIGIO says.
    pub(crate) fn wake_state_change(&mut self) {
        // SAFETY: The callback is set for the socket's whole life.
        unsafe {
            if let Some(state_change) = (*self.sk.raw()).sk_state_change {
                state_change(self.sk.raw());
            }
        }
    }

    /// Sends SIGIO for a writable socket (after connect) or for the end of the stream.
    pub(crate) fn wake_async(&mut self, how: u32, band: u32) {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sk_wake_async(self.sk.raw(), how as i32, band as i32) };
    }

    /// Makes the timer fire at `deadline_us` (microseconds since boot), or a little earlier: it asks then.
    #[inline]
    pub(crate) fn arm_timer(&mut self, deadline_us: u64) {
        let pending = self.sk.timer_at().load(Relaxed);
        if pending != 0 && pending <= deadline_us {
            return;
        }
        self.sk.timer_at().store(deadline_us.max(1), Relaxed);
        // SAFETY: The socket is alive; the timer takes a reference of it.
        unsafe {
            bindings::sk_reset_timer(
                self.sk.raw(),
                bindings::rtcpfsm_sk_timer(self.sk.raw()),
                time::deadline_to_jiffies(deadline_us),
            );
        }
    }

    /// Disarms the timer.
    pub(crate) fn stop_timer(&mut self) {
        self.sk.timer_deferred().store(0, Relaxed);
        if self.sk.timer_at().load(Relaxed) != 0 {
            self.sk.timer_at().store(0, Relaxed);
            // SAFETY: The socket is alive.
            unsafe {
                bindings::sk_stop_timer(self.sk.raw(), bindings::rtcpfsm_sk_timer(self.sk.raw()));
            }
        }
    }

    fn run_timer(&mut self) {
        self.sk.timer_at().store(0, Relaxed);
        P::on_timer(self);
    }

    /// Runs a timer that fired while we owned the socket.
    pub(super) fn run_deferred(&mut self) {
        if self.sk.timer_deferred().load(Relaxed) != 0 {
            self.sk.timer_deferred().store(0, Relaxed);
            self.run_timer();
        }
    }

    /// Did bind() ask for the port, so that the end of a connection does not give it back?
    pub(crate) fn port_is_locked(&self) -> bool {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_port_is_locked(self.sk.raw()) }
    }

    /// The ports from which one is chosen (net.ipv4.ip_local_port_range, or the socket's own), both included.
    pub(crate) fn port_range(&self) -> (u16, u16) {
        let (mut low, mut high) = (0, 0);
        // SAFETY: The socket is locked by us.
        unsafe { bindings::inet_sk_get_local_port_range(self.sk.raw(), &mut low, &mut high) };
        let low = low.clamp(1, 65_535) as u16;
        (low, (high.clamp(1, 65_535) as u16).max(low))
    }

    /// SO_PEEK_OFF: from where MSG_PEEK looks.
    pub(crate) fn peek_offset(&self, flags: u32) -> u32 {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_sk_peek_offset(self.sk.raw(), flags as i32).max(0) as u32 }
    }

    /// So much was looked at.
    pub(crate) fn peeked(&mut self, count: u32) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_sk_peek_offset_fwd(self.sk.raw(), count as i32) };
    }

    /// So much was read.
    pub(crate) fn peek_consumed(&mut self, count: u32) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_sk_peek_offset_bwd(self.sk.raw(), count as i32) };
    }

    /// Writes the buffers' limits, in octets of memory.
    pub(crate) fn set_buffers(&mut self, sndbuf: u32, rcvbuf: u32) {
        // SAFETY: The socket is locked by us.
        unsafe {
            (*self.sk.raw()).sk_sndbuf = sndbuf.min(i32::MAX as u32) as i32;
            (*self.sk.raw()).sk_rcvbuf = rcvbuf.min(i32::MAX as u32) as i32;
        }
    }

    /// Tells the kernel how full the accept queue is and may be.
    pub(crate) fn set_backlog_limit(&mut self, limit: u32) {
        // SAFETY: The socket is locked by us.
        unsafe {
            core::ptr::addr_of_mut!((*self.sk.raw()).sk_max_ack_backlog).write_volatile(limit)
        };
    }

    /// The file is closed: the socket is an orphan that lives until its connection has ended.
    pub(crate) fn orphan(&mut self) {
        // SAFETY: The socket is alive; its reference to the file is given up.
        unsafe { bindings::rtcpfsm_sock_orphan(self.sk.raw()) };
    }

    /// Forgets the cached route.
    pub(crate) fn forget_route(&mut self) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_sk_dst_reset(self.sk.raw()) };
    }

    /// Advises IP that the path may be dead (RFC 9293 3.8.3, R1).
    pub(crate) fn advise_ip(&mut self) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_dst_negative_advice(self.sk.raw()) };
    }

    /// The flags for the port rules, as the socket's options say them now.
    pub(crate) fn refresh_bind_flags(&mut self) {
        // SAFETY: Racy reads of bit fields under the lock that guards their writes.
        let (reuse, reuse_port) = unsafe {
            let common = &(*self.sk.raw()).__sk_common;
            (common.skc_reuse() != 0, common.skc_reuseport() != 0)
        };
        let head = self.sk.head();
        head.set_flags(flag::REUSE, reuse);
        head.set_flags(flag::REUSE_PORT, reuse_port);
        head.set_flags(flag::V6, self.sk.is_v6());
        head.set_flags(flag::V6_ONLY, self.sk.is_v6_only());
        head.set_bound_device(self.sk.bound_device());
    }

    /// Writes both ends of the connection where the kernel and its tools look for them.
    pub(crate) fn set_ports(&mut self, local: u16, remote: u16) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_set_ports(self.sk.inet(), local, remote.to_be()) };
    }
}

/// The socket, owned by a process.
pub(crate) struct Owned<'a, P: Protocol>(Guard<'a, P>);

impl<'a, P: Protocol> Deref for Owned<'a, P> {
    type Target = Guard<'a, P>;
    fn deref(&self) -> &Guard<'a, P> {
        &self.0
    }
}

impl<P: Protocol> DerefMut for Owned<'_, P> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<P: Protocol> Drop for Owned<'_, P> {
    fn drop(&mut self) {
        // SAFETY: We own the socket. What came meanwhile is handled inside.
        unsafe { bindings::release_sock(self.0.sk.raw()) };
    }
}

/// The socket's spin lock, held.
pub(crate) struct BhLocked<'a, P: Protocol> {
    guard: Guard<'a, P>,
    process: bool,
}

impl<'a, P: Protocol> BhLocked<'a, P> {
    /// The guard, unless a process owns the socket.
    pub(crate) fn unowned(&mut self) -> Option<&mut Guard<'a, P>> {
        // SAFETY: We hold the spin lock.
        if unsafe { bindings::rtcpfsm_sock_owned_by_user(self.guard.sk.raw()) } {
            None
        } else {
            Some(&mut self.guard)
        }
    }

    /// Leaves the packet to the process that owns the socket; false: too much waits already, and the packet is gone.
    pub(crate) fn add_backlog(&mut self, skb: Skb, limit: u32) -> bool {
        let skb = skb.into_raw();
        // SAFETY: We hold the spin lock; on failure the packet is still ours.
        unsafe {
            if bindings::rtcpfsm_sk_add_backlog(self.guard.sk.raw(), skb, limit) == 0 {
                return true;
            }
            drop(Skb::from_raw(skb));
        }
        false
    }
}

impl<P: Protocol> Drop for BhLocked<'_, P> {
    fn drop(&mut self) {
        // SAFETY: We hold the spin lock.
        unsafe {
            bindings::rtcpfsm_bh_unlock_sock(self.guard.sk.raw());
            if self.process {
                bindings::rtcpfsm_local_bh_enable();
            }
        }
    }
}

impl<P: Protocol> Sock<P> {
    /// The connection's identity, as its head has it.
    pub(crate) fn key(&self) -> Key {
        self.head().key()
    }
}
