//! Whole documents: golden files, independent parsers, and round trips.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests may stop")]

mod fixture;
pub(crate) mod parser;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cxone_exporter::exposition::{
    Block, BlockBuilder, Encoding, Family, Format, Kind, Negotiated, Packing, assemble, negotiate,
};
use cxone_exporter::metrics::catalogue;
use flate2::read::GzDecoder;
use proptest::collection::vec;
use proptest::prelude::*;

use fixture::Scrape;
use parser::Document;

const WAYS: [Negotiated; 4] = [
    Negotiated { format: Format::Text, encoding: Encoding::Identity },
    Negotiated { format: Format::Text, encoding: Encoding::Gzip },
    Negotiated { format: Format::OpenMetrics, encoding: Encoding::Identity },
    Negotiated { format: Format::OpenMetrics, encoding: Encoding::Gzip },
];

/// The body as a client reads it.
fn body(blocks: &[Arc<Block>], way: Negotiated) -> String {
    let payload = assemble(blocks, way);
    let bytes = payload.chunks.concat();
    assert_eq!(u64::try_from(bytes.len()).ok(), Some(payload.content_length));
    let mut text = String::new();
    match payload.content_encoding {
        None => text = String::from_utf8(bytes).expect("valid UTF-8"),
        Some(_) => {
            GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("one gzip member of valid UTF-8");
        }
    }
    text
}

#[test]
fn whole_scrape_matches_golden_files() {
    let blocks = Scrape::of_a_small_tenant().blocks();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../golden/exposition");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!("scrape.text", body(&blocks, WAYS[0]));
        insta::assert_snapshot!("scrape.openmetrics", body(&blocks, WAYS[2]));
    });
}

#[test]
fn formats_and_encodings_have_the_same_samples() {
    assert_same_samples(&Scrape::of_a_small_tenant().with_process().blocks());
    // So many that the bytes of samples are shared between the formats.
    assert_same_samples(&Scrape::of_many_agents(600).blocks());
}

fn assert_same_samples(blocks: &[Arc<Block>]) {
    let documents = WAYS.map(|way| Document::parse(&body(blocks, way), way.format).unwrap());
    let [text, text_gzip, openmetrics, openmetrics_gzip] = &documents;
    assert_eq!(text, text_gzip);
    assert_eq!(openmetrics, openmetrics_gzip);
    assert_eq!(text.samples(), openmetrics.samples());
}

/// The complete document has each family of the catalogue, with its metadata.
#[test]
fn every_family_of_the_catalogue_is_exposed() {
    let blocks = Scrape::of_a_small_tenant().with_process().blocks();
    for (way, openmetrics) in [(WAYS[0], false), (WAYS[2], true)] {
        let document = Document::parse(&body(&blocks, way), way.format).unwrap();
        for family in catalogue::all() {
            let name = if openmetrics { family.stem() } else { family.name };
            let found = document.family(name).unwrap_or_else(|| panic!("{name} is not exposed"));
            assert_eq!(found.help, family.help);
            assert_eq!(found.unit.as_deref(), family.unit.filter(|_| openmetrics));
            assert_eq!(
                found.kind,
                match family.kind {
                    Kind::Counter => "counter",
                    Kind::Info if openmetrics => "info",
                    Kind::Gauge | Kind::Info => "gauge",
                    Kind::Histogram => "histogram",
                }
            );
            for sample in &found.samples {
                let labels: Vec<&str> = sample.labels.iter().map(|(name, _)| name.as_str()).collect();
                let bound = labels.strip_suffix(&["le"]).filter(|_| sample.name.ends_with("_bucket"));
                assert_eq!(bound.unwrap_or(&labels), family.labels, "{name}");
            }
        }
        assert_eq!(document.families.len(), catalogue::all().count(), "and nothing else is");
    }
}

#[test]
fn agent_states_are_complete() {
    let document = Document::parse(&body(&Scrape::of_a_small_tenant().blocks(), WAYS[0]), Format::Text).unwrap();
    let states = |agent: &str| -> Vec<(String, f64)> {
        let family = document.family("cxone_agent_state_seconds").unwrap();
        let of_agent = family.samples.iter().filter(|sample| sample.label("agent") == Some(agent));
        of_agent.map(|sample| (sample.label("state").unwrap().to_owned(), sample.value)).collect()
    };
    let has = |name: &str, agent: &str| {
        document.family(name).unwrap().samples.iter().any(|sample| sample.label("agent") == Some(agent))
    };
    let named =
        |states: &[(&str, f64)]| states.iter().map(|(name, time)| ((*name).to_owned(), *time)).collect::<Vec<_>>();

    // Declared states come first, unused ones at 0; then other states in their order.
    assert_eq!(
        states("1234567890123456789"),
        named(&[
            ("Available", 30_000.5),
            ("Busy", 3_599.999_999),
            ("WrapUp", 0.0),
            ("Offline", 12_000.0),
            ("", 1.0),
            ("Lunch \"late\" \\ C:\\n\nnew line", 1_800.0),
            ("休憩 ☕", 60.0),
        ])
    );
    // CXone answered and reported nothing: observed time 0, and no states.
    assert_eq!(states("quiet"), []);
    assert!(has("cxone_agent_observed_seconds", "quiet"));
    assert!(!has("cxone_agent_last_data_timestamp_seconds", "quiet"));
    // No data, or too old: only samples from the configuration.
    assert_eq!(states("gone"), []);
    assert!(!has("cxone_agent_observed_seconds", "gone"));
    assert!(has("cxone_agent_info", "gone") && has("cxone_agent_offline_limit_seconds", "gone"));
}

/// Each series of a team is the sum of its agents' series, counted again from the document.
#[test]
fn team_series_equal_the_sums_of_agents() {
    for scrape in [Scrape::of_a_small_tenant(), Scrape::of_many_agents(600)] {
        let document = Document::parse(&body(&scrape.blocks(), WAYS[0]), Format::Text).unwrap();
        let label = |sample: &parser::Sample, name| sample.label(name).unwrap().to_owned();
        let samples = |name| document.family(name).map_or(&[][..], |family| &family.samples);
        let infos = samples("cxone_agent_info").iter();
        let teams: BTreeMap<String, String> = infos.map(|info| (label(info, "agent"), label(info, "team"))).collect();
        for (of_agents, of_teams) in [
            ("cxone_agent_state_seconds", "cxone_team_state_seconds"),
            ("cxone_agent_state_time_seconds_total", "cxone_team_state_time_seconds_total"),
            ("cxone_agent_scheduled_seconds", "cxone_team_scheduled_seconds"),
            ("cxone_agent_scheduled_offline_seconds", "cxone_team_scheduled_offline_seconds"),
        ] {
            let mut sums = BTreeMap::<_, f64>::new();
            for sample in samples(of_agents) {
                let team = teams[sample.label("agent").unwrap()].clone();
                *sums.entry((team, sample.label("state").map(str::to_owned))).or_default() += sample.value;
            }
            let is = samples(of_teams).iter();
            let is: BTreeMap<_, _> = is
                .map(|sample| ((label(sample, "team"), sample.label("state").map(str::to_owned)), sample.value))
                .collect();
            assert!(is.keys().eq(sums.keys()), "{of_teams}: {is:?} {sums:?}");
            assert!(is.iter().all(|(of, sum)| (sum - sums[of]).abs() < 1e-3), "{of_teams}: {is:?} {sums:?}");
        }
        let mut now = BTreeMap::<_, f64>::new();
        for sample in samples("cxone_team_agents") {
            *now.entry(label(sample, "team")).or_default() += sample.value;
        }
        let mut members = BTreeMap::<_, f64>::new();
        teams.into_values().for_each(|team| *members.entry(team).or_default() += 1.0);
        assert_eq!(now, members, "each agent is counted in one state");
    }
}

#[test]
fn invalid_samples_are_left_out_and_counted() {
    let good = body(&Scrape::of_a_small_tenant().blocks(), WAYS[0]);
    let rest = body(&Scrape::of_a_small_tenant().with_a_state_declared_twice().blocks(), WAYS[0]);
    let counter = "cxone_exporter_samples_left_out_total{reason=\"sample_twice\"}";
    // One for each agent with data; teams have each state once.
    assert_eq!(rest, good.replace(&format!("{counter} 0\n"), &format!("{counter} 2\n")));
}

/// `promtool check metrics` parses like Prometheus and checks names.
#[test]
fn promtool_check_metrics_is_silent() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs; on Debian it comes with `apt-get install prometheus`");
    let text = body(&Scrape::of_a_small_tenant().with_process().blocks(), WAYS[0]);
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert!(output.status.success());
}

#[test]
fn negotiated_format_and_encoding_are_sent() {
    let blocks = Scrape::of_a_small_tenant().blocks();
    let prometheus = negotiate(
        Some("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
        Some("gzip"),
    );
    let payload = assemble(&blocks, prometheus);
    assert_eq!(payload.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(payload.content_encoding, Some("gzip"));
    let curl = assemble(&blocks, negotiate(Some("*/*"), None));
    assert_eq!(curl.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(curl.content_encoding, None);
}

const WORDS: Family =
    Family { name: "words", help: "\"Quoted\" \\ and\nbroken.", kind: Kind::Gauge, unit: None, labels: &["a", "b"] };
const TIMES: Family =
    Family { name: "times_seconds", help: "Time.", kind: Kind::Histogram, unit: Some("seconds"), labels: &["a"] };

proptest! {
    #[test]
    fn labels_and_values_round_trip(
        samples in vec(((".{0,12}|[\\\\\"\n\r{},= €]{0,6}", ".{0,12}"), any::<f64>()), 1..40),
        packing in prop_oneof![Just(Packing::Deflated), Just(Packing::Stored)],
    ) {
        let mut builder = BlockBuilder::new();
        let mut words = builder.family(&WORDS);
        let mut expected: Vec<((String, String), f64)> = Vec::new();
        for ((a, b), value) in samples {
            words.sample(&[&a, &b], value);
            if expected.iter().all(|(labels, _)| *labels != (a.clone(), b.clone())) {
                expected.push(((a, b), value));
            }
        }
        let block = Arc::new(builder.finish(packing));
        for way in WAYS {
            let document = Document::parse(&body(&[Arc::clone(&block)], way), way.format).unwrap();
            let family = document.family("words").unwrap();
            prop_assert_eq!(&family.help, WORDS.help);
            prop_assert_eq!(family.samples.len(), expected.len());
            for (sample, ((a, b), value)) in family.samples.iter().zip(&expected) {
                prop_assert_eq!(sample.label("a"), Some(a.as_str()));
                prop_assert_eq!(sample.label("b"), Some(b.as_str()));
                prop_assert!(sample.value.to_bits() == value.to_bits() || (sample.value.is_nan() && value.is_nan()));
            }
        }
    }

    #[test]
    fn histograms_round_trip(label in ".{0,8}", steps in vec((0.001_f64..100.0, 0_u64..1_000), 0..8), sum: f64) {
        let buckets: Vec<(f64, u64)> = steps
            .iter()
            .scan((0.0, 0), |at, (wider, more)| {
                *at = (at.0 + wider, at.1 + more);
                Some(*at)
            })
            .collect();
        let count = buckets.last().map_or(3, |(_, up_to)| up_to + 3);
        let mut builder = BlockBuilder::new();
        builder.family(&TIMES).histogram(&[&label], &buckets, sum, count);
        let block = Arc::new(builder.finish(Packing::Deflated));
        prop_assert!(block.left_out().is_empty());
        for way in WAYS {
            let document = Document::parse(&body(&[Arc::clone(&block)], way), way.format).unwrap();
            let read = document.family("times_seconds").unwrap().buckets();
            let expected: Vec<(f64, f64)> = buckets
                .iter()
                .copied()
                .chain([(f64::INFINITY, count)])
                .map(|(bound, up_to)| (bound, f64::from(u32::try_from(up_to).unwrap())))
                .collect();
            prop_assert_eq!(read, expected);
        }
    }
}
