//! The progress bar of a long report, on stderr.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::estimate::Estimate;
use crate::clock::Sleep;
use crate::config::Tenant;
use crate::upstream::{Endpoint, FetchFuture, FetchResult, Observer, ResponseCode};

/// A shorter run shows no bar, which would only flicker.
pub(super) const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// How often the bar is redrawn while it waits, so that its clock advances.
const REDRAWN_EVERY: Duration = Duration::from_millis(500);

/// Counts the successful responses of one tenant. The number of pages is unknown in advance, so the bar starts with the
/// minimum of one page a batch and grows with further pages.
///
/// It observes the fetch and does not change it.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    bar: ProgressBar,
}

// === impl Progress ===

impl Progress {
    /// A hidden bar.
    pub(super) fn new(tenant: &Tenant) -> Self {
        let pages = Estimate::of(tenant).batches;
        let bar = ProgressBar::with_draw_target(Some(pages), ProgressDrawTarget::hidden());
        // An invalid template leaves the default style.
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {bar:30} {pos} of at least {len} responses, {elapsed}")
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
    fn progress_counts_pages_and_grows() {
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
