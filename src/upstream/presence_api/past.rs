//! Past presence: buckets of any window, without the cache of refreshes.
//!
//! A bucket that reaches beyond a piece counts in proportion to its part inside. How long a range may be is not documented, so it
//! is halved where the server refuses it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use super::PresenceSource;
use super::cache::Batch;
use super::request;
use crate::presence::{TallyOutcome, Timestamp, Window};
use crate::upstream::failure::{Failure, Scope, humanize, run_blocking};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, FetchResult, PastLimits, PastQuery};

/// The length of a piece at first. A week of hourly buckets of 50 agents is nine pages of 1,000 buckets, most of them full.
const LONGEST_RANGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A refused range of at most this length was not refused for its length.
const SHORTEST_RANGE: Duration = Duration::from_secs(3600);

/// The length of ranges, as far as answers have shown it.
#[derive(Debug)]
pub(super) struct PastLength(Mutex<Learnt>);

#[derive(Debug, Clone, Copy)]
struct Learnt {
    /// The length to request.
    longest: Duration,
    /// The longest range that was answered.
    proven: Duration,
}

/// The time of a piece.
#[derive(Debug, Clone, Copy)]
struct Piece {
    window: Window,
    slot: Duration,
    /// When the piece is read.
    now: Timestamp,
}

impl PresenceSource {
    pub(super) fn limits_of_past(&self) -> PastLimits {
        let limits = &self.tenant.limits;
        let agents = limits.agents_per_request.max(1).saturating_mul(limits.max_concurrent_requests.max(1));
        PastLimits { agents, length: self.past_length.learnt().longest }
    }

    pub(super) async fn collect_past(&self, query: PastQuery) -> FetchResult {
        let PastQuery { window, agents, slot, deadline } = query;
        let context = FetchContext::new(deadline);
        let sample = agents.get(..self.tenant.limits.agents_per_request.max(1)).unwrap_or(&agents);
        let sample = Batch::plain(sample);
        let piece = Piece { window, slot, now: self.clock.now() };
        let read = |batch| self.read_past(batch, piece, &context);
        let fetched = self.read_batches(self.plain_batches(agents), read, out_of_time, &context).await;
        let length = Duration::from(window.length());
        if !fetched.answered.is_empty() {
            self.past_length.prove(length);
        } else if fetched.error.as_ref().is_some_and(|error| error.kind == ErrorKind::BadRequest)
            && length > self.past_length.learnt().proven
        {
            self.learn_length(piece, &sample, &FetchContext::new(deadline)).await;
        }
        fetched
    }

    async fn read_past(&self, batch: Batch, piece: Piece, context: &FetchContext) -> Result<TallyOutcome, Failure> {
        context.check_cancelled()?;
        let mut reading = self.reading(&batch, piece.window);
        reading.tally = reading.tally.in_slots(piece.slot, piece.now);
        let reading = self.read_range(reading, &batch.agents, piece.window, context).await?;
        run_blocking(Endpoint::Presence, move || reading.tally.finish()).await
    }

    /// Halves the refused range of `piece` until the server answers. If it never does, the length was not the reason.
    async fn learn_length(&self, piece: Piece, sample: &Batch, context: &FetchContext) {
        let mut shorter = Duration::from(piece.window.length());
        while shorter > SHORTEST_RANGE {
            shorter = Duration::from_secs(shorter.as_secs() / 2).max(SHORTEST_RANGE);
            let range = Window { end: piece.window.start + shorter, ..piece.window };
            let report = self.session.client.url(request::PATH);
            let first = request::first_page(report, &self.tenant, range, &sample.agents);
            match self.read_page(self.reading(sample, piece.window), &first, context).await {
                Ok(_) => {
                    warn!(
                        tenant = self.tenant.name,
                        longest = humanize(shorter),
                        "a long range was refused; shorter ones are requested"
                    );
                    self.past_length.limit(shorter);
                    return;
                }
                Err(failure) if failure.error.kind == ErrorKind::BadRequest => {}
                Err(_) => return,
            }
        }
    }
}

// === impl PastLength ===

impl Default for PastLength {
    fn default() -> Self {
        Self(Mutex::new(Learnt { longest: LONGEST_RANGE, proven: Duration::ZERO }))
    }
}

impl PastLength {
    fn learnt(&self) -> Learnt {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prove(&self, length: Duration) {
        let mut learnt = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.proven = learnt.proven.max(length);
    }

    fn limit(&self, length: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Learnt { longest: length, proven: length };
    }
}

fn out_of_time() -> Failure {
    let message = "The piece of past presence was not read in time. Raise `max_requests_per_minute` or \
        `max_concurrent_requests`, or ask less: a longer `interval`, fewer agents.";
    Failure::new(Endpoint::Presence, ErrorKind::Timeout, message).with_scope(Scope::Tenant)
}
