//! Reads the environment into a [`Config`] of one tenant, with the validation of a configuration file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::diagnostics::{Diagnostics, Place, Problem, quoted};
use super::keys::{VARIABLES, Variable};
use super::parse::dotenv;
use super::parse::value::{KeyPath, Value};
use super::parse::yaml::{Entry, Node, NodeValue};
use super::tenant::official::OFFICIAL_ONLY_KEYS;
use super::tenant::{self, ReadContext};
use super::{Config, ConfigError};

/// The name of the environment's only tenant.
const TENANT_NAME: &str = "default";

/// The agents of the tenant's directory.
const ALL_AGENTS: &str = "all";

/// What lists of other formats have between or around ids.
const FOREIGN_SEPARATORS: [char; 8] = [';', '|', '\'', '"', '`', '[', ']', '\u{201c}'];

/// The process environment and `.env`.
struct Environment<'a> {
    process: &'a dyn Fn(&str) -> Option<String>,
    place: Place,
    dotenv: dotenv::Variables,
}

/// The configuration in the environment `process` and in `.env` in `dir`.
pub(super) fn read(process: &dyn Fn(&str) -> Option<String>, dir: &Path) -> Result<Config, ConfigError> {
    let mut diagnostics = Diagnostics::default();
    let place = diagnostics.add_source("environment");
    let dotenv::Dotenv { variables, world_readable } = dotenv::read(dir, &mut diagnostics);
    let environment = Environment { process, place, dotenv: variables };
    let node = environment.tenant(&mut diagnostics);
    let context = ReadContext { base_dir: dir, world_readable, schedules: &BTreeMap::new(), invalid_schedules: &[] };
    let names = VARIABLES.iter().map(|variable| variable.name);
    let set: Vec<_> = names.filter(|name| environment.get(name).is_some()).collect();
    let value = Value { path: KeyPath::Environment(&set), place, node: &node };
    let tenant = tenant::read(&value, &context, &mut diagnostics);
    diagnostics.finish(Config {
        tenants: tenant.map(Arc::new).into_iter().collect(),
        schedules: BTreeMap::new(),
        warnings: Vec::new(),
    })
}

// === impl Environment ===

impl Environment<'_> {
    /// The variable `name`. An empty variable counts as unset, because unfilled templates produce it.
    fn get(&self, name: &str) -> Option<Node> {
        let process = (self.process)(name).map(|value| (value, self.place));
        let filled = |(value, _): &(String, Place)| !value.trim().is_empty();
        let (value, place) = process.filter(filled).or_else(|| self.dotenv.get(name).cloned().filter(filled))?;
        Some(Node::text(place, value))
    }

    /// The tenant as the equivalent mapping of a file.
    fn tenant(&self, diagnostics: &mut Diagnostics) -> Node {
        let mut entries = vec![entry("name", Node::text(self.place, TENANT_NAME))];
        let mut add = |key: &str, node: Option<Node>| entries.extend(node.map(|node| entry(key, node)));
        add("api", self.api());
        let (domain, base_url) = (self.get("CXONE_TENANT_DOMAIN"), self.get("CXONE_BASE_URL"));
        if let (Some(_), Some(base_url)) = (&domain, &base_url) {
            let problem = Problem::new("is asked instead of CXONE_TENANT_DOMAIN", "set one of the two");
            diagnostics.warn(base_url.place, "CXONE_BASE_URL", problem);
        }
        add("domain", domain.filter(|_| base_url.is_none()));
        add("base_url", base_url);
        let has_other_key = |variable: &&Variable| !matches!(variable.key, "api" | "domain" | "base_url" | "agents");
        for variable in VARIABLES.iter().filter(has_other_key) {
            add(variable.key, self.get(variable.name));
        }
        add("agents", self.agents(diagnostics));
        Node { place: self.place, value: NodeValue::Map(entries) }
    }

    /// The API that is named; else the official one, where a variable is set that only that API has.
    fn api(&self) -> Option<Node> {
        let is_official = |variable: &&Variable| OFFICIAL_ONLY_KEYS.contains(&variable.key);
        let implied = || VARIABLES.iter().filter(is_official).find_map(|variable| self.get(variable.name));
        self.get("CXONE_API").or_else(|| Some(Node::text(implied()?.place, "official")))
    }

    /// The ids of both variables, without repeating the single id; or `all`.
    fn agents(&self, diagnostics: &mut Diagnostics) -> Option<Node> {
        let (single, list) = (self.get("CXONE_AGENT_ID"), self.get("CXONE_AGENT_IDS"));
        let is_all = |node: &&Node| scalar(node).is_some_and(|(text, _)| text.trim() == ALL_AGENTS);
        if let Some(all) = [&list, &single].into_iter().flatten().find(is_all) {
            return Some(Node::text(all.place, ALL_AGENTS));
        }
        let place = single.as_ref().or(list.as_ref())?.place;
        let mut ids: Vec<(String, Place)> = Vec::new();
        if let Some((id, place)) = single.as_ref().and_then(scalar) {
            ids.push((id.trim().to_owned(), place));
        }
        if let Some((list, place)) = list.as_ref().and_then(scalar) {
            let single = ids.first().map(|(id, _)| id.clone());
            // Generated lists often have a trailing comma.
            let listed = list.trim().trim_end_matches(',').split(',').map(|id| id.trim().to_owned());
            ids.extend(listed.filter(|id| Some(id) != single.as_ref()).map(|id| (id, place)));
        }
        for (id, place) in &ids {
            let variable = if list.is_some() { "CXONE_AGENT_IDS" } else { "CXONE_AGENT_ID" };
            if let Some(problem) = id_problem(id) {
                diagnostics.error(*place, variable, problem);
            }
        }
        let agents = ids
            .into_iter()
            .map(|(id, place)| Node { place, value: NodeValue::Map(vec![entry("id", Node::text(place, id))]) });
        Some(Node { place, value: NodeValue::List(agents.collect()) })
    }
}

/// Why a part of a list is no id: the list is separated or quoted in another way, or means all agents. Messages do not repeat
/// the part, because it may be a misplaced person's name.
fn id_problem(id: &str) -> Option<Problem> {
    let remedy = "write ids separated by commas and without quotes, such as `1234,5678`, or `all` alone";
    if id.eq_ignore_ascii_case(ALL_AGENTS) {
        return Some(Problem::new(format!("has {} in place of an id", quoted(id)), remedy));
    }
    let foreign = id.chars().find(|c| FOREIGN_SEPARATORS.contains(c))?;
    Some(Problem::new(format!("has {} in it", quoted(&foreign.to_string())), remedy))
}

fn entry(key: &str, node: Node) -> Entry {
    Entry { place: node.place, key: key.into(), node }
}

fn scalar(node: &Node) -> Option<(&str, Place)> {
    match &node.value {
        NodeValue::Scalar { text, .. } => Some((text, node.place)),
        NodeValue::List(_) | NodeValue::Map(_) => None,
    }
}
