//! The web server on its socket: every route, every limit, and misbehaving clients.

mod budget;
mod clients;
mod config;
mod http2;
mod limits;
mod page;
mod privacy;
mod stop;
mod tls;
mod toolkit;

use std::path::PathBuf;

use cxone_exporter::clock::DrivenClock;
use cxone_exporter::exposition::Format;

use crate::app::http::Client;
use crate::app::{NOW, TestApp, TestAppBuilder, agents, tenant};
use crate::exposition::parser::Document;
use crate::scripted::{Request, Response, ScriptedServer};

const OPENMETRICS: &str =
    "Accept: application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5\r\n";

/// An hour Available for every agent asked for.
fn hour(request: &Request) -> Response {
    let agents = request.query("agentIds").unwrap();
    let records = agents.split(',').map(|agent| {
        let times = r#""startTime":"2026-03-11T13:00:00Z","endTime":"2026-03-11T14:00:00Z""#;
        format!(r#"{{"agentId":"{agent}",{times},"states":[{{"state":"Available","duration":3600}}]}}"#)
    });
    Response::json(format!(r#"{{"data":[{}]}}"#, records.collect::<Vec<_>>().join(",")))
}

async fn app(builder: impl FnOnce(TestAppBuilder) -> TestAppBuilder) -> (TestApp, ScriptedServer) {
    let clock = DrivenClock::new(NOW);
    let upstream = ScriptedServer::start(&clock, hour).await;
    let builder = builder(TestAppBuilder::new(&upstream.base_url()));
    (builder.start(&clock).await, upstream)
}

/// An app with the web configuration at `path`.
async fn guarded(path: PathBuf) -> (TestApp, ScriptedServer) {
    app(move |mut builder| {
        builder.web_config = Some(path);
        builder
    })
    .await
}

#[tokio::test]
async fn routes_methods_and_unknown_paths() {
    let (app, upstream) = app(|builder| builder).await;
    let name = app.refresher().tenant().name.clone();
    let probe = format!("/probe?target={name}");
    app.scrape().await;
    let (text, html, exposition) =
        ("text/plain; charset=utf-8", "text/html; charset=utf-8", "text/plain; version=0.0.4");
    let routes = [
        ("/", 200, html),
        ("/?sort=offline&order=desc&page=2", 200, html),
        ("/?page=99999999999999999999", 200, html),
        ("/?tenant=unknown", 404, html),
        ("/agent?agent=1000000000000000000", 200, html),
        ("/agent?agent=unknown", 404, html),
        ("/agent", 404, html),
        ("/static/page.css", 200, "text/css; charset=utf-8"),
        ("/static/page.js?v=1", 200, "text/javascript; charset=utf-8"),
        ("/static/icon.svg", 200, "image/svg+xml"),
        ("/static/", 404, text),
        ("/static/../config", 404, text),
        ("/metrics", 200, exposition),
        ("/metrics?name[]=x", 200, exposition),
        (&*probe, 200, exposition),
        ("/probe", 400, text),
        ("/probe?target=", 404, text),
        ("/probe?target=unknown", 404, text),
        ("/sd", 200, "application/json"),
        ("/-/healthy", 200, text),
        ("/-/ready", 200, text),
        ("/config", 200, text),
        ("/metrics/", 404, text),
        ("/METRICS", 404, text),
        ("//metrics", 404, text),
        ("/%6detrics", 404, text),
        ("/../metrics", 404, text),
        ("/favicon.ico", 404, text),
    ];
    for (target, status, content_type) in routes {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: exporter\r\nContent-Length: 0\r\n\r\n");
            let mut client = Client::connect(app.address).await;
            let response = client.request(&request).await.unwrap();
            let reads = matches!(method, "GET" | "HEAD");
            let options = method == "OPTIONS";
            // 404 comes before 405 on paths without a lookup.
            let looked_up = ["/probe", "/agent", "/static/", "/?"].iter().any(|route| target.starts_with(route));
            let nowhere = status == 404 && !looked_up;
            let expected = if reads || nowhere {
                status
            } else if options {
                204
            } else {
                405
            };
            assert_eq!(response.status, expected, "{method} {target}");
            assert_eq!(
                response.header("allow"),
                matches!(expected, 204 | 405).then_some("GET, HEAD, OPTIONS"),
                "{method} {target}"
            );
            assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{method} {target}");
            let stored = response.header("cache-control") != Some("no-store");
            assert_eq!(stored, reads && status == 200 && target.starts_with("/static/"), "{method} {target}");
            if expected == 204 {
                assert!(response.header("content-length").is_none() && response.header("content-type").is_none());
                assert_eq!(client.request("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap().status, 200);
                continue;
            }
            let length: usize = response.header("content-length").unwrap().parse().unwrap();
            assert!(
                length > 0 && response.body.len() == if method == "HEAD" { 0 } else { length },
                "{method} {target}"
            );
            let content_type = if expected == 405 { text } else { content_type };
            assert!(
                response.header("content-type").unwrap().starts_with(content_type),
                "{method} {target} {response:?}"
            );
            let vary = match content_type {
                _ if content_type == exposition => Some("Accept, Accept-Encoding"),
                _ if content_type == html => Some("Accept-Encoding"),
                _ => None,
            };
            assert_eq!(response.header("vary"), vary, "{method} {target}");
            // The connection can be used again.
            assert_eq!(client.request("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap().status, 200);
        }
    }
    assert_eq!(upstream.pages().len(), 2, "only a scrape costs requests");
    app.assert_no_secrets().await;
}

#[tokio::test]
async fn format_and_encoding_are_negotiated() {
    let (app, _upstream) = app(|builder| builder.configure(|tenant| tenant.agents = agents(30))).await;
    app.scrape().await;
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let gzip = "Accept-Encoding: gzip\r\n";
    let cases = [
        ("", plain, None),
        (OPENMETRICS, open, None),
        (gzip, plain, Some("gzip")),
        (&*format!("{OPENMETRICS}{gzip}"), open, Some("gzip")),
        ("Accept-Encoding: gzip;q=0\r\n", plain, None),
        ("Accept-Encoding: br, deflate\r\n", plain, None),
        ("Accept-Encoding: *\r\n", plain, Some("gzip")),
        ("Accept: image/png\r\n", plain, None),
        ("Accept: \u{7f}\r\n", plain, None),
    ];
    for (headers, content_type, encoding) in cases {
        let response = app.get("/metrics", headers).await;
        assert_eq!(response.status, if headers.contains('\u{7f}') { 400 } else { 200 }, "{headers}");
        if response.status == 400 {
            continue;
        }
        assert_eq!(
            (response.header("content-type"), response.header("content-encoding")),
            (Some(content_type), encoding),
            "{headers}"
        );
        let format = if content_type == open { Format::OpenMetrics } else { Format::Text };
        let document = Document::parse(&response.text(), format).unwrap();
        assert_eq!(document.family("cxone_agent_observed_seconds").unwrap().samples.len(), 30);
    }
    // HEAD has the same headers as GET.
    let head = format!("HEAD /metrics HTTP/1.1\r\nHost: x\r\n{gzip}\r\n");
    let response = Client::connect(app.address).await.request(&head).await.unwrap();
    assert_eq!((response.status, response.header("content-encoding")), (200, Some("gzip")));
}

#[tokio::test]
async fn probe_and_sd_with_several_tenants() {
    let clock = DrivenClock::new(NOW);
    let upstream = ScriptedServer::start(&clock, hour).await;
    let mut builder = TestAppBuilder::new(&upstream.base_url());
    builder.tenants.push(tenant(&upstream.base_url()));
    let names: Vec<_> = builder.tenants.iter().map(|tenant| tenant.name.clone()).collect();
    let app = builder.start(&clock).await;
    let own = app.scrape().await;
    assert_eq!((own.value("cxone_up"), upstream.requests().len()), (None, 0), "/metrics has no tenant");
    assert_eq!(own.samples("cxone_exporter_build_info").count(), 1);
    let response = app.get(&format!("/probe?target={}", names[1]), "").await;
    let document = Document::parse(&response.text(), Format::Text).unwrap();
    assert!(document.family("cxone_agent_state_seconds").is_some());
    assert!(document.family("cxone_exporter_build_info").is_none() && document.family("process_open_fds").is_none());
    assert_eq!(upstream.tokens(), 1, "the other tenant was not asked");

    let discovered: serde_json::Value = serde_json::from_str(&app.get("/sd", "").await.text()).unwrap();
    for (group, name) in discovered.as_array().unwrap().iter().zip(&names) {
        assert_eq!(group["targets"][0], "exporter");
        assert_eq!(
            (&group["labels"]["__param_target"], &group["labels"]["tenant"]),
            (&name[..].into(), &name[..].into())
        );
        assert_eq!(
            (&group["labels"]["__metrics_path__"], &group["labels"]["__scheme__"]),
            (&"/probe".into(), &"http".into())
        );
    }
    assert_eq!(discovered.as_array().unwrap().len(), 2);
    app.assert_no_secrets().await;
}

#[tokio::test]
async fn route_prefix_applies_to_every_route() {
    let (app, _upstream) = app(|mut builder| {
        builder.options.route_prefix = "/cxone".into();
        builder.options.external_prefix = "/proxied/cxone".into();
        builder.options.telemetry_path = "/numbers".into();
        builder
    })
    .await;
    let cases = [
        ("/cxone/", 200),
        ("/cxone/numbers", 200),
        ("/cxone/-/healthy", 200),
        ("/cxone/agent?agent=1000000000000000000", 200),
        ("/cxone/static/page.css", 200),
        ("/static/page.css", 404),
        ("/cxone/metrics", 404),
        ("/numbers", 404),
        ("/-/healthy", 404),
        ("/cxonenumbers", 404),
        ("/", 302),
        ("/cxone", 302),
    ];
    for (target, status) in cases {
        let response = app.get(target, "").await;
        assert_eq!(response.status, status, "{target}");
        assert_eq!(response.header("location"), (status == 302).then_some("/cxone/"), "{target}");
    }
    assert!(app.get("/cxone/", "").await.text().contains(r#"href="/proxied/cxone/numbers""#));
}

#[tokio::test]
async fn sd_address_is_the_external_url_or_the_request_authority() {
    let external = |url: &str, prefix: &str| (Some(url.parse::<url::Url>().unwrap()), prefix.to_owned());
    let table = [
        ((None, String::new()), "GET /sd HTTP/1.1\r\nHost: [::1]:9\r\n", Some(("[::1]:9", "http", "/probe"))),
        ((None, String::new()), "GET http://other:9/sd HTTP/1.1\r\nHost: x\r\n", Some(("other:9", "http", "/probe"))),
        ((None, String::new()), "GET /sd HTTP/1.0\r\n", None),
        ((None, String::new()), "GET /sd HTTP/1.1\r\nHost:\r\n", None),
        (
            external("https://example.com/cxone/", "/cxone"),
            "GET /sd HTTP/1.0\r\n",
            Some(("example.com", "https", "/cxone/probe")),
        ),
        (
            external("http://[2001:db8::1]:8080", ""),
            "GET /sd HTTP/1.1\r\nHost: x\r\n",
            Some(("[2001:db8::1]:8080", "http", "/probe")),
        ),
    ];
    for ((url, prefix), request, expected) in table {
        let (app, _upstream) = app(|mut builder| {
            builder.options.external_url = url;
            builder.options.external_prefix = prefix;
            builder
        })
        .await;
        let response = Client::connect(app.address).await.request(&format!("{request}\r\n")).await.unwrap();
        assert_eq!(response.status, if expected.is_some() { 200 } else { 400 }, "{request}");
        let Some((target, scheme, path)) = expected else { continue };
        let groups: serde_json::Value = serde_json::from_str(&response.text()).unwrap();
        let (group, labels) = (&groups[0], &groups[0]["labels"]);
        let found = (&group["targets"][0], &labels["__scheme__"], &labels["__metrics_path__"]);
        assert_eq!(found, (&target.into(), &scheme.into(), &path.into()), "{request}");
    }
}

#[tokio::test]
async fn host_header_is_required_once() {
    let (app, _upstream) = app(|builder| builder).await;
    let table = [
        ("GET /-/healthy HTTP/1.1\r\nHost: x\r\n", 200),
        ("GET /-/healthy HTTP/1.1\r\nHost:\r\n", 200),
        ("GET /-/healthy HTTP/1.0\r\n", 200),
        ("OPTIONS / HTTP/1.0\r\n", 204),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n", 204),
        ("GET /-/healthy HTTP/1.1\r\n", 400),
        ("GET /-/healthy HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400),
        ("GET /-/healthy HTTP/1.0\r\nHost: x\r\nHost: y\r\n", 400),
        ("GET /-/healthy HTTP/1.1\r\nHost: user@x\r\n", 400),
    ];
    for (request, status) in table {
        let response = Client::connect(app.address).await.request(&format!("{request}\r\n")).await.unwrap();
        assert_eq!(response.status, status, "{request}");
    }
    let metrics = app.get("/metrics", "").await.text();
    assert!(metrics.contains("http_rejected_total{reason=\"bad_request\"} 4\n"), "{metrics}");
}

#[tokio::test]
async fn sec_fetch_site_of_another_site_cannot_reload() {
    let (app, _upstream) = app(|builder| builder).await;
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 403), ("none", 403)] {
        let request =
            format!("POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nSec-Fetch-Site: {site}\r\n\r\n");
        let response = Client::connect(app.address).await.request(&request).await.unwrap();
        // Without --web.enable-lifecycle every reload is refused, with another reason.
        assert_eq!(
            (response.status, response.text().contains("another site")),
            (status, site.ends_with("-site")),
            "{site}"
        );
    }
    let metrics = app.get("/metrics", "").await.text();
    assert!(metrics.contains("http_rejected_total{reason=\"cross_site\"} 2\n"), "{metrics}");
}
