//! How far the server's clock is off, from the `Date` of its responses.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::presence::Timestamp;
use crate::upstream::Observer;

/// The largest clock difference that is not reported. `Date` has whole seconds, a response takes time, and windows of
/// hours are not hurt by less.
pub const CLOCK_SKEW_TOLERANCE: Duration = Duration::from_secs(60);

/// A reported skew ends below this difference. The gap to [`CLOCK_SKEW_TOLERANCE`] avoids a log line with every response
/// when the difference is near the tolerance.
const CLOCK_SKEW_GONE: Duration = Duration::from_secs(30);

/// The skew at the last response.
#[derive(Debug, Default)]
pub(crate) struct ClockSkew {
    /// How far the server's clock was ahead when that was last logged, in whole seconds; zero within the tolerance.
    logged_seconds: AtomicI64,
    /// How far the server's clock is behind, in whole seconds.
    behind_seconds: AtomicU64,
}

// === impl ClockSkew ===

impl ClockSkew {
    /// How far the server's clock was behind at its last response, in whole seconds; zero if ahead or unknown.
    pub(crate) fn behind(&self) -> Duration {
        Duration::from_secs(self.behind_seconds.load(Ordering::Relaxed))
    }

    /// Records the skew of a response, and logs when it begins, changes and ends.
    pub(crate) fn record(&self, now: Timestamp, server_now: Timestamp, tenant: &str, observer: &dyn Observer) {
        let behind = now.saturating_since(server_now).get() / 1_000_000;
        self.behind_seconds.store(behind, Ordering::Relaxed);
        let logged = self.logged_seconds.load(Ordering::Relaxed);
        let ahead_seconds = reported_skew(now, server_now, logged != 0);
        observer.clock_skew(ahead_seconds);
        if !is_other_skew(logged, ahead_seconds) {
            return;
        }
        // Of several responses at once, only one logs the change.
        let logs = self.logged_seconds.compare_exchange(logged, ahead_seconds, Ordering::Relaxed, Ordering::Relaxed);
        match (logs, ahead_seconds) {
            (Err(_), _) => {}
            (Ok(_), 0) => tracing::info!(tenant, "clock skew between CXone and this machine is gone"),
            (Ok(_), _) => tracing::warn!(tenant, ahead_seconds, "clock skew between CXone and this machine; check NTP"),
        }
    }
}

/// How far the server's clock is ahead in whole seconds; zero within the tolerance.
fn reported_skew(now: Timestamp, server_now: Timestamp, was_skewed: bool) -> i64 {
    let ahead = server_now.micros().saturating_sub(now.micros());
    let tolerance = if was_skewed { CLOCK_SKEW_GONE } else { CLOCK_SKEW_TOLERANCE };
    if u128::from(ahead.unsigned_abs()) <= tolerance.as_micros() { 0 } else { ahead / 1_000_000 }
}

/// Whether a skew is worth another log line: it begins, ends, or differs by more than the tolerance and by more than half of
/// the one that was logged, so that a clock that drifts is not logged with every response.
fn is_other_skew(logged_seconds: i64, ahead_seconds: i64) -> bool {
    let difference = ahead_seconds.abs_diff(logged_seconds);
    let begins_or_ends = (logged_seconds == 0) != (ahead_seconds == 0);
    begins_or_ends || difference > CLOCK_SKEW_TOLERANCE.as_secs().max(logged_seconds.unsigned_abs() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_skew_ends_at_half_the_tolerance() {
        // seconds ahead, skewed before, reported
        let table = [(60, false, 0), (61, false, 61), (-61, false, -61), (31, true, 31), (30, true, 0), (-30, true, 0)];
        let now = Timestamp::from_seconds(1_700_000_000);
        for (ahead, was_skewed, reported) in table {
            let server_now = Timestamp::from_seconds(1_700_000_000 + ahead);
            assert_eq!(reported_skew(now, server_now, was_skewed), reported, "{ahead} s, {was_skewed}");
        }
    }

    #[test]
    fn clock_skew_is_logged_again_after_a_large_change() {
        // logged, ahead, whether that is logged
        let table = [
            (0, 0, false),
            (0, 61, true),
            (61, 0, true),
            (61, 121, false),
            (61, 122, true),
            (3_600, 5_400, false),
            (3_600, 5_401, true),
            (-259_200, 7_200, true),
            (i64::MIN, i64::MAX, true),
        ];
        for (logged, ahead, expected) in table {
            assert_eq!(is_other_skew(logged, ahead), expected, "{logged} s, {ahead} s");
        }
    }
}
