//! Responses that several handlers use.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::Chunks;

/// A response whose body is complete.
pub(super) type HttpResponse = Response<Chunks>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A plain text response.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = with_type(TEXT, body);
    *response.status_mut() = status;
    response
}

/// A JSON response.
pub(super) fn json(body: impl Into<Bytes>) -> HttpResponse {
    with_type(JSON, body)
}

fn with_type(content_type: HeaderValue, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = Response::new(Chunks::from(body));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
