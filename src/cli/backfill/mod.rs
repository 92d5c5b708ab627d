//! `backfill`: prints history from before the exporter's first scrape as OpenMetrics.
//!
//! It is `report --format openmetrics`, with the end that Prometheus can import: blocks must not overlap what it has in memory.

mod series;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

pub(super) use self::series::write;
use super::args::BackfillArgs;
use super::report::range::{self, Output, Request};
use super::report::{ReportError, Terminal, parse_time};
use super::source_factory::build_source;
use crate::clock::Clock;
use crate::config::{Config, Tenant, format_duration};
use crate::presence::{TimeZone, Timestamp, Window};

/// How old the end is at least. Prometheus keeps the last 2 to 3 hours in memory, and blocks that overlap them are refused or
/// merged late.
///
/// Source: <https://prometheus.io/docs/prometheus/latest/storage/#backfilling-from-openmetrics-format>.
const HEAD: Duration = Duration::from_secs(3 * 3_600);

/// The shortest and the longest step. A finer one than scrapes have is of no use, and an hour divides a day.
const STEPS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));

/// The series of a scrape at each step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Export<'a> {
    /// The time between two samples.
    pub(super) step: Duration,
    /// The labels that the scrape adds.
    pub(super) labels: &'a [(String, String)],
}

// === impl Export ===

impl Export<'_> {
    /// What has to be read for the samples of `range`: a window before it as well, for the gauge.
    ///
    /// # Errors
    ///
    /// The step or a label does not fit.
    pub(super) fn range_to_read<'a>(
        &self,
        range: Window,
        tenants: impl Iterator<Item = &'a Tenant>,
    ) -> Result<Window, ReportError> {
        let (shortest, longest) = STEPS;
        if self.step < shortest || self.step > longest || self.step.subsec_nanos() > 0 {
            let shown = format_duration(self.step);
            return Err(ReportError::Usage(format!("--step {shown} is not between 1m and 1h; write one such as 5m")));
        }
        let names: BTreeSet<&str> = self.labels.iter().map(|(name, _)| &**name).collect();
        if names.len() < self.labels.len() {
            return Err(ReportError::Usage("--label names a label twice; leave one of them out".to_owned()));
        }
        let mut start = range.start;
        let first = floor(range.start, self.step);
        let mut count = 0;
        for tenant in tenants {
            count += 1;
            let window = tenant.query.window;
            if window.as_nanos() % self.step.as_nanos() > 0 {
                let (step, window) = (format_duration(self.step), format_duration(window));
                let message = format!(
                    "--step {step} does not divide the window of tenant `{}`, which is {window}; write one that does",
                    tenant.name
                );
                return Err(ReportError::Usage(message));
            }
            start = start.min(first.saturating_sub(window));
        }
        if count > 1 && names.contains("tenant") {
            let message =
                "--label tenant=… would be that of several tenants; select one with --tenant, or leave it out";
            return Err(ReportError::Usage(message.to_owned()));
        }
        Ok(Window { start, end: range.end })
    }

    /// Warns where time has to be spread over several steps.
    pub(super) fn warn_of_interpolation(&self, tenant: &Tenant) {
        let interval = tenant.query.interval.length;
        if tenant.official.is_none() && self.step < interval {
            let (step, interval) = (format_duration(self.step), format_duration(interval));
            warn!(
                tenant = tenant.name,
                step, interval, "the step is shorter than `interval`; samples are interpolated"
            );
        }
    }
}

/// The multiple of `step` since 1970 at or before `moment`.
pub(super) fn floor(moment: Timestamp, step: Duration) -> Timestamp {
    let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_micros(moment.micros().div_euclid(step).saturating_mul(step))
}

/// Reads the range of `args` and prints its samples.
///
/// # Errors
///
/// See [`ReportError`].
pub(super) async fn run(
    config: &Config,
    args: &BackfillArgs,
    clock: Arc<dyn Clock>,
    out: &mut (dyn Write + Send),
    terminal: Terminal,
) -> Result<(), ReportError> {
    let zone = args.timezone.clone().unwrap_or(TimeZone::UTC);
    let range = range_of(args, &zone, clock.now())?;
    range::warn_of_missing_labels(&args.label);
    let output = Output::Export(Export { step: args.step, labels: &args.label });
    let state = args.state.as_deref();
    let request = Request { tenant: args.tenant.as_deref(), team: args.team.as_deref(), range, zone, state, output };
    range::run(&build_source, config, &request, clock, out, terminal).await
}

fn range_of(args: &BackfillArgs, zone: &TimeZone, now: Timestamp) -> Result<Window, ReportError> {
    let latest = now.whole_second().saturating_sub(HEAD);
    let start = parse_time("--from", &args.from, zone)?;
    let end = match &args.to {
        Some(to) => parse_time("--to", to, zone)?,
        None => {
            args.state.as_deref().and_then(crate::past::StateFile::end_of).unwrap_or_else(|| floor(latest, args.step))
        }
    };
    if end > latest {
        let message = format!(
            "--to {end} is later than three hours ago, {latest}: blocks must not overlap what Prometheus has in memory; \
             write an earlier time, or run this again later"
        );
        return Err(ReportError::Usage(message));
    }
    if start >= end {
        let message = format!("--from {} is not before the end, {end}; write an earlier time", args.from);
        return Err(ReportError::Usage(message));
    }
    Ok(Window { start, end })
}

#[cfg(test)]
mod tests;
