//! Data freshness of the tenants, and the reason if data is not fresh.

use std::time::Duration;

use maud::{Markup, html};

use super::format::{clock_time, moment, name};
use super::page_query::PageQuery;
use super::{StatusPage, TenantStatus};
use crate::config::Tenant;
use crate::presence::{Micros, Timestamp};
use crate::refresh::{Published, Status};

/// Data counts as fresh for this long after the cooldown. Scrapes and pages start refreshes, so this is twice the usual
/// scrape interval.
const SCRAPE_GRACE: Duration = Duration::from_secs(120);

/// Data freshness of a tenant in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The last refresh succeeded recently.
    Fresh,
    /// The last refresh succeeded, but no scrape has started another one since.
    Idle,
    /// The last refresh failed or was incomplete; older data is shown.
    Stale,
    /// No refresh has ended yet.
    Waiting,
    /// Refreshes fail, and data is missing or older than `max_staleness`.
    Failing,
}

// === impl Verdict ===

impl Verdict {
    fn of(published: &Published, tenant: &Tenant, now: Timestamp) -> Self {
        let status = &published.status;
        if status.last_attempt.is_none() {
            return Self::Waiting;
        }
        if !status.up {
            return if published.has_data() { Self::Stale } else { Self::Failing };
        }
        let age = status.last_attempt.map(|at| Duration::from(now.saturating_since(at))).unwrap_or_default();
        if age <= tenant.limits.cooldown + SCRAPE_GRACE { Self::Fresh } else { Self::Idle }
    }

    /// Value of the attribute `data-verdict`, for the stylesheet.
    const fn key(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Idle => "idle",
            Self::Stale => "stale",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
        }
    }

    /// A symbol and a word: colour alone is not accessible.
    const fn words(self) -> &'static str {
        match self {
            Self::Fresh => "\u{2713} Fresh",
            Self::Idle => "\u{25cb} Idle",
            Self::Stale => "\u{25b2} Stale",
            Self::Waiting => "\u{25cb} No data yet",
            Self::Failing => "\u{2717} Failing",
        }
    }

    const fn explanation(self) -> &'static str {
        match self {
            Self::Fresh => "The last refresh was complete.",
            Self::Idle => {
                "The last refresh succeeded; no scrape had started another one since. Is Prometheus scraping?"
            }
            Self::Stale => "The last refresh failed or was incomplete; older data is shown for the rest.",
            Self::Waiting => "The first refresh has not ended yet.",
            Self::Failing => "Refreshes fail, and earlier data is missing or too old to be shown.",
        }
    }
}

/// The shard of this exporter, if there are several. The page shows and counts its own agents only.
pub(super) fn shard(tenant: &Tenant) -> Markup {
    html! {
        @if let Some(shard) = tenant.shard_among_others() {
            p #shard .note {
                strong { "Shard " (shard.index()) " of " (shard.total()) ", counted from 0" }
                ": this page shows the agents of this shard only. Each shard has its own page."
            }
        }
    }
}

/// Remark on an unknown agent.
pub(super) fn other_shard_remark(tenant: &Tenant) -> &'static str {
    if tenant.shard_among_others().is_some() { "It may be an agent of another shard. " } else { "" }
}

/// Freshness of the selected tenant.
pub(super) fn freshness(tenant_status: &TenantStatus, now: Timestamp) -> Markup {
    let published = &*tenant_status.published;
    let (tenant, status) = (&published.snapshot.tenant, &published.status);
    let verdict = Verdict::of(published, tenant, now);
    html! {
        section #freshness aria-labelledby="freshness-title" {
            h2 #freshness-title { "Tenant " (tenant.name) }
            p.verdict data-verdict=(verdict.key()) { strong { (verdict.words()) } " " span { (verdict.explanation()) } }
            @if let Some(error) = &status.last_error {
                p.error role="alert" { strong { "Last error: " } (name(&error.to_string())) }
            }
            dl {
                (window(status))
                (last_success(status, now))
                @if let Some(at) = status.last_attempt.filter(|_| !status.up) {
                    div { dt { "Last attempt" } dd { (moment(at)) " (" (clock_time(now.saturating_since(at))) " ago" ")" } }
                }
                @if let Some(at) = status.not_before {
                    div { dt { "Next fetch not before" } dd { (moment(at)) (wait(now, at)) } }
                }
                div { dt { "API calls of the last hour" } dd { (tenant_status.requests_in_last_hour) } }
                div { dt { "Agents" } dd { (agents(status)) } }
            }
        }
    }
}

fn window(status: &Status) -> Markup {
    html! {
        @if let Some(window) = status.window {
            div { dt { "Window" } dd { (moment(window.start)) " to " (moment(window.end)) } }
        }
    }
}

fn last_success(status: &Status, now: Timestamp) -> Markup {
    html! {
        div {
            dt { "Last full success" }
            dd {
                @match status.last_success {
                    Some(at) => { (moment(at)) " (" (clock_time(now.saturating_since(at))) " ago" ")" },
                    None => { "none yet" },
                }
            }
        }
    }
}

fn wait(now: Timestamp, at: Timestamp) -> Markup {
    let wait = at.saturating_since(now);
    html! { @if wait == Micros::ZERO { " (with the next scrape or page)" } @else { " (in " (clock_time(wait)) ")" } }
}

fn agents(status: &Status) -> Markup {
    let counts = status.agents;
    html! {
        (counts.fresh) " fresh, " (counts.stale) " stale, " (counts.missing) " without data"
        @if let (Some(listed), Some(0)) = (status.agents_listed, status.agents_selected) {
            "; " code { "agent_filter" } " selects none of the " (listed) " agents in CXone\u{2019}s list"
        }
        @if let Some(unconfirmed) = status.agents_unconfirmed {
            "; CXone\u{2019}s list suddenly has only " (unconfirmed) " agents, which has no effect until its next reading says the same"
        }
        @if let Some(dropped @ 1..) = status.agents_dropped { ", " (dropped) " excluded by " code { "agent_filter.max" } }
    }
}

/// The table of all tenants.
pub(super) fn table(page: &StatusPage<'_>, selected: &str) -> Markup {
    html! {
        section aria-labelledby="tenants-title" {
            h2 #tenants-title { "Tenants" }
            div.scroll tabindex="0" role="group" aria-label="Table of tenants" {
                table #tenants {
                    thead {
                        tr {
                            th scope="col" { "Tenant" }
                            th scope="col" { "Data" }
                            th scope="col" { "Needs attention" }
                            th scope="col" { "Last full success" }
                            th scope="col" { "Next fetch not before" }
                            th scope="col" { "API calls, last hour" }
                            th scope="col" { "Agents" }
                            th scope="col" { "Metrics" }
                        }
                    }
                    tbody {
                        @for tenant in &page.tenants { (row(page, tenant, selected)) }
                    }
                }
            }
        }
    }
}

fn row(page: &StatusPage<'_>, tenant_status: &TenantStatus, selected: &str) -> Markup {
    let published = &*tenant_status.published;
    let (tenant, status) = (&published.snapshot.tenant, &published.status);
    let verdict = Verdict::of(published, tenant, page.now);
    let current = (tenant.name == selected).then_some("true");
    let mut probe = url::form_urlencoded::Serializer::new(String::new());
    probe.append_pair("target", &tenant.name);
    html! {
        tr {
            th scope="row" { a href=(PageQuery::of_tenant(&tenant.name).href()) aria-current=[current] { (tenant.name) } }
            td.verdict data-label="Data" data-verdict=(verdict.key()) { strong { (verdict.words()) } }
            td data-label="Needs attention" { (page.attention_of(tenant_status)) }
            td data-label="Last full success" { @if let Some(at) = status.last_success { (moment(at)) } @else { "none yet" } }
            td data-label="Next fetch not before" { @if let Some(at) = status.not_before { (moment(at)) } }
            td.number data-label="API calls, last hour" { (tenant_status.requests_in_last_hour) }
            td data-label="Agents" { (agents(status)) }
            td data-label="Metrics" {
                a href={ (page.external_prefix) "/probe?" (probe.finish()) } { "Metrics of " (tenant.name) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unconfirmed_agent_list_is_shown() {
        let shown = |agents_unconfirmed| agents(&Status { agents_unconfirmed, ..Status::default() }).into_string();
        assert_eq!(shown(None), "0 fresh, 0 stale, 0 without data");
        // A list without agents is one as well.
        assert!(shown(Some(0)).contains("list suddenly has only 0 agents"), "{}", shown(Some(0)));
    }
}
