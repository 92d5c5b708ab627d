//! Configured durations and reported timestamps round-trip.
#![no_main]

use std::time::Duration;

use cxone_exporter::config::{format_duration, parse_duration};
use cxone_exporter::presence::Timestamp;
use cxone_exporter::simulator::{Fault, Rule};
use libfuzzer_sys::fuzz_target;

/// The years with four digits, which are all that a moment can be written in.
const YEARS: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;

/// Longer than this, and a duration in milliseconds has more digits than are read.
const LONGEST: Duration = Duration::from_millis(1_000_000_000_000_000_000);

fuzz_target!(|text: &str| {
    if let Ok(duration) = parse_duration(text)
        && duration < LONGEST
    {
        let written = format_duration(duration);
        assert_eq!(parse_duration(&written), Ok(duration), "{written}");
    }
    if let Some(moment) = Timestamp::parse(text.as_bytes())
        && YEARS.contains(&moment.micros().div_euclid(1_000_000))
    {
        assert_eq!(Timestamp::parse(moment.to_string().as_bytes()), Some(moment), "{moment}");
    }
    // An address may end as a count does, so a redirection is not always written as it was read.
    if let Ok(rule) = text.parse::<Rule>()
        && !matches!(rule.fault, Fault::Redirect(_) | Fault::ForeignLink(_))
    {
        assert_eq!(rule.to_string().parse(), Ok(rule));
    }
});
