//! Reproducible pseudo-random numbers: each sequence depends only on its key.
//!
//! Integers only, so that a seed gives the same tenant on every machine.

/// A pseudo-random sequence that is determined by its key (`SplitMix64`).
#[derive(Debug, Clone)]
pub(super) struct Rng {
    state: u64,
}

/// The values at the quantiles 0, 1/8, … 1 of a distribution; it is uniform between them.
pub(super) type Quantiles = [u32; 9];

/// Scrambles all bits of `value` into all others (the finaliser of `SplitMix64`).
pub(super) const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Derives the key of `part` from the key of `whole`.
pub(super) const fn key(whole: u64, part: u64) -> u64 {
    mix(whole ^ mix(part))
}

/// A fingerprint of `bytes`. It is not secret; it detects accidental changes.
pub(super) fn fingerprint(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(key(start, bytes.len() as u64), |sum, byte| mix(sum ^ u64::from(*byte)))
}

// === impl Rng ===

impl Rng {
    /// The sequence of `key`.
    pub(super) const fn new(key: u64) -> Self {
        Self { state: key }
    }

    /// The next number of the sequence.
    pub(super) const fn next_u64(&mut self) -> u64 {
        let drawn = mix(self.state);
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        drawn
    }

    /// A number in `0..bound`.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // The high half of a product of 32 bits each is below `bound`.
        u32::try_from(((self.next_u64() >> 32) * u64::from(bound)) >> 32).unwrap_or(0)
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with a probability of `percent`/100.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`; `fallback` if there are none.
    pub(super) fn choose<'a, T: ?Sized>(&mut self, choices: &[&'a T], fallback: &'a T) -> &'a T {
        let index = self.below(u32::try_from(choices.len()).unwrap_or(u32::MAX));
        choices.get(index as usize).copied().unwrap_or(fallback)
    }

    /// A sample of the distribution with these quantiles.
    pub(super) fn sample(&mut self, quantiles: &Quantiles) -> u32 {
        let drawn = self.next_u64();
        let step = (drawn >> 61) as usize;
        let within = (drawn >> 16) & 0xFFFF;
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
    fn the_same_key_gives_the_same_sequence() {
        let draw = |key| {
            let mut rng = Rng::new(key);
            [rng.next_u64(), rng.next_u64(), rng.next_u64()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn numbers_are_in_bounds_and_uniform() {
        let mut rng = Rng::new(1);
        let mut seen = [0_u32; 4];
        for _ in 0..1_000 {
            seen[rng.below(4) as usize] += 1;
            assert!((10..=12).contains(&rng.between(10, 12)));
            assert!((2..=900).contains(&rng.sample(&[2, 12, 27, 45, 68, 98, 140, 215, 900])));
        }
        assert!(seen.iter().all(|count| (200..300).contains(count)), "{seen:?}");
    }
}
