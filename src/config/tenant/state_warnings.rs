//! Warns of names of states that no agent is ever in, which would silently switch limits, absence and alerts off.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::states::{OFFICIAL_STATES, PRESENCE_STATES, WRAP_UP};
use crate::config::Tenant;
use crate::config::diagnostics::{Diagnostics, Problem, quoted};
use crate::config::parse::fields::Fields;
use crate::config::parse::nearest::slip_of;

/// Separates a state from its reason, as in `Unavailable: Lunch`.
const REASON: &str = ": ";

/// Warns of names that are probably misspelt, and of settings by which no state counts as offline.
pub(super) fn warn(tenant: &Tenant, fields: &Fields<'_>, diagnostics: &mut Diagnostics) {
    warn_of_slips(tenant, fields, diagnostics);
    let states = &tenant.states;
    let gone = states.offline.iter().find(|state| states.map.get(*state).is_some_and(|to| to != *state));
    if let Some((value, state)) = fields.get("offline_states").zip(gone) {
        let message = format!("no state is called {} any more, as `state_map` renames it", quoted(state));
        diagnostics.warn(value.place, value.path, Problem::new(message, "write the name that it gets"));
    }
    if !counts_offline_time(tenant, fields) {
        return;
    }
    let begin = "offline time has a limit or a schedule, but";
    if let Some(value) = fields.get("offline_states").filter(|_| states.offline.is_empty()) {
        let remedy = "write at least one state, such as `[Offline]`, or leave it out";
        let problem = Problem::new(format!("{begin} no state counts as offline"), remedy);
        diagnostics.warn(value.place, value.path, problem);
    } else if let Some(value) = fields.get("states").filter(|_| !tenant.query.states.is_empty())
        && !states.offline.iter().any(|state| states.declared.contains(state))
    {
        let remedy = "add a state of `offline_states`, such as `Offline`";
        let problem = Problem::new(format!("{begin} no offline state is asked for"), remedy);
        diagnostics.warn(value.place, value.path, problem);
    }
}

/// Whether a limit or a schedule depends on the offline states.
fn counts_offline_time(tenant: &Tenant, fields: &Fields<'_>) -> bool {
    ["offline_limit", "absent_limit"].iter().any(|key| fields.get(key).is_some())
        || !tenant.offline_limits.teams.is_empty()
        || tenant.agents.iter().any(|agent| agent.offline_limit.is_some() || agent.schedule.is_some())
}

fn warn_of_slips(tenant: &Tenant, fields: &Fields<'_>, diagnostics: &mut Diagnostics) {
    let (states, filter) = (&tenant.states, &tenant.query.states);
    let documented: BTreeSet<&str> = [PRESENCE_STATES, &OFFICIAL_STATES, &[WRAP_UP]].concat().into_iter().collect();
    let made: BTreeSet<&str> = states.map.values().map(|name| &**name).collect();
    let exposed = documented.iter().chain(&made).copied().chain(states.declared.iter().map(|name| &**name)).collect();
    let renamed = |name: &str| states.map.iter().find(|(from, _)| ***from == *name).map(|(_, to)| &**to);
    let to_report: [(&str, Vec<&str>, &BTreeSet<&str>); 4] = [
        ("states", filter.iter().map(|name| &**name).collect(), &documented),
        ("state_map", states.map.keys().map(|name| &**name).collect(), &documented),
        ("state_map", made.iter().copied().collect(), &documented),
        ("offline_states", states.offline.iter().map(|name| &**name).collect(), &exposed),
    ];
    for (key, names, known) in to_report {
        let Some(value) = fields.get(key) else { continue };
        for (name, meant) in names.into_iter().filter_map(|name| Some((name, slip(name, known)?))) {
            // A map that mends the tenant's spelling, or that renames the documented state itself, is meant.
            if renamed(name) == Some(&meant) || renamed(&meant).is_some_and(|to| *to != *meant) {
                continue;
            }
            let (name, meant) = (quoted(name), quoted(&meant));
            let message = format!("{name} is nearly {meant}, and names of states are compared letter by letter");
            let remedy = format!("write {meant}, unless CXone reports {name}");
            diagnostics.warn(value.place, value.path, Problem::new(message, remedy));
        }
    }
}

/// What `name` should be, if its state is a slip of one of the `known` ones; the reason after it stays.
fn slip<'a>(name: &'a str, known: &BTreeSet<&'a str>) -> Option<Cow<'a, str>> {
    if known.contains(name) {
        return None;
    }
    match name.split_once(REASON) {
        Some((state, reason)) => {
            slip_of(state, known.iter().copied()).map(|meant| format!("{meant}{REASON}{reason}").into())
        }
        None => slip_of(name, known.iter().copied()).map(Cow::Borrowed),
    }
}
