//! The handlers of `/metrics` and `/probe`.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
};
use hyper::{Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::Chunks;
use super::app::{App, TenantHandle};
use super::limits::{DEFAULT_SCRAPE_TIMEOUT, MAX_SCRAPE_TIMEOUT};
use super::response::{HttpResponse, text};
use crate::clock::Monotonic;
use crate::exposition::{self, Block};
use crate::metrics::HttpRejection;

/// The scrape timeout of Prometheus, in seconds.
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// The key in the scrape limit of scrapes without a tenant. No tenant has this name.
const OWN_SERIES: &str = "";

/// `/metrics`: the exporter's own series and, where there is exactly one tenant, that tenant's.
pub(super) async fn metrics(app: &App, headers: &HeaderMap) -> HttpResponse {
    let loaded = app.loaded();
    let tenant = loaded.only_tenant();
    let configured = tenant.map(|tenant| tenant.refresher.tenant());
    let permit = app.scrapes.acquire(configured.as_ref().map_or(OWN_SERIES, |tenant| &tenant.name));
    let Some(deadline) = deadline(app, tenant, permit.as_ref(), headers) else { return too_many(app) };
    let mut blocks = Vec::with_capacity(5);
    if !app.options.disable_exporter_metrics {
        blocks.extend([app.exporter.block(), app.exporter.process()]);
    }
    if let Some(tenant) = tenant {
        blocks.extend(tenant_blocks(tenant, deadline).await);
    }
    exposition_response(&blocks, headers)
}

/// `/probe?target=TENANT`: one tenant's series.
pub(super) async fn probe(app: &App, query: Option<&str>, headers: &HeaderMap) -> HttpResponse {
    let Some(target) = parameter(query, "target") else {
        return text(StatusCode::BAD_REQUEST, "target is missing; use /probe?target=TENANT\n");
    };
    let loaded = app.loaded();
    let Some(tenant) = loaded.tenant(&target) else {
        return text(StatusCode::NOT_FOUND, "unknown tenant; /sd lists the configured ones\n");
    };
    let permit = app.scrapes.acquire(&target);
    let Some(deadline) = deadline(app, Some(tenant), permit.as_ref(), headers) else { return too_many(app) };
    let blocks = tenant_blocks(tenant, deadline).await;
    exposition_response(&blocks, headers)
}

async fn tenant_blocks(tenant: &TenantHandle, deadline: Monotonic) -> [Arc<Block>; 3] {
    let scrape = tenant.refresher.scrape(deadline).await;
    let published = scrape.published;
    [tenant.instruments.block(&published.status), tenant.instruments.scrapes(), Arc::clone(&published.block)]
}

/// The deadline of a scrape that arrives now. Without a permit it does not wait, but is answered at once from the last good
/// data; `None` if there is none.
fn deadline(
    app: &App,
    tenant: Option<&TenantHandle>,
    permit: Option<&OwnedSemaphorePermit>,
    headers: &HeaderMap,
) -> Option<Monotonic> {
    let now = app.clock.monotonic();
    if permit.is_none() {
        return tenant?.refresher.current().has_data().then_some(now);
    }
    let asked = headers.get(SCRAPE_TIMEOUT).and_then(|seconds| seconds.to_str().ok());
    Some(now + max_wait(asked, app.options.timeout_offset))
}

/// How long a scrape may wait whose timeout header is `asked`.
fn max_wait(asked: Option<&str>, offset: Duration) -> Duration {
    asked
        .and_then(|seconds| seconds.trim().parse().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(DEFAULT_SCRAPE_TIMEOUT)
        .min(MAX_SCRAPE_TIMEOUT)
        .saturating_sub(offset)
}

fn exposition_response(blocks: &[Arc<Block>], headers: &HeaderMap) -> HttpResponse {
    let field = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let negotiated = exposition::negotiate(field(ACCEPT), field(ACCEPT_ENCODING));
    let payload = exposition::assemble(blocks, negotiated);
    let mut response = Response::new(Chunks::new(payload.chunks));
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(payload.content_type));
    if let Some(encoding) = payload.content_encoding {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    head.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

fn too_many(app: &App) -> HttpResponse {
    app.exporter.http_rejected(HttpRejection::MaxRequests);
    let limit = app.options.max_requests;
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("{limit} scrapes wait for the first data of this tenant, the limit of --web.max-requests\n"),
    )
}

/// The first value of `name` in a query string.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrape_deadline_is_timeout_less_offset() {
        let offset = Duration::from_millis(500);
        let table = [
            (None, 9.5),
            (Some("2"), 1.5),
            (Some(" 2.25 "), 1.75),
            (Some("0.2"), 0.0),
            (Some("0"), 0.0),
            (Some("-3"), 9.5),
            (Some("NaN"), 9.5),
            (Some("inf"), 9.5),
            (Some("soon"), 9.5),
            (Some("1e9"), 899.5),
        ];
        for (asked, seconds) in table {
            assert_eq!(max_wait(asked, offset), Duration::from_secs_f64(seconds), "{asked:?}");
        }
    }

    #[test]
    fn query_parameter_is_percent_decoded() {
        assert_eq!(parameter(Some("a=1&target=acme%2Deu&target=b"), "target").as_deref(), Some("acme-eu"));
        assert_eq!(parameter(Some("targets=acme"), "target"), None);
        assert_eq!(parameter(None, "target"), None);
    }
}
