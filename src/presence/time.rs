//! Moments, spans and windows in whole microseconds of UTC.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use chrono::DateTime;

use super::Rejection;

/// Microseconds in a second.
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Seconds in a day; UTC without leap seconds, as Unix counts.
const SECONDS_PER_DAY: i64 = 86_400;
/// From 1 March of the year -400 to 1 January 1970.
const DAYS_FROM_MARCH_OF_YEAR_MINUS_400: i64 = 719_468 + 146_097;

/// A moment in UTC, in whole microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A span of time in whole microseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(u64);

/// The half-open span of time `[start, end)` that values speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first moment inside.
    pub start: Timestamp,
    /// The first moment after.
    pub end: Timestamp,
}

// === impl Timestamp ===

impl Timestamp {
    /// The moment `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment `seconds` seconds after the Unix epoch, at the ends of the range where it overflows.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS[.fraction][Z|±HH:MM]`, the ISO 8601 that presence reports are written in.
    ///
    /// The calendar is checked in full. A text without a zone is UTC, since the reports speak UTC whether they
    /// say so or not. Digits of the fraction past the microsecond are cut off. A leap second, `:60`, is the
    /// first second of the next minute.
    pub fn parse(text: &[u8]) -> Option<Self> {
        // Matching the whole shape at once checks every separator and leaves no index to go out of bounds.
        let &[
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T', //
            h0,
            h1,
            b':',
            i0,
            i1,
            b':',
            s0,
            s1,
            ref rest @ ..,
        ] = text
        else {
            return None;
        };
        let year = two_digits(y0, y1)? * 100 + two_digits(y2, y3)?;
        let days = days_since_epoch(year, two_digits(m0, m1)?, two_digits(d0, d1)?)?;
        let hour = two_digits(h0, h1).filter(|&hour| hour < 24)?;
        let minute = two_digits(i0, i1).filter(|&minute| minute < 60)?;
        let second = two_digits(s0, s1).filter(|&second| second <= 60)?;
        let (fraction, zone) = split_fraction(rest)?;
        let local = days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
        Some(Self((local - zone_offset(zone)?) * MICROS_PER_SECOND + fraction))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, as Prometheus wants them.
    #[allow(clippy::cast_precision_loss, reason = "f64 holds microseconds exactly until the year 2255")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND as f64
    }

    /// The span from `earlier` to this moment, zero when `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Micros {
        Micros(if self.0 > earlier.0 { self.0.abs_diff(earlier.0) } else { 0 })
    }

    /// The moment `span` before this one.
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// The number that two ASCII digits spell.
const fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens <= 9 && ones <= 9 { Some(tens as i64 * 10 + ones as i64) } else { None }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar in the years 0 to 9999, if there is such a date.
///
/// Years are taken to begin in March, which puts the leap day last; a month then begins on day
/// `(153 × month + 2) / 5` of its year.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last_day = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day < 1 || day > last_day {
        return None;
    }
    // Counting from the year -400, a whole cycle of leap years early, keeps every division of a positive number.
    let (year, month) = if month > 2 { (year + 400, month - 3) } else { (year + 399, month + 9) };
    let from_march = (153 * month + 2) / 5 + day - 1;
    let from_year_minus_400 = year * 365 + year / 4 - year / 100 + year / 400 + from_march;
    Some(from_year_minus_400 - DAYS_FROM_MARCH_OF_YEAR_MINUS_400)
}

/// Takes `.fraction` off the front: its microseconds, and what is left.
fn split_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else {
        return Some((0, text));
    };
    let length = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(length).filter(|_| length > 0)?;
    let padded = digits.iter().chain(std::iter::repeat(&b'0'));
    Some((padded.take(6).fold(0, |micros, &digit| micros * 10 + i64::from(digit - b'0')), rest))
}

/// How far a zone designator is ahead of UTC, in seconds.
const fn zone_offset(zone: &[u8]) -> Option<i64> {
    let &[sign, h0, h1, b':', m0, m1] = zone else {
        return if matches!(zone, [] | [b'Z']) { Some(0) } else { None };
    };
    let (Some(hours @ 0..24), Some(minutes @ 0..60)) = (two_digits(h0, h1), two_digits(m0, m1)) else {
        return None;
    };
    match sign {
        b'+' => Some(hours * 3_600 + minutes * 60),
        b'-' => Some(-(hours * 3_600 + minutes * 60)),
        _ => None,
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// ISO 8601 in UTC with a literal `Z`, with a fraction only where there is one.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(utc) if self.0 % MICROS_PER_SECOND == 0 => write!(f, "{}", utc.format("%Y-%m-%dT%H:%M:%SZ")),
            Some(utc) => write!(f, "{}", utc.format("%Y-%m-%dT%H:%M:%S%.6fZ")),
            None => write!(f, "{} µs since 1970", self.0),
        }
    }
}

// === impl Micros ===

impl Micros {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `micros` microseconds.
    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    /// The span that a report gives as a decimal number of seconds, rounded to the microsecond.
    ///
    /// # Errors
    ///
    /// When the number is below zero or not finite. One that is too large is the largest span.
    pub fn from_reported_seconds(seconds: f64) -> Result<Self, Rejection> {
        if !seconds.is_finite() {
            return Err(Rejection::NotFinite);
        }
        if seconds < 0.0 {
            return Err(Rejection::Negative);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and that is meant")]
        Ok(Self((seconds * MICROS_PER_SECOND as f64).round() as u64))
    }

    /// A span of whole seconds, at the end of the range where it overflows.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND.unsigned_abs()))
    }

    /// The number of microseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `part / whole` of the span, rounded down. The parts of several spans thus never add up to more than that
    /// part of their sum. Of no whole there is no part.
    pub fn prorated(self, part: Self, whole: u128) -> Self {
        let scaled = (u128::from(self) * u128::from(part)).checked_div(whole).unwrap_or_default();
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// The span in seconds, as Prometheus wants it.
    #[allow(clippy::cast_precision_loss, reason = "f64 holds microseconds exactly up to 285 years")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND as f64
    }
}

impl Add for Micros {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<Micros> for u128 {
    fn from(span: Micros) -> Self {
        Self::from(span.0)
    }
}

impl From<Duration> for Micros {
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }
}

impl std::iter::Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

// === impl Window ===

impl Window {
    /// The window of `length` that ends at `end`.
    pub fn ending_at(end: Timestamp, length: Duration) -> Self {
        Self { start: end.saturating_sub(length), end }
    }

    /// The part of the window that is in `other` too, if there is any.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }

    /// How long the window is.
    pub const fn length(self) -> Micros {
        self.end.saturating_since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_prints_as_iso_8601_with_a_literal_z() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (1_698_400_800_000_000, "2023-10-27T10:00:00Z"),
            (1_698_400_800_250_000, "2023-10-27T10:00:00.250000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ];
        for (micros, printed) in table {
            assert_eq!(Timestamp::from_micros(micros).to_string(), printed);
        }
    }

    #[test]
    fn timestamps_are_read_strictly() {
        let table = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2023-10-27T10:00:00Z", Some(1_698_400_800_000_000)),
            ("2023-10-27T10:00:00", Some(1_698_400_800_000_000)),
            ("2023-10-27T12:00:00+02:00", Some(1_698_400_800_000_000)),
            ("2023-10-27T04:30:00-05:30", Some(1_698_400_800_000_000)),
            ("2023-10-27T10:00:00.25Z", Some(1_698_400_800_250_000)),
            ("2023-10-27T10:00:00.0000019Z", Some(1_698_400_800_000_001)),
            ("2023-10-27T10:00:00.25+00:00", Some(1_698_400_800_250_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800_000_000)),
            ("1969-12-31T23:59:59.999999Z", Some(-1)),
            ("2000-02-29T00:00:00Z", Some(951_782_400_000_000)),
            ("1900-02-29T00:00:00Z", None),
            ("2023-02-29T00:00:00Z", None),
            ("2023-04-31T00:00:00Z", None),
            ("2023-00-10T00:00:00Z", None),
            ("2023-13-10T00:00:00Z", None),
            ("2023-10-00T00:00:00Z", None),
            ("2023-10-27T24:00:00Z", None),
            ("2023-10-27T10:60:00Z", None),
            ("2023-10-27T10:00:61Z", None),
            ("2023-10-27T10:00:00.Z", None),
            ("2023-10-27T10:00:00.5x", None),
            ("2023-10-27T10:00:00z", None),
            ("2023-10-27T10:00:00ZZ", None),
            ("2023-10-27T10:00:00+24:00", None),
            ("2023-10-27T10:00:00+01:60", None),
            ("2023-10-27T10:00:00+0100", None),
            ("2023-10-27T10:00:00 01:00", None),
            ("2023-10-27 10:00:00Z", None),
            ("2023-10-27T10:00Z", None),
            ("+023-10-27T10:00:00Z", None),
            ("2023-10-27", None),
            ("", None),
        ];
        for (text, micros) in table {
            assert_eq!(Timestamp::parse(text.as_bytes()), micros.map(Timestamp::from_micros), "{text}");
        }
    }

    #[test]
    fn reported_seconds_are_rounded_to_the_microsecond() {
        let table = [
            (0.0, Ok(0)),
            (-0.0, Ok(0)),
            (1800.0, Ok(1_800_000_000)),
            (0.1 + 0.2, Ok(300_000)),
            (0.000_000_4, Ok(0)),
            (0.000_000_6, Ok(1)),
            (1e300, Ok(u64::MAX)),
            (-0.001, Err(Rejection::Negative)),
            (f64::NAN, Err(Rejection::NotFinite)),
            (f64::INFINITY, Err(Rejection::NotFinite)),
            (f64::NEG_INFINITY, Err(Rejection::NotFinite)),
        ];
        for (seconds, micros) in table {
            assert_eq!(Micros::from_reported_seconds(seconds), micros.map(Micros::new), "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn every_timestamp_reads_as_chrono_reads_it(
            year in 0..=9999_u32, month in 0..=13_u32, day in 0..=32_u32,
            hour in 0..=24_u32, minute in 0..=60_u32, second in 0..=61_u32,
            fraction in prop_oneof![Just(String::new()), r"\.[0-9]{1,9}"],
            zone in prop_oneof![Just("Z".to_owned()), r"[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]"],
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}");
            let chrono = DateTime::parse_from_rfc3339(&text).ok().map(|read| read.timestamp_micros());
            prop_assert_eq!(Timestamp::parse(text.as_bytes()).map(Timestamp::micros), chrono, "{}", text);
        }

        #[test]
        fn every_timestamp_prints_to_what_reads_back(micros in -62_167_219_200_000_000..253_402_300_800_000_000_i64) {
            let timestamp = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(timestamp.to_string().as_bytes()), Some(timestamp));
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Timestamp::parse(&text);
        }
    }

    #[test]
    fn spans_never_go_below_zero() {
        let (early, late) = (Timestamp::from_seconds(10), Timestamp::from_seconds(12));
        assert_eq!(late.saturating_since(early), Micros::from_seconds(2));
        assert_eq!(early.saturating_since(late), Micros::ZERO);
        assert_eq!(Timestamp::from_micros(i64::MAX) + Duration::MAX, Timestamp::from_micros(i64::MAX));
    }
}
