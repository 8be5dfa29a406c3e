// SPDX-License-Identifier: GPL-2.0
//! When packets arrived, told to programs that ask for it: SO_TIMESTAMP, SO_TIMESTAMPNS and SO_TIMESTAMPING, the software's stamp
//! of what is received. The kernel's receive path writes it into the packet.

use super::layout;
use super::proto::Message;
use super::sock::{Protocol, Sock};
use crate::src::ffi::bindings;
use kernel::ffi::{c_int, c_long, c_void};

const NS_PER_US: i64 = 1_000;
const NS_PER_SEC: i64 = 1_000_000_000;

/// The stamp of the last packet of which a call has read something, in nanoseconds since 1970; 0: none.
#[derive(Clone, Copy, Default)]
pub(super) struct Stamp(i64);

impl<P: Protocol> Sock<P> {
    /// Does the program want to know when packets arrived?
    #[inline(always)]
    pub(super) fn wants_stamps(&self) -> bool {
        const WANTED: usize = 1 << bindings::sock_flags_SOCK_RCVTSTAMP
            | 1 << bindings::sock_flags_SOCK_TIMESTAMPING_ANY;
        // SAFETY: The socket is alive.
        unsafe { layout::sock_flags(self.raw()) & WANTED != 0 }
    }
}

impl Stamp {
    /// Something of this packet is read.
    ///
    /// # Safety
    ///
    /// The packet is valid.
    pub(super) unsafe fn note(&mut self, skb: *const bindings::sk_buff) {
        // SAFETY: By this function's contract.
        match unsafe { layout::tstamp(skb) } {
            0 => {}
            stamp => self.0 = stamp,
        }
    }

    /// One packet becomes a part of another: the later stamp is that of both.
    ///
    /// # Safety
    ///
    /// The packets are valid, and the first one the caller's own.
    pub(super) unsafe fn join(to: *mut bindings::sk_buff, from: *const bindings::sk_buff) {
        // SAFETY: By this function's contract.
        unsafe {
            match layout::tstamp(from) {
                0 => {}
                stamp => layout::set_tstamp(to, stamp),
            }
        }
    }
}

impl Message<'_> {
    /// Tells the program when what it got arrived, as Linux's tcp_recv_timestamp().
    #[inline]
    pub(super) fn put_stamp<P: Protocol>(&mut self, sk: &Sock<P>) {
        if self.stamp.0 != 0 {
            self.put_stamp_messages(sk);
        }
    }

    #[cold]
    fn put_stamp_messages<P: Protocol>(&mut self, sk: &Sock<P>) {
        let stamp = self.stamp.0;
        let (sec, ns) = (stamp.div_euclid(NS_PER_SEC), stamp.rem_euclid(NS_PER_SEC));
        // The old kinds of messages have words of the machine's size, the new ones of 64 bits.
        let is_new = sk.flag(bindings::sock_flags_SOCK_TSTAMP_NEW);
        if sk.flag(bindings::sock_flags_SOCK_RCVTSTAMP) {
            let (old, new, part) = if sk.flag(bindings::sock_flags_SOCK_RCVTSTAMPNS) {
                (
                    bindings::SO_TIMESTAMPNS_OLD,
                    bindings::SO_TIMESTAMPNS_NEW,
                    ns,
                )
            } else {
                (
                    bindings::SO_TIMESTAMP_OLD,
                    bindings::SO_TIMESTAMP_NEW,
                    ns / NS_PER_US,
                )
            };
            if is_new {
                self.put_control(new, &[sec, part]);
            } else {
                self.put_control(old, &[sec as c_long, part as c_long]);
            }
        }
        // SAFETY: A racy read of a word, as the kernel does it.
        let wanted = unsafe { core::ptr::addr_of!((*sk.raw()).sk_tsflags).read_volatile() };
        let filtered = wanted & bindings::SOF_TIMESTAMPING_OPT_RX_FILTER != 0
            && wanted & bindings::SOF_TIMESTAMPING_RX_SOFTWARE == 0;
        if wanted & bindings::SOF_TIMESTAMPING_SOFTWARE == 0 || filtered {
            return;
        }
        let mut stamps = bindings::scm_timestamping_internal { ts: [stamp, 0, 0] };
        // SAFETY: The message is valid.
        unsafe {
            if is_new {
                bindings::put_cmsg_scm_timestamping64(self.raw(), &mut stamps);
            } else {
                bindings::put_cmsg_scm_timestamping(self.raw(), &mut stamps);
            }
        }
    }

    /// A control message of the level SOL_SOCKET with these words. The program sees by MSG_CTRUNC that it left no room.
    fn put_control<T: Copy>(&mut self, kind: u32, words: &[T; 2]) {
        // SAFETY: The message is valid, and so much is read from the words.
        unsafe {
            bindings::put_cmsg(
                self.raw(),
                bindings::SOL_SOCKET as c_int,
                kind as c_int,
                core::mem::size_of_val(words) as c_int,
                words.as_ptr().cast::<c_void>().cast_mut(),
            );
        }
    }
}
