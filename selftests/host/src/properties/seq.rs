// SPDX-License-Identifier: GPL-2.0

//! The laws of sequence arithmetic, around the wrap and anywhere.

use crate::fsm::seq::SeqNumber;
use proptest::prelude::*;

/// Raw numbers, half of them next to 0 or to 2^31.
fn raw() -> impl Strategy<Value = u32> {
    prop_oneof![
        2 => any::<u32>(),
        1 => (0..200u32).prop_map(|near| near.wrapping_sub(100)),
        1 => (0..200u32).prop_map(|near| (1u32 << 31).wrapping_add(near).wrapping_sub(100)),
    ]
}

fn seq() -> impl Strategy<Value = SeqNumber> {
    raw().prop_map(SeqNumber::from_raw)
}

proptest! {
    #[test]
    fn one_of_four_relations_holds(a in seq(), steps in raw()) {
        let b = a + steps;
        let opposite = steps == 1 << 31;
        let relations = [a == b, a.before(b), a.after(b), opposite];
        prop_assert_eq!(relations.iter().filter(|&&holds| holds).count(), 1);
    }

    #[test]
    fn before_and_after_mirror_each_other(a in seq(), b in seq()) {
        prop_assert_eq!(a.before(b), b.after(a));
        prop_assert_eq!(a.at_or_before(b), b.at_or_after(a));
        prop_assert_eq!(a.at_or_before(b), a == b || a.before(b));
        prop_assert_eq!(a.at_or_after(b), a == b || a.after(b));
    }

    #[test]
    fn steps_forward_are_undone_by_steps_back(a in seq(), steps in raw()) {
        prop_assert_eq!((a + steps) - steps, a);
        prop_assert_eq!((a + steps).distance_from(a), steps);
        prop_assert_eq!(a.distance_from(a - steps), steps);
    }

    #[test]
    fn order_does_not_depend_on_where_on_the_circle(a in seq(), b in seq(), shift in raw()) {
        prop_assert_eq!(a.before(b), (a + shift).before(b + shift));
        prop_assert_eq!(a.at_or_after(b), (a + shift).at_or_after(b + shift));
    }

    #[test]
    fn order_is_transitive_within_half_the_circle(
        a in seq(),
        first in 1u32..1 << 30,
        second in 1u32..1 << 30,
    ) {
        let b = a + first;
        let c = b + second;
        prop_assert!(a.before(b) && b.before(c) && a.before(c));
    }

    #[test]
    fn the_window_holds_exactly_its_numbers(start in seq(), len in raw(), at in raw()) {
        prop_assert_eq!((start + at).in_window(start, len), at < len);
    }

    #[test]
    fn the_later_of_two_is_not_before_either(a in seq(), b in seq()) {
        let later = SeqNumber::max_of(a, b);
        prop_assert!(later == a || later == b);
        prop_assert!(!later.before(a) && !later.before(b));
    }
}
