//! Parses scalars like Go's YAML library.

use std::time::Duration;

use crate::config::diagnostics::{Diagnostics, Problem, quoted};
use crate::config::parse::duration;
use crate::config::parse::value::Value;
use crate::config::parse::yaml::NodeValue;

/// A plain boolean; YAML 1.1's spellings count, as Go reads them.
pub(super) fn boolean(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<bool> {
    if let NodeValue::Scalar { text, plain: true } = &value.node.value {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => return Some(true),
            "false" | "no" | "off" | "n" => return Some(false),
            _ => {}
        }
    }
    value.report(Problem::new("is not a boolean", "write true or false"), diagnostics);
    None
}

/// A duration as Go writes it, such as `1s`, `1m30s` or `250ms`; a bare number counts nanoseconds.
pub(super) fn go_duration(text: &str) -> Result<Duration, Problem> {
    if let Ok(nanoseconds) = text.parse::<u64>() {
        return Ok(Duration::from_nanos(nanoseconds));
    }
    for (unit, nanoseconds) in [("ns", 1_u64), ("us", 1_000), ("µs", 1_000)] {
        if let Some(number) = text.strip_suffix(unit)
            && let Ok(number) = number.parse::<u64>()
        {
            return Ok(Duration::from_nanos(number.saturating_mul(nanoseconds)));
        }
    }
    duration::parse(text)
        .map_err(|_| Problem::new(format!("{} is not a duration", quoted(text)), "write one such as `1s` or `250ms`"))
}
