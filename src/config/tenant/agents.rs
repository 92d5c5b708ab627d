//! Reads a tenant's agents from the list and from the agents file; each id is unique.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::leave;
use crate::config::Agent;
use crate::config::bounds::{ABSENT_LIMIT, MAX_AGENTS, OFFLINE_LIMIT};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys::{AGENT, TEAM};
use crate::config::parse::fields::Fields;
use crate::config::parse::names;
use crate::config::parse::nearest::nearest;
use crate::config::parse::value::Value;
use crate::config::parse::yaml::NodeValue;
use crate::config::schedule::Schedules;
use crate::presence::{AgentId, Schedule, TimeZone, Window};

/// What an agent's keys refer to.
pub(crate) struct References<'a> {
    pub(crate) tenant_limit: Option<Duration>,
    pub(crate) tenant_absent_limit: Duration,
    pub(crate) teams: Teams<'a>,
    pub(crate) schedules: &'a Schedules,
    /// Names of schedules that are given but invalid.
    pub(crate) invalid_schedules: &'a [String],
}

/// A tenant's teams with their limits and places.
pub(crate) type Teams<'a> = BTreeMap<&'a str, Team>;

/// The limits of a team's agents, and where they are.
pub(crate) struct Team {
    pub(crate) offline_limit: Option<Duration>,
    pub(crate) absent_limit: Option<Duration>,
    pub(crate) place: Place,
}

/// The agents read so far.
#[derive(Default)]
pub(crate) struct AgentList {
    pub(crate) agents: Vec<Agent>,
    places: HashMap<AgentId, Place>,
    /// The leave of agents with a schedule, by position.
    leave: BTreeMap<usize, Vec<Window>>,
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
        let own_absent_limit = fields.duration("absent_limit", &ABSENT_LIMIT, diagnostics);
        let in_team = team.as_deref().and_then(|team| references.teams.get(team));
        let offline_limit = own_limit.or(in_team.and_then(|team| team.offline_limit)).or(references.tenant_limit);
        let absent_limit = own_absent_limit.or(in_team.and_then(|team| team.absent_limit));
        let schedule = schedule(&fields, references, diagnostics);
        let zone = schedule.as_ref().map_or(TimeZone::UTC, |schedule| schedule.timezone.clone());
        let leave = fields.get("leave").map(|value| leave::read_list(&value, &zone, diagnostics)).unwrap_or_default();
        if schedule.is_none() {
            for value in ["leave", "absent_limit"].iter().filter_map(|key| fields.get(key)) {
                let problem =
                    Problem::new("has no effect without a schedule", "give the agent a `schedule`, or leave it out");
                diagnostics.warn(value.place, value.path, problem);
            }
        }
        let Some(id) = id else { return };
        self.add_leave(self.agents.len(), leave);
        let absent_limit = schedule.is_some().then(|| absent_limit.unwrap_or(references.tenant_absent_limit));
        self.agents.push(Agent { id, name, team, offline_limit, absent_limit, schedule });
    }

    /// Adds leave of the agent at `position`.
    pub(crate) fn add_leave(&mut self, position: usize, leave: impl IntoIterator<Item = Window>) {
        let mut leave = leave.into_iter().peekable();
        if leave.peek().is_some() {
            self.leave.entry(position).or_default().extend(leave);
        }
    }

    /// Takes the leave off the schedules.
    pub(crate) fn apply_leave(&mut self) {
        for (position, leave) in std::mem::take(&mut self.leave) {
            if let Some(schedule) = self.agents.get_mut(position).and_then(|agent| agent.schedule.as_mut()) {
                *schedule = Arc::new(Schedule { leave: leave::merged(leave), ..Schedule::clone(schedule) });
            }
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
        let mut limit = |key, range| fields.as_ref().and_then(|fields| fields.duration(key, range, diagnostics));
        let (offline_limit, absent_limit) =
            (limit("offline_limit", &OFFLINE_LIMIT), limit("absent_limit", &ABSENT_LIMIT));
        teams.insert(name, Team { offline_limit, absent_limit, place: value.place });
    }
    teams
}
