//! Incremental refreshes of a simulated tenant, on a driven clock: sums equal the truth, for a tenth of the bytes.

mod empty_answers;
mod variants;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cxone_exporter::clock::{Clock as _, DrivenClock};
use cxone_exporter::config::{Incremental, Interval};
use cxone_exporter::metrics::TenantInstruments;
use cxone_exporter::presence::{AgentId, AgentPresence, Rejection, Timestamp, Window};
use cxone_exporter::refresh::{AgentRow, Parts, Refresher, Snapshot};
use cxone_exporter::simulator::{Align, Fault, Order, RequestCounts, Rule, Simulator, SimulatorOptions};
use cxone_exporter::storage::Storage;
use cxone_exporter::upstream::{AnySource, FetchResult};

use crate::app::simulated::{start_simulator, tenant_of};
use crate::app::source::SourceHarness;
use crate::app::{DAY, REFRESH_TIMEOUT};

/// 2026-03-11T15:17:31Z: within an hour, five minutes and a minute.
const NOW: Timestamp = Timestamp::from_seconds(1_773_242_251);

const MINUTE: Duration = Duration::from_secs(60);

const INCREMENTAL: Incremental =
    Incremental { settle: Duration::from_secs(1800), full_refresh_interval: Duration::from_secs(6 * 3600) };

/// A simulated tenant, a source with incremental refreshes, and one without.
struct IncrementalHarness {
    simulator: Simulator,
    align: Align,
    source: SourceHarness,
    full: SourceHarness,
}

type Answered = BTreeMap<AgentId, Option<AgentPresence>>;

// === impl IncrementalHarness ===

impl IncrementalHarness {
    async fn new(options: SimulatorOptions, minutes: u64, batch: usize) -> Self {
        let (clock, align) = (DrivenClock::new(NOW), options.align);
        let simulator = start_simulator(&clock, SimulatorOptions { gzip: false, ..options }).await;
        let mut tenant = tenant_of(&simulator);
        tenant.query.interval = interval(minutes);
        tenant.query.incremental = None;
        tenant.limits.agents_per_request = batch;
        tenant.limits.max_concurrent_requests = 2;
        let full = SourceHarness::of(&clock, tenant.clone());
        tenant.query.incremental = Some(INCREMENTAL);
        Self { simulator, align, source: SourceHarness::of(&clock, tenant), full }
    }

    fn clock(&self) -> &DrivenClock {
        &self.source.clock
    }

    fn window(&self) -> Window {
        self.source.window()
    }

    /// One incremental refresh and its requests.
    async fn refresh(&self) -> (FetchResult, RequestCounts) {
        self.simulator.forget_requests();
        let fetched = self.source.fetch().await;
        (fetched, self.simulator.counts())
    }

    /// One incremental refresh without failures.
    async fn refresh_successfully(&self) -> (Answered, RequestCounts) {
        let (fetched, counts) = self.refresh().await;
        assert_eq!(fetched.error, None);
        (fetched.answered.into_iter().collect(), counts)
    }

    /// A refresh of the whole window.
    async fn full_refresh(&self) -> (Answered, RequestCounts) {
        self.simulator.forget_requests();
        let fetched = self.full.fetch().await;
        assert_eq!(fetched.error, None);
        (fetched.answered.into_iter().collect(), self.simulator.counts())
    }

    /// Refreshes at random times for two days. Each equals the truth; some are compared with a refresh of the whole window.
    async fn assert_exact_for_two_days(&self, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let end = NOW + 2 * DAY;
        while self.clock().now() < end {
            let window = self.window();
            let (answered, _) = self.refresh_successfully().await;
            self.assert_exact(&answered, window);
            if self.align == Align::Hour && rng.u8(..4) == 0 {
                assert_eq!(answered, self.full_refresh().await.0, "both results are equal");
            }
            self.clock().advance(Duration::from_secs([60, 61, 300, 1_740, 3_600, 9_000][rng.usize(..6)]));
        }
    }

    fn assert_exact(&self, answered: &Answered, window: Window) {
        for (agent, presence) in answered {
            let times = presence.iter().flat_map(|presence| presence.states.iter().cloned());
            let times: BTreeMap<_, _> = times.filter(|(_, time)| time.get() > 0).collect();
            let interval = self.source.tenant.query.interval.length;
            assert_eq!(
                times,
                self.simulator.expected(agent, window, interval, self.align),
                "{agent} at {}",
                window.end
            );
        }
    }
}

fn interval(minutes: u64) -> Interval {
    Interval { text: format!("PT{minutes}M"), length: MINUTE * u32::try_from(minutes).unwrap() }
}

#[tokio::test]
async fn every_refresh_comes_to_the_truth_through_two_days() {
    let cases = [
        (Align::Hour, Order::Agent, 60, 1000),
        (Align::Hour, Order::Time, 5, 100),
        (Align::Window, Order::Time, 60, 7),
        (Align::Window, Order::Agent, 15, 1000),
    ];
    for (seed, (align, order, minutes, page_size)) in (1..).zip(cases) {
        let options = SimulatorOptions { agents: 7, align, order, page_size, seed, ..SimulatorOptions::default() };
        IncrementalHarness::new(options, minutes, 3).await.assert_exact_for_two_days(seed).await;
    }
}

#[tokio::test]
async fn a_tail_costs_a_tenth() {
    // Interval, alignment, and the least ratio of a full refresh's bytes and requests to those of an incremental one.
    let cases = [(Align::Hour, 60, 10, 2), (Align::Hour, 5, 30, 10), (Align::Window, 5, 25, 7)];
    for (align, minutes, bytes, requests) in cases {
        let options = SimulatorOptions { agents: 100, align, ..SimulatorOptions::default() };
        let harness = IncrementalHarness::new(options, minutes, 50).await;
        let (_, full) = harness.full_refresh().await;
        let (_, first) = harness.refresh_successfully().await;
        assert!(first.bytes <= full.bytes * 21 / 20, "{first:?}, {full:?}");
        let (mut tails, rounds) = (RequestCounts::default(), 12);
        for round in 0..rounds {
            harness.clock().advance(MINUTE * 3);
            let window = harness.window();
            let (answered, counts) = harness.refresh_successfully().await;
            if round + 1 == rounds {
                harness.assert_exact(&answered, window);
            }
            tails.bytes += counts.bytes;
            tails.presence += counts.presence;
        }
        println!("PT{minutes}M, {align:?}: full {full:?}; {rounds} tails {tails:?}");
        assert!(tails.bytes * bytes <= full.bytes * rounds, "PT{minutes}M, {align:?}");
        assert!(tails.presence * requests <= full.presence * rounds, "PT{minutes}M, {align:?}");
    }
}

#[tokio::test]
async fn failed_refreshes_are_made_up_for() {
    let at_once: &[&str] = &["garbage", "revoked", "odd-rows", "repeated-page"];
    // Time passes during waits, and a current hour that is not cut includes it.
    let after_a_while: &[&str] = &["status=503", "cut-body", "truncated", "rate-limited=30"];
    let cases = [(Align::Hour, at_once.to_vec()), (Align::Window, [at_once, after_a_while].concat())];
    for (align, faults) in cases {
        let options = SimulatorOptions { agents: 9, align, page_size: 20, ..SimulatorOptions::default() };
        let harness = IncrementalHarness::new(options, 60, 3).await;
        let mut rng = fastrand::Rng::with_seed(4);
        let mut failed = 0;
        for round in 0..100 {
            if round % 2 == 1 {
                // Some faults are mended by retries, others fail a batch or all of them.
                let fault: Rule = faults[rng.usize(..faults.len())].parse().unwrap();
                harness.simulator.faults().push(fault.times([1, 4][rng.usize(..2)]).after(rng.u32(..3)));
            }
            let window = harness.window();
            let (fetched, _) = harness.refresh().await;
            failed += fetched.failed.len();
            assert_eq!(fetched.answered.len() + fetched.failed.len(), 9);
            harness.assert_exact(&fetched.answered.into_iter().collect(), window);
            harness.simulator.faults().clear();
            harness.clock().advance(MINUTE * rng.u32(1..90));
        }
        assert!(failed > 30, "{failed}");
    }
}

#[tokio::test]
async fn a_reload_asks_in_full_for_what_is_new_and_for_nothing_else() {
    let options = SimulatorOptions { agents: 8, align: Align::Hour, ..SimulatorOptions::default() };
    let mut harness = IncrementalHarness::new(options, 60, 50).await;
    let all_agents = harness.source.tenant.agents.clone();
    harness.source.reconfigure(|tenant| tenant.agents.truncate(6));
    let (_, full) = harness.refresh_successfully().await;
    // With the first hour's part in the window, once, which shows that the server does not cut buckets.
    assert_eq!((full.presence, full.rows), (2, 6 * 26));
    let check = async |harness: &IncrementalHarness, requests: u64, rows: u64, what: &str| {
        harness.clock().advance(MINUTE);
        let window = harness.window();
        let (answered, counts) = harness.refresh_successfully().await;
        assert_eq!((counts.presence, counts.rows), (requests, rows), "{what}");
        assert_eq!(answered.len(), harness.source.tenant.agents.len());
        harness.assert_exact(&answered, window);
    };
    check(&harness, 1, 6 * 2, "a tail").await;
    harness.source.reconfigure(|tenant| tenant.agents = all_agents.clone());
    check(&harness, 2, 6 * 2 + 2 * 25, "two are new").await;
    harness.source.reconfigure(|tenant| tenant.limits.cooldown = MINUTE * 5);
    check(&harness, 1, 8 * 2, "the tail only").await;
    harness.source.reconfigure(|tenant| tenant.query.interval = interval(30));
    check(&harness, 2, 8 * 50, "another interval").await;
    harness.source.reconfigure(|tenant| tenant.query.states = vec!["Busy".into(), "Offline".into()]);
    harness.clock().advance(MINUTE);
    assert_eq!(harness.refresh().await.1.rows, 8 * 50, "another filter");
    harness.source.reconfigure(|tenant| tenant.query.states = Vec::new());
    check(&harness, 2, 8 * 50, "none again").await;
    harness.source.reconfigure(|tenant| tenant.query.incremental = None);
    check(&harness, 1, 8 * 49, "no longer").await;
}

#[tokio::test]
async fn clocks_that_jump_and_long_silences_are_answered_with_a_full_read() {
    let options = SimulatorOptions { agents: 3, align: Align::Hour, ..SimulatorOptions::default() };
    let harness = IncrementalHarness::new(options, 60, 50).await;
    let rows = async |harness: &IncrementalHarness| {
        let window = harness.window();
        let (answered, counts) = harness.refresh_successfully().await;
        harness.assert_exact(&answered, window);
        counts.rows / 3
    };
    assert_eq!(rows(&harness).await, 26, "25, and the first hour's part");
    harness.clock().advance(5 * 60 * MINUTE);
    // From 02:00, because 03:00 had not settled, to 08:20.
    assert_eq!(rows(&harness).await, 7);
    harness.clock().step_to(NOW);
    assert_eq!(rows(&harness).await, 25, "the clock was set back");
    harness.clock().advance(MINUTE);
    assert_eq!(rows(&harness).await, 2);
    harness.clock().advance(2 * DAY);
    assert_eq!(rows(&harness).await, 25, "no cached bucket is in the window");
}

#[tokio::test]
async fn what_is_rejected_is_counted_as_it_comes() {
    let options = SimulatorOptions { agents: 3, align: Align::Hour, ..SimulatorOptions::default() };
    let harness = IncrementalHarness::new(options, 60, 50).await;
    let rejected = |fetched: &FetchResult| -> Vec<(Rejection, u64)> {
        fetched.rejections.iter().filter(|(_, count)| *count > 0).collect()
    };
    harness.simulator.faults().push(Rule::new(Fault::OddRows).times(1));
    let odd = [(Rejection::UnknownAgent, 1), (Rejection::BadTime, 1), (Rejection::OutsideWindow, 1)];
    assert_eq!(rejected(&harness.refresh().await.0), odd);
    harness.clock().advance(MINUTE);
    assert_eq!(rejected(&harness.refresh().await.0), [], "rejections of cached buckets are counted once");
}

/// The refresher and storage of a process that stores its cache in `folder`.
fn process(harness: &IncrementalHarness, folder: &Path) -> (Arc<Refresher>, Storage) {
    let clock = Arc::new(harness.clock().clone());
    let storage = Storage::open(folder, clock.clone()).unwrap();
    let observer = Arc::new(TenantInstruments::default());
    let source = AnySource::new(&harness.source.tenant, clock.clone(), observer.clone()).unwrap().source();
    let rendering = Arc::clone(&observer);
    let render = Arc::new(move |snapshot: &Snapshot| rendering.agents(snapshot));
    let tenant = Arc::clone(&harness.source.tenant);
    let parts =
        Parts { tenant, source, clock, observer: observer.clone(), render, runtime: tokio::runtime::Handle::current() };
    let store = storage.tenant(&harness.source.tenant.name, observer);
    (Arc::new(Refresher::new(parts).with_storage(store)), storage)
}

/// A process with one refresh. Returns the rows that it read per agent.
async fn one_refresh(harness: &IncrementalHarness, folder: &Path) -> u64 {
    harness.clock().advance(MINUTE * 5);
    let (refresher, storage) = process(harness, folder);
    let window = harness.window();
    harness.simulator.forget_requests();
    let deadline = harness.clock().monotonic() + REFRESH_TIMEOUT;
    // No wait is expected, so the clock stands still.
    let scrape = refresher.scrape(deadline).await;
    while Arc::strong_count(&refresher) > 1 {
        tokio::task::yield_now().await;
    }
    storage.finish().await;
    let snapshot = &scrape.published.snapshot;
    let rows = snapshot.tenant.agents.iter().zip(&snapshot.rows);
    let presence = |row: &AgentRow| row.data.as_ref().unwrap().presence.clone();
    harness.assert_exact(&rows.map(|(agent, row)| (agent.id.clone(), presence(row))).collect(), window);
    let agents = u64::try_from(harness.source.tenant.agents.len()).unwrap();
    assert_eq!(harness.simulator.counts().rows % agents, 0);
    harness.simulator.counts().rows / agents
}

#[tokio::test]
async fn cache_survives_a_restart_unless_damaged_or_of_another_query() {
    let options = SimulatorOptions { agents: 6, align: Align::Hour, ..SimulatorOptions::default() };
    let mut harness = IncrementalHarness::new(options, 60, 50).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let kept = folder.join(format!("{}.kept", harness.source.tenant.name));
    assert_eq!(one_refresh(&harness, folder).await, 26, "25, and the first hour's part");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(one_refresh(&harness, folder).await, 2, "a restart");
    harness.clock().advance(MINUTE * 180);
    assert_eq!(one_refresh(&harness, folder).await, 5, "one of an hour");

    let whole = std::fs::read(&kept).unwrap();
    assert!(!String::from_utf8_lossy(&whole).contains("not-a-secret"));
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let aside = folder.join(format!("{}.kept.bad", harness.source.tenant.name));
    let table = [
        ("flipped", flipped, true),
        ("cut off", whole[..middle].to_vec(), true),
        ("nothing", Vec::new(), true),
        // Bytes after the body are allowed, as attempts are appended to the other file.
        ("longer", [&whole[..], b"x"].concat(), false),
    ];
    for (what, bytes, is_bad) in table {
        std::fs::write(&kept, bytes).unwrap();
        let rows = one_refresh(&harness, folder).await;
        assert!(if is_bad { rows == 26 } else { rows <= 3 }, "{what}: {rows}");
        assert_eq!(aside.exists(), is_bad, "{what}");
        let _ = std::fs::remove_file(&aside);
        assert!(one_refresh(&harness, folder).await <= 2, "{what}, the next refresh");
    }

    harness.source.reconfigure(|tenant| tenant.query.interval = interval(30));
    assert_eq!(one_refresh(&harness, folder).await, 50, "another query");
    assert!(one_refresh(&harness, folder).await <= 3);
    harness.source.reconfigure(|tenant| tenant.query.incremental = None);
    assert_eq!(one_refresh(&harness, folder).await, 49);
    assert!(!kept.exists(), "the cache is off");
}
