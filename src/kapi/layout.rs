// SPDX-License-Identifier: GPL-2.0
//! What C's inline functions read and write of packets, their queues and sockets, inline here, too. By offsets where bindgen has no
//! name that every configuration has (src/ffi/layout.h).

use crate::src::ffi::bindings;
use core::ptr::null_mut;

/// The word at an offset of a struct.
///
/// # Safety
///
/// A `T` stands there, which nobody writes but as a whole word.
#[inline(always)]
unsafe fn word<S, T: Copy>(of: *const S, at: usize) -> T {
    // SAFETY: By this function's contract; volatile as C's READ_ONCE().
    unsafe { of.cast::<u8>().add(at).cast::<T>().read_volatile() }
}

/// The `skb_shared_info` behind a packet's memory.
///
/// # Safety
///
/// The packet is valid.
#[inline(always)]
unsafe fn shared_info(skb: *const bindings::sk_buff) -> *const u8 {
    // SAFETY: By this function's contract. On 64 bits the end is an offset (NET_SKBUFF_DATA_USES_OFFSET).
    unsafe {
        let end = (*skb).end as usize;
        if cfg!(target_pointer_width = "64") {
            (*skb).head.add(end)
        } else {
            end as *const u8
        }
    }
}

/// skb_headlen(): the linear octets.
///
/// # Safety
///
/// The packet is valid.
#[inline(always)]
pub(super) unsafe fn headlen(skb: *const bindings::sk_buff) -> u32 {
    // SAFETY: By this function's contract; no packet has more in its pages than in all.
    unsafe { (*skb).len.wrapping_sub((*skb).data_len) }
}

/// pskb_may_pull(): makes the first `len` octets linear; false: there are not so many, or no memory.
///
/// # Safety
///
/// The packet is valid, and the caller's own.
#[inline(always)]
pub(super) unsafe fn may_pull(skb: *mut bindings::sk_buff, len: u32) -> bool {
    // SAFETY: By this function's contract.
    unsafe { len <= headlen(skb) || bindings::rtcpfsm_pskb_may_pull(skb, len) }
}

/// __skb_pull(): drops the first `len` octets.
///
/// # Safety
///
/// The packet is valid and the caller's own, and so many octets are linear.
#[inline(always)]
pub(super) unsafe fn pull(skb: *mut bindings::sk_buff, len: u32) {
    // SAFETY: By this function's contract.
    unsafe {
        (*skb).len = (*skb).len.wrapping_sub(len);
        (*skb).data = (*skb).data.add(len as usize);
    }
}

/// skb_network_header().
///
/// # Safety
///
/// The packet is valid and has one.
#[inline(always)]
pub(super) unsafe fn network_header(skb: *const bindings::sk_buff) -> *mut u8 {
    // SAFETY: By this function's contract.
    unsafe {
        let at: u16 = word(skb, bindings::RTCPFSM_AT_SKB_NETWORK_HEADER);
        (*skb).head.add(at as usize)
    }
}

/// skb_transport_header().
///
/// # Safety
///
/// The packet is valid and has one.
#[inline(always)]
pub(super) unsafe fn transport_header(skb: *const bindings::sk_buff) -> *mut u8 {
    // SAFETY: By this function's contract.
    unsafe {
        let at: u16 = word(skb, bindings::RTCPFSM_AT_SKB_TRANSPORT_HEADER);
        (*skb).head.add(at as usize)
    }
}

/// The firewall mark.
///
/// # Safety
///
/// The packet is valid.
#[inline(always)]
pub(super) unsafe fn mark(skb: *const bindings::sk_buff) -> u32 {
    // SAFETY: By this function's contract.
    unsafe { word(skb, bindings::RTCPFSM_AT_SKB_MARK) }
}

/// inet_sdif(), inet6_sdif(): the device of a VRF that the packet came by, or 0.
///
/// # Safety
///
/// The packet is valid, and IP has received it: its control block is IP's.
#[inline(always)]
pub(super) unsafe fn sdif(skb: *const bindings::sk_buff, v6: bool) -> i32 {
    let (flags_at, slave, device_at) = if v6 {
        (
            bindings::RTCPFSM_AT_SKB_V6_FLAGS,
            bindings::RTCPFSM_V6_L3SLAVE,
            bindings::RTCPFSM_AT_SKB_V6_IIF,
        )
    } else {
        (
            bindings::RTCPFSM_AT_SKB_V4_FLAGS,
            bindings::RTCPFSM_V4_L3SLAVE,
            bindings::RTCPFSM_AT_SKB_V4_IIF,
        )
    };
    // SAFETY: By this function's contract.
    unsafe {
        let flags: u16 = word(skb, flags_at);
        if flags & slave != 0 {
            word(skb, device_at)
        } else {
            0
        }
    }
}

/// When the packet arrived, in nanoseconds since 1970, or 0.
///
/// # Safety
///
/// The packet is valid and was received.
#[inline(always)]
pub(super) unsafe fn tstamp(skb: *const bindings::sk_buff) -> i64 {
    // SAFETY: By this function's contract.
    unsafe { word(skb, bindings::RTCPFSM_AT_SKB_TSTAMP) }
}

/// Writes what [`tstamp`] reads.
///
/// # Safety
///
/// The packet is valid, and the caller's own.
#[inline(always)]
pub(super) unsafe fn set_tstamp(skb: *mut bindings::sk_buff, stamp: i64) {
    // SAFETY: By this function's contract.
    unsafe {
        skb.cast::<u8>()
            .add(bindings::RTCPFSM_AT_SKB_TSTAMP)
            .cast::<i64>()
            .write(stamp)
    }
}

/// `gso_size`: of a packet that stands for several, the octets of data in each.
///
/// # Safety
///
/// The packet is valid.
#[inline(always)]
pub(super) unsafe fn gso_size(skb: *const bindings::sk_buff) -> u16 {
    // SAFETY: By this function's contract.
    unsafe { word(shared_info(skb), bindings::RTCPFSM_AT_SHINFO_GSO_SIZE) }
}

/// How many page fragments it has.
///
/// # Safety
///
/// The packet is valid.
#[inline(always)]
pub(super) unsafe fn nr_frags(skb: *const bindings::sk_buff) -> u32 {
    // SAFETY: By this function's contract.
    let count: u8 = unsafe { word(shared_info(skb), bindings::RTCPFSM_AT_SHINFO_NR_FRAGS) };
    count.into()
}

/// The octets in its page fragment `i`.
///
/// # Safety
///
/// The packet is valid and has that fragment.
#[inline(always)]
pub(super) unsafe fn frag_len(skb: *const bindings::sk_buff, i: u32) -> u32 {
    let at = bindings::RTCPFSM_AT_SHINFO_FRAGS
        + i as usize * bindings::RTCPFSM_FRAG_SIZE
        + bindings::RTCPFSM_AT_FRAG_LEN;
    // SAFETY: By this function's contract.
    unsafe { word(shared_info(skb), at) }
}

/// A queue of packets as one of its links: both start with them.
#[inline(always)]
fn link(queue: *mut bindings::sk_buff_head) -> *mut bindings::sk_buff {
    queue.cast()
}

/// Null for the queue itself, where the circle of links ends.
#[inline(always)]
fn in_queue(
    skb: *mut bindings::sk_buff,
    queue: *mut bindings::sk_buff_head,
) -> *mut bindings::sk_buff {
    if skb == link(queue) {
        null_mut()
    } else {
        skb
    }
}

/// skb_peek(): the first packet, or null.
///
/// # Safety
///
/// The queue is valid, and its lock held.
#[inline(always)]
pub(super) unsafe fn first(queue: *mut bindings::sk_buff_head) -> *mut bindings::sk_buff {
    // SAFETY: By this function's contract.
    in_queue(unsafe { (*queue).__bindgen_anon_1.list.next }, queue)
}

/// skb_peek_tail(): the last packet, or null.
///
/// # Safety
///
/// As for [`first`].
#[inline(always)]
pub(super) unsafe fn last(queue: *mut bindings::sk_buff_head) -> *mut bindings::sk_buff {
    // SAFETY: By this function's contract.
    in_queue(unsafe { (*queue).__bindgen_anon_1.list.prev }, queue)
}

/// skb_peek_next(): the packet behind one of the queue, or null.
///
/// # Safety
///
/// As for [`first`], and the packet is in that queue.
#[inline(always)]
pub(super) unsafe fn next(
    skb: *mut bindings::sk_buff,
    queue: *mut bindings::sk_buff_head,
) -> *mut bindings::sk_buff {
    // SAFETY: By this function's contract.
    in_queue(
        unsafe { (*skb).__bindgen_anon_1.__bindgen_anon_1.next },
        queue,
    )
}

/// __skb_queue_tail(): puts a packet at the end.
///
/// # Safety
///
/// As for [`first`]; the packet is valid, in no queue, and given away.
#[inline(always)]
pub(super) unsafe fn append(queue: *mut bindings::sk_buff_head, skb: *mut bindings::sk_buff) {
    // SAFETY: By this function's contract. Volatile as C's WRITE_ONCE(): some look without the lock.
    unsafe {
        let last = (*queue).__bindgen_anon_1.list.prev;
        links(skb, last, link(queue));
        set_prev(link(queue), skb);
        set_next(last, skb);
        let len = &raw mut (*queue).qlen;
        len.write_volatile((*queue).qlen.wrapping_add(1));
    }
}

/// __skb_dequeue() of a queue whose first packet this is: takes it off.
///
/// # Safety
///
/// As for [`first`], and the packet is the first one.
#[inline(always)]
pub(super) unsafe fn take_first(queue: *mut bindings::sk_buff_head, skb: *mut bindings::sk_buff) {
    // SAFETY: By this function's contract. Volatile as C's WRITE_ONCE(): some look without the lock.
    unsafe {
        let len = &raw mut (*queue).qlen;
        len.write_volatile((*queue).qlen.wrapping_sub(1));
        let next = (*skb).__bindgen_anon_1.__bindgen_anon_1.next;
        links(skb, null_mut(), null_mut());
        set_prev(next, link(queue));
        set_next(link(queue), next);
    }
}

/// # Safety
///
/// `skb` is a packet or a queue, as long as its links are concerned.
#[inline(always)]
unsafe fn set_next(skb: *mut bindings::sk_buff, next: *mut bindings::sk_buff) {
    // SAFETY: By this function's contract.
    unsafe { (&raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.next).write_volatile(next) }
}

/// # Safety
///
/// As for [`set_next`].
#[inline(always)]
unsafe fn set_prev(skb: *mut bindings::sk_buff, prev: *mut bindings::sk_buff) {
    // SAFETY: By this function's contract.
    unsafe { (&raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.prev).write_volatile(prev) }
}

/// # Safety
///
/// As for [`set_next`].
#[inline(always)]
unsafe fn links(
    skb: *mut bindings::sk_buff,
    prev: *mut bindings::sk_buff,
    next: *mut bindings::sk_buff,
) {
    // SAFETY: By this function's contract.
    unsafe {
        set_next(skb, next);
        set_prev(skb, prev);
    }
}

/// sk_rmem_alloc_get(): memory that the receive queue holds now.
///
/// # Safety
///
/// The socket is alive.
#[inline(always)]
pub(super) unsafe fn rmem_alloc(sk: *const bindings::sock) -> i32 {
    // SAFETY: By this function's contract.
    unsafe { word(sk, bindings::RTCPFSM_AT_SOCK_RMEM_ALLOC) }
}

/// The flags that [`sock_flag`] asks for, a bit for each.
///
/// # Safety
///
/// The socket is alive.
#[inline(always)]
pub(super) unsafe fn sock_flags(sk: *const bindings::sock) -> usize {
    // SAFETY: By this function's contract.
    unsafe { word(sk, bindings::RTCPFSM_AT_SOCK_FLAGS) }
}

/// sock_flag().
///
/// # Safety
///
/// The socket is alive.
#[inline(always)]
pub(super) unsafe fn sock_flag(sk: *const bindings::sock, flag: u32) -> bool {
    // SAFETY: By this function's contract.
    unsafe { sock_flags(sk) & (1 << flag) != 0 }
}
