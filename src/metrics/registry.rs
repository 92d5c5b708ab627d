//! Converts the metrics of the prometheus crate to families. Only this file reads its registries.

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{Opts, Registry};

use crate::exposition::{BlockBuilder, Family, Kind, Samples};

/// Registers an instrument made from a family of the catalogue.
#[allow(
    clippy::expect_used,
    reason = "families are constants, checked while compiling; every instrument is made in tests"
)]
pub(super) fn register<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let instrument = made.expect("a family of the catalogue makes an instrument");
    registry.register(Box::new(instrument.clone())).expect("each family is registered once");
    instrument
}

/// Name and help of a family for the prometheus crate.
pub(super) fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

/// Adds the samples of `families` from `registry`. Metrics that are not in `families`, or are of another kind, are not
/// exposed: names and types come only from the catalogue.
pub(super) fn gather(builder: &mut BlockBuilder, families: &[&'static Family], registry: &Registry) {
    let gathered = registry.gather();
    for family in families {
        let same =
            |found: &&MetricFamily| found.name() == family.name && kind_fits(family.kind, found.get_field_type());
        if let Some(found) = gathered.iter().find(same) {
            let mut samples = builder.family(family);
            for metric in found.get_metric() {
                add(&mut samples, family, metric);
            }
        }
    }
}

fn add(samples: &mut Samples<'_>, family: &Family, metric: &Metric) {
    // The crate sorts labels by name; the family's order is kept here.
    let value =
        |name: &&str| metric.get_label().iter().find(|pair| pair.name() == *name).map_or("", |pair| pair.value());
    let labels: Vec<&str> = family.labels.iter().map(value).collect();
    match family.kind {
        Kind::Counter => samples.sample(&labels, metric.get_counter().get_value()),
        Kind::Gauge | Kind::Info => samples.sample(&labels, metric.get_gauge().get_value()),
        Kind::Histogram => {
            let histogram = metric.get_histogram();
            let buckets: Vec<(f64, u64)> =
                histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).collect();
            samples.histogram(&labels, &buckets, histogram.get_sample_sum(), histogram.get_sample_count());
        }
    }
}

fn kind_fits(kind: Kind, gathered: MetricType) -> bool {
    match kind {
        Kind::Counter => gathered == MetricType::COUNTER,
        Kind::Gauge | Kind::Info => gathered == MetricType::GAUGE,
        Kind::Histogram => gathered == MetricType::HISTOGRAM,
    }
}
