//! One refresh, from what is noted before it to what is kept after it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::debug;

use super::{Flown, Refresher, Subject};
use crate::clock::Monotonic;
use crate::config::Tenant;
use crate::presence::{AgentId, WatchedAgent, Window};
use crate::refresh::directory::People;
use crate::upstream::{FetchResult, Query, UpstreamError};

/// A source ends by its deadline; one that does not is given up this much later, so that a fault in it
/// cannot hold every later refresh back.
const OVERTIME: Duration = Duration::from_secs(5);

/// A refresh under way. Dropped before it has landed, because the task panicked or the runtime ends, it counts as
/// failed, so that the gate cannot stay shut for ever.
pub(super) struct Flight {
    refresher: Arc<Refresher>,
    landed: bool,
    // Held for its drop, which wakes every scrape that waits.
    _takeoff: watch::Sender<()>,
}

// === impl Flight ===

impl Flight {
    /// A refresh that starts now; `takeoff` closes when it has ended.
    pub(super) fn new(refresher: Arc<Refresher>, takeoff: watch::Sender<()>) -> Self {
        Self { refresher, landed: false, _takeoff: takeoff }
    }

    /// Asks everybody, or only the agents in `again`, and lands with what that brings.
    pub(super) async fn fly(mut self, again: Option<Vec<AgentId>>) {
        let refresher = Arc::clone(&self.refresher);
        // Before the refresh starts its own clock: a slow disk must take none of its time.
        refresher.note_attempt().await;
        let (clock, started) = (&refresher.clock, refresher.now());
        let patience = refresher.subject.load().tenant.limits.refresh_timeout;
        let without_people = bring_people(&refresher, started.monotonic + patience).await;
        let subject = refresher.subject.load_full();
        let Subject { tenant, source, .. } = &*subject;
        let window = Window::ending_at(started.utc.whole_second(), tenant.query.window);
        let agents = wanted(tenant, again.as_deref());
        let everybody: Vec<AgentId> = agents.iter().map(|agent| Arc::clone(&agent.id)).collect();
        let deadline = started.monotonic + tenant.limits.refresh_timeout;
        debug!(tenant = tenant.name, agents = agents.len(), start = %window.start, end = %window.end, "refresh starts");

        let fetch = async {
            match without_people {
                // There is nobody to ask for, and why is known.
                Some(error) if tenant.agents.is_empty() => FetchResult { error: Some(error), ..FetchResult::default() },
                _ => source.fetch(Query { window, agents, deadline }).await,
            }
        };
        let fetched = tokio::select! {
            fetched = fetch => fetched,
            () = clock.sleep_until(deadline + OVERTIME) => FetchResult {
                failed: everybody.clone(),
                error: Some(UpstreamError::refresh_timeout(tenant.limits.refresh_timeout)),
                ..FetchResult::default()
            },
        };

        // Nobody needs it any more, and the time of rendering is when there is most in memory.
        drop(everybody);
        // Merging and rendering tens of thousands of agents takes milliseconds; scrapes must not wait behind it.
        let flown = Flown { fetched, tenant: Arc::clone(tenant), window, started, again: again.is_some() };
        let landing = Arc::clone(&refresher);
        self.landed = tokio::task::spawn_blocking(move || landing.land(flown)).await.is_ok();
        // Wakes the scrapes that wait; writing is for the next process, not for them.
        drop(self);
        refresher.keep().await;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            self.refresher.abandon();
        }
    }
}

/// Brings the tenant's own list of people up to date, if that is wanted and due, and tells how that failed. The last
/// good list stays, so this alone fails no refresh that has somebody to ask for.
async fn bring_people(refresher: &Arc<Refresher>, deadline: Monotonic) -> Option<UpstreamError> {
    let subject = refresher.subject.load_full();
    let Subject { configured, tenant, source } = &*subject;
    let known = refresher.published.load().people.clone();
    let now = refresher.now();
    if !configured.wants_directory() || !refresher.turns().is_due(known.as_deref(), tenant.agents.is_empty(), now) {
        return None;
    }
    match source.directory(deadline)?.await {
        Ok(list) => {
            refresher.turns().succeeded(&tenant.name, list.len());
            let read_at = refresher.now();
            let list = configured.without_needless_names(list);
            let (people, meeting) = (Arc::new(People { list, read_at }), Arc::clone(refresher));
            // It renders everybody anew; scrapes must not wait behind it.
            // Should it panic, everything stays as it was.
            let _ = tokio::task::spawn_blocking(move || meeting.meet(people)).await;
            None
        }
        Err(error) => {
            refresher.turns().failed(&tenant.name, &error, now);
            Some(error)
        }
    }
}

/// Whom to ask for: everybody, or those that the last refresh failed to read.
fn wanted(tenant: &Tenant, again: Option<&[AgentId]>) -> Vec<WatchedAgent> {
    let again: Option<HashSet<&AgentId>> = again.map(|ids| ids.iter().collect());
    let agents = tenant.agents.iter();
    agents
        .filter(|agent| again.as_ref().is_none_or(|ids| ids.contains(&agent.id)))
        .map(|agent| WatchedAgent { id: Arc::clone(&agent.id), schedule: agent.schedule.clone() })
        .collect()
}
