//! Serves until the process receives a signal to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::app::build_app;
use super::args::WebArgs;
use super::config_source::ConfigSource;
use super::reload::Reloader;
use super::{systemd, version};
use crate::clock::Clock;
use crate::config::Config;
use crate::storage::{Storage, StorageInUse};
use crate::upstream::BuildError;
use crate::web::{App, BindError, Listeners, LiveWebConfig, Options, WebConfigError, reload_channel};

/// Why serving did not start.
#[derive(Debug, Error)]
pub(super) enum ServeError {
    /// A flag has an invalid value.
    #[error("{0}")]
    Usage(String),
    /// The web configuration has problems.
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket from systemd is not a listening TCP socket.
    #[error("a socket from systemd cannot be used: {0}; each must be a listening TCP socket")]
    Socket(std::io::Error),
    /// The HTTP client of a tenant cannot be built.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// Another process uses the storage directory.
    #[error(transparent)]
    Storage(#[from] StorageInUse),
    /// The simulated tenant cannot start.
    #[error("the simulated tenant cannot start: {0}")]
    Simulator(std::io::Error),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
}

/// Serves until the process receives a signal to stop. Reloads read `config_source`; with `watch` they check it for changes
/// that often. Data is stored below `storage_path`. `started` is called with the bound addresses once the server listens.
pub(super) async fn run(
    config: Config,
    config_source: ConfigSource,
    web: &WebArgs,
    watch: Option<Duration>,
    storage_path: Option<&Path>,
    clock: Arc<dyn Clock>,
    started: impl FnOnce(&Arc<App>, &[SocketAddr]) + Send,
) -> Result<(), ServeError> {
    let options = options(web)?;
    let bound = if web.systemd_socket { systemd_sockets()? } else { Listeners::bind(&web.listen_address).await? };
    let stop = stop_signal()?;
    let hangups = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let storage = storage_path.map(|path| Storage::open(path, Arc::clone(&clock))).transpose()?.map(Arc::new);
    let tenants = config.tenants.len();
    let (app, sources) = build_app(config, options, storage.as_deref(), Arc::clone(&clock))?;
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
    let (stop_serving, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(bound.serve(Arc::clone(&app), async { drop(stopped.await) }));
    for address in &addresses {
        let path = format!("{}{}", app.options.route_prefix, app.options.telemetry_path);
        info!(%address, path, tls, tenants, version = version::VERSION, "listening");
    }
    started(&app, &addresses);
    if let Some(shard) = config_source.shard() {
        info!(shard = shard.index(), shards = shard.total(), "sharding enabled");
    }
    let reloader = Reloader::new(Arc::clone(&app), config_source, sources, storage.clone(), Arc::clone(&clock));
    let reloading = tokio::spawn(reloader.run(requests, hangups, watch));
    let watchdog = tokio::spawn(systemd::watchdog(clock));
    systemd::ready();
    stop.await;
    systemd::stopping();
    drop(stop_serving);
    let _ = serving.await;
    watchdog.abort();
    reloading.abort();
    if let Some(storage) = &storage {
        storage.finish().await;
    }
    info!("stopped");
    Ok(())
}

/// The listening sockets that systemd passes to the process.
fn systemd_sockets() -> Result<Listeners, ServeError> {
    let listeners = systemd::sockets().map_err(ServeError::Socket)?;
    if listeners.is_empty() {
        let message = "--web.systemd-socket: systemd passed no socket; start the socket unit, or remove the flag";
        return Err(ServeError::Usage(message.to_owned()));
    }
    Listeners::from_listeners(listeners).map_err(ServeError::Socket)
}

/// Converts the flags to options, and refuses invalid values.
pub(super) fn options(web: &WebArgs) -> Result<Options, ServeError> {
    if !web.telemetry_path.starts_with('/') {
        let path = &web.telemetry_path;
        return Err(ServeError::Usage(format!("--web.telemetry-path {path}: a path starts with /")));
    }
    let external = web.external_url.as_ref().map(|url| normalize_prefix(url.path()));
    let route = web.route_prefix.as_deref().map(normalize_prefix);
    // Each defaults to the other: without an external URL, browsers use the internal paths.
    let external_prefix = external.clone().or_else(|| route.clone()).unwrap_or_default();
    let route_prefix = route.or(external).unwrap_or_default();
    Ok(Options {
        telemetry_path: web.telemetry_path.clone(),
        route_prefix,
        external_prefix,
        external_url: web.external_url.clone(),
        max_requests: web.max_requests,
        disable_exporter_metrics: web.disable_exporter_metrics,
        timeout_offset: web.timeout_offset,
    })
}

/// The prefix with a slash at its start and none at its end; empty if it is only slashes.
fn normalize_prefix(prefix: &str) -> String {
    let bare = prefix.trim_matches('/');
    if bare.is_empty() { String::new() } else { format!("/{bare}") }
}

/// A future that ends at SIGTERM or SIGINT.
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
    fn route_prefix_defaults_to_the_external_url_path() {
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
    fn telemetry_path_without_slash_is_refused() {
        assert!(matches!(options_of(&["--web.telemetry-path", "metrics"]), Err(ServeError::Usage(_))));
    }
}
