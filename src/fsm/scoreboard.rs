// SPDX-License-Identifier: GPL-2.0

//! What is in flight: when each part was last sent, what of it the peer holds, and what is taken for lost (the scoreboard
//! of RFC 6675, with the times of transmission that RFC 8985 needs).
//!
//! The records stand in the order of sequence numbers and cover SND.UNA to SND.NXT without a gap, as long as their list has
//! memory; neighbours that cannot be told apart any more are one record. Where the list refuses memory, less is known, never
//! something false: a part that cannot be marked as held is not, and is sent once more than needed.
//!
//! A peer that tells the truth holds whole segments. What a lying one names octet by octet would be a record each, to be looked
//! through at every ACK: beyond a few records for each full segment in flight its blocks are no more divided by.

use super::records::{Record, RecordList};
use super::seq::SeqNumber;
use super::time::{Duration, Instant};

/// The peer holds it (RFC 2018).
const SACKED: u8 = 1;
/// It is taken for lost, and has not been sent again since.
const LOST: u8 = 2;
/// It was sent more than once.
const RETRANSMITTED: u8 = 4;

/// So many records there may be for each full segment in flight before blocks are no more divided by: one that is held, and one that
/// is not.
const RECORDS_PER_SEGMENT: u32 = 2;
/// And so many in any case, for segments that are small and were sent at once: 8 KiB.
const FREE_RECORDS: u32 = 512;

/// One transmission that the peer has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// When it was (last) sent.
    pub(super) age: Duration,
    /// The number after its last octet.
    pub(super) end: SeqNumber,
    /// It was sent more than once: which one arrived is not known.
    pub(super) retransmitted: bool,
}

impl Arrival {
    /// Takes the place of one that was sent earlier, or at the same time with a lower number (RFC 8985 section 6.1).
    fn replace_older(self, other: &mut Option<Self>) {
        let later = other.is_none_or(|other| {
            self.age < other.age || (self.age == other.age && self.end.after(other.end))
        });
        if later {
            *other = Some(self);
        }
    }
}

/// What one acknowledgment tells about what was in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    /// Octets of which it was not known before that the peer has them.
    pub(super) octets: u32,
    /// Of those, the part that was sent last.
    pub(super) newest: Option<Arrival>,
    /// Of those that were sent once only, the part that was sent last.
    pub(super) newest_original: Option<Arrival>,
    /// The lowest number of what arrived and was sent once only: below the highest that arrived before, it was overtaken.
    pub(super) lowest_original: Option<SeqNumber>,
    /// Some of it was sent more than once.
    pub(super) resent: bool,
}

impl Delivery {
    /// The round-trip time of what was sent last, if all of it was sent once only: behind what was sent again, the
    /// rest may have waited for it.
    pub(super) fn rtt(&self) -> Option<Duration> {
        let newest = self.newest_original.filter(|_| !self.resent)?;
        Some(newest.age)
    }

    fn add(&mut self, now_us: u32, record: &Record) {
        let age = age_of(now_us, record);
        let retransmitted = record.marks & RETRANSMITTED != 0;
        self.octets = self.octets.saturating_add(len_of(record));
        let arrival = Arrival {
            age,
            end: record.right,
            retransmitted,
        };
        arrival.replace_older(&mut self.newest);
        if retransmitted {
            self.resent = true;
            return;
        }
        arrival.replace_older(&mut self.newest_original);
        if self
            .lowest_original
            .is_none_or(|lowest| record.left.before(lowest))
        {
            self.lowest_original = Some(record.left);
        }
    }
}

/// The sums of the scoreboard, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sums {
    /// What the peer holds out of order.
    pub(crate) sacked: u32,
    /// What is taken for lost and was not sent again since.
    pub(crate) lost: u32,
}

/// The list of records together with its sums.
pub(super) struct Scoreboard<'a, L: RecordList> {
    pub(super) list: &'a mut L,
    pub(super) sums: &'a mut Sums,
}

impl<L: RecordList> Scoreboard<'_, L> {
    /// `left` to `right` is sent for the first time.
    #[inline]
    pub(super) fn append(&mut self, now: Instant, left: SeqNumber, right: SeqNumber) {
        let now_us = low(now);
        if let Some(last) = self.list.as_mut_slice().last_mut() {
            if last.marks == 0 && last.at_us == now_us && last.right == left {
                last.right = right;
                return;
            }
        }
        let record = Record {
            left,
            right,
            at_us: now_us,
            marks: 0,
        };
        if self.list.push(record) {
            return;
        }
        // No memory: it joins its neighbour, of which less is known then.
        if let Some(last) = self.list.as_mut_slice().last_mut() {
            forget_marks(last, self.sums);
            last.right = right;
            last.at_us = now_us;
        }
    }

    /// All before `ack` has arrived.
    #[inline(always)]
    pub(super) fn acknowledge(&mut self, now: Instant, ack: SeqNumber, delivery: &mut Delivery) {
        let now_us = low(now);
        let mut whole = 0;
        for record in self.list.as_mut_slice() {
            if !record.left.before(ack) {
                break;
            }
            let mut gone = *record;
            if record.right.at_or_before(ack) {
                whole += 1;
            } else {
                gone.right = ack;
                record.left = ack;
            }
            if gone.marks & SACKED != 0 {
                self.sums.sacked = self.sums.sacked.saturating_sub(len_of(&gone));
                continue;
            }
            if gone.marks & LOST != 0 {
                self.sums.lost = self.sums.lost.saturating_sub(len_of(&gone));
            }
            delivery.add(now_us, &gone);
        }
        self.list.remove(0, whole);
    }

    /// The peer holds `left` to `right` (RFC 2018 section 3). A full segment has `mss` octets.
    pub(super) fn sack(
        &mut self,
        now: Instant,
        left: SeqNumber,
        right: SeqNumber,
        mss: u16,
        delivery: &mut Delivery,
    ) {
        if self.is_crowded(mss) && !(self.has_edge(left) && self.has_edge(right)) {
            return;
        }
        let first = self.find(left);
        let news = self
            .list
            .as_slice()
            .iter()
            .skip(first)
            .take_while(|record| record.left.before(right))
            .any(|record| record.marks & SACKED == 0);
        // Most blocks say again what the last ones said.
        if !news || !self.split(left) || !self.split(right) {
            return;
        }
        let now_us = low(now);
        let first = self.find(left);
        let mut count = 0;
        for record in self.list.as_mut_slice().iter_mut().skip(first) {
            if !record.left.before(right) {
                break;
            }
            count += 1;
            if record.marks & SACKED != 0 {
                continue;
            }
            delivery.add(now_us, record);
            forget_marks(record, self.sums);
            record.marks = SACKED;
            self.sums.sacked = self.sums.sacked.saturating_add(len_of(record));
        }
        self.join(first, count);
    }

    /// Everything that the peer does not hold, was not taken for lost yet, and for which `is_lost` says so, given its age,
    /// the number after it, and whether it was sent more than once, is taken for lost from now on. How many octets.
    pub(super) fn mark_lost(
        &mut self,
        now: Instant,
        mut is_lost: impl FnMut(Duration, SeqNumber, bool) -> bool,
    ) -> u32 {
        let now_us = low(now);
        let mut octets = 0u32;
        for record in self.list.as_mut_slice() {
            if record.marks & (SACKED | LOST) == 0
                && is_lost(
                    age_of(now_us, record),
                    record.right,
                    record.marks & RETRANSMITTED != 0,
                )
            {
                record.marks |= LOST;
                octets = octets.saturating_add(len_of(record));
            }
        }
        self.sums.lost = self.sums.lost.saturating_add(octets);
        octets
    }

    /// Everything that the peer does not hold is taken for lost.
    pub(super) fn mark_all_lost(&mut self) {
        self.mark_lost(Instant::from_us(0), |_, _, _| true);
    }

    /// Every record of more than this many octets, which may have been one segment, is taken for lost, unless the peer holds
    /// it. True if one was not before.
    pub(super) fn mark_larger_lost(&mut self, octets: u32) -> bool {
        let mut lost = 0u32;
        for record in self.list.as_mut_slice() {
            if record.marks & (SACKED | LOST) == 0 && len_of(record) > octets {
                record.marks |= LOST;
                lost = lost.saturating_add(len_of(record));
            }
        }
        self.sums.lost = self.sums.lost.saturating_add(lost);
        lost != 0
    }

    /// The first `len` octets are taken for lost, unless the peer holds them. How many were not before.
    pub(super) fn mark_head_lost(&mut self, len: u32) -> u32 {
        let Some(head) = self.list.as_slice().first().copied() else {
            return 0;
        };
        if head.marks & (SACKED | LOST) != 0 {
            return 0;
        }
        if len_of(&head) > len {
            self.split(head.left + len);
        }
        let Some(head) = self.list.as_mut_slice().first_mut() else {
            return 0;
        };
        head.marks |= LOST;
        self.sums.lost = self.sums.lost.saturating_add(len_of(head));
        len_of(head)
    }

    /// Nothing is taken for lost any more.
    pub(super) fn unmark_lost(&mut self) {
        for record in self.list.as_mut_slice() {
            record.marks &= !LOST;
        }
        self.sums.lost = 0;
    }

    /// The peer may have thrown away what it held (RFC 2018 section 8). True if it held something.
    pub(super) fn forget_sacked(&mut self) -> bool {
        for record in self.list.as_mut_slice() {
            record.marks &= !SACKED;
        }
        core::mem::take(&mut self.sums.sacked) != 0
    }

    /// Whether the peer says to hold the first octet in flight: then it should have acknowledged it.
    pub(super) fn head_is_sacked(&self) -> bool {
        self.list
            .as_slice()
            .first()
            .is_some_and(|head| head.marks & SACKED != 0)
    }

    /// `left` to `right`, some of what is in flight, is sent again.
    pub(super) fn resend(&mut self, now: Instant, left: SeqNumber, right: SeqNumber) {
        // Without memory for the division all of the record counts as sent: the timeout finds what was not.
        self.split(left);
        self.split(right);
        let now_us = low(now);
        let first = self.find(left);
        let mut count = 0;
        for record in self.list.as_mut_slice().iter_mut().skip(first) {
            if !record.left.before(right) {
                break;
            }
            count += 1;
            if record.marks & SACKED != 0 {
                continue;
            }
            forget_marks(record, self.sums);
            record.marks = RETRANSMITTED;
            record.at_us = now_us;
        }
        self.join(first, count);
    }

    /// The position of the first record that ends after `seq`.
    fn find(&self, seq: SeqNumber) -> usize {
        self.list
            .as_slice()
            .partition_point(|record| record.right.at_or_before(seq))
    }

    /// Are there more records than a peer with segments of `mss` octets can give cause to?
    fn is_crowded(&self, mss: u16) -> bool {
        let records = self.list.as_slice();
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return false;
        };
        let segments = last.right.distance_from(first.left) / u32::from(mss).max(1);
        let most = segments
            .saturating_mul(RECORDS_PER_SEGMENT)
            .saturating_add(FREE_RECORDS);
        records.len() as u64 >= u64::from(most)
    }

    /// Does a record begin or end at `seq`?
    fn has_edge(&self, seq: SeqNumber) -> bool {
        let records = self.list.as_slice();
        match records.get(self.find(seq)) {
            Some(record) => !record.left.before(seq),
            // Beyond the last one nothing is divided.
            None => true,
        }
    }

    /// No record goes across `seq` any more. False: there is no memory for one more.
    fn split(&mut self, seq: SeqNumber) -> bool {
        let at = self.find(seq);
        let Some(&record) = self.list.as_slice().get(at) else {
            return true;
        };
        if !record.left.before(seq) {
            return true;
        }
        let before = Record {
            right: seq,
            ..record
        };
        if !self.list.insert(at, before) {
            return false;
        }
        if let Some(after) = self.list.as_mut_slice().get_mut(at + 1) {
            after.left = seq;
        }
        true
    }

    /// Makes one record of neighbours that have become alike: of `count` records from `first` on, and those at both ends.
    fn join(&mut self, first: usize, count: usize) {
        let mut at = first.saturating_sub(1);
        let mut rest = count + 1;
        while rest > 0 {
            rest -= 1;
            let records = self.list.as_mut_slice();
            let Some(&one) = records.get(at) else {
                return;
            };
            let Some(two) = records.get_mut(at + 1) else {
                return;
            };
            let alike = one.marks == two.marks
                && one.right == two.left
                && (one.at_us == two.at_us || one.marks & SACKED != 0);
            if alike {
                two.left = one.left;
                self.list.remove(at, 1);
            } else {
                at += 1;
            }
        }
    }
}

/// How long ago the first octet in flight was sent; zero if nothing is.
pub(super) fn age_of_first(now: Instant, records: &[Record]) -> Duration {
    records
        .first()
        .map_or(Duration::from_us(0), |first| age_of(low(now), first))
}

/// The octets that were sent again and are under way.
pub(super) fn resent_in_flight(records: &[Record]) -> u32 {
    let under_way = |record: &&Record| record.marks == RETRANSMITTED;
    records
        .iter()
        .filter(under_way)
        .map(len_of)
        .fold(0, u32::saturating_add)
}

/// The first range that is taken for lost, at most `max` octets of it.
pub(super) fn next_lost(records: &[Record], max: u32) -> Option<(SeqNumber, SeqNumber)> {
    let mut lost = records
        .iter()
        .skip_while(|record| record.marks & LOST == 0)
        .take_while(|record| record.marks & LOST != 0);
    let first = lost.next()?;
    // Small neighbours go out together.
    let mut right = first.right;
    for record in lost {
        if right.distance_from(first.left) >= max {
            break;
        }
        right = record.right;
    }
    let len = right.distance_from(first.left).min(max);
    Some((first.left, first.left + len))
}

/// Checks the sums of records and their order, from `una` to `nxt`.
///
/// # Errors
///
/// The claim that does not hold.
pub(super) fn check(
    records: &[Record],
    sums: Sums,
    una: SeqNumber,
    nxt: SeqNumber,
) -> Result<(), &'static str> {
    let mut at = una;
    let mut counted = Sums::default();
    for record in records {
        if record.left != at || !record.left.before(record.right) {
            return Err("the records in flight stand without gaps");
        }
        if record.marks & SACKED != 0 {
            counted.sacked = counted.sacked.saturating_add(len_of(record));
        } else if record.marks & LOST != 0 {
            counted.lost = counted.lost.saturating_add(len_of(record));
        }
        at = record.right;
    }
    if at != nxt {
        return Err("the records in flight end at SND.NXT");
    }
    if counted != sums {
        return Err("the sums of what is in flight are those of its records");
    }
    Ok(())
}

/// The lower bits of an instant in microseconds: an hour, of which no transmission is in flight for long.
#[inline]
fn low(now: Instant) -> u32 {
    now.as_us() as u32
}

/// How long ago a record was sent.
#[inline]
fn age_of(now_us: u32, record: &Record) -> Duration {
    Duration::from_us(u64::from(now_us.wrapping_sub(record.at_us)))
}

#[inline]
fn len_of(record: &Record) -> u32 {
    record.right.distance_from(record.left)
}

/// The record is neither held nor lost; the sums follow.
fn forget_marks(record: &mut Record, sums: &mut Sums) {
    if record.marks & SACKED != 0 {
        sums.sacked = sums.sacked.saturating_sub(len_of(record));
    } else if record.marks & LOST != 0 {
        sums.lost = sums.lost.saturating_sub(len_of(record));
    }
    record.marks = 0;
}

#[cfg(test)]
mod tests;
