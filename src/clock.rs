//! The only place that reads the time of day.
//!
//! Every rule about time (cooldown, back-off, `Retry-After`, token life, staleness) gets a [`Clock`]. `clippy.toml` bans every
//! other way. There are two kinds of time: [`Clock::now`] is UTC and may jump when the machine's clock is corrected; windows
//! and `*_timestamp_seconds` are in it. [`Clock::monotonic`] never jumps; it measures waits.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Add;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use crate::presence::Timestamp;

/// The monotonic time at which [`SystemClock`] starts. Times before the start of the process must be representable, such as
/// that of stored data; data older than 31 days is never used.
const HEAD_START: Duration = Duration::from_secs(32 * 86_400);

/// A point on a clock that never jumps: the time since an arbitrary start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Monotonic(Duration);

/// A future that ends when the clock reaches a point.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// `span` rounded up to whole seconds, for waits that must not be shorter.
pub fn whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs() + u64::from(span.subsec_nanos() > 0))
}

/// A source of time, and of waits.
pub trait Clock: Send + Sync + 'static {
    /// The time of day in UTC. It may step either way.
    fn now(&self) -> Timestamp;

    /// A point in time that never goes back, for measuring waits.
    fn monotonic(&self) -> Monotonic;

    /// Ends once [`Clock::monotonic`] has reached `deadline`; at once if it already has.
    fn sleep_until(&self, deadline: Monotonic) -> Sleep;
}

/// The clocks of the machine.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

/// A clock that only moves when it is driven, for tests. Clones share their time.
#[derive(Debug, Clone)]
pub struct DrivenClock {
    times: Arc<Mutex<Times>>,
}

#[derive(Debug)]
struct Times {
    now: Timestamp,
    monotonic: Monotonic,
    sleepers: BTreeMap<Monotonic, Vec<oneshot::Sender<()>>>,
}

// === impl Monotonic ===

impl Monotonic {
    /// The point `since_start` after the clock's start.
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The time from `earlier` to this point, zero when `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The point `span` before this one, at the clock's start where it would lie before that.
    #[must_use]
    pub const fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

// === impl SystemClock ===

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(HEAD_START.saturating_add(self.started.elapsed()))
    }

    fn sleep_until(&self, deadline: Monotonic) -> Sleep {
        let wait = deadline.saturating_since(self.monotonic());
        // The runtime's timer rounds up to a millisecond, even a wait of zero.
        if wait.is_zero() { Box::pin(std::future::ready(())) } else { Box::pin(tokio::time::sleep(wait)) }
    }
}

// === impl DrivenClock ===

impl DrivenClock {
    /// A clock at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { times: Arc::new(Mutex::new(Times { now, monotonic: Monotonic::default(), sleepers: BTreeMap::new() })) }
    }

    /// Moves both times forward by `span` and wakes the sleepers whose deadline has passed.
    pub fn advance(&self, span: Duration) {
        self.with(|times| {
            times.monotonic = times.monotonic + span;
            times.now = times.now + span;
            let later = times.sleepers.split_off(&(times.monotonic + Duration::from_nanos(1)));
            for sleeper in std::mem::replace(&mut times.sleepers, later).into_values().flatten() {
                // A sleeper that was dropped no longer waits.
                let _ = sleeper.send(());
            }
        });
    }

    /// Sets only the time of day, like a correction by NTP.
    pub fn step_to(&self, now: Timestamp) {
        self.with(|times| times.now = now);
    }

    /// The earliest deadline of the sleepers, if any.
    pub fn next_sleeper(&self) -> Option<Monotonic> {
        self.with(|times| {
            times.sleepers.values_mut().for_each(|waiting| waiting.retain(|one| !one.is_closed()));
            times.sleepers.retain(|_, waiting| !waiting.is_empty());
            times.sleepers.keys().next().copied()
        })
    }

    fn with<T>(&self, read: impl FnOnce(&mut Times) -> T) -> T {
        read(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock for DrivenClock {
    fn now(&self) -> Timestamp {
        self.with(|times| times.now)
    }

    fn monotonic(&self) -> Monotonic {
        self.with(|times| times.monotonic)
    }

    fn sleep_until(&self, deadline: Monotonic) -> Sleep {
        let (waker, woken) = oneshot::channel();
        self.with(|times| {
            if times.monotonic < deadline {
                times.sleepers.entry(deadline).or_default().push(waker);
            }
        });
        // If the deadline has passed, the sender was dropped, which ends the wait as well.
        Box::pin(async move {
            let _ = woken.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    #[tokio::test]
    async fn driven_sleep_ends_at_its_deadline() {
        let clock = DrivenClock::new(START);
        let deadline = clock.monotonic() + Duration::from_secs(10);
        let sleep = tokio::spawn(clock.sleep_until(deadline));
        tokio::task::yield_now().await;

        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleep.is_finished());
        assert_eq!(clock.next_sleeper(), Some(deadline));

        clock.advance(Duration::from_secs(1));
        sleep.await.unwrap();
        assert_eq!(clock.now(), START + Duration::from_secs(10));
        assert_eq!(clock.next_sleeper(), None);
    }

    #[tokio::test]
    async fn sleep_until_the_past_ends_at_once() {
        let clock = DrivenClock::new(START);
        clock.advance(Duration::from_secs(5));
        clock.sleep_until(Monotonic::default()).await;
    }

    #[test]
    fn stepping_the_time_of_day_keeps_waits() {
        let clock = DrivenClock::new(START);
        clock.step_to(Timestamp::from_seconds(0));
        assert_eq!(clock.monotonic(), Monotonic::default());
        assert_eq!(clock.now(), Timestamp::from_seconds(0));
    }
}
