// SPDX-License-Identifier: GPL-2.0
//! Spin locks that keep bottom halves off: for data that processes and softirqs share.
//!
//! The kernel crate's own spin lock leaves softirqs on; one that interrupts the holder on the same CPU and wants the lock
//! too would wait for ever.

use crate::src::ffi::bindings;
use core::mem::MaybeUninit;
use kernel::prelude::*;
use kernel::sync::lock::{Backend, Guard, Lock};
use kernel::sync::LockClassKey;

/// What lockdep knows a group of locks by; made by [`lock_class!`](lock_class).
#[derive(Clone, Copy)]
pub(crate) struct Class {
    name: &'static CStr,
    key: Pin<&'static LockClassKey>,
}

impl Class {
    /// The class of this key; all its locks have this name.
    pub(crate) const fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> Self {
        Class { name, key }
    }
}

/// A lock class of its own for each place where this stands, with the name that lockdep reports it by.
macro_rules! lock_class {
    ($name:expr) => {
        $crate::src::kapi::lock::Class::new($name, ::kernel::sync::static_lock_class!())
    };
}
pub(crate) use lock_class;

/// Spin locks by `spin_lock_bh()`; in a softirq, where no other one comes between, by `spin_lock()`.
pub(crate) struct BhBackend;

// SAFETY: The kernel's spin lock lets one CPU in at a time. Whoever relocks does so by `lock`, as at first.
unsafe impl Backend for BhBackend {
    type State = bindings::spinlock_t;
    /// Whether the lock was taken in a softirq; its guard does not leave the context that it was made in.
    type GuardState = bool;

    unsafe fn init(
        ptr: *mut Self::State,
        name: *const c_char,
        key: *mut kernel::bindings::lock_class_key,
    ) {
        // SAFETY: By this function's contract all three are valid, name and key for ever.
        unsafe { bindings::rtcpfsm_spin_lock_init(ptr, name, key.cast()) };
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> bool {
        // SAFETY: By this function's contract the lock is initialised.
        unsafe { bindings::rtcpfsm_spin_lock_bh(ptr) }
    }

    unsafe fn try_lock(ptr: *mut Self::State) -> Option<bool> {
        // SAFETY: By this function's contract the lock is initialised.
        unsafe { bindings::rtcpfsm_spin_trylock_bh(ptr) }.then_some(false)
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, in_softirq: &bool) {
        // SAFETY: By this function's contract the caller holds the lock, since `lock` or `try_lock` said so.
        unsafe { bindings::rtcpfsm_spin_unlock_bh(ptr, *in_softirq) };
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        #[cfg(CONFIG_LOCKDEP)]
        // SAFETY: By this function's contract the lock is initialised.
        unsafe {
            bindings::rtcpfsm_spin_assert_held(ptr)
        };
        #[cfg(not(CONFIG_LOCKDEP))]
        let _ = ptr;
    }
}

/// Data behind a spin lock; bottom halves are off while it is held.
#[repr(transparent)]
pub(crate) struct BhLock<T>(Lock<T, BhBackend>);

/// The proof that a [`BhLock`] is held, and the way to its data.
pub(crate) type BhLockGuard<'a, T> = Guard<'a, T, BhBackend>;

impl<T> BhLock<T> {
    /// A lock that is made by value, and can be moved until it is first locked (which borrows it): for arrays, and for
    /// objects in memory of the kernel's.
    pub(crate) fn new(data: T, class: Class) -> Self {
        let mut lock = MaybeUninit::<Lock<T, BhBackend>>::uninit();
        // SAFETY: The memory is valid. It is moved once more, before anybody can lock it: an unlocked `spinlock_t` holds no
        // pointer to itself and nothing points to it, with and without lock debugging (the kernel assigns them too).
        BhLock(unsafe {
            pin_init::raw_init(lock.as_mut_ptr(), Lock::new(data, class.name, class.key));
            lock.assume_init()
        })
    }

    /// Waits for the lock; from process context or softirq, not from a hard interrupt.
    #[inline]
    pub(crate) fn lock(&self) -> BhLockGuard<'_, T> {
        self.0.lock()
    }
}
