//! The token bucket behind a budget, and how it gives way to a server that says 429. Pure: it is told the time.

use std::time::Duration;

use super::request_rate::{MINUTE_NANOS, RequestRate};
use crate::clock::Monotonic;

/// What one request takes out of the bucket. In these units a pace of one request a minute fills in one each
/// nanosecond, so that nothing is ever rounded.
const REQUEST: u64 = MINUTE_NANOS;

/// How long it takes until a pace that was lowered is raised by a step. Servers count by the minute or by less, so
/// after a whole one without a 429 it is known that the pace was low enough.
const STEP_EVERY: Duration = Duration::from_secs(60);

/// A step is one part in so many of the configured pace: from a half, ten minutes lead back to the whole.
const STEP_PART: u32 = 20;

/// Fills at the allowed pace, up to a burst, and is emptied by requests.
///
/// The configured pace is not its own, as a reload may change that while it is in use.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Which moment `level` is of; `None` before the first request, when it is full. One that has not come yet is that at
    /// which the server wants requests again.
    seen: Option<Monotonic>,
    level: u64,
    cut: Option<Cut>,
}

/// The last time that the pace was lowered.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: Monotonic,
    to: RequestRate,
    /// From when on minutes count: before, the server wants no requests at all.
    recovers: Monotonic,
}

// === impl Bucket ===

impl Bucket {
    /// The pace that is allowed at `now`, never above the one `configured`.
    pub(crate) fn allowed(&self, configured: RequestRate, now: Monotonic) -> RequestRate {
        let Some(Cut { to, recovers, .. }) = self.cut else { return configured };
        let steps = now.saturating_since(recovers).as_secs() / STEP_EVERY.as_secs();
        let step = (configured.per_minute() / STEP_PART).max(1);
        let raised = to.raised_by(step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)));
        if raised.per_minute() < configured.per_minute() { raised } else { configured }
    }

    /// Takes a request out of the bucket.
    ///
    /// # Errors
    ///
    /// How long it takes until there is one, where there is none.
    pub(crate) fn take(&mut self, configured: RequestRate, now: Monotonic) -> Result<(), Duration> {
        let of = self.fill(configured, now);
        let early = of.saturating_since(now);
        match self.level.checked_sub(REQUEST) {
            Some(level) if early.is_zero() => {
                self.level = level;
                Ok(())
            }
            _ => {
                let (missing, steady) = (REQUEST.saturating_sub(self.level), self.allowed(configured, of).steady());
                Err(early + Duration::from_nanos(missing.div_ceil(u64::from(steady))))
            }
        }
    }

    /// A request that was sent at `sent` met a 429, after which the server wants no other before `until`. Tells
    /// whether that lowers the pace: of requests that were under way together, the first one did.
    pub(crate) fn refused(
        &mut self,
        configured: RequestRate,
        sent: Monotonic,
        until: Monotonic,
        now: Monotonic,
    ) -> bool {
        if self.cut.is_some_and(|cut| sent <= cut.at) {
            return false;
        }
        let (to, recovers) = (self.allowed(configured, now).halved(), until.max(now));
        self.cut = Some(Cut { at: now, to, recovers });
        // There is to be no burst after a 429, nor after the wait that it asks for.
        (self.level, self.seen) = (0, Some(now));
        self.fill(configured, recovers);
        self.level = self.level.min(REQUEST);
        true
    }

    /// Works out the level at `now`, and tells which moment it is of.
    fn fill(&mut self, configured: RequestRate, now: Monotonic) -> Monotonic {
        let full = u64::from(self.allowed(configured, now).burst()) * REQUEST;
        let level = self.seen.map_or(full, |seen| {
            // A pace that rose meanwhile counts from now on.
            let steady = u128::from(self.allowed(configured, seen).steady());
            let filled = now.saturating_since(seen).as_nanos().saturating_mul(steady);
            self.level.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX))
        });
        let of = self.seen.map_or(now, |seen| seen.max(now));
        (self.level, self.seen) = (level.min(full), Some(of));
        of
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn pace(per_minute: u32) -> RequestRate {
        RequestRate::new(NonZeroU32::new(per_minute).unwrap())
    }

    const fn at(millis: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(millis))
    }

    /// Sends as soon as may be for `span`, and tells when, in milliseconds.
    fn greedy(bucket: &mut Bucket, configured: RequestRate, from: u64, span: u64) -> Vec<u64> {
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
    fn a_burst_goes_out_at_once_and_the_rest_evenly() {
        let sent = greedy(&mut Bucket::default(), pace(60), 0, 60_000);
        assert_eq!(sent.len(), 60);
        assert_eq!(sent[..6], [0, 0, 0, 0, 1_052, 2_105]);
        let gaps: Vec<u64> = sent[3..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (1_052..=1_053).contains(gap)), "{gaps:?}");

        let sent = greedy(&mut Bucket::default(), pace(1), 0, 300_000);
        assert_eq!(sent, [0, 60_000, 120_000, 180_000, 240_000]);
    }

    #[test]
    fn a_pause_saves_up_a_burst_and_no_more() {
        let mut bucket = Bucket::default();
        greedy(&mut bucket, pace(60), 0, 10_000);
        let sent = greedy(&mut bucket, pace(60), 3_600_000, 1_000);
        assert_eq!(sent, [3_600_000; 4]);
    }

    #[test]
    fn a_429_halves_and_minutes_raise_by_steps() {
        let (configured, mut bucket) = (pace(40), Bucket::default());
        assert_eq!(bucket.take(configured, at(0)), Ok(()));
        assert!(bucket.refused(configured, at(0), at(0), at(500)));
        // seconds after the 429: what a minute may have
        let table = [(0, 20), (59, 20), (60, 22), (119, 22), (120, 24), (540, 38), (600, 40), (6_000, 40)];
        for (seconds, allowed) in table {
            assert_eq!(bucket.allowed(configured, at(500 + seconds * 1_000)).per_minute(), allowed, "{seconds}");
        }
        // Halved again and again, one a minute is left.
        for second in 1..10 {
            assert!(bucket.refused(configured, at(second * 1_000), at(0), at(second * 1_000)));
        }
        assert_eq!(bucket.allowed(configured, at(9_000)).per_minute(), 1);
    }

    #[test]
    fn requests_that_were_under_way_together_lower_the_pace_once() {
        let (configured, mut bucket) = (pace(40), Bucket::default());
        for _ in 0..3 {
            assert_eq!(bucket.take(configured, at(0)), Ok(()));
        }
        assert!(bucket.refused(configured, at(0), at(0), at(100)));
        assert!(bucket.take(configured, at(100)).is_err(), "what was saved up is lost");
        assert!(!bucket.refused(configured, at(0), at(0), at(200)));
        assert!(!bucket.refused(configured, at(100), at(0), at(300)));
        assert_eq!(bucket.allowed(configured, at(300)).per_minute(), 20);
        assert!(bucket.refused(configured, at(4_000), at(0), at(4_100)));
        assert_eq!(bucket.allowed(configured, at(4_100)).per_minute(), 10);
    }

    #[test]
    fn what_is_saved_up_is_lost_with_a_429_and_a_wait_that_is_asked_for_raises_nothing() {
        let (configured, mut bucket) = (pace(60), Bucket::default());
        assert_eq!(bucket.take(configured, at(0)), Ok(()));
        assert!(bucket.refused(configured, at(0), at(600_000), at(0)));
        assert_eq!(bucket.take(configured, at(0)), Err(Duration::from_secs(600)));
        assert_eq!(bucket.take(configured, at(599_999)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(configured, at(600_000)), Ok(()));
        // Thirty a minute are three at once and twenty-eight that are spread.
        assert_eq!(bucket.take(configured, at(600_000)), Err(Duration::from_nanos(REQUEST.div_ceil(28))));
        assert_eq!(bucket.allowed(configured, at(659_999)).per_minute(), 30);
        assert_eq!(bucket.allowed(configured, at(660_000)).per_minute(), 33);
    }

    #[test]
    fn another_pace_holds_at_once() {
        let mut bucket = Bucket::default();
        assert_eq!(greedy(&mut bucket, pace(60), 0, 1), [0; 4]);
        // What was saved up beyond the smaller burst is gone.
        assert_eq!(greedy(&mut bucket, pace(10), 600_000, 1), [600_000]);
        assert!(bucket.refused(pace(10), at(600_000), at(0), at(600_001)));
        assert_eq!(bucket.allowed(pace(4), at(600_001)).per_minute(), 4);
    }

    #[test]
    fn each_cooldown_has_its_part_of_the_budget() {
        // A minute's requests are not for whoever comes first: refreshes of what fits into a cooldown never wait for a
        // later one, however many there are in a minute or minutes in one.
        for per_minute in [1, 6, 19, 60, 200, 1_000] {
            for cooldown in [1_000, 7_000, 15_000, 60_000, 90_000, 600_000] {
                let (configured, mut bucket) = (pace(per_minute), Bucket::default());
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
        Patient,
        Refused(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => (0_u64..90_000).prop_map(Step::Wait),
            1 => (0_u64..30).prop_map(Step::Wait),
            6 => Just(Step::Take),
            6 => Just(Step::Patient),
            1 => (0_u64..120_000).prop_map(Step::Refused),
        ];
        proptest::collection::vec(step, 1..300)
    }

    proptest! {
        #[test]
        fn no_span_has_more_than_its_part_and_a_burst_and_no_minute_more_than_the_budget(
            per_minute in 1_u32..200,
            steps in steps(),
        ) {
            let (configured, mut bucket) = (pace(per_minute), Bucket::default());
            let (mut now, mut sent) = (Monotonic::default(), Vec::new());
            for step in steps {
                match step {
                    Step::Wait(millis) => now = now + Duration::from_millis(millis),
                    Step::Take => if bucket.take(configured, now).is_ok() { sent.push(now) },
                    Step::Patient => {
                        if let Err(wait) = bucket.take(configured, now) {
                            now = now + wait;
                            prop_assert_eq!(bucket.take(configured, now), Ok(()), "it was promised");
                        }
                        sent.push(now);
                    }
                    Step::Refused(wait) => {
                        let last = sent.last().copied().unwrap_or_default();
                        bucket.refused(configured, last, now + Duration::from_millis(wait), now);
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
