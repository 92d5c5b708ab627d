//! One refresh: concurrent batches, and the rules for cancelling the rest of them.

use std::future::Future;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, stream};
use tracing::warn;

use super::cache::Batch;
use super::{PresenceSource, lock};
use crate::presence::{AgentId, TallyOutcome, WatchedAgent, Window};
use crate::upstream::failure::{Failure, Scope, humanize};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, FetchResult, Query, UpstreamError};

/// The number of consecutive failed batches after which a refresh is cancelled. Each was retried, so further batches would
/// fail as well and only add load.
const MAX_FAILED_IN_A_ROW: u32 = 3;

/// The state of a refresh.
#[derive(Debug)]
struct Progress {
    fetched: FetchResult,
    /// The agents of each batch that has not ended.
    open: Vec<Vec<AgentId>>,
    failed_in_a_row: u32,
    /// Whether the error in `fetched` is about the whole tenant.
    is_tenant_error: bool,
}

impl PresenceSource {
    pub(super) async fn collect(&self, query: Query) -> FetchResult {
        let context = FetchContext::new(query.deadline);
        let batches = self.batches(query.window, query.agents);
        let least = u64::try_from(batches.len()).unwrap_or(u64::MAX);
        let checked = match self.clock.monotonic() >= query.deadline {
            true => Err(self.out_of_time()),
            false => self.session.client.limiter().check_budget(least, Endpoint::Presence, &context),
        };
        if let Err(failure) = checked {
            let mut progress = Progress::new(&batches);
            progress.fail_rest(&failure);
            return progress.fetched;
        }
        let read = |batch| self.read(batch, query.window, &context);
        let fetched = self.read_batches(batches, read, || self.out_of_time(), &context).await;
        self.end_refresh(query.window, &fetched);
        fetched
    }

    /// Reads `batches` with `read`, some at a time. Those that have not ended by the deadline fail as `out_of_time` says.
    pub(super) async fn read_batches<R: Future<Output = Result<TallyOutcome, Failure>> + Send>(
        &self,
        batches: Vec<Batch>,
        read: impl Fn(Batch) -> R + Send,
        out_of_time: impl Fn() -> Failure + Send,
        context: &FetchContext,
    ) -> FetchResult {
        let mut progress = Progress::new(&batches);
        // A batch has at most one request at a time, for a page or a token, so this limits all of them.
        let mut ends = stream::iter(batches.into_iter().enumerate())
            .map(|(index, batch)| {
                let reading = read(batch);
                async move { (index, reading.await) }
            })
            .buffer_unordered(self.tenant.limits.max_concurrent_requests.max(1));
        let mut deadline = self.clock.sleep_until(context.deadline);
        loop {
            let end = tokio::select! {
                biased;
                end = ends.next() => end,
                () = &mut deadline => {
                    let failure = out_of_time();
                    context.cancel(&failure);
                    progress.fail_rest(&failure);
                    break;
                }
            };
            match end {
                Some((batch, outcome)) => self.batch_ended(&mut progress, batch, outcome, context),
                None => break,
            }
        }
        progress.fetched
    }

    /// The agents in batches; those of refused batches are last.
    fn batches(&self, window: Window, agents: Vec<WatchedAgent>) -> Vec<Batch> {
        if let Some(cache) = self.cache() {
            let suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
            let size = self.tenant.limits.agents_per_request.max(1);
            return cache.plan(window, agents, size, |agent| suspects.contains(&agent.id));
        }
        self.plain_batches(agents)
    }

    /// The agents in batches whose whole window is requested; those of refused batches are last.
    pub(super) fn plain_batches(&self, mut agents: Vec<WatchedAgent>) -> Vec<Batch> {
        let suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        let size = self.tenant.limits.agents_per_request.max(1);
        if !suspects.is_empty() {
            agents.sort_by_key(|agent| suspects.contains(&agent.id));
        }
        agents.chunks(size).map(Batch::plain).collect()
    }

    /// Ends a refresh in the cache, and warns if nothing can be kept.
    fn end_refresh(&self, window: Window, fetched: &FetchResult) {
        lock(&self.last_buckets).retain_in(window);
        let Some(mut cache) = self.cache() else { return };
        let brought_data = fetched.answered.iter().any(|(_, presence)| presence.is_some());
        if cache.refreshed(window, brought_data) {
            warn!(
                tenant = self.tenant.name,
                interval = self.tenant.query.interval.text,
                "buckets are not `interval` apart; `incremental` keeps none and every refresh is full"
            );
        }
    }

    fn batch_ended(
        &self,
        progress: &mut Progress,
        batch: usize,
        outcome: Result<TallyOutcome, Failure>,
        context: &FetchContext,
    ) {
        match outcome {
            Ok(outcome) => {
                self.set_suspect(progress.open.get(batch), false);
                progress.succeeded(batch, outcome);
            }
            // The refresh was cancelled, and its cause is recorded.
            Err(failure) if context.check_cancelled().is_err() => progress.failed(batch, &failure, false),
            Err(failure) => {
                if failure.error.kind == ErrorKind::BadRequest && failure.scope == Scope::AllAlike {
                    self.set_suspect(progress.open.get(batch), true);
                }
                let fails_all = match failure.scope {
                    Scope::Tenant => true,
                    Scope::AllAlike => !self.proven.load(Ordering::Relaxed),
                    Scope::Request => false,
                };
                progress.failed(batch, &failure, fails_all);
                if fails_all || progress.failed_in_a_row >= MAX_FAILED_IN_A_ROW {
                    context.cancel(&failure);
                }
            }
        }
    }

    fn set_suspect(&self, agents: Option<&Vec<AgentId>>, refused: bool) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        for agent in agents.into_iter().flatten() {
            if refused {
                suspects.insert(agent.clone());
            } else {
                suspects.remove(agent);
            }
        }
    }

    fn out_of_time(&self) -> Failure {
        let message = format!(
            "The refresh was not done within {}. Raise `refresh_timeout` or `max_concurrent_requests`, or ask less: a \
            longer `interval`, fewer agents.",
            humanize(self.tenant.limits.refresh_timeout)
        );
        Failure::new(Endpoint::Presence, ErrorKind::Timeout, message).with_scope(Scope::Tenant)
    }
}

// === impl Progress ===

impl Progress {
    fn new(batches: &[Batch]) -> Self {
        let ids = |batch: &Batch| batch.agents.iter().map(|agent| agent.id.clone()).collect();
        let open: Vec<Vec<AgentId>> = batches.iter().map(ids).collect();
        let answered = Vec::with_capacity(open.iter().map(Vec::len).sum());
        Self {
            fetched: FetchResult { answered, ..FetchResult::default() },
            open,
            failed_in_a_row: 0,
            is_tenant_error: false,
        }
    }

    fn succeeded(&mut self, batch: usize, outcome: TallyOutcome) {
        self.failed_in_a_row = 0;
        self.fetched.rejections.merge(&outcome.rejections);
        let agents = self.end(batch);
        self.fetched.answered.extend(agents.into_iter().zip(outcome.agents));
    }

    fn failed(&mut self, batch: usize, failure: &Failure, is_tenant_error: bool) {
        self.failed_in_a_row += 1;
        let agents = self.end(batch);
        self.fetched.failed.extend(agents);
        self.record_error(&failure.error, is_tenant_error);
    }

    /// Fails every batch that is still open.
    fn fail_rest(&mut self, failure: &Failure) {
        let agents: Vec<_> = self.open.drain(..).flatten().collect();
        if !agents.is_empty() {
            self.fetched.failed.extend(agents);
            self.record_error(&failure.error, false);
        }
    }

    fn end(&mut self, batch: usize) -> Vec<AgentId> {
        self.open.get_mut(batch).map(std::mem::take).unwrap_or_default()
    }

    /// Records the first error; an error of the whole tenant replaces one of a batch.
    fn record_error(&mut self, error: &UpstreamError, is_tenant_error: bool) {
        if self.fetched.error.is_none() || (is_tenant_error && !self.is_tenant_error) {
            self.fetched.error = Some(error.clone());
            self.is_tenant_error = is_tenant_error;
        }
    }
}
