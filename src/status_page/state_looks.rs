//! What states look like: a colour and a pattern each, the same on every strip and chart of a tenant.
//!
//! The colours stand in the stylesheet, so that they change with the theme. The patterns are here, as SVG can only refer
//! to what is in the document; they tell apart what colours do not to everybody.

use std::sync::Arc;

use maud::{Markup, html};

use crate::presence::StateName;

/// The looks of the states that most tenants have. Neighbours on a strip differ in lightness as well as in colour.
const USUAL: [(&str, u8); 14] = [
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

/// The lines of each look's pattern, on a tile of 8 by 8; the first is plain.
const LINES: [&str; 16] = [
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

/// The first look of those that no usual state has.
const FIRST_FREE: u8 = 11;

/// What a tenant's states look like. States keep their places, so a place stands for a state.
#[derive(Debug, Default)]
pub(super) struct Palette {
    shades: Vec<Shade>,
}

/// One state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shade {
    pub(super) name: StateName,
    /// Which pattern and colour.
    pub(super) look: u8,
}

// === impl Palette ===

impl Palette {
    /// A palette of these states in this order; repetitions are left out.
    pub(super) fn new<'a>(states: impl IntoIterator<Item = &'a StateName>) -> Self {
        let mut palette = Self::default();
        for state in states {
            palette.place_or_add(state);
        }
        palette
    }

    /// The place of `state`.
    pub(super) fn place(&self, state: &StateName) -> Option<usize> {
        // States share the allocations of their names, so most are found without comparing text.
        let by_address = self.shades.iter().position(|shade| Arc::ptr_eq(&shade.name, state));
        by_address.or_else(|| self.shades.iter().position(|shade| shade.name == *state))
    }

    /// The place of `state`, which is the last one if it is new.
    pub(super) fn place_or_add(&mut self, state: &StateName) -> usize {
        self.place(state).unwrap_or_else(|| {
            let look = self.look_of(state);
            self.shades.push(Shade { name: Arc::clone(state), look });
            self.shades.len() - 1
        })
    }

    /// The states in their order.
    pub(super) fn shades(&self) -> &[Shade] {
        &self.shades
    }

    fn look_of(&self, state: &str) -> u8 {
        // `Unavailable: Lunch` and the like are told apart from each other, not from everything else.
        if let Some((_, look)) = USUAL.iter().find(|(name, _)| *name == state) {
            return *look;
        }
        let looks = FIRST_FREE..u8::try_from(LINES.len()).unwrap_or(u8::MAX);
        let uses = |look: &u8| self.shades.iter().filter(|shade| shade.look == *look).count();
        looks.min_by_key(uses).unwrap_or_default()
    }
}

/// The patterns, for all the drawings of a document. It takes no room itself.
pub(super) fn patterns() -> Markup {
    html! {
        svg.patterns width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                @for (look, lines) in LINES.iter().enumerate() {
                    pattern id={ "p" (look) } width="8" height="8" patternUnits="userSpaceOnUse" {
                        rect.{ "c" (look) } width="8" height="8" {}
                        @if !lines.is_empty() { path.ink d=(lines) {} }
                    }
                }
            }
        }
    }
}

/// A small square of a look, beside the name of its state.
pub(super) fn swatch(look: u8) -> Markup {
    html! {
        svg.swatch width="16" height="16" aria-hidden="true" focusable="false" {
            rect width="16" height="16" fill=(fill(look)) {}
        }
    }
}

/// What fills a shape of this look.
pub(super) fn fill(look: u8) -> String {
    format!("url(#p{look})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_states_have_their_looks_and_others_differ() {
        let names = ["Busy", "Lunch", "Meeting", "Available", "Lunch", "Training"].map(StateName::from);
        let palette = Palette::new(&names);
        let looks: Vec<_> = palette.shades().iter().map(|shade| (&*shade.name, shade.look)).collect();
        assert_eq!(looks, [("Busy", 1), ("Lunch", 11), ("Meeting", 12), ("Available", 0), ("Training", 13)]);
        assert_eq!(palette.place(&"Available".into()), Some(3));
        assert_eq!(palette.place(&"Offline".into()), None);
    }

    #[test]
    fn more_states_than_looks_share_them_evenly() {
        let names: Vec<StateName> = (0..50).map(|number| format!("state {number}").into()).collect();
        let palette = Palette::new(&names);
        for look in FIRST_FREE..16 {
            assert_eq!(palette.shades().iter().filter(|shade| shade.look == look).count(), 10);
        }
    }
}
