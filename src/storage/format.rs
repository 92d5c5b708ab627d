//! The body of a tenant's file: serde types, and their values for a published state.
//!
//! Times are microseconds since 1970 in UTC, spans are microseconds. It holds no secret. Names of people are stored only
//! with the tenant's own list of agents, so that labels do not change over a restart.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::stored_counters::StoredCounters;
use crate::config::{QueryKey, Tenant};
use crate::presence::{AgentPresence, Micros, Person, PresenceChart, Schedule, StateName, Timestamp, Window};
use crate::refresh::directory::AgentDirectory;
use crate::refresh::{AgentData, Moment, Published};

/// The stored state of a tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Body<'a> {
    pub(super) query_key: QueryKey,
    /// The shard whose agents it holds, where several exporters share the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shard: Option<ShardKey>,
    pub(super) up: bool,
    pub(super) window: Option<StoredWindow>,
    pub(super) last_success: Option<StoredTime>,
    pub(super) last_attempt: Option<StoredTime>,
    pub(super) last_duration: Option<StoredDuration>,
    pub(super) full_start: Option<StoredTime>,
    pub(super) last_read: Option<StoredTime>,
    pub(super) failures: u32,
    pub(super) not_before: Option<StoredTime>,
    /// The tenant's own list of agents, where one was read.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<StoredDirectory<'a>>,
    /// The counters, where they are kept.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) counters: Option<StoredCounters<'a>>,
    /// The state names that the agents' states refer to by index.
    #[serde(borrow)]
    pub(super) states: Vec<Cow<'a, str>>,
    /// The agents, by the refresh that read them.
    #[serde(borrow)]
    pub(super) reads: Vec<Read<'a>>,
}

/// A [`Shard`](crate::config::Shard): its index, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardKey(u32, u32);

/// The tenant's own list of agents.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredDirectory<'a> {
    pub(super) read_at: StoredTime,
    #[serde(borrow)]
    pub(super) people: Vec<StoredPerson<'a>>,
    /// A later reading that is not confirmed yet. It has none itself.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) unconfirmed: Option<Box<Self>>,
}

/// A [`Person`]: id, name, team, and whether active.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredPerson<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Option<Cow<'a, str>>,
    #[serde(borrow)] Option<Cow<'a, str>>,
    bool,
);

/// The agents that one refresh read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Read<'a> {
    pub(super) read_at: StoredTime,
    pub(super) window: StoredWindow,
    #[serde(borrow)]
    pub(super) agents: Vec<(Cow<'a, str>, Option<Presence>)>,
}

/// An [`AgentPresence`] with states as indices.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Presence {
    states: Vec<(u32, StoredDuration)>,
    observed: StoredDuration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<(u32, StoredDuration)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unbroken_offline: Option<StoredDuration>,
    last_data: StoredTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scheduled: Option<Scheduled>,
}

/// A [`ScheduledTime`](crate::presence::ScheduledTime), and the checksum of its schedule.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Scheduled {
    pub(super) total: StoredDuration,
    pub(super) offline: StoredDuration,
    pub(super) schedule: u32,
}

/// A [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StoredTime(i64);

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StoredDuration(u64);

/// A [`Window`]: its start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredWindow(StoredTime, StoredTime);

/// Checksums of schedules, computed once each, because many agents share one.
#[derive(Debug, Default)]
pub(super) struct Schedules(HashMap<*const Schedule, u32>);

// === impl Body ===

impl<'a> Body<'a> {
    /// The stored form of `published`, after `failures` failed refreshes in a row.
    pub(super) fn of(published: &'a Published, failures: u32) -> Self {
        let tenant = &published.snapshot.tenant;
        let mut states = Vec::new();
        let mut state_indices = HashMap::new();
        let mut index = |name: &'a StateName| {
            *state_indices.entry(&**name).or_insert_with(|| {
                states.push(Cow::Borrowed(&**name));
                u32::try_from(states.len() - 1).unwrap_or(u32::MAX)
            })
        };
        let mut schedules = Schedules::default();
        let mut reads: Vec<Read<'a>> = Vec::new();
        let mut read_indices = HashMap::new();
        for (agent, row) in tenant.agents.iter().zip(&published.snapshot.rows) {
            let Some(AgentData { presence, window, read_at }) = row.data.as_deref() else { continue };
            let presence = presence.as_ref().map(|presence| {
                let schedule = agent.schedule.as_ref().map(|schedule| schedules.checksum(schedule));
                Presence::of(presence, schedule, &mut index)
            });
            let read = *read_indices.entry((read_at.utc, *window)).or_insert_with(|| {
                reads.push(Read { read_at: read_at.utc.into(), window: (*window).into(), agents: Vec::new() });
                reads.len() - 1
            });
            if let Some(read) = reads.get_mut(read) {
                read.agents.push((Cow::Borrowed(&*agent.id), presence));
            }
        }
        let status = &published.status;
        Self {
            query_key: QueryKey::of(tenant),
            shard: ShardKey::of(tenant),
            up: status.up,
            window: status.window.map(StoredWindow::from),
            last_success: status.last_success.map(StoredTime::from),
            last_attempt: status.last_attempt.map(StoredTime::from),
            last_duration: status.last_duration.map(|took| Micros::from(took).into()),
            full_start: published.full_start.map(|moment| moment.utc.into()),
            last_read: published.last_read.map(|moment| moment.utc.into()),
            failures,
            not_before: status.not_before.map(StoredTime::from),
            directory: published.directory.as_deref().map(StoredDirectory::of),
            counters: tenant.keeps_counters().then(|| StoredCounters::of(&published.snapshot.counters)),
            states,
            reads,
        }
    }
}

// === impl ShardKey ===

impl ShardKey {
    pub(super) fn of(tenant: &Tenant) -> Option<Self> {
        tenant.shard_among_others().map(|shard| Self(shard.index(), shard.total()))
    }
}

// === impl StoredPerson, StoredDirectory ===

/// Leaves the person's name out, because debug output may reach a log.
impl fmt::Debug for StoredPerson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoredPerson").field(&self.0).finish_non_exhaustive()
    }
}

impl<'a> StoredDirectory<'a> {
    fn of(directory: &'a AgentDirectory) -> Self {
        let text = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        let person = |person: &'a Person| {
            StoredPerson(Cow::Borrowed(&*person.id), text(&person.name), text(&person.team), person.active)
        };
        Self {
            read_at: directory.read_at.utc.into(),
            people: directory.people.iter().map(person).collect(),
            unconfirmed: directory.unconfirmed.as_deref().map(|unconfirmed| Box::new(Self::of(unconfirmed))),
        }
    }

    /// The list, with its age as of `now`.
    pub(super) fn restore(&self, now: Moment) -> AgentDirectory {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let people = self.people.iter().map(|StoredPerson(id, name, team, active)| Person {
            id: Arc::from(&**id),
            name: text(name),
            team: text(team),
            active: *active,
        });
        AgentDirectory {
            people: people.collect(),
            read_at: Moment::remembered(self.read_at.into(), now),
            unconfirmed: self.unconfirmed.as_ref().map(|unconfirmed| Arc::new(unconfirmed.restore(now))),
        }
    }
}

// === impl Presence ===

impl Presence {
    fn of<'a>(
        presence: &'a AgentPresence,
        schedule: Option<u32>,
        index: &mut impl FnMut(&'a StateName) -> u32,
    ) -> Self {
        Self {
            states: presence.states.iter().map(|(name, time)| (index(name), (*time).into())).collect(),
            observed: presence.observed.into(),
            current: presence.current.as_ref().map(|(name, time)| (index(name), (*time).into())),
            unbroken_offline: presence.unbroken_offline.map(StoredDuration::from),
            last_data: presence.last_data.into(),
            scheduled: presence.scheduled.zip(schedule).map(|(scheduled, schedule)| Scheduled {
                total: scheduled.total.into(),
                offline: scheduled.offline.into(),
                schedule,
            }),
        }
    }

    /// The presence without `scheduled`; `None` where the values are invalid.
    pub(super) fn restore(&self, names: &[StateName], window: Window) -> Option<AgentPresence> {
        let restored = |&(index, time): &(u32, StoredDuration)| {
            Some((Arc::clone(names.get(usize::try_from(index).ok()?)?), Micros::from(time)))
        };
        let states: Vec<(StateName, Micros)> = self.states.iter().map(restored).collect::<Option<_>>()?;
        let total: u128 = states.iter().map(|(_, time)| u128::from(*time)).sum();
        let observed = Micros::from(self.observed);
        let ordered = states.is_sorted_by(|(one, _), (next, _)| one < next);
        if !ordered || total > u128::from(window.length()) || observed > window.length() {
            return None;
        }
        let current = match &self.current {
            Some(current) => Some(restored(current)?),
            None => None,
        };
        Some(AgentPresence {
            folded: Vec::new(),
            states,
            observed,
            current,
            unbroken_offline: self.unbroken_offline.map(Micros::from),
            last_data: self.last_data.into(),
            scheduled: None,
            chart: PresenceChart::default(),
            timeline: None,
            parts: Default::default(),
        })
    }
}

// === impl Schedules ===

impl Schedules {
    pub(super) fn checksum(&mut self, schedule: &Arc<Schedule>) -> u32 {
        let checksum = || crc32fast::hash(format!("{schedule:?}").as_bytes());
        *self.0.entry(Arc::as_ptr(schedule)).or_insert_with(checksum)
    }
}

// === impl StoredTime, StoredDuration, StoredWindow ===

impl From<Timestamp> for StoredTime {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.micros())
    }
}

impl From<StoredTime> for Timestamp {
    fn from(time: StoredTime) -> Self {
        Self::from_micros(time.0)
    }
}

impl From<Micros> for StoredDuration {
    fn from(micros: Micros) -> Self {
        Self(micros.get())
    }
}

impl From<StoredDuration> for Micros {
    fn from(duration: StoredDuration) -> Self {
        Self::new(duration.0)
    }
}

impl From<Window> for StoredWindow {
    fn from(window: Window) -> Self {
        Self(window.start.into(), window.end.into())
    }
}

impl From<StoredWindow> for Window {
    fn from(StoredWindow(start, end): StoredWindow) -> Self {
        Self { start: start.into(), end: end.into() }
    }
}
