//! Every family that is ever exposed, as constants. Documentation and dashboards are tested against [`ALL`].

mod agents;
mod exporter;
mod instruments;
mod teams;
mod tenant;

pub use agents::*;
pub use exporter::*;
pub use instruments::*;
pub use teams::*;
pub use tenant::*;

use crate::exposition::Family;

/// Every family, in groups, in the order they are exposed.
pub const ALL: [&[&Family]; 7] = [AGENTS, TEAMS, STATUS, TENANT, SCRAPE, EXPORTER, PROCESS];

/// Every family of [`ALL`], one by one.
pub fn all() -> impl Iterator<Item = &'static Family> {
    ALL.into_iter().flatten().copied()
}

/// A family that could not be exposed does not compile.
const _: () = {
    let mut groups: &[&[&Family]] = &ALL;
    while let [group, others @ ..] = groups {
        let mut families: &[&Family] = group;
        while let [family, rest @ ..] = families {
            assert!(family.check().is_ok());
            families = rest;
        }
        groups = others;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_names_are_unique_and_do_not_clash() {
        let families: Vec<_> = all().collect();
        for (position, one) in families.iter().enumerate() {
            for other in &families[position + 1..] {
                assert!(!one.clashes_with(other), "{} and {}", one.name, other.name);
            }
        }
    }

    #[test]
    fn every_help_is_a_sentence_in_one_line() {
        for family in all() {
            assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
            assert!(!family.help.contains("  "), "{}", family.name);
        }
    }
}
