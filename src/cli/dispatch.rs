//! Runs the command of the arguments and returns the exit code: 0 ok, 1 failed at run time, 2 bad usage or configuration.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use tokio::runtime;
use tracing::{error, info, warn};

use super::args::{CheckArgs, Cli, Command};
use super::config_source::ConfigSource;
use super::{
    backfill, check, completions, demo, healthcheck, logging, man, report, serve, shard, simulate, web_environment,
};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::web::LiveWebConfig;

/// The exit code of a failure at run time.
const FAILED: u8 = 1;

/// The exit code of a wrong command line or configuration.
const USAGE_ERROR: u8 = 2;

/// Why the exit code is not 0.
enum Failure {
    /// The command line or the configuration is wrong. Each line names one problem.
    Usage(String),
    /// A failure at run time.
    Failed(String),
}

/// Runs the program with these arguments. The first one is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(message) => {
            // An error means that stderr is closed.
            let _ = message.print();
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(USAGE_ERROR));
        }
    };
    let mut cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(message) => message.exit(),
    };
    logging::start(&cli.log);
    let checked = refuse_ineffective_flags(&cli, &matches).and_then(|()| {
        web_environment::apply(&mut cli, &matches, &|name| std::env::var(name).ok()).map_err(Failure::Usage)
    });
    match checked.and_then(|()| run_command(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            // Plain text, because a log line would join the lines of the message.
            let _ = writeln!(io::stderr(), "cxone-exporter: {message}");
            ExitCode::from(USAGE_ERROR)
        }
        Err(Failure::Failed(message)) => {
            error!("{message}");
            ExitCode::from(FAILED)
        }
    }
}

/// Refuses flags that would have no effect: serving flags before a command, and `--config.file` for a command without a
/// configuration.
fn refuse_ineffective_flags(cli: &Cli, matches: &ArgMatches) -> Result<(), Failure> {
    let Some(command) = matches.subcommand_name() else {
        return Ok(());
    };
    let has_no_config =
        matches!(cli.command, Some(Command::Demo(_) | Command::Simulate(_) | Command::Man | Command::Completions(_)));
    if has_no_config && cli.config_file.is_some() {
        return Err(Failure::Usage(format!(
            "--config.file has no effect on `{command}`, which needs no configuration; leave it out"
        )));
    }
    let given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let misplaced = SERVING_FLAGS.iter().find(|(id, _)| given(id));
    misplaced.map_or(Ok(()), |(_, flag)| {
        Err(Failure::Usage(format!(
            "{flag} has no effect before the command `{command}`; write it after the command, if `{command}` has this flag"
        )))
    })
}

/// The flags that only serving uses: id and name.
const SERVING_FLAGS: [(&str, &str); 14] = [
    ("config_check", "--config.check"),
    ("config_enable_auto_reload", "--config.enable-auto-reload"),
    ("config_auto_reload_interval", "--config.auto-reload-interval"),
    ("listen_address", "--web.listen-address"),
    ("systemd_socket", "--web.systemd-socket"),
    ("web_config_file", "--web.config.file"),
    ("telemetry_path", "--web.telemetry-path"),
    ("enable_lifecycle", "--web.enable-lifecycle"),
    ("max_requests", "--web.max-requests"),
    ("disable_exporter_metrics", "--web.disable-exporter-metrics"),
    ("external_url", "--web.external-url"),
    ("route_prefix", "--web.route-prefix"),
    ("timeout_offset", "--timeout-offset"),
    ("storage_path", "--storage.path"),
];

/// The most worker threads, which serve and refresh. Each answers some ten thousand scrapes a second, so a machine with a
/// hundred processors needs no more.
const MAX_WORKERS: usize = 4;

/// The most threads for blocking work: decoding, rendering, passwords, files and DNS lookups. DNS lookups can hang, so there are
/// more threads than concurrent decodings. All threads of the process together stay below `TasksMax=64` of the systemd unit.
const MAX_BLOCKING_THREADS: usize = 32;

fn run_command(cli: Cli) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS))
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("the runtime cannot start: {error}")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let done = runtime.block_on(dispatch(cli, clock));
    // A refresh in progress is dropped, because no scrape waits for it any more.
    runtime.shutdown_background();
    done
}

async fn dispatch(cli: Cli, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let shard = shard::resolve(&cli.shard, &|name| std::env::var(name).ok()).map_err(Failure::Usage)?;
    let config_source = ConfigSource::new(&cli, shard);
    match &cli.command {
        None if cli.config_check => {
            let args = CheckArgs { web_config_file: cli.web.config_file.clone(), ..CheckArgs::default() };
            check(&cli, &config_source, &args, clock).await
        }
        None => {
            let config = read_and_log_warnings(&cli, &config_source)?;
            let watch = cli.config_enable_auto_reload.then_some(cli.config_auto_reload_interval);
            serve::run(config, config_source, &cli.web, watch, cli.storage_path.as_deref(), clock, |_, _| ())
                .await
                .map_err(serve_failure)
        }
        Some(Command::Demo(args)) => demo::run(args, shard, clock).await.map_err(serve_failure),
        Some(Command::Simulate(_)) if shard.is_some() => Err(Failure::Usage(
            "--shard.*: the simulated tenant has no shards; give these flags to the exporters that ask it".to_owned(),
        )),
        Some(Command::Simulate(args)) => simulate::run(args).await.map_err(serve_failure),
        Some(Command::Healthcheck(args)) => healthcheck::run(args, &*clock).await.map_err(healthcheck_failure),
        Some(Command::Man) => man::run(&mut io::stdout()).map_err(run_failure),
        Some(Command::Completions(args)) => completions::run(args, &mut io::stdout()).map_err(run_failure),
        Some(Command::Check(args)) => check(&cli, &config_source, args, clock).await,
        Some(Command::Report(args)) => {
            let (config, terminal) = (read_and_log_shard(&cli, &config_source)?, report::Terminal::detect());
            report::run(&config, args, clock, &mut io::stdout(), terminal).await.map_err(report_failure)
        }
        Some(Command::Backfill(args)) => {
            let (config, terminal) = (read_and_log_shard(&cli, &config_source)?, report::Terminal::detect());
            backfill::run(&config, args, clock, &mut io::stdout(), terminal).await.map_err(report_failure)
        }
    }
}

async fn check(
    cli: &Cli,
    config_source: &ConfigSource,
    args: &CheckArgs,
    clock: Arc<dyn Clock>,
) -> Result<(), Failure> {
    // `read_and_log_warnings` would log the warnings that the check prints.
    let config = read(cli, config_source);
    // The problems of both files are reported together.
    let web =
        args.web_config_file.as_deref().map(LiveWebConfig::check).transpose().map_err(|problems| problems.to_string());
    let (config, warnings) = match (config, web) {
        (Ok(config), Ok(warnings)) => (config, warnings.unwrap_or_default()),
        (Err(Failure::Usage(problems)), Err(more)) => return Err(Failure::Usage(format!("{problems}\n{more}"))),
        (Err(failure), _) => return Err(failure),
        (Ok(_), Err(problems)) => return Err(Failure::Usage(problems)),
    };
    let config = Config { warnings: [config.warnings, warnings].concat(), ..config };
    check::run(&config, args, clock, &mut io::stdout()).await.map_err(run_failure)
}

/// Reads the configuration from its file or, without one, from the environment.
fn read(cli: &Cli, config_source: &ConfigSource) -> Result<Config, Failure> {
    config_source.load().map_err(|problems| {
        let hint = if cli.config_file.is_none() { "\nor give the tenants in a file, with --config.file" } else { "" };
        Failure::Usage(format!("{problems}{hint}"))
    })
}

fn read_and_log_warnings(cli: &Cli, config_source: &ConfigSource) -> Result<Config, Failure> {
    let config = read(cli, config_source)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    Ok(config)
}

fn read_and_log_shard(cli: &Cli, config_source: &ConfigSource) -> Result<Config, Failure> {
    let config = read_and_log_warnings(cli, config_source)?;
    if let Some(shard) = config_source.shard() {
        let agents: usize = config.tenants.iter().map(|tenant| tenant.agents.len()).sum();
        info!(shard = shard.index(), shards = shard.total(), agents, "sharding enabled");
    }
    Ok(config)
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn run_failure(error: impl Display) -> Failure {
    Failure::Failed(error.to_string())
}

fn healthcheck_failure(error: healthcheck::HealthcheckError) -> Failure {
    match error {
        healthcheck::HealthcheckError::Flags(message) => Failure::Usage(message),
        error => run_failure(error),
    }
}

fn report_failure(error: report::ReportError) -> Failure {
    match error {
        error if error.is_usage() => Failure::Usage(error.to_string()),
        error => run_failure(error),
    }
}

fn serve_failure(error: serve::ServeError) -> Failure {
    match error {
        serve::ServeError::Usage(message) => Failure::Usage(message),
        serve::ServeError::WebConfig(problems) => Failure::Usage(problems.to_string()),
        error => run_failure(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_stay_below_tasks_max_of_the_systemd_unit() {
        let unit = include_str!("../../deploy/systemd/cxone-exporter.service");
        let allowed: usize = unit.lines().find_map(|line| line.strip_prefix("TasksMax=")).unwrap().parse().unwrap();
        let main = 1;
        assert!(main + MAX_WORKERS + MAX_BLOCKING_THREADS < allowed);
    }
}
