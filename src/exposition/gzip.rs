//! One gzip member out of pieces that were compressed beforehand ([RFC 1951][deflate], [RFC 1952][gzip]).
//!
//! A piece is a run of deflate blocks that ends on a byte boundary and refers to nothing before itself, so pieces can
//! stand behind each other in any order. A member is the head, pieces, and a tail with an empty last block, the
//! CRC-32 and the length of everything; the CRC is combined from those of the pieces without looking at their bytes.
//! Members could be concatenated as well, but some clients (curl among them) read only the first.
//!
//! [deflate]: https://www.rfc-editor.org/rfc/rfc1951
//! [gzip]: https://www.rfc-editor.org/rfc/rfc1952

use crc32fast::Hasher;

/// The head of a member: deflate, no name, no time, and `255` for an operating system that is nobody's concern.
pub(super) const HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The length of what [`tail`] returns.
pub(super) const TAIL_LEN: usize = 5 + 4 + 4;

/// An empty stored block, marked as the last one.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// The most bytes that a stored block can hold: its length has 16 bits.
pub(super) const MAX_STORED: usize = 0xffff;

/// The length and CRC-32 of some bytes, which can be joined with those of the bytes behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Checksum {
    crc: u32,
    len: u64,
}

// === impl Checksum ===

impl Checksum {
    /// The checksum of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::default().with(bytes)
    }

    /// How many bytes these are.
    pub(super) const fn len(self) -> u64 {
        self.len
    }

    /// The checksum of these bytes with `next` behind them.
    pub(super) fn with(self, next: &[u8]) -> Self {
        let mut hasher = Hasher::new_with_initial_len(self.crc, self.len);
        hasher.update(next);
        Self { crc: hasher.finalize(), len: self.len + next.len() as u64 }
    }

    /// The checksum of these bytes with those that `next` is of behind them. Its cost hardly depends on their number.
    pub(super) fn join(self, next: Self) -> Self {
        if self.len == 0 {
            return next;
        }
        if next.len == 0 {
            return self;
        }
        let mut hasher = Hasher::new_with_initial_len(self.crc, self.len);
        hasher.combine(&Hasher::new_with_initial_len(next.crc, next.len));
        Self { crc: hasher.finalize(), len: self.len + next.len }
    }
}

/// Appends `bytes` as they are, in blocks that need no compressor.
pub(super) fn store(out: &mut Vec<u8>, bytes: &[u8]) {
    for part in bytes.chunks(MAX_STORED) {
        out.push(0);
        stored(out, part);
    }
}

/// Appends what follows the type of a stored block: the length of `part`, at most [`MAX_STORED`], and its bytes.
pub(super) fn stored(out: &mut Vec<u8>, part: &[u8]) {
    let len = u16::try_from(part.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(!len).to_le_bytes());
    out.extend_from_slice(part);
}

/// The end of a member that holds everything `all` speaks of.
pub(super) fn tail(all: Checksum) -> [u8; TAIL_LEN] {
    let [a, b, c, d, e] = LAST_BLOCK;
    let [f, g, h, i] = all.crc.to_le_bytes();
    // The length is kept modulo 2³².
    let [j, k, l, m, ..] = all.len.to_le_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m]
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::exposition::deflate::deflate;

    fn member(pieces: &[(bool, Vec<u8>)]) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        let mut all = Checksum::default();
        for (stored, bytes) in pieces {
            match stored {
                true => store(&mut out, bytes),
                false => deflate(&mut out, bytes),
            }
            assert_eq!(all.with(bytes), all.join(Checksum::of(bytes)));
            all = all.with(bytes);
        }
        out.extend_from_slice(&tail(all));
        out
    }

    fn read(member: &[u8]) -> Vec<u8> {
        let mut decoder = GzDecoder::new(member);
        let mut bytes = Vec::new();
        decoder.read_to_end(&mut bytes).unwrap();
        assert!(decoder.into_inner().is_empty(), "one member, and nothing behind it");
        bytes
    }

    #[test]
    fn pieces_longer_than_every_buffer_survive() {
        let long: Vec<u8> = (0_u32..400_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let pieces = [(true, long.clone()), (false, long.clone()), (false, vec![b'x'; 500_000])];
        assert_eq!(read(&member(&pieces)), pieces.map(|(_, bytes)| bytes).concat());
    }

    #[test]
    fn a_member_of_nothing_is_one() {
        assert_eq!(read(&member(&[])), b"");
    }

    proptest! {
        #[test]
        fn any_pieces_in_any_order_make_one_member(pieces in vec((any::<bool>(), vec(any::<u8>(), 0..300)), 0..8)) {
            let expected: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
            prop_assert_eq!(read(&member(&pieces)), expected);
        }
    }
}
