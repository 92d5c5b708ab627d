//! The output for fixed configurations and results, and probes of the simulated tenant.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::net::TcpListener;

use super::*;
use crate::cli::fixture::{self, FakeSource, NOW};
use crate::clock::DrivenClock;
use crate::config::{AgentFilter, Api, Incremental, Interval, Official, QuerySettings};
use crate::presence::{Person, Rejection, Rejections};
use crate::simulator::{Credentials, Simulator, SimulatorOptions};
use crate::upstream::{Endpoint, ErrorKind, FetchResult, Observer, Query, ResponseCode, Source, UpstreamError};

const OK: ResponseCode = ResponseCode::Status(200);

async fn check(build_source: &SourceFactory, config: &Config, probe: bool) -> (String, Result<(), CheckError>) {
    let mut out = Vec::new();
    let clock = Arc::new(DrivenClock::new(NOW));
    let ended = run_with(build_source, config, &CheckArgs { probe, ..CheckArgs::default() }, clock, &mut out).await;
    (String::from_utf8(out).unwrap(), ended)
}

/// A source that tells its observer of `requests`, each of which takes 40 ms, and then answers with `respond`.
fn source_with_requests(
    requests: &'static [(Endpoint, ResponseCode, u64)],
    respond: impl Fn(&Query) -> FetchResult + Clone + Send + Sync + 'static,
) -> Box<SourceFactory> {
    Box::new(move |_, _, observer| {
        let respond = respond.clone();
        Ok(FakeSource::new(move |query| {
            for (endpoint, code, bytes) in requests {
                observer.request(*endpoint, *code, Duration::from_millis(40), *bytes);
            }
            respond(query)
        }))
    })
}

fn no_fetch_expected(_: &Query) -> FetchResult {
    panic!("a check without --probe sends nothing")
}

fn answered(query: &Query) -> FetchResult {
    let presence = fixture::presence(&[("Available", 28_800.0), ("Offline", 57_600.0)]);
    let answered = query.agents.iter().map(|agent| (agent.id.clone(), Some(presence.clone())));
    FetchResult { answered: answered.collect(), ..FetchResult::default() }
}

fn failed(query: &Query, endpoint: Endpoint, kind: ErrorKind, message: &str) -> FetchResult {
    let error = UpstreamError { endpoint, kind, message: message.to_owned() };
    let failed = query.agents.iter().map(|agent| agent.id.clone()).collect();
    FetchResult { failed, error: Some(error), ..FetchResult::default() }
}

/// Compares with a file under `tests/golden/check`.
fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/check"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[tokio::test]
async fn cost_of_200_agents_with_defaults() {
    let tenant = Tenant { query: QuerySettings::default(), ..fixture::tenant("acme", 200) };
    let config = fixture::config([tenant]);
    let (text, ended) = check(&*source_with_requests(&[], no_fetch_expected), &config, false).await;
    ended.unwrap();
    golden("defaults", &text);
}

#[tokio::test]
async fn cost_of_incremental_refreshes_of_30_000_agents() {
    let mut tenant = fixture::tenant("acme", 30_000);
    tenant.query.interval = Interval { text: "PT5M".to_owned(), length: Duration::from_secs(300) };
    tenant.query.incremental =
        Some(Incremental { settle: Duration::from_secs(1_800), full_refresh_interval: Duration::from_secs(6 * 3_600) });
    tenant.limits.cooldown = Duration::from_secs(300);
    let (text, ended) = check(&*source_with_requests(&[], no_fetch_expected), &fixture::config([tenant]), false).await;
    ended.unwrap();
    golden("incremental", &text);
}

#[tokio::test]
async fn warnings_schedules_and_hints_are_printed() {
    let mut acme = fixture::tenant("acme", 1);
    acme.limits.cooldown = Duration::from_secs(7_200);
    let mut shop = fixture::tenant("shop", 1_200);
    shop.query.interval = Interval { text: "PT1M".to_owned(), length: Duration::from_secs(60) };
    shop.limits.agents_per_request = 1;
    for agent in shop.agents.iter_mut().take(400) {
        agent.schedule = Some(fixture::schedule());
    }
    let mut config = fixture::config([acme, shop]);
    config.warnings.push("/etc/cxone/secret can be read by everybody: chmod 0600 it".to_owned());
    let (text, ended) = check(&*source_with_requests(&[], no_fetch_expected), &config, false).await;
    ended.unwrap();
    golden("unwise", &text);
}

#[tokio::test]
async fn cost_with_request_budgets() {
    let budget = |name: &str, agents, per_minute| {
        let mut tenant = fixture::tenant(name, agents);
        tenant.limits.max_requests_per_minute = NonZeroU32::new(per_minute);
        tenant
    };
    let mut tails = budget("tails", 200, 20);
    tails.query.interval = Interval { text: "PT5M".to_owned(), length: Duration::from_secs(300) };
    tails.query.incremental = Some(Incremental::default());
    let config = fixture::config([budget("fits", 200, 60), budget("slow", 200, 6), budget("never", 2_000, 20), tails]);
    let (text, ended) = check(&*source_with_requests(&[], no_fetch_expected), &config, false).await;
    ended.unwrap();
    golden("budget", &text);
}

#[tokio::test]
async fn probe_describes_each_step() {
    let config = fixture::config([fixture::tenant("acme", 200)]);
    let requests = &[(Endpoint::Token, OK, 120), (Endpoint::Presence, OK, 3_210)];
    let asked_for_one = |query: &Query| {
        assert_eq!((query.agents.len(), query.window.length().get()), (1, 86_400_000_000));
        answered(query)
    };
    let (text, ended) = check(&*source_with_requests(requests, asked_for_one), &config, true).await;
    ended.unwrap();
    golden("probe", &text);
}

#[tokio::test]
async fn probe_notes_clock_skew_and_missing_data() {
    let config = fixture::config([fixture::tenant("acme", 1)]);
    let build_source = |_: &Arc<Tenant>, _: Arc<dyn Clock>, observer: Arc<dyn Observer>| {
        Ok(FakeSource::new(move |query| {
            observer.clock_skew(-95);
            observer.request(Endpoint::Token, OK, Duration::from_millis(40), 120);
            observer.request(Endpoint::Presence, OK, Duration::from_millis(40), 11);
            let mut rejections = Rejections::default();
            rejections.add(Rejection::UnknownAgent);
            let answered = query.agents.iter().map(|agent| (agent.id.clone(), None)).collect();
            FetchResult { answered, rejections, ..FetchResult::default() }
        }) as Arc<dyn Source>)
    };
    let (text, ended) = check(&build_source, &config, true).await;
    ended.unwrap();
    golden("probe_odd", &text);
}

#[tokio::test]
async fn probe_stops_at_the_first_failure() {
    let config = fixture::config([fixture::tenant("acme", 1), fixture::tenant("shop", 1)]);
    let requests = &[(Endpoint::Token, OK, 120), (Endpoint::Presence, ResponseCode::Status(403), 40)];
    let message = "acme.example.com refused the report (403). The OAuth client lacks the scope `reporting:read`.";
    let refused = move |query: &Query| failed(query, Endpoint::Presence, ErrorKind::Forbidden, message);
    let (text, ended) = check(&*source_with_requests(requests, refused), &config, true).await;
    assert_eq!(ended.unwrap_err().to_string(), "the probe failed: tenant acme at scope, tenant shop at scope");
    golden("probe_refused", &text);
}

#[tokio::test]
async fn probe_of_unresolved_name_fails_at_address() {
    let config = fixture::config([fixture::tenant("acme", 1)]);
    let requests = &[(Endpoint::Token, ResponseCode::Connect, 0)];
    let unresolved =
        |query: &Query| failed(query, Endpoint::Token, ErrorKind::Dns, "acme.example.com does not resolve.");
    let (text, ended) = check(&*source_with_requests(requests, unresolved), &config, true).await;
    assert_eq!(ended.unwrap_err().to_string(), "the probe failed: tenant acme at address");
    assert!(text.contains("FAILED address    acme.example.com does not resolve."), "{text}");
    assert!(text.ends_with("1 request sent by this probe\n"), "{text}");
}

/// A tenant of all of the simulator's agents.
fn simulated(simulator: &Simulator) -> Tenant {
    let Credentials { client_id, client_secret } = simulator.credentials();
    let mut tenant = fixture::tenant("simulated", 0);
    tenant.connection.base_url = simulator.base_url().parse().unwrap();
    tenant.connection.client_id = client_id.to_owned();
    tenant.connection.client_secret = client_secret.into();
    tenant.agents = simulator.workforce().agents().iter().map(|agent| fixture::agent(&agent.id)).collect();
    tenant
}

async fn simulator(options: SimulatorOptions) -> (Simulator, Arc<DrivenClock>) {
    let clock = Arc::new(DrivenClock::new(NOW));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (Simulator::start(options, listener, clock.clone()).unwrap(), clock)
}

#[tokio::test]
async fn probe_sends_two_requests() {
    let (simulator, clock) = simulator(SimulatorOptions::default()).await;
    let config = fixture::config([simulated(&simulator)]);
    let mut out = Vec::new();
    run(&config, &CheckArgs { probe: true, ..CheckArgs::default() }, clock, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let counts = simulator.counts();
    assert_eq!((counts.token, counts.presence), (1, 1));
    assert!(text.ends_with("2 requests sent by this probe\n"), "{text}");
    assert!(text.contains("ok     data       agent "), "{text}");
    simulator.shutdown().await;
}

#[tokio::test]
async fn probe_never_retries() {
    let table = [
        ("token:status=503", 1, 0, "token"),
        ("presence:status=503", 1, 1, "report"),
        ("presence:rate-limited=5", 1, 1, "rate limit"),
        ("token:rate-limited", 1, 0, "token"),
        ("presence:revoked", 2, 2, "scope"),
        ("presence:cut", 1, 1, "report"),
        ("presence:garbage", 1, 1, "data"),
    ];
    for (fault, tokens, reports, step) in table {
        let options = SimulatorOptions { faults: vec![fault.parse().unwrap()], ..SimulatorOptions::default() };
        let (simulator, clock) = simulator(options).await;
        let config = fixture::config([simulated(&simulator)]);
        let mut out = Vec::new();
        let ended = run(&config, &CheckArgs { probe: true, ..CheckArgs::default() }, clock, &mut out).await;
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            ended.unwrap_err().to_string(),
            format!("the probe failed: tenant simulated at {step}"),
            "{fault}: {text}"
        );
        let counts = simulator.counts();
        assert_eq!((counts.token, counts.presence), (tokens, reports), "{fault}");
        simulator.shutdown().await;
    }
}

#[tokio::test]
async fn probe_suggests_the_other_api() {
    use ErrorKind::{BadRequest, Decode, NotJson, Server, UnexpectedStatus};
    let table = [
        (Api::Presence, ResponseCode::Status(404), UnexpectedStatus, Some("`api: official`")),
        (Api::Presence, ResponseCode::Decode, NotJson, Some("`api: official`")),
        (Api::Presence, ResponseCode::Status(400), BadRequest, None),
        (Api::Presence, ResponseCode::Decode, Decode, None),
        (Api::Official, ResponseCode::Status(404), UnexpectedStatus, Some("`api: presence`")),
        (Api::Official, ResponseCode::Decode, NotJson, Some("`api: presence`")),
        (Api::Official, ResponseCode::Status(500), Server, None),
    ];
    for (api, code, kind, suggestion) in table {
        let config = fixture::config([Tenant { api, ..fixture::tenant("acme", 1) }]);
        let build_source = move |_: &Arc<Tenant>, _: Arc<dyn Clock>, observer: Arc<dyn Observer>| {
            Ok(FakeSource::new(move |query| {
                observer.request(Endpoint::Presence, code, Duration::from_millis(40), 0);
                failed(query, Endpoint::Presence, kind, "It failed.")
            }) as Arc<dyn Source>)
        };
        let (text, ended) = check(&build_source, &config, true).await;
        assert!(ended.is_err(), "{text}");
        for words in ["`api: official`", "`api: presence`"] {
            assert_eq!(text.contains(words), suggestion == Some(words), "{api:?} {code:?}: {text}");
        }
    }
}

/// A tenant with `agents: all`.
fn all_agents() -> Tenant {
    let official = official();
    let agent_filter = Some(AgentFilter::default());
    Tenant { api: Api::Official, official: Some(official), agent_filter, ..fixture::tenant("acme", 0) }
}

fn official() -> Official {
    let token_url = "https://na1.nice-incontact.com/authentication/v1/token/access-key".parse().unwrap();
    Official::by_access_key(token_url, "key", "secret")
}

#[tokio::test]
async fn probe_of_all_agents_reads_the_list_first() {
    let person = |id: &str| Person { id: id.into(), name: None, team: None, active: true };
    let refused = UpstreamError { endpoint: Endpoint::Agents, kind: ErrorKind::Forbidden, message: "403".to_owned() };
    let table = [
        (Ok(vec![person("7"), person("8")]), Ok("  ok     data       agent 7: ")),
        (Ok(Vec::new()), Err("FAILED selection  CXone's list of agents is empty")),
        (Err(refused), Err("FAILED agents     403")),
    ];
    for (directory, expected) in table {
        let config = fixture::config([all_agents()]);
        let build_source = move |_: &Arc<Tenant>, _: Arc<dyn Clock>, _: Arc<dyn Observer>| {
            Ok(FakeSource::new(answered).with_directory(directory.clone()) as Arc<dyn Source>)
        };
        let (text, ended) = check(&build_source, &config, true).await;
        assert_eq!(ended.is_ok(), expected.is_ok(), "{text}");
        assert!(text.contains(expected.unwrap_or_else(|error| error)), "{text}");
    }
}

#[test]
fn series_of_all_agents_are_unknown() {
    let text = cost(&all_agents());
    assert!(
        text.contains("  series           unknown, as CXone's list decides: 15 (2 × 4 states + 7) for each agent"),
        "{text}"
    );
    assert!(text.contains("up to 75,000 for 5,000 agents (`max`)"), "{text}");
    assert!(!text.contains(" 0 "), "{text}");
    let text = summary(&fixture::config([all_agents(), fixture::tenant("shop", 2)]));
    assert_eq!(text, "The configuration is valid: 2 tenants, 2 agents and those of CXone's list.\n");
}

#[test]
fn official_api_has_no_buckets() {
    let query = QuerySettings::default();
    for (agents, shown) in [(3, "3"), (30_000, "30,000")] {
        let tenant = fixture::tenant("acme", agents);
        let tenant = Tenant { api: Api::Official, official: Some(official()), query: query.clone(), ..tenant };
        let text = cost(&tenant);
        assert!(text.contains(&format!("agents           {shown}\n")), "{text}");
        assert!(text.contains("about 2 a refresh"), "{text}");
        assert!(!text.contains("bucket") && !text.contains("hint"), "{text}");
    }
}
