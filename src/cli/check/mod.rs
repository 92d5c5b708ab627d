//! `check`: prints the cost of a valid configuration, and with `--probe` tests the access to each tenant.
//!
//! Without `--probe` nothing is sent.

mod hints;
mod numbers;
mod probe;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use thiserror::Error;

use self::numbers::{bytes, counted, grouped};
use super::args::CheckArgs;
use super::estimate::{
    ASSUMED_PAGE, Budgeted, Estimate, OWN_SERIES, SERIES_PER_AGENT, SERIES_PER_SCHEDULE, SERIES_PER_TEAM, Tails,
};
use super::source_factory::{SourceFactory, build_probe_source};
use crate::clock::{Clock, whole_seconds};
use crate::config::{AgentFilter, Config, Incremental, Tenant, format_duration};
use crate::upstream::BuildError;

/// Why a check failed.
#[derive(Debug, Error)]
pub(super) enum CheckError {
    /// Some probes failed. The causes have been printed.
    #[error("the probe failed: {}", .0.join(", "))]
    Probe(Vec<String>),
    /// The HTTP client of a tenant cannot be built.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// The result could not be written.
    #[error("the result cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Prints the cost of each tenant, and its probe if `args` ask for it.
///
/// # Errors
///
/// See [`CheckError`].
pub(super) async fn run(
    config: &Config,
    args: &CheckArgs,
    clock: Arc<dyn Clock>,
    out: &mut (dyn Write + Send),
) -> Result<(), CheckError> {
    run_with(&build_probe_source, config, args, clock, out).await
}

async fn run_with(
    build_source: &SourceFactory,
    config: &Config,
    args: &CheckArgs,
    clock: Arc<dyn Clock>,
    out: &mut (dyn Write + Send),
) -> Result<(), CheckError> {
    out.write_all(summary(config).as_bytes())?;
    let mut failed = Vec::new();
    for tenant in &config.tenants {
        // The cost is printed before the probe sends requests.
        out.write_all(cost(tenant).as_bytes())?;
        out.flush()?;
        if args.probe {
            let result = probe::probe(build_source, tenant, &clock).await?;
            out.write_all(result.to_string().as_bytes())?;
            failed.extend(result.failed_at.map(|step| format!("tenant {} at {step}", tenant.name)));
        }
    }
    out.flush()?;
    if failed.is_empty() { Ok(()) } else { Err(CheckError::Probe(failed)) }
}

/// The size of the configuration and its warnings.
fn summary(config: &Config) -> String {
    let tenants = u64::try_from(config.tenants.len()).unwrap_or(u64::MAX);
    let agents = config.tenants.iter().map(|tenant| Estimate::of(tenant).agents).sum();
    let is_listed = config.tenants.iter().any(|tenant| tenant.agent_filter.is_some());
    let listed = if is_listed { " and those of CXone's list" } else { "" };
    let mut text =
        format!("The configuration is valid: {}, {}{listed}.\n", counted(tenants, "tenant"), counted(agents, "agent"));
    if let Some(shard) = config.tenants.iter().find_map(|tenant| tenant.shard()) {
        let _ = writeln!(text, "This is {shard}: the figures are those of its agents and its part of each budget.");
    }
    for warning in &config.warnings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

/// The cost of a tenant.
fn cost(tenant: &Tenant) -> String {
    let estimate = Estimate::of(tenant);
    let mut text = format!("\n{}: {}\n", tenant.name, tenant.connection.base_url.as_str().trim_end_matches('/'));
    let mut line = |label: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {label:<17}{value}");
    };
    line("agents", if tenant.official.is_some() { official_agents(tenant) } else { agents(tenant, &estimate) });
    if !tenant.privacy.per_agent {
        let of_each = format!("{} ({}) for each team", estimate.series_per_team(), team_states(&estimate));
        line("series", if tenant.agent_filter.is_some() { of_each } else { team_series(&estimate) });
        line("", format!("about {OWN_SERIES} of the tenant and the exporter besides; none of agents (per_agent)"));
    } else if let Some(filter) = &tenant.agent_filter {
        line("series", unknown_series(&estimate, filter));
        line("", format!("{} ({}) for each of their teams", estimate.series_per_team(), team_states(&estimate)));
        line("", format!("about {OWN_SERIES} of the tenant and the exporter besides"));
        let more = if estimate.series_per_state > 1 { "two" } else { "one" };
        line("", format!("{more} more per agent for each further state that is seen"));
    } else {
        line("series", series(&estimate));
        line("", team_series(&estimate));
        line("", format!("about {OWN_SERIES} of the tenant and the exporter besides"));
        line(
            "",
            format!(
                "up to {} more for each further state that is seen",
                grouped(estimate.agents * estimate.series_per_state)
            ),
        );
    }
    if tenant.official.is_some() {
        line("requests", tail_requests(&estimate));
    } else {
        line("buckets", buckets(tenant, &estimate));
        if let (Some(tails), Some(incremental)) = (&estimate.tails, tenant.query.incremental) {
            line("", tail_buckets(tails, incremental));
            line("memory", format!("about {} for buckets that are kept", bytes(tails.memory)));
        }
        line("requests", requests(&estimate));
        line("requests a day", requests_per_day(&estimate));
    }
    if let Some(budget) = &estimate.budget {
        line("budget", self::budget(budget));
    }
    line("longest refresh", format!("{} (refresh_timeout)", format_duration(tenant.limits.refresh_timeout)));
    for hint in hints::hints(tenant, &estimate) {
        let _ = writeln!(text, "  hint: {hint}");
    }
    text
}

fn agents(tenant: &Tenant, estimate: &Estimate) -> String {
    let size = u64::try_from(tenant.limits.agents_per_request).unwrap_or(u64::MAX);
    format!(
        "{}, in {} of up to {}, {} at once",
        grouped(estimate.agents),
        counted(estimate.batches, "batch"),
        grouped(size),
        tenant.limits.max_concurrent_requests,
    )
}

/// The agents of a tenant with the official API.
fn official_agents(tenant: &Tenant) -> String {
    let configured = grouped(u64::try_from(tenant.agents.len()).unwrap_or(u64::MAX));
    match &tenant.agent_filter {
        Some(filter) => {
            let most = grouped(u64::try_from(filter.max).unwrap_or(u64::MAX));
            let besides =
                if tenant.agents.is_empty() { String::new() } else { format!("; {configured} configured besides") };
            format!("those of CXone's list that `agent_filter` selects, up to {most}{besides}")
        }
        None => configured,
    }
}

/// The requests of the official API, which fetches all agents at once and after the first refresh only new history.
fn tail_requests(estimate: &Estimate) -> String {
    format!(
        "about 2 a refresh (current states, and what is new in the history), at first the whole \
        history and the unavailable codes; a token an hour; {}",
        refreshes(estimate)
    )
}

/// The effect of `max_requests_per_minute` on a refresh.
fn budget(budget: &Budgeted) -> String {
    let Budgeted { pace, all, usual } = *budget;
    let and_all = if all == usual {
        String::new()
    } else {
        format!(", and one of {} that reads all {}", grouped(all.requests), format_duration(whole_seconds(all.time)))
    };
    format!(
        "{} in any minute, {} at once and the rest spread: a refresh of {}, token included, takes {} at the least{and_all}",
        counted(u64::from(pace.per_minute()), "request"),
        pace.burst(),
        counted(usual.requests, "request"),
        format_duration(whole_seconds(usual.time)),
    )
}

/// The documented formula with the numbers of this tenant.
fn series(estimate: &Estimate) -> String {
    let Estimate { agents, scheduled_agents: scheduled, agent_series, .. } = estimate;
    let states = state_series(estimate);
    let part = |agents: u64, fixed: u64, which: &str| {
        format!("{} × ({states} + {fixed})", counted(agents, &format!("agent{which}")))
    };
    let with_schedule = SERIES_PER_AGENT + SERIES_PER_SCHEDULE;
    let parts = match (agents - scheduled, *scheduled) {
        (plain, 0) => part(plain, SERIES_PER_AGENT, ""),
        (0, scheduled) => part(scheduled, with_schedule, ""),
        (plain, scheduled) => {
            format!("{} and {} with a schedule", part(plain, SERIES_PER_AGENT, ""), part(scheduled, with_schedule, ""))
        }
    };
    format!("{} = {parts}", grouped(*agent_series))
}

/// The series of the configured agents' teams.
fn team_series(estimate: &Estimate) -> String {
    let teams = counted(estimate.teams, "team");
    let scheduled = estimate.team_series - estimate.teams * estimate.series_per_team();
    let scheduled = if scheduled > 0 { format!(", and {} of schedules", grouped(scheduled)) } else { String::new() };
    format!("{} of teams = {teams} × ({}){scheduled}", grouped(estimate.team_series), team_states(estimate))
}

fn team_states(estimate: &Estimate) -> String {
    format!("{} × {} + {SERIES_PER_TEAM}", estimate.series_per_team_state(), counted(estimate.states, "state"))
}

/// The number of states, and with counters of their series.
fn state_series(estimate: &Estimate) -> String {
    let states = counted(estimate.states, "state");
    if estimate.series_per_state > 1 { format!("{} × {states}", estimate.series_per_state) } else { states }
}

/// The series of a tenant with `agents: all`, whose number only CXone's list decides.
fn unknown_series(estimate: &Estimate, filter: &AgentFilter) -> String {
    let per_agent = estimate.series_per_agent();
    let max = u64::try_from(filter.max).unwrap_or(u64::MAX);
    format!(
        "unknown, as CXone's list decides: {per_agent} ({} + {SERIES_PER_AGENT}) for each agent that `agent_filter` selects, up to \
         {} for {} (`max`)",
        state_series(estimate),
        grouped(per_agent.saturating_mul(max)),
        counted(max, "agent"),
    )
}

fn buckets(tenant: &Tenant, estimate: &Estimate) -> String {
    format!(
        "up to {} an agent ({} over {}), {} and about {} a refresh, before compression",
        grouped(estimate.all.buckets_per_agent),
        tenant.query.interval.text,
        format_duration(tenant.query.window),
        grouped(estimate.all.buckets),
        bytes(estimate.all.bytes),
    )
}

/// The buckets of incremental refreshes.
fn tail_buckets(tails: &Tails, incremental: Incremental) -> String {
    format!(
        "incremental: up to {} an agent, {} and about {} a refresh; all of the above every {}, a batch at a time",
        grouped(tails.cost.buckets_per_agent),
        grouped(tails.cost.buckets),
        bytes(tails.cost.bytes),
        format_duration(incremental.full_refresh_interval),
    )
}

fn requests(estimate: &Estimate) -> String {
    let (least, page) = (grouped(estimate.batches), grouped(ASSUMED_PAGE));
    let paged = grouped(estimate.all.paged_requests);
    match &estimate.tails {
        Some(tails) => format!(
            "at least {least} a refresh (one page a batch); up to {} if a page has {page} buckets and CXone clips the first one of the \
            window, and {paged} where all is read",
            grouped(tails.cost.paged_requests),
        ),
        None => format!("at least {least} a refresh (one page a batch), {paged} if a page has {page} buckets"),
    }
}

fn requests_per_day(estimate: &Estimate) -> String {
    let (least, paged) = estimate.requests_per_day();
    let paged = if paged == least { String::new() } else { format!(" (up to {})", grouped(paged)) };
    format!("{}{paged} and {} for tokens, in {}", grouped(least), grouped(estimate.tokens_per_day), refreshes(estimate),)
}

/// How often the exporter refreshes.
fn refreshes(estimate: &Estimate) -> String {
    format!(
        "{} a day: one every {} with a scrape every minute, none without a scrape",
        counted(estimate.refreshes_per_day, "refresh"),
        format_duration(estimate.refresh_interval),
    )
}

#[cfg(test)]
mod tests;
