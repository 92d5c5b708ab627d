//! A pretend tenant that speaks both real APIs over real HTTP.
//!
//! Its agents' presence is a pure function of (seed, agent, time), so the exact seconds of any window are
//! known, and what an exporter makes of the answers can be compared with them. It knows nothing of the
//! exporter's inside but the types of [`presence`](crate::presence) and [`clock`](crate::clock).
//!
//! | file | what lives there |
//! | --- | --- |
//! | `roster`, `names` | who works there: teams, zones, hours |
//! | `timeline` | what each agent does at every moment |
//! | `api` | the endpoints of both APIs, without any I/O |
//! | `habits` | what nobody documents of the official API, each way that it may be |
//! | `faults` | what goes wrong on purpose, and when |
//! | `tenant` | one request, from the log to the body |
//! | `server`, `wire` | connections |
//! | `control` | endpoints to script it from outside |

mod api;
mod control;
mod faults;
mod habits;
mod hash;
mod names;
mod options;
mod requests;
mod roster;
mod server;
mod tenant;
mod timeline;
mod tokens;
mod wire;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub use self::faults::{Endpoint, Fault, Faults, Rule};
pub use self::habits::Habit;
pub use self::options::{Align, Order, SimulatorOptions};
pub use self::requests::{RequestCounts, RequestRecord};
pub use self::roster::{Agent, Roster};
pub use self::timeline::{Segment, Segments, State, StateTimes, Timeline};

use self::api::grid::Grid;
use self::api::official::course;
use self::server::Server;
use self::tenant::Tenant;
use crate::clock::{Clock, SystemClock};
use crate::presence::{Micros, StateName, Window};

/// The one client that the tenant knows.
pub const CLIENT_ID: &str = "simulated-client";
/// Its secret, which protects nothing: everything here is made up.
pub const CLIENT_SECRET: &str = "not-a-secret";

/// The id of the one access key that it knows.
pub const ACCESS_KEY_ID: &str = "simulated/key=";
/// The access key's secret.
pub const ACCESS_KEY_SECRET: &str = "not-a-secret/either+=";

/// A running pretend tenant. It stops when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    tenant: Arc<Tenant>,
    server: Server,
    address: SocketAddr,
}

/// What a client needs to get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// The OAuth client's id.
    pub client_id: &'static str,
    /// The OAuth client's secret.
    pub client_secret: &'static str,
}

/// Runs a pretend tenant by the machine's clock until `stop` ends. `announce` is called once it can be reached.
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
    /// Starts the tenant that `options` describe on `listener`; it lives by `clock`. Needs a tokio runtime.
    ///
    /// # Errors
    /// The listener does not know its own address.
    pub fn start(options: SimulatorOptions, listener: TcpListener, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let tenant = Arc::new(Tenant::new(options, clock));
        let server = Server::start(Arc::clone(&tenant), listener);
        Ok(Self { tenant, server, address })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as the `base_url` of a configuration.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a client needs to get in.
    pub const fn credentials(&self) -> Credentials {
        Credentials { client_id: CLIENT_ID, client_secret: CLIENT_SECRET }
    }

    /// Who works there.
    pub fn roster(&self) -> &Roster {
        &self.tenant.roster
    }

    /// What they do, at every moment.
    pub fn timeline(&self) -> &Timeline {
        &self.tenant.timeline
    }

    /// How long the agent is in each state within `window`, exactly; nothing for an agent that is not there.
    pub fn truth(&self, agent: &str, window: Window) -> BTreeMap<StateName, Micros> {
        self.roster().find(agent).map(|agent| self.timeline().seconds(agent, window)).unwrap_or_default()
    }

    /// What a perfect reader makes of the buckets that are answered at the window's end.
    ///
    /// A first bucket that begins before the window counts by the part inside, spread evenly and rounded down to
    /// the microsecond for each state; all other buckets count as they are.
    pub fn expected(
        &self,
        agent: &str,
        window: Window,
        interval: Duration,
        align: Align,
    ) -> BTreeMap<StateName, Micros> {
        let Some(agent) = self.roster().find(agent) else { return BTreeMap::new() };
        let step = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        let grid = Grid::new(window, step, align, window.end);
        let mut buckets = Vec::new();
        grid.times(self.timeline(), agent, (0, grid.count()), &mut buckets);
        let mut sum = StateTimes::default();
        for (index, times) in buckets.iter().enumerate() {
            let bucket = grid.bucket(index);
            // What is past the window's end has not happened yet and is not in the bucket.
            let length = bucket.end.min(window.end).saturating_since(bucket.start).get();
            let outside = window.start.saturating_since(bucket.start).get();
            for (state, time) in times.all() {
                let inside = u128::from(time.get()) * u128::from(length - outside) / u128::from(length.max(1));
                sum.add(state, Micros::new(u64::try_from(inside).unwrap_or(u64::MAX)));
            }
        }
        sum.named()
    }

    /// How long the agent is in each state within `window`, by the names that states of the official API are shown under;
    /// with `split`, unavailable codes are states of their own.
    pub fn official_truth(&self, agent: &str, window: Window, split: bool) -> BTreeMap<StateName, Micros> {
        let truth = |agent| course::truth(self.timeline(), agent, window, split);
        self.roster().find(agent).map(truth).unwrap_or_default()
    }

    /// How much of `window` is in rows of the official API that are over, and not listed yet as they are late.
    pub fn official_pending(&self, agent: &str, window: Window) -> Micros {
        let now = self.tenant.clock.now();
        let pending = |agent| course::pending(self.timeline(), &self.tenant.options, agent, window, now);
        self.roster().find(agent).map(pending).unwrap_or_default()
    }

    /// What goes wrong, to be added to and cleared.
    pub fn faults(&self) -> &Faults {
        &self.tenant.faults
    }

    /// From now on every token that was given out is refused.
    pub fn revoke_tokens(&self) {
        self.tenant.tokens.revoke_all();
    }

    /// The requests that came in, oldest first; the control endpoints' are not among them.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.tenant.log.records()
    }

    /// How many requests came in.
    pub fn counts(&self) -> RequestCounts {
        self.tenant.log.counts()
    }

    /// Forgets the requests so far and counts from zero.
    pub fn forget_requests(&self) {
        self.tenant.log.forget();
    }

    /// A configuration file for this tenant with its first `agents` agents.
    pub fn example_config(&self, agents: usize) -> String {
        let mut yaml = format!(
            "tenants:\n  - name: simulated\n    base_url: {}\n    client_id: {CLIENT_ID}\n    client_secret: {CLIENT_SECRET}\n    agents:\n",
            self.base_url(),
        );
        for agent in self.roster().agents().iter().take(agents) {
            // A JSON string is a YAML one as well, whatever is in the name. Writing to a string does not fail.
            let name = serde_json::Value::from(agent.name.as_str());
            let _ = writeln!(yaml, "      - {{ id: \"{}\", name: {name}, team: {} }}", agent.id, agent.team);
        }
        yaml
    }

    /// Takes no more connections, lets the answers that are under way end, and returns.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

// === impl Tenant ===

/// Only what identifies it: the rest is long and changes all the time.
impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant").field("options", &self.options).finish_non_exhaustive()
    }
}
