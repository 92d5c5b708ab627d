//! The tenant's own list of people: asked for rarely, kept when it cannot be read, and what it makes of the agents.
//!
//! Names and, with `agents: all`, the agents themselves are label values, so a list that fails must not make series come
//! and go: the last good one stays until there is another, across restarts as well.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::snapshot::Moment;
use crate::config::Tenant;
use crate::presence::Person;
use crate::upstream::UpstreamError;

/// How long a list is good for. People join and leave by the day; four requests a day tell of them soon enough.
pub(crate) const LIFE: Duration = Duration::from_secs(6 * 3600);

/// How long after a list could not be read it is asked for again. While nothing can be asked without one, each refresh
/// asks, and the refreshes' own back-off spaces them.
const RETRY: Duration = Duration::from_secs(10 * 60);

/// The tenant's own list of people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct People {
    /// Everybody in it.
    pub(crate) list: Vec<Person>,
    /// When it was read.
    pub(crate) read_at: Moment,
}

/// A tenant whose agents are those of the list as well as those of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Peopled {
    /// The tenant as it is asked.
    pub(crate) tenant: Arc<Tenant>,
    /// How many agents its `agent_filter` would take and has no room for; `None` without one.
    pub(crate) dropped: Option<usize>,
}

/// When lists are asked for, and what was said of that.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    failed_at: Option<Moment>,
}

// === impl Peopled ===

impl Peopled {
    /// `configured`, its agents completed by `people` as far as those are known. Where that changes nothing it is
    /// `configured` itself.
    pub(crate) fn of(configured: &Arc<Tenant>, people: Option<&People>) -> Self {
        let list = people.filter(|_| configured.wants_directory()).map(|people| people.list.as_slice());
        let (agents, dropped) = configured.with_people(list.unwrap_or_default());
        let tenant = if agents == configured.agents {
            Arc::clone(configured)
        } else {
            Arc::new(Tenant { agents, ..Tenant::clone(configured) })
        };
        Self { tenant, dropped: configured.everyone.is_some().then_some(dropped) }
    }
}

// === impl Turns ===

impl Turns {
    /// Whether the list is to be asked for at `now`; `needed` says that nothing can be asked without one.
    pub(crate) fn is_due(&self, people: Option<&People>, needed: bool, now: Moment) -> bool {
        let expired = people.is_none_or(|people| people.read_at.age(now) >= LIFE);
        let patient = self.failed_at.is_some_and(|failed_at| failed_at.age(now) < RETRY);
        expired && (needed || !patient)
    }

    /// Notes that the list was read.
    pub(crate) fn succeeded(&mut self, tenant: &str, people: usize) {
        if self.failed_at.take().is_some() {
            info!(tenant, people, "the list of agents can be read again");
        }
    }

    /// Notes that it was not. Said once, until it can be read again.
    pub(crate) fn failed(&mut self, tenant: &str, error: &UpstreamError, now: Moment) {
        if self.failed_at.replace(now).is_none() {
            warn!(tenant, %error, "the list of agents could not be read; names and agents stay as they were");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Monotonic;
    use crate::presence::Timestamp;
    use crate::upstream::{Endpoint, ErrorKind};

    fn at(seconds: u64) -> Moment {
        Moment {
            monotonic: Monotonic::from_start(Duration::from_secs(seconds)),
            utc: Timestamp::from_seconds(1_700_000_000 + seconds.cast_signed()),
        }
    }

    #[test]
    fn the_list_is_asked_for_rarely_and_not_at_once_after_a_failure() {
        let mut turns = Turns::default();
        let error =
            UpstreamError { endpoint: Endpoint::Agents, kind: ErrorKind::Server, message: "It failed.".to_owned() };
        assert!(turns.is_due(None, false, at(0)));
        turns.failed("acme", &error, at(0));
        assert!(!turns.is_due(None, false, at(599)));
        assert!(turns.is_due(None, true, at(1)), "nothing can be asked without it");
        assert!(turns.is_due(None, false, at(600)));
        turns.succeeded("acme", 0);

        let people = People { list: Vec::new(), read_at: at(600) };
        assert!(!turns.is_due(Some(&people), true, at(600 + 6 * 3600 - 1)));
        assert!(turns.is_due(Some(&people), false, at(600 + 6 * 3600)));
    }
}
