//! The exporter as a process: start, reload, service manager and stop.

mod front;
mod process;
mod reload;
mod service;
mod storage;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use cxone_exporter::clock::SystemClock;
use cxone_exporter::simulator::{Simulator, SimulatorOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;

use process::{Exporter, Response, http, https, until};

/// A simulated tenant, and a folder with a configuration of it and the secret's file.
struct ProcessHarness {
    simulator: Simulator,
    folder: TempDir,
}

impl ProcessHarness {
    async fn set(options: SimulatorOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(options, listener, Arc::new(SystemClock::new())).unwrap();
        let harness = Self { simulator, folder: tempfile::tempdir().unwrap() };
        harness.write("secret", harness.simulator.credentials().client_secret);
        harness
    }

    /// A tenant without latency, with three agents and a cooldown longer than any test.
    async fn with_defaults() -> Self {
        let harness = Self::set(SimulatorOptions::default()).await;
        harness.configure("1h", &[0, 1, 2]);
        harness
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("cxone.yml")
    }

    fn write(&self, name: &str, text: &str) {
        // Written beside and moved into place, as a look at it in between would see half a file.
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// The agent's id.
    fn agent(&self, number: usize) -> String {
        self.simulator.workforce().agents()[number].id.to_string()
    }

    /// Configures one tenant, `acme`, with these agents.
    fn configure(&self, cooldown: &str, agents: &[usize]) {
        self.write("cxone.yml", &format!("tenants:\n{}", self.tenant("acme", cooldown, agents)));
    }

    fn tenant(&self, name: &str, cooldown: &str, agents: &[usize]) -> String {
        let agents: String = agents.iter().map(|number| format!("      - id: '{}'\n", self.agent(*number))).collect();
        format!(
            "  - name: {name}\n    base_url: {}\n    client_id: {}\n    client_secret_file: secret\n    \
             cooldown: {cooldown}\n    agents:\n{agents}",
            self.simulator.base_url(),
            self.simulator.credentials().client_id,
        )
    }

    /// Starts the exporter with this configuration, and waits until it listens.
    fn start(&self, arguments: &[&str]) -> Exporter {
        let config = self.config();
        let own = ["--config.file", config.to_str().unwrap(), "--web.listen-address", "127.0.0.1:0"];
        Exporter::start(&[&own, arguments].concat(), self.folder.path(), &[])
    }

    /// How many requests for tokens and for presence there have been.
    fn requests(&self) -> (u64, u64) {
        let counts = self.simulator.counts();
        (counts.token, counts.presence)
    }
}

/// The value of a series in a scrape's body.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn scrape(address: SocketAddr) -> String {
    let Response { status, body, .. } = http(address, "GET", "/metrics");
    assert_eq!(status, 200, "{body}");
    body
}

/// Whether the last reload succeeded.
fn is_reload_successful(address: SocketAddr) -> bool {
    value(&scrape(address), "cxone_exporter_config_last_reload_successful") == Some(1.0)
}
