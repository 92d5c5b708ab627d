//! Documentation and code agree: metrics, flags, keys, variables, commands, alerts, examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory};
use cxone_exporter::cli::Cli;
use cxone_exporter::config::{Config, keys};
use cxone_exporter::metrics::catalogue;

const CONFIGURATION: &str = include_str!("../../docs/configuration.md");
const METRICS: &str = include_str!("../../docs/metrics.md");
const WEB_CONFIG: &str = include_str!("../../docs/web-config.md");

/// The code spans in the first cells of the first table of `page` under `heading`.
fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split(heading).nth(1).unwrap_or_else(|| panic!("the page has no {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = rows.skip(2).filter_map(|row| row.split('|').nth(1));
    cells.flat_map(in_backticks).map(ToOwned::to_owned).collect()
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn set<T: ToString>(items: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

/// The visible flags of a command, including global ones.
fn flags(command: &Command) -> BTreeSet<String> {
    let shown = |argument: &&Arg| !argument.is_hide_set() && argument.get_id() != "help";
    set(command.get_arguments().filter(shown).filter_map(Arg::get_long).map(|long| format!("--{long}")))
}

#[test]
fn documented_metrics_match_the_catalogue() {
    assert_eq!(first_cells(METRICS, "# Metrics"), set(catalogue::all().map(|family| family.name)));
}

#[test]
fn documented_labels_match_the_catalogue() {
    let section = METRICS;
    for family in catalogue::all().filter(|family| !family.name.starts_with("process_")) {
        let row = section.lines().find(|line| line.starts_with(&format!("| `{}` |", family.name))).unwrap();
        let labels: Vec<_> = in_backticks(row.split('|').nth(2).unwrap()).collect();
        assert_eq!(labels, family.labels, "{}", family.name);
    }
}

#[test]
fn documented_keys_and_defaults_match_the_code() {
    assert_keys(CONFIGURATION, "| key | default | meaning |", keys::ALL, "");
    assert_keys(WEB_CONFIG, "| key of the web configuration | default | meaning |", keys::WEB_ALL, "web.");
}

/// Compares the table of `page` under the line `head` with `keys`, whose paths begin with `section`.
fn assert_keys(page: &str, head: &str, keys: &[keys::Key], section: &str) {
    let table = page.split(head).nth(1).unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), keys.len());
    for (row, key) in rows.iter().zip(keys) {
        let default = match key.default {
            keys::Default::Required => "required".to_owned(),
            keys::Default::Alternative => "one of".to_owned(),
            keys::Default::None => String::new(),
            keys::Default::Value(value) => format!("`{value}`"),
        };
        let path = key.path.strip_prefix(section).unwrap();
        assert_eq!(*row, format!("| `{path}` | {default} | {} |", key.meaning));
    }
}

#[test]
fn documented_variables_match_the_code() {
    let table = CONFIGURATION.split("| variable | meaning |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<_> = rows.flat_map(|row| in_backticks(row.split('|').nth(1).unwrap())).collect();
    assert_eq!(set(documented), set(keys::VARIABLES.iter().map(|variable| variable.name)));
}

#[test]
fn documented_commands_and_flags_match_the_code() {
    let mut cli = Cli::command();
    cli.build();
    let visible = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    let commands: Vec<&Command> = cli.get_subcommands().filter(visible).collect();

    let mut documented = first_cells(CONFIGURATION, "## Commands");
    documented.retain(|cell| cell.starts_with("cxone-exporter"));
    let names = commands.iter().map(|command| format!("cxone-exporter {}", command.get_name()));
    assert_eq!(documented, set(names.chain(["cxone-exporter".to_owned()])));

    let table = first_cells(CONFIGURATION, "## Flags");
    let mut serving = flags(&cli);
    serving.insert("--help".to_owned());
    assert_eq!(table, serving);

    let section = CONFIGURATION.split("## Flags").nth(1).unwrap().split("\n## ").next().unwrap();
    let mentioned: BTreeSet<&str> = in_backticks(section).filter_map(|code| code.split([' ', '=']).next()).collect();
    let mut all = serving;
    for command in &commands {
        for flag in flags(command) {
            assert!(mentioned.contains(flag.as_str()), "{} of `{}` is not documented", flag, command.get_name());
            all.insert(flag);
        }
    }
    for flag in mentioned.iter().filter(|code| code.starts_with("--")) {
        assert!(all.contains(*flag), "{flag} is documented and does not exist");
    }
}

#[test]
fn example_configuration_loads_and_has_every_key() {
    let example = CONFIGURATION.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("agents.csv"), "id,name,team\n42,Grace Hopper,Sales\n").unwrap();
    fs::write(folder.path().join("leave.csv"), "id,from,to\n1234567890123456789,2026-03-02,\n").unwrap();
    fs::write(folder.path().join("secret"), "planted").unwrap();
    let file = folder.path().join("config.yml");
    fs::write(&file, example.replace("/run/secrets/cxone", "secret")).unwrap();

    let config = Config::from_file(&file).unwrap();
    let [tenant, official] = config.tenants.as_slice() else { panic!("two tenants") };
    assert!(official.agent_filter.is_some());
    assert_eq!(tenant.agents.len(), 2);
    assert!(tenant.agents.iter().any(|agent| agent.schedule.is_some()));
    for key in keys::ALL.iter().filter(|key| !matches!(key.default, keys::Default::Alternative)) {
        let name = key.path.rsplit('.').next().unwrap();
        assert!(name == "*" || example.contains(&format!("{}:", name.trim_end_matches("[]"))), "{}", key.path);
    }
}

#[test]
fn every_alert_is_documented_and_has_a_runbook() {
    let rules = fs::read_to_string("deploy/prometheus/cxone.alerts.yml").unwrap();
    let alerts = set(rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")));
    assert!(!alerts.is_empty());
    assert_eq!(first_cells(METRICS, "## Alerts"), alerts);
    let runbook = fs::read_to_string("deploy/prometheus/README.md").unwrap();
    for alert in alerts {
        assert!(runbook.contains(&format!("\n## {alert}\n")), "{alert}");
    }
}

#[test]
fn links_between_pages_exist() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(file.exists(), "{} links to {link}", page.display());
        }
    }
}

#[test]
fn release_scripts_match_the_pages() {
    let files = fs::read_dir("deploy/release").unwrap().map(|entry| entry.unwrap().path());
    let scripts =
        files.filter(|file| file.is_file() && file.extension().is_none()).map(|file| file.display().to_string());
    let scripts = set(scripts.chain(["deploy/debian/build".to_owned()]));
    let commands = |page: &str| -> BTreeSet<String> {
        let code = in_backticks(page).flat_map(|code| code.split_whitespace());
        let named = code.filter(|word| word.starts_with("deploy/release/") || *word == "deploy/debian/build");
        set(named.filter(|word| !word.contains('.')))
    };
    assert_eq!(commands(&fs::read_to_string("RELEASE.md").unwrap()), scripts);
    let unknown = commands(&fs::read_to_string("docs/install.md").unwrap());
    assert!(unknown.is_subset(&scripts), "{unknown:?}");
}

#[test]
fn chart_version_is_the_crate_version() {
    let chart = fs::read_to_string("deploy/helm/cxone-exporter/Chart.yaml").unwrap();
    let value = |key: &str| chart.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_matches('"')));
    let version = Some(env!("CARGO_PKG_VERSION"));
    assert_eq!((value("version: "), value("appVersion: ")), (version, version));
}

#[test]
fn readme_examples_load_and_name_real_metrics() {
    let readme = fs::read_to_string("README.md").unwrap();
    assert!(readme.lines().count() <= 150, "reference belongs into docs/");

    let example = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "planted").unwrap();
    let file = folder.path().join("config.yml");
    fs::write(&file, example.replace("/run/secrets/cxone", "secret")).unwrap();
    Config::from_file(&file).unwrap();

    let names = set(catalogue::all().map(|family| family.name));
    let words = readme.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for word in words.filter(|word| word.starts_with("cxone_")) {
        assert!(names.contains(word), "{word}");
    }
}

#[test]
fn module_tables_of_lib_and_architecture_agree() {
    let rows = |text: &str, prefix: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(prefix)?.strip_prefix("| "));
        lines
            .filter(|line| line.starts_with('`') || line.starts_with("[`"))
            .map(|line| line.replace(['[', ']'], ""))
            .collect()
    };
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    let architecture = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let table = rows(&lib, "//! ");
    assert!(table.len() > 8);
    assert_eq!(table, rows(&architecture, ""));
}

/// All Markdown pages at the top level, of docs/ and of the alerts.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in [".", "docs", "docs/design", "deploy/prometheus"] {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|end| end == "md")));
    }
    pages
}
