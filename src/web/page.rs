//! Serves the status page, its assets and the effective configuration.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    REFERRER_POLICY, VARY,
};
use hyper::{Response, StatusCode};

use super::Chunks;
use super::app::App;
use super::response::{HttpResponse, text};
use super::scrape::parameter;
use crate::exposition::{Encoding, negotiate};
use crate::refresh::{Refresher, Visit};
use crate::status_page::{Asset, Document, StatusPage, TenantStatus};

/// Browsers load scripts, styles, images and renewed pages from the exporter only: nothing inline, no frames.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// How long a page without data waits for a refresh. People take longer waits for a fault.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The requested page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All tenants, and the agents of one.
    Overview,
    /// One agent.
    Agent,
}

/// Answers with a page. Pages contain names of people, so no referrer is sent.
///
/// The page's tenant is refreshed through the same gate as by a scrape, so a page costs no more requests than a scrape.
///
/// Rendering takes milliseconds, so it runs on a blocking thread, and only for a few pages at once.
pub(super) async fn answer(app: Arc<App>, kind: Kind, query: Option<&str>, headers: &HeaderMap) -> HttpResponse {
    let encoding = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let encoding = negotiate(None, encoding).encoding;
    let visited = visit(&app, query).await;
    let query = query.map(str::to_owned);
    // The semaphore is never closed, so this only waits.
    let Ok(_permit) = app.pages.acquire().await else { return unavailable() };
    let rendering = Arc::clone(&app);
    let page = tokio::task::spawn_blocking(move || {
        let Document { text, content_type, found } = render(&rendering, kind, query.as_deref(), visited.as_ref());
        (found, content_type, compress(text, encoding))
    });
    let Ok((found, content_type, (body, encoding))) = page.await else { return unavailable() };
    let mut response = Response::new(Chunks::from(body));
    *response.status_mut() = if found { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    head.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(encoding) = encoding.content_encoding() {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    add_security_headers(&mut response);
    response
}

/// The file `name` of the page; `None` if there is no such file.
pub(super) fn asset(name: &str) -> Option<HttpResponse> {
    let asset = Asset::named(name)?;
    let mut response = Response::new(Chunks::from(asset.content));
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    head.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    add_security_headers(&mut response);
    Some(response)
}

/// The effective configuration as YAML, without secrets.
pub(super) async fn configuration(app: &App) -> HttpResponse {
    // It can have megabytes, so it is rendered like a page.
    let Ok(_permit) = app.pages.acquire().await else { return unavailable() };
    let loaded = app.loaded();
    let yaml = tokio::task::spawn_blocking(move || loaded.config.to_yaml_redacted());
    yaml.await.map_or_else(|_| unavailable(), |yaml| text(StatusCode::OK, yaml))
}

/// The tenant of the page: the one that `query` names, else the first.
async fn visit(app: &App, query: Option<&str>) -> Option<(Arc<Refresher>, Visit)> {
    let loaded = app.loaded();
    let tenant = match parameter(query, "tenant").filter(|name| !name.is_empty()) {
        Some(name) => loaded.tenant(&name),
        None => loaded.tenants.first(),
    };
    let refresher = Arc::clone(&tenant?.refresher);
    let visit = refresher.visit(app.clock.monotonic() + MAX_WAIT).await;
    Some((refresher, visit))
}

fn render(app: &App, kind: Kind, query: Option<&str>, visited: Option<&(Arc<Refresher>, Visit)>) -> Document {
    let loaded = app.loaded();
    let tenants = loaded.tenants.iter().map(|tenant| {
        let visit = visited.filter(|(refresher, _)| Arc::ptr_eq(refresher, &tenant.refresher));
        TenantStatus {
            published: visit.map_or_else(|| tenant.refresher.current(), |(_, visit)| Arc::clone(&visit.published)),
            requests_in_last_hour: tenant.instruments.requests_in_last_hour(),
            is_refreshing: visit.is_some_and(|(_, visit)| visit.is_refreshing),
        }
    });
    let page = StatusPage {
        tenants: tenants.collect(),
        now: app.clock.now(),
        external_prefix: &app.options.external_prefix,
        telemetry_path: &app.options.telemetry_path,
        summaries: &app.summaries,
    };
    match kind {
        Kind::Overview => page.overview(query),
        Kind::Agent => page.agent(query),
    }
}

fn add_security_headers(response: &mut HttpResponse) {
    let head = response.headers_mut();
    head.insert(CONTENT_SECURITY_POLICY, POLICY);
    head.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn unavailable() -> HttpResponse {
    text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered; see the exporter's log\n")
}

/// Compresses the page if the client accepts gzip; it takes a tenth of the bytes then.
fn compress(page: Vec<u8>, encoding: Encoding) -> (Vec<u8>, Encoding) {
    if encoding == Encoding::Gzip {
        let mut encoder = GzEncoder::new(Vec::with_capacity(page.len() / 8), Compression::fast());
        // Writing into memory does not fail.
        if encoder.write_all(&page).is_ok()
            && let Ok(compressed) = encoder.finish()
        {
            return (compressed, Encoding::Gzip);
        }
    }
    (page, Encoding::Identity)
}
