//! The program as a process, over a simulated tenant in the process of the test.

pub(crate) mod exporter;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use cxone_exporter::clock::SystemClock;
use cxone_exporter::simulator::{Simulator, SimulatorOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;

use self::exporter::{Exporter, Response, http};

/// A simulated tenant, and a folder with a configuration of it and the file of the secret.
pub(crate) struct ProcessHarness {
    pub(crate) simulator: Simulator,
    pub(crate) folder: TempDir,
}

impl ProcessHarness {
    /// A tenant that is not configured yet.
    pub(crate) async fn new(options: SimulatorOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(options, listener, Arc::new(SystemClock::new())).unwrap();
        let harness = Self { simulator, folder: tempfile::tempdir().unwrap() };
        harness.write("secret", harness.simulator.credentials().client_secret);
        harness
    }

    /// Three agents of a tenant without latency, and a cooldown longer than any test.
    pub(crate) async fn with_defaults() -> Self {
        let harness = Self::new(SimulatorOptions::default()).await;
        harness.configure("1h", &[0, 1, 2]);
        harness
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("cxone.yml")
    }

    /// Replaces a file at once, so that no reader finds half of it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// The id of an agent.
    pub(crate) fn agent(&self, number: usize) -> String {
        self.simulator.workforce().agents()[number].id.to_string()
    }

    /// Configures one tenant, `acme`, with these agents.
    pub(crate) fn configure(&self, cooldown: &str, agents: &[usize]) {
        self.write("cxone.yml", &format!("tenants:\n{}", self.tenant("acme", cooldown, agents)));
    }

    /// The YAML of a tenant with these agents.
    pub(crate) fn tenant(&self, name: &str, cooldown: &str, agents: &[usize]) -> String {
        let agents: String = agents.iter().map(|number| format!("      - id: '{}'\n", self.agent(*number))).collect();
        format!(
            "  - name: {name}\n    base_url: {}\n    client_id: {}\n    client_secret_file: secret\n    \
             interval: PT1H\n    incremental: false\n    cooldown: {cooldown}\n    agents:\n{agents}",
            self.simulator.base_url(),
            self.simulator.credentials().client_id,
        )
    }

    /// Starts the exporter with this configuration, and waits until it listens.
    pub(crate) fn start(&self, arguments: &[&str]) -> Exporter {
        let config = self.config();
        let own = ["--config.file", config.to_str().unwrap(), "--web.listen-address", "127.0.0.1:0"];
        Exporter::start(&[&own, arguments].concat(), self.folder.path(), &[])
    }

    /// Runs a command with this configuration to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let config = self.config();
        run(&[arguments, &["--config.file", config.to_str().unwrap()]].concat())
    }

    /// The number of requests for tokens and for presence so far.
    pub(crate) fn requests(&self) -> (u64, u64) {
        let counts = self.simulator.counts();
        (counts.token, counts.presence)
    }
}

/// Runs the program to its end, without environment and terminal.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cxone-exporter")).env_clear().args(arguments).output().unwrap()
}

/// The value of a series in the body of a scrape.
pub(crate) fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

pub(crate) fn scrape(address: SocketAddr) -> String {
    let Response { status, body, .. } = http(address, "GET", "/metrics");
    assert_eq!(status, 200, "{body}");
    body
}
