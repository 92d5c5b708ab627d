//! Durations in the simulator's flags.

use std::time::Duration;

/// Parses a duration: a whole number with `ms`, `s`, `m` or `h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let parsed = number.parse::<u32>().ok().and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(number.into())),
        "s" => Some(Duration::from_secs(number.into())),
        "m" => Some(Duration::from_secs(u64::from(number) * 60)),
        "h" => Some(Duration::from_secs(u64::from(number) * 3_600)),
        _ => None,
    });
    parsed
        .ok_or_else(|| format!("`{text}` is not a span of time; write a whole number with ms, s, m or h, such as 90s"))
}
