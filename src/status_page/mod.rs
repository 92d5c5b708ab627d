//! The status page as HTML: data freshness of each tenant, its agents, and the window of one agent.
//!
//! | module | content |
//! | --- | --- |
//! | `page_query` | the query string of a page: filters, sort order, page number |
//! | `summary`, `totals` | what needs every agent, computed once per snapshot; sums of some agents |
//! | `selection`, `order`, `listed_agent` | filters and sorts the agents, picks those of one page; one agent |
//! | `state_styles`, `hour_grid`, `chart`, `axis` | colours and patterns of states; hours of zones; charts as SVG |
//! | `state_lanes` | the exact times of one agent's states |
//! | `tenant_status`, `attention`, `all_agents`, `agent_table`, `agent_page`, `promql` | the sections |
//! | `teams` | the section on teams, in place of agents without `per_agent` |
//! | `agents_csv` | the selected agents as CSV |
//! | `layout`, `assets` | document around the sections; stylesheet, script, icon |
//!
//! Pages are made of published snapshots only. `web` serves them; this module does no I/O.

mod agent_page;
mod agent_table;
mod agents_csv;
mod all_agents;
mod assets;
mod attention;
mod axis;
mod chart;
mod format;
mod hour_grid;
mod layout;
mod listed_agent;
mod order;
mod page_query;
mod promql;
mod selection;
mod state_lanes;
mod state_styles;
mod summary;
mod teams;
mod tenant_status;
mod totals;

use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};

pub use self::assets::Asset;
use self::hour_grid::HourGrid;
use self::page_query::{AgentQuery, PageQuery};
use self::selection::Agents;
pub use self::summary::Summaries;
use crate::presence::{Timestamp, isolate_text};
use crate::refresh::Published;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

const HTML: &str = "text/html; charset=utf-8";
const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Time between renewals of a page while a refresh is in progress: its result is shown soon after it is there.
const RENEWAL_WHILE_REFRESHING: Duration = Duration::from_secs(5);

/// Shortest time between renewals otherwise. A page costs milliseconds, and people need time to read.
const MIN_RENEWAL: Duration = Duration::from_secs(15);

/// What the pages are made of.
#[derive(Debug)]
pub struct StatusPage<'a> {
    /// The tenants, in the order of the configuration.
    pub tenants: Vec<TenantStatus>,
    /// The current time.
    pub now: Timestamp,
    /// Prefix of links (`--web.external-url`); empty for relative links.
    pub external_prefix: &'a str,
    /// Path of the metrics (`--web.telemetry-path`).
    pub telemetry_path: &'a str,
    /// Summaries of earlier pages, reused for the same snapshot.
    pub summaries: &'a Summaries,
}

/// What a page shows of one tenant.
#[derive(Debug)]
pub struct TenantStatus {
    /// The data that scrapes are answered from.
    pub published: Arc<Published>,
    /// API requests of the last hour.
    pub requests_in_last_hour: u64,
    /// Whether a refresh is in progress.
    pub is_refreshing: bool,
}

/// A whole document.
#[derive(Debug)]
pub struct Document {
    /// The text.
    pub text: Vec<u8>,
    /// Value of the header `Content-Type`.
    pub content_type: &'static str,
    /// False if the query names an unknown tenant or agent; the document then says so.
    pub found: bool,
}

// === impl StatusPage ===

impl StatusPage<'_> {
    /// All tenants, and the agents of the one that the query selects; with `format=csv`, all selected agents as CSV.
    pub fn overview(&self, query: Option<&str>) -> Document {
        let query = PageQuery::parse(query);
        let Some(tenant) = self.tenant(query.tenant.as_deref()) else { return self.not_found("tenant", "") };
        let Published { snapshot, status, .. } = &*tenant.published;
        if !snapshot.tenant.privacy.per_agent {
            return if query.csv { self.teams_only() } else { self.teams(tenant, query.hours) };
        }
        let summary = self.summaries.of(snapshot);
        let agents = Agents { snapshot, summary: &summary, any_fresh: status.agents.fresh > 0 };
        let page = selection::select(&agents, &query);
        if query.csv {
            let text = agents_csv::csv(&agents, &page).unwrap_or_default();
            return Document { text, content_type: CSV, found: true };
        }
        let content = html! {
            h1 { "Agent presence" }
            (tenant_status::shard(&snapshot.tenant))
            @if status.last_attempt.is_some() { (attention::section(&agents, &page.due, self.tenants.len() > 1)) }
            @if self.tenants.len() > 1 { (tenant_status::table(self, &snapshot.tenant.name)) }
            (tenant_status::freshness(tenant, self.now))
            (all_agents::section(&agents, &query, &page.chosen))
            (agent_table::section(&agents, &query, &page))
        };
        let frame = layout::Frame {
            title: "CXone exporter",
            skip_to: "agents-section",
            renewal: tenant.renewal(),
            zones: &summary.zones,
            hours: query.hours,
        };
        Document::html(layout::document(self, &frame, &content), true)
    }

    /// The agent that the query selects.
    pub fn agent(&self, query: Option<&str>) -> Document {
        let query = AgentQuery::parse(query);
        let Some(tenant) = self.tenant(query.tenant.as_deref()) else { return self.not_found("tenant", "") };
        let Published { snapshot, status, .. } = &*tenant.published;
        if !snapshot.tenant.privacy.per_agent {
            return self.teams_only();
        }
        let summary = self.summaries.of(snapshot);
        let agents = Agents { snapshot, summary: &summary, any_fresh: status.agents.fresh > 0 };
        let index = summary.labels.iter().position(|label| **label == *query.agent);
        let Some(line) = index.and_then(|index| agents.get(index)) else {
            return self.not_found("agent", tenant_status::other_shard_remark(&snapshot.tenant));
        };
        let content = agent_page::content(&snapshot.tenant, &summary, &line, query.hours, self.tenants.len() > 1);
        let content = html! { div #agent { (content) } };
        let title = format!("Agent {} \u{2013} CXone exporter", isolate_text(line.label));
        let frame = layout::Frame {
            title: &title,
            skip_to: "agent",
            renewal: tenant.renewal(),
            zones: &summary.zones,
            hours: query.hours,
        };
        Document::html(layout::document(self, &frame, &content), true)
    }

    /// All tenants, and the teams of `tenant`, which shows no single agent: no filter applies, as it could single one out.
    fn teams(&self, tenant: &TenantStatus, hours: HourGrid) -> Document {
        let snapshot = &tenant.published.snapshot;
        let summary = self.summaries.of(snapshot);
        let agents = Agents { snapshot, summary: &summary, any_fresh: false };
        let all: Vec<usize> = (0..snapshot.rows.len()).collect();
        let query = PageQuery { hours, ..PageQuery::default() };
        let content = html! {
            h1 { "Presence of teams" }
            (tenant_status::shard(&snapshot.tenant))
            @if self.tenants.len() > 1 { (tenant_status::table(self, &snapshot.tenant.name)) }
            (tenant_status::freshness(tenant, self.now))
            (all_agents::section(&agents, &query, &all))
            (teams::section(snapshot, &summary))
        };
        let frame = layout::Frame {
            title: "CXone exporter",
            skip_to: "teams-section",
            renewal: tenant.renewal(),
            zones: &summary.zones,
            hours,
        };
        Document::html(layout::document(self, &frame, &content), true)
    }

    /// The answer to a request for single agents of a tenant that shows teams only.
    fn teams_only(&self) -> Document {
        let reason = html! {
            p {
                "Its configuration has " code { "per_agent: false" } ", so no page shows a single agent. "
                a href="./" { "See the teams" } "."
            }
        };
        self.nothing("This tenant shows teams only", &reason)
    }

    /// How many agents of a tenant need attention and why; nothing where no refresh has ended or single agents are not shown.
    fn attention_of(&self, tenant: &TenantStatus) -> Markup {
        let Published { snapshot, status, .. } = &*tenant.published;
        if status.last_attempt.is_none() || !snapshot.tenant.privacy.per_agent {
            return Markup::default();
        }
        let summary = self.summaries.of(snapshot);
        attention::counts(&Agents { snapshot, summary: &summary, any_fresh: status.agents.fresh > 0 })
    }

    /// The tenant of this name; without a name, the first.
    fn tenant(&self, name: Option<&str>) -> Option<&TenantStatus> {
        match name {
            Some(name) => self.tenants.iter().find(|tenant| tenant.published.snapshot.tenant.name == name),
            None => self.tenants.first(),
        }
    }

    fn not_found(&self, what: &str, remark: &str) -> Document {
        let reason = html! { p { "It is not in the configuration. " (remark) a href="./" { "See all agents" } "." } };
        self.nothing(&format!("There is no such {what}"), &reason)
    }

    fn nothing(&self, heading: &str, reason: &Markup) -> Document {
        let content: Markup = html! { div #nothing { h1 { (heading) } (reason) } };
        let frame = layout::Frame {
            title: "Not found \u{2013} CXone exporter",
            skip_to: "nothing",
            renewal: None,
            zones: &[],
            hours: HourGrid::default(),
        };
        Document::html(layout::document(self, &frame, &content), false)
    }
}

// === impl Document ===

impl Document {
    fn html(html: String, found: bool) -> Self {
        Self { text: html.into_bytes(), content_type: HTML, found }
    }
}

// === impl TenantStatus ===

impl TenantStatus {
    /// When the page renews itself: soon while a refresh is in progress, else when data may be read again.
    fn renewal(&self) -> Option<Duration> {
        let cooldown = self.published.snapshot.tenant.limits.cooldown;
        Some(if self.is_refreshing { RENEWAL_WHILE_REFRESHING } else { cooldown.max(MIN_RENEWAL) })
    }
}
