//! The states that answers speak of, and the names under which they are shown.
//!
//! What is kept is the state as it was answered. Its name is worked out each time it is needed, so that time in a code
//! that turns out to be after-contact work is shown as that from then on, also where it was read before.

use std::collections::HashMap;
use std::sync::Arc;

use super::wire::records::StateFields;
use crate::config::{OFFICIAL_STATES, StateMap, WRAP_UP};
use crate::presence::{OTHER_STATE, RawStateIndex, StateName, Timestamp, UNKNOWN_STATE};

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

/// The names of the unavailable codes that CXone itself uses. Source: NICE's help, "Reserved Unavailable Codes".
const SYSTEM_CODES: [(&str, &str); 12] = [
    ("-13", "PreviewNotification"),
    ("-12", "LogoffPending"),
    ("-9", "PromisePending"),
    ("-8", "CallbackPending"),
    ("-7", "TransferPending"),
    ("-6", "DialerPending"),
    ("-5", "ConsultPending"),
    ("-4", "OutboundPending"),
    ("-3", "InboundPending"),
    ("-2", "HeldPartyAbandoned"),
    ("-1", "Refused"),
    ("3", UNAVAILABLE),
];

/// What is known of an unavailable code.
#[derive(Debug, Clone, Default)]
struct Code {
    description: Option<Arc<str>>,
    /// Whether the list that was read last marks it as after-contact work.
    listed_acw: bool,
    /// Whether the row that began last marks it as that, and when that row began.
    flagged: Option<(Timestamp, bool)>,
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

    /// The state of a row that began at `start`.
    pub(super) fn index(&mut self, fields: &StateFields, start: Timestamp) -> RawStateIndex {
        let by_id = || fields.id.and_then(|id| OFFICIAL_STATES.get(usize::try_from(id).ok()?)).copied();
        let name = fields.name.as_deref().or_else(by_id).unwrap_or(UNKNOWN_STATE);
        // The plain code may have the name of the state as its text.
        let is_plain = |text: &&str| text.eq_ignore_ascii_case(UNAVAILABLE);
        let description = fields.description.as_deref().filter(|text| !is_plain(text));
        // The default of a session's start has no code, which some answers give as 0.
        let id = fields.code.as_deref().filter(|id| *id != "0" || description.is_some());
        let code = id.or(description).filter(|_| name == UNAVAILABLE);
        let acw = fields.acw == Some(true) && name == UNAVAILABLE;
        if let Some(code) = code
            && let Some(known) = self.code(code, description)
            && let Some(flag) = fields.acw
            && known.flagged.is_none_or(|(before, _)| before <= start)
        {
            known.flagged = Some((start, flag));
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
        if let Some(code) = self.code(id, description) {
            (code.listed, code.listed_acw) = (true, acw);
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
                Some((_, code)) if code.is_acw() => WRAP_UP.into(),
                _ if state.acw => WRAP_UP.into(),
                Some((id, code)) if unavailable_codes => {
                    match code.description.as_deref().unwrap_or_else(|| system_name(id)) {
                        text if text.eq_ignore_ascii_case(UNAVAILABLE) => UNAVAILABLE.into(),
                        text => format!("{UNAVAILABLE}: {text}").into(),
                    }
                }
                _ => Arc::clone(&state.name),
            };
            state_map.get(&name).cloned().unwrap_or(name)
        };
        self.raw.iter().map(name).collect()
    }

    /// The code `id`, with its newest description; `None` if there are too many.
    fn code(&mut self, id: &str, description: Option<&str>) -> Option<&mut Code> {
        if !self.codes.contains_key(id) {
            if self.codes.len() >= MAX_STATES {
                return None;
            }
            self.codes.insert(id.into(), Code::default());
        }
        let code = self.codes.get_mut(id)?;
        if let Some(description) = description
            && code.description.as_deref() != Some(description)
        {
            code.description = Some(description.into());
        }
        Some(code)
    }

    fn add(&mut self, state: RawState) -> RawStateIndex {
        let index = RawStateIndex(u32::try_from(self.raw.len()).unwrap_or(u32::MAX));
        self.raw.push(state.clone());
        self.indices.insert(state, index);
        index
    }
}

// === impl Code ===

impl Code {
    /// Whether the code is after-contact work: some tenants mark it in their lists only, others in rows only.
    fn is_acw(&self) -> bool {
        self.listed_acw || self.flagged.is_some_and(|(_, flag)| flag)
    }
}

/// The name of a code that CXone itself uses, or its id.
fn system_name(id: &str) -> &str {
    SYSTEM_CODES.iter().find(|(known, _)| *known == id).map_or(id, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    type Record = (Option<i64>, Option<&'static str>, Option<&'static str>, Option<&'static str>, Option<bool>);

    fn index(states: &mut StateRegistry, (id, name, code, description, acw): Record) -> RawStateIndex {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (name, code, description) = (text(name), text(code), text(description));
        states.index(&StateFields { id, name, code, description, acw }, Timestamp::from_seconds(0))
    }

    fn shown(states: &StateRegistry, index: RawStateIndex, split: bool) -> String {
        states.display_names(split, &StateMap::new())[index.0 as usize].to_string()
    }

    #[test]
    fn a_row_is_shown_by_its_name_and_code() {
        let table: [(Record, &str, &str); 17] = [
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
            ((Some(2), Some("Unavailable"), Some("0"), Some("Unavailable"), None), "Unavailable", "Unavailable"),
            ((Some(2), Some("Unavailable"), Some("3"), None, None), "Unavailable", "Unavailable"),
            ((Some(2), Some("Unavailable"), Some("-3"), None, None), "Unavailable", "Unavailable: InboundPending"),
            ((Some(2), Some("Unavailable"), Some("-1"), None, None), "Unavailable", "Unavailable: Refused"),
            ((Some(2), Some("Unavailable"), Some("-10"), None, None), "Unavailable", "Unavailable: -10"),
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
    fn a_code_that_is_no_longer_wrap_up_is_shown_by_its_name() {
        let fields = |acw| StateFields {
            id: Some(2),
            name: Some("Unavailable".to_owned()),
            code: Some("9".to_owned()),
            description: Some("Notes".to_owned()),
            acw,
        };
        let at = Timestamp::from_seconds;
        // The list alone marks it.
        let mut states = StateRegistry::default();
        let index = states.index(&fields(None), at(0));
        for (acw, expected) in [(true, "WrapUp"), (false, "Unavailable: Notes"), (true, "WrapUp")] {
            states.list_code("9", None, acw);
            assert_eq!(shown(&states, index, true), expected, "{acw}");
        }
        // Rows alone mark it; the newest is right, in whichever order they come.
        let mut states = StateRegistry::default();
        for (start, acw, expected) in
            [(10, true, "WrapUp"), (30, false, "Unavailable: Notes"), (20, true, "Unavailable: Notes")]
        {
            states.list_code("9", None, false);
            let index = states.index(&fields(Some(acw)), at(start));
            assert_eq!(shown(&states, index, true), expected, "{start}");
        }
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
                states.index(&StateFields { name, ..StateFields::default() }, Timestamp::from_seconds(0)).0
            })
            .collect();
        assert_eq!(indices.len(), MAX_STATES);
    }
}
