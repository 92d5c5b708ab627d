//! Getting in: a token for an access key, and the address that the token is good for.
//!
//! Two ways are documented. By the issuer's password grant, with an OAuth client of NICE's registration; and by the area's
//! host for the access key alone. Both end with a token and, unless it is set by hand, the API's address.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::RequestBuilder;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use url::{Url, form_urlencoded};

use super::trusted_hosts::TrustedHosts;
use super::{discovery, error_hints};
use crate::config::{ClientAuth, Login, Official, Tenant};
use crate::upstream::Endpoint;
use crate::upstream::auth::{Credential, IssueFuture, IssuedToken, TokenIssuer, token};
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::{Client, DecodeError, Request};

/// Gets tokens for an access key.
pub(super) struct AccessKeyIssuer {
    way: Login,
    client_id: String,
    client_secret: Credential,
    access_key_id: String,
    access_key_secret: Credential,
    trusted_hosts: Arc<TrustedHosts>,
    /// Where the area's API is by its name, if nothing else says.
    area_api: Option<Url>,
    /// Where the API is: set by hand, or found at the last login.
    api: Arc<ApiAddress>,
}

/// Where the API is, as far as that is known.
#[derive(Debug)]
pub(super) struct ApiAddress {
    by_hand: bool,
    found: Mutex<Option<Url>>,
}

/// The documented answer of either way. It has no `Debug`, as it holds tokens.
#[derive(Deserialize)]
struct Body {
    access_token: String,
    #[serde(default, deserialize_with = "token::expires_in")]
    expires_in: Option<Duration>,
    #[serde(default, deserialize_with = "text_or_none")]
    id_token: Option<String>,
}

// === impl ApiAddress ===

impl ApiAddress {
    pub(super) fn new(by_hand: Option<&Url>) -> Self {
        Self { by_hand: by_hand.is_some(), found: Mutex::new(by_hand.cloned()) }
    }

    /// The address; known once there has been a token.
    pub(super) fn get(&self) -> Option<Url> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what `other` has found, as a token does that is taken over.
    pub(super) fn inherit(&self, other: &Self) {
        if !self.by_hand && !other.by_hand {
            let theirs = other.get();
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = theirs;
        }
    }

    fn set(&self, url: Url) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
    }
}

// === impl AccessKeyIssuer ===

impl AccessKeyIssuer {
    pub(super) fn new(
        tenant: &Tenant,
        official: &Official,
        trusted_hosts: Arc<TrustedHosts>,
        api: Arc<ApiAddress>,
    ) -> Self {
        Self {
            way: official.login.clone(),
            client_id: tenant.connection.client_id.clone(),
            client_secret: Credential::new(&tenant.connection.client_secret),
            access_key_id: official.access_key_id.clone(),
            access_key_secret: Credential::new(&official.access_key_secret),
            trusted_hosts,
            area_api: discovery::area_api(&tenant.connection.base_url),
            api,
        }
    }

    async fn log_in(&self, client: &Client, context: &FetchContext) -> Result<IssuedToken, Failure> {
        let (request, advice) = match &self.way {
            Login::Issuer { client_auth } => {
                let url = discovery::token_endpoint(client, &self.trusted_hosts, context).await?;
                (self.password_grant(client, url, *client_auth).await, &error_hints::PASSWORD_GRANT)
            }
            Login::AccessKey { token_url } => {
                (self.key_alone(client, token_url.clone()).await, &error_hints::ACCESS_KEY)
            }
        };
        let request = Request::new(Endpoint::Token, request, token::MAX_BODY_BYTES, advice)?;
        let (issued, id_token) = client.fetch(&request, context, read).await?;
        client.redactor().learn(&issued.access_token);
        if let Some(id_token) = &id_token {
            client.redactor().learn(id_token);
        }
        if !self.api.by_hand {
            let tenant_id = id_token.as_deref().and_then(discovery::tenant_id);
            let (tenant_id, token, fallback) = (tenant_id.as_deref(), &issued.access_token, self.area_api.as_ref());
            let url = discovery::api_endpoint(client, &self.trusted_hosts, tenant_id, token, fallback, context).await?;
            self.api.set(url);
        }
        Ok(issued)
    }

    /// The resource owner's password grant (RFC 6749, section 4.3), the access key in the owner's place.
    async fn password_grant(&self, client: &Client, url: Url, client_auth: ClientAuth) -> RequestBuilder {
        let request = client.post(url);
        let access_key_secret = self.access_key_secret.current(client).await;
        let client_secret = self.client_secret.current(client).await;
        let secret = client_secret.expose_secret();
        let mut form = vec![
            ("grant_type", "password"),
            ("username", &*self.access_key_id),
            ("password", access_key_secret.expose_secret()),
        ];
        match client_auth {
            ClientAuth::Basic => {
                // Both parts are form-encoded first (RFC 6749, section 2.3.1), as either may hold a colon.
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                request.basic_auth(encoded(&self.client_id), Some(encoded(secret))).form(&form)
            }
            ClientAuth::Body => {
                form.extend([("client_id", &*self.client_id), ("client_secret", secret)]);
                request.form(&form)
            }
        }
    }

    async fn key_alone(&self, client: &Client, url: Url) -> RequestBuilder {
        let access_key_secret = self.access_key_secret.current(client).await;
        let body = serde_json::json!({
            "accessKeyId": self.access_key_id,
            "accessKeySecret": access_key_secret.expose_secret(),
        });
        client.post(url).header(reqwest::header::CONTENT_TYPE, "application/json").body(body.to_string())
    }
}

impl TokenIssuer for AccessKeyIssuer {
    fn issue<'a>(&'a self, client: &'a Client, context: &'a FetchContext) -> IssueFuture<'a> {
        Box::pin(async { self.log_in(client, context).await.map_err(|failure| failure.with_scope(Scope::Tenant)) })
    }
}

/// A string; anything else is as good as absent.
fn text_or_none<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(serde_json::from_str(<&RawValue>::deserialize(input)?.get()).ok())
}

fn read(body: &[u8]) -> Result<(IssuedToken, Option<String>), DecodeError> {
    // One proxy is seen to wrap the answer in a list of one.
    let body: Body = token::decode::<[Body; 1]>(body).map(|[body]| body).or_else(|_| token::decode(body))?;
    Ok((IssuedToken::new(body.access_token, body.expires_in)?, body.id_token))
}
