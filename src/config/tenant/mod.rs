//! Reads a tenant's mapping into a [`Tenant`], with warnings for questionable settings.

pub(super) mod agent_filter;
pub(super) mod agents;
pub(super) mod agents_file;
pub(super) mod connection;
pub(super) mod incremental;
pub(super) mod leave;
pub(super) mod official;
pub(super) mod privacy;
pub(super) mod query;
pub(super) mod refresh_limits;
pub(super) mod resolved_agents;
pub(super) mod secret;
mod state_warnings;
pub(super) mod states;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use url::form_urlencoded;

use crate::config::bounds::{ABSENT_LIMIT, MAX_ADDRESS_BYTES, MIN_API_VERSION, OFFLINE_LIMIT};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys::TENANT;
use crate::config::parse::fields::{Fields, from_defaults};
use crate::config::parse::nearest::nearest;
use crate::config::parse::value::Value;
use crate::config::parse::{duration, names};
use crate::config::schedule::Schedules;
use crate::config::{
    AgentFilter, Api, ConnectionSettings, OfflineLimits, QuerySettings, RefreshLimits, StateSettings, Tenant,
};
use agents::{AgentList, References, Team, Teams};

/// What the keys of a tenant depend on.
pub(crate) struct ReadContext<'a> {
    /// The base directory of relative paths.
    pub(crate) base_dir: &'a Path,
    /// The source that every user of the machine may read, if it is one of the keys' sources.
    pub(crate) world_readable: Option<Place>,
    pub(crate) schedules: &'a Schedules,
    pub(crate) invalid_schedules: &'a [String],
}

/// The tenant in `value`; `None` where it is invalid. All problems are reported.
pub(crate) fn read(value: &Value<'_>, context: &ReadContext<'_>, diagnostics: &mut Diagnostics) -> Option<Tenant> {
    let fields = value.fields(TENANT, diagnostics)?;
    let name = fields.required("name", "`name:`, such as `acme`", diagnostics).and_then(|value| {
        value.parse("a name, such as `acme`", diagnostics, |text| names::check_name(text).map(|()| text.to_owned()))
    });
    let api = fields.value("api").and_then(|value| value.parse("`presence`", diagnostics, parse_api));
    let connection = match api {
        Some(Api::Presence) => {
            ConnectionSettings::read(&fields, context, diagnostics).map(|connection| (connection, None))
        }
        Some(Api::Official) => official::read(&fields, context.base_dir, context.world_readable, diagnostics)
            .map(|(connection, official)| (connection, Some(official))),
        None => None,
    };
    let query = QuerySettings::read(&fields, api, diagnostics);
    let counters = read_counters(&fields, api, query.as_ref(), diagnostics);
    let limits = RefreshLimits::read(&fields, diagnostics);
    let filter = query.as_ref().map_or(&[][..], |query| &query.states);
    let states = StateSettings::read(&fields, api.unwrap_or(Api::Presence), filter, diagnostics);
    let privacy = privacy::read(&fields, context.base_dir, context.world_readable, diagnostics);
    let AgentSelection { mut agents, agent_filter, offline_limits, absent_limit } =
        read_agents(&fields, api, context, diagnostics);
    if privacy.as_ref().is_some_and(|privacy| !privacy.keeps_names()) {
        agents.iter_mut().for_each(|agent| agent.name = None);
    }

    let (connection, official) = connection?;
    let tenant = Tenant {
        name: name?,
        api: api?,
        connection,
        query: query?,
        states: states?,
        limits: limits?,
        privacy: privacy?,
        agents,
        agent_filter,
        offline_limits,
        absent_limit,
        official,
        counters: counters?,
        // The configuration does not say which shard this process is.
        share: None,
    };
    incremental::check(&tenant, &fields, diagnostics);
    state_warnings::warn(&tenant, &fields, diagnostics);
    warn(&tenant, &fields, diagnostics);
    Some(tenant)
}

/// Whether time is counted. It cannot be without cached history, which the presence API has with `incremental` only.
fn read_counters(
    fields: &Fields<'_>,
    api: Option<Api>,
    query: Option<&QuerySettings>,
    diagnostics: &mut Diagnostics,
) -> Option<bool> {
    let errors_before = diagnostics.error_count();
    let counters = fields.flag("counters", diagnostics)?;
    let keeps_history = api != Some(Api::Presence) || query.is_none_or(|query| query.incremental.is_some());
    if counters
        && !keeps_history
        && diagnostics.error_count() == errors_before
        && let Some(value) = fields.get("counters")
    {
        let remedy = "write `incremental: true` as well, or leave it out";
        value.report(Problem::new("is for `incremental: true`", remedy), diagnostics);
    }
    Some(counters)
}

fn parse_api(text: &str) -> Result<Api, Problem> {
    match text {
        "presence" => Ok(Api::Presence),
        "official" => Ok(Api::Official),
        _ => {
            let remedy = "write `presence` or `official`, or leave it out, which means `presence`";
            Err(Problem::new(format!("unknown API {}", quoted(text)), remedy))
        }
    }
}

/// The configured agents, the filter for the directory and the offline limits.
struct AgentSelection {
    agents: Vec<crate::config::Agent>,
    agent_filter: Option<AgentFilter>,
    offline_limits: OfflineLimits,
    absent_limit: Duration,
}

/// The default of `absent_limit`.
pub(super) fn default_absent_limit() -> Duration {
    from_defaults(TENANT, |fields, diagnostics| fields.duration("absent_limit", &ABSENT_LIMIT, diagnostics))
}

fn read_agents(
    fields: &Fields<'_>,
    api: Option<Api>,
    context: &ReadContext<'_>,
    diagnostics: &mut Diagnostics,
) -> AgentSelection {
    let faults_before = diagnostics.error_count();
    let (list, file, teams) = (fields.get("agents"), fields.get("agents_file"), fields.get("teams"));
    let references = References {
        tenant_limit: fields.duration("offline_limit", &OFFLINE_LIMIT, diagnostics),
        tenant_absent_limit: fields
            .duration("absent_limit", &ABSENT_LIMIT, diagnostics)
            .unwrap_or_else(default_absent_limit),
        teams: teams.as_ref().map(|teams| agents::read_teams(teams, diagnostics)).unwrap_or_default(),
        schedules: context.schedules,
        invalid_schedules: context.invalid_schedules,
    };
    let mut agent_list = AgentList::default();
    let (list, agent_filter) = match list {
        Some(all) if agents::is_all(&all) => (None, Some(read_agent_filter(&all, fields, api, diagnostics))),
        list => (list, None),
    };
    if let (None, Some(filter)) = (&agent_filter, fields.get("agent_filter")) {
        let remedy = "write `agents: all`, or leave it out";
        filter.report(Problem::new("is for `agents: all`", remedy), diagnostics);
    }
    if let Some(list) = &list {
        agent_list.add_list(list, &references, diagnostics);
    }
    if let Some(file) = &file {
        agents_file::add(file, context.base_dir, &references, &mut agent_list, diagnostics);
    }
    if let Some(file) = fields.get("leave_file") {
        leave::add_file(&file, context.base_dir, agent_filter.is_some(), &mut agent_list, diagnostics);
    }
    agent_list.apply_leave();
    match list.or(file) {
        _ if agent_filter.is_some() => {}
        None => {
            let example = "`agents:` with a list of agents, or `agents_file:` with the path of a CSV file";
            fields.missing("agents", Some("agents_file"), example, diagnostics);
        }
        Some(value) if agent_list.agents.is_empty() && diagnostics.error_count() == faults_before => {
            value.report(Problem::new("has no agent", "write at least one, with its `id`"), diagnostics);
        }
        Some(_) => {}
    }
    if diagnostics.error_count() == faults_before
        && agent_filter.is_none()
        && let Some(teams) = &teams
    {
        warn_of_empty_teams(teams, &references.teams, &agent_list, diagnostics);
    }
    let named = references.teams.iter().filter_map(|(name, team)| Some(((*name).to_owned(), team.offline_limit?)));
    let offline_limits = OfflineLimits { teams: named.collect(), tenant: references.tenant_limit };
    // The list lives as long as the process, so its spare capacity is freed.
    agent_list.agents.shrink_to_fit();
    let absent_limit = references.tenant_absent_limit;
    AgentSelection { agents: agent_list.agents, agent_filter, offline_limits, absent_limit }
}

fn read_agent_filter(
    all: &Value<'_>,
    fields: &Fields<'_>,
    api: Option<Api>,
    diagnostics: &mut Diagnostics,
) -> AgentFilter {
    if api == Some(Api::Presence) {
        let remedy = "write a list of agents, as this API has no list of its own; `api: official` has";
        all.report(Problem::new("`all` is for `api: official`", remedy), diagnostics);
    }
    agent_filter::read(fields.get("agent_filter").as_ref(), diagnostics)
}

fn warn_of_empty_teams(value: &Value<'_>, teams: &Teams<'_>, agent_list: &AgentList, diagnostics: &mut Diagnostics) {
    let used: BTreeSet<&str> = agent_list.agents.iter().filter_map(|agent| agent.team.as_deref()).collect();
    for (team, Team { place, .. }) in teams.iter().filter(|(team, _)| !used.contains(**team)) {
        let remedy = match nearest(team, used.iter().copied()) {
            Some(meant) => format!("did you mean {}?", quoted(meant)),
            None => "remove it, or give agents this `team`".to_owned(),
        };
        diagnostics.warn(*place, value.path, Problem::new(format!("no agent is in the team {}", quoted(team)), remedy));
    }
}

/// Warns of settings that probably do not work as intended.
fn warn(tenant: &Tenant, fields: &Fields<'_>, diagnostics: &mut Diagnostics) {
    let mut warn = |keys: &[&str], message: String, remedy: String| {
        let value = keys.iter().find_map(|key| fields.get(key));
        let (place, path) = value.map_or((fields.place, fields.path), |value| (value.place, value.path));
        diagnostics.warn(place, path, Problem::new(message, remedy));
    };
    let (cooldown, staleness) =
        (duration::format(tenant.limits.cooldown), duration::format(tenant.limits.max_staleness));
    if tenant.limits.max_staleness < tenant.limits.cooldown {
        warn(
            &["max_staleness", "cooldown"],
            format!("data is dropped after {staleness}, before the cooldown of {cooldown} allows new data"),
            format!("write a `max_staleness` longer than {cooldown}"),
        );
    }
    // The default request timeout may exceed the refresh timeout, which then ends the last request.
    if tenant.limits.request_timeout > tenant.limits.refresh_timeout && fields.get("request_timeout").is_some() {
        let refresh = duration::format(tenant.limits.refresh_timeout);
        warn(
            &["request_timeout"],
            format!("no request can take that long: a refresh ends after {refresh}"),
            format!("write a `request_timeout` up to {refresh}, or a longer `refresh_timeout`"),
        );
    }
    let longest_limit = tenant.agents.iter().filter_map(|agent| agent.offline_limit).max();
    if let Some(limit) = longest_limit.filter(|limit| *limit > tenant.query.window) {
        let (limit, window) = (duration::format(limit), duration::format(tenant.query.window));
        warn(
            &["offline_limit"],
            format!("an offline limit of {limit} is never reached in a window of {window}"),
            format!("write limits up to {window}, or a longer `window`"),
        );
    }
    if let Some(official) = tenant.official.as_ref().filter(|official| official.major_version() < MIN_API_VERSION) {
        warn(
            &["api_version"],
            format!(
                "{} is older than v{MIN_API_VERSION}: its answers have other shapes, and rows may be rejected",
                official.api_version
            ),
            "write a newer version, such as `v30.0`, or leave it out".to_owned(),
        );
    }
    let address = longest_query(tenant);
    if address > MAX_ADDRESS_BYTES {
        let fewer = tenant.limits.agents_per_request * MAX_ADDRESS_BYTES / address;
        warn(
            &["agents_per_request"],
            format!("requests have addresses of up to {address} bytes, more than many servers take"),
            format!("write an `agents_per_request` up to {fewer}"),
        );
    }
}

/// The longest encoded list of ids and states of a request, in bytes.
fn longest_query(tenant: &Tenant) -> usize {
    // An encoded comma takes three bytes.
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum::<usize>() + 3;
    let states: usize = tenant.query.states.iter().map(|state| encoded(state)).sum();
    let batches = tenant.agents.chunks(tenant.limits.agents_per_request);
    let ids = batches.map(|batch| batch.iter().map(|agent| encoded(&agent.id)).sum::<usize>()).max();
    states + ids.unwrap_or(0)
}
