//! The agents of a tenant for commands that fetch once: those of the configuration and of CXone's own list.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::Monotonic;
use crate::config::{AgentFilter, Shard, Tenant};
use crate::presence::Person;
use crate::upstream::{Source, UpstreamError};

/// The most teams that a message names.
const MAX_NAMED_TEAMS: usize = 10;

/// A tenant with the agents to fetch.
pub(super) struct ResolvedTenant {
    pub(super) tenant: Arc<Tenant>,
    /// The number of people in CXone's list, if it was read.
    pub(super) listed: Option<usize>,
    /// Why there is no agent to fetch, as a clause, if there is none.
    pub(super) empty: Option<String>,
}

/// Reads CXone's list before `deadline`, if the agents or their names come from it.
///
/// # Errors
///
/// The list cannot be read, and `agents: all` needs it. Without names, which may come from it too, agents are fetched.
pub(super) async fn resolve(
    configured: &Arc<Tenant>,
    source: &dyn Source,
    deadline: Monotonic,
) -> Result<ResolvedTenant, UpstreamError> {
    let reading = if configured.needs_directory() { source.directory(deadline) } else { None };
    let people = match reading {
        Some(reading) => match reading.await {
            Ok(people) => Some(configured.drop_unused_names(people)),
            Err(error) if configured.agent_filter.is_some() => return Err(error),
            Err(_) => None,
        },
        None => None,
    };
    let listed = people.as_ref().map(Vec::len);
    let people = people.unwrap_or_default();
    let (agents, _) = configured.resolve_agents(&people);
    let empty = agents.is_empty().then(|| reason(configured, &people));
    Ok(ResolvedTenant { tenant: configured.with_agents(agents), listed, empty })
}

/// Why a tenant has no agent.
fn reason(tenant: &Tenant, people: &[Person]) -> String {
    let of_shard = |shard: &Shard| format!("{shard} has none of the agents");
    match (&tenant.agent_filter, tenant.shard()) {
        (Some(_), _) if people.is_empty() => {
            "CXone's list of agents is empty: check the permissions of the access key's \
            user, Employees > View"
                .to_owned()
        }
        (Some(filter), shard) => {
            let unfiltered = Tenant { share: None, ..tenant.clone() };
            match shard {
                Some(shard) if !unfiltered.resolve_agents(people).0.is_empty() => of_shard(&shard),
                _ => unselected(filter, people),
            }
        }
        (None, Some(shard)) => of_shard(&shard),
        (None, None) => "no agent is configured".to_owned(),
    }
}

/// Why `filter` selects none of `people`.
fn unselected(filter: &AgentFilter, people: &[Person]) -> String {
    let listed = format!("`agent_filter` selects none of the {} agents in CXone's list", people.len());
    let teams: BTreeSet<&str> = people.iter().filter_map(|person| person.team.as_deref()).collect();
    if !filter.teams.is_empty() && !filter.teams.iter().any(|team| teams.contains(team.as_str())) {
        return format!("{listed}: it has no team {}; its teams: {}", quoted(&filter.teams), named(&teams));
    }
    if filter.active_only && people.iter().all(|person| !person.active) {
        return format!("{listed}: all are inactive; write `active_only: false` to select them");
    }
    format!("{listed}: check its `teams`, `name_regex` and `exclude`")
}

/// The teams in backticks.
pub(super) fn named(teams: &BTreeSet<&str>) -> String {
    if teams.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<_> = teams.iter().take(MAX_NAMED_TEAMS).map(|team| format!("`{team}`")).collect();
    let rest = teams.len().saturating_sub(shown.len());
    let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    format!("{}{more}", shown.join(", "))
}

fn quoted(teams: &[String]) -> String {
    teams.iter().map(|team| format!("`{team}`")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture::{self, FakeSource};
    use crate::config::Api;
    use crate::upstream::FetchResult;

    fn person(id: &str, team: &str, active: bool) -> Person {
        Person { id: id.into(), name: None, team: Some(team.to_owned()), active }
    }

    async fn empty(people: Vec<Person>, change: impl FnOnce(&mut AgentFilter)) -> Option<String> {
        let mut filter = AgentFilter::default();
        change(&mut filter);
        let tenant = Tenant { api: Api::Official, agent_filter: Some(filter), ..fixture::tenant("acme", 0) };
        let source = FakeSource::new(|_| FetchResult::default()).with_directory(Ok(people));
        let resolved = resolve(&Arc::new(tenant), &*source, Monotonic::default()).await.unwrap();
        assert_eq!(resolved.tenant.agents.is_empty(), resolved.empty.is_some());
        resolved.empty
    }

    #[tokio::test]
    async fn empty_selection_has_its_reason() {
        let people = || vec![person("1", "Billing", true), person("2", "Support", false)];
        assert_eq!(empty(people(), |_| ()).await, None);
        let reason = empty(Vec::new(), |_| ()).await.unwrap();
        assert!(reason.contains("list of agents is empty"), "{reason}");
        let reason = empty(people(), |filter| filter.teams = vec!["Biling".to_owned()]).await.unwrap();
        assert!(reason.ends_with("it has no team `Biling`; its teams: `Billing`, `Support`"), "{reason}");
        let reason = empty(vec![person("2", "Support", false)], |_| ()).await.unwrap();
        assert!(reason.contains("all are inactive"), "{reason}");
        let reason = empty(people(), |filter| filter.exclude = vec!["1".into()]).await.unwrap();
        assert!(reason.ends_with("check its `teams`, `name_regex` and `exclude`"), "{reason}");
    }
}
