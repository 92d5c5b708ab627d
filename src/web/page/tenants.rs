//! How things stand with a tenant, in words: is its data fresh, and if not, why and what to do.

use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};

use super::format::{about, ago, moment};
use super::view::View;
use crate::config::Tenant;
use crate::presence::Timestamp;
use crate::refresh::{Published, Status};
use crate::web::App;
use crate::web::app::TenantFront;

/// How long after a cooldown data still counts as fresh: a scrape interval that is twice the usual one, as only scrapes
/// start refreshes.
const SCRAPE_GRACE: Duration = Duration::from_secs(120);

/// What can be said in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The last refresh succeeded, and not long ago.
    Fresh,
    /// The last refresh succeeded, but nobody has asked for another one for a while.
    Idle,
    /// The last refresh failed, at least in part; older data is shown.
    Stale,
    /// No refresh has ended yet.
    Waiting,
    /// Refreshes fail, and there is no data, or none that is young enough.
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
        if age <= tenant.cooldown + SCRAPE_GRACE { Self::Fresh } else { Self::Idle }
    }

    /// For the stylesheet.
    const fn key(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Idle => "idle",
            Self::Stale => "stale",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
        }
    }

    /// A sign and a word, as colour alone is nothing to many.
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
            Self::Fresh => "The last refresh read everything it asked for.",
            Self::Idle => {
                "The last refresh succeeded, and no scrape has asked for another one since. Is Prometheus scraping?"
            }
            Self::Stale => "The last refresh did not read everything; what it missed is shown as it was.",
            Self::Waiting => "The first scrape of the metrics starts the first refresh.",
            Self::Failing => "Refreshes fail, and what was read before is too old to be shown.",
        }
    }
}

/// Which of several exporters this is, where others have the rest of the agents: nothing here counts those.
pub(super) fn shard(tenant: &Tenant) -> Markup {
    html! {
        @if let Some(shard) = tenant.shard_among_others() {
            p #shard .note {
                strong { "Shard " (shard.index()) " of " (shard.total()) ", counted from 0" }
                ": what follows is of its own agents. Each of the others has a page like this."
            }
        }
    }
}

/// What is said of an agent that is not here.
pub(super) fn may_be_elsewhere(tenant: &Tenant) -> &'static str {
    if tenant.shard_among_others().is_some() { "It may be an agent of another shard. " } else { "" }
}

/// The chosen tenant.
pub(super) fn freshness(app: &App, front: &TenantFront, published: &Published) -> Markup {
    let tenant = &published.snapshot.tenant;
    let now = app.clock.now();
    let status = &published.status;
    let verdict = Verdict::of(published, tenant, now);
    html! {
        section #freshness aria-labelledby="freshness-title" {
            h2 #freshness-title { "Tenant " (tenant.name) }
            p.verdict data-verdict=(verdict.key()) { strong { (verdict.words()) } " " span { (verdict.explanation()) } }
            @if let Some(error) = &status.last_error {
                p.error role="alert" { strong { "Last error: " } (error) }
            }
            dl {
                (window(status))
                (last_success(status, now))
                @if let Some(at) = status.last_attempt.filter(|_| !status.up) {
                    div { dt { "Last attempt" } dd { (moment(at)) " (" (ago(now.saturating_since(at).into())) ")" } }
                }
                @if let Some(at) = status.not_before {
                    div { dt { "Next fetch not before" } dd { (moment(at)) (wait(now, at)) } }
                }
                div { dt { "API calls of the last hour" } dd { (front.instruments.requests_in_last_hour()) } }
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
                    Some(at) => { (moment(at)) " (" (ago(now.saturating_since(at).into())) ")" },
                    None => { "none yet" },
                }
            }
        }
    }
}

fn wait(now: Timestamp, at: Timestamp) -> Markup {
    let wait: Duration = at.saturating_since(now).into();
    html! { @if wait.is_zero() { " (with the next scrape)" } @else { " (in " (about(wait)) ")" } }
}

fn agents(status: &Status) -> Markup {
    let counts = status.agents;
    html! {
        (counts.fresh) " fresh, " (counts.stale) " stale, " (counts.missing) " without data"
        @if let Some(dropped @ 1..) = status.agents_dropped { ", " (dropped) " left out for " code { "agent_filter.max" } }
    }
}

/// Every tenant in a line, where there are several.
pub(super) fn table(app: &App, fronts: &[TenantFront], chosen: &str) -> Markup {
    let now = app.clock.now();
    html! {
        section aria-labelledby="tenants-title" {
            h2 #tenants-title { "Tenants" }
            div.scroll tabindex="0" role="group" aria-label="Table of tenants" {
                table #tenants {
                    thead {
                        tr {
                            th scope="col" { "Tenant" }
                            th scope="col" { "Data" }
                            th scope="col" { "Last full success" }
                            th scope="col" { "Next fetch not before" }
                            th scope="col" { "API calls, last hour" }
                            th scope="col" { "Agents" }
                            th scope="col" { "Metrics" }
                        }
                    }
                    tbody {
                        @for front in fronts { (line(app, front, chosen, now)) }
                    }
                }
            }
        }
    }
}

fn line(app: &App, front: &TenantFront, chosen: &str, now: Timestamp) -> Markup {
    let published: Arc<Published> = front.refresher.current();
    let (tenant, status) = (&published.snapshot.tenant, &published.status);
    let verdict = Verdict::of(&published, tenant, now);
    let current = (tenant.name == chosen).then_some("true");
    let mut probe = url::form_urlencoded::Serializer::new(String::new());
    probe.append_pair("target", &tenant.name);
    html! {
        tr {
            th scope="row" { a href=(View::of_tenant(&tenant.name).href()) aria-current=[current] { (tenant.name) } }
            td.verdict data-label="Data" data-verdict=(verdict.key()) { strong { (verdict.words()) } }
            td data-label="Last full success" { @if let Some(at) = status.last_success { (moment(at)) } @else { "none yet" } }
            td data-label="Next fetch not before" { @if let Some(at) = status.not_before { (moment(at)) } }
            td.number data-label="API calls, last hour" { (front.instruments.requests_in_last_hour()) }
            td data-label="Agents" { (agents(status)) }
            td data-label="Metrics" {
                a href={ (app.options.external_prefix) "/probe?" (probe.finish()) } { "Metrics of " (tenant.name) }
            }
        }
    }
}
