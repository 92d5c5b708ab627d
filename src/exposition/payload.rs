//! A response's body out of blocks: nothing is encoded here, and only what is small is copied.

use std::sync::Arc;

use bytes::Bytes;

use super::gzip::{self, Checksum};
use super::{Block, Encoding, ExpositionError, Format, LeftOut, Negotiated};

/// What ends an OpenMetrics document, once.
const EOF: &[u8] = b"# EOF\n";

/// Neighbours shorter than this are copied into one chunk: the copy takes less time than the sending of a chunk.
const SMALL: usize = 8 * 1024;

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
    small: Vec<u8>,
    len: usize,
}

/// Puts `blocks` one behind the other into one valid document of the negotiated format and encoding.
///
/// Its cost depends on the number of blocks and families, not on the number of samples.
pub fn assemble(blocks: &[Arc<Block>], negotiated: Negotiated) -> Payload {
    let Negotiated { format, encoding } = negotiated;
    let mut left_out = LeftOut::default();
    let mut chunks = Chunks::default();
    let mut checksum = Checksum::default();
    if encoding == Encoding::Gzip {
        chunks.copy(gzip::HEAD);
    }
    for (position, block) in blocks.iter().enumerate() {
        let earlier = blocks.get(..position).unwrap_or_default();
        if let Some(error) = clash(earlier, block) {
            left_out.add(error, u64::try_from(block.samples()).unwrap_or(u64::MAX));
            continue;
        }
        let rendered = block.rendered(format);
        match encoding {
            Encoding::Identity => rendered.plain.iter().for_each(|chunk| chunks.push(chunk)),
            Encoding::Gzip => {
                chunks.push(&rendered.packed);
                checksum = checksum.join(rendered.checksum);
            }
        }
    }
    match (encoding, format) {
        (Encoding::Identity, Format::Text) => {}
        (Encoding::Identity, Format::OpenMetrics) => chunks.copy(EOF),
        (Encoding::Gzip, Format::Text) => chunks.copy(&gzip::tail(checksum)),
        (Encoding::Gzip, Format::OpenMetrics) => {
            chunks.copy_with(|out| gzip::store(out, EOF));
            chunks.copy(&gzip::tail(checksum.join(Checksum::of(EOF))));
        }
    }
    let (chunks, content_length) = chunks.finish();
    Payload {
        chunks,
        content_length,
        content_type: format.content_type(),
        content_encoding: encoding.content_encoding(),
        left_out,
    }
}

/// The first clash of a family in `block` with one in a block that comes before it.
fn clash(earlier: &[Arc<Block>], block: &Block) -> Option<ExpositionError> {
    let others = || earlier.iter().flat_map(|other| other.families());
    block.families().iter().find_map(|family| {
        let other = others().find(|other| other.clashes_with(family))?;
        Some(ExpositionError::NameClash { family: family.name, other: other.name })
    })
}

// === impl Chunks ===

impl Chunks {
    fn push(&mut self, chunk: &Bytes) {
        if chunk.len() < SMALL {
            self.copy(chunk);
        } else {
            self.close_small();
            self.len += chunk.len();
            self.done.push(chunk.clone());
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.copy_with(|out| out.extend_from_slice(bytes));
    }

    fn copy_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.small.capacity() == 0 {
            self.small.reserve(SMALL);
        }
        let before = self.small.len();
        write(&mut self.small);
        self.len += self.small.len() - before;
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.done.push(Bytes::from(std::mem::take(&mut self.small)));
        }
    }

    fn finish(mut self) -> (Vec<Bytes>, u64) {
        self.close_small();
        (self.done, u64::try_from(self.len).unwrap_or(u64::MAX))
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
    fn no_blocks_make_an_empty_document() {
        assert_eq!(body(&[], Format::Text, Encoding::Identity), "");
        assert_eq!(body(&[], Format::Text, Encoding::Gzip), "");
        assert_eq!(body(&[], Format::OpenMetrics, Encoding::Gzip), "# EOF\n");
    }
}
