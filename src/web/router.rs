//! Which path is answered by what.

use std::sync::Arc;

use hyper::body::Body;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode, Version};

use super::{App, Chunks, page, reload, scrape};
use crate::metrics::HttpRejection;

pub(super) type Answer = Response<Chunks>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Where the page's own files are.
const ASSETS: &str = "/static/";

/// What each path leads to.
enum Route<'a> {
    Page(page::Kind),
    /// One of the page's own files, by its name.
    Asset(&'a str),
    Metrics,
    Probe,
    Discovery,
    Healthy,
    Ready,
    Config,
    Reload,
}

/// Answers one request; whatever goes wrong is an answer too.
pub(super) async fn answer<B: Body>(app: Arc<App>, request: Request<B>) -> Answer {
    let Some(route) = route(&app, request.uri().path()) else {
        return outside(&app, request.uri().path());
    };
    // hyper leaves the body of an answer to HEAD out and keeps its length.
    let (methods, allowed) = match route {
        Route::Reload => ([Method::POST, Method::PUT], "POST, PUT"),
        _ => ([Method::GET, Method::HEAD], "GET, HEAD"),
    };
    if !methods.contains(request.method()) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed} are answered here\n"));
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return refusal;
    }
    if !request.body().is_end_stream() {
        app.exporter.http_rejected(HttpRejection::Body);
        return with_body(request.version());
    }
    match route {
        Route::Page(kind) => page::answer(Arc::clone(&app), kind, request.uri().query(), request.headers()).await,
        Route::Asset(name) => page::asset(name).unwrap_or_else(nothing),
        Route::Metrics => scrape::metrics(&app, request.headers()).await,
        Route::Probe => scrape::probe(&app, request.uri().query(), request.headers()).await,
        Route::Discovery => with_type(JSON, scrape::discovery(&app, request.headers())),
        Route::Healthy => text(StatusCode::OK, "healthy\n"),
        // This is answered only once the configuration is loaded and the listener is up.
        Route::Ready => text(StatusCode::OK, "ready\n"),
        Route::Config => page::configuration(&app).await,
        Route::Reload => reload::answer(&app).await,
    }
}

/// Nothing here takes a body, and reading one to its end could take for ever.
fn with_body(version: Version) -> Answer {
    let mut refusal = text(StatusCode::PAYLOAD_TOO_LARGE, "requests here have no body\n");
    // HTTP/2 has no such header, and ends the request's stream instead of the connection.
    if version < Version::HTTP_2 {
        refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    refusal
}

fn route<'a>(app: &App, path: &'a str) -> Option<Route<'a>> {
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

/// A path that leads nowhere. Under a route prefix the bare root leads to the page, so that people find it.
fn outside(app: &App, path: &str) -> Answer {
    let prefix = &app.options.route_prefix;
    if !prefix.is_empty()
        && (path == "/" || path == prefix)
        && let Ok(location) = HeaderValue::try_from(format!("{prefix}/"))
    {
        let mut redirect = text(StatusCode::FOUND, "the exporter lives under its route prefix\n");
        redirect.headers_mut().insert(LOCATION, location);
        return redirect;
    }
    nothing()
}

fn nothing() -> Answer {
    text(StatusCode::NOT_FOUND, "there is nothing here; see / for what there is\n")
}

pub(super) fn text(status: StatusCode, body: impl Into<bytes::Bytes>) -> Answer {
    let mut answer = with_type(TEXT, body);
    *answer.status_mut() = status;
    answer
}

fn with_type(content_type: HeaderValue, body: impl Into<bytes::Bytes>) -> Answer {
    let mut answer = Response::new(Chunks::from(body));
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}
