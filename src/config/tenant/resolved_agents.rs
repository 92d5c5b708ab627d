//! Resolves the agents to request from the configuration and the tenant's directory.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::parse::nearest::nearest;
use crate::config::{Agent, AgentFilter, Api, Tenant};
use crate::presence::{AgentId, Person};

impl Tenant {
    /// This tenant with `agents`; itself where they are the same.
    pub fn with_agents(self: &Arc<Self>, agents: Vec<Agent>) -> Arc<Self> {
        if agents == self.agents { Arc::clone(self) } else { Arc::new(Self { agents, ..Self::clone(self) }) }
    }

    /// Whether the tenant's directory is needed: for `agents: all`, for names that are not configured, or for teams that are not
    /// configured where only teams are shown.
    pub fn needs_directory(&self) -> bool {
        let unnamed = || self.privacy.keeps_names() && self.agents.iter().any(|agent| agent.name.is_none());
        let without_team = || !self.privacy.per_agent && self.agents.iter().any(|agent| agent.team.is_none());
        self.api == Api::Official && (self.agent_filter.is_some() || unnamed() || without_team())
    }

    /// The directory without names that are neither shown nor matched by the filter.
    pub fn drop_unused_names(&self, mut people: Vec<Person>) -> Vec<Person> {
        let filters = self.agent_filter.as_ref().is_some_and(|filter| filter.name_regex.is_some());
        if !self.privacy.keeps_names() && !filters {
            people.iter_mut().for_each(|person| person.name = None);
        }
        people
    }

    /// The agents to request, and the number of agents dropped by `agent_filter.max`.
    ///
    /// Configured agents come first, in their order; configured values precede those of the directory. Shards together
    /// have the same agents as one process without shards.
    pub fn resolve_agents(&self, people: &[Person]) -> (Vec<Agent>, usize) {
        let listed: HashMap<&str, &Person> = people.iter().map(|person| (&*person.id, person)).collect();
        let mut agents: Vec<Agent> = self.agents.iter().map(|agent| self.completed(agent, &listed)).collect();
        let Some(filter) = &self.agent_filter else { return (agents, 0) };
        let elsewhere = self.share.iter().flat_map(|share| share.elsewhere.iter());
        let configured: HashSet<&str> =
            self.agents.iter().map(|agent| &*agent.id).chain(elsewhere.map(|id| &**id)).collect();
        let others: Vec<&Person> =
            filter.choose(people).into_iter().filter(|person| !configured.contains(&*person.id)).collect();
        let (taken, dropped) = others.split_at(filter.max.saturating_sub(configured.len()).min(others.len()));
        let own = |person: &&&Person| self.share.as_ref().is_none_or(|share| share.shard.owns(&person.id));
        let dropped = dropped.iter().filter(own).count();
        agents.extend(taken.iter().filter(own).map(|person| Agent {
            id: person.id.clone(),
            name: person.name.clone().filter(|_| self.privacy.keeps_names()),
            team: person.team.clone(),
            offline_limit: self.limit_of(person.team.as_deref()),
            absent_limit: None,
            schedule: None,
        }));
        (agents, dropped)
    }

    /// How many of `people` the filter selects, `agent_filter.max` aside; in every shard the same.
    pub(crate) fn count_selected(&self, people: &[Person]) -> usize {
        self.agent_filter.as_ref().map_or(0, |filter| filter.choose(people).len())
    }

    fn completed(&self, agent: &Agent, listed: &HashMap<&str, &Person>) -> Agent {
        let Some(person) = listed.get(&*agent.id) else { return agent.clone() };
        let team = agent.team.clone().or_else(|| person.team.clone());
        // `agent` already has the limit of the agent or its configured team. The limit of a team from the directory precedes
        // the tenant's.
        let by_team = agent.team.is_none() && agent.offline_limit == self.offline_limits.tenant;
        let offline_limit = if by_team { self.limit_of(team.as_deref()) } else { agent.offline_limit };
        let of_list = person.name.clone().filter(|_| self.privacy.keeps_names());
        Agent { name: agent.name.clone().or(of_list), team, offline_limit, ..agent.clone() }
    }

    fn limit_of(&self, team: Option<&str>) -> Option<Duration> {
        let of_team = team.and_then(|team| self.offline_limits.teams.get(team)).copied();
        of_team.or(self.offline_limits.tenant)
    }
}

// === impl AgentFilter ===

impl AgentFilter {
    /// The selected people without the maximum: those under `include` first, then the others in their order.
    fn choose<'p>(&self, people: &'p [Person]) -> Vec<&'p Person> {
        let by_id = |ids: &[AgentId]| ids.iter().map(ToString::to_string).collect::<HashSet<String>>();
        let (include, exclude) = (by_id(&self.include), by_id(&self.exclude));
        let not_excluded = people.iter().filter(|person| !exclude.contains(&*person.id));
        let (included, rest): (Vec<&Person>, Vec<&Person>) =
            not_excluded.partition(|person| include.contains(&*person.id));
        included.into_iter().chain(rest.into_iter().filter(|person| self.matches(person))).collect()
    }

    /// The teams of the filter that no person of `people` belongs to, each with the nearest known team.
    pub(crate) fn unknown_teams<'a>(&'a self, people: &'a [Person]) -> Vec<(&'a str, Option<&'a str>)> {
        let known: BTreeSet<&str> = people.iter().filter_map(|person| person.team.as_deref()).collect();
        let unknown = self.teams.iter().map(String::as_str).filter(|team| !known.contains(team));
        unknown.map(|team| (team, nearest(team, known.iter().copied()))).collect()
    }

    fn matches(&self, person: &Person) -> bool {
        let in_team = |team: &String| self.teams.contains(team);
        (!self.active_only || person.active)
            && (self.teams.is_empty() || person.team.as_ref().is_some_and(in_team))
            && self.name_regex.as_ref().is_none_or(|regex| regex.is_match(person.name.as_deref().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::cli::fixture;
    use crate::config::Shard;

    fn people() -> Vec<Person> {
        let person = |id: &str, name: &str, team: &str, active| Person {
            id: id.into(),
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            team: Some(team.to_owned()).filter(|team| !team.is_empty()),
            active,
        };
        vec![
            person("1", "Ada Lovelace", "Billing", true),
            person("2", "Grace Hopper", "Support", true),
            person("3", "Alan Turing", "Billing", false),
            person("4", "", "", true),
            person("5", "Edsger Dijkstra", "Support", true),
        ]
    }

    proptest! {
        #[test]
        fn shards_partition_the_agents_of_one_process(
            total in 1_u32..6,
            listed in 0_usize..40,
            configured in proptest::collection::hash_set(0_usize..50, 0..10),
            max in 0_usize..50,
            all in any::<bool>(),
        ) {
            let people: Vec<Person> = (0..listed).map(|nth| Person { id: nth.to_string().into(), ..people()[0].clone() }).collect();
            let mut tenant = fixture::tenant("acme", 0);
            tenant.api = Api::Official;
            tenant.agents = configured.iter().map(|nth| fixture::agent(&nth.to_string())).collect();
            tenant.agent_filter = all.then(|| AgentFilter { max, ..AgentFilter::default() });
            let config = fixture::config([tenant]);
            let ids = |agents: Vec<Agent>| agents.into_iter().map(|agent| agent.id.to_string()).collect::<Vec<_>>();
            let (whole, whole_dropped) = config.tenants[0].resolve_agents(&people);
            let (mut together, mut dropped) = (Vec::new(), 0);
            for index in 0..total {
                let shard = Shard::new(index, total).unwrap();
                let part = config.clone().of_shard(shard).unwrap();
                let (agents, part_dropped) = part.tenants[0].resolve_agents(&people);
                prop_assert!(agents.iter().all(|agent| shard.owns(&agent.id)));
                together.extend(ids(agents));
                dropped += part_dropped;
            }
            let mut whole = ids(whole);
            whole.sort_unstable();
            together.sort_unstable();
            prop_assert_eq!((together, dropped), (whole, whole_dropped));
        }
    }

    #[test]
    fn unknown_teams_have_the_nearest_known_one() {
        let teams = ["Billing", "Biling", "support", "Sales"].map(str::to_owned).to_vec();
        let filter = filter(|filter| filter.teams = teams);
        let expected = [("Biling", Some("Billing")), ("support", Some("Support")), ("Sales", None)];
        assert_eq!(filter.unknown_teams(&people()), expected);
        assert_eq!(filter.unknown_teams(&[])[0], ("Billing", None));
    }

    fn filter(change: impl FnOnce(&mut AgentFilter)) -> AgentFilter {
        let mut filter = AgentFilter::default();
        change(&mut filter);
        filter
    }

    fn ids(ids: &[&str]) -> Vec<AgentId> {
        ids.iter().map(|id| AgentId::from(*id)).collect()
    }

    #[test]
    fn agent_filter_exclude_precedes_include() {
        let table: [(AgentFilter, &[&str]); 7] = [
            (filter(|_| ()), &["1", "2", "4", "5"]),
            (filter(|filter| filter.active_only = false), &["1", "2", "3", "4", "5"]),
            (filter(|filter| filter.teams = vec!["Billing".to_owned()]), &["1"]),
            (filter(|filter| filter.name_regex = Regex::new("^(Grace|Alan)").ok()), &["2"]),
            (filter(|filter| filter.exclude = ids(&["1", "9"])), &["2", "4", "5"]),
            (
                filter(|filter| (filter.include, filter.teams) = (ids(&["3", "5"]), vec!["Nobody".to_owned()])),
                &["3", "5"],
            ),
            (filter(|filter| (filter.include, filter.exclude) = (ids(&["3"]), ids(&["3", "4"]))), &["1", "2", "5"]),
        ];
        for (filter, expected) in table {
            let chosen: Vec<String> = filter.choose(&people()).iter().map(|person| person.id.to_string()).collect();
            assert_eq!(chosen, expected, "{filter:?}");
        }
    }
}
