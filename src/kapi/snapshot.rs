// SPDX-License-Identifier: GPL-2.0
//! A small value that is written seldom: readers copy it, without a lock (a sequence count, as C's seqcount_t).

use super::lock::{BhLock, Class};
use super::word::Word;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{fence, Ordering};

/// The last value that was written.
pub(crate) struct Snapshot<T: Copy> {
    /// Odd while a value is written; 0: there is none yet. Guarded for writers, with what follows, by `writer`.
    sequence: Word<u32>,
    value: UnsafeCell<MaybeUninit<T>>,
    writer: BhLock<()>,
}

// SAFETY: Readers use a copy only if no writer was at work meanwhile; writers exclude each other.
unsafe impl<T: Copy + Send> Sync for Snapshot<T> {}

impl<T: Copy> Snapshot<T> {
    /// Without a value.
    pub(crate) fn new(class: Class) -> Self {
        Snapshot {
            sequence: Word::new(0),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            writer: BhLock::new((), class),
        }
    }

    /// The value, if there is one.
    #[inline]
    pub(crate) fn get(&self) -> Option<T> {
        loop {
            let sequence = self.sequence.load_acquire();
            if sequence == 0 {
                return None;
            }
            // SAFETY: The memory is valid; as it may be written meanwhile, the copy is volatile and may be torn.
            let copy = unsafe { self.value.get().read_volatile() };
            fence(Ordering::Acquire);
            if sequence % 2 == 0 && self.sequence.load() == sequence {
                // SAFETY: No writer was at work since the sequence was even and not 0, so that it is a value that was written.
                return Some(unsafe { copy.assume_init() });
            }
            // A writer is at work, with bottom halves off: not for long.
            core::hint::spin_loop();
        }
    }

    /// Replaces the value.
    pub(crate) fn set(&self, value: T) {
        let _writer = self.writer.lock();
        let sequence = self.sequence.load();
        self.sequence.store(sequence | 1);
        fence(Ordering::Release);
        // SAFETY: Valid memory; only we write, and readers throw away what they copied meanwhile.
        unsafe { self.value.get().write_volatile(MaybeUninit::new(value)) };
        // Never 0 again.
        self.sequence
            .store_release((sequence | 1).wrapping_add(1).max(2));
    }
}
