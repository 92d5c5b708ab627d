//! The agents of a report with their times. All text is escaped here, because it may come from CXone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use super::ReportError;
use super::subjects::{self, Subject};
use crate::config::Tenant;
use crate::past::{By, ShiftTime, StateFile};
use crate::presence::{AgentId, AgentPresence, Micros, StateName, TimeZone, Window, escape_text};

/// What is printed.
pub(crate) struct Report<'a> {
    pub(super) tenants: &'a [TenantReport],
    /// The periods of a range; `None` where each row is one period.
    pub(super) file: Option<&'a StateFile>,
}

/// The report of one tenant.
pub(super) struct TenantReport {
    pub(super) tenant: String,
    pub(super) window: Window,
    /// The agents that were read, in configuration order or as sorted.
    pub(super) rows: Vec<Row>,
    /// The states in the order of their columns: declared ones first, then by time.
    pub(super) states: Vec<StateName>,
    /// The offline states.
    pub(super) offline: Vec<StateName>,
}

/// The report of an agent, or of a team.
pub(super) struct Row {
    /// The ids of what is summed: one agent, or a team. They are not shown.
    ids: Vec<AgentId>,
    /// The label; empty for a team.
    pub(super) agent: String,
    pub(super) name: Option<String>,
    pub(super) team: Option<String>,
    /// The sum of all periods.
    pub(super) times: Times,
}

/// The time of a row within a period, or of all periods together.
pub(super) struct Times {
    /// Escaped states with time, the longest first; empty without data.
    pub(super) states: Vec<(StateName, Micros)>,
    /// The time on shift within a range, if an agent has a schedule.
    pub(super) shift: Option<ShiftTime>,
}

// === impl Report ===

impl Report<'_> {
    /// What the time is summed by.
    pub(super) fn by(&self) -> By {
        self.file.map_or(By::Total, |file| file.question().by)
    }

    /// The zone in which times are shown.
    pub(super) fn zone(&self) -> TimeZone {
        self.file.map_or(TimeZone::UTC, |file| file.question().zone.clone())
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&TenantReport, &Row)> {
        self.tenants.iter().flat_map(|report| report.rows.iter().map(move |row| (report, row)))
    }

    /// Calls `each` for each period that `row` was read to the end of. Memory holds the periods of one row at a time.
    ///
    /// # Errors
    ///
    /// The state file cannot be read, or `each` fails.
    pub(super) fn each_period(
        &self,
        report: &TenantReport,
        row: &Row,
        mut each: impl FnMut(Window, &Times) -> io::Result<()>,
    ) -> Result<(), ReportError> {
        let Some(file) = self.file else {
            return each(report.window, &row.times).map_err(ReportError::Output);
        };
        let Some(times) = file.times(&report.tenant, &row.ids)? else { return Ok(()) };
        for (window, states, shift) in times.periods(file.periods()) {
            let named = states.iter().filter_map(|(place, time)| Some((times.states.get(*place)?, *time)));
            let times = Times::new(named.filter(has_time), row.times.shift.map(|_| shift.unwrap_or_default()));
            each(window, &times).map_err(ReportError::Output)?;
        }
        Ok(())
    }
}

// === impl TenantReport ===

impl TenantReport {
    /// The report of the agents with an answer.
    pub(super) fn new(tenant: &Tenant, window: Window, answered: Vec<(AgentId, Option<AgentPresence>)>) -> Self {
        let answered: HashMap<AgentId, Option<AgentPresence>> = answered.into_iter().collect();
        let row = |subject: &Subject<'_>| {
            let read: Vec<_> = subject.agents.iter().filter_map(|agent| answered.get(&agent.id)).collect();
            let mut times: BTreeMap<&StateName, Micros> = BTreeMap::new();
            for (state, time) in read.iter().copied().flatten().flat_map(|presence| &presence.states) {
                *times.entry(state).or_default() += *time;
            }
            (!read.is_empty()).then(|| Row::new(subject, Times::new(times, None)))
        };
        Self::of_rows(tenant, window, subjects::shown(tenant).iter().filter_map(row).collect())
    }

    /// The report of what `file` has of a tenant.
    ///
    /// # Errors
    ///
    /// The state file cannot be read.
    pub(super) fn of_range(tenant: &Tenant, file: &StateFile) -> Result<Self, ReportError> {
        let mut rows = Vec::with_capacity(tenant.agents.len());
        for subject in subjects::shown(tenant) {
            rows.extend(Row::of_range(&subject, &tenant.name, file)?);
        }
        Ok(Self::of_rows(tenant, file.question().range, rows))
    }

    fn of_rows(tenant: &Tenant, window: Window, rows: Vec<Row>) -> Self {
        let escaped = |states: &[StateName]| states.iter().map(|state| escape_text(state).into()).collect();
        let declared: Vec<StateName> = escaped(&tenant.states.declared);
        let mut times: BTreeMap<&StateName, Micros> = BTreeMap::new();
        for (state, time) in rows.iter().flat_map(|row| &row.times.states) {
            *times.entry(state).or_default() += *time;
        }
        let mut states: Vec<StateName> = declared.iter().filter(|state| times.contains_key(state)).cloned().collect();
        let mut others: Vec<_> = times.into_iter().filter(|(state, _)| !declared.contains(state)).collect();
        others.sort_by(|(_, one), (_, next)| next.cmp(one));
        states.extend(others.into_iter().map(|(state, _)| StateName::clone(state)));
        Self { tenant: tenant.name.clone(), window, rows, states, offline: escaped(&tenant.states.offline) }
    }
}

/// Sorts the agents of each tenant by `agent`, `name`, `team`, `total`, or a state. Texts ascend, and times descend. Agents with
/// equal values keep their order.
///
/// # Errors
///
/// No column has this name.
pub(super) fn sort(reports: &mut [TenantReport], column: &str) -> Result<(), ReportError> {
    let states: BTreeSet<StateName> = reports.iter().flat_map(|report| &report.states).cloned().collect();
    let state = states.iter().find(|state| state.eq_ignore_ascii_case(column));
    for rows in reports.iter_mut().map(|report| &mut report.rows) {
        match (column, state) {
            ("agent", _) => rows.sort_by(|one, next| one.agent.cmp(&next.agent)),
            // Agents without a name or team come last.
            ("name", _) => rows.sort_by_cached_key(|row| (row.name.is_none(), row.name.clone())),
            ("team", _) => rows.sort_by_cached_key(|row| (row.team.is_none(), row.team.clone())),
            ("total", _) => rows.sort_by_cached_key(|row| Reverse(row.times.total())),
            (_, Some(state)) => rows.sort_by_cached_key(|row| Reverse(row.times.of(state))),
            (_, None) => {
                let columns = ["agent", "name", "team", "total"].into_iter().chain(states.iter().map(|state| &**state));
                let columns = columns.collect::<Vec<_>>().join(", ");
                return Err(ReportError::UnknownColumn { column: column.to_owned(), columns });
            }
        }
    }
    Ok(())
}

fn has_time<T>((_, time): &(T, Micros)) -> bool {
    *time > Micros::ZERO
}

// === impl Row ===

impl Row {
    fn new(subject: &Subject<'_>, times: Times) -> Self {
        let escaped = |text: &str| escape_text(text).into_owned();
        Self {
            ids: subject.ids(),
            agent: escaped(subject.label.as_deref().unwrap_or_default()),
            name: subject.name().map(escaped),
            team: subject.team().map(escaped),
            times,
        }
    }

    /// The sums of the periods that were read to their end; `None` if there is none.
    fn of_range(subject: &Subject<'_>, tenant: &str, file: &StateFile) -> Result<Option<Self>, ReportError> {
        let Some(times) = file.times(tenant, &subject.ids())? else { return Ok(None) };
        let mut sums = vec![Micros::ZERO; times.states.len()];
        let mut shift = ShiftTime::default();
        let mut is_empty = true;
        for (_, states, on_shift) in times.periods(file.periods()) {
            is_empty = false;
            for (place, time) in states {
                if let Some(sum) = sums.get_mut(*place) {
                    *sum += *time;
                }
            }
            shift += on_shift.unwrap_or_default();
        }
        let has_schedule = subject.agents.iter().any(|agent| agent.schedule.is_some());
        let states = times.states.iter().zip(sums).filter(has_time);
        Ok((!is_empty).then(|| Self::new(subject, Times::new(states, has_schedule.then_some(shift)))))
    }
}

// === impl Times ===

impl Times {
    fn new<'s>(states: impl IntoIterator<Item = (&'s StateName, Micros)>, shift: Option<ShiftTime>) -> Self {
        let mut states: Vec<_> = states.into_iter().collect();
        states.sort_by(|(name, time), (other, longer)| longer.cmp(time).then_with(|| name.cmp(other)));
        Self { states: states.into_iter().map(|(state, time)| (escape_text(state).into(), time)).collect(), shift }
    }

    /// The time in a state; zero if there is none.
    pub(super) fn of(&self, state: &StateName) -> Micros {
        self.states.iter().find(|(known, _)| known == state).map_or(Micros::ZERO, |(_, time)| *time)
    }

    pub(super) fn total(&self) -> Micros {
        self.states.iter().map(|(_, time)| *time).sum()
    }
}
