//! The working day of one agent, from login to logout.

use chrono::DateTime;

use super::state::State;
use crate::presence::TimeZone;
use crate::simulator::random::{self, Quantiles, Rng};
use crate::simulator::workforce::{Profile, WorkPattern};

/// A day in seconds.
pub(super) const DAY: i64 = 86_400;
/// A second in microseconds.
pub(super) const SECOND: i64 = 1_000_000;
/// Maximum time that an active call extends a shift, in seconds; it must not reach the next shift.
const MAX_OVERTIME: i64 = 45 * 60;
/// A break is not shortened below this, in seconds.
const SHORTEST_BREAK: i64 = 5 * 60;

// Seconds at the quantiles; handling times have long-tailed distributions.
const CALL: Quantiles = [8, 60, 110, 165, 230, 310, 430, 650, 2_100];
const WRAP_UP: Quantiles = [3, 14, 22, 31, 42, 56, 78, 120, 480];
const IDLE: Quantiles = [2, 12, 27, 45, 68, 98, 140, 215, 900];

/// An iterator over the pieces of one shift. Times are simulated seconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(super) struct WorkDay {
    now: i64,
    /// End of the shift; an active call may end later.
    end: i64,
    /// Latest end of an active call.
    last: i64,
    /// Start and length of the remaining breaks, the next one last.
    breaks: Vec<(i64, i64)>,
    next: Step,
    idleness: u32,
    rng: Rng,
}

/// The next step of a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Wait,
    Call,
    WrapUp,
}

/// A state with start and end in simulated seconds, half-open.
pub(super) type Piece = (State, i64, i64);

// === impl WorkDay ===

impl WorkDay {
    /// The shift that starts on the local date `day` days after 1970-01-01; `None` if there is none.
    pub(super) fn plan(profile: &Profile, day: i64) -> Option<Self> {
        // 1970-01-01 was a Thursday, the fourth day from Monday.
        let weekday = usize::try_from((day + 3).rem_euclid(7)).ok()?;
        if !*profile.days.get(weekday)? {
            return None;
        }
        let missing = matches!(profile.work_pattern, WorkPattern::NeverComes(weeks) if weeks.contains(day));
        if missing || profile.on_leave(day) {
            return None;
        }
        let mut rng = Rng::new(random::key(profile.key, day.cast_unsigned()));
        let duty = profile.work_pattern == WorkPattern::AroundTheClock;
        let begin = utc(&profile.timezone, day, profile.shift_start)?;
        // The end is a local time as well: a change of the clocks makes a night shift longer or shorter.
        let planned_end = utc(&profile.timezone, day, profile.shift_start + profile.shift_length)?;
        let (late, stays) =
            if duty { (0, 0) } else { (i64::from(rng.between(0, 600)) - 240, i64::from(rng.below(300))) };
        let (start, end) = match profile.work_pattern {
            WorkPattern::ComesLate(missed) => (begin + i64::from(missed), planned_end + stays),
            WorkPattern::LeavesEarly(stayed) => (begin + late, begin + i64::from(stayed)),
            _ => (begin + late, planned_end + stays),
        };
        let last = if duty { end } else { end + MAX_OVERTIME };
        let breaks = breaks(&mut rng, profile, begin, planned_end - begin);
        Some(Self { now: start, end, last, breaks, next: Step::Wait, idleness: profile.idleness, rng })
    }

    /// Whether the shift may overlap `[from, to)`.
    pub(super) const fn touches(&self, from: i64, to: i64) -> bool {
        self.now < to && self.last > from
    }

    fn piece(&mut self, state: State, length: i64, limit: i64, next: Step) -> Piece {
        let start = self.now;
        self.now = (start + length).min(limit);
        self.next = next;
        (state, start, self.now)
    }
}

impl Iterator for WorkDay {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let between_calls = self.next != Step::WrapUp;
        if self.now >= self.last || (between_calls && self.now >= self.end) {
            return None;
        }
        if between_calls && self.breaks.last().is_some_and(|(start, _)| *start <= self.now) {
            // A call before a break shortens it.
            let (start, length) = self.breaks.pop()?;
            let rest = (start + length - self.now).max(length.min(SHORTEST_BREAK));
            return Some(self.piece(State::Offline, rest, self.last, Step::Wait));
        }
        Some(match self.next {
            Step::Wait => {
                let limit = self.breaks.last().map_or(self.end, |(start, _)| self.end.min(*start));
                let length = (self.rng.sample(&IDLE) * self.idleness / 100).max(1);
                self.piece(State::Available, length.into(), limit, Step::Call)
            }
            Step::Call => {
                let length = self.rng.sample(&CALL);
                let next = if self.rng.percent(88) { Step::WrapUp } else { Step::Wait };
                self.piece(State::Busy, length.into(), self.last, next)
            }
            Step::WrapUp => {
                let length = self.rng.sample(&WRAP_UP);
                let next = if self.rng.percent(25) { Step::Call } else { Step::Wait };
                self.piece(State::WrapUp, length.into(), self.last, next)
            }
        })
    }
}

/// Start and length of the breaks, the first one last. An agent who comes late finds some of them over.
fn breaks(rng: &mut Rng, profile: &Profile, begin: i64, length: i64) -> Vec<(i64, i64)> {
    let duty = profile.work_pattern == WorkPattern::AroundTheClock;
    // Time of the break in sixteenths of the shift; minimum and maximum length in minutes.
    let due: &[(i64, u32, u32)] = if duty {
        // The shared account passes to the next region.
        &[(15, 2, 6), (10, 2, 6), (5, 2, 6)]
    } else if length < 6 * 3_600 {
        &[(8, 6, 10)]
    } else {
        &[(12, 6, 10), (4, 6, 10)]
    };
    let mut breaks: Vec<_> = due
        .iter()
        .map(|(sixteenth, shortest, longest)| {
            let start = begin + length * sixteenth / 16 + i64::from(rng.below(1_200)) - 600;
            (start, i64::from(rng.between(shortest * 60, longest * 60)))
        })
        .collect();
    if let Some((lunch, length)) = profile.lunch() {
        let start = begin + i64::from(lunch) + i64::from(rng.below(240));
        breaks.insert(breaks.len().saturating_sub(1), (start, i64::from(rng.between(length - 360, length + 60))));
    }
    breaks
}

/// The moment of `seconds` after midnight on local day `day`, in seconds since the epoch. A time in the hour that daylight
/// saving time skips is moved forward by that hour.
fn utc(timezone: &TimeZone, day: i64, seconds: u32) -> Option<i64> {
    let local = DateTime::from_timestamp(day.checked_mul(DAY)? + i64::from(seconds), 0)?.naive_utc();
    Some(timezone.moment(local)?.micros().div_euclid(SECOND))
}
