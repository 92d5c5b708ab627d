//! How often and how soon a request is sent again. Pure, but for the dice.

use std::time::Duration;

/// How often a request is sent in all when it meets 5xx, cut connections or timeouts. A hiccup is
/// over by the third; more would only load a server that is ill.
pub(crate) const MAX_TRIES: u32 = 3;

/// How often one request may be answered 429 before it is given up. Without a bound, a server that
/// answers `Retry-After: 1` for ever would be asked every second until the refresh ends.
pub(crate) const MAX_RATE_LIMITED: u32 = 5;

/// The first wait after a failure. Shorter would land in the same hiccup.
const FAILURE_BASE: Duration = Duration::from_millis(500);

/// The first wait after a 429 that does not say how long. Rate limits are counted per second at the least.
const RATE_LIMITED_BASE: Duration = Duration::from_secs(2);

/// How much longer than its base a wait may be, as a part of it. Batches that failed together are
/// spread by it. It never shortens.
const JITTER: f64 = 0.5;

/// What one request has been through so far, its repetitions with a new token included.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    sent: bool,
    failed: u32,
    rate_limited: u32,
}

// === impl Attempts ===

impl Attempts {
    /// Notes that the request goes out, and tells whether it had gone out before.
    pub(crate) fn send(&mut self) -> bool {
        std::mem::replace(&mut self.sent, true)
    }

    /// Notes a failure that another try may heal: how long to wait before it, or `None` to give up.
    pub(crate) fn failed(&mut self) -> Option<Duration> {
        self.failed += 1;
        (self.failed < MAX_TRIES).then(|| back_off(FAILURE_BASE, self.failed))
    }

    /// Notes a 429: how long to wait where the server does not say, or `None` to give up.
    pub(crate) fn rate_limited(&mut self) -> Option<Duration> {
        self.rate_limited += 1;
        (self.rate_limited < MAX_RATE_LIMITED).then(|| back_off(RATE_LIMITED_BASE, self.rate_limited))
    }
}

/// `base`, doubled for each time after the first, and up to half as much again.
fn back_off(base: Duration, time: u32) -> Duration {
    let wait = base.saturating_mul(2_u32.saturating_pow(time.saturating_sub(1)));
    wait + wait.mul_f64(JITTER * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_three_times_with_growing_waits() {
        for _ in 0..100 {
            let mut attempts = Attempts::default();
            let waits: Vec<_> = std::iter::from_fn(|| attempts.failed()).map(|wait| wait.as_millis()).collect();
            let [first, second] = waits[..] else { panic!("{waits:?}") };
            assert!((500..=750).contains(&first) && (1000..=1500).contains(&second), "{waits:?}");
        }
    }

    #[test]
    fn a_429_is_borne_a_bounded_number_of_times() {
        for _ in 0..100 {
            let mut attempts = Attempts::default();
            let waits: Vec<_> = std::iter::from_fn(|| attempts.rate_limited()).map(|wait| wait.as_millis()).collect();
            assert_eq!(waits.len(), 4);
            for (wait, base) in waits.iter().zip([2000, 4000, 8000, 16_000]) {
                assert!((base..=base + base / 2).contains(wait), "{waits:?}");
            }
        }
    }

    #[test]
    fn the_first_time_out_is_no_repetition() {
        let mut attempts = Attempts::default();
        assert!(!attempts.send());
        assert!(attempts.send());
    }
}
