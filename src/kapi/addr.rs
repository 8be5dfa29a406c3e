// SPDX-License-Identifier: GPL-2.0
//! Addresses of both families in one shape, so that one table and one comparison serve IPv4 and IPv6.

use crate::src::ffi::bindings;
use kernel::fmt;

/// An IP address: IPv6 as it stands on the wire, IPv4 in its v4-mapped form (`::ffff:a.b.c.d`, RFC 4291 2.5.5.2).
///
/// Two words loaded as they lie in memory, so that equality is two comparisons.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Address(pub(crate) [u64; 2]);

/// What stands before an IPv4 address in its v4-mapped form.
const MAPPED_PREFIX: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
const MAPPED_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

impl Address {
    /// The unspecified IPv6 address `::`: what a socket bound to no address has.
    pub(crate) const ANY: Address = Address([0, 0]);

    /// `0.0.0.0`, in its v4-mapped form.
    pub(crate) const ANY_V4: Address = Address([0, MAPPED_PREFIX]);
    /// `::1`.
    pub(crate) const LOOPBACK_V6: Address =
        Address([0, u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, 1])]);
    /// `127.0.0.1`, in its v4-mapped form.
    pub(crate) const LOOPBACK_V4: Address =
        Address([0, u64::from_ne_bytes([0, 0, 0xff, 0xff, 127, 0, 0, 1])]);

    /// The address of these 16 octets.
    pub(crate) fn from_octets(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Address([
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        ])
    }

    /// Its 16 octets.
    pub(crate) fn octets(&self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.0[0].to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.0[1].to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The v4-mapped form of an IPv4 address in network byte order.
    pub(crate) fn v4(address: u32) -> Self {
        let [a, b, c, d] = address.to_ne_bytes();
        Address([0, u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d])])
    }

    /// Is this an IPv4 address in its v4-mapped form?
    pub(crate) fn is_v4(&self) -> bool {
        self.0[0] == 0 && self.0[1] & MAPPED_MASK == MAPPED_PREFIX
    }

    /// The IPv4 address in network byte order; meaningful only where [`Address::is_v4`].
    pub(crate) fn as_v4(&self) -> u32 {
        let [_, _, _, _, a, b, c, d] = self.0[1].to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }

    /// Is this the wildcard address of either family?
    pub(crate) fn is_any(&self) -> bool {
        self.0[0] == 0 && (self.0[1] == 0 || self.0[1] == MAPPED_PREFIX)
    }

    /// Is this an address of the loopback interface?
    pub(crate) fn is_loopback(&self) -> bool {
        let [.., a, _, _, _] = self.octets();
        (self.is_v4() && a == 127) || *self == Self::LOOPBACK_V6
    }

    /// Is this an IPv6 address that means nothing without an interface (RFC 4291 2.5.6)?
    pub(crate) fn is_link_local(&self) -> bool {
        let [a, b, ..] = self.octets();
        a == 0xfe && b & 0xc0 == 0x80
    }

    /// Is this an IPv6 multicast address?
    pub(crate) fn is_v6_multicast(&self) -> bool {
        self.octets()[0] == 0xff
    }

    pub(super) fn from_in6(address: &bindings::in6_addr) -> Self {
        // SAFETY: All members of the union are plain 16 octets.
        Self::from_octets(unsafe { address.in6_u.u6_addr8 })
    }

    pub(super) fn to_in6(self) -> bindings::in6_addr {
        bindings::in6_addr {
            in6_u: bindings::in6_addr__bindgen_ty_1 {
                u6_addr8: self.octets(),
            },
        }
    }
}

/// An address and a port, shown as `a.b.c.d:port` or `[v6]:port`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    /// In host byte order.
    pub(crate) port: u16,
    /// Show an IPv4 address as `[::ffff:a.b.c.d]`: it belongs to an `AF_INET6` socket.
    pub(crate) as_v6: bool,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.address.octets();
        let [.., a, b, c, d] = octets;
        if self.address.is_v4() {
            return if self.as_v6 {
                write!(f, "[::ffff:{a}.{b}.{c}.{d}]:{}", self.port)
            } else {
                write!(f, "{a}.{b}.{c}.{d}:{}", self.port)
            };
        }
        // RFC 5952: the longest run of two or more zero groups is written as "::".
        let mut groups = [0u16; 8];
        for (group, pair) in groups.iter_mut().zip(octets.chunks_exact(2)) {
            if let [high, low] = pair {
                *group = u16::from_be_bytes([*high, *low]);
            }
        }
        let (mut best_start, mut best_len, mut run) = (0, 1, 0);
        for (i, group) in groups.iter().enumerate() {
            run = if *group == 0 { run + 1 } else { 0 };
            if run > best_len {
                (best_start, best_len) = (i + 1 - run, run);
            }
        }
        f.write_str("[")?;
        for (i, group) in groups.iter().enumerate() {
            if best_len > 1 && i >= best_start && i < best_start + best_len {
                if i == best_start {
                    f.write_str("::")?;
                }
                continue;
            }
            if i > 0 && !(best_len > 1 && i == best_start + best_len) {
                f.write_str(":")?;
            }
            write!(f, "{group:x}")?;
        }
        write!(f, "]:{}", self.port)
    }
}
