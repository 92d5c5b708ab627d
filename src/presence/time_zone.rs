//! Time zones: what the clocks on the walls of a place show, by the IANA database that the binary brings along.
//!
//! The database of the machine is not read, so that results are the same wherever they are computed.

use std::fmt;

use chrono::{Days, MappedLocalTime, NaiveDateTime, Offset, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::Timestamp;

#[cfg(test)]
mod tests;

/// A time zone of the IANA database. Clones are cheap, and zones of one name are equal.
#[derive(Clone)]
pub struct TimeZone(Tz);

// === impl TimeZone ===

impl TimeZone {
    /// Where clocks show UTC.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone of an IANA name, such as `Europe/Berlin`, in the database's own spelling.
    pub fn named(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// The names of all zones, in order.
    pub fn names() -> Vec<&'static str> {
        TZ_VARIANTS.iter().map(|zone| zone.name()).collect()
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The moment at which clocks show `local`.
    ///
    /// Local times are read as RFC 5545 (section 3.3.5) reads them: one that a change of the clocks brings twice
    /// is the first of the two, and one that it skips is taken with the offset before the change. `None` is what
    /// lies beyond the calendar.
    pub fn moment(&self, local: NaiveDateTime) -> Option<Timestamp> {
        let offset = match self.0.offset_from_local_datetime(&local) {
            MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => offset,
            // No change of the clocks skips more than a day.
            MappedLocalTime::None => {
                self.0.offset_from_local_datetime(&local.checked_sub_days(Days::new(1))?).latest()?
            }
        };
        let utc = local.checked_sub_offset(offset.fix())?.and_utc();
        Some(Timestamp::from_micros(utc.timestamp_micros()))
    }

    /// What clocks show at a moment.
    #[cfg(test)]
    pub(crate) fn local(&self, moment: Timestamp) -> Option<NaiveDateTime> {
        let utc = chrono::DateTime::from_timestamp_micros(moment.micros())?;
        Some(utc.with_timezone(&self.0).naive_local())
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
