//! An immutable run of families, rendered and compressed once, sent any number of times.

use std::sync::OnceLock;

use bytes::Bytes;

use super::builder::Span;
use super::deflate::deflate;
use super::gzip::Checksum;
use super::{BlockBuilder, ExpositionError, Family, Format, LeftOut, Packing};

/// From this many bytes on, a family's samples are held once for both formats. Below it they are copied into each
/// format's text, as a copy costs less than one more chunk in every response.
const SHARED_FROM: usize = 16 * 1024;

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

/// Families of a block that is not put together yet. Parts can be made on several threads.
#[derive(Debug)]
pub struct Part {
    pieces: Vec<Piece>,
    left_out: LeftOut,
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
    samples: usize,
    /// The same compressed, once for both formats, where they are many.
    packed: Option<Packed>,
}

// === impl Block ===

impl Block {
    /// A block of the families of `parts`, in their order. A family that clashes with one in an earlier part is left out.
    ///
    /// What is small is packed here, by `packing`.
    pub fn of(parts: impl IntoIterator<Item = Part>, packing: Packing) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut left_out = LeftOut::default();
        for part in parts {
            part.left_out.iter().for_each(|(error, samples)| left_out.add(error, samples));
            // A part has no clashes in itself.
            let earlier = pieces.len();
            for piece in part.pieces {
                let family = piece.family;
                let mut others = pieces.iter().take(earlier).map(|piece| piece.family);
                match others.find(|other| other.clashes_with(family)) {
                    Some(other) => left_out.add(
                        ExpositionError::NameClash { family: family.name, other: other.name },
                        u64::try_from(piece.samples).unwrap_or(u64::MAX),
                    ),
                    None => pieces.push(piece),
                }
            }
        }
        let block = Self {
            families: pieces.iter().map(|piece| piece.family).collect(),
            claims: pieces.iter().flat_map(|piece| piece.family.claims()).collect(),
            samples: pieces.iter().map(|piece| piece.samples).sum(),
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

// === impl Part ===

impl Part {
    pub(super) fn new(builder: BlockBuilder, packing: Packing) -> Self {
        let BlockBuilder { mut samples, spans, left_out, .. } = builder;
        samples.shrink_to_fit();
        let samples = Bytes::from(samples);
        let ends = spans.iter().skip(1).map(|span| span.start).chain([samples.len()]);
        let pieces = spans
            .iter()
            .zip(ends)
            .filter(|(span, end)| span.start < *end)
            .map(|(span, end)| Piece::new(span, samples.slice(span.start..end), packing))
            .collect();
        Self { pieces, left_out }
    }
}

// === impl Piece ===

impl Piece {
    fn new(span: &Span, bytes: Bytes, packing: Packing) -> Self {
        let is_shared = packing == Packing::Deflated && bytes.len() >= SHARED_FROM;
        let packed = is_shared.then(|| {
            let mut packed = Vec::new();
            deflate(&mut packed, &bytes);
            packed.shrink_to_fit();
            Packed { chunks: vec![Bytes::from(packed)], checksum: Checksum::of(&bytes) }
        });
        Self { family: span.family, bytes, samples: span.count, packed }
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
                if chunk.len() < SHARED_FROM {
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
