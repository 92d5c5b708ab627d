//! The simulator's flags, shared by `simulate` and `demo`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::api_variants::ApiVariant;
use super::duration::parse_duration;
use super::faults::Rule;

/// More agents than any contact centre has. Bounds memory in case of a typing error.
const MOST_AGENTS: i64 = 1_000_000;
/// A simulated day passes in a minute; a window of a day then contains four years of presence.
const FASTEST: i64 = 1_440;

/// Size and behaviour of the simulated tenant.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Simulated tenant")]
pub struct SimulatorOptions {
    /// Number of agents of the tenant.
    #[arg(long, value_name = "N", default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=MOST_AGENTS))]
    pub agents: u32,

    /// Seed of the simulated data: another seed gives other agents and other working days.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Speed of simulated time as a multiple of real time; at 60 a simulated day takes 24 minutes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=FASTEST))]
    pub time_scale: u32,

    /// Where buckets begin and end.
    #[arg(long, value_enum, default_value_t = Align::Window)]
    pub align: Align,

    /// Order of rows.
    #[arg(long, value_enum, default_value_t = Order::Agent)]
    pub order: Order,

    /// Number of buckets on a page.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub page_size: u32,

    /// Maximum number of buckets per agent in one request; smaller intervals are refused.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_buckets: u32,

    /// Lifetime of an access token.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    pub token_lifetime: Duration,

    /// Scopes of tokens; `reporting:read` or `reporting:agent:read` is required.
    #[arg(long, value_name = "SCOPES", default_value = DEFAULT_SCOPE)]
    pub scope: String,

    /// Delay of every answer.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub latency: Duration,

    /// Whether answers are compressed if the client accepts gzip.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub gzip: bool,

    /// Variant of undocumented behaviour of the APIs: `clipped`, `open-unlisted`, `late=10m`, `x-gzip`, …. May be repeated.
    #[arg(long = "habit", value_name = "HABIT")]
    pub api_variants: Vec<ApiVariant>,

    /// Simulated fault, as `[ENDPOINT:]KIND[=VALUE][@TIMES][+AFTER]`: `rate-limited=30@2`, `token:status=503@1`,
    /// `revoked@1+3`. Without `@TIMES` it is permanent. May be repeated.
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Rule>,
}

/// Start and end of the buckets of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Align {
    /// Buckets start at the start of the window; the last one ends at its end.
    Window,
    /// Buckets start at multiples of the interval since the Unix epoch: the first may start before the window, the last
    /// may end after it.
    Hour,
    /// As `hour`, but the first and the last bucket are cut at the start and the end of the window.
    HourCut,
}

/// Order of the rows of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// All buckets of an agent, then those of the next agent.
    Agent,
    /// One bucket of all agents, then the next bucket.
    Time,
}

const DEFAULT_SCOPE: &str = "reporting:read";

// === impl SimulatorOptions ===

/// Defaults of the flags.
impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            agents: 240,
            seed: 1,
            time_scale: 1,
            align: Align::Window,
            order: Order::Agent,
            page_size: 1_000,
            max_buckets: 1_000,
            token_lifetime: Duration::from_secs(3_600),
            scope: DEFAULT_SCOPE.to_owned(),
            latency: Duration::ZERO,
            gzip: true,
            api_variants: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl SimulatorOptions {
    /// Whether this variant is set.
    pub(super) fn has(&self, variant: ApiVariant) -> bool {
        self.api_variants.contains(&variant)
    }

    /// The value of the first variant that `value` takes.
    pub(super) fn value<T>(&self, value: impl Fn(&ApiVariant) -> Option<T>) -> Option<T> {
        self.api_variants.iter().find_map(value)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        simulator: SimulatorOptions,
    }

    fn parse(flags: &[&str]) -> Result<SimulatorOptions, clap::Error> {
        Flags::try_parse_from(["simulate"].iter().chain(flags)).map(|flags| flags.simulator)
    }

    #[test]
    fn flag_defaults_equal_default_impl() {
        assert_eq!(parse(&[]).unwrap(), SimulatorOptions::default());
    }

    #[test]
    fn flags_are_read() {
        let options = parse(&[
            "--agents=3",
            "--align=hour",
            "--order=time",
            "--latency=250ms",
            "--token-lifetime=2m",
            "--gzip=false",
            "--fault=cut@1",
            "--fault",
            "token:status=503",
        ])
        .unwrap();
        assert_eq!((options.agents, options.align, options.order, options.gzip), (3, Align::Hour, Order::Time, false));
        assert_eq!((options.latency, options.token_lifetime), (Duration::from_millis(250), Duration::from_secs(120)));
        assert_eq!(options.faults.len(), 2);
    }

    #[test]
    fn invalid_values_are_refused() {
        for flag in ["--agents=0", "--page-size=0", "--time-scale=1441", "--latency=5", "--latency=h", "--fault=bug"] {
            assert!(parse(&[flag]).is_err(), "{flag}");
        }
    }
}
