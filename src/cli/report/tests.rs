//! The formats from fixed results, and a whole report of the simulated tenant.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::cli::fixture::{self, FakeSource, NOW};
use crate::clock::DrivenClock;
use crate::config::{Agent, AgentFilter, AgentLabel, Api, Pseudonyms};
use crate::presence::{AgentId, AgentPresence, Person, Timestamp};
use crate::simulator::{Align, Credentials, Simulator, SimulatorOptions};
use crate::upstream::{Endpoint, ErrorKind as Kind, Source};

pub(super) const PLAIN: Terminal = Terminal { color: false, progress: false };
const COLOR: Terminal = Terminal { color: true, progress: false };

fn args(format: ReportFormat, tenant: Option<&str>) -> ReportArgs {
    ReportArgs { format, tenant: tenant.map(str::to_owned), ..ReportArgs::default() }
}

/// Five agents: plain, wide names, fractions, hostile names, without data.
fn acme() -> Tenant {
    let named = |id: &str, name: &str, team: &str| Agent {
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        team: Some(team.to_owned()).filter(|team| !team.is_empty()),
        ..fixture::agent(id)
    };
    let mut tenant = fixture::tenant("acme", 0);
    tenant.agents = vec![
        named("1234567890123456789", "Ada Lovelace", "Billing"),
        named("2", "花子 山田", "サポート"),
        named("3", "", "Sales, \"East\""),
        named("4", "@SUM(A1)\u{7}", "-2+3"),
        named("5", "Grace Hopper", ""),
    ];
    tenant
}

/// The presence of the agents of [`acme`].
fn presence_of(id: &AgentId) -> Option<AgentPresence> {
    match &**id {
        "1234567890123456789" => Some(fixture::presence(&[
            ("Available", 28_800.0),
            ("Busy", 3_599.5),
            ("WrapUp", 900.25),
            ("Offline", 53_100.25),
        ])),
        "2" => Some(fixture::presence(&[("昼休み", 3_600.0), ("Available", 7_200.0), ("Ménage à trois cafés", 60.0)])),
        "3" => Some(fixture::presence(&[("LoggedOut", 86_399.999_999), ("Busy", 0.0), ("Available", 0.000_001)])),
        "4" => Some(fixture::presence(&[("=\u{1b}[31mRed\nAlert\u{202e}", 10.0)])),
        _ => None,
    }
}

/// Answers in the reverse order, which must not matter.
fn answers(query: &Query) -> FetchResult {
    let answered = query.agents.iter().rev().map(|agent| (agent.id.clone(), presence_of(&agent.id)));
    FetchResult { answered: answered.collect(), ..FetchResult::default() }
}

/// Fails for the agents after the second.
fn partial_answers(query: &Query) -> FetchResult {
    let mut fetched = answers(query);
    fetched.answered.retain(|(id, _)| id.len() > 1 || &**id == "2");
    fetched.failed = query.agents.iter().skip(2).map(|agent| agent.id.clone()).collect();
    let message = "CXone server error (503)".to_owned();
    fetched.error = Some(UpstreamError { endpoint: Endpoint::Presence, kind: Kind::Server, message });
    fetched
}

async fn report(
    config: &Config,
    args: &ReportArgs,
    source: Arc<FakeSource>,
    terminal: Terminal,
) -> (String, Result<(), ReportError>) {
    let build_source = move |_: &Arc<Tenant>, _, _| Ok(Arc::clone(&source) as Arc<dyn Source>);
    let mut out = Vec::new();
    let clock = Arc::new(DrivenClock::new(NOW + Duration::from_millis(250)));
    let ended = run_with(&build_source, config, args, clock, &mut out, terminal).await;
    (String::from_utf8(out).unwrap(), ended)
}

/// Compares with a file under `tests/golden/report`.
pub(super) fn golden(name: &str, text: &str) {
    let settings = {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/report"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings
    };
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[tokio::test]
async fn table_matches_golden_file() {
    let config = fixture::config([acme()]);
    let (text, ended) = report(&config, &args(ReportFormat::Table, None), FakeSource::new(answers), PLAIN).await;
    ended.unwrap();
    golden("table", &text);
    assert!(!text.contains('\x1b'), "names bring no escape sequences");
}

#[tokio::test]
async fn json_has_exact_numbers_and_documented_keys() {
    let config = fixture::config([acme()]);
    let (text, ended) = report(&config, &args(ReportFormat::Json, None), FakeSource::new(answers), COLOR).await;
    ended.unwrap();
    golden("json", &text);
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    for entry in &list {
        let keys: Vec<_> = entry.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["agent", "from", "name", "states", "team", "tenant", "to", "total"]);
        let states = entry["states"].as_object().unwrap().values();
        let sum: f64 = states.map(|seconds| seconds.as_f64().unwrap()).sum();
        assert!((sum - entry["total"].as_f64().unwrap()).abs() < 1e-6);
    }
    assert_eq!(list.len(), 5);
}

#[tokio::test]
async fn privacy_holds_in_every_format() {
    let mut hashed = acme();
    hashed.privacy.agent_label = AgentLabel::Hmac(Box::new(Pseudonyms::new("0123456789abcdef".into())));
    let label = hashed.label(&hashed.agents[0]);
    let mut teams_only = acme();
    teams_only.agents[4].team = Some("Billing".to_owned());
    teams_only.privacy.per_agent = false;
    for format in [ReportFormat::Table, ReportFormat::Csv, ReportFormat::Json] {
        let (text, ended) =
            report(&fixture::config([hashed.clone()]), &args(format, None), FakeSource::new(answers), PLAIN).await;
        ended.unwrap();
        assert!(text.contains(&*label) && !text.contains("1234567890123456789"), "{text}");
        let (text, ended) =
            report(&fixture::config([teams_only.clone()]), &args(format, None), FakeSource::new(answers), PLAIN).await;
        ended.unwrap();
        let people = ["1234567890123456789", "Lovelace", "Hopper", "花子"];
        assert!(text.contains("Billing") && people.iter().all(|person| !text.contains(person)), "{text}");
    }
    let config = fixture::config([teams_only]);
    let (text, _) = report(&config, &args(ReportFormat::Table, None), FakeSource::new(answers), PLAIN).await;
    golden("table_of_teams", &text);
}

#[tokio::test]
async fn csv_matches_golden_file() {
    let config = fixture::config([acme()]);
    let (text, ended) = report(&config, &args(ReportFormat::Csv, None), FakeSource::new(answers), COLOR).await;
    ended.unwrap();
    golden("csv", &text);
}

#[tokio::test]
async fn colors_surround_states_only() {
    let config = fixture::config([acme()]);
    let (plain, _) = report(&config, &args(ReportFormat::Table, None), FakeSource::new(answers), PLAIN).await;
    let (colored, _) = report(&config, &args(ReportFormat::Table, None), FakeSource::new(answers), COLOR).await;
    for (state, color) in [("Available", "32"), ("Busy", "33"), ("WrapUp", "36"), ("Offline", "2"), ("LoggedOut", "2")]
    {
        assert!(colored.contains(&format!("\x1b[{color}m{state}\x1b[0m")), "{state}");
    }
    let mut stripped = colored;
    for code in ["\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[2m", "\x1b[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

#[tokio::test]
async fn each_tenant_is_fetched_once_for_its_window() {
    let mut shop = fixture::tenant("shop", 1);
    shop.query.window = Duration::from_secs(3_600);
    let config = fixture::config([acme(), shop]);
    let source = FakeSource::new(answers);
    let (text, ended) = report(&config, &args(ReportFormat::Table, None), Arc::clone(&source), PLAIN).await;
    ended.unwrap();
    let day = Window::ending_at(NOW, Duration::from_secs(86_400));
    let hour = Window::ending_at(NOW, Duration::from_secs(3_600));
    assert_eq!(source.windows(), [day, hour]);
    assert!(text.starts_with("acme: 2023-11-13T22:13:20Z to 2023-11-14T22:13:20Z (24h)\n"), "{text}");
    assert!(text.contains("\nshop: 2023-11-14T21:13:20Z to 2023-11-14T22:13:20Z (1h)\n"), "{text}");
}

#[tokio::test]
async fn tenant_flag_selects_and_unknown_tenant_is_an_error() {
    let config = fixture::config([acme(), fixture::tenant("shop", 1)]);
    let source = FakeSource::new(answers);
    let (text, ended) = report(&config, &args(ReportFormat::Json, Some("shop")), Arc::clone(&source), PLAIN).await;
    ended.unwrap();
    assert_eq!(serde_json::from_str::<Vec<Value>>(&text).unwrap().len(), 1);

    let (text, ended) = report(&config, &args(ReportFormat::Json, Some("shoe")), Arc::clone(&source), PLAIN).await;
    assert_eq!(ended.unwrap_err().to_string(), "no tenant `shoe` is configured; configured: `acme`, `shop`");
    assert_eq!((text.as_str(), source.windows().len()), ("", 1));
}

#[tokio::test]
async fn partial_report_is_printed_and_is_an_error() {
    let config = fixture::config([acme()]);
    for format in [ReportFormat::Table, ReportFormat::Json, ReportFormat::Csv] {
        let (text, ended) = report(&config, &args(format, None), FakeSource::new(partial_answers), PLAIN).await;
        assert!(text.contains("1234567890123456789") && text.contains("花子") && !text.contains("Grace"), "{text}");
        assert_eq!(
            ended.unwrap_err().to_string(),
            "the report is incomplete: tenant acme: 3 of 5 agents could not be read: CXone server error (503)"
        );
    }
}

#[tokio::test]
async fn partial_report_names_why_agents_were_refused() {
    let refused = |query: &Query| {
        let mut fetched = partial_answers(query);
        fetched.refusal = fetched.error.take();
        fetched
    };
    let (_, ended) =
        report(&fixture::config([acme()]), &args(ReportFormat::Csv, None), FakeSource::new(refused), PLAIN).await;
    assert_eq!(
        ended.unwrap_err().to_string(),
        "the report is incomplete: tenant acme: 3 of 5 agents could not be read: CXone server error (503)"
    );
}

/// The ids of the lines of a table.
fn ids(text: &str) -> Vec<&str> {
    text.lines().skip(2).filter_map(|line| line.split(' ').next()).filter(|id| id.parse::<u64>().is_ok()).collect()
}

#[tokio::test]
async fn report_is_sorted_by_text_or_longest_first() {
    const ADA: &str = "1234567890123456789";
    let config = fixture::config([acme()]);
    let table = [
        (None, [ADA, "2", "3", "4", "5"]),
        (Some("agent"), [ADA, "2", "3", "4", "5"]),
        (Some("name"), ["4", ADA, "5", "2", "3"]),
        (Some("team"), ["4", ADA, "3", "2", "5"]),
        (Some("total"), [ADA, "3", "2", "4", "5"]),
        (Some("available"), [ADA, "2", "3", "4", "5"]),
        (Some("LoggedOut"), ["3", ADA, "2", "4", "5"]),
    ];
    for (column, order) in table {
        let args = ReportArgs { sort: column.map(str::to_owned), ..args(ReportFormat::Table, None) };
        let (text, ended) = report(&config, &args, FakeSource::new(answers), PLAIN).await;
        ended.unwrap();
        assert_eq!(ids(&text), order, "{column:?}");
    }
    let args = ReportArgs { sort: Some("Avail".to_owned()), ..args(ReportFormat::Table, None) };
    let (text, ended) = report(&config, &args, FakeSource::new(answers), PLAIN).await;
    let error = ended.unwrap_err().to_string();
    assert!(text.is_empty() && error.contains("write one of agent, name, team, total, "), "{error}");
}

#[tokio::test]
async fn team_flag_selects_agents_before_the_fetch() {
    let config = fixture::config([acme()]);
    let of_team = |team: &str| ReportArgs { team: Some(team.to_owned()), ..args(ReportFormat::Table, None) };
    let only_one = |query: &Query| {
        assert_eq!(query.agents.len(), 1);
        answers(query)
    };
    let (text, ended) = report(&config, &of_team("サポート"), FakeSource::new(only_one), PLAIN).await;
    ended.unwrap();
    assert_eq!(ids(&text), ["2"]);
    let (text, ended) = report(&config, &of_team("Biling"), FakeSource::new(only_one), PLAIN).await;
    let error = ended.unwrap_err().to_string();
    assert!(text.is_empty() && error.starts_with("nothing to report: tenant acme: no agent is in the team `Biling`"));
    assert!(error.contains("`Billing`"), "{error}");
}

#[tokio::test]
async fn report_of_all_agents_reads_the_list_first() {
    let person = |id: &str| Person { id: id.into(), name: Some("Ada".to_owned()), team: None, active: true };
    let tenant =
        Tenant { api: Api::Official, agent_filter: Some(AgentFilter::default()), ..fixture::tenant("acme", 0) };
    let config = fixture::config([tenant]);
    let failed =
        UpstreamError { endpoint: Endpoint::Agents, kind: Kind::Forbidden, message: "refused (403)".to_owned() };
    let table = [
        (Ok(vec![person("2"), person("3")]), vec!["2", "3"], None),
        (Ok(Vec::new()), Vec::new(), Some("nothing to report: tenant acme: CXone's list of agents is empty")),
        (
            Err(failed),
            Vec::new(),
            Some("nothing to report: tenant acme: CXone's list of agents could not be read: refused"),
        ),
    ];
    for (directory, expected, error) in table {
        let source = FakeSource::new(answers).with_directory(directory);
        let (text, ended) = report(&config, &args(ReportFormat::Table, None), source, PLAIN).await;
        assert_eq!(ids(&text), expected);
        match error {
            None => ended.unwrap(),
            Some(start) => assert!(ended.unwrap_err().to_string().starts_with(start)),
        }
    }
}

#[tokio::test]
async fn broken_pipe_is_no_failure() {
    struct Closed(ErrorKind);
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let config = fixture::config([acme()]);
    for (kind, is_ok) in [(ErrorKind::BrokenPipe, true), (ErrorKind::StorageFull, false)] {
        let build_source = |_: &Arc<Tenant>, _, _| Ok(FakeSource::new(answers) as Arc<dyn Source>);
        let clock = Arc::new(DrivenClock::new(NOW));
        let args = args(ReportFormat::Csv, None);
        let ended = run_with(&build_source, &config, &args, clock, &mut Closed(kind), PLAIN).await;
        assert_eq!(ended.is_ok(), is_ok, "{kind:?}");
    }
}

/// A tenant of the simulator's first `agents` agents.
fn simulated(simulator: &Simulator, agents: usize) -> Tenant {
    let Credentials { client_id, client_secret } = simulator.credentials();
    let mut tenant = fixture::tenant("simulated", 0);
    tenant.connection.base_url = simulator.base_url().parse().unwrap();
    tenant.connection.client_id = client_id.to_owned();
    tenant.connection.client_secret = client_secret.into();
    tenant.agents = simulator.workforce().agents().iter().take(agents).map(|agent| fixture::agent(&agent.id)).collect();
    tenant
}

#[tokio::test]
async fn report_of_200_agents_is_exact_with_the_fewest_requests() {
    // 50 agents of 24 buckets each are 1,200 buckets a batch: two pages.
    let table = [(1_000, 8), (1_200, 4), (100, 48)];
    for (page_size, pages) in table {
        let clock = Arc::new(DrivenClock::new(Timestamp::from_seconds(1_700_000_123)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();

        let options = SimulatorOptions { agents: 200, page_size, ..SimulatorOptions::default() };
        let simulator = Simulator::start(options, listener, clock.clone()).unwrap();
        let tenant = simulated(&simulator, 200);
        let config = fixture::config([tenant]);

        let mut out = Vec::new();
        let args = args(ReportFormat::Json, None);
        run(&config, &args, clock.clone(), &mut out, PLAIN).await.unwrap();

        let counts = simulator.counts();
        assert_eq!((counts.token, counts.presence), (1, pages));
        let window = Window::ending_at(clock.now(), Duration::from_secs(86_400));
        let list: Vec<Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(list.len(), 200);
        for entry in &list {
            let agent = entry["agent"].as_str().unwrap();
            let truth = simulator.expected(agent, window, Duration::from_secs(3_600), Align::Window);
            let states = entry["states"].as_object().unwrap();
            for (state, time) in &truth {
                let seconds = states.get(&**state).map_or(0.0, |seconds| seconds.as_f64().unwrap());
                assert!((seconds - time.seconds_f64()).abs() < 1e-6, "{agent} {state}: {seconds}, not {time:?}");
            }
            assert!(states.keys().all(|state| truth.contains_key(&**state)), "{agent}");
        }
        simulator.shutdown().await;
    }
}
