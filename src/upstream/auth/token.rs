//! The access token: asked for once however many want it, kept while it is good, renewed when refused.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Deserializer};

use crate::clock::Monotonic;
use crate::presence::Timestamp;
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::Client;
use crate::upstream::http::Response;

/// The life of a token whose answer does not tell it: what the API documents as normal.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

/// The longest that a token is kept on the server's word. Real ones live an hour; a day costs one
/// request and bounds what an absurd number can do.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How long before its end a token is no longer used. A page may be under way for as long as
/// `request_timeout` (30 s unless set), and clocks and networks add to that.
const MARGIN: Duration = Duration::from_secs(60);

/// The margin is at most this part of a token's life, so that a short life is not all margin.
const MARGIN_PART: u32 = 10;

/// The most that an answer with a token may have. Real ones have two kilobytes.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// The longest token that is taken. It goes into a header of every request, and servers
/// commonly refuse more than 8 to 16 KiB of those.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token in hand.
#[derive(Clone)]
pub(crate) struct Token {
    /// Which one this is, counted from the first.
    generation: u64,
    /// The value of `Authorization`, marked as sensitive.
    pub(crate) authorization: HeaderValue,
}

/// Gets tokens from wherever a tenant's API issues them.
pub(crate) trait TokenIssuer: Send + Sync {
    /// Asks for a token. Without one nothing else can be asked, so a failure concerns the whole tenant.
    fn issue<'a>(&'a self, client: &'a Client, context: &'a FetchContext) -> IssueFuture<'a>;
}

/// The answer of an [`TokenIssuer`].
pub(crate) type IssueFuture<'a> = Pin<Box<dyn Future<Output = Result<IssuedToken, Failure>> + Send + 'a>>;

/// A token that has been issued just now. It has no `Debug`, as it holds the token.
pub(crate) struct IssuedToken {
    /// The value of `Authorization`, marked as sensitive.
    authorization: HeaderValue,
    /// How long it is good for.
    life: Duration,
}

/// Keeps the token of one tenant.
pub(crate) struct TokenCache {
    issuer: Box<dyn TokenIssuer>,
    /// Held while a token is asked for, so that one request serves everybody who waits.
    flight: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    good_until: Monotonic,
    expires: Option<Timestamp>,
    /// How many tokens have been issued.
    generation: u64,
    /// How many times one was asked for, successfully or not.
    asked: u64,
    /// How the last time failed, if it did.
    failure: Option<Failure>,
}

// === impl TokenCache ===

impl TokenCache {
    pub(crate) fn new(issuer: impl TokenIssuer + 'static) -> Self {
        Self { issuer: Box::new(issuer), flight: tokio::sync::Mutex::new(()), held: Mutex::default() }
    }

    /// The token in hand, or a new one.
    pub(crate) async fn get(&self, client: &Client, context: &FetchContext) -> Result<Token, Failure> {
        let asked_before = {
            let held = self.held();
            if let Some(token) = held.good(client.clock().monotonic()) {
                return Ok(token);
            }
            held.asked
        };
        let _flight = self.flight.lock().await;
        {
            let held = self.held();
            if held.asked > asked_before {
                // Somebody asked while this one waited: what came of it is for both, even a token that may
                // be used only once, and above all a failure, which would just happen again.
                if let Some(failure) = &held.failure {
                    return Err(failure.clone());
                }
                if let Some(token) = &held.token {
                    return Ok(token.clone());
                }
            }
        }
        let issued = self.issuer.issue(client, context).await;
        let mut held = self.held();
        held.asked += 1;
        match issued {
            Ok(issued) => Ok(held.keep(issued, client)),
            Err(failure) => {
                held.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// The server refused `token`: it is not used again, unless another has taken its place already.
    pub(crate) fn refuse(&self, token: &Token) {
        let mut held = self.held();
        if held.token.as_ref().is_some_and(|current| current.generation == token.generation) {
            held.token = None;
            held.expires = None;
        }
    }

    /// Takes over what `other` has in hand; for another secret of the same client.
    pub(crate) fn inherit(&self, other: &Self) {
        let theirs = other.held();
        let mut held = self.held();
        held.token.clone_from(&theirs.token);
        held.generation = theirs.generation;
        held.good_until = theirs.good_until;
        held.expires = theirs.expires;
    }

    /// When the token in hand expires.
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        self.held().expires
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Not a tokio mutex: nothing awaits while it is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("expires", &self.expiry()).finish_non_exhaustive()
    }
}

// === impl Held ===

impl Held {
    fn good(&self, now: Monotonic) -> Option<Token> {
        self.token.clone().filter(|_| now < self.good_until)
    }

    fn keep(&mut self, issued: IssuedToken, client: &Client) -> Token {
        let IssuedToken { authorization, life } = issued;
        let margin = MARGIN.min(life / MARGIN_PART);
        self.generation += 1;
        self.failure = None;
        self.good_until = client.clock().monotonic() + life.saturating_sub(margin);
        self.expires = Some(client.clock().now() + life);
        let token = Token { generation: self.generation, authorization };
        self.token = Some(token.clone());
        token
    }
}

// === impl IssuedToken ===

impl IssuedToken {
    /// The token that `answer` gave, if it is one; its life is what the answer says, else what is normal.
    pub(crate) fn read(
        access_token: &str,
        expires_in: Option<Duration>,
        answer: Response,
        client: &Client,
    ) -> Result<Self, Failure> {
        let fault = if access_token.is_empty() {
            "its `access_token` is empty"
        } else if access_token.len() > MAX_TOKEN_BYTES {
            "its `access_token` is longer than 16 KiB"
        } else if !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
            "its `access_token` holds spaces, line breaks or other characters that no token has"
        } else {
            client.redactor().learn(access_token);
            let mut authorization =
                HeaderValue::try_from(format!("Bearer {access_token}")).unwrap_or(HeaderValue::from_static(""));
            authorization.set_sensitive(true);
            return Ok(Self { authorization, life: expires_in.unwrap_or(DEFAULT_LIFE).min(MAX_LIFE) });
        };
        Err(answer.undecodable(fault))
    }
}

/// Seconds as a number or as digits in a string; at most [`MAX_LIFE`], and no time at all below zero.
/// What is neither is as good as absent: a wrong guess costs a 401, which is provided for.
pub(crate) fn life<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
    let seconds = match serde_json::Value::deserialize(input)? {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| !seconds.is_nan());
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, MAX_LIFE.as_secs_f64()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct IssuedToken {
        #[serde(default, deserialize_with = "life")]
        expires_in: Option<Duration>,
    }

    #[test]
    fn the_life_of_a_token_is_read_from_whatever_form_it_has() {
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
            let issued: IssuedToken =
                serde_json::from_str(&format!(r#"{{"access_token":"t","expires_in":{json}}}"#)).unwrap();
            assert_eq!(issued.expires_in.map(|life| life.as_secs()), expected, "{json}");
        }
        let issued: IssuedToken = serde_json::from_str(r#"{"access_token":"t","scope":["a"],"token_type":7}"#).unwrap();
        assert_eq!(issued.expires_in, None);
    }
}
