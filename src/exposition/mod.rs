//! Families, samples, escaping and encodings of the Prometheus exposition formats, and CSV. Knows no domain, does no I/O.
//!
//! Both [text 0.0.4][text] and [OpenMetrics 1.0.0][om] are supported. Their sample lines are the same bytes; only the
//! `HELP`, `TYPE` and `UNIT` lines and the final `# EOF` differ. A [`Block`] therefore renders and compresses its samples
//! once for both formats. A scrape calls [`assemble`], which lists the bytes of a few blocks and renders nothing.
//!
//! A sample that would make a document invalid, such as a duplicate, is left out and reported as an
//! [`ExpositionError`]: one bad sample never empties a scrape.
//!
//! [text]: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
//! [om]: https://prometheus.io/docs/specs/om/open_metrics_spec/

mod block;
mod builder;
mod chunks;
mod csv_records;
mod encode;
mod error;
mod family;
mod gzip;
mod negotiate;
mod payload;
mod timed;

pub use block::Block;
pub use builder::{BlockBuilder, Packing, Samples};
pub use csv_records::{CsvRecords, decimal_seconds};
pub use error::{ExpositionError, LeftOut};
pub use family::{Family, Kind};
pub use negotiate::{Encoding, Format, Negotiated, negotiate};
pub use payload::{Payload, assemble};
pub use timed::{TIMED_END, TimedSeries, timed_metadata};
