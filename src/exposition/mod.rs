//! Families, samples, escaping and encodings of the Prometheus exposition formats. Knows no domain, does no I/O.
//!
//! Two formats are spoken: [text 0.0.4][text] and [OpenMetrics 1.0.0][om]. Their sample lines are the same bytes;
//! only the `HELP`, `TYPE` and `UNIT` lines above them differ, and the `# EOF` at the end. So a [`Block`] renders
//! its samples once for both, and compresses itself once. What a scrape does is [`assemble`]: it lists the bytes
//! of a few blocks, for which nothing is encoded, copied or compressed, however many samples they hold.
//!
//! What would make a document invalid (a family or a label set twice, a name that is not one) is left out and
//! reported as an [`ExpositionError`]: one bad sample never empties a scrape.
//!
//! [text]: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
//! [om]: https://prometheus.io/docs/specs/om/open_metrics_spec/

mod block;
mod builder;
mod deflate;
mod encode;
mod error;
mod family;
mod gzip;
mod negotiate;
mod payload;
mod seen;

pub use block::Block;
pub use builder::{BlockBuilder, Packing, Samples};
pub use error::{ExpositionError, LeftOut};
pub use family::{Family, Kind};
pub use negotiate::{Encoding, Format, Negotiated, negotiate};
pub use payload::{Payload, assemble};

/// What the fuzz targets reach into.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    /// Appends `bytes` as deflate blocks.
    pub fn deflate(out: &mut Vec<u8>, bytes: &[u8]) {
        super::deflate::deflate(out, bytes);
    }
}
