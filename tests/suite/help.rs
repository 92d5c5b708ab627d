//! Golden files of `--help`, so that changed flags show up in review, and the output of `--version`.

use std::process::Command;

use clap::CommandFactory;
use cxone_exporter::cli::Cli;

/// The width of the help texts, so that the golden files do not depend on the terminal.
const COLUMNS: usize = 100;

#[test]
fn help_matches_golden_files() {
    let mut cli = Cli::command().term_width(COLUMNS);
    cli.build();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../golden/help");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        insta::assert_snapshot!("cxone-exporter", cli.render_long_help());
        for command in
            cli.get_subcommands_mut().filter(|command| !command.is_hide_set() && command.get_name() != "help")
        {
            let name = command.get_name().to_owned();
            insta::assert_snapshot!(name, command.clone().term_width(COLUMNS).render_long_help());
        }
    });
}

#[test]
fn version_has_revision_and_platform() {
    let version = Cli::command().render_long_version();
    let mut lines = version.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with(concat!("cxone-exporter ", env!("CARGO_PKG_VERSION"), " (revision: ")), "{version}");
    assert!(lines.next().unwrap().trim().starts_with("rustc version: "), "{version}");
    assert!(lines.next().unwrap().trim().starts_with("platform: "), "{version}");
}

#[test]
fn version_names_the_compiler_and_the_commit() {
    let version = Cli::command().render_long_version();
    let run = |command: &str, arguments: &[&str]| {
        let output = Command::new(command).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let rustc = run("rustc", &["--version"]).unwrap();
    let rustc = rustc.split(' ').nth(1).unwrap();
    assert!(version.contains(&format!("rustc version: {rustc}\n")), "{version}");
    let given = option_env!("CXONE_EXPORTER_REVISION").filter(|revision| !revision.is_empty()).map(str::to_owned);
    let revision = given.or_else(|| run("git", &["rev-parse", "HEAD"])).unwrap_or_else(|| "unknown".to_owned());
    assert!(version.contains(&format!("(revision: {revision})")), "{version}");
}
