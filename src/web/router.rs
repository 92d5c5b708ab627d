//! Maps paths to handlers.

use std::sync::Arc;

use hyper::body::Body;
use hyper::header::{ALLOW, CONNECTION, HeaderValue, LOCATION};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode, Version};

use super::response::{HttpResponse, text};
use super::{App, discovery, page, reload, scrape};
use crate::metrics::HttpRejection;

/// Path prefix of the page's assets.
const ASSETS: &str = "/static/";

/// The handler of a path.
enum Route<'a> {
    Page(page::Kind),
    /// An asset of the page, by its name.
    Asset(&'a str),
    Metrics,
    Probe,
    Discovery,
    Healthy,
    Ready,
    Config,
    Reload,
    /// `*`, the server as a whole.
    Server,
}

/// Answers one request. Errors are responses too.
pub(super) async fn route_request<B: Body>(
    app: Arc<App>,
    authority: Option<Authority>,
    request: Request<B>,
) -> HttpResponse {
    let Some(route) = route(&app, request.uri().path()) else {
        return unrouted(&app, request.uri().path());
    };
    let (methods, allowed) = match route {
        Route::Reload => ([Method::POST, Method::PUT], "POST, PUT, OPTIONS"),
        Route::Server => ([Method::GET, Method::HEAD], "GET, HEAD, POST, PUT, OPTIONS"),
        _ => ([Method::GET, Method::HEAD], "GET, HEAD, OPTIONS"),
    };
    let is_options = request.method() == Method::OPTIONS;
    if !is_options && !methods.contains(request.method()) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("method not allowed; use {allowed}\n"));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return response;
    }
    if !request.body().is_end_stream() {
        app.exporter.http_rejected(HttpRejection::Body);
        return body_refused(request.version());
    }
    if is_options {
        let mut response = HttpResponse::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return response;
    }
    match route {
        Route::Page(kind) => page::answer(Arc::clone(&app), kind, request.uri().query(), request.headers()).await,
        Route::Asset(name) => page::asset(name).unwrap_or_else(not_found),
        Route::Metrics => scrape::metrics(&app, request.headers()).await,
        Route::Probe => scrape::probe(&app, request.uri().query(), request.headers()).await,
        Route::Discovery => discovery::answer(&app, authority.as_ref()),
        Route::Healthy => text(StatusCode::OK, "healthy\n"),
        // The listener accepts only once the configuration is loaded.
        Route::Ready => text(StatusCode::OK, "ready\n"),
        Route::Config => page::configuration(&app).await,
        Route::Reload => reload::answer(&app, request.headers()).await,
        Route::Server => not_found(),
    }
}

/// No route takes a request body, and reading one to its end has no time limit.
fn body_refused(version: Version) -> HttpResponse {
    let mut response = text(StatusCode::PAYLOAD_TOO_LARGE, "requests must have no body\n");
    // HTTP/2 has no `Connection` header: it resets the request's stream and keeps the connection.
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn route<'a>(app: &App, path: &'a str) -> Option<Route<'a>> {
    if path == "*" {
        return Some(Route::Server);
    }
    let path = path.strip_prefix(app.options.route_prefix.as_str())?;
    Some(match path {
        _ if path == app.options.telemetry_path => Route::Metrics,
        "/" => Route::Page(page::Kind::Overview),
        "/agent" => Route::Page(page::Kind::Agent),
        "/probe" => Route::Probe,
        "/sd" => Route::Discovery,
        "/-/healthy" => Route::Healthy,
        "/-/ready" => Route::Ready,
        "/-/reload" => Route::Reload,
        "/config" => Route::Config,
        _ => Route::Asset(path.strip_prefix(ASSETS)?),
    })
}

/// An unknown path. With a route prefix, `/` and the bare prefix redirect to the page.
fn unrouted(app: &App, path: &str) -> HttpResponse {
    let prefix = &app.options.route_prefix;
    if !prefix.is_empty()
        && (path == "/" || path == prefix)
        && let Ok(location) = HeaderValue::try_from(format!("{prefix}/"))
    {
        let mut redirect = text(StatusCode::FOUND, "the exporter is served under its route prefix\n");
        redirect.headers_mut().insert(LOCATION, location);
        return redirect;
    }
    not_found()
}

fn not_found() -> HttpResponse {
    text(StatusCode::NOT_FOUND, "not found; see / for the available pages\n")
}
