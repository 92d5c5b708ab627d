//! Timestamps, durations and windows in whole microseconds of UTC. chrono reads and prints RFC 3339.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

use super::Rejection;

#[cfg(test)]
mod tests;

/// Microseconds in a second.
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_HOUR: f64 = 3_600e6;
/// The length of `YYYY-MM-DD`.
const DATE_LENGTH: usize = 10;

/// A time in UTC, in whole microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A duration in whole microseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(u64);

/// The half-open time range `[start, end)` that values refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first time inside.
    pub start: Timestamp,
    /// The first time after it.
    pub end: Timestamp,
}

// === impl Timestamp ===

impl Timestamp {
    /// The time `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The time `seconds` seconds after the Unix epoch; saturates.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS[.fraction][Z|±HH:MM]`, which is RFC 3339 with an optional zone.
    ///
    /// A text without a zone is UTC, as CXone reports UTC whether it says so or not. Digits after the microsecond are cut
    /// off. A leap second, `:60`, is the first second of the next minute.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        // RFC 3339 also allows a space and lower-case letters. No known server writes them.
        if text.as_bytes().get(DATE_LENGTH) != Some(&b'T') || text.ends_with('z') {
            return None;
        }
        let read = |text: &str| DateTime::parse_from_rfc3339(text).ok();
        let time = read(text).or_else(|| read(&format!("{text}Z")))?;
        Some(Self(time.timestamp_micros()))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, the unit of Prometheus.
    #[allow(clippy::cast_precision_loss, reason = "f64 holds microseconds exactly until the year 2255")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND as f64
    }

    /// The duration since `earlier`; zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Micros {
        Micros(if self.0 > earlier.0 { self.0.abs_diff(earlier.0) } else { 0 })
    }

    /// The time without its fraction of a second.
    pub const fn whole_second(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(MICROS_PER_SECOND)))
    }

    /// The time `span` earlier.
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
        let Some(utc) = DateTime::from_timestamp_micros(self.0) else {
            return write!(f, "{} µs since 1970", self.0);
        };
        let is_whole = self.0 % MICROS_PER_SECOND == 0;
        f.write_str(&utc.to_rfc3339_opts(if is_whole { SecondsFormat::Secs } else { SecondsFormat::Micros }, true))
    }
}

// === impl Micros ===

impl Micros {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// A duration of `micros` microseconds.
    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    /// A reported decimal number of seconds, rounded to the microsecond. A number that is too large saturates.
    ///
    /// # Errors
    ///
    /// Fails if the number is negative or not finite.
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

    /// A duration of whole seconds; saturates.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND.unsigned_abs()))
    }

    /// The number of microseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `part / whole` of the duration, rounded down, so that the parts of several durations never sum to more than that
    /// part of their sum; zero if `whole` is zero.
    pub fn prorated(self, part: Self, whole: u128) -> Self {
        if u128::from(part) == whole && whole > 0 {
            // Most buckets are whole, and a division of 128 bits takes long.
            return self;
        }
        let scaled = (u128::from(self) * u128::from(part)).checked_div(whole).unwrap_or_default();
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// The duration in seconds, the unit of Prometheus.
    #[allow(clippy::cast_precision_loss, reason = "f64 holds microseconds exactly up to 285 years")]
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND as f64
    }

    /// The duration in hours, for display.
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

impl AddAssign for Micros {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
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

    /// The part of the window that is also in `other`, if any.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }

    /// The length of the window.
    pub const fn length(self) -> Micros {
        self.end.saturating_since(self.start)
    }
}
