// SPDX-License-Identifier: GPL-2.0

//! The protocol: RFC 9293 as a pure machine.
//!
//! It knows no kernel types, allocates nothing, has no clock and never panics. It is told the time and an input, and
//! says what to do.

#![forbid(unsafe_code)]

pub(crate) mod challenge;
pub(crate) mod config;
pub(crate) mod congestion;
pub(crate) mod isn;
pub(crate) mod options;
pub(crate) mod rtt;
pub(crate) mod segment;
pub(crate) mod seq;
pub(crate) mod time;
pub(crate) mod window;
