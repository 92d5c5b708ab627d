//! When agents are expected to work: days and hours in a time zone, less holidays.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime};

use super::{Micros, ScheduledTime, TimeZone, Timestamp, Window};

#[cfg(test)]
mod tests;

/// When agents are expected to work, in local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The zone that days and hours are meant in.
    pub timezone: TimeZone,
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

/// The shifts of a schedule within a window: spans in order that neither overlap nor touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnShift(Vec<Window>);

/// Sums scheduled time within one window. Agents share schedules, so each schedule is applied to the window once.
#[derive(Debug)]
pub(super) struct ScheduleSummer {
    window: Window,
    on_shift: Vec<(Arc<Schedule>, OnShift)>,
}

// === impl Schedule ===

impl Schedule {
    /// The parts of `window` that lie in a shift.
    ///
    /// Where a change of the clocks brings a local time twice or skips it, it is [the moment](TimeZone::moment)
    /// that its zone makes of it.
    pub fn within(&self, window: Window) -> OnShift {
        let mut shifts: Vec<_> = self
            .dates(window)
            .flat_map(|date| self.hours.iter().filter_map(move |shift| self.shift_on(date, shift)))
            .filter_map(|shift| shift.intersection(window))
            .collect();
        shifts.sort_unstable_by_key(|shift| shift.start);
        // A change of the clocks can push one shift into the next.
        shifts.dedup_by(|later, earlier| {
            let touches = later.start <= earlier.end;
            if touches {
                earlier.end = earlier.end.max(later.end);
            }
            touches
        });
        OnShift(shifts)
    }

    /// The dates on which a shift begins that may reach into `window`.
    fn dates(&self, window: Window) -> impl Iterator<Item = NaiveDate> + '_ {
        let date = |timestamp: Timestamp| Some(DateTime::from_timestamp_micros(timestamp.micros())?.date_naive());
        // A zone is at most a day away from UTC, and a shift may have begun the day before.
        let first = date(window.start).and_then(|date| date.checked_sub_days(Days::new(2)));
        let last = date(window.end).and_then(|date| date.checked_add_days(Days::new(1)));
        let dates = first.zip(last).map(|(first, last)| first.iter_days().take_while(move |&date| date <= last));
        dates.into_iter().flatten().filter(|date| {
            let weekday = usize::try_from(date.weekday().num_days_from_monday()).unwrap_or_default();
            self.days.get(weekday) == Some(&true) && !self.holidays.contains(date)
        })
    }

    fn shift_on(&self, date: NaiveDate, shift: &Shift) -> Option<Window> {
        let last_date = if shift.end > shift.start { date } else { date.succ_opt()? };
        let start = self.timezone.moment(date.and_time(shift.start))?;
        Some(Window { start, end: self.timezone.moment(last_date.and_time(shift.end))? })
    }
}

// === impl OnShift ===

impl OnShift {
    /// The shifts, in order.
    pub fn shifts(&self) -> &[Window] {
        &self.0
    }

    /// All the time on shift.
    pub fn total(&self) -> Micros {
        self.0.iter().map(|shift| shift.length()).sum()
    }

    /// The time of `span` that is on shift.
    pub fn overlap(&self, span: Window) -> Micros {
        let first = self.0.partition_point(|shift| shift.end <= span.start);
        let shifts = self.0.get(first..).unwrap_or_default().iter();
        shifts.map_while(|shift| shift.intersection(span)).map(Window::length).sum()
    }
}

// === impl ScheduleSummer ===

impl ScheduleSummer {
    pub(super) const fn new(window: Window) -> Self {
        Self { window, on_shift: Vec::new() }
    }

    /// The time on shift in the window, and the part of it that is offline. `offline` has spans and the offline time in each,
    /// which is taken as spread evenly over the span.
    pub(super) fn scheduled_time(
        &mut self,
        schedule: &Arc<Schedule>,
        offline: impl Iterator<Item = (Window, Micros)>,
    ) -> ScheduledTime {
        if !self.on_shift.iter().any(|(known, _)| Arc::ptr_eq(known, schedule)) {
            self.on_shift.push((Arc::clone(schedule), schedule.within(self.window)));
        }
        let Some((_, on_shift)) = self.on_shift.iter().find(|(known, _)| Arc::ptr_eq(known, schedule)) else {
            return ScheduledTime::default();
        };
        let on_shift_part =
            |(span, time): (Window, Micros)| time.prorated(on_shift.overlap(span), span.length().into());
        ScheduledTime { total: on_shift.total(), offline: offline.map(on_shift_part).sum() }
    }
}
