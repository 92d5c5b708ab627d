//! From the buckets of one agent to its presence: order, repetitions, overlaps, sums.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::current_state::current_state;
use super::store::{BucketStore, Entry, Share, scale};
use crate::presence::state_names::StateNames;
use crate::presence::{
    AgentPresence, Micros, OnShift, PresenceChart, PresenceChartBuilder, Rejection, Rejections, Schedule,
    ScheduledTime, StateName, WatchedAgent, Window,
};

/// Counts agent after agent, reusing its working space.
pub(super) struct Counter<'a> {
    window: Window,
    store: BucketStore,
    names: &'a [StateName],
    /// Per state: its place among all names in order, whether it is offline, and its time with the agent in hand.
    states: Vec<State>,
    /// The buckets of the agent in hand, in order of time once they are prepared.
    entries: Vec<Entry>,
    /// The states of the agent in hand.
    seen: Vec<usize>,
    /// Schedules that were laid over the window already; agents share few.
    on_shift: Vec<(Arc<Schedule>, OnShift)>,
    chart: PresenceChartBuilder,
    rejections: Rejections,
}

#[derive(Debug, Default)]
struct State {
    rank: usize,
    offline: bool,
    seen: bool,
    time: Micros,
    /// Its place among the states of the agent in hand.
    place: usize,
}

// === impl Counter ===

impl<'a> Counter<'a> {
    pub(super) fn new(
        window: Window,
        store: BucketStore,
        names: &'a StateNames,
        offline_states: &[StateName],
        rejections: Rejections,
    ) -> Self {
        let names = names.as_slice();
        let mut states: Vec<State> =
            names.iter().map(|name| State { offline: offline_states.contains(name), ..State::default() }).collect();
        let mut in_order: Vec<_> = names.iter().zip(&mut states).collect();
        in_order.sort_unstable_by_key(|(name, _)| *name);
        for (rank, (_, state)) in in_order.into_iter().enumerate() {
            state.rank = rank;
        }
        Self {
            window,
            store,
            names,
            states,
            entries: Vec::new(),
            seen: Vec::new(),
            on_shift: Vec::new(),
            chart: PresenceChartBuilder::default(),
            rejections,
        }
    }

    /// What was not counted, so far.
    pub(super) fn into_rejections(self) -> Rejections {
        self.rejections
    }

    /// The presence of the agent at `agent`, if anything was reported for it. Every agent is counted once.
    pub(super) fn count(&mut self, agent: usize, watched: &WatchedAgent) -> Option<AgentPresence> {
        self.entries.clear();
        self.entries.extend(self.store.entries_of(agent));
        self.entries.reverse();
        if !self.entries.is_sorted_by(|earlier, later| earlier.span.end <= later.span.start) {
            self.put_in_order();
        }
        self.keep_what_counts();
        let last_data = self.entries.last()?.span.end;
        let current = current_state(&self.store, &self.entries, self.window.end)
            .and_then(|(state, time)| Some((Arc::clone(self.names.get(state.0)?), time)));
        let scheduled = watched.schedule.as_ref().map(|schedule| self.held_against(schedule));
        let states = self.sum();
        let observed = states.iter().map(|(_, time)| *time).sum();
        Some(AgentPresence { states, observed, current, last_data, scheduled, chart: self.chart() })
    }

    /// Sorts the buckets by start, then end, and drops repetitions. Of several that disagree, the one with the
    /// most time counts, so that it does not matter which came first.
    fn put_in_order(&mut self) {
        let Self { store, names, entries, rejections, .. } = self;
        entries.sort_unstable_by(|a, b| {
            (a.span.start, a.span.end)
                .cmp(&(b.span.start, b.span.end))
                .then_with(|| by_contents(store.shares(a), store.shares(b), names).reverse())
        });
        entries.dedup_by(|later, earlier| {
            let repeated = later.span == earlier.span;
            if repeated {
                rejections.add(Rejection::Duplicate);
            }
            repeated
        });
    }

    /// Cuts each bucket down to the part that lies in the window and that no earlier one covers.
    fn keep_what_counts(&mut self) {
        let Self { window, store, entries, rejections, .. } = self;
        // Buckets come by start, so the time that earlier ones cover past this one's start has no holes.
        let mut covered = window.start;
        entries.retain_mut(|entry| {
            let Some(inside) = entry.span.intersection(*window) else {
                return false;
            };
            let rest = Window { start: inside.start.max(covered), end: inside.end };
            if rest != inside {
                rejections.add(Rejection::Overlap);
                scale(store.shares_mut(entry), rest.length(), inside.length().into());
            }
            entry.span = rest;
            covered = covered.max(rest.end);
            rest.start < rest.end
        });
    }

    /// Time in each state, in the order of names.
    fn sum(&mut self) -> Vec<(StateName, Micros)> {
        self.seen.clear();
        for share in self.entries.iter().flat_map(|entry| self.store.shares(entry)) {
            if let Some(state) = self.states.get_mut(share.state.0) {
                if !std::mem::replace(&mut state.seen, true) {
                    self.seen.push(share.state.0);
                }
                state.time = state.time + share.time;
            }
        }
        self.seen.sort_unstable_by_key(|&index| self.states.get(index).map(|state| state.rank));
        let take = |(place, &index): (usize, &usize)| {
            let state = self.states.get_mut(index)?;
            state.seen = false;
            state.place = place;
            Some((Arc::clone(self.names.get(index)?), std::mem::take(&mut state.time)))
        };
        // As they are kept, there is no more room than is needed.
        let mut states = Vec::with_capacity(self.seen.len());
        states.extend(self.seen.iter().enumerate().filter_map(take));
        states
    }

    /// The buckets hour by hour, once they are summed.
    fn chart(&mut self) -> PresenceChart {
        let Self { store, entries, states, chart, .. } = self;
        for entry in entries.iter() {
            let place = |share: &Share| Some((states.get(share.state.0)?.place, share.time));
            chart.add(entry.span, store.shares(entry).iter().filter_map(place));
        }
        chart.finish()
    }

    /// How the buckets go together with `schedule`.
    fn held_against(&mut self, schedule: &Arc<Schedule>) -> ScheduledTime {
        let known = self.on_shift.iter().position(|(known, _)| Arc::ptr_eq(known, schedule));
        let at = known.unwrap_or_else(|| {
            self.on_shift.push((Arc::clone(schedule), schedule.within(self.window)));
            self.on_shift.len() - 1
        });
        let Some((_, on_shift)) = self.on_shift.get(at) else {
            return ScheduledTime::default();
        };
        let is_offline = |share: &&Share| self.states.get(share.state.0).is_some_and(|state| state.offline);
        let offline_on_shift = |entry: &Entry| {
            let offline: Micros = self.store.shares(entry).iter().filter(is_offline).map(|share| share.time).sum();
            offline.prorated(on_shift.overlap(entry.span), entry.span.length().into())
        };
        ScheduledTime { total: on_shift.total(), offline: self.entries.iter().map(offline_on_shift).sum() }
    }
}

/// Orders contents of buckets by their sum, then state by state, whatever order the states came in.
fn by_contents(a: &[Share], b: &[Share], names: &[StateName]) -> Ordering {
    let total = |shares: &[Share]| shares.iter().map(|share| share.time).sum::<Micros>();
    let by_name = |shares: &[Share]| {
        let mut times = BTreeMap::<Option<&StateName>, Micros>::new();
        for share in shares {
            let time = times.entry(names.get(share.state.0)).or_default();
            *time = *time + share.time;
        }
        times
    };
    total(a).cmp(&total(b)).then_with(|| by_name(a).cmp(&by_name(b)))
}
