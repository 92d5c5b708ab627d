//! The agents that need attention: absent, over their offline limit, unknown, or with old data.
//!
//! The first three are what the alerts of `deploy/prometheus` fire for, so agents off shift and on leave are in none of them.

use maud::{Markup, html};

use super::format::{clock_time, name};
use super::listed_agent::ListedAgent;
use super::page_query::{AgentQuery, PageQuery};
use super::selection::Agents;
use crate::presence::Micros;

/// Agents named per reason. The filter shows all.
const MAX_NAMED: usize = 5;

/// A reason why an agent needs attention, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attention {
    /// On shift, and offline for longer than the absent limit.
    Absent,
    /// The offline time is over the agent's limit.
    OverLimit,
    /// There is no data, or CXone reports nothing for the agent.
    Unknown,
    /// The data is older than the last refresh.
    Stale,
}

/// The agents that a reason is due for.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) count: usize,
    /// Indices of those to name, the worst first.
    named: Vec<usize>,
}

/// The agents by reason, in the order of [`Attention::ALL`].
pub(super) type DueAgents = [Due; Attention::ALL.len()];

// === impl Attention ===

impl Attention {
    pub(super) const ALL: [Self; 4] = [Self::Absent, Self::OverLimit, Self::Unknown, Self::Stale];

    /// Value of the parameter `attention`.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::OverLimit => "over-limit",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
        }
    }

    /// The reason in words.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Absent => "Absent now",
            Self::OverLimit => "Over the limit",
            Self::Unknown => "Unknown",
            Self::Stale => "Stale",
        }
    }

    const fn explanation(self) -> &'static str {
        match self {
            Self::Absent => "on shift, and offline for longer than allowed",
            Self::OverLimit => "offline for longer than the limit allows",
            Self::Unknown => "no data, or nothing reported in the window",
            Self::Stale => "the last refresh did not read them",
        }
    }

    pub(super) fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attention| attention.key() == key)
    }

    /// Whether this is a reason for `line`.
    pub(super) fn is_due(self, line: &ListedAgent<'_>) -> bool {
        match self {
            Self::Absent => line.is_absent(),
            Self::OverLimit => line.is_over_limit(),
            Self::Unknown => line.is_unknown(),
            Self::Stale => line.is_stale,
        }
    }

    /// The time that is too long, if this is a matter of time.
    fn excess(self, line: &ListedAgent<'_>) -> Option<Micros> {
        match self {
            Self::Absent => line.absent(),
            Self::OverLimit => line.limited_offline,
            Self::Unknown | Self::Stale => None,
        }
    }

    /// Position of the first reason of `line`, and among those of the same reason; agents without one are last.
    pub(super) fn rank(line: &ListedAgent<'_>) -> (usize, std::cmp::Reverse<Option<Micros>>) {
        let first = Self::ALL.into_iter().position(|attention| attention.is_due(line));
        let excess = first.and_then(|first| Self::ALL.get(first)).and_then(|attention| attention.excess(line));
        (first.unwrap_or(Self::ALL.len()), std::cmp::Reverse(excess))
    }

    /// Those of `due` to name: for times that are too long, the longest.
    pub(super) fn due(self, agents: &Agents<'_>, mut due: Vec<usize>) -> Due {
        let count = due.len();
        due.sort_by_cached_key(|index| agents.get(*index).map(|line| std::cmp::Reverse(self.excess(&line))));
        due.truncate(if matches!(self, Self::Absent | Self::OverLimit) { MAX_NAMED } else { 0 });
        Due { count, named: due }
    }
}

/// The numbers of a tenant's agents by reason, as filters, in a cell of the table of tenants.
pub(super) fn counts(agents: &Agents<'_>) -> Markup {
    let tenant = &agents.snapshot.tenant.name;
    let mut due = Attention::ALL.map(|reason| (reason, 0_usize));
    for (_, line) in agents.lines() {
        due.iter_mut().for_each(|(reason, count)| *count += usize::from(reason.is_due(&line)));
    }
    let due: Vec<_> = due.into_iter().filter(|(_, count)| *count > 0).collect();
    html! {
        @if due.is_empty() { "no agent" }
        @for (nth, (reason, count)) in due.into_iter().enumerate() {
            @if nth > 0 { ", " }
            a data-attention=(reason.key()) href=(PageQuery::needing(tenant, reason).results_href()) {
                (reason.title()) ": " strong { (count) }
            }
        }
    }
}

/// The section at the top of the overview: each reason with the number of its agents, as a filter. With `several` tenants it
/// names its own, because the others are in the table of tenants only.
pub(super) fn section(agents: &Agents<'_>, due: &DueAgents, several: bool) -> Markup {
    let tenant = &agents.snapshot.tenant.name;
    html! {
        section #attention aria-labelledby="attention-title" {
            h2 #attention-title { "Needs attention" @if several { ": tenant " (tenant) } }
            @if due.iter().all(|due| due.count == 0) {
                p { "\u{2713} No agent " @if several { "of " (tenant) " " } "is absent, over its limit, unknown or stale." }
            }
            ul {
                @for (attention, due) in Attention::ALL.into_iter().zip(due) {
                    li data-attention=(attention.key()) data-count=(due.count) {
                        a href=(PageQuery::needing(tenant, attention).results_href()) {
                            (attention.title()) ": " strong { (due.count) }
                        }
                        " " span.note { (attention.explanation()) }
                        @if !due.named.is_empty() {
                            ul {
                                @for line in due.named.iter().filter_map(|index| agents.get(*index)) {
                                    li {
                                        a href=(AgentQuery::href(tenant, line.label)) { (name(line.agent.name.as_deref().unwrap_or(line.label))) }
                                        @if let Some(team) = &line.agent.team { ", " (name(team)) }
                                        ": " (attention.excess(&line).map(clock_time).unwrap_or_default())
                                    }
                                }
                                @if due.count > due.named.len() { li { "\u{2026}" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
