//! Aggregates of a snapshot over all agents, computed by the first page that needs them.
//!
//! The aggregates of 30,000 agents take tens of milliseconds and a page shows 50 agents, so they are cached as long as the
//! snapshot is served.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::chart::Column;
use super::hour_grid::HourGrid;
use super::state_styles::StateStyles;
use super::totals::Totals;
use crate::config::Agent;
use crate::presence::{
    AgentId, AgentPresence, ChartSlot, CurrentShifts, Micros, PresenceChart, PresenceTimeline, Segment, StateName,
    Timestamp, Window,
};
use crate::refresh::{AgentRow, Moment, Snapshot};

/// Maximum number of schedules' zones to choose from. Teams are in a few countries.
const MAX_ZONES: usize = 20;

/// Name of the time in states that were merged because of the limit of states per bucket.
const OTHER_STATES: &str = "(others)";

/// Aggregates of a snapshot.
#[derive(Debug)]
pub(super) struct Summary {
    /// The observed and the declared states.
    pub(super) styles: StateStyles,
    /// Index of the merged states; `usize::MAX` if there are none.
    pub(super) rest: usize,
    /// Label of each agent.
    pub(super) labels: Vec<AgentId>,
    /// Searchable text of each agent in lower case: label, name and team, one per line.
    pub(super) texts: Vec<String>,
    /// Offline time of each agent; `None` without data.
    pub(super) offline: Vec<Option<Micros>>,
    /// The offline time of each agent that its limit applies to; `None` without data.
    pub(super) limited_offline: Vec<Option<Micros>>,
    /// Shift and absence of each agent; `None` without a schedule.
    pub(super) absences: Vec<Option<Absence>>,
    /// The teams, sorted.
    pub(super) teams: Vec<String>,
    /// When the newest data was read.
    pub(super) newest_read: Option<Moment>,
    /// Sums of all agents.
    pub(super) totals: Totals,
    /// Whether any agent has a schedule.
    pub(super) has_schedules: bool,
    /// Names of the schedules' zones, sorted.
    pub(super) zones: Vec<String>,
    /// The newest window of any agent.
    pub(super) window: Option<Window>,
}

/// Whether an agent with a schedule should be working at the end of its window, and is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Absence {
    /// The current shift; `None` off shift and on leave.
    pub(super) shift: Option<Window>,
    /// The current leave.
    pub(super) leave: Option<Window>,
    /// Unbroken offline time within the shift; `None` while that is unknown.
    pub(super) absent: Option<Micros>,
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
        let mut styles = StateStyles::new(&tenant.states.declared, &tenant.states.offline);
        let mut has_rest = false;
        for presence in snapshot.rows.iter().filter_map(presence_of) {
            let states = presence.states.iter().chain(&presence.current);
            states.for_each(|(state, _)| {
                styles.place_or_add(state);
            });
            has_rest = has_rest
                || presence.chart.slots().flat_map(ChartSlot::shares).any(|(place, _)| place == PresenceChart::OTHER);
        }
        styles.offline_last();
        let rest = if has_rest { styles.place_or_add(&StateName::from(OTHER_STATES)) } else { usize::MAX };
        let window =
            snapshot.rows.iter().filter_map(|row| Some(row.data.as_ref()?.window)).max_by_key(|window| window.end);
        let teams: BTreeSet<&String> = tenant.agents.iter().filter_map(|agent| agent.team.as_ref()).collect();
        let schedules = || tenant.agents.iter().filter_map(|agent| agent.schedule.as_ref());
        let zones: BTreeSet<&str> = schedules().map(|schedule| schedule.timezone.name()).collect();
        let labels: Vec<AgentId> = tenant.agents.iter().map(|agent| tenant.label(agent)).collect();
        let mut summary = Self {
            texts: tenant.agents.iter().zip(&labels).map(|(agent, label)| text_of(agent, label)).collect(),
            labels,
            offline: snapshot
                .rows
                .iter()
                .map(|row| presence_of(row)?.limited_offline(&tenant.states.offline, false))
                .collect(),
            limited_offline: limited_offline(snapshot),
            absences: absences(snapshot, window),
            teams: teams.into_iter().cloned().collect(),
            newest_read: snapshot
                .rows
                .iter()
                .filter_map(|row| Some(row.data.as_ref()?.read_at))
                .max_by_key(|read_at| (read_at.monotonic, read_at.utc)),
            totals: Totals::default(),
            has_schedules: schedules().next().is_some(),
            zones: zones.into_iter().take(MAX_ZONES).map(str::to_owned).collect(),
            window,
            rest,
            styles,
        };
        summary.totals = summary.totals_of(snapshot.rows.iter(), HourGrid::default());
        summary
    }

    /// The index of each of an agent's states, and that of merged states.
    pub(super) fn places_of(&self, presence: &AgentPresence) -> (Vec<usize>, usize) {
        let place = |state: &StateName| self.styles.place(state).unwrap_or(usize::MAX);
        (presence.states.iter().map(|(state, _)| place(state)).collect(), self.rest)
    }

    /// The exact times of an agent's states, one column each; none from a source of buckets.
    pub(super) fn segments(&self, presence: &AgentPresence) -> Vec<Column> {
        let places = self.places_of(presence);
        let column = |segment: Segment| {
            let whole = segment.time.length().get();
            Column { span: segment.time, whole, shares: vec![(placed(&places, segment.place), whole)] }
        };
        presence.timeline.iter().flat_map(PresenceTimeline::segments).map(column).collect()
    }

    /// The columns of an agent in `window`, about `most` of them at most. They begin at whole hours, except where a bucket
    /// with several states reaches over one.
    pub(super) fn columns(&self, presence: &AgentPresence, window: Window, hours: HourGrid, most: u64) -> Vec<Column> {
        let boundaries = hours.boundaries(window, most);
        let end_of = |start: Timestamp| boundaries.next(boundaries.floor(start));
        let places = self.places_of(presence);
        let mut columns: Vec<Column> = Vec::new();
        for slot in presence.chart.slots() {
            let mut rest = slot.span;
            let is_one_state = slot.shares().next().is_some_and(|(_, time)| time >= rest.length());
            while rest.start < rest.end {
                let end = if is_one_state { rest.end.min(end_of(rest.start)) } else { rest.end };
                let span = Window { start: rest.start, end };
                rest.start = end;
                if columns.last().is_none_or(|column| end_of(column.span.start) <= span.start) {
                    columns.push(Column { span, whole: 0, shares: Vec::new() });
                }
                let Some(column) = columns.last_mut() else { break };
                column.span.end = end;
                column.whole = column.span.length().get();
                for (place, time) in slot.shares() {
                    add_share(&mut column.shares, placed(&places, place), time.min(span.length()).get());
                }
            }
        }
        columns
    }
}

pub(super) fn presence_of(row: &AgentRow) -> Option<&AgentPresence> {
    row.data.as_ref()?.presence.as_ref()
}

fn text_of(agent: &Agent, label: &str) -> String {
    let (name, team) = (agent.name.as_deref().unwrap_or_default(), agent.team.as_deref().unwrap_or_default());
    format!("{label}\n{name}\n{team}").to_lowercase()
}

/// Shift and absence of each agent at the end of its window, or of the newest one without data.
fn absences(snapshot: &Snapshot, newest: Option<Window>) -> Vec<Option<Absence>> {
    let mut shifts = CurrentShifts::default();
    let agents = snapshot.tenant.agents.iter().zip(&snapshot.rows);
    let absence = agents.map(|(agent, row)| {
        let schedule = agent.schedule.as_ref()?;
        let end = row.data.as_ref().map(|data| data.window).or(newest)?.end;
        let shift = shifts.at(schedule, end);
        let absent = presence_of(row).and_then(|presence| presence.absent(shift));
        Some(Absence { shift, leave: schedule.leave_at(end), absent })
    });
    absence.collect()
}

/// The offline time of each agent that its limit applies to.
fn limited_offline(snapshot: &Snapshot) -> Vec<Option<Micros>> {
    let offline_states = &snapshot.tenant.states.offline;
    let agents = snapshot.tenant.agents.iter().zip(&snapshot.rows);
    agents.map(|(agent, row)| presence_of(row)?.limited_offline(offline_states, agent.schedule.is_some())).collect()
}

/// Converts the index among an agent's states to that in [`StateStyles`].
pub(super) fn placed((places, rest): &(Vec<usize>, usize), place: u8) -> usize {
    places.get(usize::from(place)).copied().unwrap_or(*rest)
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
    use super::super::fixture::{HOUR, at, day, presence, snapshot};
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
    fn neighbouring_columns_are_merged() {
        let one = presence(&[("Available", 0, 12), ("Offline", 12, 24)]);
        let summary = Summary::new(&snapshot(&[Some(one.clone())]));
        let columns = |most| summary.columns(&one, day(), HourGrid::default(), most);
        assert_eq!(columns(48).len(), 24);
        let coarse = columns(10);
        assert_eq!(coarse.len(), 8);
        assert_eq!(coarse[0].shares, [(0, 3 * HOUR)]);
        let whole: u64 = coarse.iter().flat_map(|column| &column.shares).map(|(_, time)| time).sum();
        assert_eq!(whole, 24 * HOUR);
    }

    #[test]
    fn columns_begin_on_the_hour_of_the_zone() {
        let minutes = |minutes: u64| Micros::from_seconds(minutes * 60);
        let moment = |minute: u64| at(0) + std::time::Duration::from_secs(minute * 60);
        let mut builder = crate::presence::PresenceChartBuilder::default();
        // A state across two hours, and then buckets of five minutes, the last of which is in progress.
        builder.add(Window { start: moment(13), end: moment(135) }, std::iter::once((0, minutes(122))));
        for start in (135..205).step_by(5) {
            let span = Window { start: moment(start), end: moment(start + 5) };
            builder.add(span, [(0, minutes(2)), (1, minutes(3))].into_iter());
        }
        let mut one = presence(&[("Available", 0, 12), ("Offline", 12, 24)]);
        one.chart = builder.finish();
        let summary = Summary::new(&snapshot(&[Some(one.clone())]));
        let columns = |minute: &str| -> Vec<_> {
            let columns = summary.columns(&one, day(), HourGrid::parse(minute), 48).into_iter();
            let minute_of = |time: u64| time / 60_000_000;
            let start = |column: &Column| minute_of(column.span.start.saturating_since(at(0)).get());
            columns
                .map(|column| (start(&column), column.shares.iter().map(|(_, time)| minute_of(*time)).sum()))
                .collect()
        };
        assert_eq!(columns("0"), [(13, 47), (60, 60), (120, 60), (180, 25_u64)]);
        assert_eq!(columns("30"), [(13, 17), (30, 60), (90, 60), (150, 55)]);
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
