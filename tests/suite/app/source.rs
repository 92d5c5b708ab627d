//! The presence source alone, without web server and refresher, on a clock that the test drives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cxone_exporter::clock::{Clock as _, DrivenClock, Monotonic};
use cxone_exporter::config::Tenant;
use cxone_exporter::presence::{WatchedAgent, Window};
use cxone_exporter::upstream::presence_api::PresenceSource;
use cxone_exporter::upstream::{Endpoint, FetchResult, Observer, Query, ResponseCode, Source as _};

use crate::scripted::drive;

/// A source with its clock and observer.
pub(crate) struct SourceHarness {
    pub(crate) clock: DrivenClock,
    pub(crate) source: PresenceSource,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) observer: Arc<RecordingObserver>,
}

/// An observer that records its calls.
#[derive(Debug, Default)]
pub(crate) struct RecordingObserver {
    pub(crate) requests: Mutex<Vec<(Endpoint, ResponseCode, u64)>>,
    retries: Mutex<u64>,
    pub(crate) capped: Mutex<Vec<(Duration, Duration)>>,
    pub(crate) skews: Mutex<Vec<i64>>,
    limits: Mutex<Vec<Option<u32>>>,
    waited: Mutex<Duration>,
}

// === impl SourceHarness ===

impl SourceHarness {
    /// The source of `tenant`.
    pub(crate) fn of(clock: &DrivenClock, tenant: Tenant) -> Self {
        let (tenant, observer) = (Arc::new(tenant), Arc::new(RecordingObserver::default()));
        let source = PresenceSource::new(Arc::clone(&tenant), Arc::new(clock.clone()), observer.clone()).unwrap();
        Self { clock: clock.clone(), source, tenant, observer }
    }

    /// Changes the tenant, as a reload does.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut Tenant)) {
        let mut tenant = Tenant::clone(&self.tenant);
        change(&mut tenant);
        self.tenant = Arc::new(tenant);
        self.source = self.source.reconfigured(Arc::clone(&self.tenant), self.observer.clone()).unwrap();
    }

    pub(crate) fn window(&self) -> Window {
        Window::ending_at(self.clock.now().whole_second(), self.tenant.query.window)
    }

    pub(crate) fn deadline(&self) -> Monotonic {
        self.clock.monotonic() + self.tenant.limits.refresh_timeout
    }

    /// Fetches all agents. The clock advances to each time that the fetch waits for.
    pub(crate) async fn fetch(&self) -> FetchResult {
        let deadline = self.deadline();
        drive(&self.clock, deadline, self.source.fetch(self.query(deadline))).await
    }

    pub(crate) fn query(&self, deadline: Monotonic) -> Query {
        let agents = self.tenant.agents.iter().map(|agent| WatchedAgent { id: agent.id.clone(), schedule: None });
        Query { window: self.window(), agents: agents.collect(), deadline }
    }
}

// === impl RecordingObserver ===

impl RecordingObserver {
    /// The codes of page requests, in the order in which they ended.
    pub(crate) fn page_codes(&self) -> Vec<ResponseCode> {
        self.codes(Endpoint::Presence)
    }

    pub(crate) fn codes(&self, endpoint: Endpoint) -> Vec<ResponseCode> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|(of, ..)| *of == endpoint).map(|(_, code, _)| *code).collect()
    }

    pub(crate) fn retries(&self) -> u64 {
        *self.retries.lock().unwrap()
    }

    /// The reported budgets.
    pub(crate) fn limits(&self) -> Vec<Option<u32>> {
        self.limits.lock().unwrap().clone()
    }

    /// The total delay by the budget.
    pub(crate) fn waited(&self) -> Duration {
        *self.waited.lock().unwrap()
    }
}

impl Observer for RecordingObserver {
    fn request(&self, endpoint: Endpoint, code: ResponseCode, _: Duration, body_bytes: u64) {
        self.requests.lock().unwrap().push((endpoint, code, body_bytes));
    }

    fn retry(&self) {
        *self.retries.lock().unwrap() += 1;
    }

    fn retry_after_capped(&self, request: Duration, kept: Duration) {
        self.capped.lock().unwrap().push((request, kept));
    }

    fn clock_skew(&self, ahead_seconds: i64) {
        self.skews.lock().unwrap().push(ahead_seconds);
    }

    fn budget(&self, per_minute: Option<u32>) {
        self.limits.lock().unwrap().push(per_minute);
    }

    fn budget_waited(&self, waited: Duration) {
        *self.waited.lock().unwrap() += waited;
    }
}
