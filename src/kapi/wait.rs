// SPDX-License-Identifier: GPL-2.0
//! Sleeping on a socket: the lock is released meanwhile, packets are handled, and the condition is asked again; and long work that
//! lets others run.

use super::guard::Guard;
use super::sock::{Protocol, Sock};
use crate::src::ffi::bindings;
use kernel::ffi::c_long;
use kernel::prelude::*;

/// Lets others run, if they want to. Process context, no lock is held.
pub(crate) fn reschedule() {
    // SAFETY: Process context without a lock, as said; a debug kernel tells where that is not so.
    unsafe { bindings::rtcpfsm_cond_resched() };
}

/// How long a call may still wait, in jiffies; zero: not at all.
pub(crate) struct Patience(c_long);

impl Patience {
    /// For so many jiffies (`i64::MAX`: for ever).
    pub(crate) fn jiffies(jiffies: i64) -> Self {
        Patience(jiffies as c_long)
    }

    /// Is nothing left?
    pub(crate) fn is_over(&self) -> bool {
        self.0 == 0
    }

    /// Is a signal pending? Then the call ends with this error, which says whether it is restarted.
    pub(crate) fn interrupted(&self) -> Result {
        // SAFETY: Process context.
        if unsafe { bindings::rtcpfsm_signal_pending() } {
            // SAFETY: No preconditions.
            Err(Error::from_errno(unsafe {
                bindings::rtcpfsm_sock_intr_errno(self.0)
            }))
        } else {
            Ok(())
        }
    }
}

/// What a process waits for; asked without the socket lock.
pub(crate) trait Condition<P: Protocol> {
    fn holds(sk: &Sock<P>) -> bool;
}

extern "C" fn holds<P: Protocol, C: Condition<P>>(sk: *mut bindings::sock) -> bool {
    // SAFETY: The waiter holds the socket.
    C::holds(unsafe { Sock::from_raw(sk) })
}

impl<P: Protocol> Guard<'_, P> {
    /// SO_RCVTIMEO, or no patience at all for a call that must not block.
    pub(crate) fn receive_patience(&self, nonblocking: bool) -> Patience {
        // SAFETY: The socket is alive.
        Patience(unsafe { bindings::rtcpfsm_sock_rcvtimeo(self.sk().raw(), nonblocking) })
    }

    /// SO_SNDTIMEO, or no patience at all for a call that must not block.
    pub(crate) fn send_patience(&self, nonblocking: bool) -> Patience {
        // SAFETY: The socket is alive.
        Patience(unsafe { bindings::rtcpfsm_sock_sndtimeo(self.sk().raw(), nonblocking) })
    }

    /// SO_RCVLOWAT: how much a receive call waits for.
    pub(crate) fn receive_target(&self, wait_all: bool, len: usize) -> usize {
        let len = len.min(i32::MAX as usize) as i32;
        // SAFETY: The socket is alive.
        unsafe {
            bindings::rtcpfsm_sock_rcvlowat(self.sk().raw(), i32::from(wait_all), len).max(0)
                as usize
        }
    }

    /// Sleeps until `C` holds or patience ends; `alone`: of several waiters one is woken (accept).
    ///
    /// The lock is released meanwhile: everything read before may have changed. Returns whether `C` held.
    pub(crate) fn wait_until<C: Condition<P>>(
        &mut self,
        patience: &mut Patience,
        alone: bool,
    ) -> bool {
        // SAFETY: The process owns the socket.
        unsafe {
            bindings::rtcpfsm_sk_wait_event(
                self.sk().raw(),
                &mut patience.0,
                Some(holds::<P, C>),
                alone,
            ) > 0
        }
    }

    /// Sleeps until something was appended to the receive queue, or the socket's state changed. `reads`: what comes will be taken
    /// from the queue, not only looked at.
    pub(crate) fn wait_for_data(&mut self, patience: &mut Patience, reads: bool) -> Result {
        let tail = self.receive_queue_tail();
        self.watch_tail(!tail.is_null());
        self.set_reader_waits(reads);
        // SAFETY: The process owns the socket; the tail is only compared.
        let result = unsafe { bindings::sk_wait_data(self.sk().raw(), &mut patience.0, tail) };
        self.watch_tail(false);
        self.set_reader_waits(false);
        if result < 0 {
            return Err(Error::from_errno(result));
        }
        Ok(())
    }

    /// Sleeps until the connection is established.
    ///
    /// # Errors
    ///
    /// The pending error; `EPIPE`: it was never begun or is over; `EAGAIN`: patience ended.
    pub(crate) fn wait_for_connection(&mut self, patience: &mut Patience) -> Result {
        // SAFETY: The process owns the socket.
        kernel::error::to_result(unsafe {
            bindings::sk_stream_wait_connect(self.sk().raw(), &mut patience.0)
        })
    }

    /// Sleeps until the send buffer has room.
    ///
    /// # Errors
    ///
    /// `EPIPE`: an error is pending or sending was shut down; `EAGAIN`: patience ended.
    pub(crate) fn wait_for_send_memory(&mut self, patience: &mut Patience) -> Result {
        // SAFETY: The process owns the socket.
        kernel::error::to_result(unsafe {
            bindings::sk_stream_wait_memory(self.sk().raw(), &mut patience.0)
        })
    }

    /// The error of a failed send: a pending one instead of `EPIPE`, else SIGPIPE unless the caller does not want it.
    pub(crate) fn stream_error(&mut self, flags: u32, error: Error) -> Error {
        // SAFETY: The process owns the socket.
        Error::from_errno(unsafe {
            bindings::sk_stream_error(self.sk().raw(), flags as i32, error.to_errno())
        })
    }

    /// Handles what arrived since the lock was taken.
    pub(crate) fn flush_backlog(&mut self) {
        // SAFETY: The process owns the socket.
        unsafe { bindings::__sk_flush_backlog(self.sk().raw()) };
    }

    /// Does anything wait in the backlog?
    pub(crate) fn has_backlog(&self) -> bool {
        // SAFETY: A racy read of a pointer, as the kernel does it.
        unsafe {
            !core::ptr::addr_of!((*self.sk().raw()).sk_backlog.tail)
                .read_volatile()
                .is_null()
        }
    }
}
