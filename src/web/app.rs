//! The state that requests are answered from.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use url::Url;

use super::limits::PAGES_AT_ONCE;
use super::live_config::LiveWebConfig;
use super::reload::ReloadHandle;
use super::scrape_limit::ScrapeLimit;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::{ExporterInstruments, TenantInstruments};
use crate::refresh::Refresher;
use crate::status_page::Summaries;

/// The state that requests are answered from.
pub struct App {
    /// The configured tenants; a reload replaces the value as a whole.
    loaded: ArcSwap<LoadedConfig>,
    /// The series of the process itself.
    pub exporter: Arc<ExporterInstruments>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The `--web.*` flags.
    pub options: Options,
    /// TLS, users and limits, if `--web.config.file` is set.
    pub(super) web_config: Option<Arc<LiveWebConfig>>,
    pub(super) scrapes: ScrapeLimit,
    pub(super) pages: Semaphore,
    /// Summaries of snapshots for the status page.
    pub(super) summaries: Summaries,
    /// Requests reloads, if `--web.enable-lifecycle` is set.
    pub(super) lifecycle: Option<ReloadHandle>,
}

/// The tenants of one configuration. Immutable: a reload builds a new value.
#[derive(Debug)]
pub struct LoadedConfig {
    /// The tenants, in the order of the configuration.
    pub tenants: Vec<TenantHandle>,
    /// The configuration. `/config` renders it on request, because the text of 30,000 agents takes megabytes.
    pub config: Config,
}

/// What the server needs of one tenant.
#[derive(Debug, Clone)]
pub struct TenantHandle {
    /// Answers its scrapes.
    pub refresher: Arc<Refresher>,
    /// Its metrics.
    pub instruments: Arc<TenantInstruments>,
}

/// The `--web.*` flags and `--timeout-offset`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the metrics (`--web.telemetry-path`).
    pub telemetry_path: String,
    /// Prefix of every path (`--web.route-prefix`): empty, or `/…` without a trailing slash.
    pub route_prefix: String,
    /// Prefix of links on the page (`--web.external-url`); empty for relative links.
    pub external_prefix: String,
    /// The URL for users (`--web.external-url`), if set.
    pub external_url: Option<Url>,
    /// Concurrent scrapes per tenant (`--web.max-requests`); 0 is unlimited.
    pub max_requests: usize,
    /// Leaves out `process_*` and `cxone_exporter_build_info` (`--web.disable-exporter-metrics`).
    pub disable_exporter_metrics: bool,
    /// Subtracted from the scrape timeout (`--timeout-offset`), for the transfer of the response.
    pub timeout_offset: Duration,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            route_prefix: String::new(),
            external_prefix: String::new(),
            external_url: None,
            max_requests: 40,
            disable_exporter_metrics: false,
            timeout_offset: Duration::from_millis(500),
        }
    }
}

// === impl App ===

impl App {
    /// An app without web configuration and reloads over HTTP.
    pub fn new(
        tenants: Vec<TenantHandle>,
        exporter: Arc<ExporterInstruments>,
        clock: Arc<dyn Clock>,
        config: Config,
        options: Options,
    ) -> Self {
        let scrapes = ScrapeLimit::new(options.max_requests);
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

    /// Applies a web configuration.
    #[must_use]
    pub fn with_web_config(mut self, access: LiveWebConfig) -> Self {
        self.web_config = Some(Arc::new(access));
        self
    }

    /// True if the listeners use TLS.
    pub fn has_tls(&self) -> bool {
        self.web_config.as_ref().is_some_and(|access| access.has_tls())
    }

    /// Enables `/-/reload`.
    #[must_use]
    pub fn with_lifecycle(mut self, lifecycle: ReloadHandle) -> Self {
        self.lifecycle = Some(lifecycle);
        self
    }

    /// The current tenants. A request reads them once and keeps the value.
    pub fn loaded(&self) -> Arc<LoadedConfig> {
        self.loaded.load_full()
    }

    /// Replaces the tenants.
    pub fn load(&self, loaded: LoadedConfig) {
        self.loaded.store(Arc::new(loaded));
    }
}

// === impl LoadedConfig ===

impl LoadedConfig {
    /// The tenant of `/metrics`, if there is exactly one.
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
