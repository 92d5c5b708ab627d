//! The number of requests in the last hour, for the status page.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Monotonic};

/// The resolution: one counter per minute. A request leaves the count up to a minute early.
const MINUTES: usize = 60;

/// Requests of the last hour, minute by minute.
pub(super) struct LastHour {
    clock: Arc<dyn Clock>,
    /// A ring: the index of a minute is its number modulo [`MINUTES`].
    minutes: Mutex<[Minute; MINUTES]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    number: u64,
    requests: u64,
}

// === impl LastHour ===

impl LastHour {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, minutes: Mutex::new([Minute::default(); MINUTES]) }
    }

    /// Counts a request that ended now.
    pub(super) fn add(&self) {
        let number = self.now();
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(number).unwrap_or_default() % MINUTES;
        if let Some(minute) = minutes.get_mut(place) {
            if minute.number != number {
                *minute = Minute { number, requests: 0 };
            }
            minute.requests = minute.requests.saturating_add(1);
        }
    }

    /// The number of requests in the last hour.
    pub(super) fn requests(&self) -> u64 {
        let oldest = (self.now() + 1).saturating_sub(MINUTES as u64);
        let minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        minutes.iter().filter(|minute| minute.number >= oldest).map(|minute| minute.requests).sum()
    }

    /// The number of the current minute.
    fn now(&self) -> u64 {
        self.clock.monotonic().saturating_since(Monotonic::default()).as_secs() / 60
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::DrivenClock;
    use crate::presence::Timestamp;

    #[test]
    fn requests_are_counted_for_an_hour() {
        let clock = DrivenClock::new(Timestamp::from_seconds(1_800_000_000));
        let hour = LastHour::new(Arc::new(clock.clone()));
        assert_eq!(hour.requests(), 0);
        hour.add();
        hour.add();
        clock.advance(Duration::from_secs(30 * 60));
        hour.add();
        assert_eq!(hour.requests(), 3);
        clock.advance(Duration::from_secs(29 * 60 + 59));
        assert_eq!(hour.requests(), 3);
        clock.advance(Duration::from_secs(1));
        assert_eq!(hour.requests(), 1, "the first two are an hour old");
        // The same index of the ring, an hour later.
        hour.add();
        assert_eq!(hour.requests(), 2);
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(hour.requests(), 0);
    }
}
