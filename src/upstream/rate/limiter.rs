//! What a request has to get past before it is sent, the rate gate and the budget, and what is said where it does not in time.

use std::fmt;
use std::sync::Arc;

use super::budget::{Budget, Exhausted, RateStatus};
use super::gate::{GateClosed, RateGate};
use super::request_rate::RequestRate;
use crate::clock::{Clock, Monotonic, whole_seconds};
use crate::config::Tenant;
use crate::upstream::failure::{Failure, Scope, humanize};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, Observer};

/// What holds requests to a tenant back, shared by everything that is sent to it.
pub(crate) struct RateLimiter {
    clock: Arc<dyn Clock>,
    gate: Arc<RateGate>,
    budget: Budget,
}

/// Why a request may not be sent in time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Denied {
    /// The server wants to be left alone.
    Gate(GateClosed),
    /// The budget is used up.
    Budget(Exhausted),
}

// === impl RateLimiter ===

impl RateLimiter {
    /// An open gate, and a budget of which nothing was used.
    pub(crate) fn new(tenant: &Tenant, clock: &Arc<dyn Clock>) -> Self {
        let gate = Arc::new(RateGate::new(Arc::clone(clock)));
        Self { clock: Arc::clone(clock), gate, budget: Budget::new(pace(tenant), Arc::clone(clock)) }
    }

    /// The same gate and budget with the settings of `tenant`, as after a reload.
    pub(crate) fn reconfigured(&self, tenant: &Tenant) -> Self {
        let (clock, gate) = (Arc::clone(&self.clock), Arc::clone(&self.gate));
        Self { clock, gate, budget: self.budget.at(pace(tenant)) }
    }

    pub(crate) fn gate(&self) -> &RateGate {
        &self.gate
    }

    /// Waits until server and budget let a request through, which is taken out of the budget.
    pub(crate) async fn admit(&self, deadline: Monotonic, observer: &dyn Observer) -> Result<(), Denied> {
        let turn = self.budget.turn().await;
        loop {
            self.gate.pass(deadline).await.map_err(Denied::Gate)?;
            // The gate is open at this very moment, so a request that is taken is one that is sent.
            let Err(exhausted) = turn.take() else { break };
            let now = self.clock.monotonic();
            if now + exhausted.wait >= deadline {
                return Err(Denied::Budget(exhausted));
            }
            self.clock.sleep_until(now + exhausted.wait).await;
            observer.budget_waited(self.clock.monotonic().saturating_since(now));
        }
        if let Some(RateStatus { allowed, .. }) = self.budget.standing() {
            observer.budget(Some(allowed.per_minute()));
        }
        Ok(())
    }

    /// A request that was sent at `sent` was answered 429: how the budget stands now, if that lowered it.
    pub(crate) fn refused(&self, sent: Monotonic) -> Option<RateStatus> {
        self.budget.refused(sent, self.gate.opens())
    }

    /// Whether so many requests, which an context takes at the least, can be sent before it must have ended.
    ///
    /// # Errors
    ///
    /// Where the configured budget is too small for that: nothing is gained by beginning. Where it is merely lowered for
    /// a while, what fits is sent.
    pub(crate) fn fits(&self, requests: u64, endpoint: Endpoint, context: &FetchContext) -> Result<(), Failure> {
        self.budget.fits(requests, context.deadline).map_err(|(pace, takes)| {
            let message = format!(
                "At {} requests a minute (`max_requests_per_minute`) the {requests} requests of this refresh take {}, \
                which is longer than it may take (`refresh_timeout`), so none was sent. Raise either, or ask less: a \
                larger `agents_per_request`, fewer agents.",
                pace.per_minute(),
                humanize(whole_seconds(takes)),
            );
            Failure::new(endpoint, ErrorKind::Budget, message).with_scope(Scope::Tenant)
        })
    }

    /// What a person is told of a request to `peer` that was held back, where `last` is how it failed before.
    pub(crate) fn explained(
        &self,
        held_back: Denied,
        endpoint: Endpoint,
        peer: &str,
        last: Option<Failure>,
    ) -> Failure {
        match held_back {
            Denied::Gate(closed) => no_time_left(closed, endpoint, peer, last),
            Denied::Budget(exhausted) => self.no_request_left(exhausted, endpoint, last),
        }
    }

    /// The budget has no request for the context any more.
    fn no_request_left(&self, exhausted: Exhausted, endpoint: Endpoint, last: Option<Failure>) -> Failure {
        let cause = last.map_or_else(String::new, |last| last.error.message + " ");
        let lowered = self.budget.standing().filter(|standing| standing.allowed != standing.configured);
        let (why, remedy) = match lowered {
            Some(RateStatus { configured, allowed }) => (
                format!(
                    ", as {} a minute are sent for a while after a 429, and not {}",
                    allowed.per_minute(),
                    configured.per_minute()
                ),
                "If it happens often, raise `cooldown` or `agents_per_request`, or see who else uses the API.",
            ),
            None => (
                String::new(),
                "Raise `max_requests_per_minute` or `refresh_timeout`, or ask less: a larger `agents_per_request` or \
                `interval`, fewer agents.",
            ),
        };
        let message = format!(
            "{cause}The budget (`max_requests_per_minute`) has no request for {}{why}, which is longer than this refresh \
            may take (`refresh_timeout`). {remedy}",
            humanize(whole_seconds(exhausted.wait)),
        );
        Failure::new(endpoint, ErrorKind::Budget, message).with_scope(Scope::Tenant)
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("gate", &self.gate).field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// The tenant wants to be left alone for longer than the context may take.
fn no_time_left(closed: GateClosed, endpoint: Endpoint, peer: &str, last: Option<Failure>) -> Failure {
    let cause = last
        .map_or_else(|| format!("{peer} was not asked, as it limits the rate of requests."), |last| last.error.message);
    let message = format!(
        "{cause} It may not be asked again for {}, which is longer than this refresh may take (`refresh_timeout`).",
        humanize(whole_seconds(closed.wait))
    );
    Failure::new(endpoint, ErrorKind::RateLimited { retry_after: Some(closed.wait) }, message).with_scope(Scope::Tenant)
}

fn pace(tenant: &Tenant) -> Option<RequestRate> {
    tenant.max_requests_per_minute.map(RequestRate::new)
}
