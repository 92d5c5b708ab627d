//! A simulated tenant that serves both APIs over HTTP.
//!
//! The presence of its agents is a pure function of (seed, agent, time). The exact seconds of any window are therefore
//! known and can be compared with what the exporter shows. Of the exporter, the simulator uses only types of
//! [`presence`](crate::presence) and [`clock`](crate::clock).
//!
//! | file | content |
//! | --- | --- |
//! | `workforce`, `person_names` | agents, teams, time zones, working hours |
//! | `timeline` | the state of each agent at every moment |
//! | `random` | reproducible pseudo-random numbers |
//! | `api` | the endpoints of both APIs, without I/O |
//! | `api_variants` | undocumented behaviour of both APIs, in all plausible variants |
//! | `faults` | simulated faults and when they occur |
//! | `tenant` | handles one request: log, fault, answer |
//! | `access_tokens`, `credentials`, `request_log` | issued tokens, valid credentials, requests so far |
//! | `server`, `http_io` | connections |
//! | `control` | endpoints that control the simulator |

mod access_tokens;
mod api;
mod api_variants;
mod control;
mod credentials;
mod duration;
mod faults;
mod http_io;
mod options;
mod person_names;
mod random;
mod request_log;
mod server;
mod tenant;
mod timeline;
mod workforce;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub use self::api_variants::ApiVariant;
pub use self::credentials::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, CLIENT_ID, CLIENT_SECRET, Credentials};
pub use self::faults::{Endpoint, Fault, Faults, Rule};
pub use self::options::{Align, Order, SimulatorOptions};
pub use self::request_log::{RequestCounts, RequestRecord};
pub use self::timeline::{Segment, Segments, State, StateTimes, Timeline};
pub use self::workforce::{Agent, Workforce};

use self::api::bucket_grid::BucketGrid;
use self::api::official::state_periods;
use self::server::Server;
use self::tenant::Tenant;
use crate::clock::{Clock, SystemClock};
use crate::presence::{Micros, StateName, Window};

/// A running simulator. It stops when dropped.
#[derive(Debug)]
pub struct Simulator {
    tenant: Arc<Tenant>,
    server: Server,
    address: SocketAddr,
}

/// Runs a simulator on the system clock until `stop` ends. `announce` is called once it listens.
///
/// # Errors
/// The address cannot be listened on.
pub async fn run(
    options: SimulatorOptions,
    listen_address: SocketAddr,
    announce: impl FnOnce(&Simulator),
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = TcpListener::bind(listen_address).await?;
    let simulator = Simulator::start(options, listener, Arc::new(SystemClock::new()))?;
    announce(&simulator);
    stop.await;
    simulator.shutdown().await;
    Ok(())
}

// === impl Simulator ===

impl Simulator {
    /// Starts a simulator on `listener`; its time is that of `clock`. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The listener does not know its own address.
    pub fn start(options: SimulatorOptions, listener: TcpListener, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let tenant = Arc::new(Tenant::new(options, clock));
        let server = Server::start(Arc::clone(&tenant), listener);
        Ok(Self { tenant, server, address })
    }

    /// Listen address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listen address as the `base_url` of a configuration.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Credentials of the OAuth client.
    pub const fn credentials(&self) -> Credentials {
        Credentials { client_id: CLIENT_ID, client_secret: CLIENT_SECRET }
    }

    /// The agents.
    pub fn workforce(&self) -> &Workforce {
        &self.tenant.workforce
    }

    /// The states of the agents over time.
    pub fn timeline(&self) -> &Timeline {
        &self.tenant.timeline
    }

    /// The exact time of the agent in each state within `window`; empty for an unknown agent.
    pub fn truth(&self, agent: &str, window: Window) -> BTreeMap<StateName, Micros> {
        self.workforce().find(agent).map(|agent| self.timeline().seconds(agent, window)).unwrap_or_default()
    }

    /// The time in each state that a correct client computes from the buckets at the end of the window.
    ///
    /// A first bucket that starts before the window counts in proportion to its part inside, rounded down to the
    /// microsecond per state; all other buckets count fully.
    pub fn expected(
        &self,
        agent: &str,
        window: Window,
        interval: Duration,
        align: Align,
    ) -> BTreeMap<StateName, Micros> {
        let Some(agent) = self.workforce().find(agent) else { return BTreeMap::new() };
        let step = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        let grid = BucketGrid::new(window, step, align, window.end);
        let mut buckets = Vec::new();
        grid.times(self.timeline(), agent, (0, grid.count()), &mut buckets);
        let mut sum = StateTimes::default();
        for (index, times) in buckets.iter().enumerate() {
            let bucket = grid.bucket(index);
            // Buckets contain nothing after the end of the window, which is now.
            let length = bucket.end.min(window.end).saturating_since(bucket.start).get();
            let outside = window.start.saturating_since(bucket.start).get();
            for (state, time) in times.all() {
                let inside = u128::from(time.get()) * u128::from(length - outside) / u128::from(length.max(1));
                sum.add(state, Micros::new(u64::try_from(inside).unwrap_or(u64::MAX)));
            }
        }
        sum.named()
    }

    /// The exact time of the agent in each state of the official API within `window`; with `split`, unavailable codes are
    /// states of their own.
    pub fn official_truth(&self, agent: &str, window: Window, split: bool) -> BTreeMap<StateName, Micros> {
        let acw = self.tenant.acw();
        let truth = |agent| state_periods::truth(self.timeline(), agent, window, split, acw);
        self.workforce().find(agent).map(truth).unwrap_or_default()
    }

    /// The part of `window` in ended rows of the official API that are not listed yet.
    pub fn official_pending(&self, agent: &str, window: Window) -> Micros {
        let now = self.tenant.clock.now();
        let pending = |agent| state_periods::pending(self.timeline(), &self.tenant.options, agent, window, now);
        self.workforce().find(agent).map(pending).unwrap_or_default()
    }

    /// The simulated faults.
    pub fn faults(&self) -> &Faults {
        &self.tenant.faults
    }

    /// Revokes all issued tokens.
    pub fn revoke_tokens(&self) {
        self.tenant.tokens.revoke_all();
    }

    /// The received requests, oldest first, without those to control endpoints.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.tenant.log.records()
    }

    /// Number of received requests.
    pub fn counts(&self) -> RequestCounts {
        self.tenant.log.counts()
    }

    /// Removes all records of requests and resets the counts.
    pub fn forget_requests(&self) {
        self.tenant.log.forget();
    }

    /// A configuration file for the first `agents` agents.
    pub fn example_config(&self, agents: usize) -> String {
        let mut yaml = format!(
            "tenants:\n  - name: simulated\n    base_url: {}\n    client_id: {CLIENT_ID}\n    client_secret: {CLIENT_SECRET}\n    agents:\n",
            self.base_url(),
        );
        for agent in self.workforce().agents().iter().take(agents) {
            // A JSON string is also a YAML string. Writing to a string does not fail.
            let name = serde_json::Value::from(agent.name.as_str());
            let _ = writeln!(yaml, "      - {{ id: \"{}\", name: {name}, team: {} }}", agent.id, agent.team);
        }
        yaml
    }

    /// Accepts no more connections, waits for active requests, and returns.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
