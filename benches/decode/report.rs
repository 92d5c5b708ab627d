//! Pages of a presence report, made up and the same each time.

#![allow(dead_code, reason = "the benches each use their part of it")]

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cxone_exporter::presence::{StateName, Tally, Timestamp, WatchedAgent, Window};

pub(crate) const BUCKETS_PER_PAGE: usize = 1_000;
/// The window begins within an hour, as it does in life, so the first bucket of each agent is clipped.
const WINDOW_START: i64 = 1_698_400_800 + 900;
const STATES: [&str; 6] = ["Available", "Busy", "WrapUp", "Offline", "Lunch Break", "Team Meeting"];

/// In which order a report lists its buckets.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    ByAgent,
    ByTime,
}

pub(crate) fn agent_id(agent: u64) -> String {
    (1_234_567_890_123_456_789 + agent * 7_919).to_string()
}

pub(crate) fn bucket(agent: u64, hour: i64) -> String {
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

/// So many hours of these agents.
pub(crate) fn pages(agents: Range<u64>, hours: i64, order: Order) -> Vec<String> {
    let buckets: Vec<String> = match order {
        Order::ByAgent => agents.flat_map(|agent| (0..hours).map(move |hour| bucket(agent, hour))).collect(),
        Order::ByTime => (0..hours).flat_map(|hour| agents.clone().map(move |agent| bucket(agent, hour))).collect(),
    };
    let page = |(at, buckets): (usize, &[String])| {
        format!(r#"{{"data":[{}],"nextPageToken":"page-{}"}}"#, buckets.join(","), at + 1)
    };
    buckets.chunks(BUCKETS_PER_PAGE).enumerate().map(page).collect()
}

pub(crate) fn window(hours: i64) -> Window {
    let start = Timestamp::from_seconds(WINDOW_START);
    Window { start, end: start + Duration::from_secs(hours.unsigned_abs() * 3_600) }
}

/// What so many hours of these agents are read into.
pub(crate) fn tally(agents: Range<u64>, hours: i64) -> Tally {
    let known: Vec<StateName> = STATES.into_iter().take(4).map(Arc::from).collect();
    let watched = |agent| WatchedAgent { id: agent_id(agent).into(), schedule: None };
    Tally::new(window(hours), agents.map(watched).collect(), Arc::from([Arc::from("Offline")]), &known)
}
