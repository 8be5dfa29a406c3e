// SPDX-License-Identifier: GPL-2.0
//! Segmentation offload: large packets, which stand for a run of segments, and are cut where a device wants them so.
//!
//! # Who cuts them
//!
//! A network card that can segment TCP must not get our packets: it may look at the protocol number, which is not TCP's, or not
//! care and send garbage. So their type asks a device for two things at once, to cut TCP and to cut SCTP. The devices that the
//! kernel itself makes say that they can cut anything in software (loopback, veth, bridges, tunnels): they pass on what they get, or ask
//! [`cut`]. No card cuts SCTP, so that before each of them the packet comes here.
//!
//! # Who computes the checksum
//!
//! A packet without a checksum may go to any such device: who receives it does not ask for one, and who cuts it
//! computes them. A single segment gets its checksum at once, but on loopback: a device that knows the checksums of
//! TCP alone (NETIF_F_IP_CSUM) would be asked to compute it, for it stands where TCP has its own.

use super::guard::Guard;
use super::ip::Handler;
use super::layout;
use super::skb::Skb;
use super::sock::Protocol;
use crate::src::ffi::bindings;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::prelude::*;

/// What a device must be able to do beside cutting TCP: see the top.
const SOFTWARE_ONLY: u32 = bindings::SKB_GSO_SCTP as u32;
const TYPE_V4: u32 = bindings::SKB_GSO_TCPV4 as u32 | SOFTWARE_ONLY;
const TYPE_V6: u32 = bindings::SKB_GSO_TCPV6 as u32 | SOFTWARE_ONLY;

/// Octets of a header without options, and where in it the data offset stands (RFC 9293 section 3.1).
pub(crate) const FIXED_HEADER: usize = 20;
const DATA_OFFSET_AT: usize = 12;
/// Where the checksum stands in it.
const CHECKSUM_AT: usize = 16;

/// What a socket must ask of its route, so that [`Guard::max_run`] knows whether large packets may be sent.
pub(super) fn prepare(sk: &mut bindings::sock) {
    sk.sk_gso_type = (TYPE_V4 | TYPE_V6) as u16;
}

impl<P: Protocol> Guard<'_, P> {
    /// How many octets of payload, and how many segments a packet of this connection may stand for; 0: only one.
    #[inline]
    pub(crate) fn max_run(&self) -> (u32, u16) {
        // SAFETY: We hold the socket lock.
        let sk = unsafe { &*self.sk().raw() };
        // As sk_can_gso().
        let needed = u64::from(TYPE_V4 | TYPE_V6) << bindings::RTCPFSM_F_GSO_SHIFT;
        if sk.sk_route_caps & needed == needed {
            (sk.sk_gso_max_size, sk.sk_gso_max_segs)
        } else {
            (0, 0)
        }
    }
}

impl Skb {
    /// From now on the packet, to be sent by IPv4 or IPv6, stands for `count` segments of `piece` octets of data, of which
    /// the last one may have less.
    pub(crate) fn set_run(&mut self, v4: bool, piece: u16, count: u32) {
        let kind = if v4 { TYPE_V4 } else { TYPE_V6 };
        let count = count.min(u32::from(u16::MAX)) as u16;
        // SAFETY: The packet is valid and ours.
        unsafe { bindings::rtcpfsm_skb_set_gso(self.raw(), kind, piece, count) };
    }

    /// Of a packet that stands for a run of segments the octets of data in each of them; else 0.
    #[inline]
    pub(crate) fn piece(&self) -> u16 {
        // SAFETY: The packet is valid.
        unsafe { layout::gso_size(self.raw()) }
    }
}

#[repr(transparent)]
struct Static<T>(T);
// SAFETY: Only the kernel reads it.
unsafe impl<T> Sync for Static<T> {}
// SAFETY: As above.
unsafe impl<T> Send for Static<T> {}

/// The registration of who cuts the packets of a protocol number, with IPv4 and IPv6; undone when dropped.
pub(crate) struct Registration<H: Handler> {
    /// For both.
    offload: KBox<Static<bindings::net_offload>>,
    protocol: u8,
    registered: (bool, bool),
    _handler: PhantomData<H>,
}

impl<H: Handler> Registration<H> {
    /// From now on runs of segments of this protocol are cut with the help of `H`.
    ///
    /// # Errors
    ///
    /// `EBUSY`: somebody else cuts the packets of this number; `ENOMEM`.
    pub(crate) fn new(protocol: u8) -> Result<Self> {
        let mut offload = KBox::new(Static(bindings::net_offload::default()), GFP_KERNEL)?;
        offload.0.callbacks.gso_segment = Some(gso_segment::<H>);
        let mut this = Registration {
            offload,
            protocol,
            registered: (false, false),
            _handler: PhantomData,
        };
        // SAFETY: The struct stays where it is until `drop` has deleted it.
        unsafe {
            if bindings::inet_add_offload(&this.offload.0, protocol) != 0 {
                return Err(EBUSY);
            }
            this.registered.0 = true;
            if bindings::inet6_add_offload(&this.offload.0, protocol) != 0 {
                return Err(EBUSY);
            }
            this.registered.1 = true;
        }
        Ok(this)
    }
}

impl<H: Handler> Drop for Registration<H> {
    fn drop(&mut self) {
        // SAFETY: Undoes what `new` did; both wait until no CPU is in a callback.
        unsafe {
            if self.registered.1 {
                bindings::inet6_del_offload(&self.offload.0, self.protocol);
            }
            if self.registered.0 {
                bindings::inet_del_offload(&self.offload.0, self.protocol);
            }
        }
    }
}

extern "C" fn gso_segment<H: Handler>(
    skb: *mut bindings::sk_buff,
    features: u64,
) -> *mut bindings::sk_buff {
    // SAFETY: The packet is valid, its data at our header, and the caller's before and after.
    match unsafe { cut::<H>(skb, features) } {
        Ok(segments) => segments,
        Err(error) => error.to_ptr(),
    }
}

/// Cuts a packet into its segments, for a device with these features: a list of packets; null: the device takes it as it is.
///
/// # Errors
///
/// `EINVAL`: no packet of ours; `ENOMEM`.
///
/// # Safety
///
/// `skb` is a valid packet with the transport header at its data, and nobody else uses it now.
unsafe fn cut<H: Handler>(
    skb: *mut bindings::sk_buff,
    features: u64,
) -> Result<*mut bindings::sk_buff> {
    // SAFETY: By this function's contract.
    let (kind, piece) = unsafe {
        (
            bindings::rtcpfsm_skb_gso_type(skb),
            u32::from(layout::gso_size(skb)),
        )
    };
    if kind & SOFTWARE_ONLY == 0 || piece == 0 {
        return Err(EINVAL);
    }
    // SAFETY: By this function's contract; the header is linear before it is looked at.
    let (header_len, len) = unsafe {
        if !layout::may_pull(skb, FIXED_HEADER as u32) {
            return Err(EINVAL);
        }
        let header_len = u32::from((*skb).data.add(DATA_OFFSET_AT).read() >> 4) * 4;
        if header_len < FIXED_HEADER as u32 || !layout::may_pull(skb, header_len) {
            return Err(EINVAL);
        }
        (header_len, (*skb).len)
    };
    if len - header_len <= piece {
        return Err(EINVAL);
    }
    // SAFETY: The packet is valid.
    if unsafe { bindings::rtcpfsm_skb_gso_ok(skb, features | bindings::RTCPFSM_F_GSO_ROBUST) } {
        // Asked only whether it is sound, since it comes from outside: so is the number of its segments.
        let count = (len - header_len).div_ceil(piece).min(u32::from(u16::MAX)) as u16;
        // SAFETY: The packet is valid.
        unsafe { bindings::rtcpfsm_skb_set_gso(skb, kind, piece as u16, count) };
        return Ok(core::ptr::null_mut());
    }
    // The checksums are computed here: a device on the way may know those of TCP alone, and take ours for one of them.
    let features = features & !(bindings::RTCPFSM_F_CSUM | bindings::RTCPFSM_F_GSO_PARTIAL);
    // SAFETY: The header is linear; `skb_segment` wants the data behind it.
    let segments = unsafe {
        layout::pull(skb, header_len);
        kernel::error::from_err_ptr(bindings::rtcpfsm_skb_segment(skb, features))?
    };
    let (mut next, mut offset) = (NonNull::new(segments), 0);
    while let Some(segment) = next {
        let segment = segment.as_ptr();
        // SAFETY: The segments are ours, a list; each has a copy of the header in its linear part, where its transport header is.
        unsafe {
            next = NonNull::new((*segment).__bindgen_anon_1.__bindgen_anon_1.next);
            let header = layout::transport_header(segment);
            let before = header.offset_from((*segment).data) as u32;
            let segment_len = (*segment).len - before;
            let header = &mut *header.cast::<[u8; FIXED_HEADER]>();
            H::cut_header(header, offset, next.is_none());
            let pseudo = pseudo_sum(header, len, segment_len);
            bindings::rtcpfsm_skb_segment_checksum(segment, pseudo);
            offset += segment_len - header_len;
        }
    }
    Ok(segments)
}

/// The sum of the pseudo-header (RFC 9293 section 3.1) of a segment of `len` octets, as it stands in memory, from that in the header of
/// a packet of `whole_len` octets.
fn pseudo_sum(header: &[u8; FIXED_HEADER], whole_len: u32, len: u32) -> u16 {
    let whole = u16::from_be_bytes([header[CHECKSUM_AT], header[CHECKSUM_AT + 1]]);
    // RFC 1624 3, equation 3: what goes is added in its complement. A packet has less than 64 KiB.
    let mut sum = u32::from(whole) + u32::from(!(whole_len as u16)) + u32::from(len as u16);
    while sum > u32::from(u16::MAX) {
        sum = (sum & u32::from(u16::MAX)) + (sum >> 16);
    }
    (sum as u16).to_be()
}
