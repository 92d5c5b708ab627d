//! Decides when a refresh may start. Pure: the time is an argument.

use std::time::Duration;

use super::backoff;
use crate::clock::Monotonic;

/// Lets one refresh through at a time, and none before its time.
#[derive(Debug)]
pub(super) struct Gate {
    cooldown: Duration,
    /// When the refresh under way was admitted.
    running_since: Option<Monotonic>,
    failures: u32,
    not_before: Option<Monotonic>,
}

/// The answer to a scrape that needs newer data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// The caller must start the refresh, and report its end to [`Gate::ended`].
    Start,
    /// One is under way; wait for that.
    Join,
    /// Nothing may be sent yet.
    Closed,
}

impl Gate {
    pub(super) const fn new(cooldown: Duration) -> Self {
        Self { cooldown, running_since: None, failures: 0, not_before: None }
    }

    /// Continues the gate of an earlier process: its failures in a row, and nothing before `not_before`.
    pub(super) fn resume(&mut self, failures: u32, not_before: Option<Monotonic>) {
        self.failures = failures;
        self.raise(not_before);
    }

    /// Asks to start a refresh at `now`; `floor` is the tenant's own `Retry-After`.
    pub(super) fn admit(&mut self, now: Monotonic, floor: Option<Monotonic>) -> Admission {
        self.raise(floor);
        if self.running_since.is_some() {
            return Admission::Join;
        }
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return Admission::Closed;
        }
        self.running_since = Some(now);
        Admission::Start
    }

    /// Reports that the refresh under way ended at `now`. The next one waits for the cooldown, which counts from the start
    /// of this one, or after a failure for the back-off, which counts from its end; in any case for `floor`.
    pub(super) fn ended(&mut self, now: Monotonic, succeeded: bool, floor: Option<Monotonic>, chance: f64) {
        let started = self.running_since.take().unwrap_or(now);
        self.not_before = Some(if succeeded {
            self.failures = 0;
            started + self.cooldown
        } else {
            self.failures = self.failures.saturating_add(1);
            now + backoff::delay(self.cooldown, self.failures, chance)
        });
        self.raise(floor);
    }

    /// Sets another cooldown. It counts from `full_start`, the start of the last refresh if that succeeded in full; a back-off
    /// does not change. A refresh under way continues.
    pub(super) fn reconfigure(&mut self, cooldown: Duration, full_start: Option<Monotonic>, floor: Option<Monotonic>) {
        self.cooldown = cooldown;
        if let Some(full_start) = full_start
            && self.failures == 0
        {
            self.not_before = Some(full_start + cooldown);
        }
        self.raise(floor);
    }

    /// Drops failures and waits, because another server is asked. A refresh under way continues.
    pub(super) fn forget(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }

    /// Before this point nothing is sent.
    pub(super) const fn not_before(&self) -> Option<Monotonic> {
        self.not_before
    }

    /// How many refreshes have failed in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    fn raise(&mut self, floor: Option<Monotonic>) {
        self.not_before = self.not_before.max(floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn one_refresh_runs_and_the_others_join() {
        let mut gate = Gate::new(COOLDOWN);
        assert_eq!(gate.admit(at(0), None), Admission::Start);
        assert_eq!(gate.admit(at(0), None), Admission::Join);
        assert_eq!(gate.admit(at(500), None), Admission::Join);
    }

    #[test]
    fn cooldown_counts_from_the_start_of_a_refresh() {
        for (ended, opens) in [(0, 60), (10, 60), (59, 60), (60, 60), (90, 90)] {
            let mut gate = Gate::new(COOLDOWN);
            gate.admit(at(0), None);
            gate.ended(at(ended), true, None, 0.0);
            if ended < opens {
                assert_eq!(gate.admit(at(opens - 1), None), Admission::Closed, "{ended}");
            }
            assert_eq!(gate.admit(at(opens), None), Admission::Start, "{ended}");
        }
    }

    #[test]
    fn back_off_counts_from_the_end_of_a_refresh() {
        let mut gate = Gate::new(COOLDOWN);
        gate.admit(at(0), None);
        gate.ended(at(10), false, None, 0.0);
        assert_eq!(gate.admit(at(69), None), Admission::Closed);
        assert_eq!(gate.admit(at(70), None), Admission::Start);
    }

    #[test]
    fn backoff_grows_with_failures_and_success_resets_it() {
        let mut gate = Gate::new(COOLDOWN);
        let mut now = 0;
        for wait in [60, 120, 240, 300, 300] {
            assert_eq!(gate.admit(at(now), None), Admission::Start);
            gate.ended(at(now), false, None, 0.0);
            assert_eq!(gate.admit(at(now + wait - 1), None), Admission::Closed);
            now += wait;
        }
        gate.admit(at(now), None);
        gate.ended(at(now), true, None, 0.0);
        assert_eq!(gate.failures(), 0);
        assert_eq!(gate.not_before(), Some(at(now + 60)));
    }

    #[test]
    fn new_cooldown_counts_from_last_success_above_retry_after() {
        let mut gate = Gate::new(COOLDOWN);
        gate.admit(at(0), None);
        gate.ended(at(0), true, None, 0.0);
        gate.reconfigure(Duration::from_secs(20), Some(at(0)), None);
        assert_eq!(gate.not_before(), Some(at(20)));
        gate.reconfigure(Duration::from_secs(20), Some(at(0)), Some(at(90)));
        assert_eq!(gate.not_before(), Some(at(90)));

        gate.admit(at(90), None);
        gate.ended(at(90), false, None, 0.0);
        gate.reconfigure(Duration::from_secs(1), None, None);
        assert_eq!((gate.not_before(), gate.failures()), (Some(at(110)), 1));
        gate.reconfigure(Duration::from_secs(1), Some(at(90)), None);
        assert_eq!(gate.not_before(), Some(at(110)), "a back-off is not shortened");
        gate.forget();
        assert_eq!(gate.failures(), 0);
        assert_eq!(gate.admit(at(91), None), Admission::Start);
    }

    #[test]
    fn a_resumed_gate_keeps_failures_and_not_before() {
        let mut gate = Gate::new(COOLDOWN);
        gate.resume(2, Some(at(50)));
        assert_eq!(gate.failures(), 2);
        assert_eq!(gate.admit(at(49), None), Admission::Closed);
        assert_eq!(gate.admit(at(50), None), Admission::Start);
        gate.ended(at(50), false, None, 0.0);
        assert_eq!(gate.not_before(), Some(at(290)));
    }

    #[test]
    fn backoff_is_lengthened_by_chance() {
        let mut gate = Gate::new(COOLDOWN);
        gate.admit(at(0), None);
        gate.ended(at(0), false, None, 1.0);
        assert_eq!(gate.not_before(), Some(at(75)));
    }

    #[test]
    fn retry_after_is_a_floor_that_nothing_lowers() {
        let mut gate = Gate::new(COOLDOWN);
        gate.admit(at(0), None);
        gate.ended(at(1), false, Some(at(900)), 0.0);
        assert_eq!(gate.admit(at(899), None), Admission::Closed);
        assert_eq!(gate.admit(at(899), Some(at(20))), Admission::Closed);
        assert_eq!(gate.admit(at(900), Some(at(901))), Admission::Closed);
        assert_eq!(gate.admit(at(901), Some(at(901))), Admission::Start);
    }
}
