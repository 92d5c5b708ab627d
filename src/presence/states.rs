//! State names, interned: each is compared once as it comes and is a small number from then on.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::StateName;

/// The name of the state that takes the time of states which would be too many or too long.
pub const OTHER_STATE: &str = "__other__";

/// The name of the state of a record that names none.
pub const UNKNOWN_STATE: &str = "Unknown";

/// The longest name of a state, in bytes; the time of a longer one counts as [`OTHER_STATE`].
///
/// Names are label values, repeated once per agent in every answer. What people type into CXone's state editor
/// is well below this, so a longer one is not a name.
pub const MAX_STATE_NAME_BYTES: usize = 256;

/// How many recent names are found without hashing. A power of two, and several times what a tenant has.
const RECENT: usize = 64;

/// Which of a tally's state names; good for that tally only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateIndex(pub(super) usize);

/// The names of one tally, in the order they were first seen.
#[derive(Debug)]
pub(super) struct StateNames {
    names: Vec<StateName>,
    by_name: HashMap<StateName, StateIndex>,
    /// What names are from here on, by what they are as they come.
    renamed: Arc<BTreeMap<StateName, StateName>>,
    /// Where a name was found last, by [`recent_slot`]: a guess, always checked against the name itself.
    recent: [StateIndex; RECENT],
}

/// Spreads names well enough that a tenant's handful rarely collide, at the cost of two loads.
fn recent_slot(name: &str) -> usize {
    match name.as_bytes() {
        [first, .., last] => (name.len() ^ (usize::from(*first) << 1) ^ (usize::from(*last) << 2)) % RECENT,
        _ => 0,
    }
}

// === impl StateNames ===

impl StateNames {
    pub(super) const OTHER: StateIndex = StateIndex(0);

    /// Begins with the two names that a tally itself gives, then `known`.
    pub(super) fn new(known: &[StateName]) -> Self {
        let (names, by_name) = (Vec::new(), HashMap::new());
        let mut names = Self { names, by_name, renamed: Arc::default(), recent: [Self::OTHER; RECENT] };
        names.add(Arc::from(OTHER_STATE));
        names.add(Arc::from(UNKNOWN_STATE));
        for name in known {
            names.add(Arc::clone(name));
        }
        names
    }

    /// Takes names as `map` has them from now on.
    pub(super) fn rename(&mut self, map: Arc<BTreeMap<StateName, StateName>>) {
        self.renamed = map;
    }

    /// How many names there are.
    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    /// Forgets every name but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        for name in self.names.drain(len.min(self.names.len())..) {
            self.by_name.remove(&name);
        }
    }

    /// Every name, by index.
    pub(super) fn as_slice(&self) -> &[StateName] {
        &self.names
    }

    /// The index of `name`, which is remembered if it is new.
    #[inline]
    #[allow(clippy::indexing_slicing, reason = "a slot is a remainder by the table's length")]
    pub(super) fn index(&mut self, name: &str) -> StateIndex {
        let slot = recent_slot(name);
        let guess = self.recent[slot];
        if !self.renamed.is_empty() {
            // What is called like this from here on may be another state than what came so.
            return self.look_up(name);
        }
        if self.names.get(guess.0).is_some_and(|recent| **recent == *name) {
            return guess;
        }
        let index = self.look_up(name);
        self.recent[slot] = index;
        index
    }

    /// The index of a name that is called as it is to be from here on.
    pub(super) fn restore(&mut self, name: &StateName) -> StateIndex {
        self.by_name.get(name).copied().unwrap_or_else(|| self.add(Arc::clone(name)))
    }

    #[cold]
    fn look_up(&mut self, name: &str) -> StateIndex {
        // An empty label value would be the same as none at all.
        let name = if name.is_empty() { UNKNOWN_STATE } else { name };
        if name.len() > MAX_STATE_NAME_BYTES {
            return Self::OTHER;
        }
        let renamed = Arc::clone(&self.renamed);
        let name = renamed.get(name).map_or(name, |shown| &**shown);
        match self.by_name.get(name) {
            Some(&index) => index,
            None => self.add(Arc::from(name)),
        }
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
    use super::*;

    #[test]
    fn names_keep_their_index_and_share_their_allocation() {
        let busy: StateName = Arc::from("Busy");
        let mut names = StateNames::new(std::slice::from_ref(&busy));
        let index = names.index("Busy");
        assert!(Arc::ptr_eq(&names.as_slice()[index.0], &busy));
        // The same slot in the table of recent names: same length, same ends.
        let twin = names.index("Bxxy");
        assert_ne!(index, twin);
        assert_eq!((names.index("Busy"), names.index("Bxxy")), (index, twin));
    }

    #[test]
    fn names_that_cannot_be_labels_have_a_place() {
        let mut names = StateNames::new(&[]);
        let before = names.len();
        let table = [
            ("", StateIndex(1)),
            ("Unknown", StateIndex(1)),
            ("__other__", StateNames::OTHER),
            (&"x".repeat(MAX_STATE_NAME_BYTES + 1), StateNames::OTHER),
        ];
        for (name, index) in table {
            assert_eq!(names.index(name), index, "{name}");
        }
        assert_eq!(names.len(), before);
        assert_ne!(names.index(&"x".repeat(MAX_STATE_NAME_BYTES)), StateNames::OTHER);
    }

    #[test]
    fn forgotten_names_are_new_again() {
        let mut names = StateNames::new(&[]);
        let before = names.len();
        let lunch = names.index("Lunch");
        names.index("Training");
        names.truncate(before);
        // The table of recent names still points where Lunch was; it must not be believed.
        assert_eq!(names.index("Training"), lunch);
        assert_ne!(names.index("Lunch"), lunch);
    }
}
