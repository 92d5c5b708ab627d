//! Sums of some agents: how many are in each state now, and the time in each state by column of the window.

use super::chart::Column;
use super::hour_grid::HourGrid;
use super::summary::{Summary, placed, presence_of};
use crate::presence::{AgentPresence, Window};
use crate::refresh::AgentRow;

/// Maximum number of columns of the chart of all agents: hours, for a window of a day.
const MAX_COLUMNS: u64 = 32;

/// Sums of some agents.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Number of agents.
    pub(super) agents: usize,
    /// Number of agents per current state, by index of the state.
    pub(super) current_counts: Vec<usize>,
    /// Number of agents with data but without a known current state.
    pub(super) unclear: usize,
    /// Number of agents without data.
    pub(super) without_data: usize,
    /// The window in columns, with the time of the agents.
    pub(super) window_columns: Vec<Column>,
}

impl Summary {
    /// Sums of the agents of these rows.
    pub(super) fn totals_of<'a>(&self, rows: impl Iterator<Item = &'a AgentRow> + Clone, hours: HourGrid) -> Totals {
        // Merged states are never a current state.
        let states = self.styles.states().len() - usize::from(self.rest != usize::MAX);
        let mut totals = Totals { current_counts: vec![0; states], ..Totals::default() };
        for row in rows.clone() {
            totals.agents += 1;
            let Some(presence) = presence_of(row) else {
                totals.without_data += 1;
                continue;
            };
            let place = presence.current.as_ref().and_then(|(state, _)| self.styles.place(state));
            match place.and_then(|place| totals.current_counts.get_mut(place)) {
                Some(count) => *count += 1,
                None => totals.unclear += 1,
            }
        }
        let parts = self.window.map(|window| hours.parts(window, MAX_COLUMNS)).unwrap_or_default();
        totals.window_columns = self.window_columns(rows.filter_map(presence_of), parts);
        totals
    }

    /// The time of the agents in each of `slots`.
    fn window_columns<'a>(&self, agents: impl Iterator<Item = &'a AgentPresence>, slots: Vec<Window>) -> Vec<Column> {
        let mut times: Vec<Vec<u64>> = vec![Vec::new(); slots.len()];
        for presence in agents {
            let places = self.places_of(presence);
            for cell in presence.chart.slots() {
                let first = slots.partition_point(|slot| slot.end <= cell.span.start);
                let length = u128::from(cell.span.length().get());
                for (slot, times) in slots.iter().zip(&mut times).skip(first) {
                    let Some(part) = slot.intersection(cell.span).filter(|_| slot.start < cell.span.end) else { break };
                    for (place, time) in cell.shares() {
                        let time = if part == cell.span { time } else { time.prorated(part.length(), length) };
                        add(times, placed(&places, place), time.get());
                    }
                }
            }
        }
        let column = |(span, times): (Window, Vec<u64>)| {
            let whole = times.iter().fold(0_u64, |sum, time| sum.saturating_add(*time));
            Column { span, whole, shares: times.into_iter().enumerate().collect() }
        };
        slots.into_iter().zip(times).map(column).collect()
    }
}

/// Adds to the sum at `place`; extends `sums` if necessary.
fn add<T: std::ops::AddAssign + Default + Clone>(sums: &mut Vec<T>, place: usize, value: T) {
    if place == usize::MAX {
        return;
    }
    if sums.len() <= place {
        sums.resize(place + 1, T::default());
    }
    if let Some(sum) = sums.get_mut(place) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{HOUR, at, presence, snapshot};
    use super::*;
    use crate::presence::Micros;

    #[test]
    fn window_columns_add_up_all_agents() {
        let snapshot =
            snapshot(&[Some(presence(&[("Available", 0, 2), ("Offline", 2, 24)])), Some(presence(&[("Busy", 1, 3)]))]);
        let summary = Summary::new(&snapshot);
        assert_eq!(summary.totals.window_columns.len(), 24);
        let hours = |hour: usize| {
            let column = &summary.totals.window_columns[hour];
            assert_eq!(column.span, Window { start: at(hour as i64), end: at(hour as i64 + 1) });
            let shares: Vec<_> = column.shares.iter().filter(|(_, time)| *time > 0).copied().collect();
            (column.whole, shares)
        };
        assert_eq!(hours(0), (HOUR, vec![(0, HOUR)]));
        assert_eq!(hours(1), (2 * HOUR, vec![(0, HOUR), (1, HOUR)]));
        assert_eq!(hours(2), (2 * HOUR, vec![(1, HOUR), (3, HOUR)]));
        assert_eq!(hours(23), (HOUR, vec![(3, HOUR)]));
    }

    #[test]
    fn a_bucket_across_columns_is_prorated() {
        // One cell of three hours from a report in buckets of that length.
        let mut builder = crate::presence::PresenceChartBuilder::default();
        let span = Window { start: at(1), end: at(4) };
        builder.add(span, std::iter::once((0, Micros::new(HOUR))));
        let mut one = presence(&[("Available", 1, 2)]);
        one.chart = builder.finish();
        let summary = Summary::new(&snapshot(&[Some(one)]));
        let times: Vec<u64> = summary.totals.window_columns.iter().map(|column| column.whole).collect();
        assert_eq!(times[..5], [0, HOUR / 3, HOUR / 3, HOUR / 3, 0]);
    }
}
