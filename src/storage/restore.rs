//! Decides what of a stored file still holds, given the time and the configuration. Pure.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::format::{Body, Read, Schedules, ShardKey, StoredTime};
use super::frame::{Attempts, FormatError};
use crate::config::{QueryKey, Tenant};
use crate::presence::{AgentPresence, MAX_TEXT_BYTES, Micros, ScheduledTime, StateName, Timestamp, Window};
use crate::refresh::backoff;
use crate::refresh::counters::StateCounters;
use crate::refresh::counters::teams::TeamCounters;
use crate::refresh::directory::{AgentDirectory, ResolvedTenant};
use crate::refresh::{AgentData, Moment, RestoredState, Snapshot, Status};

/// A clock correction up to this is ignored. After a larger one the age of the data is unknown.
const FUTURE_TOLERANCE: Duration = Duration::from_secs(5);

/// The longest restored wait, except for a longer cooldown: the longest `Retry-After` that is honoured.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Why a file, or part of it, is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unused {
    /// It is about another server, so its waits do not hold either.
    OtherServer,
    /// It answers another query.
    OtherQuery,
    /// It holds the agents of another shard.
    OtherShard,
    /// Its times are in the future.
    Future,
}

/// What can be used of a file at `now`, and why the rest cannot.
///
/// A refresh that started and did not leave a file has failed; its back-off, with `chance` as a random number in
/// `[0, 1)`, runs from its start.
///
/// # Errors
///
/// When values are invalid.
pub(super) fn restore(
    body: &Body<'_>,
    attempts: Attempts,
    tenant: &Arc<Tenant>,
    now: Moment,
    chance: f64,
) -> Result<(RestoredState, Option<Unused>), FormatError> {
    let (mut restored_state, unused) = restore_without_counters(body, attempts, tenant, now, chance)?;
    if tenant.keeps_counters() && unused != Some(Unused::OtherServer) {
        restored_state.snapshot.counters = Arc::new(restore_counters(body, attempts, tenant)?);
    }
    Ok((restored_state, unused))
}

/// The counters. They count on over every change but that of the server. With other parts, all are closed.
fn restore_counters(body: &Body<'_>, attempts: Attempts, tenant: &Tenant) -> Result<StateCounters, FormatError> {
    let Some(stored) = &body.counters else { return Ok(StateCounters::default()) };
    let mut counters = stored.restore()?;
    if !body.query_key.has_same_parts(&QueryKey::of(tenant)) {
        counters = counters.closed();
    }
    if attempts.count > 0 {
        // The refresh that was not saved may have been exposed; a later one has at least its values.
        counters = counters.hidden();
        // A value below an exposed one, but not 0, would count twice. From 0 on, what is read again is all of the rise.
        counters.teams = TeamCounters::default();
    }
    Ok(counters)
}

fn restore_without_counters(
    body: &Body<'_>,
    attempts: Attempts,
    tenant: &Arc<Tenant>,
    now: Moment,
    chance: f64,
) -> Result<(RestoredState, Option<Unused>), FormatError> {
    let directory = body.directory.as_ref().map(|directory| directory.restore(now));
    let mut restored_state = RestoredState::empty(tenant);
    let query_key = QueryKey::of(tenant);
    if body.query_key.server() != query_key.server() {
        return Ok((restored_state, Some(Unused::OtherServer)));
    }
    restored_state.restore_directory(tenant, directory);
    restored_state.restore_gate(body, attempts, now, chance);
    if body.query_key != query_key {
        return Ok((restored_state, Some(Unused::OtherQuery)));
    }
    let future = restored_state.restore_data(body, now)?;
    if body.shard != ShardKey::of(tenant) {
        // Its success was that of other agents, so only the data of this shard's agents is used.
        return Ok((restored_state, Some(Unused::OtherShard)));
    }
    restored_state.restore_status(body, attempts, future, now);
    Ok((restored_state, future.then_some(Unused::Future)))
}

/// `time`, unless it is in the future. Within the tolerance it counts as now.
fn past_time(time: Option<StoredTime>, now: Moment) -> Option<Timestamp> {
    time.map(Timestamp::from).filter(|time| *time <= now.utc + FUTURE_TOLERANCE).map(|time| time.min(now.utc))
}

fn invalid(reason: impl Into<String>) -> FormatError {
    FormatError::Invalid(reason.into())
}

// === impl RestoredState ===

impl RestoredState {
    fn empty(tenant: &Arc<Tenant>) -> Self {
        let resolved = ResolvedTenant::new(tenant, None);
        Self {
            snapshot: Snapshot::empty(Arc::clone(&resolved.tenant)),
            status: resolved.counted_in(Status::default()),
            directory: None,
            full_start: None,
            last_read: None,
            failures: 0,
            not_before: None,
        }
    }

    fn restore_directory(&mut self, configured: &Arc<Tenant>, directory: Option<AgentDirectory>) {
        let resolved = ResolvedTenant::new(configured, directory.as_ref());
        self.status = resolved.counted_in(Status::default());
        self.snapshot = Snapshot::empty(resolved.tenant);
        self.directory = directory.map(Arc::new);
    }

    fn restore_gate(&mut self, body: &Body<'_>, attempts: Attempts, now: Moment, chance: f64) {
        let (cooldown, refresh_timeout) =
            (self.snapshot.tenant.limits.cooldown, self.snapshot.tenant.limits.refresh_timeout);
        let wait_from = |point: Timestamp| Duration::from_micros(point.saturating_since(now.utc).get());
        let stored = body.not_before.map(|not_before| {
            let not_before = Timestamp::from(not_before);
            // Where the clock was set back, what was left of the wait is unknown, but not more than the whole of it.
            let whole =
                body.last_attempt.map_or(Micros::new(u64::MAX), |attempt| not_before.saturating_since(attempt.into()));
            wait_from(not_before).min(Duration::from_micros(whole.get()))
        });
        self.failures = body.failures.saturating_add(attempts.count);
        let aborted = (attempts.count > 0).then(|| {
            let started = attempts.last.filter(|_| !attempts.torn).unwrap_or(now.utc).min(now.utc);
            // A `Retry-After` that the refresh was waiting out is forgotten. It would have ended within the refresh's
            // own time: for a longer one the refresh would have ended at once, and its end would be in the file.
            wait_from(started + backoff::delay(cooldown, self.failures, chance).max(refresh_timeout))
        });
        let wait = stored.max(aborted).filter(|wait| !wait.is_zero());
        self.not_before = wait.map(|wait| now.monotonic + wait.min(LONGEST_WAIT.max(cooldown)));
    }

    /// Restores the data read before `now`. Whether there is data from the future.
    fn restore_data(&mut self, body: &Body<'_>, now: Moment) -> Result<bool, FormatError> {
        if body.states.iter().any(|name| name.is_empty() || name.len() > MAX_TEXT_BYTES) {
            return Err(invalid("a state has no name, or too long a one"));
        }
        let names: Vec<StateName> = body.states.iter().map(|name| Arc::from(&**name)).collect();
        let tenant = Arc::clone(&self.snapshot.tenant);
        let rows: HashMap<&str, usize> =
            tenant.agents.iter().enumerate().map(|(row, agent)| (&*agent.id, row)).collect();
        let mut schedules = Schedules::default();
        let mut future = past_time(body.last_attempt, now).is_none() && body.last_attempt.is_some();
        for Read { read_at, window, agents } in &body.reads {
            let window = Window::from(*window);
            if window.length() > tenant.query.window.into() {
                return Err(invalid("a window is longer than the tenant's"));
            }
            let Some(read_at) = past_time(Some(*read_at), now) else {
                future = true;
                continue;
            };
            let read_at = Moment::remembered(read_at, now);
            for (id, presence) in agents {
                let restored = presence
                    .as_ref()
                    .map(|presence| presence.restore(&names, window).ok_or_else(|| invalid("the times of an agent")));
                let mut restored: Option<AgentPresence> = restored.transpose()?;
                // An agent that is no longer configured has no row.
                let Some(&row) = rows.get(&**id) else { continue };
                let (Some(agent), Some(row)) = (tenant.agents.get(row), self.snapshot.rows.get_mut(row)) else {
                    continue;
                };
                let schedule = agent.schedule.as_ref().map(|schedule| schedules.checksum(schedule));
                if let (Some(restored), Some(presence)) = (&mut restored, presence) {
                    // Scheduled time of a schedule that has changed does not hold for the new one.
                    let scheduled = presence.scheduled.filter(|scheduled| Some(scheduled.schedule) == schedule);
                    restored.scheduled = scheduled.map(|scheduled| ScheduledTime {
                        total: scheduled.total.into(),
                        offline: scheduled.offline.into(),
                    });
                }
                row.data = Some(Arc::new(AgentData { presence: restored, window, read_at }));
            }
        }
        Ok(future)
    }

    fn restore_status(&mut self, body: &Body<'_>, attempts: Attempts, future: bool, now: Moment) {
        let aborted = attempts.count > 0;
        let last_attempt = if aborted { Some(attempts.last.unwrap_or(now.utc).into()) } else { body.last_attempt };
        self.status = Status {
            up: body.up && !aborted && !future,
            window: body.window.map(Window::from).filter(|window| window.end <= now.utc + FUTURE_TOLERANCE),
            last_success: past_time(body.last_success, now),
            last_attempt: past_time(last_attempt, now),
            last_duration: body.last_duration.map(|took| Duration::from_micros(Micros::from(took).get())),
            ..self.status.clone()
        };
        if !aborted && !future {
            let moment = |time| past_time(time, now).map(|utc| Moment::remembered(utc, now));
            (self.full_start, self.last_read) = (moment(body.full_start), moment(body.last_read));
        }
    }
}

// === impl Unused ===

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherServer => "another server; nothing is used",
            Self::OtherQuery => "another query; only its waits are used",
            Self::OtherShard => "another shard; only the data of this shard's agents is used",
            Self::Future => "times in the future (was the clock set back?); that data is not used",
        })
    }
}
