//! Durations such as `90s`, `1.5h` and `1h30m`, exact to the millisecond.

use std::time::Duration;

use super::iso_8601;
use crate::config::bounds::DurationRange;
use crate::config::diagnostics::{Problem, quoted};

/// The units with their milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const REMEDY: &str = "write a number and a unit (ms, s, m, h, d), such as `90s`, `15m` or `1.5h`";

/// The duration of `text`, if it is within `range`.
pub(crate) fn parse_within(text: &str, range: &DurationRange) -> Result<Duration, Problem> {
    let duration = parse(text)?;
    if duration < range.min {
        let min = format(range.min);
        return Err(Problem::new(
            format!("{} is shorter than {min}", quoted(text)),
            format!("write a duration of {min} or more"),
        ));
    }
    if duration > range.max {
        let max = format(range.max);
        return Err(Problem::new(
            format!("{} is longer than {max}", quoted(text)),
            format!("write a duration of up to {max}, as {}", range.max_reason),
        ));
    }
    Ok(duration)
}

/// The duration of `text`: whole or decimal numbers with units, in descending order of the units.
pub(crate) fn parse(text: &str) -> Result<Duration, Problem> {
    if text.is_empty() {
        return Err(Problem::new("is empty", REMEDY));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(Problem::new(
            format!("{} has no unit", quoted(text)),
            format!("write a unit (ms, s, m, h, d) after the number, such as {}", quoted(&format!("{text}s"))),
        ));
    }
    if let Some(length) = iso_8601::parse(text) {
        return Err(Problem::new(
            format!("{} is an ISO 8601 duration", quoted(text)),
            format!("write `{}` here", format(length)),
        ));
    }
    let malformed = || Problem::new(format!("{} is not a duration", quoted(text)), REMEDY);
    let mut rest = text;
    let mut milliseconds = 0_u64;
    let mut longest = u64::MAX;
    while !rest.is_empty() {
        let (number, after) = split_while(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split_while(after, |c| c.is_ascii_alphabetic());
        let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        if unit >= longest {
            return Err(malformed());
        }
        let part = scaled(number, unit).ok_or_else(malformed)??;
        milliseconds = milliseconds.saturating_add(part);
        longest = unit;
        rest = after;
    }
    Ok(Duration::from_millis(milliseconds))
}

/// `duration` as configuration text, in the longest unit with a whole number. One minute is 60s and one day is 24h.
pub fn format(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    UNITS
        .into_iter()
        .find(|(name, unit)| {
            let at_least = if matches!(*name, "d" | "m") { 2 * unit } else { *unit };
            milliseconds.is_multiple_of(*unit) && milliseconds >= at_least
        })
        .map_or_else(|| format!("{milliseconds}ms"), |(name, unit)| format!("{}{name}", milliseconds / unit))
}

/// `number` times `unit` in whole milliseconds; `None` if it is not a number, a problem if it has a fraction of a
/// millisecond.
fn scaled(number: &str, unit: u64) -> Option<Result<u64, Problem>> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    // Numbers of this length do not overflow 128 bits.
    if whole.len() > 18 || fraction.len() > 9 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits = whole.parse::<u128>().ok()? * scale + fraction.parse::<u128>().ok()?;
    let scaled = digits * u128::from(unit);
    if !scaled.is_multiple_of(scale) {
        return Some(Err(Problem::new("is finer than a millisecond", "write a whole number of milliseconds")));
    }
    Some(Ok(u64::try_from(scaled / scale).unwrap_or(u64::MAX)))
}

/// `text` split before the first character that `accepts` refuses.
fn split_while(text: &str, accepts: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !accepts(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_parsed_exactly() {
        let table = [
            ("90s", 90_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("0.001s", 1),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
            ("007s", 7_000),
            ("0.1m", 6_000),
        ];
        for (text, milliseconds) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn invalid_durations_are_refused() {
        for text in [
            "",
            " ",
            "s",
            "90",
            "1.5",
            "-1s",
            "+1s",
            "1 s",
            " 1s",
            "1S",
            "1min",
            "1s1m",
            "1s1s",
            "1.s",
            ".5s",
            "1..5s",
            "1e3s",
            "0x1s",
            "1_000s",
            "٣s",
            "1h30",
            "1w",
            "inf",
            "NaN",
            "1.0005s",
            "PT1M",
            "9999999999999999999s",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn iso_8601_duration_is_translated() {
        assert_eq!(parse("PT1H").unwrap_err().remedy, "write `1h` here");
    }

    #[test]
    fn duration_format_uses_the_longest_whole_unit() {
        let table = [
            (0, "0ms"),
            (500, "500ms"),
            (60_000, "60s"),
            (90_000, "90s"),
            (900_000, "15m"),
            (86_400_000, "24h"),
            (172_800_000, "2d"),
            (90_061_001, "90061001ms"),
        ];
        for (milliseconds, text) in table {
            assert_eq!(format(Duration::from_millis(milliseconds)), text);
        }
    }

    proptest! {
        #[test]
        fn formatted_duration_parses_back(milliseconds in 0..=u64::MAX / 2) {
            let duration = Duration::from_millis(milliseconds % 10_u64.pow(17));
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[0-9a-zA-Z. µ-]{0,24}") {
            let _ = parse(&text);
        }
    }
}
