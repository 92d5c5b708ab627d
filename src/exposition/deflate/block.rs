//! One deflate block, in whichever of the three ways takes least ([RFC 1951, section 3.2.3][rfc]).
//!
//! [rfc]: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.3

use super::bits::{BitWriter, Bits};
use super::header::Header;
use super::huffman;
use super::token::{DISTANCES, END, LITERALS, Meaning, Symbol, Token};
use crate::exposition::gzip;

/// The types of blocks, with the bit below them that is set in a member's last block alone.
const STORED: Bits = Bits::new(0b000, 3);
const FIXED: Bits = Bits::new(0b010, 3);
const DYNAMIC: Bits = Bits::new(0b100, 3);

/// How many bits a stored block takes at most besides its bytes, for each of the blocks that they are cut into.
const STORED_OVERHEAD: u64 = 3 + 7 + 4 * 8;

/// How often each symbol occurs in a block.
#[derive(Debug)]
struct Counts {
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
    /// How many bits stand behind the codes.
    extra: u64,
}

/// The lengths of a block's codes, in bits.
#[derive(Debug)]
pub(super) struct Lengths {
    pub(super) literals: Vec<u8>,
    pub(super) distances: Vec<u8>,
}

/// A block's codes.
#[derive(Debug)]
struct Codes {
    bytes: [Bits; 256],
    /// By the length of a repetition, with what stands behind the code.
    repeats: [Bits; 256],
    distances: Vec<Bits>,
    end: Bits,
}

/// Writes `tokens`, which speak of `bytes`.
pub(super) fn write(writer: &mut BitWriter<'_>, tokens: &[Token], bytes: &[u8]) {
    let counts = Counts::of(tokens);
    let (fixed, own) = (Lengths::fixed(), Lengths::of(&counts));
    let header = Header::of(&own);
    let with_fixed = counts.bits(&fixed);
    let with_own = header.bits() + counts.bits(&own);
    let stored = bytes.len() as u64 * 8 + bytes.len().div_ceil(gzip::MAX_STORED) as u64 * STORED_OVERHEAD;
    writer.reserve(stored.min(with_fixed).min(with_own));
    if stored < with_fixed.min(with_own) {
        bytes.chunks(gzip::MAX_STORED).for_each(|part| store(writer, part));
    } else if with_fixed <= with_own {
        writer.put(FIXED);
        Codes::new(&fixed).write(writer, tokens);
    } else {
        writer.put(DYNAMIC);
        header.write(writer);
        Codes::new(&own).write(writer, tokens);
    }
}

/// Writes a few bytes as they are. Behind them, a byte begins.
pub(super) fn store(writer: &mut BitWriter<'_>, bytes: &[u8]) {
    writer.put(STORED);
    gzip::stored(writer.align(), bytes);
}

// === impl Counts ===

impl Counts {
    fn of(tokens: &[Token]) -> Self {
        let mut counts = Self { literals: [0; LITERALS], distances: [0; DISTANCES], extra: 0 };
        let mut bytes = [0_u32; 256];
        let mut lengths = [0_u32; 256];
        for token in tokens {
            let (counted, at) = match token.meaning() {
                Meaning::Byte(byte) => (&mut bytes, byte),
                Meaning::Repeat { length, distance } => {
                    let Symbol { symbol, extra } = Symbol::of_distance(distance);
                    if let Some(count) = counts.distances.get_mut(symbol) {
                        *count += 1;
                    }
                    counts.extra += u64::from(extra.count);
                    (&mut lengths, length)
                }
            };
            if let Some(count) = counted.get_mut(usize::from(at)) {
                *count += 1;
            }
        }
        counts.literals.iter_mut().zip(bytes).for_each(|(literal, byte)| *literal = byte);
        for (count, length) in lengths.into_iter().zip(0..=u8::MAX) {
            let Symbol { symbol, extra } = Symbol::of_length(length);
            if let Some(literal) = counts.literals.get_mut(symbol) {
                *literal += count;
            }
            counts.extra += u64::from(extra.count) * u64::from(count);
        }
        if let Some(end) = counts.literals.get_mut(END) {
            *end = 1;
        }
        counts
    }

    /// How many bits a block takes with codes of such lengths.
    fn bits(&self, lengths: &Lengths) -> u64 {
        let sum = |counts: &[u32], lengths: &[u8]| -> u64 {
            counts.iter().zip(lengths).map(|(count, length)| u64::from(*count) * u64::from(*length)).sum()
        };
        sum(&self.literals, &lengths.literals) + sum(&self.distances, &lengths.distances) + self.extra
    }
}

// === impl Lengths ===

impl Lengths {
    /// The best ones for symbols that occur so often.
    fn of(counts: &Counts) -> Self {
        Self {
            literals: huffman::lengths(&counts.literals, huffman::MAX_LENGTH),
            distances: huffman::lengths(&counts.distances, huffman::MAX_LENGTH),
        }
    }

    /// Those that both sides know.
    fn fixed() -> Self {
        let literals = [(8, 144), (9, 112), (7, 24), (8, 8)];
        let literals =
            literals.into_iter().flat_map(|(length, symbols)| std::iter::repeat_n(length, symbols)).collect();
        Self { literals, distances: vec![5; 32] }
    }
}

// === impl Codes ===

impl Codes {
    fn new(lengths: &Lengths) -> Self {
        let literals = huffman::codes(&lengths.literals);
        let literal = |symbol: usize| literals.get(symbol).copied().unwrap_or_default();
        let (mut bytes, mut repeats) = ([Bits::default(); 256], [Bits::default(); 256]);
        bytes.iter_mut().zip(&literals).for_each(|(byte, code)| *byte = *code);
        for (repeat, length) in repeats.iter_mut().zip(0..=u8::MAX) {
            let Symbol { symbol, extra } = Symbol::of_length(length);
            *repeat = literal(symbol).then(extra);
        }
        Self { bytes, repeats, distances: huffman::codes(&lengths.distances), end: literal(END) }
    }

    fn write(&self, writer: &mut BitWriter<'_>, tokens: &[Token]) {
        for token in tokens {
            match token.meaning() {
                Meaning::Byte(byte) => writer.put(self.bytes.get(usize::from(byte)).copied().unwrap_or_default()),
                Meaning::Repeat { length, distance } => {
                    writer.put(self.repeats.get(usize::from(length)).copied().unwrap_or_default());
                    let Symbol { symbol, extra } = Symbol::of_distance(distance);
                    writer.put(self.distances.get(symbol).copied().unwrap_or_default().then(extra));
                }
            }
        }
        writer.put(self.end);
    }
}
