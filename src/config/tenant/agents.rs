//! Reads a tenant's agents from the list and from the agents file; each id is unique.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Agent;
use crate::config::bounds::{MAX_AGENTS, OFFLINE_LIMIT};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys::{AGENT, TEAM};
use crate::config::parse::fields::Fields;
use crate::config::parse::names;
use crate::config::parse::nearest::nearest;
use crate::config::parse::value::Value;
use crate::config::parse::yaml::NodeValue;
use crate::config::schedule::Schedules;
use crate::presence::{AgentId, Schedule};

/// What an agent's keys refer to.
pub(crate) struct References<'a> {
    pub(crate) tenant_limit: Option<Duration>,
    pub(crate) teams: Teams<'a>,
    pub(crate) schedules: &'a Schedules,
    /// Names of schedules that are given but invalid.
    pub(crate) invalid_schedules: &'a [String],
}

/// A tenant's teams with their limits and places.
pub(crate) type Teams<'a> = BTreeMap<&'a str, (Option<Duration>, Place)>;

/// The agents read so far.
#[derive(Default)]
pub(crate) struct AgentList {
    pub(crate) agents: Vec<Agent>,
    places: HashMap<AgentId, Place>,
}

// === impl AgentList ===

impl AgentList {
    /// Adds the agents of the list `value`.
    pub(crate) fn add_list(&mut self, value: &Value<'_>, references: &References<'_>, diagnostics: &mut Diagnostics) {
        let example = "a list of agents, each such as `- id: \"4711\"`";
        for item in value.items(example, MAX_AGENTS, diagnostics).into_iter().flatten() {
            self.add(&item, references, diagnostics);
        }
    }

    /// Adds the agent that the mapping `value` describes.
    pub(crate) fn add(&mut self, value: &Value<'_>, references: &References<'_>, diagnostics: &mut Diagnostics) {
        if let NodeValue::Scalar { .. } = value.node.value {
            value.report(Problem::new("is not a mapping", "write `id:` before the agent's id"), diagnostics);
            return;
        }
        let Some(fields) = value.fields(AGENT, diagnostics) else { return };
        let id = self.id(&fields, diagnostics);
        let label = |key: &str, diagnostics: &mut Diagnostics| {
            fields.get(key)?.parse("text", diagnostics, |text| names::check_label(text).map(|()| text.to_owned()))
        };
        let name = label("name", diagnostics);
        let team = label("team", diagnostics);
        let own_limit = fields.duration("offline_limit", &OFFLINE_LIMIT, diagnostics);
        let team_limit = || team.as_deref().and_then(|team| references.teams.get(team)).and_then(|(limit, _)| *limit);
        let offline_limit = own_limit.or_else(team_limit).or(references.tenant_limit);
        let schedule = schedule(&fields, references, diagnostics);
        if let Some(id) = id {
            self.agents.push(Agent { id, name, team, offline_limit, schedule });
        }
    }

    fn id(&mut self, fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<AgentId> {
        let value = fields.required("id", "`id:` with the agent's id", diagnostics)?;
        let plain = matches!(value.node.value, NodeValue::Scalar { plain: true, .. });
        let id = value.parse("the agent's id", diagnostics, |text| {
            names::check_agent_id(text, plain).map(|()| AgentId::from(text))
        })?;
        if let Some(place) = self.places.get(&id) {
            let problem = place.repeated(&format!("the agent {} ", quoted(&id)), value.place, diagnostics);
            value.report(problem, diagnostics);
            return None;
        }
        self.places.insert(Arc::clone(&id), value.place);
        Some(id)
    }
}

fn schedule(fields: &Fields<'_>, references: &References<'_>, diagnostics: &mut Diagnostics) -> Option<Arc<Schedule>> {
    let value = fields.get("schedule")?;
    let name = value.text("the name of a schedule under `schedules`", diagnostics)?;
    if let Some(schedule) = references.schedules.get(name) {
        return Some(Arc::clone(schedule));
    }
    if references.invalid_schedules.iter().any(|faulty| faulty == name) {
        return None;
    }
    let known = references.schedules.keys().chain(references.invalid_schedules).map(String::as_str);
    let remedy = match nearest(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "add it to `schedules` at the top of the configuration file".to_owned(),
    };
    value.report(Problem::new(format!("unknown schedule {}", quoted(name)), remedy), diagnostics);
    None
}

/// Whether `value` is `all`, which selects the agents of the tenant's directory.
pub(crate) fn is_all(value: &Value<'_>) -> bool {
    matches!(&value.node.value, NodeValue::Scalar { text, .. } if &**text == "all")
}

/// The limits of a tenant's teams.
pub(crate) fn read_teams<'a>(value: &'a Value<'a>, diagnostics: &mut Diagnostics) -> Teams<'a> {
    let example = "teams by name, such as `Billing: { offline_limit: 4h }`";
    let mut teams = Teams::new();
    for (name, value) in value.named(example, diagnostics).unwrap_or_default() {
        if let Err(problem) = names::check_label(name) {
            value.report(problem, diagnostics);
        }
        let fields = value.fields(TEAM, diagnostics);
        let limit = fields.and_then(|fields| fields.duration("offline_limit", &OFFLINE_LIMIT, diagnostics));
        teams.insert(name, (limit, value.place));
    }
    teams
}
