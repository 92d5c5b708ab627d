//! The pretend tenant's flags, shared by `simulate` and `demo`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::faults::Rule;
use super::habits::Habit;

/// More agents than any contact centre has, so that a slip of the hand does not fill the memory.
const MOST_AGENTS: i64 = 1_000_000;
/// At this pace a simulated day passes in a minute; a day's window then holds four years of presence.
const FASTEST: i64 = 1_440;

/// What kind of tenant is pretended.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Simulated tenant")]
pub struct SimulatorOptions {
    /// How many agents the tenant has.
    #[arg(long, value_name = "N", default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=MOST_AGENTS))]
    pub agents: u32,

    /// Which tenant it is: another seed gives other people and other days.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// How many times faster than the clock the agents live; at 60 their day passes in 24 minutes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=FASTEST))]
    pub time_scale: u32,

    /// Where buckets begin and end.
    #[arg(long, value_enum, default_value_t = Align::Window)]
    pub align: Align,

    /// In which order rows come.
    #[arg(long, value_enum, default_value_t = Order::Agent)]
    pub order: Order,

    /// How many buckets there are on a page.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub page_size: u32,

    /// How many buckets an agent may have in the range of one request; a smaller interval is refused.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_buckets: u32,

    /// How long an access token is good for.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_span)]
    pub token_lifetime: Duration,

    /// The scopes that tokens have; `reporting:read` or `reporting:agent:read` is needed.
    #[arg(long, value_name = "SCOPES", default_value = DEFAULT_SCOPE)]
    pub scope: String,

    /// How long every answer takes.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_span)]
    pub latency: Duration,

    /// Whether answers are compressed for those who accept it.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub gzip: bool,

    /// Something that the official API does otherwise than by default: `clipped`, `open-unlisted`, `late=10m`, ….
    /// May be repeated.
    #[arg(long = "habit", value_name = "HABIT")]
    pub habits: Vec<Habit>,

    /// Something that goes wrong, as `[ENDPOINT:]KIND[=VALUE][@TIMES][+AFTER]`: `rate-limited=30@2`,
    /// `token:status=503@1`, `revoked@1+3`. Without `@TIMES` it stays. May be repeated.
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Rule>,
}

/// Where the buckets of an answer begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Align {
    /// At the window's start, and then an interval each; the last one ends with the window.
    Window,
    /// At multiples of the interval since the Unix epoch: the first one may begin before the window, and
    /// the last one may end after it.
    Hour,
}

/// In which order the rows of an answer come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// All buckets of an agent, then those of the next one.
    Agent,
    /// One bucket of all agents, then the next one.
    Time,
}

const DEFAULT_SCOPE: &str = "reporting:read";

// === impl SimulatorOptions ===

/// What the flags are where none is given.
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
            habits: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl SimulatorOptions {
    /// Whether the official API has this habit.
    pub(super) fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }
}

/// A span of time: a whole number with `ms`, `s`, `m` or `h`.
pub(super) fn parse_span(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let parsed = number.parse::<u32>().ok().and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(number.into())),
        "s" => Some(Duration::from_secs(number.into())),
        "m" => Some(Duration::from_secs(u64::from(number) * 60)),
        "h" => Some(Duration::from_secs(u64::from(number) * 3_600)),
        _ => None,
    });
    parsed
        .ok_or_else(|| format!("`{text}` is not a span of time; write a whole number with ms, s, m or h, such as 90s"))
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
    fn the_defaults_of_flags_and_code_are_the_same() {
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
    fn nonsense_is_refused() {
        for flag in ["--agents=0", "--page-size=0", "--time-scale=1441", "--latency=5", "--latency=h", "--fault=bug"] {
            assert!(parse(&[flag]).is_err(), "{flag}");
        }
    }
}
