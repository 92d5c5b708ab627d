//! Collects samples into a block. Each sample is checked and written once.

use std::collections::HashSet;

use super::{Block, ExpositionError, Family, Kind, LeftOut, encode};

/// Collects families and renders their samples into one buffer.
///
/// ```
/// use cxone_exporter::exposition::{BlockBuilder, Family, Kind, Packing};
///
/// const AGE: Family =
///     Family { name: "tree_age_years", help: "Age.", kind: Kind::Gauge, unit: Some("years"), labels: &["tree"] };
///
/// let mut builder = BlockBuilder::new();
/// let mut ages = builder.family(&AGE);
/// ages.sample(&["oak"], 120.0);
/// ages.sample(&["oak"], 121.0);
/// let block = builder.finish(Packing::Deflated);
/// assert_eq!(block.samples(), 1, "the second oak was left out");
/// assert_eq!(block.left_out().iter().count(), 1);
/// ```
#[derive(Debug, Default)]
pub struct BlockBuilder {
    pub(super) samples: Vec<u8>,
    pub(super) spans: Vec<Span>,
    pub(super) left_out: LeftOut,
    /// The labels of the last family's samples, as they are written.
    labels: HashSet<Box<[u8]>>,
}

/// Adds samples to one family.
#[derive(Debug)]
pub struct Samples<'a> {
    builder: &'a mut BlockBuilder,
    family: &'static Family,
}

/// How a block is put into a gzip member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Compressed: for a block that is sent many times.
    Deflated,
    /// Uncompressed: for a small block that is rendered for one scrape.
    Stored,
}

/// The place of a family's samples: from `start` to the start of the next family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) family: &'static Family,
    pub(super) start: usize,
    pub(super) count: usize,
}

// === impl BlockBuilder ===

impl BlockBuilder {
    /// An empty block.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty block with room for `bytes` of samples.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { samples: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Starts a family after those before it. A family without samples is not exposed.
    ///
    /// The families of a document are constants that pass [`Family::check`] and do not clash. A test of the catalogue
    /// holds that, so it is not checked here.
    pub fn family(&mut self, family: &'static Family) -> Samples<'_> {
        self.spans.push(Span { family, start: self.samples.len(), count: 0 });
        self.labels.clear();
        Samples { builder: self, family }
    }

    /// Renders and compresses the collected samples.
    pub fn finish(self, packing: Packing) -> Block {
        Block::new(self, packing)
    }
}

// === impl Samples ===

impl Samples<'_> {
    /// Adds a sample with the values of the family's labels, in their order.
    ///
    /// A sample that would make the document invalid is left out and counted.
    pub fn sample(&mut self, labels: &[&str], value: f64) {
        if let Err(error) = self.try_sample(labels, value) {
            self.builder.left_out.add(error, 1);
        }
    }

    /// Adds a histogram: upper bounds with the number of observations up to them, the sum, and the number of all.
    ///
    /// The bound `+Inf` is optional. A histogram that would make the document invalid is left out and counted.
    pub fn histogram(&mut self, labels: &[&str], buckets: &[(f64, u64)], sum: f64, count: u64) {
        if let Err(error) = self.try_histogram(labels, buckets, sum, count) {
            self.builder.left_out.add(error, 1);
        }
    }

    fn try_sample(&mut self, labels: &[&str], value: f64) -> Result<(), ExpositionError> {
        self.check(labels, self.family.kind != Kind::Histogram)?;
        let start = self.builder.samples.len();
        let labels_start = self.open_line("", labels, None);
        self.reject_duplicate(start, labels_start)?;
        encode::number(&mut self.builder.samples, value);
        self.close_line();
        self.count(1);
        Ok(())
    }

    fn try_histogram(
        &mut self,
        labels: &[&str],
        buckets: &[(f64, u64)],
        sum: f64,
        count: u64,
    ) -> Result<(), ExpositionError> {
        self.check(labels, self.family.kind == Kind::Histogram)?;
        let finite = buckets.iter().copied().filter(|(bound, _)| *bound != f64::INFINITY);
        let all = || finite.clone().chain([(f64::INFINITY, count)]);
        if !all().zip(all().skip(1)).all(|((low, few), (high, many))| low < high && few <= many) {
            return Err(ExpositionError::BucketOrder { family: self.family.name });
        }
        let start = self.builder.samples.len();
        for (bound, up_to) in all() {
            self.open_line("_bucket", labels, Some(bound));
            encode::integer(&mut self.builder.samples, up_to);
            self.close_line();
        }
        self.open_line("_sum", labels, None);
        encode::number(&mut self.builder.samples, sum);
        self.close_line();
        // A histogram has one `_count` line, so its labels identify the histogram.
        let labels_start = self.open_line("_count", labels, None);
        self.reject_duplicate(start, labels_start)?;
        encode::integer(&mut self.builder.samples, count);
        self.close_line();
        self.count(all().count() + 2);
        Ok(())
    }

    fn check(&self, labels: &[&str], right_kind: bool) -> Result<(), ExpositionError> {
        let family = self.family.name;
        let (expected, got) = (self.family.labels.len(), labels.len());
        if !right_kind {
            return Err(ExpositionError::WrongKind { family });
        }
        if expected != got {
            return Err(ExpositionError::LabelCount { family, expected, got });
        }
        Ok(())
    }

    /// Writes a line up to its value and returns the position of its labels.
    fn open_line(&mut self, suffix: &str, labels: &[&str], bound: Option<f64>) -> usize {
        let out = &mut self.builder.samples;
        out.extend_from_slice(self.family.name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        let labels_start = out.len();
        encode::labels(out, self.family.labels, labels, bound);
        out.push(b' ');
        labels_start
    }

    fn close_line(&mut self) {
        self.builder.samples.push(b'\n');
    }

    fn count(&mut self, lines: usize) {
        if let Some(span) = self.builder.spans.last_mut() {
            span.count += lines;
        }
    }

    /// Removes everything from `start` on if the family has a line with the labels of the open line.
    fn reject_duplicate(&mut self, start: usize, labels_start: usize) -> Result<(), ExpositionError> {
        let BlockBuilder { samples, labels, .. } = &mut *self.builder;
        if labels.insert(samples.get(labels_start..).unwrap_or_default().into()) {
            return Ok(());
        }
        samples.truncate(start);
        Err(ExpositionError::SampleTwice { family: self.family.name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Format, Negotiated, assemble};

    const GAUGE: Family =
        Family { name: "x_seconds", help: "Help.", kind: Kind::Gauge, unit: Some("seconds"), labels: &["a", "b"] };
    const COUNT: Family = Family { name: "y_count", help: "Help.", kind: Kind::Gauge, unit: None, labels: &[] };
    const HISTOGRAM: Family = Family { name: "y", help: "Help.", kind: Kind::Histogram, unit: None, labels: &["a"] };

    fn text(block: Block) -> String {
        let negotiated = Negotiated { format: Format::Text, ..Negotiated::default() };
        String::from_utf8(assemble(&[block.into()], negotiated).chunks.concat()).unwrap()
    }

    #[test]
    fn sample_order_is_kept() {
        let mut builder = BlockBuilder::new();
        let mut samples = builder.family(&GAUGE);
        samples.sample(&["2", "\\ \" \n €"], 1.5);
        samples.sample(&["1", ""], f64::NAN);
        builder.family(&COUNT).sample(&[], -3.0);
        let block = builder.finish(Packing::Deflated);
        assert!(block.left_out().is_empty());
        assert_eq!(block.samples(), 3);
        assert_eq!(
            text(block),
            "# HELP x_seconds Help.\n# TYPE x_seconds gauge\n\
             x_seconds{a=\"2\",b=\"\\\\ \\\" \\n €\"} 1.5\nx_seconds{a=\"1\",b=\"\"} NaN\n\
             # HELP y_count Help.\n# TYPE y_count gauge\ny_count -3\n"
        );
    }

    #[test]
    fn histogram_bucket_sum_and_count_lines() {
        let mut builder = BlockBuilder::new();
        builder.family(&HISTOGRAM).histogram(&["v"], &[(0.5, 1), (1.0, 1), (f64::INFINITY, 3)], 7.25, 3);
        assert_eq!(
            text(builder.finish(Packing::Stored)),
            "# HELP y Help.\n# TYPE y histogram\n\
             y_bucket{a=\"v\",le=\"0.5\"} 1\ny_bucket{a=\"v\",le=\"1.0\"} 1\ny_bucket{a=\"v\",le=\"+Inf\"} 3\n\
             y_sum{a=\"v\"} 7.25\ny_count{a=\"v\"} 3\n"
        );
    }

    #[test]
    fn invalid_sample_is_left_out_alone() {
        let mut builder = BlockBuilder::new();
        let mut samples = builder.family(&GAUGE);
        samples.sample(&["1", "1"], 1.0);
        samples.sample(&["1", "1"], 2.0);
        samples.sample(&["1", "1"], 3.0);
        samples.sample(&["1"], 4.0);
        samples.histogram(&["1", "2"], &[], 0.0, 0);
        samples.sample(&["1", "2"], 5.0);
        let mut samples = builder.family(&HISTOGRAM);
        samples.sample(&["v"], 1.0);
        samples.histogram(&["v"], &[(2.0, 1), (1.0, 2)], 0.0, 2);
        samples.histogram(&["v"], &[(1.0, 3)], 0.0, 2);
        samples.histogram(&["v"], &[(f64::NAN, 1)], 0.0, 2);
        samples.histogram(&["v"], &[], 0.0, 2);
        samples.histogram(&["v"], &[], 0.0, 2);
        let block = builder.finish(Packing::Deflated);

        let (family, other) = ("x_seconds", "y");
        let expected = [
            (ExpositionError::SampleTwice { family }, 2),
            (ExpositionError::LabelCount { family, expected: 2, got: 1 }, 1),
            (ExpositionError::WrongKind { family }, 1),
            (ExpositionError::WrongKind { family: other }, 1),
            (ExpositionError::BucketOrder { family: other }, 3),
            (ExpositionError::SampleTwice { family: other }, 1),
        ];
        assert_eq!(block.left_out().iter().collect::<Vec<_>>(), expected);
        assert_eq!(
            text(block),
            "# HELP x_seconds Help.\n# TYPE x_seconds gauge\n\
             x_seconds{a=\"1\",b=\"1\"} 1\nx_seconds{a=\"1\",b=\"2\"} 5\n\
             # HELP y Help.\n# TYPE y histogram\ny_bucket{a=\"v\",le=\"+Inf\"} 2\ny_sum{a=\"v\"} 0\ny_count{a=\"v\"} 2\n"
        );
    }

    #[test]
    fn family_without_samples_is_not_exposed() {
        let mut builder = BlockBuilder::new();
        builder.family(&GAUGE);
        builder.family(&COUNT).sample(&[], 1.0);
        let block = builder.finish(Packing::Deflated);
        assert_eq!(block.families(), [&COUNT]);
        assert_eq!(text(block), "# HELP y_count Help.\n# TYPE y_count gauge\ny_count 1\n");
    }
}
