//! Whom to ask for: the agents of a tenant, from the file itself and from its agents file, each id once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Agent;
use super::fault::{Complaint, Findings, Place, quoted};
use super::fields::{Fields, Value};
use super::keys::{AGENT, TEAM};
use super::limits::{MAX_AGENTS, OFFLINE_LIMIT};
use super::names;
use super::nearest::nearest;
use super::schedule::Schedules;
use super::yaml::NodeValue;
use crate::presence::{AgentId, Schedule};

/// What an agent's keys refer to.
pub(super) struct References<'a> {
    pub(super) tenant_limit: Option<Duration>,
    pub(super) teams: Teams<'a>,
    pub(super) schedules: &'a Schedules,
    /// Schedules that are there, but have a fault of their own.
    pub(super) faulty_schedules: &'a [String],
}

/// A tenant's teams with their limits and where they are written.
pub(super) type Teams<'a> = BTreeMap<&'a str, (Option<Duration>, Place)>;

/// The agents read so far.
#[derive(Default)]
pub(super) struct Roster {
    pub(super) agents: Vec<Agent>,
    places: HashMap<AgentId, Place>,
}

// === impl Roster ===

impl Roster {
    /// Adds the agents of the list `value`.
    pub(super) fn add_list(&mut self, value: &Value<'_>, references: &References<'_>, findings: &mut Findings) {
        let example = "a list of agents, each such as `- id: \"4711\"`";
        for item in value.items(example, MAX_AGENTS, findings).into_iter().flatten() {
            self.add(&item, references, findings);
        }
    }

    /// Adds the agent that the mapping `value` describes.
    pub(super) fn add(&mut self, value: &Value<'_>, references: &References<'_>, findings: &mut Findings) {
        if let NodeValue::Scalar { .. } = value.node.value {
            value.complain(Complaint::new("is not a mapping", "write `id:` before the agent's id"), findings);
            return;
        }
        let Some(fields) = value.fields(AGENT, findings) else { return };
        let id = self.id(&fields, findings);
        let label = |key: &str, findings: &mut Findings| {
            fields.get(key)?.parse("text", findings, |text| names::check_label(text).map(|()| text.to_owned()))
        };
        let name = label("name", findings);
        let team = label("team", findings);
        let own_limit = fields.duration("offline_limit", &OFFLINE_LIMIT, findings);
        let team_limit = || team.as_deref().and_then(|team| references.teams.get(team)).and_then(|(limit, _)| *limit);
        let offline_limit = own_limit.or_else(team_limit).or(references.tenant_limit);
        let schedule = schedule(&fields, references, findings);
        if let Some(id) = id {
            self.agents.push(Agent { id, name, team, offline_limit, schedule });
        }
    }

    fn id(&mut self, fields: &Fields<'_>, findings: &mut Findings) -> Option<AgentId> {
        let value = fields.required("id", "`id:` with the agent's id", findings)?;
        let plain = matches!(value.node.value, NodeValue::Scalar { plain: true, .. });
        let id = value.parse("the agent's id", findings, |text| {
            names::check_agent_id(text, plain).map(|()| AgentId::from(text))
        })?;
        if let Some(place) = self.places.get(&id) {
            let complaint = place.repeated(&format!("the agent {} ", quoted(&id)), value.place, findings);
            value.complain(complaint, findings);
            return None;
        }
        self.places.insert(Arc::clone(&id), value.place);
        Some(id)
    }
}

fn schedule(fields: &Fields<'_>, references: &References<'_>, findings: &mut Findings) -> Option<Arc<Schedule>> {
    let value = fields.get("schedule")?;
    let name = value.text("the name of a schedule under `schedules`", findings)?;
    if let Some(schedule) = references.schedules.get(name) {
        return Some(Arc::clone(schedule));
    }
    if references.faulty_schedules.iter().any(|faulty| faulty == name) {
        return None;
    }
    let known = references.schedules.keys().chain(references.faulty_schedules).map(String::as_str);
    let remedy = match nearest(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "add it to `schedules` at the top of the configuration file".to_owned(),
    };
    value.complain(Complaint::new(format!("unknown schedule {}", quoted(name)), remedy), findings);
    None
}

/// Whether `value` is the word that stands for everybody in the tenant's own list.
pub(super) fn is_all(value: &Value<'_>) -> bool {
    matches!(&value.node.value, NodeValue::Scalar { text, .. } if &**text == "all")
}

/// The limits of a tenant's teams.
pub(super) fn read_teams<'a>(value: &'a Value<'a>, findings: &mut Findings) -> Teams<'a> {
    let example = "teams by name, such as `Billing: { offline_limit: 4h }`";
    let mut teams = Teams::new();
    for (name, value) in value.named(example, findings).unwrap_or_default() {
        if let Err(complaint) = names::check_label(name) {
            value.complain(complaint, findings);
        }
        let fields = value.fields(TEAM, findings);
        let limit = fields.and_then(|fields| fields.duration("offline_limit", &OFFLINE_LIMIT, findings));
        teams.insert(name, (limit, value.place));
    }
    teams
}
