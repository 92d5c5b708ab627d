//! Which agents a page shows.
//!
//! Agents are handled as indices, and only those of the page are sorted, so a page of 30,000 agents takes a few
//! milliseconds.

use std::cmp::Ordering;
use std::ops::Range;

use super::attention::{Attention, DueAgents};
use super::listed_agent::ListedAgent;
use super::order::compare;
use super::page_query::PageQuery;
use super::summary::Summary;
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

/// The agents that `query` selects.
pub(super) fn select<'a>(agents: &Agents<'a>, query: &PageQuery) -> TablePage<'a> {
    let filter = Filter::new(query);
    let line = |index: usize| agents.get(index);
    let mut due: [Vec<usize>; Attention::ALL.len()] = Default::default();
    let mut chosen = Vec::new();
    for (index, line) in agents.lines() {
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
    /// All agents with their indices.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, ListedAgent<'a>)> {
        (0..self.snapshot.tenant.agents.len()).filter_map(|index| Some((index, self.get(index)?)))
    }

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
            limited_offline: summary.limited_offline.get(index).copied().flatten(),
            absence: summary.absences.get(index).copied().flatten(),
            is_stale: data.is_some_and(|data| data.presence.is_some() && !is_fresh(data)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{many, presence, snapshot};
    use super::super::order::compare_by;
    use super::super::page_query::Column;
    use super::*;
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
