//! Handles one request: rate limit, authentication, routing, response headers.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Body;
use hyper::{Request, Response};

use super::App;
use super::connection_state::{ConnectionState, TrackedBody};
use super::router::route_request;

/// Answers one request. Errors are responses too.
pub(super) async fn handle<B: Body>(
    app: Arc<App>,
    connection: Arc<ConnectionState>,
    request: Request<B>,
) -> Result<Response<TrackedBody>, Infallible> {
    let active = connection.begin_request();
    let Some(web_config) = app.web_config.clone() else {
        return Ok(route_request(app, request).await.map(|body| active.track(body)));
    };
    let current = web_config.current();
    // A refused request is not routed, so that it does not show which paths exist.
    let mut response = match web_config.refuse(&current, request.headers()).await {
        Some(refusal) => refusal,
        None => route_request(app, request).await,
    };
    current.apply_headers(&mut response);
    Ok(response.map(|body| active.track(body)))
}
