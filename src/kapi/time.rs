// SPDX-License-Identifier: GPL-2.0
//! The monotonic clock, and kernel timers' deadlines on it.

use crate::src::ffi::bindings;
use kernel::prelude::*;

/// Microseconds since boot, without the time spent in suspend (`CLOCK_MONOTONIC`).
#[inline]
pub(crate) fn now_us() -> u64 {
    // SAFETY: No preconditions.
    let ns = unsafe { bindings::ktime_get() };
    // Never negative: it counts from boot.
    ns as u64 / 1_000
}

/// The jiffies at which a kernel timer has to stand to fire at `deadline_us` ([`now_us`]): never before it, usually
/// within one tick after it, and for far deadlines within an eighth of the time left.
pub(crate) fn deadline_to_jiffies(now_us: u64, deadline_us: u64) -> c_ulong {
    let left = deadline_us.saturating_sub(now_us);
    // SAFETY: No preconditions.
    let (now, ticks) = unsafe {
        (
            bindings::rtcpfsm_jiffies(),
            bindings::rtcpfsm_usecs_to_jiffies(left as c_ulong),
        )
    };
    // The tick that runs now is partly over: one more. Jiffies wrap.
    now.wrapping_add(ticks).wrapping_add(1)
}
