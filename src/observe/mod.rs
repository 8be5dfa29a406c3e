// SPDX-License-Identifier: GPL-2.0
//! What users look at: counters of everything that happens, and the files in /proc/net.

pub(crate) mod counters;
pub(crate) mod proc;
