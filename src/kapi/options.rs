// SPDX-License-Identifier: GPL-2.0
//! Socket options of the protocol's own level, which is that of TCP (`SOL_TCP`), and SO_KEEPALIVE: copies them from and to
//! programs, over [`Operations`].

use super::proto::Operations;
use super::sock::Sock;
use crate::src::ffi::bindings;
use kernel::ffi::{c_char, c_int, c_uint, c_void};
use kernel::prelude::*;

/// What TCP_INFO tells.
pub(crate) use bindings::tcp_info as Info;

/// What `tcpi_options` says was agreed upon.
pub(crate) mod negotiated {
    pub(crate) use crate::src::ffi::bindings::{
        TCPI_OPT_ECN as ECN, TCPI_OPT_SACK as SACK, TCPI_OPT_TIMESTAMPS as TIMESTAMPS,
        TCPI_OPT_WSCALE as WSCALE,
    };
}

/// What `tcpi_ca_state` says of losses.
pub(crate) mod loss {
    use crate::src::ffi::bindings as c;
    pub(crate) const OPEN: u8 = c::tcp_ca_state_TCP_CA_Open as u8;
    pub(crate) const DISORDER: u8 = c::tcp_ca_state_TCP_CA_Disorder as u8;
    pub(crate) const CWR: u8 = c::tcp_ca_state_TCP_CA_CWR as u8;
    pub(crate) const RECOVERY: u8 = c::tcp_ca_state_TCP_CA_Recovery as u8;
    pub(crate) const LOSS: u8 = c::tcp_ca_state_TCP_CA_Loss as u8;
}

/// Room for the name of a congestion control, its zero included, as Linux has it.
pub(crate) const NAME_MAX: usize = bindings::TCP_CA_NAME_MAX as usize;

/// An option whose value is an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntOption {
    /// TCP_NODELAY.
    NoDelay,
    /// TCP_MAXSEG.
    MaxSeg,
    /// TCP_CORK.
    Cork,
    /// TCP_KEEPIDLE.
    KeepIdle,
    /// TCP_KEEPINTVL.
    KeepIntvl,
    /// TCP_KEEPCNT.
    KeepCnt,
    /// TCP_SYNCNT.
    SynCnt,
    /// TCP_LINGER2.
    Linger2,
    /// TCP_DEFER_ACCEPT.
    DeferAccept,
    /// TCP_WINDOW_CLAMP.
    WindowClamp,
    /// TCP_QUICKACK.
    QuickAck,
    /// TCP_USER_TIMEOUT.
    UserTimeout,
    /// TCP_NOTSENT_LOWAT.
    NotSentLowat,
}

impl IntOption {
    fn from_raw(name: c_int) -> Option<Self> {
        Some(match name as u32 {
            bindings::TCP_NODELAY => Self::NoDelay,
            bindings::TCP_MAXSEG => Self::MaxSeg,
            bindings::TCP_CORK => Self::Cork,
            bindings::TCP_KEEPIDLE => Self::KeepIdle,
            bindings::TCP_KEEPINTVL => Self::KeepIntvl,
            bindings::TCP_KEEPCNT => Self::KeepCnt,
            bindings::TCP_SYNCNT => Self::SynCnt,
            bindings::TCP_LINGER2 => Self::Linger2,
            bindings::TCP_DEFER_ACCEPT => Self::DeferAccept,
            bindings::TCP_WINDOW_CLAMP => Self::WindowClamp,
            bindings::TCP_QUICKACK => Self::QuickAck,
            bindings::TCP_USER_TIMEOUT => Self::UserTimeout,
            bindings::TCP_NOTSENT_LOWAT => Self::NotSentLowat,
            _ => return None,
        })
    }
}

/// setsockopt() at the level SOL_TCP.
///
/// # Safety
///
/// `sk` is a live socket of protocol `P`, not locked by the caller; `value` is as the kernel's socket layer gave it.
pub(super) unsafe fn set<P: Operations>(
    sk: *mut bindings::sock,
    name: c_int,
    value: bindings::sockptr_t,
    len: c_uint,
) -> Result {
    // SAFETY: By this function's contract.
    let sk = unsafe { Sock::<P>::from_raw(sk) };
    if name as u32 == bindings::TCP_CONGESTION {
        if len < 1 {
            return Err(EINVAL);
        }
        let mut text = [0u8; NAME_MAX];
        // One less: Linux cuts longer names off, and so they match nothing.
        let room = (NAME_MAX - 1).min(len as usize);
        // SAFETY: The array has that room.
        let read =
            unsafe { bindings::rtcpfsm_text_from_sockptr(text.as_mut_ptr().cast(), value, room) };
        let read = usize::try_from(read).map_err(|_| EFAULT)?;
        let name = text.get(..read).ok_or(EFAULT)?;
        return P::set_congestion_control(&mut sk.lock(), name);
    }
    if len < core::mem::size_of::<c_int>() as c_uint {
        return Err(EINVAL);
    }
    let mut int = 0;
    // SAFETY: The value has at least the length of an int.
    if unsafe { bindings::rtcpfsm_int_from_sockptr(&mut int, value) } != 0 {
        return Err(EFAULT);
    }
    let option = IntOption::from_raw(name).ok_or(ENOPROTOOPT)?;
    P::set_option(&mut sk.lock(), option, int)
}

/// getsockopt() at the level SOL_TCP.
///
/// # Safety
///
/// As for [`set`]; `value` and `len` are pointers of the program's, which may be anything.
pub(super) unsafe fn get<P: Operations>(
    sk: *mut bindings::sock,
    name: c_int,
    value: *mut c_char,
    len: *mut c_int,
) -> Result {
    // SAFETY: By this function's contract.
    let sk = unsafe { Sock::<P>::from_raw(sk) };
    // SAFETY: No preconditions: a bad pointer is told.
    let room = unsafe { bindings::rtcpfsm_option_len(len) };
    let room = usize::try_from(room).map_err(|_| Error::from_errno(room))?;
    let copy = |from: *const c_void, size: usize| {
        // SAFETY: `from` has `size` octets; bad pointers of the program are told.
        kernel::error::to_result(unsafe {
            bindings::rtcpfsm_option_to_user(value, len, from, size.min(room))
        })
    };
    match name as u32 {
        bindings::TCP_INFO => {
            let mut info = Info::default();
            P::info(&mut sk.lock(), &mut info);
            copy((&raw const info).cast(), core::mem::size_of_val(&info))
        }
        bindings::TCP_CONGESTION => {
            let mut text = [0u8; NAME_MAX];
            let name = P::congestion_control(&sk.lock());
            for (to, from) in text.iter_mut().take(NAME_MAX - 1).zip(name.bytes()) {
                *to = from;
            }
            copy(text.as_ptr().cast(), NAME_MAX)
        }
        _ => {
            let option = IntOption::from_raw(name).ok_or(ENOPROTOOPT)?;
            let int: c_int = P::option(&sk.lock(), option);
            copy((&raw const int).cast(), core::mem::size_of_val(&int))
        }
    }
}

/// SO_KEEPALIVE is set or cleared; the kernel keeps its own note of it.
pub(super) extern "C" fn keepalive<P: Operations>(sk: *mut bindings::sock, on: c_int) {
    // SAFETY: setsockopt() has locked the socket.
    let mut guard = unsafe { super::thunks::locked::<P>(sk) };
    P::set_keepalive(&mut guard, on != 0);
}
