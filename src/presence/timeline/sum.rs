//! Sums the time of each agent per state within a window.

use std::sync::Arc;
use std::time::Duration;

use super::agent_timeline::Span;
use super::{PresenceTimeline, RawStateIndex, Segment, StateTimeline, TOLERANCE};
use crate::presence::schedule::ScheduleSummer;
use crate::presence::state_limits::limit_states;
use crate::presence::state_names::{StateIndex, StateNames};
use crate::presence::window_parts::WindowPartsBuilder;
use crate::presence::{
    AgentId, AgentPresence, Micros, PartLength, PresenceChart, PresenceChartBuilder, Rejections, StateName, Timestamp,
    WatchedAgent, Window, WindowParts,
};

/// The names of states, and what some of them mean.
#[derive(Debug)]
pub struct StateLabels<'a> {
    /// The name of each state, by its [`RawStateIndex`].
    pub names: &'a [StateName],
    /// The declared states, which each agent has a series for. They are kept before others if there are too many.
    pub reserved: &'a [StateName],
    /// States whose time within a schedule is scheduled offline time.
    pub offline: &'a [StateName],
}

/// The result of [`StateTimeline::sum`].
#[derive(Debug)]
pub struct TimelineSums {
    /// The presence of each agent; `None` if there is no data.
    pub agents: Vec<Option<AgentPresence>>,
    /// The start of the earliest gap that ends after the settled time. A row that is missing there may still arrive, and does
    /// not start earlier.
    pub unsettled: Option<Timestamp>,
}

/// A state that was running and has ended since, but whose row has not been read since then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The agent.
    pub agent: AgentId,
    /// The start of the state's last row.
    pub start: Timestamp,
    /// Whether the row was read, cut at the end of the requested range.
    pub is_cut: bool,
}

/// A span of time in a named state.
#[derive(Debug, Clone, Copy)]
struct NamedSpan {
    state: StateIndex,
    time: Window,
    /// The time up to which the state is known.
    known_until: Timestamp,
}

/// Sums agent by agent.
struct PresenceSummer<'a> {
    window: Window,
    part_length: PartLength,
    /// The number of names that are kept before others.
    reserved: usize,
    /// By [`RawStateIndex`].
    states: Vec<StateIndex>,
    names: StateNames,
    offline: &'a [StateName],
    schedules: ScheduleSummer,
    chart: PresenceChartBuilder,
    parts: WindowPartsBuilder,
}

impl StateTimeline {
    /// Sums the presence of each of `agents` within `window`, which ends now. Rows of states that ended before `settled` have
    /// all arrived. Rows must have been [compacted](Self::compact).
    pub fn sum(
        &self,
        window: Window,
        settled: Timestamp,
        agents: &[WatchedAgent],
        labels: &StateLabels<'_>,
        rejections: &mut Rejections,
    ) -> TimelineSums {
        let mut unsettled: Option<Timestamp> = None;
        let may_arrive = |seen| self.may_arrive(seen);
        let mut summer = PresenceSummer::new(window, PartLength::Quarter, labels);
        let mut presences: Vec<_> = agents
            .iter()
            .map(|agent| {
                let timeline = self.agents.get(&agent.id)?;
                let spans =
                    timeline.spans(window.end, self.refresh, self.settled, |one| self.confirmed_until(one), rejections);
                // An agent that is not in any state any more may have been in others before.
                let is_absent = timeline.last_refresh().is_some_and(may_arrive);
                let last_gap = spans
                    .last()
                    .map(|last| last.known_until)
                    .filter(|known| is_absent && *known + TOLERANCE < window.end);
                unsettled = unsettled.into_iter().chain(unsettled_gap(&spans, settled)).chain(last_gap).min();
                summer.sum(&spans, agent).or_else(|| summer.just_begun(timeline.observed_in(self.refresh)?, agent))
            })
            .collect();
        limit_states(&mut presences, &summer.names, labels.reserved, summer.reserved);
        TimelineSums { agents: presences, unsettled }
    }

    /// Sums the presence of each of `agents` within a past `window` by slots; `None` if there is no data. Rows must have been
    /// [compacted](Self::compact).
    pub fn sum_past(
        &self,
        window: Window,
        slot: Duration,
        agents: &[WatchedAgent],
        labels: &StateLabels<'_>,
        rejections: &mut Rejections,
    ) -> Vec<Option<AgentPresence>> {
        let mut summer = PresenceSummer::new(window, PartLength::Slot(slot), labels);
        let sum = |agent: &WatchedAgent| {
            let timeline = self.agents.get(&agent.id)?;
            // The ranges of the past meet within states, which are not left out because of rows that may still arrive.
            let mut spans = timeline.spans(window.end, self.refresh, None, |one| self.confirmed_until(one), rejections);
            if let (Some(last), Some(until)) = (spans.last_mut(), timeline.open_until()) {
                last.time.end = last.time.end.max(until);
            }
            spans.retain(|span| span.time.start < window.end);
            summer.sum(&spans, agent)
        };
        let mut presences: Vec<_> = agents.iter().map(sum).collect();
        limit_states(&mut presences, &summer.names, labels.reserved, summer.reserved);
        presences
    }

    /// The states of `agents` that were running and have ended by `now`, the end of this refresh's window, but whose end is
    /// unknown. A server that selects rows by their start returns their rows only for ranges with that start. Rows must have
    /// been [compacted](Self::compact).
    pub fn unanswered(&self, now: Timestamp, agents: &[WatchedAgent]) -> Vec<Unanswered> {
        let mut unanswered = Vec::new();
        let may_arrive = |seen| self.may_arrive(seen);
        for WatchedAgent { id, .. } in agents {
            let Some(timeline) = self.agents.get(id).filter(|timeline| timeline.may_have_ended(may_arrive)) else {
                continue;
            };
            let spans = timeline.spans(
                now,
                self.refresh,
                self.settled,
                |one| self.confirmed_until(one),
                &mut Rejections::default(),
            );
            let next_starts = spans.iter().skip(1).map(|span| span.time.start).chain([now]);
            let missing = spans.iter().zip(next_starts).filter(|(span, next_start)| {
                span.open && may_arrive(span.seen) && span.time.end + TOLERANCE < *next_start
            });
            unanswered.extend(missing.map(|(span, _)| Unanswered {
                agent: Arc::clone(id),
                start: span.last_start,
                is_cut: span.refresh == self.refresh,
            }));
        }
        unanswered
    }
}

/// The start of the first gap that ends after `settled`. Time after `known_until` is a gap here.
fn unsettled_gap(spans: &[Span], settled: Timestamp) -> Option<Timestamp> {
    let gaps = spans.iter().zip(spans.iter().skip(1)).map(|(one, next)| (one.known_until, next.time.start));
    gaps.filter(|(start, end)| *start + TOLERANCE < *end && *end > settled).map(|(start, _)| start).next()
}

// === impl PresenceSummer ===

impl<'a> PresenceSummer<'a> {
    fn new(window: Window, part_length: PartLength, labels: &StateLabels<'a>) -> Self {
        let mut names = StateNames::new(labels.reserved);
        for name in labels.offline {
            names.restore(name);
        }
        let reserved = names.len();
        let states = labels.names.iter().map(|name| names.index(name)).collect();
        Self {
            window,
            part_length,
            reserved,
            states,
            names,
            offline: labels.offline,
            schedules: ScheduleSummer::new(window),
            chart: PresenceChartBuilder::default(),
            parts: WindowPartsBuilder::new(window, part_length),
        }
    }

    fn sum(&mut self, spans: &[Span], agent: &WatchedAgent) -> Option<AgentPresence> {
        let newest = spans.last().filter(|last| last.time.start >= self.window.end);
        let spans: Vec<NamedSpan> = spans.iter().filter_map(|span| self.named(span)).collect();
        let window = self.window;
        let inside = || spans.iter().filter_map(move |span| Some((span.state, span.time.intersection(window)?)));
        let (_, last) = inside().next_back()?;
        let mut times: Vec<(StateName, Micros)> = Vec::new();
        for (state, time) in inside() {
            let Some(name) = self.names.as_slice().get(state.0) else { continue };
            match times.iter_mut().find(|(known, _)| Arc::ptr_eq(known, name)) {
                Some((_, total)) => *total += time.length(),
                None => times.push((Arc::clone(name), time.length())),
            }
        }
        // Where it is unknown how long the state before lasted, the one in which the agent was observed is the current state.
        let newest = newest.filter(|_| !spans.last().is_some_and(|last| self.reaches_end(last)));
        let newest = newest.and_then(|newest| self.states.get(usize::try_from(newest.state.0).ok()?)).copied();
        let newest = newest.and_then(|state| Some((state, Arc::clone(self.names.as_slice().get(state.0)?))));
        if let Some((_, name)) = &newest
            && !times.iter().any(|(known, _)| Arc::ptr_eq(known, name))
        {
            times.push((Arc::clone(name), Micros::ZERO));
        }
        times.sort_unstable();
        let observed = times.iter().map(|(_, time)| *time).sum();
        let Self { names, offline, schedules, .. } = self;
        let scheduled = agent.schedule.as_ref().map(|schedule| {
            let is_offline =
                |state: StateIndex| names.as_slice().get(state.0).is_some_and(|name| offline.contains(name));
            let offline = inside().filter(|(state, _)| is_offline(*state)).map(|(_, time)| (time, time.length()));
            schedules.scheduled_time(schedule, offline)
        });
        let is_past = self.part_length.is_slot();
        let chart = if is_past { PresenceChart::default() } else { self.chart(&times, inside()) };
        let timeline = (!is_past).then(|| self.timeline(&times, inside()));
        let unbroken_offline = self.unbroken_offline(&spans, newest.as_ref().map(|(state, _)| *state));
        let parts = self.parts(&times, inside());
        let current = match newest {
            Some((state, name)) => (state != StateNames::OTHER).then_some((name, Micros::ZERO)),
            None => self.current(&spans),
        };
        Some(AgentPresence {
            folded: Vec::new(),
            states: times,
            observed,
            current,
            unbroken_offline,
            last_data: last.end,
            scheduled,
            chart,
            timeline,
            parts,
        })
    }

    /// The presence of an agent whose only state begins at the end of the window.
    fn just_begun(&mut self, state: RawStateIndex, agent: &WatchedAgent) -> Option<AgentPresence> {
        let state = *self.states.get(usize::try_from(state.0).ok()?)?;
        let name = Arc::clone(self.names.as_slice().get(state.0)?);
        let schedules = &mut self.schedules;
        Some(AgentPresence {
            states: vec![(Arc::clone(&name), Micros::ZERO)],
            folded: Vec::new(),
            observed: Micros::ZERO,
            current: (state != StateNames::OTHER).then_some((name, Micros::ZERO)),
            unbroken_offline: (state != StateNames::OTHER).then_some(Micros::ZERO),
            last_data: self.window.end,
            scheduled: agent.schedule.as_ref().map(|schedule| schedules.scheduled_time(schedule, std::iter::empty())),
            chart: self.chart.finish(),
            timeline: Some(PresenceTimeline::new([])),
            parts: WindowParts::default(),
        })
    }

    /// The spans by hour; states are given by their positions in `times`.
    fn chart(
        &mut self,
        times: &[(StateName, Micros)],
        spans: impl Iterator<Item = (StateIndex, Window)>,
    ) -> PresenceChart {
        for (state, time) in spans {
            let place = self.place(times, state);
            self.chart.add(time, place.map(|place| (place, time.length())).into_iter());
        }
        self.chart.finish()
    }

    /// The spans with their exact times; states are given by their positions in `times`.
    fn timeline(
        &self,
        times: &[(StateName, Micros)],
        spans: impl Iterator<Item = (StateIndex, Window)>,
    ) -> PresenceTimeline {
        let place = |state| self.place(times, state).and_then(|place| u8::try_from(place).ok());
        PresenceTimeline::new(
            spans.map(|(state, time)| Segment { place: place(state).unwrap_or(PresenceChart::OTHER), time }),
        )
    }

    /// The spans by parts of the window; states are given by their positions in `times`.
    fn parts(
        &mut self,
        times: &[(StateName, Micros)],
        spans: impl Iterator<Item = (StateIndex, Window)>,
    ) -> WindowParts {
        for (state, time) in spans {
            let place = self.place(times, state);
            self.parts.add(time, place.map(|place| (place, time.length())).into_iter());
        }
        self.parts.finish()
    }

    /// The position of the state in `times`.
    fn place(&self, times: &[(StateName, Micros)], state: StateIndex) -> Option<usize> {
        let name = self.names.as_slice().get(state.0)?;
        times.iter().position(|(known, _)| Arc::ptr_eq(known, name))
    }

    /// The span up to the end of the window, with its name.
    fn named(&self, span: &Span) -> Option<NamedSpan> {
        let end = span.time.end.min(self.window.end);
        let state = self.states.get(usize::try_from(span.state.0).ok()?)?;
        (span.time.start < end).then_some(NamedSpan {
            state: *state,
            time: Window { end, ..span.time },
            known_until: span.known_until,
        })
    }

    fn reaches_end(&self, span: &NamedSpan) -> bool {
        span.known_until + TOLERANCE >= self.window.end
    }

    /// The newest state and its duration, which may begin before the window.
    fn current(&self, spans: &[NamedSpan]) -> Option<(StateName, Micros)> {
        let (state, time) = current(spans, |state| (state != StateNames::OTHER).then_some(state))?;
        Some((Arc::clone(self.names.as_slice().get(state.0)?), time))
    }

    /// The unbroken time offline, which may begin before the window; `None` if it is not known whether the agent is offline at its
    /// end. `observed` is the state in which the agent was observed then, if it is unknown when that state began.
    fn unbroken_offline(&self, spans: &[NamedSpan], observed: Option<StateIndex>) -> Option<Micros> {
        let kind = |state: StateIndex| (state != StateNames::OTHER).then(|| self.is_offline(state));
        if let Some(state) = observed {
            return kind(state).map(|_| Micros::ZERO);
        }
        let (is_offline, time) =
            spans.last().filter(|last| self.reaches_end(last)).and_then(|_| current(spans, kind))?;
        Some(if is_offline { time } else { Micros::ZERO })
    }

    fn is_offline(&self, state: StateIndex) -> bool {
        self.names.as_slice().get(state.0).is_some_and(|name| self.offline.contains(name))
    }
}

/// The newest kind of state and its unbroken duration. `kind` is `None` for a state that may be of any kind.
fn current<K: Copy + PartialEq>(spans: &[NamedSpan], kind: impl Fn(StateIndex) -> Option<K>) -> Option<(K, Micros)> {
    let newest = spans.last()?;
    let current = kind(newest.state)?;
    let mut begins: Timestamp = newest.time.start;
    for span in spans.iter().rev().skip(1) {
        // Time that is not known ends the run.
        if kind(span.state) != Some(current) || span.known_until + TOLERANCE < begins {
            break;
        }
        begins = span.time.start;
    }
    Some((current, newest.time.end.saturating_since(begins)))
}
