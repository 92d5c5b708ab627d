//! What every request is answered from.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::limits::PAGES_AT_ONCE;
use super::live_config::LiveWebConfig;
use super::reload::ReloadHandle;
use super::scrape_limit::InFlight;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::{ExporterInstruments, TenantInstruments};
use crate::refresh::Refresher;
use crate::status_page::Summaries;

/// What every request is answered from.
pub struct App {
    /// What the configuration says; a reload replaces it as a whole.
    loaded: ArcSwap<LoadedConfig>,
    /// The series of the process itself.
    pub exporter: Arc<ExporterInstruments>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// How the front was started.
    pub options: Options,
    /// Who may come in and how, if there is a web configuration (`--web.config.file`).
    pub(super) web_config: Option<Arc<LiveWebConfig>>,
    pub(super) scrapes: InFlight,
    pub(super) pages: Semaphore,
    /// What the status page knows of the snapshots that are served.
    pub(super) summaries: Summaries,
    /// Where a reload is asked for, if that is enabled (`--web.enable-lifecycle`).
    pub(super) lifecycle: Option<ReloadHandle>,
}

/// What the front has of a configuration. It never changes; a reload makes a new one.
#[derive(Debug)]
pub struct LoadedConfig {
    /// The tenants, in the order of the configuration.
    pub tenants: Vec<TenantHandle>,
    /// What is configured. Its text is made when somebody asks for it, as that of thirty thousand agents takes megabytes.
    pub config: Config,
}

/// One tenant as the front sees it.
#[derive(Debug, Clone)]
pub struct TenantHandle {
    /// Serves its scrapes.
    pub refresher: Arc<Refresher>,
    /// Counts what is done for it.
    pub instruments: Arc<TenantInstruments>,
}

/// The `--web.*` flags and what belongs to them.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the metrics are (`--web.telemetry-path`).
    pub telemetry_path: String,
    /// What stands before every path (`--web.route-prefix`): empty, or `/…` without a slash at its end.
    pub route_prefix: String,
    /// Where a browser reaches the exporter (`--web.external-url`), for the links of the page; empty is relative.
    pub external_prefix: String,
    /// Scrapes of a tenant that are answered at once (`--web.max-requests`); 0 is no limit.
    pub max_requests: usize,
    /// Leaves out `process_*` and `cxone_exporter_build_info` (`--web.disable-exporter-metrics`).
    pub disable_exporter_metrics: bool,
    /// What is taken off a scrape's time-out for the way back (`--timeout-offset`).
    pub timeout_offset: Duration,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            route_prefix: String::new(),
            external_prefix: String::new(),
            max_requests: 40,
            disable_exporter_metrics: false,
            timeout_offset: Duration::from_millis(500),
        }
    }
}

// === impl App ===

impl App {
    /// Puts the front together.
    pub fn new(
        tenants: Vec<TenantHandle>,
        exporter: Arc<ExporterInstruments>,
        clock: Arc<dyn Clock>,
        config: Config,
        options: Options,
    ) -> Self {
        let scrapes = InFlight::new(options.max_requests);
        Self {
            loaded: ArcSwap::from_pointee(LoadedConfig { tenants, config }),
            exporter,
            clock,
            options,
            web_config: None,
            scrapes,
            pages: Semaphore::new(PAGES_AT_ONCE),
            summaries: Summaries::default(),
            lifecycle: None,
        }
    }

    /// Lets in whom the web configuration lets in.
    #[must_use]
    pub fn with_web_config(mut self, access: LiveWebConfig) -> Self {
        self.web_config = Some(Arc::new(access));
        self
    }

    /// Whether the front speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.web_config.as_ref().is_some_and(|access| access.has_tls())
    }

    /// Lets `/-/reload` ask for reloads.
    #[must_use]
    pub fn with_lifecycle(mut self, lifecycle: ReloadHandle) -> Self {
        self.lifecycle = Some(lifecycle);
        self
    }

    /// What the configuration says now. A request looks once, and keeps to what it has seen.
    pub fn loaded(&self) -> Arc<LoadedConfig> {
        self.loaded.load_full()
    }

    /// Answers from `loaded` from now on.
    pub fn load(&self, loaded: LoadedConfig) {
        self.loaded.store(Arc::new(loaded));
    }
}

// === impl LoadedConfig ===

impl LoadedConfig {
    /// The tenant that `/metrics` speaks of: the only one there is.
    pub fn only_tenant(&self) -> Option<&TenantHandle> {
        match self.tenants.as_slice() {
            [tenant] => Some(tenant),
            _ => None,
        }
    }

    /// The tenant of this name.
    pub fn tenant(&self, name: &str) -> Option<&TenantHandle> {
        self.tenants.iter().find(|tenant| tenant.refresher.tenant().name == name)
    }
}
