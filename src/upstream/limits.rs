//! What a request has to get past before it is sent, the rate gate and the budget, and what is said where it does not in time.

use std::fmt;
use std::sync::Arc;

use super::budget::{Budget, Exhausted, Pace, Standing};
use super::errand::Errand;
use super::failure::{Failure, Scope, spoken};
use super::rate_gate::{RateGate, StaysClosed};
use super::{Endpoint, ErrorKind, Observer};
use crate::clock::{Clock, Monotonic, whole_seconds};
use crate::config::Tenant;

/// What holds requests to a tenant back, shared by everything that is sent to it.
pub(super) struct Limits {
    clock: Arc<dyn Clock>,
    gate: Arc<RateGate>,
    budget: Budget,
}

/// Why a request may not be sent in time.
#[derive(Debug, Clone, Copy)]
pub(super) enum HeldBack {
    /// The server wants to be left alone.
    Gate(StaysClosed),
    /// The budget is used up.
    Budget(Exhausted),
}

// === impl Limits ===

impl Limits {
    /// An open gate, and a budget of which nothing was used.
    pub(super) fn new(tenant: &Tenant, clock: &Arc<dyn Clock>) -> Self {
        let gate = Arc::new(RateGate::new(Arc::clone(clock)));
        Self { clock: Arc::clone(clock), gate, budget: Budget::new(pace(tenant), Arc::clone(clock)) }
    }

    /// The same gate and budget with the settings of `tenant`, as after a reload.
    pub(super) fn reconfigured(&self, tenant: &Tenant) -> Self {
        let (clock, gate) = (Arc::clone(&self.clock), Arc::clone(&self.gate));
        Self { clock, gate, budget: self.budget.at(pace(tenant)) }
    }

    pub(super) fn gate(&self) -> &RateGate {
        &self.gate
    }

    /// Waits until server and budget let a request through, which is taken out of the budget.
    pub(super) async fn admit(&self, deadline: Monotonic, observer: &dyn Observer) -> Result<(), HeldBack> {
        let turn = self.budget.turn().await;
        loop {
            self.gate.pass(deadline).await.map_err(HeldBack::Gate)?;
            // The gate is open at this very moment, so a request that is taken is one that is sent.
            let Err(exhausted) = turn.take() else { break };
            let now = self.clock.monotonic();
            if now + exhausted.wait >= deadline {
                return Err(HeldBack::Budget(exhausted));
            }
            self.clock.sleep_until(now + exhausted.wait).await;
            observer.budget_waited(self.clock.monotonic().saturating_since(now));
        }
        if let Some(Standing { allowed, .. }) = self.budget.standing() {
            observer.budget(Some(allowed.per_minute()));
        }
        Ok(())
    }

    /// A request that was sent at `sent` was answered 429: how the budget stands now, if that lowered it.
    pub(super) fn refused(&self, sent: Monotonic) -> Option<Standing> {
        self.budget.refused(sent, self.gate.opens())
    }

    /// Whether so many requests, which an errand takes at the least, can be sent before it must have ended.
    ///
    /// # Errors
    ///
    /// Where the configured budget is too small for that: nothing is gained by beginning. Where it is merely lowered for
    /// a while, what fits is sent.
    pub(super) fn fits(&self, requests: u64, endpoint: Endpoint, errand: &Errand) -> Result<(), Failure> {
        self.budget.fits(requests, errand.deadline).map_err(|(pace, takes)| {
            let message = format!(
                "At {} requests a minute (`max_requests_per_minute`) the {requests} requests of this refresh take {}, \
                which is longer than it may take (`refresh_timeout`), so none was sent. Raise either, or ask less: a \
                larger `agents_per_request`, fewer agents.",
                pace.per_minute(),
                spoken(whole_seconds(takes)),
            );
            Failure::new(endpoint, ErrorKind::Budget, message).concerns(Scope::Tenant)
        })
    }

    /// What a person is told of a request to `peer` that was held back, where `last` is how it failed before.
    pub(super) fn explained(
        &self,
        held_back: HeldBack,
        endpoint: Endpoint,
        peer: &str,
        last: Option<Failure>,
    ) -> Failure {
        match held_back {
            HeldBack::Gate(closed) => no_time_left(closed, endpoint, peer, last),
            HeldBack::Budget(exhausted) => self.no_request_left(exhausted, endpoint, last),
        }
    }

    /// The budget has no request for the errand any more.
    fn no_request_left(&self, exhausted: Exhausted, endpoint: Endpoint, last: Option<Failure>) -> Failure {
        let cause = last.map_or_else(String::new, |last| last.error.message + " ");
        let lowered = self.budget.standing().filter(|standing| standing.allowed != standing.configured);
        let (why, remedy) = match lowered {
            Some(Standing { configured, allowed }) => (
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
            spoken(whole_seconds(exhausted.wait)),
        );
        Failure::new(endpoint, ErrorKind::Budget, message).concerns(Scope::Tenant)
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("gate", &self.gate).field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// The tenant wants to be left alone for longer than the errand may take.
fn no_time_left(closed: StaysClosed, endpoint: Endpoint, peer: &str, last: Option<Failure>) -> Failure {
    let cause = last
        .map_or_else(|| format!("{peer} was not asked, as it limits the rate of requests."), |last| last.error.message);
    let message = format!(
        "{cause} It may not be asked again for {}, which is longer than this refresh may take (`refresh_timeout`).",
        spoken(whole_seconds(closed.wait))
    );
    Failure::new(endpoint, ErrorKind::RateLimited { retry_after: Some(closed.wait) }, message).concerns(Scope::Tenant)
}

fn pace(tenant: &Tenant) -> Option<Pace> {
    tenant.max_requests_per_minute.map(Pace::new)
}
