//! A test app over the simulated tenant.

use std::sync::Arc;

use cxone_exporter::clock::DrivenClock;
use cxone_exporter::config::{Agent, Tenant};
use cxone_exporter::presence::Timestamp;
use cxone_exporter::simulator::{self, Endpoint, RequestRecord, Simulator, SimulatorOptions};
use tokio::net::TcpListener;

use super::{TestApp, TestAppBuilder};

/// More scrapes than a test sends at once.
const MAX_REQUESTS: usize = 100;

/// A simulated tenant and an app that fetches all of its agents, on one clock.
pub(crate) struct AppHarness {
    pub(crate) simulator: Simulator,
    pub(crate) app: TestApp,
    pub(crate) options: SimulatorOptions,
}

impl AppHarness {
    /// Starts both at `now`. `change` changes the settings of the tenant.
    pub(crate) async fn start(now: Timestamp, options: SimulatorOptions, change: impl FnOnce(&mut Tenant)) -> Self {
        let clock = DrivenClock::new(now);
        let simulator = start_simulator(&clock, options.clone()).await;
        let mut tenant = tenant_of(&simulator);
        change(&mut tenant);
        let mut builder = TestAppBuilder::with_tenants(vec![tenant]);
        builder.options.max_requests = MAX_REQUESTS;
        let app = builder.start(&clock).await;
        Self { simulator, app, options }
    }

    /// The requests for `endpoint` so far.
    pub(crate) fn requests(&self, endpoint: Endpoint) -> Vec<RequestRecord> {
        self.simulator.requests().into_iter().filter(|request| request.endpoint == endpoint).collect()
    }
}

/// A simulated tenant on a free port of loopback.
pub(crate) async fn start_simulator(clock: &DrivenClock, options: SimulatorOptions) -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(options, listener, Arc::new(clock.clone())).unwrap()
}

/// The tenant with its credentials and all of its agents.
pub(crate) fn tenant_of(simulator: &Simulator) -> Tenant {
    let agent = |agent: &simulator::Agent| Agent {
        id: Arc::clone(&agent.id),
        name: Some(agent.name.clone()),
        team: Some(agent.team.to_owned()),
        offline_limit: agent.offline_limit,
        absent_limit: None,
        schedule: Some(Arc::clone(&agent.schedule)),
    };
    let credentials = simulator.credentials();
    let mut tenant = super::tenant(&simulator.base_url());
    tenant.connection.client_id = credentials.client_id.into();
    tenant.connection.client_secret = credentials.client_secret.into();
    tenant.agents = simulator.workforce().agents().iter().map(agent).collect();
    tenant
}
