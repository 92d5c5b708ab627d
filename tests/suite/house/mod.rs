//! The whole house on loopback: the real front over the real source, by a clock that is driven.
//!
//! What is under it, a simulated tenant or a scripted one, is the test's choice. Everything that ever comes
//! out of a house, by HTTP or as a log line, is remembered, so that secrets can be looked for in all of it.

pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod scraped;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cxone_exporter::clock::{Clock as _, DrivenClock, Monotonic};
use cxone_exporter::config::{Agent, Api, Config, Interval, OfflineLimits, StateMap, Tenant};
use cxone_exporter::metrics::{BuildInfo, ExporterInstruments, TenantInstruments};
use cxone_exporter::presence::{Timestamp, Window};
use cxone_exporter::refresh::{Parts, Refresher};
use cxone_exporter::upstream::{Connection, Endpoint};
use cxone_exporter::web::{Access, App, Bound, Options, TenantFront, Threads};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::http::{Client, Reply};
use self::log::{Line, Mark};
use self::scraped::Scraped;
use crate::scripted::drive;

/// The full hour at which a house opens: 2026-03-11T15:00:00Z, a Wednesday.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_773_241_200);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const COOLDOWN: Duration = Duration::from_secs(60);
pub(crate) const REFRESH_TIMEOUT: Duration = Duration::from_secs(120);
pub(crate) const MAX_STALENESS: Duration = Duration::from_secs(900);

/// A secret that no page, log line or metric may ever hold, with characters that are spelled in several ways.
pub(crate) const SECRET: &str = "pl4nted/s3cret+of=the house";
/// What every access token in these tests begins with.
pub(crate) const TOKEN: &str = "pl4nted-t0ken";
/// A name with everything that HTML and the exposition have to escape; it may be shown, but not logged.
pub(crate) const NAME: &str = "Åsa <b>\"Pl4nted\"</b> & O'Neil\\";

/// A scrape that waits for whatever refresh there is.
const PATIENT: &str = "600";

/// A running house of one tenant or several.
pub(crate) struct House {
    pub(crate) clock: DrivenClock,
    pub(crate) address: SocketAddr,
    pub(crate) app: Arc<App>,
    /// The first tenant's source.
    pub(crate) source: Connection,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    pub(crate) serving: Option<JoinHandle<()>>,
    log_from: Mark,
    replies: Mutex<Vec<Reply>>,
}

/// What a house is built from.
pub(crate) struct Plan {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) options: Options,
    pub(crate) web_config: Option<std::path::PathBuf>,
    /// How many threads serve, as in the real process; by default it is the test's own, whose time can be driven.
    pub(crate) threads: Option<usize>,
}

// === impl Plan ===

impl Plan {
    /// A tenant of two agents, each of which is a batch, asked one after the other.
    pub(crate) fn at(base_url: &str) -> Self {
        Self::of(vec![tenant(base_url)])
    }

    pub(crate) fn of(tenants: Vec<Tenant>) -> Self {
        Self { tenants, options: Options::default(), web_config: None, threads: None }
    }

    /// Changes the only tenant.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Tenant)) -> Self {
        change(&mut self.tenants[0]);
        self
    }
}

/// A tenant of a name that no other house has, so that its log lines can be told.
pub(crate) fn tenant(base_url: &str) -> Tenant {
    static BUILT: AtomicUsize = AtomicUsize::new(0);
    Tenant {
        name: format!("house-{}", BUILT.fetch_add(1, Ordering::Relaxed)),
        api: Api::Presence,
        base_url: base_url.parse().unwrap(),
        client_id: "my-client".into(),
        client_secret: SECRET.into(),
        client_secret_file: None,
        window: DAY,
        interval: Interval { text: "PT1H".into(), length: HOUR },
        states: Vec::new(),
        declared_states: ["Available", "Busy", "WrapUp", "Offline"].map(Into::into).to_vec(),
        cooldown: COOLDOWN,
        max_staleness: MAX_STALENESS,
        request_timeout: Duration::from_secs(20),
        refresh_timeout: REFRESH_TIMEOUT,
        agents_per_request: 1,
        max_concurrent_requests: 1,
        max_requests_per_minute: None,
        offline_states: vec!["Offline".into()],
        privacy: cxone_exporter::config::Privacy::default(),
        agents: agents(2),
        everyone: None,
        offline_limits: OfflineLimits::default(),
        state_map: StateMap::new(),
        incremental: None,
        official: None,
        share: None,
    }
}

pub(crate) fn agents(count: usize) -> Vec<Agent> {
    let agent = |nth: usize| Agent {
        id: format!("{}", 1_000_000_000_000_000_000 + nth).into(),
        name: Some(NAME.into()),
        team: Some("Billing".into()),
        offline_limit: Some(Duration::from_secs(16 * 3600)),
        schedule: None,
    };
    (0..count).map(agent).collect()
}

// === impl House ===

impl House {
    pub(crate) async fn open(clock: &DrivenClock, plan: Plan) -> Self {
        let log_from = log::listen();
        let build = BuildInfo { version: "0.0.0", revision: "house", rustc: "0" };
        let exporter = Arc::new(ExporterInstruments::new(Arc::new(clock.clone()), build));
        exporter.config_loaded(true);
        let tenants: Vec<_> = plan.tenants.into_iter().map(Arc::new).collect();
        let config = Config { tenants: tenants.clone(), schedules: Default::default(), warnings: Vec::new() };
        let built: Vec<_> = tenants.into_iter().map(|tenant| front(tenant, clock)).collect();
        let source = built[0].1.clone();
        let fronts = built.into_iter().map(|(front, _)| front).collect();
        let app = App::new(fronts, exporter, Arc::new(clock.clone()), config, plan.options);
        let app = match plan.web_config {
            Some(path) => {
                let exporter = Arc::clone(&app.exporter);
                app.with_access(Access::open(&path, Arc::new(clock.clone()), exporter).unwrap())
            }
            None => app,
        };
        let app = Arc::new(app);
        let bound = Bound::bind(&["127.0.0.1:0".to_owned()]).await.unwrap();
        let address = bound.addresses()[0];
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn({
            let app = Arc::clone(&app);
            async move {
                let stopped = async { drop(stopped.await) };
                match plan.threads {
                    Some(count) => {
                        let threads = Threads::start(bound, app, count).await.unwrap();
                        stopped.await;
                        threads.stop().await;
                    }
                    None => bound.serve(app, stopped).await,
                }
            }
        });
        let (stop, replies) = (Mutex::new(Some(stop)), Mutex::default());
        Self { clock: clock.clone(), address, app, source, stop, serving: Some(serving), log_from, replies }
    }

    /// Asks the process to stop.
    pub(crate) fn stop(&self) {
        drop(self.stop.lock().unwrap().take());
    }

    pub(crate) fn refresher(&self) -> Arc<Refresher> {
        Arc::clone(&self.app.loaded().tenants[0].refresher)
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic().saturating_since(Monotonic::default())
    }

    /// Scrapes with all the time in the world, moving the clock on to whatever the refresh waits for.
    pub(crate) async fn scrape(&self) -> Scraped {
        let deadline = self.clock.monotonic() + REFRESH_TIMEOUT;
        drive(&self.clock, deadline, self.scrape_within(PATIENT)).await
    }

    /// Scrapes and leaves the clock alone; `seconds` is the scrape's own time-out.
    pub(crate) async fn scrape_within(&self, seconds: &str) -> Scraped {
        let header = format!("X-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n");
        Scraped::read(&self.get("/metrics", &header).await)
    }

    /// One request on a connection of its own.
    pub(crate) async fn get(&self, target: &str, headers: &str) -> Reply {
        let request = format!("GET {target} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n{headers}\r\n");
        let reply = Client::connect(self.address).await.ask(&request).await.expect("an answer");
        self.replies.lock().unwrap().push(reply.clone());
        reply
    }

    /// What the house has logged about its tenants so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let loaded = self.app.loaded();
        let names: Vec<_> = loaded.tenants.iter().map(|tenant| tenant.refresher.tenant().name.clone()).collect();
        let of_house =
            |line: &Line| line.field("tenant").is_some_and(|tenant| names.iter().any(|name| *name == tenant));
        log::since(self.log_from).into_iter().filter(of_house).collect()
    }

    /// The lines since it was opened that have `text` in them, of whomever.
    pub(crate) fn lines_with(&self, text: &str) -> Vec<Line> {
        log::since(self.log_from).into_iter().filter(|line| line.to_string().contains(text)).collect()
    }

    /// Its log lines that call for somebody's attention.
    pub(crate) fn warnings(&self) -> Vec<Line> {
        self.lines().into_iter().filter(Line::is_warning).collect()
    }

    /// Looks for what was planted in everything that ever came out.
    pub(crate) async fn assert_discreet(&self) {
        for path in ["/", "/config", "/sd"] {
            self.get(path, "").await;
        }
        let lines = log::since(self.log_from);
        let logged = lines.iter().map(Line::to_string).collect::<Vec<_>>().join("\n");
        assert!(!logged.contains("Pl4nted"), "a name was logged: {logged}");
        let debug = format!("{:?} {:?} {:?}", self.refresher(), self.source, self.refresher().current().status);
        assert!(!debug.contains("Pl4nted"), "{debug}");
        let replies = self.replies.lock().unwrap();
        let said = replies.iter().map(Reply::text).chain([logged, debug]);
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        for text in said {
            for planted in [SECRET, &form, TOKEN, "pl4nted", "s3cret", "Bearer"] {
                assert!(!text.contains(planted), "{planted} came out: {text}");
            }
        }
    }
}

fn front(tenant: Arc<Tenant>, clock: &DrivenClock) -> (TenantFront, Connection) {
    let instruments = Arc::new(TenantInstruments::new(Endpoint::of(tenant.api), Arc::new(clock.clone())));
    instruments.of_shard(tenant.shard());
    let source = Connection::new(&tenant, Arc::new(clock.clone()), instruments.clone()).unwrap();
    let rendering = Arc::clone(&instruments);
    let refresher = Refresher::new(Parts {
        tenant,
        source: source.source(),
        clock: Arc::new(clock.clone()),
        observer: instruments.clone(),
        render: Arc::new(move |snapshot| rendering.agents(snapshot)),
        runtime: tokio::runtime::Handle::current(),
    });
    (TenantFront { refresher: Arc::new(refresher), instruments }, source)
}

/// The last day as of `clock`, as a refresh that starts now asks for it.
pub(crate) fn last_day(clock: &DrivenClock) -> Window {
    Window::ending_at(clock.now().whole_second(), DAY)
}
