//! A report over dates: reads a range of each tenant into a state file, and prints what is in it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::progress::RangeBar;
use super::rows::{self, Report, TenantReport};
use super::{Render, ReportError, Terminal, dates, ended, print, renderer, resolve, selected_tenants};
use crate::cli::args::{ReportArgs, ReportBy, ReportFormat};
use crate::cli::backfill::{self, Export};
use crate::cli::past_estimate::PastEstimate;
use crate::cli::source_factory::SourceFactory;
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::past::{By, PastAgent, Periods, Question, RangeReader, StateFile, Unread};
use crate::presence::{TimeZone, Timestamp, Window};
use crate::upstream::UpstreamError;

/// The grid of reports: in all modern time zones days and hours begin at a multiple of it.
const SLOT: Duration = Duration::from_secs(300);

/// The most periods. Each takes 8 bytes, and one of an agent some 100 while it is printed.
const MAX_PERIODS: usize = 1_000_000;

/// What to read and how to print it.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// Only this tenant.
    pub(crate) tenant: Option<&'a str>,
    /// Only the agents of this team.
    pub(crate) team: Option<&'a str>,
    /// The time to report.
    pub(crate) range: Window,
    /// The zone of days and hours.
    pub(crate) zone: TimeZone,
    /// The state file to go on with.
    pub(crate) state: Option<&'a Path>,
    /// The output.
    pub(crate) output: Output<'a>,
}

/// How a range is printed.
#[derive(Debug)]
pub(crate) enum Output<'a> {
    /// As text.
    Periods {
        /// What prints them.
        render: Render,
        /// What time is summed by.
        by: By,
        /// The column to sort agents by.
        sort: Option<&'a str>,
    },
    /// As the series of a scrape.
    Export(Export<'a>),
}

// === impl Request ===

impl<'a> Request<'a> {
    /// The range of the arguments; `None` without one.
    ///
    /// # Errors
    ///
    /// It cannot be read, or flags contradict each other.
    pub(super) fn of(args: &'a ReportArgs, now: Timestamp) -> Result<Option<Self>, ReportError> {
        let Some(from) = &args.from else { return Ok(None) };
        let zone = args.timezone.clone().unwrap_or(TimeZone::UTC);
        let state = args.state.as_deref();
        let range = dates::range(from, args.to.as_deref(), &zone, now, state)?;
        let output = if args.format == ReportFormat::OpenMetrics {
            if args.by.is_some() || args.sort.is_some() {
                let message = "--by and --sort have no effect with --format openmetrics; leave them out";
                return Err(ReportError::Usage(message.to_owned()));
            }
            Output::Export(Export { step: args.step.unwrap_or(SLOT), labels: &args.label })
        } else {
            if args.step.is_some() || !args.label.is_empty() {
                let message = "--step and --label are for --format openmetrics; add it, or leave them out";
                return Err(ReportError::Usage(message.to_owned()));
            }
            let by = match args.by {
                None | Some(ReportBy::Total) => By::Total,
                Some(ReportBy::Day) => By::Day,
                Some(ReportBy::Hour) => By::Hour,
            };
            Output::Periods { render: renderer(args.format)?, by, sort: args.sort.as_deref() }
        };
        Ok(Some(Self { tenant: args.tenant.as_deref(), team: args.team.as_deref(), range, zone, state, output }))
    }

    fn question(&self, tenants: &[&Arc<Tenant>]) -> Result<Question, ReportError> {
        let tenants = tenants.iter().map(|tenant| &***tenant);
        let (range, by, slot) = match &self.output {
            Output::Periods { by, .. } => (self.range, *by, SLOT),
            Output::Export(export) => {
                (export.range_to_read(self.range, tenants.clone())?, By::Step(export.step), export.step)
            }
        };
        let question = Question::new(range, by, self.zone.clone(), slot, tenants);
        let periods = Periods::new(question.range, question.by, &question.zone).count();
        if periods > MAX_PERIODS {
            let message =
                format!("the range has {periods} periods, and the most are {MAX_PERIODS}; write a later --from");
            return Err(ReportError::Usage(message));
        }
        Ok(question)
    }
}

/// Reads what `request` asks for, and prints it.
///
/// # Errors
///
/// See [`ReportError`]. Where some agents could not be read, the others are printed.
pub(crate) async fn run(
    build_source: &SourceFactory,
    config: &Config,
    request: &Request<'_>,
    clock: Arc<dyn Clock>,
    out: &mut (dyn Write + Send),
    terminal: Terminal,
) -> Result<(), ReportError> {
    let tenants = selected_tenants(config, request.tenant)?;
    let question = request.question(&tenants)?;
    let mut file = match request.state {
        Some(path) => StateFile::open(path, question)?,
        None => StateFile::temporary(question)?,
    };
    if let Output::Export(export) = &request.output {
        tenants.iter().for_each(|tenant| export.warn_of_interpolation(tenant));
    }
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    for configured in tenants {
        let (tenant, problem) = read_tenant(build_source, configured, request, &mut file, &clock, terminal).await?;
        read.extend(tenant);
        problems.extend(problem.map(|problem| format!("tenant {}: {problem}", configured.name)));
    }

    for tenant in &read {
        let agents = file.without_data(&tenant.name, tenant.agents.iter().map(|agent| &agent.id));
        if agents > 0 {
            let of = tenant.agents.len();
            warn!(tenant = tenant.name, agents, of, "CXone reported no time of some agents within the range");
        }
    }

    let printed = match &request.output {
        Output::Periods { render, sort, .. } => print_periods(&file, &read, *render, *sort, terminal, out)?,
        Output::Export(export) => {
            let several = config.tenants.len() > 1;
            backfill::write(&file, &read, request.range, export, several, out)? > 0
        }
    };
    ended(problems, printed)
}

/// Prints the tenants' periods, and returns whether any agent has one.
fn print_periods(
    file: &StateFile,
    tenants: &[Arc<Tenant>],
    render: Render,
    sort: Option<&str>,
    terminal: Terminal,
    out: &mut (dyn Write + Send),
) -> Result<bool, ReportError> {
    let reports = tenants.iter().map(|tenant| TenantReport::of_range(tenant, file));
    let mut reports: Vec<_> = reports.collect::<Result<_, _>>()?;
    reports.retain(|report| !report.rows.is_empty());
    if let Some(column) = sort {
        // What was read is worth more than its order.
        match rows::sort(&mut reports, column) {
            Err(ReportError::UnknownColumn { column, columns }) => {
                warn!(column, columns, "--sort names no column; the agents are not sorted");
            }
            sorted => sorted?,
        }
    }
    print(&Report { tenants: &reports, file: Some(file) }, render, terminal.color, out)?;
    Ok(!reports.is_empty())
}

/// Reads one tenant: the tenant with its agents, and what is missing.
async fn read_tenant(
    build_source: &SourceFactory,
    configured: &Arc<Tenant>,
    request: &Request<'_>,
    file: &mut StateFile,
    clock: &Arc<dyn Clock>,
    terminal: Terminal,
) -> Result<(Option<Arc<Tenant>>, Option<String>), ReportError> {
    let mut bar = RangeBar::new(&configured.name, Arc::clone(clock), terminal.progress);
    let source = build_source(configured, Arc::clone(clock), bar.observer())?;
    let deadline = clock.monotonic() + configured.limits.refresh_timeout;
    let tenant = match resolve(configured, &*source, deadline, request.team).await {
        Ok(tenant) => tenant,
        Err(reason) => return Ok((None, Some(reason))),
    };
    let agents: Vec<PastAgent> = tenant
        .agents
        .iter()
        .map(|agent| PastAgent { watched: agent.watched(), absent_limit: agent.absent_limit })
        .collect();
    let question = file.question();
    let estimate = PastEstimate::of(&tenant, question.range, question.slot, source.past_limits());
    let minutes = estimate.time.as_secs().div_ceil(60);
    info!(tenant = %tenant.name, agents = agents.len(), from = %question.range.start, to = %question.range.end,
        estimated_requests = estimate.requests, estimated_minutes = minutes, "reading past presence");
    let reader = RangeReader {
        tenant: &tenant.name,
        agents: &agents,
        offline_states: &tenant.states.offline,
        source: &*source,
        clock: &**clock,
    };
    let unread = reader.read(file, &mut |progress| bar.show(progress)).await;
    bar.finish();
    let problem = unread_agents(&unread?, agents.len(), request.state);
    Ok((Some(tenant), problem))
}

/// The agents that could not be read, if there are any, and how to go on.
fn unread_agents(unread: &Unread, of: usize, state: Option<&Path>) -> Option<String> {
    let count = unread.agents.len();
    let cause = unread.error.as_ref().map_or("the cause is unknown".to_owned(), UpstreamError::to_string);
    let cause = cause.trim_end_matches('.');
    let remedy = match state {
        Some(path) => format!("the same command goes on from {}", path.display()),
        None => "with --state FILE the same command goes on where it stopped".to_owned(),
    };
    (count > 0).then(|| format!("{count} of {of} agents could not be read to the end: {cause}; {remedy}"))
}

/// Warns of labels that every scrape has.
pub(crate) fn warn_of_missing_labels(labels: &[(String, String)]) {
    let missing: Vec<_> =
        ["job", "instance"].into_iter().filter(|name| !labels.iter().any(|(label, _)| label == name)).collect();
    if !missing.is_empty() {
        let labels = missing.join(", ");
        warn!(labels, "labels of a scrape are missing; the series will not continue those of the running exporter");
    }
}

#[cfg(test)]
mod tests;
