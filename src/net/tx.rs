// SPDX-License-Identifier: GPL-2.0
//! From segments to packets: of a socket's connection, and of objects and answers that have no socket.

use super::rx::Arrived;
use super::{instance, Locked, Rtcpfsm, Socket};
use crate::src::fsm::SegmentOut;
use crate::src::kapi::addr::Address;
use crate::src::kapi::hash::Key;
use crate::src::kapi::netns::Net;
use crate::src::kapi::route::{reply_mark, Route};
use crate::src::kapi::skb::Skb;
use kernel::prelude::*;

/// Octets of an IPv4 header without options, and of a header of ours without options.
const V4_HEADERS: u32 = 20 + 20;
/// Octets of an IPv6 header, and of a header of ours without options.
const V6_HEADERS: u32 = 40 + 20;

/// The largest segment that a datagram of this size carries (RFC 9293 3.7.1; options are the machine's affair).
pub(crate) fn mss_of_mtu(mtu: u32, v4: bool) -> u16 {
    let headers = if v4 { V4_HEADERS } else { V6_HEADERS };
    mtu.saturating_sub(headers).clamp(1, u32::from(u16::MAX)) as u16
}

/// Sends a segment of the socket's connection, with its octets of the send queue. False: no memory for it.
#[inline]
pub(crate) fn send(sk: &mut Locked<'_>, segment: &SegmentOut) -> bool {
    let key = sk.sk().key();
    let Some(mut skb) = packet(sk, &key, segment) else {
        // Too many small pieces of memory for a large packet, or no memory: segment by segment they are fewer.
        return segment.piece != 0 && segment.pieces().all(|piece| send(sk, &piece));
    };
    if segment.piece != 0 {
        skb.set_run(key.remote.is_v4(), segment.piece, segment.count());
    }
    if segment.ect != sk.ect {
        sk.ect = segment.ect;
        sk.set_ecn_capable(segment.ect);
    }
    // What IP could not send is lost as any segment may be: the machine sends it again.
    let _ = sk.transmit(skb, key.local, key.remote);
    true
}

fn packet(sk: &mut Locked<'_>, key: &Key, segment: &SegmentOut) -> Option<Skb> {
    let len = segment.payload_len;
    if len == 0 {
        return header(key, segment, 0);
    }
    if segment.seq.before(sk.queue_start) {
        let mut skb = header(key, segment, 0)?;
        // A keep-alive's octet is none of the queue: what it says does not matter (RFC 9293 3.8.4).
        skb.append_header(len as usize).fill(0);
        return Some(skb);
    }
    let from = segment.seq.distance_from(sk.queue_start);
    // What a program has written at once mostly leaves at once.
    if let Some(mut skb) = sk.send_queue_clone(from, len) {
        let room = skb.prepend_header(segment.header_len());
        segment.fill(key.local_port(), key.remote_port(), room)?;
        return Some(skb);
    }
    let mut skb = header(key, segment, 0)?;
    if !sk.send_queue_attach(&mut skb, from, len) {
        if segment.piece != 0 {
            return None;
        }
        // Too many small pieces for one packet's list: copy them.
        skb = header(key, segment, len as usize)?;
        if !sk.send_queue_copy(&mut skb, from, len) {
            return None;
        }
    }
    Some(skb)
}

/// A packet with the segment's header, and linear room for `payload` octets.
fn header(key: &Key, segment: &SegmentOut, payload: usize) -> Option<Skb> {
    let len = segment.header_len();
    let mut skb = Skb::for_segment(len + payload)?;
    segment.fill(key.local_port(), key.remote_port(), skb.append_header(len))?;
    Some(skb)
}

/// Sends a segment without data that a listener stands behind, but no connection's socket: a SYN-ACK, an ACK or RST of a request.
///
/// `interface`: where the segment that is answered came in, for answers to link-local addresses.
pub(crate) fn send_sockless(
    net: &Net,
    listener: &Socket,
    key: &Key,
    segment: &SegmentOut,
    interface: i32,
    mark: u32,
) -> Result {
    let protocol = instance().protocol;
    let route = Route::find(net, Some(listener), key, interface, mark, protocol)?;
    send_by(net, Some(listener), route, key, segment)
}

/// Sends an ACK of TIME-WAIT.
pub(crate) fn send_waiting(
    net: &Net,
    key: &Key,
    segment: &SegmentOut,
    interface: i32,
    mark: u32,
    traffic_class: u8,
) -> Result {
    let protocol = instance().protocol;
    let route = Route::find::<Rtcpfsm>(net, None, key, interface, mark, protocol)?;
    send_by(
        net,
        None,
        route.with_traffic_class(traffic_class),
        key,
        segment,
    )
}

/// Sends the RST that answers a segment for which there is no connection, but perhaps a listener. As in Linux, it has the segment's
/// Diffserv field, and the mark of the segment, if those are to be reflected, or of the listener.
pub(crate) fn send_reset(
    net: &Net,
    listener: Option<&Socket>,
    arrived: &Arrived<'_>,
    segment: &SegmentOut,
) -> Result {
    let key = &arrived.key;
    let interface = answer_interface(key.remote, arrived.interfaces(), 0);
    let protocol = instance().protocol;
    let own = listener.map_or(0, |listener| listener.mark());
    let mark = reply_mark(net, key.remote, arrived.skb.mark(), own);
    let route = Route::find::<Rtcpfsm>(net, None, key, interface, mark, protocol)?;
    let diffserv = arrived.skb.diffserv(!key.remote.is_v4());
    send_by(
        net,
        listener,
        route.with_traffic_class(diffserv),
        key,
        segment,
    )
}

/// As [`send_sockless`], by a way that is known already.
pub(crate) fn send_by(
    net: &Net,
    listener: Option<&Socket>,
    route: Route,
    key: &Key,
    segment: &SegmentOut,
) -> Result {
    let protocol = instance().protocol;
    let mut skb = header(key, segment, 0).ok_or(ENOMEM)?;
    if !skb.set_checksum(key.local, key.remote, protocol, route.is_loopback()) {
        return Err(ENOMEM);
    }
    route.send(net, listener, skb, protocol);
    Ok(())
}

/// By which interface to answer what came in by these (see [`Arrived::interfaces`]), 0 for any: by that only where the address means
/// nothing without it, else by the one that the object is bound to (SO_BINDTODEVICE; 0: none). What came by a VRF has its way there.
pub(crate) fn answer_interface(
    remote: Address,
    (interface, enslaved): (i32, i32),
    bound_device: u32,
) -> i32 {
    if remote.is_link_local() || (bound_device == 0 && enslaved != 0) {
        interface
    } else {
        bound_device as i32
    }
}
