// SPDX-License-Identifier: GPL-2.0
//! Registration of a stream protocol with the socket layer: the C operations (`struct proto`, `struct proto_ops`) as thunks
//! over [`Operations`], which a protocol implements with safe types.

use super::addr::{Address, Endpoint};
use super::guard::Guard;
use super::options::{self, Info, IntOption};
use super::skb::Skb;
use super::sock::{Protocol, Sock, Storage, Storage6};
use super::splice::Pipe;
use super::stamps::Stamp;
use super::sysctl::Longs;
use super::thunks;
use crate::src::ffi::bindings;
use core::marker::PhantomData;
use core::ptr::{addr_of_mut, NonNull};
use kernel::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// Flags of a send or receive call (`MSG_*`) and the memory it is about.
pub(crate) struct Message<'a> {
    raw: NonNull<bindings::msghdr>,
    pub(super) stamp: Stamp,
    _borrow: PhantomData<&'a mut bindings::msghdr>,
}

impl Message<'_> {
    /// # Safety
    ///
    /// `raw` is a valid message for the result's lifetime, used by nobody else.
    pub(super) unsafe fn from_raw(raw: *mut bindings::msghdr) -> Self {
        Message {
            // SAFETY: By this function's contract it is not null.
            raw: unsafe { NonNull::new_unchecked(raw) },
            stamp: Stamp::default(),
            _borrow: PhantomData,
        }
    }

    /// `MSG_*` as the caller gave them.
    pub(crate) fn flags(&self) -> u32 {
        // SAFETY: The message is valid.
        unsafe { self.raw.as_ref().msg_flags }
    }

    /// Tells the caller something of what it gets (`MSG_OOB`, `MSG_TRUNC`).
    pub(crate) fn add_flags(&mut self, flags: u32) {
        // SAFETY: The message is valid, and ours alone.
        unsafe { self.raw.as_mut().msg_flags |= flags };
    }

    /// Are the control messages beside the octets such as a stream takes? Nothing of theirs is used.
    ///
    /// # Errors
    ///
    /// `EINVAL`: one is broken, or of the level SOL_SOCKET and not known, or not for streams; `EPERM`: it is not for this process.
    #[inline]
    pub(crate) fn check_control<P: Protocol>(&mut self, sk: &Guard<'_, P>) -> Result {
        // SAFETY: The message is valid.
        if unsafe { self.raw.as_ref().msg_controllen } == 0 {
            return Ok(());
        }
        self.check_control_messages(sk)
    }

    #[cold]
    fn check_control_messages<P: Protocol>(&mut self, sk: &Guard<'_, P>) -> Result {
        let mut cookie = bindings::sockcm_cookie::default();
        // SAFETY: The socket is locked by us, the message valid, its control messages in the kernel's memory.
        kernel::error::to_result(unsafe {
            bindings::sock_cmsg_send(sk.sk().raw(), self.raw.as_ptr(), &mut cookie)
        })?;
        // As in Linux's TCP: a number of one's own for a stamp, and the memory of a device without MSG_ZEROCOPY.
        if cookie.tsflags & bindings::RTCPFSM_CMSG_HAS_OPT_ID != 0 || cookie.dmabuf_id != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    pub(super) fn raw(&mut self) -> *mut bindings::msghdr {
        self.raw.as_ptr()
    }

    pub(super) fn iter(&mut self) -> *mut bindings::iov_iter {
        // SAFETY: The message is valid.
        unsafe { addr_of_mut!((*self.raw.as_ptr()).msg_iter) }
    }
}

/// `MSG_*`.
pub(crate) mod msg {
    use crate::src::ffi::bindings as c;
    pub(crate) const OOB: u32 = c::MSG_OOB;
    pub(crate) const PEEK: u32 = c::MSG_PEEK;
    pub(crate) const TRUNC: u32 = c::MSG_TRUNC;
    pub(crate) const WAITALL: u32 = c::MSG_WAITALL;
    pub(crate) const DONTWAIT: u32 = c::MSG_DONTWAIT;
    pub(crate) const MORE: u32 = c::MSG_MORE;
}

/// What `connect()` and its like ask of the protocol; all are called with the socket locked by the process unless they say otherwise.
pub(crate) trait Operations: Protocol {
    /// The name in /proc/net/protocols, with its terminating zero.
    const NAME: &'static [u8];

    /// A socket was made by socket().
    fn opened(sk: &mut Guard<'_, Self>) -> Result;
    /// connect(): starts to open; the caller waits.
    fn connect(sk: &mut Guard<'_, Self>, peer: Endpoint, scope_id: u32) -> Result;
    /// connect() on a socket that is not closed, before the kernel's own checks refuse it; `Ok(true)`: go on.
    fn before_connect(sk: &mut Guard<'_, Self>) -> Result<bool>;
    /// connect() failed after [`Operations::before_connect`] said `true`.
    fn connect_failed(sk: &mut Guard<'_, Self>);
    /// connect(AF_UNSPEC), and shutdown() of a listener.
    fn disconnect(sk: &mut Guard<'_, Self>) -> Result;
    /// bind(), or the choice of a port for connect() and listen(): `port` 0 asks for any.
    fn get_port(sk: &mut Guard<'_, Self>, port: u16) -> Result;
    /// Gives the port back.
    fn put_port(sk: &mut Guard<'_, Self>);
    /// listen().
    fn listen(sk: &mut Guard<'_, Self>, backlog: u32) -> Result;
    /// accept(), socket not locked. Second: is the queue empty now?
    fn accept(sk: &Sock<Self>, nonblocking: bool) -> Result<(ARef<Sock<Self>>, bool)>;
    /// shutdown() of these directions, which the kernel has noted in the socket.
    fn shutdown(sk: &mut Guard<'_, Self>, send: bool, receive: bool);
    /// The file is closed, socket not locked; `sk` is the file's reference. `linger`: how long to wait, in jiffies.
    fn close(sk: ARef<Sock<Self>>, linger: i64);
    /// send() and its like.
    fn sendmsg(sk: &mut Guard<'_, Self>, message: &mut Message<'_>, len: usize) -> Result<usize>;
    /// recv() and its like.
    fn recvmsg(
        sk: &mut Guard<'_, Self>,
        message: &mut Message<'_>,
        len: usize,
        flags: u32,
    ) -> Result<usize>;
    /// splice() from the socket: moves at most `len` octets to the pipe.
    fn splice_read(
        sk: &mut Guard<'_, Self>,
        pipe: &mut Pipe<'_>,
        len: usize,
        nonblocking: bool,
    ) -> Result<usize>;
    /// sendfile() or splice() to the socket has come to the end of its input, whatever it announced.
    fn splice_eof(sk: &mut Guard<'_, Self>);
    /// SIOCINQ: octets that can be read. Socket not locked.
    fn unread(sk: &Sock<Self>) -> Result<i32>;
    /// SIOCATMARK: is the urgent octet the next to be read? Socket not locked.
    fn is_at_mark(sk: &Sock<Self>) -> bool;
    /// SIOCOUTQ and SIOCOUTQNSD: octets that are not acknowledged, or not even sent, a FIN being one; also of a connection that is
    /// over. Socket not locked.
    fn unacknowledged(sk: &Sock<Self>, unsent: bool) -> Result<i32>;
    /// setsockopt() of an integer at the level SOL_TCP.
    fn set_option(sk: &mut Guard<'_, Self>, option: IntOption, value: i32) -> Result;
    /// getsockopt() of such a one.
    fn option(sk: &Guard<'_, Self>, option: IntOption) -> i32;
    /// TCP_CONGESTION is set to this name, which may be any octets.
    fn set_congestion_control(sk: &mut Guard<'_, Self>, name: &[u8]) -> Result;
    /// The name that TCP_CONGESTION tells.
    fn congestion_control(sk: &Guard<'_, Self>) -> &'static str;
    /// SO_KEEPALIVE is set or cleared.
    fn set_keepalive(sk: &mut Guard<'_, Self>, on: bool);
    /// SO_RCVLOWAT is set; it is for the protocol to write it to the socket.
    fn set_low_water(sk: &mut Guard<'_, Self>, octets: u32);
    /// TCP_INFO: `info` is all zero.
    fn info(sk: &mut Guard<'_, Self>, info: &mut Info);
    /// May octets be queued, as far as those go that were not sent (TCP_NOTSENT_LOWAT)? `wake`: asked for a program that waits:
    /// only if there is room for more than a little. Socket not locked.
    fn has_send_room(sk: &Sock<Self>, wake: bool) -> bool;
    /// The events of poll(), socket not locked.
    fn poll(sk: &Sock<Self>) -> u32;
    /// A packet from the backlog, in the context of the process that owns the socket.
    fn backlog(sk: &mut Guard<'_, Self>, skb: Skb);
}

/// A C value that never changes after its registration, in a static.
#[repr(transparent)]
struct Static<T>(core::cell::UnsafeCell<T>);
// SAFETY: Only the kernel writes to it, by its own rules.
unsafe impl<T> Sync for Static<T> {}

/// The protocol's registrations with the socket layer of both families; undone when dropped.
pub(crate) struct Registration<P: Operations> {
    /// The file of `sysctl_mem`, in `tables`, before which it goes.
    memory: Option<Longs>,
    tables: Pin<KBox<Tables<P>>>,
    registered: u32,
}

/// What the C side points to while the protocol is registered.
struct Tables<P: Operations> {
    proto: Static<bindings::proto>,
    proto6: Static<bindings::proto>,
    ops: Static<bindings::proto_ops>,
    ops6: Static<bindings::proto_ops>,
    switch: Static<bindings::inet_protosw>,
    switch6: Static<bindings::inet_protosw>,
    memory_allocated: Static<bindings::atomic_long_t>,
    sockets_allocated: Static<bindings::percpu_counter>,
    memory_pressure: Static<c_ulong>,
    sysctl_mem: Static<[c_long; 3]>,
    sysctl_buffer: Static<[c_int; 3]>,
    per_cpu_forward: *mut c_int,
    _protocol: PhantomData<P>,
}

// SAFETY: The tables are only read by the kernel after registration.
unsafe impl<P: Operations> Send for Registration<P> {}
// SAFETY: As above.
unsafe impl<P: Operations> Sync for Registration<P> {}

const PROTO: u32 = 1;
const PROTO6: u32 = 2;
const SWITCH: u32 = 4;
const SWITCH6: u32 = 8;
const COUNTER: u32 = 16;

impl<P: Operations> Registration<P> {
    /// Makes `socket(AF_INET or AF_INET6, SOCK_STREAM, protocol)` work.
    ///
    /// `memory_pages`: the limits of what all sockets together may hold (as net.ipv4.tcp_mem).
    pub(crate) fn new(protocol: u8, memory_pages: [c_long; 3], buffer: [c_int; 3]) -> Result<Self> {
        // SAFETY: Plain C tables of integers and optional pointers: zero is a value of each.
        let tables: Tables<P> = unsafe { core::mem::zeroed() };
        let tables = KBox::pin(tables, GFP_KERNEL)?;
        let mut this = Registration {
            memory: None,
            tables,
            registered: 0,
        };
        this.fill(protocol, memory_pages, buffer)?;
        // SAFETY: The tables are complete and stay until `drop` has unregistered them.
        unsafe {
            kernel::error::to_result(bindings::proto_register(this.tables.proto.0.get(), 1))?;
            this.registered |= PROTO;
            kernel::error::to_result(bindings::proto_register(this.tables.proto6.0.get(), 1))?;
            this.registered |= PROTO6;
            this.memory = Some(Longs::new(
                c"net/rtcpfsm",
                c"mem",
                this.tables.sysctl_mem.0.get(),
            )?);
            // Programs can make sockets from here on: after the first family nothing may fail.
            kernel::error::to_result(bindings::inet6_register_protosw(
                this.tables.switch6.0.get(),
            ))?;
            this.registered |= SWITCH6;
            bindings::inet_register_protosw(this.tables.switch.0.get());
            this.registered |= SWITCH;
        }
        Ok(this)
    }

    fn fill(&mut self, protocol: u8, memory_pages: [c_long; 3], buffer: [c_int; 3]) -> Result {
        // SAFETY: Nobody else knows the tables yet; they are not moved by writing their fields.
        let t = unsafe { self.tables.as_mut().get_unchecked_mut() };
        // SAFETY: Makes a per-CPU int, freed in `drop`.
        t.per_cpu_forward = unsafe { bindings::rtcpfsm_alloc_percpu_int() };
        if t.per_cpu_forward.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: The counter is ours and not yet in use.
        kernel::error::to_result(unsafe {
            bindings::rtcpfsm_percpu_counter_init(t.sockets_allocated.0.get())
        })?;
        self.registered |= COUNTER;
        *t.sysctl_mem.0.get_mut() = memory_pages;
        *t.sysctl_buffer.0.get_mut() = buffer;
        let owner = kernel::module::this_module::<crate::LocalModule>()
            .as_ptr()
            .cast::<bindings::module>();
        let mut proto: bindings::proto = Default::default();
        for (to, from) in proto.name.iter_mut().zip(P::NAME) {
            *to = *from as c_char;
        }
        proto.owner = owner;
        proto.close = Some(thunks::close::<P>);
        proto.pre_connect = Some(thunks::pre_connect);
        proto.connect = Some(thunks::connect::<P>);
        proto.disconnect = Some(thunks::disconnect::<P>);
        proto.accept = Some(thunks::accept::<P>);
        proto.ioctl = Some(thunks::ioctl::<P>);
        proto.init = Some(thunks::init::<P>);
        proto.shutdown = Some(thunks::shutdown::<P>);
        proto.setsockopt = Some(thunks::setsockopt::<P>);
        proto.getsockopt = Some(thunks::getsockopt::<P>);
        proto.keepalive = Some(options::keepalive::<P>);
        proto.stream_memory_free = Some(thunks::stream_memory_free::<P>);
        proto.sendmsg = Some(thunks::sendmsg::<P>);
        proto.recvmsg = Some(thunks::recvmsg::<P>);
        proto.backlog_rcv = Some(thunks::backlog_rcv::<P>);
        proto.release_cb = Some(thunks::release_cb::<P>);
        proto.hash = Some(thunks::hash);
        proto.unhash = Some(thunks::unhash);
        proto.rehash = Some(thunks::rehash::<P>);
        proto.get_port = Some(thunks::get_port::<P>);
        proto.put_port = Some(thunks::put_port::<P>);
        proto.no_autobind = true;
        proto.max_header = bindings::RTCPFSM_MAX_TCP_HEADER as c_int;
        proto.memory_allocated = t.memory_allocated.0.get();
        proto.per_cpu_fw_alloc = t.per_cpu_forward;
        proto.sockets_allocated = t.sockets_allocated.0.get();
        proto.memory_pressure = t.memory_pressure.0.get();
        proto.enter_memory_pressure = Some(thunks::enter_memory_pressure);
        proto.leave_memory_pressure = Some(thunks::leave_memory_pressure);
        proto.sysctl_mem = t.sysctl_mem.0.get().cast();
        proto.sysctl_wmem = t.sysctl_buffer.0.get().cast();
        proto.sysctl_rmem = t.sysctl_buffer.0.get().cast();
        // Lookups run under RCU alone; a socket's memory stays a socket's memory while they look (see `hash`).
        proto.slab_flags = bindings::RTCPFSM_SLAB_TYPESAFE_BY_RCU;
        proto.obj_size = core::mem::size_of::<Storage<P>>() as c_uint;
        let mut proto6 = proto;
        proto6.obj_size = core::mem::size_of::<Storage6<P>>() as c_uint;
        proto6.ipv6_pinfo_offset = core::mem::offset_of!(Storage6<P>, v6) as c_uint;
        if let Some(end) = proto6.name.iter_mut().find(|c| **c == 0) {
            *end = b'6' as c_char;
        }
        *t.proto.0.get_mut() = proto;
        *t.proto6.0.get_mut() = proto6;

        let mut ops = bindings::proto_ops {
            family: bindings::PF_INET as c_int,
            ..Default::default()
        };
        ops.owner = owner;
        ops.release = Some(bindings::inet_release);
        ops.bind = Some(bindings::inet_bind);
        ops.connect = Some(thunks::stream_connect::<P>);
        ops.socketpair = Some(bindings::sock_no_socketpair);
        ops.accept = Some(bindings::inet_accept);
        ops.getname = Some(bindings::inet_getname);
        ops.poll = Some(thunks::poll::<P>);
        ops.ioctl = Some(bindings::inet_ioctl);
        ops.gettstamp = Some(bindings::sock_gettstamp);
        ops.listen = Some(thunks::listen::<P>);
        ops.shutdown = Some(bindings::inet_shutdown);
        ops.setsockopt = Some(bindings::sock_common_setsockopt);
        ops.getsockopt = Some(bindings::sock_common_getsockopt);
        ops.sendmsg = Some(bindings::inet_sendmsg);
        ops.recvmsg = Some(bindings::inet_recvmsg);
        ops.splice_read = Some(thunks::splice_read::<P>);
        ops.splice_eof = Some(thunks::splice_eof::<P>);
        ops.mmap = Some(bindings::sock_no_mmap);
        ops.set_rcvlowat = Some(thunks::set_rcvlowat::<P>);
        ops.set_peek_off = Some(bindings::sk_set_peek_off);
        let mut ops6 = ops;
        ops6.family = bindings::PF_INET6 as c_int;
        ops6.release = Some(bindings::inet6_release);
        ops6.bind = Some(bindings::inet6_bind);
        ops6.getname = Some(bindings::inet6_getname);
        ops6.ioctl = Some(bindings::inet6_ioctl);
        *t.ops.0.get_mut() = ops;
        *t.ops6.0.get_mut() = ops6;

        let mut switch = bindings::inet_protosw {
            type_: bindings::sock_type_SOCK_STREAM as u16,
            ..Default::default()
        };
        switch.protocol = u16::from(protocol);
        switch.prot = t.proto.0.get();
        switch.ops = t.ops.0.get();
        let mut switch6 = switch;
        switch6.prot = t.proto6.0.get();
        switch6.ops = t.ops6.0.get();
        *t.switch.0.get_mut() = switch;
        *t.switch6.0.get_mut() = switch6;
        Ok(())
    }

    /// A child socket of a listener, for the connection between `local` and `remote`: locked, with one reference
    /// for the caller. Its locked and shared data are new.
    pub(crate) fn clone_listener(
        listener: &Sock<P>,
        local: (Address, u16),
        remote: (Address, u16),
        device: u32,
    ) -> Option<ARef<Sock<P>>> {
        // SAFETY: The listener is alive. Its private part is copied, too, and overwritten below: a reader who still looks at this memory
        // as the connection that it was finds the key of none there, and nobody looks at it as a listener (`Guard::outlast_readers`).
        let child =
            unsafe { bindings::sk_clone(listener.raw(), bindings::RTCPFSM_GFP_ATOMIC, false) };
        let child = NonNull::new(child)?;
        let sk = child.as_ptr();
        // SAFETY: The child is ours alone, its kernel part initialised; it starts with two references, one too many.
        unsafe {
            Sock::<P>::init_raw(sk);
            bindings::rtcpfsm_sock_put(sk);
            bindings::rtcpfsm_child_init(sk, local.1, remote.1.to_be(), device as c_int);
            if listener.is_v6() {
                let storage: *mut Storage6<P> = sk.cast();
                bindings::rtcpfsm_child_init_v6(sk, listener.raw(), addr_of_mut!((*storage).v6));
            }
            let (l, r) = (local.0.to_in6(), remote.0.to_in6());
            bindings::rtcpfsm_set_addresses(sk, &l, &r);
            Some(ARef::from_raw(child.cast()))
        }
    }
}

impl<P: Operations> Drop for Registration<P> {
    fn drop(&mut self) {
        // SAFETY: Undoes what `new` did, and no socket is left: each holds a reference of the module.
        unsafe {
            if self.registered & SWITCH6 != 0 {
                bindings::inet6_unregister_protosw(self.tables.switch6.0.get());
            }
            if self.registered & SWITCH != 0 {
                bindings::inet_unregister_protosw(self.tables.switch.0.get());
            }
            if self.registered & PROTO6 != 0 {
                bindings::proto_unregister(self.tables.proto6.0.get());
            }
            if self.registered & PROTO != 0 {
                bindings::proto_unregister(self.tables.proto.0.get());
            }
            if self.registered & COUNTER != 0 {
                bindings::rtcpfsm_percpu_counter_destroy(self.tables.sockets_allocated.0.get());
            }
            bindings::rtcpfsm_free_percpu_int(self.tables.per_cpu_forward);
        }
    }
}
