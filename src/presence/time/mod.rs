//! Moments, spans and windows in whole microseconds of UTC.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use chrono::DateTime;

use super::Rejection;

#[cfg(test)]
mod tests;

/// Microseconds in a second.
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_HOUR: f64 = 3_600e6;
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
        let digits = [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1].map(|digit| digit.wrapping_sub(b'0'));
        if digits.iter().any(|&digit| digit > 9) {
            return None;
        }
        let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1] = digits.map(i64::from);
        let days = days_since_epoch(y0 * 1_000 + y1 * 100 + y2 * 10 + y3, m0 * 10 + m1, d0 * 10 + d1)?;
        let (hour, minute, second) = (h0 * 10 + h1, i0 * 10 + i1, s0 * 10 + s1);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
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

    /// The whole second that this moment lies in.
    pub const fn whole_second(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(MICROS_PER_SECOND)))
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

    /// The span in hours, for people.
    #[allow(clippy::cast_precision_loss, reason = "f64 holds microseconds exactly up to 285 years")]
    pub fn hours_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_HOUR
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

impl From<Micros> for Duration {
    fn from(span: Micros) -> Self {
        Self::from_micros(span.0)
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
