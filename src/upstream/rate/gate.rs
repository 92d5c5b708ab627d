//! The gate that every request to a tenant passes. `Retry-After` closes it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Monotonic};

/// The largest random addition to a wait, as a part of it. It spreads exporters that share a tenant.
const JITTER: f64 = 0.1;

/// The largest jitter: enough to spread requests, and too short to matter.
const MAX_JITTER: Duration = Duration::from_secs(2);

/// Lets requests through, except before the longest `Retry-After` so far.
///
/// All requests to a tenant share one gate, and it outlives refreshes. Only time opens it.
pub(crate) struct RateGate {
    clock: Arc<dyn Clock>,
    opens: Mutex<Option<Monotonic>>,
}

/// The gate does not open before the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GateClosed {
    /// How long it stays closed.
    pub(crate) wait: Duration,
}

// === impl RateGate ===

impl RateGate {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, opens: Mutex::new(None) }
    }

    /// Keeps the gate closed for at least `wait` from now.
    pub(crate) fn close_for(&self, wait: Duration) {
        let point = self.clock.monotonic() + wait;
        let mut opens = self.opens.lock().unwrap_or_else(PoisonError::into_inner);
        *opens = (*opens).max(Some(point));
    }

    /// When the gate opens; `None` while it is open.
    pub(crate) fn opens(&self) -> Option<Monotonic> {
        let opens = *self.opens.lock().unwrap_or_else(PoisonError::into_inner);
        opens.filter(|opens| *opens > self.clock.monotonic())
    }

    /// Waits until the gate is open. Fails at once if that is not before `deadline`.
    pub(crate) async fn pass(&self, deadline: Monotonic) -> Result<(), GateClosed> {
        // A loop, because another response may close the gate for longer meanwhile.
        while let Some(opens) = self.opens() {
            let wait = opens.saturating_since(self.clock.monotonic());
            if opens >= deadline {
                return Err(GateClosed { wait });
            }
            let jitter = wait.mul_f64(JITTER * fastrand::f64()).min(MAX_JITTER);
            let left = deadline.saturating_since(opens);
            self.clock.sleep_until(opens + jitter.min(left / 2)).await;
        }
        Ok(())
    }
}

impl fmt::Debug for RateGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateGate").field("opens", &self.opens()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::DrivenClock;
    use crate::presence::Timestamp;

    fn gate() -> (DrivenClock, Arc<RateGate>) {
        let clock = DrivenClock::new(Timestamp::from_seconds(1_700_000_000));
        let gate = RateGate::new(Arc::new(clock.clone()));
        (clock, Arc::new(gate))
    }

    const fn at(seconds: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn an_open_gate_does_not_wait() {
        let (_, gate) = gate();
        assert_eq!(gate.pass(at(0)).await, Ok(()));
        assert_eq!(gate.opens(), None);
    }

    #[tokio::test]
    async fn the_longest_retry_after_wins_and_none_passes_early() {
        let (clock, gate) = gate();
        gate.close_for(Duration::from_secs(10));
        let passing = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.pass(at(1000)).await }
        });
        tokio::task::yield_now().await;

        gate.close_for(Duration::from_secs(30));
        gate.close_for(Duration::from_secs(5));
        assert_eq!(gate.opens(), Some(at(30)));
        for _ in 0..29 {
            clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
            assert!(!passing.is_finished(), "passed at {:?}", clock.monotonic());
        }
        // The jitter of this wait is at most two seconds.
        for _ in 0..3 {
            clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        assert_eq!(passing.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_wait_past_the_deadline_fails_at_once() {
        let (clock, gate) = gate();
        gate.close_for(Duration::from_secs(60));
        assert_eq!(gate.pass(at(60)).await, Err(GateClosed { wait: Duration::from_secs(60) }));
        assert_eq!(clock.next_sleeper(), None);
        assert_eq!(gate.opens(), Some(at(60)));
    }

    #[tokio::test]
    async fn jitter_never_reaches_the_deadline() {
        for _ in 0..200 {
            let wakes = wakes(59, 60);
            assert!(wakes >= at(59) && wakes < at(60), "{wakes:?}");
        }
    }

    #[tokio::test]
    async fn jitter_spreads_waits_by_a_tenth() {
        let wakes: Vec<_> = (0..200).map(|_| wakes(10, 1_000)).collect();
        let (first, last) = (wakes.iter().min().unwrap(), wakes.iter().max().unwrap());
        assert!(*first >= at(10) && *last <= at(11), "{first:?} to {last:?}");
        assert!(last.saturating_since(*first) > Duration::from_millis(500), "{first:?} to {last:?}");
    }

    #[tokio::test]
    async fn jitter_of_a_long_wait_is_two_seconds_at_most() {
        for _ in 0..100 {
            let wakes = wakes(3_600, 10_000);
            assert!(wakes >= at(3_600) && wakes <= at(3_602), "{wakes:?}");
        }
    }

    /// When a request wakes that waits for a gate that is closed for so many seconds.
    fn wakes(closed: u64, deadline: u64) -> Monotonic {
        let (clock, gate) = gate();
        gate.close_for(Duration::from_secs(closed));
        let mut passing = Box::pin(gate.pass(at(deadline)));
        assert!(passing.as_mut().now_or_never().is_none());
        clock.next_sleeper().unwrap()
    }
}
