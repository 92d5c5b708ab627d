//! When agents are expected to work: days and hours in a time zone, less holidays and leave.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime};

use super::{Micros, ScheduledTime, TimeZone, Timestamp, Window};

#[cfg(test)]
mod absence_properties;
#[cfg(test)]
mod tests;

/// How far [`Schedule::shift_at`] looks first. Most shifts begin and end within a day.
const DAY: Duration = Duration::from_secs(86_400);

/// How far [`Schedule::shift_at`] looks at the most: the longest window. A shift round the clock has no end.
pub const MAX_SHIFT: Duration = Duration::from_secs(31 * 86_400);

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
    /// Leave: in order, without overlaps. It is not scheduled time, so it may begin or end within a shift. Only the schedule of
    /// one agent has any.
    pub leave: Vec<Window>,
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

/// The shifts that agents are in at some moments. Agents share schedules, so each schedule is applied to a moment once.
#[derive(Debug, Default)]
pub struct CurrentShifts<'a>(HashMap<(*const Schedule, Timestamp), Option<Window>>, PhantomData<&'a Schedule>);

/// Sums scheduled time within one window. Agents share schedules, so each schedule is applied to the window once.
#[derive(Debug)]
pub(super) struct ScheduleSummer {
    window: Window,
    on_shift: HashMap<*const Schedule, (Arc<Schedule>, OnShift)>,
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
        OnShift(without(shifts, &self.leave))
    }

    /// The unbroken time on shift that has `time` in it; `None` off shift and on leave. Shifts that adjoin are one, and leave
    /// breaks a shift. It reaches 31 days before and after `time` at the most.
    pub fn shift_at(&self, time: Timestamp) -> Option<Window> {
        let mut reach = DAY;
        loop {
            let around = Window { start: time.saturating_sub(reach), end: time + reach };
            let OnShift(shifts) = self.within(around);
            let shift = shifts.into_iter().find(|shift| shift.start <= time && time < shift.end)?;
            let is_whole = around.start < shift.start && shift.end < around.end;
            if is_whole || reach >= MAX_SHIFT {
                return Some(shift);
            }
            reach = reach.saturating_mul(2).min(MAX_SHIFT);
        }
    }

    /// The start of the first shift after `time`, if one begins within 31 days.
    pub fn next_shift(&self, time: Timestamp) -> Option<Timestamp> {
        let OnShift(shifts) = self.within(Window { start: time, end: time + MAX_SHIFT });
        shifts.iter().map(|shift| shift.start).find(|start| *start > time)
    }

    /// The leave that has `time` in it.
    pub fn leave_at(&self, time: Timestamp) -> Option<Window> {
        self.leave.iter().copied().find(|leave| leave.start <= time && time < leave.end)
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

/// The parts of `shifts` that are in none of `others`. Both are in order and without overlaps.
fn without(shifts: Vec<Window>, others: &[Window]) -> Vec<Window> {
    if others.is_empty() {
        return shifts;
    }
    let mut rest = Vec::with_capacity(shifts.len());
    for shift in shifts {
        let mut start = shift.start;
        for other in others.iter().filter(|other| other.intersection(shift).is_some()) {
            rest.extend((start < other.start).then_some(Window { start, end: other.start }));
            start = other.end;
        }
        rest.extend((start < shift.end).then_some(Window { start, end: shift.end }));
    }
    rest
}

// === impl CurrentShifts ===

impl<'a> CurrentShifts<'a> {
    /// The unbroken time on shift that has `time` in it, see [`Schedule::shift_at`].
    pub fn at(&mut self, schedule: &'a Arc<Schedule>, time: Timestamp) -> Option<Window> {
        *self.0.entry((Arc::as_ptr(schedule), time)).or_insert_with(|| schedule.shift_at(time))
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
    pub(super) fn new(window: Window) -> Self {
        Self { window, on_shift: HashMap::new() }
    }

    /// The time on shift in the window, and the part of it that is offline. `offline` has spans and the offline time in each,
    /// which is taken as spread evenly over the span.
    pub(super) fn scheduled_time(
        &mut self,
        schedule: &Arc<Schedule>,
        offline: impl Iterator<Item = (Window, Micros)>,
    ) -> ScheduledTime {
        let applied = || (Arc::clone(schedule), schedule.within(self.window));
        let (_, on_shift) = self.on_shift.entry(Arc::as_ptr(schedule)).or_insert_with(applied);
        let on_shift_part =
            |(span, time): (Window, Micros)| time.prorated(on_shift.overlap(span), span.length().into());
        ScheduledTime { total: on_shift.total(), offline: offline.map(on_shift_part).sum() }
    }
}
