//! The state of one tenant, and how each event changes it.
//!
//! Pure: the time, a random number and the answers of the source are arguments. [`next_published`] makes what readers see;
//! [`State`] holds the rest, which only changes behind the refresher's mutex.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::counters::ReadParts;
use super::directory::{AgentDirectory, DirectorySchedule, ResolvedTenant};
use super::filter_problem::FilterLog;
use super::gate::Gate;
use super::log::FailureLog;
use super::merge;
use super::observer::RefreshResult;
use super::published::{Published, Render};
use super::snapshot::{Moment, Snapshot, Status};
use super::store::RestoredState;
use crate::clock::Monotonic;
use crate::config::Tenant;
use crate::presence::{AgentId, Timestamp, Window};
use crate::upstream::{FetchResult, Source, UpstreamError};

/// What only writers use. Readers load the [`Published`] value.
pub(super) struct State {
    pub(super) gate: Gate,
    /// Closes when the refresh under way ends.
    pub(super) done_rx: watch::Receiver<()>,
    /// The agents that the last refresh failed to read, if it read others and was not itself a retry.
    pub(super) retry_agents: Option<Vec<AgentId>>,
    pub(super) directory_schedule: DirectorySchedule,
    pub(super) log: FailureLog,
    pub(super) filter_log: FilterLog,
}

/// Anything that changes what is published.
pub(super) enum Event<'a> {
    /// A refresh ended, well or not.
    Fetched(&'a FetchedRefresh),
    /// A refresh panicked or was cancelled.
    Aborted,
    /// A reload changed the configuration.
    Reconfigured { configured: Arc<Tenant>, source: Arc<dyn Source> },
    /// The list of agents was read.
    DirectoryRead(Arc<AgentDirectory>),
    /// Some data passed `max_staleness`.
    Expired,
    /// An earlier process left this.
    Restored(&'a RestoredState),
}

/// The time and other inputs of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs {
    pub(super) now: Moment,
    /// A random number in `[0, 1)`.
    pub(super) chance: f64,
    /// The source's `Retry-After`.
    pub(super) floor: Option<Monotonic>,
    pub(super) token_expiry: Option<Timestamp>,
}

/// The outcome of a refresh that ended.
pub(super) struct FetchedRefresh {
    /// The data read, for the tenant as it was when the refresh started.
    data: Snapshot,
    /// The parts of that data, for the counters.
    parts: ReadParts,
    failed: Vec<AgentId>,
    pub(super) error: Option<UpstreamError>,
    window: Window,
    started: Moment,
    ended: Moment,
    /// Whether only the agents of earlier failed batches were asked for.
    is_retry: bool,
    pub(super) result: RefreshResult,
}

/// What a refresh asked for, and when.
pub(super) struct RefreshScope {
    pub(super) tenant: Arc<Tenant>,
    pub(super) window: Window,
    pub(super) started: Moment,
    pub(super) is_retry: bool,
}

/// The published value that follows `last` after `event`. [`State::apply`] adds `not_before`.
pub(super) fn next_published(last: &Published, event: &Event<'_>, inputs: &Inputs, render: &Render) -> Published {
    let Inputs { now, token_expiry, .. } = *inputs;
    match event {
        Event::Fetched(refresh) => after_refresh(last, refresh, inputs, render),
        Event::Aborted => Published {
            status: Status { up: false, last_attempt: Some(now.utc), ..last.status.clone() },
            full_start: None,
            last_read: None,
            ..last.clone()
        },
        Event::Reconfigured { configured, source } => {
            let same_server = merge::same_server(&last.snapshot.tenant, configured);
            let base = Published {
                configured: Arc::clone(configured),
                source: Arc::clone(source),
                directory: last.directory.clone().filter(|_| same_server),
                ..last.clone()
            };
            resolved(base, now, token_expiry, render)
        }
        Event::DirectoryRead(directory) => {
            let base = Published { directory: Some(Arc::clone(directory)), ..last.clone() };
            resolved(base, now, token_expiry, render)
        }
        Event::Expired => last.clone().with_snapshot(last.snapshot.without_expired(now), render),
        Event::Restored(restored) => Published {
            status: restored.status.clone(),
            directory: restored.directory.clone(),
            full_start: restored.full_start,
            last_read: restored.last_read,
            ..last.clone()
        }
        .with_snapshot(restored.snapshot.without_expired(now), render),
    }
}

/// `base` with the agents of its configuration and directory. Data and status are kept as far as they still answer.
fn resolved(base: Published, now: Moment, token_expiry: Option<Timestamp>, render: &Render) -> Published {
    let before = &base.snapshot.tenant;
    let resolved = ResolvedTenant::new(&base.configured, base.directory.as_deref());
    let tenant = Arc::clone(&resolved.tenant);
    // An unchanged tenant keeps its address, which makes later comparisons cheap.
    let tenant = if *tenant == **before { Arc::clone(before) } else { tenant };
    let keeps_data = merge::same_query(before, &tenant);
    let snapshot = merge::carry_over(&base.snapshot, &tenant).without_expired(now);
    let status = if keeps_data { base.status.clone() } else { Status::default() };
    Published {
        status: resolved.counted_in(Status { token_expiry, ..status }),
        full_start: base.full_start.filter(|_| keeps_data),
        last_read: base.last_read.filter(|_| keeps_data),
        ..base
    }
    .with_snapshot(snapshot, render)
}

fn after_refresh(last: &Published, refresh: &FetchedRefresh, inputs: &Inputs, render: &Render) -> Published {
    let FetchedRefresh { data, parts, error, window, started, ended, is_retry, .. } = refresh;
    let tenant = &last.snapshot.tenant;
    let same_query = merge::same_query(&data.tenant, tenant);
    let succeeded = error.is_none();
    let is_full = succeeded && !is_retry && same_query && merge::covers(&data.tenant, tenant);
    let snapshot = merge::merge(&last.snapshot, merge::carry_over(data, tenant), parts).without_expired(*ended);
    Published {
        status: Status {
            up: succeeded && same_query,
            window: if is_full { Some(*window) } else { last.status.window },
            last_success: if is_full { Some(ended.utc) } else { last.status.last_success },
            last_attempt: Some(ended.utc),
            last_duration: Some(refresh.duration()),
            token_expiry: inputs.token_expiry,
            last_error: error.clone(),
            ..last.status.clone()
        },
        full_start: is_full.then_some(*started),
        last_read: (refresh.result != RefreshResult::Failure).then_some(*ended),
        ..last.clone()
    }
    .with_snapshot(snapshot, render)
}

// === impl State ===

impl State {
    pub(super) fn new(cooldown: Duration) -> Self {
        Self {
            gate: Gate::new(cooldown),
            done_rx: watch::channel(()).1,
            retry_agents: None,
            directory_schedule: DirectorySchedule::default(),
            log: FailureLog::default(),
            filter_log: FilterLog::default(),
        }
    }

    /// Changes the state as the published value changes from `last` to `next`, and sets `not_before` of `next`.
    pub(super) fn apply(&mut self, event: &Event<'_>, last: &Published, next: &mut Published, inputs: &Inputs) {
        let Inputs { now, chance, floor, .. } = *inputs;
        let (before, tenant) = (&last.snapshot.tenant, &next.snapshot.tenant);
        match event {
            Event::Fetched(refresh) => {
                let FetchedRefresh { data, failed, error, ended, is_retry, result, .. } = refresh;
                self.gate.ended(ended.monotonic, error.is_none(), floor, chance);
                // The failed batches alone are asked again once. If that fails too, all agents are, so that a batch which
                // can never succeed does not let the others grow old.
                let retries = *result == RefreshResult::Partial && !is_retry && merge::same_query(&data.tenant, tenant);
                self.retry_agents = retries.then(|| failed.clone());
            }
            Event::Aborted => self.gate.ended(now.monotonic, false, floor, chance),
            Event::Reconfigured { .. } | Event::DirectoryRead(_) => {
                if !merge::same_server(before, tenant) {
                    self.gate.forget();
                }
                self.gate.reconfigure(
                    tenant.limits.cooldown,
                    next.full_start.map(|full_start| full_start.monotonic),
                    floor,
                );
                let agents = self.retry_agents.take().filter(|_| merge::same_query(before, tenant));
                self.retry_agents = agents.and_then(|agents| merge::still_to_retry(&agents, before, tenant));
            }
            Event::Restored(restored) => self.gate.resume(restored.failures, restored.not_before),
            Event::Expired => return,
        }
        next.status.not_before = self.gate.not_before().map(|not_before| now.utc_at(not_before));
    }
}

// === impl Event ===

impl Event<'_> {
    /// The source that is asked after the event, where that is another one.
    pub(super) const fn new_source(&self) -> Option<&Arc<dyn Source>> {
        match self {
            Self::Reconfigured { source, .. } => Some(source),
            _ => None,
        }
    }
}

// === impl FetchedRefresh ===

impl FetchedRefresh {
    /// The outcome of a refresh of `scope` that ended at `ended`.
    pub(super) fn new(scope: RefreshScope, fetched: FetchResult, ended: Moment) -> Self {
        let RefreshScope { tenant, window, started, is_retry } = scope;
        let FetchResult { mut answered, failed, error, .. } = fetched;
        let result = match (error.is_none(), answered.is_empty()) {
            (true, _) => RefreshResult::Success,
            (false, false) => RefreshResult::Partial,
            (false, true) => RefreshResult::Failure,
        };
        let parts = ReadParts::take(&mut answered);
        let data = merge::from_fetch(&tenant, answered, window, ended);
        Self { data, parts, failed, error, window, started, ended, is_retry, result }
    }

    pub(super) fn duration(&self) -> Duration {
        self.ended.monotonic.saturating_since(self.started.monotonic)
    }
}
