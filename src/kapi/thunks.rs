// SPDX-License-Identifier: GPL-2.0
//! The C functions of `struct proto` and `struct proto_ops`, over [`Operations`]: each turns what the kernel hands over into safe
//! types, and results into errno.

use super::addr::{Address, Endpoint};
use super::guard::Guard;
use super::offload;
use super::proto::{Message, Operations};
use super::skb::Skb;
use super::sock::{Protocol, Sock};
use super::splice::Pipe;
use crate::src::ffi::bindings;
use core::ptr::{null_mut, NonNull};
use kernel::ffi::{c_char, c_int, c_long, c_uint, c_void};
use kernel::prelude::*;
use kernel::sync::aref::ARef;

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
pub(super) unsafe fn locked<'a, P: Protocol>(sk: *mut bindings::sock) -> Guard<'a, P> {
    // SAFETY: By this function's contract.
    unsafe { Guard::assume(Sock::from_raw(sk)) }
}

pub(super) extern "C" fn init<P: Operations>(sk: *mut bindings::sock) -> c_int {
    // SAFETY: A new socket, known to nobody yet: as good as locked. The destructor that is replaced is called by ours.
    unsafe {
        Sock::<P>::init_raw(sk);
        offload::prepare(&mut *sk);
        // For a child `sk_clone` counts, and for all of them `destruct_raw` counts down.
        bindings::rtcpfsm_sockets_allocated_inc(sk);
        (*sk).sk_destruct = Some(if Sock::<P>::from_raw(sk).is_v6() {
            destruct6::<P>
        } else {
            destruct::<P>
        });
        done(P::opened(&mut locked::<P>(sk)))
    }
}

pub(super) extern "C" fn destruct<P: Operations>(sk: *mut bindings::sock) {
    // SAFETY: The last reference is gone.
    unsafe {
        Sock::<P>::destruct_raw(sk);
        bindings::inet_sock_destruct(sk);
    }
}

pub(super) extern "C" fn destruct6<P: Operations>(sk: *mut bindings::sock) {
    // SAFETY: The last reference is gone.
    unsafe {
        Sock::<P>::destruct_raw(sk);
        bindings::inet6_sock_destruct(sk);
    }
}

pub(super) extern "C" fn close<P: Operations>(sk: *mut bindings::sock, timeout: c_long) {
    // SAFETY: The file gives its reference up by this call; the pointer is not null.
    P::close(
        unsafe { ARef::from_raw(NonNull::new_unchecked(sk.cast())) },
        timeout as i64,
    );
}

/// The address that is not even long enough for its family is refused, and the cgroup's programs may refuse or change it.
pub(super) extern "C" fn pre_connect(
    sk: *mut bindings::sock,
    address: *mut bindings::sockaddr_unsized,
    len: c_int,
) -> c_int {
    // SAFETY: Locked by `inet_stream_connect`, and the address has `len` octets.
    unsafe { bindings::rtcpfsm_connect_filter(sk, address, len) }
}

pub(super) extern "C" fn connect<P: Operations>(
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

pub(super) extern "C" fn stream_connect<P: Operations>(
    sock: *mut bindings::socket,
    address: *mut bindings::sockaddr_unsized,
    len: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: A socket file has its socket as long as the call runs.
    let sk: &Sock<P> = unsafe { Sock::from_raw((*sock).sk.cast()) };
    let mut owned = sk.lock();
    // AF_UNSPEC, which is zero, does not open: it ends what there is.
    // SAFETY: The kernel gives as much of an address as `len` says.
    let unspec = len as usize >= core::mem::size_of::<bindings::__kernel_sa_family_t>()
        && unsafe { (*address).sa_family } == 0;
    let was_listener = !unspec
        && match P::before_connect(&mut owned) {
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

pub(super) extern "C" fn disconnect<P: Operations>(
    sk: *mut bindings::sock,
    _flags: c_int,
) -> c_int {
    // SAFETY: Locked by the caller.
    done(P::disconnect(unsafe { &mut locked::<P>(sk) }))
}

pub(super) extern "C" fn accept<P: Operations>(
    sk: *mut bindings::sock,
    arg: *mut bindings::proto_accept_arg,
) -> *mut bindings::sock {
    // SAFETY: The file keeps the socket alive; `arg` is the caller's.
    let (listener, arg) = unsafe { (Sock::<P>::from_raw(sk), &mut *arg) };
    match P::accept(listener, arg.flags & bindings::O_NONBLOCK as c_int != 0) {
        Ok((child, empty)) => {
            arg.is_empty = c_int::from(empty);
            ARef::into_raw(child).as_ptr().cast()
        }
        Err(error) => {
            arg.err = error.to_errno();
            null_mut()
        }
    }
}

pub(super) extern "C" fn ioctl<P: Operations>(
    sk: *mut bindings::sock,
    command: c_int,
    karg: *mut c_int,
) -> c_int {
    // SAFETY: The file keeps the socket alive.
    let sk: &Sock<P> = unsafe { Sock::from_raw(sk) };
    let result = match command as u32 {
        bindings::RTCPFSM_SIOCATMARK => Ok(i32::from(P::is_at_mark(sk))),
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

pub(super) extern "C" fn shutdown<P: Operations>(sk: *mut bindings::sock, how: c_int) {
    // SAFETY: Locked by `inet_shutdown`.
    P::shutdown(
        unsafe { &mut locked::<P>(sk) },
        how & bindings::SEND_SHUTDOWN as c_int != 0,
        how & bindings::RCV_SHUTDOWN as c_int != 0,
    );
}

pub(super) extern "C" fn setsockopt<P: Operations>(
    sk: *mut bindings::sock,
    level: c_int,
    name: c_int,
    value: bindings::sockptr_t,
    len: c_uint,
) -> c_int {
    // SAFETY: Passed on as it came; a change of family would turn the socket into another protocol's.
    unsafe {
        match level as u32 {
            bindings::SOL_IP if name as u32 == bindings::IP_OPTIONS => {
                if let Err(error) = super::ip::refuse_source_route(value, len) {
                    return error.to_errno();
                }
                bindings::ip_setsockopt(sk, level, name, value, len)
            }
            bindings::SOL_IP => bindings::ip_setsockopt(sk, level, name, value, len),
            bindings::SOL_IPV6
                if u32::from((*sk).__sk_common.skc_family) == bindings::AF_INET6
                    && name as u32 != bindings::IPV6_ADDRFORM =>
            {
                bindings::ipv6_setsockopt(sk, level, name, value, len)
            }
            bindings::SOL_TCP => done(super::options::set::<P>(sk, name, value, len)),
            _ => -(bindings::ENOPROTOOPT as c_int),
        }
    }
}

pub(super) extern "C" fn getsockopt<P: Operations>(
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
            bindings::SOL_TCP => done(super::options::get::<P>(sk, name, value, len)),
            _ => -(bindings::ENOPROTOOPT as c_int),
        }
    }
}

pub(super) extern "C" fn sendmsg<P: Operations>(
    sk: *mut bindings::sock,
    message: *mut bindings::msghdr,
    len: usize,
) -> c_int {
    // SAFETY: The file keeps the socket alive; the message is the caller's.
    let (sk, mut message) = unsafe { (Sock::<P>::from_raw(sk), Message::from_raw(message)) };
    errno(P::sendmsg(&mut sk.lock(), &mut message, len))
}

pub(super) extern "C" fn recvmsg<P: Operations>(
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
    let result = P::recvmsg(&mut sk.lock(), &mut message, len, flags as u32);
    // As in Linux's TCP the urgent octet has no stamp.
    if result.is_ok() && flags as u32 & bindings::MSG_OOB == 0 {
        message.put_stamp(sk);
    }
    errno(result)
}

pub(super) extern "C" fn splice_read<P: Operations>(
    sock: *mut bindings::socket,
    position: *mut bindings::loff_t,
    pipe: *mut bindings::pipe_inode_info,
    len: usize,
    _flags: c_uint,
) -> isize {
    // SAFETY: The caller's word.
    if unsafe { *position } != 0 {
        return ESPIPE.to_errno() as isize;
    }
    // SAFETY: The file keeps the socket alive, and the caller has locked the pipe.
    let (sk, nonblocking, mut pipe) = unsafe {
        (
            Sock::<P>::from_raw((*sock).sk.cast()),
            bindings::rtcpfsm_sock_nonblocking(sock),
            Pipe::from_raw(pipe),
        )
    };
    match P::splice_read(&mut sk.lock(), &mut pipe, len, nonblocking) {
        Ok(count) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}

pub(super) extern "C" fn splice_eof<P: Operations>(sock: *mut bindings::socket) {
    // SAFETY: The file keeps the socket alive.
    let sk: &Sock<P> = unsafe { Sock::from_raw((*sock).sk.cast()) };
    P::splice_eof(&mut sk.lock());
}

pub(super) extern "C" fn backlog_rcv<P: Operations>(
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

pub(super) extern "C" fn release_cb<P: Operations>(sk: *mut bindings::sock) {
    // SAFETY: Called with the spin lock held and the ownership not yet given up.
    unsafe { locked::<P>(sk) }.run_deferred();
}

pub(super) extern "C" fn hash(_sk: *mut bindings::sock) -> c_int {
    0
}

/// Only a socket whose making failed gets here by itself: it is in no table.
pub(super) extern "C" fn unhash(_sk: *mut bindings::sock) {}

/// The socket is bound to another device, or to none any more (SO_BINDTODEVICE): segments find it by its head.
pub(super) extern "C" fn rehash<P: Protocol>(sk: *mut bindings::sock) {
    // SAFETY: Locked by the caller.
    unsafe { locked::<P>(sk) }.refresh_bind_flags();
}

pub(super) extern "C" fn get_port<P: Operations>(sk: *mut bindings::sock, port: u16) -> c_int {
    // SAFETY: Locked by bind().
    done(P::get_port(unsafe { &mut locked::<P>(sk) }, port))
}

pub(super) extern "C" fn put_port<P: Operations>(sk: *mut bindings::sock) {
    // SAFETY: Locked by the caller.
    P::put_port(unsafe { &mut locked::<P>(sk) });
}

pub(super) extern "C" fn listen<P: Operations>(
    sock: *mut bindings::socket,
    backlog: c_int,
) -> c_int {
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

pub(super) extern "C" fn set_rcvlowat<P: Operations>(
    sk: *mut bindings::sock,
    value: c_int,
) -> c_int {
    // SAFETY: setsockopt() has locked the socket.
    P::set_low_water(unsafe { &mut locked::<P>(sk) }, value.max(0) as u32);
    0
}

pub(super) extern "C" fn poll<P: Operations>(
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

pub(super) extern "C" fn enter_memory_pressure(sk: *mut bindings::sock) {
    // SAFETY: The flag is the protocol's own word.
    unsafe {
        (*(*sk).__sk_common.skc_prot)
            .memory_pressure
            .write_volatile(1)
    };
}

pub(super) extern "C" fn leave_memory_pressure(sk: *mut bindings::sock) {
    // SAFETY: The flag is the protocol's own word.
    unsafe {
        (*(*sk).__sk_common.skc_prot)
            .memory_pressure
            .write_volatile(0)
    };
}

pub(super) extern "C" fn stream_memory_free<P: Operations>(
    sk: *const bindings::sock,
    wake: c_int,
) -> bool {
    // SAFETY: The kernel asks for a live socket.
    P::has_send_room(unsafe { Sock::from_raw(sk.cast_mut()) }, wake != 0)
}
