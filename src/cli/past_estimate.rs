//! The cost of reading a range in the past: requests and time. Pure arithmetic, as [`estimate`](super::estimate).

use std::time::Duration;

use super::estimate::ASSUMED_PAGE;
use crate::config::Tenant;
use crate::past::pieces;
use crate::presence::Window;
use crate::upstream::{PastLimits, RequestRate};

/// The assumed rows of an agent and day in the history of the documented API: changes of state, most of them in a shift.
const ROWS_PER_AGENT_DAY: u64 = 120;

/// The rows of a page of the documented API.
const ROWS_PER_PAGE: u64 = 10_000;

/// The assumed duration of a request.
const REQUEST_SECONDS: u64 = 1;

const DAY_SECONDS: u64 = 86_400;

/// What reading a range costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PastEstimate {
    /// Requests, with one for a token.
    pub(super) requests: u64,
    /// From the first to the last of them.
    pub(super) time: Duration,
}

// === impl PastEstimate ===

impl PastEstimate {
    /// The cost of reading `range` of all agents of `tenant` in slots of this length.
    pub(super) fn of(tenant: &Tenant, range: Window, slot: Duration, limits: PastLimits) -> Self {
        let agents = u64::try_from(tenant.agents.len()).unwrap_or(u64::MAX);
        let (batches, lengths) = pieces(agents, range, slot, limits);
        let seconds = range.length().get() / 1_000_000;
        let (records, page) = if tenant.official.is_some() {
            (agents.saturating_mul(seconds.saturating_mul(ROWS_PER_AGENT_DAY) / DAY_SECONDS), ROWS_PER_PAGE)
        } else {
            (agents.saturating_mul(seconds / tenant.query.interval.length.as_secs().max(1)), ASSUMED_PAGE)
        };
        let requests = batches.saturating_mul(lengths).max(records.div_ceil(page)).saturating_add(1);
        let concurrent = u64::try_from(tenant.limits.max_concurrent_requests).unwrap_or(1).max(1);
        let time = Duration::from_secs(requests.saturating_mul(REQUEST_SECONDS).div_ceil(concurrent));
        let budget = tenant.limits.max_requests_per_minute;
        let spread = budget.map_or(Duration::ZERO, |per_minute| RequestRate::new(per_minute).time_for(requests));
        Self { requests, time: time.max(spread) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture::{self, NOW};

    #[test]
    fn requests_and_time_follow_pieces_pages_and_budget() {
        let limits = |agents, hours: u64| PastLimits { agents, length: Duration::from_secs(hours * 3_600) };
        let table = [
            // agents, days, limits, a minute: requests, seconds
            (1_000, 30, limits(50, 24), None, 8_641, 4_321),
            (1_000, 30, limits(1, 1), None, 720_001, 360_001),
            (1_000, 30, limits(50, 24), Some(60), 8_641, 9_091),
            (1, 1, limits(50, 24), None, 2, 1),
        ];
        for (agents, days, limits, per_minute, requests, seconds) in table {
            let mut tenant = fixture::tenant("acme", agents);
            tenant.query.interval = crate::config::Interval::default();
            tenant.limits.max_requests_per_minute = per_minute.and_then(std::num::NonZeroU32::new);
            let range = Window::ending_at(NOW, Duration::from_secs(days * 86_400));
            let estimate = PastEstimate::of(&tenant, range, Duration::from_secs(300), limits);
            assert_eq!((estimate.requests, estimate.time.as_secs()), (requests, seconds), "{agents} {limits:?}");
        }
    }
}
