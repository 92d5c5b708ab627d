//! NICE's documented API (`api: official`): current states and state history, with a token for an access key.
//!
//! It has no buckets, but state changes with durations. Much of it is undocumented: whether rows are kept by their start
//! or by overlap, whether they are clipped at the range that is asked for, whether the state an agent is in is listed.
//! So a refresh asks for the states that agents are in first, then for the history up to the window's end, and the
//! [`StateTimeline`] makes the same of either answer.
//!
//! | file | what it does |
//! | --- | --- |
//! | `token_request`, `discovery`, `trusted_hosts` | getting a token, finding the API, and which addresses are asked at all |
//! | `pagination`, `wire` | lists, page by page; what is in them |
//! | `state_registry` | the states of answers, and the names they are shown under |
//! | `sync_cursor`, `history_capabilities`, `state_history` | which range is requested, and how: in bulk or by agent, whole or in parts |
//! | `missing_agents` | the agents whose history could not be read |
//! | `ended_states` | the ends of states that a tail does not return |
//! | `past`, `past_ranges` | past presence; which range of it is requested next |
//! | `fetch`, `unavailable_codes`, `directory`, `probe` | a refresh; unavailable codes; the list of people; a look at how things stand |
//!
//! Source: the pages of NICE's developer portal, and clients generated from its `OpenAPI` files.

mod directory;
mod discovery;
mod ended_states;
mod error_hints;
mod fetch;
mod history_capabilities;
mod missing_agents;
mod pagination;
mod past;
mod past_ranges;
mod probe;
mod state_history;
mod state_registry;
mod sync_cursor;
#[cfg(test)]
mod tests;
mod token_request;
mod trusted_hosts;
mod unavailable_codes;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use self::fetch::HistoryState;
use self::history_capabilities::HistoryCapabilities;
use self::pagination::{ListRules, ShortLists};
use self::past::PastState;
use self::token_request::{AccessKeyIssuer, ApiAddress};
use self::trusted_hosts::TrustedHosts;
use super::auth::Session;
use super::auth::TokenCache;
use super::failure::{Failure, Scope};
use super::http::Client;
use super::rate::RateLimiter;
use super::{
    BuildError, DirectoryFuture, Endpoint, ErrorKind, FetchFuture, Observer, PastLimits, PastQuery, ProbeFuture, Query,
    Source,
};
use crate::clock::{Clock, Monotonic};
use crate::config::{Official, Tenant};
use crate::presence::{StateName, Timestamp};
use crate::upstream::fetch_context::FetchContext;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use self::wire::fuzzing;
#[cfg(doc)]
use crate::presence::StateTimeline;

/// A tenant's presence, put together from state changes.
pub struct OfficialSource {
    tenant: Arc<Tenant>,
    official: Official,
    session: Session,
    clock: Arc<dyn Clock>,
    api: Arc<ApiAddress>,
    offline_states: Arc<[StateName]>,
    /// Names that outlast others where there are too many.
    reserved_states: Vec<StateName>,
    /// What has been learnt of how the history may be asked for.
    capabilities: Mutex<HistoryCapabilities>,
    /// What was read so far.
    state: Mutex<HistoryState>,
    /// What was read so far of the past. A piece is read while it is held, as the next one continues from it.
    past: tokio::sync::Mutex<PastState>,
    list_rules: ListRules,
    short_lists: ShortLists,
}

// === impl OfficialSource ===

impl OfficialSource {
    /// A source that has asked for nothing yet; `official` is what `tenant` has for this API.
    ///
    /// # Errors
    ///
    /// When the HTTP client cannot be built, for want of CA certificates above all.
    pub fn new(
        tenant: Arc<Tenant>,
        official: Official,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        let limiter = RateLimiter::new(&tenant, &clock);
        Self::with(tenant, official, clock, observer, limiter)
    }

    /// This source, but nothing that fails is sent again.
    #[must_use]
    pub fn without_retries(mut self) -> Self {
        self.session.client.retries = false;
        self
    }

    /// A source for `tenant` that takes this one's place after a reload: gate and budget live on where asking begins at the same
    /// address, and the token with the address it is for where the access key is the same.
    ///
    /// # Errors
    ///
    /// As for [`OfficialSource::new`].
    pub fn reconfigured(
        &self,
        tenant: Arc<Tenant>,
        official: Official,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        let clock = Arc::clone(&self.clock);
        let same_address = self.tenant.connection.base_url == tenant.connection.base_url;
        let limiter = self.session.client.limiter().reconfigured(&tenant, same_address);
        let same_key = self.official.access_key_id == official.access_key_id
            && self.tenant.connection.client_id == tenant.connection.client_id
            && self.official.login == official.login
            && self.official.api_endpoint == official.api_endpoint;
        let mut source = Self::with(tenant, official, clock, observer, limiter)?;
        if same_address && same_key {
            source.session.tokens.copy_from(&self.session.tokens);
            source.api.inherit(&self.api);
            *source.capabilities() = *self.capabilities();
            source.list_rules = self.list_rules.clone();
        }
        Ok(source)
    }

    fn with(
        tenant: Arc<Tenant>,
        official: Official,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        limiter: RateLimiter,
    ) -> Result<Self, BuildError> {
        let by_hand = official.api_endpoint.as_ref();
        let trusted_hosts = Arc::new(TrustedHosts::new(&tenant.connection.base_url, by_hand, &official.allowed_hosts));
        let api = Arc::new(ApiAddress::new(by_hand));
        let login = AccessKeyIssuer::new(&tenant, &official, trusted_hosts, Arc::clone(&api));
        let client = Client::new(&tenant, limiter, Arc::clone(&clock), observer)?;
        Ok(Self {
            session: Session { client, tokens: Arc::new(TokenCache::new(login)) },
            clock,
            api,
            offline_states: tenant.states.offline.clone().into(),
            reserved_states: tenant.states.declared.clone(),
            capabilities: Mutex::default(),
            state: Mutex::default(),
            past: tokio::sync::Mutex::default(),
            list_rules: ListRules::default(),
            short_lists: ShortLists::default(),
            official,
            tenant,
        })
    }

    /// The address of `path` below the API's versioned root, once it is known where that is.
    async fn url(&self, path: &str, context: &FetchContext) -> Result<Url, Failure> {
        if self.api.get().is_none() {
            self.session.tokens.get(&self.session.client, context).await?;
        }
        let Some(mut url) = self.api.get() else {
            let message = "CXone issued a token, but did not tell where the API is: set `api_endpoint`.";
            return Err(Failure::new(Endpoint::Discovery, ErrorKind::Decode, message).with_scope(Scope::Tenant));
        };
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}/incontactapi/services/{}{path}", self.official.api_version));
        url.set_query(None);
        Ok(url)
    }

    fn capabilities(&self) -> MutexGuard<'_, HistoryCapabilities> {
        self.capabilities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, HistoryState> {
        // Not a tokio mutex: nothing awaits while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for OfficialSource {
    fn fetch(&self, query: Query) -> FetchFuture<'_> {
        Box::pin(self.fetch_presence(query))
    }

    fn past_limits(&self) -> PastLimits {
        self.limits_of_past()
    }

    fn fetch_past(&self, query: PastQuery) -> FetchFuture<'_> {
        Box::pin(self.read_piece(query))
    }

    fn directory(&self, deadline: Monotonic) -> Option<DirectoryFuture<'_>> {
        Some(Box::pin(self.read_directory(deadline)))
    }

    fn probe(&self, query: Query) -> Option<ProbeFuture<'_>> {
        Some(Box::pin(self.run_probe(query)))
    }

    fn not_before(&self) -> Option<Monotonic> {
        self.session.client.gate().opens()
    }

    fn token_expiry(&self) -> Option<Timestamp> {
        self.session.tokens.expiry()
    }
}

impl fmt::Debug for OfficialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfficialSource")
            .field("tenant", &self.tenant.name)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
