//! What `--help` and `--version` say, as golden files: a flag that changes shows up in review.

use clap::CommandFactory;
use cxone_exporter::cli::Cli;

/// As wide as the text is wrapped on most terminals; the golden files must not depend on the one that runs them.
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
    assert!(lines.next().unwrap().trim().starts_with("platform: "), "{version}");
}
