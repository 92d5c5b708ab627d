//! One refresh, from the note of its start to the saved result.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::directory::AgentDirectory;
use super::published::Published;
use super::refresher::Refresher;
use super::state::RefreshScope;
use crate::clock::Monotonic;
use crate::config::{Agent, Tenant};
use crate::presence::{AgentId, WatchedAgent, Window};
use crate::upstream::{FetchResult, Query, UpstreamError};

/// A source ends by its deadline. One that does not is given up this much later, so that a fault in it cannot block every
/// later refresh.
const GRACE: Duration = Duration::from_secs(5);

/// A refresh under way. Dropped without a result, because the task panicked or the runtime ends, it counts as failed, so
/// that the gate does not stay closed.
pub(super) struct RefreshTask {
    refresher: Arc<Refresher>,
    applied: bool,
    // Held for its drop, which wakes every scrape that waits.
    _done_tx: watch::Sender<()>,
}

// === impl RefreshTask ===

impl RefreshTask {
    /// A refresh that starts now; `done_tx` closes when it has ended.
    pub(super) fn new(refresher: Arc<Refresher>, done_tx: watch::Sender<()>) -> Self {
        Self { refresher, applied: false, _done_tx: done_tx }
    }

    /// Asks for all agents, or only for `retry_agents`, and publishes the result.
    pub(super) async fn run(mut self, retry_agents: Option<Vec<AgentId>>) {
        let refresher = Arc::clone(&self.refresher);
        // Before the refresh starts its own clock: a slow disk must take none of its time.
        refresher.record_attempt().await;
        let started = refresher.now();
        let directory_error =
            refresh_directory(&refresher, started.monotonic + refresher.tenant().limits.refresh_timeout).await;
        let (tenant, source) = {
            let published = refresher.published();
            (Arc::clone(&published.snapshot.tenant), Arc::clone(&published.source))
        };
        let window = Window::ending_at(started.utc.whole_second(), tenant.query.window);
        let agents = agents_to_ask(&tenant, retry_agents.as_deref());
        let deadline = started.monotonic + tenant.limits.refresh_timeout;
        debug!(tenant = tenant.name, agents = agents.len(), start = %window.start, end = %window.end, "refresh started");

        let fetch = async {
            match directory_error {
                // Without a directory there is no agent to ask for.
                Some(error) if tenant.agents.is_empty() => FetchResult { error: Some(error), ..FetchResult::default() },
                _ => source.fetch(Query { window, agents, deadline }).await,
            }
        };
        let fetched = tokio::select! {
            fetched = fetch => fetched,
            () = refresher.clock().sleep_until(deadline + GRACE) => FetchResult {
                error: Some(UpstreamError::refresh_timeout(tenant.api, tenant.limits.refresh_timeout)),
                ..FetchResult::default()
            },
        };

        let scope = RefreshScope { tenant, window, started, is_retry: retry_agents.is_some() };
        let applying = Arc::clone(&refresher);
        // Merging and rendering tens of thousands of agents takes milliseconds, which would delay other tasks.
        self.applied = tokio::task::spawn_blocking(move || applying.apply(scope, fetched)).await.is_ok();
        // Wakes the scrapes that wait; they need not wait for the file.
        drop(self);
        refresher.save().await;
    }
}

impl Drop for RefreshTask {
    fn drop(&mut self) {
        if !self.applied {
            self.refresher.abort();
        }
    }
}

/// Reads the tenant's own list of agents, if that is wanted and due, and returns why it failed. The last good list stays,
/// so this alone fails no refresh that has agents to ask for.
async fn refresh_directory(refresher: &Arc<Refresher>, deadline: Monotonic) -> Option<UpstreamError> {
    let Published { configured, source, snapshot, directory, .. } = &*refresher.published();
    let tenant = &snapshot.tenant;
    let now = refresher.now();
    let is_due = || refresher.state().directory_schedule.is_due(directory.as_deref(), tenant.agents.is_empty(), now);
    if !configured.needs_directory() || !is_due() {
        return None;
    }
    let fetched = source.directory(deadline)?.await;
    match fetched {
        Ok(people) => {
            let people = configured.drop_unused_names(people);
            let read = AgentDirectory { people, read_at: refresher.now(), unconfirmed: None };
            let had_failed = refresher.state().directory_schedule.succeeded();
            let was_unconfirmed = directory.as_ref().is_some_and(|directory| directory.unconfirmed.is_some());
            let next = match directory {
                Some(before) => before.followed_by(read, configured),
                None => read,
            };
            let (tenant, agents) = (&tenant.name, next.people.len());
            if let Some(unconfirmed) = &next.unconfirmed {
                let agents_read = unconfirmed.people.len();
                warn!(
                    tenant,
                    agents, agents_read, "agent list empty or halved; agents unchanged until it is confirmed"
                );
            } else if had_failed || was_unconfirmed {
                info!(tenant, agents, "agent directory recovered");
            }
            let (directory, applying) = (Arc::new(next), Arc::clone(refresher));
            // It renders all agents. If it panics, everything stays as it was.
            let _ = tokio::task::spawn_blocking(move || applying.apply_directory(directory)).await;
            None
        }
        Err(error) => {
            if refresher.state().directory_schedule.failed(now) {
                warn!(tenant = tenant.name, %error, "agent directory not read; agents and names unchanged");
            }
            Some(error)
        }
    }
}

/// All agents of the tenant, or those that the last refresh failed to read.
fn agents_to_ask(tenant: &Tenant, retry_agents: Option<&[AgentId]>) -> Vec<WatchedAgent> {
    let retry_agents: Option<HashSet<&AgentId>> = retry_agents.map(|ids| ids.iter().collect());
    let agents = tenant.agents.iter();
    agents.filter(|agent| retry_agents.as_ref().is_none_or(|ids| ids.contains(&agent.id))).map(Agent::watched).collect()
}
