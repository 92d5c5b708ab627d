//! A scrape of 80,000 series out of blocks, beside the same series in a registry of the prometheus crate that is
//! encoded for each request; and how long a refresh takes to render them.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop")]

#[path = "../tests/suite/exposition/fixture.rs"]
mod fixture;

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cxone_exporter::exposition::{Block, Payload, assemble, negotiate};
use cxone_exporter::metrics::agents;
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::{Encoder as _, GaugeVec, Opts, Registry, TextEncoder};

use fixture::Scrape;

/// With 5 states, the observed time, the last data and the info, 8 series each.
const AGENTS: usize = 10_000;

const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// All that a cached scrape does before the bytes are sent.
fn cached(scrape: &Scrape, agents: &Arc<Block>, accept_encoding: &str) -> Payload {
    let negotiated = negotiate(Some(ACCEPT), Some(accept_encoding));
    assemble(&scrape.blocks_around(Arc::clone(agents)), negotiated)
}

/// The same number of series, with labels as long, in the prometheus crate's own registry.
fn registry() -> Registry {
    let registry = Registry::new();
    let states = GaugeVec::new(Opts::new("cxone_agent_state_seconds", "Time."), &["agent", "state"]).unwrap();
    registry.register(Box::new(states.clone())).unwrap();
    for agent in 0..AGENTS {
        for state in ["Available", "Busy", "WrapUp", "Offline", "Lunch", "Meeting", "Training", "Break"] {
            states
                .with_label_values(&[&fixture::agent_id(agent), state])
                .set(fixture::seconds(agent, state).seconds_f64());
        }
    }
    registry
}

fn scrapes(criterion: &mut Criterion) {
    let scrape = Scrape::of_many_agents(AGENTS);
    let agents = scrape.agents();
    assert_eq!(agents.samples(), 8 * AGENTS);
    let mut group = criterion.benchmark_group("scrape of 80,000 series");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for encoding in ["identity", "gzip"] {
        let length = cached(&scrape, &agents, encoding).content_length;
        group.bench_function(format!("blocks, {encoding}, {length} bytes"), |bench| {
            bench.iter(|| cached(&scrape, &agents, encoding));
        });
        let mut socket = Vec::with_capacity(usize::try_from(length).unwrap());
        group.bench_function(format!("blocks, {encoding}, and a copy of the bytes"), |bench| {
            bench.iter(|| {
                socket.clear();
                cached(&scrape, &agents, encoding).chunks.iter().for_each(|chunk| socket.extend_from_slice(chunk));
                black_box(socket.len())
            });
        });
    }
    let registry = registry();
    let encode = || {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        text
    };
    group.bench_function("prometheus crate, identity", |bench| bench.iter(encode));
    group.bench_function("prometheus crate, gzip", |bench| {
        bench.iter(|| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&encode()).unwrap();
            gzip.finish().unwrap()
        });
    });
    group.finish();

    let mut small = criterion.benchmark_group("scrape of a small tenant");
    small.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let scrape = Scrape::of_a_small_tenant().with_process();
    let agents = scrape.agents();
    for encoding in ["identity", "gzip"] {
        small.bench_function(format!("blocks, {encoding}"), |bench| bench.iter(|| cached(&scrape, &agents, encoding)));
    }
    small.bench_function("negotiation", |bench| bench.iter(|| negotiate(black_box(Some(ACCEPT)), Some("gzip"))));
    small.finish();
}

fn rendering(criterion: &mut Criterion) {
    let scrape = Scrape::of_many_agents(AGENTS);
    let mut group = criterion.benchmark_group("refresh");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(8 * AGENTS as u64));
    group.bench_function("render and compress 80,000 series", |bench| {
        bench.iter(|| agents::render(scrape.snapshot()));
    });
    group.finish();
}

criterion_group!(benches, scrapes, rendering);
criterion_main!(benches);
