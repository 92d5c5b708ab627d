//! The counters of one tenant.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry};

use super::block_cache::Cached;
use super::last_hour::LastHour;
use super::registry::{opts, register};
use super::{agents, catalogue};
use crate::clock::{Clock, SystemClock};
use crate::config::{Api, Shard};
use crate::exposition::{Block, ExpositionError};
use crate::presence::{Rejection, Rejections, Timestamp};
use crate::refresh::{self, RefreshResult, Served, Snapshot, Status, StorageOperation};
use crate::upstream::{self, Endpoint, ResponseCode};

/// Upper bounds for the duration of a request, in seconds: from a cached response to the longest useful request timeout.
/// Reports take seconds, so the bounds are closest there.
const REQUEST_BUCKETS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0];

/// The codes with a series from the start, so that the first failure is an increase.
const DECLARED_CODES: [ResponseCode; 4] =
    [ResponseCode::Status(200), ResponseCode::Timeout, ResponseCode::Connect, ResponseCode::Decode];

/// The counters of one tenant. They survive reloads, because counters must not fall.
pub struct TenantInstruments {
    pub(super) registry: Registry,
    /// In the order of [`Served::ALL`]. Not in the registry, because they change with every scrape.
    pub(super) scrapes: [AtomicU64; Served::ALL.len()],
    /// Rises after every change of a counter in `registry`, so that older blocks are recognized.
    pub(super) epoch: AtomicU64,
    pub(super) rendered: Cached<(u64, Status)>,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    retries: IntCounter,
    /// No series without a budget.
    budget: GaugeVec,
    /// No series until a budget is configured.
    budget_wait: CounterVec,
    response_bytes: IntCounter,
    retry_after_capped: IntCounter,
    clock_skew: IntGauge,
    records_rejected: IntCounterVec,
    refreshes: IntCounterVec,
    samples_left_out: IntCounterVec,
    /// No series without storage.
    storage_errors: IntCounterVec,
    /// No series until the first write.
    storage_last_write: GaugeVec,
    /// No series without shards.
    shard_index: GaugeVec,
    shards: GaugeVec,
    last_hour: LastHour,
}

// === impl TenantInstruments ===

impl TenantInstruments {
    /// Instruments at zero for a tenant with these endpoints. Series with known label values exist from the start.
    pub fn new(endpoints: &[Endpoint], clock: Arc<dyn Clock>) -> Self {
        let registry = Registry::new();
        let counter = |family| register(&registry, IntCounter::with_opts(opts(family)));
        let counters = |family| register(&registry, IntCounterVec::new(opts(family), family.labels));
        let duration = &catalogue::API_REQUEST_DURATION_SECONDS;
        let duration_opts = HistogramOpts::from(opts(duration)).buckets(REQUEST_BUCKETS.to_vec());
        let (budget, budget_wait) =
            (&catalogue::API_REQUESTS_PER_MINUTE_LIMIT, &catalogue::API_BUDGET_WAIT_SECONDS_TOTAL);
        let (shard_index, shards) = (&catalogue::EXPORTER_SHARD_INDEX, &catalogue::EXPORTER_SHARDS);
        let last_write = &catalogue::EXPORTER_STORAGE_LAST_WRITE_TIMESTAMP_SECONDS;
        let instruments = Self {
            requests: counters(&catalogue::API_REQUESTS_TOTAL),
            request_duration: register(&registry, HistogramVec::new(duration_opts, duration.labels)),
            retries: counter(&catalogue::API_RETRIES_TOTAL),
            budget: register(&registry, GaugeVec::new(opts(budget), budget.labels)),
            budget_wait: register(&registry, CounterVec::new(opts(budget_wait), budget_wait.labels)),
            response_bytes: counter(&catalogue::API_RESPONSE_BYTES_TOTAL),
            retry_after_capped: counter(&catalogue::RETRY_AFTER_CAPPED_TOTAL),
            clock_skew: register(&registry, IntGauge::with_opts(opts(&catalogue::CLOCK_SKEW_SECONDS))),
            records_rejected: counters(&catalogue::RECORDS_REJECTED_TOTAL),
            refreshes: counters(&catalogue::REFRESHES_TOTAL),
            samples_left_out: counters(&catalogue::EXPORTER_SAMPLES_LEFT_OUT_TOTAL),
            storage_errors: counters(&catalogue::EXPORTER_STORAGE_ERRORS_TOTAL),
            storage_last_write: register(&registry, GaugeVec::new(opts(last_write), last_write.labels)),
            shard_index: register(&registry, GaugeVec::new(opts(shard_index), shard_index.labels)),
            shards: register(&registry, GaugeVec::new(opts(shards), shards.labels)),
            scrapes: Default::default(),
            registry,
            epoch: AtomicU64::new(0),
            rendered: Cached::default(),
            last_hour: LastHour::new(clock),
        };
        instruments.declare(endpoints);
        instruments
    }

    fn declare(&self, endpoints: &[Endpoint]) {
        for endpoint in endpoints {
            self.request_duration.with_label_values(&[endpoint.label()]);
            for code in DECLARED_CODES {
                self.requests.with_label_values(&[endpoint.label(), &code_label(code)]);
            }
        }
        for reason in Rejection::ALL {
            self.records_rejected.with_label_values(&[reason.label()]);
        }
        for result in RefreshResult::ALL {
            self.refreshes.with_label_values(&[result.label()]);
        }
        // The other reasons are faults of families, which the catalogue excludes.
        let twice = ExpositionError::SampleTwice { family: catalogue::AGENT_STATE_SECONDS.name };
        self.samples_left_out.with_label_values(&[twice.reason()]);
    }

    /// Sets the shard of this exporter.
    pub fn of_shard(&self, shard: Option<Shard>) {
        if let Some(shard) = shard {
            self.shard_index.with_label_values::<&str>(&[]).set(f64::from(shard.index()));
            self.shards.with_label_values::<&str>(&[]).set(f64::from(shard.total()));
            self.changed();
        }
    }

    /// Renders a snapshot, and counts and logs the samples that were left out.
    pub fn agents(&self, snapshot: &Snapshot) -> Arc<Block> {
        let block = agents::render(snapshot);
        for (error, samples) in block.left_out().iter() {
            self.samples_left_out.with_label_values(&[error.reason()]).inc_by(samples);
            tracing::warn!(tenant = %snapshot.tenant.name, reason = error.reason(), samples, "{error}");
        }
        if !block.left_out().is_empty() {
            self.changed();
        }
        Arc::new(block)
    }

    /// The number of requests to CXone that ended within the last hour.
    pub fn requests_in_last_hour(&self) -> u64 {
        self.last_hour.requests()
    }

    fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }
}

impl TenantInstruments {
    fn count_rejections(&self, rejections: &Rejections) {
        for (reason, count) in rejections.iter() {
            self.records_rejected.with_label_values(&[reason.label()]).inc_by(count);
        }
    }
}

impl fmt::Debug for TenantInstruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantInstruments").finish_non_exhaustive()
    }
}

/// The instruments of a tenant of the presence API.
impl Default for TenantInstruments {
    fn default() -> Self {
        Self::new(Endpoint::of(Api::Presence), Arc::new(SystemClock::new()))
    }
}

impl upstream::Observer for TenantInstruments {
    fn request(&self, endpoint: Endpoint, code: ResponseCode, took: Duration, body_bytes: u64) {
        self.requests.with_label_values(&[endpoint.label(), &code_label(code)]).inc();
        self.request_duration.with_label_values(&[endpoint.label()]).observe(took.as_secs_f64());
        self.response_bytes.inc_by(body_bytes);
        self.last_hour.add();
        self.changed();
    }

    fn retry(&self) {
        self.retries.inc();
        self.changed();
    }

    fn rejected(&self, rejections: &Rejections) {
        self.count_rejections(rejections);
        self.changed();
    }

    fn retry_after_capped(&self, _asked: Duration, _kept: Duration) {
        self.retry_after_capped.inc();
        self.changed();
    }

    fn clock_skew(&self, ahead_seconds: i64) {
        self.clock_skew.set(ahead_seconds);
        self.changed();
    }

    fn budget(&self, per_minute: Option<u32>) {
        match per_minute {
            Some(per_minute) => {
                self.budget.with_label_values::<&str>(&[]).set(f64::from(per_minute));
                self.budget_wait.with_label_values::<&str>(&[]);
            }
            // Counters must not fall, so the wait counter stays.
            None => self.budget.reset(),
        }
        self.changed();
    }

    fn budget_waited(&self, waited: Duration) {
        self.budget_wait.with_label_values::<&str>(&[]).inc_by(waited.as_secs_f64());
        self.changed();
    }
}

impl refresh::Observer for TenantInstruments {
    fn refreshed(&self, result: RefreshResult, _took: Duration, rejections: &Rejections) {
        self.refreshes.with_label_values(&[result.label()]).inc();
        self.count_rejections(rejections);
        self.changed();
    }

    fn scraped(&self, served: Served) {
        if let Some((_, count)) = Served::ALL.iter().zip(&self.scrapes).find(|(known, _)| **known == served) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn status_changed(&self) {
        self.changed();
    }

    fn storage_used(&self) {
        for operation in StorageOperation::ALL {
            self.storage_errors.with_label_values(&[operation.label()]);
        }
        self.changed();
    }

    fn stored(&self, at: Timestamp) {
        self.storage_last_write.with_label_values::<&str>(&[]).set(at.seconds_f64());
        self.changed();
    }

    fn storage_failed(&self, operation: StorageOperation) {
        self.storage_errors.with_label_values(&[operation.label()]).inc();
        self.changed();
    }
}

/// The value of the label `code`. A status outside the standards becomes `other`, which bounds the number of series.
fn code_label(code: ResponseCode) -> String {
    match code {
        ResponseCode::Status(status @ 100..=599) => status.to_string(),
        ResponseCode::Status(_) => "other".to_owned(),
        ResponseCode::Timeout => "timeout".to_owned(),
        ResponseCode::Connect => "connect".to_owned(),
        ResponseCode::Decode => "decode".to_owned(),
    }
}
