//! A day of 10,000 agents in buckets of an hour, from the bytes of its pages to seconds per agent and state.
//!
//! Side by side: this crate, which clips, de-duplicates and caps on the way; `serde_json` into owned structs that
//! are added up in a map, which does none of that; and `serde_json` that only skips the text, the floor.
//! `cargo bench --bench decode`; the figures to compare are the ratios within one run.

#![allow(missing_docs, reason = "criterion's macros make public functions without docs")]
#![allow(clippy::unwrap_used, reason = "the input is made here")]

use std::collections::HashMap;
use std::fmt::Write;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use cxone_exporter::presence::{StateName, Tally, Timestamp, WatchedAgent, Window};
use cxone_exporter::upstream::presence_api::wire::decode_page;
use serde::Deserialize;
use serde::de::IgnoredAny;

const AGENTS: u64 = 10_000;
const HOURS: i64 = 24;
const BUCKETS_PER_PAGE: usize = 1_000;
/// The window begins within an hour, as it does in life, so the first bucket of each agent is clipped.
const WINDOW_START: i64 = 1_698_400_800 + 900;
const STATES: [&str; 6] = ["Available", "Busy", "WrapUp", "Offline", "Lunch Break", "Team Meeting"];

/// In which order a report lists its buckets.
#[derive(Clone, Copy)]
enum Order {
    ByAgent,
    ByTime,
}

fn agent_id(agent: u64) -> String {
    (1_234_567_890_123_456_789 + agent * 7_919).to_string()
}

fn bucket(agent: u64, hour: i64) -> String {
    let start = Timestamp::from_seconds(WINDOW_START - 900 + hour * 3_600);
    let end = start + Duration::from_secs(3_600);
    let mut record = format!(r#"{{"agentId":"{}","startTime":"{start}","endTime":"{end}","states":["#, agent_id(agent));
    // Any mixture will do as long as it is the same each time: a step of a linear congruential generator.
    let mut noise = (agent * 31 + hour.unsigned_abs()).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    let mut left = 3_600;
    let (states, first) = (3 + noise % 3, noise % 5);
    for at in 0..states {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let state =
            STATES.iter().cycle().zip(0..).find(|(_, index)| *index == first + at).map_or("", |(state, _)| state);
        let spent = if at + 1 == states { left } else { (noise >> 33) % (left + 1) };
        left -= spent;
        let (comma, percentage) = (if at == 0 { "" } else { "," }, spent as f64 / 36.0);
        // One duration in eight is a decimal number.
        let fraction = if noise.is_multiple_of(8) && spent > 0 { ".0" } else { "" };
        write!(record, r#"{comma}{{"state":"{state}","duration":{spent}{fraction},"percentage":{percentage:.2}}}"#)
            .unwrap();
    }
    record + "]}"
}

/// Agents that are asked for together, and the pages that come.
struct Batch {
    agents: Range<u64>,
    pages: Vec<String>,
}

/// Every agent, in batches of so many.
fn batches(size: usize, order: Order) -> Vec<Batch> {
    (0..AGENTS)
        .step_by(size)
        .map(|first| first..AGENTS.min(first + size as u64))
        .map(|agents| Batch { pages: pages(agents.clone(), order), agents })
        .collect()
}

fn pages(agents: Range<u64>, order: Order) -> Vec<String> {
    let buckets: Vec<String> = match order {
        Order::ByAgent => agents.flat_map(|agent| (0..HOURS).map(move |hour| bucket(agent, hour))).collect(),
        Order::ByTime => (0..HOURS).flat_map(|hour| agents.clone().map(move |agent| bucket(agent, hour))).collect(),
    };
    let page = |(at, buckets): (usize, &[String])| {
        format!(r#"{{"data":[{}],"nextPageToken":"page-{}"}}"#, buckets.join(","), at + 1)
    };
    buckets.chunks(BUCKETS_PER_PAGE).enumerate().map(page).collect()
}

fn counted(batches: &[Batch]) -> usize {
    let start = Timestamp::from_seconds(WINDOW_START);
    let window = Window { start, end: start + Duration::from_secs(HOURS.unsigned_abs() * 3_600) };
    let known: Vec<StateName> = STATES.into_iter().take(4).map(Arc::from).collect();
    let offline: Arc<[StateName]> = Arc::from([Arc::from("Offline")]);
    let count = |batch: &Batch| {
        let watched = |agent| WatchedAgent { id: agent_id(agent).into(), schedule: None };
        let agents = batch.agents.clone().map(watched).collect();
        let mut tally = Tally::new(window, agents, Arc::clone(&offline), &known);
        for page in &batch.pages {
            decode_page(page.as_bytes(), &mut tally).unwrap();
        }
        tally.finish().agents.iter().flatten().map(|presence| presence.states.len()).sum::<usize>()
    };
    batches.iter().map(count).sum()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    data: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "read as the straightforward program would")]
struct Record {
    agent_id: String,
    start_time: String,
    end_time: String,
    states: Vec<StateTime>,
}

#[derive(Deserialize)]
struct StateTime {
    state: String,
    duration: f64,
}

fn owned_structs(batches: &[Batch]) -> usize {
    let mut seconds = HashMap::<(String, String), f64>::new();
    for page in batches.iter().flat_map(|batch| &batch.pages) {
        let answer: Answer = serde_json::from_slice(page.as_bytes()).unwrap();
        for record in answer.data {
            for spent in record.states {
                *seconds.entry((record.agent_id.clone(), spent.state)).or_default() += spent.duration;
            }
        }
    }
    seconds.len()
}

fn skipped(batches: &[Batch]) {
    for page in batches.iter().flat_map(|batch| &batch.pages) {
        black_box(serde_json::from_slice::<IgnoredAny>(page.as_bytes()).unwrap());
    }
}

fn compare(group: &mut BenchmarkGroup<'_, WallTime>, batches: &[Batch]) {
    let pages = batches.iter().flat_map(|batch| &batch.pages);
    group.throughput(Throughput::BytesDecimal(pages.map(|page| page.len() as u64).sum()));
    assert_eq!(counted(batches), owned_structs(batches));
    group.bench_function("cxone-exporter", |bench| bench.iter(|| counted(black_box(batches))));
    group.bench_function("serde_json, owned structs", |bench| bench.iter(|| owned_structs(black_box(batches))));
    group.bench_function("serde_json, skipping only", |bench| bench.iter(|| skipped(black_box(batches))));
}

fn decode(criterion: &mut Criterion) {
    let all = usize::try_from(AGENTS).unwrap();
    let groups = [
        ("one batch, by agent", all, Order::ByAgent),
        ("one batch, by time", all, Order::ByTime),
        ("batches of 50, by time", 50, Order::ByTime),
    ];
    for (name, size, order) in groups {
        let mut group = criterion.benchmark_group(name);
        compare(&mut group, &batches(size, order));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = decode
}
criterion_main!(benches);
