// SPDX-License-Identifier: GPL-2.0

//! The machine's lists of ranges, in the host's memory, which may be made scarce.

use std::cell::Cell;

use crate::fsm::{Record, RecordList};

/// A list of ranges.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Records {
    records: Vec<Record>,
    /// It refuses to grow beyond this.
    pub(crate) limit: usize,
}

thread_local! {
    /// The limit of lists that are made now.
    static LIMIT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Does something during which all lists that are made have this limit.
pub(crate) fn limited<R>(limit: usize, work: impl FnOnce() -> R) -> R {
    /// Sets the limit back, even after a panic.
    struct Back(usize);

    impl Drop for Back {
        fn drop(&mut self) {
            LIMIT.set(self.0);
        }
    }

    let _back = Back(LIMIT.replace(limit));
    work()
}

impl Default for Records {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            limit: LIMIT.get(),
        }
    }
}

impl RecordList for Records {
    fn as_slice(&self) -> &[Record] {
        &self.records
    }

    fn as_mut_slice(&mut self) -> &mut [Record] {
        &mut self.records
    }

    fn insert(&mut self, at: usize, record: Record) -> bool {
        let fits = at <= self.records.len() && self.records.len() < self.limit;
        if fits {
            self.records.insert(at, record);
        }
        fits
    }

    fn remove(&mut self, at: usize, count: usize) {
        let end = at.saturating_add(count).min(self.records.len());
        if at < end {
            self.records.drain(at..end);
        }
    }
}
