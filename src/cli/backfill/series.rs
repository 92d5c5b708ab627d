//! The series of a scrape, from the periods of a state file.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use super::{Export, floor};
use crate::cli::report::ReportError;
use crate::cli::report::range::teams;
use crate::config::{Agent, Tenant};
use crate::exposition::{Family, TIMED_END, TimedSeries, timed_metadata};
use crate::metrics::catalogue;
use crate::past::{AgentTimes, StateFile};
use crate::presence::{AgentId, Micros, StateName, Timestamp, Window};

/// The families of an agent or a team: the gauge, the counter.
const AGENT_FAMILIES: [&Family; 2] = [&catalogue::AGENT_STATE_SECONDS, &catalogue::AGENT_STATE_TIME_SECONDS_TOTAL];
const TEAM_FAMILIES: [&Family; 2] = [&catalogue::TEAM_STATE_SECONDS, &catalogue::TEAM_STATE_TIME_SECONDS_TOTAL];

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
pub(in crate::cli) fn write(
    file: &StateFile,
    tenants: &[Arc<Tenant>],
    range: Window,
    export: &Export<'_>,
    several: bool,
    out: &mut dyn Write,
) -> Result<u64, ReportError> {
    let mut writer = Writer { file, tenants, range, export, several, out, text: Vec::new(), samples: 0 };
    match writer.families() {
        Err(ReportError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(writer.samples)
}

/// What has series of its own: its labels, and the agents whose time is summed.
struct Subject<'a> {
    labels: Vec<&'a str>,
    agents: Vec<AgentId>,
}

/// Writes the samples of a family with these labels and those of the target.
type WriteSamples<W> = fn(&mut W, &'static Family, &Tenant, &[&str], &Sums<'_>, &[(String, String)]);

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

// === impl Writer ===

impl Writer<'_> {
    fn families(&mut self) -> Result<(), ReportError> {
        let has_agents = |tenant: &Tenant| tenant.privacy.per_agent;
        let [gauge, counter] = AGENT_FAMILIES;
        self.family(gauge, has_agents, Self::gauges)?;
        self.family(counter, |tenant| has_agents(tenant) && tenant.keeps_counters(), Self::counters)?;
        self.family(&catalogue::AGENT_INFO, has_agents, Self::info)?;
        let [gauge, counter] = TEAM_FAMILIES;
        self.family(gauge, |_| true, Self::gauges)?;
        self.family(counter, Tenant::keeps_counters, Self::counters)?;
        self.text.extend_from_slice(TIMED_END);
        self.flush().map_err(ReportError::Output)
    }

    /// Writes a family of the tenants that have it, one agent or team after the other.
    fn family(
        &mut self,
        family: &'static Family,
        has_it: impl Fn(&Tenant) -> bool,
        write: WriteSamples<Self>,
    ) -> Result<(), ReportError> {
        timed_metadata(family, &mut self.text);
        let is_of_teams = TEAM_FAMILIES.contains(&family);
        for tenant in self.tenants.iter().filter(|tenant| has_it(tenant)) {
            let mut target = self.export.labels.to_vec();
            if self.several && !target.iter().any(|(name, _)| name == "tenant") {
                target.push(("tenant".to_owned(), tenant.name.clone()));
            }
            let labels: Vec<AgentId> = tenant.agents.iter().map(|agent| tenant.label(agent)).collect();
            for Subject { labels, agents } in if is_of_teams { of_teams(tenant) } else { of_agents(tenant, &labels) } {
                let Some(times) = self.file.times(&tenant.name, &agents)? else { continue };
                let sums = Sums::new(self.file, &times, tenant, self.range, self.export);
                write(self, family, tenant, &labels, &sums, &target);
                self.flush().map_err(ReportError::Output)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }

    fn sample(&mut self, series: &TimedSeries, value: f64, moment: Timestamp) {
        series.sample(value, moment.seconds_f64(), &mut self.text);
        self.samples += 1;
    }

    /// The time in each state within the window that ends at the sample. No data is not zero.
    fn gauges(
        &mut self,
        family: &'static Family,
        tenant: &Tenant,
        labels: &[&str],
        sums: &Sums<'_>,
        target: &[(String, String)],
    ) {
        let data = sums.data();
        let label = labels.first().copied().unwrap_or_default();
        for (state, sum) in sums.states(&tenant.states.declared) {
            let series = TimedSeries::new(family, &[label, state], target);
            let is_declared = tenant.states.declared.contains(state);
            for step in sums.samples() {
                let time = sums.within(&sum, step);
                if is_declared && sums.within(&data, step) > Micros::ZERO || time > Micros::ZERO {
                    self.sample(&series, time.seconds_f64(), sums.end(step));
                }
            }
        }
    }

    /// The time in each state since the first sample.
    fn counters(
        &mut self,
        family: &'static Family,
        tenant: &Tenant,
        labels: &[&str],
        sums: &Sums<'_>,
        target: &[(String, String)],
    ) {
        let label = labels.first().copied().unwrap_or_default();
        for (state, sum) in sums.states(&tenant.states.declared) {
            let series = TimedSeries::new(family, &[label, state], target);
            let is_declared = tenant.states.declared.contains(state);
            let since_start = |step| at(&sum, step).saturating_sub(at(&sum, sums.first));
            for step in sums.samples() {
                // Another state begins a step before its first time, so that its first increase is seen.
                if is_declared || since_start(step + 1) > 0 {
                    self.sample(&series, Micros::new(since_start(step)).seconds_f64(), sums.end(step));
                }
            }
        }
    }

    fn info(
        &mut self,
        family: &'static Family,
        _: &Tenant,
        labels: &[&str],
        sums: &Sums<'_>,
        target: &[(String, String)],
    ) {
        let series = TimedSeries::new(family, labels, target);
        for step in sums.samples() {
            self.sample(&series, 1.0, sums.end(step));
        }
    }
}

/// The agents, with the labels of `cxone_agent_info`; `labels` are theirs.
fn of_agents<'a>(tenant: &'a Tenant, labels: &'a [AgentId]) -> Vec<Subject<'a>> {
    let subject = |(agent, label): (&'a Agent, &'a AgentId)| {
        let [name, team] = [&agent.name, &agent.team].map(|text| text.as_deref().unwrap_or_default());
        Subject { labels: vec![label, name, team], agents: vec![AgentId::clone(&agent.id)] }
    };
    tenant.agents.iter().zip(labels).map(subject).collect()
}

fn of_teams(tenant: &Tenant) -> Vec<Subject<'_>> {
    teams(tenant)
        .into_iter()
        .map(|agents| Subject {
            labels: vec![agents.first().and_then(|agent| agent.team.as_deref()).unwrap_or_default()],
            agents: agents.iter().map(|agent| AgentId::clone(&agent.id)).collect(),
        })
        .collect()
}

/// The sum up to the start of a step; that of the last one beyond it.
fn at(sums: &[u64], step: usize) -> u64 {
    sums.get(step).or(sums.last()).copied().unwrap_or_default()
}

// === impl Sums ===

impl<'a> Sums<'a> {
    fn new(file: &StateFile, times: &'a AgentTimes, tenant: &Tenant, range: Window, export: &Export<'_>) -> Self {
        let periods = file.periods();
        let windows = (0..periods.count()).map_while(|number| periods.window(number));
        let steps: Vec<Window> = windows.take_while(|window| window.end <= times.done_until).collect();
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
        let missing =
            self.steps.get(from).zip(last).filter(|_| sample >= self.window_steps).and_then(|(first, last)| {
                let whole = first.length().get();
                Some((whole, whole.checked_sub(last.length().get()).filter(|missing| *missing > 0)?))
            });
        if let Some((whole, missing)) = missing {
            let before = from.checked_sub(1).map_or(0, |before| at(sums, from).saturating_sub(at(sums, before)));
            time += Micros::new(before).prorated(Micros::new(missing), whole.into()).get();
        }
        Micros::new(time)
    }
}
