// SPDX-License-Identifier: GPL-2.0
//! The receiving half of a stream: the receive queue's end, and the packets that are kept because what comes before them is
//! missing, in a tree by their place in the stream.
//!
//! A place is a number on a circle of 2^32; those that are kept at a time lie within half of it. What is kept is charged to
//! the receive buffer like what can be read.

use super::guard::Guard;
use super::layout;
use super::skb::{ReceiveNote, Skb};
use super::sock::Protocol;
use super::stamps::Stamp;
use crate::src::ffi::bindings;
use core::ptr::{null_mut, NonNull};

/// The packets of a socket that are kept (guarded by the socket lock).
pub(super) struct HoldState {
    root: bindings::rb_root,
    /// A reader waits for a new packet behind the last one, to which nothing may be added meanwhile.
    tail_is_watched: bool,
    /// A reader waits, or was woken and has not run yet.
    reader_waits: bool,
}

impl HoldState {
    pub(super) const fn new() -> Self {
        HoldState {
            root: bindings::rb_root {
                rb_node: null_mut(),
            },
            tail_is_watched: false,
            reader_waits: false,
        }
    }

    fn first(&self) -> Option<Held> {
        // SAFETY: The tree holds valid packets.
        NonNull::new(unsafe { bindings::rtcpfsm_skb_rb_first(&self.root) }).map(Held)
    }

    fn last(&self) -> Option<Held> {
        // SAFETY: The tree holds valid packets.
        NonNull::new(unsafe { bindings::rtcpfsm_skb_rb_last(&self.root) }).map(Held)
    }

    /// Puts a packet with its note where it belongs.
    fn link(&mut self, skb: Skb) -> Held {
        let held = Held(skb.into_nonnull());
        let mut parent = null_mut();
        let mut link = core::ptr::addr_of_mut!(self.root.rb_node);
        // SAFETY: The links of the tree lead to valid packets, and end at null, where the new one is put.
        unsafe {
            while !(*link).is_null() {
                parent = *link;
                let other = Held(NonNull::new_unchecked(bindings::rtcpfsm_rb_to_skb(parent)));
                link = if is_before(held.at(), other.at()) {
                    core::ptr::addr_of_mut!((*parent).rb_left)
                } else {
                    core::ptr::addr_of_mut!((*parent).rb_right)
                };
            }
            bindings::rtcpfsm_skb_rb_link(held.raw(), parent, link, &mut self.root);
        }
        held
    }

    /// Takes a packet out of the tree.
    fn unlink(&mut self, held: Held) -> Skb {
        // SAFETY: The packet is in the tree, which owned it.
        unsafe {
            bindings::rtcpfsm_skb_rb_unlink(held.raw(), &mut self.root);
            Skb::from_nonnull(held.0)
        }
    }

    /// Gives all packets back.
    pub(super) fn purge(&mut self) {
        while let Some(held) = self.first() {
            self.unlink(held).consume();
        }
    }
}

/// A packet in the tree.
#[derive(Clone, Copy)]
struct Held(NonNull<bindings::sk_buff>);

impl Held {
    fn raw(self) -> *mut bindings::sk_buff {
        self.0.as_ptr()
    }

    fn note(self) -> ReceiveNote {
        // SAFETY: A packet in the tree is valid and has our note.
        unsafe { Skb::note(self.0).read() }
    }

    /// The place of its first octet.
    fn at(self) -> u32 {
        self.note().at
    }

    /// The place behind its last octet.
    fn end(self) -> u32 {
        let note = self.note();
        note.at.wrapping_add(note.len())
    }

    fn next(self) -> Option<Self> {
        // SAFETY: The packet is in a tree of valid packets.
        NonNull::new(unsafe { bindings::rtcpfsm_skb_rb_next(self.raw()) }).map(Held)
    }
}

/// Does place `a` come before `b`?
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl<P: Protocol> Guard<'_, P> {
    fn hold_state_mut(&mut self) -> &mut HoldState {
        // SAFETY: Guarded by the socket lock, which we hold; `&mut self` makes it the only borrow.
        unsafe { &mut *self.sk().hold_state() }
    }

    /// Appends an arrived packet, of which the octets `[skip, skip + len)` are new payload, to the receive queue.
    ///
    /// The packet's memory is charged to the socket; [`Guard::has_receive_memory`] was asked before.
    pub(crate) fn receive_queue_append(&mut self, skb: Skb, skip: u32, len: u32) {
        let note = ReceiveNote::new(&skb, skip, len, 0);
        // SAFETY: The packet is ours.
        unsafe { bindings::rtcpfsm_skb_way_drop(skb.raw()) };
        self.append(skb, note, false);
    }

    /// Appends a packet, whose memory may be charged already, to the receive queue, or its octets to the last one there.
    fn append(&mut self, mut skb: Skb, note: ReceiveNote, charged: bool) {
        let len = note.len();
        // Where memory for the cut is missing, the note tells where the payload ends.
        let exact = skb.trim(note.end) && note.skip == 0;
        let rest = if exact {
            self.merge(skb, len)
        } else {
            Some(skb)
        };
        if let Some(skb) = rest {
            skb.write_note(note);
            if !charged {
                // SAFETY: The packet is ours, the socket locked by us.
                unsafe { bindings::rtcpfsm_skb_set_owner_r(skb.raw(), self.sk().raw()) };
            }
            // SAFETY: The socket lock guards the queue, which owns the packet now.
            unsafe { layout::append(self.receive_queue(), skb.into_raw()) };
        }
        let word = self.sk().rcv_queued_word();
        word.store(word.load() + len);
    }

    /// Adds a packet of `len` octets, all of them payload, to the last one of the receive queue: small packets cost more memory
    /// than they have octets. Gives it back where that cannot be.
    fn merge(&mut self, skb: Skb, len: u32) -> Option<Skb> {
        if self.hold_state_mut().tail_is_watched {
            return Some(skb);
        }
        let sk = self.sk().raw();
        // SAFETY: The queue is guarded by the socket lock.
        let tail = NonNull::new(unsafe { layout::last(self.receive_queue()) });
        let Some(tail) = tail else {
            return Some(skb);
        };
        // SAFETY: A queued packet is valid and has our note, which nobody else borrows.
        let (note, tail_len) = unsafe { (Skb::note(tail).as_mut(), tail.as_ref().len) };
        let (mut stolen, mut delta) = (false, 0);
        // SAFETY: Both packets are valid and ours; the first one is the queue's last, behind whose end nothing is noted.
        let merged = note.end == tail_len
            && unsafe {
                bindings::skb_try_coalesce(tail.as_ptr(), skb.raw(), &mut stolen, &mut delta)
            };
        if !merged {
            return Some(skb);
        }
        note.end += len;
        if self.sk().wants_stamps() {
            // SAFETY: As above.
            unsafe { Stamp::join(tail.as_ptr(), skb.raw()) };
        }
        // SAFETY: The socket is locked by us. What is left of the packet is freed, with what it was charged.
        unsafe {
            bindings::rtcpfsm_sk_rmem_add(sk, delta);
            bindings::kfree_skb_partial(skb.into_raw(), stolen);
        }
        None
    }

    /// A reader waits for another last packet than there is, or does so no more.
    pub(super) fn watch_tail(&mut self, watched: bool) {
        self.hold_state_mut().tail_is_watched = watched;
    }

    pub(super) fn set_reader_waits(&mut self, waits: bool) {
        self.hold_state_mut().reader_waits = waits;
    }

    /// Does a reader sleep until data comes, or was one woken that has not run yet?
    pub(crate) fn reader_waits(&mut self) -> bool {
        self.hold_state_mut().reader_waits
    }

    /// Keeps an arrived packet, of which the octets `[skip, skip + len)` belong at place `at` and later. Those that it covers go.
    ///
    /// The packet's memory is charged to the socket; [`Guard::has_receive_memory`] was asked before.
    pub(crate) fn hold(&mut self, skb: Skb, at: u32, skip: u32, len: u32) {
        let note = ReceiveNote::new(&skb, skip, len, at);
        skb.write_note(note);
        // SAFETY: The packet is ours, the socket locked by us.
        unsafe {
            bindings::rtcpfsm_skb_way_drop(skb.raw());
            bindings::rtcpfsm_skb_set_owner_r(skb.raw(), self.sk().raw());
        }
        let state = self.hold_state_mut();
        let held = state.link(skb);
        while let Some(next) = held.next() {
            if is_before(held.end(), next.end()) {
                break;
            }
            state.unlink(next).consume();
        }
    }

    /// What is kept between the places `next`, where the receive queue ends, and `end` moves there.
    pub(crate) fn release(&mut self, mut next: u32, end: u32) {
        while let Some(first) = self.hold_state_mut().first() {
            let mut note = first.note();
            if !is_before(note.at, end) {
                break;
            }
            let (stop, old) = (first.end(), next.wrapping_sub(note.at));
            let skb = self.hold_state_mut().unlink(first);
            if !is_before(next, stop) {
                skb.consume();
                continue;
            }
            note.skip += old;
            if is_before(end, stop) {
                note.end -= stop.wrapping_sub(end);
            }
            next = next.wrapping_add(note.len());
            self.append(skb, note, true);
        }
    }

    /// Gives up the last of what is kept behind place `after`, until the memory suffices for a packet; from which place on nothing
    /// is kept any more.
    pub(crate) fn give_up_held(&mut self, after: u32, wanted: &Skb) -> Option<u32> {
        let mut from = None;
        while !self.has_receive_memory(wanted) {
            let state = self.hold_state_mut();
            let Some(last) = state.last().filter(|last| is_before(after, last.at())) else {
                break;
            };
            from = Some(last.at());
            state.unlink(last).consume();
        }
        from
    }

    /// Gives up all that is kept.
    pub(crate) fn purge_held(&mut self) {
        self.hold_state_mut().purge();
    }
}
