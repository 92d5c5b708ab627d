//! Spans of time as the history writes them: ISO 8601, such as `PT14.5S` or `P1DT19H18M29.651S`.

use crate::presence::{Micros, Rejection};

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// The parts of a duration in the order that they must have, each with its seconds. Months and years have no length
/// of their own, and no state lasts that long.
const DATE_PARTS: [(u8, u64); 2] = [(b'W', 7 * 86_400), (b'D', 86_400)];
const TIME_PARTS: [(u8, u64); 3] = [(b'H', 3_600), (b'M', 60), (b'S', 1)];

/// The span that `text` stands for; any of its parts may have a fraction. A bare number is taken as seconds.
///
/// # Errors
///
/// When it is below zero, or cannot be read.
pub(in crate::upstream::official_api) fn parse(text: &str) -> Result<Micros, Rejection> {
    if text.starts_with('-') {
        return Err(Rejection::Negative);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Micros::from_reported_seconds(seconds);
    }
    let span = text.strip_prefix(['P', 'p']).and_then(|rest| {
        let (date, time) = rest.split_once(['T', 't']).unwrap_or((rest, ""));
        if date.is_empty() && time.is_empty() {
            return None;
        }
        part_by_part(date, &DATE_PARTS)?.checked_add(part_by_part(time, &TIME_PARTS)?)
    });
    span.map(Micros::new).ok_or(Rejection::BadTime)
}

/// The microseconds of numbers with units, each unit once at the most and in the order of `units`.
fn part_by_part(mut text: &str, units: &[(u8, u64)]) -> Option<u64> {
    let mut units = units.iter();
    let mut total: u64 = 0;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
        let (number, rest) = text.split_at_checked(digits)?;
        let unit = rest.as_bytes().first()?.to_ascii_uppercase();
        let (_, seconds) = units.find(|(letter, _)| *letter == unit)?;
        total = total.checked_add(micros(number, seconds.checked_mul(SECOND)?)?)?;
        text = rest.get(1..)?;
    }
    Some(total)
}

/// `number` times `unit`, rounded down. Digits of a fraction past the ninth do not matter.
fn micros(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u128::from(unit) * fraction.parse::<u128>().ok()? / scale;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
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
            ("PT0,25S", Ok(250_000)),
            ("PT1H2M3S", Ok(3_723_000_000)),
            ("P1DT19H18M29.651S", Ok(155_909_651_000)),
            ("P2D", Ok(172_800_000_000)),
            ("P1W", Ok(604_800_000_000)),
            ("PT1.5H", Ok(5_400_000_000)),
            ("pt1m", Ok(60_000_000)),
            ("PT0.0000019S", Ok(1)),
            ("PT0.12345678999999999999999S", Ok(123_456)),
            ("12", Ok(12_000_000)),
            ("12.5", Ok(12_500_000)),
            ("-PT5S", Err(Rejection::Negative)),
            ("-5", Err(Rejection::Negative)),
            ("P", Err(Rejection::BadTime)),
            ("PT", Err(Rejection::BadTime)),
            ("PT5", Err(Rejection::BadTime)),
            ("PTS", Err(Rejection::BadTime)),
            ("PT5.S", Err(Rejection::BadTime)),
            ("PT1S2S", Err(Rejection::BadTime)),
            ("PT1S1H", Err(Rejection::BadTime)),
            ("P1Y", Err(Rejection::BadTime)),
            ("P1M", Err(Rejection::BadTime)),
            ("PT99999999999999999999S", Err(Rejection::BadTime)),
            ("PT1é", Err(Rejection::BadTime)),
            ("", Err(Rejection::BadTime)),
            ("soon", Err(Rejection::BadTime)),
            ("NaN", Err(Rejection::NotFinite)),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(Micros::get), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(days in 0_u64..400, hours in 0_u64..24, minutes in 0_u64..60, millis in 0_u64..60_000) {
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
