// SPDX-License-Identifier: GPL-2.0
//! Safe wrappers of what the kernel crate lacks for a network protocol. All `unsafe` code of the module is here.
//!
//! [`sock`], [`guard`], [`stream`], [`splice`], [`options`], [`stamps`], [`wait`] and [`proto`] are sockets; [`skb`], [`ip`], [`route`],
//! [`offload`] and [`hold`] packets and their ways; [`hash`], [`head`] and [`small`] the objects that connections are found as; [`netns`],
//! [`proc`], [`sysctl`] and [`percpu`] what each network namespace has; [`lock`], [`published`],
//! [`snapshot`] and [`word`] what is shared, and how.

pub(crate) mod addr;
pub(crate) mod global;
pub(crate) mod guard;
pub(crate) mod hash;
mod head;
pub(crate) mod hold;
pub(crate) mod ip;
mod layout;
pub(crate) mod lock;
pub(crate) mod memory;
pub(crate) mod netns;
pub(crate) mod offload;
pub(crate) mod options;
pub(crate) mod percpu;
pub(crate) mod proc;
pub(crate) mod proto;
pub(crate) mod published;
pub(crate) mod random;
pub(crate) mod route;
pub(crate) mod skb;
pub(crate) mod small;
pub(crate) mod snapshot;
pub(crate) mod sock;
pub(crate) mod splice;
mod stamps;
pub(crate) mod stream;
pub(crate) mod sysctl;
mod thunks;
pub(crate) mod time;
pub(crate) mod wait;
pub(crate) mod word;

/// The kernel's numbers for the states of a stream socket.
pub(crate) mod state {
    use crate::src::ffi::bindings as c;
    pub(crate) const ESTABLISHED: u32 = c::TCP_ESTABLISHED;
    pub(crate) const SYN_SENT: u32 = c::TCP_SYN_SENT;
    pub(crate) const SYN_RECV: u32 = c::TCP_SYN_RECV;
    pub(crate) const FIN_WAIT1: u32 = c::TCP_FIN_WAIT1;
    pub(crate) const FIN_WAIT2: u32 = c::TCP_FIN_WAIT2;
    pub(crate) const TIME_WAIT: u32 = c::TCP_TIME_WAIT;
    pub(crate) const CLOSE: u32 = c::TCP_CLOSE;
    pub(crate) const CLOSE_WAIT: u32 = c::TCP_CLOSE_WAIT;
    pub(crate) const LAST_ACK: u32 = c::TCP_LAST_ACK;
    pub(crate) const LISTEN: u32 = c::TCP_LISTEN;
    pub(crate) const CLOSING: u32 = c::TCP_CLOSING;
}
