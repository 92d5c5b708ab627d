//! Reading a list to its end, whatever the server says of where that is.
//!
//! Pages are documented to be asked for by `skip` and `top`, and to name the next one in `_links.next`; what a page holds
//! by default, and at the most, is not. So a link is followed where there is one, `totalRecords` is believed where it
//! says that there is more, and where neither is said, pages are asked for until one is empty.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use tracing::warn;
use url::Url;

use super::OfficialSource;
use super::wire::envelope::{self, Next, Page};
use super::wire::records::Record;
use crate::upstream::ErrorKind;
use crate::upstream::auth::Resource;
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;

/// How many rows are asked for at once: what other clients of the API ask for, and get. A server that gives less is
/// asked for the rest.
const ROWS_PER_PAGE: u64 = 10_000;

/// How many pages a list may have: a hundred million rows of the size that is asked for.
const MAX_PAGES: usize = 10_000;

/// Whether a list comes in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paging {
    /// It is asked for with `skip` and `top`.
    Paged,
    /// It is short, and comes whole.
    Whole,
}

/// Where in a list the reading is.
struct Position {
    /// Rows so far, with those that were malformed.
    read: u64,
    rejected: u64,
    pages: usize,
    /// Hashes of the addresses and of the bodies so far, seeded at random, so that no server can construct a collision.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl OfficialSource {
    /// Reads the list at `first` to its end, page by page into `take`. Returns how many rows were malformed.
    pub(super) async fn read_list<T: Record>(
        &self,
        resource: &'static Resource,
        first: &Url,
        paging: Paging,
        context: &FetchContext,
        mut take: impl FnMut(Vec<T>) + Send,
    ) -> Result<u64, Failure> {
        let mut position =
            Position { read: 0, rejected: 0, pages: 0, seen: HashSet::new(), hasher: RandomState::new() };
        let mut url = first.clone();
        if paging == Paging::Paged {
            url = at(first, 0);
        }
        let mut body = Vec::new();
        loop {
            position.turn(resource, &url)?;
            let page: Page<T>;
            (page, body) = self.read_page(resource, &url, body, context).await?;
            let Some(rows) = page.rows else {
                let message = format!("The answer is not what the API documents: there is no `{}` in it.", T::LIST);
                return Err(Failure::new(resource.endpoint, ErrorKind::Decode, message));
            };
            let (total, found) = (page.total.unwrap_or_default(), rows.len() as u64 + page.rejected);
            // Where nothing is said of pages, one that comes again is all that there is, and was counted.
            let again = !position.is_new(&body);
            if again && page.next == Next::Unsaid && page.total.is_none() {
                return Ok(position.rejected);
            }
            position.read += found;
            position.rejected += page.rejected;
            take(rows);
            if paging == Paging::Whole {
                return Ok(position.rejected);
            }
            let says_more = position.read < total;
            url = match page.next {
                _ if found == 0 => {
                    if says_more {
                        self.tell_of_gap(resource, position.read, total);
                    }
                    return Ok(position.rejected);
                }
                Next::Link(link) => {
                    let what = "The link to the next page";
                    self.trusted_hosts.check(&link, &url, what, resource.endpoint)?
                }
                Next::End if !says_more => return Ok(position.rejected),
                Next::Unsaid if page.total.is_some() && !says_more => return Ok(position.rejected),
                Next::End | Next::Unsaid => at(first, position.read),
            };
        }
    }

    /// Reads the first page of a list, and no more.
    pub(super) async fn read_first_page<T: Record>(
        &self,
        resource: &'static Resource,
        list: &Url,
        context: &FetchContext,
    ) -> Result<Page<T>, Failure> {
        Ok(self.read_page(resource, &at(list, 0), Vec::new(), context).await?.0)
    }

    async fn read_page<T: Record>(
        &self,
        resource: &'static Resource,
        url: &Url,
        body: Vec<u8>,
        context: &FetchContext,
    ) -> Result<(Page<T>, Vec<u8>), Failure> {
        let read = |body: &[u8], (): &mut ()| Ok(envelope::decode::<T>(body)?);
        let decoded = self.session.get(resource, url, ((), body), context, read).await?;
        Ok((decoded.value, decoded.body))
    }

    /// An empty page is the end, whatever a total says: what a total counts is undocumented.
    fn tell_of_gap(&self, resource: &Resource, read: u64, total: u64) {
        if !self.gap_told.swap(true, std::sync::atomic::Ordering::Relaxed) {
            let (tenant, endpoint) = (&self.tenant.name, resource.endpoint.label());
            warn!(tenant, endpoint, read, total, "a list has fewer rows than its totalRecords says; this is told once");
        }
    }
}

// === impl Position ===

impl Position {
    fn turn(&mut self, resource: &Resource, url: &Url) -> Result<(), Failure> {
        self.pages += 1;
        let fail = |kind, message: String| Err(Failure::new(resource.endpoint, kind, message));
        if !self.seen.insert(self.hasher.hash_one(url)) {
            let pages = self.pages - 1;
            return fail(
                ErrorKind::Paging,
                format!("The pages repeat themselves: after {pages} of them one came again."),
            );
        }
        if self.pages > MAX_PAGES {
            return fail(ErrorKind::TooMuch, format!("The pages do not end: {MAX_PAGES} came."));
        }
        Ok(())
    }

    fn is_new(&mut self, body: &[u8]) -> bool {
        self.seen.insert(self.hasher.hash_one(body))
    }
}

/// The address of the page that begins after `skip` rows.
fn at(first: &Url, skip: u64) -> Url {
    let mut url = first.clone();
    url.query_pairs_mut().append_pair("skip", &skip.to_string()).append_pair("top", &ROWS_PER_PAGE.to_string());
    url
}
