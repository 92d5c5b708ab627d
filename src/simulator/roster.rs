//! Who works for the pretend tenant: people and duty desks, their teams, zones and hours.
//!
//! The agent of one index is the same for a seed however many agents there are. All people are invented.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;

use super::hash::{self, Dice};
use super::names;
use crate::presence::{AgentId, Schedule, Shift, TimeZone};

const HOUR: u32 = 3_600;
/// Hours of a full shift, lunch included.
const FULL_SHIFT: u32 = 8 * HOUR + HOUR / 2;
/// Hours of a part-time shift.
const PART_SHIFT: u32 = 4 * HOUR;
/// Of this many agents one sits down for every shift, and is gone soon after.
const ONE_WALKS_OFF_OF: usize = 60;

/// The agents of the pretend tenant.
#[derive(Debug)]
pub struct Roster {
    agents: Vec<Agent>,
    by_id: HashMap<AgentId, usize>,
    /// The names of all teams in order; a team's number is its place among them, from one.
    teams: Vec<&'static str>,
}

/// An agent of the pretend tenant.
#[derive(Debug, Clone)]
pub struct Agent {
    /// 19 digits, as the tenant spells it.
    pub id: AgentId,
    /// An invented name.
    pub name: String,
    /// The team's name.
    pub team: &'static str,
    /// When the agent is expected to work; the agents of one pattern share it.
    pub schedule: Arc<Schedule>,
    /// How long the agent may be offline within a day, where the tenant's limit would not fit.
    pub offline_limit: Option<Duration>,
    pub(super) profile: Profile,
}

/// What an agent's days are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    /// The key of all chance in this agent's life.
    pub(super) key: u64,
    /// Where the agent sits.
    pub(super) timezone: TimeZone,
    /// The days on which shifts begin, Monday first.
    pub(super) days: [bool; 7],
    /// When a shift begins, in seconds of local time since midnight.
    pub(super) shift_start: u32,
    /// How long a shift is, in seconds.
    pub(super) shift_length: u32,
    /// What the agent makes of a shift.
    pub(super) habit: Habit,
    /// How long the agent waits between calls, in percent of the usual.
    pub(super) idleness: u32,
}

/// What an agent makes of a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// Works it, some days aside.
    Regular,
    /// Logs in and is offline for the rest of it.
    WalksOff,
    /// A shared login that is handed around the world and never rests.
    Duty,
}

/// A team's place and hours.
struct Team {
    name: &'static str,
    /// The IANA name of its zone.
    timezone: &'static str,
    /// How many days from Monday on the team works; with seven, each agent has two of them off.
    days: usize,
    /// When its shifts begin, in hours of local time; none: around the clock.
    shifts: &'static [u32],
    /// How long its agents may be offline within a day, in hours.
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

/// The teams in the order in which agents are hired, over and over, so that a small tenant is as mixed as a
/// big one. The first has somebody at work at any hour.
const HIRING: [&Team; 24] = [
    &DUTY, &SUPPORT, &BILLING, &SALES, &CLAIMS, &NIGHT, &SUPPORT, &TECHNICAL, &BILLING, &RETENTION, &SALES, &SUPPORT,
    &CLAIMS, &CONCIERGE, &BILLING, &SUPPORT, &TECHNICAL, &SALES, &CLAIMS, &RETENTION, &SUPPORT, &NIGHT, &BILLING,
    &CONCIERGE,
];

// === impl Roster ===

impl Roster {
    /// The first `count` agents of the tenant that `seed` stands for.
    pub fn new(seed: u64, count: usize) -> Self {
        let mut schedules = Vec::new();
        let agents: Vec<_> = (0..count)
            .zip(HIRING.iter().cycle())
            .map(|(index, team)| Agent::hire(seed, index, team, &mut schedules))
            .collect();
        let by_id = agents.iter().enumerate().map(|(index, agent)| (agent.id.clone(), index)).collect();
        let teams = agents.iter().map(|agent| agent.team).collect::<BTreeSet<_>>().into_iter().collect();
        Self { agents, by_id, teams }
    }

    /// All agents, in the order they were hired.
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// The number of a team in NICE's documented API; zero for a name that no agent's team has.
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
    fn hire(seed: u64, index: usize, team: &Team, schedules: &mut Vec<Arc<Schedule>>) -> Self {
        let key = hash::key(seed, index as u64);
        let mut dice = Dice::new(key);
        let id = agent_id(dice.roll(), index);
        let duty = team.shifts.is_empty();
        let name = if duty { format!("Duty Desk {}", index / HIRING.len() + 1) } else { names::person(&mut dice) };

        let mut days = [false; 7];
        days.iter_mut().take(team.days).for_each(|day| *day = true);
        if team.days == days.len() && !duty {
            let rest = dice.below(7) as usize;
            let two = [rest, (rest + 1) % 7];
            days.iter_mut().enumerate().for_each(|(day, works)| *works = !two.contains(&day));
        }
        let part_time = !duty && dice.percent(15);
        let late_half = part_time && dice.percent(50);
        let shift = team.shifts.get(dice.below(3) as usize % team.shifts.len().max(1)).copied().unwrap_or(0) * HOUR;
        let shift_start = if late_half { (shift + PART_SHIFT) % (24 * HOUR) } else { shift };
        let shift_length = match (duty, part_time) {
            (true, _) => 24 * HOUR,
            (false, true) => PART_SHIFT,
            (false, false) => FULL_SHIFT,
        };
        let habit = match (duty, index % ONE_WALKS_OFF_OF) {
            (true, _) => Habit::Duty,
            (false, 17) => Habit::WalksOff,
            (false, _) => Habit::Regular,
        };
        let profile = Profile {
            key: dice.roll(),
            timezone: team.timezone(),
            days,
            shift_start,
            shift_length,
            habit,
            idleness: dice.between(50, 250),
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

/// `schedule`, or the equal one that somebody else has already.
fn shared(schedules: &mut Vec<Arc<Schedule>>, schedule: Schedule) -> Arc<Schedule> {
    if let Some(known) = schedules.iter().find(|known| ***known == schedule) {
        return Arc::clone(known);
    }
    let schedule = Arc::new(schedule);
    schedules.push(Arc::clone(&schedule));
    schedule
}

/// 19 digits: eleven of `chance`, and eight that no other index below a hundred million has.
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
    fn ids_are_unique_and_of_nineteen_digits() {
        let roster = Roster::new(1, 5_000);
        let ids: HashSet<_> = roster.agents().iter().map(|agent| agent.id.clone()).collect();
        assert_eq!(ids.len(), 5_000);
        assert!(ids.iter().all(|id| id.len() == 19 && id.bytes().all(|byte| byte.is_ascii_digit())));
        for agent in roster.agents() {
            assert_eq!(roster.find(&agent.id).unwrap().id, agent.id);
        }
        assert!(roster.find("4711").is_none());
    }

    #[test]
    fn an_agent_does_not_depend_on_how_many_there_are() {
        let (few, many) = (Roster::new(9, 30), Roster::new(9, 300));
        for (one, other) in few.agents().iter().zip(many.agents()) {
            assert_eq!((&one.id, &one.name, &one.profile), (&other.id, &other.name, &other.profile));
        }
        assert_ne!(few.agents()[0].id, Roster::new(10, 1).agents()[0].id);
    }

    #[test]
    fn every_team_is_where_its_zone_says() {
        for team in HIRING {
            assert_eq!(team.timezone().name(), team.timezone, "{}", team.name);
        }
    }

    #[test]
    fn schedules_are_shared_and_every_team_is_there() {
        let roster = Roster::new(1, 240);
        let teams: HashSet<_> = roster.agents().iter().map(|agent| agent.team).collect();
        assert_eq!(teams.len(), 9);
        let schedules: HashSet<_> = roster.agents().iter().map(|agent| Arc::as_ptr(&agent.schedule)).collect();
        assert!(schedules.len() < 150, "{}", schedules.len());
        assert!(roster.agents().iter().all(|agent| agent.schedule.days.contains(&true)));
    }
}
