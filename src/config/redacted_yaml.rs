//! Writes a configuration as YAML with all settings, without secrets and people's names.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::parse::duration;
use super::schedule::{show, show_days};
use super::{Agent, AgentFilter, Api, Config, Tenant};
use crate::presence::{AgentId, Schedule, Window};

/// The placeholder of a person's name, and of agents where only teams are shown.
const HIDDEN: &str = "<hidden>";

/// `config` as YAML, as [`Config::to_yaml_redacted`] describes it.
pub(crate) fn to_yaml(config: &Config) -> String {
    let mut yaml = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut yaml, config);
    yaml
}

fn write(yaml: &mut String, config: &Config) -> fmt::Result {
    if let Some(shard) = config.tenants.iter().find_map(|tenant| tenant.shard()) {
        writeln!(yaml, "# This is {shard}: agents are those of the shard, and budgets its part.")?;
    }
    yaml.write_str("tenants:\n")?;
    for tenant in &config.tenants {
        write_tenant(yaml, tenant, config)?;
    }
    if !config.schedules.is_empty() {
        yaml.write_str("schedules:\n")?;
    }
    for (name, schedule) in &config.schedules {
        write_schedule(yaml, name, schedule)?;
    }
    Ok(())
}

fn write_tenant(yaml: &mut String, tenant: &Tenant, config: &Config) -> fmt::Result {
    let api = match tenant.api {
        Api::Presence => "presence",
        Api::Official => "official",
    };
    writeln!(yaml, "  - name: {}", Quoted(&tenant.name))?;
    writeln!(yaml, "    api: {api}")?;
    match &tenant.official {
        None => {
            writeln!(yaml, "    base_url: {}", Quoted(tenant.connection.base_url_text()))?;
            tenant.connection.write_client(yaml)?;
        }
        Some(official) => official.write(yaml, &tenant.connection)?,
    }
    tenant.query.write(yaml, tenant.api)?;
    if tenant.official.is_some() || tenant.query.incremental.is_some() {
        writeln!(yaml, "    counters: {}", tenant.counters)?;
    }
    tenant.limits.write(yaml, tenant.official.is_none())?;
    tenant.states.write(yaml)?;
    tenant.privacy.write(yaml)?;
    writeln!(yaml, "    absent_limit: {}", duration::format(tenant.absent_limit))?;
    if let Some(filter) = &tenant.agent_filter {
        write_limits(yaml, tenant)?;
        // The selected agents depend on the tenant's directory. Agents of an agents file are not shown here.
        writeln!(yaml, "    agents: all")?;
        return write_filter(yaml, tenant, filter);
    }
    if !tenant.privacy.per_agent {
        return writeln!(yaml, "    agents: {HIDDEN} # {}", tenant.agents.len());
    }
    writeln!(yaml, "    agents:")?;
    tenant.agents.iter().try_for_each(|agent| write_agent(yaml, tenant, agent, config))
}

/// Writes the offline limits of agents from the tenant's directory.
fn write_limits(yaml: &mut String, tenant: &Tenant) -> fmt::Result {
    let limits = &tenant.offline_limits;
    if let Some(limit) = limits.tenant {
        writeln!(yaml, "    offline_limit: {}", duration::format(limit))?;
    }
    if !limits.teams.is_empty() {
        writeln!(yaml, "    teams:")?;
    }
    for (team, limit) in &limits.teams {
        writeln!(yaml, "      {}: {{ offline_limit: {} }}", Quoted(team), duration::format(*limit))?;
    }
    Ok(())
}

fn write_filter(yaml: &mut String, tenant: &Tenant, filter: &AgentFilter) -> fmt::Result {
    let labels = |ids: &[AgentId]| match tenant.privacy.per_agent || ids.is_empty() {
        true => List(&ids.iter().map(|id| tenant.privacy.label(id)).collect::<Vec<_>>()).to_string(),
        false => HIDDEN.to_owned(),
    };
    writeln!(yaml, "    agent_filter:")?;
    writeln!(yaml, "      teams: {}", List(&filter.teams))?;
    // The expression may contain names.
    let name_regex = if filter.name_regex.is_some() { HIDDEN } else { "\"\"" };
    writeln!(yaml, "      name_regex: {name_regex}")?;
    writeln!(yaml, "      active_only: {}", filter.active_only)?;
    writeln!(yaml, "      include: {}", labels(&filter.include))?;
    writeln!(yaml, "      exclude: {}", labels(&filter.exclude))?;
    writeln!(yaml, "      max: {}", filter.max)
}

fn write_agent(yaml: &mut String, tenant: &Tenant, agent: &Agent, config: &Config) -> fmt::Result {
    // The id beside a pseudonym would reveal it.
    writeln!(yaml, "      - id: {}", Quoted(&tenant.label(agent)))?;
    if agent.name.is_some() {
        writeln!(yaml, "        name: {HIDDEN}")?;
    }
    if let Some(team) = &agent.team {
        writeln!(yaml, "        team: {}", Quoted(team))?;
    }
    if let Some(limit) = agent.offline_limit {
        writeln!(yaml, "        offline_limit: {}", duration::format(limit))?;
    }
    if let Some(limit) = agent.absent_limit {
        writeln!(yaml, "        absent_limit: {}", duration::format(limit))?;
    }
    let Some(schedule) = &agent.schedule else { return Ok(()) };
    // An agent with leave has a schedule of its own.
    let is_same = |known: &Arc<Schedule>| {
        Arc::ptr_eq(known, schedule)
            || !schedule.leave.is_empty() && **known == Schedule { leave: Vec::new(), ..Schedule::clone(schedule) }
    };
    if let Some((name, _)) = config.schedules.iter().find(|(_, known)| is_same(known)) {
        writeln!(yaml, "        schedule: {}", Quoted(name))?;
    }
    if !schedule.leave.is_empty() {
        yaml.write_str("        leave:\n")?;
    }
    for Window { start, end } in &schedule.leave {
        let is_open = end.micros() == i64::MAX;
        let to = if is_open { String::new() } else { format!(", to: \"{end}\"") };
        writeln!(yaml, "          - {{ from: \"{start}\"{to} }}")?;
    }
    Ok(())
}

fn write_schedule(yaml: &mut String, name: &str, schedule: &Schedule) -> fmt::Result {
    let hours: Vec<_> = schedule.hours.iter().map(|shift| show(*shift)).collect();
    let holidays: Vec<_> = schedule.holidays.iter().map(ToString::to_string).collect();
    writeln!(yaml, "  {}:", Quoted(name))?;
    writeln!(yaml, "    timezone: {}", Quoted(schedule.timezone.name()))?;
    writeln!(yaml, "    days: [{}]", show_days(schedule.days))?;
    writeln!(yaml, "    hours: {}", List(&hours))?;
    writeln!(yaml, "    holidays: {}", List(&holidays))
}

/// Text in double quotes, as in YAML and JSON.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                // Line separators and format characters would be misread or invisible.
                c if c.is_control() || !is_plain(c) => write!(f, "\\U{:08X}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

fn is_plain(c: char) -> bool {
    !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}'..='\u{ffff}')
}

/// Texts as a list in one line.
pub(crate) struct List<'a, T>(pub(crate) &'a [T]);

impl<T: AsRef<str>> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (index, text) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", Quoted(text.as_ref()))?;
        }
        f.write_char(']')
    }
}
