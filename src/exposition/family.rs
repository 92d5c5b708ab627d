//! A family as data: what its samples are called, what they mean, and what they are told apart by.

use super::ExpositionError;
use super::negotiate::Format;
use crate::fnv;

/// The longest name of a family or label, far above any real one: a bound for the work of checking names.
const MAX_NAME: usize = 200;

/// A metric family: constant data, from which metadata lines are rendered and samples are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The name that queries use: with `_total` for a counter and `_info` for an info, without suffix for a histogram.
    pub name: &'static str,
    /// What the values mean, in one line of plain text.
    pub help: &'static str,
    /// What kind of values these are.
    pub kind: Kind,
    /// The unit, where the name (less `_total`) ends in it.
    pub unit: Option<&'static str>,
    /// The names of the labels, in the order of the values.
    pub labels: &'static [&'static str],
}

/// What kind of values a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Text in labels, with the value 1; a gauge where the format has no such kind.
    Info,
    /// Observations counted in buckets.
    Histogram,
}

// === impl Family ===

impl Family {
    /// Checks the name, the labels and the unit; a constant family can be checked while it is compiled.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, as [`ExpositionError::InvalidFamily`].
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

    /// The name less the suffix that samples of this kind carry: what OpenMetrics calls the family.
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

    /// Whether one document cannot hold both families, as OpenMetrics would read a name of one as the other's.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let (short, long) = if self.stem().len() <= other.stem().len() { (self, other) } else { (other, self) };
        let Some(rest) = long.stem().strip_prefix(short.stem()) else { return false };
        short.endings().iter().filter_map(|ending| ending.strip_prefix(rest)).any(|end| long.endings().contains(&end))
    }

    /// A hash of each name that is reserved for this family. Families without a common hash do not clash.
    pub(super) fn claims(&self) -> impl Iterator<Item = u64> {
        let stem = fnv::hash(self.stem());
        self.endings().iter().map(move |ending| fnv::followed_by(stem, ending))
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

    /// Writes the lines above the samples.
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

/// Whether `name` is `[a-zA-Z_][a-zA-Z0-9_]*` and not overlong.
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

    /// A family without faults can be proven so while compiling.
    const _: () = assert!(family("x_seconds_total", Kind::Counter, Some("seconds")).check().is_ok());

    #[test]
    fn a_bad_name_unit_or_suffix_is_found() {
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
    fn a_bad_label_is_found() {
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
    fn families_clash_where_they_write_or_reserve_one_name() {
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
            let common = one.claims().any(|hash| other.claims().any(|other| other == hash));
            assert_eq!(common, clash, "{one:?} {other:?}");
        }
    }

    #[test]
    fn metadata_differs_by_format_as_far_as_it_must() {
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
