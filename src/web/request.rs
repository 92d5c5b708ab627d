//! Handles one request: rate limit, authentication, routing, response headers.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Body;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response, StatusCode};

use super::connection_state::{ConnectionState, TrackedBody};
use super::response::{HttpResponse, text};
use super::router::route_request;
use super::{App, Chunks, authority};
use crate::metrics::HttpRejection;

/// Answers one request. Errors are responses too.
pub(super) async fn handle<B: Body>(
    app: Arc<App>,
    connection: Arc<ConnectionState>,
    request: Request<B>,
) -> Result<Response<TrackedBody>, Infallible> {
    let active = connection.begin_request();
    let is_head = request.method() == Method::HEAD;
    let mut response = answer(app, connection.peer, request).await;
    add_default_headers(&mut response);
    if is_head {
        // Over HTTP/2 hyper would send the body.
        let length = response.body().size_hint().exact().unwrap_or_default();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        *response.body_mut() = Chunks::default();
    }
    Ok(response.map(|body| active.track(body)))
}

async fn answer<B: Body>(app: Arc<App>, peer: IpAddr, request: Request<B>) -> HttpResponse {
    let Ok(authority) = authority::of(request.version(), request.uri(), request.headers()) else {
        app.exporter.http_rejected(HttpRejection::BadRequest);
        return text(StatusCode::BAD_REQUEST, "a request has exactly one Host header, with a host\n");
    };
    let Some(web_config) = app.web_config.clone() else { return route_request(app, authority, request).await };
    let current = web_config.current();
    // A refused request is not routed, so that it does not show which paths exist.
    let mut response = match web_config.refuse(&current, request.headers(), peer).await {
        Some(refusal) => refusal,
        None => route_request(app, authority, request).await,
    };
    current.apply_headers(&mut response);
    response
}

/// Browsers must not guess the type of a response, and caches must not store data.
fn add_default_headers(response: &mut HttpResponse) {
    let headers = response.headers_mut();
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
