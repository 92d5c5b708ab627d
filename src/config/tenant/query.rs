//! What requests ask for: `window`, `interval`, `states`, and whether refreshes are incremental.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::incremental;
use super::states::read_states;
use crate::config::bounds::WINDOW;
use crate::config::diagnostics::{Diagnostics, Problem};
use crate::config::parse::fields::Fields;
use crate::config::parse::{duration, interval};
use crate::config::redacted_yaml::List;
use crate::config::{Api, Incremental, Interval};
use crate::presence::StateName;

/// The interval of a tenant that configures none.
pub(crate) const DEFAULT_INTERVAL: &str = "PT1H";
const DEFAULT_INTERVAL_LENGTH: Duration = Duration::from_secs(3_600);
pub(crate) const DEFAULT_WINDOW: Duration = Duration::from_secs(24 * 3_600);

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
        // An invalid window counts as the longest one, so that the interval is not reported too.
        let fallback = if fields.get("window").is_some() { WINDOW.max } else { DEFAULT_WINDOW };
        let window = fields.duration("window", &WINDOW, diagnostics).unwrap_or(fallback);
        let (interval, incremental) = match api {
            // The official API has no time buckets and is always asked for the latest history only.
            Some(Api::Official) => (Some(Interval::default()), None),
            _ => (read_interval(fields, window, diagnostics), incremental::read(fields, diagnostics)),
        };
        let states = read_states(fields, "states", diagnostics).unwrap_or_default();
        Some(Self { window, interval: interval?, states, incremental })
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
        Self { window: DEFAULT_WINDOW, interval: Interval::default(), states: Vec::new(), incremental: None }
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self { text: DEFAULT_INTERVAL.to_owned(), length: DEFAULT_INTERVAL_LENGTH }
    }
}

fn read_interval(fields: &Fields<'_>, window: Duration, diagnostics: &mut Diagnostics) -> Option<Interval> {
    if let Some(value) = fields.get("interval") {
        let example = "an ISO 8601 duration, such as `PT1H`";
        return value.parse(example, diagnostics, |text| interval::parse_within(text, window));
    }
    if window < DEFAULT_INTERVAL_LENGTH {
        let remedy = "write an `interval` that is not longer, such as `PT1M`, or a longer `window`";
        let message = format!("{} is shorter than the interval, {DEFAULT_INTERVAL}", duration::format(window));
        if let Some(window) = fields.get("window") {
            window.report(Problem::new(message, remedy), diagnostics);
        }
        return None;
    }
    Some(Interval::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_interval_has_its_length() {
        assert_eq!(interval::parse(DEFAULT_INTERVAL), Ok(Interval::default()));
    }
}
