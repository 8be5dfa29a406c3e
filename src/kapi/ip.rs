// SPDX-License-Identifier: GPL-2.0
//! The door to IP: who gets the packets of a protocol number, and the ICMP errors about what it sent.

use super::addr::Address;
use super::guard::Guard;
use super::layout;
use super::netns::Net;
use super::offload::FIXED_HEADER;
use super::skb::Skb;
use super::sock::{Protocol, Sock};
use crate::src::ffi::bindings;
use core::ffi::{c_int, c_uint};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::prelude::*;

/// The most octets of options in an IPv4 header (RFC 791 section 3.1).
const MAX_OPTIONS: usize = 40;

/// Who handles the packets of a protocol number. Called in softirq, inside an RCU reader.
pub(crate) trait Handler: 'static {
    /// A packet for this host, its data at the transport header.
    fn receive(skb: Skb, v6: bool);
    /// An ICMP error about a packet of ours.
    fn error(message: &IcmpError<'_>);
    /// Makes the header of a packet that stands for a run of segments that of one of them: `offset` octets of data come
    /// before it in the run. The checksum is not its affair.
    fn cut_header(header: &mut [u8; FIXED_HEADER], offset: u32, is_last: bool);
}

/// What an ICMP error says, in the terms of ICMPv4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IcmpKind {
    /// Destination unreachable, with ICMPv4's code (ICMPv6's are translated).
    Unreachable(u8),
    /// The packet is too big for the way.
    TooBig,
    TimeExceeded,
    ParameterProblem,
    /// There is a better first hop.
    Redirect,
    /// All others; nothing is done about them.
    Other,
}

/// The start of the packet of ours that an ICMP error quotes.
pub(crate) struct Quote {
    pub(crate) source: Address,
    pub(crate) destination: Address,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) sequence: u32,
}

/// An ICMP error, as long as its packet is looked at.
pub(crate) struct IcmpError<'a> {
    skb: NonNull<bindings::sk_buff>,
    v6: bool,
    kind: IcmpKind,
    /// Where the quoted transport header starts.
    offset: u32,
    /// The path MTU that it tells.
    info: u32,
    _borrow: PhantomData<&'a bindings::sk_buff>,
}

impl IcmpError<'_> {
    /// What it says.
    pub(crate) fn kind(&self) -> IcmpKind {
        self.kind
    }

    /// The namespace that it arrived in.
    pub(crate) fn net(&self) -> &Net {
        // SAFETY: The packet is valid and has a device.
        unsafe { Net::from_ptr(bindings::rtcpfsm_skb_net(self.skb.as_ptr())) }
    }

    /// As [`Skb::interface`] and [`Skb::enslaved`] tell of a segment.
    pub(crate) fn interfaces(&self) -> (i32, i32) {
        // SAFETY: The packet is valid; IP has received it, and routed it.
        unsafe {
            (
                bindings::rtcpfsm_skb_iif(self.skb.as_ptr(), self.v6),
                layout::sdif(self.skb.as_ptr(), self.v6),
            )
        }
    }

    fn octets<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut octets = [0u8; N];
        // SAFETY: The packet is valid, the buffer has N octets.
        let failed = unsafe {
            bindings::skb_copy_bits(
                self.skb.as_ptr(),
                offset as c_int,
                octets.as_mut_ptr().cast(),
                N as c_int,
            )
        };
        (failed == 0).then_some(octets)
    }

    /// What it quotes; `None`: too little.
    pub(crate) fn quote(&self) -> Option<Quote> {
        let (source, destination) = if self.v6 {
            (
                Address::from_octets(self.octets(8)?),
                Address::from_octets(self.octets(24)?),
            )
        } else {
            (
                Address::v4(u32::from_ne_bytes(self.octets(12)?)),
                Address::v4(u32::from_ne_bytes(self.octets(16)?)),
            )
        };
        // RFC 792: at least eight octets of the transport header are quoted.
        let [p0, p1, p2, p3, s0, s1, s2, s3]: [u8; 8] = self.octets(self.offset)?;
        Some(Quote {
            source,
            destination,
            source_port: u16::from_be_bytes([p0, p1]),
            destination_port: u16::from_be_bytes([p2, p3]),
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        })
    }

    /// Has it come no further than this socket's program allows (IP_MINTTL, IPV6_MINHOPCOUNT)? RFC 5082 3: a router tells of a
    /// packet between neighbours with a full hop count as well.
    pub(crate) fn is_near<P: Protocol>(&self, sk: &Sock<P>) -> bool {
        // SAFETY: Racy reads of octets; the packet has its IP header.
        unsafe { bindings::rtcpfsm_ttl_is_enough(sk.raw(), self.skb.as_ptr()) }
    }

    /// Lets routing take the better first hop, if it finds that the message is from the one that the socket has now.
    pub(crate) fn redirect<P: Protocol>(&self, guard: &mut Guard<'_, P>) {
        // SAFETY: The socket is locked, the packet valid; `v6` is so only for a socket of that family.
        unsafe { bindings::rtcpfsm_redirect(guard.sk().raw(), self.skb.as_ptr(), self.v6) };
    }

    /// Puts it into the socket's error queue, from which MSG_ERRQUEUE takes it, as this error about its peer's `port`.
    pub(crate) fn queue<P: Protocol>(&self, sk: &Sock<P>, error: Error, port: u16) {
        let info = self.info;
        // SAFETY: The socket is alive; the quoted header is in the packet's linear part (`quote` tells how much of it).
        unsafe {
            bindings::rtcpfsm_queue_icmp_error(
                sk.raw(),
                self.skb.as_ptr(),
                self.v6,
                -error.to_errno(),
                port.to_be(),
                info,
                self.offset,
            )
        };
    }

    /// The largest datagram that the way takes, in octets, if it says that a packet was too big; as the router tells it, 0
    /// where it does not (RFC 1191 section 5).
    pub(crate) fn mtu(&self) -> u32 {
        self.info
    }
}

/// Source routes are not supported: packets would go to the first hop, and what we know of the connection to its peer.
///
/// # Errors
///
/// `EOPNOTSUPP`: there is one in these options (RFC 791 section 3.1); `EFAULT`: they cannot be read.
///
/// # Safety
///
/// `value` is what a program gave to setsockopt(), `len` octets of it.
pub(super) unsafe fn refuse_source_route(value: bindings::sockptr_t, len: c_uint) -> Result {
    let mut options = [0u8; MAX_OPTIONS];
    let len = (len as usize).min(MAX_OPTIONS);
    // SAFETY: By this function's contract; the buffer has room for so many.
    if unsafe { bindings::rtcpfsm_copy_from_sockptr(options.as_mut_ptr().cast(), value, len) } != 0
    {
        return Err(EFAULT);
    }
    let mut rest = options.get(..len).unwrap_or_default();
    while let Some(kind) = rest.first() {
        let skip = match u32::from(*kind) {
            bindings::IPOPT_LSRR | bindings::IPOPT_SSRR => return Err(EOPNOTSUPP),
            bindings::IPOPT_END => break,
            bindings::IPOPT_NOOP => 1,
            // What is bad about the length, the kernel says.
            _ => rest.get(1).map_or(1, |len| usize::from(*len).max(1)),
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    Ok(())
}

#[repr(transparent)]
struct Static<T>(T);
// SAFETY: Only the kernel reads them.
unsafe impl<T> Sync for Static<T> {}
// SAFETY: As above.
unsafe impl<T> Send for Static<T> {}

/// The registration of a handler for a protocol number with IPv4 and IPv6; undone when dropped.
pub(crate) struct Registration<H: Handler> {
    v4: KBox<Static<bindings::net_protocol>>,
    v6: KBox<Static<bindings::inet6_protocol>>,
    protocol: u8,
    registered: (bool, bool),
    _handler: PhantomData<H>,
}

impl<H: Handler> Registration<H> {
    /// From now on packets of this protocol go to `H`.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the number is in use; `ENOMEM`.
    pub(crate) fn new(protocol: u8) -> Result<Self> {
        let mut v4 = KBox::new(Static(bindings::net_protocol::default()), GFP_KERNEL)?;
        v4.0.handler = Some(receive4::<H>);
        v4.0.err_handler = Some(error4::<H>);
        v4.0.set_no_policy(1);
        v4.0.set_icmp_strict_tag_validation(1);
        let mut v6 = KBox::new(Static(bindings::inet6_protocol::default()), GFP_KERNEL)?;
        v6.0.handler = Some(receive6::<H>);
        v6.0.err_handler = Some(error6::<H>);
        v6.0.flags = bindings::RTCPFSM_INET6_PROTO_FLAGS;
        let mut this = Registration {
            v4,
            v6,
            protocol,
            registered: (false, false),
            _handler: PhantomData,
        };
        // SAFETY: Both structs stay where they are until `drop` has deleted them.
        unsafe {
            if bindings::inet_add_protocol(&this.v4.0, protocol) != 0 {
                return Err(EBUSY);
            }
            this.registered.0 = true;
            if bindings::inet6_add_protocol(&this.v6.0, protocol) != 0 {
                return Err(EBUSY);
            }
            this.registered.1 = true;
        }
        Ok(this)
    }
}

impl<H: Handler> Drop for Registration<H> {
    fn drop(&mut self) {
        // SAFETY: Undoes what `new` did; both wait until no CPU is in a handler.
        unsafe {
            if self.registered.1 {
                bindings::inet6_del_protocol(&self.v6.0, self.protocol);
            }
            if self.registered.0 {
                bindings::inet_del_protocol(&self.v4.0, self.protocol);
            }
        }
    }
}

extern "C" fn receive4<H: Handler>(skb: *mut bindings::sk_buff) -> c_int {
    // SAFETY: The packet is ours from now on.
    if let Some(skb) = unsafe { Skb::from_raw(skb) } {
        H::receive(skb, false);
    }
    0
}

extern "C" fn receive6<H: Handler>(skb: *mut bindings::sk_buff) -> c_int {
    // SAFETY: The packet is ours from now on.
    if let Some(skb) = unsafe { Skb::from_raw(skb) } {
        H::receive(skb, true);
    }
    0
}

extern "C" fn error4<H: Handler>(skb: *mut bindings::sk_buff, info: u32) -> c_int {
    let Some(skb) = NonNull::new(skb) else {
        return 0;
    };
    let (mut kind, mut code, mut offset) = (0u8, 0u8, 0u32);
    // SAFETY: The packet is valid, its data at the quoted IP header, its ICMP header known.
    unsafe { bindings::rtcpfsm_icmp_quote(skb.as_ptr(), &mut kind, &mut code, &mut offset) };
    let kind = match (u32::from(kind), u32::from(code)) {
        (bindings::ICMP_DEST_UNREACH, bindings::ICMP_FRAG_NEEDED) => IcmpKind::TooBig,
        (bindings::ICMP_DEST_UNREACH, 0..=bindings::NR_ICMP_UNREACH) => IcmpKind::Unreachable(code),
        (bindings::ICMP_TIME_EXCEEDED, _) => IcmpKind::TimeExceeded,
        (bindings::ICMP_PARAMETERPROB, _) => IcmpKind::ParameterProblem,
        (bindings::ICMP_REDIRECT, _) => IcmpKind::Redirect,
        _ => IcmpKind::Other,
    };
    H::error(&IcmpError {
        skb,
        v6: false,
        kind,
        offset,
        info,
        _borrow: PhantomData,
    });
    0
}

extern "C" fn error6<H: Handler>(
    skb: *mut bindings::sk_buff,
    _options: *mut bindings::inet6_skb_parm,
    kind: u8,
    code: u8,
    offset: c_int,
    info: u32,
) -> c_int {
    let Some(skb) = NonNull::new(skb) else {
        return 0;
    };
    let kind = match (u32::from(kind), u32::from(code)) {
        // RFC 4443 3.1, by the ICMPv4 code of the same meaning (RFC 1122 3.2.2.1).
        (bindings::ICMPV6_DEST_UNREACH, bindings::ICMPV6_NOROUTE) => IcmpKind::Unreachable(0),
        (
            bindings::ICMPV6_DEST_UNREACH,
            bindings::ICMPV6_ADM_PROHIBITED
            | bindings::ICMPV6_POLICY_FAIL
            | bindings::ICMPV6_REJECT_ROUTE,
        ) => IcmpKind::Unreachable(13),
        (bindings::ICMPV6_DEST_UNREACH, bindings::ICMPV6_PORT_UNREACH) => IcmpKind::Unreachable(3),
        (bindings::ICMPV6_DEST_UNREACH, _) => IcmpKind::Unreachable(1),
        // RFC 4443 3.4: a next header that the peer does not know.
        (bindings::ICMPV6_PARAMPROB, bindings::ICMPV6_UNK_NEXTHDR) => IcmpKind::Unreachable(2),
        (bindings::ICMPV6_PKT_TOOBIG, _) => IcmpKind::TooBig,
        (bindings::ICMPV6_TIME_EXCEED, _) => IcmpKind::TimeExceeded,
        (bindings::ICMPV6_PARAMPROB, _) => IcmpKind::ParameterProblem,
        (bindings::NDISC_REDIRECT, _) => IcmpKind::Redirect,
        _ => IcmpKind::Other,
    };
    let offset = offset.max(0) as u32;
    H::error(&IcmpError {
        skb,
        v6: true,
        kind,
        offset,
        info: u32::from_be(info),
        _borrow: PhantomData,
    });
    0
}
