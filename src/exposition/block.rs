//! An immutable run of families, rendered and compressed once, sent any number of times.

use std::sync::OnceLock;

use bytes::Bytes;

use super::deflate::deflate;
use super::gzip::Checksum;
use super::{BlockBuilder, Family, Format, LeftOut, Packing};

/// From this many bytes on, a family's samples are held once for both formats. Below it they are copied into each
/// format's text, as a copy costs less than one more chunk in every response.
const SHARED_FROM: usize = 16 * 1024;

/// From this many bytes on, they are held once compressed as well. It takes thousands of agents to come to so many, and below
/// it an answer in one chunk is worth more than the memory.
const SHARED_PACKED_FROM: usize = 128 * 1024;

/// The room for one family's metadata, in bytes. A wrong guess costs a copy.
const METADATA: usize = 384;

/// An immutable run of families in both formats, plain and as a part of a gzip member.
#[derive(Debug)]
pub struct Block {
    families: Vec<&'static Family>,
    /// The hashes of all names that the families reserve.
    claims: Vec<u64>,
    samples: usize,
    left_out: LeftOut,
    /// What is rendered from, where that is left until somebody asks for a format.
    pieces: Vec<Piece>,
    text: OnceLock<Rendered>,
    openmetrics: OnceLock<Rendered>,
}

/// A block in one format.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// The bytes, in order. Large pieces are shared with the other format.
    pub(super) plain: Vec<Bytes>,
    /// The same compressed; `None` where they go into a gzip member as they are.
    pub(super) packed: Option<Packed>,
}

/// Compressed bytes.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Deflate blocks that end on a byte boundary, in order. Large pieces are shared with the other format.
    pub(super) chunks: Vec<Bytes>,
    /// Of all the plain bytes.
    pub(super) checksum: Checksum,
}

/// A family's samples.
#[derive(Debug)]
struct Piece {
    family: &'static Family,
    bytes: Bytes,
    /// The same compressed, once for both formats, where they are many.
    packed: Option<Packed>,
}

// === impl Block ===

impl Block {
    pub(super) fn new(builder: BlockBuilder, packing: Packing) -> Self {
        let BlockBuilder { mut samples, spans, left_out, .. } = builder;
        samples.shrink_to_fit();
        let samples = Bytes::from(samples);
        let ends = spans.iter().skip(1).map(|span| span.start).chain([samples.len()]);
        let pieces: Vec<Piece> = spans
            .iter()
            .zip(ends)
            .filter(|(span, end)| span.start < *end)
            .map(|(span, end)| Piece::new(span.family, samples.slice(span.start..end), packing))
            .collect();
        let block = Self {
            families: pieces.iter().map(|piece| piece.family).collect(),
            claims: pieces.iter().flat_map(|piece| piece.family.claims()).collect(),
            samples: spans.iter().map(|span| span.count).sum(),
            left_out,
            pieces,
            text: OnceLock::new(),
            openmetrics: OnceLock::new(),
        };
        match packing {
            Packing::Stored => block,
            // Nobody who scrapes should have to wait for it.
            Packing::Deflated => block.compressed(),
        }
    }

    /// The families that have samples.
    pub fn families(&self) -> &[&'static Family] {
        &self.families
    }

    /// The number of sample lines.
    pub const fn samples(&self) -> usize {
        self.samples
    }

    /// What was left out, and why.
    pub const fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    pub(super) fn claims(&self) -> &[u64] {
        &self.claims
    }

    pub(super) fn rendered(&self, format: Format) -> &Rendered {
        let rendered = match format {
            Format::Text => &self.text,
            Format::OpenMetrics => &self.openmetrics,
        };
        rendered.get_or_init(|| Rendered::stored(format, &self.pieces))
    }

    /// Compresses the pieces for both formats, after which they are not needed any more.
    fn compressed(mut self) -> Self {
        let pieces = std::mem::take(&mut self.pieces);
        let render = |format| OnceLock::from(Rendered::compressed(format, &pieces));
        Self { text: render(Format::Text), openmetrics: render(Format::OpenMetrics), ..self }
    }
}

// === impl Piece ===

impl Piece {
    fn new(family: &'static Family, bytes: Bytes, packing: Packing) -> Self {
        let is_shared = packing == Packing::Deflated && bytes.len() >= SHARED_FROM;
        let packed = is_shared.then(|| {
            let mut packed = Vec::new();
            deflate(&mut packed, &bytes);
            packed.shrink_to_fit();
            Packed { chunks: vec![Bytes::from(packed)], checksum: Checksum::of(&bytes) }
        });
        Self { family, bytes, packed }
    }
}

// === impl Rendered ===

impl Rendered {
    fn stored(format: Format, pieces: &[Piece]) -> Self {
        let mut all = Vec::with_capacity(pieces.iter().map(|piece| piece.bytes.len() + METADATA).sum());
        for Piece { family, bytes, .. } in pieces {
            family.write_metadata(format, &mut all);
            all.extend_from_slice(bytes);
        }
        Self { plain: vec![Bytes::from(all)], packed: None }
    }

    fn compressed(format: Format, pieces: &[Piece]) -> Self {
        let small = pieces.iter().filter(|piece| piece.packed.is_none()).map(|piece| piece.bytes.len() + METADATA);
        let mut run = Vec::with_capacity(small.sum());
        let mut rendered = Self { plain: Vec::new(), packed: None };
        let mut chunks = Vec::new();
        let mut packed = Vec::new();
        let mut checksum = Checksum::default();
        for Piece { family, bytes, packed: shared, .. } in pieces {
            family.write_metadata(format, &mut run);
            let Some(shared) = shared else {
                run.extend_from_slice(bytes);
                continue;
            };
            checksum = checksum.join(rendered.close_run(&mut run, &mut packed)).join(shared.checksum);
            for chunk in &shared.chunks {
                if chunk.len() < SHARED_PACKED_FROM {
                    packed.extend_from_slice(chunk);
                } else {
                    chunks.extend([Bytes::from(std::mem::take(&mut packed).into_boxed_slice()), chunk.clone()]);
                }
            }
            rendered.plain.push(bytes.clone());
        }
        checksum = checksum.join(rendered.close_run(&mut run, &mut packed));
        chunks.push(Bytes::from(packed.into_boxed_slice()));
        Self { packed: Some(Packed { chunks, checksum }), ..rendered }
    }

    /// Makes the metadata and the small families collected in `run` a chunk of their own, and compresses them.
    fn close_run(&mut self, run: &mut Vec<u8>, packed: &mut Vec<u8>) -> Checksum {
        if run.is_empty() {
            return Checksum::default();
        }
        deflate(packed, run);
        let checksum = Checksum::of(run);
        self.plain.push(Bytes::from(std::mem::take(run)));
        checksum
    }
}
