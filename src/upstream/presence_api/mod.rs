//! The agent-presence report (`api: presence`): `GET /api/v2/reporting/agent-presence`, with a token
//! from `POST /oauth/token`.

mod batch;
mod cache;
mod collect;
mod last_buckets;
mod login;
mod paging;
mod past;
mod request;
pub mod wire;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::cache::{BucketCache, CacheFile};
use self::last_buckets::LastBuckets;
use self::login::ClientCredentials;
use self::past::PastLength;
use super::auth::TokenCache;
use super::auth::{Resource, Session};
use super::failure::Failure;
use super::http::Client;
use super::http::ErrorHints;
use super::rate::RateLimiter;
use super::{BuildError, Endpoint, FetchFuture, Observer, PastLimits, PastQuery, Query, Source};
use crate::clock::{Clock, Monotonic};
use crate::config::{StateMap, Tenant};
use crate::presence::{AgentId, StateName, Tally, Timestamp, WatchedAgent, Window};

/// The limit of a page after decompression, in bytes. A page of 1,000 buckets has a third of a MiB; a hundred times that is
/// enough for any real page, and bounds the memory that a compression bomb takes.
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

/// Requests the presence of a tenant's agents in batches.
pub struct PresenceSource {
    tenant: Arc<Tenant>,
    session: Session,
    clock: Arc<dyn Clock>,
    offline_states: Arc<[StateName]>,
    state_map: Arc<StateMap>,
    /// The states that each agent has a series for.
    declared_states: Vec<StateName>,
    /// Whether a page has ever been answered, so what all requests have in common is right.
    proven: AtomicBool,
    /// The size of the last page in bytes, which the next one usually has as well.
    page_bytes: AtomicUsize,
    /// The agents of batches that were refused as bad requests. They are requested last, so that one bad agent does not keep
    /// the others from being requested.
    suspects: Mutex<HashSet<AgentId>>,
    /// How long a range of past reading may be.
    past_length: PastLength,
    /// The buckets of earlier refreshes, if refreshes are incremental. It survives a reload that does not change the query.
    cache: Option<Arc<Mutex<BucketCache>>>,
    /// Shows which answers lack buckets. It survives a reload like the cache.
    last_buckets: Arc<Mutex<LastBuckets>>,
}

// === impl PresenceSource ===

impl PresenceSource {
    /// A source without requests so far.
    ///
    /// # Errors
    ///
    /// Fails if the HTTP client cannot be built, such as without CA certificates.
    pub fn new(tenant: Arc<Tenant>, clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        let limiter = RateLimiter::new(&tenant, &clock);
        let tokens = Arc::new(TokenCache::new(ClientCredentials::of(&tenant)));
        Self::with(tenant, clock, observer, limiter, tokens)
    }

    /// This source without retries, for a probe with the fewest requests. A refused token is still replaced once.
    #[must_use]
    pub fn without_retries(mut self) -> Self {
        self.session.client.retries = false;
        self.cache = None;
        self
    }

    /// The source for `tenant` after a reload. It keeps gate and budget if the address is the same, and the token if the
    /// client is.
    ///
    /// # Errors
    ///
    /// Fails like [`PresenceSource::new`].
    pub fn reconfigured(&self, tenant: Arc<Tenant>, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        let clock = Arc::clone(&self.clock);
        let same_address = self.tenant.connection.base_url == tenant.connection.base_url;
        let limiter = self.session.client.limiter().reconfigured(&tenant, same_address);
        let tokens = TokenCache::new(ClientCredentials::of(&tenant));
        if same_address && self.tenant.connection.client_id == tenant.connection.client_id {
            tokens.copy_from(&self.session.tokens);
        }
        let mut source = Self::with(tenant, clock, observer, limiter, Arc::new(tokens))?;
        if !has_same_query(&self.tenant, &source.tenant) {
            return Ok(source);
        }
        source.last_buckets = Arc::clone(&self.last_buckets);
        if let Some(cache) = &self.cache {
            let wanted: HashSet<&AgentId> = source.tenant.agents.iter().map(|agent| &agent.id).collect();
            let mut kept = lock(cache);
            kept.retain(|agent| wanted.contains(agent));
            kept.spread(source.tenant.agents.len(), source.tenant.limits.agents_per_request);
            drop(kept);
            source.cache = Some(Arc::clone(cache));
        }
        Ok(source)
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
            declared_states: tenant.states.declared.clone(),
            proven: AtomicBool::new(false),
            page_bytes: AtomicUsize::new(0),
            suspects: Mutex::default(),
            past_length: PastLength::default(),
            cache: tenant.query.incremental.map(|settings| {
                let mut cache = BucketCache::new(settings, tenant.query.interval.length);
                cache.spread(tenant.agents.len(), tenant.limits.agents_per_request);
                Arc::new(Mutex::new(cache))
            }),
            last_buckets: Arc::default(),
            tenant,
        })
    }

    /// The cache, if refreshes are incremental. The guard must not be held across an await.
    fn cache(&self) -> Option<MutexGuard<'_, BucketCache>> {
        self.cache.as_deref().map(lock)
    }

    /// Checks an answer for `range` that is in `tally`, as [`LastBuckets::check`] does.
    fn check_answer(&self, tally: &Tally, agents: &[WatchedAgent], range: Window) -> Result<Vec<bool>, Failure> {
        lock(&self.last_buckets).check(agents, &tally.last_buckets(), range)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether buckets of `old` are valid for `new`. The agents may differ.
fn has_same_query(old: &Tenant, new: &Tenant) -> bool {
    // `full_refresh_interval` is not part of the query, but of the cache.
    cache::query_text(old) == cache::query_text(new) && old.query.incremental == new.query.incremental
}

impl Source for PresenceSource {
    fn fetch(&self, query: Query) -> FetchFuture<'_> {
        Box::pin(self.collect(query))
    }

    fn past_limits(&self) -> PastLimits {
        self.limits_of_past()
    }

    fn fetch_past(&self, query: PastQuery) -> FetchFuture<'_> {
        Box::pin(self.collect_past(query))
    }

    fn export_history(&self) -> Option<Vec<u8>> {
        // Encoding takes a while, without the lock.
        let file = self.cache()?.file();
        Some(file.write(&self.tenant))
    }

    fn restore_history(&self, kept: &[u8]) -> Option<usize> {
        let file = CacheFile::read(kept, &self.tenant)?;
        let agents = file.known.len();
        self.cache()?.restore(file);
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

/// For the fuzz targets.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    use super::PresenceSource;
    use super::cache::Batch;
    use crate::config::Agent;
    use crate::presence::{AgentPresence, IncrementalTally, Tally, WatchedAgent, Window};

    /// The sums of a refresh for `window` from the cache alone.
    pub fn counted_from_cache(source: &PresenceSource, window: Window) -> Vec<Option<AgentPresence>> {
        let watched = |agent: &Agent| WatchedAgent { id: agent.id.clone(), schedule: None };
        let agents: Vec<WatchedAgent> = source.tenant.agents.iter().map(watched).collect();
        let batches = source.cache().map(|cache| cache.plan(window, agents, usize::MAX, |_| false));
        let count = |batch: Batch| {
            let query = batch.query?;
            let tally = Tally::new(window, batch.agents, source.offline_states.clone(), &source.declared_states);
            let tally = IncrementalTally::new(tally, query);
            Some(tally.finish(&batch.histories, query.boundaries.floor(window.end)).tally.agents)
        };
        batches.into_iter().flatten().filter_map(count).flatten().collect()
    }
}
