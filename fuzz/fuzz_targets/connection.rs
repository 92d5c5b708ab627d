//! Bytes on a connection of the web server, over a stream in memory.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cxone_exporter::clock::{Clock, DrivenClock, Monotonic};
use cxone_exporter::config::Config;
use cxone_exporter::metrics::{BuildInfo, ExporterInstruments, TenantInstruments};
use cxone_exporter::presence::{AgentPresence, Micros, PresenceChart, Timestamp};
use cxone_exporter::refresh::{Parts, Refresher};
use cxone_exporter::upstream::{FetchFuture, FetchResult, PastLimits, PastQuery, Query, Source};
use cxone_exporter::web::{App, Options, TenantHandle, fuzzing};
use cxone_exporter_fuzz::in_folder;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

const CONFIG: &[u8] = b"
tenants:
  - name: acme
    domain: acme.example.com
    client_id: my-client
    client_secret: hunter2
    agents: [{ id: \"1\", name: Ada, team: Billing }, { id: \"2\" }]
";

/// The statuses of hyper and of the web server.
const STATUSES: [&[u8]; 10] = [b"200", b"204", b"302", b"400", b"404", b"405", b"413", b"414", b"431", b"503"];

struct Canned;

impl Source for Canned {
    fn fetch(&self, query: Query) -> FetchFuture<'_> {
        let presence = AgentPresence {
            folded: Vec::new(), states: vec![("Available".into(), Micros::from_seconds(60))],
            observed: Micros::from_seconds(60),
            current: None,
            unbroken_offline: None,
            last_data: query.window.end,
            scheduled: None,
            chart: PresenceChart::default(),
            timeline: None,
            parts: Default::default(),
        };
        let answered = query.agents.into_iter().map(|agent| (agent.id, Some(presence.clone()))).collect();
        Box::pin(async { FetchResult { answered, ..FetchResult::default() } })
    }

    fn past_limits(&self) -> PastLimits {
        PastLimits { agents: 1, length: Duration::from_secs(3_600) }
    }

    /// It has no past.
    fn fetch_past(&self, query: PastQuery) -> FetchFuture<'_> {
        let failed = query.agents.into_iter().map(|agent| agent.id).collect();
        Box::pin(async { FetchResult { failed, ..FetchResult::default() } })
    }

    fn not_before(&self) -> Option<Monotonic> {
        None
    }

    fn token_expiry(&self) -> Option<Timestamp> {
        None
    }
}

struct Server {
    runtime: Runtime,
    app: Arc<App>,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let clock: Arc<dyn Clock> = Arc::new(DrivenClock::new(Timestamp::from_seconds(1_700_000_000)));
    let config = in_folder(|folder| Config::from_file(&folder.write("config.yml", CONFIG))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let build = BuildInfo { version: "0", revision: "0", rustc: "0" };
    let exporter = Arc::new(ExporterInstruments::new(Arc::clone(&clock), build));
    let fronts = config.tenants.iter().map(|tenant| {
        let instruments = Arc::new(TenantInstruments::default());
        let rendering = Arc::clone(&instruments);
        let refresher = Refresher::new(Parts {
            tenant: Arc::clone(tenant),
            source: Arc::new(Canned),
            clock: Arc::clone(&clock),
            observer: instruments.clone(),
            render: Arc::new(move |snapshot| rendering.agents(snapshot)),
            runtime: runtime.handle().clone(),
        });
        TenantHandle { refresher: Arc::new(refresher), instruments }
    });
    let app = App::new(fronts.collect(), exporter, clock, config.clone(), Options::default());
    Server { runtime, app: Arc::new(app) }
});

fuzz_target!(|bytes: &[u8]| {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (mut answers, mut requests) = tokio::io::split(client);
    let mut received = Vec::new();
    SERVER.runtime.block_on(async {
        tokio::join!(
            fuzzing::serve(server, Arc::clone(&SERVER.app)),
            async {
                // The server may have closed the connection.
                let _ = requests.write_all(bytes).await;
                let _ = requests.shutdown().await;
            },
            async {
                let _ = answers.read_to_end(&mut received).await;
            },
        )
    });
    if received.is_empty() {
        return;
    }
    let status = received.strip_prefix(b"HTTP/1.1 ").or_else(|| received.strip_prefix(b"HTTP/1.0 "));
    let status = status.and_then(|rest| rest.get(..3)).unwrap();
    assert!(STATUSES.contains(&status), "{}", String::from_utf8_lossy(&received));
    assert!(!received.windows(7).any(|window| window == b"hunter2"));
});
