// SPDX-License-Identifier: GPL-2.0
//! Network namespaces, and what a module keeps for each of them.

use super::word::Word;
use crate::src::ffi::bindings;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use kernel::error::{from_result, to_result};
use kernel::prelude::*;
use kernel::types::Opaque;

/// A network namespace (`struct net`), kept alive by whoever lent it: a socket, a packet of one of its devices, an open file.
#[repr(transparent)]
pub(crate) struct Net(Opaque<bindings::net>);

// SAFETY: A namespace belongs to no thread.
unsafe impl Send for Net {}
// SAFETY: What is done with a shared one here needs no lock.
unsafe impl Sync for Net {}

impl Net {
    /// # Safety
    ///
    /// `net` is a namespace that stays for all of `'a`.
    #[inline]
    pub(super) unsafe fn from_ptr<'a>(net: *mut bindings::net) -> &'a Self {
        // SAFETY: By this function's contract; the layout is the same.
        unsafe { &*net.cast() }
    }

    /// The namespace of an [`Net::id`].
    ///
    /// # Safety
    ///
    /// The number came from a namespace that stays for all of `'a`.
    #[inline]
    pub(crate) unsafe fn from_id<'a>(id: usize) -> &'a Self {
        // SAFETY: By this function's contract; an id is the address.
        unsafe { Self::from_ptr(id as *mut bindings::net) }
    }

    /// The C side's pointer.
    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// A number that no other living namespace has.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        self.as_ptr() as usize
    }

    /// Is the device of this index a VRF, or enslaved to one?
    pub(crate) fn is_of_vrf(&self, device: u32) -> bool {
        // SAFETY: The namespace is alive.
        unsafe { bindings::rtcpfsm_is_of_vrf(self.as_ptr(), device as c_int) }
    }

    /// Is this port kept from being chosen by the kernel (net.ipv4.ip_local_reserved_ports)?
    pub(crate) fn port_is_reserved(&self, port: u16) -> bool {
        // SAFETY: The namespace is alive.
        unsafe { bindings::rtcpfsm_local_port_reserved(self.as_ptr(), port) }
    }
}

/// By what the kernel finds a type's value in a namespace: a static of each type.
pub(crate) struct Slot(UnsafeCell<c_uint>);

// SAFETY: Written by the registration alone, before any value is there.
unsafe impl Sync for Slot {}

impl Slot {
    /// The slot of an unregistered type.
    pub(crate) const fn new() -> Self {
        Slot(UnsafeCell::new(0))
    }
}

/// What a module keeps for each network namespace, in memory that the kernel gives for it.
pub(crate) trait PerNamespace: Send + Sync + Sized + 'static {
    /// The slot of this very type.
    fn slot() -> &'static Slot;

    /// Makes the value of a new namespace, and while registering of each that exists.
    fn new(net: &Net) -> impl PinInit<Self, Error>;

    /// The namespace, or the module, goes away: no socket and no device is left in it, so no packet comes. After this and
    /// a grace period of RCU (so no softirq that knew the value still runs) the value is dropped.
    fn before_exit(net: &Net);

    /// The value of a namespace. There is one as long as the [`Registration`] lives and somebody keeps the namespace.
    ///
    /// # Panics
    ///
    /// If there is none: the module was used without its registration.
    #[inline]
    fn of(net: &Net) -> &Self {
        let cell = cell::<Self>(net);
        assert!(!cell.is_null());
        // SAFETY: Not null: zeroed memory of that type, given back after `exit_batch`.
        let cell = unsafe { &*cell };
        assert!(cell.ready.load_acquire() != 0);
        // SAFETY: `ready` says that it is initialised.
        unsafe { &*cell.value.get().cast::<Self>() }
    }
}

/// The memory of a namespace's value. The kernel zeroes it at first.
struct Cell<T> {
    value: UnsafeCell<MaybeUninit<T>>,
    ready: Word<u32>,
}

#[inline]
fn cell<T: PerNamespace>(net: &Net) -> *const Cell<T> {
    // SAFETY: The slot's number is only written while no value is there. The namespace is alive.
    unsafe { bindings::rtcpfsm_net_generic(net.as_ptr(), *T::slot().0.get()).cast() }
}

/// The registration of a [`PerNamespace`] type; dropping it drops all values.
pub(crate) struct Registration<T: PerNamespace> {
    operations: KBox<UnsafeCell<bindings::pernet_operations>>,
    _type: PhantomData<T>,
}

// SAFETY: The operations are the kernel's while they are registered.
unsafe impl<T: PerNamespace> Send for Registration<T> {}
// SAFETY: As above; a shared registration gives nothing away.
unsafe impl<T: PerNamespace> Sync for Registration<T> {}

impl<T: PerNamespace> Registration<T> {
    /// Makes the values of all namespaces, and from now on one of each new namespace.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what [`PerNamespace::new`] said; then no value is left.
    pub(crate) fn new() -> Result<Self> {
        // The kernel allocates the cells by kzalloc().
        const { assert!(core::mem::align_of::<Cell<T>>() <= core::mem::align_of::<u64>()) };
        let operations = bindings::pernet_operations {
            init: Some(init::<T>),
            exit: Some(exit::<T>),
            exit_batch: Some(exit_batch::<T>),
            id: T::slot().0.get(),
            size: core::mem::size_of::<Cell<T>>(),
            ..Default::default()
        };
        let operations = KBox::new(UnsafeCell::new(operations), GFP_KERNEL)?;
        // SAFETY: Valid operations that stay where they are until `drop` has unregistered them.
        to_result(unsafe { bindings::register_pernet_subsys(operations.get()) })?;
        Ok(Registration {
            operations,
            _type: PhantomData,
        })
    }
}

impl<T: PerNamespace> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered in `new`.
        unsafe { bindings::unregister_pernet_subsys(self.operations.get()) };
    }
}

/// # Safety
///
/// Called with a namespace that stays, once for each.
unsafe extern "C" fn init<T: PerNamespace>(net: *mut bindings::net) -> c_int {
    // SAFETY: By this function's contract.
    let net = unsafe { Net::from_ptr(net) };
    from_result(|| {
        let cell = cell::<T>(net);
        if cell.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: The cell is zeroed memory that nobody uses before `ready` is set, and never moves.
        unsafe {
            pin_init::raw_try_init((*cell).value.get().cast::<T>(), T::new(net))?;
            (*cell).ready.store_release(1);
        }
        Ok(0)
    })
}

/// # Safety
///
/// Called with a namespace for which `init` succeeded.
unsafe extern "C" fn exit<T: PerNamespace>(net: *mut bindings::net) {
    // SAFETY: By this function's contract.
    let net = unsafe { Net::from_ptr(net) };
    T::before_exit(net);
}

/// # Safety
///
/// Called with the list of the namespaces that go, in process context.
unsafe extern "C" fn exit_batch<T: PerNamespace>(namespaces: *mut bindings::list_head) {
    // SAFETY: By this function's contract; no lock is held that a reader under RCU could want.
    unsafe {
        bindings::synchronize_rcu();
        bindings::rtcpfsm_for_each_exiting(namespaces, Some(drop_value::<T>));
    }
}

/// # Safety
///
/// Called with a namespace for which `init` succeeded; `exit` and a grace period are over.
unsafe extern "C" fn drop_value<T: PerNamespace>(net: *mut bindings::net) {
    // SAFETY: By this function's contract.
    unsafe {
        let cell = cell::<T>(Net::from_ptr(net));
        (*cell).ready.store_release(0);
        // Nobody is left who knows it: `before_exit` and a grace period are over.
        core::ptr::drop_in_place((*cell).value.get().cast::<T>());
    }
}
