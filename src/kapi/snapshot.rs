// SPDX-License-Identifier: GPL-2.0
//! A value that is made seldom and read at each packet: readers copy it, without a lock (a sequence count, as C's seqcount_t).

use super::lock::{BhLock, Class};
use super::word::Word;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{fence, Ordering};

/// The last value that was made, and the number of what it was made of.
pub(crate) struct Snapshot<T: Copy> {
    /// Odd while a value is written; 0: there is none yet. Guarded for writers, with what follows, by `writer`.
    sequence: Word<u32>,
    source: Word<u32>,
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
            source: Word::new(0),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            writer: BhLock::new((), class),
        }
    }

    /// The value, if there is one that was made of `source`.
    #[inline]
    pub(crate) fn get(&self, source: u32) -> Option<T> {
        let sequence = self.sequence.load_acquire();
        if sequence == 0 || sequence % 2 != 0 || self.source.load() != source {
            return None;
        }
        // SAFETY: The memory is valid; as it may be written meanwhile, the copy is volatile and may be torn.
        let copy = unsafe { self.value.get().read_volatile() };
        fence(Ordering::Acquire);
        if self.sequence.load() != sequence {
            return None;
        }
        // SAFETY: No writer was at work since the sequence was even and not 0, so that it is a value that was written.
        Some(unsafe { copy.assume_init() })
    }

    /// The last value, if there is one, whatever it was made of.
    pub(crate) fn last(&self) -> Option<T> {
        while self.sequence.load_acquire() != 0 {
            let value = self.get(self.source.load());
            if value.is_some() {
                return value;
            }
            // A writer is at work, with bottom halves off: not for long.
            core::hint::spin_loop();
        }
        None
    }

    /// Replaces the value by one that was made of `source`.
    pub(crate) fn set(&self, source: u32, value: T) {
        let _writer = self.writer.lock();
        let sequence = self.sequence.load();
        self.sequence.store(sequence | 1);
        fence(Ordering::Release);
        // SAFETY: Valid memory; only we write, and readers throw away what they copied meanwhile.
        unsafe { self.value.get().write_volatile(MaybeUninit::new(value)) };
        self.source.store(source);
        // Never 0 again.
        self.sequence
            .store_release((sequence | 1).wrapping_add(1).max(2));
    }
}
