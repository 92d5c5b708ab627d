//! `report` and `check` as processes, over the simulated tenant.

mod official_api;
mod range;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cxone_exporter::clock::{Clock, SystemClock};
use cxone_exporter::presence::{Timestamp, Window};
use cxone_exporter::simulator::{Align, Simulator, SimulatorOptions};
use serde_json::Value;

use crate::process::ProcessHarness;

const AGENTS: usize = 200;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// A simulated tenant of so many agents.
async fn simulated(agents: usize, faults: &[&str]) -> ProcessHarness {
    ProcessHarness::new(SimulatorOptions {
        agents: u32::try_from(agents).unwrap(),
        faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
        ..SimulatorOptions::default()
    })
    .await
}

/// A simulated tenant of 200 agents, all of which are configured.
async fn harness(faults: &[&str]) -> ProcessHarness {
    let harness = simulated(AGENTS, faults).await;
    let hourly = "    interval: PT1H\n    incremental: false\n    agents:\n";
    harness.write("cxone.yml", &harness.simulator.example_config(AGENTS).replace("    agents:\n", hourly));
    harness
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn report_is_exact_with_the_fewest_requests() {
    let harness = harness(&[]).await;
    let clock = SystemClock::new();
    let before = clock.now().whole_second();
    let output = harness.run(&["report", "--format", "json"]);
    let after = clock.now();
    assert!(output.status.success(), "{}", stderr(&output));
    // Four batches of 50 agents, whose 1,200 buckets take two pages each.
    assert_eq!(harness.requests(), (1, 8));

    let report: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.len(), AGENTS);
    let ends = std::iter::successors(Some(before), |end| Some(*end + Duration::from_secs(1)));
    let mut ends = ends.take_while(|end| *end <= after);
    assert!(
        ends.any(|end| is_truth(&harness.simulator, &report, end)),
        "the report matches no second between start and end"
    );
    harness.simulator.shutdown().await;
}

/// Whether each agent's seconds are those of the day that ends at `end`.
fn is_truth(simulator: &Simulator, report: &[Value], end: Timestamp) -> bool {
    report.iter().all(|entry| {
        let truth =
            simulator.expected(entry["agent"].as_str().unwrap(), Window::ending_at(end, DAY), HOUR, Align::Window);
        let states = entry["states"].as_object().unwrap();
        let seconds = |state: &str| states.get(state).map_or(0.0, |seconds| seconds.as_f64().unwrap());
        states.keys().all(|state| truth.contains_key(&**state))
            && truth.iter().all(|(state, time)| (seconds(state) - time.seconds_f64()).abs() < 1e-6)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn shard_reports_contain_each_agent_once() {
    let harness = harness(&[]).await;
    let mut agents = Vec::new();
    for index in ["0", "1", "2"] {
        let output = harness.run(&["report", "--format", "csv", "--shard.index", index, "--shard.total", "3"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("shard={index} shards=3")), "{}", stderr(&output));
        let mut lines = csv::Reader::from_reader(&*output.stdout);
        let mut own: Vec<_> = lines.records().map(|line| line.unwrap()[1].to_owned()).collect();
        own.dedup();
        assert!((50..90).contains(&own.len()), "{}", own.len());
        agents.extend(own);
    }
    agents.sort_unstable();
    agents.dedup();
    assert_eq!(agents.len(), AGENTS);

    let output = harness.run(&["check", "--shard.pod-name", "cxone-exporter-2", "--shard.total", "3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("\nThis is shard 2 of 3, counted from 0: "), "{}", stdout(&output));
    let output = harness.run(&["check", "--shard.pod-name", "cxone-exporter-3", "--shard.total", "3"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    assert!(stderr(&output).contains("so the last one is 2"), "{}", stderr(&output));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn report_table_has_no_colors_without_terminal() {
    let harness = harness(&[]).await;
    let output = harness.run(&["report"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
    let text = stdout(&output);
    // The tenant and the window, the header, and one line per agent.
    assert_eq!(text.lines().count(), 2 + AGENTS, "{text}");
    assert!(text.starts_with("simulated: ") && text.contains(" (24h)\nAgent "), "{text}");
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_report_is_printed_and_fails() {
    let harness = harness(&["presence:garbage@1"]).await;
    let output = harness.run(&["report", "--format", "csv"]);
    assert_eq!(output.status.code(), Some(1));
    let mut lines = csv::Reader::from_reader(&*output.stdout);
    let mut agents: Vec<_> = lines.records().map(|line| line.unwrap()[1].to_owned()).collect();
    agents.dedup();
    assert_eq!(agents.len(), 150);
    assert!(stderr(&output).contains("50 of 200 agents"), "{}", stderr(&output));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_tenant_is_a_usage_error() {
    let harness = harness(&[]).await;
    let output = harness.run(&["report", "--tenant", "missing"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    assert!(
        stderr(&output).contains("no tenant `missing` is configured; configured: `simulated`"),
        "{}",
        stderr(&output)
    );
    assert_eq!(harness.requests(), (0, 0));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_sends_nothing_and_probe_two_requests() {
    let harness = harness(&[]).await;
    let output = harness.run(&["check"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("2,200 = 200 agents × (4 states + 7)"), "{}", stdout(&output));
    let flag = harness.run(&["--config.check"]);
    assert_eq!((flag.status, flag.stdout), (output.status, output.stdout));
    assert_eq!(harness.requests(), (0, 0));

    let output = harness.run(&["check", "--probe"]);
    assert!(output.status.success(), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("2 requests sent by this probe\n"), "{}", stdout(&output));
    assert_eq!(harness.requests(), (1, 1));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_probe_explains_and_exits_1() {
    let harness = harness(&["presence:status=403"]).await;
    let output = harness.run(&["check", "--probe"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("FAILED scope") && stdout(&output).contains("reporting:read"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).contains("the probe failed: tenant simulated at scope"), "{}", stderr(&output));
    assert_eq!(harness.requests(), (1, 1));
    harness.simulator.shutdown().await;
}

/// With each higher limit the program gets further.
#[tokio::test(flavor = "multi_thread")]
async fn too_few_file_descriptors_are_an_error() {
    let harness = harness(&[]).await;
    let mut ends = Vec::new();
    for limit in 8..60 {
        let script = format!("ulimit -n {limit}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.env_clear().args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cxone-exporter")]);
        command.args(["--web.listen-address=127.0.0.1:0", "--config.file"]).arg(harness.config());
        let end = tokio::task::spawn_blocking(move || {
            let mut program = command.stderr(Stdio::piped()).spawn().unwrap();
            let stderr = BufReader::new(program.stderr.take().unwrap()).lines().map_while(Result::ok);
            let mut lines: Vec<String> = Vec::new();
            for line in stderr {
                if line.contains("message=listening") {
                    program.kill().unwrap();
                    program.wait().unwrap();
                    return None;
                }
                lines.push(line);
            }
            assert!(matches!(program.wait().unwrap().code(), Some(1 | 2)), "{lines:#?}");
            Some(lines.join("\n"))
        });
        match end.await.unwrap() {
            Some(lines) => ends.push(lines),
            None => break,
        }
    }
    assert!(ends.len() < 50, "the program never served: {ends:#?}");
    assert!(
        ends.iter().all(|lines| lines.contains("Too many open files") || lines.contains("os error 24")),
        "{ends:#?}"
    );
    assert!(ends.iter().any(|lines| lines.contains("the runtime cannot start")), "{ends:#?}");
    harness.simulator.shutdown().await;
}
