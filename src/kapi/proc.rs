// SPDX-License-Identifier: GPL-2.0
//! Files in /proc/net, one for each network namespace.
//!
//! A file is a header and rows, each as long as it likes, each printed in one go and whole. The position between two
//! read() calls is the number of the next row and nothing else, so nothing is locked or kept alive meanwhile. A table of
//! hash buckets is a file with a row for each bucket: whatever comes and goes, an object that stays is shown exactly once.

use super::netns::Net;
use super::wait;
use crate::src::ffi::bindings;
use core::marker::PhantomData;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;

/// What a file shows.
pub(crate) trait Rows: 'static {
    /// How many rows there are.
    fn count(net: &Net) -> usize;

    /// May this row be passed over, as nothing would be printed?
    fn is_empty(net: &Net, row: usize) -> bool;

    /// Prints what stands before the first row, by `seq_print!`; possibly nothing.
    fn header(file: &SeqFile);

    /// Prints a row, by `seq_print!`; in process context. It is printed again if it did not fit.
    ///
    /// # Errors
    ///
    /// What the reader gets in place of the row.
    fn show(net: &Net, row: usize, file: &SeqFile) -> Result;
}

/// A file in a namespace's /proc/net, readable by everyone; it disappears when dropped.
pub(crate) struct Entry<R: Rows> {
    net: *mut bindings::net,
    name: &'static CStr,
    _rows: PhantomData<R>,
}

// SAFETY: The entry may be removed on any CPU.
unsafe impl<R: Rows> Send for Entry<R> {}
// SAFETY: A shared entry gives nothing away.
unsafe impl<R: Rows> Sync for Entry<R> {}

impl<R: Rows> Entry<R> {
    /// Makes the file. Whoever owns the entry drops it before the namespace goes away.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also where the name is taken.
    pub(crate) fn new(net: &Net, name: &'static CStr) -> Result<Self> {
        // SAFETY: Name and operations live for ever; the directory as long as the namespace. The private state of a
        // file of a namespace starts with `seq_net_private`.
        let entry = unsafe {
            bindings::proc_create_net_data(
                name.as_char_ptr(),
                0o444,
                bindings::rtcpfsm_net_proc(net.as_ptr()),
                Operations::<R>::TABLE,
                core::mem::size_of::<bindings::seq_net_private>() as c_uint,
                core::ptr::null_mut(),
            )
        };
        if entry.is_null() {
            return Err(ENOMEM);
        }
        Ok(Entry {
            net: net.as_ptr(),
            name,
            _rows: PhantomData,
        })
    }
}

impl<R: Rows> Drop for Entry<R> {
    fn drop(&mut self) {
        // SAFETY: The namespace is still there, see `new`. Waits for those who are reading.
        unsafe {
            bindings::remove_proc_entry(
                self.name.as_char_ptr(),
                bindings::rtcpfsm_net_proc(self.net),
            )
        };
    }
}

struct Operations<R>(PhantomData<R>);

impl<R: Rows> Operations<R> {
    const TABLE: &'static bindings::seq_operations = &bindings::seq_operations {
        start: Some(start::<R>),
        stop: Some(stop),
        next: Some(next::<R>),
        show: Some(show::<R>),
    };
}

/// The position after the header: row 0 is position 1.
const FIRST_ROW: usize = 1;

/// Rows that are passed over before others may run: a few microseconds' worth.
const ROWS_IN_A_ROW: usize = 256;

/// The C side's name for the position that is `at` or the next one with something to print: itself plus one, or null after
/// the last.
///
/// # Safety
///
/// `m` is an open file of ours, which keeps its namespace; process context, no lock is held; `at` is valid.
unsafe fn settle<R: Rows>(m: *mut bindings::seq_file, at: *mut bindings::loff_t) -> *mut c_void {
    // SAFETY: By this function's contract.
    let (net, at) = unsafe { (Net::from_ptr(bindings::rtcpfsm_seq_file_net(m)), &mut *at) };
    let mut position = usize::try_from(*at).unwrap_or(usize::MAX);
    let end = FIRST_ROW.saturating_add(R::count(net));
    while position >= FIRST_ROW && position < end && R::is_empty(net, position - FIRST_ROW) {
        position += 1;
        // A large table may be empty for long stretches.
        if position % ROWS_IN_A_ROW == 0 {
            wait::reschedule();
        }
    }
    *at = bindings::loff_t::try_from(position).unwrap_or(bindings::loff_t::MAX);
    if position < end {
        (position + 1) as *mut c_void
    } else {
        core::ptr::null_mut()
    }
}

/// # Safety
///
/// seq_file calls this with an open file of ours and a valid position, in process context.
unsafe extern "C" fn start<R: Rows>(
    m: *mut bindings::seq_file,
    position: *mut bindings::loff_t,
) -> *mut c_void {
    // SAFETY: By this function's contract.
    unsafe { settle::<R>(m, position) }
}

/// # Safety
///
/// seq_file calls this with an open file of ours and a valid position, in process context.
unsafe extern "C" fn next<R: Rows>(
    m: *mut bindings::seq_file,
    _token: *mut c_void,
    position: *mut bindings::loff_t,
) -> *mut c_void {
    // SAFETY: By this function's contract.
    unsafe {
        *position = (*position).saturating_add(1);
        settle::<R>(m, position)
    }
}

extern "C" fn stop(_m: *mut bindings::seq_file, _token: *mut c_void) {}

/// # Safety
///
/// seq_file calls this with an open file of ours and a token of `start` or `next`.
unsafe extern "C" fn show<R: Rows>(m: *mut bindings::seq_file, token: *mut c_void) -> c_int {
    // SAFETY: By this function's contract; the file keeps its namespace, and seq_file's mutex keeps others away.
    let (net, file) = unsafe {
        (
            Net::from_ptr(bindings::rtcpfsm_seq_file_net(m)),
            SeqFile::from_raw(m.cast()),
        )
    };
    // The token is the position plus one.
    match (token as usize).checked_sub(1 + FIRST_ROW) {
        None => {
            R::header(file);
            0
        }
        Some(row) => from_result(|| R::show(net, row, file).map(|()| 0)),
    }
}
