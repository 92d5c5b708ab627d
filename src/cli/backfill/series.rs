//! The series of a scrape, from the periods of a state file.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use super::{Export, floor};
use crate::cli::report::subjects::{self, Subject};
use crate::cli::report::{ReportError, unless_closed};
use crate::config::Tenant;
use crate::exposition::{Family, TIMED_END, TimedSeries, timed_metadata};
use crate::metrics::catalogue;
use crate::past::{AgentTimes, StateFile};
use crate::presence::{Micros, StateName, Timestamp, Window};

/// The time of an agent or a team in its states, added up step by step.
struct Sums<'a> {
    times: &'a AgentTimes,
    /// The steps, from a window before the first sample; the last one may be shorter.
    steps: Vec<Window>,
    /// The number of the first step after the first sample.
    first: usize,
    /// The steps in a window.
    window_steps: usize,
}

/// A state's name, and its sum up to the end of each step.
type StateSums<'a> = (&'a StateName, Vec<u64>);

/// Writes the series of all tenants, and returns the number of samples. `several` adds the label `tenant`.
///
/// # Errors
///
/// The state file cannot be read. A closed `out` is no error.
pub(crate) fn write(
    file: &StateFile,
    tenants: &[Arc<Tenant>],
    range: Window,
    export: &Export<'_>,
    several: bool,
    out: &mut (dyn Write + Send),
) -> Result<u64, ReportError> {
    let out = &mut BufWriter::new(out);
    let mut writer = Writer { file, tenants, range, export, several, out, text: Vec::new(), samples: 0 };
    unless_closed(writer.families())?;
    Ok(writer.samples)
}

struct Writer<'a> {
    file: &'a StateFile,
    tenants: &'a [Arc<Tenant>],
    range: Window,
    export: &'a Export<'a>,
    several: bool,
    out: &'a mut dyn Write,
    text: Vec<u8>,
    samples: u64,
}

/// What an agent or a team has of a family.
struct FamilyPart<'a> {
    family: &'static Family,
    subject: &'a Subject<'a>,
    declared: &'a [StateName],
    sums: Sums<'a>,
    /// The labels of the target.
    target: &'a [(String, String)],
}

// === impl Writer ===

impl Writer<'_> {
    fn families(&mut self) -> Result<(), ReportError> {
        let has_agents = |tenant: &Tenant| tenant.privacy.per_agent;
        let has_counters = |tenant: &Tenant| has_agents(tenant) && tenant.keeps_counters();
        self.family(&catalogue::AGENT_STATE_SECONDS, has_agents, subjects::agents, Self::gauges)?;
        self.family(&catalogue::AGENT_STATE_TIME_SECONDS_TOTAL, has_counters, subjects::agents, Self::counters)?;
        self.family(&catalogue::AGENT_INFO, has_agents, subjects::agents, Self::info)?;
        self.family(&catalogue::TEAM_STATE_SECONDS, |_| true, subjects::teams, Self::gauges)?;
        self.family(
            &catalogue::TEAM_STATE_TIME_SECONDS_TOTAL,
            Tenant::keeps_counters,
            subjects::teams,
            Self::counters,
        )?;
        self.text.extend_from_slice(TIMED_END);
        self.write_text()?;
        self.out.flush().map_err(ReportError::Output)
    }

    /// Writes a family of the tenants that have it, one agent or team after the other.
    fn family(
        &mut self,
        family: &'static Family,
        has_it: impl Fn(&Tenant) -> bool,
        subjects: fn(&Tenant) -> Vec<Subject<'_>>,
        write: fn(&mut Self, &FamilyPart<'_>),
    ) -> Result<(), ReportError> {
        timed_metadata(family, &mut self.text);
        for tenant in self.tenants.iter().filter(|tenant| has_it(tenant)) {
            let mut target = self.export.labels.to_vec();
            if self.several && !target.iter().any(|(name, _)| name == "tenant") {
                target.push(("tenant".to_owned(), tenant.name.clone()));
            }
            for subject in &subjects(tenant) {
                let Some(times) = self.file.times(&tenant.name, &subject.ids())? else { continue };
                let sums = Sums::new(self.file, &times, tenant, self.range, self.export);
                let declared = &tenant.states.declared;
                write(self, &FamilyPart { family, subject, declared, sums, target: &target });
                self.write_text()?;
            }
        }
        Ok(())
    }

    fn write_text(&mut self) -> Result<(), ReportError> {
        self.out.write_all(&self.text).map_err(ReportError::Output)?;
        self.text.clear();
        Ok(())
    }

    fn sample(&mut self, series: &TimedSeries, value: f64, moment: Timestamp) {
        series.sample(value, moment.seconds_f64(), &mut self.text);
        self.samples += 1;
    }

    /// The time in each state within the window that ends at the sample. No data is not zero.
    fn gauges(&mut self, part: &FamilyPart<'_>) {
        let sums = &part.sums;
        let data = sums.data();
        for (state, sum) in sums.states(part.declared) {
            let series = part.series_of(state);
            let is_declared = part.declared.contains(state);
            for step in sums.samples() {
                let time = sums.within(&sum, step);
                if is_declared && sums.within(&data, step) > Micros::ZERO || time > Micros::ZERO {
                    self.sample(&series, time.seconds_f64(), sums.end(step));
                }
            }
        }
    }

    /// The time in each state since the first sample.
    fn counters(&mut self, part: &FamilyPart<'_>) {
        let sums = &part.sums;
        for (state, sum) in sums.states(part.declared) {
            let series = part.series_of(state);
            let is_declared = part.declared.contains(state);
            let since_start = |step| at(&sum, step).saturating_sub(at(&sum, sums.first));
            for step in sums.samples() {
                // Another state begins a step before its first time, so that its first increase is seen.
                if is_declared || since_start(step + 1) > 0 {
                    self.sample(&series, Micros::new(since_start(step)).seconds_f64(), sums.end(step));
                }
            }
        }
    }

    fn info(&mut self, part: &FamilyPart<'_>) {
        let Subject { label, .. } = part.subject;
        let labels = [label.as_deref(), part.subject.name(), part.subject.team()].map(Option::unwrap_or_default);
        let series = TimedSeries::new(part.family, &labels, part.target);
        for step in part.sums.samples() {
            self.sample(&series, 1.0, part.sums.end(step));
        }
    }
}

// === impl FamilyPart ===

impl FamilyPart<'_> {
    fn series_of(&self, state: &str) -> TimedSeries {
        let label = self.subject.label.as_deref().or(self.subject.team()).unwrap_or_default();
        TimedSeries::new(self.family, &[label, state], self.target)
    }
}

/// The sum up to the start of a step; that of the last one beyond it.
fn at(sums: &[u64], step: usize) -> u64 {
    sums.get(step).or(sums.last()).copied().unwrap_or_default()
}

// === impl Sums ===

impl<'a> Sums<'a> {
    fn new(file: &StateFile, times: &'a AgentTimes, tenant: &Tenant, range: Window, export: &Export<'_>) -> Self {
        let done = file.periods().windows().take_while(|window| window.end <= times.done_until);
        let steps: Vec<Window> = done.collect();
        let start = floor(range.start, export.step);
        let first = steps.partition_point(|step| step.start < start);
        let window_steps = tenant.query.window.as_nanos() / export.step.as_nanos().max(1);
        Self { times, steps, first, window_steps: usize::try_from(window_steps).unwrap_or(usize::MAX) }
    }

    /// The samples, as the numbers of the steps that begin there.
    fn samples(&self) -> std::ops::RangeInclusive<usize> {
        self.first..=self.steps.len()
    }

    /// The moment of a sample.
    fn end(&self, sample: usize) -> Timestamp {
        let before = sample.checked_sub(1).and_then(|step| self.steps.get(step)).map(|step| step.end);
        before.or_else(|| self.steps.first().map(|step| step.start)).unwrap_or(self.times.done_until)
    }

    /// The declared states, and then the others that the agent was in.
    fn states(&self, declared: &'a [StateName]) -> Vec<StateSums<'a>> {
        let others = self.times.states.iter().filter(|state| !declared.contains(state));
        let place = |name: &StateName| self.times.states.iter().position(|state| state == name);
        declared.iter().chain(others).map(|state| (state, self.sums(|known| Some(known) == place(state)))).collect()
    }

    /// The time in any state.
    fn data(&self) -> Vec<u64> {
        self.sums(|_| true)
    }

    /// The sums up to the start of each step and to the end of the last one, of the states at these places.
    fn sums(&self, is_of: impl Fn(usize) -> bool) -> Vec<u64> {
        let mut sums = Vec::with_capacity(self.steps.len() + 1);
        let mut sum = 0_u64;
        let mut times = self.times.times.iter().peekable();
        for number in 0..self.steps.len() {
            sums.push(sum);
            if let Some((_, states)) = times.next_if(|(of, _)| usize::try_from(*of) == Ok(number)) {
                sum += states.iter().filter(|(place, _)| is_of(*place)).map(|(_, time)| time.get()).sum::<u64>();
            }
        }
        sums.push(sum);
        sums
    }

    /// The time within the window that ends at a sample.
    fn within(&self, sums: &[u64], sample: usize) -> Micros {
        let from = sample.saturating_sub(self.window_steps);
        let mut time = at(sums, sample).saturating_sub(at(sums, from));
        // The last step may be shorter, and then the window begins within one.
        let last = sample.checked_sub(1).and_then(|step| self.steps.get(step));
        let missing = self.steps.get(from).zip(last).and_then(|(first, last)| {
            let whole = first.length().get();
            Some((whole, whole.checked_sub(last.length().get())?))
        });
        if let Some((whole, missing)) = missing {
            let before = from.checked_sub(1).map_or(0, |before| at(sums, from).saturating_sub(at(sums, before)));
            time += Micros::new(before).prorated(Micros::new(missing), whole.into()).get();
        }
        Micros::new(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_that_ends_with_a_shorter_step_begins_within_a_step() {
        let step = |start, end| Window { start: Timestamp::from_seconds(start), end: Timestamp::from_seconds(end) };
        let steps = vec![step(0, 300), step(300, 600), step(600, 900), step(900, 1_200), step(1_200, 1_300)];
        let done_until = Timestamp::from_seconds(1_300);
        let times = AgentTimes { states: Vec::new(), times: Vec::new(), shifts: Vec::new(), done_until };
        let sums = Sums { times: &times, steps, first: 0, window_steps: 2 };
        // The agent is in the state all the time but for the first half of the step from 600.
        let up_to = [0, 300, 600, 750, 1_050, 1_150].map(|seconds| seconds * 1_000_000);
        for (sample, expected) in [(0, 0), (1, 300), (2, 600), (3, 450), (4, 450), (5, 500)] {
            assert_eq!(sums.within(&up_to, sample), Micros::from_seconds(expected), "{sample}");
        }
    }
}
