//! Incremental refreshes equal full refreshes, for any history of a tenant and any failures.

use std::ops::Range;

use chrono::NaiveTime;
use proptest::prelude::*;

use super::*;
use crate::presence::{
    AgentPresence, IncrementalTally, Micros, Schedule, Shift, StateName, Tally, TallyOutcome, TimeZone,
};

const STEP: i64 = 10;
const WINDOW: Duration = Duration::from_secs(100);
const SETTLE: i64 = 15;
const SETTINGS: Incremental =
    Incremental { settle: Duration::from_secs(SETTLE.unsigned_abs()), full_refresh_interval: Duration::from_secs(70) };
const AGENTS: [&str; 4] = ["a", "b", "c", "d"];
const STATES: [&str; 4] = ["Available", "Busy", "Offline", ""];

type Shares = Vec<(usize, u64)>;

/// A bucket as a server has it: what it says changes once, and no later than it settles.
#[derive(Debug, Clone)]
struct Row {
    agent: usize,
    span: Range<i64>,
    draft: Option<Shares>,
    last: Option<Shares>,
    changes_at: i64,
}

/// Everything that a server will ever know.
#[derive(Debug)]
struct History(Vec<Row>, bool);

/// How a history is drawn.
#[derive(Debug, Clone)]
struct Drawing {
    seed: u64,
    /// Where buckets begin, past the full step.
    phase: i64,
    /// A bucket that is longer or shorter, as the day is on which clocks change, and how long it is.
    changed: Option<(usize, i64)>,
    /// How many buckets of a hundred are repeated, with the same contents or with others.
    repeated: u8,
    /// How many buckets lie across the others.
    odd: u8,
    /// Whether the bucket that is not over ends where time has got to.
    ends_now: bool,
}

/// One refresh: how long after the one before, how far our clock is ahead, the agents, which batches fail, and whether the
/// process restarts before it.
#[derive(Debug, Clone)]
struct Step {
    restarts: bool,
    after: i64,
    ahead: i64,
    asked: [bool; 4],
    fails: [bool; 4],
    order: u64,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn watched(agent: usize) -> WatchedAgent {
    let time = |minute| NaiveTime::from_hms_opt(0, minute, 30).unwrap();
    let schedule = Schedule {
        timezone: TimeZone::UTC,
        days: [true; 7],
        hours: vec![Shift { start: time(1), end: time(3) }, Shift { start: time(4), end: time(5) }],
        holidays: Vec::new(),
        leave: Vec::new(),
    };
    WatchedAgent { id: AGENTS[agent].into(), schedule: (agent < 2).then(|| Arc::new(schedule)) }
}

fn tally(window: Window, agents: &[WatchedAgent]) -> Tally {
    Tally::new(window, agents.to_vec(), ["Offline".into()].into(), &["Busy".into()])
}

// === impl Drawing ===

impl Drawing {
    fn history(&self) -> History {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let (mut rows, mut start) = (Vec::new(), self.phase - 15 * STEP);
        for cell in 0..70 {
            let length = self.changed.filter(|(changed, _)| *changed == cell).map_or(STEP, |(_, length)| length);
            for agent in 0..AGENTS.len() {
                let row = Row::drawn(&mut rng, agent, start..start + length);
                if rng.u8(..100) < self.repeated {
                    rows.push(if rng.bool() { row.clone() } else { Row::drawn(&mut rng, agent, row.span.clone()) });
                }
                rows.push(row);
            }
            start += length;
        }
        for _ in 0..self.odd {
            let (agent, start) = (rng.usize(..AGENTS.len()), rng.i64(-150..550));
            let length = rng.i64(1..25);
            let row = Row::drawn(&mut rng, agent, start..start + length);
            // Some are there only when they are over, and so may begin before what is asked for then.
            rows.push(Row { draft: row.draft.filter(|_| rng.bool()), ..row });
        }
        History(rows, self.ends_now)
    }
}

// === impl Row ===

impl Row {
    fn drawn(rng: &mut fastrand::Rng, agent: usize, span: Range<i64>) -> Self {
        let mut shares = || {
            let one = |rng: &mut fastrand::Rng| {
                let time = [rng.u64(..12) * 1_000_000, rng.u64(..7_000_000), 0][rng.usize(..3)];
                (rng.usize(..STATES.len()), time)
            };
            let count = rng.usize(1..4);
            let shares: Shares = (0..count).map(|_| one(rng)).collect();
            (rng.u8(..8) > 0).then_some(shares)
        };
        let (draft, last) = (shares(), shares());
        let changes_at = span.end + rng.i64(-3..=SETTLE);
        Self { agent, span, draft, last, changes_at }
    }

    fn shares(&self, now: i64) -> Option<&Shares> {
        let shares = if now >= self.changes_at { &self.last } else { &self.draft };
        shares.as_ref().filter(|_| self.span.start < now)
    }
}

// === impl History ===

impl History {
    /// Counts into `tally` what is answered at `now` for `range`: every bucket that overlaps it, in whatever order.
    fn answer(&self, tally: &mut Tally, range: Window, now: i64, order: u64) {
        let overlaps = |row: &&Row| at(row.span.start) < range.end && at(row.span.end) > range.start;
        let mut rows: Vec<&Row> = self.0.iter().filter(overlaps).collect();
        fastrand::Rng::with_seed(order).shuffle(&mut rows);
        for row in rows {
            let Some(shares) = row.shares(now) else { continue };
            let end = if self.1 { row.span.end.min(now) } else { row.span.end };
            push(tally, AGENTS[row.agent], (row.span.start, end), shares);
        }
    }

    fn in_full(&self, window: Window, agents: &[WatchedAgent], now: i64) -> TallyOutcome {
        let mut tally = tally(window, agents);
        self.answer(&mut tally, window, now, 0);
        tally.finish()
    }
}

fn push(tally: &mut Tally, agent: &str, (start, end): (i64, i64), shares: &Shares) {
    let agent = tally.agent(agent);
    for &(state, micros) in shares {
        let state = tally.state_named(STATES[state]);
        tally.state(Some(state), Ok(Micros::new(micros)));
    }
    tally.bucket(agent, Some(at(start)), Some(at(end)));
}

/// Reads a batch as the source does; `answer` is asked for ranges.
pub(super) fn read(
    cache: &mut BucketCache,
    batch: Batch,
    window: Window,
    behind: Duration,
    answer: &mut impl FnMut(&mut Tally, Window),
) -> TallyOutcome {
    let (mut batch, mut again) = (batch, false);
    loop {
        let query = batch.query.unwrap();
        let mut tally = IncrementalTally::new(tally(window, &batch.agents), query);
        answer(tally.as_mut(), query.range);
        let head = cache.head(query, window).filter(|_| tally.has_partial_bucket(&batch.histories));
        if let Some(head) = head {
            tally.begin_head(head);
            answer(tally.as_mut(), head);
        }
        let mut outcome = tally.finish(&batch.histories, cache.settled(query, window, behind));
        if outcome.inconsistent {
            cache.distrust(window.end);
            batch = cache.in_full(&batch, window);
            continue;
        }
        if !std::mem::replace(&mut again, true)
            && let Some(whole) = cache.with_found_boundaries(&batch, window, &outcome)
        {
            batch = whole;
            continue;
        }
        cache.keep(&batch, window, &mut outcome, &vec![false; batch.agents.len()]);
        return outcome.tally;
    }
}

fn new_cache(size: usize) -> BucketCache {
    let mut cache = BucketCache::new(SETTINGS, Duration::from_secs(STEP.unsigned_abs()));
    cache.spread(AGENTS.len(), size);
    cache
}

/// The cache that a new process restores.
fn restarted(cache: &BucketCache, size: usize) -> BucketCache {
    let mut tenant = file::tests::tenant();
    tenant.query.interval.length = Duration::from_secs(STEP.unsigned_abs());
    let mut restarted = new_cache(size);
    restarted.restore(CacheFile::read(&cache.file().write(&tenant), &tenant).unwrap());
    restarted
}

/// A server that cuts buckets at the edges of the requested range. States change every few seconds.
#[derive(Debug, Clone)]
struct CuttingServer {
    seed: u64,
    /// Whether buckets are at full steps, or start with the range.
    aligned: bool,
    /// Seconds from the full step to its boundaries, where these are not those of the range.
    phase: i64,
    /// Whether it cuts at the start of the range, and at the end.
    cuts_at: (bool, bool),
    /// Nothing is reported for all agents in each of these ranges of seconds.
    silent: Vec<Range<i64>>,
}

fn cutting_server() -> impl Strategy<Value = CuttingServer> {
    let silent =
        prop::collection::vec((-100..400_i64, 1..150_i64).prop_map(|(start, length)| start..start + length), 0..4);
    let cuts_at = prop::sample::select(&[(true, true), (true, true), (true, false), (false, true)][..]);
    (any::<u64>(), any::<bool>(), prop::sample::select(&[0, 0, 5][..]), cuts_at, silent).prop_map(
        |(seed, aligned, phase, cuts_at, silent)| {
            // Buckets that start with the range and are whole do not end where the window's first one does.
            let aligned = aligned || !cuts_at.1;
            CuttingServer { seed, aligned, phase, cuts_at, silent }
        },
    )
}

// === impl CuttingServer ===

impl CuttingServer {
    /// The state of an agent in a second; `None` if nothing is reported.
    fn state(&self, agent: usize, second: i64) -> Option<usize> {
        let seed = self.seed ^ second.div_euclid(4).cast_unsigned() ^ (agent as u64) << 40;
        let state = fastrand::Rng::with_seed(seed).usize(..4);
        // Agents are silent by themselves as well.
        (state < 3 && !self.silent.iter().any(|silent| silent.contains(&second))).then_some(state)
    }

    fn answer(&self, tally: &mut Tally, range: Window, now: i64) {
        let (first, last) = (range.start.micros() / 1_000_000, range.end.micros() / 1_000_000);
        for (agent, id) in AGENTS.iter().enumerate() {
            let boundary = |second: i64| (second - self.phase).div_euclid(STEP) * STEP + self.phase;
            let mut start = if self.cuts_at.0 { first } else { boundary(first) };
            while start < last {
                let step = if self.aligned { boundary(start) + STEP } else { start + STEP };
                let end = if self.cuts_at.1 { step.min(last) } else { step };
                let shares: Shares =
                    (start..end.min(now)).filter_map(|second| Some((self.state(agent, second)?, 1_000_000))).collect();
                push(tally, id, (start, end), &shares);
                start = end;
            }
        }
    }

    /// The exact time per state of an agent, in microseconds.
    fn exact(&self, agent: usize, window: Window) -> HashMap<StateName, u64> {
        let mut sums = HashMap::new();
        for second in window.start.micros() / 1_000_000..window.end.micros() / 1_000_000 {
            if let Some(state) = self.state(agent, second) {
                *sums.entry(STATES[state].into()).or_default() += 1_000_000;
            }
        }
        sums
    }
}

fn times(presence: Option<&AgentPresence>) -> HashMap<StateName, u64> {
    presence.iter().flat_map(|presence| &presence.states).map(|(name, time)| (Arc::clone(name), time.get())).collect()
}

fn drawing() -> impl Strategy<Value = Drawing> {
    let changed = prop::option::of((20..60_usize, prop::sample::select(&[3_i64, 7, 13, 20][..])));
    let phase = prop::sample::select(&[0_i64, 0, 4][..]);
    let repeated = prop::sample::select(&[0_u8, 0, 2, 30][..]);
    let odd = prop::sample::select(&[0_u8, 0, 1, 4, 20][..]);
    (any::<u64>(), phase, changed, repeated, odd, any::<bool>()).prop_map(
        |(seed, phase, changed, repeated, odd, ends_now)| Drawing { seed, phase, changed, repeated, odd, ends_now },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![6 => 1..12_i64, 1 => 12..130_i64];
    let ahead = prop_oneof![8 => Just(0_i64), 1 => -20..20_i64];
    let asked = prop_oneof![3 => Just([true; 4]), 1 => any::<[bool; 4]>()];
    let fails = prop_oneof![3 => Just([false; 4]), 1 => any::<[bool; 4]>()];
    let restarts = prop::bool::weighted(0.1);
    (after, ahead, asked, fails, any::<u64>(), restarts)
        .prop_map(|(after, ahead, asked, fails, order, restarts)| Step { restarts, after, ahead, asked, fails, order })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    /// Late corrections, failed batches, agents that come and go, clocks that are wrong, hours that are not full, days on
    /// which clocks change, repetitions and overlaps: all of it.
    #[test]
    fn incremental_equals_full(
        drawing in drawing(),
        size in 1..5_usize,
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let history = drawing.history();
        let mut cache = new_cache(size);
        let mut now = 0;
        for step in steps {
            now += step.after;
            if step.restarts {
                cache = restarted(&cache, size);
            }
            let window = Window::ending_at(at(now + step.ahead), WINDOW);
            let agents: Vec<_> = (0..AGENTS.len()).filter(|agent| step.asked[*agent]).map(watched).collect();
            let behind = Duration::from_secs(step.ahead.max(0).unsigned_abs());
            let expected = history.in_full(window, &agents, now);
            let expected: HashMap<&AgentId, &Option<AgentPresence>> =
                agents.iter().map(|agent| &agent.id).zip(&expected.agents).collect();
            let batches = cache.plan(window, agents.clone(), size, |agent| *agent.id == *"b");
            let mut asked = 0;
            for (nth, batch) in batches.into_iter().enumerate() {
                asked += batch.agents.len();
                prop_assert!(batch.agents.len() <= size);
                if step.fails[nth % 4] {
                    continue;
                }
                let ids: Vec<_> = batch.agents.iter().map(|agent| agent.id.clone()).collect();
                let mut answer = |tally: &mut Tally, range: Window| history.answer(tally, range, now, step.order);
                let counted = read(&mut cache, batch, window, behind, &mut answer);
                for (id, presence) in ids.iter().zip(&counted.agents) {
                    prop_assert_eq!(&presence, &expected[id], "agent {} at {}", id, now);
                }
            }
            prop_assert_eq!(asked, agents.len());
            cache.refreshed(window, true);
        }
    }

    /// A server that cuts buckets at the edges of a request reports the exact time in the window, and incremental refreshes
    /// come to it too: after silence of all agents, failures and restarts.
    #[test]
    fn incremental_is_exact_with_cut_buckets(
        server in cutting_server(),
        size in 1..5_usize,
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let mut cache = new_cache(size);
        let mut now = 0;
        for step in steps {
            now += step.after;
            if step.restarts {
                cache = restarted(&cache, size);
            }
            let window = Window::ending_at(at(now), WINDOW);
            let agents: Vec<_> = (0..AGENTS.len()).filter(|agent| step.asked[*agent]).map(watched).collect();
            let mut full = tally(window, &agents);
            server.answer(&mut full, window, now);
            let full: HashMap<AgentId, _> = agents.iter().map(|agent| agent.id.clone()).zip(full.finish().agents).collect();
            for (nth, batch) in cache.plan(window, agents, size, |_| false).into_iter().enumerate() {
                if step.fails[nth % 4] {
                    continue;
                }
                let ids: Vec<_> = batch.agents.iter().map(|agent| agent.id.clone()).collect();
                let mut answer = |tally: &mut Tally, range: Window| server.answer(tally, range, now);
                let counted = read(&mut cache, batch, window, Duration::ZERO, &mut answer);
                for (id, presence) in ids.iter().zip(&counted.agents) {
                    let agent = AGENTS.iter().position(|known| **known == **id).unwrap();
                    prop_assert_eq!(times(presence.as_ref()), times(full[id].as_ref()), "agent {} at {}", id, now);
                    if server.cuts_at.0 {
                        prop_assert_eq!(times(presence.as_ref()), server.exact(agent, window), "agent {} at {}", id, now);
                    }
                }
            }
            cache.refreshed(window, true);
        }
    }
}
