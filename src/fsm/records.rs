// SPDX-License-Identifier: GPL-2.0

//! Lists of ranges of sequence numbers, whose memory the machine's owner provides.
//!
//! The machine allocates nothing. What it must remember of single segments (what is in flight, what arrived out of
//! order) has no fixed size, so that it stands in lists which grow by asking their owner, and the owner may refuse. Each
//! user of a list says what it does then; none of them needs the memory to stay correct.

use super::seq::SeqNumber;

/// A range of sequence numbers, and what is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    /// The first number of the range.
    pub(crate) left: SeqNumber,
    /// The first number after the range.
    pub(crate) right: SeqNumber,
    /// A time in microseconds, of which the upper bits are missing: its user knows what of.
    pub(crate) at_us: u32,
    /// Marks: their user knows what of.
    pub(crate) marks: u8,
}

/// A list of [`Record`]s.
pub(crate) trait RecordList: Default {
    /// The records.
    fn as_slice(&self) -> &[Record];

    /// The records, to be changed.
    fn as_mut_slice(&mut self) -> &mut [Record];

    /// Whether there are no records.
    #[inline]
    fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Puts a record at the end. False: as for [`insert`](Self::insert).
    #[inline]
    fn push(&mut self, record: Record) -> bool {
        self.insert(self.as_slice().len(), record)
    }

    /// Puts a record at position `at`, before what stands there. False, and nothing has changed: there is no memory for it,
    /// or the list is shorter than `at`.
    fn insert(&mut self, at: usize, record: Record) -> bool;

    /// Takes `count` records out, from position `at` on; as many as there are.
    fn remove(&mut self, at: usize, count: usize);
}
