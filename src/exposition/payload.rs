//! A response's body out of blocks: nothing is encoded here, and only what is small is copied.

use std::sync::Arc;

use bytes::Bytes;

use super::block::Rendered;
use super::gzip::{self, Checksum};
use super::{Block, Encoding, ExpositionError, Format, LeftOut, Negotiated};

/// What ends an OpenMetrics document, once.
const EOF: &[u8] = b"# EOF\n";

/// Neighbours shorter than this are copied into one chunk: the copy takes less time than the sending of a chunk.
const SMALL: usize = 8 * 1024;

/// From this many bytes on, joining two checksums takes less time than going over the bytes.
const JOIN_FROM: u64 = 4 * 1024;

/// The room for what stands around the blocks: head and tail of a gzip member, `# EOF`.
const ENDS: usize = 64;

/// A response's body and what is to be said of it in headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// The body, in order.
    pub chunks: Vec<Bytes>,
    /// The sum of the chunks' lengths, in bytes.
    pub content_length: u64,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `Content-Encoding`, where one is needed.
    pub content_encoding: Option<&'static str>,
    /// Blocks whose families clash with those of an earlier block. They are left out as a whole.
    pub left_out: LeftOut,
}

/// Chunks with small neighbours joined.
#[derive(Debug, Default)]
struct Chunks {
    done: Vec<Bytes>,
    /// The small ones since the last large one.
    small: Vec<u8>,
}

/// Puts `blocks` one behind the other into one valid document of the negotiated format and encoding.
///
/// Its cost depends on the number of blocks and families, not on the number of samples.
pub fn assemble(blocks: &[Arc<Block>], negotiated: Negotiated) -> Payload {
    let (blocks, left_out) = without_clashes(blocks);
    let mut chunks = Chunks::default();
    match negotiated.encoding {
        Encoding::Identity => list_plain(&mut chunks, &blocks, negotiated.format),
        Encoding::Gzip => list_gzip(&mut chunks, &blocks, negotiated.format),
    }
    let (chunks, content_length) = chunks.finish();
    Payload {
        chunks,
        content_length,
        content_type: negotiated.format.content_type(),
        content_encoding: negotiated.encoding.content_encoding(),
        left_out,
    }
}

fn list_plain(chunks: &mut Chunks, blocks: &[&Block], format: Format) {
    let plain = || blocks.iter().flat_map(|block| &block.rendered(format).plain);
    chunks.expect(plain().map(Bytes::len));
    plain().for_each(|chunk| chunks.push(chunk));
    if format == Format::OpenMetrics {
        chunks.copy(EOF);
    }
}

fn list_gzip(chunks: &mut Chunks, blocks: &[&Block], format: Format) {
    let rendered = || blocks.iter().map(|block| block.rendered(format));
    chunks.expect(rendered().flat_map(in_member).map(Bytes::len));
    chunks.copy(gzip::HEAD);
    let mut checksum = Checksum::default();
    for Rendered { plain, packed } in rendered() {
        match packed {
            Some(packed) => packed.chunks.iter().for_each(|chunk| chunks.push(chunk)),
            None => plain.iter().for_each(|bytes| gzip::store(&mut chunks.small, bytes)),
        }
        checksum = match packed {
            Some(packed) if packed.checksum.len() >= JOIN_FROM => checksum.join(packed.checksum),
            _ => plain.iter().fold(checksum, |all, bytes| all.with(bytes)),
        };
    }
    if format == Format::OpenMetrics {
        gzip::store(&mut chunks.small, EOF);
        checksum = checksum.with(EOF);
    }
    chunks.copy(&gzip::tail(checksum));
}

/// What of a block goes into a gzip member.
fn in_member(Rendered { plain, packed }: &Rendered) -> &[Bytes] {
    packed.as_ref().map_or(plain, |packed| &packed.chunks)
}

/// The blocks less those that would write a name which an earlier one writes.
fn without_clashes(blocks: &[Arc<Block>]) -> (Vec<&Block>, LeftOut) {
    if all_differ(blocks.iter().flat_map(|block| block.claims()).copied()) {
        return (blocks.iter().map(|block| &**block).collect(), LeftOut::default());
    }
    let mut kept: Vec<&Block> = Vec::with_capacity(blocks.len());
    let mut left_out = LeftOut::default();
    for block in blocks {
        match clash(&kept, block) {
            Some(error) => left_out.add(error, u64::try_from(block.samples()).unwrap_or(u64::MAX)),
            None => kept.push(block),
        }
    }
    (kept, left_out)
}

/// Whether no two of `hashes` are the same. Of very many, and where one is 0, it says no without having looked.
///
/// Every scrape asks this of some ninety names, so it takes a table on the stack instead of a set.
fn all_differ(hashes: impl Iterator<Item = u64>) -> bool {
    const SLOTS: usize = 512;
    let mut table = [0; SLOTS];
    for (number, hash) in hashes.enumerate() {
        if hash == 0 || number >= SLOTS / 2 {
            return false;
        }
        let (before, from) = table.split_at_mut(usize::try_from(hash % SLOTS as u64).unwrap_or_default());
        // Half of the slots are free, so one is found.
        for slot in from.iter_mut().chain(before) {
            if *slot == hash {
                return false;
            }
            if *slot == 0 {
                *slot = hash;
                break;
            }
        }
    }
    true
}

/// The first clash of a family in `block` with one in a block that comes before it.
fn clash(earlier: &[&Block], block: &Block) -> Option<ExpositionError> {
    let others = || earlier.iter().flat_map(|other| other.families());
    block.families().iter().find_map(|family| {
        let other = others().find(|other| other.clashes_with(family))?;
        Some(ExpositionError::NameClash { family: family.name, other: other.name })
    })
}

// === impl Chunks ===

impl Chunks {
    /// Makes room for those of the chunks to come that will be copied.
    fn expect(&mut self, lengths: impl Iterator<Item = usize>) {
        self.small.reserve(lengths.filter(|length| *length < SMALL).sum::<usize>() + ENDS);
    }

    fn push(&mut self, chunk: &Bytes) {
        if chunk.len() < SMALL {
            self.copy(chunk);
        } else {
            self.close_small();
            self.done.push(chunk.clone());
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.done.push(Bytes::from(std::mem::take(&mut self.small)));
        }
    }

    fn finish(mut self) -> (Vec<Bytes>, u64) {
        self.close_small();
        let length: usize = self.done.iter().map(Bytes::len).sum();
        (self.done, u64::try_from(length).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::exposition::{BlockBuilder, Family, Kind, Packing};

    const ONE: Family = Family { name: "one", help: "Help.", kind: Kind::Gauge, unit: None, labels: &["n"] };
    const TWO: Family = Family { name: "two", ..ONE };
    const ONE_TOTAL: Family = Family { name: "one_total", kind: Kind::Counter, ..ONE };

    fn block(family: &'static Family, samples: usize, packing: Packing) -> Arc<Block> {
        let mut builder = BlockBuilder::new();
        let mut all = builder.family(family);
        (0..samples).for_each(|n| all.sample(&[&n.to_string()], 1.0));
        builder.finish(packing).into()
    }

    fn body(blocks: &[Arc<Block>], format: Format, encoding: Encoding) -> String {
        let payload = assemble(blocks, Negotiated { format, encoding });
        let bytes = payload.chunks.concat();
        assert_eq!(bytes.len() as u64, payload.content_length);
        assert_eq!(payload.content_type, format.content_type());
        assert_eq!(payload.content_encoding, encoding.content_encoding());
        match encoding {
            Encoding::Identity => String::from_utf8(bytes).unwrap(),
            Encoding::Gzip => {
                let mut decoder = GzDecoder::new(&bytes[..]);
                let mut text = String::new();
                decoder.read_to_string(&mut text).unwrap();
                assert!(decoder.into_inner().is_empty(), "one member, and nothing behind it");
                text
            }
        }
    }

    #[test]
    fn all_four_ways_say_the_same_for_few_and_for_many_samples() {
        for samples in [0, 1, 100, 5_000] {
            let blocks = [block(&ONE, samples, Packing::Deflated), block(&TWO, samples, Packing::Stored)];
            let text = body(&blocks, Format::Text, Encoding::Identity);
            assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 2 * samples);
            let openmetrics = body(&blocks, Format::OpenMetrics, Encoding::Identity);
            assert_eq!(openmetrics, format!("{text}# EOF\n"));
            assert_eq!(body(&blocks, Format::Text, Encoding::Gzip), text);
            assert_eq!(body(&blocks, Format::OpenMetrics, Encoding::Gzip), openmetrics);
        }
    }

    #[test]
    fn many_samples_are_held_once_and_not_copied() {
        let blocks = [block(&ONE, 5_000, Packing::Deflated)];
        let largest = |format| {
            let payload = assemble(&blocks, Negotiated { format, encoding: Encoding::Identity });
            payload.chunks.into_iter().max_by_key(Bytes::len).unwrap().as_ptr()
        };
        assert_eq!(largest(Format::Text), largest(Format::OpenMetrics));
    }

    #[test]
    fn small_blocks_make_one_chunk() {
        let blocks = [block(&ONE, 3, Packing::Deflated), block(&TWO, 3, Packing::Stored)];
        for encoding in [Encoding::Identity, Encoding::Gzip] {
            assert_eq!(assemble(&blocks, Negotiated { format: Format::OpenMetrics, encoding }).chunks.len(), 1);
        }
    }

    #[test]
    fn a_block_that_clashes_with_an_earlier_one_is_left_out() {
        let blocks = [&ONE, &TWO, &ONE_TOTAL].map(|family| block(family, 3, Packing::Deflated));
        let payload = assemble(&blocks, Negotiated::default());
        let error = ExpositionError::NameClash { family: "one_total", other: "one" };
        assert_eq!(payload.left_out.iter().collect::<Vec<_>>(), [(error, 3)]);
        assert_eq!(
            payload,
            Payload { left_out: payload.left_out.clone(), ..assemble(&blocks[..2], Negotiated::default()) }
        );
    }

    #[test]
    fn hashes_that_are_there_twice_are_found_and_others_are_not_held_for_the_same() {
        let far = |count: u64| (1..=count).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // All of these belong into the last slot.
        let crowded = |count: u64| (1..=count).map(|n| n * 512 - 1);
        assert!(all_differ(std::iter::empty()) && all_differ(far(200)) && all_differ(crowded(200)));
        for again in [1, 100, 200] {
            assert!(!all_differ(far(200).chain(far(200).nth(again - 1))));
            assert!(!all_differ(crowded(200).chain(crowded(200).nth(again - 1))));
        }
        assert!(!all_differ(far(1_000)), "more than there is room for");
        assert!(!all_differ([7, 0].into_iter()), "0 is what is not there");
    }

    #[test]
    fn no_blocks_make_an_empty_document() {
        assert_eq!(body(&[], Format::Text, Encoding::Identity), "");
        assert_eq!(body(&[], Format::Text, Encoding::Gzip), "");
        assert_eq!(body(&[], Format::OpenMetrics, Encoding::Gzip), "# EOF\n");
    }
}
