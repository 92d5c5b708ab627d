//! An immutable run of families, rendered and compressed once, sent any number of times.

use bytes::Bytes;

use super::builder::Span;
use super::deflate::deflate;
use super::gzip::{self, Checksum};
use super::{BlockBuilder, Family, Format, LeftOut, Packing};

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
    text: Rendered,
    openmetrics: Rendered,
}

/// A block in one format.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// The bytes, in order. Large pieces are shared with the other format.
    pub(super) plain: Vec<Bytes>,
    /// The same as deflate blocks that end on a byte boundary.
    pub(super) packed: Bytes,
    /// Of all the plain bytes.
    pub(super) checksum: Checksum,
}

/// A family's samples, with what is computed once for both formats.
struct Piece {
    family: &'static Family,
    bytes: Bytes,
    shared: Option<Shared>,
}

struct Shared {
    packed: Vec<u8>,
    checksum: Checksum,
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
            .map(|(span, end)| Piece::new(span, samples.slice(span.start..end), packing))
            .collect();
        Self {
            families: pieces.iter().map(|piece| piece.family).collect(),
            claims: pieces.iter().flat_map(|piece| piece.family.claims()).collect(),
            samples: spans.iter().map(|span| span.count).sum(),
            left_out,
            text: Rendered::new(Format::Text, &pieces, packing),
            openmetrics: Rendered::new(Format::OpenMetrics, &pieces, packing),
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

    pub(super) const fn rendered(&self, format: Format) -> &Rendered {
        match format {
            Format::Text => &self.text,
            Format::OpenMetrics => &self.openmetrics,
        }
    }
}

// === impl Piece ===

impl Piece {
    fn new(span: &Span, bytes: Bytes, packing: Packing) -> Self {
        let shared = (bytes.len() >= SHARED_FROM).then(|| {
            let mut packed = Vec::new();
            pack(&mut packed, &bytes, packing);
            Shared { packed, checksum: Checksum::of(&bytes) }
        });
        Self { family: span.family, bytes, shared }
    }
}

// === impl Rendered ===

impl Rendered {
    fn new(format: Format, pieces: &[Piece], packing: Packing) -> Self {
        let mut rendered = Self::default();
        let mut packed = Vec::new();
        let small = pieces.iter().filter(|piece| piece.shared.is_none()).map(|piece| piece.bytes.len() + METADATA);
        let mut run = Vec::with_capacity(small.sum());
        for Piece { family, bytes, shared } in pieces {
            family.write_metadata(format, &mut run);
            match shared {
                None => run.extend_from_slice(bytes),
                Some(shared) => {
                    rendered.close_run(&mut run, &mut packed, packing);
                    packed.extend_from_slice(&shared.packed);
                    rendered.plain.push(bytes.clone());
                    rendered.checksum = rendered.checksum.join(shared.checksum);
                }
            }
        }
        rendered.close_run(&mut run, &mut packed, packing);
        packed.shrink_to_fit();
        Self { packed: Bytes::from(packed), ..rendered }
    }

    /// Makes the metadata and the small families collected in `run` a chunk of their own.
    fn close_run(&mut self, run: &mut Vec<u8>, packed: &mut Vec<u8>, packing: Packing) {
        if run.is_empty() {
            return;
        }
        pack(packed, run, packing);
        self.checksum = self.checksum.join(Checksum::of(run));
        self.plain.push(Bytes::from(std::mem::take(run)));
    }
}

fn pack(out: &mut Vec<u8>, bytes: &[u8], packing: Packing) {
    match packing {
        Packing::Deflated => deflate(out, bytes),
        Packing::Stored => gzip::store(out, bytes),
    }
}
