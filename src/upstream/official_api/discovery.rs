//! Where a tenant's API is: what the issuer and the tenant's own configuration document say.
//!
//! Source: `OpenID` Connect Discovery 1.0, and NICE's documentation of `/.well-known/cxone-configuration`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use url::Url;

use super::error_hints;
use super::trusted_hosts::TrustedHosts;
use crate::upstream::Endpoint;
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::{Client, DecodeError, Request};

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
    let found: OpenidConfiguration = document(client, &url, "token_endpoint", context).await?;
    trusted_hosts.check(&found.token_endpoint, &url, "The `token_endpoint` that the issuer names", Endpoint::Discovery)
}

/// Asks where the API is; of the tenant that `tenant_id` stands for, where the host serves several.
pub(super) async fn api_endpoint(
    client: &Client,
    trusted_hosts: &TrustedHosts,
    tenant_id: Option<&str>,
    context: &FetchContext,
) -> Result<Url, Failure> {
    let mut url = client.url(TENANT_PATH);
    if let Some(tenant_id) = tenant_id {
        url.query_pairs_mut().append_pair("tenantId", tenant_id);
    }
    let found: TenantConfiguration = document(client, &url, "api_endpoint", context).await?;
    trusted_hosts.check(&found.api_endpoint, &url, "The `api_endpoint` that CXone names", Endpoint::Discovery)
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
    context: &FetchContext,
) -> Result<T, Failure> {
    let request =
        Request::new(Endpoint::Discovery, client.get(url.clone()), MAX_DOCUMENT_BYTES, &error_hints::DISCOVERY)?;
    let read = |body: &[u8]| serde_json::from_slice(body).map_err(|error| DecodeError::no_field(wanted, &error));
    client.fetch(&request, context, read).await.map_err(|failure| failure.with_scope(Scope::Tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

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
