//! The status page: how fresh each tenant's data is, what its agents are doing, and one agent's day.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `view` | what a visitor wants to see ↔ the page's address |
//! | `summary` | what has to be known of everybody, once a snapshot |
//! | `table` | which fifty agents a page shows |
//! | `palette`, `chart`, `day` | states → colours and patterns; columns of them → SVG |
//! | `tenants`, `fleet`, `agents`, `agent`, `queries` | the sections |
//! | `layout`, `assets` | what is around them |
//!
//! It is made of what is served and asks CXone for nothing. Making a page takes milliseconds, so that is done off the
//! threads that answer scrapes, and for a few visitors at a time.

mod agent;
mod agents;
mod assets;
mod chart;
mod day;
mod fleet;
mod format;
mod layout;
mod palette;
mod queries;
mod summary;
mod table;
mod tenants;
mod view;

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use maud::{Markup, html};

pub(super) use self::assets::answer as asset;
pub(super) use self::summary::Summaries;
use self::table::Line;
use self::view::View;
use super::Chunks;
use super::app::{App, Loaded, TenantFront};
use super::router::{Answer, text};
use super::scrape::parameter;
use crate::exposition::{Encoding, negotiate};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

/// Everything comes from the exporter itself: no script, style or picture of anybody else, nothing inline, no frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All tenants, and the agents of one.
    Overview,
    /// One agent.
    Agent,
}

/// A page as it is sent: names are people's, so no cache keeps it, and no other site is told of the address it had.
pub(super) async fn answer(app: Arc<App>, kind: Kind, query: Option<&str>, headers: &HeaderMap) -> Answer {
    let encoding = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let encoding = negotiate(None, encoding).encoding;
    let query = query.map(str::to_owned);
    // It is never closed, so this only waits.
    let Ok(_permit) = app.pages.acquire().await else { return unavailable() };
    let made = Arc::clone(&app);
    let page = tokio::task::spawn_blocking(move || {
        let (status, page) = match kind {
            Kind::Overview => overview(&made, query.as_deref()),
            Kind::Agent => one_agent(&made, query.as_deref()),
        };
        (status, packed(page, encoding))
    });
    let Ok((status, (body, encoding))) = page.await else { return unavailable() };
    let mut answer = Response::new(Chunks::from(body));
    *answer.status_mut() = status;
    let head = answer.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(encoding) = encoding.content_encoding() {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    protect(&mut answer);
    answer
}

/// The effective configuration as YAML, without secrets.
pub(super) async fn configuration(app: &App) -> Answer {
    // It may be megabytes, so it is made like a page.
    let Ok(_permit) = app.pages.acquire().await else { return unavailable() };
    let loaded = app.loaded();
    let yaml = tokio::task::spawn_blocking(move || loaded.config.to_yaml_redacted());
    yaml.await.map_or_else(|_| unavailable(), |yaml| text(StatusCode::OK, yaml))
}

/// What keeps a browser from doing more with an answer than it is for.
fn protect(answer: &mut Answer) {
    let head = answer.headers_mut();
    head.insert(CONTENT_SECURITY_POLICY, POLICY);
    head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn unavailable() -> Answer {
    text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made; the log of the exporter says why\n")
}

/// The page compressed, where that is wanted; it takes a tenth of the bytes then.
fn packed(page: String, encoding: Encoding) -> (Vec<u8>, Encoding) {
    if encoding == Encoding::Gzip {
        let mut encoder = GzEncoder::new(Vec::with_capacity(page.len() / 8), Compression::fast());
        // Writing into memory does not fail.
        if encoder.write_all(page.as_bytes()).is_ok()
            && let Ok(packed) = encoder.finish()
        {
            return (packed, Encoding::Gzip);
        }
    }
    (page.into_bytes(), Encoding::Identity)
}

fn overview(app: &App, query: Option<&str>) -> (StatusCode, String) {
    let view = View::parse(query);
    let loaded = app.loaded();
    let Some(front) = chosen(&loaded, view.tenant.as_deref()) else { return not_found(app, "tenant", "") };
    let published = front.refresher.current();
    let snapshot = &published.snapshot;
    let summary = app.summaries.of(snapshot);
    let page = table::select(snapshot, &summary, &view);
    let content = html! {
        h1 { "Agent presence" }
        (tenants::shard(&snapshot.tenant))
        @if loaded.tenants.len() > 1 { (tenants::table(app, &loaded.tenants, &snapshot.tenant.name)) }
        (tenants::freshness(app, front, &published))
        (fleet::section(&snapshot.tenant, &summary))
        (agents::section(&snapshot.tenant, &summary, &view, &page))
    };
    (StatusCode::OK, layout::document(app, "CXone exporter", "agents-section", &content))
}

fn one_agent(app: &App, query: Option<&str>) -> (StatusCode, String) {
    let loaded = app.loaded();
    let Some(front) = chosen(&loaded, parameter(query, "tenant").as_deref()) else {
        return not_found(app, "tenant", "");
    };
    let label = parameter(query, "agent").unwrap_or_default();
    let published = front.refresher.current();
    let snapshot = &published.snapshot;
    let summary = app.summaries.of(snapshot);
    let index = summary.labels.iter().position(|known| **known == *label);
    let Some(line) = index.and_then(|index| Line::new(snapshot, &summary, index)) else {
        return not_found(app, "agent", tenants::may_be_elsewhere(&snapshot.tenant));
    };
    let content =
        html! { div #agent { (agent::content(&snapshot.tenant, &summary, &line, loaded.tenants.len() > 1)) } };
    let title = format!("Agent {} \u{2013} CXone exporter", line.label);
    (StatusCode::OK, layout::document(app, &title, "agent", &content))
}

/// The tenant of this name, or the first.
fn chosen<'a>(loaded: &'a Loaded, name: Option<&str>) -> Option<&'a TenantFront> {
    match name {
        Some(name) => loaded.tenant(name),
        None => loaded.tenants.first(),
    }
}

fn not_found(app: &App, what: &str, remark: &str) -> (StatusCode, String) {
    let content: Markup = html! {
        div #nothing {
            h1 { "There is no such " (what) }
            p { "It is not in the configuration, or not any more. " (remark) a href="./" { "See all agents" } "." }
        }
    };
    (StatusCode::NOT_FOUND, layout::document(app, "Not found \u{2013} CXone exporter", "nothing", &content))
}
