// SPDX-License-Identifier: GPL-2.0
//! Owned packets (`struct sk_buff`).

use super::addr::Address;
use super::layout;
use super::netns::Net;
use crate::src::ffi::bindings;
use core::ptr::NonNull;

/// The bits of the traffic class that are the ECN field (RFC 3168 section 5); all of them set mean congestion.
const ECN_FIELD: u8 = 3;

/// A packet that we own alone: dropped packets are freed, sent or queued ones are given away.
pub(crate) struct Skb(NonNull<bindings::sk_buff>);

// SAFETY: A packet belongs to whoever holds it, on whatever CPU.
unsafe impl Send for Skb {}

impl Drop for Skb {
    fn drop(&mut self) {
        // SAFETY: We own the packet.
        unsafe {
            bindings::sk_skb_reason_drop(
                core::ptr::null_mut(),
                self.0.as_ptr(),
                bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED,
            )
        };
    }
}

/// Room before the transport header that suits every route (`MAX_TCP_HEADER`).
const HEADROOM: u32 = bindings::RTCPFSM_MAX_TCP_HEADER;

impl Skb {
    /// An empty packet for a segment with `room` octets of linear memory (its header, and payload that is copied).
    pub(crate) fn for_segment(room: usize) -> Option<Self> {
        let room = room as u32;
        // SAFETY: No preconditions; a segment is at most 64 KiB.
        let skb =
            unsafe { bindings::rtcpfsm_alloc_skb(HEADROOM + room, bindings::RTCPFSM_GFP_ATOMIC) };
        let skb = Skb(NonNull::new(skb)?);
        // SAFETY: The packet is empty and its buffer has that room.
        unsafe { bindings::rtcpfsm_skb_reserve(skb.raw(), HEADROOM as i32) };
        Some(skb)
    }

    /// An empty packet for the octets of a send queue, of which [`Guard::send_queue_clone`](super::guard::Guard::send_queue_clone) is
    /// sent. May sleep.
    pub(super) fn for_queue() -> Option<Self> {
        // SAFETY: Process context, as by this function's contract.
        let skb =
            unsafe { bindings::rtcpfsm_alloc_queue_skb(HEADROOM, bindings::RTCPFSM_GFP_KERNEL) };
        NonNull::new(skb).map(Skb)
    }

    /// # Safety
    ///
    /// `skb` is a valid packet, now owned by the result.
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Option<Self> {
        NonNull::new(skb).map(Skb)
    }

    /// # Safety
    ///
    /// `skb` is a valid packet, now owned by the result.
    pub(super) unsafe fn from_nonnull(skb: NonNull<bindings::sk_buff>) -> Self {
        Skb(skb)
    }

    pub(super) fn raw(&self) -> *mut bindings::sk_buff {
        self.0.as_ptr()
    }

    /// Gives the packet away.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        core::mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// Gives the packet away.
    pub(super) fn into_nonnull(self) -> NonNull<bindings::sk_buff> {
        core::mem::ManuallyDrop::new(self).0
    }

    /// Frees the packet as one that did its work (drop monitors do not see it).
    pub(crate) fn consume(self) {
        // SAFETY: We own the packet.
        unsafe { bindings::consume_skb(self.into_raw()) };
    }

    /// All octets from the current start on, also those in page fragments.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: The packet is valid.
        unsafe { (*self.raw()).len }
    }

    /// Real memory that the packet is accounted with.
    pub(crate) fn truesize(&self) -> u32 {
        // SAFETY: The packet is valid.
        unsafe { (*self.raw()).truesize }
    }

    /// The first `len` octets, pulled into linear memory; `None`: the packet is shorter.
    pub(crate) fn linear(&mut self, len: u32) -> Option<&[u8]> {
        // SAFETY: The packet is valid.
        if unsafe { !layout::may_pull(self.raw(), len) } {
            return None;
        }
        // SAFETY: The linear part starts at `data` and has that many octets; we hold the packet.
        Some(unsafe { core::slice::from_raw_parts((*self.raw()).data, len as usize) })
    }

    /// As much of the linear part as there is, at most `len` octets.
    pub(crate) fn linear_up_to(&self, len: u32) -> &[u8] {
        // SAFETY: The packet is valid.
        let headlen = unsafe { layout::headlen(self.raw()) };
        // SAFETY: The linear part has `headlen` octets.
        unsafe { core::slice::from_raw_parts((*self.raw()).data, headlen.min(len) as usize) }
    }

    /// Room for a header of `len` octets behind the linear part, as a slice to write; the packet has no payload yet.
    pub(crate) fn append_header(&mut self, len: usize) -> &mut [u8] {
        // SAFETY: `for_segment` made this room; `skb_put` panics rather than overrun it.
        let start = unsafe { bindings::rtcpfsm_skb_put(self.raw(), len as u32) };
        // SAFETY: Those are `len` octets of ours.
        unsafe { self.header_at(start.cast(), len) }
    }

    /// Room for a header of `len` octets before a payload that is there, as a slice to write.
    pub(crate) fn prepend_header(&mut self, len: usize) -> &mut [u8] {
        // SAFETY: `for_queue` made this room; `skb_push` panics rather than overrun it.
        let start = unsafe { bindings::rtcpfsm_skb_push(self.raw(), len as u32) };
        // SAFETY: Those are `len` octets of ours.
        unsafe { self.header_at(start.cast(), len) }
    }

    /// # Safety
    ///
    /// The packet's data begins at `start`, with `len` linear octets that are ours.
    unsafe fn header_at(&mut self, start: *mut u8, len: usize) -> &mut [u8] {
        // SAFETY: By this function's contract; zeroed first, for they were perhaps never written.
        unsafe {
            bindings::rtcpfsm_skb_reset_transport_header(self.raw());
            // The length of most headers, with timestamps: a few stores, where any length is a call.
            const USUAL: usize = 32;
            let mut zeroed = 0;
            if len >= USUAL {
                start
                    .cast::<[u64; USUAL / 8]>()
                    .write_unaligned([0; USUAL / 8]);
                zeroed = USUAL;
            }
            if len != zeroed {
                core::ptr::write_bytes(start.add(zeroed), 0, len - zeroed);
            }
            core::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Drops `len` octets of header, which [`Skb::linear`] showed.
    pub(crate) fn pull(&mut self, len: u32) {
        // SAFETY: The packet is valid.
        if len <= unsafe { layout::headlen(self.raw()) } {
            // SAFETY: The octets are linear.
            unsafe { layout::pull(self.raw(), len) };
        }
    }

    /// Cuts everything behind `len` octets off; false: no memory.
    pub(crate) fn trim(&mut self, len: u32) -> bool {
        // SAFETY: The packet is valid and ours.
        unsafe { bindings::rtcpfsm_pskb_trim(self.raw(), len) == 0 }
    }

    /// The namespace of the device that it arrived on.
    pub(crate) fn net<'a>(&'a self) -> &'a Net {
        // SAFETY: A packet on the receive path has a device, and its namespace outlives this softirq.
        unsafe { Net::from_ptr(bindings::rtcpfsm_skb_net(self.raw())) }
    }

    /// Was it sent to this host alone, not to a broadcast or multicast address?
    pub(crate) fn to_unicast(&self, v6: bool) -> bool {
        // SAFETY: On the receive path, behind routing.
        unsafe { bindings::rtcpfsm_skb_to_unicast(self.raw(), v6) }
    }

    /// Has the path marked it, since there was congestion (RFC 3168 section 5)?
    pub(crate) fn is_ce(&self, v6: bool) -> bool {
        self.traffic_class(v6) & ECN_FIELD == ECN_FIELD
    }

    /// The Diffserv field of its IP header, the ECN field left out: zero.
    pub(crate) fn diffserv(&self, v6: bool) -> u8 {
        self.traffic_class(v6) & !ECN_FIELD
    }

    /// Type of service or traffic class of its IP header.
    fn traffic_class(&self, v6: bool) -> u8 {
        // SAFETY: The packet is valid.
        let header = unsafe { layout::network_header(self.raw()) };
        // SAFETY: The network header stays with the packet until it is freed; both versions have at least 20 linear octets.
        let [first, second] = unsafe { header.cast::<[u8; 2]>().read() };
        // RFC 791 3.1: the second octet; RFC 8200 3: four bits on each side of the first octet's end.
        if v6 {
            first << 4 | second >> 4
        } else {
            second
        }
    }

    /// Source and destination of its IP header.
    pub(crate) fn addresses(&self, v6: bool) -> (Address, Address) {
        // SAFETY: The packet is valid.
        let header = unsafe { layout::network_header(self.raw()) };
        // SAFETY: On the receive path the network header is there and linear: 20 octets with the addresses at 12 and 16
        // (RFC 791 3.1), or 40 with the addresses at 8 and 24 (RFC 8200 3).
        unsafe {
            if v6 {
                (
                    Address::from_octets(header.add(8).cast::<[u8; 16]>().read_unaligned()),
                    Address::from_octets(header.add(24).cast::<[u8; 16]>().read_unaligned()),
                )
            } else {
                (
                    Address::v4(header.add(12).cast::<u32>().read_unaligned()),
                    Address::v4(header.add(16).cast::<u32>().read_unaligned()),
                )
            }
        }
    }

    /// Could this IPv4 source address be a host's (RFC 1122 3.2.1.3)?
    pub(crate) fn source_is_host(source: Address) -> bool {
        if source.is_v4() {
            // Neither zero nor all ones nor a multicast address (RFC 5771: 224.0.0.0/4).
            let address = u32::from_be(source.as_v4());
            address != 0 && address != u32::MAX && address >> 28 != 0xe
        } else {
            !source.is_any() && !source.is_v6_multicast()
        }
    }

    /// Index of the interface that it arrived on: the VRF where that is one of its devices.
    pub(crate) fn interface(&self, v6: bool) -> i32 {
        // SAFETY: On the receive path, behind routing.
        unsafe { bindings::rtcpfsm_skb_iif(self.raw(), v6) }
    }

    /// Index of the device that it arrived on, if that is enslaved to a VRF; 0: it is not.
    #[inline(always)]
    pub(crate) fn enslaved(&self, v6: bool) -> i32 {
        // SAFETY: On the receive path.
        unsafe { layout::sdif(self.raw(), v6) }
    }

    /// The firewall mark that it carries.
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: The packet is valid.
        unsafe { layout::mark(self.raw()) }
    }

    /// Is the transport checksum right (or vouched for by the device)?
    pub(crate) fn checksum_ok(&mut self, v6: bool, protocol: u8) -> bool {
        let len = self.len();
        // SAFETY: On the receive path, data at the transport header.
        unsafe {
            if v6 {
                bindings::rtcpfsm_skb_checksum_ok_v6(self.raw(), len, protocol)
            } else {
                bindings::rtcpfsm_skb_checksum_ok_v4(self.raw(), len, protocol)
            }
        }
    }

    /// Writes the transport checksum. `offload`: leave it to the device, where that is known to be safe. Pages that others may
    /// write to are copied before their checksum is computed. False: no memory for that.
    pub(crate) fn set_checksum(
        &mut self,
        source: Address,
        destination: Address,
        protocol: u8,
        offload: bool,
    ) -> bool {
        // SAFETY: `append_header` set the transport header at `data`.
        unsafe {
            if destination.is_v4() {
                bindings::rtcpfsm_skb_checksum_set_v4(
                    self.raw(),
                    source.as_v4(),
                    destination.as_v4(),
                    protocol,
                    offload,
                )
            } else {
                let (source, destination) = (source.to_in6(), destination.to_in6());
                bindings::rtcpfsm_skb_checksum_set_v6(
                    self.raw(),
                    &source,
                    &destination,
                    protocol,
                    offload,
                )
            }
        }
    }

    /// Does the security policy let it in? Also forgets the connection tracking entry, as each transport does.
    pub(crate) fn passes_policy(&mut self, v6: bool) -> bool {
        // SAFETY: The packet is valid; no socket is needed for the namespace's policy.
        unsafe {
            let pass = bindings::rtcpfsm_xfrm_policy_check(core::ptr::null_mut(), self.raw(), v6);
            bindings::rtcpfsm_nf_reset_ct(self.raw());
            pass
        }
    }

    /// Writes our own note into the packet.
    pub(super) fn write_note(&self, note: ReceiveNote) {
        // SAFETY: The packet is ours.
        unsafe { Skb::note(self.0).write(note) };
    }

    /// Our own note inside the packet while it waits in a receive queue.
    pub(super) fn note(skb: NonNull<bindings::sk_buff>) -> NonNull<ReceiveNote> {
        // SAFETY: `cb` is 48 octets, aligned to 8, and belongs to the layer that holds the packet.
        unsafe { NonNull::new_unchecked(core::ptr::addr_of_mut!((*skb.as_ptr()).cb).cast()) }
    }
}

/// What is noted in a packet that waits to be read, or for what comes before it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct ReceiveNote {
    /// Octets at the start of the packet that are not payload, or already read.
    pub(super) skip: u32,
    /// Where the payload ends, from the start of the packet on: at its end, or before it.
    pub(super) end: u32,
    /// The place of the payload's first octet in the stream, of a packet that is kept.
    pub(super) at: u32,
}

impl ReceiveNote {
    /// That of a packet with the payload `[skip, skip + len)`.
    pub(super) fn new(skb: &Skb, skip: u32, len: u32, at: u32) -> Self {
        let end = skip.saturating_add(len).min(skb.len());
        ReceiveNote {
            skip: skip.min(end),
            end,
            at,
        }
    }

    /// Octets of payload.
    pub(super) fn len(&self) -> u32 {
        self.end - self.skip
    }
}
