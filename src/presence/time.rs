//! Moments, spans and windows in whole microseconds of UTC.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use chrono::DateTime;

/// Microseconds in a second.
const MICROS_PER_SECOND: i64 = 1_000_000;

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

    /// A span of whole seconds, at the end of the range where it overflows.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND.unsigned_abs()))
    }

    /// The number of microseconds.
    pub const fn get(self) -> u64 {
        self.0
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

    /// How long the window is.
    pub const fn length(self) -> Micros {
        self.end.saturating_since(self.start)
    }
}

#[cfg(test)]
mod tests {
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
    fn spans_never_go_below_zero() {
        let (early, late) = (Timestamp::from_seconds(10), Timestamp::from_seconds(12));
        assert_eq!(late.saturating_since(early), Micros::from_seconds(2));
        assert_eq!(early.saturating_since(late), Micros::ZERO);
        assert_eq!(Timestamp::from_micros(i64::MAX) + Duration::MAX, Timestamp::from_micros(i64::MAX));
    }
}
