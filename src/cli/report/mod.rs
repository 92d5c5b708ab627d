//! `report`: asks each tenant once, and prints the seconds of each agent in each state.
//!
//! It asks in the same way as a refresh does, so the numbers are those that a scrape at the same second would
//! bring. What cannot be read is left out and named in the error; what can be read is printed all the same.

mod machine;
mod progress;
mod row;
mod table;
mod terminal;

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use thiserror::Error;

use self::progress::Progress;
use self::row::Row;
pub(super) use self::terminal::Terminal;
use super::args::{ReportArgs, ReportFormat};
use super::connect::{Connect, connect};
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::presence::{WatchedAgent, Window};
use crate::upstream::BuildError;
use crate::upstream::{FetchResult, Query, UpstreamError};

/// Why a report is not, or not all of it, there.
#[derive(Debug, Error)]
pub(super) enum ReportError {
    /// `--tenant` names none that is configured. This is wrong use rather than a failure.
    #[error("no tenant `{name}` is configured; there is {configured}")]
    UnknownTenant {
        /// What was asked for.
        name: String,
        /// The tenants there are, as a list to read.
        configured: String,
    },
    /// A tenant's HTTP client cannot be set up.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// Some agents could not be read. What could be read has been printed.
    #[error("the report is not complete: {}", sentence(.0))]
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
    /// The first cause that a person has to act on.
    pub(super) error: Option<UpstreamError>,
}

/// What one tenant answered.
struct Answer<'a> {
    tenant: &'a Tenant,
    window: Window,
    /// The agents that were read, in the order of the configuration.
    rows: Vec<Row<'a>>,
}

/// Asks each tenant, or the one that is named, once for its window, and prints what it answers.
///
/// # Errors
///
/// See [`ReportError`]. A reader of `out` that has gone away, as `head` does, is none.
pub(super) async fn run(
    config: &Config,
    args: &ReportArgs,
    clock: Arc<dyn Clock>,
    out: &mut (dyn Write + Send),
    terminal: Terminal,
) -> Result<(), ReportError> {
    run_over(&connect, config, args, clock, out, terminal).await
}

async fn run_over(
    connect: &Connect,
    config: &Config,
    args: &ReportArgs,
    clock: Arc<dyn Clock>,
    out: &mut (dyn Write + Send),
    terminal: Terminal,
) -> Result<(), ReportError> {
    let mut answers = Vec::new();
    let mut unread = Vec::new();
    for tenant in chosen(config, args.tenant.as_deref())? {
        let window = Window::ending_at(clock.now().whole_second(), tenant.window);
        let mut fetched = ask(connect, tenant, window, &clock, terminal).await?;
        let answered = std::mem::take(&mut fetched.answered);
        answers.push(Answer { tenant, window, rows: row::of_agents(&tenant.agents, answered) });
        unread.extend(missing(tenant, fetched));
    }

    let text = match args.format {
        ReportFormat::Table => table::render(&answers, terminal.colour),
        ReportFormat::Json => machine::json(&answers),
        ReportFormat::Csv => machine::csv(&answers),
    };
    // Written as one piece: stdout would otherwise be flushed at the end of every line.
    match text.and_then(|text| out.write_all(&text).and_then(|()| out.flush())) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(ReportError::Output(error)),
        _ => {}
    }
    if unread.is_empty() { Ok(()) } else { Err(ReportError::Incomplete(unread)) }
}

/// The tenant of this name, or all of them.
fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Arc<Tenant>>, ReportError> {
    let wanted = |tenant: &&Arc<Tenant>| name.is_none_or(|name| tenant.name == name);
    let tenants: Vec<_> = config.tenants.iter().filter(wanted).collect();
    match name {
        Some(name) if tenants.is_empty() => {
            let names: Vec<_> = config.tenants.iter().map(|tenant| format!("`{}`", tenant.name)).collect();
            Err(ReportError::UnknownTenant { name: name.to_owned(), configured: names.join(", ") })
        }
        _ => Ok(tenants),
    }
}

/// Asks a tenant for all of its agents, as one refresh does.
async fn ask(
    connect: &Connect,
    tenant: &Arc<Tenant>,
    window: Window,
    clock: &Arc<dyn Clock>,
    terminal: Terminal,
) -> Result<FetchResult, ReportError> {
    let progress = Progress::new(tenant);
    let source = connect(tenant, Arc::clone(clock), Arc::new(progress.clone()))?;
    let agents = tenant.agents.iter();
    let agents = agents.map(|agent| WatchedAgent { id: Arc::clone(&agent.id), schedule: agent.schedule.clone() });
    let started = clock.monotonic();
    let query = Query { window, agents: agents.collect(), deadline: started + tenant.refresh_timeout };
    let fetched = source.fetch(query);
    if !terminal.progress {
        return Ok(fetched.await);
    }
    Ok(progress.shown_during(fetched, clock.sleep_until(started + progress::SHOWN_AFTER)).await)
}

/// What is missing from the report, if anything is.
fn missing(tenant: &Tenant, fetched: FetchResult) -> Option<Unread> {
    if fetched.failed.is_empty() {
        return None;
    }
    let (agents, of) = (fetched.failed.len(), tenant.agents.len());
    Some(Unread { tenant: tenant.name.clone(), agents, of, error: fetched.error })
}

fn sentence(unread: &[Unread]) -> String {
    let one = |unread: &Unread| {
        let Unread { tenant, agents, of, error } = unread;
        let cause = error.as_ref().map_or_else(|| "the cause is not known".to_owned(), ToString::to_string);
        format!("{agents} of {of} agents of tenant {tenant} could not be read: {cause}")
    };
    unread.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
