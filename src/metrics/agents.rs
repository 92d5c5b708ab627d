//! A snapshot's samples: the part of a document that grows with the number of agents.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::catalogue;
use super::own::as_count;
use crate::config::Agent;
use crate::exposition::{Block, BlockBuilder, Family, Packing, Part};
use crate::presence::{AgentId, AgentPresence, Micros, OTHER_STATE, StateName};
use crate::refresh::{AgentData, Snapshot};

/// The room for one line, in bytes. Room that is left over is given back before anything was written to it.
const LINE_BYTES: usize = 128;

/// With fewer agents than this, one thread renders them: it is done in a few milliseconds.
const ALONE_BELOW: usize = 1_000;

/// The most threads that render at once. The states alone take a third of the time, so more would have nothing to do.
const MOST_THREADS: usize = 3;

/// The block is sent with every scrape until the next refresh.
const PACKING: Packing = Packing::Deflated;

/// The families, in the order of the document. The first is the largest, so that no thread begins it last.
const FAMILIES: [Written; 9] = [
    Written { write: state_seconds, lines: |snapshot| snapshot.snapshot.tenant.declared_states.len() + 1 },
    Written::per_agent(|builder, snapshot| {
        per_agent(builder, snapshot, &catalogue::AGENT_OBSERVED_SECONDS, |data| Some(data.observed().seconds_f64()));
    }),
    Written::per_agent(current_state),
    Written::per_agent(|builder, snapshot| {
        per_agent(builder, snapshot, &catalogue::AGENT_LAST_DATA_TIMESTAMP_SECONDS, |data| {
            Some(data.presence.as_ref()?.last_data.seconds_f64())
        });
    }),
    Written::per_agent(info),
    Written::per_agent(offline_limit),
    Written::per_agent(|builder, snapshot| {
        per_agent(builder, snapshot, &catalogue::AGENT_SCHEDULED_SECONDS, |data| {
            Some(data.presence.as_ref()?.scheduled?.total.seconds_f64())
        });
    }),
    Written::per_agent(|builder, snapshot| {
        per_agent(builder, snapshot, &catalogue::AGENT_SCHEDULED_OFFLINE_SECONDS, |data| {
            Some(data.presence.as_ref()?.scheduled?.offline.seconds_f64())
        });
    }),
    Written { write: states_unknown, lines: |_| 0 },
];

/// A family, and how it is written.
struct Written {
    write: fn(&mut BlockBuilder, &Labelled<'_>),
    /// How many lines an agent has of it. A wrong guess costs a copy.
    lines: fn(&Labelled<'_>) -> usize,
}

/// A snapshot with what stands for each agent, worked out once for all families.
struct Labelled<'a> {
    snapshot: &'a Snapshot,
    labels: Vec<AgentId>,
}

/// Renders everything that a snapshot says of agents.
///
/// - An agent with data has a sample for each declared state, at 0 where it was not in it, and for each state it was
///   in. Where the tenant answered and reported nothing, there is only `cxone_agent_observed_seconds`, at 0.
/// - An agent without data, or whose data is too old, keeps only what comes from the configuration.
///
/// Large tenants are rendered by several threads, family by family. It takes milliseconds, so it is no work for a
/// thread that serves.
pub fn render(snapshot: &Snapshot) -> Block {
    let snapshot = &Labelled::new(snapshot);
    if snapshot.labels.len() < ALONE_BELOW {
        let mut builder = BlockBuilder::with_capacity(FAMILIES.iter().map(|family| family.room(snapshot)).sum());
        FAMILIES.iter().for_each(|family| (family.write)(&mut builder, snapshot));
        return builder.finish(PACKING);
    }
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let parts: [OnceLock<Part>; FAMILIES.len()] = Default::default();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((family, part)) = FAMILIES.iter().zip(&parts).nth(next.fetch_add(1, Ordering::Relaxed)) {
            let mut builder = BlockBuilder::with_capacity(family.room(snapshot));
            (family.write)(&mut builder, snapshot);
            part.get_or_init(|| builder.part(PACKING));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread is to be had, the others do its work.
            let _ = std::thread::Builder::new().name("render".to_owned()).spawn_scoped(scope, work);
        }
        work();
    });
    Block::of(parts.into_iter().filter_map(OnceLock::into_inner), PACKING)
}

/// How many states there are that nobody has announced: neither documented nor configured.
fn states_unknown(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let tenant = &snapshot.snapshot.tenant;
    let splits = tenant.splits_codes();
    let is_known = |state: &StateName| {
        tenant.declared_states.contains(state)
            || tenant.offline_states.contains(state)
            || tenant.state_map.values().any(|shown| shown == state)
            || (splits && state.starts_with("Unavailable: "))
            || **state == *OTHER_STATE
    };
    let presences = snapshot.with_data().filter_map(|(_, data)| data.presence.as_ref());
    // Agents share the allocations of names, so most are told to be the same without looking at them.
    let mut seen: Vec<&StateName> = Vec::new();
    for (state, _) in presences.flat_map(|presence| &presence.states) {
        if !seen.iter().any(|known| Arc::ptr_eq(known, state) || *known == state) {
            seen.push(state);
        }
    }
    let unknown = as_count(seen.into_iter().filter(|state| !is_known(state)).count());
    builder.family(&catalogue::STATES_UNKNOWN).sample(&[], unknown);
}

fn per_agent(
    builder: &mut BlockBuilder,
    snapshot: &Labelled<'_>,
    family: &'static Family,
    value: fn(&AgentData) -> Option<f64>,
) {
    let mut samples = builder.family(family);
    for (label, data) in snapshot.with_data() {
        if let Some(value) = value(data) {
            samples.sample(&[label], value);
        }
    }
}

fn state_seconds(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let declared = &snapshot.snapshot.tenant.declared_states;
    let mut samples = builder.family(&catalogue::AGENT_STATE_SECONDS);
    for (label, data) in snapshot.with_data() {
        // An agent of whom nothing was reported was not offline for no time; nobody knows.
        let Some(AgentPresence { states: seen, .. }) = &data.presence else {
            continue;
        };
        let time_in =
            |state: &StateName| seen.iter().find(|(name, _)| name == state).map_or(Micros::ZERO, |(_, time)| *time);
        for state in declared {
            samples.sample(&[label, state], time_in(state).seconds_f64());
        }
        for (state, time) in seen.iter().filter(|(state, _)| !declared.contains(state)) {
            samples.sample(&[label, state], time.seconds_f64());
        }
    }
}

fn current_state(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let mut samples = builder.family(&catalogue::AGENT_CURRENT_STATE_SECONDS);
    for (label, data) in snapshot.with_data() {
        if let Some((state, unbroken)) = data.presence.as_ref().and_then(|presence| presence.current.as_ref()) {
            samples.sample(&[label, state], unbroken.seconds_f64());
        }
    }
}

fn info(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let mut info = builder.family(&catalogue::AGENT_INFO);
    for (label, agent) in snapshot.agents() {
        let [name, team] = [&agent.name, &agent.team].map(|text| text.as_deref().unwrap_or_default());
        info.sample(&[label, name, team], 1.0);
    }
}

fn offline_limit(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let mut limits = builder.family(&catalogue::AGENT_OFFLINE_LIMIT_SECONDS);
    for (label, agent) in snapshot.agents() {
        if let Some(limit) = agent.offline_limit {
            limits.sample(&[label], limit.as_secs_f64());
        }
    }
}

// === impl Written ===

impl Written {
    /// A family with one line per agent.
    const fn per_agent(write: fn(&mut BlockBuilder, &Labelled<'_>)) -> Self {
        Self { write, lines: |_| 1 }
    }

    /// The room for its samples, in bytes.
    fn room(&self, snapshot: &Labelled<'_>) -> usize {
        snapshot.labels.len().saturating_mul((self.lines)(snapshot)).saturating_mul(LINE_BYTES)
    }
}

// === impl Labelled ===

impl<'a> Labelled<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let tenant = &snapshot.tenant;
        Self { snapshot, labels: tenant.agents.iter().map(|agent| tenant.label(agent)).collect() }
    }

    fn agents(&self) -> impl Iterator<Item = (&str, &Agent)> {
        self.labels.iter().map(|label| &**label).zip(&self.snapshot.tenant.agents)
    }

    fn with_data(&self) -> impl Iterator<Item = (&str, &AgentData)> {
        let rows = self.labels.iter().zip(&self.snapshot.rows);
        rows.filter_map(|(label, row)| Some((&**label, row.data.as_deref()?)))
    }
}
