//! Buckets and pages sum to the times of the timeline.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use cxone_exporter::presence::{Timestamp, Window};
use cxone_exporter::simulator::{Align, Order, SimulatorOptions};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::{DAY, HOUR, Harness, NOW, last, micros, plain, read, time};

#[tokio::test]
async fn pages_contain_every_bucket_once() {
    for order in [Order::Agent, Order::Time] {
        for page_size in [1, 5, 7, 24, 71, 72, 73, 1_000] {
            let harness = Harness::start(SimulatorOptions { page_size, order, ..Default::default() }).await;
            let pages = harness.pages(&harness.query(3, last(DAY), "PT1H")).await;
            assert_eq!(pages.len(), 72_usize.div_ceil(page_size as usize), "{order:?} {page_size}");
            let rows = pages.concat();
            let keys: BTreeSet<_> =
                rows.iter().map(|row| (row["agentId"].to_string(), time(row, "startTime"))).collect();
            assert_eq!((rows.len(), keys.len()), (72, 72));
            let grouped = rows.windows(2).filter(|two| two[0]["agentId"] == two[1]["agentId"]).count();
            assert_eq!(grouped, if order == Order::Agent { 69 } else { 0 });
            for id in harness.ids(3) {
                assert_eq!(read(&rows, &id, last(DAY)), plain(harness.simulator.truth(&id, last(DAY))));
            }
        }
    }
}

#[tokio::test]
async fn window_aligned_buckets_sum_to_the_truth() {
    let table = [(1, "PT1H", 48), (1, "PT5M", 24), (1, "PT7M", 24), (60, "PT1H", 12), (1_440, "PT2H", 3)];
    for (time_scale, interval, agents) in table {
        let harness = Harness::start(SimulatorOptions { time_scale, ..Default::default() }).await;
        let window = last(Duration::from_millis(86_399_999));
        let rows = harness.pages(&harness.query(agents, window, interval)).await.concat();
        for id in harness.ids(agents) {
            let sums = read(&rows, &id, window);
            assert_eq!(sums, plain(harness.simulator.truth(&id, window)), "{interval} at {time_scale}");
            assert_eq!(sums.values().sum::<u64>(), 86_399_999_000);
        }
    }
}

#[tokio::test]
async fn hour_aligned_buckets_are_whole_and_end_at_now() {
    let harness = Harness::start(SimulatorOptions { align: Align::Hour, ..Default::default() }).await;
    let window = last(DAY);
    let rows = harness.pages(&harness.query(24, window, "PT1H")).await.concat();
    for id in harness.ids(24) {
        let mine: Vec<_> = rows.iter().filter(|row| row["agentId"] == *id).cloned().collect();
        assert_eq!(mine.len(), 25);
        let total =
            |row: &Value| row["states"].as_array().unwrap().iter().map(|state| micros(&state["duration"])).sum::<u64>();
        assert_eq!(mine[0]["startTime"], "2026-03-10T15:00:00Z");
        assert_eq!(total(&mine[0]), 3_600_000_000);
        assert_eq!(mine[24]["endTime"], "2026-03-11T16:00:00Z");
        assert_eq!(total(&mine[24]), 1_051_250_001);
        assert_eq!(read(&rows, &id, window), plain(harness.simulator.expected(&id, window, HOUR, Align::Hour)));
    }
    // A window within one bucket is prorated.
    let short = last(Duration::from_secs(600));
    assert_eq!(harness.pages(&harness.query(24, short, "PT1H")).await.concat().len(), 24);
    for id in harness.ids(24) {
        let expected: u64 = plain(harness.simulator.expected(&id, short, HOUR, Align::Hour)).values().sum();
        assert!((599_999_990..=600_000_000).contains(&expected), "{expected}");
    }
    // Buckets aligned to the window are not prorated.
    for id in harness.ids(24) {
        let expected = harness.simulator.expected(&id, window, HOUR, Align::Window);
        assert_eq!(expected, harness.simulator.truth(&id, window));
    }
}

#[tokio::test]
async fn future_and_unknown_agents_have_no_rows() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let token = harness.token().await;
    let ahead = Window { start: NOW + HOUR, end: NOW + 2 * HOUR };
    assert_eq!(harness.get(&token, &harness.query(2, ahead, "PT1H")).await.unwrap().rows(), Vec::<Value>::new());
    let around = Window { start: Timestamp::from_micros(NOW.micros() - 1_800_000_000), end: NOW + HOUR };
    let rows = harness.get(&token, &harness.query(1, around, "PT1H")).await.unwrap().rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(read(&rows, &harness.ids(1)[0], around).values().sum::<u64>(), 1_800_000_000);

    let own = harness.ids(1)[0].clone();
    let query = harness.query(1, last(DAY), "PT1H").replace(&own, &format!("4711,{own},{own},9999999999999999999"));
    let rows = harness.get(&token, &query).await.unwrap().rows();
    assert_eq!(rows.len(), 24);
    assert!(rows.iter().all(|row| row["agentId"] == *own));
}

#[tokio::test]
async fn states_filter_limits_the_states() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let query = format!("{}&states=Busy,Offline,Training", harness.query(5, last(DAY), "PT1H"));
    let rows = harness.pages(&query).await.concat();
    assert_eq!(rows.len(), 120);
    for id in harness.ids(5) {
        let mut truth = plain(harness.simulator.truth(&id, last(DAY)));
        truth.retain(|state, _| state == "Busy" || state == "Offline");
        assert_eq!(read(&rows, &id, last(DAY)), truth);
    }
}

#[tokio::test]
async fn page_token_is_bound_to_its_query_and_first_page() {
    let harness = Harness::start(SimulatorOptions { page_size: 10, align: Align::Hour, ..Default::default() }).await;
    let (token, query) = (harness.token().await, harness.query(1, last(DAY), "PT1H"));
    let first = harness.get(&token, &query).await.unwrap().json();
    let next = first["nextPageToken"].as_str().unwrap();
    let other = harness.query(2, last(DAY), "PT1H");
    assert_eq!(harness.get(&token, &format!("{other}&nextPageToken={next}")).await.unwrap().status, 400);
    // The content of later pages does not depend on the time of their requests.
    let page = format!("{query}&nextPageToken={next}");
    let early = harness.get(&token, &page).await.unwrap().body;
    harness.clock.advance(Duration::from_secs(600));
    assert_eq!(harness.get(&token, &page).await.unwrap().body, early);
}

#[tokio::test]
async fn answers_are_gzip_if_accepted() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let token = harness.token().await;
    let target = format!("/api/v2/reporting/agent-presence?{}", harness.query(20, last(DAY), "PT1H"));
    let headers = format!("Authorization: Bearer {token}\r\nAccept-Encoding: br, gzip;q=0.8\r\n");
    let packed = harness.call("GET", &target, &headers, "").await.unwrap();
    let plain = harness.call("GET", &target, &format!("Authorization: Bearer {token}\r\n"), "").await.unwrap();
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.body.len() * 4 < plain.body.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}
