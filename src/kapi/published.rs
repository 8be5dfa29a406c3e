// SPDX-License-Identifier: GPL-2.0
//! A value that is made seldom and used at each packet: readers borrow it under RCU, and copy nothing.
//!
//! There is room for two. The next value is written where no reader can be any more: to the room that was left before the last
//! grace period ended. Until then readers who find the value out of date make one of their own.

use super::lock::{BhLock, Class};
use super::word::Word;
use crate::src::ffi::bindings;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use kernel::prelude::*;
use kernel::sync::rcu;

/// The last value that was offered, and the number of what it was made of.
pub(crate) struct Published<T: Copy> {
    rooms: [UnsafeCell<MaybeUninit<Edition<T>>>; 2],
    /// Which room readers go to, counted from 1; 0: there is no value yet.
    current: Word<u32>,
    /// The grace period after which nobody is in the other room.
    writer: BhLock<c_ulong>,
}

/// A value, and the number of what it was made of.
struct Edition<T> {
    source: u32,
    value: T,
}

// SAFETY: Readers only read, what no writer touches meanwhile; writers exclude each other.
unsafe impl<T: Copy + Send + Sync> Sync for Published<T> {}

impl<T: Copy> Published<T> {
    /// Without a value.
    pub(crate) fn new(class: Class) -> Self {
        Published {
            rooms: [const { UnsafeCell::new(MaybeUninit::uninit()) }; 2],
            current: Word::new(0),
            // SAFETY: No preconditions.
            writer: BhLock::new(unsafe { bindings::get_completed_synchronize_rcu() }, class),
        }
    }

    /// The value, if there is one that was made of `source`.
    #[inline]
    pub(crate) fn get<'a>(&'a self, source: u32, _rcu: &'a rcu::Guard) -> Option<&'a T> {
        let current = self.current.load_acquire() as usize;
        let room = self.rooms.get(current.wrapping_sub(1))?;
        // SAFETY: The current room has a value; it is written again only when a grace period has passed since it ceased to be the
        // current one, which `_rcu` puts off.
        let edition = unsafe { (*room.get()).assume_init_ref() };
        (edition.source == source).then_some(&edition.value)
    }

    /// Makes this the value, if that can be done now: it was made of `source`.
    pub(crate) fn offer(&self, source: u32, value: T) {
        let mut grace_period = self.writer.lock();
        // SAFETY: A number that the kernel gave.
        if !unsafe { bindings::poll_state_synchronize_rcu(*grace_period) } {
            return;
        }
        let [first, second] = &self.rooms;
        let (next, room) = match self.current.load() {
            1 => (2, second),
            _ => (1, first),
        };
        // SAFETY: Ours: not the current room, and since it was, a grace period has passed.
        unsafe {
            room.get()
                .write(MaybeUninit::new(Edition { source, value }))
        };
        self.current.store_release(next);
        // SAFETY: No preconditions.
        *grace_period = unsafe { bindings::start_poll_synchronize_rcu() };
    }
}
