//! The progress of a long report, on stderr: a bar, or log lines where there is no terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::estimate::Estimate;
use crate::clock::{Clock, Monotonic, Sleep};
use crate::config::Tenant;
use crate::past::RangeProgress;
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
}

/// Shows how far the reading of a range is.
pub(super) struct RangeBar {
    bar: ProgressBar,
    tenant: String,
    requests: Arc<Requests>,
    clock: Arc<dyn Clock>,
    /// When the next log line is due; `None` with a bar.
    next_line: Option<Monotonic>,
}

/// Counts requests.
#[derive(Debug, Default)]
struct Requests(AtomicU64);

/// How often a log line says how far the reading is.
const LOGGED_EVERY: Duration = Duration::from_secs(30);

// === impl RangeBar ===

impl RangeBar {
    pub(super) fn new(tenant: &str, clock: Arc<dyn Clock>, is_terminal: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        // An invalid template leaves the default style.
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {bar:30} {percent}%, {msg} requests, {elapsed}, {eta} left")
        {
            bar.set_style(style);
        }
        bar.set_prefix(tenant.to_owned());
        let next_line = (!is_terminal).then(|| clock.monotonic() + LOGGED_EVERY);
        Self { bar, tenant: tenant.to_owned(), requests: Arc::default(), clock, next_line }
    }

    /// Counts the requests of the source.
    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.requests) as Arc<dyn Observer>
    }

    pub(super) fn show(&mut self, progress: RangeProgress) {
        let (done, of) = (progress.done.get() / 1_000_000, progress.of.get() / 1_000_000);
        let requests = self.requests.0.load(Ordering::Relaxed);
        let Some(next_line) = self.next_line else {
            if self.bar.is_hidden() {
                self.bar.set_length(of);
                // What an earlier run has read takes no time.
                self.bar.set_position(done);
                self.bar.reset_eta();
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
                self.bar.enable_steady_tick(REDRAWN_EVERY);
            }
            self.bar.set_position(done);
            self.bar.set_message(requests.to_string());
            return;
        };
        if self.clock.monotonic() >= next_line {
            let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100);
            tracing::info!(tenant = %self.tenant, percent, requests, "reading");
            self.next_line = Some(self.clock.monotonic() + LOGGED_EVERY);
        }
    }

    /// Removes the bar, and says how many requests there were.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
        let requests = self.requests.0.load(Ordering::Relaxed);
        tracing::info!(tenant = %self.tenant, requests, "past presence read");
    }
}

impl Observer for Requests {
    fn request(&self, _: Endpoint, _: ResponseCode, _: Duration, _: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
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

    #[test]
    fn range_bar_has_position_and_requests() {
        use crate::clock::DrivenClock;
        use crate::presence::Micros;

        let seconds = |done, of| RangeProgress { done: Micros::from_seconds(done), of: Micros::from_seconds(of) };
        let clock = Arc::new(DrivenClock::new(fixture::NOW));
        let mut bar = RangeBar::new("acme", clock.clone(), true);
        bar.observer().request(Endpoint::History, ResponseCode::Status(429), Duration::ZERO, 0);
        bar.show(seconds(10, 100));
        assert_eq!((bar.bar.position(), bar.bar.length(), &*bar.bar.message()), (10, Some(100), "1"));

        // Without a terminal a line is due every 30 s.
        let mut bar = RangeBar::new("acme", clock.clone(), false);
        let first = bar.next_line.unwrap();
        clock.advance(LOGGED_EVERY.saturating_sub(Duration::from_secs(1)));
        bar.show(seconds(10, 100));
        assert_eq!(bar.next_line, Some(first));
        clock.advance(Duration::from_secs(1));
        bar.show(seconds(20, 100));
        assert_eq!(bar.next_line, Some(first + LOGGED_EVERY));
        bar.finish();
    }
}
