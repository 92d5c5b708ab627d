//! Compresses sample lines ([RFC 1951][rfc]): any bytes, but fast and well what repeats as they do.
//!
//! General compressors look for repetitions everywhere, which is most of their work. Here one look is enough, as
//! [`repeats`] tells; what is found is written in blocks with codes of their own.
//!
//! [rfc]: https://www.rfc-editor.org/rfc/rfc1951

mod bits;
mod block;
mod header;
mod huffman;
mod repeats;
mod token;

use self::bits::BitWriter;
use self::repeats::Repeats;

/// How many tokens make a block: enough that its codes are a hundredth of it, and few enough to be held in 128 KiB.
const BLOCK_TOKENS: usize = 32 * 1024;

/// The most bytes that are looked at as one, so that places in them are numbers of 32 bits.
const MAX_BYTES: usize = 1 << 30;

/// Appends `bytes` as blocks that end on a byte boundary and refer to nothing before them.
pub(super) fn deflate(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let mut tokens = Vec::new();
    let mut writer = BitWriter::new(out);
    for part in bytes.chunks(MAX_BYTES) {
        let mut repeats = Repeats::new(part);
        loop {
            tokens.clear();
            let taken = repeats.fill(&mut tokens, BLOCK_TOKENS);
            if taken.is_empty() {
                break;
            }
            block::write(&mut writer, &tokens, taken);
        }
    }
    // A stored block ends on a byte boundary, and an empty one will do.
    block::store(&mut writer, &[]);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::DeflateDecoder;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What is written before the bytes of interest, so that it shows if anything refers to it.
    const BEFORE: &[u8] = b"before before";

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut out = BEFORE.to_vec();
        deflate(&mut out, bytes);
        out.split_off(BEFORE.len())
    }

    /// Reads as another library does, with an empty last block behind the bytes.
    fn inflated(deflated: &[u8]) -> Vec<u8> {
        let whole = [deflated, &[1, 0, 0, 0xff, 0xff]].concat();
        let mut decoder = DeflateDecoder::new(&*whole);
        let mut bytes = Vec::new();
        decoder.read_to_end(&mut bytes).unwrap();
        assert_eq!(decoder.total_in(), whole.len() as u64);
        bytes
    }

    fn lines(agents: u64) -> Vec<u8> {
        let number = |agent: u64, salt: u64| (agent + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let line = |agent, (salt, state)| {
            let (id, value) = (number(agent, 0), number(agent, salt) % 86_400);
            format!("cxone_agent_state_seconds{{agent=\"{id}\",state=\"{state}\"}} {value}\n")
        };
        let states = [(1, "Available"), (2, "Busy"), (3, "WrapUp"), (4, "Offline")];
        (0..agents).flat_map(|agent| states.map(|state| line(agent, state))).collect::<String>().into_bytes()
    }

    /// Bytes without any order.
    fn noise(bytes: u32) -> Vec<u8> {
        (0..bytes / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).rotate_left(n % 32).to_le_bytes()).collect()
    }

    #[test]
    fn sample_lines_take_a_ninth() {
        let lines = lines(5_000);
        let deflated = deflated(&lines);
        assert_eq!(inflated(&deflated), lines);
        assert!(deflated.len() < lines.len() / 9, "{} of {}", deflated.len(), lines.len());
    }

    #[test]
    fn each_way_of_writing_a_block_can_be_read() {
        // Fixed codes, codes of its own, and as it is; the last in more than one stored block.
        for (bytes, most) in [(b"one two one".to_vec(), 30), (lines(20), 1_500), (noise(300_000), 300_100)] {
            let deflated = deflated(&bytes);
            assert_eq!(inflated(&deflated), bytes);
            assert!(deflated.len() <= most, "{} of {}", deflated.len(), bytes.len());
        }
        let mixed = [lines(3_000), noise(200_000), vec![b'x'; 300_000], lines(100)].concat();
        assert_eq!(inflated(&deflated(&mixed)), mixed);
    }

    #[test]
    fn nothing_takes_nothing() {
        assert_eq!(deflated(b""), b"");
    }

    /// Pieces that come again and again, as in text, with others in between.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let words = vec(vec(any::<u8>(), 1..40), 1..8);
        (words, vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 0..400)).prop_map(|(words, order)| {
            let word = |(word, times, between): (prop::sample::Index, u8, u8)| {
                let mut bytes = word.get(&words).repeat(times.into());
                bytes.push(between);
                bytes
            };
            order.into_iter().flat_map(word).collect()
        })
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(inflated(&deflated(&bytes)), bytes);
        }

        #[test]
        fn any_text_comes_back(bytes in texts()) {
            prop_assert_eq!(inflated(&deflated(&bytes)), bytes);
        }
    }
}
