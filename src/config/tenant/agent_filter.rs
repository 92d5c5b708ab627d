//! Reads `agent_filter`, which selects the agents of `agents: all`.

use regex::RegexBuilder;

use crate::config::AgentFilter;
use crate::config::bounds::{MAX_AGENTS, MAX_FILTER_TEAMS, MAX_REGEX_BYTES};
use crate::config::diagnostics::{Diagnostics, Problem};
use crate::config::keys::AGENT_FILTER;
use crate::config::parse::fields::{Fields, Value};
use crate::config::parse::names;
use crate::config::parse::yaml::NodeValue;
use crate::presence::AgentId;

/// More agents than most contact centres have, at an acceptable number of series.
pub(crate) const DEFAULT_MAX: usize = 5_000;

/// The filter in `value`, or the default filter without it.
pub(crate) fn read(value: Option<&Value<'_>>, diagnostics: &mut Diagnostics) -> AgentFilter {
    let mut filter = AgentFilter::default();
    let Some(fields) = value.and_then(|value| value.fields(AGENT_FILTER, diagnostics)) else { return filter };
    if let Some(teams) = fields.get("teams")
        && let Some(items) = teams.items("a list of teams, such as `[Billing]`", MAX_FILTER_TEAMS, diagnostics)
    {
        let team = |item: Value<'_>| {
            item.parse("a team's name", diagnostics, |text| names::check_label(text).map(|()| text.to_owned()))
        };
        filter.teams = items.filter_map(team).collect();
    }
    if let Some(value) = fields.get("name_regex") {
        filter.name_regex = value
            .parse("a regular expression, such as `\"^(Ada|Grace) \"`", diagnostics, |text| {
                // An empty expression matches every name, like no expression.
                if text.is_empty() {
                    return Ok(None);
                }
                RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build().map(Some).map_err(|error| {
                    // The last line of the error has the reason; the lines before show the position.
                    let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
                    let reason = reason.trim_start_matches("error: ").to_owned();
                    Problem::new(
                        format!("is not a regular expression: {reason}"),
                        "see https://docs.rs/regex for what is",
                    )
                })
            })
            .flatten();
    }
    filter.active_only = fields.flag("active_only", diagnostics).unwrap_or(filter.active_only);
    filter.include = ids(&fields, "include", diagnostics);
    filter.exclude = ids(&fields, "exclude", diagnostics);
    let reason = "each is some ten series in every scrape";
    filter.max = fields.count("max", &(1..=MAX_AGENTS), reason, diagnostics).unwrap_or(filter.max);
    filter
}

fn ids(fields: &Fields<'_>, key: &str, diagnostics: &mut Diagnostics) -> Vec<AgentId> {
    let Some(value) = fields.get(key) else { return Vec::new() };
    let Some(items) = value.items("a list of agents' ids", MAX_AGENTS, diagnostics) else { return Vec::new() };
    let id = |item: Value<'_>| {
        let plain = matches!(item.node.value, NodeValue::Scalar { plain: true, .. });
        item.parse("an agent's id", diagnostics, |text| {
            names::check_agent_id(text, plain).map(|()| AgentId::from(text))
        })
    };
    items.filter_map(id).collect()
}
