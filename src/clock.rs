//! The only place that reads the time of day.
//!
//! Every rule about time (cooldown, back-off, `Retry-After`, token life, staleness) asks a [`Clock`]
//! that it was handed. `clippy.toml` bans every other way. Two kinds of time are kept apart:
//! [`Clock::now`] is UTC and may jump when the machine is corrected; it names windows and goes into
//! `*_timestamp_seconds`. [`Clock::monotonic`] never jumps; it measures waits.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Add;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use crate::presence::Timestamp;

/// What [`SystemClock`]'s monotonic face shows at its start. Moments before the start of the process have a place on
/// that face, such as when data that survived a restart was read; this is longer than data of any age is used, 31 days.
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

/// Tells the time and waits for it.
pub trait Clock: Send + Sync + 'static {
    /// The time of day in UTC. It may step either way.
    fn now(&self) -> Timestamp;

    /// A point in time that never goes back, for measuring waits.
    fn monotonic(&self) -> Monotonic;

    /// Ends once [`Clock::monotonic`] has reached `deadline`; at once if it already has.
    fn sleep_until(&self, deadline: Monotonic) -> Sleep;
}

/// The machine's own clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

/// A clock that stands still until it is told to move, for tests.
///
/// Clones show the same time.
#[derive(Debug, Clone)]
pub struct DrivenClock {
    face: Arc<Mutex<Face>>,
}

#[derive(Debug)]
struct Face {
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
    /// A clock whose monotonic face starts now, with room before it.
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
        // The runtime's timer has a grain of a millisecond, which even a wait for no time would cost.
        if wait.is_zero() { Box::pin(std::future::ready(())) } else { Box::pin(tokio::time::sleep(wait)) }
    }
}

// === impl DrivenClock ===

impl DrivenClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { face: Arc::new(Mutex::new(Face { now, monotonic: Monotonic::default(), sleepers: BTreeMap::new() })) }
    }

    /// Moves both faces forward by `span` and wakes every sleeper whose time has come.
    pub fn advance(&self, span: Duration) {
        self.with(|face| {
            face.monotonic = face.monotonic + span;
            face.now = face.now + span;
            let later = face.sleepers.split_off(&(face.monotonic + Duration::from_nanos(1)));
            for sleeper in std::mem::replace(&mut face.sleepers, later).into_values().flatten() {
                // A sleeper that was dropped no longer waits.
                let _ = sleeper.send(());
            }
        });
    }

    /// Sets the time of day alone, as a correction by NTP does; waits are not touched.
    pub fn step_to(&self, now: Timestamp) {
        self.with(|face| face.now = now);
    }

    /// The earliest point that anybody sleeps until, if anybody does.
    pub fn next_sleeper(&self) -> Option<Monotonic> {
        self.with(|face| {
            face.sleepers.values_mut().for_each(|waiting| waiting.retain(|one| !one.is_closed()));
            face.sleepers.retain(|_, waiting| !waiting.is_empty());
            face.sleepers.keys().next().copied()
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Face) -> T) -> T {
        look(&mut self.face.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock for DrivenClock {
    fn now(&self) -> Timestamp {
        self.with(|face| face.now)
    }

    fn monotonic(&self) -> Monotonic {
        self.with(|face| face.monotonic)
    }

    fn sleep_until(&self, deadline: Monotonic) -> Sleep {
        let (waker, woken) = oneshot::channel();
        self.with(|face| {
            if face.monotonic < deadline {
                face.sleepers.entry(deadline).or_default().push(waker);
            }
        });
        // Where the time has already come the waker was dropped, which ends the wait as well.
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
    async fn a_driven_sleep_ends_when_the_clock_gets_there_and_not_before() {
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
    async fn a_sleep_until_the_past_ends_at_once() {
        let clock = DrivenClock::new(START);
        clock.advance(Duration::from_secs(5));
        clock.sleep_until(Monotonic::default()).await;
    }

    #[test]
    fn a_step_of_the_time_of_day_leaves_waits_alone() {
        let clock = DrivenClock::new(START);
        clock.step_to(Timestamp::from_seconds(0));
        assert_eq!(clock.monotonic(), Monotonic::default());
        assert_eq!(clock.now(), Timestamp::from_seconds(0));
    }
}
