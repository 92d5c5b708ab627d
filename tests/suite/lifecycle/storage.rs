//! Restarts of the process with `--storage.path`, after SIGTERM and SIGKILL.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::*;

const SERIES: &str = "cxone_refresh_last_success_timestamp_seconds";

/// The samples of agents.
fn agents(metrics: &str) -> Vec<&str> {
    metrics.lines().filter(|line| line.starts_with("cxone_agent_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_continues_from_the_stored_state() {
    for signal in [Signal::TERM, Signal::KILL] {
        let harness = ProcessHarness::with_defaults().await;
        let state = harness.path("state");
        let arguments = ["--storage.path", state.to_str().unwrap()];
        let mut exporter = harness.start(&arguments);
        let before = scrape(exporter.address);
        assert_eq!(value(&before, "cxone_up"), Some(1.0), "{before}");
        assert_eq!(harness.requests(), (1, 1));
        until("the file is written", || {
            value(&scrape(exporter.address), "cxone_exporter_storage_last_write_timestamp_seconds")
        });
        exporter.signal(signal);
        exporter.ended();

        let exporter = harness.start(&arguments);
        let after = scrape(exporter.address);
        assert_eq!(agents(&after), agents(&before), "after {signal:?}");
        assert_eq!(value(&after, SERIES), value(&before, SERIES));
        assert_eq!(value(&after, "cxone_exporter_scrapes_total{served=\"cooldown\"}"), Some(1.0));
        assert_eq!(value(&after, "cxone_exporter_storage_errors_total{operation=\"read\"}"), Some(0.0));
        assert_eq!(harness.requests(), (1, 1), "nothing is sent after {signal:?}");
        harness.simulator.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn second_process_on_a_storage_path_fails() {
    let harness = ProcessHarness::with_defaults().await;
    let state = harness.path("state");
    let arguments = ["--storage.path", state.to_str().unwrap()];
    let _first = harness.start(&arguments);
    let mut second = Command::new(env!("CARGO_BIN_EXE_cxone-exporter"));
    second.env_clear().args(arguments).arg("--config.file").arg(harness.config());
    second.args(["--web.listen-address", "127.0.0.1:0"]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || second.output()).await.unwrap().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("another process uses this directory"), "{message}");
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_re_added_by_a_reload_is_restored() {
    let harness = ProcessHarness::with_defaults().await;
    let state = harness.path("state");
    let exporter = harness.start(&["--storage.path", state.to_str().unwrap()]);
    scrape(exporter.address);
    until("the file is written", || {
        fs::read_to_string(state.join("acme.cxone")).ok().filter(|file| file.contains("Available"))
    });
    let sent = harness.requests();
    for name in ["other", "acme"] {
        harness.write("cxone.yml", &format!("tenants:\n{}", harness.tenant(name, "1h", &[0, 1, 2])));
        exporter.signal(Signal::HUP);
        exporter.logged("message=\"configuration reloaded\"");
    }
    let after = scrape(exporter.address);
    assert_eq!(value(&after, "cxone_up"), Some(1.0), "{after}");
    assert_eq!(harness.requests(), sent);
    harness.simulator.shutdown().await;
}
