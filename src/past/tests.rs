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
    let period = |moment| periods.window(periods.number_of(moment)).unwrap().start;
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

#[test]
fn run_interrupted_at_any_byte_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let zone = TimeZone::named("Europe/Berlin").unwrap();
    let agents = agents(2, &zone);
    let source = || Fake::new(3, vec![limits(2, 300)]);
    let asked = || question(half_a_day(), By::Day, &zone);
    let mut file = StateFile::open(&path, asked()).unwrap();
    let (whole, _) = read(&source(), &agents, &mut file, &InstantClock::default());
    drop(file);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() < 4_000, "{}", bytes.len());

    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let source = source();
        let mut file = StateFile::open(&path, asked()).unwrap();
        let (resumed, unread) = read(&source, &agents, &mut file, &InstantClock::default());
        assert!(unread.agents.is_empty() && resumed == whole, "{cut}");
        // What is in whole lines is not asked again.
        let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let asked = source.answered.lock().unwrap().len();
        assert_eq!(asked, bytes.iter().filter(|byte| **byte == b'\n').count() - lines.max(1), "{cut}");
    }
}

#[test]
fn failed_agents_are_retried_and_then_left_out() {
    let zone = TimeZone::UTC;
    let agents = agents(4, &zone);
    let clock = InstantClock::default();
    let mut source = Fake::new(1, vec![limits(4, 240)]);
    source.fails = Box::new(|_, agent| &**agent == "1");
    source.not_before = Some(Monotonic::from_start(Duration::from_secs(600)));
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &zone)).unwrap();
    let (found, unread) = read(&source, &agents, &mut file, &clock);
    assert_eq!(unread.agents, [AgentId::from("1")]);
    assert_eq!(unread.error.unwrap().message, "CXone server error (503)");
    assert!(
        found[1].is_none()
            && [0, 2, 3].iter().all(|other| found[*other].as_ref().unwrap().done_until == half_a_day().end)
    );
    // The first wait lasts until the source allows requests.
    let waits: Vec<u64> = clock.0.lock().unwrap().1.iter().map(Duration::as_secs).collect();
    assert_eq!(waits, [600, 20, 60]);
}

#[test]
fn refused_agents_are_not_retried() {
    let agents = agents(2, &TimeZone::UTC);
    let clock = InstantClock::default();
    let mut source = Fake::new(1, vec![limits(4, 100_000)]);
    source.fails = Box::new(|_, agent| &**agent == "1");
    source.refuses = true;
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
    let (_, unread) = read(&source, &agents, &mut file, &clock);
    assert_eq!(unread.agents, [AgentId::from("1")]);
    // The other agent's second piece is asked without it.
    assert_eq!((*source.calls.lock().unwrap(), clock.0.lock().unwrap().1.len()), (2, 0));
}

#[test]
fn permanent_failures_end_the_run_without_a_wait() {
    let agents = agents(40, &TimeZone::UTC);
    // The last one is that of a 404.
    for kind in [ErrorKind::BadRequest, ErrorKind::Unauthorized, ErrorKind::Forbidden, ErrorKind::UnexpectedStatus] {
        let clock = InstantClock::default();
        let mut source = Fake::new(1, vec![limits(2, 60)]);
        source.fails = Box::new(|_, _| true);
        source.kind = kind;
        let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
        let (_, unread) = read(&source, &agents, &mut file, &clock);
        assert_eq!(unread.agents.len(), 40);
        assert_eq!((*source.calls.lock().unwrap(), clock.0.lock().unwrap().1.len()), (2, 0));
    }
}

#[test]
fn one_odd_answer_is_retried() {
    let agents = agents(2, &TimeZone::UTC);
    // Bodies that are none of CXone's at any time, and refusals once there was an answer.
    let table = [
        (ErrorKind::Decode, 1),
        (ErrorKind::NotJson, 1),
        (ErrorKind::Decode, 3),
        (ErrorKind::BadRequest, 3),
        (ErrorKind::Forbidden, 3),
        (ErrorKind::UnexpectedStatus, 2),
    ];
    for (kind, failing) in table {
        let clock = InstantClock::default();
        let mut source = Fake::new(1, vec![limits(2, 60)]);
        source.fails = Box::new(move |call, _| call == failing);
        source.kind = kind;
        let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
        let log = CapturedLog::start();
        let (_, unread) = read(&source, &agents, &mut file, &clock);
        assert!(unread.agents.is_empty() && unread.error.is_none(), "{kind:?}");
        assert_eq!(clock.0.lock().unwrap().1, [RETRY_WAIT]);
        let retries = log.lines("reading a piece failed; it is tried again");
        assert!(
            retries.len() == 1 && retries[0].contains("agents=2 reason=\"CXone server error (503)\" wait_seconds=5")
        );
    }
}

#[test]
fn waits_are_told_every_30_s() {
    let agents = agents(1, &TimeZone::UTC);
    let mut source = Fake::new(1, vec![limits(1, 100_000)]);
    source.yields = 3;
    source.not_before = Some(Monotonic::from_start(Duration::from_secs(100)));
    let range = Window { start: half_a_day().start + Duration::from_secs(120), ..half_a_day() };
    let mut file = StateFile::temporary(question(range, By::Total, &TimeZone::UTC)).unwrap();
    let clock = InstantClock::default();
    let reader = RangeReader { tenant: "acme", agents: &agents, offline_states: &[], source: &source, clock: &clock };
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let log = CapturedLog::start();
    let mut told = Vec::new();
    let mut progress = |progress: RangeProgress| told.push((clock.monotonic(), progress.done));
    runtime.block_on(reader.read(&mut file, &mut progress)).unwrap();
    let at = |seconds, done| (Monotonic::from_start(Duration::from_secs(seconds)), done);
    let zero = Micros::ZERO;
    assert_eq!(told, [at(0, zero), at(30, zero), at(60, zero), at(90, zero), at(90, range.length())]);
    // The end of the wait is logged once; the time of day of this clock does not move.
    let waiting = log.lines("waiting until CXone allows requests again");
    let until = format!("until={}", fixture::NOW + Duration::from_secs(70));
    assert!(waiting.len() == 1 && waiting[0].contains(&until), "{waiting:?}");
}

#[test]
fn pieces_after_the_first_begin_on_the_grid() {
    let source = Fake::new(1, vec![limits(1, 240)]);
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
    read(&source, &agents(1, &TimeZone::UTC), &mut file, &InstantClock::default());
    let answered = source.answered.lock().unwrap();
    let starts: Vec<String> = answered.iter().map(|(_, window)| window.start.to_string()[11..16].to_owned()).collect();
    assert_eq!(starts, ["04:58", "05:00", "09:00", "13:00"]);
}

#[test]
fn other_limits_after_a_failure_need_no_wait() {
    let agents = agents(2, &TimeZone::UTC);
    let clock = InstantClock::default();
    // The limits change with each call.
    let mut source = Fake::new(1, vec![limits(2, 60), limits(2, 30)]);
    source.fails = Box::new(|call, _| call <= 3);
    source.kind = ErrorKind::BadRequest;
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
    let (_, unread) = read(&source, &agents, &mut file, &clock);
    assert!(unread.agents.is_empty() && clock.0.lock().unwrap().1.is_empty());
}

#[test]
fn run_ends_when_nothing_is_read_any_more() {
    let agents = agents(40, &TimeZone::UTC);
    let mut source = Fake::new(1, vec![limits(2, 60)]);
    source.fails = Box::new(|call, _| call > 20);
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
    let (found, unread) = read(&source, &agents, &mut file, &InstantClock::default());
    assert_eq!(unread.agents.len(), 40);
    assert!(found.iter().all(|times| times.as_ref().unwrap().periods(file.periods()).count() == 0));
    // Four times the one piece, and once the next one.
    assert_eq!(*source.calls.lock().unwrap(), 25);
}

#[test]
fn pieces_are_bounded_by_memory() {
    let agents = agents(1_000, &TimeZone::UTC);
    let source = Fake::new(1, vec![limits(1_000, 60 * 24 * 30)]);
    let range = Window { end: half_a_day().start + Duration::from_secs(86_400), ..half_a_day() };
    let mut file = StateFile::temporary(question(range, By::Total, &TimeZone::UTC)).unwrap();
    read(&source, &agents, &mut file, &InstantClock::default());
    let answered = source.answered.lock().unwrap();
    let longest = answered.iter().map(|(_, window)| window.length().get() / 60_000_000).max();
    assert_eq!((longest, answered.len()), (Some(240), 7_000));
}

fn refusal(path: &Path, question: Question) -> String {
    StateFile::open(path, question).unwrap_err().to_string()
}

#[test]
fn state_file_of_another_question_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let range = half_a_day();
    let zone = TimeZone::named("Europe/Berlin").unwrap();
    drop(StateFile::open(&path, question(range, By::Day, &zone)).unwrap());
    let before = fs::read(&path).unwrap();
    assert_eq!(StateFile::end_of(&path), Some(range.end));

    let later = Window { end: range.end + SLOT, ..range };
    let mut shop = question(range, By::Day, &zone);
    shop.tenants = [("shop".to_owned(), shop.tenants["acme"].clone())].into();
    let mut changed = fixture::tenant("acme", 0);
    changed.states.offline.clear();
    let table = [
        (question(later, By::Day, &zone), "its range ends at 2026-10-25T16:58:00Z, and not 2026-10-25T17:03:00Z"),
        (question(range, By::Hour, &zone), "it sums by day, and not hour"),
        (question(range, By::Day, &TimeZone::UTC), "its time zone is Europe/Berlin, and not UTC"),
        (shop, "its tenants are `acme`, and not `shop`"),
        (
            Question::new(range, By::Day, zone.clone(), SLOT, [&changed]),
            "the configuration of tenant `acme` has changed since",
        ),
    ];
    for (asked, difference) in table {
        let refused = refusal(&path, asked);
        assert!(refused.contains(&format!("is of another run: {difference}; ask the same")), "{refused}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn foreign_damaged_and_locked_files_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let asked = || question(half_a_day(), By::Day, &TimeZone::UTC);
    for contents in ["x", "agent,seconds\n1,2\n", "{}\n"] {
        fs::write(&path, contents).unwrap();
        assert!(refusal(&path, asked()).ends_with("is not a state file of this program; name another one"));
        assert_eq!(fs::read_to_string(&path).unwrap(), contents);
    }
    assert!(refusal(folder.path(), asked()).contains("is not a state file"));
    assert!(refusal(&folder.path().join("none/state"), asked()).contains("cannot be opened: No such file"));
    assert!(
        refusal(&folder.path().join("none/state"), asked()).ends_with("check the path, and that the disk has room")
    );

    // An empty file that exists becomes the owner's alone.
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let agents = agents(1, &TimeZone::UTC);
    let mut file = StateFile::open(&path, asked()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refusal(&path, asked()).contains("is in use by another process"));
    read(&Fake::new(1, vec![limits(1, 240)]), &agents, &mut file, &InstantClock::default());
    let changed = PastAgent { absent_limit: None, ..agents[0].clone() };
    let difference = file.progress("acme", &changed).unwrap_err().to_string();
    assert!(difference.contains("the schedule or the `absent_limit` of an agent has changed since"), "{difference}");
    drop(file);

    // What cannot be a line is not read into memory.
    let torn = fs::File::options().append(true).open(&path).unwrap();
    let length = torn.metadata().unwrap().len();
    torn.set_len(length + (64 << 20)).unwrap();
    assert!(refusal(&path, asked()).starts_with("line 6 of the state file"));
    torn.set_len(length).unwrap();

    // A line twice, and a line that is missing.
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let table = [
        ([&lines[..3], &lines[2..]].concat(), 4),
        ([&lines[..1], &lines[2..]].concat(), 2),
        ([&lines[..2], &["{\"tenant\":\n"], &lines[2..]].concat(), 3),
    ];
    for (damaged, line) in table {
        fs::write(&path, damaged.concat()).unwrap();
        assert!(refusal(&path, asked()).starts_with(&format!("line {line} of the state file")));
    }
}
