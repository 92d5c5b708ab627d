//! The hot paths one by one, each on input that is the same every time, for `benches/instructions/run` to count what they take.
//!
//! With a name, it runs that path once, and only what [`measured`] calls is counted. Without, it lists the names.

#![allow(missing_docs, reason = "a bench is no library")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop")]

#[path = "../../tests/suite/exposition/fixture.rs"]
mod fixture;
#[path = "../decode/report.rs"]
mod report;

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;
use cxone_exporter::config::Config;
use cxone_exporter::exposition::{assemble, negotiate};
use cxone_exporter::metrics::agents;
use cxone_exporter::presence::{
    BucketBoundaries, BucketQuery, IncrementalTally, Schedule, Shift, Tally, TimeZone, Timestamp, Window,
};
use cxone_exporter::upstream::presence_api::wire::decode_page;

use fixture::Scrape;
use report::{Order, pages, tally, window};

/// 40 agents over 25 hours are a page.
const PAGE: (u64, i64) = (40, 25);
const RENDERED_AGENTS: usize = 500;
const SCRAPED_AGENTS: usize = 1_500;
/// Short paths run that often, so that what surrounds them does not show.
const REPEATED: usize = 1_000;

const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Prepares its input, and measures what is done with it.
type Path = fn();

const PATHS: [(&str, Path); 12] = [
    ("decode-page-by-agent", || decode(Order::ByAgent)),
    ("decode-page-by-time", || decode(Order::ByTime)),
    ("count-page-in-order", || count(Order::ByAgent, 1)),
    ("count-page-repeated", || count(Order::ByTime, 3)),
    ("merge-history-page", merge_history),
    ("parse-timestamps", parse_timestamps),
    ("schedule-on-windows", schedule),
    ("render-500-agents", render),
    ("scrape-text", || scrape("text/plain", "identity")),
    ("scrape-openmetrics-gzip", || scrape(ACCEPT, "gzip")),
    ("negotiate", negotiation),
    ("read-configuration", read_configuration),
];

/// What is counted. It must be a function of its own, as its name is what the counting begins and ends with.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
    // Were it the last thing, the call would become a jump, and the end of this function would not be seen.
    black_box(());
}

/// Reads one page of a report into a tally.
fn decode(order: Order) {
    let (agents, hours) = PAGE;
    let pages = pages(0..agents, hours, order);
    let mut tally = tally(0..agents, hours);
    measured(&mut || {
        for page in &pages {
            decode_page(black_box(page.as_bytes()), &mut tally).unwrap();
        }
    });
    black_box(tally.finish());
}

/// Makes sums of a page's buckets that came so often: clips, drops repetitions, caps, and makes the strips.
fn count(order: Order, times: usize) {
    let (agents, hours) = PAGE;
    let mut filled = tally(0..agents, hours);
    for page in pages(0..agents, hours, order).iter().cycle().take(times) {
        decode_page(page.as_bytes(), &mut filled).unwrap();
    }
    let mut filled = Some(filled);
    measured(&mut || drop(black_box(filled.take().map(Tally::finish))));
}

/// Merges the histories of a page's agents, sums them and builds new ones, as an incremental refresh does.
fn merge_history() {
    let (agents, hours) = PAGE;
    let range = window(hours);
    let boundaries = BucketBoundaries::new(Duration::from_secs(3_600));
    let asking_from = |start| {
        let query = BucketQuery { boundaries, range: Window { start, ..range } };
        IncrementalTally::new(tally(0..agents, hours), query)
    };
    let mut first = asking_from(range.start.saturating_sub(Duration::from_secs(900)));
    for page in pages(0..agents, hours, Order::ByAgent) {
        decode_page(page.as_bytes(), first.as_mut()).unwrap();
    }
    let histories: Vec<_> = first.finish(&[], range.end).histories.into_iter().map(|kept| kept.map(Arc::new)).collect();
    let kept: usize = histories.iter().flatten().map(|history| history.buckets()).sum();
    assert!(kept as u64 >= agents * (hours.unsigned_abs() - 1), "all but the last bucket of each is kept");
    let mut next = Some(asking_from(range.end));
    measured(&mut || {
        if let Some(tally) = next.take() {
            black_box(tally.finish(&histories, range.end));
        }
    });
}

fn parse_timestamps() {
    let texts: Vec<String> = (0..REPEATED)
        .map(|number| match number % 3 {
            0 => format!("2023-11-14T{:02}:13:{:02}Z", number % 24, number % 60),
            1 => format!("2024-02-29T{:02}:13:{:02}.123456Z", number % 24, number % 60),
            _ => format!("2023-11-14T{:02}:13:{:02}+05:30", number % 24, number % 60),
        })
        .collect();
    measured(&mut || {
        for text in &texts {
            black_box(Timestamp::parse(black_box(text.as_bytes()))).unwrap();
        }
    });
}

/// Holds a week, hour by hour, against office hours in a zone with summer time.
fn schedule() {
    let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    let schedule = Schedule {
        timezone: TimeZone::named("Europe/Berlin").unwrap(),
        days: [true, true, true, true, true, false, false],
        hours: vec![Shift { start: time(9), end: time(17) }],
        holidays: Vec::new(),
        leave: Vec::new(),
    };
    let window = Window::ending_at(Timestamp::from_seconds(1_700_000_000), Duration::from_secs(7 * 86_400));
    measured(&mut || {
        let on_shift = schedule.within(black_box(window));
        for hour in 0..7 * 24 {
            let start = window.start + Duration::from_secs(hour * 3_600);
            black_box(on_shift.overlap(Window { start, end: start + Duration::from_secs(3_600) }));
        }
    });
}

/// What a refresh does with its snapshot: the series of agents, rendered and compressed.
fn render() {
    let scrape = Scrape::of_many_agents(RENDERED_AGENTS);
    measured(&mut || drop(black_box(agents::render(scrape.snapshot()))));
}

/// What a scrape that is served from the cache does, its own series included, but the process's, which are never the same.
fn scrape(accept: &str, accept_encoding: &str) {
    let scrape = Scrape::of_many_agents(SCRAPED_AGENTS).without_process();
    let agents = scrape.agents();
    let answer = || {
        let negotiated = negotiate(black_box(Some(accept)), black_box(Some(accept_encoding)));
        assemble(&scrape.blocks_around(Arc::clone(&agents)), negotiated)
    };
    // The first one renders what is kept from then on.
    black_box(answer());
    measured(&mut || {
        for _ in 0..REPEATED {
            black_box(answer());
        }
    });
}

fn negotiation() {
    measured(&mut || {
        for _ in 0..REPEATED {
            black_box(negotiate(black_box(Some(ACCEPT)), black_box(Some("gzip"))));
        }
    });
}

/// Reads and checks the configuration of many agents, as at every start.
fn read_configuration() {
    let mut yaml =
        "tenants:\n  - name: acme\n    domain: acme.example.com\n    client_id: a\n    client_secret: b\n    \
                    agents:\n"
            .to_owned();
    for agent in 0..SCRAPED_AGENTS {
        let id = fixture::agent_id(agent);
        writeln!(yaml, "      - {{ id: \"{id}\", name: Ada Lovelace, team: Billing, offline_limit: 4h }}").unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), yaml).unwrap();
    measured(&mut || drop(black_box(Config::from_file(file.path()).unwrap())));
}

fn main() {
    let asked = std::env::args().nth(1).filter(|name| !name.starts_with("--"));
    match asked {
        None => PATHS.iter().for_each(|(name, _)| println!("{name}")),
        Some(asked) => {
            let (_, path) = PATHS.iter().find(|(name, _)| *name == asked).expect("a path that is listed");
            path();
        }
    }
}
