// SPDX-License-Identifier: GPL-2.0
//! Registration of a stream protocol with the socket layer: the C operations (`struct proto`, `struct proto_ops`) as thunks
//! over [`Operations`], which a protocol implements with safe types.

use super::addr::{Address, Endpoint};
use super::skb::Skb;
use super::sock::{Guard, Protocol, Sock, Storage, Storage6};
use crate::src::ffi::bindings;
use core::marker::PhantomData;
use core::ptr::{addr_of_mut, null_mut, NonNull};
use kernel::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// Flags of a send or receive call (`MSG_*`) and the memory it is about.
pub(crate) struct Message<'a> {
    raw: NonNull<bindings::msghdr>,
    _borrow: PhantomData<&'a mut bindings::msghdr>,
}

impl Message<'_> {
    /// # Safety
    ///
    /// `raw` is a valid message for the result's lifetime, used by nobody else.
    unsafe fn from_raw(raw: *mut bindings::msghdr) -> Self {
        Message {
            // SAFETY: By this function's contract it is not null.
            raw: unsafe { NonNull::new_unchecked(raw) },
            _borrow: PhantomData,
        }
    }

    /// `MSG_*` as the caller gave them.
    pub(crate) fn flags(&self) -> u32 {
        // SAFETY: The message is valid.
        unsafe { self.raw.as_ref().msg_flags as u32 }
    }

    pub(super) fn iter(&mut self) -> *mut bindings::iov_iter {
        // SAFETY: The message is valid.
        unsafe { addr_of_mut!((*self.raw.as_ptr()).msg_iter) }
    }

    /// Is this a call with ancillary data?
    pub(crate) fn has_control(&self) -> bool {
        // SAFETY: The message is valid.
        unsafe { self.raw.as_ref().msg_controllen != 0 }
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
    /// shutdown(); the kernel has noted the directions in the socket.
    fn shutdown(sk: &mut Guard<'_, Self>, send: bool);
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
    /// SIOCINQ: octets that can be read. Socket not locked.
    fn unread(sk: &Sock<Self>) -> Result<i32>;
    /// SIOCOUTQ and SIOCOUTQNSD: octets that are not acknowledged, or not even sent. Socket not locked.
    fn unacknowledged(sk: &Sock<Self>, unsent: bool) -> Result<i32>;
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
            bindings::inet_register_protosw(this.tables.switch.0.get());
            this.registered |= SWITCH;
            kernel::error::to_result(bindings::inet6_register_protosw(
                this.tables.switch6.0.get(),
            ))?;
            this.registered |= SWITCH6;
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
        proto.close = Some(close::<P>);
        proto.pre_connect = Some(pre_connect);
        proto.connect = Some(connect::<P>);
        proto.disconnect = Some(disconnect::<P>);
        proto.accept = Some(accept::<P>);
        proto.ioctl = Some(ioctl::<P>);
        proto.init = Some(init::<P>);
        proto.shutdown = Some(shutdown::<P>);
        proto.setsockopt = Some(setsockopt);
        proto.getsockopt = Some(getsockopt);
        proto.sendmsg = Some(sendmsg::<P>);
        proto.recvmsg = Some(recvmsg::<P>);
        proto.backlog_rcv = Some(backlog_rcv::<P>);
        proto.release_cb = Some(release_cb::<P>);
        proto.hash = Some(hash);
        proto.unhash = Some(unhash);
        proto.get_port = Some(get_port::<P>);
        proto.put_port = Some(put_port::<P>);
        proto.no_autobind = true;
        proto.max_header = bindings::RTCPFSM_MAX_TCP_HEADER as c_int;
        proto.memory_allocated = t.memory_allocated.0.get();
        proto.per_cpu_fw_alloc = t.per_cpu_forward;
        proto.sockets_allocated = t.sockets_allocated.0.get();
        proto.memory_pressure = t.memory_pressure.0.get();
        proto.enter_memory_pressure = Some(enter_memory_pressure);
        proto.leave_memory_pressure = Some(leave_memory_pressure);
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

        let mut ops: bindings::proto_ops = Default::default();
        ops.family = bindings::PF_INET as c_int;
        ops.owner = owner;
        ops.release = Some(bindings::inet_release);
        ops.bind = Some(bindings::inet_bind);
        ops.connect = Some(stream_connect::<P>);
        ops.socketpair = Some(bindings::sock_no_socketpair);
        ops.accept = Some(bindings::inet_accept);
        ops.getname = Some(bindings::inet_getname);
        ops.poll = Some(poll::<P>);
        ops.ioctl = Some(bindings::inet_ioctl);
        ops.gettstamp = Some(bindings::sock_gettstamp);
        ops.listen = Some(listen::<P>);
        ops.shutdown = Some(bindings::inet_shutdown);
        ops.setsockopt = Some(bindings::sock_common_setsockopt);
        ops.getsockopt = Some(bindings::sock_common_getsockopt);
        ops.sendmsg = Some(bindings::inet_sendmsg);
        ops.recvmsg = Some(bindings::inet_recvmsg);
        ops.mmap = Some(bindings::sock_no_mmap);
        ops.set_peek_off = Some(bindings::sk_set_peek_off);
        let mut ops6 = ops;
        ops6.family = bindings::PF_INET6 as c_int;
        ops6.release = Some(bindings::inet6_release);
        ops6.bind = Some(bindings::inet6_bind);
        ops6.getname = Some(bindings::inet6_getname);
        ops6.ioctl = Some(bindings::inet6_ioctl);
        *t.ops.0.get_mut() = ops;
        *t.ops6.0.get_mut() = ops6;

        let mut switch: bindings::inet_protosw = Default::default();
        switch.type_ = bindings::sock_type_SOCK_STREAM as u16;
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
        // SAFETY: The listener is alive; the copy of its private part is overwritten below before anybody sees it.
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

fn errno<T: TryInto<c_int>>(result: Result<T>) -> c_int {
    match result {
        Ok(value) => value.try_into().unwrap_or(c_int::MAX),
        Err(error) => error.to_errno(),
    }
}

fn done(result: Result) -> c_int {
    errno(result.map(|()| 0))
}

/// # Safety
///
/// The kernel calls a thunk with a live socket of the protocol, locked by the calling context.
unsafe fn locked<'a, P: Protocol>(sk: *mut bindings::sock) -> Guard<'a, P> {
    // SAFETY: By this function's contract.
    unsafe { Guard::assume(Sock::from_raw(sk)) }
}

extern "C" fn init<P: Operations>(sk: *mut bindings::sock) -> c_int {
    // SAFETY: A new socket, known to nobody yet: as good as locked. The destructor that is replaced is called by ours.
    unsafe {
        Sock::<P>::init_raw(sk);
        (*sk).sk_destruct = Some(if Sock::<P>::from_raw(sk).is_v6() {
            destruct6::<P>
        } else {
            destruct::<P>
        });
        done(P::opened(&mut locked::<P>(sk)))
    }
}

extern "C" fn destruct<P: Operations>(sk: *mut bindings::sock) {
    // SAFETY: The last reference is gone.
    unsafe {
        Sock::<P>::destruct_raw(sk);
        bindings::inet_sock_destruct(sk);
    }
}

extern "C" fn destruct6<P: Operations>(sk: *mut bindings::sock) {
    // SAFETY: The last reference is gone.
    unsafe {
        Sock::<P>::destruct_raw(sk);
        bindings::inet6_sock_destruct(sk);
    }
}

extern "C" fn close<P: Operations>(sk: *mut bindings::sock, timeout: c_long) {
    // SAFETY: The file gives its reference up by this call; the pointer is not null.
    P::close(
        unsafe { ARef::from_raw(NonNull::new_unchecked(sk.cast())) },
        timeout as i64,
    );
}

extern "C" fn pre_connect(
    _sk: *mut bindings::sock,
    _address: *mut bindings::sockaddr_unsized,
    _len: c_int,
) -> c_int {
    0
}

extern "C" fn connect<P: Operations>(
    sk: *mut bindings::sock,
    address: *mut bindings::sockaddr_unsized,
    len: c_int,
) -> c_int {
    // SAFETY: Locked by `stream_connect`.
    let mut guard = unsafe { locked::<P>(sk) };
    // SAFETY: The kernel hands the address over in a buffer of the largest size, `len` octets of it written.
    let peer = unsafe { peer_of(address.cast(), len, guard.sk().is_v6()) };
    done(peer.and_then(|(peer, scope_id)| P::connect(&mut guard, peer, scope_id)))
}

/// Reads the address of a connect() call.
///
/// # Safety
///
/// `address` has room for the largest socket address and `len` octets of it are valid.
unsafe fn peer_of(address: *const c_void, len: c_int, v6: bool) -> Result<(Endpoint, u32)> {
    if v6 {
        if len < bindings::RTCPFSM_SIN6_LEN_RFC2133 as c_int {
            return Err(EINVAL);
        }
        // SAFETY: By this function's contract; the scope is only used where it was given.
        let sin6 = unsafe { &*address.cast::<bindings::sockaddr_in6>() };
        if u32::from(sin6.sin6_family) != bindings::AF_INET6 {
            return Err(EAFNOSUPPORT);
        }
        let scope = if len as usize >= core::mem::size_of::<bindings::sockaddr_in6>() {
            sin6.sin6_scope_id
        } else {
            0
        };
        let endpoint = Endpoint {
            address: Address::from_in6(&sin6.sin6_addr),
            port: u16::from_be(sin6.sin6_port),
            as_v6: true,
        };
        Ok((endpoint, scope))
    } else {
        if (len as usize) < core::mem::size_of::<bindings::sockaddr_in>() {
            return Err(EINVAL);
        }
        // SAFETY: By this function's contract.
        let sin = unsafe { &*address.cast::<bindings::sockaddr_in>() };
        if u32::from(sin.sin_family) != bindings::AF_INET {
            return Err(EAFNOSUPPORT);
        }
        let endpoint = Endpoint {
            address: Address::v4(sin.sin_addr.s_addr),
            port: u16::from_be(sin.sin_port),
            as_v6: false,
        };
        Ok((endpoint, 0))
    }
}

extern "C" fn stream_connect<P: Operations>(
    sock: *mut bindings::socket,
    address: *mut bindings::sockaddr_unsized,
    len: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: A socket file has its socket as long as the call runs.
    let sk: &Sock<P> = unsafe { Sock::from_raw((*sock).sk.cast()) };
    let mut owned = sk.lock();
    let was_listener = match P::before_connect(&mut owned) {
        Ok(go_on) => go_on,
        Err(error) => return error.to_errno(),
    };
    // SAFETY: The socket is locked, the address as the kernel gave it.
    let result = unsafe { bindings::__inet_stream_connect(sock, address, len, flags, 0) };
    if was_listener && sk.kernel_state() == bindings::TCP_CLOSE && result < 0 {
        P::connect_failed(&mut owned);
    }
    result
}

extern "C" fn disconnect<P: Operations>(sk: *mut bindings::sock, _flags: c_int) -> c_int {
    // SAFETY: Locked by the caller.
    done(P::disconnect(unsafe { &mut locked::<P>(sk) }))
}

extern "C" fn accept<P: Operations>(
    sk: *mut bindings::sock,
    arg: *mut bindings::proto_accept_arg,
) -> *mut bindings::sock {
    // SAFETY: The file keeps the socket alive; `arg` is the caller's.
    let (listener, arg) = unsafe { (Sock::<P>::from_raw(sk), &mut *arg) };
    match P::accept(listener, arg.flags & bindings::O_NONBLOCK as c_int != 0) {
        Ok((child, empty)) => {
            arg.is_empty = empty as c_int;
            ARef::into_raw(child).as_ptr().cast()
        }
        Err(error) => {
            arg.err = error.to_errno();
            null_mut()
        }
    }
}

extern "C" fn ioctl<P: Operations>(
    sk: *mut bindings::sock,
    command: c_int,
    karg: *mut c_int,
) -> c_int {
    // SAFETY: The file keeps the socket alive.
    let sk: &Sock<P> = unsafe { Sock::from_raw(sk) };
    let result = match command as u32 {
        bindings::RTCPFSM_SIOCINQ => P::unread(sk),
        bindings::RTCPFSM_SIOCOUTQ => P::unacknowledged(sk, false),
        bindings::RTCPFSM_SIOCOUTQNSD => P::unacknowledged(sk, true),
        _ => return -(bindings::ENOIOCTLCMD as c_int),
    };
    match result {
        Err(error) => error.to_errno(),
        Ok(value) => {
            // SAFETY: `sk_ioctl` copies this word to the caller.
            unsafe { *karg = value };
            0
        }
    }
}

extern "C" fn shutdown<P: Operations>(sk: *mut bindings::sock, how: c_int) {
    // SAFETY: Locked by `inet_shutdown`.
    P::shutdown(
        unsafe { &mut locked::<P>(sk) },
        how & bindings::SEND_SHUTDOWN as c_int != 0,
    );
}

extern "C" fn setsockopt(
    sk: *mut bindings::sock,
    level: c_int,
    name: c_int,
    value: bindings::sockptr_t,
    len: c_uint,
) -> c_int {
    // SAFETY: Passed on as it came; a change of family would turn the socket into another protocol's.
    unsafe {
        match level as u32 {
            bindings::SOL_IP => bindings::ip_setsockopt(sk, level, name, value, len),
            bindings::SOL_IPV6
                if u32::from((*sk).__sk_common.skc_family) == bindings::AF_INET6
                    && name as u32 != bindings::IPV6_ADDRFORM =>
            {
                bindings::ipv6_setsockopt(sk, level, name, value, len)
            }
            _ => -(bindings::ENOPROTOOPT as c_int),
        }
    }
}

extern "C" fn getsockopt(
    sk: *mut bindings::sock,
    level: c_int,
    name: c_int,
    value: *mut c_char,
    len: *mut c_int,
) -> c_int {
    // SAFETY: Passed on as it came.
    unsafe {
        match level as u32 {
            bindings::SOL_IP => bindings::ip_getsockopt(sk, level, name, value, len),
            bindings::SOL_IPV6 if u32::from((*sk).__sk_common.skc_family) == bindings::AF_INET6 => {
                bindings::ipv6_getsockopt(sk, level, name, value, len)
            }
            _ => -(bindings::ENOPROTOOPT as c_int),
        }
    }
}

extern "C" fn sendmsg<P: Operations>(
    sk: *mut bindings::sock,
    message: *mut bindings::msghdr,
    len: usize,
) -> c_int {
    // SAFETY: The file keeps the socket alive; the message is the caller's.
    let (sk, mut message) = unsafe { (Sock::<P>::from_raw(sk), Message::from_raw(message)) };
    errno(P::sendmsg(&mut sk.lock(), &mut message, len))
}

extern "C" fn recvmsg<P: Operations>(
    sk: *mut bindings::sock,
    message: *mut bindings::msghdr,
    len: usize,
    flags: c_int,
) -> c_int {
    if flags as u32 & bindings::MSG_ERRQUEUE != 0 {
        // SAFETY: Passed on as it came.
        return unsafe { bindings::inet_recv_error(sk, message, len as c_int) };
    }
    // SAFETY: The file keeps the socket alive; the message is the caller's.
    let (sk, mut message) = unsafe { (Sock::<P>::from_raw(sk), Message::from_raw(message)) };
    errno(P::recvmsg(&mut sk.lock(), &mut message, len, flags as u32))
}

extern "C" fn backlog_rcv<P: Operations>(
    sk: *mut bindings::sock,
    skb: *mut bindings::sk_buff,
) -> c_int {
    // SAFETY: The process that owns the socket calls it with a packet of its own.
    unsafe {
        if let Some(skb) = Skb::from_raw(skb) {
            P::backlog(&mut locked::<P>(sk), skb);
        }
    }
    0
}

extern "C" fn release_cb<P: Operations>(sk: *mut bindings::sock) {
    // SAFETY: Called with the spin lock held and the ownership not yet given up.
    unsafe { locked::<P>(sk) }.run_deferred();
}

extern "C" fn hash(_sk: *mut bindings::sock) -> c_int {
    0
}

/// Only a socket whose making failed gets here by itself: it is in no table.
extern "C" fn unhash(_sk: *mut bindings::sock) {}

extern "C" fn get_port<P: Operations>(sk: *mut bindings::sock, port: u16) -> c_int {
    // SAFETY: Locked by bind().
    done(P::get_port(unsafe { &mut locked::<P>(sk) }, port))
}

extern "C" fn put_port<P: Operations>(sk: *mut bindings::sock) {
    // SAFETY: Locked by the caller.
    P::put_port(unsafe { &mut locked::<P>(sk) });
}

extern "C" fn listen<P: Operations>(sock: *mut bindings::socket, backlog: c_int) -> c_int {
    // SAFETY: A socket file has its socket as long as the call runs.
    let sk: &Sock<P> = unsafe { Sock::from_raw((*sock).sk.cast()) };
    let mut owned = sk.lock();
    // SAFETY: The socket is locked.
    let unconnected = unsafe { (*sock).state == bindings::socket_state_SS_UNCONNECTED };
    if !unconnected {
        return EINVAL.to_errno();
    }
    // As inet_listen(): a negative backlog is a very large one; listen() has capped it by somaxconn.
    done(P::listen(&mut owned, backlog as u32))
}

extern "C" fn poll<P: Operations>(
    file: *mut bindings::file,
    sock: *mut bindings::socket,
    wait: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: The file keeps the socket alive.
    unsafe {
        bindings::rtcpfsm_sock_poll_wait(file, sock, wait);
        P::poll(Sock::from_raw((*sock).sk.cast()))
    }
}

extern "C" fn enter_memory_pressure(sk: *mut bindings::sock) {
    // SAFETY: The flag is the protocol's own word.
    unsafe {
        (*(*sk).__sk_common.skc_prot)
            .memory_pressure
            .write_volatile(1)
    };
}

extern "C" fn leave_memory_pressure(sk: *mut bindings::sock) {
    // SAFETY: The flag is the protocol's own word.
    unsafe {
        (*(*sk).__sk_common.skc_prot)
            .memory_pressure
            .write_volatile(0)
    };
}
