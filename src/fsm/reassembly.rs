// SPDX-License-Identifier: GPL-2.0

//! What arrived behind a gap: which numbers are held, and what the peer is told of them (RFC 9293 section 3.10.7.4,
//! seventh, SHLD-31; RFC 2018; RFC 2883).
//!
//! The machine knows the ranges, its owner the octets. `held` is in order, and between two ranges there is a gap. Numbers are
//! compared only within the window, which is far smaller than half of the circle.

use super::options::{SackBlock, SackBlocks};
use super::outbox::{Hold, Outbox};
use super::reasons::DropReason;
use super::records::{Record, RecordList};
use super::seq::SeqNumber;
use super::tcb::Tcb;

/// The octets of a SACK option without blocks, padding included (RFC 2018 section 3).
const SACK_HEAD_LEN: u32 = 4;

/// The octets of a block.
const SACK_BLOCK_LEN: u32 = 8;

/// The most blocks beside timestamps (RFC 2018 section 3).
const MAX_BLOCKS_WITH_TIMESTAMPS: u32 = 3;

/// What is known of the gaps beside the ranges that are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Gaps {
    /// The peer's FIN came behind a gap: its number.
    pub(super) fin_at: Option<SeqNumber>,
    /// Came twice: to be told once, first (RFC 2883 section 4).
    pub(super) duplicate: Option<SackBlock>,
    /// How many octets are held.
    pub(super) octets: u32,
    /// A number in each of the blocks that changed last, the last one first. It may have left its block since.
    recent: [Option<SeqNumber>; SackBlocks::MAX],
}

/// What a range has in common with the ranges that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Overlap {
    /// The first of the ranges that touch it, and how many do.
    first: usize,
    count: usize,
    /// The part of it that is new at both ends; between them may be octets that are not.
    new: Option<(SeqNumber, SeqNumber)>,
    /// The first octets that came twice.
    twice: Option<SackBlock>,
}

/// The ranges that the range from `left` to `right`, which is not empty, overlaps or adjoins.
fn overlap(held: &[Record], left: SeqNumber, right: SeqNumber) -> Overlap {
    let first = held.partition_point(|range| range.right.before(left));
    let touched = held.get(first..).unwrap_or(&[]);
    let count = touched.partition_point(|range| range.left.at_or_before(right));
    let touched = touched.get(..count).unwrap_or(&[]);
    let (mut new_left, mut new_right) = (left, right);
    let mut twice = None;
    for range in touched {
        let from = SeqNumber::max_of(range.left, left);
        let to = if range.right.before(right) {
            range.right
        } else {
            right
        };
        if twice.is_none() && from.before(to) {
            twice = Some(SackBlock {
                left: from,
                right: to,
            });
        }
        if range.left.at_or_before(left) {
            new_left = to;
        }
        if range.right.at_or_after(right) {
            new_right = from;
        }
    }
    Overlap {
        first,
        count,
        new: new_left.before(new_right).then_some((new_left, new_right)),
        twice,
    }
}

/// The range that holds this number.
fn range_with(held: &[Record], at: SeqNumber) -> Option<&Record> {
    let index = held.partition_point(|range| range.right.at_or_before(at));
    held.get(index).filter(|range| range.left.at_or_before(at))
}

/// Makes the touched ranges and the new one a single range; false: there is no memory. Gives the octets that are new.
fn join<L: RecordList>(
    held: &mut L,
    touched: &Overlap,
    left: SeqNumber,
    right: SeqNumber,
) -> Option<u32> {
    let ranges = held.as_slice().iter();
    let ranges = ranges.skip(touched.first).take(touched.count);
    let (mut all, mut octets) = (Record::default(), 0u32);
    (all.left, all.right) = (left, right);
    for range in ranges {
        octets = octets.saturating_add(range.right.distance_from(range.left));
        if range.left.before(all.left) {
            all.left = range.left;
        }
        all.right = SeqNumber::max_of(all.right, range.right);
    }
    if touched.count == 0 {
        if !held.insert(touched.first, all) {
            return None;
        }
    } else {
        *held.as_mut_slice().get_mut(touched.first)? = all;
        held.remove(
            touched.first.saturating_add(1),
            touched.count.saturating_sub(1),
        );
    }
    Some(all.right.distance_from(all.left).saturating_sub(octets))
}

impl<L: RecordList> Tcb<L> {
    /// Text, or a FIN, from `seq` on, which is beyond RCV.NXT, arrived.
    ///
    /// SHLD-31: it is held if it is new, in the window, and if there is memory; else it is dropped, and will come again.
    pub(super) fn hold(&mut self, seq: SeqNumber, len: u32, fin: bool, out: &mut Outbox) {
        let end = seq + len;
        // Nothing is taken beyond the window, nor beyond a FIN.
        let mut right = end;
        for limit in [Some(self.rcv_adv), self.gaps.fin_at].into_iter().flatten() {
            if right.after(limit) {
                right = limit;
            }
        }
        if fin && right == end {
            self.gaps.fin_at = Some(end);
            self.note_change(end);
            if len == 0 {
                out.note(DropReason::OutOfOrder);
            }
        }
        if !right.after(seq) {
            if len != 0 {
                out.discard(DropReason::OutOfWindow);
            }
            return;
        }
        let touched = overlap(self.held.as_slice(), seq, right);
        self.note_duplicate(touched.twice);
        let Some((new_left, new_right)) = touched.new else {
            out.discard(DropReason::Duplicate);
            self.note_change(seq);
            return;
        };
        if self.rcv_space == 0 {
            out.discard(DropReason::ReceiveBufferFull);
            return;
        }
        let Some(new) = join(&mut self.held, &touched, seq, right) else {
            out.discard(DropReason::ReceiveBufferFull);
            return;
        };
        self.gaps.octets = self.gaps.octets.saturating_add(new);
        self.note_change(seq);
        self.rcv_space = self.rcv_space.saturating_sub(new);
        out.note(DropReason::OutOfOrder);
        out.hold = Some(Hold {
            at: new_left,
            skip: new_left.distance_from(seq),
            len: new_right.distance_from(new_left),
        });
        if right != end {
            out.note(DropReason::OutOfWindow);
        }
    }

    /// What is held around this number, in one block. A FIN takes a number of its own and is held like text (RFC 9293 section 3.4),
    /// so it is told with the text that it follows, or alone.
    fn block_with(&self, at: SeqNumber) -> Option<SackBlock> {
        let held = self.held.as_slice();
        let fin_at = self.gaps.fin_at;
        let found = match range_with(held, at) {
            None if fin_at == Some(at) => held.iter().find(|range| range.right == at),
            None => return None,
            range => range,
        };
        let (left, right) = found.map_or((at, at), |range| (range.left, range.right));
        Some(SackBlock {
            left,
            right: if fin_at == Some(right) {
                right + 1
            } else {
                right
            },
        })
    }

    /// The block with `at` in it is the last one that changed.
    fn note_change(&mut self, at: SeqNumber) {
        let Some(block) = self.block_with(at) else {
            return;
        };
        let mut recent = [None; SackBlocks::MAX];
        let mut slots = recent.iter_mut();
        if let Some(first) = slots.next() {
            *first = Some(at);
        }
        let others = self.gaps.recent.into_iter().flatten();
        let others = others.filter(|at| at.before(block.left) || at.at_or_after(block.right));
        // What finds no slot is the oldest.
        for (slot, other) in slots.zip(others) {
            *slot = Some(other);
        }
        self.gaps.recent = recent;
    }

    /// RCV.NXT moved: what was held up to the next gap follows.
    pub(super) fn release_held(&mut self, out: &mut Outbox) {
        let held = self.held.as_slice();
        let count = held.partition_point(|range| range.left.at_or_before(self.rcv_nxt));
        if count == 0 {
            return;
        }
        let mut octets = 0u32;
        let mut end = self.rcv_nxt;
        for range in held.iter().take(count) {
            octets = octets.saturating_add(range.right.distance_from(range.left));
            end = SeqNumber::max_of(end, range.right);
        }
        self.held.remove(0, count);
        self.gaps.octets = self.gaps.octets.saturating_sub(octets);
        if let Some(fin_at) = self.gaps.fin_at {
            // A peer that sends beyond its own FIN: what is there was never sent.
            if end.after(fin_at) && self.rcv_nxt.at_or_before(fin_at) {
                end = fin_at;
            }
        }
        self.rcv_nxt = end;
        out.release = Some(end);
        if self.held.is_empty() {
            self.gaps.recent = Default::default();
            self.note_fin();
        }
    }

    /// The owner gave the octets from `from` on up, as it may (RFC 2018 section 8): the peer still has them.
    pub(crate) fn forget_held_from(&mut self, from: SeqNumber) {
        let held = self.held.as_mut_slice();
        let keep = held.partition_point(|range| range.left.before(from));
        let mut octets = 0u32;
        for range in held.iter_mut().take(keep) {
            if range.right.after(from) {
                range.right = from;
            }
            octets = octets.saturating_add(range.right.distance_from(range.left));
        }
        self.held.remove(keep, usize::MAX);
        self.gaps.octets = octets;
        self.note_fin();
    }

    /// A FIN that is waited for is told, whatever became of the text before it.
    fn note_fin(&mut self) {
        if let Some(fin_at) = self.gaps.fin_at {
            self.note_change(fin_at);
        }
    }

    /// Nothing is held any more, and the peer's FIN is not waited for.
    pub(super) fn forget_held(&mut self) {
        self.held.remove(0, usize::MAX);
        self.gaps = Gaps::default();
    }

    /// Some numbers came twice (RFC 2883 section 4): the first of them is what is told.
    pub(super) fn note_duplicate(&mut self, twice: Option<SackBlock>) {
        if self.sack_on && twice.is_some() {
            self.gaps.duplicate = twice;
        }
    }

    /// The text from `left` to `right` came; what lies before RCV.NXT came twice.
    pub(super) fn note_old(&mut self, left: SeqNumber, right: SeqNumber) {
        let right = if right.after(self.rcv_nxt) {
            self.rcv_nxt
        } else {
            right
        };
        if left.before(right) {
            self.note_duplicate(Some(SackBlock { left, right }));
        }
    }

    /// The text up to `right` comes in order now; what of it was held came twice.
    pub(super) fn note_held_twice(&mut self, right: SeqNumber) {
        if let Some(range) = self.held.as_slice().first() {
            if range.left.before(right) {
                let end = if range.right.before(right) {
                    range.right
                } else {
                    right
                };
                self.note_duplicate(Some(SackBlock {
                    left: range.left,
                    right: end,
                }));
            }
        }
    }

    /// The blocks of the next segment: what came twice, then those that changed last (RFC 2018 section 4, RFC 2883
    /// section 4).
    #[inline]
    pub(super) fn sack_blocks(&self) -> SackBlocks {
        if self.has_blocks_to_tell() {
            self.blocks_to_tell()
        } else {
            SackBlocks::new()
        }
    }

    fn blocks_to_tell(&self) -> SackBlocks {
        let mut blocks = SackBlocks::new();
        if let Some(twice) = self.gaps.duplicate {
            blocks.push(twice.left, twice.right);
        }
        // The first block is the D-SACK's own; the others are looked for among what follows it.
        let ranges_from = blocks.as_slice().len();
        for at in self.gaps.recent.into_iter().flatten() {
            let Some(block) = self.block_with(at) else {
                continue;
            };
            let told = blocks.as_slice().get(ranges_from..).unwrap_or(&[]);
            if !told.iter().any(|other| other.left == block.left) {
                blocks.push(block.left, block.right);
            }
        }
        blocks
    }

    /// Whether there is anything that only a SACK option can tell.
    #[inline]
    fn has_blocks_to_tell(&self) -> bool {
        let holds = !self.held.is_empty() || self.gaps.fin_at.is_some();
        self.sack_on && (holds || self.gaps.duplicate.is_some())
    }

    /// The octets that the SACK option of the next segment takes.
    #[inline]
    pub(super) fn sack_len(&self) -> u32 {
        if !self.has_blocks_to_tell() {
            return 0;
        }
        let mut count = self.blocks_to_tell().as_slice().len() as u32;
        if self.ts_on {
            count = count.min(MAX_BLOCKS_WITH_TIMESTAMPS);
        }
        match count {
            0 => 0,
            count => SACK_HEAD_LEN.saturating_add(count.saturating_mul(SACK_BLOCK_LEN)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Records;
    use proptest::prelude::*;

    fn list(ranges: &[(u32, u32)]) -> Records {
        let mut held = Records::default();
        for &(left, right) in ranges {
            insert(&mut held, left, right);
        }
        held
    }

    fn insert(held: &mut Records, left: u32, right: u32) -> (Overlap, Option<u32>) {
        let (left, right) = (SeqNumber::from_raw(left), SeqNumber::from_raw(right));
        let touched = overlap(held.as_slice(), left, right);
        let joined = join(held, &touched, left, right);
        (touched, joined)
    }

    fn ranges(held: &Records) -> Vec<(u32, u32)> {
        let ranges = held.as_slice().iter();
        ranges
            .map(|range| (range.left.raw(), range.right.raw()))
            .collect()
    }

    fn new_part(touched: &Overlap) -> Option<(u32, u32)> {
        touched.new.map(|(left, right)| (left.raw(), right.raw()))
    }

    #[test]
    fn ranges_stand_in_order_and_adjoining_ones_are_one() {
        let mut held = list(&[(30, 40), (10, 20), (50, 60)]);
        assert_eq!(ranges(&held), [(10, 20), (30, 40), (50, 60)]);
        assert_eq!(insert(&mut held, 20, 30).1, Some(10));
        assert_eq!(ranges(&held), [(10, 40), (50, 60)]);
        assert_eq!(insert(&mut held, 5, 55).1, Some(15));
        assert_eq!(ranges(&held), [(5, 60)]);
    }

    #[test]
    fn what_is_new_is_cut_at_both_ends() {
        for (left, right, new, octets) in [
            (12, 18, None, 0),
            (10, 20, None, 0),
            (5, 15, Some((5, 10)), 5),
            (15, 25, Some((20, 25)), 5),
            (15, 35, Some((20, 30)), 10),
            (5, 45, Some((5, 45)), 20),
            (20, 30, Some((20, 30)), 10),
            (15, 40, Some((20, 30)), 10),
            (21, 29, Some((21, 29)), 8),
        ] {
            let mut held = list(&[(10, 20), (30, 40)]);
            let (touched, joined) = insert(&mut held, left, right);
            assert_eq!(new_part(&touched), new, "{left} {right}");
            assert_eq!(joined, Some(octets), "{left} {right}");
        }
    }

    #[test]
    fn without_memory_nothing_changes() {
        let mut held = list(&[(10, 20)]);
        held.limit = 1;
        assert_eq!(insert(&mut held, 30, 40).1, None);
        assert_eq!(ranges(&held), [(10, 20)]);
        // To let a range grow takes none.
        assert_eq!(insert(&mut held, 20, 30).1, Some(10));
        assert_eq!(ranges(&held), [(10, 30)]);
    }

    proptest! {
        /// A bitmap does the same.
        #[test]
        fn ranges_are_what_a_bitmap_says(
            start in prop_oneof![any::<u32>(), Just(u32::MAX - 60), Just((1 << 31) - 60)],
            inserts in proptest::collection::vec((0u32..120, 1u32..40), 1..60),
        ) {
            let mut held = Records::default();
            let mut bitmap = [false; 160];
            for (at, len) in inserts {
                let before = bitmap;
                let (from, to) = (at as usize, (at + len) as usize);
                bitmap[from..to].fill(true);
                let left = start.wrapping_add(at);
                let (touched, joined) = insert(&mut held, left, left.wrapping_add(len));
                let new = before[from..to].iter().filter(|bit| !**bit).count();
                prop_assert_eq!(joined, Some(new as u32));
                // The new part reaches from the first to the last new octet.
                let first = (from..to).find(|at| !before[*at]);
                let last = (from..to).rfind(|at| !before[*at]);
                let expected = first.zip(last).map(|(first, last)| {
                    (start.wrapping_add(first as u32), start.wrapping_add(last as u32 + 1))
                });
                prop_assert_eq!(new_part(&touched), expected);
                // The first run of octets that came twice.
                let twice = (from..to).find(|at| before[*at]).map(|first| {
                    let end = (first..to).find(|at| !before[*at]).unwrap_or(to);
                    (start.wrapping_add(first as u32), start.wrapping_add(end as u32))
                });
                let told = touched.twice.map(|block| (block.left.raw(), block.right.raw()));
                prop_assert_eq!(told, twice);

                let mut runs = Vec::new();
                let mut at = 0;
                while let Some(from) = (at..160).find(|at| bitmap[*at]) {
                    at = (from..160).find(|at| !bitmap[*at]).unwrap_or(160);
                    runs.push((start.wrapping_add(from as u32), start.wrapping_add(at as u32)));
                }
                prop_assert_eq!(ranges(&held), runs);
            }
        }
    }
}
