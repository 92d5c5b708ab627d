//! The access token: requested once for all that need it, cached while valid, replaced when refused.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::clock::Monotonic;
use crate::presence::Timestamp;
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::{Client, DecodeError};

/// The lifetime of a token without `expires_in`: the documented one.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);

/// The longest lifetime. Real tokens live an hour. A day costs one request, and bounds what an absurd number can do.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// How long before its expiry a token is replaced. A page may take `request_timeout` (30 s by default), and clocks and
/// networks add to that.
const MARGIN: Duration = Duration::from_secs(60);

/// The margin is at most one part in so many of the lifetime, so that a short-lived token is usable.
const MARGIN_PART: u32 = 10;

/// The largest token response. Real ones have two kilobytes.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// The longest token. It is sent with every request, and servers commonly refuse more than 8 to 16 KiB of headers.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token in use.
#[derive(Clone)]
pub(crate) struct Token {
    /// Counts tokens from 1.
    generation: u64,
    /// The value of `Authorization`, marked as sensitive.
    pub(crate) authorization: HeaderValue,
}

/// Requests tokens where the API of a tenant issues them.
pub(crate) trait TokenIssuer: Send + Sync {
    /// Requests a token. A failure has the scope of the tenant, because every request needs a token.
    fn issue<'a>(&'a self, client: &'a Client, context: &'a FetchContext) -> IssueFuture<'a>;
}

/// The result of [`TokenIssuer::issue`].
pub(crate) type IssueFuture<'a> = Pin<Box<dyn Future<Output = Result<IssuedToken, Failure>> + Send + 'a>>;

/// A newly issued token. It has no `Debug`, because it is a secret.
pub(crate) struct IssuedToken {
    pub(crate) access_token: String,
    authorization: HeaderValue,
    lifetime: Duration,
}

/// Caches the token of a tenant.
pub(crate) struct TokenCache {
    issuer: Box<dyn TokenIssuer>,
    /// Held while a token is requested, so that one request serves all that wait.
    request_lock: tokio::sync::Mutex<()>,
    state: Mutex<CacheState>,
}

#[derive(Default)]
struct CacheState {
    token: Option<Token>,
    valid_until: Monotonic,
    expires: Option<Timestamp>,
    /// How many tokens were issued.
    generation: u64,
    /// How many requests for a token have ended, successfully or not.
    requests: u64,
    /// The failure of the last request.
    failure: Option<Failure>,
}

// === impl TokenCache ===

impl TokenCache {
    pub(crate) fn new(issuer: impl TokenIssuer + 'static) -> Self {
        Self { issuer: Box::new(issuer), request_lock: tokio::sync::Mutex::new(()), state: Mutex::default() }
    }

    /// The cached token, or a new one.
    pub(crate) async fn get(&self, client: &Client, context: &FetchContext) -> Result<Token, Failure> {
        let requests_before = {
            let state = self.state();
            if let Some(token) = state.valid_token(client.clock().monotonic()) {
                return Ok(token);
            }
            state.requests
        };
        let _lock = self.request_lock.lock().await;
        {
            let state = self.state();
            if state.requests > requests_before {
                // Another caller's request ended meanwhile. Its result is for this caller too: a failure would happen
                // again, and a token that has expired already may be used once.
                if let Some(failure) = &state.failure {
                    return Err(failure.clone());
                }
                if let Some(token) = &state.token {
                    return Ok(token.clone());
                }
            }
        }
        let issued = self.issuer.issue(client, context).await;
        let mut state = self.state();
        state.requests += 1;
        match issued {
            Ok(issued) => {
                client.redactor().learn(&issued.access_token);
                Ok(state.store(issued, client.clock().monotonic(), client.clock().now()))
            }
            Err(failure) => {
                state.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// Drops `token`, which the server refused, unless it has been replaced already.
    pub(crate) fn invalidate(&self, token: &Token) {
        let mut state = self.state();
        if state.token.as_ref().is_some_and(|current| current.generation == token.generation) {
            state.token = None;
            state.expires = None;
        }
    }

    /// Copies the token of `other`, which has another secret of the same client.
    pub(crate) fn copy_from(&self, other: &Self) {
        let other = other.state();
        let mut state = self.state();
        state.token.clone_from(&other.token);
        state.generation = other.generation;
        state.valid_until = other.valid_until;
        state.expires = other.expires;
    }

    /// When the cached token expires.
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        self.state().expires
    }

    fn state(&self) -> MutexGuard<'_, CacheState> {
        // A std mutex: nothing awaits while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("expires", &self.expiry()).finish_non_exhaustive()
    }
}

// === impl CacheState ===

impl CacheState {
    fn valid_token(&self, now: Monotonic) -> Option<Token> {
        self.token.clone().filter(|_| now < self.valid_until)
    }

    fn store(&mut self, issued: IssuedToken, monotonic: Monotonic, now: Timestamp) -> Token {
        let IssuedToken { authorization, lifetime, .. } = issued;
        let margin = MARGIN.min(lifetime / MARGIN_PART);
        self.generation += 1;
        self.failure = None;
        self.valid_until = monotonic + lifetime.saturating_sub(margin);
        self.expires = Some(now + lifetime);
        let token = Token { generation: self.generation, authorization };
        self.token = Some(token.clone());
        token
    }
}

// === impl IssuedToken ===

impl IssuedToken {
    /// Checks a token of a response. Its lifetime is `expires_in`, or the documented one.
    ///
    /// # Errors
    ///
    /// Fails if it is empty, too long, or cannot be sent in a header.
    pub(crate) fn new(access_token: String, expires_in: Option<Duration>) -> Result<Self, DecodeError> {
        let unusable = |reason: &str| Err(DecodeError::Unusable(reason.to_owned()));
        if access_token.is_empty() {
            return unusable("its `access_token` is empty");
        }
        if access_token.len() > MAX_TOKEN_BYTES {
            return unusable("its `access_token` is longer than 16 KiB");
        }
        let header = HeaderValue::try_from(format!("Bearer {access_token}"));
        let (true, Ok(mut authorization)) = (access_token.bytes().all(|byte| byte.is_ascii_graphic()), header) else {
            return unusable("its `access_token` holds spaces, line breaks or other characters that no token has");
        };
        authorization.set_sensitive(true);
        Ok(Self { access_token, authorization, lifetime: expires_in.unwrap_or(DEFAULT_LIFETIME) })
    }
}

/// Decodes the response of a token endpoint. An error quotes only an error that the server reports, as the rest may be a token.
pub(crate) fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|_| DecodeError::no_answer("access_token", body))
}

/// Deserializes `expires_in`: seconds as a number or as digits in a string, from zero to [`MAX_LIFETIME`].
/// Anything else counts as absent: a wrong guess costs a 401 and a new token.
pub(crate) fn expires_in<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
    // The text of a number, as one of many digits is none that JSON libraries read.
    let json = <&RawValue>::deserialize(input)?.get().trim_matches('"').trim();
    let seconds = json.parse().ok().filter(|seconds: &f64| !seconds.is_nan());
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, MAX_LIFETIME.as_secs_f64()))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::cli::fixture;
    use crate::clock::DrivenClock;
    use crate::upstream::rate::RateLimiter;
    use crate::upstream::{Endpoint, ErrorKind, NoopObserver};

    /// Issues `token-1`, `token-2` and so on, or fails, once `ready` is notified.
    struct FakeIssuer {
        results: Mutex<Vec<Result<Duration, &'static str>>>,
        ready: Arc<tokio::sync::Semaphore>,
        issued: Arc<Mutex<usize>>,
    }

    impl TokenIssuer for FakeIssuer {
        fn issue<'a>(&'a self, _: &'a Client, _: &'a FetchContext) -> IssueFuture<'a> {
            Box::pin(async {
                self.ready.acquire().await.unwrap().forget();
                let result = self.results.lock().unwrap().remove(0);
                *self.issued.lock().unwrap() += 1;
                match result {
                    Ok(lifetime) => {
                        let token = format!("token-{}", self.issued.lock().unwrap());
                        Ok(IssuedToken::new(token, Some(lifetime)).unwrap_or_else(|_| unreachable!()))
                    }
                    Err(message) => Err(Failure::new(Endpoint::Token, ErrorKind::Server, message)),
                }
            })
        }
    }

    struct Harness {
        clock: DrivenClock,
        client: Client,
        context: FetchContext,
        cache: TokenCache,
        ready: Arc<tokio::sync::Semaphore>,
        issued: Arc<Mutex<usize>>,
    }

    impl Harness {
        /// A cache whose issuer gives `results`, in order, to the first `permits` requests at once.
        fn new(results: &[Result<Duration, &'static str>], permits: usize) -> Self {
            let clock = DrivenClock::new(Timestamp::from_seconds(1_700_000_000));
            let mut tenant = fixture::tenant("acme", 1);
            tenant.connection.base_url = "http://127.0.0.1:1".parse().unwrap();
            let shared: Arc<dyn crate::clock::Clock> = Arc::new(clock.clone());
            let limiter = RateLimiter::new(&tenant, &shared);
            let client = Client::new(&tenant, limiter, shared, Arc::new(NoopObserver)).unwrap();
            let (ready, issued) = (Arc::new(tokio::sync::Semaphore::new(permits)), Arc::default());
            let issuer = FakeIssuer {
                results: Mutex::new(results.to_vec()),
                ready: Arc::clone(&ready),
                issued: Arc::clone(&issued),
            };
            let context = FetchContext::new(Monotonic::from_start(Duration::from_secs(1_000_000)));
            Self { clock, client, context, cache: TokenCache::new(issuer), ready, issued }
        }

        /// The token, which must be there without waiting.
        fn get(&self) -> Result<Token, Failure> {
            self.cache.get(&self.client, &self.context).now_or_never().expect("it waits")
        }

        fn issued(&self) -> usize {
            *self.issued.lock().unwrap()
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn message(result: Result<Token, Failure>) -> String {
        result
            .map(|token| token.authorization.to_str().unwrap().to_owned())
            .unwrap_or_else(|failure| failure.error.message)
    }

    #[test]
    fn waiters_share_a_failed_token_request_and_later_ones_retry() {
        let harness = Harness::new(&[Err("first"), Ok(HOUR)], 0);
        let mut first = Box::pin(harness.cache.get(&harness.client, &harness.context));
        let mut second = Box::pin(harness.cache.get(&harness.client, &harness.context));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        harness.ready.add_permits(2);
        assert_eq!(message(first.now_or_never().unwrap()), "first");
        assert_eq!(message(second.now_or_never().unwrap()), "first");
        assert_eq!(harness.issued(), 1);
        assert_eq!(message(harness.get()), "Bearer token-2");
    }

    #[test]
    fn a_success_clears_the_failure_for_waiters() {
        let harness = Harness::new(&[Err("first"), Ok(HOUR)], 1);
        assert_eq!(message(harness.get()), "first");
        let mut first = Box::pin(harness.cache.get(&harness.client, &harness.context));
        let mut second = Box::pin(harness.cache.get(&harness.client, &harness.context));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        harness.ready.add_permits(1);
        assert_eq!(message(first.now_or_never().unwrap()), "Bearer token-2");
        assert_eq!(message(second.now_or_never().unwrap()), "Bearer token-2");
    }

    #[test]
    fn only_the_current_token_is_invalidated() {
        let harness = Harness::new(&[Ok(HOUR); 3], 3);
        let first = harness.get().unwrap();
        harness.cache.invalidate(&first);
        assert_eq!(harness.cache.expiry(), None);
        let second = harness.get().unwrap();
        // A slower request with the first token is refused only now.
        harness.cache.invalidate(&first);
        assert_eq!(harness.get().unwrap().authorization, second.authorization);
        harness.cache.invalidate(&second);
        assert_eq!(message(harness.get()), "Bearer token-3");
    }

    #[test]
    fn a_token_is_replaced_a_minute_or_a_tenth_before_its_expiry() {
        for (lifetime, used) in [(3_600, 3_540), (600, 540), (60, 54), (10, 9)] {
            let harness = Harness::new(&[Ok(Duration::from_secs(lifetime)); 2], 2);
            assert_eq!(message(harness.get()), "Bearer token-1");
            harness.clock.advance(Duration::from_secs(used) - Duration::from_millis(1));
            assert_eq!(message(harness.get()), "Bearer token-1", "{lifetime}");
            harness.clock.advance(Duration::from_millis(1));
            assert_eq!(message(harness.get()), "Bearer token-2", "{lifetime}");
        }
    }

    #[test]
    fn a_copied_token_is_used_until_its_own_expiry() {
        for refused in 0..3 {
            let old = Harness::new(&[Ok(HOUR); 4], 4);
            for _ in 0..refused {
                old.cache.invalidate(&old.get().unwrap());
            }
            let token = old.get().unwrap();
            let new = Harness::new(&[Ok(HOUR); 2], 2);
            new.cache.copy_from(&old.cache);
            assert_eq!(new.get().unwrap().authorization, token.authorization);
            assert_eq!(new.cache.expiry(), old.cache.expiry());
            new.clock.advance(HOUR - MARGIN);
            let later = new.get().unwrap();
            assert_eq!((message(Ok(later.clone())), new.issued()), ("Bearer token-1".to_owned(), 1));
            // The generation is copied, so the old token's refusal does not drop the new one.
            new.cache.invalidate(&token);
            assert_eq!((new.get().unwrap().authorization, new.issued()), (later.authorization, 1));
        }
    }

    #[test]
    fn the_longest_token_is_accepted_and_marked_sensitive() {
        let longest = IssuedToken::new("x".repeat(MAX_TOKEN_BYTES), None).ok().unwrap();
        assert!(longest.authorization.is_sensitive());
        assert!(IssuedToken::new("x".repeat(MAX_TOKEN_BYTES + 1), None).is_err());
        let harness = Harness::new(&[Ok(HOUR)], 1);
        assert!(!format!("{:?}", harness.get().unwrap().authorization).contains("token-1"));
    }

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "expires_in")]
        expires_in: Option<Duration>,
    }

    #[test]
    fn expires_in_is_read_as_number_or_string() {
        const DAY: u64 = 86_400;
        let table = [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("\" 60 \"", Some(60)),
            ("59.9", Some(59)),
            ("0", Some(0)),
            ("-1", Some(0)),
            ("-1e300", Some(0)),
            ("86401", Some(DAY)),
            ("1e300", Some(DAY)),
            ("18446744073709551616", Some(DAY)),
            ("1e999", Some(DAY)),
            ("-1e999", Some(0)),
            ("\"inf\"", Some(DAY)),
            ("\"NaN\"", None),
            ("\"soon\"", None),
            ("\"\"", None),
            ("null", None),
            ("true", None),
            ("[3600]", None),
            ("{}", None),
        ];
        for (json, expected) in table {
            let body: Body = serde_json::from_str(&format!(r#"{{"access_token":"t","expires_in":{json}}}"#)).unwrap();
            assert_eq!(body.expires_in.map(|lifetime| lifetime.as_secs()), expected, "{json}");
        }
        let body: Body = serde_json::from_str(r#"{"access_token":"t","scope":["a"],"token_type":7}"#).unwrap();
        assert_eq!(body.expires_in, None);
    }
}
