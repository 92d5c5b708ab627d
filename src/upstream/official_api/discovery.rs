//! Where a tenant's API is: what the issuer and the tenant's own configuration document say.
//!
//! Source: `OpenID` Connect Discovery 1.0, and NICE's documentation of `/.well-known/cxone-configuration`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use url::Url;

use super::error_hints;
use super::trusted_hosts::TrustedHosts;
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::{Client, DecodeError, Request};
use crate::upstream::{Endpoint, ErrorKind};

/// Where an issuer tells its addresses.
const OPENID_PATH: &str = "/.well-known/openid-configuration";

/// Where a tenant's addresses are told.
const TENANT_PATH: &str = "/.well-known/cxone-configuration";

/// The most that a document may have; real ones have a few kilobytes.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// The longest tenant id that is taken out of a token; real ones are UUIDs.
const MAX_TENANT_ID_BYTES: usize = 128;

#[derive(Deserialize)]
struct OpenidConfiguration {
    token_endpoint: String,
}

#[derive(Deserialize)]
struct TenantConfiguration {
    api_endpoint: String,
}

/// What is read of a token's claims.
#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "tenantId")]
    tenant_id: Option<String>,
}

/// Asks the issuer where tokens are issued.
pub(super) async fn token_endpoint(
    client: &Client,
    trusted_hosts: &TrustedHosts,
    context: &FetchContext,
) -> Result<Url, Failure> {
    let url = client.url(OPENID_PATH);
    let found: OpenidConfiguration = document(client, &url, "token_endpoint", None, context).await?;
    trusted_hosts.check(&found.token_endpoint, &url, "The `token_endpoint` that the issuer names", Endpoint::Discovery)
}

/// Asks where the API is; of the tenant that `tenant_id` stands for, where the host serves several.
///
/// Public clients differ in how they ask: without a token, with it, and without the tenant's id. So each is tried where the one
/// before is refused, and `fallback` is the last resort.
pub(super) async fn api_endpoint(
    client: &Client,
    trusted_hosts: &TrustedHosts,
    tenant_id: Option<&str>,
    access_token: &str,
    fallback: Option<&Url>,
    context: &FetchContext,
) -> Result<Url, Failure> {
    let without_id = tenant_id.map(|_| (None, Some(access_token)));
    let mut first_refusal = None;
    for (tenant_id, token) in [(tenant_id, None), (tenant_id, Some(access_token))].into_iter().chain(without_id) {
        let mut url = client.url(TENANT_PATH);
        if let Some(tenant_id) = tenant_id {
            url.query_pairs_mut().append_pair("tenantId", tenant_id);
        }
        match document::<TenantConfiguration>(client, &url, "api_endpoint", token, context).await {
            Ok(found) => {
                let what = "The `api_endpoint` that CXone names";
                return trusted_hosts.check(&found.api_endpoint, &url, what, Endpoint::Discovery);
            }
            Err(failure) if is_refusal(&failure) => {
                first_refusal.get_or_insert(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    match (fallback, first_refusal) {
        (None, Some(failure)) => Err(failure),
        (Some(fallback), _) => Ok(fallback.clone()),
        (None, None) => Err(Failure::new(Endpoint::Discovery, ErrorKind::Decode, "No address of the API was found.")),
    }
}

/// The API of the area whose host is `login`, by the name that NICE gives it.
pub(super) fn area_api(login: &Url) -> Option<Url> {
    let area = login.domain()?.strip_suffix(".nice-incontact.com").filter(|area| !area.contains('.'))?;
    Url::parse(&format!("https://api-{area}.niceincontact.com")).ok()
}

/// Whether the document may be given to another request.
fn is_refusal(failure: &Failure) -> bool {
    use ErrorKind::{BadRequest, Decode, Forbidden, NotJson, Unauthorized, UnexpectedStatus};
    matches!(failure.error.kind, BadRequest | Decode | Forbidden | NotJson | Unauthorized | UnexpectedStatus)
}

/// The tenant that an `id_token` is about.
///
/// Its signature is not checked: the claim decides nothing but which tenant's document is asked for, at the issuer
/// that has just handed out the token, and the address in it is checked.
pub(super) fn tenant_id(id_token: &str) -> Option<String> {
    let claims = id_token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let tenant_id = serde_json::from_slice::<Claims>(&claims).ok()?.tenant_id?;
    (!tenant_id.is_empty() && tenant_id.len() <= MAX_TENANT_ID_BYTES).then_some(tenant_id)
}

async fn document<T: for<'de> Deserialize<'de> + Send + 'static>(
    client: &Client,
    url: &Url,
    wanted: &'static str,
    access_token: Option<&str>,
    context: &FetchContext,
) -> Result<T, Failure> {
    let mut request = client.get(url.clone());
    if let Some(access_token) = access_token {
        request = request.bearer_auth(access_token);
    }
    let request = Request::new(Endpoint::Discovery, request, MAX_DOCUMENT_BYTES, &error_hints::DISCOVERY)?;
    let read = |body: &[u8]| serde_json::from_slice(body).map_err(|_| DecodeError::no_answer(wanted, body));
    client.fetch(&request, context, read).await.map_err(|failure| failure.with_scope(Scope::Tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_api_is_named_after_the_area() {
        let table = [
            ("https://na1.nice-incontact.com/", Some("https://api-na1.niceincontact.com/")),
            ("https://a.b.nice-incontact.com/", None),
            ("https://nice-incontact.com/", None),
            ("http://127.0.0.1:8080/", None),
        ];
        for (login, expected) in table {
            assert_eq!(area_api(&login.parse().unwrap()).as_ref().map(Url::as_str), expected, "{login}");
        }
    }

    #[test]
    fn the_tenant_is_read_from_the_claims_of_a_token() {
        let token = |claims: &str| format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let table = [
            (token(r#"{"tenantId":"11ed-a","sub":"x"}"#), Some("11ed-a")),
            (token(r#"{"tenantId":""}"#), None),
            (token(r#"{"tenantId":7}"#), None),
            (token(r#"{"sub":"x"}"#), None),
            (token(&format!(r#"{{"tenantId":"{}"}}"#, "x".repeat(129))), None),
            (token("not json"), None),
            ("one.%%%.three".to_owned(), None),
            ("nothing".to_owned(), None),
            (String::new(), None),
        ];
        for (token, expected) in table {
            assert_eq!(tenant_id(&token).as_deref(), expected, "{token}");
        }
    }
}
