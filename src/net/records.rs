// SPDX-License-Identifier: GPL-2.0
//! The machine's lists of ranges, in the kernel's memory: the first few stand in the connection itself, more are allocated.

use crate::src::fsm::{Record, RecordList};
use kernel::prelude::*;

/// So many records need no allocation.
const FEW: usize = 2;

/// A list of ranges.
#[derive(Default)]
pub(crate) struct Records {
    few: [Record; FEW],
    /// How many of `few` count; 0 as long as `many` holds the records.
    len: u8,
    many: KVec<Record>,
}

impl RecordList for Records {
    #[inline]
    fn as_slice(&self) -> &[Record] {
        match self.len {
            0 => &self.many,
            len => self.few.get(..usize::from(len)).unwrap_or(&self.few),
        }
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [Record] {
        match self.len {
            0 => &mut self.many,
            len => match self.few.split_at_mut_checked(usize::from(len)) {
                Some((used, _)) => used,
                None => &mut [],
            },
        }
    }

    fn insert(&mut self, at: usize, record: Record) -> bool {
        let len = self.as_slice().len();
        if at > len {
            return false;
        }
        if len < FEW && self.many.is_empty() {
            self.few.copy_within(at..len, at + 1);
            if let Some(slot) = self.few.get_mut(at) {
                *slot = record;
            }
            self.len += 1;
            return true;
        }
        if self.many.is_empty() {
            if self
                .many
                .extend_from_slice(&self.few, GFP_ATOMIC | __GFP_NOWARN)
                .is_err()
            {
                return false;
            }
            self.len = 0;
        }
        self.many.reserve(1, GFP_ATOMIC | __GFP_NOWARN).is_ok()
            && self.many.insert_within_capacity(at, record).is_ok()
    }

    fn remove(&mut self, at: usize, count: usize) {
        let records = self.as_mut_slice();
        let len = records.len();
        let end = at.saturating_add(count).min(len);
        if at >= end {
            return;
        }
        records.copy_within(end.., at);
        let rest = len - (end - at);
        if self.len != 0 {
            self.len = rest as u8;
        } else if rest == 0 {
            // An idle connection holds no memory.
            self.many = KVec::new();
        } else {
            self.many.truncate(rest);
        }
    }
}
