//! The agents of the simulated tenant, with teams, time zones and working hours.
//!
//! An agent depends on the seed and its index only, not on the number of agents. All people are invented.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;

use super::person_names;
use super::random::{self, Rng};
use crate::presence::{AgentId, Schedule, Shift, TimeZone};

const HOUR: u32 = 3_600;
/// Length of a full shift with lunch.
const FULL_SHIFT: u32 = 8 * HOUR + HOUR / 2;
/// Length of a part-time shift.
const PART_SHIFT: u32 = 4 * HOUR;
/// One agent of this many leaves soon after the start of each shift.
const LEAVES_EARLY_ONE_OF: usize = 60;

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
    /// Offline limit within a day, if it differs from the tenant's.
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
    /// Time between calls in percent of the usual time.
    pub(super) idleness: u32,
}

/// How an agent works its shifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkPattern {
    /// Works most shifts.
    Regular,
    /// Logs in, and is offline for the rest of the shift.
    LeavesEarly,
    /// A shared account that agents of several regions use around the clock.
    AroundTheClock,
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
    /// Offline limit of its agents within a day, in hours.
    offline_limit: Option<u64>,
}

const DUTY: Team = Team { name: "Duty desk", timezone: "UTC", days: 7, shifts: &[], offline_limit: Some(2) };
const SUPPORT: Team =
    Team { name: "Support", timezone: "Europe/Warsaw", days: 7, shifts: &[6, 10, 14], offline_limit: None };
const BILLING: Team =
    Team { name: "Billing", timezone: "Europe/Berlin", days: 5, shifts: &[8, 9], offline_limit: Some(18) };
const SALES: Team =
    Team { name: "Sales", timezone: "America/New_York", days: 5, shifts: &[8, 11], offline_limit: None };
const RETENTION: Team =
    Team { name: "Retention", timezone: "America/Los_Angeles", days: 6, shifts: &[7, 10], offline_limit: Some(20) };
const CLAIMS: Team =
    Team { name: "Claims", timezone: "Asia/Manila", days: 7, shifts: &[6, 14, 22], offline_limit: None };
const TECHNICAL: Team =
    Team { name: "Technical", timezone: "Asia/Kolkata", days: 6, shifts: &[7, 13], offline_limit: None };
const CONCIERGE: Team =
    Team { name: "Concierge", timezone: "Australia/Sydney", days: 5, shifts: &[8], offline_limit: None };
const NIGHT: Team =
    Team { name: "Night desk", timezone: "Europe/Berlin", days: 7, shifts: &[22], offline_limit: Some(18) };

/// Teams of consecutive agents, repeated, so that small tenants are as mixed as large ones. The first team works at any
/// hour.
const TEAM_ROTATION: [&Team; 24] = [
    &DUTY, &SUPPORT, &BILLING, &SALES, &CLAIMS, &NIGHT, &SUPPORT, &TECHNICAL, &BILLING, &RETENTION, &SALES, &SUPPORT,
    &CLAIMS, &CONCIERGE, &BILLING, &SUPPORT, &TECHNICAL, &SALES, &CLAIMS, &RETENTION, &SUPPORT, &NIGHT, &BILLING,
    &CONCIERGE,
];

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

// === impl Team ===

impl Team {
    fn timezone(&self) -> TimeZone {
        // A test looks each of the names up.
        TimeZone::named(self.timezone).unwrap_or(TimeZone::UTC)
    }
}

// === impl Agent ===

impl Agent {
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
        let shift_length = match (duty, part_time) {
            (true, _) => 24 * HOUR,
            (false, true) => PART_SHIFT,
            (false, false) => FULL_SHIFT,
        };
        let work_pattern = match (duty, index % LEAVES_EARLY_ONE_OF) {
            (true, _) => WorkPattern::AroundTheClock,
            (false, 17) => WorkPattern::LeavesEarly,
            (false, _) => WorkPattern::Regular,
        };
        let profile = Profile {
            key: rng.next_u64(),
            timezone: team.timezone(),
            days,
            shift_start,
            shift_length,
            work_pattern,
            idleness: rng.between(50, 250),
        };
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
    fn schedule(&self) -> Schedule {
        let time =
            |seconds: u32| NaiveTime::from_num_seconds_from_midnight_opt(seconds % (24 * HOUR), 0).unwrap_or_default();
        Schedule {
            timezone: self.timezone.clone(),
            days: self.days,
            hours: vec![Shift { start: time(self.shift_start), end: time(self.shift_start + self.shift_length) }],
            holidays: Vec::new(),
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
    fn schedules_are_shared_and_all_teams_exist() {
        let workforce = Workforce::new(1, 240);
        let teams: HashSet<_> = workforce.agents().iter().map(|agent| agent.team).collect();
        assert_eq!(teams.len(), 9);
        let schedules: HashSet<_> = workforce.agents().iter().map(|agent| Arc::as_ptr(&agent.schedule)).collect();
        assert!(schedules.len() < 150, "{}", schedules.len());
        assert!(workforce.agents().iter().all(|agent| agent.schedule.days.contains(&true)));
    }
}
