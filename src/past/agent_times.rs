//! The time of an agent, or of several together, by period, put together from pieces.

use super::periods::Periods;
use super::state_file::PieceRecord;
use super::tally::{ShiftTime, last_entry};
use crate::presence::{MAX_STATES_PER_AGENT, Micros, StateName, Timestamp, Window, add_to, limited_place};

/// The time of an agent, or of several together, by period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentTimes {
    /// The states, in the order of their first appearance. At most [`MAX_STATES_PER_AGENT`], and
    /// [`OTHER_STATE`](crate::presence::OTHER_STATE).
    pub states: Vec<StateName>,
    /// The periods with data, in order: their numbers, and time by position in `states`.
    pub times: Vec<(u32, Vec<(usize, Micros)>)>,
    /// The periods with scheduled time, in order.
    pub shifts: Vec<(u32, ShiftTime)>,
    /// Up to when all of them were read.
    pub done_until: Timestamp,
}

// === impl AgentTimes ===

impl AgentTimes {
    pub(super) const fn new(start: Timestamp) -> Self {
        Self { states: Vec::new(), times: Vec::new(), shifts: Vec::new(), done_until: start }
    }

    /// Adds a piece that follows those before it. A period that they share is one.
    pub(super) fn add(&mut self, record: PieceRecord) {
        let places: Vec<usize> = record.states.iter().map(|name| self.place(name)).collect();
        for (number, times) in record.times {
            let sums = last_entry(&mut self.times, number);
            for (place, time) in times {
                let Some(place) = places.get(usize::from(place)) else { continue };
                add_to(sums, *place, Micros::new(time));
            }
        }
        for (number, [scheduled, offline, absent]) in record.shifts {
            let [scheduled, offline, absent] = [scheduled, offline, absent].map(Micros::new);
            *last_entry(&mut self.shifts, number) += ShiftTime { scheduled, offline, absent };
        }
        self.done_until = Timestamp::from_micros(record.to);
    }

    /// The periods that were read to their end: number, window, time by position in `states`, time on shift.
    pub fn periods<'a>(
        &'a self,
        periods: &'a Periods,
    ) -> impl Iterator<Item = (Window, &'a [(usize, Micros)], Option<ShiftTime>)> {
        let done = (0_u32..).zip(periods.windows()).take_while(|(_, window)| window.end <= self.done_until);
        done.map(|(number, window)| {
            let times = self.times.binary_search_by_key(&number, |(known, _)| *known).ok();
            let times = times.and_then(|found| self.times.get(found)).map_or(&[][..], |(_, times)| times);
            let shift = self.shifts.binary_search_by_key(&number, |(known, _)| *known).ok();
            (window, times, shift.and_then(|found| self.shifts.get(found)).map(|(_, shift)| *shift))
        })
    }

    /// Adds the time of other agents.
    pub(super) fn add_agents(&mut self, mut others: Self) {
        let places: Vec<usize> = others.states.iter().map(|name| self.place(name)).collect();
        for (place, _) in others.times.iter_mut().flat_map(|(_, times)| times) {
            *place = places.get(*place).copied().unwrap_or(*place);
        }
        add_by_number(&mut self.times, others.times, |sums, times| {
            times.into_iter().for_each(|(place, time)| add_to(sums, place, time));
        });
        add_by_number(&mut self.shifts, others.shifts, |sum, shift| *sum += shift);
        self.done_until = self.done_until.min(others.done_until);
    }

    /// The position of a state. States beyond the limit share one, as each is a time series.
    fn place(&mut self, name: &StateName) -> usize {
        limited_place(&mut self.states, name, MAX_STATES_PER_AGENT, |state| state, |name| name)
    }
}

/// Adds the values of equal numbers. Both lists are in order.
fn add_by_number<T: Default>(list: &mut Vec<(u32, T)>, others: Vec<(u32, T)>, add: impl Fn(&mut T, T)) {
    list.extend(others);
    list.sort_by_key(|(number, _)| *number);
    list.dedup_by(|(later, value), (earlier, sum)| {
        let is_same = later == earlier;
        if is_same {
            add(sum, std::mem::take(value));
        }
        is_same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    type Times<'a> = &'a [(u32, &'a [(usize, u64)])];

    fn agent(states: [&str; 2], times: Times<'_>, shifts: &[(u32, [u64; 3])], done_until: i64) -> AgentTimes {
        let seconds = |times: &[(usize, u64)]| -> Vec<_> {
            times.iter().map(|(place, seconds)| (*place, Micros::from_seconds(*seconds))).collect()
        };
        let shift = |[scheduled, offline, absent]: [u64; 3]| {
            let [scheduled, offline, absent] = [scheduled, offline, absent].map(Micros::from_seconds);
            ShiftTime { scheduled, offline, absent }
        };
        AgentTimes {
            states: states.map(StateName::from).to_vec(),
            times: times.iter().map(|(number, times)| (*number, seconds(times))).collect(),
            shifts: shifts.iter().map(|(number, times)| (*number, shift(*times))).collect(),
            done_until: Timestamp::from_seconds(done_until),
        }
    }

    #[test]
    fn times_and_shifts_of_agents_add_up_to_the_earliest_end() {
        let one = || agent(["A", "B"], &[(0, &[(0, 10), (1, 5)]), (2, &[(0, 1)])], &[(0, [100, 10, 1])], 7_200);
        let other = || agent(["B", "A"], &[(0, &[(0, 2)]), (1, &[(1, 3)])], &[(0, [50, 5, 2]), (1, [7, 6, 4])], 3_600);
        let expected = |states, times: Times<'_>| agent(states, times, &[(0, [150, 15, 3]), (1, [7, 6, 4])], 3_600);
        let table = [
            (one(), other(), expected(["A", "B"], &[(0, &[(0, 10), (1, 7)]), (1, &[(0, 3)]), (2, &[(0, 1)])])),
            (other(), one(), expected(["B", "A"], &[(0, &[(0, 7), (1, 10)]), (1, &[(1, 3)]), (2, &[(1, 1)])])),
        ];
        for (mut sum, others, expected) in table {
            sum.add_agents(others);
            assert_eq!((sum.states, sum.times), (expected.states, expected.times));
            assert_eq!((sum.shifts, sum.done_until), (expected.shifts, expected.done_until));
        }
    }
}
