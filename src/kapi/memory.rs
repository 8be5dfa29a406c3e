// SPDX-License-Identifier: GPL-2.0
//! The size of the machine's memory, and the limits that follow from it.

use crate::src::ffi::bindings;
use kernel::ffi::c_long;

const PAGE_SHIFT: u32 = kernel::page::PAGE_SHIFT as u32;

/// All memory that the kernel can use, in octets.
pub(crate) fn total_bytes() -> u64 {
    // SAFETY: No preconditions.
    (unsafe { bindings::rtcpfsm_totalram_pages() } as u64) << PAGE_SHIFT
}

/// What all sockets together may hold, in pages: below the first no limit is felt, at the second pressure begins, the third is the
/// end. As the kernel's own TCP: a sixteenth of memory and the half of it around.
pub(crate) fn default_limits() -> [c_long; 3] {
    let pages = (total_bytes() >> PAGE_SHIFT).max(2048);
    let pressure = pages / 16;
    [
        (pressure / 4 * 3) as c_long,
        pressure as c_long,
        (pressure / 2 * 3) as c_long,
    ]
}
