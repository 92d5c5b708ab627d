//! The command line, in the style of the Prometheus exporters: two dashes and dots. No flag takes a secret.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;

use super::version;
use crate::config;
use crate::presence::TimeZone;
use crate::simulator::SimulatorOptions;

/// The minimum of `--config.auto-reload-interval`. Reading the configuration of tens of thousands of agents takes 0.1 s.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Prometheus exporter for how long each NICE CXone agent spent in each presence state over the last 24 hours.
///
/// Without a command it serves /metrics. It takes its tenants from --config.file or, without one, a single tenant
/// from the environment and .env: for NICE's documented API `CXONE_AREA`, `CXONE_ACCESS_KEY_ID`,
/// `CXONE_ACCESS_KEY_SECRET` and `CXONE_AGENT_IDS` (`all`, or ids); for the presence API `CXONE_TENANT_DOMAIN`,
/// `CXONE_CLIENT_ID`, `CXONE_CLIENT_SECRET` and `CXONE_AGENT_IDS`. `…_SECRET_FILE` names a file with the secret.
#[derive(Debug, Parser)]
#[command(name = "cxone-exporter", version = version::VERSION, long_version = version::long())]
pub struct Cli {
    /// The configuration file. Without it the environment is read.
    #[arg(long = "config.file", value_name = "PATH", global = true)]
    pub config_file: Option<PathBuf>,

    /// Check the configuration and exit, as the command `check` does.
    #[arg(long = "config.check")]
    pub config_check: bool,

    /// Check the configuration and the files that it names for changes, and reload it after a change.
    #[arg(long = "config.enable-auto-reload")]
    pub config_enable_auto_reload: bool,

    /// How often --config.enable-auto-reload checks.
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

    /// The directory for the last data and waits of each tenant; it is created if it is missing. After a restart the
    /// exporter serves the stored data and respects the waits. Without this flag nothing is stored.
    #[arg(long = "storage.path", value_name = "PATH", help_heading = "Storage")]
    pub storage_path: Option<PathBuf>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub shard: ShardArgs,

    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub log: LogArgs,

    /// The command; without one the exporter serves.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve with a built-in simulated tenant: no configuration, changing data at once.
    Demo(Box<DemoArgs>),
    /// Print the time by agent and state: of the last 24 hours, or of any range with --from.
    Report(Box<ReportArgs>),
    /// Print history from before the exporter's first scrape, for `promtool tsdb create-blocks-from openmetrics`.
    Backfill(Box<BackfillArgs>),
    /// Check configuration and files, and print the cost: series, requests per refresh, requests per day.
    Check(CheckArgs),
    /// Run only the simulated tenant.
    Simulate(Box<SimulateArgs>),
    /// Check whether a running exporter is healthy: exit status 0 if it is, else 1.
    #[command(hide = true)]
    Healthcheck(Box<HealthcheckArgs>),
    /// Print the manual page.
    #[command(hide = true)]
    Man,
    /// Print the completions for a shell.
    #[command(hide = true)]
    Completions(CompletionsArgs),
}

/// Global flags that a command refuses. Its own copies of them are hidden from its help, and take the place of the global ones.
fn refused_globals(flags: &'static [(&'static str, &'static str)]) -> impl Iterator<Item = Arg> {
    flags.iter().map(|(id, flag)| {
        let argument = Arg::new(*id).long(*flag).hide(true).global(true);
        match *id {
            "config_file" => argument.value_parser(value_parser!(PathBuf)),
            "shard_pod_name" => argument,
            _ => argument.value_parser(value_parser!(u32)),
        }
    })
}

/// The flag that commands without a configuration refuse.
const CONFIG_FILE: (&str, &str) = ("config_file", "config.file");

/// The arguments of `demo`.
#[derive(Debug, Args)]
#[command(args = refused_globals(&[CONFIG_FILE]))]
pub struct DemoArgs {
    /// The API of the simulated tenant that the exporter uses.
    #[arg(long, value_enum, default_value_t = DemoApi::Presence)]
    pub api: DemoApi,
    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub web: WebArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub simulator: SimulatorOptions,
}

/// The APIs of the demonstration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoApi {
    /// Agent presence in buckets.
    Presence,
    /// NICE's documented API.
    Official,
}

/// The arguments of `simulate`.
#[derive(Debug, Args)]
#[command(args = refused_globals(&[
    CONFIG_FILE,
    ("shard_index", "shard.index"),
    ("shard_total", "shard.total"),
    ("shard_pod_name", "shard.pod-name"),
]))]
pub struct SimulateArgs {
    /// The address that the simulated tenant listens on.
    #[arg(long = "listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:10063", value_parser = listen_address)]
    pub listen_address: String,
    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub simulator: SimulatorOptions,
}

/// The arguments of `report`.
#[derive(Debug, Args, Default)]
pub struct ReportArgs {
    /// The output format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
    /// Report only this tenant.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Report only the agents of this team.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// Sort by `agent`, `name`, `team`, `total` or a state; states and the total sort longest first. Without it agents are in
    /// the order of the configuration.
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<String>,

    /// The start of the range: a date, whose midnight in --timezone is meant, or a time of RFC 3339. Without it the report is
    /// that of a scrape: the tenant's `window` up to now.
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    pub from: Option<String>,
    /// The end of the range, which is not in it; by default now.
    #[arg(long, value_name = "TIME", requires = "from", help_heading = "Range")]
    pub to: Option<String>,
    /// The IANA time zone of dates, days and hours; by default UTC.
    #[arg(long, value_name = "ZONE", value_parser = time_zone, requires = "from", help_heading = "Range")]
    pub timezone: Option<TimeZone>,
    /// What time is summed by. A change of the clocks makes a day of 23 or 25 hours.
    #[arg(long, value_enum, requires = "from", help_heading = "Range")]
    pub by: Option<ReportBy>,
    /// The file that keeps what is read, so that the same command goes on after an interruption. It is created if it is
    /// missing, and contains ids and times. Without this flag a temporary file is used.
    #[arg(long, value_name = "FILE", requires = "from", help_heading = "Range")]
    pub state: Option<PathBuf>,
    /// With --format openmetrics: the time between two samples; by default 5m.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "from", help_heading = "Range")]
    pub step: Option<Duration>,
    /// With --format openmetrics: a label that the scrape adds, such as `job=cxone`; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label, requires = "from", help_heading = "Range")]
    pub label: Vec<(String, String)>,
}

/// The arguments of `backfill`.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// The start of the history: a date, whose midnight in --timezone is meant, or a time of RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// The end of the history: the first sample of the running exporter, and at least 3 hours ago, which is the default.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The IANA time zone of dates; by default UTC.
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    pub timezone: Option<TimeZone>,
    /// The time between two samples.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub step: Duration,
    /// A label that the scrape adds, such as `job=cxone` and `instance=exporter:10062`; may be repeated. Where several tenants
    /// are configured, `tenant` is added by itself.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// Only this tenant.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Only the agents of this team.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// The file that keeps what is read, as with `report`.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}

/// What the time of a report over dates is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportBy {
    /// The whole range.
    Total,
    /// Local days.
    Day,
    /// Local hours.
    Hour,
}

/// The output formats of `report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    /// Text with one line per agent and one column per state.
    #[default]
    Table,
    /// A list of objects.
    Json,
    /// One line per agent and state.
    Csv,
    /// The series of a scrape at each step of the range; needs --from.
    #[value(name = "openmetrics")]
    OpenMetrics,
}

/// The arguments of `check`.
#[derive(Debug, Args, Default)]
pub struct CheckArgs {
    /// Test the access with the fewest requests: a token and one agent.
    #[arg(long)]
    pub probe: bool,

    /// Check this web configuration file as well.
    #[arg(id = "check_web_config_file", long = "web.config.file", value_name = "PATH")]
    pub web_config_file: Option<PathBuf>,
}

/// The arguments of `healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// The URL of the health endpoint; by default that of a server with the same web flags or variables. TLS is detected; no
    /// password or certificate is needed.
    #[arg(value_name = "URL", value_parser = url::Url::parse)]
    pub url: Option<url::Url>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "as above")]
    pub web: WebArgs,
}

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The flags of the web server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Web")]
pub struct WebArgs {
    /// The address to listen on; may be repeated. `:10062` is all addresses of the machine.
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":10062", value_parser = listen_address)]
    pub listen_address: Vec<String>,

    /// Serve on the sockets that systemd passes, and bind none.
    #[arg(long = "web.systemd-socket", conflicts_with = "listen_address")]
    pub systemd_socket: bool,

    /// The web configuration file of the Prometheus exporter-toolkit: TLS, users, headers and a rate limit. `check` reads it
    /// too.
    #[arg(id = "web_config_file", long = "web.config.file", value_name = "PATH")]
    pub config_file: Option<PathBuf>,

    /// The path of the metrics.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics")]
    pub telemetry_path: String,

    /// Enable reloads by POST or PUT requests to /-/reload. SIGHUP always reloads.
    #[arg(long = "web.enable-lifecycle")]
    pub enable_lifecycle: bool,

    /// The most concurrent scrapes of a tenant; further ones get 503. 0 is no limit.
    #[arg(long = "web.max-requests", value_name = "N", default_value_t = 40)]
    pub max_requests: usize,

    /// Omit the metrics of the exporter process.
    #[arg(long = "web.disable-exporter-metrics")]
    pub disable_exporter_metrics: bool,

    /// The URL of the exporter for users, such as that of a proxy; for links on the status page.
    #[arg(long = "web.external-url", value_name = "URL", value_parser = url::Url::parse)]
    pub external_url: Option<url::Url>,

    /// The prefix of all paths; by default the path of --web.external-url.
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    pub route_prefix: Option<String>,

    /// The time subtracted from the scrape timeout, for sending the response.
    #[arg(long = "timeout-offset", value_name = "DURATION", default_value = "0.5s", value_parser = duration)]
    pub timeout_offset: Duration,
}

/// The shard of this process among several exporters that share the agents of every tenant.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sharding")]
pub struct ShardArgs {
    /// The shard of this process, from 0. A hash of the agent id assigns agents to shards, and each shard has its part of
    /// the request budget. Also `CXONE_SHARD_INDEX`.
    #[arg(long = "shard.index", value_name = "N", global = true)]
    pub shard_index: Option<u32>,

    /// The number of shards. Also `CXONE_SHARD_TOTAL`.
    #[arg(long = "shard.total", value_name = "N", global = true)]
    pub shard_total: Option<u32>,

    /// Instead of --shard.index: the name of the pod of a `StatefulSet`, which ends with the index. Also
    /// `CXONE_SHARD_POD_NAME`.
    #[arg(long = "shard.pod-name", value_name = "NAME", global = true, conflicts_with = "shard_index")]
    pub shard_pod_name: Option<String>,
}

/// The flags of the log, which is written to stderr.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// The lowest level that is logged.
    #[arg(id = "log.level", long = "log.level", value_enum, default_value_t = LogLevel::Info, global = true)]
    pub level: LogLevel,

    /// The format of log lines.
    #[arg(id = "log.format", long = "log.format", value_enum, default_value_t = LogFormat::Logfmt, global = true)]
    pub format: LogFormat,
}

/// The levels of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, and documentation would show up in --help")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// The formats of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "as above")]
pub enum LogFormat {
    Logfmt,
    Json,
}

/// Parses a duration of the configuration, or a number of seconds as in the flags of other exporters.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse()
        && let Ok(duration) = Duration::try_from_secs_f64(seconds)
    {
        return Ok(duration);
    }
    config::parse_duration(text)
}

/// Parses the name of a time zone.
fn time_zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::named(text).ok_or_else(|| "is no IANA time zone; write one such as `Europe/Berlin` or `UTC`".to_owned())
}

/// Parses a label. Those of the families themselves are refused.
fn label(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("has no `=`; write a name and a value, such as `job=cxone`".to_owned());
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || !name.chars().all(is_word)
        || name.starts_with(|c: char| c.is_ascii_digit())
        || name.starts_with("__")
    {
        return Err("is no label; write a name of letters, digits and `_`, such as `job=cxone`".to_owned());
    }
    if ["agent", "state", "name", "team"].contains(&name) {
        return Err(format!("`{name}` is a label of the series themselves; leave it out"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses the interval of the checks for changes.
fn reload_interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        interval if interval < MIN_RELOAD_INTERVAL => Err("is less than 1s".to_owned()),
        interval => Ok(interval),
    }
}

/// Refuses an address to listen on that has no port after a colon.
fn listen_address(text: &str) -> Result<String, String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        Some((_, port)) if is_port(port) => Ok(text.to_owned()),
        None if is_port(text) => Err(format!("the port needs a colon before it: write `:{text}`")),
        None => Err(format!("there is no port: write it after a colon, such as `{text}:10062`")),
        Some(_) => {
            Err("what follows the last colon is not a port: write one such as `:10062` or `127.0.0.1:10062`".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_documented_ones() {
        let cli = Cli::parse_from(["cxone-exporter"]);
        assert_eq!(cli.web.listen_address, [":10062"]);
        assert_eq!(cli.web.telemetry_path, "/metrics");
        assert_eq!(cli.web.max_requests, 40);
        assert_eq!(cli.web.timeout_offset, Duration::from_millis(500));
        assert_eq!((cli.log.level, cli.log.format), (LogLevel::Info, LogFormat::Logfmt));
    }

    #[test]
    fn timeout_offset_accepts_plain_seconds() {
        for text in ["0.25", "250ms", "0.25s"] {
            let cli = Cli::parse_from(["cxone-exporter", "--timeout-offset", text]);
            assert_eq!(cli.web.timeout_offset, Duration::from_millis(250), "{text}");
        }
    }
}
