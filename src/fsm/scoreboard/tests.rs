// SPDX-License-Identifier: GPL-2.0

//! Unit tests of the list of what is in flight, and the same by properties.

use proptest::prelude::*;

use super::*;
use crate::records::Records;

const START: u32 = u32::MAX - 2_000;

fn seq(offset: u32) -> SeqNumber {
    SeqNumber::from_raw(START) + offset
}

fn at(us: u64) -> Instant {
    Instant::from_us(us)
}

/// A list, its sums, and what is done to them.
#[derive(Default)]
struct Board {
    list: Records,
    sums: Sums,
    una: u32,
    nxt: u32,
}

impl Board {
    /// So many segments of 100 octets, a millisecond apart.
    fn with(segments: u32) -> Self {
        let mut board = Self::default();
        for segment in 0..segments {
            let left = segment * 100;
            board.run(|b| b.append(at(u64::from(segment) * 1_000), seq(left), seq(left + 100)));
            board.nxt = left + 100;
        }
        board.check();
        board
    }

    fn run<R>(&mut self, f: impl FnOnce(&mut Scoreboard<'_, Records>) -> R) -> R {
        f(&mut Scoreboard {
            list: &mut self.list,
            sums: &mut self.sums,
        })
    }

    fn sack(&mut self, left: u32, right: u32) -> Delivery {
        let mut delivery = Delivery::default();
        self.run(|b| b.sack(at(50_000), seq(left), seq(right), 100, &mut delivery));
        self.check();
        delivery
    }

    fn acknowledge(&mut self, ack: u32) -> Delivery {
        let mut delivery = Delivery::default();
        self.run(|b| b.acknowledge(at(50_000), seq(ack), &mut delivery));
        self.una = ack;
        self.check();
        delivery
    }

    fn check(&self) {
        let held = check(
            self.list.as_slice(),
            self.sums,
            seq(self.una),
            seq(self.nxt),
        );
        assert_eq!(held, Ok(()));
    }
}

#[test]
fn blocks_of_single_octets_divide_no_more_than_segments_give_cause_to() {
    let mut board = Board::with(10);
    for octet in (0..1_000).step_by(2) {
        board.sack(octet, octet + 1);
        assert!(board.list.as_slice().len() <= 534, "{octet}");
    }
    let divided = board.list.as_slice().len();
    assert!(divided > 500, "{divided}: at first they are believed");
    // What needs no division counts still.
    let before = board.sums.sacked;
    assert_eq!(board.sack(900, 1_000).octets, 100);
    assert_eq!(board.sums.sacked, before + 100);
    assert_eq!(board.list.as_slice().len(), divided);
    // And all of it goes.
    board.acknowledge(1_000);
    assert!(board.list.as_slice().is_empty());
}

#[test]
fn what_is_sent_at_one_time_is_one_record() {
    let mut board = Board::default();
    for left in [0, 100, 200] {
        board.run(|b| b.append(at(7), seq(left), seq(left + 100)));
    }
    board.nxt = 300;
    board.check();
    assert_eq!(board.list.as_slice().len(), 1);
    board.run(|b| b.append(at(8), seq(300), seq(400)));
    assert_eq!(board.list.as_slice().len(), 2);
}

#[test]
fn each_octet_is_delivered_once() {
    let mut board = Board::with(5);
    assert_eq!(board.sack(150, 350).octets, 200);
    assert_eq!(
        board.sums,
        Sums {
            sacked: 200,
            lost: 0
        }
    );
    assert_eq!(board.sack(150, 350).octets, 0);
    assert_eq!(board.sack(100, 400).octets, 100);
    assert_eq!(board.acknowledge(300).octets, 100);
    assert_eq!(board.sums.sacked, 100);
    assert_eq!(board.acknowledge(500).octets, 100);
    assert!(board.list.as_slice().is_empty());
    assert_eq!(board.sums, Sums::default());
}

#[test]
fn the_newest_of_what_arrived_gives_the_round_trip_time() {
    let mut board = Board::with(4);
    let delivery = board.acknowledge(250);
    // The third was sent at 2 ms, the ACK came at 50 ms.
    assert_eq!(delivery.rtt(), Some(Duration::from_ms(48)));
    assert_eq!(delivery.newest.unwrap().end, seq(250));
    assert_eq!(delivery.lowest_original, Some(seq(0)));
}

#[test]
fn what_was_sent_twice_gives_none() {
    let mut board = Board::with(2);
    board.run(|b| b.mark_head_lost(100));
    assert_eq!(
        next_lost(board.list.as_slice(), 1_000),
        Some((seq(0), seq(100)))
    );
    board.run(|b| b.resend(at(40_000), seq(0), seq(100)));
    board.check();
    let delivery = board.acknowledge(100);
    assert_eq!((delivery.rtt(), delivery.octets), (None, 100));
    let newest = delivery.newest.unwrap();
    assert!(newest.retransmitted);
    assert_eq!(newest.age, Duration::from_ms(10));
    assert_eq!(board.acknowledge(200).rtt(), Some(Duration::from_ms(49)));
}

#[test]
fn lost_neighbours_go_out_together_up_to_a_segment() {
    let mut board = Board::with(6);
    board.sack(300, 400);
    board.run(|b| b.mark_all_lost());
    assert_eq!(
        board.sums,
        Sums {
            sacked: 100,
            lost: 500
        }
    );
    let lost = |board: &Board, max| next_lost(board.list.as_slice(), max);
    assert_eq!(lost(&board, 250), Some((seq(0), seq(250))));
    assert_eq!(lost(&board, 1_000), Some((seq(0), seq(300))));
    board.run(|b| b.resend(at(50_000), seq(0), seq(250)));
    board.check();
    assert_eq!(lost(&board, 250), Some((seq(250), seq(300))));
    board.run(|b| b.resend(at(50_000), seq(250), seq(300)));
    assert_eq!(lost(&board, 150), Some((seq(400), seq(550))));
    board.run(|b| b.unmark_lost());
    board.check();
    assert_eq!(lost(&board, 150), None);
}

#[test]
fn what_is_held_is_not_lost_by_time() {
    let mut board = Board::with(5);
    board.sack(100, 200);
    // At 50 ms those sent at 0 to 2 ms are at least 48 ms old.
    let octets = board.run(|b| b.mark_lost(at(50_000), |age, _, _| age >= Duration::from_ms(48)));
    assert_eq!(octets, 200);
    board.check();
    // A second time nothing is new.
    let again = board.run(|b| b.mark_lost(at(50_000), |age, _, _| age >= Duration::from_ms(48)));
    assert_eq!(again, 0);
    assert!(board.run(|b| b.forget_sacked()));
    board.check();
    assert!(!board.run(|b| b.forget_sacked()));
}

// RFC 8985 6.1: of two that were sent at one time the one with the higher number was sent later.
#[test]
fn of_what_was_sent_at_one_time_the_highest_is_the_newest() {
    let mut board = Board::default();
    board.run(|b| b.append(at(7), seq(0), seq(1_000)));
    board.nxt = 1_000;
    let mut delivery = Delivery::default();
    for (left, right) in [(500, 600), (800, 900), (100, 200)] {
        board.run(|b| b.sack(at(50_000), seq(left), seq(right), 100, &mut delivery));
    }
    board.check();
    assert_eq!(delivery.newest.unwrap().end, seq(900));
    assert_eq!(delivery.lowest_original, Some(seq(100)));
}

#[test]
fn what_was_sent_again_is_newer_than_what_follows_it() {
    let mut board = Board::with(3);
    board.run(|b| b.resend(at(40_000), seq(0), seq(100)));
    let delivery = board.acknowledge(300);
    let newest = delivery.newest.unwrap();
    assert_eq!((newest.age, newest.end), (Duration::from_ms(10), seq(100)));
    let original = delivery.newest_original.unwrap();
    assert_eq!(
        (original.age, original.end),
        (Duration::from_ms(48), seq(300))
    );
}

#[test]
fn what_the_peer_holds_side_by_side_is_one_record() {
    let mut board = Board::with(6);
    board.sack(100, 200);
    board.sack(300, 400);
    assert_eq!(board.list.as_slice().len(), 6);
    // Both neighbours of the gap become one with it, however old each of them is.
    board.sack(200, 300);
    assert_eq!(board.list.as_slice().len(), 4);
    let mut board = Board::with(6);
    board.sack(100, 500);
    assert_eq!(board.list.as_slice().len(), 3);
}

#[test]
fn what_is_sent_again_in_one_segment_is_one_record() {
    let mut board = Board::with(6);
    board.run(|b| b.resend(at(40_000), seq(100), seq(500)));
    board.check();
    assert_eq!(board.list.as_slice().len(), 3);
    assert_eq!(board.acknowledge(100).rtt(), Some(Duration::from_ms(50)));
}

#[test]
fn what_was_sent_at_different_times_stays_apart() {
    let mut board = Board::with(3);
    for (segment, time) in [(0, 40_000), (1, 45_000)] {
        let left = segment * 100;
        board.run(|b| b.resend(at(time), seq(left), seq(left + 100)));
    }
    board.check();
    let ages = [100, 200].map(|ack| board.acknowledge(ack).newest.unwrap().age);
    assert_eq!(ages, [10, 5].map(Duration::from_ms));
}

#[test]
fn every_second_segment_of_a_large_flight_may_be_held() {
    // In one burst, which is one record: each of them divides it.
    let mut board = Board::default();
    board.run(|b| b.append(at(0), seq(0), seq(120_000)));
    board.nxt = 120_000;
    for segment in (1..1_200).step_by(2) {
        board.sack(segment * 100, (segment + 1) * 100);
    }
    assert_eq!(board.sums.sacked, 60_000);
}

#[test]
fn the_head_is_lost_once_and_only_if_it_is_not_held() {
    let mut board = Board::with(3);
    assert_eq!(board.run(|b| b.mark_head_lost(60)), 60);
    board.check();
    assert_eq!(board.run(|b| b.mark_head_lost(60)), 0);
    board.check();
    assert_eq!(board.sums.lost, 60);
    board.acknowledge(100);
    board.sack(100, 200);
    assert_eq!(board.run(|b| b.mark_head_lost(60)), 0);
    board.check();
    assert_eq!(board.sums.lost, 0);
}

#[test]
fn what_arrives_leaves_what_else_is_lost() {
    let mut board = Board::with(4);
    board.run(|b| b.mark_head_lost(100));
    board.sack(200, 300);
    assert_eq!(board.sums.lost, 100);
    // What was lost may be held after all.
    board.sack(0, 100);
    assert_eq!((board.sums.lost, board.sums.sacked), (0, 200));
}

// RFC 1191 6.4.
#[test]
fn only_what_was_too_large_goes_again_and_once() {
    let mut board = Board::with(2);
    board.run(|b| b.append(at(9_000), seq(200), seq(260)));
    board.nxt = 260;
    assert!(!board.run(|b| b.mark_larger_lost(100)));
    assert!(board.run(|b| b.mark_larger_lost(99)));
    board.check();
    assert_eq!(board.sums.lost, 200);
    assert!(!board.run(|b| b.mark_larger_lost(99)));
    assert_eq!(board.sums.lost, 200);
}

#[test]
fn a_gap_and_an_empty_record_do_not_pass_the_check() {
    let record = |left, right| Record {
        left: seq(left),
        right: seq(right),
        at_us: 0,
        marks: 0,
    };
    let passes =
        |records: &[Record], nxt| check(records, Sums::default(), seq(0), seq(nxt)).is_ok();
    assert!(passes(&[record(0, 100), record(100, 200)], 200));
    assert!(!passes(&[record(0, 100), record(110, 200)], 200));
    assert!(!passes(&[record(0, 100), record(100, 100)], 100));
    assert!(!passes(&[record(0, 100)], 200));
}

proptest! {
    /// Against one entry for each octet; memory may end at any time.
    #[test]
    fn the_records_say_what_a_list_of_octets_says(
        limit in 2usize..12,
        steps in prop::collection::vec((0u8..5, 0u32..600, 1u32..200), 1..60),
    ) {
        let mut board = Board::default();
        board.list.limit = limit;
        let mut held = std::collections::BTreeSet::new();
        for (time, (kind, a, b)) in steps.into_iter().enumerate() {
            let now = at(time as u64 * 1_000);
            let (left, right) = ((board.una + a).min(board.nxt), (board.una + a + b).min(board.nxt));
            match kind {
                0 | 1 => {
                    let (from, to) = (board.nxt, board.nxt + b);
                    board.run(|s| s.append(now, seq(from), seq(to)));
                    board.nxt = to;
                    // Without memory less may be known of the last.
                    let known: Vec<_> = sacked(&board).collect();
                    prop_assert!(known.iter().all(|octet| held.contains(octet)));
                    held = known.into_iter().collect();
                }
                2 if left < right => {
                    let delivery = board.sack(left, right);
                    let now_held: std::collections::BTreeSet<u32> = sacked(&board).collect();
                    prop_assert_eq!(delivery.octets as usize, now_held.difference(&held).count());
                    prop_assert!(now_held.is_superset(&held));
                    prop_assert!(now_held.difference(&held).all(|octet| (left..right).contains(octet)));
                    held = now_held;
                }
                3 if left < right => {
                    board.run(|s| s.resend(now, seq(left), seq(right)));
                    let now_held: std::collections::BTreeSet<u32> = sacked(&board).collect();
                    prop_assert_eq!(&now_held, &held);
                }
                4 => {
                    let before = board.una;
                    let known = held.range(before..right).count();
                    let delivery = board.acknowledge(right.max(before));
                    prop_assert_eq!(delivery.octets as usize, (board.una - before) as usize - known);
                    held = held.split_off(&board.una);
                }
                _ => {}
            }
            board.check();
        }
    }
}

/// The octets that the records say are held.
fn sacked(board: &Board) -> impl Iterator<Item = u32> + '_ {
    board
        .list
        .as_slice()
        .iter()
        .filter(|record| record.marks & SACKED != 0)
        .flat_map(|record| {
            let left = record.left.distance_from(seq(0));
            left..left + record.right.distance_from(record.left)
        })
}
