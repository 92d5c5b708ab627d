//! When agents are expected to work: days and hours in a time zone, less holidays.

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;

/// When agents are expected to work, in local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The zone that days and hours are meant in.
    pub timezone: Tz,
    /// On which days a shift may begin, Monday first.
    pub days: [bool; 7],
    /// The shifts of such a day. They do not overlap.
    pub hours: Vec<Shift>,
    /// Dates on which no shift begins.
    pub holidays: Vec<NaiveDate>,
}

/// One shift of a day, half-open. Where `end` is not after `start`, it ends on the following day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// The local time at which it begins.
    pub start: NaiveTime,
    /// The local time at which it is over.
    pub end: NaiveTime,
}
