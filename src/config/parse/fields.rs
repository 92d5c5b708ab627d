//! Reads typed values from the tree. Each step reports its problems with key and line, and reading continues.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::Duration;

use super::duration;
use super::nearest::{nearest, nearest_three};
use super::yaml::{self, Entry, Node, NodeValue};
use crate::config::bounds::DurationRange;
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys;

/// The most known keys that a message lists.
const MAX_LISTED_KEYS: usize = 8;

/// Keys of other programs' files with what this program has instead.
const FOREIGN_KEYS: &[(&[&str], &str)] = &[
    (
        &["proxy_url", "proxy", "http_proxy", "https_proxy", "no_proxy", "proxy_from_environment"],
        "set HTTPS_PROXY, and NO_PROXY for exceptions, in the exporter's environment",
    ),
    (
        &["tls_config", "ca_file", "ca_cert", "cert_file", "key_file", "insecure_skip_verify", "verify_ssl"],
        "let SSL_CERT_FILE in the exporter's environment name the CA certificates; they are always verified",
    ),
    (
        &["basic_auth", "basic_auth_users", "tls_server_config", "http_server_config", "rate_limit", "web_config"],
        "write it into the file of --web.config.file, if it is about the exporter's own clients",
    ),
    (
        &["listen_address", "listen", "port", "web", "telemetry_path", "metrics_path"],
        "give --web.listen-address or another flag that begins with --web",
    ),
    (&["log_level", "log_format", "log", "logging"], "give --log.level or --log.format"),
    (&["storage", "storage_path", "cache_dir", "data_dir"], "give --storage.path"),
    (
        &["scrape_interval", "refresh_interval", "poll_interval"],
        "write `cooldown`; the scrapes themselves are Prometheus's",
    ),
    (
        &["username", "password", "oauth2", "authorization", "bearer_token", "token"],
        "write `client_id` and `client_secret_file`, or with `api: official` an access key",
    ),
];

/// The longest unknown key that a message repeats. The longest known one has 23 characters.
const MAX_SHOWN_KEY_CHARS: usize = 32;

/// The parsed default of each key that has one, by section and name.
static DEFAULTS: LazyLock<HashMap<(&str, &str), Node>> = LazyLock::new(|| {
    let node = |text| yaml::parse(text, Place::default(), &mut Diagnostics::default());
    keys::defaults().filter_map(|(key, text)| Some((key, node(text)?))).collect()
});

/// The path of a value, as messages name it.
#[derive(Clone, Copy)]
pub(crate) enum KeyPath<'a> {
    /// The top of a file.
    File,
    /// The environment's only tenant. Keys below it are named by the variables that are set.
    Environment(&'a [&'static str]),
    /// A key of a mapping.
    Key(&'a Self, &'a str),
    /// An item of a list, from 0.
    Item(&'a Self, usize),
}

/// A value under its path.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) path: KeyPath<'a>,
    pub(crate) place: Place,
    pub(crate) node: &'a Node,
}

/// A mapping whose keys are known, under its path.
pub(crate) struct Fields<'a> {
    section: &'static str,
    pub(crate) path: KeyPath<'a>,
    pub(crate) place: Place,
    entries: Vec<&'a Entry>,
}

// === impl KeyPath ===

impl KeyPath<'_> {
    fn is_environment(&self) -> bool {
        match self {
            KeyPath::File => false,
            KeyPath::Environment(_) => true,
            KeyPath::Key(parent, _) | KeyPath::Item(parent, _) => parent.is_environment(),
        }
    }
}

impl fmt::Display for KeyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPath::File | KeyPath::Environment(_) => Ok(()),
            KeyPath::Key(KeyPath::File, key) => write!(f, "{}", Segment(key)),
            KeyPath::Key(KeyPath::Environment(set), key) => {
                let names: Vec<_> = variables(key, None).into_iter().filter(|name| set.contains(name)).collect();
                f.write_str(&names.join(" and "))
            }
            // A variable has no named parts.
            KeyPath::Key(parent, _) | KeyPath::Item(parent, _) if parent.is_environment() => parent.fmt(f),
            KeyPath::Key(parent, key) => write!(f, "{parent}.{}", Segment(key)),
            KeyPath::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// One key of a path, quoted unless it is a plain word.
struct Segment<'a>(&'a str);

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) && !self.0.is_empty() {
            f.write_str(self.0)
        } else {
            f.write_str(&quoted(self.0))
        }
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    /// The root of a file.
    pub(crate) fn root(node: &'a Node) -> Self {
        Self { path: KeyPath::File, place: node.place, node }
    }

    pub(crate) fn report(&self, problem: Problem, diagnostics: &mut Diagnostics) {
        let problem = if self.path.is_environment() { with_variables(problem) } else { problem };
        diagnostics.error(self.place, self.path, problem);
    }

    /// The scalar's text. `example` shows what to write, as in "write {example}".
    pub(crate) fn text(&self, example: &str, diagnostics: &mut Diagnostics) -> Option<&'a str> {
        let message = match &self.node.value {
            NodeValue::Scalar { text, plain: true } if matches!(&**text, "true" | "false") => {
                let remedy = format!("write {example}; the word itself, as text, needs quotes");
                self.report(Problem::new("is a boolean", remedy), diagnostics);
                return None;
            }
            _ if self.node.is_null() => "has no value",
            NodeValue::Scalar { text, .. } if has_reference(text) && !self.path.is_environment() => {
                let remedy =
                    format!("write {example}; a secret can stand in a file of its own, see `client_secret_file`");
                let message = "names a variable, and variables are not replaced in this file";
                self.report(Problem::new(message, remedy), diagnostics);
                return None;
            }
            NodeValue::Scalar { text, .. } => return Some(text),
            NodeValue::List(_) => "is a list",
            NodeValue::Map(_) => "is a mapping",
        };
        self.report(Problem::new(message, format!("write {example}")), diagnostics);
        None
    }

    /// The scalar, parsed by `parse`.
    pub(crate) fn parse<T>(
        &self,
        example: &str,
        diagnostics: &mut Diagnostics,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        parse(self.text(example, diagnostics)?).map_err(|problem| self.report(problem, diagnostics)).ok()
    }

    /// The list's items, if there are at most `most`.
    pub(crate) fn items(
        &'a self,
        example: &str,
        most: usize,
        diagnostics: &mut Diagnostics,
    ) -> Option<impl Iterator<Item = Value<'a>> + use<'a>> {
        let message = match &self.node.value {
            NodeValue::List(items) if items.len() <= most => {
                return Some(items.iter().enumerate().map(|(index, node)| Value {
                    path: KeyPath::Item(&self.path, index),
                    place: node.place,
                    node,
                }));
            }
            NodeValue::List(items) => {
                let count = items.len();
                self.report(
                    Problem::new(format!("has {count} entries, more than {most}"), format!("write at most {most}")),
                    diagnostics,
                );
                return None;
            }
            _ if self.node.is_null() => "has no value",
            NodeValue::Scalar { .. } => "is not a list",
            NodeValue::Map(_) => "is a mapping, not a list",
        };
        self.report(Problem::new(message, format!("write {example}")), diagnostics);
        None
    }

    /// The items of a list, or the scalar as the only one.
    pub(crate) fn one_or_more(
        &'a self,
        example: &str,
        most: usize,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<Self>> {
        match self.node.value {
            NodeValue::Scalar { .. } if !self.node.is_null() => Some(vec![*self]),
            _ => Some(self.items(example, most, diagnostics)?.collect()),
        }
    }

    /// The entries of a mapping with arbitrary names.
    pub(crate) fn named(&'a self, example: &str, diagnostics: &mut Diagnostics) -> Option<Vec<(&'a str, Self)>> {
        let entries = self.entries(|| example.to_owned(), diagnostics)?;
        Some(entries.into_iter().map(|entry| (&*entry.key, entry_value(&self.path, entry))).collect())
    }

    /// The mapping's known keys; reports each key that `section` does not have.
    pub(crate) fn fields(&self, section: &'static str, diagnostics: &mut Diagnostics) -> Option<Fields<'a>> {
        let known = keys::of(section);
        let entries = self.entries(|| format!("a mapping that may have {}", some_of(known)), diagnostics)?;
        let (entries, unknown): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| known.contains(&&*entry.key));
        for entry in unknown {
            diagnostics.error(entry.place, self.path, unknown_key(&entry.key, section, known));
        }
        Some(Fields { section, path: self.path, place: self.place, entries })
    }

    /// The mapping's entries, without repeated keys.
    fn entries(&self, example: impl FnOnce() -> String, diagnostics: &mut Diagnostics) -> Option<Vec<&'a Entry>> {
        let NodeValue::Map(entries) = &self.node.value else {
            let message = match &self.node.value {
                _ if self.node.is_null() => "has no value",
                NodeValue::List(_) => "is a list, not a mapping",
                _ => "is not a mapping",
            };
            self.report(Problem::new(message, format!("write {}", example())), diagnostics);
            return None;
        };
        let mut first: HashMap<&str, Place> = HashMap::with_capacity(entries.len());
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(place) = first.get(&*entry.key) {
                let problem = place.repeated(&format!("{} ", shown_key(&entry.key)), entry.place, diagnostics);
                diagnostics.error(entry.place, self.path, problem);
            } else {
                first.insert(&entry.key, entry.place);
                kept.push(entry);
            }
        }
        Some(kept)
    }
}

/// Whether `text` has a reference that shells and templates replace: `${NAME}`, `${NAME:-default}`, `$(NAME)`, or `$NAME` alone.
fn has_reference(text: &str) -> bool {
    let name_end = |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let is_name = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let closed = |(open, close, after_name): (&str, char, &[char])| {
        text.match_indices(open).any(|(at, _)| {
            let rest = text.get(at + open.len()..).unwrap_or_default();
            let after = rest.get(name_end(rest)..).unwrap_or_default();
            is_name(rest) && after.contains(close) && after.starts_with(after_name)
        })
    };
    let alone = text.strip_prefix('$').is_some_and(|name| {
        is_name(name)
            && name.len() > 2
            && name_end(name) == name.len()
            && !name.contains(|c: char| c.is_ascii_lowercase())
    });
    alone || [("${", '}', &['}', ':', '-', '?', '+', '='][..]), ("$(", ')', &[')'][..])].into_iter().any(closed)
}

fn entry_value<'a>(parent: &'a KeyPath<'a>, entry: &'a Entry) -> Value<'a> {
    // The parser places an absent value at the next token.
    let place = if entry.node.is_null() { entry.place } else { entry.node.place };
    Value { path: KeyPath::Key(parent, &entry.key), place, node: &entry.node }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The same mapping without the keys that have no value.
    pub(crate) fn without_nulls(mut self) -> Self {
        self.entries.retain(|entry| !entry.node.is_null());
        self
    }

    /// The value of `key`, if it is there, without its default.
    pub(crate) fn get(&'a self, key: &str) -> Option<Value<'a>> {
        self.entries.iter().find(|entry| &*entry.key == key).map(|entry| entry_value(&self.path, entry))
    }

    /// The default of `key`, if it has one.
    fn default_of(&'a self, key: &'a str) -> Option<Value<'a>> {
        let node = DEFAULTS.get(&(self.section, key))?;
        Some(Value { path: KeyPath::Key(&self.path, key), place: self.place, node })
    }

    /// The value of `key`, else its default.
    pub(crate) fn value(&'a self, key: &'a str) -> Option<Value<'a>> {
        self.get(key).or_else(|| self.default_of(key))
    }

    /// What `read` makes of the value of `key`; of its default, where the key is not there or its value was reported.
    pub(crate) fn read<T>(
        &self,
        key: &str,
        diagnostics: &mut Diagnostics,
        read: impl Fn(&Value<'_>, &mut Diagnostics) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|value| read(&value, diagnostics)).or_else(|| read(&self.default_of(key)?, diagnostics))
    }

    /// The value of `key` or its default, parsed by `parse`.
    pub(crate) fn parse<T>(
        &self,
        key: &str,
        example: &str,
        diagnostics: &mut Diagnostics,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        self.read(key, diagnostics, |value, diagnostics| value.parse(example, diagnostics, &parse))
    }

    /// The value of `key`; reports a missing key.
    pub(crate) fn required(&'a self, key: &'a str, example: &str, diagnostics: &mut Diagnostics) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            self.missing(key, None, example, diagnostics);
        }
        value
    }

    /// Reports that `key` is missing, and so is its alternative `other`.
    pub(crate) fn missing(&self, key: &str, other: Option<&str>, example: &str, diagnostics: &mut Diagnostics) {
        let path = KeyPath::Key(&self.path, key);
        if self.path.is_environment() {
            // A variable that seems to be missing may be in a line that could not be read.
            if diagnostics.is_incomplete() {
                return;
            }
            let names = variables(key, other);
            let (first, others) = names.split_first().unwrap_or((&"", &[]));
            let remedy = match others {
                [] => "set it in the environment or in `.env`".to_owned(),
                others => format!("set it, or {}, in the environment or in `.env`", others.join(" or ")),
            };
            diagnostics.error(self.place, first, Problem::new("is missing", remedy));
        } else {
            diagnostics.error(self.place, path, Problem::new("is missing", format!("write {example}")));
        }
    }

    /// The duration under `key` in `range`, or its default.
    pub(crate) fn duration(&self, key: &str, range: &DurationRange, diagnostics: &mut Diagnostics) -> Option<Duration> {
        let example = || {
            let shown = duration::format(range.min.max(Duration::from_secs(60)));
            format!("a duration, such as `{shown}`")
        };
        self.read(key, diagnostics, |value, diagnostics| {
            value.parse(&example(), diagnostics, |text| duration::parse_within(text, range))
        })
    }

    /// The boolean under `key`, or its default.
    pub(crate) fn flag(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<bool> {
        self.read(key, diagnostics, |value, diagnostics| match &value.node.value {
            NodeValue::Scalar { text, plain: true } if matches!(&**text, "true" | "false") => Some(&**text == "true"),
            other => {
                let is_quoted = matches!(other, NodeValue::Scalar { text, .. } if matches!(&**text, "true" | "false"));
                let quotes = if is_quoted { ", without quotes" } else { "" };
                let remedy = format!("write `true` or `false`{quotes}");
                value.report(Problem::new("is not a boolean", remedy), diagnostics);
                None
            }
        })
    }

    /// The whole number under `key` in `range`, or its default.
    pub(crate) fn count(
        &self,
        key: &str,
        range: &RangeInclusive<usize>,
        reason: &str,
        diagnostics: &mut Diagnostics,
    ) -> Option<usize> {
        let (least, most) = (range.start(), range.end());
        let remedy = format!("a whole number from {least} to {most}");
        self.parse(key, &remedy, diagnostics, |text| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse() {
                Ok(count) if is_number && range.contains(&count) => Ok(count),
                _ if is_number => {
                    let message = format!("{} is not from {least} to {most}", quoted(text));
                    Err(Problem::new(message, format!("write {remedy}: {reason}")))
                }
                _ => Err(Problem::new(format!("{} is not a whole number", quoted(text)), format!("write {remedy}"))),
            }
        })
    }
}

/// What `read` makes of a mapping of `section` without any key.
#[allow(clippy::expect_used, reason = "the defaults are constants, and a test reads each of them")]
pub(crate) fn from_defaults<T>(
    section: &'static str,
    read: impl FnOnce(&Fields<'_>, &mut Diagnostics) -> Option<T>,
) -> T {
    let fields = Fields { section, path: KeyPath::File, place: Place::default(), entries: Vec::new() };
    read(&fields, &mut Diagnostics::default()).expect("each key that is read has a default")
}

/// `problem` with variables in place of keys: `CXONE_AREA` of `area:`, `CXONE_API=official` of `api: official`.
fn with_variables(Problem { message, remedy }: Problem) -> Problem {
    let named = |text: String| {
        keys::VARIABLES.iter().fold(text, |text, keys::Variable { name, key, .. }| {
            let text = text.replace(&format!("`{key}:`"), name).replace(&format!("`{key}`"), name);
            text.replace(&format!("`{key}: "), &format!("`{name}="))
        })
    };
    Problem { message: named(message), remedy: named(remedy) }
}

/// The variables of `key` and `other`.
fn variables(key: &str, other: Option<&str>) -> Vec<&'static str> {
    let matching = |wanted: &str| {
        let wanted = wanted.to_owned();
        keys::VARIABLES.iter().filter(move |variable| variable.key == wanted).map(|variable| variable.name)
    };
    matching(key).chain(other.into_iter().flat_map(matching)).collect()
}

fn unknown_key(key: &str, section: &str, known: &[&'static str]) -> Problem {
    if key == "<<" {
        return Problem::new(
            "YAML merge keys, `<<`, are not read",
            "write the keys out; a single value can be an alias",
        );
    }
    let message = format!("unknown key{}", shown_unknown(key));
    let instead = FOREIGN_KEYS.iter().find(|(keys, _)| keys.contains(&key)).map(|(_, instead)| *instead);
    let remedy = if let Some(instead) = instead {
        instead.to_owned()
    } else if let Some(meant) = nearest(key, known.iter().copied()) {
        format!("did you mean `{meant}`?")
    } else if let Some(home) = keys::home_of(key, section) {
        let home = if home.is_empty() { "the top of the file".to_owned() } else { format!("`{home}`") };
        format!("move it to {home}")
    } else if known.len() <= MAX_LISTED_KEYS {
        format!("known here: {}", known.join(", "))
    } else {
        format!("the nearest known keys are {}", nearest_three(key, known.iter().copied()).join(", "))
    };
    Problem::new(message, remedy)
}

/// The first of the keys `known`, and whether there are more.
fn some_of(known: &[&str]) -> String {
    match known.get(..MAX_LISTED_KEYS) {
        Some(first) if known.len() > MAX_LISTED_KEYS => format!("{} and others", first.join(", ")),
        _ => known.join(", "),
    }
}

/// A key for a message, if it is a plain word. Without the space, YAML reads `client_secret:abc` as a key, so other keys
/// may contain a secret and are omitted.
fn shown_unknown(key: &str) -> String {
    let is_word = key.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'));
    if is_word && !key.is_empty() && key.len() <= MAX_SHOWN_KEY_CHARS {
        format!(" {}", quoted(key))
    } else if key.contains(':') {
        ", as there is no space after its colon".to_owned()
    } else {
        String::new()
    }
}

fn shown_key(key: &str) -> String {
    match shown_unknown(key).trim_start() {
        shown if shown.starts_with('`') => shown.to_owned(),
        _ => "a key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_variables_are_recognised() {
        for text in
            ["${SECRET}", "https://${HOST}/", "${HOST:-localhost}", "${A-b}", "$(SECRET)", "a$(X)", "$SECRET", "$_A1"]
        {
            assert!(has_reference(text), "{text}");
        }
        for text in [
            "", "$", "$$", "pa$$word", "pa$WORD", "$A1", "$word", "${", "${}", "${1}", "${a b}", "$(", "$()", "$(a b)",
            "${A", "^a$",
        ] {
            assert!(!has_reference(text), "{text}");
        }
    }
}
