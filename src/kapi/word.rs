// SPDX-License-Identifier: GPL-2.0
//! Words that several CPUs read and write, each access inline.
//!
//! The kernel crate's `Atomic` is a call into C for each load and store, which costs more than the access itself. Here they are what C's
//! READ_ONCE(), WRITE_ONCE(), smp_load_acquire() and smp_store_release() are. To change a word by what it holds, take `Atomic`.

use core::cell::UnsafeCell;
use core::sync::atomic;

/// What fits in a machine word that the processor reads and writes at once.
///
/// # Safety
///
/// Aligned accesses of the type are never torn, and `load_acquire` and `store_release` access the whole of it.
pub(crate) unsafe trait MachineWord: Copy {
    /// Reads it before all that follows.
    ///
    /// # Safety
    ///
    /// `at` is valid and aligned, and only accessed as a whole word.
    unsafe fn load_acquire(at: *mut Self) -> Self;

    /// Writes it after all that came before.
    ///
    /// # Safety
    ///
    /// As for `load_acquire`.
    unsafe fn store_release(at: *mut Self, value: Self);
}

macro_rules! machine_words {
    ($($type:ty: $atomic:ident),*) => {$(
        // SAFETY: Integers of at most the size of a pointer, by atomic accesses.
        unsafe impl MachineWord for $type {
            #[inline(always)]
            unsafe fn load_acquire(at: *mut Self) -> Self {
                // SAFETY: By this function's contract.
                unsafe { atomic::$atomic::from_ptr(at) }.load(atomic::Ordering::Acquire)
            }

            #[inline(always)]
            unsafe fn store_release(at: *mut Self, value: Self) {
                // SAFETY: By this function's contract.
                unsafe { atomic::$atomic::from_ptr(at) }.store(value, atomic::Ordering::Release)
            }
        }
    )*};
}

machine_words!(i32: AtomicI32, u32: AtomicU32, u64: AtomicU64, usize: AtomicUsize);

/// A word of its own for each access: never torn, never left out.
#[repr(transparent)]
pub(crate) struct Word<T: MachineWord>(UnsafeCell<T>);

// SAFETY: All accesses are of a whole aligned machine word, volatile or atomic.
unsafe impl<T: MachineWord> Sync for Word<T> {}

impl<T: MachineWord> Word<T> {
    /// A word with this value.
    pub(crate) const fn new(value: T) -> Self {
        Word(UnsafeCell::new(value))
    }

    /// The value; in no order with other accesses.
    #[inline(always)]
    pub(crate) fn load(&self) -> T {
        // SAFETY: Valid and aligned for as long as `self`.
        unsafe { self.0.get().read_volatile() }
    }

    /// Sets the value; in no order with other accesses.
    #[inline(always)]
    pub(crate) fn store(&self, value: T) {
        // SAFETY: As for `load`.
        unsafe { self.0.get().write_volatile(value) }
    }

    /// The value; what follows is done after this.
    #[inline(always)]
    pub(crate) fn load_acquire(&self) -> T {
        // SAFETY: Valid and aligned for as long as `self`; all accesses are of the whole word.
        unsafe { T::load_acquire(self.0.get()) }
    }

    /// Sets the value; what came before is done before this.
    #[inline(always)]
    pub(crate) fn store_release(&self, value: T) {
        // SAFETY: As for `load_acquire`.
        unsafe { T::store_release(self.0.get(), value) }
    }
}
