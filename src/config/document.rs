//! Reads the text of a configuration file into a [`Config`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::bounds::{MAX_FILE_BYTES, MAX_TENANTS};
use super::diagnostics::{Diagnostics, Place, Problem, quoted};
use super::keys::ROOT;
use super::parse::source::{self, SourceText};
use super::parse::value::Value;
use super::parse::yaml;
use super::parse::yaml::NodeValue;
use super::schedule::{self, Schedules};
use super::tenant::{self, ReadContext};
use super::{Config, ConfigError, Tenant};

/// The configuration in the file at `path`.
pub(super) fn read_file(path: &Path) -> Result<Config, ConfigError> {
    let mut diagnostics = Diagnostics::default();
    let file = diagnostics.add_source(path.display().to_string());
    match source::read_text(path, MAX_FILE_BYTES) {
        Ok(source) => read(&source, file, path.parent().unwrap_or(Path::new("")), diagnostics),
        Err(unreadable) => {
            let place = unreadable.line.map_or(file, |line| file.at_line(line));
            diagnostics.error(place, "", unreadable.problem);
            Err(diagnostics.into_error())
        }
    }
}

/// The configuration in `source`, whose relative paths are relative to `base_dir`.
pub(super) fn read(
    source: &SourceText,
    file: Place,
    base_dir: &Path,
    mut diagnostics: Diagnostics,
) -> Result<Config, ConfigError> {
    let Some(root) = yaml::parse(&source.text, file, &mut diagnostics) else { return Err(diagnostics.into_error()) };
    let Some(fields) = Value::root(&root).fields(ROOT, &mut diagnostics) else { return Err(diagnostics.into_error()) };
    let mut invalid_schedules = Vec::new();
    let schedules = match fields.get("schedules") {
        Some(value) => schedule::read_all(&value, &mut invalid_schedules, &mut diagnostics),
        None => Schedules::new(),
    };
    let context = ReadContext {
        base_dir,
        world_readable: source.world_readable.then_some(file),
        schedules: &schedules,
        invalid_schedules: &invalid_schedules,
    };
    let tenants = match fields.required("tenants", "`tenants:` with a list of tenants", &mut diagnostics) {
        Some(value) => read_tenants(&value, &context, &mut diagnostics),
        None => Vec::new(),
    };
    diagnostics.finish(Config { tenants, schedules, warnings: Vec::new() })
}

fn read_tenants(value: &Value<'_>, context: &ReadContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Arc<Tenant>> {
    let example = "a list of tenants, each beginning with `- name:`";
    let Some(items) = value.items(example, MAX_TENANTS, diagnostics) else { return Vec::new() };
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        value.report(Problem::new("has no tenant", format!("write {example}")), diagnostics);
    }
    refuse_repeated_names(&items, diagnostics);
    items.iter().filter_map(|item| tenant::read(item, context, diagnostics)).map(Arc::new).collect()
}

/// Compares names before the tenants are read, so that invalid tenants count too.
fn refuse_repeated_names(tenants: &[Value<'_>], diagnostics: &mut Diagnostics) {
    let mut first: HashMap<&str, Place> = HashMap::new();
    for tenant in tenants {
        let NodeValue::Map(entries) = &tenant.node.value else { continue };
        let Some(entry) = entries.iter().find(|entry| &*entry.key == "name") else { continue };
        let NodeValue::Scalar { text, .. } = &entry.node.value else { continue };
        if let Some(place) = first.get(&**text) {
            let reference = place.reference(entry.place, diagnostics);
            let message = format!("a tenant {} is there already, {reference}", quoted(text));
            let key = format!("{}.name", tenant.path);
            diagnostics.error(entry.place, key, Problem::new(message, "give each tenant a name of its own"));
        } else if !entry.node.is_null() {
            first.insert(text, entry.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    const COMPLETE: &str = include_str!("../../tests/configs/complete.yml");

    /// Fragments of malformed YAML.
    const PIECES: [&str; 30] = [
        "\n",
        "\n  ",
        "\n    - ",
        ": ",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "&a ",
        "*a",
        "!t ",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "\r\n",
        "<<: ",
        "~",
        "é",
        "\\",
        "tenants:",
        "@",
    ];

    fn outcome(text: &str) -> Result<Config, ConfigError> {
        let mut diagnostics = Diagnostics::default();
        let file = diagnostics.add_source("cxone.yml");
        let source = SourceText { text: text.to_owned(), world_readable: true, writable_by_others: None };
        read(&source, file, Path::new("no-such-directory"), diagnostics)
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        if let Err(error) = outcome(text) {
            prop_assert!(!error.problems().is_empty());
            prop_assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_the_secret(text in "\\PC{0,200}") {
            check(&text)?;
        }

        #[test]
        fn any_yaml_fragments_are_read_or_refused(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
            check(&pieces.concat())?;
        }

        #[test]
        fn any_damaged_file_is_read_or_refused(damages in prop::collection::vec((any::<Index>(), 0_usize..40, any::<Index>()), 1..6)) {
            let mut characters: Vec<char> = COMPLETE.chars().collect();
            for (at, length, piece) in damages {
                let at = at.index(characters.len());
                let end = (at + length / 2).min(characters.len());
                // Even lengths insert a fragment, odd lengths delete text.
                let piece = if length % 2 == 0 { PIECES[piece.index(PIECES.len())] } else { "" };
                characters.splice(at..end, piece.chars());
            }
            check(&characters.iter().collect::<String>())?;
        }
    }
}
