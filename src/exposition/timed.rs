//! OpenMetrics with timestamps: series after series, each in the order of time, for the import of history.

use super::{Family, Format, encode};

/// The last line of a document.
pub const TIMED_END: &[u8] = b"# EOF\n";

/// The lines before the samples of a family.
pub fn timed_metadata(family: &Family, out: &mut Vec<u8>) {
    family.write_metadata(Format::OpenMetrics, out);
}

/// A series, whose samples repeat its name and labels.
#[derive(Debug)]
pub struct TimedSeries(Vec<u8>);

impl TimedSeries {
    /// The series of a family with the values of its labels, and with further labels of the target.
    pub fn new(family: &Family, values: &[&str], target: &[(String, String)]) -> Self {
        let names: Vec<&str> = family.labels.iter().copied().chain(target.iter().map(|(name, _)| &**name)).collect();
        let values: Vec<&str> = values.iter().copied().chain(target.iter().map(|(_, value)| &**value)).collect();
        let mut series = family.name.as_bytes().to_vec();
        encode::labels(&mut series, &names, &values, None);
        Self(series)
    }

    /// Writes a sample. `time` is in seconds since 1970.
    pub fn sample(&self, value: f64, time: f64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        out.push(b' ');
        encode::number(out, value);
        out.push(b' ');
        encode::number(out, time);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Kind;

    #[test]
    fn timed_samples_have_labels_and_timestamps() {
        const FAMILY: Family = Family {
            name: "x_seconds_total",
            help: "Help.",
            kind: Kind::Counter,
            unit: Some("seconds"),
            labels: &["agent"],
        };
        let mut out = Vec::new();
        timed_metadata(&FAMILY, &mut out);
        let series = TimedSeries::new(&FAMILY, &["a\"b"], &[("job".to_owned(), "cxone".to_owned())]);
        series.sample(0.0, 1_700_000_000.0, &mut out);
        series.sample(1.5, 1_700_000_300.25, &mut out);
        out.extend_from_slice(TIMED_END);
        let expected = "# HELP x_seconds Help.\n# TYPE x_seconds counter\n# UNIT x_seconds seconds\n\
            x_seconds_total{agent=\"a\\\"b\",job=\"cxone\"} 0 1700000000\n\
            x_seconds_total{agent=\"a\\\"b\",job=\"cxone\"} 1.5 1700000300.25\n# EOF\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
