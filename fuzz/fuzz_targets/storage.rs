//! The file of an earlier process: any file is restored or set aside, and restored data is consistent.
//!
//! Up to the first line break an input is the body, which gets the header and the checksum that it needs; attempts are
//! behind it. An input that has a header itself is the file as it is.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cxone_exporter::clock::{Clock, DrivenClock, Monotonic};
use cxone_exporter::config::{Config, Tenant};
use cxone_exporter::metrics::TenantInstruments;
use cxone_exporter::presence::{Micros, Timestamp};
use cxone_exporter::refresh::{Parts, Refresher};
use cxone_exporter::storage::Storage;
use cxone_exporter::upstream::{FetchFuture, FetchResult, PastLimits, PastQuery, Query, Source};
use cxone_exporter_fuzz::in_folder;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{self, Runtime};

const CONFIG: &[u8] = b"
tenants:
  - name: acme
    domain: acme.example.com
    client_id: my-client
    client_secret: hunter2
    agents: [{ id: \"1\" }, { id: \"2\", schedule: office }]
schedules:
  office: { timezone: UTC, days: [mon-sun], hours: \"09:00-17:00\" }
";
const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const MAGIC: &[u8] = b"cxone-exporter-state";

struct Silent;

impl Source for Silent {
    fn fetch(&self, _: Query) -> FetchFuture<'_> {
        Box::pin(async { FetchResult::default() })
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

struct House {
    tenant: Arc<Tenant>,
    clock: Arc<dyn Clock>,
    storage: Storage,
    /// Nothing is refreshed, so it does nothing.
    runtime: Runtime,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let clock: Arc<dyn Clock> = Arc::new(DrivenClock::new(NOW));
    in_folder(|folder| House {
        tenant: Arc::clone(&Config::from_file(&folder.write("config.yml", CONFIG)).unwrap().tenants[0]),
        storage: Storage::open(folder.path(), Arc::clone(&clock)).unwrap(),
        clock,
        runtime: runtime::Builder::new_current_thread().build().unwrap(),
    })
});

fn framed(input: &[u8]) -> Vec<u8> {
    if input.starts_with(MAGIC) {
        return input.to_vec();
    }
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (body, attempts) = input.split_at(end);
    let header = format!("cxone-exporter-state 3 {} {:08x}\n", body.len(), crc32fast::hash(body));
    [header.as_bytes(), body, if attempts.is_empty() { b"\n" } else { attempts }].concat()
}

fuzz_target!(|input: &[u8]| {
    let house = &*HOUSE;
    in_folder(|folder| folder.write("acme.cxone", &framed(input)));
    let instruments = Arc::new(TenantInstruments::default());
    let rendering = Arc::clone(&instruments);
    let refresher = Refresher::new(Parts {
        tenant: Arc::clone(&house.tenant),
        source: Arc::new(Silent),
        clock: Arc::clone(&house.clock),
        observer: instruments.clone(),
        render: Arc::new(move |snapshot| rendering.agents(snapshot)),
        runtime: house.runtime.handle().clone(),
    })
    .with_storage(house.storage.tenant("acme", instruments));
    let published = refresher.current();
    for data in published.snapshot.rows.iter().filter_map(|row| row.data.as_ref()) {
        assert!(data.read_at.utc <= NOW && data.window.length() <= Micros::from_seconds(86_400));
        let Some(presence) = &data.presence else { continue };
        assert!(presence.observed <= data.window.length());
        assert!(presence.states.iter().map(|(_, time)| *time).sum::<Micros>() <= data.window.length());
    }
    let status = &published.status;
    assert!(status.last_success.is_none_or(|at| at <= NOW) && status.last_attempt.is_none_or(|at| at <= NOW));
    let longest = Timestamp::from_seconds(1_700_003_600);
    assert!(status.not_before.is_none_or(|at| NOW <= at && at <= longest));
});
