//! Handles one request: rate limit, authentication, routing, response headers.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Body;
use hyper::header::CONTENT_LENGTH;
use hyper::{Method, Request, Response};

use super::App;
use super::Chunks;
use super::connection_state::{ConnectionState, TrackedBody};
use super::response::HttpResponse;
use super::router::route_request;

/// Answers one request. Errors are responses too.
pub(super) async fn handle<B: Body>(
    app: Arc<App>,
    connection: Arc<ConnectionState>,
    request: Request<B>,
) -> Result<Response<TrackedBody>, Infallible> {
    let active = connection.begin_request();
    let is_head = request.method() == Method::HEAD;
    let mut response = answer(app, request).await;
    if is_head {
        // Over HTTP/2 hyper would send the body.
        let length = response.body().size_hint().exact().unwrap_or_default();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        *response.body_mut() = Chunks::default();
    }
    Ok(response.map(|body| active.track(body)))
}

async fn answer<B: Body>(app: Arc<App>, request: Request<B>) -> HttpResponse {
    let Some(web_config) = app.web_config.clone() else { return route_request(app, request).await };
    let current = web_config.current();
    // A refused request is not routed, so that it does not show which paths exist.
    let mut response = match web_config.refuse(&current, request.headers()).await {
        Some(refusal) => refusal,
        None => route_request(app, request).await,
    };
    current.apply_headers(&mut response);
    response
}
