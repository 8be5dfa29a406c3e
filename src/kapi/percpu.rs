// SPDX-License-Identifier: GPL-2.0
//! Counters that each CPU has for itself: counting costs one instruction and no cache line of another CPU.

use crate::src::ffi::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// `N` counters.
pub(crate) struct Counters<const N: usize> {
    /// A per-CPU address of `N` u64.
    base: NonNull<c_void>,
}

// SAFETY: The counters are only changed by per-CPU operations and read word by word.
unsafe impl<const N: usize> Send for Counters<N> {}
// SAFETY: As above.
unsafe impl<const N: usize> Sync for Counters<N> {}

impl<const N: usize> Counters<N> {
    /// Counters that stand at zero.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: No preconditions; the memory is zeroed.
        let base = unsafe { bindings::rtcpfsm_alloc_percpu(N * core::mem::size_of::<u64>()) };
        Ok(Counters {
            base: NonNull::new(base).ok_or(ENOMEM)?,
        })
    }

    /// Counts one; in any context. An index of no counter counts nothing.
    #[inline]
    pub(crate) fn increment(&self, index: usize) {
        if index < N {
            // SAFETY: There is a counter of this index.
            unsafe { bindings::rtcpfsm_percpu_inc(self.base.as_ptr(), index as c_uint) };
        }
    }

    /// The sum over all CPUs. Counters that are incremented meanwhile may or may not be in it.
    pub(crate) fn sum(&self, index: usize) -> u64 {
        if index < N {
            // SAFETY: There is a counter of this index.
            unsafe { bindings::rtcpfsm_percpu_sum(self.base.as_ptr(), index as c_uint) }
        } else {
            0
        }
    }
}

impl<const N: usize> Drop for Counters<N> {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new`.
        unsafe { bindings::rtcpfsm_free_percpu(self.base.as_ptr()) };
    }
}
