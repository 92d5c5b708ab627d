//! Aggregates of a snapshot over all agents, computed by the first page that needs them.
//!
//! The aggregates of 30,000 agents take tens of milliseconds and a page shows 50 agents, so they are cached as long as the
//! snapshot is served.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::chart::Column;
use super::state_styles::StateStyles;
use crate::config::{Agent, Tenant};
use crate::presence::{AgentId, AgentPresence, ChartSlot, Micros, PresenceChart, StateName, Timestamp, Window};
use crate::refresh::{AgentRow, Moment, Snapshot};

/// Number of columns of the chart of all agents: hours, for a window of a day.
const COLUMN_COUNT: u32 = 24;

/// Name of the time in states that were merged because of the limit of states per bucket.
const OTHER_STATES: &str = "(others)";

/// Aggregates of a snapshot.
#[derive(Debug)]
pub(super) struct Summary {
    /// The observed and the declared states.
    pub(super) styles: StateStyles,
    /// Index of the merged states; `usize::MAX` if there are none.
    rest: usize,
    /// Label of each agent.
    pub(super) labels: Vec<AgentId>,
    /// Searchable text of each agent in lower case: label, name and team, one per line.
    pub(super) texts: Vec<String>,
    /// Offline time of each agent; `None` without data.
    pub(super) offline: Vec<Option<Micros>>,
    /// The teams, sorted.
    pub(super) teams: Vec<String>,
    /// When the newest data was read.
    pub(super) newest_read: Option<Moment>,
    /// Sums of all agents.
    pub(super) totals: Totals,
    /// Whether any agent has a schedule.
    pub(super) has_schedules: bool,
    /// The newest window of any agent.
    pub(super) window: Option<Window>,
}

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

/// Cache of the summaries of the served snapshots.
#[derive(Debug, Default)]
pub struct Summaries(Mutex<Vec<(Weak<Snapshot>, Arc<Summary>)>>);

// === impl Summaries ===

impl Summaries {
    /// The summary of `snapshot`, computed if it is not cached.
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>) -> Arc<Summary> {
        let known = |kept: &[(Weak<Snapshot>, Arc<Summary>)]| {
            let same = |(of, _): &&(Weak<Snapshot>, Arc<Summary>)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(snapshot));
            kept.iter().find(same).map(|(_, summary)| Arc::clone(summary))
        };
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(summary) = known(&lock()) {
            return summary;
        }
        // Computed without the lock, so that pages of other tenants do not wait. Concurrent requests may compute it twice.
        let summary = Arc::new(Summary::new(snapshot));
        let mut kept = lock();
        kept.retain(|(of, _)| of.strong_count() > 0);
        if known(&kept).is_none() {
            kept.push((Arc::downgrade(snapshot), Arc::clone(&summary)));
        }
        summary
    }
}

// === impl Summary ===

impl Summary {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let tenant = &snapshot.tenant;
        let mut styles = StateStyles::new(&tenant.states.declared);
        let mut has_rest = false;
        for presence in snapshot.rows.iter().filter_map(presence_of) {
            let states = presence.states.iter().chain(&presence.current);
            states.for_each(|(state, _)| {
                styles.place_or_add(state);
            });
            has_rest = has_rest
                || presence.chart.slots().flat_map(ChartSlot::shares).any(|(place, _)| place == PresenceChart::OTHER);
        }
        let rest = if has_rest { styles.place_or_add(&StateName::from(OTHER_STATES)) } else { usize::MAX };
        let window =
            snapshot.rows.iter().filter_map(|row| Some(row.data.as_ref()?.window)).max_by_key(|window| window.end);
        let teams: BTreeSet<&String> = tenant.agents.iter().filter_map(|agent| agent.team.as_ref()).collect();
        let labels: Vec<AgentId> = tenant.agents.iter().map(|agent| tenant.label(agent)).collect();
        let mut summary = Self {
            texts: tenant.agents.iter().zip(&labels).map(|(agent, label)| text_of(agent, label)).collect(),
            labels,
            offline: snapshot
                .rows
                .iter()
                .map(|row| Some(offline(tenant, row.data.as_ref()?.presence.as_ref()?)))
                .collect(),
            teams: teams.into_iter().cloned().collect(),
            newest_read: snapshot
                .rows
                .iter()
                .filter_map(|row| Some(row.data.as_ref()?.read_at))
                .max_by_key(|read_at| (read_at.monotonic, read_at.utc)),
            totals: Totals::default(),
            has_schedules: tenant.agents.iter().any(|agent| agent.schedule.is_some()),
            window,
            rest,
            styles,
        };
        summary.totals = summary.totals_of(snapshot.rows.iter());
        summary
    }

    /// Sums of the agents of these rows.
    pub(super) fn totals_of<'a>(&self, rows: impl Iterator<Item = &'a AgentRow> + Clone) -> Totals {
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
        totals.window_columns =
            self.window.map(|window| self.window_columns(rows.filter_map(presence_of), window)).unwrap_or_default();
        totals
    }

    /// The time of the agents in each column of `window`.
    fn window_columns<'a>(&self, agents: impl Iterator<Item = &'a AgentPresence>, window: Window) -> Vec<Column> {
        let slots = slots_of(window);
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

    /// The index of each of an agent's states, and that of merged states.
    fn places_of(&self, presence: &AgentPresence) -> (Vec<usize>, usize) {
        let place = |state: &StateName| self.styles.place(state).unwrap_or(usize::MAX);
        (presence.states.iter().map(|(state, _)| place(state)).collect(), self.rest)
    }

    /// The columns of an agent; neighbours are merged if there are more than `most`.
    pub(super) fn columns(&self, presence: &AgentPresence, most: usize) -> Vec<Column> {
        let places = self.places_of(presence);
        let cells: Vec<_> = presence.chart.slots().collect();
        let together = cells.len().div_ceil(most.max(1)).max(1);
        let merged = cells.chunks(together).filter_map(|cells| {
            let span = Window { start: cells.first()?.span.start, end: cells.last()?.span.end };
            let mut times = Vec::new();
            for (place, time) in cells.iter().flat_map(|cell| cell.shares()) {
                add_share(&mut times, placed(&places, place), time.get());
            }
            Some(Column { span, whole: span.length().get(), shares: times })
        });
        merged.collect()
    }
}

fn presence_of(row: &AgentRow) -> Option<&AgentPresence> {
    row.data.as_ref()?.presence.as_ref()
}

fn text_of(agent: &Agent, label: &str) -> String {
    let (name, team) = (agent.name.as_deref().unwrap_or_default(), agent.team.as_deref().unwrap_or_default());
    format!("{label}\n{name}\n{team}").to_lowercase()
}

/// Time in offline states.
fn offline(tenant: &Tenant, presence: &AgentPresence) -> Micros {
    presence.states.iter().filter(|(state, _)| tenant.states.offline.contains(state)).map(|(_, time)| *time).sum()
}

/// Equal parts of `window`.
fn slots_of(window: Window) -> Vec<Window> {
    let edge = |slot: u32| {
        let part = Micros::new(window.length().get()).prorated(Micros::new(slot.into()), COLUMN_COUNT.into());
        Timestamp::from_micros(window.start.micros().saturating_add_unsigned(part.get()))
    };
    (0..COLUMN_COUNT).map(|slot| Window { start: edge(slot), end: edge(slot + 1) }).collect()
}

/// Converts the index among an agent's states to that in [`StateStyles`].
fn placed((places, rest): &(Vec<usize>, usize), place: u8) -> usize {
    places.get(usize::from(place)).copied().unwrap_or(*rest)
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

/// Adds to the share at `place`.
fn add_share(shares: &mut Vec<(usize, u64)>, place: usize, time: u64) {
    match shares.iter_mut().find(|(known, _)| *known == place) {
        Some((_, sum)) => *sum = sum.saturating_add(time),
        None => shares.push((place, time)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{HOUR, at, presence, snapshot};
    use super::*;

    #[test]
    fn every_agent_is_counted_once() {
        let snapshot = snapshot(&[
            Some(presence(&[("Available", 0, 2), ("Offline", 2, 24)])),
            Some(presence(&[("Available", 0, 24)])),
            None,
        ]);
        let summary = Summary::new(&snapshot);
        let now: Vec<_> =
            summary.styles.states().iter().map(|state| &*state.name).zip(&summary.totals.current_counts).collect();
        assert_eq!(now, [("Available", &1), ("Busy", &0), ("WrapUp", &0), ("Offline", &1)]);
        assert_eq!((summary.totals.unclear, summary.totals.without_data), (0, 1));
        assert_eq!(summary.offline, [Some(Micros::from_seconds(22 * 3_600)), Some(Micros::ZERO), None]);
        assert_eq!(summary.teams, ["Billing", "Support"]);
    }

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

    #[test]
    fn neighbouring_columns_are_merged() {
        let one = presence(&[("Available", 0, 12), ("Offline", 12, 24)]);
        let summary = Summary::new(&snapshot(&[Some(one.clone())]));
        assert_eq!(summary.columns(&one, 48).len(), 24);
        let coarse = summary.columns(&one, 10);
        assert_eq!(coarse.len(), 8);
        assert_eq!(coarse[0].shares, [(0, 3 * HOUR)]);
        let whole: u64 = coarse.iter().flat_map(|column| &column.shares).map(|(_, time)| time).sum();
        assert_eq!(whole, 24 * HOUR);
    }

    #[test]
    fn a_summary_is_made_once_a_snapshot_and_goes_with_it() {
        let summaries = Summaries::default();
        let first = Arc::new(snapshot(&[None]));
        let summary = summaries.of(&first);
        assert!(Arc::ptr_eq(&summary, &summaries.of(&first)));
        drop(first);
        let second = Arc::new(snapshot(&[None]));
        assert!(!Arc::ptr_eq(&summary, &summaries.of(&second)));
        assert_eq!(summaries.0.lock().unwrap().len(), 1);
    }
}
