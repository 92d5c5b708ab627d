//! An immutable run of families, rendered and compressed once and sent any number of times.

use bytes::Bytes;

use super::chunks::MIN_SHARED_BYTES;
use super::gzip::{self, Checksum};
use super::{BlockBuilder, Family, Format, LeftOut, Packing};

/// Capacity for one family's metadata, in bytes. If it is too small, the buffer is copied once.
const METADATA_BYTES: usize = 384;

/// An immutable run of families in both formats, plain and as a part of a gzip member.
#[derive(Debug)]
pub struct Block {
    families: Vec<&'static Family>,
    samples: usize,
    left_out: LeftOut,
    text: Pieces,
    openmetrics: Pieces,
}

/// A block in one format.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) pieces: Vec<Piece>,
    /// The checksum of all of them. Joining those of a scrape's twenty pieces would take longer than all else.
    pub(super) checksum: Checksum,
}

/// Some lines of a block. Large pieces are shared by both formats.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) plain: Bytes,
    /// The same as deflate blocks; `None` if it is stored in a gzip member as it is.
    pub(super) deflated: Option<Bytes>,
    pub(super) checksum: Checksum,
}

/// The sample lines of one family.
#[derive(Debug)]
struct FamilySamples {
    family: &'static Family,
    lines: Bytes,
    /// The same as a piece of its own, if it is large.
    shared: Option<Piece>,
}

// === impl Block ===

impl Block {
    pub(super) fn new(builder: BlockBuilder, packing: Packing) -> Self {
        let BlockBuilder { mut samples, spans, left_out, .. } = builder;
        samples.shrink_to_fit();
        let samples = Bytes::from(samples);
        let ends = spans.iter().skip(1).map(|span| span.start).chain([samples.len()]);
        let families: Vec<FamilySamples> = spans
            .iter()
            .zip(ends)
            .filter(|(span, end)| span.start < *end)
            .map(|(span, end)| FamilySamples::new(span.family, samples.slice(span.start..end), packing))
            .collect();
        Self {
            families: families.iter().map(|samples| samples.family).collect(),
            samples: spans.iter().map(|span| span.count).sum(),
            left_out,
            text: render(Format::Text, &families, packing),
            openmetrics: render(Format::OpenMetrics, &families, packing),
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

    /// The samples that were left out, and why.
    pub const fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    pub(super) const fn pieces(&self, format: Format) -> &Pieces {
        match format {
            Format::Text => &self.text,
            Format::OpenMetrics => &self.openmetrics,
        }
    }
}

fn render(format: Format, families: &[FamilySamples], packing: Packing) -> Pieces {
    let copied = families.iter().filter(|samples| samples.shared.is_none());
    let mut run = Vec::with_capacity(copied.map(|samples| samples.lines.len() + METADATA_BYTES).sum());
    let mut pieces = Vec::new();
    for FamilySamples { family, lines, shared } in families {
        family.write_metadata(format, &mut run);
        match shared {
            Some(shared) => pieces.extend([Piece::new(std::mem::take(&mut run).into(), packing), shared.clone()]),
            None => run.extend_from_slice(lines),
        }
    }
    if !run.is_empty() {
        pieces.push(Piece::new(run.into(), packing));
    }
    let checksum = pieces.iter().fold(Checksum::default(), |all, piece| all.join(piece.checksum));
    Pieces { pieces, checksum }
}

// === impl FamilySamples ===

impl FamilySamples {
    fn new(family: &'static Family, lines: Bytes, packing: Packing) -> Self {
        let shared = (lines.len() >= MIN_SHARED_BYTES).then(|| Piece::new(lines.clone(), packing));
        Self { family, lines, shared }
    }
}

// === impl Piece ===

impl Piece {
    fn new(plain: Bytes, packing: Packing) -> Self {
        let deflated = match packing {
            Packing::Deflated => Some(gzip::deflate(&plain).into()),
            Packing::Stored => None,
        };
        let checksum = Checksum::of(&plain);
        Self { plain, deflated, checksum }
    }
}
