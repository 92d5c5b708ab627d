//! Time zones: what the clocks on the walls of a place show, by the IANA database that the binary brings along.
//!
//! The database of the machine is not read, so that results are the same wherever they are computed.

use std::fmt;
use std::ops::RangeInclusive;

use chrono::NaiveDateTime;
use jiff::tz::{self, Offset, TimeZoneDatabase};

use super::Timestamp;

#[cfg(test)]
mod tests;

/// The database's name for the zone of a machine without a configured one. No agent works there.
const NOT_CHOSEN: &str = "Factory";

/// 400 years in microseconds: dates and days of the week repeat after them, and so do changes of the clocks long before
/// and after our time.
const CYCLE: i64 = 146_097 * 86_400 * 1_000_000;
/// The cycles from 1970 on that jiff's calendar has, which ends with the year 9999; others are read as the nearest
/// of these. A simulated tenant that is sped up gets there.
const CYCLES: RangeInclusive<i64> = -20..=15;

/// A time zone of the IANA database. Clones are cheap, and zones of one name are equal.
#[derive(Clone)]
pub struct TimeZone(tz::TimeZone);

// === impl TimeZone ===

impl TimeZone {
    /// Where clocks show UTC.
    pub const UTC: Self = Self(tz::TimeZone::UTC);

    /// The zone of an IANA name, such as `Europe/Berlin`, in the database's own spelling.
    pub fn named(name: &str) -> Option<Self> {
        // The database finds names in any case.
        let zone = TimeZoneDatabase::bundled().get(name).ok().map(Self)?;
        (name != NOT_CHOSEN && zone.name() == name).then_some(zone)
    }

    /// The names of all zones, in order.
    pub fn names() -> Vec<String> {
        let database = TimeZoneDatabase::bundled();
        let names = database.available().map(|name| name.as_str().to_owned());
        let mut names: Vec<_> = names.filter(|name| name != NOT_CHOSEN).collect();
        names.sort_unstable();
        names
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        // Every zone here is UTC or came by its name.
        self.0.iana_name().unwrap_or_default()
    }

    /// The moment at which clocks show `local`.
    ///
    /// Local times are read as RFC 5545 (section 3.3.5) reads them: one that a change of the clocks brings twice
    /// is the first of the two, and one that it skips is taken with the offset before the change. `None` is what
    /// no timestamp can tell.
    pub fn moment(&self, local: NaiveDateTime) -> Option<Timestamp> {
        let shown = local.and_utc().timestamp_micros();
        let cycles = shown.div_euclid(CYCLE);
        let skipped = (cycles - cycles.clamp(*CYCLES.start(), *CYCLES.end())) * CYCLE;
        let near = Offset::UTC.to_datetime(as_utc(shown - skipped)?);
        let moment = self.0.to_ambiguous_timestamp(near).compatible().ok()?;
        Some(Timestamp::from_micros(moment.as_microsecond().checked_add(skipped)?))
    }

    /// What clocks show at a moment. `None` is what the calendar of four digits a year does not have.
    pub fn local(&self, moment: Timestamp) -> Option<NaiveDateTime> {
        let local = self.0.to_datetime(as_utc(moment.micros())?);
        let local = Offset::UTC.to_timestamp(local).ok()?;
        Some(chrono::DateTime::from_timestamp_micros(local.as_microsecond())?.naive_utc())
    }

    /// How far clocks are ahead of UTC at a moment, in seconds; zero where [`TimeZone::local`] has nothing.
    pub fn offset_seconds(&self, moment: Timestamp) -> i32 {
        as_utc(moment.micros()).map_or(0, |moment| self.0.to_offset(moment).seconds())
    }

    /// The first moment after `moment` at which clocks are put forward or back.
    pub fn next_change(&self, moment: Timestamp) -> Option<Timestamp> {
        let before = self.offset_seconds(moment);
        let changes = self.0.following(as_utc(moment.micros())?);
        let mut changes = changes.filter(|change| change.offset().seconds() != before);
        changes.next().map(|change| Timestamp::from_micros(change.timestamp().as_microsecond()))
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for TimeZone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for TimeZone {}

fn as_utc(micros: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(micros).ok()
}
