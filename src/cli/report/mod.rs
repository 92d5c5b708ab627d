//! `report`: fetches each tenant once and prints the seconds by agent and state.
//!
//! It fetches as a refresh does, so the numbers equal those of a scrape at the same second. Agents whose data cannot be read
//! are left out and named in the error; the others are printed.

mod json_csv;
mod progress;
mod row;
mod table;

use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::sync::Arc;

use anstream::{AutoStream, ColorChoice};
use thiserror::Error;

use self::progress::Progress;
use self::row::Row;
use super::args::{ReportArgs, ReportFormat};
use super::source_factory::{SourceFactory, build_source};
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::presence::{WatchedAgent, Window};
use crate::upstream::BuildError;
use crate::upstream::{FetchResult, Query, UpstreamError};

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
    /// The HTTP client of a tenant cannot be built.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// Some agents could not be read. The others have been printed.
    #[error("the report is incomplete: {}", describe_unread(.0))]
    Incomplete(Vec<Unread>),
    /// The report could not be written.
    #[error("the report cannot be written: {0}")]
    Output(io::Error),
}

/// The agents of a tenant that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    /// The tenant's name.
    pub(super) tenant: String,
    /// How many of its agents are missing from the report.
    pub(super) agents: usize,
    /// How many agents it has.
    pub(super) of: usize,
    /// The first cause that needs action.
    pub(super) error: Option<UpstreamError>,
}

/// The report of one tenant.
struct TenantReport<'a> {
    tenant: &'a Tenant,
    window: Window,
    /// The agents that were read, in configuration order.
    rows: Vec<Row<'a>>,
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
    let mut reports = Vec::new();
    let mut unread = Vec::new();
    for tenant in selected_tenants(config, args.tenant.as_deref())? {
        let window = Window::ending_at(clock.now().whole_second(), tenant.query.window);
        let mut fetched = fetch(build_source, tenant, window, &clock, terminal).await?;
        let answered = std::mem::take(&mut fetched.answered);
        reports.push(TenantReport { tenant, window, rows: row::rows(&tenant.agents, answered) });
        unread.extend(unread_agents(tenant, fetched));
    }

    let text = match args.format {
        ReportFormat::Table => table::render(&reports, terminal.color),
        ReportFormat::Json => json_csv::json(&reports),
        ReportFormat::Csv => json_csv::csv(&reports),
    };
    // One write, because stdout flushes after each line.
    match text.and_then(|text| out.write_all(&text).and_then(|()| out.flush())) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(ReportError::Output(error)),
        _ => {}
    }
    if unread.is_empty() { Ok(()) } else { Err(ReportError::Incomplete(unread)) }
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

/// Fetches all agents of a tenant, as a refresh does.
async fn fetch(
    build_source: &SourceFactory,
    tenant: &Arc<Tenant>,
    window: Window,
    clock: &Arc<dyn Clock>,
    terminal: Terminal,
) -> Result<FetchResult, ReportError> {
    let progress = Progress::new(tenant);
    let source = build_source(tenant, Arc::clone(clock), Arc::new(progress.clone()))?;
    let agents = tenant.agents.iter();
    let agents = agents.map(|agent| WatchedAgent { id: Arc::clone(&agent.id), schedule: agent.schedule.clone() });
    let started = clock.monotonic();
    let query = Query { window, agents: agents.collect(), deadline: started + tenant.limits.refresh_timeout };
    let fetched = source.fetch(query);
    if !terminal.progress {
        return Ok(fetched.await);
    }
    Ok(progress.shown_during(fetched, clock.sleep_until(started + progress::SHOWN_AFTER)).await)
}

/// The agents that could not be read, if there are any.
fn unread_agents(tenant: &Tenant, fetched: FetchResult) -> Option<Unread> {
    if fetched.failed.is_empty() {
        return None;
    }
    let (agents, of) = (fetched.failed.len(), tenant.agents.len());
    Some(Unread { tenant: tenant.name.clone(), agents, of, error: fetched.error })
}

fn describe_unread(unread: &[Unread]) -> String {
    let one = |unread: &Unread| {
        let Unread { tenant, agents, of, error } = unread;
        let cause = error.as_ref().map_or_else(|| "the cause is unknown".to_owned(), ToString::to_string);
        format!("{agents} of {of} agents of tenant {tenant} could not be read: {cause}")
    };
    unread.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
