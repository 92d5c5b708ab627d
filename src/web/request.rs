//! The way of a request from its connection to a route: rate, user, body; and back, with the headers of every answer.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Body;
use hyper::{Request, Response};

use super::timeout_io::{Activity, Tracked};
use super::{App, router};

/// Answers one request; whatever goes wrong is an answer too.
pub(super) async fn answer<B: Body>(
    app: Arc<App>,
    activity: Arc<Activity>,
    request: Request<B>,
) -> Result<Response<Tracked>, Infallible> {
    let flight = activity.begin();
    let access = app.web_config.clone();
    let Some(access) = access else {
        return Ok(router::answer(app, request).await.map(|body| flight.with(body)));
    };
    let served = access.served();
    // What is refused here costs no look at the route, so that nobody learns what there is.
    let mut answer = match access.refuse(&served, request.headers()).await {
        Some(refusal) => refusal,
        None => router::answer(app, request).await,
    };
    served.dress(&mut answer);
    Ok(answer.map(|body| flight.with(body)))
}
