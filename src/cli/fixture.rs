//! Test data: a tenant, and a source with fixed results.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::NaiveTime;
use tracing::{Dispatch, subscriber};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::clock::Monotonic;
use crate::config::{Agent, Config, ConnectionSettings, Interval, QuerySettings, Tenant};
use crate::presence::{
    AgentPresence, Micros, Person, PresenceChart, Schedule, Shift, StateName, TimeZone, Timestamp, Window,
};
use crate::upstream::{DirectoryFuture, FetchFuture, FetchResult, PastLimits, PastQuery, Query, Source, UpstreamError};

/// The current time of the tests.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// A tenant with hourly buckets that are read in full, otherwise the documented defaults, and `agents` agents with ascending
/// ids.
pub(crate) fn tenant(name: &str, agents: usize) -> Tenant {
    let base_url = format!("https://{name}.example.com").parse().unwrap();
    let defaults = Tenant::with_defaults(name, ConnectionSettings::new(base_url, "my-client", "my-secret"));
    let interval = Interval { text: "PT1H".to_owned(), length: Duration::from_secs(3_600) };
    Tenant {
        query: QuerySettings { interval, incremental: None, ..defaults.query },
        agents: (0..agents).map(|number| agent(&format!("{}", 1_234_567_890_123_456_789 + number))).collect(),
        ..defaults
    }
}

/// An agent with only an id.
pub(crate) fn agent(id: &str) -> Agent {
    Agent { id: id.into(), name: None, team: None, offline_limit: None, absent_limit: None, schedule: None }
}

/// Office hours in UTC.
pub(crate) fn schedule() -> Arc<Schedule> {
    let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    Arc::new(Schedule {
        timezone: TimeZone::UTC,
        days: [true, true, true, true, true, false, false],
        hours: vec![Shift { start: time(9), end: time(17) }],
        holidays: Vec::new(),
        leave: Vec::new(),
    })
}

/// A configuration of these tenants.
pub(crate) fn config(tenants: impl IntoIterator<Item = Tenant>) -> Config {
    let tenants = tenants.into_iter().map(Arc::new).collect();
    Config { tenants, schedules: BTreeMap::new(), warnings: Vec::new() }
}

/// The presence of an agent, from seconds by state.
pub(crate) fn presence(states: &[(&str, f64)]) -> AgentPresence {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the tests' numbers fit")]
    let micros = |seconds: f64| Micros::new((seconds * 1e6).round() as u64);
    let mut states: Vec<_> =
        states.iter().map(|(state, seconds)| (StateName::from(*state), micros(*seconds))).collect();
    states.sort();
    let observed = states.iter().map(|(_, time)| *time).sum();
    AgentPresence {
        folded: Vec::new(),
        states,
        observed,
        current: None,
        unbroken_offline: None,
        last_data: NOW,
        scheduled: None,
        chart: PresenceChart::default(),
        timeline: None,
        parts: Default::default(),
    }
}

/// The result of a [`FakeSource`] for a query.
type Respond = dyn Fn(&Query) -> FetchResult + Send + Sync;

/// The same for past presence.
type RespondPast = dyn Fn(&PastQuery) -> FetchResult + Send + Sync;

/// A source that returns fixed results and records its queries.
pub(crate) struct FakeSource {
    respond: Box<Respond>,
    past: Box<RespondPast>,
    directory: Option<Result<Vec<Person>, UpstreamError>>,
    windows: Mutex<Vec<Window>>,
}

impl FakeSource {
    /// A source that returns `respond` of each query.
    pub(crate) fn new(respond: impl Fn(&Query) -> FetchResult + Send + Sync + 'static) -> Arc<Self> {
        let past = Box::new(|_: &PastQuery| FetchResult::default());
        Arc::new(Self { respond: Box::new(respond), past, directory: None, windows: Mutex::default() })
    }

    /// A source that has only past presence, and returns `respond` of each query.
    pub(crate) fn of_past(respond: impl Fn(&PastQuery) -> FetchResult + Send + Sync + 'static) -> Arc<Self> {
        let mut source = Arc::into_inner(Self::new(|_| FetchResult::default())).unwrap();
        source.past = Box::new(respond);
        Arc::new(source)
    }

    /// This source with an agent directory.
    pub(crate) fn with_directory(self: Arc<Self>, directory: Result<Vec<Person>, UpstreamError>) -> Arc<Self> {
        let mut source = Arc::into_inner(self).unwrap();
        source.directory = Some(directory);
        Arc::new(source)
    }

    /// The windows of the fetches.
    pub(crate) fn windows(&self) -> Vec<Window> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Source for FakeSource {
    fn fetch(&self, query: Query) -> FetchFuture<'_> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).push(query.window);
        let fetched = (self.respond)(&query);
        Box::pin(async move { fetched })
    }

    fn past_limits(&self) -> PastLimits {
        PastLimits { agents: 2, length: Duration::from_secs(100 * 3_600) }
    }

    fn fetch_past(&self, query: PastQuery) -> FetchFuture<'_> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).push(query.window);
        let fetched = (self.past)(&query);
        Box::pin(async { fetched })
    }

    fn directory(&self, _: Monotonic) -> Option<DirectoryFuture<'_>> {
        let directory = self.directory.clone()?;
        Some(Box::pin(async move { directory }))
    }

    fn not_before(&self) -> Option<Monotonic> {
        None
    }

    fn token_expiry(&self) -> Option<Timestamp> {
        Some(NOW + Duration::from_secs(3_590))
    }
}

/// Collects written bytes, such as log lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

/// Collects log lines of this thread until it is dropped.
pub(crate) struct CapturedLog {
    buffer: Buffer,
    _guard: subscriber::DefaultGuard,
    /// With a single dispatcher alive, another thread that logs first would disable the line for all threads.
    _another: Dispatch,
}

// === impl Buffer ===

impl Buffer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl CapturedLog ===

impl CapturedLog {
    pub(crate) fn start() -> Self {
        let another = Dispatch::new(tracing_subscriber::registry());
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let guard = subscriber::set_default(tracing_subscriber::registry().with(lines));
        Self { buffer, _guard: guard, _another: another }
    }

    /// The lines with this message.
    pub(crate) fn lines(&self, message: &str) -> Vec<String> {
        self.buffer.text().lines().filter(|line| line.contains(message)).map(str::to_owned).collect()
    }
}
