//! Reads all pages of one batch of agents into one tally. A batch counts whole or not at all.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::warn;

use super::cache::Batch;
use super::paging::{self, Pages};
use super::request;
use super::wire::{self, Page};
use super::{PresenceSource, REPORT};
use crate::presence::{BucketQuery, IncrementalOutcome, IncrementalTally, Tally, TallyOutcome, WatchedAgent, Window};
use crate::upstream::Endpoint;
use crate::upstream::failure::{Failure, run_blocking};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::http::{DecodeError, Decoded};

/// The buffers of a batch. They move to the decoding threads and back, so that a batch allocates for its largest page once.
#[derive(Debug)]
pub(super) struct Reading<T = Tally> {
    pub(super) tally: T,
    body: Vec<u8>,
}

impl PresenceSource {
    /// Reads all pages of `batch`. After a failure, its earlier pages are dropped.
    pub(super) async fn read(
        &self,
        batch: Batch,
        window: Window,
        context: &FetchContext,
    ) -> Result<TallyOutcome, Failure> {
        context.check_cancelled()?;
        let Some(query) = batch.query else {
            let reading = self.read_range(self.reading(&batch, window), &batch.agents, window, context).await?;
            self.check_answer(&reading.tally, &batch.agents, window)?;
            return run_blocking(Endpoint::Presence, move || reading.tally.finish()).await;
        };
        let (mut batch, mut outcome, mut unread) = self.read_incrementally(batch, query, window, context).await?;
        if outcome.inconsistent
            && let Some((whole, query)) = self.retry_in_full(&batch, window)
        {
            (batch, outcome, unread) = self.read_incrementally(whole, query, window, context).await?;
        }
        let whole = self.cache().and_then(|mut cache| cache.with_found_boundaries(&batch, window, &outcome));
        if let Some((whole, query)) = whole.and_then(|whole| whole.query.map(|query| (whole, query))) {
            (batch, outcome, unread) = self.read_incrementally(whole, query, window, context).await?;
        }
        if let Some(mut cache) = self.cache() {
            cache.keep(&batch, window, &mut outcome, &unread);
        }
        Ok(outcome.tally)
    }

    /// Reads the requested range of `batch` and merges it with the histories of its agents. Returns which agents' buckets must
    /// be requested again as well.
    async fn read_incrementally(
        &self,
        batch: Batch,
        query: BucketQuery,
        window: Window,
        context: &FetchContext,
    ) -> Result<(Batch, IncrementalOutcome, Vec<bool>), Failure> {
        let reading = self.reading(&batch, window);
        let reading = Reading { tally: IncrementalTally::new(reading.tally, query), body: reading.body };
        let mut reading = self.read_range(reading, &batch.agents, query.range, context).await?;
        let unread = self.check_answer(reading.tally.as_mut(), &batch.agents, query.range)?;
        let is_partial = reading.tally.has_partial_bucket(&batch.histories);
        let head = self.cache().filter(|_| is_partial).and_then(|cache| cache.head(query, window));
        if let Some(head) = head {
            reading.tally.begin_head(head);
            reading = self.read_range(reading, &batch.agents, head, context).await?;
        }
        let behind = self.session.client.behind();
        let until = self.cache().map_or(window.start, |cache| cache.settled(query, window, behind));
        run_blocking(Endpoint::Presence, move || {
            let outcome = reading.tally.finish(&batch.histories, until);
            (batch, outcome, unread)
        })
        .await
    }

    /// `batch` in full, after an inconsistent answer.
    fn retry_in_full(&self, batch: &Batch, window: Window) -> Option<(Batch, BucketQuery)> {
        let mut cache = self.cache()?;
        if cache.distrust(window.end) {
            warn!(
                tenant = self.tenant.name,
                "buckets before the requested range; `incremental` pauses until the next full refresh"
            );
        }
        let whole = cache.in_full(batch, window);
        let query = whole.query?;
        Some((whole, query))
    }

    pub(super) fn reading(&self, batch: &Batch, window: Window) -> Reading {
        let tally = Tally::new(window, batch.agents.clone(), self.offline_states.clone(), &self.declared_states)
            .renaming(Arc::clone(&self.state_map))
            .with_max_buckets(paging::max_buckets(batch.agents.len(), window, self.tenant.query.interval.length));
        // A compressed answer has no known length, and growing the buffer copies it several times.
        let page_bytes = self.page_bytes.load(Ordering::Relaxed);
        Reading { tally, body: Vec::with_capacity(page_bytes + page_bytes / 8) }
    }

    /// Reads all pages of `range`.
    pub(super) async fn read_range<T: AsMut<Tally> + Send + 'static>(
        &self,
        mut reading: Reading<T>,
        agents: &[WatchedAgent],
        range: Window,
        context: &FetchContext,
    ) -> Result<Reading<T>, Failure> {
        let mut pages = Pages::new(agents.len(), range, self.tenant.query.interval.length);
        let first = request::first_page(self.session.client.url(request::PATH), &self.tenant, range, agents);
        let mut url = first.clone();
        loop {
            let page;
            (reading, page) = self.read_page(reading, &url, context).await?;
            self.proven.store(true, Ordering::Relaxed);
            match pages.turn(page.next_page_token, page.buckets)? {
                Some(token) => url = request::next_page(&first, &token),
                None => return Ok(reading),
            }
        }
    }

    pub(super) async fn read_page<T: AsMut<Tally> + Send + 'static>(
        &self,
        reading: Reading<T>,
        url: &url::Url,
        context: &FetchContext,
    ) -> Result<(Reading<T>, Page), Failure> {
        let buffers = (reading.tally, reading.body);
        let Decoded { value: page, state: tally, body } =
            self.session.get(&REPORT, url, buffers, context, decode).await?;
        self.page_bytes.store(body.len(), Ordering::Relaxed);
        Ok((Reading { tally, body }, page))
    }
}

/// Decodes a page into the tally. A page that cannot be decoded leaves the tally unchanged.
fn decode<T: AsMut<Tally>>(body: &[u8], tally: &mut T) -> Result<Page, DecodeError> {
    let tally = tally.as_mut();
    let before = tally.checkpoint();
    let page = wire::decode_page(body, tally)?;
    if tally.is_full() {
        tally.roll_back(before);
        return Err(DecodeError::Unusable("it has many more buckets than the window".to_owned()));
    }
    Ok(page)
}
