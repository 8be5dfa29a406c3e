// SPDX-License-Identifier: GPL-2.0
//! A directory of settings in a network namespace's /proc/sys.
//!
//! All settings are integers or rows of integers within bounds; the values are atomics that whoever has the directory
//! reads at any time.

use super::netns::Net;
use crate::src::ffi::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};

/// A setting, shown and written as a file.
pub(crate) struct Setting {
    /// The file's name.
    pub(crate) name: &'static CStr,
    /// How many integers it has.
    pub(crate) values: usize,
    /// The least value of each of them; writing less is refused (`EINVAL`).
    pub(crate) min: c_int,
    /// The largest value of each of them.
    pub(crate) max: c_int,
}

/// A directory of settings with `N` integers, in the order of the settings; it disappears when dropped.
pub(crate) struct Settings<const N: usize> {
    header: NonNull<bindings::ctl_table_header>,
    /// What `header` points to.
    _tables: KVec<bindings::ctl_table>,
    /// What `_tables` points to.
    values: KBox<[Atomic<c_int>; N]>,
}

// SAFETY: The values are atomics; the rest is the kernel's while it is registered, on whatever CPU.
unsafe impl<const N: usize> Send for Settings<N> {}
// SAFETY: As above.
unsafe impl<const N: usize> Sync for Settings<N> {}

impl<const N: usize> Settings<N> {
    /// Makes the directory `path` (as `c"net/name"`) of a namespace, its integers at `initial`. Whoever owns it drops it
    /// before the namespace goes away.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also where the kernel refuses the path; `EINVAL`: the settings do not have `N` integers.
    pub(crate) fn new(
        net: &Net,
        path: &'static CStr,
        settings: &'static [Setting],
        initial: [c_int; N],
    ) -> Result<Self> {
        let values = KBox::new(initial.map(Atomic::new), GFP_KERNEL)?;
        let mut tables = KVec::with_capacity(settings.len(), GFP_KERNEL)?;
        let mut rest: &[Atomic<c_int>] = &*values;
        for setting in settings {
            let (own, others) = rest.split_at_checked(setting.values).ok_or(EINVAL)?;
            rest = others;
            let table = bindings::ctl_table {
                procname: setting.name.as_char_ptr(),
                data: own.as_ptr().cast_mut().cast(),
                maxlen: core::mem::size_of_val(own) as c_int,
                mode: 0o644,
                proc_handler: Some(bindings::proc_dointvec_minmax),
                extra1: (&raw const setting.min).cast_mut().cast(),
                extra2: (&raw const setting.max).cast_mut().cast(),
                ..Default::default()
            };
            tables.push(table, GFP_KERNEL)?;
        }
        if !rest.is_empty() {
            return Err(EINVAL);
        }
        // SAFETY: The tables, and the values and bounds that they point to, stay where they are, on the heap or static, until
        // `drop` has taken the directory away. The kernel writes a value as a whole word, by WRITE_ONCE().
        let header = unsafe {
            bindings::register_net_sysctl_sz(
                net.as_ptr(),
                path.as_char_ptr(),
                tables.as_ptr(),
                tables.len(),
            )
        };
        Ok(Settings {
            header: NonNull::new(header).ok_or(ENOMEM)?,
            _tables: tables,
            values,
        })
    }

    /// An integer by its place among all; 0 where there is none.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> c_int {
        self.values.get(at).map_or(0, |value| value.load(Relaxed))
    }
}

impl<const N: usize> Drop for Settings<N> {
    fn drop(&mut self) {
        // SAFETY: Registered in `new`. Waits for those who are reading or writing.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}
