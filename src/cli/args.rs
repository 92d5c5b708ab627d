//! The command line, in the style of the Prometheus exporters: two dashes and dots. No flag takes a secret.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::version;
use crate::config;
use crate::simulator::SimulatorOptions;

/// Reading a configuration of tens of thousands of agents takes a tenth of a second; looking more often than this would
/// cost more than it can be worth.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Prometheus exporter for how long each NICE CXone agent spent in each presence state over the last 24 hours.
///
/// Without a command it serves /metrics. It takes its tenants from --config.file or, without one, a single tenant
/// from `CXONE_TENANT_DOMAIN`, `CXONE_CLIENT_ID`, `CXONE_CLIENT_SECRET` (or `CXONE_CLIENT_SECRET_FILE`) and
/// `CXONE_AGENT_ID` (or `CXONE_AGENT_IDS`), read from the environment and from .env.
#[derive(Debug, Parser)]
#[command(name = "cxone-exporter", version = version::VERSION, long_version = version::long())]
pub struct Cli {
    /// The configuration file. Without it the environment is read.
    #[arg(long = "config.file", value_name = "PATH", global = true)]
    pub config_file: Option<PathBuf>,

    /// Check the configuration and exit, as the command `check` does.
    #[arg(long = "config.check")]
    pub config_check: bool,

    /// Look regularly whether the configuration, or a file that it names, has changed, and reload it if so.
    #[arg(long = "config.enable-auto-reload")]
    pub config_enable_auto_reload: bool,

    /// How often --config.enable-auto-reload looks.
    #[arg(
        long = "config.auto-reload-interval",
        value_name = "DURATION",
        default_value = "30s",
        value_parser = reload_interval,
        requires = "config_enable_auto_reload"
    )]
    pub config_auto_reload_interval: Duration,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documentation here would replace the program's own in --help")]
    pub web: WebArgs,

    /// The directory to keep each tenant's last data and waits in, made where it is missing. A restart then neither
    /// loses data nor asks CXone again too soon. Without this nothing is kept.
    #[arg(long = "storage.path", value_name = "PATH", help_heading = "Storage")]
    pub storage_path: Option<PathBuf>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub shard: ShardArgs,

    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub log: LogArgs,

    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve with a built-in simulated tenant: no configuration, lively data at once.
    Demo(Box<DemoArgs>),
    /// Ask once and print, per agent, the seconds in each state.
    Report(ReportArgs),
    /// Check configuration and files, and print what they will cost: series, requests a refresh, requests a day.
    Check(CheckArgs),
    /// Run the simulated tenant alone.
    Simulate(Box<SimulateArgs>),
    /// Ask a running exporter whether it is healthy: exit status 0 if it is, else 1.
    #[command(hide = true)]
    Healthcheck(HealthcheckArgs),
    /// Print the manual page.
    #[command(hide = true)]
    Man,
    /// Print the completions for a shell.
    #[command(hide = true)]
    Completions(CompletionsArgs),
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Through which of its APIs the simulated tenant is asked.
    #[arg(long, value_enum, default_value_t = DemoApi::Presence)]
    pub api: DemoApi,
    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub web: WebArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub simulator: SimulatorOptions,
}

/// The APIs that the demonstration can go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoApi {
    /// Agent presence in buckets.
    Presence,
    /// NICE's documented API.
    Official,
}

/// What `simulate` takes.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Where the simulated tenant listens.
    #[arg(long = "listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:10063")]
    pub listen_address: String,
    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub simulator: SimulatorOptions,
}

/// What `report` takes.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
    /// Which tenant to ask, where several are configured; all of them without this.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
}

/// How `report` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Aligned columns for people.
    Table,
    /// A list of objects.
    Json,
    /// One line per agent and state.
    Csv,
}

/// What `check` takes.
#[derive(Debug, Args, Default)]
pub struct CheckArgs {
    /// Make the fewest calls that show whether the tenant answers: a token, and one agent.
    #[arg(long)]
    pub probe: bool,

    /// Check this web configuration file as well.
    #[arg(id = "check_web_config_file", long = "web.config.file", value_name = "PATH")]
    pub web_config_file: Option<PathBuf>,
}

/// What `healthcheck` takes.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// Where to ask. Whether TLS is spoken there is found out, and no password or certificate is needed.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:10062/-/healthy", value_parser = url::Url::parse)]
    pub url: url::Url,
}

/// What `completions` takes.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// How the front is served.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Web")]
pub struct WebArgs {
    /// Where to listen; may be given several times. `:10062` is every address of the machine.
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":10062")]
    pub listen_address: Vec<String>,

    /// Serve on the sockets that systemd hands over, and bind none.
    #[arg(long = "web.systemd-socket", conflicts_with = "listen_address")]
    pub systemd_socket: bool,

    /// TLS, users, headers and a rate limit: a web configuration file as of the Prometheus exporter-toolkit. `check` reads
    /// it too.
    #[arg(id = "web_config_file", long = "web.config.file", value_name = "PATH")]
    pub config_file: Option<PathBuf>,

    /// Where the metrics are.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics")]
    pub telemetry_path: String,

    /// Let POST and PUT requests to /-/reload reload the configuration, as SIGHUP always does.
    #[arg(long = "web.enable-lifecycle")]
    pub enable_lifecycle: bool,

    /// Scrapes of a tenant that are answered at once; 0 is no limit. Others get 503.
    #[arg(long = "web.max-requests", value_name = "N", default_value_t = 40)]
    pub max_requests: usize,

    /// Leave out the metrics about the exporter's own process.
    #[arg(long = "web.disable-exporter-metrics")]
    pub disable_exporter_metrics: bool,

    /// The address under which people reach the exporter, such as through a proxy; for links on the page.
    #[arg(long = "web.external-url", value_name = "URL", value_parser = url::Url::parse)]
    pub external_url: Option<url::Url>,

    /// What stands before every path; the path of --web.external-url by default.
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    pub route_prefix: Option<String>,

    /// What is taken off a scrape's time-out, for the answer's way back.
    #[arg(long = "timeout-offset", value_name = "DURATION", default_value = "0.5s", value_parser = duration)]
    pub timeout_offset: Duration,
}

/// Which of several exporters this is, that share the agents of every tenant.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sharding")]
pub struct ShardArgs {
    /// Which shard this process is, from 0: it asks for the agents that fall to it by a hash of their id, within its part
    /// of each budget. Also `CXONE_SHARD_INDEX`.
    #[arg(long = "shard.index", value_name = "N", global = true)]
    pub shard_index: Option<u32>,

    /// How many shards there are. Also `CXONE_SHARD_TOTAL`.
    #[arg(long = "shard.total", value_name = "N", global = true)]
    pub shard_total: Option<u32>,

    /// In place of --shard.index: the name of a `StatefulSet`'s pod, which ends with the index. Also
    /// `CXONE_SHARD_POD_NAME`.
    #[arg(long = "shard.pod-name", value_name = "NAME", global = true, conflicts_with = "shard_index")]
    pub shard_pod_name: Option<String>,
}

/// What is logged, and how. Logs go to stderr.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// The least important lines that are logged.
    #[arg(id = "log.level", long = "log.level", value_enum, default_value_t = LogLevel::Info, global = true)]
    pub level: LogLevel,

    /// The shape of a line.
    #[arg(id = "log.format", long = "log.format", value_enum, default_value_t = LogFormat::Logfmt, global = true)]
    pub format: LogFormat,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, and documentation would show up in --help")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "as above")]
pub enum LogFormat {
    Logfmt,
    Json,
}

/// Reads a duration as the configuration does, and a bare number as seconds, as other exporters' flags do.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse()
        && let Ok(duration) = Duration::try_from_secs_f64(seconds)
    {
        return Ok(duration);
    }
    config::parse_duration(text)
}

/// Reads the interval of looks at the configuration, each of which reads it in full.
fn reload_interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        interval if interval < MIN_RELOAD_INTERVAL => Err("is less than 1s".to_owned()),
        interval => Ok(interval),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let cli = Cli::parse_from(["cxone-exporter"]);
        assert_eq!(cli.web.listen_address, [":10062"]);
        assert_eq!(cli.web.telemetry_path, "/metrics");
        assert_eq!(cli.web.max_requests, 40);
        assert_eq!(cli.web.timeout_offset, Duration::from_millis(500));
        assert_eq!((cli.log.level, cli.log.format), (LogLevel::Info, LogFormat::Logfmt));
    }

    #[test]
    fn the_timeout_offset_may_be_bare_seconds() {
        for text in ["0.25", "250ms", "0.25s"] {
            let cli = Cli::parse_from(["cxone-exporter", "--timeout-offset", text]);
            assert_eq!(cli.web.timeout_offset, Duration::from_millis(250), "{text}");
        }
    }
}
