//! Page tokens, with limits: pages that repeat or do not end are an error.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::presence::Window;
use crate::upstream::failure::Failure;
use crate::upstream::{Endpoint, ErrorKind};

/// The limit of pages of a batch, for any window. At 0.1 s each, they take a quarter of an hour, which is longer than any
/// sensible `refresh_timeout`.
const MAX_PAGES: u64 = 10_000;

/// The limit of pages without a bucket in a row. A server that filters after it has cut pages may send a few; one whose empty pages do
/// not end would be asked thousands of times a second.
const MAX_EMPTY_PAGES: u64 = 10;

/// A batch may have this many times the buckets of its window: some servers repeat buckets.
const MAX_REPEATS: u64 = 4;

/// A batch may have this many buckets in any case, in 10 MB: some servers ignore `interval`.
const MIN_MAX_BUCKETS: u64 = 100_000;

/// The limit of a page token in bytes. It is part of an address, and servers commonly refuse addresses of more than 8 KiB;
/// half of that is left to the other parameters.
const MAX_PAGE_TOKEN_BYTES: usize = 4 * 1024;

/// The pages of one batch.
#[derive(Debug)]
pub(super) struct Pages {
    turned: u64,
    limit: u64,
    /// Pages without a bucket since the last one that had some.
    empty: u64,
    /// Hashes of the tokens so far. The hasher has a random seed, so a server cannot construct a collision; by chance, ten
    /// thousand tokens collide once in a hundred billion batches.
    seen: HashSet<u64>,
    hasher: RandomState,
}

// === impl Pages ===

impl Pages {
    /// The pages of a batch of `agents`. A page has at least one bucket.
    pub(super) fn new(agents: usize, window: Window, interval: Duration) -> Self {
        Self {
            turned: 1,
            empty: 0,
            limit: expected_buckets(agents, window, interval).clamp(1, MAX_PAGES),
            seen: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// The token of the page after one with `buckets` buckets; `None` after the last one.
    pub(super) fn turn(&mut self, token: Option<String>, buckets: usize) -> Result<Option<String>, Failure> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        let fail = |kind, message: String| Err(Failure::new(Endpoint::Presence, kind, message));
        if token.len() > MAX_PAGE_TOKEN_BYTES {
            return fail(
                ErrorKind::TooMuch,
                format!("A page token has {} bytes, too many to be sent back.", token.len()),
            );
        }
        if !self.seen.insert(self.hasher.hash_one(&token)) {
            let message =
                format!("The pages repeat themselves: after {} of them a page token came again.", self.turned);
            return fail(ErrorKind::Paging, message);
        }
        self.empty = if buckets == 0 { self.empty + 1 } else { 0 };
        if self.empty > MAX_EMPTY_PAGES {
            let message = format!("The pages do not end: {} without data came in a row.", self.empty);
            return fail(ErrorKind::TooMuch, message);
        }
        if self.turned >= self.limit {
            let message = format!("The pages do not end: {} came, which is all that the window can fill.", self.turned);
            return fail(ErrorKind::TooMuch, message);
        }
        self.turned += 1;
        Ok(Some(token))
    }
}

/// The limit of buckets of a batch, so that a server cannot fill the memory.
pub(super) fn max_buckets(agents: usize, window: Window, interval: Duration) -> usize {
    let limit = expected_buckets(agents, window, interval).saturating_mul(MAX_REPEATS).max(MIN_MAX_BUCKETS);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The buckets of `agents` in `window`, and one more at each end, where the window is not aligned to `interval`.
fn expected_buckets(agents: usize, window: Window, interval: Duration) -> u64 {
    let interval = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
    let buckets = window.length().get().div_ceil(interval).saturating_add(2);
    u64::try_from(agents).unwrap_or(u64::MAX).saturating_mul(buckets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Timestamp;

    const HOUR: Duration = Duration::from_secs(3600);

    fn pages(agents: usize, hours: u32) -> Pages {
        Pages::new(agents, Window::ending_at(Timestamp::from_seconds(1_700_000_000), HOUR * hours), HOUR)
    }

    fn turn(pages: &mut Pages, token: &str) -> Result<bool, ErrorKind> {
        pages.turn(Some(token.to_owned()), 1).map(|token| token.is_some()).map_err(|failure| failure.error.kind)
    }

    #[test]
    fn last_page_has_no_page_token_or_an_empty_one() {
        assert_eq!(pages(1, 24).turn(None, 1).unwrap(), None);
        assert_eq!(turn(&mut pages(1, 24), ""), Ok(false));
    }

    #[test]
    fn repeated_page_token_is_an_error() {
        let mut pages = pages(10, 24);
        for token in ["a", "b", "c"] {
            assert_eq!(turn(&mut pages, token), Ok(true));
        }
        assert_eq!(turn(&mut pages, "a"), Err(ErrorKind::Paging));
    }

    #[test]
    fn pages_are_limited_by_buckets() {
        let table = [(1, 24, 26), (2, 24, 52), (50, 24, 1300), (0, 24, 1), (50, 24 * 365, MAX_PAGES)];
        for (agents, hours, limit) in table {
            let mut pages = pages(agents, hours);
            let turned = (2..).find(|page| turn(&mut pages, &page.to_string()).is_err()).unwrap();
            assert_eq!(turned - 1, limit, "{agents} agents, {hours} hours");
        }
        let degenerate = Pages::new(1, Window::ending_at(Timestamp::from_seconds(0), HOUR), Duration::ZERO);
        assert_eq!(degenerate.limit, MAX_PAGES);
    }

    #[test]
    fn empty_pages_in_a_row_are_limited() {
        let mut pages = pages(50, 24);
        let mut turn =
            |page: u64, buckets| pages.turn(Some(page.to_string()), buckets).map_err(|failure| failure.error.kind);
        for page in 0..MAX_EMPTY_PAGES {
            assert!(turn(page, 0).is_ok(), "{page}");
        }
        assert!(turn(100, 1).is_ok());
        for page in 200..200 + MAX_EMPTY_PAGES {
            assert!(turn(page, 0).is_ok(), "{page}");
        }
        assert_eq!(turn(300, 0), Err(ErrorKind::TooMuch));
    }

    #[test]
    fn buckets_are_limited_by_the_window() {
        let day = Window::ending_at(Timestamp::from_seconds(1_700_000_000), HOUR * 24);
        assert_eq!(max_buckets(50, day, HOUR), 100_000);
        assert_eq!(max_buckets(1_000, day, HOUR / 12), 4 * 1_000 * 290);
    }

    #[test]
    fn long_page_token_is_refused() {
        assert_eq!(turn(&mut pages(1, 24), &"x".repeat(MAX_PAGE_TOKEN_BYTES)), Ok(true));
        assert_eq!(turn(&mut pages(1, 24), &"x".repeat(MAX_PAGE_TOKEN_BYTES + 1)), Err(ErrorKind::TooMuch));
    }
}
