//! Scraped sums equal those of the simulated tenant, for every shape of pages and after every fault that a retry mends, with
//! the fewest requests.

mod variants;

use std::collections::BTreeMap;
use std::time::Duration;

use cxone_exporter::clock::Clock as _;
use cxone_exporter::presence::{Timestamp, Window};
use cxone_exporter::simulator::{Align, Endpoint, Fault, Order, RequestRecord, Rule, SimulatorOptions};
use futures_util::future::join_all;

use crate::app::scraped::Scraped;
use crate::app::simulated::AppHarness;
use crate::app::{COOLDOWN, HOUR, NOW, REFRESH_TIMEOUT, last_day};
use crate::scripted::drive;

/// In the middle of an hour and of a second.
const ODD: Timestamp = Timestamp::from_micros(1_773_242_251_250_001);

const NEXT_HOUR: Timestamp = Timestamp::from_seconds(1_773_244_800);

async fn harness(now: Timestamp, options: SimulatorOptions, batch: usize, concurrent: usize) -> AppHarness {
    AppHarness::start(now, options, |tenant| {
        tenant.limits.agents_per_request = batch;
        tenant.limits.max_concurrent_requests = concurrent;
    })
    .await
}

impl AppHarness {
    /// Seconds by agent and state that a scrape must show after a refresh at the end of `window`.
    fn expected(&self, window: Window) -> BTreeMap<String, BTreeMap<String, f64>> {
        let states = |agent: &str| {
            let mut states: BTreeMap<_, _> =
                ["Available", "Busy", "WrapUp", "Offline"].map(|state| (state.to_owned(), 0.0)).into();
            let times = self.simulator.expected(agent, window, HOUR, self.options.align);
            states.extend(times.into_iter().map(|(state, time)| (state.to_string(), time.seconds_f64())));
            states
        };
        let agents = self.simulator.workforce().agents().iter();
        agents.map(|agent| (agent.id.to_string(), states(&agent.id))).collect()
    }

    fn assert_exact(&self, scrape: &Scraped, window: Window) {
        assert_eq!(scrape.value("cxone_up"), Some(1.0), "{:?}", self.app.refresher().current().status);
        assert_eq!(scrape.value("cxone_window_end_timestamp_seconds"), Some(window.end.seconds_f64()));
        let (seen, expected) = (scrape.seconds(), self.expected(window));
        assert_eq!(seen.len(), expected.len());
        for (agent, states) in &expected {
            assert_eq!(seen.get(agent), Some(states), "{agent}");
            let sum: f64 = states.values().sum();
            assert!(sum <= window.length().seconds_f64() + 1e-6, "{agent} has {sum} s");
        }
    }

    /// The fewest requests of a refresh: the pages of all batches.
    fn pages(&self, buckets_per_agent: usize) -> usize {
        let page_size = usize::try_from(self.options.page_size).unwrap();
        let tenant = self.app.refresher().tenant();
        let batches = tenant.agents.chunks(tenant.limits.agents_per_request);
        batches.map(|batch| (batch.len() * buckets_per_agent).div_ceil(page_size)).sum()
    }
}

fn options() -> SimulatorOptions {
    SimulatorOptions { agents: 12, ..SimulatorOptions::default() }
}

#[tokio::test]
async fn sums_are_exact_for_every_alignment_order_and_page_size() {
    let mut tried = 0;
    for align in [Align::Window, Align::Hour] {
        for order in [Order::Agent, Order::Time] {
            for (page_size, batch, concurrent) in [(1000, 50, 2), (7, 5, 1), (24, 1, 4), (1, 4, 3)] {
                let options =
                    SimulatorOptions { align, order, page_size, gzip: tried % 2 == 0, seed: 7 + tried, ..options() };
                // A bucket of the current hour includes the part of a second after the window's end.
                let now = if align == Align::Hour { ODD.whole_second() } else { ODD };
                let harness = harness(now, options, batch, concurrent).await;
                for buckets in [25, 24] {
                    let window = last_day(&harness.app.clock);
                    let scrape = harness.app.scrape().await;
                    harness.assert_exact(&scrape, window);
                    let on_the_hour = window.end.micros() % 3_600_000_000 == 0;
                    let buckets = if align == Align::Window || on_the_hour { 24 } else { buckets };
                    assert_eq!(harness.requests(Endpoint::Presence).len(), harness.pages(buckets));
                    harness.simulator.forget_requests();
                    // At a full hour both alignments have the same buckets.
                    let left = NEXT_HOUR.saturating_since(harness.app.clock.now());
                    harness.app.clock.advance(Duration::from_micros(left.get()));
                }
                tried += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn single_flight_sixty_first_scrapes_cost_one_refresh() {
    let harness = harness(ODD, SimulatorOptions { page_size: 10, ..options() }, 5, 2).await;
    let window = last_day(&harness.app.clock);
    let deadline = harness.app.clock.monotonic() + REFRESH_TIMEOUT;
    let scrapes = join_all((0..60).map(|_| harness.app.scrape_within("600")));
    let scrapes = drive(&harness.app.clock, deadline, scrapes).await;
    scrapes.iter().for_each(|scrape| harness.assert_exact(scrape, window));
    assert_eq!(harness.requests(Endpoint::Token).len(), 1);
    assert_eq!(harness.requests(Endpoint::Presence).len(), harness.pages(24));
    let after = harness.app.scrape().await;
    assert_eq!(after.get("cxone_refreshes_total", &[("result", "success")]), Some(1.0));
    let served = |served| after.get("cxone_exporter_scrapes_total", &[("served", served)]).unwrap();
    // Scrapes before the end of the refresh wait for it and get its data.
    assert_eq!((served("fresh") + served("cooldown"), served("stale"), served("none")), (61.0, 0.0, 0.0));
    assert!(served("fresh") >= 1.0);
    assert_eq!(harness.requests(Endpoint::Token).len(), 1);
}

#[tokio::test]
async fn sums_are_exact_after_faults_that_a_retry_mends() {
    // Fault, rules, additional requests for pages, requests for tokens.
    let cases: [(&str, Vec<Rule>, usize, usize); 14] = [
        ("a token revoked between two pages", vec![rule(Fault::Revoked, 1)], 1, 2),
        ("a token revoked twice", vec![rule(Fault::Revoked, 1), rule(Fault::Revoked, 4)], 2, 3),
        ("429 with seconds", vec![rule(Fault::RateLimited(Some(30)), 2)], 1, 1),
        ("429 with a date", vec![rule(Fault::RateLimitedUntil(30), 2)], 1, 1),
        ("429 without either", vec![rule(Fault::RateLimited(None), 2)], 1, 1),
        ("429 twice", vec![rule(Fault::RateLimited(Some(5)), 0).times(2)], 2, 1),
        ("429 for the token", vec![rule(Fault::RateLimited(Some(20)), 0).on(Endpoint::Token)], 0, 2),
        ("503", vec![rule(Fault::Status(503), 3)], 1, 1),
        ("cut", vec![rule(Fault::Cut, 3)], 1, 1),
        ("cut in the headers", vec![rule(Fault::CutHeaders, 3)], 1, 1),
        ("cut in the body", vec![rule(Fault::CutBody, 3)], 1, 1),
        ("half a body", vec![rule(Fault::Truncated, 3)], 1, 1),
        ("a repeated page", vec![rule(Fault::RepeatedPage, 3)], 0, 1),
        ("rows of other agents and times", vec![rule(Fault::OddRows, 0).times(6)], 0, 1),
    ];
    for (name, rules, additional, tokens) in cases {
        println!("{name}");
        let harness = harness(NOW, SimulatorOptions { page_size: 20, gzip: false, ..options() }, 4, 1).await;
        rules.into_iter().for_each(|rule| harness.simulator.faults().push(rule));
        let window = last_day(&harness.app.clock);
        let scrape = harness.app.scrape().await;
        harness.assert_exact(&scrape, window);
        assert!(harness.simulator.faults().pending().is_empty(), "the fault did not happen");
        let requests = harness.requests(Endpoint::Presence);
        assert_eq!(requests.len(), harness.pages(24) + additional);
        assert_eq!(harness.requests(Endpoint::Token).len(), tokens);
        assert_waits(&harness.simulator.requests(), name);
        assert!(harness.app.warnings().is_empty(), "a fault that a retry mends is not logged");
    }
}

fn rule(fault: Fault, after: u32) -> Rule {
    Rule::new(fault).times(1).after(after)
}

/// No request follows a failed one before the wait is over.
fn assert_waits(requests: &[RequestRecord], name: &str) {
    let least = match name {
        "429 with seconds" | "429 with a date" => 30_000,
        "429 for the token" => 20_000,
        "429 twice" => 5_000,
        "429 without either" => 2_000,
        _ => 500,
    };
    for (before, after) in requests.iter().zip(&requests[1..]) {
        let failed = before.fault.is_some() && !matches!(before.status, Some(200 | 401));
        let wait = after.monotonic.saturating_since(before.monotonic);
        let truncated = before.fault == Some("truncated");
        assert!(
            !(failed || truncated) || wait >= Duration::from_millis(least),
            "{name}: requested again after {wait:?}"
        );
    }
}

#[tokio::test]
async fn sums_stay_exact_through_a_day_of_partial_failures() {
    let harness = harness(NOW, SimulatorOptions { page_size: 50, ..options() }, 4, 2).await;
    for round in 0..24 {
        // In every third round one of three batches fails.
        if round % 3 == 1 {
            harness.simulator.faults().push(Rule::new(Fault::Garbage).times(1).after(round % 2));
        }
        let window = last_day(&harness.app.clock);
        let scrape = harness.app.scrape().await;
        match round % 3 {
            0 => harness.assert_exact(&scrape, window),
            1 => assert_eq!((scrape.value("cxone_up"), scrape.agents()), (Some(0.0), [8.0, 4.0, 0.0])),
            _ => assert_eq!((scrape.value("cxone_up"), scrape.agents()), (Some(1.0), [4.0, 8.0, 0.0])),
        }
        let sums = scrape.seconds();
        assert!(sums.values().all(|states| states.values().sum::<f64>() <= 86_400.0 + 1e-6));
        harness.app.clock.advance(COOLDOWN * 5 / 4);
    }
    assert_eq!(harness.requests(Endpoint::Token).len(), 1);
}
