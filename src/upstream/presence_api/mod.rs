//! The agent-presence report (`api: presence`): `GET /api/v2/reporting/agent-presence`, with a token
//! from `POST /oauth/token`.

mod batch;
mod cache;
mod collect;
mod login;
mod paging;
mod request;
pub mod wire;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::cache::{BucketCache, CacheFile};
use self::login::ClientCredentials;
use super::auth::TokenCache;
use super::auth::{Resource, Session};
use super::http::Client;
use super::http::ErrorHints;
use super::rate::RateLimiter;
use super::{BuildError, Endpoint, FetchFuture, Observer, Query, Source};
use crate::clock::{Clock, Monotonic};
use crate::config::{StateMap, Tenant};
use crate::presence::{AgentId, StateName, Timestamp};

/// The most that a page may have after decompression. A page of 1,000 buckets has a third of a
/// mebibyte; a hundred times that is room for any honest page, and bounds what a bomb can take.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

const REPORT: Resource = Resource {
    endpoint: Endpoint::Presence,
    body_limit: MAX_PAGE_BYTES,
    hints: &ErrorHints {
        bad_request: "Most often `interval` is not an ISO 8601 duration such as PT1H, or too small for `window`.",
        unauthorized: "A newly issued token was refused as well: check that the OAuth client belongs to this tenant \
            (CXone, Security > API Clients).",
        forbidden: "The OAuth client lacks the scope `reporting:read` (or `reporting:agent:read`): grant it in CXone under \
            Security > API Clients.",
        too_large: "Lower `agents_per_request`, or ask for a longer `interval`.",
    },
};

/// A tenant's presence, asked for in batches of agents.
pub struct PresenceSource {
    tenant: Arc<Tenant>,
    session: Session,
    clock: Arc<dyn Clock>,
    offline_states: Arc<[StateName]>,
    state_map: Arc<StateMap>,
    /// Names that are shared by all tallies, so that each is allocated once.
    known_states: Vec<StateName>,
    /// Whether a page has ever been answered, which shows that what all requests have in common is right.
    proven: AtomicBool,
    /// How long the last page was, which the next one most often is as well, in bytes.
    page_bytes: AtomicUsize,
    /// The agents of batches that were refused as wrong. They are asked for last, so that one bad agent
    /// cannot keep the others from being asked for at all.
    suspects: Mutex<HashSet<AgentId>>,
    /// What is known of earlier refreshes, where they are incremental. A reload that changes nothing of what is asked
    /// hands it on.
    cache: Option<Arc<Mutex<BucketCache>>>,
}

// === impl PresenceSource ===

impl PresenceSource {
    /// A source that has asked for nothing yet.
    ///
    /// # Errors
    ///
    /// When the HTTP client cannot be built, for want of CA certificates above all.
    pub fn new(tenant: Arc<Tenant>, clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        let limiter = RateLimiter::new(&tenant, &clock);
        let tokens = Arc::new(TokenCache::new(ClientCredentials::of(&tenant)));
        Self::with(tenant, clock, observer, limiter, tokens)
    }

    /// This source, but nothing that fails is sent again: for a probe, which is to show how things stand and to ask
    /// for as little as can be. A token that is refused is still replaced once.
    #[must_use]
    pub fn without_retries(mut self) -> Self {
        self.session.client.retries = false;
        // One refresh learns nothing from the one before it.
        self.cache = None;
        self
    }

    /// A source for `tenant` that takes this one's place after a reload: gate and budget live on where the
    /// address is the same, and the token where the client is.
    ///
    /// # Errors
    ///
    /// As for [`PresenceSource::new`].
    pub fn reconfigured(&self, tenant: Arc<Tenant>, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        let clock = Arc::clone(&self.clock);
        let same_address = self.tenant.connection.base_url == tenant.connection.base_url;
        let limiter = if same_address {
            self.session.client.limiter().reconfigured(&tenant)
        } else {
            RateLimiter::new(&tenant, &clock)
        };
        let tokens = TokenCache::new(ClientCredentials::of(&tenant));
        if same_address && self.tenant.connection.client_id == tenant.connection.client_id {
            tokens.copy_from(&self.session.tokens);
        }
        let mut source = Self::with(tenant, clock, observer, limiter, Arc::new(tokens))?;
        if let Some(cache) = self.cache.as_ref().filter(|_| asks_the_same(&self.tenant, &source.tenant)) {
            let wanted: HashSet<&AgentId> = source.tenant.agents.iter().map(|agent| &agent.id).collect();
            let mut kept = lock(cache);
            kept.retain(|agent| wanted.contains(agent));
            kept.spread(source.tenant.agents.len(), source.tenant.limits.agents_per_request);
            drop(kept);
            source.cache = Some(Arc::clone(cache));
        }
        Ok(source)
    }

    /// Sends nothing before `point`, as after a restart within a `Retry-After`.
    pub fn hold_until(&self, point: Monotonic) {
        self.session.client.gate().close_until(point);
    }

    fn with(
        tenant: Arc<Tenant>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        limiter: RateLimiter,
        tokens: Arc<TokenCache>,
    ) -> Result<Self, BuildError> {
        let client = Client::new(&tenant, limiter, Arc::clone(&clock), observer)?;
        Ok(Self {
            session: Session { client, tokens },
            clock,
            offline_states: tenant.states.offline.clone().into(),
            state_map: Arc::new(tenant.states.map.clone()),
            known_states: tenant.states.declared.iter().chain(&tenant.states.offline).cloned().collect(),
            proven: AtomicBool::new(false),
            page_bytes: AtomicUsize::new(0),
            suspects: Mutex::default(),
            cache: tenant.query.incremental.map(|settings| {
                let mut cache = BucketCache::new(settings, tenant.query.interval.length);
                cache.spread(tenant.agents.len(), tenant.limits.agents_per_request);
                Arc::new(Mutex::new(cache))
            }),
            tenant,
        })
    }

    /// What is known of earlier refreshes, where they are incremental. Nothing may await while it is held.
    fn cache(&self) -> Option<MutexGuard<'_, BucketCache>> {
        self.cache.as_deref().map(lock)
    }
}

fn lock(cache: &Mutex<BucketCache>) -> MutexGuard<'_, BucketCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether what was kept of answers to `old` is part of answers to `new`. Agents may be others.
fn asks_the_same(old: &Tenant, new: &Tenant) -> bool {
    // How often everything is read again is no part of the question, and the cache's own.
    cache::question(old) == cache::question(new) && old.query.incremental == new.query.incremental
}

impl Source for PresenceSource {
    fn fetch(&self, query: Query) -> FetchFuture<'_> {
        Box::pin(self.collect(query))
    }

    fn export_history(&self) -> Option<Vec<u8>> {
        // Writing takes a while; refreshes do not wait for it.
        let file = self.cache()?.file();
        Some(file.write(&self.tenant))
    }

    fn restore_history(&self, kept: &[u8]) -> Option<usize> {
        let file = CacheFile::read(kept, &self.tenant)?;
        let agents = file.known.len();
        self.cache()?.take_up(file);
        Some(agents)
    }

    fn not_before(&self) -> Option<Monotonic> {
        self.session.client.gate().opens()
    }

    fn token_expiry(&self) -> Option<Timestamp> {
        self.session.tokens.expiry()
    }
}

impl fmt::Debug for PresenceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceSource")
            .field("tenant", &self.tenant.name)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// What the fuzz targets reach into.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    use super::PresenceSource;
    use super::cache::Batch;
    use crate::config::Agent;
    use crate::presence::{AgentPresence, IncrementalTally, Tally, WatchedAgent, Window};

    /// What a refresh at the end of `window` makes of what is kept, if the tenant answers nothing new.
    pub fn counted_from_cache(source: &PresenceSource, window: Window) -> Vec<Option<AgentPresence>> {
        let watched = |agent: &Agent| WatchedAgent { id: agent.id.clone(), schedule: None };
        let agents: Vec<WatchedAgent> = source.tenant.agents.iter().map(watched).collect();
        let batches = source.cache().map(|cache| cache.plan(window, agents, usize::MAX, |_| false));
        let count = |batch: Batch| {
            let query = batch.query?;
            let tally = Tally::new(window, batch.agents, source.offline_states.clone(), &source.known_states);
            let tally = IncrementalTally::new(tally, query);
            Some(tally.finish(&batch.histories, query.boundaries.floor(window.end)).tally.agents)
        };
        batches.into_iter().flatten().filter_map(count).flatten().collect()
    }
}
