//! Cached scrapes of 60, 6,000 and 80,000 series in both formats and encodings, without sending (`benches/load/run`
//! includes it); the largest beside a registry of the prometheus crate that is encoded for each request; and the time that a
//! refresh takes to render the series. `cargo bench --bench scrape`.

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
use cxone_exporter::metrics;
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::{Encoder as _, GaugeVec, Opts, Registry, TextEncoder};

use fixture::Scrape;

/// 5 states, the observed time, the time of the last data and the info. One further series counts unknown states.
const SERIES_PER_AGENT: usize = 8;
/// 56, 6,000 and 80,000 series.
const AGENTS: [usize; 3] = [7, 750, 10_000];
const LARGEST: usize = 10_000;

const TEXT: &str = "text/plain;version=0.0.4";
/// The Accept header of Prometheus.
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
     text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// The work of a cached scrape before its bytes are sent.
fn cached(scrape: &Scrape, agents: &Arc<Block>, accept: &str, accept_encoding: &str) -> Payload {
    let negotiated = negotiate(Some(accept), Some(accept_encoding));
    assemble(&scrape.blocks_around(Arc::clone(agents)), negotiated)
}

/// As many series with labels of the same length, in a registry of the prometheus crate.
fn registry() -> Registry {
    let registry = Registry::new();
    let states = GaugeVec::new(Opts::new("cxone_agent_state_seconds", "Time."), &["agent", "state"]).unwrap();
    registry.register(Box::new(states.clone())).unwrap();
    for agent in 0..LARGEST {
        for state in ["Available", "Busy", "WrapUp", "Offline", "Lunch", "Meeting", "Training", "Break"] {
            states
                .with_label_values(&[&fixture::agent_id(agent), state])
                .set(fixture::seconds(agent, state).seconds_f64());
        }
    }
    registry
}

fn scrapes(criterion: &mut Criterion) {
    for agents in AGENTS {
        let scrape = Scrape::of_many_agents(agents);
        let block = scrape.agents();
        let series = SERIES_PER_AGENT * agents;
        assert_eq!(block.samples(), series + 1);
        let mut group = criterion.benchmark_group(format!("scrape of {series} series"));
        group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for (format, accept) in [("text", TEXT), ("OpenMetrics", OPENMETRICS)] {
            for encoding in ["identity", "gzip"] {
                let cached = || cached(&scrape, &block, accept, encoding);
                let length = cached().content_length;
                group.bench_function(format!("{format}, {encoding}, {length} bytes"), |bench| bench.iter(cached));
                let mut socket = Vec::with_capacity(usize::try_from(length).unwrap());
                group.bench_function(format!("{format}, {encoding}, and a copy of the bytes"), |bench| {
                    bench.iter(|| {
                        socket.clear();
                        cached().chunks.iter().for_each(|chunk| socket.extend_from_slice(chunk));
                        black_box(socket.len())
                    });
                });
            }
        }
        group.finish();
    }
}

/// Encoding a registry for each request, as most exporters do.
fn registries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prometheus crate, 80000 series");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    let registry = registry();
    let encode = || {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        text
    };
    group.bench_function("identity", |bench| bench.iter(encode));
    group.bench_function("gzip", |bench| {
        bench.iter(|| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&encode()).unwrap();
            gzip.finish().unwrap()
        });
    });
    group.finish();

    let mut small = criterion.benchmark_group("besides the series");
    small.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    small.bench_function("negotiation", |bench| bench.iter(|| negotiate(black_box(Some(OPENMETRICS)), Some("gzip"))));
    small.finish();
}

fn rendering(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("render and compress");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for agents in AGENTS {
        let scrape = Scrape::of_many_agents(agents);
        let series = SERIES_PER_AGENT * agents;
        group.throughput(Throughput::Elements(series as u64));
        group.bench_function(format!("{series} series"), |bench| {
            bench.iter(|| metrics::agents::render(scrape.snapshot()));
        });
    }
    group.finish();
}

criterion_group!(benches, scrapes, registries, rendering);
criterion_main!(benches);
