//! Text of times and durations.

use maud::{Markup, html};

use crate::presence::{Micros, Timestamp, escape_text};

/// A name from the configuration or from CXone: of an agent, a team or a state. It is isolated, so that one that is written
/// from right to left does not reorder the numbers beside it, and escaped, so that it can neither reorder itself nor hide.
pub(super) fn name(text: &str) -> Markup {
    html! { bdi { (escape_text(text)) } }
}

/// A duration as hours, minutes and seconds.
pub(super) fn clock_time(span: Micros) -> String {
    let seconds = span.get() / 1_000_000;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// As [`clock_time`], with the sign for a lower bound.
pub(super) fn at_least(span: Micros) -> String {
    format!("\u{2265} {}", clock_time(span))
}

/// A duration in seconds with two decimals.
pub(super) fn seconds(span: Micros) -> String {
    format!("{:.2}", span.seconds_f64())
}

/// A percentage with one decimal.
pub(super) fn percentage(part: u64, whole: u64) -> String {
    let permille = part.saturating_mul(1_000) / whole.max(1);
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Time of day in UTC to the second, with the date if `with_date`.
pub(super) fn time_of_day(moment: Timestamp, with_date: bool) -> String {
    let text = moment.whole_second().to_string();
    match text.split_once('T') {
        Some((date, time)) if with_date => format!("{date} {}", time.trim_end_matches('Z')),
        Some((_, time)) => time.trim_end_matches('Z').to_owned(),
        None => text,
    }
}

/// A moment in UTC; the script can convert it to local time.
pub(super) fn moment(moment: Timestamp) -> Markup {
    html! {
        time datetime=(moment.whole_second()) { (time_of_day(moment, true)) " UTC" }
    }
}

/// A moment without year and seconds, for tables; its `datetime` is complete.
pub(super) fn short_moment(moment: Timestamp) -> Markup {
    let text = time_of_day(moment, true);
    html! {
        time.short datetime=(moment.whole_second()) { (text.get(5..16).unwrap_or(&text)) }
    }
}

/// Seconds since 1970, for the script.
pub(super) fn epoch(moment: Timestamp) -> i64 {
    moment.micros().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_in_hours_minutes_and_seconds() {
        let table =
            [(0, "0:00:00", "0.00"), (86_400_000_000, "24:00:00", "86400.00"), (3_725_994_999, "1:02:05", "3725.99")];
        for (micros, clock, exact) in table {
            assert_eq!((&*clock_time(Micros::new(micros)), &*seconds(Micros::new(micros))), (clock, exact));
        }
    }

    #[test]
    fn moments_have_text_and_datetime() {
        let noon = Timestamp::from_micros(1_772_366_400_123_456);
        assert_eq!(time_of_day(noon, false), "12:00:00");
        assert_eq!(
            moment(noon).into_string(),
            "<time datetime=\"2026-03-01T12:00:00Z\">2026-03-01 12:00:00 UTC</time>"
        );
        assert!(short_moment(noon).into_string().contains(">03-01 12:00<"));
    }
}
