//! Incremental refreshes of the presence API: `incremental`, `settle`, `full_refresh_interval`.

use crate::config::bounds::{FULL_REFRESH_INTERVAL, MAX_KEPT_BUCKETS, SETTLE};
use crate::config::diagnostics::{Diagnostics, Problem};
use crate::config::keys::TENANT;
use crate::config::parse::duration;
use crate::config::parse::fields::{Fields, from_defaults};
use crate::config::{Incremental, Tenant};

/// The settings in `fields` of a tenant of the presence API; `None` where refreshes are not incremental.
pub(crate) fn read(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Incremental> {
    let errors_before = diagnostics.error_count();
    let is_wanted = fields.flag("incremental", diagnostics)?;
    // An invalid flag is already reported; its dependent keys are not reported too.
    let is_valid = diagnostics.error_count() == errors_before;
    let settings = Incremental::read(fields, diagnostics);
    if is_wanted {
        return settings;
    }
    for value in ["settle", "full_refresh_interval"].iter().filter(|_| is_valid).filter_map(|key| fields.get(key)) {
        let remedy = "write `incremental: true`, or leave it out";
        value.report(Problem::new("is for `incremental: true`", remedy), diagnostics);
    }
    None
}

// === impl Incremental ===

impl Incremental {
    fn read(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let settle = fields.duration("settle", &SETTLE, diagnostics);
        let full_refresh_interval = fields.duration("full_refresh_interval", &FULL_REFRESH_INTERVAL, diagnostics);
        Some(Self { settle: settle?, full_refresh_interval: full_refresh_interval? })
    }
}

impl Default for Incremental {
    fn default() -> Self {
        from_defaults(TENANT, Self::read)
    }
}

/// Refuses settings that keep too many time buckets for the memory, and warns of settings that keep none.
pub(crate) fn check(tenant: &Tenant, fields: &Fields<'_>, diagnostics: &mut Diagnostics) {
    let Some(incremental) = tenant.query.incremental else { return };
    let given = ["incremental", "interval"].iter().find_map(|key| fields.get(key));
    let kept = tenant.kept_buckets();
    if kept > MAX_KEPT_BUCKETS {
        let message = format!(
            "keeps {kept} buckets ({} agents, {} over {}), more than {MAX_KEPT_BUCKETS}",
            tenant.agents.len(),
            tenant.query.interval.text,
            duration::format(tenant.query.window),
        );
        let remedy = "write a longer `interval`, a shorter `window`, fewer agents or `incremental: false`";
        let (place, path) = given.map_or((fields.place, fields.path), |value| (value.place, value.path));
        diagnostics.error(place, path, Problem::new(message, remedy));
    }
    // The defaults keep nothing of a short window, which costs nothing either.
    let wanted = ["incremental", "settle"].iter().find_map(|key| fields.get(key));
    if let Some(value) = wanted
        && incremental.settle + tenant.query.interval.length >= tenant.query.window
    {
        let (settle, window) = (duration::format(incremental.settle), duration::format(tenant.query.window));
        let message = format!("keeps nothing: within a window of {window}, no bucket is over for {settle}");
        let remedy = "write a shorter `settle` or `interval`, or `incremental: false`";
        diagnostics.warn(value.place, value.path, Problem::new(message, remedy));
    }
}
