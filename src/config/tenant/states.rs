//! Reads how states are named and counted: `offline_states`, `state_map`, and the states that are always exposed.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::config::Api;
use crate::config::bounds::{MAX_STATE_MAP, MAX_STATES};
use crate::config::diagnostics::{Diagnostics, Problem, quoted};
use crate::config::keys::TENANT;
use crate::config::parse::fields::{Fields, from_defaults};
use crate::config::parse::names;
use crate::config::parse::value::Value;
use crate::config::redacted_yaml::{List, Quoted};
use crate::presence::StateName;

/// The declared states of the presence API where no filter names the expected ones.
pub(super) const PRESENCE_STATES: &[&str] = &["Available", "Busy", "WrapUp", "Offline"];

/// The documented states of the official API, by `agentStateId`.
///
/// Source: NICE's agent SDK, `agent-states-id.js`.
pub const OFFICIAL_STATES: [&str; 9] = [
    "LoggedOut",
    "Available",
    "Unavailable",
    "InboundContact",
    "OutboundContact",
    "InboundConsult",
    "OutboundConsult",
    "Dialer",
    "LoggedIn",
];

/// The state that after-contact work (ACW) is shown as.
pub const WRAP_UP: &str = "WrapUp";

/// The names under which states are exposed, by CXone's names; several states may share one name.
pub type StateMap = BTreeMap<StateName, StateName>;

/// How a tenant's states are shown and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// The states that every agent with data has a series for, zero where unused.
    pub declared: Vec<StateName>,
    /// The states that count as offline.
    pub offline: Vec<StateName>,
    /// Renames states; applied last.
    pub map: StateMap,
}

// === impl StateSettings ===

impl StateSettings {
    /// The settings of a tenant that configures none.
    pub fn defaults(api: Api) -> Self {
        from_defaults(TENANT, |fields, diagnostics| Self::read(fields, api, &[], diagnostics))
    }

    /// The settings in a tenant's `fields`, where requests are filtered by `filter`.
    pub(crate) fn read(
        fields: &Fields<'_>,
        api: Api,
        filter: &[StateName],
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let map = fields.get("state_map").map(|value| read_state_map(&value, diagnostics)).unwrap_or_default();
        let declared = match api {
            Api::Official => names_of(&[&OFFICIAL_STATES[..], &[WRAP_UP]].concat()),
            Api::Presence if filter.is_empty() => names_of(PRESENCE_STATES),
            Api::Presence => filter.to_vec(),
        };
        let mut offline = read_states(fields, "offline_states", diagnostics)?;
        if fields.get("offline_states").is_none() {
            // The default offline states count as offline under their new names too.
            offline = renamed(&offline, &map);
        }
        Some(Self { declared: renamed(&declared, &map), offline, map })
    }

    /// Writes the settings as keys of a tenant.
    pub(crate) fn write(&self, yaml: &mut String) -> fmt::Result {
        writeln!(yaml, "    offline_states: {}", List(&self.offline))?;
        if !self.map.is_empty() {
            writeln!(yaml, "    state_map:")?;
        }
        self.map.iter().try_for_each(|(from, to)| writeln!(yaml, "      {}: {}", Quoted(from), Quoted(to)))
    }
}

/// The list of states under `key`, or its default.
pub(crate) fn read_states(fields: &Fields<'_>, key: &str, diagnostics: &mut Diagnostics) -> Option<Vec<StateName>> {
    fields.read(key, diagnostics, |value, diagnostics| {
        let mut states: Vec<StateName> = Vec::new();
        for item in value.items("a list of states, such as `[Available, Offline]`", MAX_STATES, diagnostics)? {
            let state = item.parse("a state, such as `Offline`", diagnostics, |text| {
                names::check_state(text)?;
                if states.iter().any(|state| **state == *text) {
                    return Err(Problem::new(format!("{} is given twice", quoted(text)), "keep one of the two"));
                }
                Ok(StateName::from(text))
            });
            states.extend(state);
        }
        Some(states)
    })
}

fn read_state_map(value: &Value<'_>, diagnostics: &mut Diagnostics) -> StateMap {
    let example = "states by the names they have now, such as `LoggedOut: Offline`";
    let entries = value.named(example, diagnostics).unwrap_or_default();
    if entries.len() > MAX_STATE_MAP {
        let message = format!("has {} entries, more than {MAX_STATE_MAP}", entries.len());
        value.report(Problem::new(message, format!("write at most {MAX_STATE_MAP}")), diagnostics);
        return StateMap::new();
    }
    let mut map = StateMap::new();
    for (from, value) in entries {
        if let Err(problem) = names::check_label(from) {
            value.report(problem, diagnostics);
        }
        let to = value.parse("the state's new name", diagnostics, |text| {
            names::check_label(text).map(|()| StateName::from(text))
        });
        map.extend(to.map(|to| (StateName::from(from), to)));
    }
    map
}

/// `states` under their new names, each name once.
fn renamed(states: &[StateName], map: &StateMap) -> Vec<StateName> {
    let mut renamed: Vec<StateName> = Vec::with_capacity(states.len());
    for state in states {
        let shown = map.get(state).unwrap_or(state);
        if !renamed.contains(shown) {
            renamed.push(shown.clone());
        }
    }
    renamed
}

fn names_of(states: &[&str]) -> Vec<StateName> {
    states.iter().map(|state| StateName::from(*state)).collect()
}
