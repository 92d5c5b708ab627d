//! Chance that can be looked up: numbers that depend only on what they are drawn for.
//!
//! Integers alone, so that a tenant of one seed is the same on every machine.

/// A sequence of numbers that is fixed by the key it was made from.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    state: u64,
}

/// The values at the quantiles 0, 1/8, … 1 of a spread; between them it is taken as even.
pub(super) type Quantiles = [u32; 9];

/// Scrambles all bits of `value` into all others (the finaliser of `SplitMix64`).
pub(super) const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A key for `part` of what `whole` is the key of.
pub(super) const fn key(whole: u64, part: u64) -> u64 {
    mix(whole ^ mix(part))
}

/// A fingerprint of `bytes`: not secret, but nothing is mistaken for something else by accident.
pub(super) fn fingerprint(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(key(start, bytes.len() as u64), |sum, byte| mix(sum ^ u64::from(*byte)))
}

// === impl Dice ===

impl Dice {
    /// The sequence of `key`.
    pub(super) const fn new(key: u64) -> Self {
        Self { state: key }
    }

    /// The next number of the sequence, any of 64 bits.
    pub(super) const fn roll(&mut self) -> u64 {
        let rolled = mix(self.state);
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        rolled
    }

    /// A number from zero up to `bound`, without it.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // The high half of a product of 32 bits each is below `bound`.
        u32::try_from(((self.roll() >> 32) * u64::from(bound)) >> 32).unwrap_or(0)
    }

    /// A number from `low` up to and with `high`.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `percent` of 100 cases.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, or `fallback` where there are none.
    pub(super) fn choose<'a, T: ?Sized>(&mut self, choices: &[&'a T], fallback: &'a T) -> &'a T {
        let index = self.below(u32::try_from(choices.len()).unwrap_or(u32::MAX));
        choices.get(index as usize).copied().unwrap_or(fallback)
    }

    /// A value that is spread as `quantiles` says.
    pub(super) fn spread(&mut self, quantiles: &Quantiles) -> u32 {
        let rolled = self.roll();
        let step = (rolled >> 61) as usize;
        let within = (rolled >> 16) & 0xFFFF;
        let (low, high) = match quantiles.get(step..) {
            Some([low, high, ..]) => (*low, *high),
            _ => (0, 0),
        };
        low + u32::try_from((u64::from(high.saturating_sub(low)) * within) >> 16).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_always_gives_the_same_sequence() {
        let draw = |key| {
            let mut dice = Dice::new(key);
            [dice.roll(), dice.roll(), dice.roll()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn draws_stay_in_their_bounds_and_reach_them() {
        let mut dice = Dice::new(1);
        let mut seen = [0_u32; 4];
        for _ in 0..1_000 {
            seen[dice.below(4) as usize] += 1;
            assert!((10..=12).contains(&dice.between(10, 12)));
            assert!((2..=900).contains(&dice.spread(&[2, 12, 27, 45, 68, 98, 140, 215, 900])));
        }
        assert!(seen.iter().all(|count| (200..300).contains(count)), "{seen:?}");
    }
}
