//! Parses ISO 8601 durations such as `PT1H`, the lengths of time buckets in the presence API.

use std::time::Duration;

use super::duration;
use crate::config::Interval;
use crate::config::bounds::MAX_BUCKETS;
use crate::config::diagnostics::{Problem, quoted};

/// Designators before the `T` with their seconds, in the order they may come.
const DATE_UNITS: [(char, u64); 1] = [('D', 86_400)];

/// Designators after the `T` with their seconds, in the order they may come.
const TIME_UNITS: [(char, u64); 3] = [('H', 3_600), ('M', 60), ('S', 1)];

const WEEK_SECONDS: u64 = 7 * 86_400;

const REMEDY: &str = "write an ISO 8601 duration, such as `PT15M`, `PT1H` or `P1D`";

/// The interval of `text`, if it is within `window` and does not divide it into too many buckets.
pub(crate) fn parse_within(text: &str, window: Duration) -> Result<Interval, Problem> {
    let interval = parse(text)?;
    let window_text = duration::format(window);
    if interval.length > window {
        return Err(Problem::new(
            format!("{} is longer than the window of {window_text}", quoted(text)),
            "write a shorter interval, such as `PT1H`, or a longer `window`",
        ));
    }
    if window.as_millis() / interval.length.as_millis().max(1) > MAX_BUCKETS {
        return Err(Problem::new(
            format!("{} cuts the window of {window_text} into more than {MAX_BUCKETS} buckets", quoted(text)),
            "write a longer interval, such as `PT1M`, or a shorter `window`",
        ));
    }
    Ok(interval)
}

/// The interval of `text`: `PnW` or `PnDTnHnMnS`, each part optional, in whole numbers.
pub(crate) fn parse(text: &str) -> Result<Interval, Problem> {
    match length(text) {
        Some(Duration::ZERO) => Err(Problem::new(format!("{} is no time at all", quoted(text)), REMEDY)),
        Some(length) => Ok(Interval { text: text.to_owned(), length }),
        None => Err(explain(text)),
    }
}

/// The length of `text`, if it is an ISO 8601 duration without months and years.
pub(crate) fn length(text: &str) -> Option<Duration> {
    seconds(text).map(Duration::from_secs)
}

fn seconds(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    if let Some(weeks) = rest.strip_suffix('W') {
        return number(weeks)?.checked_mul(WEEK_SECONDS);
    }
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None if rest.is_empty() => return None,
        None => (rest, ""),
    };
    parts(date, &DATE_UNITS)?.checked_add(parts(time, &TIME_UNITS)?)
}

/// The sum of numbers with designators out of `units`, each at most once and in their order.
fn parts(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut rest = text;
    let mut units = units.iter();
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let (digits, after) = duration::split_while(rest, |c| c.is_ascii_digit());
        let mut after = after.chars();
        let designator = after.next()?;
        let (_, seconds) = units.find(|(unit, _)| *unit == designator)?;
        sum = sum.checked_add(number(digits)?.checked_mul(*seconds)?)?;
        rest = after.as_str();
    }
    Some(sum)
}

fn number(digits: &str) -> Option<u64> {
    // `parse` alone would take a leading plus sign.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn explain(text: &str) -> Problem {
    let upper = text.to_ascii_uppercase();
    if upper != text && seconds(&upper).is_some() {
        return Problem::new(format!("{} is not in capitals", quoted(text)), format!("write `{upper}`"));
    }
    if let Some(span) = parse_with_units(text) {
        return Problem::new(
            format!("{} is not an ISO 8601 duration", quoted(text)),
            format!("write `{}`", iso_8601(span)),
        );
    }
    let date = upper.strip_prefix('P').map(|rest| rest.split_once('T').map_or(rest, |(date, _)| date));
    if date.is_some_and(|date| date.contains(['M', 'Y'])) {
        return Problem::new(
            format!("{} has months or years, whose lengths differ", quoted(text)),
            "write minutes after a `T`, such as `PT5M`, or days, such as `P1D`",
        );
    }
    Problem::new(format!("{} is not an ISO 8601 duration", quoted(text)), REMEDY)
}

/// `text` as a duration with units such as `1h`, if it has whole seconds.
fn parse_with_units(text: &str) -> Option<Duration> {
    duration::parse(text).ok().filter(|span| span.subsec_nanos() == 0 && !span.is_zero())
}

fn iso_8601(span: Duration) -> String {
    let mut rest = span.as_secs();
    let mut text = String::from("P");
    for (units, prefix) in [(&DATE_UNITS[..], ""), (&TIME_UNITS[..], "T")] {
        let mut prefix = prefix;
        for (designator, seconds) in units {
            if rest >= *seconds {
                text.push_str(&format!("{prefix}{}{designator}", rest / seconds));
                rest %= seconds;
                prefix = "";
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn interval_keeps_its_text_and_has_a_length() {
        let table = [
            ("PT1M", 60),
            ("PT5M", 300),
            ("PT15M", 900),
            ("PT1H", 3_600),
            ("P1D", 86_400),
            ("P1W", 604_800),
            ("P1DT2H3M4S", 93_784),
            ("PT90S", 90),
            ("PT0H5M", 300),
        ];
        for (text, seconds) in table {
            let interval = Interval { text: text.to_owned(), length: Duration::from_secs(seconds) };
            assert_eq!(parse(text), Ok(interval));
        }
    }

    #[test]
    fn interval_remedies() {
        let iso = REMEDY;
        let months = "write minutes after a `T`, such as `PT5M`, or days, such as `P1D`";
        let table = [
            ("", iso),
            ("P", iso),
            ("PT", iso),
            ("P1DT", iso),
            ("PT0S", iso),
            ("PT1.5H", iso),
            ("PT+1H", iso),
            ("PT1M1H", iso),
            ("P1W1D", iso),
            ("PT1H ", iso),
            ("hourly", iso),
            ("PT99999999999999999999S", iso),
            ("pt1h", "write `PT1H`"),
            ("1h", "write `PT1H`"),
            ("90m", "write `PT1H30M`"),
            ("1d", "write `P1D`"),
            ("P1M", months),
            ("P1Y2M", months),
        ];
        for (text, remedy) in table {
            assert_eq!(parse(text).unwrap_err().remedy, remedy, "{text}");
        }
    }

    #[test]
    fn interval_is_bounded_by_window_and_bucket_count() {
        let day = Duration::from_secs(86_400);
        assert!(parse_within("P1D", day).is_ok());
        assert!(parse_within("PT2S", day).is_ok());
        assert!(parse_within("PT1S", day).unwrap_err().message.contains("44640 buckets"));
        assert!(parse_within("P2D", day).unwrap_err().message.contains("longer than the window of 24h"));
    }

    proptest! {
        #[test]
        fn iso_8601_text_parses_back(seconds in 1_u64..10_000_000) {
            let span = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&iso_8601(span)).map(|interval| interval.length), Ok(span));
        }

        #[test]
        fn no_text_panics(text in "P?[0-9DTHMSWYpt.µ]{0,24}") {
            let _ = parse(&text);
        }
    }
}
