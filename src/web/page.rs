//! The page at `/`: links, version, freshness, and a table of agents.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};

use super::app::{App, TenantFront};
use super::limits::PAGE_ROWS;
use super::scrape::parameter;
use crate::config::{Agent, Tenant};
use crate::presence::Timestamp;
use crate::refresh::{AgentRow, Published};

/// The looks of the page. It is inline, so that the page needs no second request.
const STYLE: &str = "
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
dl { display: grid; grid-template-columns: max-content auto; gap: .3rem 1.5rem; }
dd { margin: 0; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .8rem; text-align: left; white-space: nowrap; border-bottom: 1px solid #8884; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.bad { color: #c22; font-weight: 600; }
.scroll { overflow-x: auto; }
";

/// Renders the page. `query` may name the first agent to show with `from`, counted from 0.
pub(super) fn render(app: &App, query: Option<&str>) -> String {
    let prefix = &app.options.external_prefix;
    let loaded = app.loaded();
    let from = parameter(query, "from").and_then(|from| from.parse().ok()).unwrap_or(0);
    let version = env!("CARGO_PKG_VERSION");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "CXone exporter" }
                style { (STYLE) }
            }
            body {
                h1 { "CXone exporter" }
                p { "Version " (version) ". Time in each presence state, per agent, within the window below." }
                nav {
                    ul {
                        li { a href={ (prefix) (app.options.telemetry_path) } { "Metrics" } }
                        @if loaded.tenants.len() > 1 {
                            @for tenant in &loaded.tenants {
                                @let name = &tenant.refresher.tenant().name;
                                li { a href={ (prefix) "/probe?target=" (name) } { "Metrics of " (name) } }
                            }
                        }
                        li { a href={ (prefix) "/config" } { "Configuration" } }
                        li { a href={ (prefix) "/-/healthy" } { "Health" } }
                    }
                }
                @for tenant in &loaded.tenants { (tenant_section(app, tenant, from)) }
            }
        }
    };
    page.into_string()
}

fn tenant_section(app: &App, front: &TenantFront, from: usize) -> Markup {
    let published = front.refresher.current();
    // The rows are in the order of this tenant's agents, whatever a reload does meanwhile.
    let tenant = &published.snapshot.tenant;
    let rows: Vec<_> = tenant.agents.iter().zip(&published.snapshot.rows).skip(from).take(PAGE_ROWS).collect();
    let after = from.saturating_add(rows.len());
    html! {
        section {
            h2 { "Tenant " (tenant.name) }
            (freshness(app.clock.now(), &published))
            @if rows.len() < tenant.agents.len() {
                p {
                    "Agents " (from.saturating_add(1)) " to " (after) " of " (tenant.agents.len()) ". "
                    @if from > 0 { a href={ "?from=" (from.saturating_sub(PAGE_ROWS)) } { "Earlier" } " " }
                    @if after < tenant.agents.len() { a href={ "?from=" (after) } { "Later" } }
                }
            }
            div.scroll { (agent_table(tenant, &rows)) }
        }
    }
}

fn freshness(now: Timestamp, published: &Published) -> Markup {
    let status = &published.status;
    let counts = status.agents;
    html! {
        dl {
            dt { "Last refresh" }
            dd {
                @match (status.last_attempt, status.up) {
                    (None, _) => { "none yet: the first scrape of the metrics starts it" },
                    (Some(at), true) => { "succeeded " (ago(now, at)) },
                    (Some(at), false) => { span.bad { "failed" } " " (ago(now, at)) },
                }
            }
            @if let Some(error) = &status.last_error {
                dt { "Why" }
                dd.bad { (error) }
            }
            @if let Some(window) = status.window {
                dt { "Window" }
                dd { (window.start) " to " (window.end) }
            }
            @if let Some(at) = status.last_success {
                dt { "Last full success" }
                dd { (at.whole_second()) }
            }
            @if let Some(at) = status.not_before {
                dt { "Next refresh not before" }
                dd { (at.whole_second()) }
            }
            dt { "Agents" }
            dd { (counts.fresh) " fresh, " (counts.stale) " stale, " (counts.missing) " without data" }
        }
    }
}

fn agent_table(tenant: &Tenant, rows: &[(&Agent, &AgentRow)]) -> Markup {
    let states = tenant.declared_states.as_slice();
    html! {
        table {
            thead {
                tr {
                    th { "Agent" } th { "Name" } th { "Team" }
                    @for state in states { th.number { (state) } }
                    th.number { "Other" } th.number { "Observed" }
                }
            }
            tbody {
                @for (agent, row) in rows {
                    @let presence = row.data.as_ref().and_then(|data| data.presence.as_ref());
                    tr {
                        td { (tenant.label(agent)) }
                        td { (agent.name.as_deref().unwrap_or_default()) }
                        td { (agent.team.as_deref().unwrap_or_default()) }
                        @if let Some(presence) = presence {
                            @let shown = |name: &str| states.iter().any(|state| **state == *name);
                            @for state in states {
                                @let time = presence.states.iter().find(|(name, _)| name == state);
                                td.number { (clock_time(time.map_or(0, |(_, time)| time.get()))) }
                            }
                            @let other: u64 = presence.states.iter().filter(|(name, _)| !shown(name)).map(|(_, time)| time.get()).sum();
                            td.number { (clock_time(other)) }
                            td.number { (clock_time(presence.observed.get())) }
                        } @else {
                            td colspan=(states.len() + 2) { "no data" }
                        }
                    }
                }
            }
        }
    }
}

/// A span of microseconds as hours, minutes and seconds.
fn clock_time(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn ago(now: Timestamp, then: Timestamp) -> String {
    let age = Duration::from_micros(now.saturating_since(then).get());
    format!("{} s ago", age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_shown_in_hours_minutes_and_seconds() {
        assert_eq!(clock_time(0), "0:00:00");
        assert_eq!(clock_time(86_400_000_000), "24:00:00");
        assert_eq!(clock_time(3_725_999_999), "1:02:05");
    }
}
