// SPDX-License-Identifier: GPL-2.0

//! Numbers that look random and come again with the same seed.

/// A generator of numbers: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The numbers of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A generator of its own: who uses it does not disturb this one.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below `sides`; 0 if there is none.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        // The upper half of the product: no side is favoured by more than 2^-32 for the small numbers used here.
        ((u128::from(self.next()) * u128::from(sides)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// A number from `low` to `high` whose order of magnitude, too, is by chance: small ones are as frequent as large ones.
    pub(crate) fn any_size(&mut self, low: u64, high: u64) -> u64 {
        let bits = u64::from(64 - high.saturating_sub(low).leading_zeros());
        let span = 1u64 << self.between(0, bits).min(63);
        self.between(low, high.min(low + span))
    }

    /// Whether something happens that does so `per_mille` times in a thousand.
    pub(crate) fn happens(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < u64::from(per_mille)
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let roll = |seed| {
            let mut dice = Dice::new(seed);
            (0..100).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(roll(7), roll(7));
        assert_ne!(roll(7), roll(8));
    }

    #[test]
    fn all_sides_come_about_as_often() {
        let mut dice = Dice::new(1);
        let mut seen = [0; 10];
        for _ in 0..100_000 {
            seen[dice.below(10) as usize] += 1;
        }
        assert!(
            seen.iter().all(|count| (9_500..10_500).contains(count)),
            "{seen:?}"
        );
        let hits = (0..10_000).filter(|_| dice.happens(100)).count();
        assert!((900..1_100).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| !dice.happens(0) && dice.happens(1_000)));
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut dice = Dice::new(2);
        for _ in 0..1_000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
            assert!((10..=100_000).contains(&dice.any_size(10, 100_000)));
            assert_eq!(dice.any_size(9, 9), 9);
            assert_eq!(dice.below(0), 0);
        }
    }
}
