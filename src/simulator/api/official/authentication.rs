//! Tokens for an access key, by both grants, and the discovery documents.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::clock::Monotonic;
use crate::simulator::access_tokens::AccessTokens;
use crate::simulator::api::Answer;
use crate::simulator::api_variants::ApiVariant;
use crate::simulator::credentials::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, CLIENT_ID, CLIENT_SECRET};
use crate::simulator::faults::Fault;
use crate::simulator::options::SimulatorOptions;

/// Path of the issuer's `OpenID` configuration.
pub(crate) const OPENID_PATH: &str = "/.well-known/openid-configuration";
/// Path of the tenant's configuration.
pub(crate) const TENANT_PATH: &str = "/.well-known/cxone-configuration";
/// Path of the issuer's token endpoint.
pub(crate) const GRANT_PATH: &str = "/auth/token";
/// Path of the token endpoint for access keys.
pub(crate) const KEY_PATH: &str = "/authentication/v1/token/access-key";

/// The tenant's id.
const TENANT_ID: &str = "11ed0000-0000-4000-8000-000000000001";

/// The `OpenID` configuration of the issuer.
pub(crate) fn openid(base_url: &str, fault: Option<&Fault>) -> Answer {
    let token_endpoint = foreign(fault).unwrap_or_else(|| format!("{base_url}{GRANT_PATH}"));
    json_answer(&json!({ "issuer": base_url, "token_endpoint": token_endpoint,
        "token_endpoint_auth_methods_supported": ["client_secret_basic"] }))
}

/// The configuration of the tenant, for a client that is `authorized` or not. A query without tenant id is accepted, as on
/// a host with one tenant.
pub(crate) fn configuration(
    base_url: &str,
    query: &str,
    authorized: bool,
    options: &SimulatorOptions,
    fault: Option<&Fault>,
) -> Answer {
    let refused =
        options.value(|variant| if let ApiVariant::DiscoveryRefused(status) = variant { Some(*status) } else { None });
    if let Some(status) = refused.filter(|_| !authorized) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
        return Answer::refusal(status, "refused", "the tenant's document needs an access token");
    }
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "tenantId").map(|(_, id)| id);
    if asked.is_some() && options.has(ApiVariant::DiscoveryWithoutTenant) {
        return Answer::refusal(StatusCode::NOT_FOUND, "not_found", "no tenant can be named here");
    }
    if asked.is_some_and(|id| id != TENANT_ID) {
        return Answer::refusal(StatusCode::NOT_FOUND, "not_found", "there is no such tenant");
    }
    let api_endpoint = foreign(fault).unwrap_or_else(|| base_url.to_owned());
    json_answer(
        &json!({ "api_endpoint": api_endpoint, "auth_endpoint": base_url, "area": "sim1", "domain": "localhost",
        "tenantId": TENANT_ID }),
    )
}

fn foreign(fault: Option<&Fault>) -> Option<String> {
    match fault {
        Some(Fault::ForeignLink(address)) => Some(address.clone()),
        _ => None,
    }
}

/// The password grant; client credentials are in the header or in the form.
pub(crate) fn grant(
    headers: &HeaderMap,
    form: &[u8],
    tokens: &AccessTokens,
    now: Monotonic,
    lifetime: Duration,
) -> Answer {
    let fields: HashMap<_, _> = form_urlencoded::parse(form).collect();
    let field = |name: &str| fields.get(name).map(ToString::to_string);
    let client = basic(headers).or_else(|| field("client_id").zip(field("client_secret")));
    if client.is_none_or(|(id, secret)| id != CLIENT_ID || secret != CLIENT_SECRET) {
        return Answer::refusal(StatusCode::UNAUTHORIZED, "invalid_client", "unknown client, or wrong secret");
    }
    if field("grant_type").as_deref() != Some("password") {
        return Answer::refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only password is known here");
    }
    let key = (field("username"), field("password"));
    if key != (Some(ACCESS_KEY_ID.to_owned()), Some(ACCESS_KEY_SECRET.to_owned())) {
        return Answer::refusal(StatusCode::BAD_REQUEST, "invalid_grant", "unknown access key, or wrong secret");
    }
    issued(tokens, now, lifetime)
}

/// A token for an access key.
pub(crate) fn access_key(body: &[u8], tokens: &AccessTokens, now: Monotonic, lifetime: Duration) -> Answer {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Answer::refusal(StatusCode::BAD_REQUEST, "invalid_request", "the body must be JSON");
    };
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    if (field("accessKeyId"), field("accessKeySecret")) != (Some(ACCESS_KEY_ID), Some(ACCESS_KEY_SECRET)) {
        return Answer::refusal(StatusCode::UNAUTHORIZED, "invalid_key", "unknown access key, or wrong secret");
    }
    issued(tokens, now, lifetime)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    // Both are form-encoded first (RFC 6749, section 2.3.1).
    let decoded = |text: &str| form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned());
    Some((decoded(id)?, decoded(secret)?))
}

fn issued(tokens: &AccessTokens, now: Monotonic, lifetime: Duration) -> Answer {
    let claims = URL_SAFE_NO_PAD.encode(json!({ "tenantId": TENANT_ID, "iss": "simulator" }).to_string());
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    json_answer(&json!({
        "access_token": tokens.issue(now, lifetime),
        "refresh_token": "not-used",
        "id_token": format!("{head}.{claims}."),
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
    }))
}

fn json_answer(body: &Value) -> Answer {
    Answer::json(body.to_string().into_bytes())
}
