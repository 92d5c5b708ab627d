//! Undocumented behaviour of the official API. A real server may behave in any of these ways.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::duration::parse_duration;

/// A deviation from the simulator's default behaviour. By default, history lists the unclipped rows that overlap the range
/// and the current state with its duration so far, pages have links and totals, and both rows and codes mark after-call
/// work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVariant {
    /// `clipped`: rows are clipped to the requested range.
    Clipped,
    /// `kept-by-start`: a row is listed only if it starts in the range.
    KeptByStart,
    /// `open-without-length`: the current state has no duration.
    OpenWithoutLength,
    /// `open-with-zero`: the current state has duration zero.
    OpenWithZero,
    /// `open-unlisted`: the current state is not in the history.
    OpenUnlisted,
    /// `strings`: numbers and booleans are strings.
    Strings,
    /// `no-links`: pages have no link to the next page.
    NoLinks,
    /// `no-totals`: pages do not contain the number of rows.
    NoTotals,
    /// `late=DURATION`: a row is listed with a delay of up to DURATION after its end.
    Late(Duration),
    /// `wrapped`: answers are wrapped in a `resultSet`.
    Wrapped,
    /// `overlapping`: some rows end five seconds after the next one starts.
    Overlapping,
    /// `bulk-refused`: only the history of single agents is available.
    BulkRefused,
    /// `longest=DURATION`: longer ranges of history are refused.
    Longest(Duration),
    /// `nulls`: optional fields are null.
    Nulls,
    /// `empty-as-204`: the answer for an empty list is 204 without a body.
    EmptyAs204,
    /// `empty-as-nothing`: the answer for an empty list is 200 with an empty body.
    EmptyAsNothing,
    /// `acw-by-codes`: only the list of codes marks after-call work.
    AcwByCodes,
    /// `acw-by-flag`: only rows mark after-call work.
    AcwByFlag,
    /// `described-errors`: the reason of an error is in a header; there is no body.
    DescribedErrors,
}

/// How long rows overlap the next row, in microseconds.
pub(super) const OVERLAP_MICROS: i64 = 5_000_000;

// === impl ApiVariant ===

impl ApiVariant {
    /// The kinds, for error messages.
    const KINDS: &str = "clipped, kept-by-start, open-without-length, open-with-zero, open-unlisted, strings, no-links, \
                         no-totals, late=DURATION, wrapped, overlapping, bulk-refused, longest=DURATION, nulls, \
                         empty-as-204, empty-as-nothing, acw-by-codes, acw-by-flag, described-errors";

    const fn kind(self) -> &'static str {
        match self {
            Self::Clipped => "clipped",
            Self::KeptByStart => "kept-by-start",
            Self::OpenWithoutLength => "open-without-length",
            Self::OpenWithZero => "open-with-zero",
            Self::OpenUnlisted => "open-unlisted",
            Self::Strings => "strings",
            Self::NoLinks => "no-links",
            Self::NoTotals => "no-totals",
            Self::Late(_) => "late",
            Self::Wrapped => "wrapped",
            Self::Overlapping => "overlapping",
            Self::BulkRefused => "bulk-refused",
            Self::Longest(_) => "longest",
            Self::Nulls => "nulls",
            Self::EmptyAs204 => "empty-as-204",
            Self::EmptyAsNothing => "empty-as-nothing",
            Self::AcwByCodes => "acw-by-codes",
            Self::AcwByFlag => "acw-by-flag",
            Self::DescribedErrors => "described-errors",
        }
    }
}

impl FromStr for ApiVariant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = text.split_once('=').map_or((text, None), |(kind, value)| (kind, Some(value)));
        let plain = [
            Self::Clipped,
            Self::KeptByStart,
            Self::OpenWithoutLength,
            Self::OpenWithZero,
            Self::OpenUnlisted,
            Self::Strings,
            Self::NoLinks,
            Self::NoTotals,
            Self::Wrapped,
            Self::Overlapping,
            Self::BulkRefused,
            Self::Nulls,
            Self::EmptyAs204,
            Self::EmptyAsNothing,
            Self::AcwByCodes,
            Self::AcwByFlag,
            Self::DescribedErrors,
        ];
        let variant = match (kind, value) {
            ("late", Some(span)) => Some(Self::Late(parse_duration(span)?)),
            ("longest", Some(span)) => Some(Self::Longest(parse_duration(span)?)),
            (kind, None) => plain.into_iter().find(|variant| variant.kind() == kind),
            _ => None,
        };
        variant.ok_or_else(|| format!("`{text}` is not a habit; there are: {}", Self::KINDS))
    }
}

impl fmt::Display for ApiVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Late(span) | Self::Longest(span) => write!(f, "={}ms", span.as_millis()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_and_display_round_trip() {
        for text in ApiVariant::KINDS.split(", ").map(|kind| kind.replace("DURATION", "90s")) {
            let variant: ApiVariant = text.parse().unwrap();
            assert_eq!(variant.to_string().parse(), Ok(variant), "{text}");
        }
        for text in ["", "clip", "late", "late=soon", "clipped=1"] {
            assert!(text.parse::<ApiVariant>().is_err(), "{text}");
        }
    }
}
