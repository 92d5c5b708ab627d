//! The exporter's own series, independent of tenants: build, configuration, rejected clients, process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntCounterVec, Registry};

use super::block_cache::Cached;
use super::catalogue;
use super::registry::{gather, opts, register};
use crate::clock::{Clock, Monotonic};
use crate::exposition::{Block, BlockBuilder, Packing};
use crate::presence::Timestamp;

/// How long the process metrics are cached. Reading them takes several system calls, more than the rest of a cached scrape,
/// and Prometheus does not scrape more often.
const PROCESS_MAX_AGE: Duration = Duration::from_secs(1);

/// The labels of `cxone_exporter_build_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildInfo {
    /// The crate's version.
    pub version: &'static str,
    /// The commit, or `unknown`.
    pub revision: &'static str,
    /// The compiler's version, or `unknown`.
    pub rustc: &'static str,
}

/// Why the exporter rejected a connection or a request: the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpRejection {
    /// The limit of concurrent scrapes (`--web.max-requests`) or of waiting passwords was reached.
    MaxRequests,
    /// The connection limit was reached: the least active connection, or the new one, was closed.
    MaxConnections,
    /// The request was malformed or too long.
    BadRequest,
    /// The request or the TLS handshake was not complete in time.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// The `rate_limit` of the web configuration was exceeded.
    RateLimit,
    /// User or password were missing or wrong.
    Unauthorized,
    /// The request had a body.
    Body,
    /// The client did not read its response in time.
    SlowReader,
    /// A page of another site sent a request that changes state.
    CrossSite,
}

/// The instruments of the exporter itself.
pub struct ExporterInstruments {
    clock: Arc<dyn Clock>,
    build: BuildInfo,
    registry: Registry,
    http_rejected: IntCounterVec,
    config: ArcSwap<ConfigState>,
    /// Whether the web configuration was valid when it was last read, if one is used.
    web_config: ArcSwapOption<bool>,
    /// Rises after every change of what [`ExporterInstruments::block`] shows.
    epoch: AtomicU64,
    rendered: Cached<u64>,
    process_registry: Registry,
    process_rendered: Cached<Monotonic>,
}

#[derive(Debug, Clone, Copy, Default)]
struct ConfigState {
    last_load_successful: bool,
    last_success: Option<Timestamp>,
}

// === impl HttpRejection ===

impl HttpRejection {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::MaxRequests,
        Self::MaxConnections,
        Self::BadRequest,
        Self::Timeout,
        Self::Tls,
        Self::RateLimit,
        Self::Unauthorized,
        Self::Body,
        Self::SlowReader,
        Self::CrossSite,
    ];

    /// The value of the label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::MaxRequests => "max_requests",
            Self::MaxConnections => "max_connections",
            Self::BadRequest => "bad_request",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::RateLimit => "rate_limit",
            Self::Unauthorized => "unauthorized",
            Self::Body => "body",
            Self::SlowReader => "slow_reader",
            Self::CrossSite => "cross_site",
        }
    }
}

// === impl ExporterInstruments ===

impl ExporterInstruments {
    /// Instruments at zero, and a configuration that was not loaded yet.
    pub fn new(clock: Arc<dyn Clock>, build: BuildInfo) -> Self {
        let registry = Registry::new();
        let rejected = &catalogue::EXPORTER_HTTP_REJECTED_TOTAL;
        let http_rejected = register(&registry, IntCounterVec::new(opts(rejected), rejected.labels));
        for reason in HttpRejection::ALL {
            http_rejected.with_label_values(&[reason.label()]);
        }
        let process_registry = Registry::new();
        if let Err(error) = process_registry.register(Box::new(ProcessCollector::for_self())) {
            tracing::warn!(%error, "process metrics are not exposed");
        }
        Self {
            clock,
            build,
            registry,
            http_rejected,
            config: ArcSwap::from_pointee(ConfigState::default()),
            web_config: ArcSwapOption::empty(),
            epoch: AtomicU64::new(0),
            rendered: Cached::default(),
            process_registry,
            process_rendered: Cached::default(),
        }
    }

    /// Records that the configuration was loaded, at the start or by a reload, and applied or refused.
    pub fn config_loaded(&self, successful: bool) {
        let now = self.clock.now();
        self.config.rcu(|before| ConfigState {
            last_load_successful: successful,
            last_success: if successful { Some(now) } else { before.last_success },
        });
        self.changed();
    }

    /// Records that the web configuration was read, at the start or later, and applied or refused.
    pub fn web_config_loaded(&self, successful: bool) {
        self.web_config.store(Some(Arc::new(successful)));
        self.changed();
    }

    /// Counts a rejected connection or request.
    pub fn http_rejected(&self, reason: HttpRejection) {
        self.http_rejected.with_label_values(&[reason.label()]).inc();
        self.changed();
    }

    /// The block of build, configuration and rejected clients.
    pub fn block(&self) -> Arc<Block> {
        // The epoch is read before the counters, so a change in between leads to another rendering, never to an outdated block.
        let epoch = self.epoch.load(Ordering::Acquire);
        self.rendered.get(|rendered| *rendered == epoch, || (epoch, self.render()))
    }

    /// The block of process metrics, at most a second old.
    pub fn process(&self) -> Arc<Block> {
        let now = self.clock.monotonic();
        self.process_rendered.get(
            |read_at| now.saturating_since(*read_at) < PROCESS_MAX_AGE,
            || {
                let mut builder = BlockBuilder::new();
                gather(&mut builder, catalogue::PROCESS, &self.process_registry);
                (now, builder.finish(Packing::Stored))
            },
        )
    }

    fn render(&self) -> Block {
        let mut builder = BlockBuilder::new();
        let BuildInfo { version, revision, rustc } = self.build;
        builder.family(&catalogue::EXPORTER_BUILD_INFO).sample(&[version, revision, rustc], 1.0);
        let ConfigState { last_load_successful, last_success } = **self.config.load();
        builder
            .family(&catalogue::EXPORTER_CONFIG_LAST_RELOAD_SUCCESSFUL)
            .sample(&[], f64::from(u8::from(last_load_successful)));
        if let Some(at) = last_success {
            builder
                .family(&catalogue::EXPORTER_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS)
                .sample(&[], at.seconds_f64());
        }
        if let Some(successful) = self.web_config.load_full() {
            builder
                .family(&catalogue::EXPORTER_WEB_CONFIG_LAST_RELOAD_SUCCESSFUL)
                .sample(&[], f64::from(u8::from(*successful)));
        }
        gather(&mut builder, catalogue::EXPORTER, &self.registry);
        builder.finish(Packing::Deflated)
    }

    fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }
}

impl fmt::Debug for ExporterInstruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterInstruments").field("build", &self.build).finish_non_exhaustive()
    }
}
