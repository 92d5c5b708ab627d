//! Finds what repeats, at the pace of sample lines.
//!
//! Nearly all of a sample line stands in a line before it: all up to where two lines of one agent differ, and then the
//! state of the same line of the agent before. So one look at where a place like this was last is enough, and only
//! places at which a token begins need be remembered, since the next line is cut up at the same places. What is
//! left, agents' identifiers and values, is digits, which are not looked at beyond the first: what repeats in them does so
//! by chance, is short, and takes more room as a repetition than as it is.

use super::token::{MAX_REPEAT, MIN_REPEAT, Token, WINDOW};

/// How many bytes have to be the same for a repetition to be found. Shorter ones save nothing: a length and a distance
/// are some 20 bits, a letter 4 to 6.
const ALIKE: u32 = 5;

/// The binary logarithm of the number of places that are remembered. They take 16 KiB; twice as many make 0.5 % less.
const PLACES_BITS: u32 = 12;

/// How many digits behind the first are not looked at: no identifier and no value has more, and what has may repeat.
const MAX_DIGITS: usize = 31;

/// What spreads the hashes of places: 2⁶⁴ by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Cuts bytes into tokens.
#[derive(Debug)]
pub(super) struct Repeats<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where bytes with such a hash last stood, counted from one.
    places: Box<[u32; 1 << PLACES_BITS]>,
}

// === impl Repeats ===

impl<'a> Repeats<'a> {
    /// Of bytes whose number a `u32` holds.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, places: Box::new([0; 1 << PLACES_BITS]) }
    }

    /// Adds `most` tokens, or as many as there are bytes for, and returns the bytes that they speak of.
    pub(super) fn fill(&mut self, tokens: &mut Vec<Token>, most: usize) -> &'a [u8] {
        let start = self.at;
        while tokens.len() < most {
            let Some((byte, rest)) = self.bytes.get(self.at..).and_then(<[u8]>::split_first) else { break };
            if let Some((length, distance)) = self.repeat() {
                tokens.push(Token::repeat(length, distance));
                self.at += usize::from(length) + MIN_REPEAT;
                continue;
            }
            let before = tokens.len();
            tokens.push(Token::byte(*byte));
            if byte.is_ascii_digit() {
                let at_most = (most - tokens.len()).min(MAX_DIGITS);
                let digits = rest.iter().take(at_most).take_while(|byte| byte.is_ascii_digit());
                tokens.extend(digits.map(|byte| Token::byte(*byte)));
            }
            self.at += tokens.len() - before;
        }
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Looks for what begins here, and remembers the place.
    #[inline]
    fn repeat(&mut self) -> Option<(u8, u16)> {
        let here = self.bytes.get(self.at..)?;
        let key = key(here)?;
        let hash = usize::try_from(key.wrapping_mul(SPREAD) >> (u64::BITS - PLACES_BITS)).ok()?;
        let place = self.places.get_mut(hash)?;
        let before = usize::try_from(*place).ok()?.checked_sub(1);
        *place = u32::try_from(self.at).ok()?.wrapping_add(1);
        let before = before?;
        let distance = self.at - before;
        if distance > WINDOW {
            return None;
        }
        let there = self.bytes.get(before..)?;
        let length = common(there, here.get(..MAX_REPEAT).unwrap_or(here));
        if length < ALIKE as usize {
            return None;
        }
        Some((u8::try_from(length - MIN_REPEAT).ok()?, u16::try_from(distance - 1).ok()?))
    }
}

/// The bytes that have to be the same, at the top.
#[inline]
fn key(bytes: &[u8]) -> Option<u64> {
    let (word, _) = bytes.split_first_chunk::<8>()?;
    Some(u64::from_le_bytes(*word) << (u64::BITS - ALIKE * u8::BITS))
}

/// How many bytes both begin with.
#[inline]
fn common(one: &[u8], other: &[u8]) -> usize {
    let ((ones, _), (others, _)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let mut same = 0;
    for (one, other) in ones.iter().zip(others) {
        let differ = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return same + (differ.trailing_zeros() / u8::BITS) as usize;
        }
        same += 8;
    }
    let rest = one.get(same..).unwrap_or_default().iter().zip(other.get(same..).unwrap_or_default());
    same + rest.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::super::token::Meaning;
    use super::*;

    fn meanings(bytes: &[u8], most: usize) -> Vec<Meaning> {
        let mut repeats = Repeats::new(bytes);
        let mut meanings = Vec::new();
        let mut spoken_of = Vec::new();
        loop {
            let mut tokens = Vec::new();
            let taken = repeats.fill(&mut tokens, most);
            assert!(tokens.len() <= most);
            spoken_of.extend_from_slice(taken);
            meanings.extend(tokens.into_iter().map(Token::meaning));
            if taken.is_empty() {
                assert_eq!(spoken_of, bytes);
                return meanings;
            }
        }
    }

    fn repeats(meanings: &[Meaning]) -> Vec<(usize, usize)> {
        let repeat = |meaning: &Meaning| match *meaning {
            Meaning::Byte(_) => None,
            Meaning::Repeat { length, distance } => Some((usize::from(length) + 3, usize::from(distance) + 1)),
        };
        meanings.iter().filter_map(repeat).collect()
    }

    #[test]
    fn a_line_is_what_it_shares_with_those_before_it_and_digits() {
        let lines = "x_seconds{agent=\"2796076843\",state=\"Busy\"} 1234\nx_seconds{agent=\"2796076843\",state=\"Offline\"} 77\n\
                     x_seconds{agent=\"8130447265\",state=\"Busy\"} 56\nx_seconds{agent=\"8130447265\",state=\"Offline\"} 98\n";
        let meanings = meanings(lines.as_bytes(), 1_000);
        let [.., new_agent, busy, same_agent, offline] = repeats(&meanings)[..] else { panic!("{meanings:?}") };
        let line = |line: usize| lines.lines().nth(line).unwrap().len() + 1;
        assert_eq!(new_agent, ("\nx_seconds{agent=\"".len(), line(1)));
        assert_eq!(busy, ("\",state=\"Busy\"} ".len(), line(0) + line(1)));
        assert_eq!(same_agent, ("\nx_seconds{agent=\"8130447265\",state=\"".len(), line(2)));
        assert_eq!(offline, ("Offline\"} ".len(), line(1) + line(2)));
    }

    #[test]
    fn a_repetition_is_no_longer_and_no_farther_than_it_can_be() {
        assert_eq!(repeats(&meanings(&[b'x'; 600], 1_000)), [(258, 1), (258, 258), (83, 258)]);
        let far = |gap: usize| {
            let gap = (0..gap).map(|at| if at % 2 == 0 { b'0' } else { b'1' });
            let bytes: Vec<u8> = b"repeated".iter().copied().chain(gap).chain(*b"repeated").collect();
            repeats(&meanings(&bytes, usize::MAX)).last() == Some(&(8, bytes.len() - 8))
        };
        assert!(far(WINDOW - 8));
        assert!(!far(WINDOW - 7));
    }

    #[test]
    fn no_more_tokens_are_added_than_asked_for() {
        let bytes = b"1234567890 once, 1234567890 and once more, 1234567890";
        for most in 1..60 {
            assert!(!repeats(&meanings(bytes, most)).is_empty());
        }
    }
}
