//! What requests ask for: `window`, `interval`, `states`, and whether refreshes are incremental.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::incremental;
use super::states::read_states;
use crate::config::bounds::WINDOW;
use crate::config::diagnostics::{Diagnostics, Problem};
use crate::config::keys::TENANT;
use crate::config::parse::fields::{Fields, from_defaults};
use crate::config::parse::{duration, interval};
use crate::config::redacted_yaml::List;
use crate::config::{Api, Incremental, Interval};
use crate::presence::StateName;

const INTERVAL_EXAMPLE: &str = "an ISO 8601 duration, such as `PT1H`";

/// What the requests of a refresh ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySettings {
    /// How far back values reach.
    pub window: Duration,
    /// The length of the time buckets in the answers of [`Api::Presence`].
    pub interval: Interval,
    /// The state filter of the requests; empty asks for all states.
    pub states: Vec<StateName>,
    /// How [`Api::Presence`] is asked for new buckets only; `None`: each refresh reads the whole window.
    pub incremental: Option<Incremental>,
}

// === impl QuerySettings ===

impl QuerySettings {
    /// The settings in a tenant's `fields`; `None` where the interval is invalid.
    pub(crate) fn read(fields: &Fields<'_>, api: Option<Api>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let errors_before = diagnostics.error_count();
        let mut window = fields.duration("window", &WINDOW, diagnostics)?;
        if diagnostics.error_count() > errors_before {
            // An invalid window counts as the longest one, so that the interval is not reported too.
            window = WINDOW.max;
        }
        let (interval, incremental) = match api {
            // The official API has no time buckets and is always asked for the latest history only.
            Some(Api::Official) => (Some(Interval::default()), None),
            _ => (read_interval(fields, window, diagnostics), incremental::read(fields, diagnostics)),
        };
        let states = read_states(fields, "states", diagnostics);
        Some(Self { window, interval: interval?, states: states?, incremental })
    }

    /// Writes the settings as keys of a tenant. The official API has only `window`.
    pub(crate) fn write(&self, yaml: &mut String, api: Api) -> fmt::Result {
        writeln!(yaml, "    window: {}", duration::format(self.window))?;
        if api == Api::Official {
            return Ok(());
        }
        writeln!(yaml, "    interval: {}", self.interval.text)?;
        writeln!(yaml, "    incremental: {}", self.incremental.is_some())?;
        if let Some(incremental) = self.incremental {
            writeln!(yaml, "    settle: {}", duration::format(incremental.settle))?;
            writeln!(yaml, "    full_refresh_interval: {}", duration::format(incremental.full_refresh_interval))?;
        }
        writeln!(yaml, "    states: {}", List(&self.states))
    }
}

impl Default for QuerySettings {
    fn default() -> Self {
        from_defaults(TENANT, |fields, diagnostics| Self::read(fields, Some(Api::Presence), diagnostics))
    }
}

impl Default for Interval {
    fn default() -> Self {
        from_defaults(TENANT, |fields, diagnostics| {
            fields.parse("interval", INTERVAL_EXAMPLE, diagnostics, interval::parse)
        })
    }
}

fn read_interval(fields: &Fields<'_>, window: Duration, diagnostics: &mut Diagnostics) -> Option<Interval> {
    if let Some(value) = fields.get("interval") {
        return value.parse(INTERVAL_EXAMPLE, diagnostics, |text| interval::parse_within(text, window));
    }
    let interval = Interval::default();
    if window < interval.length {
        let fitting = interval::suggestion(window);
        let remedy = format!("write an `interval` that is not longer, such as `{fitting}`, or a longer `window`");
        let message = format!("{} is shorter than the interval, {}", duration::format(window), interval.text);
        if let Some(window) = fields.get("window") {
            window.report(Problem::new(message, remedy), diagnostics);
        }
        return None;
    }
    Some(interval)
}
