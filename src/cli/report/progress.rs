//! How far a long report is, on stderr.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::estimate::Estimate;
use crate::clock::Sleep;
use crate::config::Tenant;
use crate::upstream::{Endpoint, FetchFuture, FetchResult, Observer, ResponseCode};

/// A run that is shorter shows nothing: a bar that only flickers up tells nobody anything.
pub(super) const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// How often the bar is drawn while nothing happens, so that its clock runs through a wait.
const REDRAWN_EVERY: Duration = Duration::from_millis(500);

/// Counts the answers of one tenant. How many pages a batch has is known only at its end, so the bar is as long as
/// the answers there are at least, and grows where more come.
///
/// It watches the one fetch that a refresh would make as well, rather than to cut it into several: requests, retries
/// and giving up are the same with and without it.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    bar: ProgressBar,
}

// === impl Progress ===

impl Progress {
    /// A bar that is not shown yet.
    pub(super) fn new(tenant: &Tenant) -> Self {
        let answers = Estimate::of(tenant).batches;
        let bar = ProgressBar::with_draw_target(Some(answers), ProgressDrawTarget::hidden());
        // A template that cannot be read leaves the plain bar.
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos} of at least {len} answers, {elapsed}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(tenant.name.clone());
        Self { bar }
    }

    /// Waits for `fetched`, and shows the bar from when `hidden` has ended. Nothing of it is left at the end.
    pub(super) async fn shown_during(self, mut fetched: FetchFuture<'_>, hidden: Sleep) -> FetchResult {
        let fetched = tokio::select! {
            fetched = &mut fetched => fetched,
            () = hidden => {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
                self.bar.enable_steady_tick(REDRAWN_EVERY);
                fetched.await
            }
        };
        self.bar.finish_and_clear();
        fetched
    }
}

impl Observer for Progress {
    fn request(&self, endpoint: Endpoint, code: ResponseCode, _: Duration, _: u64) {
        if endpoint == Endpoint::Presence && matches!(code, ResponseCode::Status(200..=299)) {
            if self.bar.length().is_some_and(|length| self.bar.position() >= length) {
                self.bar.inc_length(1);
            }
            self.bar.inc(1);
        }
    }

    fn retry(&self) {}

    fn retry_after_capped(&self, _: Duration, _: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn it_counts_good_answers_to_reports_and_grows_with_further_pages() {
        let progress = Progress::new(&fixture::tenant("acme", 120));
        assert_eq!(progress.bar.length(), Some(3));
        let table = [
            (Endpoint::Token, ResponseCode::Status(200), 0, 3),
            (Endpoint::Presence, ResponseCode::Status(200), 1, 3),
            (Endpoint::Presence, ResponseCode::Status(429), 1, 3),
            (Endpoint::Presence, ResponseCode::Timeout, 1, 3),
            (Endpoint::Presence, ResponseCode::Status(200), 2, 3),
            (Endpoint::Presence, ResponseCode::Status(200), 3, 3),
            (Endpoint::Presence, ResponseCode::Status(200), 4, 4),
        ];
        for (endpoint, code, position, length) in table {
            progress.request(endpoint, code, Duration::ZERO, 0);
            assert_eq!((progress.bar.position(), progress.bar.length()), (position, Some(length)));
        }
    }
}
