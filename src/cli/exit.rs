//! From arguments to an exit code: 0 ok, 1 failed at run time, 2 bad usage or bad configuration.

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
use super::origin::Origin;
use super::{check, completions, demo, healthcheck, logging, man, report, serve, shard, simulate};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Shard};
use crate::web::LiveWebConfig;

/// Something failed while running.
const FAILED: u8 = 1;

/// The command line or the configuration is wrong.
const WRONG_USE: u8 = 2;

/// Why the process ends with something other than 0.
enum Failure {
    /// The command line or the configuration is wrong; each line says what.
    WrongUse(String),
    /// Something failed while running.
    Failed(String),
}

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(message) => {
            // Where even stderr is closed there is nobody left to tell.
            let _ = message.print();
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(WRONG_USE));
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(message) => message.exit(),
    };
    logging::start(&cli.log);
    match refuse_misplaced(&matches).and_then(|()| start(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::WrongUse(message)) => {
            // People read this one at a terminal, and a log line would squeeze its lines into one.
            let _ = writeln!(io::stderr(), "cxone-exporter: {message}");
            ExitCode::from(WRONG_USE)
        }
        Err(Failure::Failed(message)) => {
            error!("{message}");
            ExitCode::from(FAILED)
        }
    }
}

/// Refuses flags for serving that stand before a command, where they would have no effect.
fn refuse_misplaced(matches: &ArgMatches) -> Result<(), Failure> {
    let Some(command) = matches.subcommand_name() else {
        return Ok(());
    };
    let given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let misplaced = SERVING_FLAGS.iter().find(|(id, _)| given(id));
    misplaced.map_or(Ok(()), |(_, flag)| {
        Err(Failure::WrongUse(format!(
            "{flag} stands before the command `{command}`, where it has no effect; put it behind, if `{command}` takes it"
        )))
    })
}

/// The flags that only serving understands: their id and their name.
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

/// Threads that ask CXone and see to all that is not serving, at most. They wait for the network nearly all the time; without
/// a limit a machine of a hundred processors would have a hundred of them.
const MAX_WORKERS: usize = 4;

/// Threads for what blocks, at most: decoding, files, and looking up names, which can hang, so that there must be more of
/// them than decode at once. With all others they stay below the 64 that the systemd unit allows.
const MAX_BLOCKING_THREADS: usize = 32;

fn start(cli: Cli) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS))
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("the async runtime cannot start: {error}")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let done = runtime.block_on(dispatch(cli, clock));
    // A fetch that is still under way has nobody left to bring its answer to.
    runtime.shutdown_background();
    done
}

async fn dispatch(cli: Cli, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let shard = shard::resolve(&cli.shard, &|name| std::env::var(name).ok()).map_err(Failure::WrongUse)?;
    let origin = Origin::of(&cli, shard);
    match &cli.command {
        None if cli.config_check => {
            let args = CheckArgs { web_config_file: cli.web.config_file.clone(), ..CheckArgs::default() };
            checked(&cli, &origin, &args, clock).await
        }
        None => {
            let config = load(&cli, &origin)?;
            let watch = cli.config_enable_auto_reload.then_some(cli.config_auto_reload_interval);
            serve::run(config, origin, &cli.web, watch, cli.storage_path.as_deref(), clock).await.map_err(serving)
        }
        Some(Command::Demo(args)) => demo::run(args, shard, clock).await.map_err(serving),
        Some(Command::Simulate(_)) if shard.is_some() => Err(Failure::WrongUse(
            "the simulated tenant is one whole; give --shard.* to the exporters that ask it".to_owned(),
        )),
        Some(Command::Simulate(args)) => simulate::run(args).await.map_err(serving),
        Some(Command::Healthcheck(args)) => healthcheck::run(args, &*clock).await.map_err(failed),
        Some(Command::Man) => man::run(&mut io::stdout()).map_err(failed),
        Some(Command::Completions(args)) => completions::run(args, &mut io::stdout()).map_err(failed),
        Some(Command::Check(args)) => checked(&cli, &origin, args, clock).await,
        Some(Command::Report(args)) => {
            let config = load(&cli, &origin)?;
            if let Some(shard) = origin.shard() {
                tell(shard, &config);
            }
            let terminal = report::Terminal::detect();
            report::run(&config, args, clock, &mut io::stdout(), terminal).await.map_err(reporting)
        }
    }
}

async fn checked(cli: &Cli, origin: &Origin, args: &CheckArgs, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    // Not by `load`, which logs the warnings that a check prints.
    let config = read(cli, origin);
    // Every fault of both files at once.
    let web =
        args.web_config_file.as_deref().map(LiveWebConfig::check).transpose().map_err(|faults| faults.to_string());
    let (config, warnings) = match (config, web) {
        (Ok(config), Ok(warnings)) => (config, warnings.unwrap_or_default()),
        (Err(Failure::WrongUse(faults)), Err(more)) => return Err(Failure::WrongUse(format!("{faults}\n{more}"))),
        (Err(failure), _) => return Err(failure),
        (Ok(_), Err(faults)) => return Err(Failure::WrongUse(faults)),
    };
    let config = Config { warnings: [config.warnings, warnings].concat(), ..config };
    check::run(&config, args, clock, &mut io::stdout()).await.map_err(failed)
}

/// Reads the configuration from its file or, without one, from the environment.
fn read(cli: &Cli, origin: &Origin) -> Result<Config, Failure> {
    origin.load().map_err(|faults| {
        let hint = if cli.config_file.is_none() { "\nor give the tenants in a file, with --config.file" } else { "" };
        Failure::WrongUse(format!("{faults}{hint}"))
    })
}

fn load(cli: &Cli, origin: &Origin) -> Result<Config, Failure> {
    let config = read(cli, origin)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    Ok(config)
}

/// Says which part of the agents is asked for.
fn tell(shard: Shard, config: &Config) {
    let agents: usize = config.tenants.iter().map(|tenant| tenant.agents.len()).sum();
    info!(shard = shard.index(), shards = shard.total(), agents, "only the agents of this shard are asked for");
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: impl Display) -> Failure {
    Failure::Failed(error.to_string())
}

fn reporting(error: report::ReportError) -> Failure {
    match error {
        report::ReportError::UnknownTenant { .. } => Failure::WrongUse(error.to_string()),
        error => failed(error),
    }
}

fn serving(error: serve::ServeError) -> Failure {
    match error {
        serve::ServeError::Usage(message) => Failure::WrongUse(message),
        serve::ServeError::WebConfig(faults) => Failure::WrongUse(faults.to_string()),
        error => failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::Threads;

    #[test]
    fn all_threads_are_fewer_than_the_systemd_unit_allows() {
        let unit = include_str!("../../deploy/systemd/cxone-exporter.service");
        let allowed: usize = unit.lines().find_map(|line| line.strip_prefix("TasksMax=")).unwrap().parse().unwrap();
        let main = 1;
        assert!(main + MAX_WORKERS + MAX_BLOCKING_THREADS + Threads::MOST < allowed);
    }
}
