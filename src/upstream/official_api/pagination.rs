//! Reading a list to its end, whatever the server says of where that is.
//!
//! Pages are documented to be asked for by `skip` and `top`, and to name the next one in `_links.next`; what a page holds
//! by default, and at the most, is not. So a link is followed where there is one, `totalRecords` is believed where it
//! says that there is more, and where neither is said, pages are asked for until one is empty.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;
use url::Url;

use super::OfficialSource;
use super::wire::envelope::{self, Kept, Next, Page};
use super::wire::records::Record;
use crate::presence::{AgentId, Rejections};
use crate::upstream::auth::Resource;
use crate::upstream::failure::{Failure, QueryRule};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind};

/// How many rows are requested at once: what other clients of the API request, and get. A server that gives less is
/// asked for the rest.
const ROWS_PER_PAGE: u64 = 10_000;

/// The fewest rows to request at once where more are refused. A list of some thousand rows would take too many requests with
/// less.
const MIN_ROWS_PER_PAGE: u64 = 100;

/// How far back the states of agents are requested where the server insists on a time: a day, the least that a server is known
/// to allow. A state that has lasted longer may be left out.
const UPDATED_SINCE: Duration = Duration::from_secs(24 * 3600 - UPDATED_SINCE_MARGIN);

/// The seconds by which it is less than a day. A server compares with its own clock when the request arrives, and clocks that
/// are further apart are warned of.
const UPDATED_SINCE_MARGIN: u64 = 300;

/// What the server accepts in the query of a list, as far as a refusal has shown it.
#[derive(Debug)]
pub(super) struct ListRules {
    rows_per_page: AtomicU64,
    needs_updated_since: AtomicBool,
}

/// How often a list that ends early at the same row is refused before it is believed: as often as a piece is tried again.
const MAX_SHORT_LISTS: u32 = 3;

/// The lists that had fewer rows than they said.
#[derive(Debug, Default)]
pub(super) struct ShortLists {
    /// Whether a list with rows has ended early.
    told: AtomicBool,
    is_usual: AtomicBool,
    /// How often each list ended at which row of how many.
    refused: Mutex<HashMap<(String, u64, u64), u32>>,
}

/// How many pages a list may have. At 0.1 s each, they take a quarter of an hour, which is longer than any sensible
/// `refresh_timeout`.
const MAX_PAGES: usize = 10_000;

/// Whether a list comes in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paging {
    /// It is asked for with `skip` and `top`.
    Paged,
    /// It is short, and comes whole, unless it has links.
    Whole,
}

/// Where in a list the reading is.
#[derive(Default)]
struct Position {
    /// Rows so far, with those that were malformed.
    read: u64,
    rejections: Rejections,
    pages: usize,
    /// Hashes of the addresses and of the bodies so far, seeded at random, so that no server can construct a collision.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl OfficialSource {
    /// Reads the list at `first` to its end, page by page into `take`. Returns the rows that were rejected.
    ///
    /// If the list is of `agent` alone, its rows need no id; else only rows of the agents of `context` are kept.
    pub(super) async fn read_list<T: Record>(
        &self,
        resource: &'static Resource,
        first: &Url,
        agent: Option<&AgentId>,
        context: &FetchContext,
        mut take: impl FnMut(Vec<T>) + Send,
    ) -> Result<Rejections, Failure> {
        let mut position = Position::default();
        let paging = Paging::of(resource);
        let of_one = agent.is_some();
        let mut url = match paging {
            Paging::Paged => self.page_after(resource, first, 0),
            Paging::Whole => first.clone(),
        };
        let mut body = Vec::new();
        loop {
            position.turn(resource, &url)?;
            let page: Page<T>;
            (page, body) = match self.read_page(resource, &url, of_one, body, context).await {
                Ok(read) => read,
                Err(failure) if paging == Paging::Paged && self.list_rules.adapt(&failure) => {
                    warn!(tenant = self.tenant.name, reason = %failure.error, "query of a list adapted");
                    url = self.page_after(resource, first, position.read);
                    body = Vec::new();
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let (total, found) = (page.total.unwrap_or_default(), page.found);
            // Where nothing is said of pages, one that comes again is all that there is, and was counted.
            let again = !position.is_new(&body);
            if again && page.next == Next::Unsaid && page.total.is_none() {
                return Ok(position.rejections);
            }
            position.read += found;
            position.rejections.merge(&page.rejections);
            context.take_room(page.bytes);
            take(page.rows);
            if paging == Paging::Whole && !matches!(&page.next, Next::Link(link) if has_query(link)) {
                return Ok(position.rejections);
            }
            let says_more = position.read < total;
            url = match page.next {
                _ if found == 0 => {
                    if says_more {
                        self.check_short_list(resource, first, position.read, total, context)?;
                    }
                    return Ok(position.rejections);
                }
                Next::Link(link) if has_query(&link) => linked(first, &link),
                // A link without a query says nothing of where the next page begins.
                Next::Link(_) | Next::Unsaid if page.total.is_some() && !says_more => return Ok(position.rejections),
                Next::End if !says_more => return Ok(position.rejections),
                Next::Link(_) | Next::End | Next::Unsaid => self.page_after(resource, first, position.read),
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
        Ok(self.read_page(resource, &self.page_after(resource, list, 0), true, Vec::new(), context).await?.0)
    }

    /// The address of the page of `first` that begins after `skip` rows.
    fn page_after(&self, resource: &Resource, first: &Url, skip: u64) -> Url {
        let mut url = first.clone();
        if resource.endpoint == Endpoint::States && self.list_rules.needs_updated_since.load(Ordering::Relaxed) {
            let since = self.clock.now().saturating_sub(UPDATED_SINCE).whole_second();
            url.query_pairs_mut().append_pair("updatedSince", &since.to_string());
        }
        let top = self.list_rules.rows_per_page.load(Ordering::Relaxed);
        url.query_pairs_mut().append_pair("skip", &skip.to_string()).append_pair("top", &top.to_string());
        url
    }

    async fn read_page<T: Record>(
        &self,
        resource: &'static Resource,
        url: &Url,
        of_one: bool,
        body: Vec<u8>,
        context: &FetchContext,
    ) -> Result<(Page<T>, Vec<u8>), Failure> {
        let read = |body: &[u8], (of_one, agents, room): &mut (bool, Option<Arc<HashSet<AgentId>>>, u64)| {
            let kept = match agents {
                _ if *of_one => Kept::WithoutId,
                Some(agents) if T::IS_OF_AGENT => Kept::Of(agents),
                _ => Kept::All,
            };
            envelope::decode::<T>(body, kept, *room)
        };
        let limits = (of_one, context.agents(), context.room());
        let decoded = self.session.get(resource, url, (limits, body), context, read).await?;
        Ok((decoded.value, decoded.body))
    }

    /// An empty page is the end, whatever a total says: what a total counts is undocumented. But a list without rows that says that
    /// it has some is refused while all other totals were right. Where no later refresh mends what is missing, an empty page is the
    /// end only of a list with rows, and only if the server has said the same several times.
    fn check_short_list(
        &self,
        resource: &Resource,
        list: &Url,
        read: u64,
        total: u64,
        context: &FetchContext,
    ) -> Result<(), Failure> {
        let is_refused = if context.refuses_short_lists() {
            read == 0 || !self.short_lists.is_usual(list, read, total)
        } else {
            read == 0 && !self.short_lists.told.load(Ordering::Relaxed)
        };
        if is_refused {
            let message = format!(
                "A list ended after {read} of {total} rows (`totalRecords`), so rows are missing; try again later."
            );
            return Err(Failure::new(resource.endpoint, ErrorKind::Decode, message));
        }
        if !self.short_lists.told.swap(true, Ordering::Relaxed) {
            let (tenant, endpoint) = (&self.tenant.name, resource.endpoint.label());
            warn!(tenant, endpoint, read, total, "a list has fewer rows than its totalRecords says; this is told once");
        }
        Ok(())
    }
}

// === impl ShortLists ===

impl ShortLists {
    /// Whether the server's totals count more than rows, as a list that ends early at the same row each time shows.
    fn is_usual(&self, list: &Url, read: u64, total: u64) -> bool {
        if self.is_usual.load(Ordering::Relaxed) {
            return true;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let times = refused.entry((list.to_string(), read, total)).or_default();
        *times += 1;
        let is_usual = *times > MAX_SHORT_LISTS;
        self.is_usual.store(is_usual, Ordering::Relaxed);
        is_usual
    }
}

// === impl ListRules ===

impl Default for ListRules {
    fn default() -> Self {
        Self { rows_per_page: AtomicU64::new(ROWS_PER_PAGE), needs_updated_since: AtomicBool::new(false) }
    }
}

impl Clone for ListRules {
    fn clone(&self) -> Self {
        Self {
            rows_per_page: AtomicU64::new(self.rows_per_page.load(Ordering::Relaxed)),
            needs_updated_since: AtomicBool::new(self.needs_updated_since.load(Ordering::Relaxed)),
        }
    }
}

impl ListRules {
    /// Learns from a refusal of a page. Returns whether another query may be accepted.
    fn adapt(&self, failure: &Failure) -> bool {
        match failure.broken_rule {
            Some(QueryRule::UpdatedSince | QueryRule::DateRange) if failure.error.endpoint == Endpoint::States => {
                !self.needs_updated_since.swap(true, Ordering::Relaxed)
            }
            Some(QueryRule::Top) => {
                let halve = |rows: u64| (rows > MIN_ROWS_PER_PAGE).then(|| (rows / 2).max(MIN_ROWS_PER_PAGE));
                self.rows_per_page.fetch_update(Ordering::Relaxed, Ordering::Relaxed, halve).is_ok()
            }
            _ => false,
        }
    }
}

// === impl Paging ===

impl Paging {
    const fn of(resource: &Resource) -> Self {
        match resource.endpoint {
            Endpoint::Codes => Self::Whole,
            _ => Self::Paged,
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

fn has_query(link: &str) -> bool {
    link.split_once('?').is_some_and(|(_, query)| !query.split('#').next().unwrap_or_default().is_empty())
}

/// The page that `link` leads to, at the address in use: only the query of the link is taken. What it leaves out is as in
/// the first request.
fn linked(first: &Url, link: &str) -> Url {
    let query = link.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut url = first.clone();
    url.query_pairs_mut().clear().extend_pairs(&pairs);
    for (name, value) in first.query_pairs() {
        if !pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            url.query_pairs_mut().append_pair(&name, &value);
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_rules_are_learnt_from_a_refusal() {
        let rules = ListRules::default();
        // The message says nothing, as with `agent_label: hmac` and `per_agent: false`.
        let refusal = |endpoint, broken_rule| Failure {
            broken_rule,
            ..Failure::new(endpoint, ErrorKind::BadRequest, "h rejected the request (400).")
        };
        assert!(!rules.adapt(&refusal(Endpoint::States, None)));
        assert!(!rules.adapt(&refusal(Endpoint::History, Some(QueryRule::DateRange))));
        assert!(rules.adapt(&refusal(Endpoint::States, Some(QueryRule::UpdatedSince))));
        assert!(!rules.adapt(&refusal(Endpoint::States, Some(QueryRule::UpdatedSince))), "only once");
        let mut halved = 0;
        while rules.adapt(&refusal(Endpoint::Agents, Some(QueryRule::Top))) {
            halved += 1;
        }
        assert_eq!((halved, rules.rows_per_page.into_inner()), (7, MIN_ROWS_PER_PAGE));
    }

    #[test]
    fn only_the_query_of_a_next_link_is_used() {
        let first: Url = "https://api.example.com/v30.0/agents?startDate=a&activeOnly=false".parse().unwrap();
        let table = [
            (
                "https://api.example.com/v30.0/agents?skip=5&top=5&startDate=b",
                "skip=5&top=5&startDate=b&activeOnly=false",
            ),
            ("https://evil.example/x?skip=5&startdate=b&ActiveOnly=true#top", "skip=5&startdate=b&ActiveOnly=true"),
            ("http://u:p@evil.example?page=%2Fnext", "page=%2Fnext&startDate=a&activeOnly=false"),
            ("?skip=5", "skip=5&startDate=a&activeOnly=false"),
        ];
        for (link, query) in table {
            let url = linked(&first, link);
            assert_eq!(url.as_str(), format!("https://api.example.com/v30.0/agents?{query}"), "{link}");
            assert!(has_query(link));
        }
        for link in ["https://evil.example/x", "https://evil.example/x?", "next", "?#skip=5"] {
            assert!(!has_query(link), "{link}");
        }
    }
}
