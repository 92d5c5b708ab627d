//! The endpoints of the pretend tenant: a request in, an [`Answer`] out. No I/O, no waiting.

pub(super) mod grid;
pub(super) mod official;
pub(super) mod presence;
mod rows;
pub(super) mod token;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

/// What is sent back.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// How many rows of data there are in the body.
    pub(super) rows: usize,
}

/// Why a request is not answered; in a box, as it is rare and large.
pub(super) type Refusal = Box<Answer>;

// === impl Answer ===

impl Answer {
    /// 200 with a body of JSON.
    pub(super) fn json(body: Vec<u8>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { status: StatusCode::OK, headers, body, rows: 0 }
    }

    /// A refusal that names what is wrong: `error` for programs, `message` for people.
    pub(super) fn refusal(status: StatusCode, error: &str, message: &str) -> Self {
        let body = json!({ "error": error, "message": message }).to_string().into_bytes();
        Self { status, ..Self::json(body) }
    }

    /// The same with one more header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}
