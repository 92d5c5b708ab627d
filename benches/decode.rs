//! A day of 10,000 agents in buckets of an hour, from the bytes of its pages to seconds per agent and state.
//!
//! Compared: this crate, which clips, de-duplicates and caps while it reads; `simd-json`, the fastest JSON library, and
//! `serde_json`, both with a visitor that only sums seconds per agent; `serde_json` into owned structs; and `serde_json`
//! that skips all values, the floor. `cargo bench --bench decode`; the ratios within one run are the figures to compare.
//! The peak memory of some of them, for a day and for a week, is printed first.

#![allow(missing_docs, reason = "criterion's macros make public functions without docs")]
#![allow(clippy::unwrap_used, reason = "the input is made here")]

#[path = "decode/memory.rs"]
mod memory;
#[path = "decode/report.rs"]
mod report;
#[path = "decode/visitor.rs"]
mod visitor;

use std::collections::HashMap;
use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, measurement::WallTime};
use cxone_exporter::presence::Tally;
use cxone_exporter::upstream::presence_api::wire::decode_page;
use serde::Deserialize;
use serde::de::IgnoredAny;

use report::{BUCKETS_PER_PAGE, Order, bucket, tally};
use visitor::Sums;

const AGENTS: u64 = 10_000;
const HOURS: i64 = 24;
/// How often each way is taken in [`turns`].
const ROUNDS: usize = 9;

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
        .map(|agents| Batch { pages: report::pages(agents.clone(), HOURS, order), agents })
        .collect()
}

fn pairs(tally: Tally) -> usize {
    tally.finish().agents.iter().flatten().map(|presence| presence.states.len()).sum()
}

fn counted(batches: &[Batch]) -> usize {
    let count = |batch: &Batch| {
        let mut tally = tally(batch.agents.clone(), HOURS);
        for page in &batch.pages {
            decode_page(page.as_bytes(), &mut tally).unwrap();
        }
        pairs(tally)
    };
    batches.iter().map(count).sum()
}

fn visited_by_serde_json(batches: &[Batch]) -> usize {
    let mut sums = Sums::default();
    for page in batches.iter().flat_map(|batch| &batch.pages) {
        sums.read(&mut serde_json::Deserializer::from_slice(page.as_bytes())).unwrap();
    }
    sums.pairs()
}

/// It writes into what it reads, so every run needs pages of its own.
fn visited_by_simd_json(pages: &mut [Vec<u8>]) -> usize {
    let (mut sums, mut buffers) = (Sums::default(), simd_json::Buffers::default());
    for page in pages {
        let mut answer = simd_json::Deserializer::from_slice_with_buffers(page, &mut buffers).unwrap();
        sums.read(&mut answer).unwrap();
    }
    sums.pairs()
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
    let writable = || -> Vec<Vec<u8>> {
        batches.iter().flat_map(|batch| &batch.pages).map(|page| page.clone().into_bytes()).collect()
    };
    let expected = owned_structs(batches);
    assert_eq!(counted(batches), expected);
    assert_eq!(visited_by_serde_json(batches), expected);
    assert_eq!(visited_by_simd_json(&mut writable()), expected);
    group.bench_function("cxone-exporter", |bench| bench.iter(|| counted(black_box(batches))));
    group.bench_function("simd-json, visitor", |bench| {
        bench.iter_batched_ref(writable, |pages| visited_by_simd_json(pages), BatchSize::PerIteration);
    });
    group.bench_function("serde_json, visitor", |bench| bench.iter(|| visited_by_serde_json(black_box(batches))));
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
        let batches = batches(size, order);
        let mut group = criterion.benchmark_group(name);
        compare(&mut group, &batches);
        turns(&batches);
        group.finish();
    }
}

/// The processor time of this thread so far, in seconds: what else the machine does is not in it.
fn processor_seconds() -> f64 {
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    nanoseconds.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// How fast ours is beside the others, each round right after theirs, as machines are faster at one time than at another.
fn turns(batches: &[Batch]) {
    let pages = || batches.iter().flat_map(|batch| &batch.pages);
    let megabytes = pages().map(String::len).sum::<usize>() as f64 / 1e6;
    let timed = |read: &mut dyn FnMut() -> usize| {
        let start = processor_seconds();
        black_box(read());
        processor_seconds() - start
    };
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let mut writable: Vec<Vec<u8>> = pages().map(|page| page.clone().into_bytes()).collect();
        times[0].push(timed(&mut || counted(batches)));
        times[1].push(timed(&mut || visited_by_simd_json(&mut writable)));
        times[2].push(timed(&mut || visited_by_serde_json(batches)));
    }
    let [ours, simd_json, serde_json] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.into_iter().nth(ROUNDS / 2).unwrap()
    });
    println!(
        "in {ROUNDS} turns, by processor time: cxone-exporter {:.0} MB/s, {:.2} x simd-json, {:.2} x serde_json; goal: 0.8 x simd-json",
        megabytes / ours,
        simd_json / ours,
        serde_json / ours
    );
}

/// Reads `hours` of all agents in batches of 50, one page at a time, in one of the ways.
fn read_page_by_page(way: &str, hours: i64) -> bool {
    let (mut sums, mut found) = (Sums::default(), 0);
    for first in (0..AGENTS).step_by(50) {
        let agents = first..first + 50;
        let buckets = (0..hours).flat_map(|hour| agents.clone().map(move |agent| (agent, hour))).collect::<Vec<_>>();
        let mut tally = tally(agents, hours);
        for buckets in buckets.chunks(BUCKETS_PER_PAGE) {
            let buckets: Vec<String> = buckets.iter().map(|(agent, hour)| bucket(*agent, *hour)).collect();
            let page = format!(r#"{{"data":[{}]}}"#, buckets.join(","));
            match way {
                "nothing" => found += page.len(),
                "cxone-exporter" => found += decode_page(page.as_bytes(), &mut tally).unwrap().buckets,
                "serde_json, visitor" => {
                    sums.read(&mut serde_json::Deserializer::from_slice(page.as_bytes())).unwrap();
                    found += 1;
                }
                "simd-json, visitor" => found += visited_by_simd_json(&mut [page.into_bytes()]),
                _ => return false,
            }
        }
        found += pairs(tally);
    }
    found + sums.pairs() > 0
}

/// What each way takes at most, by processes of their own.
fn peaks() {
    for (name, hours) in [("a day", 24), ("a week", 7 * 24)] {
        let peak = |way: &str| memory::of_a_process(&format!("{way}/{hours}"));
        let nothing = peak("nothing");
        for way in ["cxone-exporter", "serde_json, visitor", "simd-json, visitor"] {
            let kib = peak(way).saturating_sub(nothing);
            println!("memory for {name} of 10,000 agents, {way}: {:.1} MB besides the page", kib as f64 * 1024.0 / 1e6);
        }
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

fn main() {
    let run = |way: &str| {
        let (way, hours) = way.split_once('/').unwrap();
        read_page_by_page(way, hours.parse().unwrap())
    };
    if memory::became_a_process(run) {
        return;
    }
    peaks();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
