// SPDX-License-Identifier: GPL-2.0
//! What an object of a table is found by: its key, its flags and its links, all words that a reader without a lock may see. The tables
//! themselves, and when a reader may believe what it sees: [`super::hash`].

use super::addr::Address;
use super::netns::Net;
use super::word::Word;

/// What kind of object a [`Head`] belongs to. `Socket` is zero: what fresh zeroed memory of a socket says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    Socket = 0,
    Request = 1,
    TimeWait = 2,
}

/// The identity of a connection: both endpoints, the namespace and, for a bound device, its index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) net: usize,
    pub(crate) local: Address,
    pub(crate) remote: Address,
    /// Local port in the high half, remote port in the low one, host byte order.
    pub(crate) ports: u32,
}

impl Key {
    /// The key of a connection between these endpoints in this namespace.
    pub(crate) fn new(net: &Net, local: (Address, u16), remote: (Address, u16)) -> Self {
        Key {
            net: net.id(),
            local: local.0,
            remote: remote.0,
            ports: u32::from(local.1) << 16 | u32::from(remote.1),
        }
    }

    pub(crate) fn local_port(&self) -> u16 {
        (self.ports >> 16) as u16
    }

    pub(crate) fn remote_port(&self) -> u16 {
        self.ports as u16
    }
}

/// Flags of a bound object, for the port conflict rules of bind().
pub(crate) mod flag {
    /// SO_REUSEADDR. The head of a TIME-WAIT has this one and the next; of a socket, where they change at any time,
    /// [`Sock::sharing`](super::Sock::sharing) tells them.
    pub(crate) const REUSE: u32 = 1 << 8;
    /// SO_REUSEPORT.
    pub(crate) const REUSE_PORT: u32 = 1 << 9;
    /// An `AF_INET6` socket that takes IPv6 only.
    pub(crate) const V6_ONLY: u32 = 1 << 10;
    /// The socket is in LISTEN.
    pub(crate) const LISTENING: u32 = 1 << 11;
    /// An `AF_INET6` socket (it may carry IPv4 by mapped addresses).
    pub(crate) const V6: u32 = 1 << 12;
    /// The port was chosen by connect(), not asked for by bind().
    pub(crate) const AUTO_PORT: u32 = 1 << 13;
}
const KIND_MASK: u32 = 0xff;

/// The links and the key of an object that can be found. Lies inside it; `offset` bytes behind its start.
#[repr(C)]
pub(crate) struct Head {
    pub(super) bind_next: Word<usize>,
    pub(super) bind_pprev: Word<usize>,
    bound_device: Word<u32>,
    kind_flags: Word<u32>,
    net: Word<usize>,
    local: [Word<u64>; 2],
    remote: [Word<u64>; 2],
    ports: Word<u32>,
    // A search passes by most objects after a look at these two: they share a line of the CPU's cache.
    hash: Word<u32>,
    /// Next in the chain, or the chain's end mark (odd). Zero in memory that is being reused.
    pub(super) next: Word<usize>,
    /// The word that points here: zero when in no chain. Guarded by the bucket's lock.
    pub(super) pprev: Word<usize>,
}

impl Head {
    /// A head in no table.
    pub(crate) const fn new(kind: Kind) -> Self {
        Head {
            bind_next: Word::new(0),
            bind_pprev: Word::new(0),
            bound_device: Word::new(0),
            kind_flags: Word::new(kind as u32),
            net: Word::new(0),
            local: [Word::new(0), Word::new(0)],
            remote: [Word::new(0), Word::new(0)],
            ports: Word::new(0),
            hash: Word::new(0),
            next: Word::new(0),
            pprev: Word::new(0),
        }
    }

    /// The kind of object that this head lies in.
    pub(crate) fn kind(&self) -> Kind {
        match self.kind_flags.load() & KIND_MASK {
            1 => Kind::Request,
            2 => Kind::TimeWait,
            _ => Kind::Socket,
        }
    }

    /// Is this flag (see [`flag`]) set?
    pub(crate) fn has(&self, flag: u32) -> bool {
        self.kind_flags.load() & flag != 0
    }

    /// All flags; copied from a socket to what takes its place.
    pub(crate) fn flags(&self) -> u32 {
        self.kind_flags.load() & !KIND_MASK
    }

    /// Sets or clears flags. The caller owns the object (socket lock, or nobody else knows it yet).
    pub(crate) fn set_flags(&self, flags: u32, on: bool) {
        let old = self.kind_flags.load();
        let new = if on { old | flags } else { old & !flags };
        self.kind_flags.store(new);
    }

    /// Writes the key. The object is in no table that is searched by the parts that change.
    pub(crate) fn set_key(&self, key: &Key, hash: u32) {
        self.net.store(key.net);
        for (word, value) in self.local.iter().zip(key.local.0) {
            word.store(value);
        }
        for (word, value) in self.remote.iter().zip(key.remote.0) {
            word.store(value);
        }
        self.ports.store(key.ports);
        self.hash.store(hash);
    }

    /// The key as it is now.
    pub(crate) fn key(&self) -> Key {
        let [r0, r1] = &self.remote;
        Key {
            net: self.net.load(),
            local: self.local(),
            remote: Address([r0.load(), r1.load()]),
            ports: self.ports.load(),
        }
    }

    /// Is this its local port, in this namespace?
    #[inline]
    pub(crate) fn has_port(&self, net: usize, port: u16) -> bool {
        self.ports.load() >> 16 == u32::from(port) && self.net.load() == net
    }

    /// The local address of the key.
    #[inline]
    pub(crate) fn local(&self) -> Address {
        let [l0, l1] = &self.local;
        Address([l0.load(), l1.load()])
    }

    /// The hash that the key was stored with.
    pub(crate) fn hash(&self) -> u32 {
        self.hash.load()
    }

    /// The device (SO_BINDTODEVICE) as an interface index; 0: any.
    pub(crate) fn bound_device(&self) -> u32 {
        self.bound_device.load()
    }

    pub(crate) fn set_bound_device(&self, index: u32) {
        self.bound_device.store(index);
    }

    /// What it bids for this hash, to choose between equals: each makes the highest bid for its share of all hashes, so each
    /// pair of head and hash has a number as if drawn (by the last steps of MurmurHash3).
    pub(crate) fn bid(&self, hash: u32) -> u16 {
        let mut x = hash ^ (core::ptr::from_ref(self) as u32 >> 6).wrapping_mul(0x9e37_79b1);
        x = (x ^ x >> 16).wrapping_mul(0x85eb_ca6b);
        x = (x ^ x >> 13).wrapping_mul(0xc2b2_ae35);
        (x ^ x >> 16) as u16
    }

    /// Is it in a table of connections or of listeners?
    pub(crate) fn is_hashed(&self) -> bool {
        self.pprev.load() != 0
    }

    /// Does it hold a port?
    pub(crate) fn is_bound(&self) -> bool {
        self.bind_pprev.load() != 0
    }

    /// The hash first: it decides nearly always.
    #[inline]
    pub(crate) fn matches(&self, key: &Key, hash: u32) -> bool {
        self.hash.load() == hash && self.key() == *key
    }
}
