//! The instruments: each change shows in the rendered text.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::DrivenClock;
use crate::config::Shard;
use crate::exposition::{Block, Encoding, Format, Negotiated, assemble};
use crate::presence::{Rejection, Rejections, Timestamp, Window};
use crate::refresh::{AgentCounts, Observer as _, RefreshResult, Served, Status, StorageOperation};
use crate::upstream::{Endpoint, ErrorKind, Observer as _, ResponseCode, UpstreamError};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_250_000);
const BUILD: BuildInfo = BuildInfo { version: "1.2.3", revision: "abc", rustc: "1.95.0" };

fn text(block: &Arc<Block>) -> String {
    assert!(block.left_out().is_empty(), "{:?}", block.left_out());
    let negotiated = Negotiated { format: Format::Text, encoding: Encoding::Identity };
    String::from_utf8(assemble(&[Arc::clone(block)], negotiated).chunks.concat()).unwrap()
}

/// The value of the one sample that starts with `series`.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    let value = values.next();
    assert_eq!(values.next(), None, "{series} is there once");
    value
}

fn names(block: &Block) -> Vec<&str> {
    block.families().iter().map(|family| family.name).collect()
}

#[test]
fn counters_are_exposed() {
    let instruments = TenantInstruments::default();
    let status = Status::default();
    let before = instruments.block(&status);
    assert!(Arc::ptr_eq(&before, &instruments.block(&status)), "nothing changed, nothing is rendered");

    let mut rejections = Rejections::default();
    rejections.add(Rejection::Overlap);
    rejections.add(Rejection::Overlap);
    instruments.request(Endpoint::Presence, ResponseCode::Status(200), Duration::from_millis(400), 1_000);
    instruments.request(Endpoint::Presence, ResponseCode::Status(200), Duration::from_millis(600), 24);
    instruments.request(Endpoint::Token, ResponseCode::Status(429), Duration::from_secs(90), 0);
    instruments.request(Endpoint::Token, ResponseCode::Status(999), Duration::ZERO, 0);
    instruments.request(Endpoint::Presence, ResponseCode::Decode, Duration::ZERO, 0);
    instruments.retry();
    instruments.retry_after_capped(Duration::from_secs(9_000), Duration::from_secs(3_600));
    instruments.clock_skew(-3_600);
    instruments.refreshed(RefreshResult::Partial, Duration::from_secs(3), &rejections);

    let text = text(&instruments.block(&status));
    for (series, expected) in [
        ("cxone_api_requests_total{endpoint=\"presence\",code=\"200\"}", 2.0),
        ("cxone_api_requests_total{endpoint=\"presence\",code=\"decode\"}", 1.0),
        ("cxone_api_requests_total{endpoint=\"presence\",code=\"timeout\"}", 0.0),
        ("cxone_api_requests_total{endpoint=\"token\",code=\"429\"}", 1.0),
        ("cxone_api_requests_total{endpoint=\"token\",code=\"other\"}", 1.0),
        ("cxone_api_requests_total{endpoint=\"token\",code=\"200\"}", 0.0),
        ("cxone_api_request_duration_seconds_bucket{endpoint=\"presence\",le=\"0.25\"}", 1.0),
        ("cxone_api_request_duration_seconds_bucket{endpoint=\"presence\",le=\"1.0\"}", 3.0),
        ("cxone_api_request_duration_seconds_bucket{endpoint=\"token\",le=\"60.0\"}", 1.0),
        ("cxone_api_request_duration_seconds_bucket{endpoint=\"token\",le=\"+Inf\"}", 2.0),
        ("cxone_api_request_duration_seconds_sum{endpoint=\"token\"}", 90.0),
        ("cxone_api_request_duration_seconds_count{endpoint=\"token\"}", 2.0),
        ("cxone_api_retries_total", 1.0),
        ("cxone_api_response_bytes_total", 1_024.0),
        ("cxone_retry_after_capped_total", 1.0),
        ("cxone_clock_skew_seconds", -3_600.0),
        ("cxone_records_rejected_total{reason=\"overlap\"}", 2.0),
        ("cxone_records_rejected_total{reason=\"negative\"}", 0.0),
        ("cxone_refreshes_total{result=\"partial\"}", 1.0),
        ("cxone_refreshes_total{result=\"success\"}", 0.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
}

#[test]
fn status_is_exposed() {
    let instruments = TenantInstruments::default();
    let nothing_yet = text(&instruments.block(&Status::default()));
    assert_eq!(value(&nothing_yet, "cxone_up"), Some(0.0));
    assert!(!nothing_yet.contains("_timestamp_seconds"), "what has not happened has no time:\n{nothing_yet}");
    assert!(!nothing_yet.contains("cxone_refresh_duration_seconds"));
    assert!(!nothing_yet.contains("cxone_exporter_storage"), "nothing is kept");
    assert!(!nothing_yet.contains("cxone_refresh_last_error_info"), "nothing failed");

    assert!(!nothing_yet.contains("shard"), "it is all of it");
    assert!(!nothing_yet.contains("per_minute") && !nothing_yet.contains("budget"), "there is none");

    instruments.of_shard(Shard::new(2, 4).ok());
    instruments.budget(Some(60));
    instruments.budget_waited(Duration::from_millis(1_250));
    instruments.budget(Some(30));
    instruments.storage_used();
    instruments.stored(NOW);
    instruments.storage_failed(StorageOperation::Attempt);
    let kept = text(&instruments.block(&Status::default()));
    for (series, expected) in [
        ("cxone_exporter_shard_index", 2.0),
        ("cxone_exporter_shards", 4.0),
        ("cxone_api_requests_per_minute_limit", 30.0),
        ("cxone_api_budget_wait_seconds_total", 1.25),
        ("cxone_exporter_storage_errors_total{operation=\"read\"}", 0.0),
        ("cxone_exporter_storage_errors_total{operation=\"attempt\"}", 1.0),
        ("cxone_exporter_storage_errors_total{operation=\"write\"}", 0.0),
        ("cxone_exporter_storage_last_write_timestamp_seconds", 1_700_000_000.25),
    ] {
        assert_eq!(value(&kept, series), Some(expected), "{series} in\n{kept}");
    }

    let status = Status {
        up: true,
        window: Some(Window::ending_at(NOW, Duration::from_hours(24))),
        last_success: Some(NOW),
        last_attempt: Some(NOW + Duration::from_secs(60)),
        not_before: Some(NOW + Duration::from_secs(120)),
        last_duration: Some(Duration::from_millis(1_500)),
        agents_dropped: Some(3),
        agents_listed: Some(9),
        agents_selected: Some(8),
        agents_unconfirmed: Some(2),
        agents: AgentCounts { fresh: 5, stale: 2, missing: 1 },
        token_expiry: Some(NOW + Duration::from_hours(1)),
        last_error: Some(UpstreamError {
            endpoint: Endpoint::Token,
            kind: ErrorKind::Unauthorized,
            message: "refused".to_owned(),
        }),
    };
    // No instrument was told of the change: the status alone makes the block out of date.
    let block = instruments.block(&status);
    let text = text(&block);
    for (series, expected) in [
        ("cxone_up", 1.0),
        ("cxone_window_start_timestamp_seconds", 1_699_913_600.25),
        ("cxone_window_end_timestamp_seconds", 1_700_000_000.25),
        ("cxone_refresh_last_success_timestamp_seconds", 1_700_000_000.25),
        ("cxone_refresh_last_attempt_timestamp_seconds", 1_700_000_060.25),
        ("cxone_refresh_not_before_timestamp_seconds", 1_700_000_120.25),
        ("cxone_token_expiry_timestamp_seconds", 1_700_003_600.25),
        ("cxone_refresh_duration_seconds", 1.5),
        ("cxone_refresh_agents{result=\"fresh\"}", 5.0),
        ("cxone_refresh_agents{result=\"stale\"}", 2.0),
        ("cxone_refresh_agents{result=\"missing\"}", 1.0),
        ("cxone_refresh_last_error_info{endpoint=\"token\",reason=\"unauthorized\"}", 1.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
    let catalogue: Vec<&str> = catalogue::STATUS.iter().chain(catalogue::TENANT).map(|family| family.name).collect();
    assert_eq!(names(&block), catalogue, "every family of the catalogue, in its order");

    instruments.status_changed();
    assert!(!Arc::ptr_eq(&block, &instruments.block(&status)));
    instruments.budget(None);
    let without = self::text(&instruments.block(&status));
    assert_eq!(value(&without, "cxone_api_requests_per_minute_limit"), None, "the budget is gone");
    assert_eq!(value(&without, "cxone_api_budget_wait_seconds_total"), Some(1.25), "and what was counted is not");
}

#[test]
fn scrapes_are_counted_without_rendering_the_rest_again() {
    let instruments = TenantInstruments::default();
    let status = Status::default();
    let block = instruments.block(&status);
    instruments.scraped(Served::Fresh);
    instruments.scraped(Served::Cooldown);
    instruments.scraped(Served::Cooldown);
    assert!(Arc::ptr_eq(&block, &instruments.block(&status)));

    let scrapes = instruments.scrapes();
    assert_eq!(names(&scrapes), ["cxone_exporter_scrapes_total"]);
    let text = text(&scrapes);
    for (served, count) in [("fresh", 1.0), ("cooldown", 2.0), ("stale", 0.0), ("none", 0.0)] {
        assert_eq!(value(&text, &format!("cxone_exporter_scrapes_total{{served=\"{served}\"}}")), Some(count));
    }
}

#[test]
fn a_refused_configuration_keeps_the_time_of_the_last_good_one() {
    let clock = DrivenClock::new(NOW);
    let instruments = ExporterInstruments::new(Arc::new(clock.clone()), BUILD);
    let (successful, at) =
        ("cxone_exporter_config_last_reload_successful", "cxone_exporter_config_last_reload_success_timestamp_seconds");
    let look = || {
        let text = text(&instruments.block());
        (value(&text, successful), value(&text, at))
    };
    assert_eq!(look(), (Some(0.0), None));
    instruments.config_loaded(true);
    assert_eq!(look(), (Some(1.0), Some(1_700_000_000.25)));
    clock.advance(Duration::from_secs(10));
    instruments.config_loaded(false);
    assert_eq!(look(), (Some(0.0), Some(1_700_000_000.25)));
    instruments.config_loaded(true);
    assert_eq!(look(), (Some(1.0), Some(1_700_000_010.25)));
}

#[test]
fn the_exporter_tells_what_it_is_and_whom_it_turned_away() {
    let instruments = ExporterInstruments::new(Arc::new(DrivenClock::new(NOW)), BUILD);
    instruments.config_loaded(true);
    let before = instruments.block();
    assert!(Arc::ptr_eq(&before, &instruments.block()));
    instruments.web_config_loaded(true);
    instruments.http_rejected(HttpRejection::MaxRequests);
    let block = instruments.block();
    let text = text(&block);
    let build_info = "cxone_exporter_build_info{version=\"1.2.3\",revision=\"abc\",rustc=\"1.95.0\"}";
    assert_eq!(value(&text, build_info), Some(1.0));
    assert_eq!(value(&text, "cxone_exporter_http_rejected_total{reason=\"max_requests\"}"), Some(1.0));
    assert_eq!(value(&text, "cxone_exporter_http_rejected_total{reason=\"timeout\"}"), Some(0.0));
    let catalogue: Vec<&str> = catalogue::EXPORTER.iter().map(|family| family.name).collect();
    assert_eq!(names(&block), catalogue, "every family of the catalogue, in its order");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_read_at_most_once_a_second() {
    let clock = DrivenClock::new(NOW);
    let instruments = ExporterInstruments::new(Arc::new(clock.clone()), BUILD);
    let first = instruments.process();
    let catalogue: Vec<&str> = catalogue::PROCESS.iter().map(|family| family.name).collect();
    assert_eq!(names(&first), catalogue, "every family of the catalogue, in its order");
    assert!(value(&text(&first), "process_resident_memory_bytes").unwrap() > 0.0);

    clock.advance(Duration::from_millis(999));
    assert!(Arc::ptr_eq(&first, &instruments.process()));
    clock.advance(Duration::from_millis(1));
    assert!(!Arc::ptr_eq(&first, &instruments.process()));
}

/// What the prometheus crate says of a process is what the catalogue says, so that a new version of it is noticed.
#[cfg(target_os = "linux")]
#[test]
fn the_catalogue_agrees_with_the_process_collector() {
    let registry = ::prometheus::Registry::new();
    registry.register(Box::new(::prometheus::process_collector::ProcessCollector::for_self())).unwrap();
    let mut gathered: Vec<_> =
        registry.gather().iter().map(|family| (family.name().to_owned(), family.help().to_owned())).collect();
    let mut known: Vec<_> =
        catalogue::PROCESS.iter().map(|family| (family.name.to_owned(), family.help.to_owned())).collect();
    gathered.sort();
    known.sort();
    assert_eq!(gathered, known);
}
