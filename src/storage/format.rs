//! The inside of a tenant's file: serde types, and how what is published becomes them. The only serde in `refresh`.
//!
//! Times are microseconds since 1970 in UTC, spans are microseconds. There is no secret in it. Agents are their ids; names of
//! people are there only where they come from the tenant's own list, which is kept so that labels do not change.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{QueryKey, Tenant};
use crate::presence::{AgentPresence, Micros, Person, PresenceChart, Schedule, StateName, Timestamp, Window};
use crate::refresh::directory::AgentDirectory;
use crate::refresh::{AgentData, Moment, Published};

/// All that is kept of a tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Body<'a> {
    pub(super) query_key: QueryKey,
    /// Whose agents it has, where several exporters share those of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shard: Option<ShardOf>,
    pub(super) up: bool,
    pub(super) window: Option<Span>,
    pub(super) last_success: Option<Time>,
    pub(super) last_attempt: Option<Time>,
    pub(super) last_duration: Option<Spell>,
    pub(super) full_at: Option<Time>,
    pub(super) last_read: Option<Time>,
    pub(super) failures: u32,
    pub(super) not_before: Option<Time>,
    /// The tenant's own list of people, where one was read.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<StoredDirectory<'a>>,
    /// The names that agents' states are indices of.
    #[serde(borrow)]
    pub(super) states: Vec<Cow<'a, str>>,
    /// The agents, by the refresh that read them.
    #[serde(borrow)]
    pub(super) reads: Vec<Read<'a>>,
}

/// A [`Shard`](crate::config::Shard): its index, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardOf(u32, u32);

/// The tenant's own list of people.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredDirectory<'a> {
    pub(super) read_at: Time,
    #[serde(borrow)]
    pub(super) people: Vec<StoredPerson<'a>>,
}

/// A [`Person`]: id, name, team, and whether active.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredPerson<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Option<Cow<'a, str>>,
    #[serde(borrow)] Option<Cow<'a, str>>,
    bool,
);

/// The agents whose data one refresh read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Read<'a> {
    pub(super) read_at: Time,
    pub(super) window: Span,
    #[serde(borrow)]
    pub(super) agents: Vec<(Cow<'a, str>, Option<Presence>)>,
}

/// An [`AgentPresence`], its states as indices.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Presence {
    states: Vec<(u32, Spell)>,
    observed: Spell,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<(u32, Spell)>,
    last_data: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scheduled: Option<Scheduled>,
}

/// A [`ScheduledTime`](crate::presence::ScheduledTime), and which schedule it is about.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Scheduled {
    pub(super) total: Spell,
    pub(super) offline: Spell,
    pub(super) schedule: u32,
}

/// A [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Time(i64);

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Spell(u64);

/// A [`Window`]: its start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span(Time, Time);

/// Tells schedules apart. They are hashed by what they say, once each however many agents share one.
#[derive(Debug, Default)]
pub(super) struct Schedules(HashMap<*const Schedule, u32>);

// === impl Body ===

impl<'a> Body<'a> {
    /// What is published, after `failures` failed refreshes in a row.
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
            shard: ShardOf::of(tenant),
            up: status.up,
            window: status.window.map(Span::from),
            last_success: status.last_success.map(Time::from),
            last_attempt: status.last_attempt.map(Time::from),
            last_duration: status.last_duration.map(|took| Micros::from(took).into()),
            full_at: published.full_at.map(|moment| moment.utc.into()),
            last_read: published.last_read.map(|moment| moment.utc.into()),
            failures,
            not_before: status.not_before.map(Time::from),
            directory: published.directory.as_deref().map(StoredDirectory::of),
            states,
            reads,
        }
    }
}

// === impl ShardOf ===

impl ShardOf {
    pub(super) fn of(tenant: &Tenant) -> Option<Self> {
        tenant.shard_among_others().map(|shard| Self(shard.index(), shard.total()))
    }
}

// === impl StoredPerson, StoredDirectory ===

/// Leaves the person's name out, as this may end up in a log.
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
        Self { read_at: directory.read_at.utc.into(), people: directory.people.iter().map(person).collect() }
    }

    /// The list as it was, seen at `now`.
    pub(super) fn restore(&self, now: Moment) -> AgentDirectory {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let people = self.people.iter().map(|StoredPerson(id, name, team, active)| Person {
            id: Arc::from(&**id),
            name: text(name),
            team: text(team),
            active: *active,
        });
        AgentDirectory { people: people.collect(), read_at: Moment::remembered(self.read_at.into(), now) }
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
            last_data: presence.last_data.into(),
            scheduled: presence.scheduled.zip(schedule).map(|(scheduled, schedule)| Scheduled {
                total: scheduled.total.into(),
                offline: scheduled.offline.into(),
                schedule,
            }),
        }
    }

    /// The presence that this was, but for `scheduled`; `None` where it is none that a tally comes to.
    pub(super) fn restore(&self, names: &[StateName], window: Window) -> Option<AgentPresence> {
        let restored = |&(index, time): &(u32, Spell)| {
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
            states,
            observed,
            current,
            last_data: self.last_data.into(),
            scheduled: None,
            chart: PresenceChart::default(),
        })
    }
}

// === impl Schedules ===

impl Schedules {
    pub(super) fn checksum(&mut self, schedule: &Arc<Schedule>) -> u32 {
        let said = || crc32fast::hash(format!("{schedule:?}").as_bytes());
        *self.0.entry(Arc::as_ptr(schedule)).or_insert_with(said)
    }
}

// === impl Time, Spell, Span ===

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.micros())
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        Self::from_micros(time.0)
    }
}

impl From<Micros> for Spell {
    fn from(micros: Micros) -> Self {
        Self(micros.get())
    }
}

impl From<Spell> for Micros {
    fn from(spell: Spell) -> Self {
        Self::new(spell.0)
    }
}

impl From<Window> for Span {
    fn from(window: Window) -> Self {
        Self(window.start.into(), window.end.into())
    }
}

impl From<Span> for Window {
    fn from(Span(start, end): Span) -> Self {
        Self { start: start.into(), end: end.into() }
    }
}
