//! The agents of the simulated tenant, with teams, time zones and working hours.
//!
//! An agent depends on the seed and its index only, not on the number of agents. All people are invented.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveTime};

use super::person_names;
use super::random::{self, Rng};
use crate::presence::{AgentId, Schedule, Shift, TimeZone, Timestamp, Window};

const HOUR: u32 = 3_600;
/// A day in microseconds.
const DAY_MICROS: i64 = 86_400_000_000;
/// Length of a full shift with lunch.
const FULL_SHIFT: u32 = 8 * HOUR + HOUR / 2;
/// Length of a part-time shift.
const PART_SHIFT: u32 = 4 * HOUR;
/// When lunch begins within a full shift, and how long it takes. Schedules leave it out.
pub(super) const LUNCH: (u32, u32) = (4 * HOUR, HOUR * 3 / 4);
/// Length of the shifts with planted absences, which have no lunch.
const PLANTED_SHIFT: u32 = 10 * HOUR;
/// Of a planted shift, the part that an agent misses who comes late or leaves early. Shifts begin at most five hours apart,
/// so that at any moment some agent has been absent for more than a quarter of an hour.
const MISSED: u32 = 6 * HOUR + HOUR / 2;

/// The agents of the simulated tenant.
#[derive(Debug)]
pub struct Workforce {
    agents: Vec<Agent>,
    by_id: HashMap<AgentId, usize>,
    /// Names of all teams in order; the number of a team is its position, from 1.
    teams: Vec<&'static str>,
}

/// An agent of the simulated tenant.
#[derive(Debug, Clone)]
pub struct Agent {
    /// 19 digits.
    pub id: AgentId,
    /// An invented name.
    pub name: String,
    /// The team's name.
    pub team: &'static str,
    /// Expected working hours; agents with equal hours share the value.
    pub schedule: Arc<Schedule>,
    /// Limit of scheduled offline time within a day, if it differs from the tenant's.
    pub offline_limit: Option<Duration>,
    pub(super) profile: Profile,
}

/// Parameters of an agent's working days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    /// Key of the agent's pseudo-random numbers.
    pub(super) key: u64,
    /// Time zone of the agent.
    pub(super) timezone: TimeZone,
    /// The days on which shifts begin, Monday first.
    pub(super) days: [bool; 7],
    /// When a shift begins, in seconds of local time since midnight.
    pub(super) shift_start: u32,
    /// How long a shift is, in seconds.
    pub(super) shift_length: u32,
    /// How the agent works its shifts.
    pub(super) work_pattern: WorkPattern,
    /// The weeks in which the agent is on leave: those of even numbers, of odd ones, or none.
    pub(super) leave: Option<WeekParity>,
    /// Time between calls in percent of the usual time.
    pub(super) idleness: u32,
}

/// How an agent works its shifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkPattern {
    /// Works its shifts, with breaks of ten minutes at most besides lunch.
    Regular,
    /// A shared account that agents of several regions use around the clock.
    AroundTheClock,
    /// Logs in this many seconds after the start of each shift.
    ComesLate(u32),
    /// Does not log in every second week, and works its shifts in the others.
    NeverComes(WeekParity),
    /// Logs out this many seconds after the start of each shift.
    LeavesEarly(u32),
}

/// Every second week, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WeekParity {
    Even,
    Odd,
}

/// Time zone and hours of a team.
struct Team {
    name: &'static str,
    /// IANA name of the time zone.
    timezone: &'static str,
    /// Working days per week, from Monday; with 7, each agent has two days off.
    days: usize,
    /// Start of shifts in hours of local time; empty: around the clock.
    shifts: &'static [u32],
    /// Limit of scheduled offline time of its agents within a day, in hours.
    offline_limit: Option<u64>,
}

const DUTY: Team = Team { name: "Duty desk", timezone: "UTC", days: 7, shifts: &[], offline_limit: Some(2) };
const SUPPORT: Team =
    Team { name: "Support", timezone: "Europe/Warsaw", days: 7, shifts: &[6, 10, 14], offline_limit: None };
const BILLING: Team =
    Team { name: "Billing", timezone: "Europe/Berlin", days: 5, shifts: &[8, 9], offline_limit: Some(3) };
const SALES: Team =
    Team { name: "Sales", timezone: "America/New_York", days: 5, shifts: &[8, 11], offline_limit: None };
const RETENTION: Team =
    Team { name: "Retention", timezone: "America/Los_Angeles", days: 6, shifts: &[7, 10], offline_limit: Some(4) };
const CLAIMS: Team =
    Team { name: "Claims", timezone: "Asia/Manila", days: 7, shifts: &[6, 14, 22], offline_limit: None };
const TECHNICAL: Team =
    Team { name: "Technical", timezone: "Asia/Kolkata", days: 6, shifts: &[7, 13], offline_limit: None };
const CONCIERGE: Team =
    Team { name: "Concierge", timezone: "Australia/Sydney", days: 5, shifts: &[8], offline_limit: None };
const NIGHT: Team =
    Team { name: "Night desk", timezone: "Europe/Berlin", days: 7, shifts: &[22], offline_limit: Some(3) };

/// Teams of consecutive agents, repeated, so that small tenants are as mixed as large ones. The first team works at any
/// hour.
const TEAM_ROTATION: [&Team; 24] = [
    &DUTY, &SUPPORT, &BILLING, &SALES, &CLAIMS, &NIGHT, &SUPPORT, &TECHNICAL, &BILLING, &RETENTION, &SALES, &SUPPORT,
    &CLAIMS, &CONCIERGE, &BILLING, &SUPPORT, &TECHNICAL, &SALES, &CLAIMS, &RETENTION, &SUPPORT, &NIGHT, &BILLING,
    &CONCIERGE,
];

/// A place in the rotation whose agents have shifts with planted absences: its index, and the start of the shifts in seconds of
/// the team's local time. Together they begin around the clock.
const PLANTED: [(usize, u32); 6] = [
    (12, 8 * HOUR),            // Claims, Manila
    (16, 9 * HOUR + HOUR / 2), // Technical, Kolkata
    (14, 9 * HOUR),            // Billing, Berlin
    (17, 8 * HOUR),            // Sales, New York
    (19, 8 * HOUR),            // Retention, Los Angeles
    (23, 6 * HOUR),            // Concierge, Sydney
];
/// Those of the places above whose shifts alone cover the day: enough for agents that never come.
const PLANTED_WHOLE: [usize; 3] = [12, 14, 19];
/// The place in the rotation whose agents are on leave in turn.
const ON_LEAVE: usize = 20;
/// The rotations after which planted absences repeat. The first two have none, so that small tenants are undisturbed.
const PLANTED_ROTATIONS: usize = 10;

// === impl Workforce ===

impl Workforce {
    /// The first `count` agents of the tenant that `seed` stands for.
    pub fn new(seed: u64, count: usize) -> Self {
        let mut schedules = Vec::new();
        let agents: Vec<_> = (0..count)
            .zip(TEAM_ROTATION.iter().cycle())
            .map(|(index, team)| Agent::generate(seed, index, team, &mut schedules))
            .collect();
        let by_id = agents.iter().enumerate().map(|(index, agent)| (agent.id.clone(), index)).collect();
        let teams = agents.iter().map(|agent| agent.team).collect::<BTreeSet<_>>().into_iter().collect();
        Self { agents, by_id, teams }
    }

    /// All agents, by index.
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// The number of a team in the official API; 0 for an unknown team.
    pub(super) fn team_number(&self, name: &str) -> usize {
        self.teams.binary_search(&name).map_or(0, |at| at + 1)
    }

    /// The agent of this id, if there is one.
    pub fn find(&self, id: &str) -> Option<&Agent> {
        self.by_id.get(id).and_then(|index| self.agents.get(*index))
    }
}

// === impl WeekParity ===

impl WeekParity {
    /// Whether a day, counted from 1970-01-01, is in such a week.
    pub(super) const fn contains(self, day: i64) -> bool {
        // 1970-01-01 was a Thursday, and weeks begin on Mondays.
        let even = (day + 3).div_euclid(7).rem_euclid(2) == 0;
        even == matches!(self, Self::Even)
    }
}

// === impl Team ===

impl Team {
    fn timezone(&self) -> TimeZone {
        // A test looks each of the names up.
        TimeZone::named(self.timezone).unwrap_or(TimeZone::UTC)
    }
}

// === impl Agent ===

impl Agent {
    /// The schedule less the leave within `span`.
    pub fn schedule_with_leave(&self, span: Window) -> Arc<Schedule> {
        match self.leave(span) {
            leave if leave.is_empty() => Arc::clone(&self.schedule),
            leave => Arc::new(Schedule { leave, ..Schedule::clone(&self.schedule) }),
        }
    }

    /// When the agent is on leave within `span`: whole weeks of local time, in order.
    fn leave(&self, span: Window) -> Vec<Window> {
        let day_of = |moment: Timestamp| moment.micros().div_euclid(DAY_MICROS);
        let midnight = |day: i64| {
            let date = DateTime::from_timestamp(day.checked_mul(86_400)?, 0)?.naive_utc();
            self.profile.timezone.moment(date)
        };
        let monday = |day: &i64| (day + 3).rem_euclid(7) == 0;
        (day_of(span.start) - 8..=day_of(span.end) + 1)
            .filter(|day| monday(day) && self.profile.on_leave(*day))
            .filter_map(|day| Some(Window { start: midnight(day)?, end: midnight(day + 7)? }))
            .filter(|week| week.intersection(span).is_some())
            .collect()
    }

    fn generate(seed: u64, index: usize, team: &Team, schedules: &mut Vec<Arc<Schedule>>) -> Self {
        let key = random::key(seed, index as u64);
        let mut rng = Rng::new(key);
        let id = agent_id(rng.next_u64(), index);
        let duty = team.shifts.is_empty();
        let name = if duty {
            format!("Duty Desk {}", index / TEAM_ROTATION.len() + 1)
        } else {
            person_names::person_name(&mut rng)
        };

        let mut days = [false; 7];
        days.iter_mut().take(team.days).for_each(|day| *day = true);
        if team.days == days.len() && !duty {
            let rest = rng.below(7) as usize;
            let two = [rest, (rest + 1) % 7];
            days.iter_mut().enumerate().for_each(|(day, works)| *works = !two.contains(&day));
        }
        let part_time = !duty && rng.percent(15);
        let late_half = part_time && rng.percent(50);
        let shift = team.shifts.get(rng.below(3) as usize % team.shifts.len().max(1)).copied().unwrap_or(0) * HOUR;
        let shift_start = if late_half { (shift + PART_SHIFT) % (24 * HOUR) } else { shift };
        let (shift_length, work_pattern) = match (duty, part_time) {
            (true, _) => (24 * HOUR, WorkPattern::AroundTheClock),
            (false, true) => (PART_SHIFT, WorkPattern::Regular),
            (false, false) => (FULL_SHIFT, WorkPattern::Regular),
        };
        let (rotation, place) = (index / TEAM_ROTATION.len() % PLANTED_ROTATIONS, index % TEAM_ROTATION.len());
        let leave = match (place, rotation) {
            (ON_LEAVE, 1) => Some(WeekParity::Even),
            (ON_LEAVE, 8) => Some(WeekParity::Odd),
            _ => None,
        };
        let mut profile = Profile {
            key: rng.next_u64(),
            timezone: team.timezone(),
            days,
            shift_start,
            shift_length,
            work_pattern,
            leave,
            idleness: rng.between(50, 250),
        };
        profile.plant(rotation, place);
        Self {
            id,
            name,
            team: team.name,
            schedule: shared(schedules, profile.schedule()),
            offline_limit: team.offline_limit.map(|hours| Duration::from_secs(hours * u64::from(HOUR))),
            profile,
        }
    }
}

// === impl Profile ===

impl Profile {
    /// Makes this one of the agents that are absent on purpose: one on the first four days of each week, another on the rest.
    fn plant(&mut self, rotation: usize, place: usize) {
        let Some((_, start)) = PLANTED.into_iter().find(|(planted, _)| *planted == place) else { return };
        self.work_pattern = match rotation {
            2 | 3 => WorkPattern::ComesLate(MISSED),
            4 | 5 => WorkPattern::LeavesEarly(PLANTED_SHIFT - MISSED),
            6 | 7 if PLANTED_WHOLE.contains(&place) => WorkPattern::NeverComes(WeekParity::Even),
            8 | 9 if PLANTED_WHOLE.contains(&place) => WorkPattern::NeverComes(WeekParity::Odd),
            _ => return,
        };
        let first_half = rotation.is_multiple_of(2);
        self.days = std::array::from_fn(|day| (day < 4) == first_half);
        (self.shift_start, self.shift_length) = (start, PLANTED_SHIFT);
    }

    /// Start and length of lunch within the shift, in seconds. Short shifts and night shifts have none.
    pub(super) fn lunch(&self) -> Option<(u32, u32)> {
        let (start, length) = LUNCH;
        let same_day = self.shift_start + start + length < 24 * HOUR;
        (self.shift_length == FULL_SHIFT && same_day).then_some(LUNCH)
    }

    /// Whether the agent is on leave on a local day, in days since 1970-01-01.
    pub(super) fn on_leave(&self, day: i64) -> bool {
        self.leave.is_some_and(|parity| parity.contains(day))
    }

    fn schedule(&self) -> Schedule {
        let time =
            |seconds: u32| NaiveTime::from_num_seconds_from_midnight_opt(seconds % (24 * HOUR), 0).unwrap_or_default();
        let shift =
            |from: u32, to: u32| Shift { start: time(self.shift_start + from), end: time(self.shift_start + to) };
        Schedule {
            timezone: self.timezone.clone(),
            days: self.days,
            hours: match self.lunch() {
                Some((lunch, length)) => vec![shift(0, lunch), shift(lunch + length, self.shift_length)],
                None => vec![shift(0, self.shift_length)],
            },
            holidays: Vec::new(),
            leave: Vec::new(),
        }
    }
}

/// The equal schedule of an earlier agent, or `schedule`.
fn shared(schedules: &mut Vec<Arc<Schedule>>, schedule: Schedule) -> Arc<Schedule> {
    if let Some(known) = schedules.iter().find(|known| ***known == schedule) {
        return Arc::clone(known);
    }
    let schedule = Arc::new(schedule);
    schedules.push(Arc::clone(&schedule));
    schedule
}

/// 19 digits: eleven from `chance`, and eight that are unique for each index below 10^8.
fn agent_id(chance: u64, index: usize) -> AgentId {
    let high = 10_000_000_000 + chance % 90_000_000_000;
    // A factor without a divisor in common with 10^8 only changes the order of the numbers below it.
    let low = (index as u64).wrapping_mul(61_803_399) % 100_000_000;
    format!("{high}{low:08}").into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn agent_ids_are_unique_and_have_19_digits() {
        let workforce = Workforce::new(1, 5_000);
        let ids: HashSet<_> = workforce.agents().iter().map(|agent| agent.id.clone()).collect();
        assert_eq!(ids.len(), 5_000);
        assert!(ids.iter().all(|id| id.len() == 19 && id.bytes().all(|byte| byte.is_ascii_digit())));
        for agent in workforce.agents() {
            assert_eq!(workforce.find(&agent.id).unwrap().id, agent.id);
        }
        assert!(workforce.find("4711").is_none());
    }

    #[test]
    fn agents_do_not_depend_on_the_number_of_agents() {
        let (few, many) = (Workforce::new(9, 30), Workforce::new(9, 300));
        for (one, other) in few.agents().iter().zip(many.agents()) {
            assert_eq!((&one.id, &one.name, &one.profile), (&other.id, &other.name, &other.profile));
        }
        assert_ne!(few.agents()[0].id, Workforce::new(10, 1).agents()[0].id);
    }

    #[test]
    fn team_time_zones_exist() {
        for team in TEAM_ROTATION {
            assert_eq!(team.timezone().name(), team.timezone, "{}", team.name);
        }
    }

    #[test]
    fn leave_is_every_second_week_from_monday_to_sunday() {
        let workforce = Workforce::new(1, 240);
        let seconds = Timestamp::from_seconds;
        // Four weeks from Monday 2026-03-02T00:00:00Z; clocks change on the 29th.
        let span = Window { start: seconds(1_772_409_600), end: seconds(1_774_828_800) };
        let on_leave: Vec<_> =
            workforce.agents().iter().map(|agent| agent.leave(span)).filter(|leave| !leave.is_empty()).collect();
        let [first, second] = on_leave.as_slice() else { panic!("{on_leave:?}") };
        let mut all = [first.as_slice(), second.as_slice()].concat();
        all.sort_by_key(|week| week.start);
        assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start), "{all:?}");
        assert!(all[0].start <= span.start && span.end <= all[all.len() - 1].end, "{all:?}");
        // Monday in Warsaw begins at 23:00Z on Sunday in winter, and at 22:00Z in summer.
        let hours: Vec<_> = all.iter().map(|week| week.start.micros() / 3_600_000_000 % 24).collect();
        assert!(hours.iter().all(|hour| [22, 23].contains(hour)), "{hours:?}");
    }

    #[test]
    fn schedules_are_shared_and_all_teams_exist() {
        let workforce = Workforce::new(1, 240);
        let teams: HashSet<_> = workforce.agents().iter().map(|agent| agent.team).collect();
        assert_eq!(teams.len(), 9);
        let schedules: HashSet<_> = workforce.agents().iter().map(|agent| Arc::as_ptr(&agent.schedule)).collect();
        assert!(schedules.len() < 150, "{}", schedules.len());
        assert!(workforce.agents().iter().all(|agent| agent.schedule.days.contains(&true)));
    }
}
