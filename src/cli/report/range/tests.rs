//! Reports over dates from a fake source: the formats, privacy, failures, resuming.

use std::fs;
use std::io::ErrorKind;
use std::sync::Mutex;

use serde_json::Value;

use super::*;
use crate::cli::fixture::{self, CapturedLog, FakeSource};
use crate::cli::report::run_with;
use crate::cli::report::tests::{PLAIN, golden};
use crate::clock::{Monotonic, Sleep};
use crate::config::{Agent, AgentLabel, Pseudonyms};
use crate::presence::{AgentPresence, Micros, WindowPart};
use crate::upstream::{Endpoint, ErrorKind as Kind, FetchResult, PastQuery, Source};

/// A clock on which every wait is over at once.
struct InstantClock(Mutex<Monotonic>);

impl Clock for InstantClock {
    fn now(&self) -> Timestamp {
        fixture::NOW
    }

    fn monotonic(&self) -> Monotonic {
        *self.0.lock().unwrap()
    }

    fn sleep_until(&self, deadline: Monotonic) -> Sleep {
        let mut now = self.0.lock().unwrap();
        *now = deadline.max(*now);
        Box::pin(std::future::ready(()))
    }
}

/// Four agents: with a schedule, with a name that is hostile, without data, without a team.
fn acme() -> Tenant {
    let named = |id: &str, name: &str, team: Option<&str>| Agent {
        name: Some(name.to_owned()),
        team: team.map(str::to_owned),
        ..fixture::agent(id)
    };
    let mut tenant = fixture::tenant("acme", 0);
    tenant.agents = vec![
        Agent {
            schedule: Some(fixture::schedule()),
            absent_limit: Some(Duration::from_secs(900)),
            ..named("1001", "Ada Lovelace", Some("Billing"))
        },
        named("1002", "=花子\n山田", Some("サポート")),
        named("1003", "Grace Hopper", Some("Billing")),
        named("1004", "Zoë", None),
    ];
    tenant
}

/// Slots of five minutes: available from 10:00 to 18:00 UTC, a state of its own at noon, else offline.
fn presence(id: &str, window: Window) -> Option<AgentPresence> {
    const DAY: i64 = 86_400_000_000;
    if id == "1003" {
        return None;
    }
    let states = ["=Lunch", "Available", "Busy", "Offline"];
    let first = window.start.micros().div_euclid(300_000_000);
    let starts =
        (first..).map(|slot| Timestamp::from_micros(slot * 300_000_000)).take_while(|start| *start < window.end);
    let parts = starts.map(|start| {
        let place = match start.micros().rem_euclid(DAY) / 3_600_000_000 {
            12 => 0,
            10..18 if id == "1001" => 1,
            10..18 => 2,
            _ => 3,
        };
        let inside = Window { start, end: start + SLOT }.intersection(window).unwrap();
        WindowPart { start, times: vec![(place, inside.length())] }
    });
    Some(AgentPresence {
        states: states.map(|state| (state.into(), Micros::ZERO)).into(),
        parts: parts.collect(),
        ..fixture::presence(&[])
    })
}

fn answers(query: &PastQuery) -> FetchResult {
    let answered = query.agents.iter().map(|agent| (agent.id.clone(), presence(&agent.id, query.window)));
    FetchResult { answered: answered.collect(), ..FetchResult::default() }
}

/// Fails for one agent.
fn partial_answers(query: &PastQuery) -> FetchResult {
    let mut fetched = answers(query);
    fetched.answered.retain(|(id, _)| &**id != "1001");
    if query.agents.iter().any(|agent| &*agent.id == "1001") {
        fetched.failed = vec!["1001".into()];
        let message = "CXone server error (503).".to_owned();
        fetched.error = Some(UpstreamError { endpoint: Endpoint::Presence, kind: Kind::Server, message });
    }
    fetched
}

fn args(format: ReportFormat, by: ReportBy) -> ReportArgs {
    ReportArgs {
        format,
        by: Some(by),
        from: Some("2023-11-12".to_owned()),
        to: Some("2023-11-14".to_owned()),
        timezone: TimeZone::named("Europe/Berlin"),
        ..ReportArgs::default()
    }
}

async fn report(config: &Config, args: &ReportArgs, source: Arc<FakeSource>) -> (String, Result<(), ReportError>) {
    let build_source = move |_: &Arc<Tenant>, _, _| Ok(Arc::clone(&source) as Arc<dyn Source>);
    let mut out = Vec::new();
    let clock = Arc::new(InstantClock(Mutex::default()));
    let ended = run_with(&build_source, config, args, clock, &mut out, PLAIN).await;
    (String::from_utf8(out).unwrap(), ended)
}

#[tokio::test]
async fn table_by_day_matches_golden_file() {
    let config = fixture::config([acme(), fixture::tenant("shop", 1)]);
    let (text, ended) = report(&config, &args(ReportFormat::Table, ReportBy::Day), FakeSource::of_past(answers)).await;
    ended.unwrap();
    golden("range_table_by_day", &text);
}

#[tokio::test]
async fn csv_by_day_matches_golden_file() {
    let config = fixture::config([acme()]);
    let (text, ended) = report(&config, &args(ReportFormat::Csv, ReportBy::Day), FakeSource::of_past(answers)).await;
    ended.unwrap();
    golden("range_csv_by_day", &text);
}

#[tokio::test]
async fn json_by_hour_adds_up_to_the_total() {
    let config = fixture::config([acme()]);
    let mut entries = Vec::new();
    for by in [ReportBy::Hour, ReportBy::Day, ReportBy::Total] {
        let source = FakeSource::of_past(answers);
        let (text, ended) = report(&config, &args(ReportFormat::Json, by), Arc::clone(&source)).await;
        ended.unwrap();
        // Two agents at once for 48 hours.
        assert_eq!(source.windows().len(), 2);
        entries.push(serde_json::from_str::<Vec<Value>>(&text).unwrap());
    }
    let [hours, days, total] = entries.try_into().unwrap();
    assert_eq!((hours.len(), days.len(), total.len()), (4 * 48, 4 * 2, 4));
    let sum = |list: &[Value], agent: &str, key: &dyn Fn(&Value) -> Option<f64>| -> f64 {
        list.iter().filter(|entry| entry["agent"] == agent).filter_map(key).sum()
    };
    for agent in ["1001", "1002", "1003", "1004"] {
        for state in ["Available", "=Lunch", "Offline"] {
            let time = |entry: &Value| entry["states"][state].as_f64();
            assert_eq!(sum(&hours, agent, &time).to_bits(), sum(&total, agent, &time).to_bits());
            assert_eq!(sum(&days, agent, &time).to_bits(), sum(&total, agent, &time).to_bits());
        }
        for key in ["total", "scheduled", "offline_on_shift", "absent"] {
            let time = |entry: &Value| entry[key].as_f64();
            assert_eq!(sum(&hours, agent, &time).to_bits(), sum(&total, agent, &time).to_bits());
        }
    }
    // One working day from 9 to 17: the hour before 10 is absence, and nothing else is offline.
    let ada = total.iter().find(|entry| entry["agent"] == "1001").unwrap();
    assert_eq!(
        (&ada["scheduled"], &ada["offline_on_shift"], &ada["absent"]),
        (&28_800.into(), &3_600.into(), &3_600.into())
    );
    assert_eq!((&ada["from"], &ada["to"]), (&"2023-11-12T00:00:00+01:00".into(), &"2023-11-14T00:00:00+01:00".into()));
    assert!(total.iter().all(|entry| entry["agent"] == "1001" || entry.get("scheduled").is_none()));
}

#[tokio::test]
async fn sort_and_team_hold_for_ranges() {
    let config = fixture::config([acme()]);
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|id| id.parse::<u64>().is_ok())
            .map(str::to_owned)
            .collect()
    };
    let sorted = ReportArgs { sort: Some("Busy".to_owned()), ..args(ReportFormat::Table, ReportBy::Total) };
    let (text, ended) = report(&config, &sorted, FakeSource::of_past(answers)).await;
    ended.unwrap();
    assert_eq!(lines(&text), ["1002", "1004", "1001", "1003"]);
    let team = ReportArgs { team: Some("Billing".to_owned()), ..args(ReportFormat::Table, ReportBy::Total) };
    let (text, ended) = report(&config, &team, FakeSource::of_past(answers)).await;
    ended.unwrap();
    assert_eq!(lines(&text), ["1001", "1003"]);
    let unknown = ReportArgs { sort: Some("Bizy".to_owned()), ..args(ReportFormat::Table, ReportBy::Total) };
    // What was read is not thrown away.
    let log = CapturedLog::start();
    let (text, ended) = report(&config, &unknown, FakeSource::of_past(answers)).await;
    ended.unwrap();
    assert_eq!(lines(&text), ["1001", "1002", "1003", "1004"]);
    let warned = log.lines("--sort names no column").join("\n");
    assert!(warned.contains("Bizy") && warned.contains("agent, name, team, total, =Lunch, Available"), "{warned}");
}

#[tokio::test]
async fn privacy_holds_in_every_format_of_a_range() {
    let mut hashed = acme();
    hashed.privacy.agent_label = AgentLabel::Hmac(Box::new(Pseudonyms::new("0123456789abcdef".into())));
    hashed.agents.iter_mut().for_each(|agent| agent.name = None);
    let mut teams_only = acme();
    teams_only.privacy.per_agent = false;
    let label = hashed.label(&hashed.agents[0]);
    for format in [ReportFormat::Table, ReportFormat::Csv, ReportFormat::Json, ReportFormat::OpenMetrics] {
        let args = match format {
            ReportFormat::OpenMetrics => ReportArgs { by: None, ..args(format, ReportBy::Total) },
            _ => args(format, ReportBy::Day),
        };
        let shows = |text: &str, what: &[&str]| what.iter().any(|what| text.contains(what));
        let (text, ended) = report(&fixture::config([hashed.clone()]), &args, FakeSource::of_past(answers)).await;
        ended.unwrap();
        assert!(text.contains(&*label) && !shows(&text, &["1001", "1002", "Lovelace"]), "{text}");
        let (text, ended) = report(&fixture::config([teams_only.clone()]), &args, FakeSource::of_past(answers)).await;
        ended.unwrap();
        assert!(text.contains("Billing") && !shows(&text, &["1001", "1002", "Lovelace", "花子"]), "{text}");
    }
    let (text, _) =
        report(&fixture::config([teams_only]), &args(ReportFormat::Table, ReportBy::Day), FakeSource::of_past(answers))
            .await;
    golden("range_table_of_teams", &text);
}

#[tokio::test]
async fn failed_agents_are_left_out_and_the_same_command_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let config = fixture::config([acme()]);
    let plain = args(ReportFormat::Csv, ReportBy::Total);
    let (whole, ended) = report(&config, &plain, FakeSource::of_past(answers)).await;
    ended.unwrap();
    let (text, ended) = report(&config, &plain, FakeSource::of_past(partial_answers)).await;
    assert!(text.contains(",1002,") && !text.contains(",1001,"), "{text}");
    assert_eq!(
        ended.unwrap_err().to_string(),
        "the report is incomplete: tenant acme: 1 of 4 agents could not be read to the end: CXone server error (503); with \
         --state FILE the same command goes on where it stopped"
    );

    let resumed = ReportArgs { state: Some(state.clone()), ..plain };
    let (_, ended) = report(&config, &resumed, FakeSource::of_past(partial_answers)).await;
    let message = ended.unwrap_err().to_string();
    assert!(message.ends_with(&format!("the same command goes on from {}", state.display())), "{message}");
    let source = FakeSource::of_past(answers);
    let (text, ended) = report(&config, &resumed, Arc::clone(&source)).await;
    ended.unwrap();
    assert_eq!((text, source.windows().len()), (whole.clone(), 1));
    // Another format and other agents ask nothing.
    let source = FakeSource::of_past(answers);
    let json = ReportArgs { format: ReportFormat::Json, team: Some("Billing".to_owned()), ..resumed };
    let (_, ended) = report(&config, &json, Arc::clone(&source)).await;
    ended.unwrap();
    assert!(source.windows().is_empty());
    // Ids and times only.
    let kept = fs::read_to_string(&state).unwrap();
    assert!(!["Lovelace", "花子", "my-secret"].iter().any(|secret| kept.contains(secret)), "{kept}");
    let other = ReportArgs { by: Some(ReportBy::Day), ..json };
    let (_, ended) = report(&config, &other, FakeSource::of_past(answers)).await;
    let error = ended.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("it sums by total, and not day"), "{error}");
}

#[tokio::test]
async fn agents_without_data_are_counted_in_a_warning() {
    let mut teams_only = acme();
    teams_only.privacy.per_agent = false;
    for (tenant, format) in
        [(acme(), ReportFormat::Csv), (teams_only, ReportFormat::Table), (acme(), ReportFormat::OpenMetrics)]
    {
        let args = args(format, ReportBy::Total);
        let args = ReportArgs { by: args.by.filter(|_| format != ReportFormat::OpenMetrics), ..args };
        let log = CapturedLog::start();
        let (_, ended) = report(&fixture::config([tenant]), &args, FakeSource::of_past(answers)).await;
        ended.unwrap();
        let warned = log.lines("no time of some agents");
        assert!(warned.len() == 1 && warned[0].contains("agents=1 of=4") && !warned[0].contains("1003"), "{warned:?}");
        // The tenant's interval is an hour, and the step five minutes.
        let warned = log.lines("samples are interpolated").join("\n");
        assert_eq!(warned.contains("step=\"5m\" interval=\"1h\""), format == ReportFormat::OpenMetrics, "{warned}");
    }
}

#[tokio::test]
async fn nothing_read_is_an_error_of_its_own() {
    let fails = |query: &PastQuery| FetchResult {
        failed: query.agents.iter().map(|agent| agent.id.clone()).collect(),
        ..FetchResult::default()
    };
    let config = fixture::config([acme()]);
    let (text, ended) = report(&config, &args(ReportFormat::Csv, ReportBy::Day), FakeSource::of_past(fails)).await;
    assert_eq!(text, "tenant,agent,name,team,from,to,state,seconds\n");
    assert!(ended.unwrap_err().to_string().starts_with("nothing to report: tenant acme: 4 of 4 agents"));
}

/// A full disk.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn output_on_a_full_disk_is_an_error_with_advice() {
    let config = fixture::config([acme()]);
    let source = FakeSource::of_past(answers);
    let build_source = move |_: &Arc<Tenant>, _, _| Ok(Arc::clone(&source) as Arc<dyn Source>);
    let clock = Arc::new(InstantClock(Mutex::default()));
    let openmetrics = ReportArgs { by: None, ..args(ReportFormat::OpenMetrics, ReportBy::Total) };
    let ended = run_with(&build_source, &config, &openmetrics, clock, &mut Full, PLAIN).await;
    let message = ended.unwrap_err().to_string();
    assert!(message.starts_with("the output cannot be written: no storage space"), "{message}");
    assert!(message.ends_with("; check that the disk has room"), "{message}");
}

#[tokio::test]
async fn contradicting_flags_are_usage_errors() {
    let config = fixture::config([acme()]);
    let openmetrics = || ReportArgs { by: None, ..args(ReportFormat::OpenMetrics, ReportBy::Day) };
    let table = [
        (ReportArgs { from: None, ..openmetrics() }, "is for a range: add --from"),
        (args(ReportFormat::OpenMetrics, ReportBy::Day), "--by and --sort have no effect"),
        (ReportArgs { step: Some(SLOT), ..args(ReportFormat::Csv, ReportBy::Day) }, "--step and --label are for"),
        (ReportArgs { step: Some(Duration::from_secs(10)), ..openmetrics() }, "--step 10s is not between 1m and 1h"),
        (
            ReportArgs { step: Some(Duration::from_secs(420)), ..openmetrics() },
            "--step 7m does not divide the window of tenant `acme`",
        ),
        (
            ReportArgs { label: vec![("job".into(), "a".into()), ("job".into(), "b".into())], ..openmetrics() },
            "a label twice",
        ),
        (ReportArgs { from: Some("2000-01-02".into()), ..openmetrics() }, "the most are 1000000"),
    ];
    for (args, expected) in table {
        let source = FakeSource::of_past(answers);
        let (text, ended) = report(&config, &args, Arc::clone(&source)).await;
        let error = ended.unwrap_err();
        assert!(text.is_empty() && error.is_usage() && error.to_string().contains(expected), "{error}");
        assert_eq!(source.windows(), [], "nothing is read: {error}");
    }
}
