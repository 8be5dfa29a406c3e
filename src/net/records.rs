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
    /// So many at the start of `many` are gone already: what is acknowledged goes one by one.
    gone: u32,
    /// None as long as there were few: dropping an empty vector is a call to the allocator.
    many: Option<KVec<Record>>,
}

impl RecordList for Records {
    #[inline]
    fn as_slice(&self) -> &[Record] {
        match self.len {
            0 => match &self.many {
                Some(many) => many.get(self.gone as usize..).unwrap_or(&[]),
                None => &[],
            },
            len => self.few.get(..usize::from(len)).unwrap_or(&self.few),
        }
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [Record] {
        match self.len {
            0 => match &mut self.many {
                Some(many) => many.get_mut(self.gone as usize..).unwrap_or(&mut []),
                None => &mut [],
            },
            len => match self.few.split_at_mut_checked(usize::from(len)) {
                Some((used, _)) => used,
                None => &mut [],
            },
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        // `many` is never empty.
        self.len == 0 && self.many.is_none()
    }

    #[inline]
    fn push(&mut self, record: Record) -> bool {
        if self.many.is_none() {
            if let Some(slot) = self.few.get_mut(usize::from(self.len)) {
                *slot = record;
                self.len += 1;
                return true;
            }
        }
        self.insert(self.as_slice().len(), record)
    }

    fn insert(&mut self, at: usize, record: Record) -> bool {
        let len = self.as_slice().len();
        if at > len {
            return false;
        }
        if len < FEW && self.many.is_none() {
            // At the end mostly, where a move of nothing would still be a call.
            if at < len {
                self.few.copy_within(at..len, at + 1);
            }
            if let Some(slot) = self.few.get_mut(at) {
                *slot = record;
            }
            self.len += 1;
            return true;
        }
        let many = match &mut self.many {
            Some(many) => many,
            None => {
                let mut many = KVec::new();
                if many
                    .extend_from_slice(&self.few, GFP_ATOMIC | __GFP_NOWARN)
                    .is_err()
                {
                    return false;
                }
                self.len = 0;
                self.gone = 0;
                self.many.insert(many)
            }
        };
        // Not for each record: what is moved is less than what has gone since the last time.
        if many.len() == many.capacity() && self.gone as usize >= many.len() / 2 {
            close_gap(many, &mut self.gone);
        }
        many.reserve(1, GFP_ATOMIC | __GFP_NOWARN).is_ok()
            && many
                .insert_within_capacity(self.gone as usize + at, record)
                .is_ok()
    }

    #[inline]
    fn remove(&mut self, at: usize, count: usize) {
        // Mostly all that there is, or nothing.
        if at == 0 && self.len != 0 && count >= usize::from(self.len) {
            self.len = 0;
        } else if count != 0 {
            self.remove_some(at, count);
        }
    }
}

impl Records {
    fn remove_some(&mut self, at: usize, count: usize) {
        let few = self.len != 0;
        let records = self.as_mut_slice();
        let len = records.len();
        let end = at.saturating_add(count).min(len);
        if at >= end {
            return;
        }
        let rest = len - (end - at);
        if at == 0 && !few && rest != 0 {
            self.gone += end as u32;
            return;
        }
        if end < len {
            records.copy_within(end.., at);
        }
        if few {
            self.len = rest as u8;
        } else if rest == 0 {
            // An idle connection holds no memory.
            self.many = None;
            self.gone = 0;
        } else if let Some(many) = &mut self.many {
            many.truncate(self.gone as usize + rest);
        }
    }
}

/// Moves the records to the start of `many`, of which so many are gone.
fn close_gap(many: &mut KVec<Record>, gone: &mut u32) {
    let gone = core::mem::take(gone) as usize;
    if gone != 0 {
        many.copy_within(gone.., 0);
        let rest = many.len() - gone;
        many.truncate(rest);
    }
}
