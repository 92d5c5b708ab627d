//! Requests that carry an access token.

use std::sync::Arc;

use url::Url;

use super::token::TokenCache;
use crate::upstream::Endpoint;
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::{Client, DecodeError, Decoded, ErrorHints, Request};

/// The client of a tenant and its token.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) tokens: Arc<TokenCache>,
}

/// An address of an API.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) endpoint: Endpoint,
    /// The largest accepted body after decompression, in bytes.
    pub(crate) body_limit: usize,
    pub(crate) hints: &'static ErrorHints,
}

// === impl Session ===

impl Session {
    /// Requests `url` and decodes the response, as [`Client::fetch_with`] does.
    pub(crate) async fn get<T: Send + 'static, S: Send + 'static>(
        &self,
        resource: &'static Resource,
        url: &Url,
        buffers: (S, Vec<u8>),
        context: &FetchContext,
        decode: impl Fn(&[u8], &mut S) -> Result<T, DecodeError> + Copy + Send + 'static,
    ) -> Result<Decoded<T, S>, Failure> {
        let Resource { endpoint, body_limit, hints } = *resource;
        let request = Request::new(endpoint, self.client.get(url.clone()), body_limit, hints)?;
        self.client.fetch_with(&request, Some(&self.tokens), buffers, context, decode).await
    }
}
