//! A whole refresh against a plain client that downloads the same pages: 10,000 agents in buckets of an hour over a day,
//! about 50 MB of JSON, with two concurrent requests, over a network: each answer begins after 30 ms and a connection
//! carries 10 MB/s. The answers are recorded from the simulated tenant.
//!
//! The refresh downloads, decodes, counts, makes a snapshot, renders the series and compresses them. The plain client is the
//! same HTTP client with a list of addresses, and drops the bodies. Both alternate in one process, which also runs the
//! server. Decoding and rendering alone, on one thread, are measured beside them.
//! `cargo bench --bench refresh`; the ratio is the figure that counts.

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
use futures_util::StreamExt as _;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Frame;
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
const ROUNDS: usize = 5;
/// The goal: the time of a refresh divided by the time of the download.
const MAX_RATIO: f64 = 1.1;
/// The modelled network: the time until an answer begins, and the rate of a connection.
const FIRST_BYTE_DELAY: Duration = Duration::from_millis(30);
const BYTES_PER_SECOND: f64 = 10e6;
/// 6.5 ms of the rate: well above the granularity of the timer, 1 ms.
const CHUNK_BYTES: usize = 64 * 1024;
/// Any time, the same in each run.
const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// A recorded answer.
#[derive(Clone)]
struct Page {
    body: Bytes,
    gzip: bool,
}

/// Identifies a page whatever the window: path, agents and page token.
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

/// The answers of a simulated tenant to every request of a refresh.
struct Recorded {
    pages: HashMap<Key, Page>,
    addresses: Vec<String>,
    bearer: String,
    config: String,
}

/// Reads every answer of a simulated tenant.
async fn record(gzip: bool, clock: &Arc<dyn Clock>) -> Recorded {
    let options = SimulatorOptions { agents: AGENTS, gzip, ..SimulatorOptions::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator = Simulator::start(options, listener, Arc::clone(clock)).unwrap();
    let config = simulator.example_config(AGENTS as usize);
    // Bodies are recorded as they are sent, compressed or not.
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
            assert_eq!(page.gzip, gzip, "the tenant compresses as configured");
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
    Recorded { pages, addresses, bearer, config }
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

/// Serves `pages` over the modelled network, in a thread of its own, until the process ends.
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
                    async move {
                        tokio::time::sleep(FIRST_BYTE_DELAY).await;
                        Ok::<_, Infallible>(answer(page))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    base_url
}

fn answer(page: Option<Page>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let mut answer = Response::builder().header(CONTENT_TYPE, "application/json");
    let Some(page) = page else {
        return answer.status(StatusCode::NOT_FOUND).body(UnsyncBoxBody::default()).unwrap();
    };
    if page.gzip {
        answer = answer.header(CONTENT_ENCODING, "gzip");
    }
    answer.body(UnsyncBoxBody::new(StreamBody::new(throttled(page.body)))).unwrap()
}

/// The frames of `body` at the rate of a connection.
fn throttled(body: Bytes) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    futures_util::stream::unfold(body, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
        tokio::time::sleep(Duration::from_secs_f64(chunk.len() as f64 / BYTES_PER_SECOND)).await;
        Some((Ok(Frame::data(chunk)), rest))
    })
    .boxed()
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

/// Downloads all addresses, `CONCURRENT` at a time. Returns the number of bytes.
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

/// Decodes and counts the pages on this thread, one tally a batch.
fn decode(pages: &[Vec<u8>], agents: &[Agent]) {
    let watched = |agent: &Agent| WatchedAgent { id: Arc::clone(&agent.id), schedule: None };
    let per_batch = pages.len() / agents.len().div_ceil(BATCH);
    for (batch, pages) in agents.chunks(BATCH).zip(pages.chunks(per_batch)) {
        let watched = batch.iter().map(watched).collect();
        let mut tally = Tally::new(Window::ending_at(NOW, DAY), watched, Arc::from(["Offline".into()]), &[]);
        for page in pages {
            decode_page(page, &mut tally).unwrap();
        }
        assert!(tally.finish().agents.iter().all(Option::is_some), "every agent is reported");
    }
}

fn compare(runtime: &Runtime, name: &str, gzip: bool) {
    let driven = DrivenClock::new(NOW);
    let clock: Arc<dyn Clock> = Arc::new(driven.clone());
    let tenants = Runtime::new().unwrap();
    let Recorded { pages, addresses, bearer, config } = tenants.block_on(record(gzip, &clock));
    let sent: usize = pages.values().map(|page| page.body.len()).sum();
    let key = |address: &String| address.split_once('?').map(|(path, query)| Key::of(path, query)).unwrap();
    let plain: Vec<Vec<u8>> = addresses.iter().map(|address| pages.get(&key(address)).unwrap().json()).collect();
    drop(tenants);
    let base_url = serve(pages);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let config = Config::from_file(file.path()).unwrap();
    let mut tenant = Arc::unwrap_or_clone(config.tenants.into_iter().next().unwrap());
    assert_eq!(
        (tenant.limits.max_concurrent_requests, tenant.limits.agents_per_request),
        (CONCURRENT, BATCH),
        "both send the same requests"
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
    let verdict = if ratio <= MAX_RATIO { "" } else { "  <- misses the goal" };
    println!(
        "{name}: {} pages, {:.1} MB sent, {:.1} MB of JSON\n  refresh {refresh:.3} s, download {download:.3} s, ratio \
         {ratio:.2}; goal: at most {MAX_RATIO}{verdict}\n  alone: decoding {decoding:.3} s, {:.0} MB/s; rendering \
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
    // The exporter's client installs it too, but the recording client runs before.
    rustls::crypto::ring::default_provider().install_default().unwrap();
    compare(&runtime, "gzip", true);
    compare(&runtime, "identity", false);
}
