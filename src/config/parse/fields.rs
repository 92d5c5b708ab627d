//! Reads typed values of a mapping with known keys. Each step reports its problems with key and line, and reading continues.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::Duration;

use super::duration;
use super::value::{KeyPath, Value, entry_value, variables};
use super::yaml::{self, Entry, Node, NodeValue};
use crate::config::bounds::DurationRange;
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys;

/// The parsed default of each key that has one, by section and name.
static DEFAULTS: LazyLock<HashMap<(&str, &str), Node>> = LazyLock::new(|| {
    let node = |text| yaml::parse(text, Place::default(), &mut Diagnostics::default());
    keys::defaults().filter_map(|(key, text)| Some((key, node(text)?))).collect()
});

/// A mapping whose keys are known, under its path.
pub(crate) struct Fields<'a> {
    pub(super) section: &'static str,
    pub(crate) path: KeyPath<'a>,
    pub(crate) place: Place,
    pub(super) entries: Vec<&'a Entry>,
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
