//! The states that answers speak of, and the names under which they are shown.
//!
//! What is kept is the state as it was answered. Its name is worked out each time it is needed, so that time in a code
//! that turns out to be after-contact work is shown as that from then on, also where it was read before.

use std::collections::HashMap;
use std::sync::Arc;

use super::wire::records::StateFields;
use crate::config::{OFFICIAL_STATES, StateMap, WRAP_UP};
use crate::presence::{OTHER_STATE, RawStateIndex, StateName, UNKNOWN_STATE};

/// The state that has codes.
const UNAVAILABLE: &str = "Unavailable";

/// How many different states are told apart. A tenant has some dozens with all its codes; a server that makes up names
/// without end must not fill the state. Whatever is beyond is one state, and its time is not lost.
const MAX_STATES: usize = 4_096;

/// A state as an answer has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RawState {
    name: Arc<str>,
    /// The id of an unavailable code, or its description where it has no id.
    code: Option<Arc<str>>,
    /// Whether the answer itself says that this is after-contact work; only where there is no code that would tell.
    acw: bool,
}

/// Every state seen so far.
#[derive(Debug, Clone)]
pub(super) struct StateRegistry {
    raw: Vec<RawState>,
    indices: HashMap<RawState, RawStateIndex>,
    codes: HashMap<Arc<str>, Code>,
}

/// What is known of an unavailable code.
#[derive(Debug, Clone, Default)]
struct Code {
    description: Option<Arc<str>>,
    acw: bool,
    /// Whether the list of a team's codes contained it; then it is not requested again.
    listed: bool,
}

// === impl StateRegistry ===

impl Default for StateRegistry {
    fn default() -> Self {
        let mut states = Self { raw: Vec::new(), indices: HashMap::new(), codes: HashMap::new() };
        states.add(RawState { name: OTHER_STATE.into(), code: None, acw: false });
        states
    }
}

impl StateRegistry {
    const OTHER: RawStateIndex = RawStateIndex(0);

    /// The state that a row speaks of.
    pub(super) fn index(&mut self, fields: &StateFields) -> RawStateIndex {
        let by_id = || fields.id.and_then(|id| OFFICIAL_STATES.get(usize::try_from(id).ok()?)).copied();
        let name = fields.name.as_deref().or_else(by_id).unwrap_or(UNKNOWN_STATE);
        let description = fields.description.as_deref();
        // The default of a session's start has no code, which some answers give as 0.
        let id = fields.code.as_deref().filter(|id| *id != "0" || description.is_some());
        let code = id.or(description).filter(|_| name == UNAVAILABLE);
        let acw = fields.acw == Some(true) && name == UNAVAILABLE;
        if let Some(code) = code {
            self.note(code, description, acw);
        }
        let state = RawState { name: name.into(), code: code.map(Arc::from), acw: acw && code.is_none() };
        match self.indices.get(&state) {
            Some(known) => *known,
            None if self.raw.len() >= MAX_STATES => Self::OTHER,
            None => self.add(state),
        }
    }

    /// Takes what the list of a team's codes says of one of them.
    pub(super) fn list_code(&mut self, id: &str, description: Option<&str>, acw: bool) {
        self.note(id, description, acw);
        if let Some(code) = self.codes.get_mut(id) {
            code.listed = true;
        }
    }

    /// Whether there are codes at all.
    pub(super) fn has_codes(&self) -> bool {
        !self.codes.is_empty()
    }

    /// Takes all codes as told of.
    pub(super) fn mark_codes_listed(&mut self) {
        self.codes.values_mut().for_each(|code| code.listed = true);
    }

    /// Whether there are codes of which no list has told yet.
    pub(super) fn has_unlisted_codes(&self) -> bool {
        self.codes.values().any(|code| !code.listed)
    }

    /// The name under which each state is shown, in the order of their indices.
    pub(super) fn display_names(&self, unavailable_codes: bool, state_map: &StateMap) -> Vec<StateName> {
        let name = |state: &RawState| {
            let code = state.code.as_ref().and_then(|id| Some((id, self.codes.get(id)?)));
            let name: StateName = match code {
                Some((_, code)) if code.acw => WRAP_UP.into(),
                _ if state.acw => WRAP_UP.into(),
                Some((id, code)) if unavailable_codes => {
                    format!("{UNAVAILABLE}: {}", code.description.as_ref().unwrap_or(id)).into()
                }
                _ => Arc::clone(&state.name),
            };
            state_map.get(&name).cloned().unwrap_or(name)
        };
        self.raw.iter().map(name).collect()
    }

    /// Whatever says that a code is after-contact work is believed, as no answer says that of another.
    fn note(&mut self, id: &str, description: Option<&str>, acw: bool) {
        if !self.codes.contains_key(id) {
            if self.codes.len() >= MAX_STATES {
                return;
            }
            self.codes.insert(id.into(), Code::default());
        }
        if let Some(code) = self.codes.get_mut(id) {
            code.acw |= acw;
            // The newest description is the one in use.
            if let Some(description) = description
                && code.description.as_deref() != Some(description)
            {
                code.description = Some(description.into());
            }
        }
    }

    fn add(&mut self, state: RawState) -> RawStateIndex {
        let index = RawStateIndex(u32::try_from(self.raw.len()).unwrap_or(u32::MAX));
        self.raw.push(state.clone());
        self.indices.insert(state, index);
        index
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    type Record = (Option<i64>, Option<&'static str>, Option<&'static str>, Option<&'static str>, Option<bool>);

    fn index(states: &mut StateRegistry, (id, name, code, description, acw): Record) -> RawStateIndex {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (name, code, description) = (text(name), text(code), text(description));
        states.index(&StateFields { id, name, code, description, acw })
    }

    fn shown(states: &StateRegistry, index: RawStateIndex, split: bool) -> String {
        states.display_names(split, &StateMap::new())[index.0 as usize].to_string()
    }

    #[test]
    fn a_row_is_shown_by_its_name_and_code() {
        let table: [(Record, &str, &str); 12] = [
            ((Some(1), Some("Available"), None, None, None), "Available", "Available"),
            ((Some(3), None, None, None, None), "InboundContact", "InboundContact"),
            ((Some(99), None, None, None, None), "Unknown", "Unknown"),
            ((None, None, None, None, None), "Unknown", "Unknown"),
            ((None, Some("Brandnew"), None, None, None), "Brandnew", "Brandnew"),
            ((Some(2), Some("Unavailable"), None, None, None), "Unavailable", "Unavailable"),
            ((Some(2), Some("Unavailable"), Some("0"), None, None), "Unavailable", "Unavailable"),
            ((Some(2), Some("Unavailable"), Some("7"), Some("Lunch"), None), "Unavailable", "Unavailable: Lunch"),
            ((Some(2), Some("Unavailable"), None, Some("Gym"), None), "Unavailable", "Unavailable: Gym"),
            ((Some(2), Some("Unavailable"), Some("8"), None, None), "Unavailable", "Unavailable: 8"),
            ((Some(2), Some("Unavailable"), None, None, Some(true)), "WrapUp", "WrapUp"),
            // What a contact state says of a code is not looked at.
            ((Some(3), Some("InboundContact"), Some("7"), None, Some(true)), "InboundContact", "InboundContact"),
        ];
        let mut states = StateRegistry::default();
        for (row, whole, split) in table {
            let index = index(&mut states, row);
            assert_eq!(shown(&states, index, false), whole, "{row:?}");
            assert_eq!(shown(&states, index, true), split, "{row:?}");
        }
    }

    #[test]
    fn a_code_is_wrap_up_as_soon_as_anybody_says_so() {
        let mut states = StateRegistry::default();
        let before = index(&mut states, (Some(2), Some("Unavailable"), Some("9"), Some("Notes"), None));
        assert_eq!(shown(&states, before, true), "Unavailable: Notes");
        assert!(states.has_unlisted_codes());
        states.list_code("9", Some("Notes"), true);
        assert!(!states.has_unlisted_codes());
        assert_eq!((shown(&states, before, true), shown(&states, before, false)), ("WrapUp".into(), "WrapUp".into()));

        let flagged = index(&mut states, (Some(2), Some("Unavailable"), Some("10"), None, Some(true)));
        let unflagged = index(&mut states, (Some(2), Some("Unavailable"), Some("10"), None, None));
        assert_eq!(flagged, unflagged, "one state, whether or not a row has the flag");
        assert_eq!(shown(&states, unflagged, true), "WrapUp");
    }

    #[test]
    fn a_map_comes_last_and_may_merge() {
        let mut states = StateRegistry::default();
        let lunch = index(&mut states, (Some(2), Some("Unavailable"), Some("7"), Some("Lunch"), None));
        let out = index(&mut states, (Some(0), Some("LoggedOut"), None, None, None));
        let map: StateMap =
            [("Unavailable: Lunch", "Away"), ("LoggedOut", "Away")].map(|(from, to)| (from.into(), to.into())).into();
        let shown = states.display_names(true, &map);
        assert_eq!((&*shown[lunch.0 as usize], &*shown[out.0 as usize]), ("Away", "Away"));
        assert_eq!(&*states.display_names(false, &map)[lunch.0 as usize], "Unavailable");
    }

    #[test]
    fn names_without_end_are_one_state() {
        let mut states = StateRegistry::default();
        let indices: HashSet<_> = (0..2 * MAX_STATES)
            .map(|number| {
                let name = Some(format!("state {number}"));
                states.index(&StateFields { name, ..StateFields::default() }).0
            })
            .collect();
        assert_eq!(indices.len(), MAX_STATES);
    }
}
