//! `report` and `check` with `api: official` and `agents: all`, and a server without the configured API.

use cxone_exporter::clock::DrivenClock;
use cxone_exporter::simulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, CLIENT_ID, CLIENT_SECRET, SimulatorOptions};

use super::{stderr, stdout};
use crate::app::NOW;
use crate::process::ProcessHarness;
use crate::scripted::{Response, ScriptedServer};

/// A configuration of all agents of the tenant at `base_url` that `filter` selects.
pub(super) fn all_agents(base_url: &str, filter: &str) -> String {
    format!(
        "tenants:\n  - name: acme\n    api: official\n    issuer: {base_url}\n    client_id: {CLIENT_ID}\n    \
         client_secret: {CLIENT_SECRET}\n    access_key_id: {ACCESS_KEY_ID}\n    access_key_secret: {ACCESS_KEY_SECRET}\n    \
         agents: all\n    agent_filter: {filter}\n"
    )
}

async fn harness(filter: &str) -> ProcessHarness {
    let harness = ProcessHarness::new(SimulatorOptions { agents: 30, ..SimulatorOptions::default() }).await;
    harness.write("cxone.yml", &all_agents(&harness.simulator.base_url(), filter));
    harness
}

#[tokio::test(flavor = "multi_thread")]
async fn report_and_probe_of_all_agents_read_the_list_first() {
    let harness = harness("{ active_only: false }").await;
    let output = harness.run(&["report", "--format", "json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.len(), 30);
    assert!(report.iter().all(|entry| entry["name"].is_string() && entry["team"].is_string()), "{report:#?}");

    let output = harness.run(&["check", "--probe"]);
    assert!(output.status.success(), "{} {}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("ok     selection  30 of the 30 agents in CXone's list\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("ok     history"), "{}", stdout(&output));
    // Token, list, current states and history: one each, and two for the API's address.
    assert!(stdout(&output).contains("  6 requests sent by this probe"), "{}", stdout(&output));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_selection_exits_1_with_the_reason() {
    let harness = harness("{ teams: [Nowhere] }").await;
    let reason = "`agent_filter` selects none of the 30 agents in CXone's list: it has no team `Nowhere`; its teams: `";
    for format in ["table", "json", "csv"] {
        let output = harness.run(&["report", "--format", format]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        // logfmt escapes apostrophes.
        let message = stderr(&output).replace("\\'", "'");
        assert!(message.contains(&format!("nothing to report: tenant acme: {reason}")), "{message}");
    }
    let output = harness.run(&["check", "--probe"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains(&format!("FAILED selection  {reason}")), "{}", stdout(&output));
    let output = harness.run(&["check"]);
    assert!(output.status.success() && stdout(&output).contains("unknown, as CXone's list decides"), "{output:?}");
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_of_a_server_without_the_api_suggests_the_other() {
    let html = Response::status(200).header("Content-Type", "text/html").body("<!doctype html><title>Log in</title>");
    for response in [Response::status(404), html] {
        let harness = harness("{}").await;
        let official = ScriptedServer::start_raw(&DrivenClock::new(NOW), {
            let response = response.clone();
            move |_| response.clone()
        })
        .await;
        let presence = ScriptedServer::start(&DrivenClock::new(NOW), move |_| response.clone()).await;
        let of_presence = format!(
            "tenants:\n  - name: acme\n    base_url: {}\n    client_id: a\n    client_secret: hidden\n    agents: [{{ id: 1 }}]\n",
            presence.base_url()
        );
        for (config, words) in [
            (of_presence, "write `api: official`, with an access key"),
            (all_agents(&official.base_url(), "{}"), "write `api: presence`, with `domain`"),
        ] {
            harness.write("cxone.yml", &config);
            let output = harness.run(&["check", "--probe"]);
            assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
            assert!(stdout(&output).contains(words), "{}", stdout(&output));
        }
        harness.simulator.shutdown().await;
    }
}
