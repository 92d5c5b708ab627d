//! A test app: the real web server and the real source on loopback, on a clock that the test drives.
//!
//! The upstream is a simulated tenant or a scripted server. Every HTTP response and log line of an app is recorded, so that
//! a test can search all of them for secrets.

pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod scraped;
pub(crate) mod simulated;
pub(crate) mod source;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cxone_exporter::cli::build_app;
use cxone_exporter::clock::{Clock as _, DrivenClock, Monotonic};
use cxone_exporter::config::{Agent, Config, ConnectionSettings, Interval, Tenant};
use cxone_exporter::presence::{Timestamp, Window};
use cxone_exporter::refresh::Refresher;
use cxone_exporter::upstream::AnySource;
use cxone_exporter::web::{App, Listeners, LiveWebConfig, Options};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::http::{Client, HttpResponse};
use self::log::{LogLine, LogPosition};
use self::scraped::Scraped;
use crate::scripted::drive;

/// The full hour at which an app starts: 2026-03-11T15:00:00Z, a Wednesday.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_773_241_200);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const COOLDOWN: Duration = Duration::from_secs(60);
pub(crate) const REFRESH_TIMEOUT: Duration = Duration::from_secs(120);
pub(crate) const MAX_STALENESS: Duration = Duration::from_secs(900);

/// The client secret. No page, log line or metric may contain it. Some of its characters have several encodings.
pub(crate) const SECRET: &str = "pl4nted/s3cret+of=the house";
/// The prefix of every access token in these tests.
pub(crate) const TOKEN: &str = "pl4nted-t0ken";
/// An agent name with all characters that HTML and the exposition format escape. It may be shown, but not logged.
pub(crate) const NAME: &str = "Åsa <b>\"Pl4nted\"</b> & O'Neil\\";

/// A scrape timeout, in seconds, that outlasts every refresh.
const LONG_SCRAPE_TIMEOUT: &str = "600";

/// A running app of one tenant or several.
pub(crate) struct TestApp {
    pub(crate) clock: DrivenClock,
    pub(crate) address: SocketAddr,
    pub(crate) web: Arc<App>,
    /// The first tenant's source.
    pub(crate) source: AnySource,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    pub(crate) serving: Option<JoinHandle<()>>,
    log_from: LogPosition,
    responses: Mutex<Vec<HttpResponse>>,
}

/// The settings of a [`TestApp`].
pub(crate) struct TestAppBuilder {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) options: Options,
    pub(crate) web_config: Option<std::path::PathBuf>,
}

// === impl TestAppBuilder ===

impl TestAppBuilder {
    /// One tenant of two agents. Each agent is a batch, and requests are sent one at a time.
    pub(crate) fn new(base_url: &str) -> Self {
        Self::with_tenants(vec![tenant(base_url)])
    }

    pub(crate) fn with_tenants(tenants: Vec<Tenant>) -> Self {
        Self { tenants, options: Options::default(), web_config: None }
    }

    /// Changes the only tenant.
    pub(crate) fn configure(mut self, change: impl FnOnce(&mut Tenant)) -> Self {
        change(&mut self.tenants[0]);
        self
    }

    /// Starts the web server on a free port of loopback.
    pub(crate) async fn start(self, clock: &DrivenClock) -> TestApp {
        let log_from = log::capture();
        let tenants: Vec<_> = self.tenants.into_iter().map(Arc::new).collect();
        let first = tenants[0].name.clone();
        let config = Config { tenants, schedules: Default::default(), warnings: Vec::new() };
        let (web, mut sources) = build_app(config, self.options, None, Arc::new(clock.clone())).unwrap();
        let source = sources.remove(&first).unwrap();
        let web = match self.web_config {
            Some(path) => {
                let exporter = Arc::clone(&web.exporter);
                web.with_web_config(LiveWebConfig::open(&path, Arc::new(clock.clone()), exporter).unwrap())
            }
            None => web,
        };
        let web = Arc::new(web);
        let bound = Listeners::bind(&["127.0.0.1:0".to_owned()]).await.unwrap();
        let address = bound.addresses()[0];
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(bound.serve(Arc::clone(&web), async { drop(stopped.await) }));
        let (stop, responses) = (Mutex::new(Some(stop)), Mutex::default());
        TestApp { clock: clock.clone(), address, web, source, stop, serving: Some(serving), log_from, responses }
    }
}

/// A tenant whose name is unique in this process, so that its log lines can be told from those of other tests.
pub(crate) fn tenant(base_url: &str) -> Tenant {
    static BUILT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("tenant-{}", BUILT.fetch_add(1, Ordering::Relaxed));
    let mut tenant =
        Tenant::with_defaults(name, ConnectionSettings::new(base_url.parse().unwrap(), "my-client", SECRET));
    hourly(&mut tenant);
    tenant.states.offline = vec!["Offline".into()];
    tenant.limits.cooldown = COOLDOWN;
    tenant.limits.request_timeout = Duration::from_secs(20);
    tenant.limits.agents_per_request = 1;
    tenant.limits.max_concurrent_requests = 1;
    tenant.agents = agents(2);
    tenant
}

/// Makes the tenant ask for hourly buckets and read its whole window each time.
pub(crate) fn hourly(tenant: &mut Tenant) {
    tenant.query.interval = Interval { text: "PT1H".to_owned(), length: HOUR };
    tenant.query.incremental = None;
}

pub(crate) fn agents(count: usize) -> Vec<Agent> {
    let agent = |nth: usize| Agent {
        id: format!("{}", 1_000_000_000_000_000_000 + nth).into(),
        name: Some(NAME.into()),
        team: Some("Billing".into()),
        offline_limit: Some(Duration::from_secs(16 * 3600)),
        absent_limit: None,
        schedule: None,
    };
    (0..count).map(agent).collect()
}

// === impl TestApp ===

impl TestApp {
    /// Starts the shutdown.
    pub(crate) fn stop(&self) {
        drop(self.stop.lock().unwrap().take());
    }

    pub(crate) fn refresher(&self) -> Arc<Refresher> {
        Arc::clone(&self.web.loaded().tenants[0].refresher)
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic().saturating_since(Monotonic::default())
    }

    /// Scrapes with a long timeout. The clock advances to each time that the refresh waits for.
    pub(crate) async fn scrape(&self) -> Scraped {
        let deadline = self.clock.monotonic() + REFRESH_TIMEOUT;
        drive(&self.clock, deadline, self.scrape_within(LONG_SCRAPE_TIMEOUT)).await
    }

    /// Scrapes with a timeout of `seconds`, and does not move the clock.
    pub(crate) async fn scrape_within(&self, seconds: &str) -> Scraped {
        let header = format!("X-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n");
        Scraped::read(&self.get("/metrics", &header).await)
    }

    /// Sends one GET request on a new connection.
    pub(crate) async fn get(&self, target: &str, headers: &str) -> HttpResponse {
        let request = format!("GET {target} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n{headers}\r\n");
        let response = Client::connect(self.address).await.request(&request).await.expect("a response");
        self.responses.lock().unwrap().push(response.clone());
        response
    }

    /// The log lines about the tenants of this app.
    pub(crate) fn lines(&self) -> Vec<LogLine> {
        let loaded = self.web.loaded();
        let names: Vec<_> = loaded.tenants.iter().map(|tenant| tenant.refresher.tenant().name.clone()).collect();
        let of_tenants =
            |line: &LogLine| line.field("tenant").is_some_and(|tenant| names.iter().any(|name| *name == tenant));
        log::since(self.log_from).into_iter().filter(of_tenants).collect()
    }

    /// The log lines since the start of this app that contain `text`, of every app in the process.
    pub(crate) fn lines_with(&self, text: &str) -> Vec<LogLine> {
        log::since(self.log_from).into_iter().filter(|line| line.to_string().contains(text)).collect()
    }

    /// The log lines about the tenants of this app at the level `warn` or above.
    pub(crate) fn warnings(&self) -> Vec<LogLine> {
        self.lines().into_iter().filter(LogLine::is_warning).collect()
    }

    /// Searches all recorded responses, log lines and `Debug` output for secrets and names.
    pub(crate) async fn assert_no_secrets(&self) {
        for path in ["/", "/config", "/sd"] {
            // The page may start a refresh and wait for it.
            let deadline = self.clock.monotonic() + REFRESH_TIMEOUT;
            drive(&self.clock, deadline, self.get(path, "")).await;
        }
        let lines = log::since(self.log_from);
        let logged = lines.iter().map(LogLine::to_string).collect::<Vec<_>>().join("\n");
        assert!(!logged.contains("Pl4nted"), "a name was logged: {logged}");
        let debug = format!("{:?} {:?} {:?}", self.refresher(), self.source, self.refresher().current().status);
        assert!(!debug.contains("Pl4nted"), "{debug}");
        let responses = self.responses.lock().unwrap();
        let texts = responses.iter().map(HttpResponse::text).chain([logged, debug]);
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        for text in texts {
            for planted in [SECRET, &form, TOKEN, "pl4nted", "s3cret", "Bearer"] {
                assert!(!text.contains(planted), "{planted} came out: {text}");
            }
        }
    }
}

/// The window of a refresh that starts now: the 24 hours up to the last whole second.
pub(crate) fn last_day(clock: &DrivenClock) -> Window {
    Window::ending_at(clock.now().whole_second(), DAY)
}
