//! A value of the tree under its path: its text, items and entries, or the problem with it.

use std::collections::HashMap;
use std::fmt;

use super::fields::Fields;
use super::unknown_key::{shown_key, some_of, unknown_key};
use super::yaml::{Entry, Node, NodeValue};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys;

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

// === impl KeyPath ===

impl KeyPath<'_> {
    pub(super) fn is_environment(&self) -> bool {
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

pub(super) fn entry_value<'a>(parent: &'a KeyPath<'a>, entry: &'a Entry) -> Value<'a> {
    // The parser places an absent value at the next token.
    let place = if entry.node.is_null() { entry.place } else { entry.node.place };
    Value { path: KeyPath::Key(parent, &entry.key), place, node: &entry.node }
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
pub(super) fn variables(key: &str, other: Option<&str>) -> Vec<&'static str> {
    let matching = |wanted: &str| {
        let wanted = wanted.to_owned();
        keys::VARIABLES.iter().filter(move |variable| variable.key == wanted).map(|variable| variable.name)
    };
    matching(key).chain(other.into_iter().flat_map(matching)).collect()
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
