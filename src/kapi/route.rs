// SPDX-License-Identifier: GPL-2.0
//! Ways out of the host: the routes of connections and of answers that no socket stands behind.

use super::addr::{Address, Endpoint};
use super::guard::Guard;
use super::hash::Key;
use super::netns::Net;
use super::skb::Skb;
use super::sock::{Protocol, Sock};
use crate::src::ffi::bindings;
use core::ptr::{null, null_mut, NonNull};
use kernel::prelude::*;

/// A route for a segment that no full socket sends.
pub(crate) struct Route {
    dst: NonNull<bindings::dst_entry>,
    source: Address,
    destination: Address,
    /// The traffic class, the hop limit, the mark and the priority, as the listener's options say.
    fields: bindings::rtcpfsm_fields,
}

impl Drop for Route {
    fn drop(&mut self) {
        // SAFETY: We own a reference.
        unsafe { bindings::rtcpfsm_dst_release(self.dst.as_ptr()) };
    }
}

fn fields_of<P: Protocol>(
    sk: Option<&Sock<P>>,
    to: Address,
    mark: u32,
) -> bindings::rtcpfsm_fields {
    let mut fields = bindings::rtcpfsm_fields {
        tclass: 0,
        hops: -1,
        mark,
        priority: 0,
    };
    if let Some(sk) = sk {
        // SAFETY: The socket is alive; racy reads, as the kernel does it.
        unsafe { bindings::rtcpfsm_ip_fields(sk.raw(), to.is_v4(), &mut fields) };
    }
    fields
}

/// The type of service or traffic class of a socket's packets to this address, without the bits of ECN.
pub(crate) fn traffic_class<P: Protocol>(sk: &Sock<P>, to: Address) -> u8 {
    fields_of(Some(sk), to, 0).tclass & !3
}

/// The mark of an answer to a packet with this mark: that one, where the namespace wants it (net.ipv4.fwmark_reflect), else `own`.
pub(crate) fn reply_mark(net: &Net, to: Address, mark: u32, own: u32) -> u32 {
    // SAFETY: The namespace is alive; a racy read of a setting, as the kernel does it.
    let reflected = unsafe { bindings::rtcpfsm_reply_mark(net.as_ptr(), to.is_v4(), mark) };
    if reflected != 0 {
        reflected
    } else {
        own
    }
}

/// A way that a connection is to go, where its first segment went without a socket (IPv4 only).
pub(crate) struct KeptRoute(NonNull<bindings::dst_entry>);

// SAFETY: A reference of a route is used and given back on whatever CPU.
unsafe impl Send for KeptRoute {}
// SAFETY: A shared one gives nothing away.
unsafe impl Sync for KeptRoute {}

impl Drop for KeptRoute {
    fn drop(&mut self) {
        // SAFETY: We own a reference.
        unsafe { bindings::rtcpfsm_dst_release(self.0.as_ptr()) };
    }
}

fn checked<T>(pointer: *mut T) -> Result<NonNull<T>> {
    kernel::error::from_err_ptr(pointer)
        .and_then(|pointer| NonNull::new(pointer).ok_or(EHOSTUNREACH))
}

impl Route {
    /// The way of a connection's segments; rules may look at its ports, too.
    ///
    /// `interface`: leave by this one, 0 for any. `listener`: whose options count. `mark`: of the packets, too.
    ///
    /// # Errors
    ///
    /// What routing says: `ENETUNREACH`, `EHOSTUNREACH`, ...
    pub(crate) fn find<P: Protocol>(
        net: &Net,
        listener: Option<&Sock<P>>,
        key: &Key,
        interface: i32,
        mark: u32,
        protocol: u8,
    ) -> Result<Self> {
        let sk = listener.map_or(null(), |sk| sk.raw().cast_const());
        let (source, destination) = (key.local, key.remote);
        let (sport, dport) = (key.local_port().to_be(), key.remote_port().to_be());
        let fields = fields_of(listener, destination, mark);
        let dst = if destination.is_v4() {
            // SAFETY: The namespace and the socket are alive.
            unsafe {
                bindings::rtcpfsm_route_v4(
                    net.as_ptr(),
                    sk,
                    source.as_v4(),
                    destination.as_v4(),
                    sport,
                    dport,
                    interface,
                    mark,
                    protocol,
                )
            }
        } else {
            let (s, d) = (source.to_in6(), destination.to_in6());
            // SAFETY: The namespace and the socket are alive.
            unsafe {
                bindings::rtcpfsm_route_v6(
                    net.as_ptr(),
                    sk,
                    &s,
                    &d,
                    sport,
                    dport,
                    interface,
                    mark,
                    protocol,
                )
            }
        };
        Ok(Route {
            dst: checked(dst)?,
            source,
            destination,
            fields,
        })
    }

    /// The largest datagram that the way takes, in octets.
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: We hold a reference.
        unsafe { bindings::rtcpfsm_dst_mtu(self.dst.as_ptr()) }
    }

    /// Does it stay on this host? Then nobody needs a checksum.
    pub(crate) fn is_loopback(&self) -> bool {
        // SAFETY: We hold a reference.
        unsafe { bindings::rtcpfsm_dst_is_loopback(self.dst.as_ptr()) }
    }

    /// The way for a child of this listener, with whose options it was found; `None`: rules may choose another by then, or
    /// it is IPv6's.
    pub(crate) fn keep<P: Protocol>(&self, listener: &Sock<P>) -> Option<KeptRoute> {
        if !self.destination.is_v4() {
            return None;
        }
        // SAFETY: The socket is alive, and we hold a reference of the route.
        let kept = unsafe { bindings::rtcpfsm_dst_keep(listener.raw(), self.dst.as_ptr()) };
        NonNull::new(kept).map(KeptRoute)
    }

    /// The same way for a segment with this type of service or traffic class.
    pub(crate) fn with_traffic_class(self, traffic_class: u8) -> Self {
        let mut this = self;
        this.fields.tclass = traffic_class;
        this
    }

    /// Sends a finished segment this way. It may be lost, as any segment may. `listener`: whose it is, for cgroups and filters.
    pub(crate) fn send<P: Protocol>(
        self,
        net: &Net,
        listener: Option<&Sock<P>>,
        skb: Skb,
        protocol: u8,
    ) {
        let sk = listener.map_or(null_mut(), |sk| sk.raw());
        // The packet takes the route's reference along.
        let this = core::mem::ManuallyDrop::new(self);
        let skb = skb.into_raw();
        // SAFETY: The packet and the route are ours and given away. The socket is alive, and the packet takes a reference of it.
        unsafe {
            if this.destination.is_v4() {
                bindings::rtcpfsm_send_v4(
                    net.as_ptr(),
                    sk,
                    skb,
                    this.dst.as_ptr(),
                    this.source.as_v4(),
                    this.destination.as_v4(),
                    &this.fields,
                    protocol,
                );
            } else {
                let (s, d) = (this.source.to_in6(), this.destination.to_in6());
                bindings::rtcpfsm_send_v6(
                    net.as_ptr(),
                    sk,
                    skb,
                    this.dst.as_ptr(),
                    &s,
                    &d,
                    &this.fields,
                    protocol,
                );
            }
        }
    }
}

/// A route that connect() found; the port may still be chosen.
pub(crate) enum ConnectRoute {
    V4(NonNull<bindings::rtable>),
    V6(NonNull<bindings::dst_entry>),
}

impl Drop for ConnectRoute {
    fn drop(&mut self) {
        // SAFETY: We own a reference; an rtable starts with its dst_entry.
        unsafe {
            bindings::rtcpfsm_dst_release(match self {
                ConnectRoute::V4(rt) => rt.as_ptr().cast(),
                ConnectRoute::V6(dst) => dst.as_ptr(),
            })
        };
    }
}

impl<P: Protocol> Guard<'_, P> {
    /// Finds the way to a peer and the local address for it (RFC 9293 3.9.2.3: asked of IP where bind() gave none).
    /// Returns the route, the local address and the peer's (an unspecified one means this host).
    ///
    /// # Errors
    ///
    /// `ENETUNREACH`: no route, or a broadcast or multicast address (MUST-46). `EINVAL`: a link-local address without an
    /// interface.
    pub(crate) fn route_connect(
        &mut self,
        peer: Endpoint,
        scope_id: u32,
    ) -> Result<(ConnectRoute, Address, Address)> {
        let sk = self.sk().raw();
        if peer.address.is_v4() {
            if self.sk().is_v6_only() {
                return Err(ENETUNREACH);
            }
            // SAFETY: We hold the socket lock.
            let rt = checked(unsafe {
                bindings::rtcpfsm_ip_route_connect(sk, peer.address.as_v4(), peer.port.to_be())
            })?;
            let route = ConnectRoute::V4(rt);
            // SAFETY: The route is valid.
            if unsafe { !bindings::rtcpfsm_rt_is_unicast(rt.as_ptr()) } {
                return Err(ENETUNREACH);
            }
            let (mut source, mut destination) = (0, 0);
            // SAFETY: `ip_route_connect` wrote the flow of the socket.
            unsafe { bindings::rtcpfsm_flow4_addresses(sk, &mut source, &mut destination) };
            return Ok((route, Address::v4(source), Address::v4(destination)));
        }
        if peer.address.is_v6_multicast() {
            return Err(ENETUNREACH);
        }
        let remote = peer.address.to_in6();
        // SAFETY: We hold the socket lock.
        let dst = unsafe {
            if !bindings::rtcpfsm_linklocal_scope_ok(sk, &remote, scope_id) {
                return Err(EINVAL);
            }
            (*sk).__sk_common.skc_v6_daddr = remote;
            checked(bindings::rtcpfsm_ip6_route_connect(sk, peer.port.to_be()))?
        };
        let route = ConnectRoute::V6(dst);
        let mut source = bindings::in6_addr::default();
        // SAFETY: `ip6_route_connect` wrote the flow of the socket.
        unsafe { bindings::rtcpfsm_flow6_source(sk, &mut source) };
        Ok((route, Address::from_in6(&source), peer.address))
    }

    /// Commits the route once both ports are known (routing may depend on them).
    pub(crate) fn commit_route(&mut self, route: ConnectRoute, old_port: u16) -> Result {
        let sk = self.sk().raw();
        let route = core::mem::ManuallyDrop::new(route);
        // SAFETY: We hold the socket lock; the route's reference passes to the kernel's functions.
        unsafe {
            match *route {
                ConnectRoute::V4(rt) => {
                    let rt = checked(bindings::rtcpfsm_ip_route_newports(
                        sk,
                        rt.as_ptr(),
                        old_port.to_be(),
                    ))?;
                    bindings::sk_setup_caps(sk, rt.as_ptr().cast());
                }
                ConnectRoute::V6(dst) => bindings::rtcpfsm_ip6_dst_store(sk, dst.as_ptr()),
            }
            bindings::rtcpfsm_inet_id_random(sk);
        }
        Ok(())
    }

    /// Goes this way, if it still is one, without being looked for. The addresses and ports are set already.
    pub(crate) fn follow(&mut self, route: KeptRoute) {
        let route = core::mem::ManuallyDrop::new(route);
        // SAFETY: We hold the socket lock; the reference is given away.
        unsafe { bindings::rtcpfsm_sk_follow(self.sk().raw(), route.0.as_ptr()) };
    }

    /// Writes both addresses where IP's output and getsockname() look for them.
    pub(crate) fn set_addresses(&mut self, local: Address, remote: Address) {
        let (l, r) = (local.to_in6(), remote.to_in6());
        // SAFETY: We hold the socket lock.
        unsafe { bindings::rtcpfsm_set_addresses(self.sk().raw(), &l, &r) };
    }

    /// After a connection's end: the peer is forgotten, and the local address where bind() had not fixed it.
    pub(crate) fn reset_addresses(&mut self) {
        // SAFETY: We hold the socket lock.
        unsafe { bindings::rtcpfsm_reset_addresses(self.sk().raw()) };
    }

    /// The largest datagram that the connection's way takes, in octets, less what the program's IP options take of it; 0: not
    /// known now.
    pub(crate) fn path_mtu(&self) -> u32 {
        // SAFETY: We hold the socket lock.
        unsafe { bindings::rtcpfsm_sk_dst_mtu(self.sk().raw()) }
    }

    /// From now on packets say that the path may mark them (ECT(0) of RFC 3168), or that it may not.
    pub(crate) fn set_ecn_capable(&mut self, on: bool) {
        // SAFETY: We hold the socket lock, under which the field of the IP header is read, too.
        unsafe { bindings::rtcpfsm_ecn_capable(self.sk().raw(), on) };
    }

    /// Does the socket take the word of ICMP for the path MTU (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER)?
    pub(crate) fn accepts_path_mtu(&self, v6: bool) -> bool {
        // SAFETY: We hold the socket lock; `v6` is so only for a socket of that family.
        unsafe { bindings::rtcpfsm_sk_accepts_pmtu(self.sk().raw(), v6) }
    }

    /// Lets routing learn a path MTU, within its bounds (net.ipv4.route.min_pmtu; RFC 8201 section 4: 1280), and finds the
    /// way that has it: see [`Guard::path_mtu`]. `v6`: the connection is an IPv6 one.
    pub(crate) fn learn_path_mtu(&mut self, v6: bool, mtu: u32) {
        // SAFETY: We hold the socket lock; `v6` is so only for a socket of that family.
        unsafe { bindings::rtcpfsm_sk_update_pmtu(self.sk().raw(), v6, mtu) };
    }

    /// Sends a finished segment of this connection by IP, which finds or knows the way.
    ///
    /// # Errors
    ///
    /// What routing or the device says. The segment counts as sent all the same: it may be lost, as any may.
    pub(crate) fn transmit(&mut self, mut skb: Skb, local: Address, remote: Address) -> Result {
        let sk = self.sk().raw();
        // SAFETY: We hold the socket lock; the packet is given away.
        unsafe {
            // See `super::offload` for where this is safe.
            let later = skb.piece() != 0 || bindings::rtcpfsm_sk_dst_is_loopback(sk);
            if !skb.set_checksum(local, remote, self.sk().protocol(), later) {
                return Err(ENOMEM);
            }
            bindings::rtcpfsm_skb_set_owner_w(skb.raw(), sk);
            let flow = bindings::rtcpfsm_flow(sk);
            let result = if remote.is_v4() {
                bindings::ip_queue_xmit(sk, skb.into_raw(), flow)
            } else {
                bindings::inet6_csk_xmit(sk, skb.into_raw(), flow)
            };
            // Positive: congestion notices of the device.
            if result < 0 {
                return Err(Error::from_errno(result));
            }
        }
        Ok(())
    }
}
