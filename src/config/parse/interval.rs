//! Parses ISO 8601 durations such as `PT1H`, the lengths of time buckets in the presence API.

use std::time::Duration;

use super::{duration, iso_8601};
use crate::config::Interval;
use crate::config::bounds::MAX_BUCKETS;
use crate::config::diagnostics::{Problem, quoted};

const REMEDY: &str = "write an ISO 8601 duration, such as `PT15M`, `PT1H` or `P1D`";

/// The interval of `text`, if it is within `window` and does not divide it into too many buckets.
pub(crate) fn parse_within(text: &str, window: Duration) -> Result<Interval, Problem> {
    let interval = parse(text)?;
    let window_text = duration::format(window);
    if interval.length > window {
        return Err(Problem::new(
            format!("{} is longer than the window of {window_text}", quoted(text)),
            format!("write a shorter interval, such as `{}`, or a longer `window`", suggestion(window)),
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

/// The longest of the documented intervals that fits into `window`.
pub(crate) fn suggestion(window: Duration) -> &'static str {
    let fits = |text: &&str| iso_8601::parse(text).is_some_and(|length| length <= window);
    ["PT1H", "PT15M", "PT1M"].into_iter().find(fits).unwrap_or("PT1S")
}

/// The interval of `text`: `PnW` or `PnDTnHnMnS`, each part optional, in whole numbers.
pub(crate) fn parse(text: &str) -> Result<Interval, Problem> {
    match iso_8601::parse(text) {
        Some(Duration::ZERO) => Err(Problem::new(format!("{} is no time at all", quoted(text)), REMEDY)),
        Some(length) => Ok(Interval { text: text.to_owned(), length }),
        None => Err(explain(text)),
    }
}

fn explain(text: &str) -> Problem {
    let upper = text.to_ascii_uppercase();
    if upper != text && iso_8601::parse(&upper).is_some() {
        return Problem::new(format!("{} is not in capitals", quoted(text)), format!("write `{upper}`"));
    }
    if let Some(iso) = parse_with_units(text).and_then(iso_8601::format) {
        return Problem::new(format!("{} is not an ISO 8601 duration", quoted(text)), format!("write `{iso}`"));
    }
    if iso_8601::has_months_or_years(&upper) {
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

    #[test]
    fn suggested_interval_fits_into_the_window() {
        for (seconds, text) in
            [(1, "PT1S"), (59, "PT1S"), (60, "PT1M"), (1800, "PT15M"), (3600, "PT1H"), (864_000, "PT1H")]
        {
            let window = Duration::from_secs(seconds);
            assert_eq!(suggestion(window), text, "{seconds}");
            assert!(parse_within(text, window).is_ok(), "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn iso_8601_text_parses_back(seconds in 1_u64..10_000_000) {
            let span = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&iso_8601::format(span).unwrap()).map(|interval| interval.length), Ok(span));
        }

        #[test]
        fn no_text_panics(text in "P?[0-9DTHMSWYpt.µ]{0,24}") {
            let _ = parse(&text);
        }
    }
}
