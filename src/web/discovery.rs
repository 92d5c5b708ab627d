//! The handler of `/sd`: Prometheus HTTP service discovery, one target group per tenant.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/http_sd/>.

use hyper::StatusCode;
use hyper::http::uri::Authority;

use super::App;
use super::response::{HttpResponse, json, text};

/// Each group sets the label `tenant` and the probe's parameter, so that the scrape config needs no relabelling. The address is
/// that of `--web.external-url`, else the authority of the request.
pub(super) fn answer(app: &App, authority: Option<&Authority>) -> HttpResponse {
    let external = app.options.external_url.as_ref().and_then(|url| {
        let host = url.host_str()?;
        let target = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Some((url.scheme().to_owned(), target))
    });
    let requested = || {
        let scheme = if app.has_tls() { "https" } else { "http" };
        authority.map(|authority| (scheme.to_owned(), authority.to_string()))
    };
    let Some((scheme, target)) = external.or_else(requested) else {
        return text(StatusCode::BAD_REQUEST, "the request names no host; send one, or set --web.external-url\n");
    };
    let loaded = app.loaded();
    let groups = loaded.tenants.iter().map(|tenant| {
        let name = &tenant.refresher.tenant().name;
        serde_json::json!({
            "targets": [target],
            "labels": {
                "__scheme__": scheme,
                // A proxy may strip a prefix, so the path is the one that clients use.
                "__metrics_path__": format!("{}/probe", app.options.external_prefix),
                "__param_target": name,
                "tenant": name,
            },
        })
    });
    json(serde_json::Value::from_iter(groups).to_string())
}
