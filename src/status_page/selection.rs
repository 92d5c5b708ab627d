//! Which agents a page shows, and in what order.
//!
//! Agents are handled as indices, and only those of the page are sorted, so a page of 30,000 agents takes a few
//! milliseconds.

use std::cmp::Ordering;
use std::ops::Range;

use super::attention::{Attention, DueAgents};
use super::page_query::{Column, PageQuery};
use super::summary::{Absence, Summary};
use crate::config::Agent;
use crate::presence::{AgentPresence, Micros, Timestamp};
use crate::refresh::{AgentData, Snapshot};

/// Agents shown on one page. Larger pages freeze browsers and take processor time from scrapes.
const AGENTS_PER_PAGE: usize = 50;

/// The agents of a tenant with their data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agents<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) summary: &'a Summary,
    /// Whether the last refresh read any agent; otherwise all data is stale.
    pub(super) any_fresh: bool,
}

/// The agents on one page of the table.
#[derive(Debug)]
pub(super) struct TablePage<'a> {
    pub(super) lines: Vec<ListedAgent<'a>>,
    /// Indices of the agents on all pages, in any order.
    pub(super) chosen: Vec<usize>,
    /// The agents of the tenant by reason for attention.
    pub(super) due: DueAgents,
    /// Number of agents on all pages.
    pub(super) total: usize,
    /// Range of agents on this page, from 0.
    pub(super) range: Range<usize>,
    /// Page number, from 0.
    pub(super) number: usize,
    /// Number of pages, at least 1.
    pub(super) pages: usize,
}

/// One agent with the data of its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListedAgent<'a> {
    pub(super) agent: &'a Agent,
    pub(super) label: &'a str,
    /// Searchable text in lower case.
    text: &'a str,
    pub(super) data: Option<&'a AgentData>,
    /// Time in offline states.
    pub(super) offline: Option<Micros>,
    /// With a schedule only.
    pub(super) absence: Option<Absence>,
    is_stale: bool,
}

/// The agents that `query` selects.
pub(super) fn select<'a>(agents: &Agents<'a>, query: &PageQuery) -> TablePage<'a> {
    let filter = Filter::new(query);
    let line = |index: usize| agents.get(index);
    let mut due: [Vec<usize>; Attention::ALL.len()] = Default::default();
    let mut chosen = Vec::new();
    for (index, line) in (0..agents.snapshot.tenant.agents.len()).filter_map(|index| Some((index, line(index)?))) {
        for (_, due) in Attention::ALL.into_iter().zip(&mut due).filter(|(reason, _)| reason.is_due(&line)) {
            due.push(index);
        }
        if filter.matches(&line) {
            chosen.push(index);
        }
    }

    let total = chosen.len();
    let per_page = if query.csv { total.max(1) } else { AGENTS_PER_PAGE };
    let pages = total.div_ceil(per_page).max(1);
    let number = query.page.min(pages - 1);
    let start = number * per_page;
    let range = start..total.min(start + per_page);
    let order = |a: &usize, b: &usize| match (line(*a), line(*b)) {
        (Some(one), Some(other)) => compare(query, &one, &other).then(a.cmp(b)),
        _ => a.cmp(b),
    };
    sort_range(&mut chosen, range.clone(), order);
    let lines = chosen.get(range.clone()).unwrap_or_default().iter().filter_map(|&index| line(index)).collect();
    let mut reasons = Attention::ALL.into_iter();
    let due = due.map(|due| reasons.next().map(|reason| reason.due(agents, due)).unwrap_or_default());
    TablePage { lines, chosen, due, total, range, number, pages }
}

/// Compares agents in the order of `query`. By default, those that need attention are first.
fn compare(query: &PageQuery, a: &ListedAgent<'_>, b: &ListedAgent<'_>) -> Ordering {
    match query.sort {
        Some(column) => compare_by(column, query.descending, a, b),
        None => Attention::rank(a).cmp(&Attention::rank(b)),
    }
}

/// Partially sorts: the items of `range` are at their positions, others in any order.
fn sort_range(chosen: &mut [usize], range: Range<usize>, mut order: impl FnMut(&usize, &usize) -> Ordering) {
    if range.is_empty() {
        return;
    }
    if range.start > 0 {
        chosen.select_nth_unstable_by(range.start, &mut order);
    }
    let Some(behind) = chosen.get_mut(range.start..) else { return };
    if range.len() < behind.len() {
        behind.select_nth_unstable_by(range.len(), &mut order);
    }
    if let Some(shown) = behind.get_mut(..range.len()) {
        shown.sort_unstable_by(order);
    }
}

/// Compares agents by a column. Agents without a value are last in both directions.
fn compare_by(column: Column, descending: bool, a: &ListedAgent<'_>, b: &ListedAgent<'_>) -> Ordering {
    let directed = |order: Ordering| if descending { order.reverse() } else { order };
    match column {
        // Shorter ids first, so that numeric ids sort by value.
        Column::Agent => directed((a.label.len(), a.label).cmp(&(b.label.len(), b.label))),
        // Case-insensitive.
        Column::Name => by_letters(a.agent.name.as_deref(), b.agent.name.as_deref(), directed),
        Column::Team => by_letters(a.agent.team.as_deref(), b.agent.team.as_deref(), directed),
        Column::State => by_letters(a.state(), b.state(), directed),
        Column::Since => last_if_none(a.since(), b.since(), directed),
        Column::Observed => last_if_none(a.observed(), b.observed(), directed),
        Column::Offline => last_if_none(a.offline, b.offline, directed),
        Column::Limit => last_if_none(a.permille_of_limit(), b.permille_of_limit(), directed),
        Column::Absent => last_if_none(a.absent(), b.absent(), directed),
        Column::OnShift => last_if_none(a.offline_on_shift(), b.offline_on_shift(), directed),
    }
}

fn last_if_none<T: Ord>(a: Option<T>, b: Option<T>, directed: impl FnOnce(Ordering) -> Ordering) -> Ordering {
    missing_last(a, b, |a, b| directed(a.cmp(&b)))
}

/// Case-insensitive, without allocation.
fn by_letters(a: Option<&str>, b: Option<&str>, directed: impl FnOnce(Ordering) -> Ordering) -> Ordering {
    missing_last(a, b, |a, b| directed(lower_case(a).cmp(lower_case(b))))
}

fn lower_case(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn missing_last<T>(a: Option<T>, b: Option<T>, order: impl FnOnce(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// The filters of a query.
struct Filter<'a> {
    query: &'a PageQuery,
    /// Search text in lower case.
    search: String,
}

// === impl Filter ===

impl<'a> Filter<'a> {
    fn new(query: &'a PageQuery) -> Self {
        Self { query, search: query.search.to_lowercase() }
    }

    fn matches(&self, line: &ListedAgent<'_>) -> bool {
        let PageQuery { team, state, attention, .. } = self.query;
        team.as_deref().is_none_or(|team| line.agent.team.as_deref() == Some(team))
            && state.as_deref().is_none_or(|state| line.state() == Some(state))
            && attention.is_none_or(|attention| attention.is_due(line))
            && line.text.contains(&self.search)
    }
}

// === impl Agents ===

impl<'a> Agents<'a> {
    /// The agent at `index`.
    pub(super) fn get(&self, index: usize) -> Option<ListedAgent<'a>> {
        let Self { snapshot, summary, any_fresh } = *self;
        let data = snapshot.rows.get(index)?.data.as_deref();
        let is_fresh = |data: &AgentData| any_fresh && Some(data.read_at) == summary.newest_read;
        Some(ListedAgent {
            agent: snapshot.tenant.agents.get(index)?,
            label: summary.labels.get(index)?,
            text: summary.texts.get(index)?,
            data,
            offline: summary.offline.get(index).copied().flatten(),
            absence: summary.absences.get(index).copied().flatten(),
            is_stale: data.is_some_and(|data| data.presence.is_some() && !is_fresh(data)),
        })
    }
}

// === impl ListedAgent ===

impl<'a> ListedAgent<'a> {
    /// Whether the last refresh did not read the agent.
    pub(super) const fn is_stale(&self) -> bool {
        self.is_stale
    }

    pub(super) fn presence(&self) -> Option<&'a AgentPresence> {
        self.data?.presence.as_ref()
    }

    /// The current state.
    pub(super) fn state(&self) -> Option<&'a str> {
        self.presence()?.current.as_ref().map(|(state, _)| &**state)
    }

    /// Latest possible start of the current state.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let presence = self.presence()?;
        presence.current.as_ref().map(|(_, time)| presence.last_data.saturating_sub((*time).into()))
    }

    /// Whether the current state lasts since the start of the window at least.
    pub(super) fn is_since_window_start(&self) -> bool {
        self.data.zip(self.since()).is_some_and(|(data, since)| since == data.window.start)
    }

    pub(super) fn observed(&self) -> Option<Micros> {
        self.presence().map(|presence| presence.observed)
    }

    /// Offline time during scheduled hours.
    pub(super) fn offline_on_shift(&self) -> Option<Micros> {
        self.presence()?.scheduled.map(|scheduled| scheduled.offline)
    }

    /// The offline time that the limit applies to: during scheduled hours, if the agent has a schedule.
    pub(super) fn limited_offline(&self) -> Option<Micros> {
        if self.agent.schedule.is_some() { self.offline_on_shift() } else { self.offline }
    }

    /// Whether the offline time exceeds its limit, while the agent is expected to work.
    pub(super) fn is_over_limit(&self) -> bool {
        let limit = self.agent.offline_limit.map(Micros::from);
        self.limited_offline().zip(limit).is_some_and(|(offline, limit)| offline > limit) && !self.is_off_shift()
    }

    /// Whether the agent has a schedule, and is off shift or on leave.
    fn is_off_shift(&self) -> bool {
        self.absence.is_some_and(|absence| absence.shift.is_none())
    }

    /// Unbroken offline time within the current shift; `None` off shift.
    pub(super) fn absent(&self) -> Option<Micros> {
        self.absence.filter(|absence| absence.shift.is_some())?.absent
    }

    /// Whether the agent is absent for longer than allowed.
    pub(super) fn is_absent(&self) -> bool {
        let limit = self.agent.absent_limit.map(Micros::from);
        self.absent().zip(limit).is_some_and(|(absent, limit)| absent > limit)
    }

    /// Whether nothing is known of the agent, who is expected to work.
    pub(super) fn is_unknown(&self) -> bool {
        let is_observed = self.observed().is_some_and(|observed| observed > Micros::ZERO);
        let scheduled = self.presence().and_then(|presence| presence.scheduled);
        !is_observed && !self.is_off_shift() && scheduled.is_none_or(|scheduled| scheduled.total > Micros::ZERO)
    }

    /// Used part of the offline limit in thousandths.
    pub(super) fn permille_of_limit(&self) -> Option<u64> {
        let limit = Micros::from(self.agent.offline_limit?).get();
        let scaled = u128::from(self.limited_offline()?.get()) * 1_000 / u128::from(limit.max(1));
        u64::try_from(scaled).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{HOUR, many, presence, snapshot};
    use super::*;
    use crate::config::Tenant;
    use crate::presence::{Schedule, ScheduledTime, Window};
    use crate::refresh::Moment;

    fn labels(snapshot: &Snapshot, query: &PageQuery) -> Vec<String> {
        let summary = Summary::new(snapshot);
        let agents = Agents { snapshot, summary: &summary, any_fresh: true };
        select(&agents, query).lines.iter().map(|line| line.label.to_owned()).collect()
    }

    #[test]
    fn filters_are_combined() {
        let snapshot = snapshot(&[
            Some(presence(&[("Available", 0, 24)])),
            Some(presence(&[("Offline", 0, 24)])),
            Some(presence(&[("Available", 0, 24)])),
            None,
        ]);
        let query = |change: fn(&mut PageQuery)| {
            let mut query = PageQuery::default();
            change(&mut query);
            query
        };
        // 10 is over its limit and 12 is unknown, so these are first.
        let table: [(PageQuery, &[&str]); 12] = [
            (query(|_| ()), &["10", "12", "9", "11"]),
            (query(|query| query.attention = Some(Attention::OverLimit)), &["10"]),
            (query(|query| query.attention = Some(Attention::Unknown)), &["12"]),
            (query(|query| query.attention = Some(Attention::Stale)), &[]),
            (query(|query| query.search = "1".to_owned()), &["10", "12", "11"]),
            (query(|query| query.search = "AGENT 9".to_owned()), &["9"]),
            (query(|query| query.search = "bill".to_owned()), &["9", "11"]),
            (query(|query| query.search = ".*".to_owned()), &[]),
            (query(|query| query.team = Some("Support".to_owned())), &["10", "12"]),
            (query(|query| query.state = Some("Available".to_owned())), &["9", "11"]),
            (query(|query| (query.search, query.state) = ("11".to_owned(), Some("Available".to_owned()))), &["11"]),
            (query(|query| query.team = Some("Unknown".to_owned())), &[]),
        ];
        for (query, expected) in table {
            assert_eq!(labels(&snapshot, &query), expected, "{query:?}");
        }
    }

    #[test]
    fn attention_counts_agents_by_reason() {
        let mut snapshot = snapshot(&[
            Some(presence(&[("Offline", 0, 24)])),
            Some(presence(&[("Available", 0, 24)])),
            Some(presence(&[("Available", 0, 24)])),
            None,
        ]);
        let older = snapshot.rows[1].data.as_ref().unwrap();
        let utc = older.read_at.utc.saturating_sub(std::time::Duration::from_secs(60));
        let older = AgentData { read_at: Moment { utc, ..older.read_at }, ..(**older).clone() };
        snapshot.rows[1].data = Some(std::sync::Arc::new(older));
        let summary = Summary::new(&snapshot);
        let counts = |any_fresh| {
            let agents = Agents { snapshot: &snapshot, summary: &summary, any_fresh };
            select(&agents, &PageQuery::default()).due.map(|due| due.count)
        };
        assert_eq!(counts(true), [0, 1, 1, 1]);
        assert_eq!(counts(false), [0, 1, 1, 3], "after a failed refresh all data is stale");
    }

    #[test]
    fn offline_limit_applies_to_scheduled_time() {
        let mut agent = presence(&[("Available", 0, 2), ("Offline", 2, 24)]);
        let scheduled =
            |hours| ScheduledTime { total: Micros::from_seconds(28_800), offline: Micros::new(hours * HOUR) };
        for (hours, schedule, permille) in [(2, true, 250), (9, true, 1_125), (2, false, 2_750)] {
            agent.scheduled = Some(scheduled(hours));
            let mut snapshot = snapshot(&[Some(agent.clone())]);
            let mut tenant = Tenant::clone(&snapshot.tenant);
            tenant.agents[0].schedule = schedule.then(crate::cli::fixture::schedule);
            snapshot.tenant = std::sync::Arc::new(tenant);
            let summary = Summary::new(&snapshot);
            let agents = Agents { snapshot: &snapshot, summary: &summary, any_fresh: true };
            assert_eq!(agents.get(0).unwrap().permille_of_limit(), Some(permille), "{hours} h, {schedule}");
        }
    }

    #[test]
    fn attention_follows_the_alerts() {
        // The shift of the day of the fixture is from 9 to 17 o'clock UTC, and each window ends within it or after it.
        let minutes = |minutes: u64| Micros::from_seconds(minutes * 60);
        let schedule = |days: bool, leave: bool| {
            let whole = super::super::fixture::day();
            let leave = if leave { vec![whole] } else { Vec::new() };
            Schedule { days: [days; 7], leave, ..Schedule::clone(&crate::cli::fixture::schedule()) }
        };
        type Case<'a> = (Option<Schedule>, i64, Option<u64>, u64, Option<u64>, &'a [Attention]);
        // schedule, end of the window, offline minutes, limit: absent, reasons
        let table: [Case<'_>; 10] = [
            (None, 12, Some(300), 15, None, &[Attention::OverLimit]),
            (Some(schedule(true, false)), 12, Some(16), 15, Some(16), &[Attention::Absent]),
            (Some(schedule(true, false)), 12, Some(15), 15, Some(15), &[]),
            (Some(schedule(true, false)), 12, Some(300), 15, Some(180), &[Attention::Absent, Attention::OverLimit]),
            (Some(schedule(true, false)), 12, Some(0), 15, Some(0), &[]),
            (Some(schedule(true, false)), 18, Some(300), 15, None, &[]),
            (Some(schedule(false, false)), 12, Some(300), 15, None, &[]),
            (Some(schedule(true, true)), 12, Some(300), 15, None, &[]),
            (Some(schedule(true, false)), 12, None, 15, None, &[Attention::Unknown]),
            (Some(schedule(true, false)), 18, None, 15, None, &[]),
        ];
        for (case, (schedule, end, offline, limit, absent, reasons)) in table.into_iter().enumerate() {
            let end_time = super::super::fixture::at(end);
            let one = offline.map(|offline| {
                let mut one = presence(&[("Available", 0, end)]);
                one.states = vec![("Offline".into(), minutes(offline)), ("Available".into(), minutes(60))];
                one.unbroken_offline = Some(minutes(offline));
                one.scheduled = schedule
                    .as_ref()
                    .map(|_| ScheduledTime { total: minutes(480), offline: minutes(offline.min(180)) });
                one
            });
            let mut snapshot = snapshot(&[one]);
            let mut tenant = Tenant::clone(&snapshot.tenant);
            let agent = &mut tenant.agents[0];
            agent.offline_limit = Some(std::time::Duration::from_secs(2 * 3_600));
            agent.absent_limit = schedule.as_ref().map(|_| std::time::Duration::from_secs(limit * 60));
            agent.schedule = schedule.map(std::sync::Arc::new);
            snapshot.tenant = std::sync::Arc::new(tenant);
            let window = Window { end: end_time, ..super::super::fixture::day() };
            let read_at = Moment { monotonic: Default::default(), utc: end_time };
            let presence = snapshot.rows[0].data.take().and_then(|data| data.presence.clone());
            snapshot.rows[0].data = Some(std::sync::Arc::new(AgentData { presence, window, read_at }));
            let summary = Summary::new(&snapshot);
            let line = Agents { snapshot: &snapshot, summary: &summary, any_fresh: true }.get(0).unwrap();
            let due: Vec<_> = Attention::ALL.into_iter().filter(|reason| reason.is_due(&line)).collect();
            assert_eq!((line.absent(), &*due), (absent.map(minutes), reasons), "case {case}");
        }
    }

    #[test]
    fn columns_sort_with_missing_values_last() {
        let snapshot = snapshot(&[
            Some(presence(&[("Available", 0, 2), ("Offline", 2, 24)])),
            Some(presence(&[("Busy", 0, 10)])),
            None,
            Some(presence(&[("Available", 0, 23), ("Offline", 23, 24)])),
        ]);
        let table: [(Column, &[&str], &[&str]); 7] = [
            (Column::Agent, &["9", "10", "11", "12"], &["12", "11", "10", "9"]),
            (Column::Team, &["9", "11", "10", "12"], &["10", "12", "9", "11"]),
            (Column::State, &["10", "9", "12", "11"], &["9", "12", "10", "11"]),
            (Column::Since, &["10", "9", "12", "11"], &["12", "9", "10", "11"]),
            (Column::Observed, &["10", "9", "12", "11"], &["9", "12", "10", "11"]),
            (Column::Offline, &["10", "12", "9", "11"], &["9", "12", "10", "11"]),
            (Column::Limit, &["10", "12", "9", "11"], &["9", "12", "10", "11"]),
        ];
        for (column, ascending, descending) in table {
            let query = |descending| PageQuery { sort: Some(column), descending, ..PageQuery::default() };
            assert_eq!(labels(&snapshot, &query(false)), ascending, "{column:?}");
            assert_eq!(labels(&snapshot, &query(true)), descending, "{column:?} descending");
        }
    }

    proptest! {
        #[test]
        fn pages_contain_every_agent_once_in_order(agents in 0_usize..230, column in 0..Column::ALL.len(), descending: bool) {
            let snapshot = many(agents);
            let summary = Summary::new(&snapshot);
            let table = Agents { snapshot: &snapshot, summary: &summary, any_fresh: true };
            let sort = Some(Column::ALL[column]);
            let query = PageQuery { sort, descending, ..PageQuery::default() };
            let pages = select(&table, &query).pages;
            let mut seen = Vec::new();
            for number in 0..pages {
                let page = select(&table, &query.on_page(number));
                prop_assert_eq!(page.range.start, seen.len());
                prop_assert_eq!(page.range.len(), page.lines.len());
                seen.extend(page.lines);
            }
            prop_assert_eq!(seen.len(), agents);
            prop_assert!(seen.is_sorted_by(|a, b| compare_by(Column::ALL[column], descending, a, b) != Ordering::Greater));
            let mut labels: Vec<_> = seen.iter().map(|line| line.label).collect();
            labels.sort_unstable();
            labels.dedup();
            prop_assert_eq!(labels.len(), agents);
            prop_assert_eq!(select(&table, &query.on_page(pages + 7)).number, pages - 1);
        }
    }
}
