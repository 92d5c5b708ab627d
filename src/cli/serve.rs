//! Serving: from a configuration to a running front.

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::args::WebArgs;
use super::origin::Origin;
use super::reload::Reloader;
use super::{systemd, version};
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::metrics::{BuildInfo, ExporterInstruments, TenantInstruments};
use crate::refresh::{Parts, Refresher};
use crate::storage::{Storage, StorageInUse};
use crate::upstream::{AnySource, BuildError, Endpoint, Observer as _};
use crate::web::{
    App, BindError, Listeners, LiveWebConfig, Options, TenantHandle, Threads, WebConfigError, reload_channel,
};

const BUILD: BuildInfo =
    BuildInfo { version: version::VERSION, revision: version::REVISION, rustc: env!("CARGO_PKG_RUST_VERSION") };

/// Why serving could not start.
#[derive(Debug, Error)]
pub(super) enum ServeError {
    /// The flags make no sense.
    #[error("{0}")]
    Usage(String),
    /// The web configuration cannot be used.
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket that was handed over cannot be served on.
    #[error("a socket that systemd handed over cannot be served on: {0}; each must be a listening TCP socket")]
    Handover(std::io::Error),
    /// The threads that serve cannot start.
    #[error(
        "the threads that serve cannot start: {0}; raise the limits of threads (ulimit -u) and descriptors (ulimit -n)"
    )]
    Threads(std::io::Error),
    /// A tenant's HTTP client cannot be set up.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// What is to be kept is another process's to keep.
    #[error(transparent)]
    Storage(#[from] StorageInUse),
    /// The simulated tenant cannot start.
    #[error("the simulated tenant cannot start: {0}")]
    Simulator(std::io::Error),
    /// The process cannot be told to stop.
    #[error("signals cannot be listened to: {0}")]
    Signals(std::io::Error),
}

/// Serves until the process is told to stop. Reloads read `origin` again, by themselves once in `watch`.
/// What is to survive the process is kept below `storage_path`.
pub(super) async fn run(
    config: Config,
    origin: Origin,
    web: &WebArgs,
    watch: Option<Duration>,
    storage_path: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<(), ServeError> {
    let options = options(web)?;
    let bound = if web.systemd_socket { handed_over()? } else { Listeners::bind(&web.listen_address).await? };
    let stop = stop_signal()?;
    let hangups = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let storage = storage_path.map(|path| Storage::open(path, Arc::clone(&clock))).transpose()?.map(Arc::new);
    let tenants = config.tenants.len();
    let (app, connections) = build(config, options, storage.as_deref(), Arc::clone(&clock))?;
    let app = match &web.config_file {
        Some(path) => {
            let access = LiveWebConfig::open(path, Arc::clone(&clock), Arc::clone(&app.exporter))?;
            for warning in access.warnings() {
                warn!("{warning}");
            }
            app.with_web_config(access)
        }
        None => app,
    };
    let tls = app.has_tls();
    let (lifecycle, requests) = reload_channel();
    let app = Arc::new(if web.enable_lifecycle { app.with_lifecycle(lifecycle) } else { app });
    let addresses = bound.addresses();
    let threads = Threads::start(bound, Arc::clone(&app), Threads::recommended()).await.map_err(ServeError::Threads)?;
    for address in addresses {
        let path = format!("{}{}", app.options.route_prefix, app.options.telemetry_path);
        info!(%address, path, tls, tenants, version = version::VERSION, "listening");
    }
    if let Some(shard) = origin.shard() {
        info!(shard = shard.index(), shards = shard.total(), "each tenant is asked for the agents of this shard only");
    }
    let reloader = Reloader::new(Arc::clone(&app), origin, connections, storage.clone(), Arc::clone(&clock));
    let reloading = tokio::spawn(reloader.run(requests, hangups, watch));
    let watchdog = tokio::spawn(systemd::watchdog(clock, threads.runtimes().to_vec()));
    systemd::ready();
    stop.await;
    systemd::stopping();
    threads.stop().await;
    watchdog.abort();
    reloading.abort();
    if let Some(storage) = &storage {
        storage.finish().await;
    }
    info!("stopped");
    Ok(())
}

/// The sockets that systemd hands over.
fn handed_over() -> Result<Listeners, ServeError> {
    let listeners = systemd::sockets().map_err(ServeError::Handover)?;
    if listeners.is_empty() {
        let message = "--web.systemd-socket: no socket was handed over; start the socket unit, or leave the flag out";
        return Err(ServeError::Usage(message.to_owned()));
    }
    Listeners::from_listeners(listeners).map_err(ServeError::Handover)
}

/// Puts the front together over one refresher a tenant.
fn build(
    config: Config,
    options: Options,
    storage: Option<&Storage>,
    clock: Arc<dyn Clock>,
) -> Result<(App, HashMap<String, AnySource>), BuildError> {
    let exporter = Arc::new(ExporterInstruments::new(Arc::clone(&clock), BUILD));
    exporter.config_loaded(true);
    let mut tenants = Vec::with_capacity(config.tenants.len());
    let mut connections = HashMap::with_capacity(config.tenants.len());
    for tenant in &config.tenants {
        let (front, connection) = front(Arc::clone(tenant), storage, Arc::clone(&clock))?;
        tenants.push(front);
        connections.insert(tenant.name.clone(), connection);
    }
    Ok((App::new(tenants, exporter, clock, config, options), connections))
}

/// The front of one tenant that this process has not asked yet, and the way to it.
pub(super) fn front(
    tenant: Arc<Tenant>,
    storage: Option<&Storage>,
    clock: Arc<dyn Clock>,
) -> Result<(TenantHandle, AnySource), BuildError> {
    let instruments = Arc::new(TenantInstruments::new(Endpoint::of(tenant.api), Arc::clone(&clock)));
    instruments.of_shard(tenant.shard());
    instruments.budget(tenant.max_requests_per_minute.map(NonZeroU32::get));
    let store = storage.map(|storage| storage.tenant(&tenant.name, instruments.clone()));
    let connection = AnySource::new(&tenant, Arc::clone(&clock), instruments.clone())?;
    let rendering = Arc::clone(&instruments);
    let refresher = Refresher::new(Parts {
        tenant,
        source: connection.source(),
        clock,
        observer: instruments.clone(),
        render: Arc::new(move |snapshot| rendering.agents(snapshot)),
        runtime: Handle::current(),
    });
    let refresher = match store {
        Some(store) => refresher.with_storage(store),
        None => refresher,
    };
    Ok((TenantHandle { refresher: Arc::new(refresher), instruments }, connection))
}

/// Turns the flags into options, and refuses those that make no sense.
fn options(web: &WebArgs) -> Result<Options, ServeError> {
    if !web.telemetry_path.starts_with('/') {
        let path = &web.telemetry_path;
        return Err(ServeError::Usage(format!("--web.telemetry-path {path}: a path starts with /")));
    }
    let external = web.external_url.as_ref().map(|url| trim(url.path()));
    let route = web.route_prefix.as_deref().map(trim);
    // Each is the other where only one is given: without an address from outside, a browser comes straight here.
    let external_prefix = external.clone().or_else(|| route.clone()).unwrap_or_default();
    let route_prefix = route.or(external).unwrap_or_default();
    Ok(Options {
        telemetry_path: web.telemetry_path.clone(),
        route_prefix,
        external_prefix,
        max_requests: web.max_requests,
        disable_exporter_metrics: web.disable_exporter_metrics,
        timeout_offset: web.timeout_offset,
    })
}

/// A prefix with a slash at its start and none at its end; empty where it is only a slash.
fn trim(prefix: &str) -> String {
    let bare = prefix.trim_matches('/');
    if bare.is_empty() { String::new() } else { format!("/{bare}") }
}

/// Ends when the process is asked to stop.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn options_of(arguments: &[&str]) -> Result<Options, ServeError> {
        options(&Cli::parse_from([&["cxone-exporter"], arguments].concat()).web)
    }

    #[test]
    fn the_route_prefix_is_the_path_of_the_external_url_unless_it_is_given() {
        let table: [(&[&str], &str, &str); 4] = [
            (&[], "", ""),
            (&["--web.external-url", "https://example.com/cxone/"], "/cxone", "/cxone"),
            (&["--web.external-url", "https://example.com/cxone", "--web.route-prefix", "/"], "/cxone", ""),
            (&["--web.route-prefix", "cxone"], "/cxone", "/cxone"),
        ];
        for (arguments, external, route) in table {
            let options = options_of(arguments).unwrap();
            assert_eq!((&*options.external_prefix, &*options.route_prefix), (external, route), "{arguments:?}");
        }
    }

    #[test]
    fn a_telemetry_path_without_a_slash_is_refused() {
        assert!(matches!(options_of(&["--web.telemetry-path", "metrics"]), Err(ServeError::Usage(_))));
    }
}
