// SPDX-License-Identifier: GPL-2.0
//! Sockets (`struct sock`) of one protocol, with the protocol's own data behind the socket lock.
//!
//! A [`Sock`] is the kernel's `inet_sock` and, behind it in the same memory, a [`Head`] by which it is found, what
//! the protocol shares without the socket lock, and what the socket lock guards. See [`super::guard`] for
//! the lock.

use super::addr::{Address, Endpoint};
use super::guard::{timer_fired, Guard};
use super::hash::{flag, Head, Key, Kind};
use super::layout;
use super::netns::{Net, PerNamespace};
use super::skb::Skb;
use super::small::SmallObject;
use super::word::Word;
use crate::src::ffi::bindings;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use kernel::sync::aref::{ARef, AlwaysRefCounted};

/// What a protocol keeps in its objects; its operations are in [`super::proto::Operations`].
pub(crate) trait Protocol: Sized + 'static {
    /// Reached without the socket lock: has its own locks.
    type Shared: Send + Sync;
    /// Guarded by the socket lock.
    type Locked: Send;
    /// What there is of each namespace.
    type PerNet: PerNamespace;
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
    /// [`Guard::defer`] was called; all that had waited for the socket is handled now.
    fn on_release(sk: &mut Guard<'_, Self>);
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
    pub(crate) const PRI: u32 = c::RTCPFSM_EPOLLPRI;
    pub(crate) const RDHUP: u32 = c::RTCPFSM_EPOLLRDHUP;
    pub(crate) const RDNORM: u32 = c::RTCPFSM_EPOLLRDNORM;
    pub(crate) const WRNORM: u32 = c::RTCPFSM_EPOLLWRNORM;
}

/// The memory of a socket.
#[repr(C)]
pub(super) struct Storage<P: Protocol> {
    inet: bindings::inet_sock,
    pub(super) head: Head,
    /// What its namespace has: as the namespace itself, the same for the whole of the socket's life.
    per_net: NonNull<P::PerNet>,
    /// Microseconds since boot when the pending timer fires, or 0. Guarded by the socket lock.
    timer_at: Word<u64>,
    /// The timer fired while a process owned the socket; set by the softirq.
    timer_deferred: Word<u32>,
    /// [`Guard::defer`] was called; set by the process that owns the socket.
    release_deferred: Word<u32>,
    pub(super) send: UnsafeCell<super::stream::SendState>,
    hold: UnsafeCell<super::hold::HoldState>,
    pub(super) rcv_queued: Word<u32>,
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

    pub(super) fn locked(&self) -> *mut MaybeUninit<P::Locked> {
        // SAFETY: The field of a live socket.
        unsafe { (*self.storage()).locked.get() }
    }

    pub(super) fn send_state(&self) -> *mut super::stream::SendState {
        // SAFETY: The field of a live socket.
        unsafe { (*self.storage()).send.get() }
    }

    pub(super) fn hold_state(&self) -> *mut super::hold::HoldState {
        // SAFETY: The field of a live socket.
        unsafe { (*self.storage()).hold.get() }
    }

    pub(super) fn rcv_queued_word(&self) -> &Word<u32> {
        // SAFETY: An atomic of a live socket.
        unsafe { &(*self.storage()).rcv_queued }
    }

    /// Octets that wait to be read.
    pub(crate) fn rcv_queued(&self) -> u32 {
        self.rcv_queued_word().load()
    }

    pub(super) fn timer_at(&self) -> &Word<u64> {
        // SAFETY: An atomic of a live socket.
        unsafe { &(*self.storage()).timer_at }
    }

    pub(super) fn timer_deferred(&self) -> &Word<u32> {
        // SAFETY: An atomic of a live socket.
        unsafe { &(*self.storage()).timer_deferred }
    }

    pub(super) fn release_deferred(&self) -> &Word<u32> {
        // SAFETY: An atomic of a live socket.
        unsafe { &(*self.storage()).release_deferred }
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
            let net = Net::from_ptr(bindings::rtcpfsm_sock_net(sk));
            core::ptr::addr_of_mut!((*storage).per_net).write(P::PerNet::of(net).into());
            core::ptr::addr_of_mut!((*storage).timer_at).write(Word::new(0));
            core::ptr::addr_of_mut!((*storage).timer_deferred).write(Word::new(0));
            core::ptr::addr_of_mut!((*storage).release_deferred).write(Word::new(0));
            core::ptr::addr_of_mut!((*storage).send).write(UnsafeCell::new(Default::default()));
            core::ptr::addr_of_mut!((*storage).hold)
                .write(UnsafeCell::new(super::hold::HoldState::new()));
            core::ptr::addr_of_mut!((*storage).rcv_queued).write(Word::new(0));
            core::ptr::addr_of_mut!((*storage).shared)
                .cast::<P::Shared>()
                .write(P::shared());
            core::ptr::addr_of_mut!((*storage).locked)
                .cast::<P::Locked>()
                .write(P::locked());
            (*sk).sk_write_space = Some(bindings::rtcpfsm_sk_write_space);
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
            bindings::rtcpfsm_sockets_allocated_dec(sk);
            (*storage).hold.get_mut().purge();
            (*storage).shared.assume_init_drop();
            (*storage).locked.get_mut().assume_init_drop();
        }
    }

    /// The socket's namespace.
    pub(crate) fn net(&self) -> &Net {
        // SAFETY: A socket keeps its namespace alive.
        unsafe { Net::from_ptr(bindings::rtcpfsm_sock_net(self.raw())) }
    }

    /// What the socket's namespace has: as `PerNamespace::of`, but found at once.
    #[inline]
    pub(crate) fn per_net(&self) -> &P::PerNet {
        // SAFETY: Written by `init_raw`. A program's socket keeps its namespace alive, and the module, and both keep the value.
        unsafe { (*self.storage()).per_net.as_ref() }
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
        unsafe { layout::rmem_alloc(self.raw()).max(0) as u32 }
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

    /// How it shares its port, as its options say just now: `flag::REUSE`, `flag::REUSE_PORT`.
    pub(crate) fn sharing(&self) -> u32 {
        // SAFETY: Racy reads of bits, as the kernel does it.
        let (reuse, reuse_port) = unsafe {
            (
                bindings::rtcpfsm_sk_reuse(self.raw()),
                bindings::rtcpfsm_sk_reuseport(self.raw()),
            )
        };
        (u32::from(reuse) * flag::REUSE) | (u32::from(reuse_port) * flag::REUSE_PORT)
    }

    /// The user that it belongs to, by a number that is the same in all user namespaces.
    pub(crate) fn user(&self) -> u32 {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sk_kuid(self.raw()) }
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
        unsafe { layout::sock_flag(self.raw(), flag) }
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

    /// Has this packet come no further than the program allows (IP_MINTTL, IPV6_MINHOPCOUNT; RFC 5082)?
    pub(crate) fn is_near(&self, skb: &Skb) -> bool {
        // SAFETY: Racy reads of octets, as the kernel does it; the packet has its IP header.
        unsafe { bindings::rtcpfsm_ttl_is_enough(self.raw(), skb.raw()) }
    }

    /// Do the filters of the program (SO_ATTACH_FILTER), of its cgroup and of the security module let this segment in? They may cut
    /// payload off; who cuts the header, drops it.
    pub(crate) fn passes_filter(&self, skb: &mut Skb, header_len: u32) -> bool {
        // SAFETY: The socket is alive; the packet is ours, its data at the transport header.
        unsafe { bindings::rtcpfsm_sk_filter(self.raw(), skb.raw()) && skb.len() >= header_len }
    }

    /// Did the program ask to be told of soft errors (IP_RECVERR, IPV6_RECVERR)?
    pub(crate) fn wants_soft_errors(&self) -> bool {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_recverr(self.raw()) }
    }

    /// Is an error pending, of the connection or in the error queue?
    pub(crate) fn has_pending_error(&self) -> bool {
        // SAFETY: Racy reads, as the kernel does it.
        unsafe { bindings::rtcpfsm_has_error(self.raw()) }
    }

    /// Does urgent data stay in the stream (SO_OOBINLINE)?
    pub(crate) fn takes_urgent_inline(&self) -> bool {
        self.flag(bindings::sock_flags_SOCK_URGINLINE)
    }

    /// SO_RCVLOWAT: from how many octets on a socket is readable.
    pub(crate) fn receive_low_water(&self) -> u32 {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_sock_rcvlowat(self.raw(), 0, i32::MAX).max(0) as u32 }
    }

    /// Is the memory for what can be read all but used up, this socket's or that of all (as Linux's tcp_rmem_pressure())?
    pub(crate) fn is_receive_memory_short(&self) -> bool {
        let limit = self.rcvbuf();
        // SAFETY: The socket is alive.
        self.rmem_alloc() > limit - limit / 8
            || unsafe { bindings::rtcpfsm_under_memory_pressure(self.raw()) }
    }

    /// Is the memory of all sockets used up, while this one's send queue has more of it than the least?
    pub(crate) fn is_out_of_memory(&self) -> bool {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_out_of_memory(self.raw()) }
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

    /// The connection's identity, as its head has it.
    pub(crate) fn key(&self) -> Key {
        self.head().key()
    }
}
