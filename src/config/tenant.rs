//! A tenant's mapping → a [`Tenant`], with what is allowed but questionable as warnings.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use url::{Url, form_urlencoded};

use super::agents::{self, References, Roster, Teams};
use super::fault::{Complaint, Findings, quoted};
use super::fields::{Fields, Value};
use super::keys::TENANT;
use super::limits::{
    AGENTS_PER_REQUEST, CONCURRENT_REQUESTS, COOLDOWN, MAX_ADDRESS_BYTES, MAX_STALENESS, MAX_STATE_MAP, MAX_STATES,
    OFFLINE_LIMIT, REFRESH_TIMEOUT, REQUEST_TIMEOUT, REQUESTS_PER_MINUTE, WINDOW,
};
use super::nearest::nearest;
use super::official::parse_id;
use super::schedule::Schedules;
use super::secret::CLIENT_SECRET;
use super::{
    AgentFilter, Api, Interval, Official, OfflineLimits, StateMap, Tenant, address, agent_filter, agents_file,
    duration, incremental, interval, names, official, privacy, secret,
};
use crate::presence::StateName;

const DEFAULT_WINDOW: Duration = Duration::from_secs(24 * 3_600);
const DEFAULT_INTERVAL: &str = "PT1H";
const DEFAULT_INTERVAL_LENGTH: Duration = Duration::from_secs(3_600);
const DEFAULT_COOLDOWN: Duration = Duration::from_secs(60);
const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(15 * 60);
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_REFRESH_TIMEOUT: Duration = Duration::from_secs(120);
const DEFAULT_AGENTS_PER_REQUEST: usize = 50;
const DEFAULT_MAX_CONCURRENT_REQUESTS: usize = 2;
const DEFAULT_OFFLINE_STATES: [&str; 2] = ["Offline", "LoggedOut"];

/// The states declared where no filter says which ones to expect.
const USUAL_STATES: [&str; 4] = ["Available", "Busy", "WrapUp", "Offline"];

/// The states of the official API: the documented ones, and what after-contact work is shown as.
const OFFICIAL_STATES: [&str; 10] = [
    "LoggedOut",
    "Available",
    "Unavailable",
    "InboundContact",
    "OutboundContact",
    "InboundConsult",
    "OutboundConsult",
    "Dialer",
    "LoggedIn",
    "WrapUp",
];

/// What a tenant's keys refer to.
pub(super) struct Surroundings<'a> {
    /// What relative paths are relative to.
    pub(super) base_dir: &'a Path,
    /// Whether everyone may read the file that the keys are in.
    pub(super) world_readable: bool,
    pub(super) schedules: &'a Schedules,
    pub(super) faulty_schedules: &'a [String],
}

/// The tenant that `value` describes, as far as its faults allow; `findings` has every one of them.
pub(super) fn read(value: &Value<'_>, surroundings: &Surroundings<'_>, findings: &mut Findings) -> Option<Tenant> {
    let fields = value.fields(TENANT, findings)?;
    let name = fields.required("name", "`name:`, such as `acme`", findings).and_then(|value| {
        value.parse("a name, such as `acme`", findings, |text| names::check_name(text).map(|()| text.to_owned()))
    });
    let api = fields.get("api").map_or(Some(Api::Presence), |value| value.parse("`presence`", findings, parse_api));
    let entrance = read_entrance(&fields, api, surroundings, findings);

    // An interval is not blamed for a window that could not be read.
    let window_if_faulty = if fields.get("window").is_some() { WINDOW.max } else { DEFAULT_WINDOW };
    let window = fields.duration("window", &WINDOW, findings).unwrap_or(window_if_faulty);
    let interval = match api {
        // There are no buckets, so nothing is asked in this length; the window is as good as any.
        Some(Api::Official) => Some(Interval { text: DEFAULT_INTERVAL.to_owned(), length: DEFAULT_INTERVAL_LENGTH }),
        _ => read_interval(&fields, window, findings),
    };
    let incremental = match api {
        // It asks for the tail in any case.
        Some(Api::Official) => None,
        _ => incremental::read(&fields, findings),
    };
    let cooldown = fields.duration("cooldown", &COOLDOWN, findings).unwrap_or(DEFAULT_COOLDOWN);
    let max_staleness = fields.duration("max_staleness", &MAX_STALENESS, findings).unwrap_or(DEFAULT_MAX_STALENESS);
    let request_timeout =
        fields.duration("request_timeout", &REQUEST_TIMEOUT, findings).unwrap_or(DEFAULT_REQUEST_TIMEOUT);
    let refresh_timeout =
        fields.duration("refresh_timeout", &REFRESH_TIMEOUT, findings).unwrap_or(DEFAULT_REFRESH_TIMEOUT);
    let agents_per_request = fields
        .count("agents_per_request", &AGENTS_PER_REQUEST, "their ids share one address line", findings)
        .unwrap_or(DEFAULT_AGENTS_PER_REQUEST);
    let max_concurrent_requests = fields
        .count("max_concurrent_requests", &CONCURRENT_REQUESTS, "CXone limits the rate of requests", findings)
        .unwrap_or(DEFAULT_MAX_CONCURRENT_REQUESTS);
    let max_requests_per_minute = fields
        .count("max_requests_per_minute", &REQUESTS_PER_MINUTE, "leave it out to have no budget", findings)
        .and_then(|count| NonZeroU32::new(u32::try_from(count).ok()?));

    let states = read_states(&fields, "states", findings).unwrap_or_default();
    let state_map = fields.get("state_map").map(|value| read_state_map(&value, findings)).unwrap_or_default();
    let declared_states = match api {
        Some(Api::Official) => OFFICIAL_STATES.map(StateName::from).to_vec(),
        _ if states.is_empty() => USUAL_STATES.map(StateName::from).to_vec(),
        _ => states.clone(),
    };
    let declared_states = renamed(&declared_states, &state_map);
    let offline_states = read_states(&fields, "offline_states", findings)
        // What is called otherwise from now on is offline all the same.
        .unwrap_or_else(|| renamed(&DEFAULT_OFFLINE_STATES.map(StateName::from), &state_map));
    let privacy = privacy::read(&fields, surroundings.base_dir, surroundings.world_readable, findings);
    let Whom { mut agents, everyone, offline_limits } = read_agents(&fields, api, surroundings, findings);
    if privacy.as_ref().is_some_and(|privacy| !privacy.show_names) {
        agents.iter_mut().for_each(|agent| agent.name = None);
    }

    let Entrance { base_url, client_id, client_secret, official } = entrance?;
    let tenant = Tenant {
        name: name?,
        api: api?,
        base_url,
        client_id,
        client_secret: client_secret.value,
        client_secret_file: client_secret.file,
        window,
        interval: interval?,
        states,
        declared_states,
        cooldown,
        max_staleness,
        request_timeout,
        refresh_timeout,
        agents_per_request,
        max_concurrent_requests,
        max_requests_per_minute,
        offline_states,
        privacy: privacy?,
        agents,
        everyone,
        offline_limits,
        state_map,
        incremental,
        official,
        // Whose shard this process is, the configuration does not say.
        share: None,
    };
    incremental::check(&tenant, &fields, findings);
    warn(&tenant, &fields, findings);
    Some(tenant)
}

fn parse_api(text: &str) -> Result<Api, Complaint> {
    match text {
        "presence" => Ok(Api::Presence),
        "official" => Ok(Api::Official),
        _ => {
            let remedy = "write `presence` or `official`, or leave it out, which means `presence`";
            Err(Complaint::new(format!("unknown API {}", quoted(text)), remedy))
        }
    }
}

/// Where a tenant is asked, and with what.
struct Entrance {
    base_url: Url,
    client_id: String,
    client_secret: secret::Secret,
    official: Option<Official>,
}

fn read_entrance(
    fields: &Fields<'_>,
    api: Option<Api>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Entrance> {
    let Surroundings { base_dir, world_readable, .. } = *surroundings;
    match api? {
        Api::Presence => {
            official::refuse_own_keys(fields, findings);
            let base_url = address::read(fields, findings);
            let client_id =
                fields.required("client_id", "`client_id:` with the OAuth client's id", findings).and_then(|value| {
                    value.parse("the OAuth client's id", findings, |text| parse_id(text, "the OAuth client's id"))
                });
            let client_secret = secret::read(fields, &CLIENT_SECRET, base_dir, world_readable, findings);
            Some(Entrance { base_url: base_url?, client_id: client_id?, client_secret: client_secret?, official: None })
        }
        Api::Official => {
            let entrance = official::read(fields, base_dir, world_readable, findings)?;
            let official::Entrance { base_url, client_id, client_secret, official } = entrance;
            Some(Entrance { base_url, client_id, client_secret, official: Some(official) })
        }
    }
}

fn read_state_map(value: &Value<'_>, findings: &mut Findings) -> StateMap {
    let example = "states by the names they have now, such as `LoggedOut: Offline`";
    let entries = value.named(example, findings).unwrap_or_default();
    if entries.len() > MAX_STATE_MAP {
        let problem = format!("has {} entries, more than {MAX_STATE_MAP}", entries.len());
        value.complain(Complaint::new(problem, format!("write at most {MAX_STATE_MAP}")), findings);
        return StateMap::new();
    }
    let mut map = StateMap::new();
    for (from, value) in entries {
        if let Err(complaint) = names::check_label(from) {
            value.complain(complaint, findings);
        }
        let to = value
            .parse("the state's new name", findings, |text| names::check_label(text).map(|()| StateName::from(text)));
        map.extend(to.map(|to| (StateName::from(from), to)));
    }
    map
}

/// `states` by the names that `map` gives them, each once.
fn renamed(states: &[StateName], map: &StateMap) -> Vec<StateName> {
    let mut renamed: Vec<StateName> = Vec::with_capacity(states.len());
    for state in states {
        let shown = map.get(state).unwrap_or(state);
        if !renamed.contains(shown) {
            renamed.push(shown.clone());
        }
    }
    renamed
}

fn read_interval(fields: &Fields<'_>, window: Duration, findings: &mut Findings) -> Option<Interval> {
    if let Some(value) = fields.get("interval") {
        let example = "an ISO 8601 duration, such as `PT1H`";
        return value.parse(example, findings, |text| interval::parse_within(text, window));
    }
    if window < DEFAULT_INTERVAL_LENGTH {
        let remedy = "write an `interval` that is not longer, such as `PT1M`, or a longer `window`";
        let problem = format!("{} is shorter than the interval, {DEFAULT_INTERVAL}", duration::format(window));
        if let Some(window) = fields.get("window") {
            window.complain(Complaint::new(problem, remedy), findings);
        }
        return None;
    }
    Some(Interval { text: DEFAULT_INTERVAL.to_owned(), length: DEFAULT_INTERVAL_LENGTH })
}

fn read_states(fields: &Fields<'_>, key: &str, findings: &mut Findings) -> Option<Vec<StateName>> {
    let value = fields.get(key)?;
    let mut states: Vec<StateName> = Vec::new();
    for item in value.items("a list of states, such as `[Available, Offline]`", MAX_STATES, findings)? {
        let state = item.parse("a state, such as `Offline`", findings, |text| {
            names::check_state(text)?;
            if states.iter().any(|state| **state == *text) {
                return Err(Complaint::new(format!("{} is given twice", quoted(text)), "keep one of the two"));
            }
            Ok(StateName::from(text))
        });
        states.extend(state);
    }
    Some(states)
}

/// Whom a tenant is asked for.
struct Whom {
    agents: Vec<super::Agent>,
    everyone: Option<AgentFilter>,
    offline_limits: OfflineLimits,
}

fn read_agents(
    fields: &Fields<'_>,
    api: Option<Api>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Whom {
    let faults_before = findings.fault_count();
    let (list, file, teams) = (fields.get("agents"), fields.get("agents_file"), fields.get("teams"));
    let references = References {
        tenant_limit: fields.duration("offline_limit", &OFFLINE_LIMIT, findings),
        teams: teams.as_ref().map(|teams| agents::read_teams(teams, findings)).unwrap_or_default(),
        schedules: surroundings.schedules,
        faulty_schedules: surroundings.faulty_schedules,
    };
    let mut roster = Roster::default();
    let (list, everyone) = match list {
        Some(all) if agents::is_all(&all) => (None, Some(read_everyone(&all, fields, api, findings))),
        list => (list, None),
    };
    if let (None, Some(filter)) = (&everyone, fields.get("agent_filter")) {
        let remedy = "write `agents: all`, or leave it out";
        filter.complain(Complaint::new("is for `agents: all`", remedy), findings);
    }
    if let Some(list) = &list {
        roster.add_list(list, &references, findings);
    }
    if let Some(file) = &file {
        agents_file::add(file, surroundings.base_dir, &references, &mut roster, findings);
    }
    match list.or(file) {
        _ if everyone.is_some() => {}
        None => {
            let example = "`agents:` with a list of agents, or `agents_file:` with the path of a CSV file";
            fields.missing("agents", Some("agents_file"), example, findings);
        }
        Some(value) if roster.agents.is_empty() && findings.fault_count() == faults_before => {
            value.complain(Complaint::new("has no agent", "write at least one, with its `id`"), findings);
        }
        Some(_) => {}
    }
    if findings.fault_count() == faults_before
        && everyone.is_none()
        && let Some(teams) = &teams
    {
        warn_of_empty_teams(teams, &references.teams, &roster, findings);
    }
    let named = references.teams.iter().filter_map(|(team, (limit, _))| Some(((*team).to_owned(), (*limit)?)));
    let offline_limits = OfflineLimits { teams: named.collect(), tenant: references.tenant_limit };
    // They stay for the process's life, so the room that the list grew by is given back.
    roster.agents.shrink_to_fit();
    Whom { agents: roster.agents, everyone, offline_limits }
}

fn read_everyone(all: &Value<'_>, fields: &Fields<'_>, api: Option<Api>, findings: &mut Findings) -> AgentFilter {
    if api == Some(Api::Presence) {
        let remedy = "write a list of agents, as this API has no list of its own; `api: official` has";
        all.complain(Complaint::new("`all` is for `api: official`", remedy), findings);
    }
    agent_filter::read(fields.get("agent_filter").as_ref(), findings)
}

fn warn_of_empty_teams(value: &Value<'_>, teams: &Teams<'_>, roster: &Roster, findings: &mut Findings) {
    let used: BTreeSet<&str> = roster.agents.iter().filter_map(|agent| agent.team.as_deref()).collect();
    for (team, (_, place)) in teams.iter().filter(|(team, _)| !used.contains(**team)) {
        let remedy = match nearest(team, used.iter().copied()) {
            Some(meant) => format!("did you mean {}?", quoted(meant)),
            None => "remove it, or give agents this `team`".to_owned(),
        };
        findings.warn(*place, value.path, Complaint::new(format!("no agent is in the team {}", quoted(team)), remedy));
    }
}

/// What works, but hardly as it was meant.
fn warn(tenant: &Tenant, fields: &Fields<'_>, findings: &mut Findings) {
    let mut warn = |keys: &[&str], problem: String, remedy: String| {
        let value = keys.iter().find_map(|key| fields.get(key));
        let (place, path) = value.map_or((fields.place, fields.path), |value| (value.place, value.path));
        findings.warn(place, path, Complaint::new(problem, remedy));
    };
    let (cooldown, staleness) = (duration::format(tenant.cooldown), duration::format(tenant.max_staleness));
    if tenant.max_staleness < tenant.cooldown {
        warn(
            &["max_staleness", "cooldown"],
            format!("data is dropped after {staleness}, before the cooldown of {cooldown} allows new data"),
            format!("write a `max_staleness` longer than {cooldown}"),
        );
    }
    // By default, the refresh's end simply cuts the last request short.
    if tenant.request_timeout > tenant.refresh_timeout && fields.get("request_timeout").is_some() {
        let refresh = duration::format(tenant.refresh_timeout);
        warn(
            &["request_timeout"],
            format!("no request can take that long: a refresh ends after {refresh}"),
            format!("write a `request_timeout` up to {refresh}, or a longer `refresh_timeout`"),
        );
    }
    let longest_limit = tenant.agents.iter().filter_map(|agent| agent.offline_limit).max();
    if let Some(limit) = longest_limit.filter(|limit| *limit > tenant.window) {
        let (limit, window) = (duration::format(limit), duration::format(tenant.window));
        warn(
            &["offline_limit"],
            format!("an offline limit of {limit} is never reached in a window of {window}"),
            format!("write limits up to {window}, or a longer `window`"),
        );
    }
    let never_offline = !tenant.offline_states.iter().any(|state| tenant.declared_states.contains(state));
    if longest_limit.is_some() && !tenant.states.is_empty() && never_offline {
        warn(
            &["states"],
            "an offline limit is set, but no offline state is asked for".to_owned(),
            "add a state of `offline_states`, such as `Offline`".to_owned(),
        );
    }
    let gone = tenant.offline_states.iter().find(|state| tenant.state_map.get(*state).is_some_and(|to| to != *state));
    if let Some(state) = gone.filter(|_| fields.get("offline_states").is_some()) {
        warn(
            &["offline_states"],
            format!("no state is called {} any more, as `state_map` renames it", quoted(state)),
            "write the name that it gets".to_owned(),
        );
    }
    let address = longest_query(tenant);
    if address > MAX_ADDRESS_BYTES {
        let fewer = tenant.agents_per_request * MAX_ADDRESS_BYTES / address;
        warn(
            &["agents_per_request"],
            format!("requests have addresses of up to {address} bytes, more than many servers take"),
            format!("write an `agents_per_request` up to {fewer}"),
        );
    }
}

/// The bytes of the longest list of ids and states that a request asks for, encoded.
fn longest_query(tenant: &Tenant) -> usize {
    // An encoded comma takes three bytes.
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum::<usize>() + 3;
    let states: usize = tenant.states.iter().map(|state| encoded(state)).sum();
    let batches = tenant.agents.chunks(tenant.agents_per_request);
    let ids = batches.map(|batch| batch.iter().map(|agent| encoded(&agent.id)).sum::<usize>()).max();
    states + ids.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_interval_has_its_length() {
        assert_eq!(interval::parse(DEFAULT_INTERVAL).map(|interval| interval.length), Ok(DEFAULT_INTERVAL_LENGTH));
    }
}
