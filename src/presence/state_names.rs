//! State names, interned: each is compared once as it comes and is a small number from then on.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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

/// The name of a presence state as the tenant spells it, interned: one allocation however many agents are in it.
pub type StateName = Arc<str>;

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
    /// What came last, by [`recent_slot`]: a guess, always checked against the name itself.
    recent: [Option<Recent>; RECENT],
}

/// A name as it came, and the index that it led to.
#[derive(Debug)]
struct Recent {
    spelling: StateName,
    index: StateIndex,
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
        let mut names = Self { names, by_name, renamed: Arc::default(), recent: [const { None }; RECENT] };
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
        // What came like this before may be another state from here on.
        self.recent = [const { None }; RECENT];
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
        for recent in &mut self.recent {
            recent.take_if(|recent| recent.index.0 >= len);
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
        match &self.recent[slot] {
            Some(recent) if *recent.spelling == *name => recent.index,
            _ => self.look_up(name, slot),
        }
    }

    /// The index of a name that is called as it is to be from here on.
    pub(super) fn restore(&mut self, name: &StateName) -> StateIndex {
        self.by_name.get(name).copied().unwrap_or_else(|| self.add(Arc::clone(name)))
    }

    #[cold]
    #[allow(clippy::indexing_slicing, reason = "a slot is a remainder by the table's length")]
    fn look_up(&mut self, name: &str, slot: usize) -> StateIndex {
        if name.len() > MAX_STATE_NAME_BYTES {
            return Self::OTHER;
        }
        // An empty label value would be the same as none at all.
        let spelling = if name.is_empty() { UNKNOWN_STATE } else { name };
        let renamed = Arc::clone(&self.renamed);
        let (name, spelling) = match (renamed.get_key_value(spelling), self.by_name.get_key_value(spelling)) {
            (Some((spelling, name)), _) => (Arc::clone(name), Arc::clone(spelling)),
            (None, Some((name, _))) => (Arc::clone(name), Arc::clone(name)),
            (None, None) => {
                let name = StateName::from(spelling);
                (Arc::clone(&name), name)
            }
        };
        let index = self.add(name);
        self.recent[slot] = Some(Recent { spelling, index });
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
        // What was found of Lunch must not be believed any more.
        assert_eq!(names.index("Training"), lunch);
        assert_ne!(names.index("Lunch"), lunch);
    }

    #[test]
    fn names_are_called_as_the_map_has_them_however_often_they_come() {
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
