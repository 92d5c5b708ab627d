//! A page of the agent-presence report: no agent's sum exceeds the window, and a refused page changes nothing.
#![no_main]

use std::sync::Arc;

use cxone_exporter::presence::{Micros, Tally, TallyOutcome, Timestamp, WatchedAgent, Window};
use cxone_exporter::upstream::presence_api::wire::decode_page;
use libfuzzer_sys::fuzz_target;

const WINDOW: Window =
    Window { start: Timestamp::from_seconds(1_700_000_000), end: Timestamp::from_seconds(1_700_086_400) };
const BEFORE: &[u8] = br#"{"data":[{"agentId":"1","startTime":"2023-11-14T22:30:00Z","endTime":"2023-11-14T23:30:00Z",
    "states":[{"state":"Available","duration":1800},{"state":"Busy","duration":600.5}]}]}"#;

fn tally() -> Tally {
    let agents = ["1", "2", "3"].map(|id| WatchedAgent { id: id.into(), schedule: None });
    let mut tally = Tally::new(WINDOW, agents.to_vec(), ["Offline".into()].into(), &[Arc::from("Available")]);
    decode_page(BEFORE, &mut tally).unwrap();
    tally
}

fn check(outcome: &TallyOutcome) {
    for presence in outcome.agents.iter().flatten() {
        assert!(presence.observed <= WINDOW.length());
        assert_eq!(presence.states.iter().map(|(_, time)| *time).sum::<Micros>(), presence.observed);
        assert!(presence.states.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(WINDOW.start < presence.last_data && presence.last_data <= WINDOW.end);
        assert!(presence.current.as_ref().is_none_or(|(_, time)| *time <= presence.observed));
    }
}

fuzz_target!(|body: &[u8]| {
    let mut once = tally();
    if decode_page(body, &mut once).is_err() {
        assert_eq!(once.finish(), tally().finish());
        return;
    }
    let mut twice = tally();
    for _ in 0..2 {
        decode_page(body, &mut twice).unwrap();
    }
    let (once, twice) = (once.finish(), twice.finish());
    check(&once);
    assert_eq!(once.agents, twice.agents, "a repetition changes nothing");
});
