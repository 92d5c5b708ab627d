//! Sums a piece by period.
//!
//! The grain is the slot: its offline time counts as spread evenly over it, and an absence is a run of slots that are offline
//! as a whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::periods::{Periods, next_multiple};
use super::state_file::PieceRecord;
use crate::presence::{
    AgentPresence, Micros, OnShift, Schedule, StateName, Timestamp, WatchedAgent, Window, WindowPart,
};

/// The time that an offline slot may lack: sources report milliseconds, and sharing time out rounds down.
const ROUNDING: Micros = Micros::new(1_000);

/// An agent to read.
#[derive(Debug, Clone)]
pub struct PastAgent {
    /// The id and the schedule.
    pub watched: WatchedAgent,
    /// The offline time without a break on shift from which it is absence.
    pub absent_limit: Option<Duration>,
}

/// The time of an agent with a schedule, within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShiftTime {
    /// The time on shift.
    pub scheduled: Micros,
    /// The offline part of it.
    pub offline: Micros,
    /// The part of that in stretches longer than the agent's limit. A stretch counts from its start once it is longer, in the
    /// period in which it becomes longer.
    pub absent: Micros,
}

/// The offline time on shift without a break, up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AbsentRun {
    pub(super) until: i64,
    pub(super) length: u64,
}

/// Sums the agents of a piece.
#[derive(Debug)]
pub(super) struct PieceTally<'a> {
    pub(super) window: Window,
    pub(super) slot: Duration,
    pub(super) periods: &'a Periods,
    pub(super) offline_states: &'a [StateName],
    /// Agents share schedules, so each one is applied to the window once.
    on_shift: HashMap<*const Schedule, (Arc<Schedule>, OnShift)>,
}

// === impl PieceTally ===

impl<'a> PieceTally<'a> {
    pub(super) fn new(window: Window, slot: Duration, periods: &'a Periods, offline_states: &'a [StateName]) -> Self {
        Self { window, slot, periods, offline_states, on_shift: HashMap::new() }
    }

    /// The record of an agent, whose absence up to the piece is `run`. `presence` is `None` where nothing was reported.
    pub(super) fn record(
        &mut self,
        tenant: &str,
        agent: &PastAgent,
        presence: Option<&AgentPresence>,
        run: AbsentRun,
    ) -> PieceRecord {
        let mut record = PieceRecord {
            tenant: tenant.to_owned(),
            agent: Arc::clone(&agent.watched.id),
            from: self.window.start.micros(),
            to: self.window.end.micros(),
            states: presence
                .map(|presence| presence.states.iter().map(|(name, _)| Arc::clone(name)).collect())
                .unwrap_or_default(),
            times: Vec::new(),
            shifts: Vec::new(),
            run,
            schedule: agent.fingerprint(),
        };
        let parts: Vec<&WindowPart> = presence.map(|presence| presence.parts.iter().collect()).unwrap_or_default();
        for part in &parts {
            // The first slot may have begun before the window.
            let number = self.periods.number_of(part.start.max(self.window.start));
            let times = last_entry(&mut record.times, number);
            for (place, time) in &part.times {
                let place = u16::try_from(*place).unwrap_or(u16::MAX);
                match times.iter_mut().find(|(known, _)| *known == place) {
                    Some((_, sum)) => *sum = sum.saturating_add(time.get()),
                    None => times.push((place, time.get())),
                }
            }
        }
        if let Some(schedule) = &agent.watched.schedule {
            let offline: Vec<bool> = record.states.iter().map(|state| self.offline_states.contains(state)).collect();
            let limit = agent.absent_limit.map(Micros::from);
            let (shifts, run) = self.shift_times(schedule, limit, &parts, &offline, run);
            record.shifts = shifts;
            record.run = run;
        }
        record
    }

    /// The scheduled, offline and absent time by period, and the absence at the end. `offline` is by place of the state.
    fn shift_times(
        &mut self,
        schedule: &Arc<Schedule>,
        limit: Option<Micros>,
        parts: &[&WindowPart],
        offline: &[bool],
        mut run: AbsentRun,
    ) -> (Vec<(u32, [u64; 3])>, AbsentRun) {
        let Self { window, slot, periods, on_shift, .. } = self;
        let (window, slot) = (*window, *slot);
        let applied = || (Arc::clone(schedule), schedule.within(window));
        let (_, on_shift) = on_shift.entry(Arc::as_ptr(schedule)).or_insert_with(applied);
        let mut sums: Vec<(u32, [u64; 3])> = Vec::new();
        for shift in on_shift.shifts() {
            let mut start = shift.start;
            while start < shift.end {
                let slot_end = next_multiple(start, slot);
                let slot_start = slot_end.saturating_sub(slot);
                let piece = Window { start, end: slot_end.min(shift.end) };
                let whole = Window { start: slot_start.max(window.start), end: slot_end.min(window.end) };
                let found = parts.binary_search_by_key(&slot_start, |part| part.start).ok();
                let time = found.and_then(|found| parts.get(found)).map_or(Micros::ZERO, |part| {
                    let is_offline = |place: usize| offline.get(place) == Some(&true);
                    part.times.iter().filter(|(place, _)| is_offline(*place)).map(|(_, time)| *time).sum()
                });
                let absent = run.after(piece, time + ROUNDING >= whole.length(), limit);
                let [scheduled, off, absence] = last_entry(&mut sums, periods.number_of(start));
                *scheduled = scheduled.saturating_add(piece.length().get());
                *off = off.saturating_add(time.prorated(piece.length(), whole.length().into()).get());
                *absence = absence.saturating_add(absent.get());
                start = piece.end;
            }
        }
        (sums, run)
    }
}

/// The value of `number`, which is not before earlier ones.
pub(super) fn last_entry<T: Default>(list: &mut Vec<(u32, T)>, number: u32) -> &mut T {
    if list.last().is_none_or(|(last, _)| *last != number) {
        list.push((number, T::default()));
    }
    let last = list.len() - 1;
    #[allow(clippy::indexing_slicing, reason = "the list is not empty")]
    &mut list[last].1
}

// === impl ShiftTime ===

impl std::ops::AddAssign for ShiftTime {
    fn add_assign(&mut self, other: Self) {
        self.scheduled += other.scheduled;
        self.offline += other.offline;
        self.absent += other.absent;
    }
}

// === impl AbsentRun ===

impl AbsentRun {
    /// No offline time, up to `moment`.
    pub(super) const fn none(moment: Timestamp) -> Self {
        Self { until: moment.micros(), length: 0 }
    }

    /// Adds time on shift, not before earlier one, and returns what is absence now that was not before.
    fn after(&mut self, span: Window, is_offline: bool, limit: Option<Micros>) -> Micros {
        // A shift is over, or nothing is known in between.
        let before = if span.start.micros() > self.until { 0 } else { self.length };
        self.until = span.end.micros();
        self.length = if is_offline { before.saturating_add(span.length().get()) } else { 0 };
        match limit {
            Some(limit) if self.length > limit.get() && before > limit.get() => span.length(),
            Some(limit) if self.length > limit.get() => Micros::new(self.length),
            _ => Micros::ZERO,
        }
    }
}

// === impl PastAgent ===

impl PastAgent {
    /// What the times on shift depend on. Times of another fingerprint cannot be added up.
    pub(super) fn fingerprint(&self) -> u64 {
        let Some(schedule) = &self.watched.schedule else { return 0 };
        use std::hash::Hasher as _;
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(format!("{schedule:?} {:?}", self.absent_limit).as_bytes());
        hasher.finish()
    }
}
