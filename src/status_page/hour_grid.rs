//! Where columns and marks of charts begin: at whole hours of the time zone that is shown.
//!
//! The script shows times in the zone of the browser or of a schedule. All that matters here is at which minute of UTC an hour
//! of that zone begins, which is 0 in most zones and 30 in India. The script sends it as the parameter `columns`.

use std::time::Duration;

use crate::presence::{BucketBoundaries, Micros, Timestamp, Window};

/// Possible steps between columns or marks in hours.
const STEPS_HOURS: [u64; 6] = [1, 3, 6, 12, 24, 168];

/// Whole hours of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HourGrid {
    minute: u8,
}

// === impl HourGrid ===

impl HourGrid {
    /// The hours that begin at this minute of UTC; anything but a number below 60 is 0.
    pub(super) fn parse(minute: &str) -> Self {
        Self { minute: minute.parse().ok().filter(|minute| *minute < 60).unwrap_or_default() }
    }

    /// The minute of UTC at which an hour begins.
    pub(super) const fn minute(self) -> u8 {
        self.minute
    }

    /// Boundaries at whole hours, as far apart as necessary to divide `window` into about `most` parts at most.
    pub(super) fn boundaries(self, window: Window, most: u64) -> BucketBoundaries {
        let hours = window.length().get() / Micros::from_seconds(3_600).get();
        let step = STEPS_HOURS.into_iter().find(|step| hours / step <= most).unwrap_or(168);
        let minute = Timestamp::from_seconds(i64::from(self.minute) * 60);
        BucketBoundaries::new(Duration::from_secs(step * 3_600)).through(minute)
    }

    /// The boundaries inside `window`.
    pub(super) fn marks(self, window: Window, most: u64) -> impl Iterator<Item = Timestamp> {
        let boundaries = self.boundaries(window, most);
        let first = boundaries.next(boundaries.floor(window.start));
        std::iter::successors(Some(first), move |mark| Some(boundaries.next(*mark)))
            .take_while(move |mark| *mark < window.end)
    }

    /// The parts of `window` between its boundaries; the first and the last may be shorter.
    pub(super) fn parts(self, window: Window, most: u64) -> Vec<Window> {
        let mut start = window.start;
        let ends = self.marks(window, most).chain([window.end]);
        ends.map(|end| Window { start: std::mem::replace(&mut start, end), end }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_on_the_hour_of_the_zone() {
        let start = Timestamp::from_seconds(1_772_323_200 + 1_234);
        let of = |minute: &str, hours: u64, most: u64| {
            let length = Duration::from_secs(hours * 3_600);
            let parts = HourGrid::parse(minute).parts(Window::ending_at(start + length, length), most);
            parts.iter().skip(1).map(|part| part.start.micros() / 60_000_000 % 1_440).collect::<Vec<_>>()
        };
        assert_eq!(of("0", 3, 9), [60, 120, 180]);
        assert_eq!(of("30", 3, 9), [30, 90, 150]);
        assert_eq!(of("x", 1, 9), [60], "an invalid minute is 0");
        assert_eq!(of("60", 1, 9), [60]);
        assert_eq!(of("0", 24, 9), [180, 360, 540, 720, 900, 1_080, 1_260, 0]);
        assert_eq!(of("0", 24, 32).len(), 24);
        assert!(of("30", 31 * 24, 9).len() <= 9);
    }
}
