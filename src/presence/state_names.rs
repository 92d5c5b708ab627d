//! Interned state names: the states of one tally are indices.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::text::cut_text;

/// The state that collects the time of states that are too many, or whose names are too long.
pub const OTHER_STATE: &str = "__other__";

/// The state of a record without a state name.
pub const UNKNOWN_STATE: &str = "Unknown";

/// The limit of names in one tally: many times the states of any tenant. The time of states after them counts as
/// [`OTHER_STATE`], so that invented names cannot fill the memory.
const MAX_NAMES: usize = 16_384;

/// The name of a presence state as the tenant spells it, shared by all agents.
pub type StateName = Arc<str>;

/// The index of a state name in one tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateIndex(pub(super) usize);

/// The names of one tally, in the order they were first seen.
#[derive(Debug)]
pub(super) struct StateNames {
    names: Vec<StateName>,
    by_name: HashMap<StateName, StateIndex>,
    /// The configured name of a reported one.
    renamed: Arc<BTreeMap<StateName, StateName>>,
    /// The index of each reported name, after renaming.
    by_reported: HashMap<StateName, StateIndex>,
}

// === impl StateNames ===

impl StateNames {
    pub(super) const OTHER: StateIndex = StateIndex(0);

    /// The names [`OTHER_STATE`] and [`UNKNOWN_STATE`], then `known`.
    pub(super) fn new(known: &[StateName]) -> Self {
        let (names, by_name, renamed, by_reported) = (Vec::new(), HashMap::new(), Arc::default(), HashMap::new());
        let mut names = Self { names, by_name, renamed, by_reported };
        names.add(Arc::from(OTHER_STATE));
        names.add(Arc::from(UNKNOWN_STATE));
        for name in known {
            names.add(Arc::clone(name));
        }
        names
    }

    /// Renames reported names by `map` from now on.
    pub(super) fn rename(&mut self, map: Arc<BTreeMap<StateName, StateName>>) {
        self.renamed = map;
        self.by_reported.clear();
    }

    /// The number of names.
    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    /// Drops every name but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        for name in self.names.drain(len.min(self.names.len())..) {
            self.by_name.remove(&name);
        }
        self.by_reported.retain(|_, index| index.0 < len);
    }

    /// The names by index.
    pub(super) fn as_slice(&self) -> &[StateName] {
        &self.names
    }

    /// The index of a reported name. A new name is added.
    #[inline]
    pub(super) fn index(&mut self, reported: &str) -> StateIndex {
        match self.by_reported.get(reported) {
            Some(index) => *index,
            None => self.add_reported(reported),
        }
    }

    /// The index of a name that is not to be renamed. A new name is added.
    pub(super) fn restore(&mut self, name: &StateName) -> StateIndex {
        self.by_name.get(name).copied().unwrap_or_else(|| self.add(Arc::clone(name)))
    }

    #[cold]
    fn add_reported(&mut self, reported: &str) -> StateIndex {
        let reported = cut_text(reported);
        if let Some(index) = self.by_reported.get(reported) {
            return *index;
        }
        // An empty label value would be the same as none at all.
        let spelling = if reported.is_empty() { UNKNOWN_STATE } else { reported };
        let known = self.renamed.get(spelling).or_else(|| self.by_name.get_key_value(spelling).map(|(name, _)| name));
        if known.is_none() && self.names.len() >= MAX_NAMES {
            return Self::OTHER;
        }
        let name = known.map_or_else(|| StateName::from(spelling), Arc::clone);
        // A name that is not renamed shares its allocation.
        let key = if *name == *reported { Arc::clone(&name) } else { StateName::from(reported) };
        let index = self.add(name);
        self.by_reported.insert(key, index);
        index
    }

    fn add(&mut self, name: StateName) -> StateIndex {
        match self.by_name.entry(Arc::clone(&name)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let index = *free.insert(StateIndex(self.names.len()));
                self.names.push(name);
                index
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_TEXT_BYTES;
    use super::*;

    #[test]
    fn state_names_are_interned() {
        let busy: StateName = Arc::from("Busy");
        let mut names = StateNames::new(std::slice::from_ref(&busy));
        let index = names.index("Busy");
        assert!(Arc::ptr_eq(&names.as_slice()[index.0], &busy));
        let twin = names.index("Bxxy");
        assert_ne!(index, twin);
        assert_eq!((names.index("Busy"), names.index("Bxxy")), (index, twin));
    }

    #[test]
    fn empty_and_long_state_names() {
        let mut names = StateNames::new(&[]);
        let before = names.len();
        let table = [("", StateIndex(1)), ("Unknown", StateIndex(1)), ("__other__", StateNames::OTHER)];
        for (name, index) in table {
            assert_eq!(names.index(name), index, "{name}");
        }
        assert_eq!(names.len(), before);
        let long = "x".repeat(MAX_TEXT_BYTES);
        let index = names.index(&format!("{long}x"));
        assert_eq!((names.index(&long), &*names.as_slice()[index.0]), (index, &*long));
    }

    #[test]
    fn too_many_state_names_are_other() {
        let mut names = StateNames::new(&[]);
        for name in 0..MAX_NAMES {
            names.index(&name.to_string());
        }
        assert_eq!(names.len(), MAX_NAMES);
        assert_eq!((names.index("new"), names.index("7").0), (StateNames::OTHER, 9));
    }

    #[test]
    fn dropped_state_names_are_new_again() {
        let mut names = StateNames::new(&[]);
        let before = names.len();
        let lunch = names.index("Lunch");
        names.index("Training");
        names.truncate(before);
        assert_eq!(names.index("Training"), lunch);
        assert_ne!(names.index("Lunch"), lunch);
    }

    #[test]
    fn state_map_renames_and_merges() {
        let pair = |from: &str, to: &str| (StateName::from(from), StateName::from(to));
        let map = [pair("A", "B"), pair("B", "A"), pair("Pause", "Break"), pair("Unknown", "Break")];
        let mut names = StateNames::new(&["Break".into()]);
        names.index("A");
        names.rename(Arc::new(map.into()));
        let before = names.len();
        for round in 0..3 {
            let shown = ["A", "B", "Pause", "Break", "Unknown", "", "C", "C"].map(|name| {
                let index = names.index(name);
                names.as_slice()[index.0].to_string()
            });
            assert_eq!(shown, ["B", "A", "Break", "Break", "Break", "Break", "C", "C"], "{round}");
            if round == 1 {
                names.truncate(before);
            }
        }
    }
}
