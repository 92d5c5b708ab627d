//! Round trips of the stored state.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::presence::{AgentPresence, Micros, PresenceChart, StateName, Window, WindowPart};
use crate::refresh::counters::teams::{TeamCounter, TeamCounters};
use crate::refresh::counters::tests::{STATES, counting_tenant, refreshed, server, snapshot as reading};
use crate::refresh::counters::{AgentCounter, StateCount, StateCounters};
use crate::refresh::{AgentData, AgentRow, Moment, Published, RestoredState, Snapshot, Status};
use crate::storage::format::Body;
use crate::storage::frame::{self, FormatError};
use crate::storage::tenant_store::restore_from;

const DAY: Duration = Duration::from_secs(86_400);

/// A snapshot as it is published, all of it read at `read_at`.
pub(super) fn published(snapshot: Snapshot, status: Status, read_at: Option<Moment>) -> Published {
    let source = Arc::new(ScriptedSource::new(DrivenClock::new(START), &[]));
    let render = |_: &Snapshot| Arc::new(BlockBuilder::new().finish(Packing::Stored));
    let published = Published::new(Arc::clone(&snapshot.tenant), source, &render).with_snapshot(snapshot, &render);
    Published { status, full_start: read_at, last_read: read_at, ..published }
}

pub(super) fn bytes(published: &Published, failures: u32) -> Vec<u8> {
    frame::frame(&serde_json::to_vec(&Body::of(published, failures)).unwrap())
}

pub(super) fn restored_from(
    published: &Published,
    tenant: &Arc<Tenant>,
    now: Moment,
) -> Result<RestoredState, FormatError> {
    restore_from(&bytes(published, 0), tenant, now).map(|(restored, _)| restored)
}

fn moment(utc: Timestamp) -> Moment {
    // Late on the monotonic clock, so that it has earlier moments too.
    Moment { monotonic: crate::clock::Monotonic::from_start(DAY * 40), utc }
}

/// Any presence of a tally within a day, without scheduled time, which needs an agent's schedule.
fn presence() -> impl Strategy<Value = AgentPresence> {
    let name =
        prop_oneof!["[A-Z][a-z]{0,8}", "\\PC{1,40}", Just("\"\\\u{0}\n".to_owned()), Just("__other__".to_owned())];
    let states = proptest::collection::btree_map(name, 0..1_300_000_000_u64, 0..65);
    (states, 0..=86_400_000_000_u64, any::<Option<(proptest::sample::Index, u64)>>(), any::<i64>()).prop_map(
        |(states, observed, current, last_data)| {
            let states: Vec<(StateName, Micros)> =
                states.into_iter().map(|(name, time)| (StateName::from(name), Micros::new(time))).collect();
            let current = current.filter(|_| !states.is_empty());
            AgentPresence {
                current: current.map(|(index, time)| (Arc::clone(&index.get(&states).0), Micros::new(time))),
                states,
                folded: Vec::new(),
                observed: Micros::new(observed),
                unbroken_offline: None,
                last_data: Timestamp::from_micros(last_data),
                scheduled: None,
                chart: PresenceChart::default(),
                timeline: None,
                parts: Default::default(),
            }
        },
    )
}

/// An agent's row: nothing, an answer without data, or data; read up to ten minutes ago, in one of some refreshes.
fn row() -> impl Strategy<Value = Option<(Option<AgentPresence>, u64)>> {
    proptest::option::of((proptest::option::of(presence()), 0..600_u64))
}

fn snapshot(rows: &[Option<(Option<AgentPresence>, u64)>], now: Moment) -> Snapshot {
    let rows = rows.iter().map(|row| AgentRow {
        data: row.clone().map(|(presence, age)| {
            let utc = now.utc.saturating_sub(Duration::from_secs(age));
            let window = Window::ending_at(utc.whole_second(), DAY);
            Arc::new(AgentData { presence, window, read_at: Moment::remembered(utc, now) })
        }),
    });
    Snapshot { tenant: Arc::new(tenant()), rows: rows.collect(), counters: Arc::default() }
}

type Row = Option<(Option<AgentPresence>, Window, Moment)>;

fn contents(snapshot: &Snapshot) -> Vec<Row> {
    let data = |row: &AgentRow| row.data.as_deref().map(|data| (data.presence.clone(), data.window, data.read_at));
    snapshot.rows.iter().map(data).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn presence_round_trip(rows in proptest::collection::vec(row(), 3..=3), micros in 0..1_000_000_i64) {
        let now = moment(Timestamp::from_micros(START.micros() + micros));
        let snapshot = snapshot(&rows, now);
        let expected = contents(&snapshot);
        let status = Status {
            up: true,
            window: Some(Window::ending_at(START, DAY)),
            last_success: Some(START),
            last_attempt: Some(now.utc),
            last_duration: Some(Duration::from_millis(1_250)),
            ..Status::default()
        };
        let published = published(snapshot, status.clone(), Some(now));
        let restored = restored_from(&published, &published.snapshot.tenant, now).unwrap();
        prop_assert_eq!(contents(&restored.snapshot), expected);
        prop_assert_eq!(restored.status, status);
        prop_assert_eq!((restored.full_start, restored.last_read), (Some(now), Some(now)));
    }

    #[test]
    fn any_json_is_read_or_refused(body in "[\\[\\]{}:,\"a-z0-9 -]{0,80}") {
        let _ = restore_from(&frame::frame(body.as_bytes()), &Arc::new(tenant()), moment(START));
    }
}

/// The tenant with counters, and its snapshot with those of one agent, last read at [`START`].
fn counting() -> (Tenant, Snapshot) {
    let mut tenant = tenant();
    tenant.query.incremental = Some(crate::config::Incremental::default());
    let count = |name: &str, time, closed| StateCount { name: name.into(), time: Micros::from_seconds(time), closed };
    let part = |start, times| WindowPart { start: Timestamp::from_seconds(start), times };
    let counter = AgentCounter {
        states: vec![count("Busy", 700, -3_000_000), count("休憩", 0, 0)],
        open: vec![part(1_699_990_000, vec![(0, Micros::from_seconds(503)), (1, Micros::new(7))])],
        from: Some(Timestamp::from_seconds(1_699_990_000)),
        read_to: START,
        counted_to: START + DAY,
        repeats: true,
        is_hidden: false,
    };
    let agents = [("2".into(), Arc::new(counter)), ("gone".into(), Arc::default())];
    let team = |time| TeamCounter { states: vec![("Busy".into(), Micros::from_seconds(time))], read_to: START };
    let teams = TeamCounters([("Billing".into(), team(9_000)), ("".into(), team(700))].into());
    let counters = StateCounters { agents: agents.into(), teams };
    (tenant.clone(), Snapshot { counters: Arc::new(counters), ..Snapshot::empty(Arc::new(tenant)) })
}

#[test]
fn counters_survive_restarts_crashes_and_changed_shards() {
    let (tenant, snapshot) = counting();
    let stored = bytes(&published(snapshot.clone(), Status::default(), None), 0);
    let now = moment(START + Duration::from_secs(30));
    let restored = |bytes: &[u8], tenant: &Tenant| {
        restore_from(bytes, &Arc::new(tenant.clone()), now).unwrap().0.snapshot.counters
    };
    let is_shown = |counters: &StateCounters| counters.of(&"2".into()).is_some();
    assert_eq!(restored(&stored, &tenant), snapshot.counters);
    assert!(is_shown(&snapshot.counters));

    // After a crash within a refresh, higher values may have been exposed.
    let crashed = [&stored[..], frame::attempt(START + Duration::from_secs(10)).as_bytes()].concat();
    let after_crash = restored(&crashed, &tenant);
    assert_eq!(after_crash.agents, StateCounters::clone(&snapshot.counters).hidden().agents);
    assert!(!is_shown(&after_crash));
    assert_eq!(after_crash.teams, TeamCounters::default(), "teams begin with 0, which is a reset");
    let again = bytes(&published(Snapshot { counters: after_crash, ..snapshot.clone() }, Status::default(), None), 0);
    assert!(!is_shown(&restored(&again, &tenant)), "until the agent is read");

    let (mut interval, sharded, mut renamed) = (tenant.clone(), tenant.clone(), tenant.clone());
    interval.query.interval.length *= 2;
    let shard = crate::cli::fixture::config([sharded]).of_shard(crate::config::Shard::new(1, 2).unwrap()).unwrap();
    assert_eq!(restored(&stored, &shard.tenants[0]), snapshot.counters);
    renamed.states.map.insert("Busy".into(), "Talking".into());
    // Other names, or buckets that spread time in another way.
    for other in [renamed, interval] {
        let closed = restored(&stored, &other);
        assert_eq!(*closed, StateCounters::clone(&snapshot.counters).closed());
        assert!(is_shown(&closed));
    }

    let (mut moved, mut off) = (tenant.clone(), tenant);
    moved.connection.base_url = "https://other.example.com".parse().unwrap();
    off.counters = false;
    for other in [moved, off] {
        assert_eq!(*restored(&stored, &other), StateCounters::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Over restarts and crashes within a refresh, the increases that Prometheus sees of a team are the truth, and no value decreases
    /// but to a beginning with 0. Of a crash it does not see, as the value has already passed the one before, that one is lost.
    #[test]
    fn team_counters_increase_by_the_truth_over_crashes(
        server in server(0, 0),
        steps in proptest::collection::vec((1..40_i64, 0..4_u8), 1..30),
    ) {
        let mut tenant = Tenant::clone(&counting_tenant());
        tenant.agents[0].team = Some("Billing".to_owned());
        let tenant = Arc::new(tenant);
        let mut counters = StateCounters::default();
        let (mut last, mut seen, mut unseen) = (BTreeMap::<StateName, u64>::new(), [0; 3], [0; 3]);
        let (first, mut now) = (300 + steps[0].0, 300);
        for (after, kind) in steps {
            let saved = Snapshot { counters: Arc::new(counters.clone()), ..Snapshot::empty(Arc::clone(&tenant)) };
            let mut file = bytes(&published(saved, Status::default(), None), 0);
            now += after;
            if kind == 1 {
                file.extend_from_slice(frame::attempt(Timestamp::from_seconds(now)).as_bytes());
            }
            if kind <= 1 {
                let (restored, _) = restore_from(&file, &tenant, moment(Timestamp::from_seconds(now))).unwrap();
                counters = StateCounters::clone(&restored.snapshot.counters);
            }
            counters = refreshed(&counters, &reading(&tenant, server.presence(now), now));
            for (state, time) in counters.teams.of("Billing").unwrap() {
                let before = last.insert(Arc::clone(state), time.get()).unwrap_or_default();
                // As `increase()`, which takes a lower value for a beginning with 0.
                let rise = time.get().checked_sub(before).unwrap_or(time.get());
                prop_assert!(kind == 1 || time.get() >= before);
                let place = STATES.iter().position(|name| **name == **state).unwrap();
                seen[place] += rise / 1_000_000;
                if kind == 1 && time.get() >= before {
                    unseen[place] += before / 1_000_000;
                    prop_assert!(time.get() <= u64::try_from(after).unwrap() * 1_000_000, "less than a refresh counts");
                }
            }
            for (place, seconds) in server.count(first, now, |_| true) {
                prop_assert_eq!(i64::try_from(seen[place] + unseen[place]).unwrap(), seconds, "at {}", now);
            }
        }
    }
}

#[test]
fn damaged_counters_are_refused() {
    let (tenant, snapshot) = counting();
    let published = published(snapshot, Status::default(), None);
    let text = serde_json::to_string(&Body::of(&published, 0)).unwrap();
    let tenant = Arc::new(tenant);
    let restore = |text: &str| restore_from(&frame::frame(text.as_bytes()), &tenant, moment(START)).map(|_| ());
    assert!(restore(&text).is_ok());
    for (from, to) in [
        ("[1,7]", "[2,7]"),
        ("[0,700000000,", "[9,700000000,"),
        ("[0,9000000000]", "[9,9000000000]"),
        ("\"休憩\"", "\"\""),
    ] {
        assert!(text.contains(from), "{text}");
        assert!(restore(&text.replace(from, to)).is_err(), "{from} {to}");
    }
}

/// The figures of a large tenant; run by hand with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement of this machine")]
fn figures_of_thirty_thousand_agents() {
    let now = moment(START);
    let states = ["Available", "Busy", "WrapUp", "Offline", "Lunch", "Training"];
    let presence = |agent: u64| AgentPresence {
        folded: Vec::new(),
        states: states
            .iter()
            .zip(1..)
            .map(|(state, nth)| (StateName::from(*state), Micros::new(1_234_567_890 * nth + agent)))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        observed: Micros::new(80_000_000_000),
        current: Some((StateName::from("Busy"), Micros::new(1_234_567_890))),
        unbroken_offline: None,
        last_data: START,
        scheduled: None,
        chart: PresenceChart::default(),
        timeline: None,
        parts: Default::default(),
    };
    let mut tenant = tenant();
    let agent = tenant.agents[0].clone();
    tenant.agents = (0..30_000_u64)
        .map(|nth| crate::config::Agent { id: format!("{}", 1_234_567_890_123_456_789 + nth).into(), ..agent.clone() })
        .collect();
    let window = Window::ending_at(START, DAY);
    let rows = (0..30_000).map(|nth| AgentRow {
        data: Some(Arc::new(AgentData { presence: Some(presence(nth)), window, read_at: now })),
    });
    let published = published(
        Snapshot { tenant: Arc::new(tenant), rows: rows.collect(), counters: Arc::default() },
        Status::default(),
        Some(now),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.cxone");
    let start = std::time::Instant::now();
    let bytes = bytes(&published, 0);
    let encoded = start.elapsed();
    file::replace(&path, &[&bytes]).unwrap();
    let written = start.elapsed();
    let restored = restore_from(&bytes, &published.snapshot.tenant, now).unwrap().0;
    assert_eq!(contents(&restored.snapshot).len(), 30_000);
    eprintln!(
        "{} bytes, encoded {encoded:?}, with write {written:?}, read back {:?}",
        bytes.len(),
        start.elapsed() - written
    );
}
