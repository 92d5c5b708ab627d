//! Properties of sums for any answers, through the page decoder and the tally: pages, batches, order, repetition, notation
//! and the place of the window change no sum.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use cxone_exporter::presence::{AgentPresence, Micros, Tally, TallyOutcome, Timestamp, WatchedAgent, Window};
use cxone_exporter::upstream::presence_api::wire::decode_page;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Ids in the notations of tenants. The last one is of no requested agent.
const AGENTS: [&str; 4] = ["9007199254740993", "2", "agent-3", "stranger"];
const ASKED: usize = 3;
const STATES: [&str; 4] = ["Available", "Offline", "Lunch \"late\"", "休憩"];

/// A midnight in UTC, from which the seconds of the properties count.
const EPOCH: i64 = 1_700_006_400;
const HOUR: i64 = 3_600;

/// A bucket before it is written as JSON.
#[derive(Debug, Clone)]
struct Bucket {
    agent: usize,
    /// Seconds since [`EPOCH`].
    start: i64,
    end: i64,
    /// Microseconds per state.
    states: Vec<(usize, u64)>,
}

/// How a bucket is written as JSON.
#[derive(Debug, Clone)]
struct Notation {
    fields_backwards: bool,
    duration_as_string: bool,
    with_unknown_fields: bool,
    minutes_east: i32,
}

// === impl Bucket ===

impl Bucket {
    fn json(&self, notation: &Notation) -> String {
        let moment = |seconds: i64| {
            let zone = FixedOffset::east_opt(notation.minutes_east * 60).unwrap();
            let moment = DateTime::from_timestamp(EPOCH + seconds, 0).unwrap().with_timezone(&zone);
            moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
        };
        let states = self.states.iter().map(|&(state, micros)| {
            // Written from integers, so that no float rounds it.
            let seconds = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            let seconds = if notation.duration_as_string { format!("\"{seconds}\"") } else { seconds };
            let name = serde_json::Value::from(STATES[state]);
            notation.object(vec![("state", name.to_string()), ("duration", seconds)])
        });
        let states: Vec<_> = states.collect();
        notation.object(vec![
            ("agentId", format!("\"{}\"", AGENTS[self.agent])),
            ("startTime", format!("\"{}\"", moment(self.start))),
            ("endTime", format!("\"{}\"", moment(self.end))),
            ("states", format!("[{}]", states.join(","))),
        ])
    }
}

// === impl Notation ===

impl Notation {
    const PLAIN: Self =
        Self { fields_backwards: false, duration_as_string: false, with_unknown_fields: false, minutes_east: 0 };

    fn object(&self, mut fields: Vec<(&str, String)>) -> String {
        if self.with_unknown_fields {
            fields.push(("percentage", "[1, {\"state\": null}]".to_owned()));
        }
        if self.fields_backwards {
            fields.reverse();
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    }
}

fn window(from: i64, to: i64) -> Window {
    Window { start: Timestamp::from_seconds(EPOCH + from), end: Timestamp::from_seconds(EPOCH + to) }
}

fn page(buckets: &[String]) -> String {
    format!("{{\"data\": [{}], \"nextPageToken\": null}}", buckets.join(","))
}

/// The result of the documented rules for one agent.
#[derive(Debug, PartialEq, Default)]
struct Expected {
    states: BTreeMap<String, u64>,
    /// The newest state and its unbroken time in microseconds.
    current: Option<(String, u64)>,
    /// The end of the newest data in microseconds since 1970.
    last_data: i64,
}

/// Counts the buckets of an agent by the documented rules alone, in whole microseconds. No two buckets have the same span.
fn count_by_rules(
    window: Window,
    buckets: &[Bucket],
    agent: usize,
    map: &BTreeMap<String, String>,
) -> Option<Expected> {
    let (from, to) = (i128::from(window.start.micros()), i128::from(window.end.micros()));
    let micros = |seconds: i64| i128::from(EPOCH + seconds) * 1_000_000;
    let is_counted = |bucket: &&Bucket| {
        bucket.agent == agent
            && !bucket.states.is_empty()
            && bucket.start < bucket.end
            && micros(bucket.start) < to
            && micros(bucket.end) > from
    };
    let mut counted: Vec<_> = buckets.iter().filter(is_counted).collect();
    counted.sort_by_key(|bucket| (bucket.start, bucket.end));
    let (mut expected, mut runs, mut covered) = (Expected::default(), Vec::new(), from);
    for bucket in counted {
        let mut times = BTreeMap::<String, i128>::new();
        for (state, time) in &bucket.states {
            let name = STATES[*state].to_owned();
            *times.entry(map.get(&name).cloned().unwrap_or(name)).or_default() += i128::from(*time);
        }
        let (start, end) = (micros(bucket.start), micros(bucket.end).min(to));
        let whole = times.values().sum::<i128>().max(end - start);
        let inside = end - start.max(from);
        let rest_start = start.max(from).max(covered);
        covered = covered.max(end);
        if rest_start >= end {
            continue;
        }
        // The part in the window that no earlier bucket covers.
        let rest = |time: i128| time * inside / whole * (end - rest_start) / inside;
        let times: BTreeMap<String, i128> = times.into_iter().map(|(name, time)| (name, rest(time))).collect();
        for (name, time) in &times {
            *expected.states.entry(name.clone()).or_default() += u64::try_from(*time).unwrap();
        }
        runs.push((rest_start, end, times));
    }
    let newest = runs.last()?;
    expected.last_data = i64::try_from(newest.1).unwrap();
    let only = |times: &BTreeMap<String, i128>| {
        let mut present = times.iter().filter(|(_, time)| **time > 0);
        present.next().filter(|_| present.next().is_none()).map(|(name, time)| (name.clone(), *time))
    };
    expected.current = only(&newest.2).map(|(state, mut unbroken)| {
        let mut begins = newest.0;
        let mut is_full = unbroken == newest.1 - newest.0;
        for (start, end, times) in runs.iter().rev().skip(1) {
            let full = end - start;
            is_full = is_full && *end == begins && only(times) == Some((state.clone(), full));
            if !is_full {
                break;
            }
            unbroken += full;
            begins = *start;
        }
        (state, u64::try_from(unbroken).unwrap())
    });
    Some(expected)
}

fn tally(window: Window, agents: &[&str]) -> Tally {
    let agents = agents.iter().map(|id| WatchedAgent { id: (*id).into(), schedule: None }).collect();
    Tally::new(window, agents, ["Offline".into()].into(), &[])
}

/// Counts `pages` within `window`.
fn count(window: Window, agents: &[&str], pages: &[String]) -> TallyOutcome {
    let mut tally = tally(window, agents);
    for page in pages {
        decode_page(page.as_bytes(), &mut tally).unwrap();
    }
    tally.finish()
}

fn plain(buckets: &[Bucket]) -> Vec<String> {
    buckets.iter().map(|bucket| bucket.json(&Notation::PLAIN)).collect()
}

/// Time per agent and state; states without time are left out.
fn sums(agents: &[Option<AgentPresence>]) -> Vec<BTreeMap<String, u64>> {
    let states = |presence: &AgentPresence| {
        let states = presence.states.iter().filter(|(_, time)| time.get() > 0);
        states.map(|(name, time)| (name.to_string(), time.get())).collect()
    };
    agents.iter().map(|agent| agent.as_ref().map(states).unwrap_or_default()).collect()
}

/// Buckets of any span: they overlap, repeat, and reach over the window of a day.
fn any_buckets() -> impl Strategy<Value = Vec<Bucket>> {
    let coarse = (-3..26_i64, 0..4_i64).prop_map(|(start, hours)| (start * HOUR, (start + hours) * HOUR));
    let fine = (-2 * HOUR..26 * HOUR, 0..3 * HOUR).prop_map(|(start, length)| (start, start + length));
    let states = vec((0..STATES.len(), 0..5_000_000_000_u64), 0..4);
    let bucket = (0..AGENTS.len(), prop_oneof![3 => coarse, 1 => fine], states);
    vec(bucket.prop_map(|(agent, (start, end), states)| Bucket { agent, start, end, states }), 0..30)
}

/// Whole hours of two days, one after another, each with no more time than it is long.
fn hourly_buckets() -> impl Strategy<Value = Vec<Bucket>> {
    vec(vec((0..STATES.len(), 0..=900_000_000_u64), 1..=4), ASKED * 48).prop_map(|hours| {
        let bucket = |(at, states): (usize, Vec<(usize, u64)>)| {
            let start = i64::try_from(at / ASKED).unwrap() * HOUR;
            Bucket { agent: at % ASKED, start, end: start + HOUR, states }
        };
        hours.into_iter().enumerate().map(bucket).collect()
    })
}

fn notation() -> impl Strategy<Value = Notation> {
    let zone = select(&[0, 60, -300, 330, 765][..]);
    (any::<[bool; 3]>(), zone).prop_map(
        |([fields_backwards, duration_as_string, with_unknown_fields], minutes_east)| Notation {
            fields_backwards,
            duration_as_string,
            with_unknown_fields,
            minutes_east,
        },
    )
}

proptest! {
    #[test]
    fn pages_order_and_repetition_change_no_sum(
        buckets in any_buckets(),
        order in any::<u64>(),
        cuts in vec(any::<Index>(), 0..6),
        repeated in vec(any::<Index>(), 0..6),
    ) {
        let day = window(0, 24 * HOUR);
        let whole = count(day, &AGENTS[..ASKED], &[page(&plain(&buckets))]);
        let mut rows = plain(&buckets);
        if !rows.is_empty() {
            rows.extend(repeated.iter().map(|row| row.get(&plain(&buckets)).clone()).collect::<Vec<_>>());
        }
        fastrand::Rng::with_seed(order).shuffle(&mut rows);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(rows.len() + 1)).chain([0, rows.len()]).collect();
        cuts.sort_unstable();
        let pages: Vec<_> = cuts.windows(2).map(|cut| page(&rows[cut[0]..cut[1]])).collect();
        prop_assert_eq!(count(day, &AGENTS[..ASKED], &pages).agents, whole.agents);
    }

    #[test]
    fn batches_change_no_sum(buckets in any_buckets()) {
        let day = window(0, 24 * HOUR);
        let whole = count(day, &AGENTS[..ASKED], &[page(&plain(&buckets))]);
        for (at, id) in AGENTS[..ASKED].iter().enumerate() {
            let own: Vec<_> = buckets.iter().filter(|bucket| bucket.agent == at).cloned().collect();
            let batch = count(day, &[id], &[page(&plain(&own))]);
            prop_assert_eq!(&batch.agents[0], &whole.agents[at]);
        }
    }

    #[test]
    fn notation_changes_no_sum(rows in any_buckets(), notations in vec(notation(), 30)) {
        let day = window(0, 24 * HOUR);
        let written: Vec<_> = rows.iter().zip(&notations).map(|(bucket, notation)| bucket.json(notation)).collect();
        let [plain, written] = [plain(&rows), written].map(|rows| count(day, &AGENTS[..ASKED], &[page(&rows)]));
        prop_assert_eq!(plain, written);
    }

    #[test]
    fn a_truncated_page_leaves_the_tally_unchanged(
        buckets in any_buckets(),
        broken in any_buckets(),
        cut in any::<Index>(),
    ) {
        let mut tally = tally(window(0, 24 * HOUR), &AGENTS[..ASKED]);
        let whole = page(&plain(&broken));
        let cut = cut.index(whole.len());
        prop_assert!(decode_page(&whole.as_bytes()[..cut], &mut tally).is_err());
        decode_page(page(&plain(&buckets)).as_bytes(), &mut tally).unwrap();
        prop_assert!(decode_page(&whole.as_bytes()[..cut], &mut tally).is_err());
        let clean = count(window(0, 24 * HOUR), &AGENTS[..ASKED], &[page(&plain(&buckets))]);
        prop_assert_eq!(sums(&tally.finish().agents), sums(&clean.agents));
    }

    #[test]
    fn no_agents_sum_exceeds_the_window(
        buckets in any_buckets(),
        absurd in vec(select(&["1e300", "1e400", "-5", "\"NaN\"", "\"1e17\"", "18446744073709551616", "null", "86400.0000001"][..]), 30),
        (from, hours) in (-3..26 * HOUR, 1..24_i64),
    ) {
        let within = window(from, from + hours * HOUR);
        let rows = buckets.iter().zip(absurd).map(|(bucket, absurd)| {
            bucket.json(&Notation::PLAIN).replacen("\"duration\": ", &format!("\"duration\": {absurd}, \"was\": "), 1)
        });
        let mut tally = tally(within, &AGENTS[..ASKED]);
        if decode_page(page(&rows.collect::<Vec<_>>()).as_bytes(), &mut tally).is_err() {
            // A number that is not finite may be refused with its page.
            return Ok(());
        }
        let outcome = tally.finish();
        for presence in outcome.agents.iter().flatten() {
            prop_assert!(presence.observed <= within.length());
            prop_assert_eq!(presence.states.iter().map(|(_, time)| *time).sum::<Micros>(), presence.observed);
        }
    }

    #[test]
    fn a_day_counts_the_same_on_any_day(buckets in any_buckets(), days in -5_000..5_000_i64) {
        let shift = days * 24 * HOUR;
        let moved = buckets.iter().cloned().map(|bucket| Bucket { start: bucket.start + shift, end: bucket.end + shift, ..bucket });
        let there = count(window(shift, shift + 24 * HOUR), &AGENTS[..ASKED], &[page(&plain(&moved.collect::<Vec<_>>()))]);
        let here = count(window(0, 24 * HOUR), &AGENTS[..ASKED], &[page(&plain(&buckets))]);
        prop_assert_eq!(sums(&there.agents), sums(&here.agents));
        prop_assert_eq!(there.rejections, here.rejections);
    }
}

/// Buckets of an hour that one state often fills, listed once or twice under names that may be merged.
fn full_buckets() -> impl Strategy<Value = Vec<Bucket>> {
    let parts = prop_oneof![
        4 => Just(vec![3_600_000_000]),
        2 => Just(vec![1_800_000_001, 1_799_999_999]),
        1 => Just(vec![3_600_000_000, 7]),
        1 => Just(vec![3_599_999_999]),
        1 => vec(0..3_600_000_000_u64, 1..4),
    ];
    let states = (select(&[0_usize, 0, 0, 0, 1, 2][..]), parts, select(&[0_usize, 0, 0, 1, 3][..]));
    // The second part is in the same state or in another one, which may have the same name.
    let states = states.prop_map(|(state, parts, other): (usize, Vec<u64>, usize)| {
        parts.into_iter().enumerate().map(|(nth, time)| (if nth == 0 { state } else { other }, time)).collect()
    });
    vec(prop::option::weighted(0.95, states), 20..30).prop_map(|hours| {
        let bucket =
            |(hour, states)| Some(Bucket { agent: 0, start: hour * HOUR, end: (hour + 1) * HOUR, states: states? });
        (-1..).zip(hours).filter_map(bucket).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// Sums, the current state and the end of the data agree with the rules: merged and repeated names, clipped, scaled and
    /// overlapping buckets, unknown time.
    #[test]
    fn tally_agrees_with_the_rules(
        mut buckets in prop_oneof![any_buckets(), full_buckets()],
        merged in vec((0..STATES.len(), 0..STATES.len()), 0..3),
        (from, length) in (0..3 * HOUR * 1_000_000, prop_oneof![Just(24 * HOUR * 1_000_000), 1..24 * HOUR * 1_000_000]),
    ) {
        let mut spans = HashSet::new();
        buckets.retain(|bucket| spans.insert((bucket.agent, bucket.start, bucket.end)));
        let map: BTreeMap<String, String> =
            merged.into_iter().map(|(from, to)| (STATES[from].to_owned(), STATES[to].to_owned())).collect();
        let start = Timestamp::from_micros(EPOCH * 1_000_000 + from);
        let window = Window { start, end: Timestamp::from_micros(start.micros() + length) };
        let renamed = map.iter().map(|(from, to)| (from.as_str().into(), to.as_str().into())).collect();
        let mut tally = tally(window, &AGENTS[..ASKED]).renaming(Arc::new(renamed));
        decode_page(page(&plain(&buckets)).as_bytes(), &mut tally).unwrap();
        for (agent, presence) in tally.finish().agents.into_iter().enumerate() {
            let found = presence.map(|presence| Expected {
                states: presence.states.iter().map(|(name, time)| (name.to_string(), time.get())).collect(),
                current: presence.current.map(|(name, time)| (name.to_string(), time.get())),
                last_data: presence.last_data.micros(),
            });
            prop_assert_eq!(found, count_by_rules(window, &buckets, agent, &map), "agent {}", agent);
        }
    }
}

proptest! {
    // A case is two days of three agents.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A window of whole hours has the sum of its hours, and so have two adjoining windows together.
    #[test]
    fn a_window_has_the_sum_of_its_hours(buckets in hourly_buckets(), (from, hours) in (0..24_i64, 1..=24_i64)) {
        let rows = [page(&plain(&buckets))];
        let counted = |from: i64, to: i64| sums(&count(window(from * HOUR, to * HOUR), &AGENTS[..ASKED], &rows).agents);
        let mut expected = vec![BTreeMap::new(); ASKED];
        for bucket in buckets.iter().filter(|bucket| (from * HOUR..(from + hours) * HOUR).contains(&bucket.start)) {
            for &(state, micros) in bucket.states.iter().filter(|(_, micros)| *micros > 0) {
                *expected[bucket.agent].entry(STATES[state].to_owned()).or_insert(0) += micros;
            }
        }
        prop_assert_eq!(&counted(from, from + hours), &expected);
        let mut halves = counted(from, from + hours / 2);
        if hours / 2 > 0 {
            for (sum, more) in halves.iter_mut().zip(counted(from + hours / 2, from + hours)) {
                more.into_iter().for_each(|(state, micros)| *sum.entry(state).or_insert(0) += micros);
            }
            prop_assert_eq!(halves, expected);
        }
    }
}
