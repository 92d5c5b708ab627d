//! One agent's working day: from log-in to log-out, piece by piece.

use chrono::DateTime;

use super::{SECOND, State};
use crate::presence::TimeZone;
use crate::simulator::hash::{self, Dice, Quantiles};
use crate::simulator::roster::{Habit, Profile};

pub(super) const DAY: i64 = 86_400;
/// A call that is under way when the shift ends goes on, but no longer than this; nobody is kept into the next shift.
const LONGEST_OVERTIME: i64 = 45 * 60;

// Seconds, at quantiles of the long-tailed spread that handling times have.
const CALL: Quantiles = [8, 60, 110, 165, 230, 310, 430, 650, 2_100];
const WRAP_UP: Quantiles = [3, 14, 22, 31, 42, 56, 78, 120, 480];
const IDLE: Quantiles = [2, 12, 27, 45, 68, 98, 140, 215, 900];

/// A shift as it is worked. Times are whole simulated seconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(super) struct WorkDay {
    now: i64,
    /// When the shift is over, a call that is under way aside.
    end: i64,
    /// When all is over.
    last: i64,
    /// The breaks still to come, the next one last: start and length.
    breaks: Vec<(i64, i64)>,
    next: Step,
    idleness: u32,
    dice: Dice,
}

/// What comes next within a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Wait,
    Call,
    WrapUp,
}

/// A state and the half-open span it lasts, in simulated seconds.
pub(super) type Piece = (State, i64, i64);

// === impl WorkDay ===

impl WorkDay {
    /// What the agent does on the local date that is `day` days after 1970-01-01; `None` where no shift begins.
    pub(super) fn plan(profile: &Profile, day: i64) -> Option<Self> {
        // 1970-01-01 was a Thursday, the fourth day from Monday.
        let weekday = usize::try_from((day + 3).rem_euclid(7)).ok()?;
        if !*profile.days.get(weekday)? {
            return None;
        }
        let mut dice = Dice::new(hash::key(profile.key, day.cast_unsigned()));
        let duty = profile.habit == Habit::Duty;
        if !duty && (on_leave(profile, day) || dice.percent(3)) {
            return None;
        }

        let begin = utc(&profile.timezone, day, profile.shift_start)?;
        let length = i64::from(profile.shift_length);
        let (late, stays) =
            if duty { (0, 0) } else { (i64::from(dice.between(0, 600)) - 240, i64::from(dice.below(300))) };
        let start = begin + late;
        let planned_end = begin + length + stays;
        let end = match profile.habit {
            Habit::WalksOff => start + i64::from(dice.between(300, 1_200)),
            Habit::Regular | Habit::Duty => planned_end,
        };
        let last = if duty { end } else { end + LONGEST_OVERTIME };
        let breaks = breaks(&mut dice, begin, length, duty);
        Some(Self { now: start, end, last, breaks, next: Step::Wait, idleness: profile.idleness, dice })
    }

    /// Whether any of the day may lie in `[from, to)`.
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
            let (_, length) = self.breaks.pop()?;
            return Some(self.piece(State::Offline, length, self.last, Step::Wait));
        }
        Some(match self.next {
            Step::Wait => {
                let limit = self.breaks.last().map_or(self.end, |(start, _)| self.end.min(*start));
                let length = (self.dice.spread(&IDLE) * self.idleness / 100).max(1);
                self.piece(State::Available, length.into(), limit, Step::Call)
            }
            Step::Call => {
                let length = self.dice.spread(&CALL);
                let next = if self.dice.percent(88) { Step::WrapUp } else { Step::Wait };
                self.piece(State::Busy, length.into(), self.last, next)
            }
            Step::WrapUp => {
                let length = self.dice.spread(&WRAP_UP);
                let next = if self.dice.percent(25) { Step::Call } else { Step::Wait };
                self.piece(State::WrapUp, length.into(), self.last, next)
            }
        })
    }
}

/// Whether the agent is away for the whole week that `day` is in.
fn on_leave(profile: &Profile, day: i64) -> bool {
    let week = (day + 3).div_euclid(7);
    Dice::new(hash::key(!profile.key, week.cast_unsigned())).percent(5)
}

/// Start and length of the day's breaks, the first one last.
fn breaks(dice: &mut Dice, begin: i64, length: i64, duty: bool) -> Vec<(i64, i64)> {
    // Sixteenths of the shift at which breaks are due, and how many minutes they take.
    let due: &[(i64, u32, u32)] = if duty {
        // The login is handed over to the next region.
        &[(15, 2, 6), (10, 2, 6), (5, 2, 6)]
    } else if length < 6 * 3_600 {
        &[(8, 8, 15)]
    } else {
        &[(12, 6, 15), (8, 30, 60), (4, 6, 15)]
    };
    due.iter()
        .map(|(sixteenth, shortest, longest)| {
            let start = begin + length * sixteenth / 16 + i64::from(dice.below(1_200)) - 600;
            (start, i64::from(dice.between(shortest * 60, longest * 60)))
        })
        .collect()
}

/// The moment at which the clocks of `timezone` show `seconds` after midnight on local day `day`. A shift that is
/// due in the hour that clocks leave out in spring begins as much later on the wall.
fn utc(timezone: &TimeZone, day: i64, seconds: u32) -> Option<i64> {
    let local = DateTime::from_timestamp(day.checked_mul(DAY)? + i64::from(seconds), 0)?.naive_utc();
    Some(timezone.moment(local)?.micros().div_euclid(SECOND))
}
