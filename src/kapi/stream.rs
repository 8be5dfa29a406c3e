// SPDX-License-Identifier: GPL-2.0
//! The octets of a stream: the send queue, made of page fragments that segments refer to, and the receive queue.
//!
//! A segment with just the octets of one queued packet leaves as a clone of it, as in Linux's TCP: its header stands in the room before
//! those octets, so that there is one clone at a time. All others are packets of their own that refer to the same pages.
//!
//! Nothing here knows sequence numbers: positions are octets from the start of the send queue.

use super::guard::Guard;
use super::layout;
use super::proto::Message;
use super::skb::Skb;
use super::sock::Protocol;
use crate::src::ffi::bindings;
use core::ptr::{null_mut, NonNull};
use kernel::prelude::*;

/// A packet of the send queue grows up to this many octets: its memory is given back when all of it is acknowledged.
const MAX_QUEUED_PACKET: u32 = 64 * 1024;

/// So many octets are queued whatever the memory of all sockets is, where nothing else is: Linux's least send buffer.
const ALWAYS_QUEUED: u32 = 4096;

/// Where the send queue (`sk_write_queue`) starts and where the last search in it ended.
#[derive(Default)]
pub(super) struct SendState {
    /// Octets of the first packet that are already freed.
    skip: u32,
    /// Octets in the queue, `skip` not counted.
    len: u32,
    /// The packet that was found last, and its position in the queue: new data is mostly asked for in order.
    found: Option<(NonNull<bindings::sk_buff>, u32)>,
}

impl<P: Protocol> Guard<'_, P> {
    fn send_state_mut(&mut self) -> &mut SendState {
        // SAFETY: Guarded by the socket lock, which we hold; `&mut self` makes it the only borrow.
        unsafe { &mut *self.sk().send_state() }
    }

    fn write_queue(&self) -> *mut bindings::sk_buff_head {
        // SAFETY: The field of a live socket.
        unsafe { core::ptr::addr_of_mut!((*self.sk().raw()).sk_write_queue) }
    }

    pub(super) fn receive_queue(&self) -> *mut bindings::sk_buff_head {
        // SAFETY: The field of a live socket.
        unsafe { core::ptr::addr_of_mut!((*self.sk().raw()).sk_receive_queue) }
    }

    /// Octets in the send queue.
    pub(crate) fn send_queue_len(&mut self) -> u32 {
        self.send_state_mut().len
    }

    /// Takes memory for at most `octets` more of the send queue; for how many there is some.
    ///
    /// As in Linux's TCP, who has nothing queued may always send a little: it is acknowledged soon, and a program that waits for the
    /// answer goes on while memory is short.
    #[inline]
    pub(super) fn send_memory(&mut self, octets: u32) -> u32 {
        let sk = self.sk().raw();
        let little = octets.min(ALWAYS_QUEUED);
        let has_little = self.send_queue_len() == 0 && self.force_memory(little);
        if has_little && little == octets {
            return octets;
        }
        // SAFETY: We hold the socket lock.
        if unsafe { bindings::rtcpfsm_sk_wmem_schedule(sk, octets as i32) } {
            octets
        } else if has_little {
            little
        } else {
            0
        }
    }

    /// Copies at most `max` octets of the message to the end of the send queue; how many. 0: the buffer is full.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the message's memory cannot be read. Nothing was queued then.
    pub(crate) fn send_queue_append(&mut self, message: &mut Message<'_>, max: u32) -> Result<u32> {
        let sk = self.sk().raw();
        if self.sk().wmem_queued() >= self.sk().sndbuf() {
            return Ok(0);
        }
        // SAFETY: We hold the socket lock and run in the context of the process that sends.
        let frag = unsafe { bindings::rtcpfsm_sk_page_frag(sk) };
        // SAFETY: As above.
        if unsafe { !bindings::sk_page_frag_refill(sk, frag) } {
            return Ok(0);
        }
        // SAFETY: The refill left a page with room behind `offset`.
        let (page, offset, size) = unsafe { ((*frag).page, (*frag).offset, (*frag).size) };
        let copy = self.send_memory(max.min(size - offset));
        if copy == 0 {
            return Ok(0);
        }
        // SAFETY: The page has that room, and nobody else writes there; the message is valid.
        let copied = unsafe {
            bindings::rtcpfsm_copy_to_page_frag(
                page,
                offset as usize,
                copy as usize,
                message.iter(),
            )
        } as u32;
        if copied == 0 && copy != 0 {
            return Err(EFAULT);
        }
        let tail = self.send_queue_tail();
        // SAFETY: The tail is a valid packet of ours, the page is referenced by the packet on success.
        if !tail.is_null() && unsafe { bindings::rtcpfsm_skb_add_frag(tail, page, offset, copied) }
        {
            self.send_queue_grown(copied, copied);
        } else {
            let Some(fresh) = Skb::for_queue() else {
                // The octets stay the caller's: they are taken again when there is memory.
                // SAFETY: So many were just taken from the message.
                unsafe { bindings::iov_iter_revert(message.iter(), copied as usize) };
                return Ok(0);
            };
            // SAFETY: An empty packet takes its first fragment always.
            unsafe { bindings::rtcpfsm_skb_add_frag(fresh.raw(), page, offset, copied) };
            self.send_queue_push(fresh, copied);
        }
        // SAFETY: The page is the socket's own, and so much of it is used.
        unsafe { (*frag).offset += copied };
        Ok(copied)
    }

    /// The last packet of the send queue, if it may still grow; else null. One whose clone is under way shares its list of
    /// pages with that.
    pub(super) fn send_queue_tail(&self) -> *mut bindings::sk_buff {
        // SAFETY: The queue is guarded by the socket lock; a queued packet is valid.
        unsafe {
            let tail = layout::last(self.write_queue());
            if !tail.is_null()
                && ((*tail).len >= MAX_QUEUED_PACKET || bindings::rtcpfsm_skb_cloned(tail))
            {
                return null_mut();
            }
            tail
        }
    }

    /// Puts a packet with `len` octets at the end of the send queue.
    pub(super) fn send_queue_push(&mut self, packet: Skb, len: u32) {
        let packet = packet.into_raw();
        // SAFETY: The packet is ours, and its truesize is what it was charged with until it is freed.
        let truesize = unsafe {
            layout::append(self.write_queue(), packet);
            (*packet).truesize
        };
        self.send_queue_grown(len, truesize);
    }

    /// The send queue has `len` octets more, which take `truesize` octets of memory.
    pub(super) fn send_queue_grown(&mut self, len: u32, truesize: u32) {
        let sk = self.sk().raw();
        // SAFETY: We hold the socket lock.
        unsafe {
            bindings::rtcpfsm_sk_wmem_queued_add(sk, truesize as i32);
            bindings::rtcpfsm_sk_mem_charge(sk, truesize as i32);
        }
        self.send_state_mut().len += len;
    }

    /// Frees `count` octets at the start of the send queue, and tells writers when enough room is there.
    pub(crate) fn send_queue_free(&mut self, count: u32) {
        let queue = self.write_queue();
        let sk = self.sk().raw();
        let state = self.send_state_mut();
        state.len = state.len.saturating_sub(count);
        state.skip += count;
        loop {
            // SAFETY: The queue is guarded by the socket lock.
            let head = unsafe { layout::first(queue) };
            // SAFETY: A queued packet is valid.
            if head.is_null() || unsafe { (*head).len } > state.skip {
                break;
            }
            // SAFETY: The packet is taken off the queue and given back with what it was charged.
            unsafe {
                state.skip -= (*head).len;
                layout::take_first(queue, head);
                let truesize = (*head).truesize as i32;
                bindings::rtcpfsm_sk_wmem_queued_add(sk, -truesize);
                bindings::rtcpfsm_sk_mem_uncharge(sk, truesize);
                bindings::consume_skb(head);
            }
        }
        // Positions moved, and the packet found last may be gone.
        state.found = None;
    }

    /// Empties the send queue.
    pub(crate) fn send_queue_purge(&mut self) {
        let all = self.send_queue_len();
        self.send_queue_free(all);
        self.send_state_mut().skip = 0;
    }

    /// Tells writers that there is room, if they asked and a third of the buffer is free.
    pub(crate) fn wake_writers(&mut self) {
        // SAFETY: We hold the socket lock.
        unsafe { bindings::rtcpfsm_sk_nospace_done(self.sk().raw()) };
    }

    /// A packet with the octets `[from, from + len)` of the send queue, and room before them for headers. `None`: they are not just
    /// what one packet of the queue holds, or its last clone is still under way, whose headers stand in that room; or no memory.
    pub(crate) fn send_queue_clone(&mut self, from: u32, len: u32) -> Option<Skb> {
        let mut clone = None;
        self.send_queue_visit(from, len, |queued, begin, take| {
            // SAFETY: A queued packet is valid.
            unsafe {
                if begin != 0
                    || take != (*queued).len
                    || take != len
                    || bindings::rtcpfsm_skb_cloned(queued)
                {
                    return false;
                }
                // It may have stood for a run of segments.
                bindings::rtcpfsm_skb_set_gso(queued, 0, 0, 0);
                clone = Skb::from_raw(bindings::rtcpfsm_skb_clone(
                    queued,
                    bindings::RTCPFSM_GFP_ATOMIC,
                ));
            }
            true
        });
        clone
    }

    /// Adds the octets `[from, from + len)` of the send queue to a packet, as references to their pages.
    ///
    /// Returns false when they are not there or need more fragments than a packet has: see [`Guard::send_queue_copy`].
    pub(crate) fn send_queue_attach(&mut self, packet: &mut Skb, from: u32, len: u32) -> bool {
        self.send_queue_visit(from, len, |queued, begin, take| {
            // SAFETY: The range lies in the queued packet, which has page fragments only.
            unsafe { attach_range(packet, queued, begin, take) }
        })
    }

    /// Copies the octets `[from, from + len)` of the send queue behind a packet's header; it was made with that room.
    pub(crate) fn send_queue_copy(&mut self, packet: &mut Skb, from: u32, len: u32) -> bool {
        self.send_queue_visit(from, len, |queued, begin, take| {
            // SAFETY: The range lies in the queued packet; `skb_put` panics rather than overrun the room.
            unsafe {
                let room = bindings::rtcpfsm_skb_put(packet.raw(), take);
                bindings::skb_copy_bits(queued, begin as i32, room, take as i32) == 0
            }
        })
    }

    /// Shows the queued packets that hold `[from, from + len)`, each with the range inside it.
    fn send_queue_visit(
        &mut self,
        from: u32,
        len: u32,
        mut f: impl FnMut(*mut bindings::sk_buff, u32, u32) -> bool,
    ) -> bool {
        let queue = self.write_queue();
        let state = self.send_state_mut();
        if u64::from(from) + u64::from(len) > u64::from(state.len) {
            return false;
        }
        let target = from + state.skip;
        let (mut at, mut position) = match state.found {
            Some((skb, position)) if position <= target => (skb.as_ptr(), position),
            // SAFETY: The queue is guarded by the socket lock.
            _ => (unsafe { layout::first(queue) }, 0),
        };
        let mut remaining = len;
        while remaining > 0 && !at.is_null() {
            // SAFETY: A queued packet is valid.
            let skb_len = unsafe { (*at).len };
            let begin = (target + (len - remaining)).saturating_sub(position);
            if begin < skb_len {
                state.found = NonNull::new(at).map(|skb| (skb, position));
                let take = remaining.min(skb_len - begin);
                if !f(at, begin, take) {
                    return false;
                }
                remaining -= take;
            }
            position += skb_len;
            // SAFETY: The queue is guarded by the socket lock.
            at = unsafe { layout::next(at, queue) };
        }
        remaining == 0
    }

    /// May the receive queue take this packet (SO_RCVBUF, and the protocol's memory)?
    pub(crate) fn has_receive_memory(&mut self, skb: &Skb) -> bool {
        // One packet always fits, so that a small buffer does not stop the stream for ever.
        if self.sk().rmem_alloc() > self.sk().rcvbuf() {
            return false;
        }
        // SAFETY: We hold the socket lock; the packet is valid.
        unsafe {
            bindings::rtcpfsm_sk_rmem_schedule(self.sk().raw(), skb.raw(), skb.truesize() as i32)
        }
    }

    /// Takes memory for a packet beyond the limits of all sockets together, so that a stream whose receive queue is empty goes on.
    /// False: the memory is a control group's, which sets its own limits.
    pub(crate) fn force_receive_memory(&mut self, skb: &Skb) -> bool {
        self.force_memory(skb.truesize())
    }

    /// As [`force_receive_memory`](Self::force_receive_memory), for so many octets.
    #[inline]
    fn force_memory(&mut self, octets: u32) -> bool {
        let sk = self.sk().raw();
        // SAFETY: We hold the socket lock.
        unsafe {
            if bindings::rtcpfsm_memory_is_of_cgroup(sk) {
                return false;
            }
            let missing = octets as i32 - (*sk).sk_forward_alloc;
            if missing > 0 {
                let pages = (missing as u32).div_ceil(kernel::page::PAGE_SIZE as u32) as i32;
                bindings::rtcpfsm_sk_forward_alloc_add(sk, pages * kernel::page::PAGE_SIZE as i32);
                bindings::rtcpfsm_sk_memory_allocated_add(sk, pages);
            }
        }
        true
    }

    /// Is the memory of all sockets together, or of the control group, short?
    pub(crate) fn is_under_memory_pressure(&self) -> bool {
        // SAFETY: The socket is alive.
        unsafe { bindings::rtcpfsm_under_memory_pressure(self.sk().raw()) }
    }

    /// Copies at most `max` octets from the receive queue, from `offset` on, to the message; `discard`: tells it of them, but throws
    /// them away.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the message's memory cannot be written; what was copied before is lost to the caller's count.
    #[inline(always)]
    pub(crate) fn receive_queue_copy(
        &mut self,
        message: &mut Message<'_>,
        discard: bool,
        offset: u32,
        max: u32,
    ) -> Result<u32, (Error, u32)> {
        if self.sk().rcv_queued() == 0 {
            return Ok(0);
        }
        let queue = self.receive_queue();
        let stamped = self.sk().wants_stamps();
        let (mut before, mut copied) = (offset, 0);
        // SAFETY: The queue is guarded by the socket lock.
        let mut at = unsafe { layout::first(queue) };
        while copied < max && !at.is_null() {
            // SAFETY: A queued packet is valid and has our note.
            let note = unsafe { Skb::note(NonNull::new_unchecked(at)).read() };
            let (skip, available) = (note.skip, note.len());
            if before < available {
                let take = (available - before).min(max - copied);
                if !discard {
                    // SAFETY: The range lies in the packet, the message is valid.
                    let failed = unsafe {
                        bindings::skb_copy_datagram_iter(
                            at,
                            (skip + before) as i32,
                            message.iter(),
                            take as i32,
                        )
                    };
                    if failed != 0 {
                        return Err((EFAULT, copied));
                    }
                }
                if stamped {
                    // SAFETY: A queued packet is valid.
                    unsafe { message.stamp.note(at) };
                }
                copied += take;
                before = 0;
            } else {
                before -= available;
            }
            // SAFETY: The queue is guarded by the socket lock.
            at = unsafe { layout::next(at, queue) };
        }
        Ok(copied)
    }

    /// Frees `count` octets at the start of the receive queue.
    pub(crate) fn receive_queue_free(&mut self, count: u32) {
        let queue = self.receive_queue();
        let mut remaining = count.min(self.sk().rcv_queued());
        let word = self.sk().rcv_queued_word();
        word.store(word.load() - remaining);
        while remaining > 0 {
            // SAFETY: The queue is guarded by the socket lock, and holds at least `remaining` octets.
            let head = unsafe { layout::first(queue) };
            let Some(head) = NonNull::new(head) else {
                return;
            };
            // SAFETY: A queued packet is valid and has our note.
            unsafe {
                let note = Skb::note(head).as_mut();
                let available = note.len();
                if remaining < available {
                    note.skip += remaining;
                    return;
                }
                remaining -= available;
                layout::take_first(queue, head.as_ptr());
                bindings::consume_skb(head.as_ptr());
            }
        }
    }

    /// The receive queue's first packet, where its unread octets begin in it, and how many they are.
    pub(super) fn receive_queue_head(&self) -> Option<(NonNull<bindings::sk_buff>, u32, u32)> {
        // SAFETY: The queue is guarded by the socket lock.
        let head = NonNull::new(unsafe { layout::first(self.receive_queue()) })?;
        // SAFETY: A queued packet is valid and has our note.
        let note = unsafe { Skb::note(head).read() };
        Some((head, note.skip, note.len()))
    }

    /// The last packet of the receive queue as a number: what a reader waits to see changed.
    pub(super) fn receive_queue_tail(&self) -> *mut bindings::sk_buff {
        // SAFETY: The queue is guarded by the socket lock.
        unsafe { layout::last(self.receive_queue()) }
    }

    /// Gives the queues' memory back at the end of the socket's life.
    pub(crate) fn kill_queues(&mut self) {
        self.send_queue_purge();
        let all = self.sk().rcv_queued();
        self.receive_queue_free(all);
        self.purge_held();
        let sk = self.sk().raw();
        // SAFETY: We hold the socket lock; nobody else can reach the socket's private page fragment.
        unsafe {
            let frag = core::ptr::addr_of_mut!((*sk).sk_frag);
            if !(*frag).page.is_null() {
                bindings::rtcpfsm_put_page((*frag).page);
                (*frag).page = null_mut();
            }
            bindings::rtcpfsm_sk_mem_reclaim_final(sk);
            bindings::rtcpfsm_xfrm_sk_free_policy(sk);
        }
    }
}

/// Adds `[begin, begin + len)` of `from`, which has page fragments only, to `packet`.
///
/// # Safety
///
/// `from` is a valid packet without linear data, and the range lies in it.
unsafe fn attach_range(
    packet: &mut Skb,
    from: *mut bindings::sk_buff,
    begin: u32,
    len: u32,
) -> bool {
    let (mut skip, mut remaining) = (begin, len);
    // SAFETY: Both are valid.
    unsafe { bindings::rtcpfsm_skb_inherit_shared_frag(packet.raw(), from) };
    // SAFETY: `from` is valid.
    let fragments = unsafe { layout::nr_frags(from) };
    for i in 0..fragments {
        // SAFETY: `from` has fragment `i`.
        let size = unsafe { layout::frag_len(from, i) };
        if skip >= size {
            skip -= size;
            continue;
        }
        let take = remaining.min(size - skip);
        // SAFETY: The range lies in the fragment; `packet` takes its own reference of the page.
        let added = unsafe { bindings::rtcpfsm_skb_add_part(packet.raw(), from, i, skip, take) };
        if !added {
            return false;
        }
        (skip, remaining) = (0, remaining - take);
        if remaining == 0 {
            return true;
        }
    }
    remaining == 0
}
