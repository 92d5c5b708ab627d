//! Colour and pattern of each state, the same in all charts of a tenant.
//!
//! Colours are in the stylesheet because they depend on the theme. Patterns are here because SVG refers only to elements of
//! the same document; they distinguish states without colour vision.

use std::sync::Arc;

use maud::{Markup, html};

use crate::presence::StateName;

/// Styles of common states. Neighbouring states in charts differ in lightness and colour.
const COMMON_STATES: [(&str, u8); 14] = [
    ("Available", 0),
    ("Busy", 1),
    ("Working", 1),
    ("InboundContact", 1),
    ("OutboundContact", 2),
    ("WrapUp", 3),
    ("ACW", 3),
    ("Unavailable", 4),
    ("Offline", 5),
    ("LoggedOut", 6),
    ("Dialer", 7),
    ("InboundConsult", 8),
    ("OutboundConsult", 9),
    ("LoggedIn", 10),
];

/// SVG path of each style's pattern on a tile of 8 by 8; the first is plain.
const PATTERNS: [&str; 16] = [
    "",
    "M-2 2l4-4M0 8l8-8M6 10l4-4",
    "M-2 6l4 4M0 0l8 8M6-2l4 4",
    "M3 4h2M7 0h2M-1 0h2M7 8h2M-1 8h2",
    "M0 4h8",
    "M1 2h1",
    "M4 0v8",
    "M4 0v8M0 4h8",
    "M0 0l8 8M0 8l8-8",
    "M0 2h8M0 6h8",
    "M2 0v8M6 0v8",
    "M0 6l2-4 2 4 2-4 2 4",
    "M2 2h4v4h-4z",
    "M4 1v6M1 4h6",
    "M0 4h4v-4M4 8v-4h4",
    "M2 2l4 4M6 2l-4 4",
];

/// The first style that no common state has.
const FIRST_FREE: u8 = 11;

/// The style of offline states, whatever their names: the APIs have different ones.
const OFFLINE: u8 = 5;

/// The states of a tenant with their styles.
#[derive(Debug, Default)]
pub(super) struct StateStyles {
    states: Vec<StateStyle>,
    offline: Vec<StateName>,
}

/// A state with its style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateStyle {
    pub(super) name: StateName,
    /// Number of the pattern and colour.
    pub(super) style: u8,
}

// === impl StateStyles ===

impl StateStyles {
    /// Styles of these states, in this order without duplicates.
    pub(super) fn new<'a>(states: impl IntoIterator<Item = &'a StateName>, offline: &[StateName]) -> Self {
        let mut styles = Self { offline: offline.to_vec(), ..Self::default() };
        for state in states {
            styles.place_or_add(state);
        }
        styles
    }

    /// The index of `state`.
    pub(super) fn place(&self, state: &StateName) -> Option<usize> {
        // Names of states share allocations, so most are found by pointer.
        let by_address = self.states.iter().position(|known| Arc::ptr_eq(&known.name, state));
        by_address.or_else(|| self.states.iter().position(|known| known.name == *state))
    }

    /// The index of `state`; a new state is appended.
    pub(super) fn place_or_add(&mut self, state: &StateName) -> usize {
        self.place(state).unwrap_or_else(|| {
            let style = self.pick_style(state);
            self.states.push(StateStyle { name: Arc::clone(state), style });
            self.states.len() - 1
        })
    }

    /// Moves the offline states to the end, so that charts stack them on top. Indices change.
    pub(super) fn offline_last(&mut self) {
        let Self { states, offline } = self;
        states.sort_by_key(|state| offline.contains(&state.name));
    }

    /// The states in their order.
    pub(super) fn states(&self) -> &[StateStyle] {
        &self.states
    }

    fn pick_style(&self, state: &str) -> u8 {
        if self.offline.iter().any(|offline| **offline == *state) {
            return OFFLINE;
        }
        // Other states, such as `Unavailable: Lunch`, differ from each other as long as styles are free.
        if let Some((_, style)) = COMMON_STATES.iter().find(|(name, _)| *name == state) {
            return *style;
        }
        let styles = FIRST_FREE..u8::try_from(PATTERNS.len()).unwrap_or(u8::MAX);
        let uses = |style: &u8| self.states.iter().filter(|state| state.style == *style).count();
        styles.min_by_key(uses).unwrap_or_default()
    }
}

/// The patterns of all charts of a document, as an invisible SVG.
pub(super) fn patterns() -> Markup {
    html! {
        svg.patterns width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                @for (style, lines) in PATTERNS.iter().enumerate() {
                    pattern id={ "p" (style) } width="8" height="8" patternUnits="userSpaceOnUse" {
                        rect.{ "c" (style) } width="8" height="8" {}
                        @if !lines.is_empty() { path.ink d=(lines) {} }
                    }
                }
            }
        }
    }
}

/// A small square of a style, for legends.
pub(super) fn swatch(style: u8) -> Markup {
    html! {
        svg.swatch width="16" height="16" aria-hidden="true" focusable="false" {
            rect width="16" height="16" fill=(fill(style)) {}
        }
    }
}

/// Value of the attribute `fill` for this style.
pub(super) fn fill(style: u8) -> String {
    format!("url(#p{style})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_states_have_fixed_styles_and_others_differ() {
        let names = ["Busy", "Lunch", "Meeting", "Available", "Lunch", "Training"].map(StateName::from);
        let styles = StateStyles::new(&names, &[]);
        let assigned: Vec<_> = styles.states().iter().map(|state| (&*state.name, state.style)).collect();
        assert_eq!(assigned, [("Busy", 1), ("Lunch", 11), ("Meeting", 12), ("Available", 0), ("Training", 13)]);
        assert_eq!(styles.place(&"Available".into()), Some(3));
        assert_eq!(styles.place(&"Offline".into()), None);
    }

    #[test]
    fn offline_states_are_alike_and_last() {
        let [presence, official] = [["Offline", "Available"], ["LoggedOut", "Available"]].map(|names| {
            let mut styles =
                StateStyles::new(&names.map(StateName::from), &["Offline", "LoggedOut"].map(StateName::from));
            styles.offline_last();
            styles.states().iter().map(|state| state.style).collect::<Vec<_>>()
        });
        assert_eq!((presence, official), (vec![0, OFFLINE], vec![0, OFFLINE]));
    }

    #[test]
    fn styles_are_reused_evenly() {
        let names: Vec<StateName> = (0..50).map(|number| format!("state {number}").into()).collect();
        let styles = StateStyles::new(&names, &[]);
        for style in FIRST_FREE..16 {
            assert_eq!(styles.states().iter().filter(|state| state.style == style).count(), 10);
        }
    }
}
