//! Joins blocks to the body of a response. Nothing is encoded here, and only small chunks are copied.

use std::sync::Arc;

use bytes::Bytes;

use super::chunks::{ChunkList, MIN_SHARED_BYTES};
use super::gzip::{self, Checksum};
use super::{Block, Encoding, Format, Negotiated};

/// The end of an OpenMetrics document.
const EOF: &[u8] = b"# EOF\n";

/// Capacity for the header and trailer of a gzip member and for `# EOF`, in bytes.
const ENDS_BYTES: usize = 64;

/// The body of a response, with the headers that describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// The body, in order.
    pub chunks: Vec<Bytes>,
    /// The sum of the chunks' lengths, in bytes.
    pub content_length: u64,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `Content-Encoding`, if the body has one.
    pub content_encoding: Option<&'static str>,
}

/// Joins `blocks` to one document in the negotiated format and encoding. No family may be in two blocks.
///
/// Its cost depends on the number of blocks and families, not on the number of samples.
pub fn assemble(blocks: &[Arc<Block>], negotiated: Negotiated) -> Payload {
    let Negotiated { format, encoding } = negotiated;
    let chunks = match encoding {
        Encoding::Identity => plain(blocks, format),
        Encoding::Gzip => gzip_member(blocks, format),
    };
    let length: usize = chunks.iter().map(Bytes::len).sum();
    Payload {
        chunks,
        content_length: u64::try_from(length).unwrap_or(u64::MAX),
        content_type: format.content_type(),
        content_encoding: encoding.content_encoding(),
    }
}

fn plain(blocks: &[Arc<Block>], format: Format) -> Vec<Bytes> {
    let pieces = || blocks.iter().flat_map(|block| &block.pieces(format).pieces);
    let mut chunks = ChunkList::with_capacity(copied_bytes(pieces().map(|piece| &piece.plain)));
    for piece in pieces() {
        chunks.push(&piece.plain);
    }
    if format == Format::OpenMetrics {
        chunks.small().extend_from_slice(EOF);
    }
    chunks.into_chunks()
}

fn gzip_member(blocks: &[Arc<Block>], format: Format) -> Vec<Bytes> {
    let pieces = || blocks.iter().flat_map(|block| &block.pieces(format).pieces);
    let sent = pieces().map(|piece| piece.deflated.as_ref().unwrap_or(&piece.plain));
    let mut chunks = ChunkList::with_capacity(copied_bytes(sent));
    chunks.small().extend_from_slice(gzip::HEADER);
    for piece in pieces() {
        match &piece.deflated {
            Some(deflated) => chunks.push(deflated),
            None => gzip::store(chunks.small(), &piece.plain),
        }
    }
    let checksums = blocks.iter().map(|block| block.pieces(format).checksum);
    let mut checksum = checksums.fold(Checksum::default(), Checksum::join);
    if format == Format::OpenMetrics {
        gzip::store(chunks.small(), EOF);
        checksum = checksum.with(EOF);
    }
    chunks.small().extend_from_slice(&gzip::trailer(checksum));
    chunks.into_chunks()
}

/// The bytes that a [`ChunkList`] of these chunks copies, and what is around them.
fn copied_bytes<'a>(chunks: impl Iterator<Item = &'a Bytes>) -> usize {
    chunks.map(Bytes::len).filter(|length| *length < MIN_SHARED_BYTES).sum::<usize>() + ENDS_BYTES
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::exposition::{BlockBuilder, Family, Kind, Packing};

    const ONE: Family = Family { name: "one", help: "Help.", kind: Kind::Gauge, unit: None, labels: &["n"] };
    const TWO: Family = Family { name: "two", ..ONE };

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
                assert!(decoder.into_inner().is_empty(), "one member and nothing after it");
                text
            }
        }
    }

    #[test]
    fn formats_and_encodings_have_the_same_samples() {
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
    fn large_families_are_shared_by_both_formats() {
        let blocks = [block(&ONE, 5_000, Packing::Deflated)];
        let largest = |format| {
            let payload = assemble(&blocks, Negotiated { format, encoding: Encoding::Identity });
            payload.chunks.into_iter().max_by_key(Bytes::len).unwrap().as_ptr()
        };
        assert_eq!(largest(Format::Text), largest(Format::OpenMetrics));
    }

    #[test]
    fn small_blocks_are_joined_to_one_chunk() {
        let blocks = [block(&ONE, 3, Packing::Deflated), block(&TWO, 3, Packing::Stored)];
        for encoding in [Encoding::Identity, Encoding::Gzip] {
            assert_eq!(assemble(&blocks, Negotiated { format: Format::OpenMetrics, encoding }).chunks.len(), 1);
        }
    }

    #[test]
    fn no_blocks_are_an_empty_document() {
        assert_eq!(body(&[], Format::Text, Encoding::Identity), "");
        assert_eq!(body(&[], Format::Text, Encoding::Gzip), "");
        assert_eq!(body(&[], Format::OpenMetrics, Encoding::Gzip), "# EOF\n");
    }
}
