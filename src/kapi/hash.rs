// SPDX-License-Identifier: GPL-2.0
//! Hash tables whose readers take no lock: RCU chains of objects that live in type-stable memory.
//!
//! Every object that can be found (a socket, a half-open request, a TIME-WAIT) has a [`Head`]: its links and its [`Key`].
//! The memory of an object may be used again for another one of the same type while a reader looks at it
//! (`SLAB_TYPESAFE_BY_RCU`), so a reader takes a reference only where the count is not zero and then compares the key
//! again; a chain ends in a mark that names its bucket, and a reader that ends at another mark has been led
//! astray by such a reuse and starts again. All words that a reader sees are atomics.

pub(crate) use super::head::{flag, Head, Key, Kind};
use super::lock::{BhLock, BhLockGuard, Class};
use super::small::{Small, SmallObject};
use super::sock::{Protocol, Sock};
use super::word::Word;
use crate::src::ffi::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::rcu;

/// Which of a head's two pairs of links a table uses.
pub(crate) trait Link: 'static {
    fn next(head: &Head) -> &Word<usize>;
    fn pprev(head: &Head) -> &Word<usize>;
    /// The number by which this table spreads its objects.
    fn hash(head: &Head) -> u32;
    /// Distinguishes the end marks of the tables.
    const TAG: usize;
    /// Has each bucket two chains under its lock, chosen by the lowest bit of the hash?
    const PAIRED: bool = false;
    /// Where the link lies in a head.
    const OFFSET: usize;
}

/// The links of the tables of connections.
pub(crate) enum Connected {}
/// The links of the table of listeners: the same as those of connections, for nothing is in both.
pub(crate) enum Listening {}
/// The links of the table of bound ports. A bucket's second chain has those who took any port to connect from: they can be
/// very many, and the next who does so need not look at them.
pub(crate) enum Bound {}

impl Link for Connected {
    fn next(head: &Head) -> &Word<usize> {
        &head.next
    }
    fn pprev(head: &Head) -> &Word<usize> {
        &head.pprev
    }
    fn hash(head: &Head) -> u32 {
        head.hash()
    }
    const TAG: usize = 1;
    const OFFSET: usize = core::mem::offset_of!(Head, next);
}

impl Link for Listening {
    fn next(head: &Head) -> &Word<usize> {
        &head.next
    }
    fn pprev(head: &Head) -> &Word<usize> {
        &head.pprev
    }
    fn hash(head: &Head) -> u32 {
        port_hash(&head.key())
    }
    const TAG: usize = 2;
    const OFFSET: usize = core::mem::offset_of!(Head, next);
}

impl Link for Bound {
    fn next(head: &Head) -> &Word<usize> {
        &head.bind_next
    }
    fn pprev(head: &Head) -> &Word<usize> {
        &head.bind_pprev
    }
    fn hash(head: &Head) -> u32 {
        port_hash(&head.key()) << 1 | u32::from(head.has(flag::AUTO_PORT))
    }
    const TAG: usize = 3;
    const PAIRED: bool = true;
    const OFFSET: usize = core::mem::offset_of!(Head, bind_next);
}

/// Spreads by local port and namespace, for the tables that are searched by port alone: in 2^16 buckets each port of a
/// namespace has its own.
pub(crate) fn port_hash(key: &Key) -> u32 {
    let net = ((key.net >> 6) as u32).wrapping_mul(0x9e37_79b1) >> 16;
    u32::from(key.local_port()) ^ net
}

/// Spreads connections: by both ends, the namespace and a secret seed.
#[inline]
pub(crate) fn connection_hash(key: &Key, seed: u32) -> u32 {
    // SAFETY: Both addresses are two words.
    unsafe {
        bindings::rtcpfsm_hash(
            key.local.0.as_ptr(),
            key.remote.0.as_ptr(),
            key.ports,
            seed ^ (key.net >> 6) as u32,
        )
    }
}

/// Something in a table, with a reference of ours.
pub(crate) enum Found<P: Protocol> {
    Socket(ARef<Sock<P>>),
    Request(ARef<Small<P::Request>>),
    TimeWait(ARef<Small<P::TimeWait>>),
}

/// An object that can stand in a table: it lies in type-stable memory and asserts that it is in none when it dies.
pub(crate) trait Hashable<P: Protocol> {
    fn head(&self) -> &Head;
}

impl<P: Protocol> Hashable<P> for Sock<P> {
    fn head(&self) -> &Head {
        self.head()
    }
}

impl<P: Protocol, T: SmallObject<Protocol = P>> Hashable<P> for Small<T> {
    fn head(&self) -> &Head {
        self.head()
    }
}

struct Bucket {
    first: Word<usize>,
    lock: BhLock<()>,
}

/// A table of 2^n chains, each with its own lock for writers, or each pair of them (see [`Link::PAIRED`]).
pub(crate) struct Table<P: Protocol, L: Link> {
    buckets: KVVec<Bucket>,
    mask: u32,
    _types: PhantomData<(P, L)>,
}

// SAFETY: The chains are only changed under the buckets' locks, and read through atomics.
unsafe impl<P: Protocol, L: Link> Sync for Table<P, L> {}
// SAFETY: As above; nothing in it belongs to a thread.
unsafe impl<P: Protocol, L: Link> Send for Table<P, L> {}

/// A bucket whose lock is held: its chains may be walked and changed.
pub(crate) struct LockedBucket<'a, P: Protocol, L: Link> {
    table: &'a Table<P, L>,
    index: u32,
    _guard: BhLockGuard<'a, ()>,
}

impl<P: Protocol, L: Link> Table<P, L> {
    /// A table of `1 << bits` buckets.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(bits: u32, class: Class) -> Result<Self> {
        let count = 1usize << (bits + u32::from(L::PAIRED));
        let mut buckets = KVVec::with_capacity(count, GFP_KERNEL)?;
        for i in 0..count {
            let bucket = Bucket {
                first: Word::new(end_mark::<L>(i as u32)),
                lock: BhLock::new((), class),
            };
            buckets.push(bucket, GFP_KERNEL)?;
        }
        Ok(Table {
            buckets,
            mask: (count - 1) as u32,
            _types: PhantomData,
        })
    }

    /// How many buckets there are.
    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Is this bucket empty just now?
    pub(crate) fn is_empty(&self, bucket: u32) -> bool {
        self.bucket(bucket).first.load() & 1 == 1
    }

    fn bucket(&self, hash: u32) -> &Bucket {
        // SAFETY: There are mask + 1 buckets.
        unsafe { self.buckets.get_unchecked((hash & self.mask) as usize) }
    }

    /// Locks the bucket of this hash, bottom halves off.
    pub(crate) fn lock(&self, hash: u32) -> LockedBucket<'_, P, L> {
        let index = hash & self.mask & !u32::from(L::PAIRED);
        LockedBucket {
            table: self,
            index,
            _guard: self.bucket(index).lock.lock(),
        }
    }

    /// Links an object at the front of its chain; it must be in no table of this link.
    pub(crate) fn insert(&self, object: &impl Hashable<P>) {
        self.lock(L::hash(object.head())).insert(object);
    }

    /// Unlinks an object; false: it was not linked.
    pub(crate) fn remove(&self, object: &impl Hashable<P>) -> bool {
        self.lock(L::hash(object.head())).remove(object.head())
    }

    /// The first object of this hash that `fits`, found without a lock.
    ///
    /// `fits` is asked before and after the reference is taken: only the second answer counts.
    #[inline]
    pub(crate) fn find(&self, hash: u32, mut fits: impl FnMut(&Head) -> bool) -> Option<Found<P>> {
        let _rcu = rcu::read_lock();
        let bucket = self.bucket(hash);
        let end = end_mark::<L>(hash & self.mask);
        'again: loop {
            let mut at = bucket.first.load_acquire();
            while at & 1 == 0 && at != 0 {
                // SAFETY: Objects in a chain lie in type-stable memory, not given back before this RCU reader ends.
                let head = unsafe { head_of::<L>(at) };
                if fits(head) {
                    let Some(found) = get::<P>(head) else {
                        continue 'again;
                    };
                    if fits(head) {
                        return Some(found);
                    }
                    drop(found);
                    continue 'again;
                }
                at = L::next(head).load_acquire();
            }
            if at == end {
                return None;
            }
        }
    }

    /// The object of this hash with the highest `score` (0: does not fit), found without a lock.
    #[inline]
    pub(crate) fn find_best(
        &self,
        hash: u32,
        mut score: impl FnMut(&Head) -> u32,
    ) -> Option<Found<P>> {
        let _rcu = rcu::read_lock();
        let bucket = self.bucket(hash);
        let end = end_mark::<L>(hash & self.mask);
        'again: loop {
            let mut best: Option<(&Head, u32)> = None;
            let mut at = bucket.first.load_acquire();
            while at & 1 == 0 && at != 0 {
                // SAFETY: As in `find`.
                let head = unsafe { head_of::<L>(at) };
                let value = score(head);
                if value > best.map_or(0, |(_, value)| value) {
                    best = Some((head, value));
                }
                at = L::next(head).load_acquire();
            }
            if at != end {
                continue;
            }
            let (head, value) = best?;
            let Some(found) = get::<P>(head) else {
                continue 'again;
            };
            if score(head) == value {
                return Some(found);
            }
        }
    }
}

/// The head whose link word stands at this address.
///
/// # Safety
///
/// `link` is the address of the link `L` of a head that is not given back during `'a`.
unsafe fn head_of<'a, L: Link>(link: usize) -> &'a Head {
    // SAFETY: By this function's contract.
    unsafe { &*((link - L::OFFSET) as *const Head) }
}

/// A reference of the object that this head of a table lies in, unless it is dying.
fn get<P: Protocol>(head: &Head) -> Option<Found<P>> {
    // SAFETY: Only objects of protocol `P` get into its tables (`Hashable`), and their memory stays of their kind.
    unsafe {
        match head.kind() {
            Kind::Socket => Sock::<P>::of_head(head).try_get().map(Found::Socket),
            Kind::Request => Small::<P::Request>::of_head(head)
                .try_get()
                .map(Found::Request),
            Kind::TimeWait => Small::<P::TimeWait>::of_head(head)
                .try_get()
                .map(Found::TimeWait),
        }
    }
}

fn end_mark<L: Link>(bucket: u32) -> usize {
    (L::TAG << 40) | ((bucket as usize) << 1) | 1
}

impl<P: Protocol, L: Link> LockedBucket<'_, P, L> {
    /// Shows every head of the bucket until `f` returns something.
    pub(crate) fn walk<R>(&self, mut f: impl FnMut(&Head) -> Option<R>) -> Option<R> {
        let found = self.walk_first(&mut f);
        if L::PAIRED && found.is_none() {
            return self.walk_chain(self.index | 1, f);
        }
        found
    }

    /// Shows every head of the bucket's first chain until `f` returns something.
    pub(crate) fn walk_first<R>(&self, f: impl FnMut(&Head) -> Option<R>) -> Option<R> {
        self.walk_chain(self.index, f)
    }

    fn walk_chain<R>(&self, chain: u32, mut f: impl FnMut(&Head) -> Option<R>) -> Option<R> {
        let mut at = self.table.bucket(chain).first.load();
        while at & 1 == 0 {
            // SAFETY: The lock is held, so what is linked stays linked and so alive.
            let head = unsafe { head_of::<L>(at) };
            // Read before `f`, which may unlink this head.
            let next = L::next(head).load();
            if let Some(found) = f(head) {
                return Some(found);
            }
            at = next;
        }
        None
    }

    /// A reference of the object that this head lies in, unless it is dying.
    pub(crate) fn get(&self, head: &Head) -> Option<Found<P>> {
        get(head)
    }

    /// The socket that this head of the bucket lies in, if it is one.
    pub(crate) fn socket<'b>(&'b self, head: &'b Head) -> Option<&'b Sock<P>> {
        // SAFETY: As in `get`; the lock is held, so what is linked is alive.
        (head.kind() == Kind::Socket).then(|| unsafe { Sock::<P>::of_head(head) })
    }

    /// Links an object at the front of its chain; it must be in no table of this link.
    pub(crate) fn insert(&self, object: &impl Hashable<P>) {
        let new = object.head();
        let chain = L::hash(new) & self.table.mask;
        assert!(chain & !u32::from(L::PAIRED) == self.index && L::pprev(new).load() == 0);
        let chain = self.table.bucket(chain);
        let link = L::next(new);
        let first = chain.first.load();
        link.store(first);
        L::pprev(new).store(core::ptr::from_ref(&chain.first) as usize);
        let word = core::ptr::from_ref(link) as usize;
        if first & 1 == 0 {
            // SAFETY: What is linked is alive, and the lock is held.
            L::pprev(unsafe { head_of::<L>(first) }).store(word);
        }
        // Publishes the key and the links.
        chain.first.store_release(word);
    }

    /// Links an object in the very place of another one of the same hash, so that readers find one of the two at any time; it must
    /// be in no table of this link. False: the old one was not linked.
    pub(crate) fn replace(&self, old: &Head, object: &impl Hashable<P>) -> bool {
        let new = object.head();
        let chain = L::hash(new) & self.table.mask;
        let is_its_chain = chain & !u32::from(L::PAIRED) == self.index;
        assert!(
            is_its_chain && chain == L::hash(old) & self.table.mask && L::pprev(new).load() == 0
        );
        let pprev = L::pprev(old).load();
        if pprev == 0 {
            return false;
        }
        let link = L::next(new);
        let next = L::next(old).load();
        link.store(next);
        L::pprev(new).store(pprev);
        let word = core::ptr::from_ref(link) as usize;
        // Publishes the key and the links. Readers that stand at the old one go on from there: its `next` is left as it is.
        // SAFETY: `pprev` is the word that points to the old one: the bucket's, or the link of a live head of this chain.
        unsafe { &*(pprev as *const Word<usize>) }.store_release(word);
        if next & 1 == 0 {
            // SAFETY: What is linked is alive, and the lock is held.
            L::pprev(unsafe { head_of::<L>(next) }).store(word);
        }
        L::pprev(old).store(0);
        true
    }

    /// Unlinks a head of this bucket; false: it was not linked.
    pub(crate) fn remove(&self, head: &Head) -> bool {
        let pprev = L::pprev(head).load();
        if pprev == 0 {
            return false;
        }
        // Readers that stand here go on along the chain: `next` is left as it is.
        let next = L::next(head).load();
        // SAFETY: `pprev` is the word that points here: the bucket's, or the link of a live head of this chain.
        unsafe { &*(pprev as *const Word<usize>) }.store_release(next);
        if next & 1 == 0 {
            // SAFETY: What is linked is alive, and the lock is held.
            L::pprev(unsafe { head_of::<L>(next) }).store(pprev);
        }
        L::pprev(head).store(0);
        true
    }
}
