//! The token of the presence API: the client-credentials grant (RFC 6749, section 4.4).

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::config::Tenant;
use crate::upstream::Endpoint;
use crate::upstream::auth::{Credential, IssueFuture, IssuedToken, TokenIssuer, token};
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::{Client, DecodeError, ErrorHints, Request};

/// The path of the token endpoint.
const PATH: &str = "/oauth/token";

const ADVICE: ErrorHints = ErrorHints {
    bad_request: "The OAuth client may not be one for client credentials: check it in CXone under Security > API Clients.",
    unauthorized: "The client id or the client secret is wrong: compare `client_id` and the secret with CXone, Security > \
        API Clients.",
    forbidden: "The OAuth client is disabled or lacks permission: look at it in CXone under Security > API Clients.",
    too_large: "No token is that long: check that `domain` or `base_url` is the tenant's own.",
};

/// Requests tokens with client id and secret.
pub(super) struct ClientCredentials {
    client_id: String,
    client_secret: Credential,
}

/// The documented answer, without the fields that are not needed. It has no `Debug`, as it contains the token.
#[derive(Deserialize)]
struct Body {
    access_token: String,
    #[serde(default, deserialize_with = "token::expires_in")]
    expires_in: Option<Duration>,
}

// === impl ClientCredentials ===

impl ClientCredentials {
    pub(super) fn of(tenant: &Tenant) -> Self {
        Self {
            client_id: tenant.connection.client_id.clone(),
            client_secret: Credential::new(&tenant.connection.client_secret),
        }
    }

    async fn ask(&self, client: &Client, context: &FetchContext) -> Result<IssuedToken, Failure> {
        let client_secret = self.client_secret.current(client).await;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", client_secret.expose_secret()),
        ];
        let http = client.post(client.url(PATH)).form(&form);
        let request = Request::new(Endpoint::Token, http, token::MAX_BODY_BYTES, &ADVICE)?;
        client.fetch(&request, context, read).await
    }
}

impl TokenIssuer for ClientCredentials {
    fn issue<'a>(&'a self, client: &'a Client, context: &'a FetchContext) -> IssueFuture<'a> {
        // Without a token, no request is possible.
        Box::pin(async { self.ask(client, context).await.map_err(|failure| failure.with_scope(Scope::Tenant)) })
    }
}

fn read(body: &[u8]) -> Result<IssuedToken, DecodeError> {
    let body: Body = token::decode(body)?;
    IssuedToken::new(body.access_token, body.expires_in)
}
