//! The stored form of the counters of time per agent and state.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::format::{StoredDuration, StoredTime};
use super::frame::FormatError;
use crate::presence::{AgentId, MAX_STATES_PER_AGENT, MAX_TEXT_BYTES, StateName, WindowPart};
use crate::refresh::counters::teams::{MAX_STATES_PER_TEAM, TeamCounter, TeamCounters};
use crate::refresh::counters::{AgentCounter, StateCount, StateCounters};

/// A [`StateCounters`] with states as indices into `states`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredCounters<'a> {
    #[serde(borrow)]
    states: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    agents: Vec<StoredCounter<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    teams: Vec<StoredTeam<'a>>,
}

/// An [`AgentCounter`]: the id, the start of the first part that may count, the end of its last window and the latest
/// one where that differs, whether time repeats, whether it is hidden, its states and its open parts.
#[derive(Debug, Serialize, Deserialize)]
struct StoredCounter<'a>(
    #[serde(borrow)] Cow<'a, str>,
    Option<StoredTime>,
    StoredTime,
    Option<StoredTime>,
    bool,
    bool,
    Vec<StoredCount>,
    Vec<StoredPart>,
);

/// A [`StateCount`]: the index of its name, its value and its closed microseconds.
#[derive(Debug, Serialize, Deserialize)]
struct StoredCount(usize, StoredDuration, i64);

/// A [`TeamCounter`]: the team, the end of its last window, and its time by the index of a state's name.
#[derive(Debug, Serialize, Deserialize)]
struct StoredTeam<'a>(#[serde(borrow)] Cow<'a, str>, StoredTime, Vec<(usize, StoredDuration)>);

/// An [`WindowPart`].
#[derive(Debug, Serialize, Deserialize)]
struct StoredPart(StoredTime, Vec<(usize, StoredDuration)>);

// === impl StoredCounters ===

impl<'a> StoredCounters<'a> {
    pub(super) fn of(counters: &'a StateCounters) -> Self {
        let mut states: Vec<Cow<'a, str>> = Vec::new();
        let mut indices = std::collections::HashMap::new();
        let mut index = |name: &'a StateName| {
            *indices.entry(&**name).or_insert_with(|| {
                states.push(Cow::Borrowed(&**name));
                states.len() - 1
            })
        };
        let part = |part: &WindowPart| {
            let times = part.times.iter().map(|(place, time)| (*place, (*time).into()));
            StoredPart(part.start.into(), times.collect())
        };
        // In order, so that the same state is the same file.
        let mut by_id: Vec<_> = counters.agents.iter().collect();
        by_id.sort_unstable_by_key(|(id, _)| *id);
        let agents = by_id.into_iter().map(|(id, counter)| {
            let counts = counter.states.iter();
            let counts = counts.map(|count| StoredCount(index(&count.name), count.time.into(), count.closed)).collect();
            let open = counter.open.iter().map(part).collect();
            let AgentCounter { from, read_to, counted_to, repeats, is_hidden, .. } = **counter;
            let counted_to = (counted_to != read_to).then(|| counted_to.into());
            let from = from.map(StoredTime::from);
            StoredCounter(Cow::Borrowed(&**id), from, read_to.into(), counted_to, repeats, is_hidden, counts, open)
        });
        let agents = agents.collect();
        let mut by_name: Vec<_> = counters.teams.0.iter().collect();
        by_name.sort_unstable_by_key(|(team, _)| *team);
        let teams = by_name.into_iter().map(|(team, counter)| {
            let times = counter.states.iter().map(|(name, time)| (index(name), (*time).into()));
            StoredTeam(Cow::Borrowed(&**team), counter.read_to.into(), times.collect())
        });
        let teams = teams.collect();
        Self { states, agents, teams }
    }

    /// The counters.
    ///
    /// # Errors
    ///
    /// When a name or an index is invalid.
    pub(super) fn restore(&self) -> Result<StateCounters, FormatError> {
        let invalid = || FormatError::Invalid("the counters".to_owned());
        if self.states.iter().any(|name| name.is_empty() || name.len() > MAX_TEXT_BYTES) {
            return Err(invalid());
        }
        let names: Vec<StateName> = self.states.iter().map(|name| Arc::from(&**name)).collect();
        let agent = |StoredCounter(id, from, read_to, counted_to, repeats, is_hidden, counts, open): &StoredCounter<
            '_,
        >| {
            if counts.len() > MAX_STATES_PER_AGENT + 1 {
                return None;
            }
            let count = |StoredCount(name, time, closed): &StoredCount| {
                Some(StateCount { name: Arc::clone(names.get(*name)?), time: (*time).into(), closed: *closed })
            };
            let part = |StoredPart(start, times): &StoredPart| {
                let time =
                    |(place, time): &(usize, StoredDuration)| (*place < counts.len()).then(|| (*place, (*time).into()));
                Some(WindowPart { start: (*start).into(), times: times.iter().map(time).collect::<Option<_>>()? })
            };
            let counter = AgentCounter {
                states: counts.iter().map(count).collect::<Option<_>>()?,
                open: open.iter().map(part).collect::<Option<_>>()?,
                from: from.map(Into::into),
                read_to: (*read_to).into(),
                counted_to: counted_to.unwrap_or(*read_to).into(),
                repeats: *repeats,
                is_hidden: *is_hidden,
            };
            Some((AgentId::from(&**id), Arc::new(counter)))
        };
        let agents = self.agents.iter().map(agent).collect::<Option<_>>().ok_or_else(invalid)?;
        let team = |StoredTeam(team, read_to, times): &StoredTeam<'_>| {
            if times.len() > MAX_STATES_PER_TEAM + 1 {
                return None;
            }
            let time = |(name, time): &(usize, StoredDuration)| Some((Arc::clone(names.get(*name)?), (*time).into()));
            let states = times.iter().map(time).collect::<Option<_>>()?;
            Some((Arc::from(&**team), TeamCounter { states, read_to: (*read_to).into() }))
        };
        let teams = TeamCounters(self.teams.iter().map(team).collect::<Option<_>>().ok_or_else(invalid)?);
        Ok(StateCounters { agents, teams })
    }
}
