//! The presence API.

use cxone_exporter::config::Interval;
use cxone_exporter::simulator::{Align, Fault, Rule};

use super::*;

const SLOT: Duration = Duration::from_secs(300);

fn interval(text: &str, seconds: u64) -> Interval {
    Interval { text: text.to_owned(), length: Duration::from_secs(seconds) }
}

async fn harness(options: SimulatorOptions, interval: Interval) -> PastHarness {
    PastHarness::start(options, |tenant| {
        tenant.query.interval = interval;
        tenant.limits.agents_per_request = 3;
    })
    .await
}

fn options(align: Align) -> SimulatorOptions {
    SimulatorOptions { agents: 8, align, ..SimulatorOptions::default() }
}

fn truth(harness: &PastHarness) -> impl Fn(&AgentId, Window) -> BTreeMap<String, u64> {
    |agent, window| {
        let truth = harness.simulator.truth(agent, window).into_iter();
        truth.map(|(state, time)| (state.to_string(), time.get())).collect()
    }
}

#[tokio::test]
async fn past_presence_is_the_truth_slot_by_slot() {
    let range = Window { start: days_ago(14), end: days_ago(0) };
    // With buckets as long as slots, slots are exact; with longer ones, those of a bucket together.
    for (text, seconds, slot) in [("PT5M", 300, SLOT), ("PT1H", 3_600, HOUR), ("PT15M", 900, DAY)] {
        for align in [Align::Window, Align::Hour, Align::HourCut] {
            let harness = harness(options(align), interval(text, seconds)).await;
            // Pieces that end anywhere within a bucket.
            let read = harness.read(range, slot, 7_777).await;
            read.assert_truth(&harness, (range, slot), truth(&harness), 200, &format!("{text} {align:?}"));
        }
    }
}

#[tokio::test]
async fn a_bucket_is_spread_evenly_over_slots_and_pieces() {
    // Neither the range nor the pieces begin or end with a bucket.
    let range = Window { start: days_ago(3) + SLOT * 5, end: days_ago(0) + SLOT * 7 };
    for align in [Align::Hour, Align::HourCut] {
        let harness = harness(options(align), interval("PT1H", 3_600)).await;
        let read = harness.read(range, SLOT, 500).await;
        assert!(read.pieces > 10);
        if align == Align::HourCut {
            // A cut bucket is exact, so the sums are those of the range.
            let whole = |sums: &mut BTreeMap<_, u64>, (agent, state): (AgentId, String), time| {
                *sums.entry((agent, state)).or_default() += time;
            };
            let (mut is, mut should) = (BTreeMap::new(), BTreeMap::new());
            for ((agent, _, state), time) in &read.times {
                whole(&mut is, (Arc::clone(agent), state.clone()), *time);
            }
            for agent in harness.agents() {
                for (state, time) in truth(&harness)(agent, range) {
                    whole(&mut should, (Arc::clone(agent), state), time);
                }
            }
            assert!(is.keys().eq(should.keys()));
            assert!(is.iter().all(|(key, time)| time.abs_diff(should[key]) <= 2_000), "{is:?} {should:?}");
            continue;
        }
        assert!(read.times.keys().all(|(_, start, _)| range.start <= *start && *start < range.end));
        for agent in harness.agents() {
            let mut hour = days_ago(3) + HOUR;
            while hour + HOUR <= range.end {
                let window = Window { start: hour, end: hour + HOUR };
                for (state, whole) in truth(&harness)(agent, window) {
                    for slot in 0..12 {
                        let key = (Arc::clone(agent), hour + SLOT * slot, state.clone());
                        let part = read.times.get(&key).copied().unwrap_or_default();
                        assert!(part.abs_diff(whole / 12) <= 20, "{agent} {state} {hour}: {part}, not {whole} / 12");
                    }
                }
                hour = hour + HOUR;
            }
        }
    }
}

#[tokio::test]
async fn past_presence_up_to_now_has_the_running_bucket() {
    let end = NOW;
    let range = Window { start: days_ago(0), end };
    for align in [Align::Window, Align::Hour, Align::HourCut] {
        let harness = harness(options(align), interval("PT1H", 3_600)).await;
        let read = harness.read(range, DAY, 1_000).await;
        read.assert_truth(&harness, (range, DAY), truth(&harness), 100, &format!("{align:?}"));
    }
}

#[tokio::test]
async fn a_range_that_is_refused_is_halved_and_remembered() {
    // At most 100 hourly buckets an agent.
    let options = SimulatorOptions { max_buckets: 100, ..options(Align::Hour) };
    let harness = harness(options, interval("PT1H", 3_600)).await;
    let range = Window { start: days_ago(14), end: days_ago(0) };
    let read = harness.read(range, HOUR, 100_000).await;
    read.assert_truth(&harness, (range, HOUR), truth(&harness), 100, "halved");
    assert_eq!(harness.source.past_limits().length, HOUR * 84);
    let refused = harness.simulator.requests().iter().filter(|request| request.status == Some(400)).count();
    assert!(refused <= 3, "{refused}");
}

#[tokio::test]
async fn a_bad_request_of_another_cause_halves_nothing() {
    let harness = harness(options(Align::Hour), interval("PT1H", 3_600)).await;
    let range = Window { start: days_ago(2), end: days_ago(0) };
    harness.simulator.faults().push(Rule::new(Fault::Status(400)).on(Endpoint::Presence));
    let before = harness.source.past_limits();
    let read = harness.read(range, HOUR, 100_000).await;
    assert_eq!(read.unread.len(), 8);
    assert_eq!(harness.source.past_limits(), before);
    harness.simulator.faults().clear();
    let read = harness.read(range, HOUR, 100_000).await;
    read.assert_truth(&harness, (range, HOUR), truth(&harness), 100, "after a refusal");
}

#[tokio::test]
async fn a_failed_piece_is_read_again_with_the_same_result() {
    let range = Window { start: days_ago(5), end: days_ago(1) };
    let faults = ["rate-limited=40@3+2", "status=503@9+4", "truncated@4+3", "cut@9+1", "garbage@4+2"];
    for fault in faults {
        let harness = harness(options(Align::Hour), interval("PT1H", 3_600)).await;
        let rule: Rule = format!("presence:{fault}").parse().unwrap();
        harness.simulator.faults().push(rule);
        let read = harness.read(range, HOUR, 400).await;
        read.assert_truth(&harness, (range, HOUR), truth(&harness), 100, fault);
        assert!(harness.simulator.faults().pending().is_empty(), "{fault}");
    }
}

#[tokio::test]
async fn past_presence_pieces_ask_nothing_twice() {
    let options = SimulatorOptions { page_size: 10_000, ..options(Align::Hour) };
    let harness = harness(options, interval("PT1H", 3_600)).await;
    let range = Window { start: days_ago(30), end: days_ago(0) };
    let read = harness.read(range, HOUR, 100_000).await;
    let rows: usize = read.requests_for(Endpoint::Presence).map(|request| request.rows).sum();
    assert_eq!(rows, 8 * 30 * 24);
    // Three batches for each of four weeks and the rest.
    assert_eq!(read.requests_for(Endpoint::Presence).count(), 3 * 5);
}

#[tokio::test]
async fn odd_windows_and_slots_have_the_time_of_the_window() {
    let harness = harness(options(Align::Hour), interval("PT1H", 3_600)).await;
    let start = days_ago(4) + HOUR * 9;
    let seconds = |seconds| Duration::from_secs(seconds);
    let table = [
        // One slot, a window off the grid, a slot longer than the window, a slot of zero.
        (start, HOUR, HOUR),
        (start + seconds(61), seconds(3_598), SLOT),
        (start + seconds(61), seconds(3_598), DAY),
        (start + seconds(61), seconds(7), Duration::ZERO),
    ];
    let agents: Vec<_> = harness.tenant.agents.iter().map(PastHarness::watched).collect();
    for (start, length, slot) in table {
        let window = Window { start, end: start + length };
        let result = harness.fetch(window, agents.clone(), slot).await;
        assert_eq!((result.error, result.answered.len()), (None, 8));
        for (_, presence) in result.answered {
            let presence = presence.unwrap();
            let times = presence.parts.iter().flat_map(|part| part.times.iter().map(|(_, time)| time.get()));
            let total: u64 = times.sum();
            assert!(total.abs_diff(window.length().get()) <= 20 && presence.observed.get() == total, "{length:?}");
            let starts: Vec<_> = presence.parts.iter().map(|part| part.start).collect();
            let micros = i64::try_from(slot.max(seconds(1)).as_micros()).unwrap();
            assert!(starts.is_sorted() && starts.iter().all(|start| start.micros() % micros == 0));
        }
    }
    let none = harness.fetch(Window { start, end: start + HOUR }, Vec::new(), SLOT).await;
    assert_eq!((none.answered.len(), none.failed.len(), none.error), (0, 0, None));
    let future = Window { start: NOW + DAY, end: NOW + 2 * DAY };
    let future = harness.fetch(future, agents, SLOT).await;
    assert!(future.answered.iter().all(|(_, presence)| presence.is_none()), "{:?}", future.error);
}
