//! The token bucket of a budget, and how a 429 lowers its rate. Callers pass the time.

use std::time::Duration;

use super::request_rate::{MINUTE_NANOS, RequestRate};
use crate::clock::Monotonic;

/// What one request takes out of the bucket. In this unit, one request a minute adds one each nanosecond, so nothing is
/// ever rounded.
const REQUEST: u64 = MINUTE_NANOS;

/// How long a lowered rate holds before each step up. Servers count by the minute or less, so a minute without a 429
/// shows that the rate was low enough.
const STEP_EVERY: Duration = Duration::from_secs(60);

/// A step is one part in so many of the configured rate: ten minutes lead from half to all of it.
const STEP_PART: u32 = 20;

/// Fills at the allowed rate, up to a burst, and is emptied by requests.
///
/// Callers pass the configured rate, because a reload may change it.
#[derive(Debug, Default)]
pub(crate) struct TokenBucket {
    /// The time of `level`; `None` before the first request, when the bucket is full. A time in the future is the end of
    /// a `Retry-After`.
    seen: Option<Monotonic>,
    level: u64,
    reduction: Option<Reduction>,
}

/// The last time that the rate was lowered.
#[derive(Debug, Clone, Copy)]
struct Reduction {
    at: Monotonic,
    to: RequestRate,
    /// The start of the recovery: the end of `Retry-After`, before which nothing is sent.
    recovers: Monotonic,
}

// === impl TokenBucket ===

impl TokenBucket {
    /// The rate at `now`, never above `configured`.
    pub(crate) fn allowed(&self, configured: RequestRate, now: Monotonic) -> RequestRate {
        let Some(Reduction { to, recovers, .. }) = self.reduction else { return configured };
        let steps = now.saturating_since(recovers).as_secs() / STEP_EVERY.as_secs();
        let step = (configured.per_minute() / STEP_PART).max(1);
        let raised = to.raised_by(step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)));
        if raised.per_minute() < configured.per_minute() { raised } else { configured }
    }

    /// Takes a request out of the bucket.
    ///
    /// # Errors
    ///
    /// Returns the time until there is one, if there is none.
    pub(crate) fn take(&mut self, configured: RequestRate, now: Monotonic) -> Result<(), Duration> {
        let filled_at = self.fill(configured, now);
        let early = filled_at.saturating_since(now);
        match self.level.checked_sub(REQUEST) {
            Some(level) if early.is_zero() => {
                self.level = level;
                Ok(())
            }
            _ => {
                let (missing, steady) =
                    (REQUEST.saturating_sub(self.level), self.allowed(configured, filled_at).steady());
                Err(early + Duration::from_nanos(missing.div_ceil(u64::from(steady))))
            }
        }
    }

    /// Records a 429 to a request that was sent at `sent`; `until` is the end of its `Retry-After`. Returns whether that
    /// lowers the rate: of parallel requests, only the first 429 does.
    pub(crate) fn rate_limited(
        &mut self,
        configured: RequestRate,
        sent: Monotonic,
        until: Monotonic,
        now: Monotonic,
    ) -> bool {
        if self.reduction.is_some_and(|reduction| sent <= reduction.at) {
            return false;
        }
        let (to, recovers) = (self.allowed(configured, now).halved(), until.max(now));
        self.reduction = Some(Reduction { at: now, to, recovers });
        // No burst after a 429, nor after its `Retry-After`.
        (self.level, self.seen) = (0, Some(now));
        self.fill(configured, recovers);
        self.level = self.level.min(REQUEST);
        true
    }

    /// Updates the level to `now`, and returns its time, which is later than `now` within a `Retry-After`.
    fn fill(&mut self, configured: RequestRate, now: Monotonic) -> Monotonic {
        let full = u64::from(self.allowed(configured, now).burst()) * REQUEST;
        let level = self.seen.map_or(full, |seen| {
            // A rate that rose meanwhile counts from now on.
            let steady = u128::from(self.allowed(configured, seen).steady());
            let filled = now.saturating_since(seen).as_nanos().saturating_mul(steady);
            self.level.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX))
        });
        let filled_at = self.seen.map_or(now, |seen| seen.max(now));
        (self.level, self.seen) = (level.min(full), Some(filled_at));
        filled_at
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn rate(per_minute: u32) -> RequestRate {
        RequestRate::new(NonZeroU32::new(per_minute).unwrap())
    }

    const fn at(millis: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(millis))
    }

    /// Sends as early as possible for `span`, and returns the times in milliseconds.
    fn greedy(bucket: &mut TokenBucket, configured: RequestRate, from: u64, span: u64) -> Vec<u64> {
        let (mut sent, mut now) = (Vec::new(), at(from));
        while now < at(from + span) {
            match bucket.take(configured, now) {
                Ok(()) => sent.push(u64::try_from(now.saturating_since(at(0)).as_millis()).unwrap()),
                Err(wait) => now = now + wait,
            }
        }
        sent
    }

    #[test]
    fn a_burst_is_sent_at_once_and_the_rest_evenly() {
        let sent = greedy(&mut TokenBucket::default(), rate(60), 0, 60_000);
        assert_eq!(sent.len(), 60);
        assert_eq!(sent[..6], [0, 0, 0, 0, 1_052, 2_105]);
        let gaps: Vec<u64> = sent[3..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (1_052..=1_053).contains(gap)), "{gaps:?}");

        let sent = greedy(&mut TokenBucket::default(), rate(1), 0, 300_000);
        assert_eq!(sent, [0, 60_000, 120_000, 180_000, 240_000]);
    }

    #[test]
    fn a_pause_fills_one_burst() {
        let mut bucket = TokenBucket::default();
        greedy(&mut bucket, rate(60), 0, 10_000);
        let sent = greedy(&mut bucket, rate(60), 3_600_000, 1_000);
        assert_eq!(sent, [3_600_000; 4]);
    }

    #[test]
    fn a_429_halves_the_rate_and_each_minute_raises_it() {
        let (configured, mut bucket) = (rate(40), TokenBucket::default());
        assert_eq!(bucket.take(configured, at(0)), Ok(()));
        assert!(bucket.rate_limited(configured, at(0), at(0), at(500)));
        // seconds after the 429, requests a minute
        let table = [(0, 20), (59, 20), (60, 22), (119, 22), (120, 24), (540, 38), (600, 40), (6_000, 40)];
        for (seconds, allowed) in table {
            assert_eq!(bucket.allowed(configured, at(500 + seconds * 1_000)).per_minute(), allowed, "{seconds}");
        }
        // Halving never goes below one a minute.
        for second in 1..10 {
            assert!(bucket.rate_limited(configured, at(second * 1_000), at(0), at(second * 1_000)));
        }
        assert_eq!(bucket.allowed(configured, at(9_000)).per_minute(), 1);
    }

    #[test]
    fn a_small_lowered_rate_recovers_too() {
        // A twentieth of less than twenty is rounded up to one.
        let (configured, mut bucket) = (rate(10), TokenBucket::default());
        assert!(bucket.rate_limited(configured, at(0), at(0), at(0)));
        let allowed: Vec<_> =
            (0..7).map(|minute| bucket.allowed(configured, at(minute * 60_000)).per_minute()).collect();
        assert_eq!(allowed, [5, 6, 7, 8, 9, 10, 10]);
    }

    #[test]
    fn a_raised_rate_fills_the_bucket_only_from_now_on() {
        let (configured, mut bucket) = (rate(4), TokenBucket::default());
        assert!(bucket.rate_limited(configured, at(0), at(0), at(0)));
        assert_eq!(bucket.take(configured, at(40_000)), Ok(()));
        // Twenty seconds at two a minute leave a third of a request, which comes at three a minute.
        assert_eq!(bucket.allowed(configured, at(60_000)).per_minute(), 3);
        assert_eq!(bucket.take(configured, at(60_000)), Err(Duration::from_nanos(20_000_000_000_u64.div_ceil(3))));
    }

    #[test]
    fn parallel_429s_lower_the_rate_once() {
        let (configured, mut bucket) = (rate(40), TokenBucket::default());
        for _ in 0..3 {
            assert_eq!(bucket.take(configured, at(0)), Ok(()));
        }
        assert!(bucket.rate_limited(configured, at(0), at(0), at(100)));
        assert!(bucket.take(configured, at(100)).is_err(), "what was saved up is lost");
        assert!(!bucket.rate_limited(configured, at(0), at(0), at(200)));
        assert!(!bucket.rate_limited(configured, at(100), at(0), at(300)));
        assert_eq!(bucket.allowed(configured, at(300)).per_minute(), 20);
        assert!(bucket.rate_limited(configured, at(4_000), at(0), at(4_100)));
        assert_eq!(bucket.allowed(configured, at(4_100)).per_minute(), 10);
    }

    #[test]
    fn a_429_empties_the_bucket_and_retry_after_refills_one_request() {
        let (configured, mut bucket) = (rate(60), TokenBucket::default());
        assert_eq!(bucket.take(configured, at(0)), Ok(()));
        assert!(bucket.rate_limited(configured, at(0), at(600_000), at(0)));
        assert_eq!(bucket.take(configured, at(0)), Err(Duration::from_secs(600)));
        assert_eq!(bucket.take(configured, at(599_999)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(configured, at(600_000)), Ok(()));
        // Thirty a minute are three at once and twenty-eight that are spread.
        assert_eq!(bucket.take(configured, at(600_000)), Err(Duration::from_nanos(REQUEST.div_ceil(28))));
        assert_eq!(bucket.allowed(configured, at(659_999)).per_minute(), 30);
        assert_eq!(bucket.allowed(configured, at(660_000)).per_minute(), 33);
    }

    #[test]
    fn a_changed_rate_holds_at_once() {
        let mut bucket = TokenBucket::default();
        assert_eq!(greedy(&mut bucket, rate(60), 0, 1), [0; 4]);
        // More than the smaller burst is lost.
        assert_eq!(greedy(&mut bucket, rate(10), 600_000, 1), [600_000]);
        assert!(bucket.rate_limited(rate(10), at(600_000), at(0), at(600_001)));
        assert_eq!(bucket.allowed(rate(4), at(600_001)).per_minute(), 4);
    }

    #[test]
    fn each_cooldown_gets_its_share_of_the_budget() {
        // Early refreshes do not use up a minute's requests: a refresh that fits into its cooldown never waits for a later
        // one.
        for per_minute in [1, 6, 19, 60, 200, 1_000] {
            for cooldown in [1_000, 7_000, 15_000, 60_000, 90_000, 600_000] {
                let (configured, mut bucket) = (rate(per_minute), TokenBucket::default());
                let part = usize::try_from(u64::from(configured.steady()) * cooldown / 60_000).unwrap();
                for start in (0..50).map(|nth| nth * cooldown) {
                    let sent = greedy(&mut bucket, configured, start, cooldown);
                    assert!(sent.len() >= part, "{} of {part} at {start}, {per_minute} by {cooldown} ms", sent.len());
                    let most = part + usize::try_from(configured.burst()).unwrap() + 1;
                    assert!(sent.len() <= most, "{} of {part} at {start}, {per_minute} by {cooldown} ms", sent.len());
                }
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Wait(u64),
        Take,
        /// Waits for exactly as long as the bucket says.
        TakeWhenReady,
        RateLimited(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => (0_u64..90_000).prop_map(Step::Wait),
            1 => (0_u64..30).prop_map(Step::Wait),
            6 => Just(Step::Take),
            6 => Just(Step::TakeWhenReady),
            1 => (0_u64..120_000).prop_map(Step::RateLimited),
        ];
        proptest::collection::vec(step, 1..300)
    }

    proptest! {
        #[test]
        fn no_minute_exceeds_the_budget_and_no_span_its_share(
            per_minute in 1_u32..200,
            steps in steps(),
        ) {
            let (configured, mut bucket) = (rate(per_minute), TokenBucket::default());
            let (mut now, mut sent) = (Monotonic::default(), Vec::new());
            for step in steps {
                match step {
                    Step::Wait(millis) => now = now + Duration::from_millis(millis),
                    Step::Take => if bucket.take(configured, now).is_ok() { sent.push(now) },
                    Step::TakeWhenReady => {
                        if let Err(wait) = bucket.take(configured, now) {
                            now = now + wait;
                            prop_assert_eq!(bucket.take(configured, now), Ok(()), "after the wait it promised");
                        }
                        sent.push(now);
                    }
                    Step::RateLimited(wait) => {
                        let last = sent.last().copied().unwrap_or_default();
                        bucket.rate_limited(configured, last, now + Duration::from_millis(wait), now);
                    }
                }
                let allowed = bucket.allowed(configured, now).per_minute();
                prop_assert!((1..=per_minute).contains(&allowed));
            }
            let (burst, minute) = (u64::from(configured.burst()), Duration::from_secs(60));
            for (first, start) in sent.iter().enumerate() {
                for (last, end) in sent.iter().enumerate().skip(first) {
                    let count = u64::try_from(last - first + 1).unwrap();
                    let span = end.saturating_since(*start);
                    let part = span.as_nanos() * u128::from(configured.steady()) / u128::from(MINUTE_NANOS);
                    prop_assert!(u128::from(count - burst.min(count)) <= part, "{} in {:?}", count, span);
                    prop_assert!(span >= minute || count <= u64::from(per_minute), "{} in {:?}", count, span);
                }
            }
        }
    }
}
