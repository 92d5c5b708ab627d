//! The endpoints: pure functions from a request to an [`Answer`].

pub(super) mod agent_presence;
pub(super) mod bucket_grid;
pub(super) mod official;
mod presence_rows;
pub(super) mod token_endpoint;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

/// An HTTP answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Number of rows in the body.
    pub(super) rows: usize,
}

/// An error answer. Boxed because it is rare and large.
pub(super) type Refusal = Box<Answer>;

// === impl Answer ===

impl Answer {
    /// 200 with a body of JSON.
    pub(super) fn json(body: Vec<u8>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { status: StatusCode::OK, headers, body, rows: 0 }
    }

    /// An error answer: `error` for programs, `message` for people.
    pub(super) fn refusal(status: StatusCode, error: &str, message: &str) -> Self {
        let body = json!({ "error": error, "message": message }).to_string().into_bytes();
        Self { status, ..Self::json(body) }
    }

    /// Sets a header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The HTTP response; `body` makes its body of the bytes.
    pub(super) fn into_response<B>(self, body: impl FnOnce(Bytes) -> B) -> Response<B> {
        let mut response = Response::new(body(self.body.into()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
