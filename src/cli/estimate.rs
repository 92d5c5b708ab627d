//! The cost of a tenant: series, requests, buckets, bytes. Pure arithmetic over its configuration.
//!
//! Nothing is measured. Values that only the tenant knows, such as the buckets on a page, are named constants, and `check`
//! prints them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::{Incremental, Tenant};
use crate::upstream::RequestRate;

/// Series of every agent besides one per state: `cxone_agent_observed_seconds`, `…_current_state_seconds`, `…_offline_seconds`,
/// `…_last_data_timestamp_seconds`, `…_info`, `…_offline_limit_seconds` and `…_limited_offline_seconds`.
pub(super) const SERIES_PER_AGENT: u64 = 7;

/// Additional series of an agent with a schedule: `cxone_agent_scheduled_seconds`, `…_scheduled_offline_seconds`, `…_on_shift`,
/// `…_absent_seconds` and `…_absent_limit_seconds`.
pub(super) const SERIES_PER_SCHEDULE: u64 = 5;

/// Series of every team besides those per state: its agents whose state is unknown.
pub(super) const SERIES_PER_TEAM: u64 = 1;

/// Additional series of a team that has agents with a schedule: `cxone_team_scheduled_seconds` and `…_scheduled_offline_seconds`.
const SERIES_PER_SCHEDULED_TEAM: u64 = 2;

/// Series of a tenant besides those of its agents and teams, and of the exporter: freshness, refreshes, requests with their
/// histograms, rejections, scrapes, the process. Some appear with their first use, so the number is rounded.
pub(super) const OWN_SERIES: u64 = 100;

/// The assumed number of buckets of a page. The real number is not documented.
pub(super) const ASSUMED_PAGE: u64 = 1_000;

/// The assumed duration of a presence request, which is pessimistic.
const ASSUMED_REQUEST_TIME: Duration = Duration::from_secs(1);

/// Requests of a refresh of the official API: the current states, and the new history.
const TAIL_REQUESTS: u64 = 2;

/// The scrape interval that is assumed: Prometheus's default, and that of the examples.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(60);

/// Token requests of a day: tokens are replaced a margin before the end of their hour, so a day takes one more than 24.
const TOKENS_PER_DAY: u64 = 25;

/// The bytes of a bucket without its states and its agent's id, as compact JSON: keys and two times.
const BUCKET_BYTES: u64 = 95;

/// The bytes of a state in a bucket, as compact JSON: `{"state":"Available","duration":3600,"percentage":100.0},`.
const STATE_BYTES: u64 = 57;

/// The approximate bytes of a cached bucket. Those of the simulated tenant take 4.7 bytes with five minutes and 6.6 with
/// hours, as a test measures.
const CACHED_BUCKET_BYTES: u64 = 7;

/// The approximate bytes of an agent with cached buckets, without the buckets: names of states, and a table entry.
const CACHED_AGENT_BYTES: u64 = 300;

const DAY: Duration = Duration::from_secs(86_400);

/// The cost of a tenant. Amounts are upper bounds for the declared states, unless documented otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Estimate {
    /// The configured agents.
    pub(super) agents: u64,
    /// The configured agents with a schedule.
    pub(super) scheduled_agents: u64,
    /// The declared states. Each agent has a series for each of them from the start.
    pub(super) states: u64,
    /// The series of each state: one, and with counters two.
    pub(super) series_per_state: u64,
    /// agents × (states + 7), or 12 with a schedule. With counters, states have two series each. None without `per_agent`.
    pub(super) agent_series: u64,
    /// The teams of the configured agents. Those without a team count as one.
    pub(super) teams: u64,
    /// teams × (states × 2 + 1), or 3 with a schedule. With counters, states have three series each.
    pub(super) team_series: u64,
    /// The batches of agents: the fewest requests of a refresh, one page per batch.
    pub(super) batches: u64,
    /// A refresh that reads all.
    pub(super) all: FetchCost,
    /// The time from one refresh to the next: that of the first scrape after the cooldown, with a scrape per [`SCRAPE_INTERVAL`].
    pub(super) refresh_interval: Duration,
    /// Refreshes of a day at this interval.
    pub(super) refreshes_per_day: u64,
    /// Token requests of a day, for tokens that are valid for an hour.
    pub(super) tokens_per_day: u64,
    /// The cost of incremental refreshes.
    pub(super) tails: Option<Tails>,
    /// The effect of the tenant's request budget.
    pub(super) budget: Option<Budgeted>,
}

/// How refreshes are spread by a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budgeted {
    /// The budget.
    pub(super) pace: RequestRate,
    /// A full refresh.
    pub(super) all: Spread,
    /// Most refreshes; different from a full one only if they are incremental.
    pub(super) usual: Spread,
}

/// The requests of a refresh under a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    /// Its requests, including one for a token.
    pub(super) requests: u64,
    /// The time from the first request to the last one.
    pub(super) time: Duration,
}

/// The cost of incremental refreshes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tails {
    /// A refresh, with one per [`Estimate::refresh_interval`], on a server that clips buckets at the edges of a request: each batch
    /// takes one request more, for the first bucket of the window.
    pub(super) cost: FetchCost,
    /// Full refreshes of a day.
    pub(super) full_refreshes_per_day: u64,
    /// The approximate memory of cached buckets, in bytes.
    pub(super) memory: u64,
}

/// The cost of a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FetchCost {
    /// Buckets of one agent: one more than fit, because they may not be aligned to the window.
    pub(super) buckets_per_agent: u64,
    /// Buckets of all agents.
    pub(super) buckets: u64,
    /// Requests with pages of [`ASSUMED_PAGE`] buckets.
    pub(super) paged_requests: u64,
    /// The approximate bytes of the responses before compression.
    pub(super) bytes: u64,
    /// The approximate duration, at a second per request.
    pub(super) time: Duration,
}

// === impl Estimate ===

impl Estimate {
    /// The series of an agent without a schedule.
    pub(super) const fn series_per_agent(&self) -> u64 {
        self.states * self.series_per_state + SERIES_PER_AGENT
    }

    /// The series of each state of a team.
    pub(super) const fn series_per_team_state(&self) -> u64 {
        self.series_per_state + 1
    }

    /// The series of a team without schedules.
    pub(super) const fn series_per_team(&self) -> u64 {
        self.states * self.series_per_team_state() + SERIES_PER_TEAM
    }

    /// The cost of `tenant`.
    pub(super) fn of(tenant: &Tenant) -> Self {
        let agents = count(tenant.agents.len());
        let scheduled_agents = count(tenant.agents.iter().filter(|agent| agent.schedule.is_some()).count());
        let states = count(tenant.states.declared.len());
        let series_per_state = if tenant.keeps_counters() { 2 } else { 1 };
        let all_series = agents
            .saturating_mul(states * series_per_state + SERIES_PER_AGENT)
            .saturating_add(scheduled_agents.saturating_mul(SERIES_PER_SCHEDULE));
        let agent_series = if tenant.privacy.per_agent { all_series } else { 0 };

        let teams_of = |scheduled_only: bool| -> u64 {
            let agents = tenant.agents.iter().filter(|agent| !scheduled_only || agent.schedule.is_some());
            count(agents.map(|agent| agent.team.as_deref()).collect::<BTreeSet<_>>().len())
        };
        let teams = teams_of(false);
        let team_series = teams
            .saturating_mul(states * (series_per_state + 1) + SERIES_PER_TEAM)
            .saturating_add(teams_of(true).saturating_mul(SERIES_PER_SCHEDULED_TEAM));

        let all = FetchCost::of(tenant, tenant.query.window, 0);
        let refresh_interval = refresh_interval(tenant.limits.cooldown);
        let refreshes_per_day = div_ceil(DAY, refresh_interval);
        let tails = tenant.query.incremental.map(|incremental| Tails::of(tenant, incremental, refreshes_per_day));
        let budget = tenant.limits.max_requests_per_minute.map(|per_minute| {
            let all = if tenant.official.is_some() { TAIL_REQUESTS } else { all.paged_requests };
            let usual = tails.as_ref().map_or(all, |tails| tails.cost.paged_requests);
            Budgeted::of(RequestRate::new(per_minute), all, usual)
        });
        Self {
            agents,
            scheduled_agents,
            states,
            series_per_state,
            agent_series,
            teams,
            team_series,
            batches: batches(tenant),
            all,
            refresh_interval,
            refreshes_per_day,
            tokens_per_day: TOKENS_PER_DAY.min(refreshes_per_day),
            tails,
            budget,
        }
    }

    /// The approximate duration of most refreshes, at a second per request.
    pub(super) fn usual_refresh_time(&self) -> Duration {
        self.tails.as_ref().map_or(self.all.time, |tails| tails.cost.time)
    }

    /// Presence requests of a day: at least, and with pages of [`ASSUMED_PAGE`] buckets and a server that clips them.
    pub(super) fn requests_per_day(&self) -> (u64, u64) {
        let day = self.refreshes_per_day;
        let paged = match &self.tails {
            Some(Tails { full_refreshes_per_day: full, cost, .. }) => {
                let tails = day.saturating_sub(*full).saturating_mul(cost.paged_requests);
                full.saturating_mul(self.all.paged_requests).saturating_add(tails)
            }
            None => day.saturating_mul(self.all.paged_requests),
        };
        (day.saturating_mul(self.batches), paged)
    }
}

/// A scrape at the very end of a cooldown comes a moment too early, as the refresh before it started a moment after its scrape.
fn refresh_interval(cooldown: Duration) -> Duration {
    let scrapes = cooldown.as_secs() / SCRAPE_INTERVAL.as_secs() + 1;
    SCRAPE_INTERVAL.saturating_mul(u32::try_from(scrapes).unwrap_or(u32::MAX))
}

// === impl Tails ===

impl Tails {
    fn of(tenant: &Tenant, incremental: Incremental, refreshes_per_day: u64) -> Self {
        let reach =
            incremental.settle.saturating_add(refresh_interval(tenant.limits.cooldown)).min(tenant.query.window);
        let agents = count(tenant.agents.len());
        Self {
            cost: FetchCost::of(tenant, reach, batches(tenant)),
            full_refreshes_per_day: div_ceil(DAY, incremental.full_refresh_interval).min(refreshes_per_day),
            memory: tenant
                .kept_buckets()
                .saturating_mul(CACHED_BUCKET_BYTES)
                .saturating_add(agents.saturating_mul(CACHED_AGENT_BYTES)),
        }
    }
}

// === impl Budgeted ===

impl Budgeted {
    /// The effect on full refreshes and on most refreshes, from their requests besides the token's.
    fn of(pace: RequestRate, all: u64, usual: u64) -> Self {
        let spread = |pages: u64| {
            let requests = pages.saturating_add(1);
            Spread { requests, time: pace.time_for(requests) }
        };
        Self { pace, all: spread(all), usual: spread(usual) }
    }
}

// === impl FetchCost ===

impl FetchCost {
    /// The cost of reading this much of the window, and of `further` requests.
    fn of(tenant: &Tenant, reach: Duration, further: u64) -> Self {
        let buckets_per_agent = div_ceil(reach, tenant.query.interval.length).saturating_add(1);
        let (agents, states) = (count(tenant.agents.len()), count(tenant.states.declared.len()));
        let batch = count(tenant.limits.agents_per_request).max(1);
        let buckets = agents.saturating_mul(buckets_per_agent);
        let pages = |agents: u64| agents.saturating_mul(buckets_per_agent).div_ceil(ASSUMED_PAGE);
        let paged_requests = (agents / batch).saturating_mul(pages(batch)).saturating_add(pages(agents % batch));
        let paged_requests = paged_requests.saturating_add(further);
        let id_bytes: u64 = tenant.agents.iter().map(|agent| count(agent.id.len())).sum();
        let bytes = buckets
            .saturating_mul(BUCKET_BYTES + states * STATE_BYTES)
            .saturating_add(id_bytes.saturating_mul(buckets_per_agent));
        let rounds = paged_requests.div_ceil(count(tenant.limits.max_concurrent_requests).max(1));
        let time = ASSUMED_REQUEST_TIME.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
        Self { buckets_per_agent, buckets, paged_requests, bytes, time }
    }
}

/// The batches of a tenant's agents.
fn batches(tenant: &Tenant) -> u64 {
    count(tenant.agents.len()).div_ceil(count(tenant.limits.agents_per_request).max(1))
}

/// `whole` divided by `part`, rounded up.
fn div_ceil(whole: Duration, part: Duration) -> u64 {
    u64::try_from(whole.as_nanos().div_ceil(part.as_nanos().max(1))).unwrap_or(u64::MAX)
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
