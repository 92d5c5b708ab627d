//! The variables of the web flags, so that the server and its health check can have the same settings in a container.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::args::{Cli, Command, WebArgs};
use crate::config::keys::Variable;

const LISTEN_ADDRESS: &str = "CXONE_WEB_LISTEN_ADDRESS";
const CONFIG_FILE: &str = "CXONE_WEB_CONFIG_FILE";
const EXTERNAL_URL: &str = "CXONE_WEB_EXTERNAL_URL";
const ROUTE_PREFIX: &str = "CXONE_WEB_ROUTE_PREFIX";

/// The environment variables, which apply where no flag says the same.
pub(super) const VARIABLES: [Variable; 4] = [
    Variable {
        name: LISTEN_ADDRESS,
        key: "--web.listen-address",
        meaning: "The addresses to listen on, separated by commas.",
    },
    Variable { name: CONFIG_FILE, key: "--web.config.file", meaning: "The web configuration file." },
    Variable { name: EXTERNAL_URL, key: "--web.external-url", meaning: "The URL of the exporter for users." },
    Variable { name: ROUTE_PREFIX, key: "--web.route-prefix", meaning: "The prefix of all paths." },
];

/// Sets the web flags of serving, `demo`, `check` and `healthcheck` that are not given on the command line. An empty variable
/// counts as not set.
///
/// # Errors
///
/// The variable with an invalid value.
pub(super) fn apply(cli: &mut Cli, matches: &ArgMatches, env: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    let of_command = matches.subcommand().map_or(matches, |(_, of_command)| of_command);
    let variable = |id: &str, name: &str| {
        let is_given = of_command.value_source(id) == Some(ValueSource::CommandLine);
        env(name).map(|value| value.trim().to_owned()).filter(|value| !is_given && !value.is_empty())
    };
    let web: &mut WebArgs = match &mut cli.command {
        None => &mut cli.web,
        Some(Command::Demo(args)) => &mut args.web,
        Some(Command::Healthcheck(args)) => &mut args.web,
        Some(Command::Check(args)) => {
            let file = variable("check_web_config_file", CONFIG_FILE).map(Into::into);
            args.web_config_file = args.web_config_file.take().or(file);
            return Ok(());
        }
        Some(_) => return Ok(()),
    };
    if let Some(addresses) = variable("listen_address", LISTEN_ADDRESS).filter(|_| !web.systemd_socket) {
        web.listen_address = addresses.split(',').map(|address| address.trim().to_owned()).collect();
    }
    if let Some(file) = variable("web_config_file", CONFIG_FILE) {
        web.config_file = Some(file.into());
    }
    if let Some(url) = variable("external_url", EXTERNAL_URL) {
        web.external_url = Some(url.parse().map_err(|error| format!("{EXTERNAL_URL}: {url:?} is not a URL: {error}"))?);
    }
    if let Some(prefix) = variable("route_prefix", ROUTE_PREFIX) {
        web.route_prefix = Some(prefix);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;

    /// The web flags of serving or `healthcheck` with these arguments and variables.
    fn web(arguments: &str, variables: &[(&str, &str)]) -> Result<WebArgs, String> {
        let arguments = ["cxone-exporter"].into_iter().chain(arguments.split_whitespace());
        let matches = Cli::command().try_get_matches_from(arguments).unwrap();
        let mut cli = Cli::from_arg_matches(&matches).unwrap();
        let env = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        apply(&mut cli, &matches, &env)?;
        Ok(match cli.command {
            Some(Command::Healthcheck(args)) => args.web,
            _ => cli.web,
        })
    }

    #[test]
    fn web_variables_apply_without_the_flag() {
        let variables = [
            (LISTEN_ADDRESS, "127.0.0.1:1, [::1]:2"),
            (CONFIG_FILE, "web.yml"),
            (EXTERNAL_URL, "https://example.com/cxone"),
            (ROUTE_PREFIX, "/"),
        ];
        for command in ["", "healthcheck"] {
            let of_variables = web(command, &variables).unwrap();
            assert_eq!(of_variables.listen_address, ["127.0.0.1:1", "[::1]:2"]);
            assert_eq!(of_variables.config_file.unwrap().to_str(), Some("web.yml"));
            assert_eq!(of_variables.external_url.unwrap().path(), "/cxone");
            assert_eq!(of_variables.route_prefix.as_deref(), Some("/"));

            let flags = format!("{command} --web.listen-address=:10062 --web.route-prefix=/a");
            let of_flags = web(&flags, &variables).unwrap();
            assert_eq!(of_flags.listen_address, [":10062"]);
            assert_eq!(of_flags.route_prefix.as_deref(), Some("/a"));
        }
        let empty = variables.map(|(name, _)| (name, " "));
        assert_eq!(web("", &empty).unwrap().listen_address, [":10062"]);
        assert!(web("", &[(EXTERNAL_URL, "proxy")]).unwrap_err().starts_with(EXTERNAL_URL));
        assert_eq!(web("--web.systemd-socket", &variables).unwrap().listen_address, [":10062"]);
    }
}
