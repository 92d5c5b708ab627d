//! `POST /oauth/token`: the client credentials grant.

use std::collections::HashMap;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;
use url::form_urlencoded;

use super::Answer;
use crate::clock::Monotonic;
use crate::simulator::access_tokens::AccessTokens;
use crate::simulator::credentials::{CLIENT_ID, CLIENT_SECRET};

const FORM: &str = "application/x-www-form-urlencoded";

/// Issues a token that is valid for `lifetime`.
pub(crate) fn answer(
    headers: &HeaderMap,
    form: &[u8],
    scope: &str,
    tokens: &AccessTokens,
    now: Monotonic,
    lifetime: Duration,
) -> Answer {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.to_ascii_lowercase().starts_with(FORM) {
        return Answer::refusal(StatusCode::BAD_REQUEST, "invalid_request", &format!("the body must be {FORM}"));
    }
    let fields: HashMap<_, _> = form_urlencoded::parse(form).collect();
    let field = |name: &str| fields.get(name).map(AsRef::as_ref);
    match (field("grant_type"), field("client_id"), field("client_secret")) {
        (Some("client_credentials"), Some(CLIENT_ID), Some(CLIENT_SECRET)) => {
            let body = json!({
                "access_token": tokens.issue(now, lifetime),
                "token_type": "Bearer",
                "expires_in": lifetime.as_secs(),
                "scope": scope,
            });
            Answer::json(body.to_string().into_bytes()).with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        }
        (Some("client_credentials"), Some(_), Some(_)) => {
            Answer::refusal(StatusCode::UNAUTHORIZED, "invalid_client", "unknown client_id, or wrong client_secret")
        }
        (Some("client_credentials"), ..) => {
            Answer::refusal(StatusCode::BAD_REQUEST, "invalid_request", "client_id and client_secret are needed")
        }
        (Some(_), ..) => {
            Answer::refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only client_credentials is known here")
        }
        (None, ..) => Answer::refusal(StatusCode::BAD_REQUEST, "invalid_request", "grant_type is needed"),
    }
}
