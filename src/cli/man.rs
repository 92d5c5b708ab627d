//! The manual page, for packages to install: everything `--help` says, and what it has no room for.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::Cli;

/// What is known of the process and not of its arguments, in the language of manual pages.
const PROCESS: &str = r#".SH SIGNALS
.TP
SIGHUP
reads the configuration again, with the files that it names. A configuration with faults changes nothing but
\fBcxone_exporter_config_last_reload_successful\fR. Data, cooldowns, Retry\-After and tokens live on.
.TP
SIGTERM, SIGINT
stop: no new connection is taken, answers in flight have 10 seconds to finish, and the exit status is 0.
.SH ENVIRONMENT
.TP
CXONE_TENANT_DOMAIN, CXONE_CLIENT_ID, CXONE_CLIENT_SECRET, CXONE_CLIENT_SECRET_FILE, CXONE_AGENT_ID, CXONE_AGENT_IDS, CXONE_BASE_URL, CXONE_INTERVAL, CXONE_COOLDOWN
describe one tenant where there is no \fB\-\-config.file\fR. They are read from the file \fI.env\fR in the working
directory as well, which the environment wins over.
.TP
HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
say how tenants are reached.
.TP
LISTEN_FDS, LISTEN_PID
hand over sockets, see \fB\-\-web.systemd\-socket\fR.
.TP
NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID
name the service manager that is told of readiness, reloads and the stop, and that wants signs of life.
.SH "EXIT STATUS"
.TP
0
All went well.
.TP
1
Something failed while running.
.TP
2
The command line or the configuration is wrong.
"#;

/// Prints the manual page.
pub(super) fn run(out: &mut dyn Write) -> io::Result<()> {
    let mut root = Cli::command();
    // Building gives the commands their full names, and leads global flags down to them.
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
    page.extend_from_slice(PROCESS.as_bytes());
    out.write_all(&page)
}

/// A command as a part of the one page there is; commands have no pages of their own.
fn render_command(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    // The global flags stand above already, and are the same everywhere.
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
    // Within a section, what would be sections of a page of its own are paragraphs.
    let paragraphs = sections
        .lines()
        .filter(|line| !line.starts_with(".SH ") && !line.starts_with(".ie") && !line.starts_with(".el"));
    paragraphs.map(|line| line.replace(".SS ", ".PP\n.B ")).try_for_each(|line| writeln!(page, "{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_flag_and_every_command_that_help_shows() {
        let mut page = Vec::new();
        run(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace('\\', "");
        for argument in Cli::command().get_arguments().filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{argument}")), "{argument}");
        }
        for command in ["demo", "report", "check", "simulate"] {
            assert!(page.contains(&format!("\n.SS {command}\n")), "{command}");
        }
        for hidden in [".SS healthcheck", ".SS man", ".SS completions", ".SS help"] {
            assert!(!page.contains(hidden), "{hidden}");
        }
    }
}
