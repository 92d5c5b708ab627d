//! Reads the limits of refreshes and requests: `cooldown`, `max_staleness`, timeouts and request counts.

use std::fmt::{self, Write as _};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::bounds::{
    AGENTS_PER_REQUEST, CONCURRENT_REQUESTS, COOLDOWN, MAX_STALENESS, REFRESH_TIMEOUT, REQUEST_TIMEOUT,
    REQUESTS_PER_MINUTE,
};
use crate::config::diagnostics::Diagnostics;
use crate::config::keys::TENANT;
use crate::config::parse::duration;
use crate::config::parse::fields::{Fields, from_defaults};

/// The limits of a tenant's refreshes and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshLimits {
    /// The shortest time between the starts of two refreshes.
    pub cooldown: Duration,
    /// Data older than this is no longer exposed.
    pub max_staleness: Duration,
    /// The time-out of one request.
    pub request_timeout: Duration,
    /// The time-out of one refresh with all its requests.
    pub refresh_timeout: Duration,
    /// The most agents in one request.
    pub agents_per_request: usize,
    /// The most requests in flight at once.
    pub max_concurrent_requests: usize,
    /// The most requests of any kind within a minute; `None` is no limit.
    pub max_requests_per_minute: Option<NonZeroU32>,
}

// === impl RefreshLimits ===

impl RefreshLimits {
    /// The limits in a tenant's `fields`.
    pub(crate) fn read(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut duration = |key, range| fields.duration(key, range, diagnostics);
        let cooldown = duration("cooldown", &COOLDOWN);
        let max_staleness = duration("max_staleness", &MAX_STALENESS);
        let request_timeout = duration("request_timeout", &REQUEST_TIMEOUT);
        let refresh_timeout = duration("refresh_timeout", &REFRESH_TIMEOUT);
        let mut count = |key, range, reason| fields.count(key, range, reason, diagnostics);
        let agents_per_request = count("agents_per_request", &AGENTS_PER_REQUEST, "their ids share one address line");
        let max_concurrent_requests =
            count("max_concurrent_requests", &CONCURRENT_REQUESTS, "CXone limits the rate of requests");
        let max_requests_per_minute =
            count("max_requests_per_minute", &REQUESTS_PER_MINUTE, "leave it out to have no budget");
        Some(Self {
            cooldown: cooldown?,
            max_staleness: max_staleness?,
            request_timeout: request_timeout?,
            refresh_timeout: refresh_timeout?,
            agents_per_request: agents_per_request?,
            max_concurrent_requests: max_concurrent_requests?,
            max_requests_per_minute: max_requests_per_minute
                .and_then(|count| u32::try_from(count).ok()?.try_into().ok()),
        })
    }

    /// Writes the limits as keys of a tenant. Only the presence API has `agents_per_request`.
    pub(crate) fn write(&self, yaml: &mut String, has_batches: bool) -> fmt::Result {
        writeln!(yaml, "    cooldown: {}", duration::format(self.cooldown))?;
        writeln!(yaml, "    max_staleness: {}", duration::format(self.max_staleness))?;
        writeln!(yaml, "    request_timeout: {}", duration::format(self.request_timeout))?;
        writeln!(yaml, "    refresh_timeout: {}", duration::format(self.refresh_timeout))?;
        if has_batches {
            writeln!(yaml, "    agents_per_request: {}", self.agents_per_request)?;
        }
        writeln!(yaml, "    max_concurrent_requests: {}", self.max_concurrent_requests)?;
        match self.max_requests_per_minute {
            Some(count) => writeln!(yaml, "    max_requests_per_minute: {count}"),
            None => Ok(()),
        }
    }
}

impl Default for RefreshLimits {
    fn default() -> Self {
        from_defaults(TENANT, Self::read)
    }
}
