//! The agents that need attention: over their offline limit, unknown, or with old data.

use maud::{Markup, html};

use super::page_query::PageQuery;
use super::selection::ListedAgent;

/// A reason why an agent needs attention, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attention {
    /// The offline time is over the agent's limit.
    OverLimit,
    /// There is no data, or CXone reports nothing for the agent.
    Unknown,
    /// The data is older than the last refresh.
    Stale,
}

/// Number of agents by reason, in the order of [`Attention::ALL`].
pub(super) type AttentionCounts = [usize; Attention::ALL.len()];

// === impl Attention ===

impl Attention {
    pub(super) const ALL: [Self; 3] = [Self::OverLimit, Self::Unknown, Self::Stale];

    /// Value of the parameter `attention`.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::OverLimit => "over-limit",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
        }
    }

    /// The reason in words.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::OverLimit => "Over the limit",
            Self::Unknown => "Unknown",
            Self::Stale => "Stale",
        }
    }

    const fn explanation(self) -> &'static str {
        match self {
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
            Self::OverLimit => line.is_over_limit(),
            Self::Unknown => line.presence().is_none(),
            Self::Stale => line.is_stale(),
        }
    }

    /// Position of the first reason of `line`; agents without one are last.
    pub(super) fn rank(line: &ListedAgent<'_>) -> usize {
        Self::ALL.iter().position(|attention| attention.is_due(line)).unwrap_or(Self::ALL.len())
    }
}

/// The section at the top of the overview: each reason with the number of its agents, as a filter.
pub(super) fn section(tenant: &str, counts: AttentionCounts) -> Markup {
    html! {
        section #attention aria-labelledby="attention-title" {
            h2 #attention-title { "Needs attention" }
            @if counts.iter().all(|count| *count == 0) {
                p { "\u{2713} No agent is over its limit, unknown or stale." }
            } @else {
                ul {
                    @for (attention, count) in Attention::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
                        li data-attention=(attention.key()) {
                            a href=(PageQuery::needing(tenant, attention).results_href()) {
                                (attention.title()) ": " strong { (count) }
                            }
                            " " span.note { (attention.explanation()) }
                        }
                    }
                }
            }
        }
    }
}
