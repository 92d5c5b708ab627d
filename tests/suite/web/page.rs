//! The status page over HTTP: data freshness, agents of tenants and shards, headers for browsers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cxone_exporter::clock::{Clock as _, DrivenClock};
use cxone_exporter::config::{Config, Shard, Tenant};

use super::{app, hour};
use crate::app::http::Client;
use crate::app::{COOLDOWN, MAX_STALENESS, NOW, TestAppBuilder, agents, tenant};
use crate::scripted::{Request, Response, ScriptedServer, drive};

#[tokio::test]
async fn status_page_shows_agents_without_secrets() {
    let (app, upstream) = app(|builder| builder.configure(|tenant| tenant.agents = agents(120))).await;
    app.scrape().await;
    let asked = upstream.requests().len();
    let page = app.get("/", "").await.text();
    for expected in [
        "\u{2713} Fresh",
        "120 fresh, 0 stale, 0 without data",
        "Åsa &lt;b&gt;&quot;Pl4nted&quot;&lt;/b&gt; &amp; O'Neil\\",
        "<td class=\"number\" data-label=\"Observed\">1:00:00</td>",
        "1 to 50 of 120",
        &format!("API calls of the last hour</dt><dd>{asked}</dd>"),
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    assert!(!page.contains("<b>"), "{page}");
    assert!(page.contains("1000000000000000049") && !page.contains("1000000000000000050"), "a page has 50 agents");
    let last = app.get("/?page=3", "").await.text();
    assert!(last.contains("1000000000000000100") && last.contains("101 to 120 of 120"), "{last}");
    let agent = app.get("/agent?agent=1000000000000000119", "").await.text();
    assert!(agent.contains("<td class=\"number\">1:00:00</td><td class=\"number\">3600.00</td>"), "{agent}");
    assert_eq!(upstream.requests().len(), asked, "a page of fresh data sends no request");

    let config = app.get("/config", "").await.text();
    assert!(config.contains("client_secret: <secret>") && config.contains("client_id: "), "{config}");
    assert!(!config.contains("Pl4nted") && !config.contains("pl4nted"), "{config}");
    app.assert_no_secrets().await;
}

/// The value of `data-renewal`.
fn renewal(page: &str) -> &str {
    page.split_once("<body data-renewal=\"").unwrap().1.split('"').next().unwrap()
}

#[tokio::test]
async fn status_page_starts_a_refresh_through_the_gate() {
    let (app, upstream) = app(|builder| builder).await;
    let first = app.get("/", "").await.text();
    assert!(first.contains("\u{2713} Fresh") && first.contains("2 fresh, 0 stale"), "without data it waits: {first}");
    let asked = upstream.requests().len();
    let cooldown = COOLDOWN.as_secs().to_string();
    assert_eq!((asked, renewal(&first)), (3, &*cooldown), "a token, and two batches");
    for target in ["/", "/agent?agent=1000000000000000000", "/?tenant=unknown", "/?q=x"] {
        app.get(target, "").await;
    }
    app.scrape().await;
    assert_eq!(upstream.requests().len(), asked, "fresh data sends no request");

    app.clock.advance(COOLDOWN);
    let pages = futures_util::future::join_all((0..20).map(|_| app.get("/", ""))).await;
    for page in pages {
        let page = page.text();
        assert!(page.contains("2 fresh, 0 stale") && ["5", &*cooldown].contains(&renewal(&page)), "{page}");
    }
    app.scrape().await;
    assert_eq!(upstream.requests().len(), asked + 2, "twenty pages and a scrape share one refresh");
    let scrape = app.scrape().await;
    let scrapes: f64 = ["fresh", "cooldown", "stale", "none"]
        .iter()
        .filter_map(|served| scrape.get("cxone_exporter_scrapes_total", &[("served", served)]))
        .sum();
    assert!((scrapes - 3.0).abs() < 1e-9, "pages are no scrapes: {scrapes}");
}

#[tokio::test]
async fn status_page_without_data_waits_two_seconds() {
    let clock = DrivenClock::new(NOW);
    let upstream = ScriptedServer::start(&clock, |_: &_| Response::json("{}").stall_after(0)).await;
    let app = TestAppBuilder::new(&upstream.base_url()).start(&clock).await;
    let opened = app.now();
    // Later sleepers, such as the timeout of the request, are not driven to.
    let deadline = app.clock.monotonic() + Duration::from_secs(3);
    let page = drive(&app.clock, deadline, app.get("/", "")).await.text();
    assert_eq!(app.now() - opened, Duration::from_secs(2));
    assert!(page.contains("No data yet") && page.contains("none yet") && page.contains("no data"), "{page}");
    assert!(page.contains("data-verdict=\"waiting\"") && !page.contains("Needs attention"), "{page}");
    assert_eq!(renewal(&page), "5", "the refresh is in progress");
}

#[tokio::test]
async fn verdict_follows_data_freshness() {
    static BROKEN: AtomicBool = AtomicBool::new(false);
    let clock = DrivenClock::new(NOW);
    let answer = |request: &_| if BROKEN.load(Ordering::SeqCst) { Response::status(400) } else { hour(request) };
    let upstream = ScriptedServer::start(&clock, answer).await;
    let app = TestAppBuilder::new(&upstream.base_url()).start(&clock).await;
    let verdict = async || {
        let page = app.get("/", "").await.text();
        let (_, rest) = page.split_once("data-verdict=\"").unwrap();
        (rest.split('"').next().unwrap().to_owned(), page)
    };
    app.scrape().await;
    assert_eq!(verdict().await.0, "fresh");
    clock.advance(COOLDOWN + Duration::from_secs(121));
    let (idle, page) = verdict().await;
    assert!(idle == "idle" && page.contains("Is Prometheus scraping?"), "{page}");

    BROKEN.store(true, Ordering::SeqCst);
    app.scrape().await;
    let (stale, page) = verdict().await;
    assert_eq!(stale, "stale");
    let error = app.refresher().current().status.last_error.clone().unwrap().to_string();
    let shown = maud::html! { (error) }.into_string();
    assert!(page.contains(&shown) && page.contains("Last attempt"), "{page}");
    clock.advance(MAX_STALENESS);
    let (failing, page) = verdict().await;
    assert!(failing == "failing" && page.contains("0 fresh, 0 stale, 2 without data"), "{page}");
    app.assert_no_secrets().await;
}

#[tokio::test]
async fn security_headers_and_immutable_assets() {
    let (app, _upstream) = app(|builder| builder).await;
    app.scrape().await;
    for (target, status) in [("/", 200), ("/agent?agent=1000000000000000000", 200), ("/?tenant=unknown", 404)] {
        let response = app.get(target, "").await;
        assert_eq!(response.status, status);
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "pages contain names");
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"), "searches contain names");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        let text = response.text();
        for inline in [" style=", "<style", " onclick", "javascript:", "http://", "https://"] {
            assert!(!text.contains(inline), "{target} has {inline}");
        }
        // All referenced files exist and are immutable: a new content has a new address.
        for (_, rest) in text.match_indices("static/").map(|(at, _)| text.split_at(at)) {
            let address = rest.split('"').next().unwrap();
            let file = app.get(&format!("/{address}"), "").await;
            assert_eq!(file.status, 200, "{address}");
            assert!(file.header("cache-control").unwrap().contains("immutable"), "{address}");
            assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        }
    }
}

#[tokio::test]
async fn csv_of_selected_agents_is_served() {
    let (app, _upstream) = app(|builder| builder.configure(|tenant| tenant.agents = agents(120))).await;
    app.scrape().await;
    let response = app.get("/?q=10000000000000001&format=csv", "").await;
    assert_eq!(response.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let text = response.text();
    assert_eq!(text.lines().count(), 21, "a header and 20 agents: {text}");
    assert!(text.contains(",1000000000000000119,") && !text.contains(",1000000000000000099,"), "{text}");
    let unknown = app.get("/?tenant=unknown&format=csv", "").await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, Some("text/html; charset=utf-8")));
}

#[tokio::test]
async fn status_page_is_gzip_if_accepted() {
    let (app, _upstream) = app(|builder| builder.configure(|tenant| tenant.agents = agents(50))).await;
    app.scrape().await;
    let plain = app.get("/", "").await;
    let packed = app.get("/", "Accept-Encoding: gzip, br\r\n").await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), (None, Some("gzip")));
    assert_eq!(packed.header("vary"), Some("Accept-Encoding"));
    let length = |response: &crate::app::http::HttpResponse| {
        response.header("content-length").unwrap().parse::<usize>().unwrap()
    };
    assert!(length(&packed) * 5 < length(&plain), "{} of {} bytes", length(&packed), length(&plain));
    assert_eq!(packed.text(), plain.text());
    let head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    let response = Client::connect(app.address).await.request(head).await.unwrap();
    assert_eq!((response.status, length(&response)), (200, length(&plain)));
}

#[tokio::test]
async fn each_tenant_has_a_row_and_its_own_agents() {
    let clock = DrivenClock::new(NOW);
    let upstream = ScriptedServer::start(&clock, hour).await;
    let mut builder = TestAppBuilder::new(&upstream.base_url());
    builder.tenants.push(tenant(&upstream.base_url()));
    builder.tenants[1].agents = agents(5).split_off(3);
    let names: Vec<_> = builder.tenants.iter().map(|tenant| tenant.name.clone()).collect();
    let app = builder.start(&clock).await;
    app.get(&format!("/probe?target={}", names[1]), "").await;

    let verdicts = |page: &str| -> Vec<String> {
        let rows = page.split("<td class=\"verdict\"").skip(1);
        rows.map(|row| row.split("data-verdict=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()).collect()
    };
    let other = app.get(&format!("/?tenant={}", names[1]), "").await.text();
    assert_eq!(verdicts(&other), ["waiting", "fresh"], "a page refreshes its own tenant only");
    let first = app.get("/", "").await.text();
    assert!(first.contains(&format!("<h2 id=\"freshness-title\">Tenant {}</h2>", names[0])), "{first}");
    assert!(first.contains("1000000000000000000") && !first.contains("1000000000000000003"), "{first}");
    assert_eq!(verdicts(&first), ["fresh", "fresh"]);

    let sentence = |name: &str| format!("No agent of {name} is absent, over its limit, unknown or stale.");
    assert!(first.contains(&sentence(&names[0])) && !first.contains("No agent is absent"), "{first}");
    let second = app.get(&format!("/?tenant={}", names[1]), "").await.text();
    assert!(second.contains("1000000000000000003") && !second.contains("1000000000000000000"), "{second}");
    assert!(second.contains(&format!("href=\"/probe?target={}\"", names[1])), "{second}");
    let agent = app.get(&format!("/agent?tenant={}&agent=1000000000000000003", names[1]), "").await.text();
    assert!(agent.contains(&format!("{{tenant=&quot;{}&quot;,agent=", names[1])), "{agent}");
    assert_eq!(app.get("/agent?agent=1000000000000000003", "").await.status, 404, "it is an agent of another tenant");
    app.assert_no_secrets().await;
}

#[tokio::test]
async fn table_of_tenants_counts_agents_that_need_attention() {
    let clock = DrivenClock::new(NOW);
    let nothing = |request: &Request| match request.query("agentIds") {
        Some(agents) if agents.contains("1000000000000000003") => Response::json(r#"{"data":[]}"#),
        _ => hour(request),
    };
    let upstream = ScriptedServer::start(&clock, nothing).await;
    let mut builder = TestAppBuilder::new(&upstream.base_url());
    builder.tenants.extend([tenant(&upstream.base_url()), tenant(&upstream.base_url())]);
    builder.tenants[1].agents = agents(5).split_off(3);
    builder.tenants[2].agents = agents(7).split_off(5);
    let names: Vec<_> = builder.tenants.iter().map(|tenant| tenant.name.clone()).collect();
    let app = builder.start(&clock).await;
    app.get(&format!("/probe?target={}", names[1]), "").await;
    let first = app.get("/", "").await.text();
    let cells = first.split("<td data-label=\"Needs attention\">").skip(1);
    let cells: Vec<_> = cells.map(|cell| cell.split("</td>").next().unwrap()).collect();
    let link =
        format!("href=\"./?tenant={}&amp;attention=unknown#agents-section\">Unknown: <strong>1</strong></a>", names[1]);
    assert!(cells[1].contains(&link), "{cells:?}");
    assert_eq!((cells[0], cells[2]), ("no agent", ""), "the third tenant has not been read");
    assert!(first.contains(&format!("Needs attention: tenant {}", names[0])), "{first}");
}

#[tokio::test]
async fn shard_page_shows_only_its_own_agents() {
    let clock = DrivenClock::new(NOW);
    let upstream = ScriptedServer::start(&clock, hour).await;
    let mut seen = 0;
    for (index, total) in [(0, 2), (1, 2), (0, 1)] {
        let mut builder = TestAppBuilder::new(&upstream.base_url()).configure(|tenant| tenant.agents = agents(20));
        let whole: Vec<_> = builder.tenants.drain(..).map(Into::into).collect();
        let config = Config { tenants: whole, schedules: Default::default(), warnings: Vec::new() };
        let part = config.of_shard(Shard::new(index, total).unwrap()).unwrap();
        builder.tenants.extend(part.tenants.iter().map(|tenant| Tenant::clone(tenant)));
        let app = builder.start(&clock).await;
        app.scrape().await;
        let page = app.get("/", "").await.text();
        let note = format!("<strong>Shard {index} of {total}, counted from 0</strong>");
        assert_eq!(page.contains(&note), total > 1, "only one of several shards is named: {page}");
        assert_eq!(page.contains("Shard"), total > 1, "{page}");
        for id in agents(20).iter().map(|agent| agent.id.to_string()) {
            let response = app.get(&format!("/agent?agent={id}"), "").await;
            assert_eq!(page.contains(&id), response.status == 200, "{id}");
            let elsewhere = response.text().contains("It may be an agent of another shard.");
            assert_eq!(elsewhere, response.status == 404, "{id}");
            seen += u32::from(response.status == 200 && total > 1);
        }
        app.assert_no_secrets().await;
    }
    assert_eq!(seen, 20, "each agent has a page on exactly one shard");
}
