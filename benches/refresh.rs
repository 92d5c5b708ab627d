//! A whole refresh against a plain client that downloads the same pages: 10,000 agents in buckets of an hour over a day,
//! some 50 MB of JSON, with two requests under way; from the simulated tenant, which makes its answers as it is asked, and
//! from a server that has every answer ready, which no tenant has.
//!
//! The refresh downloads, decodes, counts, makes a snapshot and renders and compresses the series. The plain client is the
//! same HTTP client with a list of addresses, and drops what comes. Both take turns in one process, server included; what
//! decoding and rendering take by themselves, one after the other on one thread, is measured beside them.
//! `cargo bench --bench refresh`; the figure to look at is the ratio.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench may stop")]

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cxone_exporter::clock::{Clock, DrivenClock, Monotonic, SystemClock};
use cxone_exporter::config::{Agent, Config, Tenant};
use cxone_exporter::metrics::{self, TenantInstruments};
use cxone_exporter::presence::{Tally, Timestamp, WatchedAgent, Window};
use cxone_exporter::refresh::{Parts, Refresher, Served};
use cxone_exporter::simulator::{Simulator, SimulatorOptions};
use cxone_exporter::upstream::presence_api::wire::decode_page;
use cxone_exporter::upstream::{AnySource, Endpoint};
use http_body_util::Full;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use url::{Url, form_urlencoded};

const AGENTS: u32 = 10_000;
const CONCURRENT: usize = 2;
const BATCH: usize = 50;
const DAY: Duration = Duration::from_secs(86_400);
const ROUNDS: usize = 7;
/// The goal: how many times as long as the download a refresh may take.
const MOST_TIMES: f64 = 1.3;
/// Any time will do, as long as it is the same in each run.
const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// An answer, as it was recorded.
#[derive(Clone)]
struct Page {
    body: Bytes,
    gzip: bool,
}

/// What identifies a page for as long as the window's place does not matter: path, agents and page token.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key(String);

// === impl Key ===

impl Key {
    fn of(path: &str, query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let named = pairs.filter(|(key, _)| matches!(&**key, "agentIds" | "nextPageToken"));
        Self(named.fold(path.to_owned(), |all, (_, value)| all + " " + &value))
    }
}

/// A simulated tenant, and everything that a refresh asks of it.
struct Recorded {
    simulator: Simulator,
    pages: HashMap<Key, Page>,
    addresses: Vec<String>,
    bearer: String,
    config: String,
}

/// Starts a simulated tenant on the runtime that this is called on, and asks it for everything.
async fn record(gzip: bool, clock: &Arc<dyn Clock>) -> Recorded {
    let options = SimulatorOptions { agents: AGENTS, gzip, ..SimulatorOptions::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator = Simulator::start(options, listener, Arc::clone(clock)).unwrap();
    let config = simulator.example_config(AGENTS as usize);
    // It takes the answers as they are sent, compressed or not.
    let client = reqwest::Client::builder().gzip(false).no_proxy().build().unwrap();
    let credentials = simulator.credentials();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", credentials.client_id),
        ("client_secret", credentials.client_secret),
    ];
    let token = client.post(simulator.base_url() + "/oauth/token").form(&form).send().await.unwrap();
    let token = token.error_for_status().unwrap().bytes().await.unwrap();
    let bearer: serde_json::Value = serde_json::from_slice(&token).unwrap();
    let bearer = bearer.get("access_token").unwrap().as_str().unwrap().to_owned();
    let mut pages = HashMap::from([(Key::of("/oauth/token", ""), Page { body: token, gzip: false })]);
    let mut addresses = Vec::new();
    let ids: Vec<_> = simulator.workforce().agents().iter().map(|agent| agent.id.to_string()).collect();
    for batch in ids.chunks(BATCH) {
        let mut url = Some(first_page(&simulator.base_url(), batch));
        while let Some(asked) = url.take() {
            let answer = client.get(asked.clone()).bearer_auth(&bearer).header(ACCEPT_ENCODING, "gzip").send().await;
            let answer = answer.unwrap().error_for_status().unwrap();
            let page =
                Page { gzip: answer.headers().contains_key(CONTENT_ENCODING), body: answer.bytes().await.unwrap() };
            assert_eq!(page.gzip, gzip, "the tenant compresses as it was told to");
            let page_token = page.next_page_token();
            pages.insert(Key::of(asked.path(), asked.query().unwrap()), page);
            addresses.push(format!("{}?{}", asked.path(), asked.query().unwrap()));
            url = page_token.map(|token| {
                let mut next = first_page(&simulator.base_url(), batch);
                next.query_pairs_mut().append_pair("nextPageToken", &token);
                next
            });
        }
    }
    Recorded { simulator, pages, addresses, bearer, config }
}

fn first_page(base_url: &str, batch: &[String]) -> Url {
    let mut url: Url = (base_url.to_owned() + "/api/v2/reporting/agent-presence").parse().unwrap();
    url.query_pairs_mut()
        .append_pair("agentIds", &batch.join(","))
        .append_pair("startTime", &NOW.saturating_sub(DAY).to_string())
        .append_pair("endTime", &NOW.to_string())
        .append_pair("interval", "PT1H");
    url
}

// === impl Page ===

impl Page {
    fn json(&self) -> Vec<u8> {
        if self.gzip { inflated(&self.body) } else { self.body.to_vec() }
    }

    fn next_page_token(&self) -> Option<String> {
        let page: serde_json::Value = serde_json::from_slice(&self.json()).unwrap();
        page.get("nextPageToken").and_then(|token| token.as_str()).map(str::to_owned)
    }
}

fn inflated(gzip: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(gzip), &mut plain).unwrap();
    plain
}

/// Serves `pages` from a thread of its own until the process ends.
fn serve(pages: HashMap<Key, Page>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let pages = Arc::new(pages);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let pages = Arc::clone(&pages);
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let uri = request.uri();
                    let page = pages.get(&Key::of(uri.path(), uri.query().unwrap_or_default())).cloned();
                    std::future::ready(Ok::<_, Infallible>(answer(page)))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    base_url
}

fn answer(page: Option<Page>) -> Response<Full<Bytes>> {
    let mut answer = Response::builder().header(CONTENT_TYPE, "application/json");
    let Some(page) = page else {
        return answer.status(StatusCode::NOT_FOUND).body(Full::default()).unwrap();
    };
    if page.gzip {
        answer = answer.header(CONTENT_ENCODING, "gzip");
    }
    answer.body(Full::new(page.body)).unwrap()
}

/// The refresher of a tenant, as it is served.
fn refresher(tenant: Tenant, clock: &Arc<dyn Clock>, handle: &Handle) -> Arc<Refresher> {
    let tenant = Arc::new(tenant);
    let instruments = Arc::new(TenantInstruments::new(Endpoint::of(tenant.api), Arc::clone(clock)));
    let connection = AnySource::new(&tenant, Arc::clone(clock), instruments.clone()).unwrap();
    let rendering = Arc::clone(&instruments);
    Arc::new(Refresher::new(Parts {
        tenant,
        source: connection.source(),
        clock: Arc::clone(clock),
        observer: instruments,
        render: Arc::new(move |snapshot| rendering.agents(snapshot)),
        runtime: handle.clone(),
    }))
}

/// Downloads all addresses, so many at a time, and comes to the sum of the bytes.
async fn download(client: &reqwest::Client, base_url: &str, addresses: &[String], bearer: &str) -> usize {
    let urls: VecDeque<Url> =
        addresses.iter().map(|address| (base_url.to_owned() + address).parse().unwrap()).collect();
    let waiting = Arc::new(Mutex::new(urls));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..CONCURRENT {
        let (client, waiting, bearer) = (client.clone(), Arc::clone(&waiting), bearer.to_owned());
        workers.spawn(async move {
            let mut bytes = 0;
            loop {
                let next = waiting.lock().unwrap().pop_front();
                let Some(url) = next else { return bytes };
                let answer = client.get(url).bearer_auth(&bearer).send().await.unwrap().error_for_status().unwrap();
                bytes += answer.bytes().await.unwrap().len();
            }
        });
    }
    workers.join_all().await.into_iter().sum()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What a refresh does with the pages, by itself: reads them into one tally a batch. They need not be in order.
fn decode(pages: &[Vec<u8>], agents: &[Agent]) {
    let watched = |agent: &Agent| WatchedAgent { id: Arc::clone(&agent.id), schedule: None };
    let per_batch = pages.len() / agents.len().div_ceil(BATCH);
    for (batch, pages) in agents.chunks(BATCH).zip(pages.chunks(per_batch)) {
        let watched = batch.iter().map(watched).collect();
        let mut tally = Tally::new(Window::ending_at(NOW, DAY), watched, Arc::from(["Offline".into()]), &[]);
        for page in pages {
            decode_page(page, &mut tally).unwrap();
        }
        assert!(tally.finish().agents.iter().all(Option::is_some), "every agent was reported");
    }
}

/// Whether answers are made when they are asked for, or were made before.
#[derive(Clone, Copy, PartialEq)]
enum Upstream {
    Simulated,
    Ready,
}

fn compare(runtime: &Runtime, name: &str, upstream: Upstream, gzip: bool) {
    let driven = DrivenClock::new(NOW);
    let clock: Arc<dyn Clock> = Arc::new(driven.clone());
    let tenants = Runtime::new().unwrap();
    let Recorded { simulator, pages, addresses, bearer, config } = tenants.block_on(record(gzip, &clock));
    let sent: usize = pages.values().map(|page| page.body.len()).sum();
    let key = |address: &String| address.split_once('?').map(|(path, query)| Key::of(path, query)).unwrap();
    let plain: Vec<Vec<u8>> = addresses.iter().map(|address| pages.get(&key(address)).unwrap().json()).collect();
    let base_url = if upstream == Upstream::Simulated { simulator.base_url() } else { serve(pages) };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let config = Config::from_file(file.path()).unwrap();
    let mut tenant = Arc::unwrap_or_clone(config.tenants.into_iter().next().unwrap());
    assert_eq!(
        (tenant.limits.max_concurrent_requests, tenant.limits.agents_per_request),
        (CONCURRENT, BATCH),
        "the same is asked for"
    );
    tenant.connection.base_url = base_url.parse().unwrap();
    let (cooldown, agents) = (tenant.limits.cooldown, tenant.agents.clone());
    let refresher = refresher(tenant, &clock, runtime.handle());
    let client = reqwest::Client::builder().gzip(true).no_proxy().http1_only().build().unwrap();

    let stopwatch = SystemClock::new();
    let since = |start: Monotonic| stopwatch.monotonic().saturating_since(start).as_secs_f64();
    let mut times: [Vec<f64>; 5] = Default::default();
    let mut bytes = 0;
    for round in 0..=ROUNDS {
        driven.advance(cooldown + Duration::from_secs(1));
        let start = stopwatch.monotonic();
        let scrape = runtime.block_on(refresher.scrape(clock.monotonic() + Duration::from_secs(600)));
        let refresh = since(start);
        assert_eq!(scrape.served, Served::Fresh);
        assert_eq!(scrape.published.status.agents.fresh, AGENTS as usize, "every agent is answered");
        let start = stopwatch.monotonic();
        bytes = runtime.block_on(download(&client, &base_url, &addresses, &bearer));
        let download = since(start);
        let start = stopwatch.monotonic();
        decode(&plain, &agents);
        let decoding = since(start);
        let start = stopwatch.monotonic();
        drop(metrics::agents::render(&scrape.published.snapshot));
        let rendering = since(start);
        // The first round warms up.
        if round > 0 {
            for (times, time) in times.iter_mut().zip([refresh, download, refresh / download, decoding, rendering]) {
                times.push(time);
            }
        }
    }
    let [refresh, download, ratio, decoding, rendering] = times.map(median);
    let verdict = if ratio <= MOST_TIMES { "" } else { "  <- misses the goal" };
    println!(
        "{name}: {} pages, {:.1} MB sent, {:.1} MB of JSON\n  refresh {refresh:.3} s, download {download:.3} s, ratio \
         {ratio:.2}; goal: at most {MOST_TIMES}{verdict}\n  by themselves: decoding {decoding:.3} s, {:.0} MB/s; rendering \
         {rendering:.3} s",
        addresses.len(),
        sent as f64 / 1e6,
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / decoding,
    );
}

fn main() {
    let runtime = Runtime::new().unwrap();
    // Cargo asks benches without a harness to list their tests, and to run them in tests.
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return;
    }
    // The exporter's client would do it, and comes only after the one that records.
    rustls::crypto::ring::default_provider().install_default().unwrap();
    compare(&runtime, "simulated tenant, gzip", Upstream::Simulated, true);
    compare(&runtime, "simulated tenant, identity", Upstream::Simulated, false);
    compare(&runtime, "answers that are ready, gzip", Upstream::Ready, true);
    compare(&runtime, "answers that are ready, identity", Upstream::Ready, false);
}
