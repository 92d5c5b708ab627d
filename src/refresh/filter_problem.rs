//! What is wrong with `agent_filter`, as far as the tenant's list of agents shows it.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::directory::AgentDirectory;
use crate::config::Tenant;

/// The most teams of the tenant's list that a log line names.
const MAX_TEAMS_SHOWN: usize = 5;

/// A filter that selects no agents, or that names teams which the list does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilterProblem {
    listed: usize,
    selected: usize,
    /// The unknown teams, in quotes, each with the nearest known one.
    unknown_teams: Vec<String>,
    /// Teams of the list, in quotes, if no known one is near.
    known_teams: Vec<String>,
}

/// The last problem that was logged.
#[derive(Debug, Default)]
pub(super) struct FilterLog(Option<FilterProblem>);

// === impl FilterProblem ===

impl FilterProblem {
    /// The problem of `configured` with `directory`, if there is one.
    pub(super) fn of(configured: &Tenant, directory: Option<&AgentDirectory>) -> Option<Self> {
        let (filter, people) = (configured.agent_filter.as_ref()?, &directory?.people);
        let selected = configured.count_selected(people);
        let unknown = filter.unknown_teams(people);
        if selected > 0 && unknown.is_empty() {
            return None;
        }
        // Team names come from the tenant. Debug output escapes what would forge a log line.
        let known: BTreeSet<&str> = people.iter().filter_map(|person| person.team.as_deref()).collect();
        let known_teams = match unknown.iter().all(|(_, near)| near.is_some()) {
            true => Vec::new(),
            false => known.iter().take(MAX_TEAMS_SHOWN).map(|team| format!("{team:?}")).collect(),
        };
        let unknown_teams = unknown.iter().map(|(team, near)| match near {
            Some(near) => format!("{team:?} (nearest: {near:?})"),
            None => format!("{team:?}"),
        });
        Some(Self { listed: people.len(), selected, unknown_teams: unknown_teams.collect(), known_teams })
    }
}

// === impl FilterLog ===

impl FilterLog {
    /// Logs `problem` of `tenant` where it is another one than before, and its end.
    pub(super) fn log(&mut self, tenant: &str, problem: Option<FilterProblem>) {
        if self.0 == problem {
            return;
        }
        match &problem {
            None => info!(tenant, "agent filter matches the list again"),
            Some(FilterProblem { listed, selected, unknown_teams, known_teams }) => {
                let [unknown_teams, known_teams] = [unknown_teams, known_teams].map(|teams| teams.join(", "));
                let message = match selected {
                    0 => "agent filter selects no agents",
                    _ => "agent filter names unknown teams",
                };
                warn!(tenant, listed, selected, unknown_teams, known_teams, "{message}");
            }
        }
        self.0 = problem;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AgentFilter;
    use crate::presence::Person;
    use crate::refresh::Moment;
    use crate::refresh::tests::{START, tenant_of_all};

    fn problem(teams: &[&str], listed: &[Option<&str>]) -> Option<FilterProblem> {
        let teams = teams.iter().map(ToString::to_string).collect();
        let tenant = Tenant { agent_filter: Some(AgentFilter { teams, ..AgentFilter::default() }), ..tenant_of_all() };
        let person =
            |team: &Option<&str>| Person { id: "1".into(), name: None, team: team.map(str::to_owned), active: true };
        let read_at = Moment { monotonic: Default::default(), utc: START };
        FilterProblem::of(
            &tenant,
            Some(&AgentDirectory { people: listed.iter().map(person).collect(), read_at, unconfirmed: None }),
        )
    }

    #[test]
    fn agent_filter_without_agents_or_with_unknown_teams_is_a_problem() {
        assert_eq!(problem(&[], &[None]), None);
        assert_eq!(problem(&["Billing"], &[Some("Billing")]), None);
        let found = |teams, listed| {
            problem(teams, listed).map(|problem| (problem.selected, problem.unknown_teams, problem.known_teams))
        };
        assert_eq!(found(&[], &[]), Some((0, vec![], vec![])));
        let near = "\"Biling\" (nearest: \"Billing\")".to_owned();
        assert_eq!(found(&["Biling"], &[Some("Billing")]), Some((0, vec![near.clone()], vec![])));
        assert_eq!(found(&["Biling", "Night"], &[Some("Billing"), Some("Night")]), Some((1, vec![near], vec![])));
        let forged = ["A", "B", "C", "D", "E\n\u{202e}", "F"].map(Some);
        let known = ["\"A\"", "\"B\"", "\"C\"", "\"D\"", "\"E\\n\\u{202e}\""].map(str::to_owned).to_vec();
        assert_eq!(found(&["Sales"], &forged), Some((0, vec!["\"Sales\"".to_owned()], known)));
    }
}
