// SPDX-License-Identifier: GPL-2.0
//! What all of a module shares: made while it loads, reached from everywhere, dropped while it unloads.

use core::ptr::null_mut;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Relaxed, Release};

/// A static place for a value that [`Published`] puts there.
pub(crate) struct Global<T: Send + Sync + 'static>(Atomic<*mut T>);

impl<T: Send + Sync + 'static> Global<T> {
    /// An empty place.
    pub(crate) const fn new() -> Self {
        Global(Atomic::new(null_mut()))
    }

    /// The value. What is returned must not be used once the owner is dropped: the module's root struct drops the owner
    /// after all that calls into the module is unregistered.
    ///
    /// # Panics
    ///
    /// If there is none: something was registered before the owner was made.
    #[inline]
    pub(crate) fn get(&self) -> &'static T {
        let value = self.0.load(Acquire);
        assert!(!value.is_null());
        // SAFETY: Not null, so an owner keeps it alive; see above for how long.
        unsafe { &*value }
    }
}

/// Keeps the value of a [`Global`] alive.
pub(crate) struct Published<T: Send + Sync + 'static> {
    place: &'static Global<T>,
    value: *mut T,
}

// SAFETY: The value may be used and dropped on any CPU, by the bounds.
unsafe impl<T: Send + Sync> Send for Published<T> {}
// SAFETY: As above; a shared owner gives nothing away.
unsafe impl<T: Send + Sync> Sync for Published<T> {}

impl<T: Send + Sync> Published<T> {
    /// Puts a value in its place.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY`: there is one already.
    pub(crate) fn new(value: T, place: &'static Global<T>) -> Result<Self> {
        let value = KBox::into_raw(KBox::new(value, GFP_KERNEL)?);
        let this = Published { place, value };
        if place.0.cmpxchg(null_mut(), value, Release).is_err() {
            return Err(EBUSY);
        }
        Ok(this)
    }
}

impl<T: Send + Sync> Drop for Published<T> {
    fn drop(&mut self) {
        if self.place.0.load(Relaxed) == self.value {
            self.place.0.store(null_mut(), Relaxed);
        }
        // SAFETY: Made by `into_raw` in `new`, and nobody can get it any more.
        drop(unsafe { KBox::from_raw(self.value) });
    }
}
