//! What a tenant costs: series, requests, buckets, bytes. Pure arithmetic over its configuration.
//!
//! Nothing here is measured. What only the tenant knows, such as how many buckets it puts on a page, is
//! assumed by a named constant, and `check` says so.

use std::time::Duration;

use crate::config::{Incremental, Tenant};
use crate::upstream::RequestRate;

/// Series of every agent besides one a state: `cxone_agent_observed_seconds`, `…_current_state_seconds`,
/// `…_last_data_timestamp_seconds`, `…_info` and `…_offline_limit_seconds`.
const SERIES_PER_AGENT: u64 = 5;

/// Series more of an agent with a schedule: `cxone_agent_scheduled_seconds` and `…_scheduled_offline_seconds`.
const SERIES_PER_SCHEDULE: u64 = 2;

/// Series of a tenant besides its agents', and of the exporter itself: freshness, refreshes, requests with their
/// histograms, rejections, scrapes, the process. Some appear as they are used, so it is a round number.
pub(super) const OWN_SERIES: u64 = 100;

/// How many buckets a page is assumed to have. What a tenant really does is not documented.
pub(super) const ASSUMED_PAGE: u64 = 1_000;

/// How long a report request is assumed to take: a second and a bit is what a person would call slow.
const ASSUMED_REQUEST_TIME: Duration = Duration::from_secs(1);

/// Requests of a refresh of a source that asks for all agents at once: the states they are in, and what is new in the
/// history.
const TAIL_REQUESTS: u64 = 2;

/// Token requests of a day: tokens live for an hour less a margin, so the 24 hours take one more.
const TOKENS_PER_DAY: u64 = 25;

/// The bytes of a bucket without its states and its agent's id, as compact JSON: the keys, and two times.
const BUCKET_BYTES: u64 = 95;

/// The bytes of a state in a bucket, as compact JSON: `{"state":"Available","duration":3600,"percentage":100.0},`.
const STATE_BYTES: u64 = 57;

/// About the bytes that a bucket takes which is kept. Those of the simulated tenant take 4.7 where they are five minutes
/// long and 6.6 where they are hours, as a test measures.
const KEPT_BUCKET_BYTES: u64 = 7;

/// About the bytes of an agent with cached buckets, without the buckets: names of states, and a table entry.
const KEPT_AGENT_BYTES: u64 = 300;

const DAY: Duration = Duration::from_secs(86_400);

/// What a tenant costs. Amounts are upper bounds where not said otherwise, for the declared states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Estimate {
    /// Agents asked for.
    pub(super) agents: u64,
    /// Those of them that have a schedule.
    pub(super) scheduled_agents: u64,
    /// States that each agent has a series for from the start.
    pub(super) states: u64,
    /// agents × (states + 5), or 7 with a schedule.
    pub(super) agent_series: u64,
    /// Batches that the agents are asked for in: the fewest requests that a refresh makes, one page a batch.
    pub(super) batches: u64,
    /// Buckets of one agent: one more than fit, as they need not be aligned to the window.
    pub(super) buckets_per_agent: u64,
    /// Buckets of a refresh.
    pub(super) buckets: u64,
    /// Requests of a refresh where a page has [`ASSUMED_PAGE`] buckets.
    pub(super) paged_requests: u64,
    /// Refreshes of a day, one per cooldown: there are fewer where scrapes come less often.
    pub(super) refreshes_per_day: u64,
    /// Token requests of a day, for tokens that live an hour.
    pub(super) tokens_per_day: u64,
    /// About the bytes of a refresh's answers before compression.
    pub(super) bytes: u64,
    /// About how long a refresh takes, at a second a request.
    pub(super) refresh_time: Duration,
    /// What is different where refreshes are incremental; the rest is then about those that read everything.
    pub(super) tails: Option<Tails>,
    /// What the tenant's budget makes of that, where there is one.
    pub(super) budget: Option<Budgeted>,
}

/// How refreshes are spread by a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budgeted {
    /// The budget.
    pub(super) pace: RequestRate,
    /// A refresh that reads everything.
    pub(super) all: Spread,
    /// What most refreshes are; another one only where they are incremental.
    pub(super) usual: Spread,
}

/// How a refresh's requests are spread by a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    /// Its requests, the token that some refreshes begin with among them.
    pub(super) requests: u64,
    /// How long after the first of them the last one goes out.
    pub(super) time: Duration,
}

/// What refreshes cost that read what is new only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tails {
    /// Buckets of one agent at the most, where each refresh follows the one before after the cooldown.
    pub(super) buckets_per_agent: u64,
    /// Buckets of a refresh.
    pub(super) buckets: u64,
    /// Requests of a refresh where a page has [`ASSUMED_PAGE`] buckets.
    pub(super) paged_requests: u64,
    /// About the bytes of its answers before compression.
    pub(super) bytes: u64,
    /// About how long it takes, at a second a request.
    pub(super) refresh_time: Duration,
    /// Refreshes of a day that read everything all the same.
    pub(super) full_refreshes_per_day: u64,
    /// About the memory that kept buckets take, in bytes.
    pub(super) memory: u64,
}

/// What it takes to read so many buckets of each agent.
struct Reading {
    buckets: u64,
    paged_requests: u64,
    bytes: u64,
    time: Duration,
}

// === impl Estimate ===

impl Estimate {
    /// What `tenant` costs.
    pub(super) fn of(tenant: &Tenant) -> Self {
        let agents = count(tenant.agents.len());
        let scheduled_agents = count(tenant.agents.iter().filter(|agent| agent.schedule.is_some()).count());
        let states = count(tenant.states.declared.len());
        let agent_series = agents
            .saturating_mul(states + SERIES_PER_AGENT)
            .saturating_add(scheduled_agents.saturating_mul(SERIES_PER_SCHEDULE));

        let buckets_per_agent = quotient(tenant.query.window, tenant.query.interval.length).saturating_add(1);
        let Reading { buckets, paged_requests, bytes, time } = Reading::of(tenant, buckets_per_agent);
        let refreshes_per_day = quotient(DAY, tenant.limits.cooldown);
        let tails = tenant.query.incremental.map(|incremental| Tails::of(tenant, incremental, refreshes_per_day));
        let budget = tenant.limits.max_requests_per_minute.map(|per_minute| {
            let all = if tenant.official.is_some() { TAIL_REQUESTS } else { paged_requests };
            Budgeted::of(RequestRate::new(per_minute), all, tails.as_ref().map_or(all, |tails| tails.paged_requests))
        });
        Self {
            agents,
            scheduled_agents,
            states,
            agent_series,
            batches: agents.div_ceil(count(tenant.limits.agents_per_request).max(1)),
            buckets_per_agent,
            buckets,
            paged_requests,
            refreshes_per_day,
            tokens_per_day: TOKENS_PER_DAY.min(refreshes_per_day),
            bytes,
            refresh_time: time,
            tails,
            budget,
        }
    }

    /// About how long most refreshes take, at a second a request.
    pub(super) fn usual_refresh_time(&self) -> Duration {
        self.tails.as_ref().map_or(self.refresh_time, |tails| tails.refresh_time)
    }

    /// Report requests of a day, at least and with pages of [`ASSUMED_PAGE`] buckets, for one refresh per cooldown.
    pub(super) fn requests_per_day(&self) -> (u64, u64) {
        let day = self.refreshes_per_day;
        let paged = match &self.tails {
            Some(Tails { full_refreshes_per_day: full, paged_requests, .. }) => {
                let tails = day.saturating_sub(*full).saturating_mul(*paged_requests);
                full.saturating_mul(self.paged_requests).saturating_add(tails)
            }
            None => day.saturating_mul(self.paged_requests),
        };
        (day.saturating_mul(self.batches), paged)
    }
}

// === impl Tails ===

impl Tails {
    fn of(tenant: &Tenant, incremental: Incremental, refreshes_per_day: u64) -> Self {
        let reach = incremental.settle.saturating_add(tenant.limits.cooldown).min(tenant.query.window);
        let buckets_per_agent = quotient(reach, tenant.query.interval.length).saturating_add(1);
        let Reading { buckets, paged_requests, bytes, time } = Reading::of(tenant, buckets_per_agent);
        let agents = count(tenant.agents.len());
        Self {
            buckets_per_agent,
            buckets,
            paged_requests,
            bytes,
            refresh_time: time,
            full_refreshes_per_day: quotient(DAY, incremental.full_refresh_interval).min(refreshes_per_day),
            memory: tenant
                .kept_buckets()
                .saturating_mul(KEPT_BUCKET_BYTES)
                .saturating_add(agents.saturating_mul(KEPT_AGENT_BYTES)),
        }
    }
}

// === impl Budgeted ===

impl Budgeted {
    /// Of refreshes that read everything, and of most of them, with so many requests besides the token's.
    fn of(pace: RequestRate, all: u64, usual: u64) -> Self {
        let spread = |pages: u64| {
            let requests = pages.saturating_add(1);
            Spread { requests, time: pace.time_for(requests) }
        };
        Self { pace, all: spread(all), usual: spread(usual) }
    }
}

// === impl Reading ===

impl Reading {
    fn of(tenant: &Tenant, buckets_per_agent: u64) -> Self {
        let (agents, states) = (count(tenant.agents.len()), count(tenant.states.declared.len()));
        let batch = count(tenant.limits.agents_per_request).max(1);
        let buckets = agents.saturating_mul(buckets_per_agent);
        let pages = |agents: u64| agents.saturating_mul(buckets_per_agent).div_ceil(ASSUMED_PAGE);
        let paged_requests = (agents / batch).saturating_mul(pages(batch)).saturating_add(pages(agents % batch));
        let id_bytes: u64 = tenant.agents.iter().map(|agent| count(agent.id.len())).sum();
        let bytes = buckets
            .saturating_mul(BUCKET_BYTES + states * STATE_BYTES)
            .saturating_add(id_bytes.saturating_mul(buckets_per_agent));
        let rounds = paged_requests.div_ceil(count(tenant.limits.max_concurrent_requests).max(1));
        let time = ASSUMED_REQUEST_TIME.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
        Self { buckets, paged_requests, bytes, time }
    }
}

/// How many times `part` goes into `whole`, the last time perhaps not all of it.
fn quotient(whole: Duration, part: Duration) -> u64 {
    u64::try_from(whole.as_nanos().div_ceil(part.as_nanos().max(1))).unwrap_or(u64::MAX)
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;
    use crate::clock::whole_seconds;

    #[test]
    fn series_are_agents_times_states_and_five_or_seven() {
        let table = [
            // agents, of them with a schedule, states: series
            (1, 0, 4, 9),
            (1, 1, 4, 11),
            (200, 0, 4, 1_800),
            (200, 50, 4, 1_900),
            (200, 200, 4, 2_200),
            (10_000, 0, 3, 80_000),
            (0, 0, 4, 0),
        ];
        for (agents, scheduled, states, series) in table {
            let mut tenant = fixture::tenant("acme", agents);
            tenant.states.declared.truncate(states);
            for agent in tenant.agents.iter_mut().take(scheduled) {
                agent.schedule = Some(fixture::schedule());
            }
            assert_eq!(Estimate::of(&tenant).agent_series, series, "{agents} agents, {scheduled}, {states} states");
        }
    }

    #[test]
    fn requests_are_batches_times_the_pages_they_need() {
        let table = [
            // agents, agents_per_request, window in hours, interval in minutes: batches, buckets an agent, paged
            (1, 50, 24, 60, 1, 25, 1),
            (50, 50, 24, 60, 1, 25, 2),
            (51, 50, 24, 60, 2, 25, 3),
            (200, 50, 24, 60, 4, 25, 8),
            (40, 40, 24, 60, 1, 25, 1),
            (200, 1, 24, 60, 200, 25, 200),
            (200, 50, 24, 1, 4, 1_441, 292),
            (200, 50, 24, 1_440, 4, 2, 4),
            (10, 50, 25, 120, 1, 14, 1),
            (0, 50, 24, 60, 0, 25, 0),
        ];
        for (agents, batch, hours, minutes, batches, buckets, paged) in table {
            let mut tenant = fixture::tenant("acme", agents);
            tenant.limits.agents_per_request = batch;
            tenant.query.window = Duration::from_secs(hours * 3_600);
            tenant.query.interval.length = Duration::from_secs(minutes * 60);
            let estimate = Estimate::of(&tenant);
            assert_eq!(
                (estimate.batches, estimate.buckets_per_agent, estimate.paged_requests),
                (batches, buckets, paged),
                "{agents} agents by {batch}, {hours} h by {minutes} min"
            );
        }
    }

    #[test]
    fn a_day_has_at_most_one_refresh_per_cooldown() {
        let table = [(1, 86_400, 25), (60, 1_440, 25), (7, 12_343, 25), (7_200, 12, 12), (86_400, 1, 1)];
        for (cooldown, refreshes, tokens) in table {
            let mut tenant = fixture::tenant("acme", 120);
            tenant.limits.cooldown = Duration::from_secs(cooldown);
            let estimate = Estimate::of(&tenant);
            assert_eq!((estimate.refreshes_per_day, estimate.tokens_per_day), (refreshes, tokens), "{cooldown} s");
            assert_eq!(estimate.requests_per_day(), (refreshes * 3, refreshes * 5));
        }
    }

    #[test]
    fn a_budget_spreads_the_pages_of_a_refresh_and_its_token() {
        let table = [
            // agents, requests a minute: requests, seconds, and both where most refreshes read the tail
            (200, None, None, None),
            (200, Some(1_000), Some((9, 1)), Some((5, 1))),
            (200, Some(60), Some((9, 6)), Some((5, 2))),
            (200, Some(10), Some((9, 48)), Some((5, 24))),
            (10_000, Some(60), Some((401, 418)), Some((201, 208))),
        ];
        for (agents, per_minute, all, tails) in table {
            let mut tenant = fixture::tenant("acme", agents);
            tenant.limits.max_requests_per_minute = per_minute.and_then(std::num::NonZeroU32::new);
            let figures = |spread: Spread| (spread.requests, whole_seconds(spread.time).as_secs());
            let budget =
                |tenant: &Tenant| Estimate::of(tenant).budget.map(|budget| [budget.all, budget.usual].map(figures));
            assert_eq!(budget(&tenant), all.map(|all| [all, all]), "{agents} agents at {per_minute:?}");
            tenant.query.incremental = Some(Incremental::default());
            assert_eq!(budget(&tenant), all.zip(tails).map(|(all, tails)| [all, tails]), "{agents} at {per_minute:?}");
        }
    }

    #[test]
    fn tails_are_what_may_still_change_and_a_few_refreshes_a_day_read_all() {
        let table = [
            // interval in minutes, settle in minutes, cooldown in seconds: buckets an agent, requests, all of a day
            (60, 30, 60, 2, 4, 4 * 8 + 1_436 * 4),
            (5, 30, 60, 8, 4, 4 * 60 + 1_436 * 4),
            (5, 120, 60, 26, 8, 4 * 60 + 1_436 * 8),
            (1, 0, 3_600, 61, 16, 4 * 292 + 20 * 16),
            (60, 0, 86_400, 25, 8, 8),
        ];
        for (minutes, settle, cooldown, buckets, requests, of_a_day) in table {
            let mut tenant = fixture::tenant("acme", 200);
            tenant.query.interval.length = Duration::from_secs(minutes * 60);
            tenant.limits.cooldown = Duration::from_secs(cooldown);
            tenant.query.incremental = Some(Incremental {
                settle: Duration::from_secs(settle * 60),
                full_refresh_interval: Duration::from_secs(6 * 3_600),
            });
            let estimate = Estimate::of(&tenant);
            let tails = estimate.tails.clone().unwrap();
            assert_eq!(
                (tails.buckets_per_agent, tails.paged_requests),
                (buckets, requests),
                "{minutes} min, {settle} min"
            );
            assert_eq!(estimate.requests_per_day().1, of_a_day, "{minutes} min, {settle} min");
        }
    }

    #[test]
    fn a_bucket_has_the_bytes_that_the_api_documents() {
        let documented =
            r#"{"agentId":"","startTime":"2023-10-27T10:00:00Z","endTime":"2023-10-27T11:00:00Z","states":[]},"#;
        assert_eq!(documented.len(), usize::try_from(BUCKET_BYTES).unwrap());
        let state = r#"{"state":"Available","duration":3600,"percentage":100.0},"#;
        assert_eq!(state.len(), usize::try_from(STATE_BYTES).unwrap());
    }
}
