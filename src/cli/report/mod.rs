//! `report`: prints the time by agent and state.
//!
//! With `--from` it reads a range in the past, see [`range`]. Without it, each tenant is fetched once, as a refresh does, so the
//! numbers equal those of a scrape at the same second. Agents whose data cannot be read are left out and named in the error; the
//! others are printed.

mod dates;
mod json_csv;
mod progress;
pub(super) mod range;
mod rows;
pub(super) mod subjects;
mod table;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};
use std::sync::Arc;

use anstream::{AutoStream, ColorChoice};
use thiserror::Error;
use tracing::warn;

pub(super) use self::dates::parse as parse_time;
use self::progress::Progress;
use self::rows::{Report, TenantReport};
use super::args::{ReportArgs, ReportFormat};
use super::directory::{self, ResolvedTenant};
use super::source_factory::{SourceFactory, build_source};
use crate::clock::{Clock, Monotonic};
use crate::config::{Agent, Config, Tenant};
use crate::past::StateFileError;
use crate::presence::Window;
use crate::upstream::{BuildError, FetchResult, Query, Source, UpstreamError};

/// Why a report is missing or incomplete.
#[derive(Debug, Error)]
pub(super) enum ReportError {
    /// `--tenant` names no configured tenant. This is a usage error.
    #[error("no tenant `{name}` is configured; configured: {configured}")]
    UnknownTenant {
        /// The value of `--tenant`.
        name: String,
        /// The names of the configured tenants.
        configured: String,
    },
    /// `--sort` names no column. This is a usage error.
    #[error("--sort {column}: there is no such column; write one of {columns}")]
    UnknownColumn {
        /// The value of `--sort`.
        column: String,
        /// The names of the columns.
        columns: String,
    },
    /// The HTTP client of a tenant cannot be built.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// Some agents could not be read. The others have been printed.
    #[error("the report is incomplete: {}", .0.join("; "))]
    Incomplete(Vec<String>),
    /// No agent could be read, or there is none.
    #[error("nothing to report: {}", .0.join("; "))]
    Nothing(Vec<String>),
    /// The range or another argument is wrong. This is a usage error.
    #[error("{0}")]
    Usage(String),
    /// The state file cannot be used.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// The output could not be written.
    #[error("the output cannot be written: {0}; check that the disk has room")]
    Output(io::Error),
}

impl ReportError {
    /// Whether the command line or the configuration is wrong.
    pub(super) const fn is_usage(&self) -> bool {
        match self {
            Self::UnknownTenant { .. } | Self::UnknownColumn { .. } | Self::Usage(_) => true,
            Self::StateFile(error) => error.is_usage(),
            Self::Client(_) | Self::Incomplete(_) | Self::Nothing(_) | Self::Output(_) => false,
        }
    }
}

/// The terminal features that the output may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Terminal {
    /// Whether the table has colours.
    pub(super) color: bool,
    /// Whether a long run shows a progress bar on stderr.
    pub(super) progress: bool,
}

impl Terminal {
    /// The features of stdout and stderr of this process, by terminal, `NO_COLOR`, `CLICOLOR` and `TERM`.
    pub(super) fn detect() -> Self {
        Self { color: AutoStream::choice(&io::stdout()) != ColorChoice::Never, progress: io::stderr().is_terminal() }
    }
}

/// Fetches the window of each tenant, or of the one that `args` names, and prints it.
///
/// # Errors
///
/// See [`ReportError`]. A closed `out`, as with `head`, is no error.
pub(super) async fn run(
    config: &Config,
    args: &ReportArgs,
    clock: Arc<dyn Clock>,
    out: &mut (dyn Write + Send),
    terminal: Terminal,
) -> Result<(), ReportError> {
    run_with(&build_source, config, args, clock, out, terminal).await
}

async fn run_with(
    build_source: &SourceFactory,
    config: &Config,
    args: &ReportArgs,
    clock: Arc<dyn Clock>,
    out: &mut (dyn Write + Send),
    terminal: Terminal,
) -> Result<(), ReportError> {
    if let Some(request) = range::Request::of(args, clock.now())? {
        return range::run(build_source, config, &request, clock, out, terminal).await;
    }
    // A format that is refused sends nothing.
    let render = renderer(args.format)?;
    let mut reports = Vec::new();
    let mut problems = Vec::new();
    for tenant in selected_tenants(config, args.tenant.as_deref())? {
        let (report, problem) = tenant_report(build_source, tenant, args, &clock, terminal).await?;
        reports.extend(report);
        problems.extend(problem.map(|problem| format!("tenant {}: {problem}", tenant.name)));
    }
    if let Some(column) = &args.sort {
        rows::sort(&mut reports, column)?;
    }

    print(&Report { tenants: &reports, file: None }, render, terminal.color, out)?;
    ended(problems, !reports.is_empty())
}

/// What prints a report in one format, with colours if it may.
type Render = fn(&Report<'_>, bool, &mut dyn Write) -> Result<(), ReportError>;

fn renderer(format: ReportFormat) -> Result<Render, ReportError> {
    match format {
        ReportFormat::Table => Ok(table::render),
        ReportFormat::Json => Ok(|report, _, out| json_csv::json(report, out)),
        ReportFormat::Csv => Ok(|report, _, out| json_csv::csv(report, out)),
        ReportFormat::OpenMetrics => {
            Err(ReportError::Usage("--format openmetrics is for a range: add --from".to_owned()))
        }
    }
}

/// Prints `report`. A closed `out`, as with `head`, is no error.
fn print(report: &Report<'_>, render: Render, color: bool, out: &mut (dyn Write + Send)) -> Result<(), ReportError> {
    // stdout flushes after each line.
    let mut out = BufWriter::new(out);
    let printed = render(report, color, &mut out);
    unless_closed(printed.and_then(|()| out.flush().map_err(ReportError::Output)))
}

/// `printed`, unless the output was closed, which is no error.
pub(super) fn unless_closed(printed: Result<(), ReportError>) -> Result<(), ReportError> {
    match printed {
        Err(ReportError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// The result of a report with `problems`, of which anything was printed or not.
fn ended(problems: Vec<String>, has_rows: bool) -> Result<(), ReportError> {
    match (problems.is_empty(), has_rows) {
        (true, _) => Ok(()),
        (false, true) => Err(ReportError::Incomplete(problems)),
        (false, false) => Err(ReportError::Nothing(problems)),
    }
}

/// The tenant with this name, or all tenants.
fn selected_tenants<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Arc<Tenant>>, ReportError> {
    let is_selected = |tenant: &&Arc<Tenant>| name.is_none_or(|name| tenant.name == name);
    let tenants: Vec<_> = config.tenants.iter().filter(is_selected).collect();
    match name {
        Some(name) if tenants.is_empty() => {
            let names: Vec<_> = config.tenants.iter().map(|tenant| format!("`{}`", tenant.name)).collect();
            Err(ReportError::UnknownTenant { name: name.to_owned(), configured: names.join(", ") })
        }
        _ => Ok(tenants),
    }
}

/// Reads one tenant: its report, if any agent was read, and what is missing from it.
async fn tenant_report(
    build_source: &SourceFactory,
    configured: &Arc<Tenant>,
    args: &ReportArgs,
    clock: &Arc<dyn Clock>,
    terminal: Terminal,
) -> Result<(Option<TenantReport>, Option<String>), ReportError> {
    let window = Window::ending_at(clock.now().whole_second(), configured.query.window);
    let progress = Progress::new(configured);
    let source = build_source(configured, Arc::clone(clock), Arc::new(progress.clone()))?;
    let started = clock.monotonic();
    let deadline = started + configured.limits.refresh_timeout;
    let tenant = match resolve(configured, &*source, deadline, args.team.as_deref()).await {
        Ok(tenant) => tenant,
        Err(reason) => return Ok((None, Some(reason))),
    };

    let agents = tenant.agents.iter().map(Agent::watched).collect();
    let fetched = source.fetch(Query { window, agents, deadline });
    let fetched = if terminal.progress {
        progress.shown_during(fetched, clock.sleep_until(started + progress::SHOWN_AFTER)).await
    } else {
        fetched.await
    };
    let problem = unread_agents(&tenant, &fetched);
    let (agents, of) =
        (fetched.answered.iter().filter(|(_, presence)| presence.is_none()).count(), tenant.agents.len());
    if agents > 0 {
        warn!(tenant = tenant.name, agents, of, "CXone reported no time of some agents within the window");
    }
    let report = TenantReport::new(&tenant, window, fetched.answered);
    Ok((Some(report).filter(|report| !report.rows.is_empty()), problem))
}

/// The tenant with its agents, those of `team` if one is named, or why there is none.
async fn resolve(
    configured: &Arc<Tenant>,
    source: &dyn Source,
    deadline: Monotonic,
    team: Option<&str>,
) -> Result<Arc<Tenant>, String> {
    let resolved = directory::resolve(configured, source, deadline).await;
    let ResolvedTenant { tenant, empty, .. } =
        resolved.map_err(|error| format!("CXone's list of agents could not be read: {error}"))?;
    if let Some(reason) = empty {
        return Err(reason);
    }
    let Some(team) = team else { return Ok(tenant) };
    let agents: Vec<_> = tenant.agents.iter().filter(|agent| agent.team.as_deref() == Some(team)).cloned().collect();
    if agents.is_empty() {
        let teams: BTreeSet<&str> = tenant.agents.iter().filter_map(|agent| agent.team.as_deref()).collect();
        return Err(format!("no agent is in the team `{team}`; teams: {}", directory::named(&teams)));
    }
    Ok(tenant.with_agents(agents))
}

/// The agents that could not be read, if there are any.
fn unread_agents(tenant: &Tenant, fetched: &FetchResult) -> Option<String> {
    let (agents, of) = (fetched.failed.len(), tenant.agents.len());
    let error = fetched.error.as_ref().or(fetched.refusal.as_ref());
    let cause = || error.map_or("the cause is unknown".to_owned(), UpstreamError::to_string);
    (agents > 0).then(|| format!("{agents} of {of} agents could not be read: {}", cause()))
}

#[cfg(test)]
mod tests;
