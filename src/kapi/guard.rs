// SPDX-License-Identifier: GPL-2.0
//! The socket lock: what it guards, and its two halves.
//!
//! [`Owned`] is what a process gets by `lock_sock()`; [`BhLocked`] is the spin lock in a softirq, which is worth something only
//! while no process owns the socket ([`BhLocked::unowned`]). Both give a [`Guard`], the proof that the locked data may be
//! touched.

use super::hash::flag;
use super::skb::Skb;
use super::sock::{Protocol, Sock};
use super::time;
use crate::src::ffi::bindings;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// Proof that the socket is locked and that no other context owns it: the locked data, and what else the lock guards.
pub(crate) struct Guard<'a, P: Protocol> {
    sk: &'a Sock<P>,
}

impl<P: Protocol> Deref for Guard<'_, P> {
    type Target = P::Locked;
    #[inline]
    fn deref(&self) -> &P::Locked {
        // SAFETY: The socket is locked by us and initialised.
        unsafe { (*self.sk.locked()).assume_init_ref() }
    }
}

impl<P: Protocol> DerefMut for Guard<'_, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut P::Locked {
        // SAFETY: The socket is locked by us and initialised; `&mut self` makes it the only borrow.
        unsafe { (*self.sk.locked()).assume_init_mut() }
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

    /// Makes this the pending error of the socket. Who sees a state that is set later, sees the error, too.
    pub(crate) fn note_error(&mut self, error: Error) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_note_error(self.sk.raw(), -error.to_errno()) };
    }

    /// Tells who waits of the error that was noted.
    pub(crate) fn report_error(&mut self) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::sk_error_report(self.sk.raw()) };
    }

    /// Makes this the pending error of the socket and tells who waits.
    pub(crate) fn set_error(&mut self, error: Error) {
        self.note_error(error);
        self.report_error();
    }

    /// Forgets the errors of the connection before.
    pub(crate) fn forget_errors(&mut self) {
        // SAFETY: The socket is locked by us; poll reads without the lock, a word.
        unsafe { core::ptr::addr_of_mut!((*self.sk.raw()).sk_err).write_volatile(0) };
        self.clear_soft_error();
    }

    /// Notes an error that does not end the connection (SO_ERROR shows it when nothing worse happened).
    pub(crate) fn set_soft_error(&mut self, error: Error) {
        // SAFETY: The socket is locked by us.
        unsafe { (*self.sk.raw()).sk_err_soft = -error.to_errno() };
    }

    /// What [`set_soft_error`](Self::set_soft_error) noted.
    pub(crate) fn soft_error(&self) -> Option<Error> {
        // SAFETY: The socket is locked by us.
        let errno = unsafe { (*self.sk.raw()).sk_err_soft };
        (errno != 0).then(|| Error::from_errno(-errno))
    }

    /// Forgets what [`set_soft_error`](Self::set_soft_error) noted.
    pub(crate) fn clear_soft_error(&mut self) {
        // SAFETY: The socket is locked by us.
        unsafe { (*self.sk.raw()).sk_err_soft = 0 };
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

    /// Readers under RCU who find the socket's memory find this socket, until the last of them is gone: a listener's children are
    /// copies of it, which nobody must take for a listener (see [`clone_listener`](super::proto::Registration::clone_listener)).
    pub(crate) fn outlast_readers(&mut self) {
        let flag = bindings::sock_flags_SOCK_RCU_FREE as i32;
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_sock_set_flag(self.sk.raw(), flag) };
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

    /// Sends SIGURG to whoever owns the file (F_SETOWN), and tells pollers.
    pub(crate) fn signal_urgent(&mut self) {
        // SAFETY: The socket is locked by us, so that its file stays if it has one.
        unsafe { bindings::sk_send_sigurg(self.sk.raw()) };
    }

    /// Makes the timer fire at `deadline_us` (microseconds since boot, as `now_us`), or a little earlier: it asks then.
    #[inline]
    pub(crate) fn arm_timer(&mut self, now_us: u64, deadline_us: u64) {
        let pending = self.sk.timer_at().load();
        if pending != 0 && pending <= deadline_us {
            return;
        }
        self.sk.timer_at().store(deadline_us.max(1));
        let at = time::deadline_to_jiffies(now_us, deadline_us);
        // SAFETY: The socket is alive. The timer has its reference before it can fire: `sk_reset_timer` takes it after that,
        // and a tick in between could put the file's, perhaps the last one.
        unsafe {
            bindings::rtcpfsm_sock_hold(self.sk.raw());
            if bindings::mod_timer(bindings::rtcpfsm_sk_timer(self.sk.raw()), at) != 0 {
                // It was pending, and has one.
                bindings::rtcpfsm_sock_put(self.sk.raw());
            }
        }
    }

    /// Disarms the timer.
    pub(crate) fn stop_timer(&mut self) {
        self.sk.timer_deferred().store(0);
        if self.sk.timer_at().load() != 0 {
            self.sk.timer_at().store(0);
            // SAFETY: The socket is alive.
            unsafe {
                bindings::sk_stop_timer(self.sk.raw(), bindings::rtcpfsm_sk_timer(self.sk.raw()));
            }
        }
    }

    fn run_timer(&mut self) {
        self.sk.timer_at().store(0);
        P::on_timer(self);
    }

    /// Asks for [`Protocol::on_release`] when this process lets the socket go.
    pub(crate) fn defer(&mut self) {
        self.sk.release_deferred().store(1);
    }

    /// Does what was left for this moment. The spin lock is held, and the socket not yet given up.
    pub(super) fn run_deferred(&mut self) {
        if self.sk.timer_deferred().load() != 0 {
            self.sk.timer_deferred().store(0);
            self.run_timer();
        }
        if self.sk.release_deferred().load() != 0 {
            self.sk.release_deferred().store(0);
            P::on_release(self);
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

    /// May the receive buffer grow: did no program set SO_RCVBUF, and is memory plentiful?
    pub(crate) fn may_grow_receive_buffer(&self) -> bool {
        // SAFETY: The socket is locked by us.
        !unsafe { bindings::rtcpfsm_rcvbuf_is_fixed(self.sk.raw()) }
    }

    /// Has a program set the size of the receive buffer (SO_RCVBUF)?
    pub(crate) fn receive_buffer_is_set(&self) -> bool {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_rcvbuf_is_locked(self.sk.raw()) }
    }

    /// Writes from how many octets on the socket is readable (SO_RCVLOWAT).
    pub(crate) fn set_receive_low_water(&mut self, octets: u32) {
        let octets = octets.clamp(1, i32::MAX as u32) as i32;
        // SAFETY: The socket is locked by us; others read the word without the lock.
        unsafe { core::ptr::addr_of_mut!((*self.sk.raw()).sk_rcvlowat).write_volatile(octets) };
    }

    /// Makes the receive buffer as large as that, unless it is larger already; in octets of memory.
    pub(crate) fn grow_receive_buffer(&mut self, size: u32) {
        if size > self.sk.rcvbuf() {
            // SAFETY: The socket is locked by us; others read the word without the lock.
            unsafe {
                core::ptr::addr_of_mut!((*self.sk.raw()).sk_rcvbuf)
                    .write_volatile(size.min(i32::MAX as u32) as i32)
            };
        }
    }

    /// May the send buffer grow by itself: the program has not set its size (SO_SNDBUF), and there is memory for all?
    pub(crate) fn may_grow_send_buffer(&self) -> bool {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_may_grow_sndbuf(self.sk.raw()) }
    }

    /// Writes the send buffer's limit, in octets of memory.
    pub(crate) fn set_send_buffer(&mut self, sndbuf: u32) {
        let sndbuf = sndbuf.min(i32::MAX as u32) as i32;
        // SAFETY: The socket is locked by us; others read the word without the lock.
        unsafe { core::ptr::addr_of_mut!((*self.sk.raw()).sk_sndbuf).write_volatile(sndbuf) };
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

    /// Writes to the head what it has of the socket's options: those that are fixed once it has a port, and the device.
    pub(crate) fn refresh_bind_flags(&mut self) {
        let head = self.sk.head();
        head.set_flags(flag::V6, self.sk.is_v6());
        head.set_flags(flag::V6_ONLY, self.sk.is_v6_only());
        head.set_bound_device(self.sk.bound_device());
    }

    /// The port is given back; getsockname() still tells which it was.
    pub(crate) fn forget_port(&mut self) {
        // SAFETY: The socket is locked by us.
        unsafe { bindings::rtcpfsm_forget_num(self.sk.inet()) };
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

    /// Asks for [`Protocol::on_release`] when the process that owns the socket lets it go.
    pub(crate) fn defer(&mut self) {
        self.guard.defer();
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
    /// writing, so words of different moments may stand side by side. Each word is one that stood there. `read` gets
    /// the copy, of which it must look at plain values alone: what it owns may be gone.
    pub(crate) fn snapshot<T, R>(
        &self,
        part: impl FnOnce(&P::Locked) -> &T,
        read: impl FnOnce(&T) -> R,
    ) -> R {
        let locked = self.bh_lock_child();
        let part: *const T = part(&locked.guard);
        // SAFETY: The part is initialised memory; volatile, as it may be written meanwhile. The copy is not dropped.
        let copy = unsafe { part.cast::<core::mem::ManuallyDrop<T>>().read_volatile() };
        drop(locked);
        read(&copy)
    }
}

pub(super) extern "C" fn timer_fired<P: Protocol>(timer: *mut bindings::timer_list) {
    // SAFETY: The timer is that of a socket of protocol `P`, which holds a reference for it.
    let sk = unsafe { bindings::rtcpfsm_sk_of_timer(timer) };
    // SAFETY: As above; that reference is now ours.
    let sk: ARef<Sock<P>> = unsafe { ARef::from_raw(NonNull::new_unchecked(sk.cast())) };
    let mut locked = sk.bh_lock();
    match locked.unowned() {
        Some(guard) => guard.run_timer(),
        // The owner runs it when it lets go: `Guard::run_deferred`.
        None => sk.timer_deferred().store(1),
    }
}
