//! Admits requests: the rate gate and the budget in one, and the failure of a request that is not admitted in time.

use std::fmt;
use std::sync::Arc;

use super::budget::{Budget, Exhausted, RateStatus};
use super::gate::{GateClosed, RateGate};
use super::request_rate::RequestRate;
use crate::clock::{Clock, Monotonic, whole_seconds};
use crate::config::{Api, Tenant};
use crate::upstream::failure::{Failure, Scope, humanize};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, Observer};

/// Limits the requests to a tenant. It is shared by all of them, and outlives refreshes.
pub(crate) struct RateLimiter {
    clock: Arc<dyn Clock>,
    gate: Arc<RateGate>,
    budget: Budget,
    /// Decides which configuration keys a message names.
    api: Api,
}

/// Why a request is not admitted before its deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Denied {
    /// `Retry-After` ends too late.
    Gate(GateClosed),
    /// The budget is used up.
    Budget(Exhausted),
}

// === impl RateLimiter ===

impl RateLimiter {
    /// An open gate and an unused budget.
    pub(crate) fn new(tenant: &Tenant, clock: &Arc<dyn Clock>) -> Self {
        let gate = Arc::new(RateGate::new(Arc::clone(clock)));
        let budget = Budget::new(request_rate(tenant), Arc::clone(clock));
        Self { clock: Arc::clone(clock), gate, budget, api: tenant.api }
    }

    /// The limiter of `tenant` after a reload: with the same gate and budget if the address is the same.
    pub(crate) fn reconfigured(&self, tenant: &Tenant, same_address: bool) -> Self {
        if !same_address {
            return Self::new(tenant, &self.clock);
        }
        let (clock, gate) = (Arc::clone(&self.clock), Arc::clone(&self.gate));
        Self { clock, gate, budget: self.budget.with_rate(request_rate(tenant)), api: tenant.api }
    }

    pub(crate) fn gate(&self) -> &RateGate {
        &self.gate
    }

    /// Waits until gate and budget admit a request, and takes it out of the budget.
    pub(crate) async fn admit(&self, deadline: Monotonic, observer: &dyn Observer) -> Result<(), Denied> {
        let turn = self.budget.turn().await;
        loop {
            self.gate.pass(deadline).await.map_err(Denied::Gate)?;
            // The gate is open right now, so a request that is taken from the budget is sent.
            let Err(exhausted) = turn.take() else { break };
            let now = self.clock.monotonic();
            if now + exhausted.wait >= deadline {
                return Err(Denied::Budget(exhausted));
            }
            self.clock.sleep_until(now + exhausted.wait).await;
            observer.budget_waited(self.clock.monotonic().saturating_since(now));
        }
        if let Some(RateStatus { allowed, .. }) = self.budget.status() {
            observer.budget(Some(allowed.per_minute()));
        }
        Ok(())
    }

    /// Records a 429 to a request that was sent at `sent`. Returns the rate if that lowered it.
    pub(crate) fn rate_limited(&self, sent: Monotonic) -> Option<RateStatus> {
        self.budget.rate_limited(sent, self.gate.opens())
    }

    /// Checks that the configured budget allows `requests`, the least that a refresh needs, before its deadline.
    ///
    /// # Errors
    ///
    /// Fails if it does not, as then nothing should be sent. A budget that is lowered for a while reads what fits.
    pub(crate) fn check_budget(
        &self,
        requests: u64,
        endpoint: Endpoint,
        context: &FetchContext,
    ) -> Result<(), Failure> {
        self.budget.check(requests, context.deadline).map_err(|(rate, takes)| {
            let hint = match self.api {
                Api::Presence => ", or send fewer requests: a larger `agents_per_request`, fewer agents.",
                Api::Official => ", or configure fewer agents.",
            };
            let message = format!(
                "At {} requests a minute (`max_requests_per_minute`) the {requests} requests of this refresh take {}, \
                which is longer than it may take (`refresh_timeout`), so none was sent. Raise either{hint}",
                rate.per_minute(),
                humanize(whole_seconds(takes)),
            );
            Failure::new(endpoint, ErrorKind::Budget, message).with_scope(Scope::Tenant)
        })
    }

    /// The failure of a request that was denied. `last_failure` is that of the attempt before it.
    pub(crate) fn explain(
        &self,
        denied: Denied,
        endpoint: Endpoint,
        target: &str,
        last_failure: Option<Failure>,
    ) -> Failure {
        match denied {
            Denied::Gate(closed) => gate_failure(closed, endpoint, target, last_failure),
            Denied::Budget(exhausted) => self.budget_failure(exhausted, endpoint, last_failure),
        }
    }

    fn budget_failure(&self, exhausted: Exhausted, endpoint: Endpoint, last_failure: Option<Failure>) -> Failure {
        let cause = last_failure.map_or_else(String::new, |failure| failure.error.message + " ");
        let lowered = self.budget.status().filter(|status| status.allowed != status.configured);
        let reason = lowered.map_or_else(String::new, |RateStatus { configured, allowed }| {
            format!(
                ", as {} a minute are sent for a while after a 429, and not {}",
                allowed.per_minute(),
                configured.per_minute()
            )
        });
        let hint = match (lowered.is_some(), self.api) {
            (true, Api::Presence) => {
                "If it happens often, raise `cooldown` or `agents_per_request`, or check who else uses the API."
            }
            (true, Api::Official) => "If it happens often, raise `cooldown`, or check who else uses the API.",
            (false, Api::Presence) => {
                "Raise `max_requests_per_minute` or `refresh_timeout`, or send fewer requests: a larger \
                `agents_per_request` or `interval`, fewer agents."
            }
            (false, Api::Official) => {
                "Raise `max_requests_per_minute` or `refresh_timeout`, or configure fewer agents."
            }
        };
        let message = format!(
            "{cause}The budget (`max_requests_per_minute`) has no request for {}{reason}, which is longer than this refresh \
            may take (`refresh_timeout`). {hint}",
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

fn gate_failure(closed: GateClosed, endpoint: Endpoint, target: &str, last_failure: Option<Failure>) -> Failure {
    let cause = last_failure.map_or_else(
        || format!("Nothing was sent to {target}, because it limits the rate of requests."),
        |failure| failure.error.message,
    );
    let message = format!(
        "{cause} The next request is allowed in {}, which is longer than this refresh may take (`refresh_timeout`).",
        humanize(whole_seconds(closed.wait))
    );
    Failure::new(endpoint, ErrorKind::RateLimited { retry_after: Some(closed.wait) }, message).with_scope(Scope::Tenant)
}

fn request_rate(tenant: &Tenant) -> Option<RequestRate> {
    tenant.limits.max_requests_per_minute.map(RequestRate::new)
}
