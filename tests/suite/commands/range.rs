//! `report --from` and `backfill` as processes, over the simulated tenant.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cxone_exporter::clock::{Clock, SystemClock};
use cxone_exporter::presence::{Timestamp, Window};
use cxone_exporter::simulator::Simulator;
use serde_json::Value;

use super::official_api::all_agents;
use super::{simulated, stderr, stdout};
use crate::process::ProcessHarness;

const AGENTS: usize = 30;
const DAY: Duration = Duration::from_secs(86_400);

async fn harness(faults: &[&str]) -> ProcessHarness {
    let harness = simulated(AGENTS, faults).await;
    harness.write("cxone.yml", &harness.simulator.example_config(AGENTS));
    harness
}

/// The midnight so many days ago.
fn midnight(days: u32) -> Timestamp {
    const DAY_MICROS: i64 = 86_400_000_000;
    let today = SystemClock::new().now().micros().div_euclid(DAY_MICROS) * DAY_MICROS;
    Timestamp::from_micros(today).saturating_sub(DAY * days)
}

/// The flag of a state file in the folder of the harness.
fn state(harness: &ProcessHarness, name: &str) -> String {
    format!("--state={}", harness.path(name).display())
}

fn date(moment: Timestamp) -> String {
    moment.to_string()[..10].to_owned()
}

fn assert_truth(simulator: &Simulator, output: &Output) {
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    for entry in &list {
        let time = |key: &str| Timestamp::parse(entry[key].as_str().unwrap().as_bytes()).unwrap();
        let window = Window { start: time("from"), end: time("to") };
        let truth = simulator.truth(entry["agent"].as_str().unwrap(), window);
        let states = entry["states"].as_object().unwrap();
        for (state, time) in &truth {
            let seconds = states.get(&**state).map_or(0.0, |seconds| seconds.as_f64().unwrap());
            assert!((seconds - time.seconds_f64()).abs() < 1e-3, "{entry}: {state} is {time:?}");
        }
        assert!(states.keys().all(|state| truth.contains_key(&**state)), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn report_over_dates_is_the_truth_and_asks_nothing_twice() {
    let harness = harness(&[]).await;
    let (from, to) = (date(midnight(9)), date(midnight(1)));
    let state = state(&harness, "state");
    let command = ["report", "--format=json", "--from", &from, "--to", &to, "--by=day", &state];
    let output = harness.run(&command);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap().len(), AGENTS * 8);
    assert_truth(&harness.simulator, &output);
    let requests = harness.requests();
    let again = harness.run(&command);
    assert_eq!((again.stdout == output.stdout, harness.requests()), (true, requests));

    let (from, to) = (date(midnight(2)), date(midnight(0)));
    let by_hour = ["report", "--format=json", "--from", &from, "--to", &to, "--timezone=Asia/Kathmandu", "--by=hour"];
    let by_hour = harness.run(&by_hour);
    assert!(by_hour.status.success(), "{}", stderr(&by_hour));
    assert_truth(&harness.simulator, &by_hour);
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn report_over_dates_of_the_official_api_is_the_truth() {
    let harness = harness(&[]).await;
    harness.write("cxone.yml", &all_agents(&harness.simulator.base_url(), "{ active_only: false }"));
    let (from, to) = (date(midnight(4)), date(midnight(1)));
    let command = ["report", "--format=json", "--from", &from, "--to", &to, "--timezone=Europe/Berlin", "--by=hour"];
    let output = harness.run(&command);
    assert!(output.status.success(), "{}", stderr(&output));
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list.len(), AGENTS * 72);
    for entry in &list {
        let time = |key: &str| Timestamp::parse(entry[key].as_str().unwrap().as_bytes()).unwrap();
        let window = Window { start: time("from"), end: time("to") };
        let truth = harness.simulator.official_truth(entry["agent"].as_str().unwrap(), window, true);
        for (state, time) in &truth {
            let seconds = entry["states"][&**state].as_f64().unwrap_or_default();
            // Rows have milliseconds.
            assert!((seconds - time.seconds_f64()).abs() < 0.1, "{entry}: {state} is {time:?}");
        }
    }
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_ranges_exit_2_and_send_nothing() {
    let harness = harness(&[]).await;
    let from = date(midnight(3));
    let table: &[(&[&str], &str)] = &[
        (&["report", "--to", &from], "--from"),
        (&["report", "--from", &from, "--to", &from], "is not after"),
        (&["report", "--from", "2999-01-01"], "is in the future"),
        (&["report", "--from", &from, "--timezone", "Berlin"], "is no IANA time zone"),
        (
            &["report", "--from", &from, "--format", "openmetrics", "--label", "agent=1"],
            "is a label of the series themselves",
        ),
        (&["report", "--from", &from, &state(&harness, "cxone.yml")], "is not a state file"),
        (&["backfill", "--from", &from, "--to", "2999-01-01"], "later than three hours ago"),
        (&["backfill", "--from", &from, "--step", "7m"], "does not divide the window"),
    ];
    for (arguments, message) in table {
        let output = harness.run(arguments);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{arguments:?}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    assert_eq!(harness.requests(), (0, 0));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn report_killed_while_it_waits_goes_on() {
    // The first piece of the 30 agents is answered, then one request is refused, and the report waits to try again.
    let harness = harness(&["presence:status=403@1+30"]).await;
    let (from, to) = (date(midnight(12)), date(midnight(1)));
    let kept = state(&harness, "state");
    let command = ["report", "--format=csv", "--from", &from, "--to", &to, "--by=day", &kept];
    let mut killed = Command::new(env!("CARGO_BIN_EXE_cxone-exporter"));
    killed.env_clear().args(command).arg("--config.file").arg(harness.config()).stdout(Stdio::null());
    let mut killed = killed.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(killed.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("reading a piece failed; it is tried again")).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(line.contains("wait_seconds=5") && line.contains("(403)"), "{line}");
    let (_, first) = harness.requests();
    let resumed = harness.run(&command);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let (_, all) = harness.requests();
    assert!(first > 30 && all - first < 150, "{first} and then {all}");
    let other = state(&harness, "other");
    let without = [&command[..7], &[other.as_str()]].concat();
    let whole = harness.run(&without);
    assert_eq!(stdout(&whole), stdout(&resumed));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_ends_three_hours_ago_and_says_which_labels_are_missing() {
    let harness = harness(&[]).await;
    let output = harness.run(&["backfill", "--from", &date(midnight(1)), "--label", "job=cxone"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("labels=instance"), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("# HELP cxone_agent_state_seconds ") && text.ends_with("\n# EOF\n"));
    let times = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(' ').next().unwrap());
    let last = times.map(|time| time.parse::<i64>().unwrap()).max().unwrap();
    let age = SystemClock::new().now().micros() / 1_000_000 - last;
    assert!((3 * 3_600..3 * 3_600 + 400).contains(&age), "{age}");
    harness.simulator.shutdown().await;
}
