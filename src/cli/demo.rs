//! `demo`: the exporter and a simulated tenant in one process, connected by real HTTP.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::info;
use url::Url;

use super::args::{DemoApi, DemoArgs};
use super::config_source::ConfigSource;
use super::serve::{self, ServeError};
use crate::clock::Clock;
use crate::config::{
    Agent, Api, Config, ConnectionSettings, Incremental, Interval, Official, QuerySettings, RefreshLimits, Shard,
    StateSettings, Tenant,
};
use crate::presence::{Timestamp, Window};
use crate::simulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Simulator};
use crate::web::App;

/// Short, so that a viewer sees changes.
const COOLDOWN: Duration = Duration::from_secs(15);

/// The limit of scheduled offline time of agents without one. Breaks take less than an hour.
const OFFLINE_LIMIT: Duration = Duration::from_secs(2 * 3600);

/// The default of the configuration.
const ABSENT_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Leave within this span is configured: the window, and longer than a demo runs.
const LEAVE_BEFORE: Duration = Duration::from_secs(2 * 86_400);
const LEAVE_AFTER: Duration = Duration::from_secs(366 * 86_400);

/// Up to this number of agents the first refresh takes seconds with buckets of five minutes, which are 50 kB an agent.
const MAX_PT5M_AGENTS: usize = 1_000;

/// The states of the official API that the simulated tenant uses.
const OFFICIAL_STATES: [&str; 6] =
    ["LoggedOut", "Available", "Unavailable", "InboundContact", "OutboundContact", "WrapUp"];

/// Serves with a simulated tenant until the process receives a signal to stop.
pub(super) async fn run(args: &DemoArgs, shard: Option<Shard>, clock: Arc<dyn Clock>) -> Result<(), ServeError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(ServeError::Simulator)?;
    let simulator =
        Simulator::start(args.simulator.clone(), listener, Arc::clone(&clock)).map_err(ServeError::Simulator)?;
    info!(address = simulator.base_url(), agents = args.simulator.agents, "simulated tenant started");
    let config = config(args.api, &simulator, clock.now())?;
    let config_source = ConfigSource::built_in(config, shard);
    let config = config_source.load().map_err(|problems| ServeError::Usage(problems.to_string()))?;
    let external_url = args.web.external_url.clone();
    let started = |app: &Arc<App>, addresses: &[SocketAddr]| {
        let url = external_url.map_or_else(|| page_url(app, addresses), String::from);
        tokio::spawn(keep_fresh(Arc::clone(app), url));
    };
    serve::run(config, config_source, &args.web, None, None, clock, started).await?;
    simulator.shutdown().await;
    Ok(())
}

/// Refreshes the tenant once a cooldown without a scraper, and prints `url` when the first data is there.
async fn keep_fresh(app: Arc<App>, url: String) {
    let mut url = Some(url);
    loop {
        for tenant in &app.loaded().tenants {
            let limit = tenant.refresher.tenant().limits.refresh_timeout;
            tenant.refresher.visit(app.clock.monotonic() + limit).await;
        }
        if let Some(url) = url.take() {
            // A closed stdout does not stop the demo.
            let _ = writeln!(io::stdout(), "Open {url} in a browser. Ctrl+C ends the demo.");
            info!(url, "demo started");
        }
        app.clock.sleep_until(app.clock.monotonic() + COOLDOWN).await;
    }
}

/// The address of the status page for a browser on this machine.
fn page_url(app: &App, addresses: &[SocketAddr]) -> String {
    let scheme = if app.has_tls() { "https" } else { "http" };
    let authority = match addresses.first() {
        Some(address) if address.ip().is_unspecified() => format!("localhost:{}", address.port()),
        Some(address) => address.to_string(),
        None => "localhost".to_owned(),
    };
    format!("{scheme}://{authority}{}/", app.options.route_prefix)
}

fn config(api: DemoApi, simulator: &Simulator, now: Timestamp) -> Result<Config, ServeError> {
    let (base_url, credentials, roster) = (simulator.base_url(), simulator.credentials(), simulator.workforce());
    let base_url: Url = base_url.parse().map_err(|error| ServeError::Usage(format!("{base_url}: {error}")))?;
    let leave_span = Window { start: now.saturating_sub(LEAVE_BEFORE), end: now + LEAVE_AFTER };
    let agents = roster.agents().iter().map(|agent| Agent {
        id: Arc::clone(&agent.id),
        name: Some(agent.name.clone()),
        team: Some(agent.team.to_owned()),
        offline_limit: agent.offline_limit.or(Some(OFFLINE_LIMIT)),
        absent_limit: Some(ABSENT_LIMIT),
        schedule: Some(agent.schedule_with_leave(leave_span)),
    });
    let (interval, incremental) = interval_for(roster.agents().len());
    let connection = ConnectionSettings::new(base_url, credentials.client_id, credentials.client_secret);
    let defaults = Tenant::with_defaults("demo", connection);
    let tenant = Tenant {
        query: QuerySettings { interval, incremental, ..defaults.query },
        limits: RefreshLimits { cooldown: COOLDOWN, ..defaults.limits },
        agents: agents.collect(),
        ..defaults
    };
    let tenant = match api {
        DemoApi::Presence => tenant,
        DemoApi::Official => with_official_api(tenant),
    };
    Ok(Config { tenants: vec![Arc::new(tenant)], schedules: BTreeMap::new(), warnings: Vec::new() })
}

/// The bucket length for this number of agents. Buckets of five minutes mostly contain one state, which makes the current
/// state exact, and incremental refreshes keep them cheap.
fn interval_for(agents: usize) -> (Interval, Option<Incremental>) {
    if agents > MAX_PT5M_AGENTS {
        return (Interval { text: "PT1H".to_owned(), length: Duration::from_secs(3600) }, None);
    }
    (Interval { text: "PT5M".to_owned(), length: Duration::from_secs(300) }, Some(Incremental::default()))
}

/// `tenant` with the official API and an access key.
fn with_official_api(tenant: Tenant) -> Tenant {
    let mut token_url = tenant.connection.base_url.clone();
    token_url.set_path("/authentication/v1/token/access-key");
    let official = Official::by_access_key(token_url, ACCESS_KEY_ID, ACCESS_KEY_SECRET);
    Tenant {
        api: Api::Official,
        connection: ConnectionSettings::new(tenant.connection.base_url, "", ""),
        query: QuerySettings { incremental: None, ..tenant.query },
        states: StateSettings { declared: OFFICIAL_STATES.map(Arc::from).to_vec(), ..tenant.states },
        official: Some(official),
        ..tenant
    }
}
