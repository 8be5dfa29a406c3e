// SPDX-License-Identifier: GPL-2.0
//! Random numbers, and numbers that only this host can compute.

use super::hash::Key;
use crate::src::ffi::bindings;

/// A random number.
pub(crate) fn random_u32() -> u32 {
    // SAFETY: No preconditions.
    unsafe { bindings::get_random_u32() }
}

/// A secret of this host, and the SipHash of connections under it.
pub(crate) struct SipKey(bindings::siphash_key_t);

impl SipKey {
    /// A new secret.
    pub(crate) fn random() -> Self {
        let mut key = bindings::siphash_key_t::default();
        // SAFETY: The key is as large as said and ours.
        unsafe { bindings::get_random_bytes((&raw mut key).cast(), core::mem::size_of_val(&key)) };
        SipKey(key)
    }

    /// The hash of a connection's addresses and ports: the secret function of RFC 6528 section 3.
    pub(crate) fn connection(&self, key: &Key) -> u64 {
        if key.remote.is_v4() {
            let (local, remote) = (key.local.as_v4(), key.remote.as_v4());
            // SAFETY: The key is valid.
            return unsafe { bindings::siphash_3u32(local, remote, key.ports, &self.0) };
        }
        let ports = u64::from(key.ports);
        let [l0, l1] = key.local.0;
        let [r0, r1] = key.remote.0;
        // SAFETY: The key is valid.
        unsafe {
            bindings::siphash_2u64(
                bindings::siphash_4u64(l0, l1, r0, r1, &self.0),
                ports,
                &self.0,
            )
        }
    }

    /// The hash of a connection, given by its [`SipKey::connection`] under another secret, and of two more words: what SYN
    /// cookies are tagged with. The key is used for nothing else.
    pub(crate) fn tag(&self, connection: u64, words: [u64; 2]) -> u64 {
        // SAFETY: The key is valid.
        unsafe { bindings::siphash_3u64(connection, words[0], words[1], &self.0) }
    }

    /// Where the search for a local port starts: the secret function of RFC 6056 section 3.3.3. The key's local port
    /// is 0, which no connection has, so this tells nothing of [`SipKey::connection`].
    pub(crate) fn port_offset(&self, key: &Key) -> u32 {
        self.connection(key) as u32
    }
}
