//! What deflate writes: a byte, or a repetition of bytes before it ([RFC 1951, section 3.2.5][rfc]).
//!
//! [rfc]: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.5

use super::bits::Bits;

/// The shortest repetition that there is, in bytes.
pub(super) const MIN_REPEAT: usize = 3;

/// The longest repetition that there is, in bytes.
pub(super) const MAX_REPEAT: usize = 258;

/// How far back a repetition may begin, in bytes.
pub(super) const WINDOW: usize = 32 * 1024;

/// The symbols for bytes, for the end of a block, and for the lengths of repetitions.
pub(super) const LITERALS: usize = 286;

/// The symbols for the distances of repetitions.
pub(super) const DISTANCES: usize = 30;

/// The symbol that ends a block.
pub(super) const END: usize = 256;

/// Tells a repetition from a byte.
const REPEAT: u32 = 1 << 31;

/// Where a repetition's length is.
const LENGTH_SHIFT: u32 = 16;

/// A byte, or how long and how far back a repetition is; in four bytes, as there are tens of thousands of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token(u32);

/// A token taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A byte as it is.
    Byte(u8),
    /// A repetition.
    Repeat {
        /// Its length less [`MIN_REPEAT`].
        length: u8,
        /// Its distance less one.
        distance: u16,
    },
}

/// A symbol, and the bits that stand behind its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) symbol: usize,
    pub(super) extra: Bits,
}

// === impl Token ===

impl Token {
    #[inline]
    pub(super) const fn byte(byte: u8) -> Self {
        Self(byte as u32)
    }

    /// A repetition of [`MIN_REPEAT`] and `length` more bytes that began `distance` and one more bytes before.
    #[inline]
    pub(super) const fn repeat(length: u8, distance: u16) -> Self {
        Self(REPEAT | (length as u32) << LENGTH_SHIFT | distance as u32)
    }

    #[inline]
    pub(super) const fn meaning(self) -> Meaning {
        let [low, high, length, _] = self.0.to_le_bytes();
        if self.0 & REPEAT == 0 {
            Meaning::Byte(low)
        } else {
            Meaning::Repeat { length, distance: u16::from_le_bytes([low, high]) }
        }
    }
}

// === impl Symbol ===

impl Symbol {
    /// Of a length less [`MIN_REPEAT`].
    pub(super) fn of_length(length: u8) -> Self {
        /// The longest one has a symbol of its own, so that it takes no further bits.
        const LONGEST: usize = 285;
        const FIRST: u32 = 257;
        if length == u8::MAX {
            return Self { symbol: LONGEST, extra: Bits::default() };
        }
        Self::of(u32::from(length), 2, FIRST)
    }

    /// Of a distance less one.
    #[inline]
    pub(super) fn of_distance(distance: u16) -> Self {
        Self::of(u32::from(distance), 1, 0)
    }

    /// Values are grouped by their highest bit, and each group is cut into 2ᵏ symbols, where k is `fineness`: the
    /// highest bit and the k bits below it make the symbol, and the rest stands behind it.
    #[inline]
    fn of(value: u32, fineness: u32, first: u32) -> Self {
        let highest = (value | 1).ilog2();
        let count = highest.saturating_sub(fineness);
        let symbol = first + (count << fineness) + (value >> count);
        Self { symbol: symbol as usize, extra: Bits::new(value & ((1 << count) - 1), count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_mean_what_they_were_made_of() {
        for byte in 0..=u8::MAX {
            assert_eq!(Token::byte(byte).meaning(), Meaning::Byte(byte));
            for distance in [0, 1, 255, 256, 32_767] {
                let meaning = Meaning::Repeat { length: byte, distance };
                assert_eq!(Token::repeat(byte, distance).meaning(), meaning);
            }
        }
    }

    #[test]
    fn symbols_are_those_of_the_standard() {
        // Both tables of RFC 1951, section 3.2.5: first value, symbol, bits behind it.
        let lengths = [
            (3, 257, 0),
            (4, 258, 0),
            (9, 263, 0),
            (10, 264, 0),
            (11, 265, 1),
            (13, 266, 1),
            (17, 268, 1),
            (19, 269, 2),
            (31, 272, 2),
            (35, 273, 3),
            (59, 276, 3),
            (67, 277, 4),
            (115, 280, 4),
            (131, 281, 5),
            (227, 284, 5),
            (258, 285, 0),
        ];
        for (length, symbol, count) in lengths {
            let expected = Symbol { symbol, extra: Bits::new(0, count) };
            assert_eq!(Symbol::of_length(u8::try_from(length - 3).unwrap()), expected, "{length}");
        }
        assert_eq!(Symbol::of_length(254), Symbol { symbol: 284, extra: Bits::new(30, 5) });
        let distances = [
            (1, 0, 0),
            (2, 1, 0),
            (4, 3, 0),
            (5, 4, 1),
            (7, 5, 1),
            (9, 6, 2),
            (13, 7, 2),
            (193, 15, 6),
            (257, 16, 7),
            (6_145, 25, 11),
            (16_385, 28, 13),
            (24_577, 29, 13),
        ];
        for (distance, symbol, count) in distances {
            let expected = Symbol { symbol, extra: Bits::new(0, count) };
            assert_eq!(Symbol::of_distance(distance - 1), expected, "{distance}");
        }
        assert_eq!(Symbol::of_distance(32_767), Symbol { symbol: 29, extra: Bits::new(8_191, 13) });
    }
}
