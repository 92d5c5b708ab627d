//! ISO 8601 durations such as `PT1H`, read and written by jiff. A day has 24 hours, because windows are in UTC.

use std::time::Duration;

use jiff::fmt::temporal::SpanParser;
use jiff::{Span, SpanRelativeTo, SpanRound, Unit};

static PARSER: SpanParser = SpanParser::new();

/// The length of `text`: `PnW` or `PnDTnHnMnS` in capitals and whole numbers, each part optional.
///
/// jiff also takes signs, fractions, small letters and weeks beside days, which servers may not take.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    let is_mixed = text.contains('W') && text.contains(['D', 'T']);
    let span = PARSER.parse_span(text).ok().filter(|_| is_plain && !is_mixed)?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    length.try_into().ok()
}

/// Whether `text` has months or years, whose lengths differ.
pub(crate) fn has_months_or_years(text: &str) -> bool {
    PARSER.parse_span(text).is_ok_and(|span| span.get_months() != 0 || span.get_years() != 0)
}

/// The whole seconds of `duration`, such as `P1DT2H`; `None` above jiff's limit of about 20,000 years.
pub(crate) fn format(duration: Duration) -> Option<String> {
    let span = Span::new().try_seconds(i64::try_from(duration.as_secs()).ok()?).ok()?;
    let in_days = span.round(SpanRound::new().largest(Unit::Day).days_are_24_hours()).ok()?;
    Some(in_days.to_string())
}
