//! One batch of agents: its pages to the end into one tally, or nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::paging::Pages;
use super::request;
use super::wire::{self, Page};
use super::{PresenceSource, REPORT};
use crate::presence::{Tally, TallyOutcome, WatchedAgent, Window};
use crate::upstream::Endpoint;
use crate::upstream::answer::Answer;
use crate::upstream::errand::Errand;
use crate::upstream::failure::Failure;
use crate::upstream::retry::Attempts;

/// What a batch's pages are read into. It moves to the threads that decode and back, buffer and all,
/// so that a batch allocates for its largest page once.
#[derive(Debug)]
struct Reading {
    tally: Tally,
    body: Vec<u8>,
}

impl PresenceSource {
    /// Reads all pages of `agents`. What was read before a failure is dropped with it.
    pub(super) async fn read(
        &self,
        agents: Vec<WatchedAgent>,
        window: Window,
        errand: &Errand,
    ) -> Result<TallyOutcome, Failure> {
        errand.go_on()?;
        let mut pages = Pages::new(agents.len(), window, self.tenant.interval.length);
        let first = request::first_page(self.session.client.url(request::PATH), &self.tenant, window, &agents);
        let tally = Tally::new(window, agents, self.offline_states.clone(), &self.known_states)
            .renaming(Arc::clone(&self.state_map));
        let mut reading = Reading { tally, body: Vec::new() };
        let mut url = first.clone();
        loop {
            let page;
            (reading, page) = self.read_page(reading, &url, errand).await?;
            self.proven.store(true, Ordering::Relaxed);
            match pages.turn(page.next_page_token)? {
                Some(token) => url = request::next_page(&first, &token),
                None => return Ok(reading.tally.finish()),
            }
        }
    }

    async fn read_page(
        &self,
        mut reading: Reading,
        url: &url::Url,
        errand: &Errand,
    ) -> Result<(Reading, Page), Failure> {
        let mut attempts = Attempts::default();
        loop {
            let answer = self.session.get(&REPORT, url, &mut reading.body, &mut attempts, errand).await?;
            let outcome;
            (reading, outcome) = decode(reading, answer).await?;
            match outcome {
                Ok(page) => return Ok((reading, page)),
                Err(failure) => {
                    self.session.client.wait_after(failure, &mut attempts, errand).await?;
                }
            }
        }
    }
}

/// Counts a page into the tally, off the threads that serve. A page that cannot be decoded leaves the
/// tally as it was.
async fn decode(mut reading: Reading, answer: Answer) -> Result<(Reading, Result<Page, Failure>), Failure> {
    // 204 and a 200 without a body say the same: no data.
    if reading.body.trim_ascii().is_empty() {
        return Ok((reading, Ok(Page { next_page_token: None, buckets: 0 })));
    }
    let decoded = tokio::task::spawn_blocking(move || {
        let page = wire::decode_page(&reading.body, &mut reading.tally);
        (reading, page)
    });
    let Ok((reading, page)) = decoded.await else {
        return Err(Failure::broke_off(Endpoint::Presence));
    };
    let page = page.map_err(|error| answer.unreadable(&error));
    Ok((reading, page))
}
