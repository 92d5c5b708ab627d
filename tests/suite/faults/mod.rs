//! Tables of faults: what the tenant does, and what the whole application must do.
//!
//! Each row takes the same steps. A first refresh succeeds. A cooldown later a second refresh meets the fault, and the
//! test checks the served data, `cxone_up`, the counters and the log. Nothing is sent or logged again before
//! `not_before`. Then the fault is gone, and the application must recover fully. No output holds a secret.

mod bodies;
mod connections;
mod cuts;
mod limits;
mod pages;
mod retry_after;
mod statuses;
mod tokens;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use cxone_exporter::clock::{Clock as _, DrivenClock};
use cxone_exporter::presence::Timestamp;

use crate::app::scraped::Scraped;
use crate::app::{COOLDOWN, HOUR, NOW, TOKEN, TestApp, TestAppBuilder};
use crate::scripted::{Request, Response, ScriptedServer};

/// A row of a table.
type Row = (&'static str, Fault, Outcome);

/// The fault of a tenant.
struct Fault {
    hits: Hits,
    answer: Box<dyn Fn(&Request) -> Response + Send + Sync>,
    request_timeout: Duration,
    /// The `expires_in` of tokens without the fault, as JSON.
    token_life: &'static str,
}

/// The requests of the second refresh that meet the fault.
#[derive(Clone, Copy)]
enum Hits {
    EveryPage,
    FirstPage,
    /// The second page of the second agent, in all attempts.
    LastPage,
    EveryToken,
    FirstToken,
}

/// The expected outcome.
struct Outcome {
    /// The data of each agent.
    served: [Data; 2],
    up: bool,
    /// Requests of the second refresh by code, such as `200=4 503=1 token:200=1`.
    codes: &'static str,
    retries: f64,
    /// Such as `duplicate=1`.
    rejected: &'static str,
    /// Parts of all logged warnings, in order.
    warnings: &'static [&'static str],
    /// The wait from the end of the second refresh to the next request, in seconds.
    wait: RangeInclusive<f64>,
}

/// The data of an agent.
#[derive(Clone, Copy, PartialEq)]
enum Data {
    /// Of the first refresh.
    Old,
    /// Of the second one.
    New,
    /// Exactly these states, and the declared ones at zero.
    Only(&'static [(&'static str, f64)]),
}

const PLAIN_WAIT: RangeInclusive<f64> = 60.0..=60.0;
/// After the first failure in a row: the cooldown and at most a quarter more.
const BACK_OFF: RangeInclusive<f64> = 60.0..=75.0;

// === impl Fault ===

impl Fault {
    fn new(hits: Hits, answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let token_life = if matches!(hits, Hits::EveryToken | Hits::FirstToken) { "60" } else { "3600" };
        Self { hits, answer: Box::new(answer), request_timeout: Duration::from_secs(20), token_life }
    }

    /// Timeouts run in real time, so tests of them use a short one.
    fn with_short_timeout(self) -> Self {
        Self { request_timeout: Duration::from_millis(700), ..self }
    }
}

fn every(answer: Response) -> Fault {
    Fault::new(Hits::EveryPage, move |_| answer.clone())
}

fn once(answer: Response) -> Fault {
    Fault::new(Hits::FirstPage, move |_| answer.clone())
}

fn last(answer: Response) -> Fault {
    Fault::new(Hits::LastPage, move |_| answer.clone())
}

fn token(answer: Response) -> Fault {
    Fault::new(Hits::EveryToken, move |_| answer.clone())
}

fn token_once(answer: Response) -> Fault {
    Fault::new(Hits::FirstToken, move |_| answer.clone())
}

/// The second agent's last page is the right one, with `change` made to its text.
fn altered(change: impl Fn(String) -> String + Send + Sync + 'static) -> Fault {
    Fault::new(Hits::LastPage, move |request| Response::json(change(page(request, 1))))
}

// === impl Outcome ===

impl Outcome {
    fn rejecting(self, rejected: &'static str) -> Self {
        Self { rejected, ..self }
    }

    fn waiting(self, wait: RangeInclusive<f64>) -> Self {
        Self { wait, ..self }
    }

    fn warning(self, warnings: &'static [&'static str]) -> Self {
        Self { warnings, ..self }
    }

    fn serving(self, served: [Data; 2]) -> Self {
        Self { served, ..self }
    }
}

/// The refresh succeeds.
fn healed(codes: &'static str, retries: f64) -> Outcome {
    let served = [Data::New, Data::New];
    Outcome { served, up: true, codes, retries, rejected: "", warnings: &[], wait: PLAIN_WAIT }
}

/// The refresh fails.
fn failed(codes: &'static str, retries: f64, warnings: &'static [&'static str]) -> Outcome {
    let served = [Data::Old, Data::Old];
    Outcome { served, up: false, codes, retries, rejected: "", warnings, wait: BACK_OFF }
}

/// The first agent's batch succeeds, the second one's fails.
fn partial(codes: &'static str, retries: f64, warnings: &'static [&'static str]) -> Outcome {
    Outcome { served: [Data::New, Data::Old], ..failed(codes, retries, warnings) }
}

// === the tenant ===

/// Seconds Available in each of the two hours that the tenant reports, by refresh. The rest is Offline.
const AVAILABLE: [u32; 3] = [1800, 1200, 600];

fn available(phase: usize) -> f64 {
    2.0 * f64::from(AVAILABLE[phase])
}

/// The correct page in `phase`: the last hour before [`NOW`], then the hour before that.
fn page(request: &Request, phase: usize) -> String {
    match request.query("nextPageToken").as_deref() {
        None => format!(r#"{{"data":[{}],"nextPageToken":"page-2"}}"#, record(request, 0, phase)),
        Some("page-2") => format!(r#"{{"data":[{}]}}"#, record(request, 1, phase)),
        Some(other) => panic!("unknown page token {other}"),
    }
}

/// The bucket of the hour that `hour` counts back from [`NOW`].
fn record(request: &Request, hour: i64, phase: usize) -> String {
    let start = Timestamp::from_seconds(NOW.micros() / 1_000_000 - 3600 * (hour + 1));
    let (agent, end) = (request.query("agentIds").unwrap(), start + HOUR);
    let (available, offline) = (AVAILABLE[phase], 3600 - AVAILABLE[phase]);
    let states = format!(
        r#"[{{"state":"Available","duration":{available},"percentage":50}},{{"state":"Offline","duration":{offline}.0}}]"#
    );
    format!(r#"{{"agentId":"{agent}","startTime":"{start}","endTime":"{end}","states":{states}}}"#)
}

async fn upstream(clock: &DrivenClock, fault: Fault, phase: &Arc<AtomicU8>) -> ScriptedServer {
    let (phase, hit) = (Arc::clone(phase), AtomicUsize::new(0));
    let first = move |yes: bool| yes && hit.fetch_add(1, Ordering::Relaxed) == 0;
    ScriptedServer::start_raw(clock, move |request| {
        let phase = usize::from(phase.load(Ordering::Relaxed));
        let is_token = request.path() == "/oauth/token";
        let due = phase == 1
            && match fault.hits {
                Hits::EveryPage => !is_token,
                Hits::FirstPage => first(!is_token),
                Hits::LastPage => {
                    !is_token
                        && request.query("agentIds").unwrap().ends_with('1')
                        && request.query("nextPageToken").is_some()
                }
                Hits::EveryToken => is_token,
                Hits::FirstToken => first(is_token),
            };
        match (due, is_token) {
            (true, _) => (fault.answer)(request),
            (false, true) => Response::token(&format!("{TOKEN}-{}", request.nth), fault.token_life),
            (false, false) => Response::json(page(request, phase)),
        }
    })
    .await
}

// === the procedure ===

async fn check(rows: Vec<Row>) {
    for (name, fault, outcome) in rows {
        println!("{name}");
        run_row(fault, &outcome).await;
    }
}

async fn run_row(fault: Fault, outcome: &Outcome) {
    let (clock, phase) = (DrivenClock::new(NOW), Arc::new(AtomicU8::new(0)));
    let request_timeout = fault.request_timeout;
    let upstream = upstream(&clock, fault, &phase).await;
    let builder =
        TestAppBuilder::new(&upstream.base_url()).configure(|tenant| tenant.limits.request_timeout = request_timeout);
    let app = builder.start(&clock).await;

    let before = app.scrape().await;
    assert_data(&before, [Data::Old; 2]);
    assert_eq!(before.value("cxone_up"), Some(1.0));
    clock.advance(COOLDOWN);
    phase.store(1, Ordering::Relaxed);

    let met = app.scrape().await;
    assert_data(&met, outcome.served);
    assert_eq!(met.value("cxone_up"), Some(f64::from(u8::from(outcome.up))));
    assert_eq!(last_error(&met).is_none(), outcome.up);
    assert_eq!(met.served_since(&before), [if outcome.up { "fresh" } else { "stale" }]);
    assert_eq!(increase(&before, &met, "cxone_api_requests_total", &["endpoint", "code"]), outcome.codes);
    assert_eq!(increase(&before, &met, "cxone_records_rejected_total", &["reason"]), outcome.rejected);
    let retries = |scrape: &Scraped| scrape.value("cxone_api_retries_total").unwrap();
    assert_eq!(retries(&met) - retries(&before), outcome.retries);
    let result = match outcome.served {
        _ if outcome.up => "success=1",
        [Data::Old, Data::Old] => "failure=1",
        _ => "partial=1",
    };
    assert_eq!(increase(&before, &met, "cxone_refreshes_total", &["result"]), result);
    let old = outcome.served.iter().filter(|data| **data == Data::Old).count();
    let counts = [2 - old, old, 0].map(|count| f64::from(u8::try_from(count).unwrap()));
    assert_eq!(met.agents(), counts);
    assert_warnings(&app, outcome.warnings);

    let wait = assert_closed(&app, &upstream, &met, outcome).await;

    clock.advance(wait - COOLDOWN.min(wait) + Duration::from_millis(1));
    clock.advance(COOLDOWN.min(wait));
    phase.store(2, Ordering::Relaxed);
    let requests = upstream.requests().len();
    let after = app.scrape().await;
    assert!(upstream.requests().len() > requests, "no request was sent");
    assert_eq!((after.value("cxone_up"), last_error(&after)), (Some(1.0), None));
    let new = [Data::Only(&[("Available", 1200.0), ("Offline", 6000.0)]); 2];
    // After a partial failure only the agents of the failed batch are asked again.
    let again = if result == "partial=1" { [Data::New, new[1]] } else { new };
    assert_data(&after, again);
    assert_warnings(&app, outcome.warnings);
    let recoveries = app.lines().iter().filter(|line| line.message == "refresh recovered").count();
    assert_eq!(recoveries, usize::from(!outcome.up));
    app.assert_no_secrets().await;
}

/// Why the last refresh failed, such as `token unauthorized`.
fn last_error(scrape: &Scraped) -> Option<String> {
    let mut errors = scrape.labels("cxone_refresh_last_error_info", ["endpoint", "reason"]);
    assert!(errors.len() <= 1, "{errors:?}");
    errors.pop().map(|labels| labels.join(" "))
}

/// Asserts that scrapes before `not_before` send and log nothing. Returns the rest of the wait.
async fn assert_closed(app: &TestApp, upstream: &ScriptedServer, met: &Scraped, outcome: &Outcome) -> Duration {
    let not_before = met.value("cxone_refresh_not_before_timestamp_seconds").unwrap();
    // A cooldown counts from the start of the refresh, a back-off from its end.
    let took = if outcome.up { met.value("cxone_refresh_duration_seconds").unwrap() } else { 0.0 };
    let wait = not_before - met.value("cxone_refresh_last_attempt_timestamp_seconds").unwrap() + took;
    let grain = 1e-3;
    assert!((outcome.wait.start() - grain..=outcome.wait.end() + grain).contains(&wait), "the next in {wait} s");
    let (requests, lines) = (upstream.requests().len(), app.warnings().len());
    let closed = app.scrape().await;
    assert_eq!(closed.served_since(met), [if outcome.up { "cooldown" } else { "stale" }]);
    assert_data(&closed, outcome.served);
    let left = Duration::from_secs_f64(not_before - app.clock.now().seconds_f64());
    // Data past `max_staleness` is another test's subject.
    if left < Duration::from_secs(600) {
        app.clock.advance(left.saturating_sub(Duration::from_millis(1)));
        app.scrape().await;
    }
    assert_eq!(upstream.requests().len(), requests, "a request was sent before not_before");
    assert_eq!(app.warnings().len(), lines, "a failure was logged twice");
    Duration::from_secs_f64((not_before - app.clock.now().seconds_f64()).max(0.0))
}

fn assert_warnings(app: &TestApp, expected: &[&str]) {
    let warnings: Vec<_> = app.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (warning, part) in warnings.iter().zip(expected) {
        assert!(warning.contains(part), "{part} is not in {warning}");
    }
}

fn assert_data(scrape: &Scraped, expected: [Data; 2]) {
    let agents = ["1000000000000000000", "1000000000000000001"];
    let served = scrape.seconds();
    let whole = |phase| BTreeMap::from([("Available", available(phase)), ("Offline", 7200.0 - available(phase))]);
    for (agent, data) in agents.into_iter().zip(expected) {
        let mut states: BTreeMap<&str, f64> = match data {
            Data::Old => whole(0),
            Data::New => whole(1),
            Data::Only(states) => states.iter().copied().collect(),
        };
        for state in ["Available", "Busy", "WrapUp", "Offline"] {
            states.entry(state).or_default();
        }
        let states: BTreeMap<_, _> = states.into_iter().map(|(state, time)| (state.to_owned(), time)).collect();
        assert_eq!(served.get(agent), Some(&states), "{agent}");
    }
}

/// The increase of a counter between two scrapes, by the values of `labels` except `presence`.
fn increase(before: &Scraped, after: &Scraped, name: &str, labels: &[&str]) -> String {
    let mut increases = BTreeMap::new();
    for sample in after.samples(name) {
        let values: Vec<_> = labels.iter().map(|label| (*label, sample.label(label).unwrap())).collect();
        let rise = sample.value - before.get(name, &values).unwrap_or_default();
        let key: Vec<_> = values.iter().map(|(_, value)| *value).filter(|value| *value != "presence").collect();
        if rise != 0.0 {
            increases.insert(key.join(":"), rise);
        }
    }
    increases.iter().map(|(key, rise)| format!("{key}={rise}")).collect::<Vec<_>>().join(" ")
}
