//! `man`: the manual page for packages. It contains `--help`, and signals, environment variables and exit codes.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::Cli;
use super::{shard, web_environment};
use crate::config::keys::VARIABLES;

/// The section on signals and the start of the section on the environment, in roff.
const SIGNALS: &str = r#".SH SIGNALS
.TP
SIGHUP
reloads the configuration and the files that it names. An invalid configuration changes only
\fBcxone_exporter_config_last_reload_successful\fR. Data, cooldowns, Retry\-After and tokens are kept.
.TP
SIGTERM, SIGINT
stop the process: it accepts no new connection, responses in progress have 10 seconds to finish, and the exit status is 0.
.SH ENVIRONMENT
Without \fB\-\-config.file\fR the variables of the tenant describe one tenant. They are also read from the file \fI.env\fR
in the working directory; the environment overrides the file.
"#;

/// The variables that libraries read, and the exit codes, in roff.
const OTHER_VARIABLES_AND_EXIT_STATUS: &str = r#".TP
HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
The proxies for requests to tenants.
.TP
SSL_CERT_FILE, SSL_CERT_DIR
CA certificates in place of those of the system.
.TP
LISTEN_FDS, LISTEN_PID
The sockets that systemd passes, see \fB\-\-web.systemd\-socket\fR.
.TP
NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID
The service manager that is notified of readiness, reloads and the stop, and its watchdog. A socket that begins with @ is one of
the abstract namespace.
.TP
NO_COLOR, CLICOLOR, CLICOLOR_FORCE
Whether \fBreport\fR prints colours.
.SH "EXIT STATUS"
.TP
0
Success.
.TP
1
A failure at run time.
.TP
2
The command line or the configuration is wrong.
"#;

/// Prints the manual page.
pub(super) fn run(out: &mut dyn Write) -> io::Result<()> {
    let mut root = Cli::command();
    // `build` sets the full names of the commands and copies the global flags to them.
    root.build();
    let mut page = Vec::new();
    let man = Man::new(root.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    for command in root.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        render_command(command, &mut page)?;
    }
    page.extend_from_slice(SIGNALS.as_bytes());
    for variable in VARIABLES.iter().chain(&web_environment::VARIABLES).chain(&shard::VARIABLES) {
        writeln!(page, ".TP\n{}\n{}", variable.name, variable.meaning.replace('-', "\\-"))?;
    }
    page.extend_from_slice(OTHER_VARIABLES_AND_EXIT_STATUS.as_bytes());
    out.write_all(&page)
}

/// Adds a command to the page, because commands have no pages of their own.
fn render_command(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    // The global flags are in the section on options.
    let own = command.clone().mut_args(|argument| {
        let known = argument.is_global_set() || argument.get_id() == "help";
        argument.hide(known)
    });
    let man = Man::new(own.clone());
    let mut sections = Vec::new();
    man.render_options_section(&mut sections)?;
    let sections = String::from_utf8_lossy(&sections);
    writeln!(page, ".SS {}", command.get_name())?;
    if let Some(about) = command.get_about() {
        writeln!(page, "{}", about.to_string().replace('-', "\\-"))?;
    }
    // The sections of the command become paragraphs.
    let paragraphs = sections
        .lines()
        .filter(|line| !line.starts_with(".SH ") && !line.starts_with(".ie") && !line.starts_with(".el"));
    paragraphs.map(|line| line.replace(".SS ", ".PP\n.B ")).try_for_each(|line| writeln!(page, "{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn man_page_contains_flags_commands_and_variables() {
        let mut page = Vec::new();
        run(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace('\\', "");
        for argument in Cli::command().get_arguments().filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{argument}")), "{argument}");
        }
        for variable in VARIABLES.iter().chain(&web_environment::VARIABLES).chain(&shard::VARIABLES) {
            assert!(page.contains(&format!("\n.TP\n{}\n{}\n", variable.name, variable.meaning)), "{}", variable.name);
        }
        for command in ["demo", "report", "check", "simulate"] {
            assert!(page.contains(&format!("\n.SS {command}\n")), "{command}");
        }
        for hidden in [".SS healthcheck", ".SS man", ".SS completions", ".SS help"] {
            assert!(!page.contains(hidden), "{hidden}");
        }
    }
}
