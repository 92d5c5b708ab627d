//! One agent of the page with the data of its row, and whether it needs attention.

use super::summary::Absence;
use crate::config::Agent;
use crate::presence::{AgentPresence, Micros, Timestamp};
use crate::refresh::AgentData;

/// One agent with the data of its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListedAgent<'a> {
    pub(super) agent: &'a Agent,
    pub(super) label: &'a str,
    /// Searchable text in lower case.
    pub(super) text: &'a str,
    pub(super) data: Option<&'a AgentData>,
    /// Time in offline states.
    pub(super) offline: Option<Micros>,
    /// The offline time that the limit applies to: during scheduled hours, if the agent has a schedule.
    pub(super) limited_offline: Option<Micros>,
    /// With a schedule only.
    pub(super) absence: Option<Absence>,
    /// Whether the last refresh did not read the agent.
    pub(super) is_stale: bool,
}

// === impl ListedAgent ===

impl<'a> ListedAgent<'a> {
    pub(super) fn presence(&self) -> Option<&'a AgentPresence> {
        self.data?.presence.as_ref()
    }

    /// The current state.
    pub(super) fn state(&self) -> Option<&'a str> {
        self.presence()?.current.as_ref().map(|(state, _)| &**state)
    }

    /// Latest possible start of the current state.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let presence = self.presence()?;
        presence.current.as_ref().map(|(_, time)| presence.last_data.saturating_sub((*time).into()))
    }

    /// Whether the current state lasts since the start of the window at least.
    pub(super) fn is_since_window_start(&self) -> bool {
        self.data.zip(self.since()).is_some_and(|(data, since)| since == data.window.start)
    }

    pub(super) fn observed(&self) -> Option<Micros> {
        self.presence().map(|presence| presence.observed)
    }

    /// Offline time during scheduled hours.
    pub(super) fn offline_on_shift(&self) -> Option<Micros> {
        self.presence()?.scheduled.map(|scheduled| scheduled.offline)
    }

    /// Whether the offline time exceeds its limit, while the agent is expected to work.
    pub(super) fn is_over_limit(&self) -> bool {
        let limit = self.agent.offline_limit.map(Micros::from);
        self.limited_offline.zip(limit).is_some_and(|(offline, limit)| offline > limit) && !self.is_off_shift()
    }

    /// Whether the agent has a schedule, and is off shift or on leave.
    fn is_off_shift(&self) -> bool {
        self.absence.is_some_and(|absence| absence.shift.is_none())
    }

    /// Unbroken offline time within the current shift; `None` off shift.
    pub(super) fn absent(&self) -> Option<Micros> {
        self.absence.filter(|absence| absence.shift.is_some())?.absent
    }

    /// Whether the agent is absent for longer than allowed.
    pub(super) fn is_absent(&self) -> bool {
        let limit = self.agent.absent_limit.map(Micros::from);
        self.absent().zip(limit).is_some_and(|(absent, limit)| absent > limit)
    }

    /// Whether nothing is known of the agent, who is expected to work.
    pub(super) fn is_unknown(&self) -> bool {
        let is_observed = self.observed().is_some_and(|observed| observed > Micros::ZERO);
        let scheduled = self.presence().and_then(|presence| presence.scheduled);
        !is_observed && !self.is_off_shift() && scheduled.is_none_or(|scheduled| scheduled.total > Micros::ZERO)
    }

    /// Used part of the offline limit in thousandths.
    pub(super) fn permille_of_limit(&self) -> Option<u64> {
        let limit = Micros::from(self.agent.offline_limit?).get();
        let scaled = u128::from(self.limited_offline?.get()) * 1_000 / u128::from(limit.max(1));
        u64::try_from(scaled).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::attention::Attention;
    use super::super::fixture::{HOUR, presence, snapshot};
    use super::super::selection::Agents;
    use super::super::summary::Summary;
    use super::*;
    use crate::config::Tenant;
    use crate::presence::{Schedule, ScheduledTime, Window};
    use crate::refresh::Moment;

    #[test]
    fn offline_limit_applies_to_scheduled_time() {
        let mut agent = presence(&[("Available", 0, 2), ("Offline", 2, 24)]);
        let scheduled =
            |hours| ScheduledTime { total: Micros::from_seconds(28_800), offline: Micros::new(hours * HOUR) };
        for (hours, schedule, permille) in [(2, true, 250), (9, true, 1_125), (2, false, 2_750)] {
            agent.scheduled = Some(scheduled(hours));
            let mut snapshot = snapshot(&[Some(agent.clone())]);
            let mut tenant = Tenant::clone(&snapshot.tenant);
            tenant.agents[0].schedule = schedule.then(crate::cli::fixture::schedule);
            snapshot.tenant = std::sync::Arc::new(tenant);
            let summary = Summary::new(&snapshot);
            let agents = Agents { snapshot: &snapshot, summary: &summary, any_fresh: true };
            assert_eq!(agents.get(0).unwrap().permille_of_limit(), Some(permille), "{hours} h, {schedule}");
        }
    }

    #[test]
    fn attention_follows_the_alerts() {
        // The shift of the day of the fixture is from 9 to 17 o'clock UTC, and each window ends within it or after it.
        let minutes = |minutes: u64| Micros::from_seconds(minutes * 60);
        let schedule = |days: bool, leave: bool| {
            let whole = super::super::fixture::day();
            let leave = if leave { vec![whole] } else { Vec::new() };
            Schedule { days: [days; 7], leave, ..Schedule::clone(&crate::cli::fixture::schedule()) }
        };
        type Case<'a> = (Option<Schedule>, i64, Option<u64>, u64, Option<u64>, &'a [Attention]);
        // schedule, end of the window, offline minutes, limit: absent, reasons
        let table: [Case<'_>; 10] = [
            (None, 12, Some(300), 15, None, &[Attention::OverLimit]),
            (Some(schedule(true, false)), 12, Some(16), 15, Some(16), &[Attention::Absent]),
            (Some(schedule(true, false)), 12, Some(15), 15, Some(15), &[]),
            (Some(schedule(true, false)), 12, Some(300), 15, Some(180), &[Attention::Absent, Attention::OverLimit]),
            (Some(schedule(true, false)), 12, Some(0), 15, Some(0), &[]),
            (Some(schedule(true, false)), 18, Some(300), 15, None, &[]),
            (Some(schedule(false, false)), 12, Some(300), 15, None, &[]),
            (Some(schedule(true, true)), 12, Some(300), 15, None, &[]),
            (Some(schedule(true, false)), 12, None, 15, None, &[Attention::Unknown]),
            (Some(schedule(true, false)), 18, None, 15, None, &[]),
        ];
        for (case, (schedule, end, offline, limit, absent, reasons)) in table.into_iter().enumerate() {
            let end_time = super::super::fixture::at(end);
            let one = offline.map(|offline| {
                let mut one = presence(&[("Available", 0, end)]);
                one.states = vec![("Offline".into(), minutes(offline)), ("Available".into(), minutes(60))];
                one.unbroken_offline = Some(minutes(offline));
                one.scheduled = schedule
                    .as_ref()
                    .map(|_| ScheduledTime { total: minutes(480), offline: minutes(offline.min(180)) });
                one
            });
            let mut snapshot = snapshot(&[one]);
            let mut tenant = Tenant::clone(&snapshot.tenant);
            let agent = &mut tenant.agents[0];
            agent.offline_limit = Some(std::time::Duration::from_secs(2 * 3_600));
            agent.absent_limit = schedule.as_ref().map(|_| std::time::Duration::from_secs(limit * 60));
            agent.schedule = schedule.map(std::sync::Arc::new);
            snapshot.tenant = std::sync::Arc::new(tenant);
            let window = Window { end: end_time, ..super::super::fixture::day() };
            let read_at = Moment { monotonic: Default::default(), utc: end_time };
            let presence = snapshot.rows[0].data.take().and_then(|data| data.presence.clone());
            snapshot.rows[0].data = Some(std::sync::Arc::new(AgentData { presence, window, read_at }));
            let summary = Summary::new(&snapshot);
            let line = Agents { snapshot: &snapshot, summary: &summary, any_fresh: true }.get(0).unwrap();
            let due: Vec<_> = Attention::ALL.into_iter().filter(|reason| reason.is_due(&line)).collect();
            assert_eq!((line.absent(), &*due), (absent.map(minutes), reasons), "case {case}");
        }
    }
}
