//! The retry loop of a request: token, rate limits, exchange, decoding, and the decision whether to retry.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Client, LARGE_BODY_BYTES, Request, authority};
use super::json_repair::{repair, without_byte_order_mark};
use crate::upstream::ErrorKind;
use crate::upstream::auth::{Token, TokenCache};
use crate::upstream::failure::{Failure, RetryPolicy, run_blocking};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::rate::{Attempts, MAX_RATE_LIMITED};

/// The longest text of an error in the body of a successful response. Only a sentence of it is shown.
const MAX_ERROR_TEXT_BYTES: usize = 4 * 1024;

/// A decoded body, and what was lent for decoding it.
pub(crate) struct Decoded<T, S> {
    pub(crate) value: T,
    pub(crate) state: S,
    pub(crate) body: Vec<u8>,
}

/// Why a body cannot be decoded.
#[derive(Debug)]
pub(crate) enum DecodeError {
    /// It is not the JSON that is expected.
    Json(serde_json::Error),
    /// It is JSON, and unusable. The text completes "the response is not what the API documents: ".
    Unusable(String),
    /// It exceeds a limit. The text completes "the response exceeds a limit: ".
    TooMuch(String),
    /// It is no answer. `reason` completes the same sentence; `error` is the server's own text, which is redacted.
    NoAnswer { reason: String, error: Option<String> },
}

/// An error in the body of a successful response, as servers and proxies write it: RFC 6749 (section 5.2), or `message`.
#[derive(Deserialize)]
struct ReportedError<'a> {
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error_description: Option<&'a RawValue>,
    #[serde(default, borrow)]
    message: Option<&'a RawValue>,
}

/// An error as an object.
#[derive(Deserialize)]
struct ErrorObject {
    message: String,
}

// === impl DecodeError ===

impl DecodeError {
    /// The documented field `name` cannot be read from `body`, such as `{"error":"invalid_client"}` with status 200: the error
    /// that the server reports there is shown.
    ///
    /// Every decoder of a token, page, list or document may use it where its field is missing. That a body is blank, has a byte
    /// order mark, or text that is not valid Unicode, [`Client::fetch_with`] takes care of before.
    pub(crate) fn no_answer(name: &str, body: &[u8]) -> Self {
        let reported = serde_json::from_slice::<ReportedError<'_>>(body).ok();
        let values = reported.into_iter().flat_map(|reported| {
            let ReportedError { error, error_description, message } = reported;
            [error, error_description, message].into_iter().flatten()
        });
        let texts: Vec<String> = values.filter_map(text_of_error).collect();
        let error = (!texts.is_empty()).then(|| texts.join(": "));
        Self::NoAnswer { reason: format!("no `{name}` could be read from it"), error }
    }
}

/// The text of an error: a string, or the `message` of an object. A long one is none, as it could not be shown in full.
fn text_of_error(error: &RawValue) -> Option<String> {
    let json = Some(error.get()).filter(|json| json.len() <= MAX_ERROR_TEXT_BYTES)?;
    let object = || serde_json::from_str(json).ok().map(|ErrorObject { message }| message);
    serde_json::from_str(json).ok().or_else(object)
}

/// Decodes `body` without a byte order mark. Where that fails and text in it is not valid Unicode, it is repaired and decoded
/// again: `decode` leaves nothing behind where it fails.
fn decode_repaired<T>(
    body: &mut Vec<u8>,
    mut decode: impl FnMut(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    if without_byte_order_mark(body).trim_ascii().is_empty() {
        return Err(DecodeError::NoAnswer { reason: "it is empty".to_owned(), error: None });
    }
    match decode(without_byte_order_mark(body)) {
        Err(_) if repair(body) => decode(without_byte_order_mark(body)),
        decoded => decoded,
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

// === impl Client ===

impl Client {
    /// Sends `request` without a token, with retries, and decodes the response.
    pub(crate) async fn fetch<T: Send + 'static>(
        &self,
        request: &Request,
        context: &FetchContext,
        decode: impl Fn(&[u8]) -> Result<T, DecodeError> + Copy + Send + 'static,
    ) -> Result<T, Failure> {
        let decoded = self.fetch_with(request, None, ((), Vec::new()), context, move |body, ()| decode(body)).await;
        decoded.map(|decoded| decoded.value)
    }

    /// Sends `request` until its response is decoded, the failure is final, or `context` has no time left.
    ///
    /// With `tokens`, the request carries a token, and a 401 gets one new token. `buffers` are the state that `decode`
    /// fills, which a failed `decode` must leave unchanged, and a buffer for the body.
    pub(crate) async fn fetch_with<T: Send + 'static, S: Send + 'static>(
        &self,
        request: &Request,
        tokens: Option<&TokenCache>,
        buffers: (S, Vec<u8>),
        context: &FetchContext,
        decode: impl Fn(&[u8], &mut S) -> Result<T, DecodeError> + Copy + Send + 'static,
    ) -> Result<Decoded<T, S>, Failure> {
        let (mut state, mut body) = buffers;
        let mut attempts = Attempts::default();
        let mut last_failure = None;
        loop {
            context.check_cancelled()?;
            let token = match tokens {
                Some(tokens) => Some(tokens.get(self, context).await?),
                None => None,
            };
            if let Err(denied) = self.limiter.admit(context.deadline, &*self.observer).await {
                let target = authority(request.http.url());
                return Err(self.limiter.explain(denied, request.endpoint, &target, last_failure));
            }
            // Another request may have cancelled the refresh while this one waited.
            context.check_cancelled()?;
            if attempts.is_repeated() {
                self.observer.retry();
            }
            let failure = match self.exchange(request, token.as_ref(), &mut body).await {
                Ok(response) => {
                    let decoded;
                    // A page has some megabytes, so it is decoded off the threads that serve.
                    (decoded, state, body) = run_blocking(request.endpoint, move || {
                        let decoded = decode_repaired(&mut body, |json| decode(json, &mut state));
                        // The buffer is reused; what one large body took is not kept.
                        if body.capacity() > LARGE_BODY_BYTES {
                            body = Vec::new();
                        }
                        (decoded, state, body)
                    })
                    .await?;
                    match decoded {
                        Ok(value) => return Ok(Decoded { value, state, body }),
                        Err(error) => response.decode_failure(error, self.redactor()),
                    }
                }
                Err(failure) => failure,
            };
            last_failure = self.prepare_retry(failure, &mut attempts, tokens.zip(token), context).await?;
        }
    }

    /// Waits until `failure` may be retried. Returns it where it is still the reason if no retry is admitted.
    ///
    /// # Errors
    ///
    /// Returns `failure` if it is final.
    async fn prepare_retry(
        &self,
        mut failure: Failure,
        attempts: &mut Attempts,
        token: Option<(&TokenCache, Token)>,
        context: &FetchContext,
    ) -> Result<Option<Failure>, Failure> {
        match failure.retry {
            RetryPolicy::Never => return Err(failure),
            RetryPolicy::WithNewToken => {
                let Some((tokens, token)) = token.filter(|_| attempts.renew_token()) else { return Err(failure) };
                tokens.invalidate(&token);
                return Ok(None);
            }
            _ if !self.retries => return Err(failure),
            RetryPolicy::AfterBackoff => {
                let Some(wait) = attempts.back_off() else { return Err(failure) };
                let until = self.clock().monotonic() + wait;
                if self.gate().opens() >= Some(until) {
                    // `Retry-After` is longer than the backoff, and the gate waits for it.
                    return Ok(Some(failure));
                }
                if until >= context.deadline {
                    return Err(failure);
                }
                tracing::debug!(
                    tenant = self.tenant,
                    endpoint = failure.error.endpoint.label(),
                    wait_seconds = wait.as_secs_f64(),
                    reason = %failure.error,
                    "retrying request"
                );
                self.clock().sleep_until(until).await;
            }
            RetryPolicy::AfterRateLimit => {
                let opens = self.gate().opens();
                let Some(wait) = attempts.rate_limited() else {
                    let retry_after = opens.map(|opens| opens.saturating_since(self.clock().monotonic()));
                    failure.error.kind = ErrorKind::RateLimited { retry_after };
                    failure.error.message += &format!(
                        " The request was rate-limited {MAX_RATE_LIMITED} times in a row. Raise `cooldown`, or lower \
                        `max_concurrent_requests`."
                    );
                    return Err(failure);
                };
                // `Retry-After` has closed the gate already. Without it, all requests wait, not only this one.
                if opens.is_none() {
                    self.gate().close_for(wait);
                }
            }
        }
        Ok(Some(failure))
    }
}
