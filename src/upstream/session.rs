//! Asking with a token: every API of a tenant asks through this.

use std::sync::Arc;

use reqwest::header::AUTHORIZATION;
use url::Url;

use super::answer::{Advice, Answer};
use super::client::{Client, Request};
use super::errand::Errand;
use super::failure::{Failure, Remedy};
use super::retry::Attempts;
use super::token::TokenKeeper;
use super::{Endpoint, ErrorKind};

/// A client and the token that it is let in with.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) tokens: Arc<TokenKeeper>,
}

/// What an API answers at one of its addresses.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) endpoint: Endpoint,
    /// The most that an answer may have after decompression, in bytes.
    pub(super) body_limit: usize,
    pub(super) advice: &'static Advice,
}

// === impl Session ===

impl Session {
    /// Asks for `url`, with one new token if the one in hand is refused. The answer's body is in `body`.
    pub(super) async fn get(
        &self,
        resource: &'static Resource,
        url: &Url,
        body: &mut Vec<u8>,
        attempts: &mut Attempts,
        errand: &Errand,
    ) -> Result<Answer, Failure> {
        let mut renewed = false;
        loop {
            errand.go_on()?;
            let token = self.tokens.get(&self.client, errand).await?;
            let unsendable =
                |_| Failure::new(resource.endpoint, ErrorKind::Connect, "The request cannot be put together.");
            let http = self.client.get(url.clone()).header(AUTHORIZATION, &token.authorization);
            let http = http.build().map_err(unsendable)?;
            let Resource { endpoint, body_limit, advice } = *resource;
            match self.client.ask(&Request { endpoint, http, body_limit, advice }, body, attempts, errand).await {
                Err(failure) if failure.remedy == Remedy::NewToken && !renewed => {
                    renewed = true;
                    self.tokens.refuse(&token);
                }
                outcome => return outcome,
            }
        }
    }
}
