//! The codes of a block as they are written before it: their lengths, shortened twice ([RFC 1951, section 3.2.7][rfc]).
//!
//! [rfc]: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7

use super::bits::{BitWriter, Bits};
use super::block::Lengths;
use super::huffman;
use super::token::Symbol;

/// The symbols: lengths from 0 to 15, the last one again, and zeros in two ways.
const SYMBOLS: usize = 19;

/// The last length three to six times more.
const AGAIN: usize = 16;

/// Three to ten zeros.
const ZEROS: usize = 17;

/// 11 to 138 zeros.
const MANY_ZEROS: usize = 18;

/// In which order the lengths of the codes for these symbols come.
const ORDER: [usize; SYMBOLS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The longest code for such a symbol, in bits: what is written of its length has three.
const MAX_LENGTH: usize = 7;

/// The fewest symbols of each kind that a header can speak of.
const MIN_LITERALS: usize = 257;
const MIN_DISTANCES: usize = 1;
const MIN_WRITTEN: usize = 4;

/// How many bits their numbers take, and the length of a code for a symbol.
const LITERALS_BITS: u32 = 5;
const DISTANCES_BITS: u32 = 5;
const WRITTEN_BITS: u32 = 4;
const LENGTH_BITS: u32 = 3;

/// The lengths of a block's codes as they are written.
#[derive(Debug)]
pub(super) struct Header {
    literals: usize,
    distances: usize,
    symbols: Vec<Symbol>,
    /// Of the codes for the symbols, in their own order.
    lengths: Vec<u8>,
    /// How many of these are written.
    written: usize,
}

// === impl Header ===

impl Header {
    pub(super) fn of(lengths: &Lengths) -> Self {
        let literals = without_zeros(&lengths.literals, MIN_LITERALS);
        let distances = without_zeros(&lengths.distances, MIN_DISTANCES);
        // Both are one list for what repeats in them.
        let symbols = shortened(&[literals, distances].concat());
        let mut counts = [0; SYMBOLS];
        for Symbol { symbol, .. } in &symbols {
            if let Some(count) = counts.get_mut(*symbol) {
                *count += 1;
            }
        }
        let of_symbols = huffman::lengths(&counts, MAX_LENGTH);
        let lengths: Vec<u8> = ORDER.iter().filter_map(|symbol| of_symbols.get(*symbol).copied()).collect();
        let written = without_zeros(&lengths, MIN_WRITTEN).len();
        Self { literals: literals.len(), distances: distances.len(), symbols, lengths: of_symbols, written }
    }

    /// How many bits it takes.
    pub(super) fn bits(&self) -> u64 {
        let length = |symbol: &Symbol| self.lengths.get(symbol.symbol).copied().unwrap_or_default();
        let symbols: u64 =
            self.symbols.iter().map(|symbol| u64::from(length(symbol)) + u64::from(symbol.extra.count)).sum();
        u64::from(LITERALS_BITS + DISTANCES_BITS + WRITTEN_BITS)
            + self.written as u64 * u64::from(LENGTH_BITS)
            + symbols
    }

    pub(super) fn write(&self, writer: &mut BitWriter<'_>) {
        let number = |number: usize, least: usize| u32::try_from(number.saturating_sub(least)).unwrap_or_default();
        writer.put(Bits::new(number(self.literals, MIN_LITERALS), LITERALS_BITS));
        writer.put(Bits::new(number(self.distances, MIN_DISTANCES), DISTANCES_BITS));
        writer.put(Bits::new(number(self.written, MIN_WRITTEN), WRITTEN_BITS));
        for symbol in ORDER.iter().take(self.written) {
            let length = self.lengths.get(*symbol).copied().unwrap_or_default();
            writer.put(Bits::new(length.into(), LENGTH_BITS));
        }
        let codes = huffman::codes(&self.lengths);
        for Symbol { symbol, extra } in &self.symbols {
            writer.put(codes.get(*symbol).copied().unwrap_or_default().then(*extra));
        }
    }
}

/// Without the zeros at its end, as far as `least` allows.
fn without_zeros(lengths: &[u8], least: usize) -> &[u8] {
    let used = lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1);
    lengths.get(..used.max(least)).unwrap_or(lengths)
}

/// The lengths as symbols.
fn shortened(lengths: &[u8]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    let mut push = |symbol: usize, more: usize, count: u32| {
        symbols.push(Symbol { symbol, extra: Bits::new(u32::try_from(more).unwrap_or_default(), count) });
    };
    for run in lengths.chunk_by(|one, other| one == other) {
        let length = run.first().copied().unwrap_or_default();
        let mut left = run.len();
        if length > 0 {
            push(length.into(), 0, 0);
            left -= 1;
        }
        while left > 0 {
            let taken = match (length, left) {
                (0, 11..) => {
                    push(MANY_ZEROS, left.min(138) - 11, 7);
                    left.min(138)
                }
                (0, 3..) => {
                    push(ZEROS, left - 3, 3);
                    left
                }
                (1.., 3..) => {
                    push(AGAIN, left.min(6) - 3, 2);
                    left.min(6)
                }
                _ => {
                    push(length.into(), 0, 0);
                    1
                }
            };
            left -= taken;
        }
    }
    symbols
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shortened_can_be_told_again(runs in vec((0_u8..16, 1_usize..300), 0..20)) {
            let lengths: Vec<u8> = runs.into_iter().flat_map(|(length, times)| std::iter::repeat_n(length, times)).collect();
            let mut told: Vec<u8> = Vec::new();
            for Symbol { symbol, extra: Bits { bits, count } } in shortened(&lengths) {
                let bits = bits as usize;
                let (length, times) = match (symbol, count) {
                    (AGAIN, 2) => (*told.last().unwrap(), 3 + bits),
                    (ZEROS, 3) => (0, 3 + bits),
                    (MANY_ZEROS, 7) => (0, 11 + bits),
                    (length @ ..16, 0) => (u8::try_from(length).unwrap(), 1),
                    other => panic!("{other:?}"),
                };
                told.extend(std::iter::repeat_n(length, times));
            }
            prop_assert_eq!(told, lengths);
        }
    }

    #[test]
    fn zeros_are_left_out_at_the_end_and_no_farther_than_they_may_be() {
        assert_eq!(without_zeros(&[0, 1, 0, 0], 1), [0, 1]);
        assert_eq!(without_zeros(&[0, 1, 0, 0], 3), [0, 1, 0]);
        assert_eq!(without_zeros(&[0, 0], 1), [0]);
    }
}
