//! Which lines a family has already.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};

/// The text of each line of a family up to its value, as the place in the samples where its labels start.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By their hash, or where others have that already, by the next number that is free.
    starts: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    /// Odd, and never the same: nobody can choose labels whose hashes are alike.
    key: Option<u64>,
}

/// A hasher for keys that are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

// === impl Seen ===

impl Seen {
    /// Forgets all lines, for the next family.
    pub(super) fn clear(&mut self) {
        self.starts.clear();
    }

    /// Whether the labels from `start` to the end of the samples are new to the family. They end with a space, and
    /// values of labels are in quotes, so no labels begin with others.
    pub(super) fn is_new(&mut self, samples: &[u8], start: usize) -> bool {
        let text = samples.get(start..).unwrap_or_default();
        let key = *self.key.get_or_insert_with(|| RandomState::new().hash_one(0) | 1);
        let mut hash = hash(text, key);
        loop {
            match self.starts.entry(hash) {
                Entry::Vacant(slot) => {
                    slot.insert(start);
                    return true;
                }
                Entry::Occupied(slot) if samples.get(*slot.get()..).is_some_and(|known| known.starts_with(text)) => {
                    return false;
                }
                // Two texts with one hash do not happen in practice, and still do no harm.
                Entry::Occupied(_) => hash = hash.wrapping_add(1),
            }
        }
    }
}

/// Eight bytes at a time: the halves of a product, of which each depends on every bit.
#[inline]
fn hash(text: &[u8], key: u64) -> u64 {
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(key);
        let [a, b, c, d, e, f, g, h, high @ ..] = product.to_le_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from_le_bytes(high)
    };
    let (words, rest) = text.as_chunks::<8>();
    let hash = words.iter().fold(key.rotate_left(32), |hash, word| fold(hash, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(text.len() as u64, |word, byte| word << u8::BITS | u64::from(*byte));
    fold(hash, rest)
}

// === impl Hashed ===

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells of each of these whether it is new when it comes.
    fn news(mut seen: Seen, labels: &[&str]) -> Vec<bool> {
        let mut samples = b"x".to_vec();
        let is_new = |text: &&str| {
            let start = samples.len();
            samples.extend_from_slice(text.as_bytes());
            let new = seen.is_new(&samples, start);
            samples.extend_from_slice(b"1\nx");
            new
        };
        labels.iter().map(is_new).collect()
    }

    const LABELS: [&str; 8] = [
        "{a=\"1\"} ",
        "{a=\"12\"} ",
        "{a=\"1\"} ",
        "{a=\"1\\\"} \"} ",
        "{a=\"12345678901234567890\"} ",
        "{a=\"12345678901234567891\"} ",
        "{a=\"12345678901234567890\"} ",
        "{a=\"1\\\"} \"} ",
    ];
    const NEWS: [bool; 8] = [true, true, false, true, true, true, false, false];

    #[test]
    fn labels_are_new_once() {
        assert_eq!(news(Seen::default(), &LABELS), NEWS);
    }

    #[test]
    fn labels_with_one_hash_are_told_apart() {
        let all_alike = || Seen { key: Some(0), ..Seen::default() };
        assert_eq!(hash(b"one", 0), hash(b"another", 0));
        assert_eq!(news(all_alike(), &LABELS), NEWS);
    }

    #[test]
    fn each_bit_of_the_text_changes_the_hash() {
        let text = *b"{agent=\"2796076843\",state=\"Busy\"} ";
        let mut hashes = std::collections::HashSet::from([hash(&text, 0x9e37_79b9_7f4a_7c15)]);
        for bit in 0..text.len() * 8 {
            let mut other = text;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(hashes.insert(hash(&other, 0x9e37_79b9_7f4a_7c15)));
        }
    }
}
