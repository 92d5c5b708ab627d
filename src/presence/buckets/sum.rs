//! Sums the buckets of one agent: order, repetitions, overlaps, time per state.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::current_state::current;
use super::store::{Bucket, BucketStore, Share, scale, total};
use crate::presence::schedule::ScheduleSummer;
use crate::presence::state_names::{StateIndex, StateNames};
use crate::presence::window_parts::WindowPartsBuilder;
use crate::presence::{
    AgentPresence, Micros, PartLength, PresenceChart, PresenceChartBuilder, Rejection, Rejections, StateName,
    Timestamp, WatchedAgent, Window, WindowParts,
};

/// Sums agent by agent.
pub(super) struct PresenceSummer<'a> {
    window: Window,
    /// The time of buckets that reach beyond the window is that up to here.
    happened_until: Timestamp,
    part_length: PartLength,
    store: BucketStore,
    names: &'a [StateName],
    /// By [`StateIndex`].
    states: Vec<State>,
    /// The states of the agent that is being summed.
    seen: Vec<usize>,
    schedules: ScheduleSummer,
    chart: PresenceChartBuilder,
    parts: WindowPartsBuilder,
    rejections: Rejections,
}

#[derive(Debug, Default)]
struct State {
    /// Its position among all names in order.
    rank: usize,
    offline: bool,
    /// Whether the agent that is being summed has this state, and for how long.
    seen: bool,
    time: Micros,
    /// Its position among the states of that agent.
    place: usize,
}

// === impl PresenceSummer ===

impl<'a> PresenceSummer<'a> {
    pub(super) fn new(
        (window, happened_until): (Window, Timestamp),
        part_length: PartLength,
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
            happened_until,
            part_length,
            store,
            names,
            states,
            seen: Vec::new(),
            schedules: ScheduleSummer::new(window),
            chart: PresenceChartBuilder::default(),
            parts: WindowPartsBuilder::new(window, part_length),
            rejections,
        }
    }

    /// The rejections, including those of the sums so far.
    pub(super) fn into_rejections(self) -> Rejections {
        self.rejections
    }

    /// The presence of `agent` from its buckets; `None` without data.
    pub(super) fn sum(&mut self, agent: &WatchedAgent, mut buckets: Vec<Bucket>) -> Option<AgentPresence> {
        self.scale_to_window(&buckets);
        if !buckets.is_sorted_by(|earlier, later| earlier.span.end <= later.span.start) {
            self.sort_and_dedup(&mut buckets);
        }
        self.clip(&mut buckets);
        let last_data = buckets.last()?.span.end;
        let unbroken_offline = self.unbroken_offline(&buckets);
        // `OTHER` stands for several states.
        let current = current(&self.store, &buckets, |state| (state != StateNames::OTHER).then_some(state))
            .and_then(|(state, time)| Some((Arc::clone(self.names.get(state.0)?), time)));
        let Self { store, states, schedules, .. } = self;
        let scheduled = agent.schedule.as_ref().map(|schedule| {
            let is_offline = |share: &&Share| states.get(share.state.0).is_some_and(|state| state.offline);
            let offline =
                |bucket: &Bucket| store.shares(bucket).iter().filter(is_offline).map(|share| share.time).sum();
            schedules.scheduled_time(schedule, buckets.iter().map(|bucket| (bucket.span, offline(bucket))))
        });
        let states = self.sum_states(&buckets);
        let observed = states.iter().map(|(_, time)| *time).sum();
        Some(AgentPresence {
            folded: Vec::new(),
            states,
            observed,
            current,
            unbroken_offline,
            last_data,
            scheduled,
            chart: self.chart(&buckets),
            parts: self.parts(&buckets),
            timeline: None,
        })
    }

    /// The unbroken time offline up to the newest bucket, unless the window ends more than that bucket's length after it.
    fn unbroken_offline(&self, buckets: &[Bucket]) -> Option<Micros> {
        let newest = buckets.last()?.span;
        if newest.end + Duration::from(newest.length()) < self.window.end {
            return None;
        }
        let is_offline = |state: StateIndex| {
            let known = self.states.get(state.0).filter(|_| state != StateNames::OTHER);
            known.map(|state| state.offline)
        };
        let (is_offline, time) = current(&self.store, buckets, is_offline)?;
        Some(if is_offline { time } else { Micros::ZERO })
    }

    /// Scales the shares of each bucket to the part of it that is in the window.
    fn scale_to_window(&mut self, buckets: &[Bucket]) {
        for bucket in buckets {
            let Some(inside) = bucket.span.intersection(self.window) else { continue };
            // The part after this has not happened yet, so the reported time is that of the part before it.
            let happened = Window { end: bucket.span.end.min(self.happened_until), ..bucket.span };
            let at_most = u128::from(happened.length());
            let shares = self.store.shares_mut(bucket);
            let reported = total(shares);
            if inside != happened || reported > at_most {
                // One division caps the time and takes the part inside, so that it is rounded only once.
                scale(shares, inside.length(), reported.max(at_most));
            }
        }
    }

    /// Sorts the buckets by start, then end, and drops repetitions. If they differ, the one with the most time counts, so
    /// that the order of arrival does not matter.
    fn sort_and_dedup(&mut self, buckets: &mut Vec<Bucket>) {
        let Self { store, names, rejections, .. } = self;
        buckets.sort_unstable_by(|a, b| {
            (a.span.start, a.span.end)
                .cmp(&(b.span.start, b.span.end))
                .then_with(|| by_contents(store.shares(a), store.shares(b), names).reverse())
        });
        buckets.dedup_by(|later, earlier| {
            let repeated = later.span == earlier.span;
            if repeated {
                rejections.add(Rejection::Duplicate);
            }
            repeated
        });
    }

    /// Clips each bucket to the part that is in the window and that no earlier bucket covers.
    fn clip(&mut self, buckets: &mut Vec<Bucket>) {
        let Self { window, store, rejections, .. } = self;
        // Buckets are sorted by start, so the time that earlier ones cover after this start has no gaps.
        let mut covered = window.start;
        buckets.retain_mut(|bucket| {
            let Some(inside) = bucket.span.intersection(*window) else {
                return false;
            };
            let rest = Window { start: inside.start.max(covered), end: inside.end };
            if rest != inside {
                rejections.add(Rejection::Overlap);
                scale(store.shares_mut(bucket), rest.length(), inside.length().into());
            }
            bucket.span = rest;
            covered = covered.max(rest.end);
            rest.start < rest.end
        });
    }

    /// The time per state, ordered by name.
    fn sum_states(&mut self, buckets: &[Bucket]) -> Vec<(StateName, Micros)> {
        self.seen.clear();
        for share in buckets.iter().flat_map(|bucket| self.store.shares(bucket)) {
            if let Some(state) = self.states.get_mut(share.state.0) {
                if !std::mem::replace(&mut state.seen, true) {
                    self.seen.push(share.state.0);
                }
                state.time += share.time;
            }
        }
        self.seen.sort_unstable_by_key(|&index| self.states.get(index).map(|state| state.rank));
        let take = |(place, &index): (usize, &usize)| {
            let state = self.states.get_mut(index)?;
            state.seen = false;
            state.place = place;
            Some((Arc::clone(self.names.get(index)?), std::mem::take(&mut state.time)))
        };
        // Snapshots keep these lists, so they have no spare capacity.
        let mut states = Vec::with_capacity(self.seen.len());
        states.extend(self.seen.iter().enumerate().filter_map(take));
        states
    }

    /// The chart of the buckets, after [`PresenceSummer::sum_states`].
    fn chart(&mut self, buckets: &[Bucket]) -> PresenceChart {
        if self.part_length.is_slot() {
            return PresenceChart::default();
        }
        let Self { store, states, chart, .. } = self;
        for bucket in buckets {
            let place = |share: &Share| Some((states.get(share.state.0)?.place, share.time));
            chart.add(bucket.span, store.shares(bucket).iter().filter_map(place));
        }
        chart.finish()
    }

    /// The parts of the buckets, after [`PresenceSummer::sum_states`].
    fn parts(&mut self, buckets: &[Bucket]) -> WindowParts {
        let Self { store, states, parts, .. } = self;
        for bucket in buckets {
            let place = |share: &Share| Some((states.get(share.state.0)?.place, share.time));
            parts.add(bucket.span, store.shares(bucket).iter().filter_map(place));
        }
        parts.finish()
    }
}

/// Orders the contents of buckets by total time, then state by state, whatever the order of the states.
fn by_contents(a: &[Share], b: &[Share], names: &[StateName]) -> Ordering {
    let by_name = |shares: &[Share]| {
        let mut times = BTreeMap::<Option<&StateName>, Micros>::new();
        for share in shares {
            *times.entry(names.get(share.state.0)).or_default() += share.time;
        }
        times
    };
    total(a).cmp(&total(b)).then_with(|| by_name(a).cmp(&by_name(b)))
}
