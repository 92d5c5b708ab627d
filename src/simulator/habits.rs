//! What a server of the official API may do that nobody documents. Every one of these is a way that a real one might be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::options::parse_span;

/// A way in which the official API differs from what the tenant does by default: rows are kept by overlap and not
/// clipped, the state an agent is in is listed with its length so far, pages have links and totals, after-contact work is
/// told by rows and codes alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// `clipped`: rows are cut at the range that is asked for.
    Clipped,
    /// `kept-by-start`: a row is listed only where its start is in the range.
    KeptByStart,
    /// `open-without-length`: the state that an agent is in has no duration.
    OpenWithoutLength,
    /// `open-with-zero`: it has a duration of zero.
    OpenWithZero,
    /// `open-unlisted`: it is not in the history.
    OpenUnlisted,
    /// `strings`: numbers and booleans are strings.
    Strings,
    /// `no-links`: pages do not name the next one.
    NoLinks,
    /// `no-totals`: pages do not say how many rows there are.
    NoTotals,
    /// `late=DURATION`: a row is listed up to that long after its end.
    Late(Duration),
    /// `wrapped`: answers are in a `resultSet`.
    Wrapped,
    /// `overlapping`: some rows end five seconds after the next one starts.
    Overlapping,
    /// `bulk-refused`: the history is to be had agent by agent only.
    BulkRefused,
    /// `longest=DURATION`: a longer range of history is refused.
    Longest(Duration),
    /// `nulls`: whatever is optional is null.
    Nulls,
    /// `empty-as-204`: a list without rows is an answer without a body.
    EmptyAs204,
    /// `empty-as-nothing`: a list without rows is 200 with an empty body.
    EmptyAsNothing,
    /// `acw-by-codes`: only the list of codes tells after-contact work.
    AcwByCodes,
    /// `acw-by-flag`: only rows tell it.
    AcwByFlag,
    /// `described-errors`: errors have a header that says why, and no body.
    DescribedErrors,
}

/// How late a row's end may lie past the next one's start, in microseconds.
pub(super) const OVERLAP_MICROS: i64 = 5_000_000;

// === impl Habit ===

impl Habit {
    /// The kinds, as a message lists them.
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

impl FromStr for Habit {
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
        let habit = match (kind, value) {
            ("late", Some(span)) => Some(Self::Late(parse_span(span)?)),
            ("longest", Some(span)) => Some(Self::Longest(parse_span(span)?)),
            (kind, None) => plain.into_iter().find(|habit| habit.kind() == kind),
            _ => None,
        };
        habit.ok_or_else(|| format!("`{text}` is not a habit; there are: {}", Self::KINDS))
    }
}

impl fmt::Display for Habit {
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
    fn a_habit_is_read_as_it_is_written() {
        for text in Habit::KINDS.split(", ").map(|kind| kind.replace("DURATION", "90s")) {
            let habit: Habit = text.parse().unwrap();
            assert_eq!(habit.to_string().parse(), Ok(habit), "{text}");
        }
        for text in ["", "clip", "late", "late=soon", "clipped=1"] {
            assert!(text.parse::<Habit>().is_err(), "{text}");
        }
    }
}
