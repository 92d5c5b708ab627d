//! Reads `agent_filter`, which selects the agents of `agents: all`.

use regex::{Regex, RegexBuilder};

use crate::config::AgentFilter;
use crate::config::bounds::{MAX_AGENTS, MAX_FILTER_TEAMS, MAX_REGEX_BYTES};
use crate::config::diagnostics::{Diagnostics, Problem};
use crate::config::keys::AGENT_FILTER;
use crate::config::parse::fields::{Fields, from_defaults};
use crate::config::parse::names;
use crate::config::parse::value::Value;
use crate::config::parse::yaml::NodeValue;
use crate::presence::AgentId;

/// The filter in `value`, or the default filter without it.
pub(crate) fn read(value: Option<&Value<'_>>, diagnostics: &mut Diagnostics) -> AgentFilter {
    let fields = value.and_then(|value| value.fields(AGENT_FILTER, diagnostics));
    fields.and_then(|fields| read_fields(&fields, diagnostics)).unwrap_or_default()
}

fn read_fields(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<AgentFilter> {
    let teams = fields.read("teams", diagnostics, |value, diagnostics| {
        let items = value.items("a list of teams, such as `[Billing]`", MAX_FILTER_TEAMS, diagnostics)?;
        let team = |item: Value<'_>| {
            item.parse("a team's name", diagnostics, |text| names::check_label(text).map(|()| text.to_owned()))
        };
        Some(items.filter_map(team).collect())
    });
    let example = "a regular expression, such as `\"^(Ada|Grace) \"`";
    let name_regex = fields.parse("name_regex", example, diagnostics, parse_regex);
    let active_only = fields.flag("active_only", diagnostics);
    let include = ids(fields, "include", diagnostics);
    let exclude = ids(fields, "exclude", diagnostics);
    let max = fields.count("max", &(1..=MAX_AGENTS), "each is some ten series in every scrape", diagnostics);
    Some(AgentFilter {
        teams: teams?,
        name_regex: name_regex?,
        active_only: active_only?,
        include: include?,
        exclude: exclude?,
        max: max?,
    })
}

fn parse_regex(text: &str) -> Result<Option<Regex>, Problem> {
    // An empty expression matches every name, like no expression.
    if text.is_empty() {
        return Ok(None);
    }
    RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build().map(Some).map_err(|error| {
        // The last line of the error has the reason; the lines before show the position.
        let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        let reason = reason.trim_start_matches("error: ").to_owned();
        Problem::new(format!("is not a regular expression: {reason}"), "see https://docs.rs/regex for what is")
    })
}

fn ids(fields: &Fields<'_>, key: &str, diagnostics: &mut Diagnostics) -> Option<Vec<AgentId>> {
    fields.read(key, diagnostics, |value, diagnostics| {
        let items = value.items("a list of agents' ids", MAX_AGENTS, diagnostics)?;
        let id = |item: Value<'_>| {
            let plain = matches!(item.node.value, NodeValue::Scalar { plain: true, .. });
            item.parse("an agent's id", diagnostics, |text| {
                names::check_agent_id(text, plain).map(|()| AgentId::from(text))
            })
        };
        Some(items.filter_map(id).collect())
    })
}

// === impl AgentFilter ===

/// Selects all active agents, up to the default maximum.
impl Default for AgentFilter {
    fn default() -> Self {
        from_defaults(AGENT_FILTER, read_fields)
    }
}
