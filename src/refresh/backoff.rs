//! How long to wait after a failed refresh. Pure.

use std::time::Duration;

/// However long the cooldown, a failed tenant is tried again after this time, so that the end of an
/// outage is noticed soon.
const MAX_DELAY: Duration = Duration::from_secs(5 * 60);

/// The longest delay in cooldowns.
const MAX_COOLDOWNS: u32 = 10;

/// A delay is lengthened by up to this share of itself, so that exporters which failed together do not
/// come back together.
const JITTER: f64 = 0.25;

/// The wait after the failure number `failures` in a row (from 1): the cooldown, doubled with each
/// further failure, lengthened by jitter, and at most ten cooldowns and five minutes.
///
/// `chance` is a random number in `[0, 1)`.
pub(crate) fn delay(cooldown: Duration, failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let longest = cooldown.saturating_mul(MAX_COOLDOWNS).min(MAX_DELAY);
    let plain = cooldown.saturating_mul(1_u32 << doublings).min(longest);
    plain.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_delay_doubles_up_to_ten_cooldowns_and_five_minutes() {
        let table = [
            (MINUTE, 1, 60),
            (MINUTE, 2, 120),
            (MINUTE, 3, 240),
            (MINUTE, 4, 300),
            (MINUTE, u32::MAX, 300),
            (Duration::from_secs(1), 4, 8),
            (Duration::from_secs(1), 5, 10),
            (Duration::from_secs(3600), 1, 300),
            (Duration::MAX, 2, 300),
        ];
        for (cooldown, failures, seconds) in table {
            assert_eq!(delay(cooldown, failures, 0.0), Duration::from_secs(seconds), "{cooldown:?} × {failures}");
        }
    }

    #[test]
    fn jitter_only_lengthens_and_never_beyond_the_longest() {
        assert_eq!(delay(MINUTE, 1, 1.0), Duration::from_secs(75));
        assert_eq!(delay(MINUTE, 1, 2.0), Duration::from_secs(75));
        assert_eq!(delay(MINUTE, 9, 1.0), MAX_DELAY);
        for chance in [f64::NEG_INFINITY, -1.0, 0.0, 0.5, 2.0] {
            assert!(delay(MINUTE, 1, chance) >= MINUTE);
        }
    }
}
