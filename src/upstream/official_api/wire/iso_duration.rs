//! Spans of time as the history writes them: ISO 8601, such as `PT14.5S` or `P1DT19H18M29.651S`.

use jiff::SpanRelativeTo;
use jiff::fmt::temporal::SpanParser;

use crate::presence::{Micros, Rejection};

/// The span that `text` stands for; its smallest part may have a fraction of up to nine digits. A bare number is seconds.
///
/// # Errors
///
/// When it is below zero, or cannot be read. Months and years have no length of their own, and no state lasts that long.
pub(crate) fn parse(text: &str) -> Result<Micros, Rejection> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Micros::from_reported_seconds(seconds);
    }
    let span = SpanParser::new().parse_span(text).map_err(|_| Rejection::BadTime)?;
    if span.is_negative() {
        return Err(Rejection::Negative);
    }
    // Fails where the span has months or years.
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| Rejection::BadTime)?;
    u64::try_from(length.as_micros()).map(Micros::new).map_err(|_| Rejection::BadTime)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_days_and_fractions() {
        let table = [
            ("PT0S", Ok(0)),
            ("PT14S", Ok(14_000_000)),
            ("PT14.5S", Ok(14_500_000)),
            ("PT0.5S", Ok(500_000)),
            ("PT0,25S", Ok(250_000)),
            ("PT1H2M3S", Ok(3_723_000_000)),
            ("PT5H48M1.139S", Ok(20_881_139_000)),
            ("P1DT2H", Ok(93_600_000_000)),
            ("P1DT19H18M29.651S", Ok(155_909_651_000)),
            ("P2D", Ok(172_800_000_000)),
            ("P1W", Ok(604_800_000_000)),
            ("PT1.5H", Ok(5_400_000_000)),
            ("pt1m", Ok(60_000_000)),
            ("PT90M", Ok(5_400_000_000)),
            ("PT0.0000019S", Ok(1)),
            ("12", Ok(12_000_000)),
            ("12.5", Ok(12_500_000)),
            ("-PT5S", Err(Rejection::Negative)),
            ("-5", Err(Rejection::Negative)),
            ("P", Err(Rejection::BadTime)),
            ("PT", Err(Rejection::BadTime)),
            ("PT5", Err(Rejection::BadTime)),
            ("PTS", Err(Rejection::BadTime)),
            ("PT-5S", Err(Rejection::BadTime)),
            ("PT1S2S", Err(Rejection::BadTime)),
            ("PT1S1H", Err(Rejection::BadTime)),
            ("P1Y", Err(Rejection::BadTime)),
            ("P1M", Err(Rejection::BadTime)),
            ("PT99999999999999999999S", Err(Rejection::BadTime)),
            ("PT1é", Err(Rejection::BadTime)),
            ("", Err(Rejection::BadTime)),
            ("soon", Err(Rejection::BadTime)),
            ("1 hour", Err(Rejection::BadTime)),
            ("NaN", Err(Rejection::NotFinite)),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(Micros::get), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn iso_8601_round_trip(days in 0_u64..400, hours in 0_u64..24, minutes in 0_u64..60, millis in 0_u64..60_000) {
            let text = format!("P{days}DT{hours}H{minutes}M{}.{:03}S", millis / 1000, millis % 1000);
            let micros = (((days * 24 + hours) * 60 + minutes) * 60_000 + millis) * 1000;
            prop_assert_eq!(parse(&text).map(Micros::get), Ok(micros));
        }

        #[test]
        fn any_text_is_a_span_or_none(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
