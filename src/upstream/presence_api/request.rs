//! The address of a page of the agent-presence report.

use url::Url;

use crate::config::Tenant;
use crate::presence::{StateName, WatchedAgent, Window};

/// The path of the report.
pub(super) const PATH: &str = "/api/v2/reporting/agent-presence";

/// The address of the first page for `agents` and `window`.
pub(super) fn first_page(mut report: Url, tenant: &Tenant, window: Window, agents: &[WatchedAgent]) -> Url {
    report
        .query_pairs_mut()
        .append_pair("agentIds", &joined(agents.iter().map(|agent| &*agent.id)))
        .append_pair("startTime", &window.start.to_string())
        .append_pair("endTime", &window.end.to_string())
        .append_pair("interval", &tenant.query.interval.text);
    if !tenant.query.states.is_empty() {
        report.query_pairs_mut().append_pair("states", &joined(tenant.query.states.iter().map(StateName::as_ref)));
    }
    report
}

/// The address of the page with this token.
pub(super) fn next_page(first: &Url, token: &str) -> Url {
    let mut url = first.clone();
    url.query_pairs_mut().append_pair("nextPageToken", token);
    url
}

/// The configuration refuses commas in ids and states, so a comma can only separate.
fn joined<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.collect::<Vec<_>>().join(",")
}
