// SPDX-License-Identifier: GPL-2.0
//! Octets that are not copied: pages that splice() and sendfile() lend to the send queue, and pages of the receive queue that a
//! pipe takes over.
//!
//! A page that is lent may be written to by others as long as it is queued, and then the peer gets what stands there when a
//! segment leaves. So it is with Linux's TCP. A checksum is computed of what leaves ([`Skb::set_checksum`]).

use super::guard::Guard;
use super::proto::Message;
use super::skb::Skb;
use super::sock::Protocol;
use crate::src::ffi::bindings;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::prelude::*;

/// A pipe that takes over pages, locked by the process that splices into it.
pub(crate) struct Pipe<'a> {
    raw: NonNull<bindings::pipe_inode_info>,
    _borrow: PhantomData<&'a mut bindings::pipe_inode_info>,
}

impl Pipe<'_> {
    /// # Safety
    ///
    /// `raw` is a valid pipe, locked by the current process for the result's lifetime.
    pub(super) unsafe fn from_raw(raw: *mut bindings::pipe_inode_info) -> Self {
        Pipe {
            // SAFETY: By this function's contract it is not null.
            raw: unsafe { NonNull::new_unchecked(raw) },
            _borrow: PhantomData,
        }
    }
}

impl Message<'_> {
    /// Does the sender lend its pages, instead of having them copied (MSG_SPLICE_PAGES)?
    pub(crate) fn lends_pages(&self) -> bool {
        self.flags() & bindings::MSG_SPLICE_PAGES != 0
    }
}

impl<P: Protocol> Guard<'_, P> {
    /// Adds at most `max` octets of the message, which lends its pages, to the end of the send queue; how many. 0: the buffer
    /// is full.
    ///
    /// # Errors
    ///
    /// `EIO`: memory that cannot be lent (the allocator's), or none; `EFAULT`. Nothing was queued then.
    pub(crate) fn send_queue_splice(&mut self, message: &mut Message<'_>, max: u32) -> Result<u32> {
        if self.sk().wmem_queued() >= self.sk().sndbuf() {
            return Ok(0);
        }
        let max = self.send_memory(max);
        if max == 0 {
            return Ok(0);
        }
        let tail = self.send_queue_tail();
        if !tail.is_null() {
            // SAFETY: A queued packet of ours, under the socket lock.
            match unsafe { lend(tail, message, max) } {
                Err(error) if error == EMSGSIZE => {}
                result => {
                    let lent = result?;
                    self.send_queue_grown(lent, lent);
                    return Ok(lent);
                }
            }
        }
        let Some(fresh) = Skb::for_queue() else {
            return Ok(0);
        };
        // SAFETY: The packet is ours.
        let lent = unsafe { lend(fresh.raw(), message, max) }?;
        self.send_queue_push(fresh, lent);
        Ok(lent)
    }

    /// Gives at most `max` octets of the receive queue's first packet, from the first unread one on, to a pipe; how many.
    /// What lies in pages is not copied. The octets stay in the queue.
    ///
    /// # Errors
    ///
    /// `EAGAIN`: the pipe is full; `EPIPE`: nobody reads it.
    pub(crate) fn receive_queue_splice(&mut self, pipe: &mut Pipe<'_>, max: u32) -> Result<u32> {
        let Some((head, skip, len)) = self.receive_queue_head() else {
            return Ok(0);
        };
        let len = len.min(max);
        // SAFETY: The range lies in the queued packet; the pipe is locked, the socket too.
        let spliced = unsafe {
            bindings::skb_splice_bits(
                head.as_ptr(),
                self.sk().raw(),
                skip,
                pipe.raw.as_ptr(),
                len,
                0,
            )
        };
        if spliced < 0 {
            return Err(Error::from_errno(spliced));
        }
        Ok(spliced as u32)
    }
}

/// Adds references to at most `max` octets of the message to a packet; how many.
///
/// # Errors
///
/// `EMSGSIZE`: the packet has no room for one more page. Else as [`Guard::send_queue_splice`].
///
/// # Safety
///
/// `skb` is a valid packet that belongs to the caller.
unsafe fn lend(skb: *mut bindings::sk_buff, message: &mut Message<'_>, max: u32) -> Result<u32> {
    // SAFETY: By this function's contract; the message is valid.
    let lent = unsafe {
        // Else the kernel would add up a checksum of each page now: nobody asks this packet for it.
        bindings::rtcpfsm_skb_needs_no_sum(skb);
        bindings::skb_splice_from_iter(skb, message.iter(), max as isize)
    };
    if lent < 0 {
        return Err(Error::from_errno(lent as i32));
    }
    if message.flags() & bindings::MSG_NO_SHARED_FRAGS == 0 {
        // SAFETY: By this function's contract.
        unsafe { bindings::rtcpfsm_skb_mark_shared_frag(skb) };
    }
    Ok(lent as u32)
}
