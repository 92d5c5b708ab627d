//! Limits the number of states. Each is a time series, so invented names must not create series.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state_names::{OTHER_STATE, StateNames};
use super::{AgentPresence, Micros, StateName};

/// The limit of states of one agent, [`OTHER_STATE`] not included; the smallest of more are summed into it.
///
/// Declared states have a series even without time, so each counts, reported or not: an agent has at most 64 series and one.
/// A tenant has some twenty states. Agents × states is the number of series.
pub const MAX_STATES_PER_AGENT: usize = 64;

/// The most states of a whole tally; the smallest of more are summed into [`OTHER_STATE`].
///
/// The limit per agent does not bound a different name for each agent, or names that are numbers. Dashboards list every value
/// of the label.
pub const MAX_STATES_PER_TALLY: usize = 1024;

/// The position of a state in `states`, where `new` adds it if it is missing. States beyond `limit` share
/// [`OTHER_STATE`], which does not count.
pub(crate) fn limited_place<T>(
    states: &mut Vec<T>,
    name: &StateName,
    limit: usize,
    name_of: impl Fn(&T) -> &StateName,
    new: impl FnOnce(StateName) -> T,
) -> usize {
    // Agents share the allocations of names, so that comparing pointers suffices for most.
    let find = |states: &[T], name: &StateName| {
        states.iter().map(&name_of).position(|known| Arc::ptr_eq(known, name) || known == name)
    };
    if let Some(place) = find(states, name) {
        return place;
    }
    let counted = states.iter().filter(|state| **name_of(state) != *OTHER_STATE).count();
    let name = if counted < limit { Arc::clone(name) } else { Arc::from(OTHER_STATE) };
    find(states, &name).unwrap_or_else(|| {
        states.push(new(name));
        states.len() - 1
    })
}

/// Applies the limits to `agents`. The first `known` of `names` are kept before all others; those of them that are `declared`
/// have a series for each agent.
pub(super) fn limit_states(
    agents: &mut [Option<AgentPresence>],
    names: &StateNames,
    declared: &[StateName],
    known: usize,
) {
    let (known, new) = names.as_slice().split_at_checked(known).unwrap_or((names.as_slice(), &[]));
    let [other, known @ ..] = known else { return };
    for presence in agents.iter_mut().flatten() {
        if presence.states.len() + declared.len() > MAX_STATES_PER_AGENT {
            let is_unseen = |name: &&StateName| !presence.states.iter().any(|(seen, _)| seen == *name);
            let limit = MAX_STATES_PER_AGENT.saturating_sub(declared.iter().filter(is_unseen).count());
            let times = presence.states.iter().map(|(name, time)| (name, u128::from(time.get())));
            let kept = largest(limit, times, other, known);
            fold(presence, &kept, other);
        }
    }
    if known.len() + new.len() > MAX_STATES_PER_TALLY {
        let mut totals = BTreeMap::<&StateName, u128>::new();
        for (name, time) in agents.iter().flatten().flat_map(|presence| &presence.states) {
            *totals.entry(name).or_default() += u128::from(time.get());
        }
        let kept = largest(MAX_STATES_PER_TALLY, totals.into_iter(), other, known);
        for presence in agents.iter_mut().flatten() {
            fold(presence, &kept, other);
        }
    }
}

/// The names to keep: known before new, longer before shorter, then by name, so that the result does not depend on their
/// order.
fn largest<'a>(
    limit: usize,
    times: impl Iterator<Item = (&'a StateName, u128)>,
    other: &StateName,
    known: &[StateName],
) -> BTreeSet<StateName> {
    let mut ranked: Vec<_> = times.filter(|(name, _)| *name != other).collect();
    ranked.sort_unstable_by_key(|&(name, time)| (!known.contains(name), std::cmp::Reverse(time), name));
    ranked.into_iter().take(limit).map(|(name, _)| Arc::clone(name)).collect()
}

/// Sums what is not in `kept` into `other`.
fn fold(presence: &mut AgentPresence, kept: &BTreeSet<StateName>, other: &StateName) {
    let before: Vec<StateName> = presence.states.iter().map(|(name, _)| Arc::clone(name)).collect();
    let mut folded = Micros::ZERO;
    let AgentPresence { states, folded: names, .. } = presence;
    states.retain(|(name, time)| {
        let stays = kept.contains(name);
        if !stays {
            folded += *time;
            if name != other && names.len() < MAX_STATES_PER_TALLY {
                names.push(Arc::clone(name));
            }
        }
        stays
    });
    if presence.states.len() < before.len() {
        let at = presence.states.partition_point(|(name, _)| name < other);
        presence.states.insert(at, (Arc::clone(other), folded));
        let AgentPresence { states, chart, timeline, parts, .. } = presence;
        let place = |name: &StateName| states.binary_search_by(|(known, _)| known.cmp(name)).ok();
        let relocated = |old: usize| before.get(old).and_then(place).or(Some(at));
        chart.relocate(relocated);
        timeline.iter_mut().for_each(|timeline| timeline.relocate(relocated));
        parts.relocate(relocated);
    }
    // A state without a series is not shown as the current one.
    presence.current.take_if(|(name, _)| !kept.contains(name));
}
