//! The tenant's own list of agents: when it is read, and which agents it adds to the configured ones.
//!
//! Names and, with `agents: all`, the agents themselves are label values, so a failed read must not make series come and go:
//! the last good list stays until the next one, across restarts as well. A list that suddenly is empty or half as long counts as a
//! failed read until the next one confirms it.

use std::sync::Arc;

use super::snapshot::{Moment, Status};
use crate::config::Tenant;
use crate::presence::Person;
use crate::upstream::{METADATA_LIFETIME, METADATA_RETRY};

/// The tenant's own list of agents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgentDirectory {
    pub(crate) people: Vec<Person>,
    pub(crate) read_at: Moment,
    /// The last reading, if it is not used until the next one confirms it. It belongs to the list, so that reloads and
    /// restarts keep it.
    pub(crate) unconfirmed: Option<Arc<Self>>,
}

/// A tenant whose agents are those of the configuration and of the directory.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedTenant {
    /// The tenant with the agents to ask for.
    pub(crate) tenant: Arc<Tenant>,
    /// How many agents `agent_filter.max` leaves out; `None` without `agents: all`.
    pub(crate) dropped: Option<usize>,
    /// How many agents the directory lists; `None` without `agents: all`, or without a directory.
    pub(crate) listed: Option<usize>,
    /// How many of them the filter selects, before its `max`.
    pub(crate) selected: Option<usize>,
    /// How many agents an unconfirmed list has; `None` without one.
    pub(crate) unconfirmed: Option<usize>,
}

/// Paces the reads of the directory.
#[derive(Debug, Default)]
pub(super) struct DirectorySchedule {
    failed_at: Option<Moment>,
}

// === impl AgentDirectory ===

impl AgentDirectory {
    /// The list to use after `read` was read: `read` itself, or this one where `read` has suddenly lost half of the agents
    /// and the reading before does not confirm it.
    pub(super) fn followed_by(&self, read: Self, configured: &Tenant) -> Self {
        let says_the_same = |before: &Self| !before.halves_to(&read, configured) && !read.halves_to(before, configured);
        let is_confirmed = self.unconfirmed.as_deref().is_some_and(says_the_same);
        if is_confirmed || !self.halves_to(&read, configured) {
            return read;
        }
        Self { unconfirmed: Some(Arc::new(read)), ..self.clone() }
    }

    /// Whether `next` is empty or has at most half as many agents, listed or selected. Both are selected by the filter of
    /// `configured`, so another filter is no loss.
    fn halves_to(&self, next: &Self, configured: &Tenant) -> bool {
        let halves = |before: usize, after: usize| before > 0 && after <= before / 2;
        let selected = |directory: &Self| configured.count_selected(&directory.people);
        halves(self.people.len(), next.people.len()) || halves(selected(self), selected(next))
    }
}

// === impl ResolvedTenant ===

impl ResolvedTenant {
    /// The counts of `status` set to those of this tenant.
    pub(crate) fn counted_in(&self, status: Status) -> Status {
        let (agents_dropped, agents_listed, agents_selected) = (self.dropped, self.listed, self.selected);
        Status { agents_dropped, agents_listed, agents_selected, agents_unconfirmed: self.unconfirmed, ..status }
    }

    /// `configured`, completed by `directory`. The tenant is `configured` itself where that changes nothing.
    pub(crate) fn new(configured: &Arc<Tenant>, directory: Option<&AgentDirectory>) -> Self {
        let directory = directory.filter(|_| configured.needs_directory());
        let people = directory.map(|directory| directory.people.as_slice());
        let (agents, dropped) = configured.resolve_agents(people.unwrap_or_default());
        let tenant = configured.with_agents(agents);
        let listed = people.filter(|_| configured.agent_filter.is_some());
        Self {
            tenant,
            dropped: configured.agent_filter.is_some().then_some(dropped),
            listed: listed.map(<[Person]>::len),
            selected: listed.map(|people| configured.count_selected(people)),
            unconfirmed: directory.and_then(|directory| Some(directory.unconfirmed.as_ref()?.people.len())),
        }
    }
}

// === impl DirectorySchedule ===

impl DirectorySchedule {
    /// Whether to read the list at `now`. `needed`: there is no agent to ask for without it.
    pub(super) fn is_due(&self, directory: Option<&AgentDirectory>, needed: bool, now: Moment) -> bool {
        let expired = directory.is_none_or(|directory| directory.read_at.age(now) >= METADATA_LIFETIME);
        let unconfirmed_at = directory.and_then(|directory| Some(directory.unconfirmed.as_ref()?.read_at));
        let pauses = |failed_at: Moment| failed_at.age(now) < METADATA_RETRY;
        let pausing = self.failed_at.is_some_and(pauses) || unconfirmed_at.is_some_and(pauses);
        expired && (needed || !pausing)
    }

    /// Notes a successful read. Whether the one before had failed.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failed_at.take().is_some()
    }

    /// Notes a failed read. Whether the one before had not failed.
    pub(super) fn failed(&mut self, now: Moment) -> bool {
        self.failed_at.replace(now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Monotonic;
    use crate::presence::Timestamp;

    fn at(seconds: u64) -> Moment {
        Moment {
            monotonic: Monotonic::from_start(Duration::from_secs(seconds)),
            utc: Timestamp::from_seconds(1_700_000_000 + seconds.cast_signed()),
        }
    }

    #[test]
    fn directory_is_read_every_six_hours_and_ten_minutes_after_failure() {
        let mut schedule = DirectorySchedule::default();
        assert!(schedule.is_due(None, false, at(0)));
        assert!(schedule.failed(at(0)) && !schedule.failed(at(0)), "the first failure is logged");
        assert!(!schedule.is_due(None, false, at(599)));
        assert!(schedule.is_due(None, true, at(1)), "there is no agent to ask for without it");
        assert!(schedule.is_due(None, false, at(600)));
        assert!(schedule.succeeded() && !schedule.succeeded(), "the recovery is logged");

        let directory = AgentDirectory { people: Vec::new(), read_at: at(600), unconfirmed: None };
        assert!(!schedule.is_due(Some(&directory), true, at(600 + 6 * 3600 - 1)));
        assert!(schedule.is_due(Some(&directory), false, at(600 + 6 * 3600)));
    }
}
