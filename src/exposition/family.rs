//! Metric families as data: name, help, kind, unit and label names.

use super::ExpositionError;
use super::negotiate::Format;

/// The longest name of a family or label, far above any real one. It bounds the compile-time check.
const MAX_NAME: usize = 200;

/// A metric family. Families are constants; metadata lines are rendered from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The name in queries: with `_total` for a counter and `_info` for an info, without suffix for a histogram.
    pub name: &'static str,
    /// Meaning of the values, in one line of plain text.
    pub help: &'static str,
    /// Type of the metric.
    pub kind: Kind,
    /// The unit, if the name (without `_total`) ends in one.
    pub unit: Option<&'static str>,
    /// The names of the labels, in the order of the values.
    pub labels: &'static [&'static str],
}

/// Type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Text in labels, with the value 1; a gauge in text 0.0.4, which has no info type.
    Info,
    /// Observations counted in buckets.
    Histogram,
}

// === impl Family ===

impl Family {
    /// Checks the name, the labels and the unit. A constant family can be checked at compile time.
    ///
    /// # Errors
    ///
    /// The first broken rule, as [`ExpositionError::InvalidFamily`].
    pub const fn check(&self) -> Result<(), ExpositionError> {
        match self.fault() {
            Some(fault) => Err(ExpositionError::InvalidFamily { family: self.name, fault }),
            None => Ok(()),
        }
    }

    const fn fault(&self) -> Option<&'static str> {
        if !is_name(self.name) {
            return Some("a name is [a-zA-Z_][a-zA-Z0-9_]*, as colons belong to recording rules");
        }
        let reserved = match self.kind {
            Kind::Counter if !ends_with(self.name, "_total") => return Some("a counter ends in _total"),
            Kind::Info if !ends_with(self.name, "_info") => return Some("an info ends in _info"),
            Kind::Info if self.unit.is_some() => return Some("an info has no unit"),
            Kind::Gauge | Kind::Histogram if ends_with(self.name, "_total") => {
                return Some("only a counter ends in _total");
            }
            Kind::Gauge | Kind::Histogram if ends_with(self.name, "_info") => {
                return Some("only an info ends in _info");
            }
            Kind::Histogram => "le",
            Kind::Counter | Kind::Gauge | Kind::Info => "__name__",
        };
        if let Some(unit) = self.unit
            && !(is_name(unit)
                && ends_with(self.stem(), unit)
                && matches!(byte_before_suffix(self.stem(), unit), Some(b'_')))
        {
            return Some("a family's name ends in its unit");
        }
        let mut rest = self.labels;
        while let [label, others @ ..] = rest {
            if !is_name(label) || starts_with(label, "__") || same(label, reserved) {
                return Some(
                    "a label is [a-zA-Z_][a-zA-Z0-9_]*, without two underscores in front, and not le in a histogram",
                );
            }
            let mut later = others;
            while let [other, more @ ..] = later {
                if same(label, other) {
                    return Some("no two labels have one name");
                }
                later = more;
            }
            rest = others;
        }
        None
    }

    /// The name without the suffix of its kind: the name of the family in OpenMetrics.
    pub const fn stem(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        match self.name.split_at_checked(self.name.len().saturating_sub(suffix.len())) {
            Some((stem, _)) if ends_with(self.name, suffix) => stem,
            Some(_) | None => self.name,
        }
    }

    /// True if one document cannot hold both families, because OpenMetrics reserves a name for both.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let (short, long) = if self.stem().len() <= other.stem().len() { (self, other) } else { (other, self) };
        let Some(rest) = long.stem().strip_prefix(short.stem()) else { return false };
        short.endings().iter().filter_map(|ending| ending.strip_prefix(rest)).any(|end| long.endings().contains(&end))
    }

    /// Every name that OpenMetrics reserves for this family, as endings of [`Family::stem`].
    const fn endings(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Counter => &["", "_total", "_created"],
            Kind::Gauge => &[""],
            Kind::Info => &["", "_info"],
            Kind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
        }
    }

    /// Writes the HELP, TYPE and UNIT lines.
    pub(super) fn write_metadata(&self, format: Format, out: &mut Vec<u8>) {
        let (name, kind) = match (format, self.kind) {
            (Format::Text, Kind::Counter) => (self.name, "counter"),
            (Format::Text, Kind::Gauge | Kind::Info) => (self.name, "gauge"),
            (Format::Text, Kind::Histogram) => (self.name, "histogram"),
            (Format::OpenMetrics, Kind::Counter) => (self.stem(), "counter"),
            (Format::OpenMetrics, Kind::Gauge) => (self.stem(), "gauge"),
            (Format::OpenMetrics, Kind::Info) => (self.stem(), "info"),
            (Format::OpenMetrics, Kind::Histogram) => (self.stem(), "histogram"),
        };
        let mut line = |keyword: &str, text: &dyn Fn(&mut Vec<u8>)| {
            for part in ["# ", keyword, " ", name, " "] {
                out.extend_from_slice(part.as_bytes());
            }
            text(out);
            out.push(b'\n');
        };
        line("HELP", &|out| match format {
            Format::Text => super::encode::escape_help(out, self.help),
            Format::OpenMetrics => super::encode::escape_label(out, self.help),
        });
        line("TYPE", &|out| out.extend_from_slice(kind.as_bytes()));
        if let (Format::OpenMetrics, Some(unit)) = (format, self.unit) {
            line("UNIT", &|out| out.extend_from_slice(unit.as_bytes()));
        }
    }
}

/// True if `name` is `[a-zA-Z_][a-zA-Z0-9_]*` of at most [`MAX_NAME`] bytes.
const fn is_name(name: &str) -> bool {
    let [first, rest @ ..] = name.as_bytes() else { return false };
    if first.is_ascii_digit() || name.len() > MAX_NAME || !is_word(*first) {
        return false;
    }
    let mut rest = rest;
    while let [byte, more @ ..] = rest {
        if !is_word(*byte) {
            return false;
        }
        rest = more;
    }
    true
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && starts_with(one, other)
}

const fn starts_with(name: &str, prefix: &str) -> bool {
    let (mut name, mut prefix) = (name.as_bytes(), prefix.as_bytes());
    while let [wanted, more @ ..] = prefix {
        let [byte, rest @ ..] = name else { return false };
        if *byte != *wanted {
            return false;
        }
        (name, prefix) = (rest, more);
    }
    true
}

const fn ends_with(name: &str, suffix: &str) -> bool {
    let (mut name, mut suffix) = (name.as_bytes(), suffix.as_bytes());
    while let [more @ .., wanted] = suffix {
        let [rest @ .., byte] = name else { return false };
        if *byte != *wanted {
            return false;
        }
        (name, suffix) = (rest, more);
    }
    true
}

const fn byte_before_suffix(name: &str, suffix: &str) -> Option<u8> {
    match name.as_bytes().split_at_checked(name.len().saturating_sub(suffix.len())) {
        Some(([.., byte], _)) => Some(*byte),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn family(name: &'static str, kind: Kind, unit: Option<&'static str>) -> Family {
        Family { name, help: "Help.", kind, unit, labels: &[] }
    }

    /// The check runs at compile time.
    const _: () = assert!(family("x_seconds_total", Kind::Counter, Some("seconds")).check().is_ok());

    #[test]
    fn invalid_name_unit_or_suffix_is_refused() {
        let table = [
            (family("x", Kind::Gauge, None), true),
            (family("x_bytes_total", Kind::Counter, Some("bytes")), true),
            (family("x_seconds", Kind::Histogram, Some("seconds")), true),
            (family("x_info", Kind::Info, None), true),
            (family("", Kind::Gauge, None), false),
            (family("1x", Kind::Gauge, None), false),
            (family("x:y", Kind::Gauge, None), false),
            (family("x y", Kind::Gauge, None), false),
            (family("größe", Kind::Gauge, None), false),
            (family("x", Kind::Counter, None), false),
            (family("x_total", Kind::Gauge, None), false),
            (family("x_info", Kind::Gauge, None), false),
            (family("x", Kind::Info, None), false),
            (family("x_seconds", Kind::Gauge, Some("bytes")), false),
            (family("seconds", Kind::Gauge, Some("seconds")), false),
            (family("xseconds", Kind::Gauge, Some("seconds")), false),
        ];
        for (family, good) in table {
            assert_eq!(family.check().is_ok(), good, "{family:?}");
        }
    }

    #[test]
    fn invalid_label_name_is_refused() {
        let table: [(Kind, &'static [&'static str], bool); 7] = [
            (Kind::Gauge, &["agent", "state"], true),
            (Kind::Gauge, &["le"], true),
            (Kind::Histogram, &["le"], false),
            (Kind::Gauge, &["__name__"], false),
            (Kind::Gauge, &["agent-id"], false),
            (Kind::Gauge, &["agent", "agent"], false),
            (Kind::Gauge, &[""], false),
        ];
        for (kind, labels, good) in table {
            let family = Family { labels, ..family("x", kind, None) };
            assert_eq!(family.check().is_ok(), good, "{family:?}");
        }
    }

    #[test]
    fn families_clash_on_a_written_or_reserved_name() {
        let table = [
            (family("x", Kind::Gauge, None), family("x", Kind::Gauge, None), true),
            (family("x", Kind::Gauge, None), family("y", Kind::Gauge, None), false),
            (family("x", Kind::Gauge, None), family("x_total", Kind::Counter, None), true),
            (family("x_created", Kind::Gauge, None), family("x_total", Kind::Counter, None), true),
            (family("x", Kind::Histogram, None), family("x_count", Kind::Gauge, None), true),
            (family("x", Kind::Histogram, None), family("x_bucket", Kind::Gauge, None), true),
            (family("x", Kind::Histogram, None), family("x_counts", Kind::Gauge, None), false),
            (family("x", Kind::Histogram, None), family("x_sum_total", Kind::Counter, None), true),
            (family("x", Kind::Histogram, None), family("x_y", Kind::Histogram, None), false),
            (family("x_info", Kind::Info, None), family("x", Kind::Gauge, None), true),
            (family("x_info", Kind::Info, None), family("x_total", Kind::Counter, None), true),
        ];
        for (one, other, clash) in table {
            assert_eq!(one.clashes_with(&other), clash, "{one:?} {other:?}");
            assert_eq!(other.clashes_with(&one), clash, "{other:?} {one:?}");
        }
    }

    #[test]
    fn metadata_of_both_formats() {
        let render = |family: Family, format| {
            let mut out = Vec::new();
            family.write_metadata(format, &mut out);
            String::from_utf8(out).unwrap()
        };
        let counter = Family { help: "a \\ \"b\"\nc", ..family("x_seconds_total", Kind::Counter, Some("seconds")) };
        assert_eq!(
            render(counter, Format::Text),
            "# HELP x_seconds_total a \\\\ \"b\"\\nc\n# TYPE x_seconds_total counter\n"
        );
        assert_eq!(
            render(counter, Format::OpenMetrics),
            "# HELP x_seconds a \\\\ \\\"b\\\"\\nc\n# TYPE x_seconds counter\n# UNIT x_seconds seconds\n"
        );
        let info = family("x_info", Kind::Info, None);
        assert_eq!(render(info, Format::Text), "# HELP x_info Help.\n# TYPE x_info gauge\n");
        assert_eq!(render(info, Format::OpenMetrics), "# HELP x Help.\n# TYPE x info\n");
    }
}
