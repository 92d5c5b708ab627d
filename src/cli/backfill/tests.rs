//! The samples against the truth of a simulated tenant, and the flags.

use std::collections::BTreeMap;

use tokio::net::TcpListener;

use super::*;
use crate::cli::fixture;
use crate::clock::DrivenClock;
use crate::presence::{Micros, StateName};
use crate::simulator::{Credentials, Simulator, SimulatorOptions};

const PLAIN: Terminal = Terminal { color: false, progress: false };
/// 2026-11-20T15:02:03Z.
const NOW: Timestamp = Timestamp::from_seconds(1_795_186_923);

fn args(from: &str, to: Option<&str>) -> BackfillArgs {
    BackfillArgs {
        from: from.to_owned(),
        to: to.map(str::to_owned),
        timezone: None,
        step: Duration::from_secs(300),
        label: vec![("job".to_owned(), "cxone".to_owned()), ("instance".to_owned(), "a:10062".to_owned())],
        tenant: None,
        team: None,
        state: None,
    }
}

#[test]
fn end_is_three_hours_ago_at_the_latest() {
    let table = [
        ("2026-11-20", None, Ok("2026-11-20T12:00:00Z")),
        ("2026-11-20", Some("2026-11-20T12:02:03Z"), Ok("2026-11-20T12:02:03Z")),
        (
            "2026-11-20",
            Some("2026-11-20T12:02:04Z"),
            Err("is later than three hours ago, 2026-11-20T12:02:03Z: blocks must not overlap"),
        ),
        ("2026-11-20", Some("2026-11-20"), Err("is not before the end")),
        ("2026-11-21", None, Err("is not before the end")),
        ("today", None, Err("--from `today` is no time")),
    ];
    for (from, to, expected) in table {
        let range = range_of(&args(from, to), &TimeZone::UTC, NOW).map_err(|error| error.to_string());
        match expected {
            Ok(end) => assert_eq!(range.unwrap().end.to_string(), end),
            Err(part) => assert!(range.unwrap_err().contains(part), "{from} {to:?}"),
        }
    }
}

/// A tenant of the simulator's first agents.
fn simulated(simulator: &Simulator, agents: usize) -> Tenant {
    let Credentials { client_id, client_secret } = simulator.credentials();
    let mut tenant = fixture::tenant("simulated", 0);
    tenant.query.interval = crate::config::Interval::default();
    tenant.query.incremental = Some(crate::config::Incremental::default());
    tenant.connection.base_url = simulator.base_url().parse().unwrap();
    tenant.connection.client_id = client_id.to_owned();
    tenant.connection.client_secret = client_secret.into();
    tenant.query.window = Duration::from_secs(4 * 3_600);
    tenant.agents = simulator
        .workforce()
        .agents()
        .iter()
        .take(agents)
        .map(|agent| crate::config::Agent { team: Some("Billing".to_owned()), ..fixture::agent(&agent.id) })
        .collect();
    tenant
}

/// Samples by name with labels, as (time, value).
fn samples(text: &str) -> BTreeMap<String, Vec<(i64, f64)>> {
    let mut samples: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    let mut last = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, rest) = line.rsplit_once("} ").unwrap();
        let (value, time) = rest.split_once(' ').unwrap();
        let list = samples.entry(series.to_owned()).or_default();
        assert!(series == last || list.is_empty(), "the samples of {series} are apart");
        let time: i64 = time.parse().unwrap();
        assert!(list.last().is_none_or(|(before, _)| *before < time), "{line}");
        list.push((time, value.parse().unwrap()));
        last = series;
    }
    samples
}

#[tokio::test]
async fn samples_equal_the_truth_of_the_simulated_tenant() {
    let clock = Arc::new(DrivenClock::new(NOW));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = SimulatorOptions { agents: 40, ..SimulatorOptions::default() };
    let simulator = Simulator::start(options, listener, clock.clone()).unwrap();
    let tenant = simulated(&simulator, 6);
    let config = fixture::config([tenant.clone()]);
    let (from, to) =
        (Timestamp::parse(b"2026-11-20T05:03:00Z").unwrap(), Timestamp::parse(b"2026-11-20T11:58:00Z").unwrap());
    let mut out = Vec::new();
    let args = args(&from.to_string(), Some(&to.to_string()));
    run(&config, &args, clock.clone(), &mut out, PLAIN).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with(" 1795175880\n# EOF\n"));
    let samples = samples(&text);

    let start = floor(from, args.step);
    let mut times: Vec<i64> = (0..)
        .map(|step| start.micros() / 1_000_000 + step * 300)
        .take_while(|time| *time < to.micros() / 1_000_000)
        .collect();
    times.push(to.micros() / 1_000_000);
    let truth = |agent: &str, window: Window, state: &str| {
        simulator.truth(agent, window).get(&StateName::from(state)).copied().unwrap_or(Micros::ZERO)
    };
    let target = "job=\"cxone\",instance=\"a:10062\"";
    for state in ["Available", "Busy", "Offline", "WrapUp"] {
        let mut of_team = vec![(0.0, 0.0); times.len()];
        for agent in &tenant.agents {
            let series = |name: &str| &samples[&format!("{name}{{agent=\"{}\",state=\"{state}\",{target}", agent.id)];
            let (gauge, counter) =
                (series("cxone_agent_state_seconds"), series("cxone_agent_state_time_seconds_total"));
            assert_eq!(gauge.iter().map(|(time, _)| *time).collect::<Vec<_>>(), times);
            assert_eq!(counter.iter().map(|(time, _)| *time).collect::<Vec<_>>(), times);
            for (place, ((time, gauge), (_, counter))) in gauge.iter().zip(counter).enumerate() {
                let end = Timestamp::from_seconds(*time);
                // The last sample is off the grid, and time within a slot is spread evenly.
                let tolerance = if end == to { 180.0 } else { 1e-3 };
                let windows = [Window { start, end }, Window::ending_at(end, tenant.query.window)];
                for (window, value) in windows.into_iter().zip([counter, gauge]) {
                    let expected = truth(&agent.id, window, state).seconds_f64();
                    assert!((value - expected).abs() < tolerance, "{state} at {end}: {value}, not {expected}");
                }
                of_team[place] = (of_team[place].0 + gauge, of_team[place].1 + counter);
            }
        }
        let of_team_series = |name: &str| &samples[&format!("{name}{{team=\"Billing\",state=\"{state}\",{target}")];
        let gauge = of_team_series("cxone_team_state_seconds").iter();
        for (((_, gauge), (_, counter)), (gauges, counters)) in
            gauge.zip(of_team_series("cxone_team_state_time_seconds_total")).zip(of_team)
        {
            assert!((gauge - gauges).abs() < 1e-3 && (counter - counters).abs() < 1e-3, "{state}");
        }
    }
    let info = samples.iter().filter(|(name, _)| name.starts_with("cxone_agent_info{"));
    assert_eq!(info.map(|(_, list)| list.len()).collect::<Vec<_>>(), vec![times.len(); 6]);
    simulator.shutdown().await;
}
