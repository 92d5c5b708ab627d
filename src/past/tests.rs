//! Reading a range against a slow count, with failures, changing limits and interruptions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chrono::NaiveTime;
use proptest::prelude::*;
use tokio::runtime;

use super::*;
use crate::cli::fixture::{self, CapturedLog};
use crate::clock::{Clock, Monotonic, Sleep};
use crate::config::Tenant;
use crate::presence::{
    AgentId, AgentPresence, Micros, Schedule, Shift, StateName, TimeZone, Timestamp, WatchedAgent, Window, WindowPart,
};
use crate::upstream::{
    Endpoint, ErrorKind, FetchFuture, FetchResult, PastLimits, PastQuery, Query, Source, UpstreamError,
};

mod failures;
mod state_file;

const SLOT: Duration = Duration::from_secs(300);
/// The wait before the first retry.
const RETRY_WAIT: Duration = Duration::from_secs(5);
const MINUTE: i64 = 60_000_000;
const STATES: [&str; 3] = ["Available", "Busy", "Offline"];

/// A clock on which every wait is over at once.
#[derive(Default)]
struct InstantClock(Mutex<(Monotonic, Vec<Duration>)>);

impl Clock for InstantClock {
    fn now(&self) -> Timestamp {
        fixture::NOW
    }

    fn monotonic(&self) -> Monotonic {
        self.0.lock().unwrap().0
    }

    fn sleep_until(&self, deadline: Monotonic) -> Sleep {
        let (now, waits) = &mut *self.0.lock().unwrap();
        waits.push(deadline.saturating_since(*now));
        *now = deadline.max(*now);
        Box::pin(std::future::ready(()))
    }
}

/// What a call does to an agent.
type Fails = dyn Fn(usize, &AgentId) -> bool + Send + Sync;

/// A source whose presence is a function of agent and slot.
struct Fake {
    seed: u64,
    /// By the number of the call.
    limits: Vec<PastLimits>,
    fails: Box<Fails>,
    refuses: bool,
    kind: ErrorKind,
    not_before: Option<Monotonic>,
    /// How often a call is not ready yet.
    yields: usize,
    calls: Mutex<usize>,
    answered: Mutex<Vec<(AgentId, Window)>>,
}

impl Fake {
    fn new(seed: u64, limits: Vec<PastLimits>) -> Self {
        let fails = Box::new(|_, _: &AgentId| false);
        Self {
            seed,
            limits,
            fails,
            refuses: false,
            kind: ErrorKind::Server,
            not_before: None,
            yields: 0,
            calls: Mutex::default(),
            answered: Mutex::default(),
        }
    }

    /// Parts of the slot by state: whole, mixed, or nothing known.
    fn shares(&self, agent: &str, slot: Timestamp) -> &'static [(usize, u64)] {
        use std::hash::Hasher as _;
        let mut hasher = fnv::FnvHasher::default();
        // Several slots alike, so that absences are long.
        hasher.write(format!("{} {agent} {}", self.seed, slot.micros() / 5 / MINUTE / 4).as_bytes());
        match hasher.finish() >> 7 & 7 {
            0 => &[],
            1 => &[(0, 1)],
            2 => &[(0, 1), (2, 2)],
            3 => &[(1, 1)],
            _ => &[(2, 1)],
        }
    }

    fn part(&self, agent: &str, slot: Timestamp, window: Window) -> Option<WindowPart> {
        let shares = self.shares(agent, slot);
        let length = Window { start: slot, end: slot + SLOT }.intersection(window)?.length();
        let whole: u64 = shares.iter().map(|(_, share)| share).sum();
        let times = shares.iter().map(|(place, share)| (*place, length.prorated(Micros::new(*share), whole.into())));
        (!shares.is_empty()).then(|| WindowPart { start: slot, times: times.collect() })
    }

    fn presence(&self, agent: &str, window: Window) -> Option<AgentPresence> {
        let parts: Vec<_> = slots(window).filter_map(|slot| self.part(agent, slot, window)).collect();
        (!parts.is_empty()).then(|| AgentPresence {
            states: STATES.map(|state| (state.into(), Micros::ZERO)).into(),
            parts: parts.into_iter().collect(),
            ..fixture::presence(&[])
        })
    }
}

/// The starts of the slots of a window.
fn slots(window: Window) -> impl Iterator<Item = Timestamp> {
    let first = window.start.micros().div_euclid(5 * MINUTE) * 5 * MINUTE;
    (0..)
        .map(move |number| Timestamp::from_micros(first + number * 5 * MINUTE))
        .take_while(move |slot| *slot < window.end)
}

impl Source for Fake {
    fn fetch(&self, _: Query) -> FetchFuture<'_> {
        Box::pin(async { FetchResult::default() })
    }

    fn past_limits(&self) -> PastLimits {
        self.limits[*self.calls.lock().unwrap() % self.limits.len()]
    }

    fn fetch_past(&self, query: PastQuery) -> FetchFuture<'_> {
        let limits = self.past_limits();
        assert!(query.agents.len() <= limits.agents && query.slot == SLOT);
        let call = {
            let mut calls = self.calls.lock().unwrap();
            *calls += 1;
            *calls
        };
        let mut result = FetchResult::default();
        for WatchedAgent { id, .. } in query.agents {
            if (self.fails)(call, &id) {
                result.failed.push(id);
            } else {
                self.answered.lock().unwrap().push((Arc::clone(&id), query.window));
                let presence = self.presence(&id, query.window);
                result.answered.push((id, presence));
            }
        }
        let message = "CXone server error (503)".to_owned();
        let error = UpstreamError { endpoint: Endpoint::Presence, kind: self.kind, message };
        let error = Some(error).filter(|_| !result.failed.is_empty());
        if self.refuses {
            result.refusal = error;
        } else {
            result.error = error;
        }
        Box::pin(async {
            for _ in 0..self.yields {
                tokio::task::yield_now().await;
            }
            result
        })
    }

    fn not_before(&self) -> Option<Monotonic> {
        self.not_before
    }

    fn token_expiry(&self) -> Option<Timestamp> {
        None
    }
}

/// Shifts of the whole week; one begins and ends within a slot.
fn schedule(zone: &TimeZone) -> Arc<Schedule> {
    let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    let hours = vec![Shift { start: time(6, 0), end: time(11, 33) }, Shift { start: time(12, 2), end: time(1, 0) }];
    Arc::new(Schedule { timezone: zone.clone(), days: [true; 7], hours, holidays: Vec::new(), leave: Vec::new() })
}

fn agents(count: usize, zone: &TimeZone) -> Vec<PastAgent> {
    let agent = |number: usize| {
        let schedule = number.is_multiple_of(2).then(|| schedule(zone));
        let absent_limit = schedule.as_ref().map(|_| Duration::from_secs(900));
        PastAgent { watched: WatchedAgent { id: format!("{number}").into(), schedule }, absent_limit }
    };
    (0..count).map(agent).collect()
}

const fn limits(agents: usize, minutes: u64) -> PastLimits {
    PastLimits { agents, length: Duration::from_secs(minutes * 60) }
}

fn question(range: Window, by: By, zone: &TimeZone) -> Question {
    static TENANT: LazyLock<Tenant> = LazyLock::new(|| fixture::tenant("acme", 0));
    Question::new(range, by, zone.clone(), SLOT, [&*TENANT])
}

/// Reads a range and returns what is in the file.
fn read(
    source: &Fake,
    agents: &[PastAgent],
    file: &mut StateFile,
    clock: &InstantClock,
) -> (Vec<Option<AgentTimes>>, Unread) {
    let offline = [StateName::from("Offline")];
    let reader = RangeReader { tenant: "acme", agents, offline_states: &offline, source, clock };
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let mut last = 0;
    let mut progress = |progress: RangeProgress| {
        assert!(last <= progress.done.get() && progress.done <= progress.of);
        last = progress.done.get();
    };
    let unread = runtime.block_on(reader.read(file, &mut progress)).unwrap();
    (agents.iter().map(|agent| file.times("acme", std::slice::from_ref(&agent.watched.id)).unwrap()).collect(), unread)
}

/// Time by period and state, then scheduled, offline and absent.
type Sums = BTreeMap<(Timestamp, String), u64>;

fn sums(times: &AgentTimes, periods: &Periods) -> Sums {
    let mut sums = Sums::new();
    for (window, states, shift) in times.periods(periods) {
        let states = states.iter().map(|(place, time)| (times.states[*place].to_string(), *time));
        let shift = shift.into_iter().flat_map(|shift| {
            [("scheduled", shift.scheduled), ("off", shift.offline), ("absent", shift.absent)]
                .map(|(name, time)| (name.to_owned(), time))
        });
        for (name, time) in states.chain(shift).filter(|(_, time)| *time > Micros::ZERO) {
            assert!(sums.insert((window.start, name), time.get()).is_none());
        }
    }
    sums
}

/// The same, minute by minute.
fn expected(source: &Fake, agent: &PastAgent, range: Window, periods: &Periods) -> Sums {
    let mut sums = Sums::new();
    let period = |moment| periods.windows().nth(periods.number_of(moment) as usize).unwrap().start;
    let mut add = |moment, name: &str, micros| *sums.entry((period(moment), name.to_owned())).or_default() += micros;
    let on_shift = agent.watched.schedule.as_ref().map(|schedule| schedule.within(range));
    let is_on_shift = |minute: Timestamp| {
        on_shift
            .as_ref()
            .is_some_and(|shifts| shifts.shifts().iter().any(|shift| shift.start <= minute && minute < shift.end))
    };
    let minutes = |window: Window| {
        (0..)
            .map(move |number| Timestamp::from_micros(window.start.micros() + number * MINUTE))
            .take_while(move |minute| *minute < window.end)
    };
    let mut run: Vec<Timestamp> = Vec::new();
    for slot in slots(range) {
        let whole = Window { start: slot, end: slot + SLOT }.intersection(range).unwrap();
        let times = source.part(&agent.watched.id, slot, range).map(|part| part.times).unwrap_or_default();
        for (place, time) in &times {
            add(whole.start, STATES[*place], time.get());
        }
        let offline: u64 = times.iter().filter(|(place, _)| *place == 2).map(|(_, time)| time.get()).sum();
        let on: Vec<_> = minutes(whole).filter(|minute| is_on_shift(*minute)).collect();
        add(whole.start, "scheduled", u64::try_from(on.len()).unwrap() * MINUTE.unsigned_abs());
        add(
            whole.start,
            "off",
            offline * u64::try_from(on.len()).unwrap() * MINUTE.unsigned_abs() / whole.length().get(),
        );
        for minute in &on {
            if run.last().is_some_and(|last| last.micros() + MINUTE != minute.micros())
                || offline < whole.length().get()
            {
                run.clear();
            }
            if offline == whole.length().get() {
                run.push(*minute);
            }
            // A stretch is known to be longer at the end of what a slot has of a shift.
            let is_end = !on.contains(&Timestamp::from_micros(minute.micros() + MINUTE));
            if is_end && run.len() > 15 {
                let of_slot = run.iter().filter(|minute| **minute >= whole.start).count();
                let new = if run.len() - of_slot > 15 { of_slot } else { run.len() };
                add(whole.start, "absent", u64::try_from(new).unwrap() * MINUTE.unsigned_abs());
            }
        }
    }
    sums.retain(|_, time| *time > 0);
    sums
}

fn assert_close(found: &Sums, expected: &Sums) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, time) in found {
        assert!(time.abs_diff(expected[key]) < 1_000, "{key:?}: {time}, not {}", expected[key]);
    }
}

fn assert_nothing_twice(source: &Fake) {
    let answered = source.answered.lock().unwrap();
    for (place, (agent, window)) in answered.iter().enumerate() {
        for (other, another) in answered.iter().skip(place + 1) {
            assert!(agent != other || window.intersection(*another).is_none(), "{agent}: {window:?} and {another:?}");
        }
    }
}

fn any_range() -> impl Strategy<Value = Window> {
    // The change of the clocks of Berlin is at 2026-10-25T01:00Z.
    (0_i64..2 * 1_440, 1_i64..3 * 1_440).prop_map(|(start, minutes)| {
        let start = Timestamp::parse(b"2026-10-23T20:00:00Z").unwrap().micros() + start * MINUTE;
        Window { start: Timestamp::from_micros(start), end: Timestamp::from_micros(start + minutes * MINUTE) }
    })
}

fn any_limits() -> impl Strategy<Value = Vec<PastLimits>> {
    prop::collection::vec((1_usize..5, 0_u64..2_000).prop_map(|(agents, minutes)| limits(agents, minutes)), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn range_read_in_pieces_equals_the_slow_count(
        (seed, range, limits) in (any::<u64>(), any_range(), any_limits()),
        by in prop::sample::select(vec![By::Total, By::Day, By::Hour, By::Step(SLOT)]),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
        failing in 0_usize..4,
    ) {
        let zone = TimeZone::named(zone).unwrap();
        let mut source = Fake::new(seed, limits);
        // Fewer failures one after the other than an agent is left out for.
        source.fails = Box::new(move |call, agent| failing > 0 && call % 4 != 0 && (call + agent.len() * 7 + agent.as_bytes()[0] as usize) % 4 < failing);
        let agents = agents(4, &zone);
        let mut file = StateFile::temporary(question(range, by, &zone)).unwrap();
        let (found, unread) = read(&source, &agents, &mut file, &InstantClock::default());
        prop_assert!(unread.agents.is_empty() && unread.error.is_none());
        for (agent, times) in agents.iter().zip(found) {
            let times = times.unwrap();
            prop_assert_eq!(times.done_until, range.end);
            assert_close(&sums(&times, file.periods()), &expected(&source, agent, range, file.periods()));
        }
        assert_nothing_twice(&source);
    }
}

fn half_a_day() -> Window {
    let start = Timestamp::parse(b"2026-10-25T04:58:00Z").unwrap();
    Window { start, end: start + Duration::from_secs(12 * 3_600) }
}
