// SPDX-License-Identifier: GPL-2.0
//! Small counted objects that stand for a connection where no socket does: half-open requests and TIME-WAITs.
//!
//! A [`Small`] can be found in the table of connections like a socket, has its own lock and its own timer, and lies in
//! type-stable memory. Whoever makes one holds its first reference, the *life*: it is given up, once, by whoever ends
//! the object under its lock. A pending timer holds another.

use super::hash::{Head, Kind};
use super::lock::{BhLock, BhLockGuard, Class};
use super::time;
use crate::src::ffi::bindings;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::{addr_of_mut, null_mut, NonNull};
use kernel::prelude::*;
use kernel::sync::aref::{ARef, AlwaysRefCounted};
use kernel::sync::atomic::{Atomic, Relaxed};

/// What a kind of small object keeps and does.
pub(crate) trait SmallObject: Sized + Send + 'static {
    /// The protocol in whose tables it stands.
    type Protocol: super::sock::Protocol;
    const KIND: Kind;
    /// The lockdep class of its lock.
    fn class() -> Class;
    /// Where its memory comes from.
    fn cache() -> &'static CacheCell;
    /// The timer fired, in a softirq. The reference that the timer had is `this`.
    fn on_timer(this: ARef<Small<Self>>);
}

/// The slab cache of one kind of object, for the time between loading and unloading.
pub(crate) struct CacheCell(Atomic<*mut bindings::kmem_cache>);

impl CacheCell {
    pub(crate) const fn new() -> Self {
        CacheCell(Atomic::new(null_mut()))
    }
}

/// A slab cache of type-stable memory; destroyed when dropped, when all objects must be gone.
pub(crate) struct Cache<T: SmallObject>(core::marker::PhantomData<T>);

impl<T: SmallObject> Cache<T> {
    /// Makes the cache; `name` is shown in /proc/slabinfo.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: The name lives for ever.
        let cache = unsafe {
            bindings::rtcpfsm_kmem_cache_create(
                name.as_char_ptr().cast(),
                core::mem::size_of::<Small<T>>() as u32,
            )
        };
        if cache.is_null() {
            return Err(ENOMEM);
        }
        T::cache().0.store(cache, Relaxed);
        Ok(Cache(core::marker::PhantomData))
    }
}

impl<T: SmallObject> Drop for Cache<T> {
    fn drop(&mut self) {
        let cache = T::cache().0.load(Relaxed);
        T::cache().0.store(null_mut(), Relaxed);
        // SAFETY: All objects are freed; the function waits for readers under RCU by itself.
        unsafe { bindings::kmem_cache_destroy(cache) };
    }
}

/// A small object with data of type `T`.
#[repr(C)]
pub(crate) struct Small<T: SmallObject> {
    pub(super) head: Head,
    timer: UnsafeCell<bindings::timer_list>,
    refs: UnsafeCell<bindings::refcount_t>,
    /// 1 while the object keeps itself alive (see [`Small::live`]); for a listed object its place (see [`Small::place`]).
    life: Atomic<u32>,
    data: BhLock<T>,
}

// SAFETY: The data is behind its lock, the rest behind atomics or the kernel's own rules.
unsafe impl<T: SmallObject> Sync for Small<T> {}
// SAFETY: The last reference may go on any CPU.
unsafe impl<T: SmallObject> Send for Small<T> {}

// SAFETY: `refs` counts the references; the object is freed with the last.
unsafe impl<T: SmallObject> AlwaysRefCounted for Small<T> {
    fn inc_ref(&self) {
        // SAFETY: `&self` keeps the object alive, so the count is not zero.
        unsafe { bindings::rtcpfsm_refcount_inc_not_zero(self.refs.get()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: By this function's contract there is a reference to give up; after the last one nobody but readers
        // under RCU, who look at the head alone, comes here.
        unsafe {
            if bindings::rtcpfsm_refcount_dec_and_test((*obj.as_ptr()).refs.get()) {
                assert!(!(*obj.as_ptr()).head.is_hashed() && !(*obj.as_ptr()).head.is_bound());
                core::ptr::drop_in_place(addr_of_mut!((*obj.as_ptr()).data));
                bindings::kmem_cache_free(T::cache().0.load(Relaxed), obj.as_ptr().cast());
            }
        }
    }
}

impl<T: SmallObject> Small<T> {
    /// A new object in no table, its timer not armed.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(data: T) -> Result<ARef<Self>> {
        // SAFETY: The cache exists as long as the module does its work.
        let memory = unsafe {
            bindings::kmem_cache_alloc_noprof(
                T::cache().0.load(Relaxed),
                bindings::RTCPFSM_GFP_ATOMIC,
            )
        };
        let object = NonNull::new(memory.cast::<MaybeUninit<Self>>()).ok_or(ENOMEM)?;
        let object: NonNull<Self> = object.cast();
        // SAFETY: The memory is ours; stale readers may read the head's words and the count, which is set last.
        unsafe {
            let raw = object.as_ptr();
            addr_of_mut!((*raw).head).write(Head::new(T::KIND));
            addr_of_mut!((*raw).life).write(Atomic::new(0));
            addr_of_mut!((*raw).data).write(BhLock::new(data, T::class()));
            bindings::rtcpfsm_timer_setup((*raw).timer.get(), Some(fired::<T>));
            bindings::rtcpfsm_refcount_set_release((*raw).refs.get(), 1);
            Ok(ARef::from_raw(object))
        }
    }

    /// Links and key.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The object that this head lies in.
    ///
    /// # Safety
    ///
    /// The head's kind is `T::KIND`, in memory that is not given back during `'a`.
    pub(super) unsafe fn of_head<'a>(head: &Head) -> &'a Self {
        // SAFETY: By this function's contract; the head is the first field.
        unsafe { &*core::ptr::from_ref(head).cast::<Self>() }
    }

    /// A reference, unless the last one is already gone. For readers under RCU.
    pub(super) fn try_get(&self) -> Option<ARef<Self>> {
        // SAFETY: The count lies in type-stable memory.
        if unsafe { bindings::rtcpfsm_refcount_inc_not_zero(self.refs.get()) } {
            // SAFETY: We own that reference.
            Some(unsafe { ARef::from_raw(NonNull::from(self)) })
        } else {
            None
        }
    }

    /// Lets the object keep itself alive until [`Small::die`]: the table that it stands in counts no references.
    pub(crate) fn live(this: ARef<Self>) {
        if this.life.xchg(1, Relaxed) == 0 {
            let _ = ARef::into_raw(this);
        }
    }

    /// Gives up the reference of [`Small::live`]; the caller has another.
    pub(crate) fn die(&self) {
        if self.life.xchg(0, Relaxed) == 1 {
            // SAFETY: The reference that `live` kept; `xchg` lets this happen once.
            unsafe { Self::dec_ref(NonNull::from(self)) };
        }
    }

    /// A word for whoever lists the object: its place in that list.
    pub(crate) fn place(&self) -> &Atomic<u32> {
        &self.life
    }

    /// Locks the data, bottom halves off.
    pub(crate) fn lock(&self) -> BhLockGuard<'_, T> {
        self.data.lock()
    }

    /// Makes the timer fire at `deadline_us` (microseconds since boot).
    pub(crate) fn arm(&self, deadline_us: u64) {
        let at = time::deadline_to_jiffies(time::now_us(), deadline_us);
        // It has its reference before it can fire.
        self.inc_ref();
        // SAFETY: The timer is set up and `&self` keeps it alive. If it was pending it has a reference, and the one above,
        // which is not the last one, is given back.
        unsafe {
            if bindings::mod_timer(self.timer.get(), at) != 0 {
                Self::dec_ref(NonNull::from(self));
            }
        }
    }

    /// Disarms the timer; one that runs just now finds the object ended.
    pub(crate) fn disarm(&self) {
        // SAFETY: The timer is set up and `&self` keeps it alive.
        if unsafe { bindings::timer_delete(self.timer.get()) } != 0 {
            // SAFETY: The reference that the pending timer had; the caller has one of its own.
            unsafe { Self::dec_ref(NonNull::from(self)) };
        }
    }
}

extern "C" fn fired<T: SmallObject>(timer: *mut bindings::timer_list) {
    let offset = core::mem::offset_of!(Small<T>, timer);
    // SAFETY: The timer lies in a `Small<T>`, and holds a reference, which is now ours.
    let this: ARef<Small<T>> =
        unsafe { ARef::from_raw(NonNull::new_unchecked(timer.byte_sub(offset).cast())) };
    T::on_timer(this);
}
