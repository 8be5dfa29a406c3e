// SPDX-License-Identifier: GPL-2.0
//! A directory of settings in a network namespace's /proc/sys.
//!
//! All settings are integers, rows of integers within bounds, or one of a few words; the values are words that whoever has
//! the directory reads at any time.

use super::netns::Net;
use super::word::Word;
use crate::src::ffi::bindings;
use core::ptr::NonNull;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Release};

/// A setting, shown and written as a file.
pub(crate) struct Setting {
    /// The file's name.
    name: &'static CStr,
    /// How many integers it has.
    values: usize,
    form: Form,
}

/// What a file takes.
enum Form {
    /// Integers within bounds; what is beyond them is refused (`EINVAL`).
    Integers { min: c_int, max: c_int },
    /// Any unsigned integer; it is kept as the signed one with the same bits.
    Unsigned,
    /// One of these words; kept is its place.
    Words(&'static [&'static str]),
}

impl Setting {
    /// `values` integers from `min` to `max`.
    pub(crate) const fn integers(
        name: &'static CStr,
        values: usize,
        min: c_int,
        max: c_int,
    ) -> Self {
        Setting {
            name,
            values,
            form: Form::Integers { min, max },
        }
    }

    /// An unsigned integer; [`Settings::get`] gives its bits.
    pub(crate) const fn unsigned(name: &'static CStr) -> Self {
        Setting {
            name,
            values: 1,
            form: Form::Unsigned,
        }
    }

    /// One of some words, each shorter than [`MAX_WORD`]; [`Settings::get`] gives its place among them. Another word is refused
    /// (`ENOENT`, as by Linux's `tcp_congestion_control`).
    pub(crate) const fn words(name: &'static CStr, words: &'static [&'static str]) -> Self {
        Setting {
            name,
            values: 1,
            form: Form::Words(words),
        }
    }
}

/// Room for a word and the zero after it, in octets.
const MAX_WORD: usize = 16;

/// Reads or writes a setting.
///
/// # Safety
///
/// The table is one that [`Settings::new`] made: `extra1` is its form, `extra2` the directory's count of changes. The rest is as the
/// kernel gives it.
unsafe extern "C" fn handler(
    table: *const bindings::ctl_table,
    write: c_int,
    buffer: *mut c_void,
    len: *mut usize,
    position: *mut bindings::loff_t,
) -> c_int {
    // SAFETY: By this function's contract; both stay as long as the directory, which waits for us before it goes.
    let (table, form, changes) = unsafe {
        (
            &*table,
            &*(*table).extra1.cast::<Form>(),
            &*(*table).extra2.cast::<Atomic<u32>>(),
        )
    };
    // The kernel's handlers want their own there.
    let mut own = bindings::ctl_table {
        procname: table.procname,
        data: table.data,
        maxlen: table.maxlen,
        mode: table.mode,
        ..Default::default()
    };
    let result = match form {
        Form::Integers { min, max } => {
            own.extra1 = core::ptr::from_ref(min).cast_mut().cast();
            own.extra2 = core::ptr::from_ref(max).cast_mut().cast();
            // SAFETY: A table as the function wants it; the rest is passed on as it came.
            unsafe { bindings::proc_dointvec_minmax(&own, write, buffer, len, position) }
        }
        Form::Unsigned => {
            // SAFETY: As above.
            unsafe { bindings::proc_douintvec(&own, write, buffer, len, position) }
        }
        Form::Words(words) => {
            // SAFETY: By this function's contract the data of such a setting is a word.
            let value = unsafe { &*table.data.cast::<Word<c_int>>() };
            let mut text = text_of(words, value);
            own.data = text.as_mut_ptr().cast();
            own.maxlen = MAX_WORD as c_int;
            // SAFETY: The table's data is the array, of its length; the rest is passed on as it came.
            let result = unsafe { bindings::proc_dostring(&own, write, buffer, len, position) };
            if write != 0 && result == 0 {
                set_word(words, value, &text)
            } else {
                result
            }
        }
    };
    if write != 0 {
        // Also where it failed: the first integers of a row may be written then.
        changes.fetch_add(1, Release);
    }
    result
}

/// The word that is the value, and zeros behind it.
fn text_of(words: &[&str], value: &Word<c_int>) -> [u8; MAX_WORD] {
    let mut text = [0u8; MAX_WORD];
    let now = words.get(value.load() as usize).unwrap_or(&"");
    for (to, from) in text.iter_mut().take(MAX_WORD - 1).zip(now.bytes()) {
        *to = from;
    }
    text
}

/// Makes the word that was written the value, and returns what the kernel is told.
fn set_word(words: &[&str], value: &Word<c_int>, text: &[u8; MAX_WORD]) -> c_int {
    let end = text.iter().position(|c| *c == 0).unwrap_or(MAX_WORD);
    let written = text.get(..end).unwrap_or_default();
    match words.iter().position(|word| word.as_bytes() == written) {
        Some(place) => {
            value.store(place as c_int);
            0
        }
        None => ENOENT.to_errno(),
    }
}

/// What the tables of a directory point to.
struct Values<const N: usize> {
    integers: [Word<c_int>; N],
    /// Rises with each setting that is written.
    changes: Atomic<u32>,
}

/// A directory of settings with `N` integers, in the order of the settings; it disappears when dropped.
pub(crate) struct Settings<const N: usize> {
    header: NonNull<bindings::ctl_table_header>,
    /// What `header` points to.
    _tables: KVec<bindings::ctl_table>,
    /// What `_tables` points to.
    values: KBox<Values<N>>,
}

// SAFETY: The values are words; the rest is the kernel's while it is registered, on whatever CPU.
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
        let values = Values {
            integers: initial.map(Word::new),
            changes: Atomic::new(0),
        };
        let values = KBox::new(values, GFP_KERNEL)?;
        let mut tables = KVec::with_capacity(settings.len(), GFP_KERNEL)?;
        let mut rest: &[Word<c_int>] = &values.integers;
        for setting in settings {
            let (own, others) = rest.split_at_checked(setting.values).ok_or(EINVAL)?;
            rest = others;
            let table = bindings::ctl_table {
                procname: setting.name.as_char_ptr(),
                data: own.as_ptr().cast_mut().cast(),
                maxlen: core::mem::size_of_val(own) as c_int,
                mode: 0o644,
                proc_handler: Some(handler),
                extra1: core::ptr::from_ref(&setting.form).cast_mut().cast(),
                extra2: core::ptr::from_ref(&values.changes).cast_mut().cast(),
                ..Default::default()
            };
            tables.push(table, GFP_KERNEL)?;
        }
        if !rest.is_empty() {
            return Err(EINVAL);
        }
        // SAFETY: The tables, and the values and forms that they point to, stay where they are, on the heap or static, until
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
        self.values.integers.get(at).map_or(0, |value| value.load())
    }

    /// A number that is another one after each change: what was made of the settings before is then out of date.
    #[inline]
    pub(crate) fn changes(&self) -> u32 {
        self.values.changes.load(Acquire)
    }
}

impl<const N: usize> Drop for Settings<N> {
    fn drop(&mut self) {
        // SAFETY: Registered in `new`. Waits for those who are reading or writing.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}

/// A row of long integers that a C table holds, as a file of the first namespace; it disappears when dropped.
pub(crate) struct Longs {
    header: NonNull<bindings::ctl_table_header>,
    /// What `header` points to.
    _table: KBox<bindings::ctl_table>,
}

// SAFETY: The kernel's while it is registered, on whatever CPU.
unsafe impl Send for Longs {}
// SAFETY: A shared one gives nothing away.
unsafe impl Sync for Longs {}

impl Longs {
    /// Makes the file `name` in the directory `path` (as `c"net/name"`).
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also where the kernel refuses the path.
    ///
    /// # Safety
    ///
    /// `values` stay where they are until the result is dropped, and are only read meanwhile.
    pub(super) unsafe fn new<const N: usize>(
        path: &'static CStr,
        name: &'static CStr,
        values: *mut [c_long; N],
    ) -> Result<Self> {
        let table = KBox::new(
            bindings::ctl_table {
                procname: name.as_char_ptr(),
                data: values.cast(),
                maxlen: core::mem::size_of::<[c_long; N]>() as c_int,
                mode: 0o644,
                proc_handler: Some(bindings::proc_doulongvec_minmax),
                ..Default::default()
            },
            GFP_KERNEL,
        )?;
        // SAFETY: By this function's contract the values, and by `drop` the table, stay while the kernel has them.
        let header = unsafe {
            bindings::register_net_sysctl_sz(
                bindings::rtcpfsm_init_net(),
                path.as_char_ptr(),
                &raw const *table,
                1,
            )
        };
        Ok(Longs {
            header: NonNull::new(header).ok_or(ENOMEM)?,
            _table: table,
        })
    }
}

impl Drop for Longs {
    fn drop(&mut self) {
        // SAFETY: Registered in `new`. Waits for those who are reading or writing.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}
