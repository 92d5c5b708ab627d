//! How often and how soon a request is retried.

use std::time::Duration;

/// How often a request is sent in all after 5xx, cut connections and timeouts. A short outage is over by the third
/// attempt, and more attempts would load a failing server.
pub(crate) const MAX_TRIES: u32 = 3;

/// How often one request may be answered 429. Without a bound, a server that always answers `Retry-After: 1` would get a
/// request every second until the refresh ends.
pub(crate) const MAX_RATE_LIMITED: u32 = 5;

/// The backoff after the first failure. A shorter one would meet the same outage.
const FAILURE_BASE: Duration = Duration::from_millis(500);

/// The wait after the first 429 without `Retry-After`. Rate limits are counted per second at the least.
const RATE_LIMITED_BASE: Duration = Duration::from_secs(2);

/// The largest random addition to a wait, as a part of it. It spreads batches that failed together, and never shortens.
const JITTER: f64 = 0.5;

/// The attempts of one request so far.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    sent: bool,
    failed: u32,
    rate_limited: u32,
    token_renewed: bool,
}

// === impl Attempts ===

impl Attempts {
    /// Counts an attempt, and returns whether it repeats an earlier one.
    pub(crate) fn is_repeated(&mut self) -> bool {
        std::mem::replace(&mut self.sent, true)
    }

    /// Counts a failure that a retry may fix. Returns the backoff before the retry, or `None` after [`MAX_TRIES`].
    pub(crate) fn back_off(&mut self) -> Option<Duration> {
        self.failed += 1;
        (self.failed < MAX_TRIES).then(|| back_off(FAILURE_BASE, self.failed))
    }

    /// Counts a 429. Returns the wait if there is no `Retry-After`, or `None` after [`MAX_RATE_LIMITED`].
    pub(crate) fn rate_limited(&mut self) -> Option<Duration> {
        self.rate_limited += 1;
        (self.rate_limited < MAX_RATE_LIMITED).then(|| back_off(RATE_LIMITED_BASE, self.rate_limited))
    }

    /// Counts a refused token, and returns whether a new one may be tried: once per request.
    pub(crate) fn renew_token(&mut self) -> bool {
        !std::mem::replace(&mut self.token_renewed, true)
    }
}

/// `base`, doubled for each time after the first, plus jitter.
fn back_off(base: Duration, time: u32) -> Duration {
    let wait = base.saturating_mul(2_u32.saturating_pow(time.saturating_sub(1)));
    wait + wait.mul_f64(JITTER * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_get_three_attempts_with_exponential_backoff() {
        for _ in 0..100 {
            let mut attempts = Attempts::default();
            let waits: Vec<_> = std::iter::from_fn(|| attempts.back_off()).map(|wait| wait.as_millis()).collect();
            let [first, second] = waits[..] else { panic!("{waits:?}") };
            assert!((500..=750).contains(&first) && (1000..=1500).contains(&second), "{waits:?}");
        }
    }

    #[test]
    fn backoff_has_jitter() {
        let waits: Vec<_> =
            (0..100).filter_map(|_| Attempts::default().back_off()).map(|wait| wait.as_millis()).collect();
        let (shortest, longest) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(longest - shortest > 100, "{shortest} to {longest} ms");
    }

    #[test]
    fn a_429_is_retried_a_bounded_number_of_times() {
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
    fn the_first_attempt_is_no_retry_and_a_token_is_renewed_once() {
        let mut attempts = Attempts::default();
        assert_eq!([attempts.is_repeated(), attempts.is_repeated()], [false, true]);
        assert_eq!([attempts.renew_token(), attempts.renew_token()], [true, false]);
    }
}
