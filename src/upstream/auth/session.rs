//! Asking with a token: every API of a tenant asks through this.

use std::sync::Arc;

use reqwest::header::AUTHORIZATION;
use url::Url;

use super::token::TokenCache;
use crate::upstream::failure::{Failure, RetryPolicy};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::{Client, Request};
use crate::upstream::http::{ErrorHints, Response};
use crate::upstream::rate::Attempts;
use crate::upstream::{Endpoint, ErrorKind};

/// A client and the token that it is let in with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) tokens: Arc<TokenCache>,
}

/// What an API answers at one of its addresses.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) endpoint: Endpoint,
    /// The most that an answer may have after decompression, in bytes.
    pub(crate) body_limit: usize,
    pub(crate) advice: &'static ErrorHints,
}

// === impl Session ===

impl Session {
    /// Asks for `url`, with one new token if the one in hand is refused. The answer's body is in `body`.
    pub(crate) async fn get(
        &self,
        resource: &'static Resource,
        url: &Url,
        body: &mut Vec<u8>,
        attempts: &mut Attempts,
        context: &FetchContext,
    ) -> Result<Response, Failure> {
        let mut renewed = false;
        loop {
            context.check_cancelled()?;
            let token = self.tokens.get(&self.client, context).await?;
            let unsendable =
                |_| Failure::new(resource.endpoint, ErrorKind::Connect, "The request cannot be put together.");
            let http = self.client.get(url.clone()).header(AUTHORIZATION, &token.authorization);
            let http = http.build().map_err(unsendable)?;
            let Resource { endpoint, body_limit, advice } = *resource;
            match self.client.ask(&Request { endpoint, http, body_limit, advice }, body, attempts, context).await {
                Err(failure) if failure.retry == RetryPolicy::WithNewToken && !renewed => {
                    renewed = true;
                    self.tokens.refuse(&token);
                }
                outcome => return outcome,
            }
        }
    }
}
