//! Warns of variables that begin like those of this program and are none, such as misspelt ones.

use super::nearest::{nearest, nearest_three};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys::VARIABLES;

/// The variables of this program begin with this.
const PREFIX: &str = "CXONE_";

/// A warning for each of the `names` that begins with `CXONE_` and is neither a variable of a tenant nor one of `others`.
pub fn unknown_variables<'a>(names: impl IntoIterator<Item = &'a str>, others: &[&'a str]) -> Vec<String> {
    let mut names: Vec<&str> = names.into_iter().filter(|name| name.starts_with(PREFIX)).collect();
    names.sort_unstable();
    // Kubernetes sets such variables for each Service whose name begins with `cxone-`.
    let services: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix("_SERVICE_HOST")).collect();
    let is_of_service = |name: &str| {
        let rest = |service: &&str| name.strip_prefix(*service);
        services.iter().filter_map(rest).any(|rest| rest.starts_with("_SERVICE_") || rest.starts_with("_PORT"))
    };
    let mut diagnostics = Diagnostics::default();
    let place = diagnostics.add_source("environment");
    for name in names.into_iter().filter(|name| !others.contains(name) && !is_of_service(name)) {
        warn_if_unknown(name, others, place, &mut diagnostics);
    }
    diagnostics.into_warnings().unwrap_or_default()
}

/// Warns of a variable that begins with `CXONE_` and is not known.
pub(crate) fn warn_if_unknown(name: &str, others: &[&str], place: Place, diagnostics: &mut Diagnostics) {
    let known = VARIABLES.iter().map(|variable| variable.name).chain(others.iter().copied());
    let Some(own) = name.strip_prefix(PREFIX) else { return };
    if known.clone().any(|known| known == name) {
        return;
    }
    // Every name has the prefix, so it says nothing about which one is meant.
    let known = known.filter_map(|known| known.strip_prefix(PREFIX));
    let remedy = match nearest(own, known.clone()) {
        Some(meant) => format!("did you mean {PREFIX}{meant}?"),
        None => {
            let names = nearest_three(own, known).into_iter().map(|known| format!("{PREFIX}{known}"));
            format!("the nearest known names are {}", names.collect::<Vec<_>>().join(", "))
        }
    };
    diagnostics.warn(place, quoted(name).trim_matches('`'), Problem::new("is not a variable that is read", remedy));
}
