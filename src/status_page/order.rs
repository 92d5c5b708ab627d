//! The order of the agents of a page.

use std::cmp::Ordering;

use super::attention::Attention;
use super::listed_agent::ListedAgent;
use super::page_query::{Column, PageQuery};

/// Compares agents in the order of `query`. By default, those that need attention are first.
pub(super) fn compare(query: &PageQuery, a: &ListedAgent<'_>, b: &ListedAgent<'_>) -> Ordering {
    match query.sort {
        Some(column) => compare_by(column, query.descending, a, b),
        None => Attention::rank(a).cmp(&Attention::rank(b)),
    }
}

/// Compares agents by a column. Agents without a value are last in both directions.
pub(super) fn compare_by(column: Column, descending: bool, a: &ListedAgent<'_>, b: &ListedAgent<'_>) -> Ordering {
    let directed = |order: Ordering| if descending { order.reverse() } else { order };
    match column {
        // Shorter ids first, so that numeric ids sort by value.
        Column::Agent => directed((a.label.len(), a.label).cmp(&(b.label.len(), b.label))),
        // Case-insensitive.
        Column::Name => by_letters(a.agent.name.as_deref(), b.agent.name.as_deref(), directed),
        Column::Team => by_letters(a.agent.team.as_deref(), b.agent.team.as_deref(), directed),
        Column::State => by_letters(a.state(), b.state(), directed),
        Column::Since => last_if_none(a.since(), b.since(), directed),
        Column::Observed => last_if_none(a.observed(), b.observed(), directed),
        Column::Offline => last_if_none(a.offline, b.offline, directed),
        Column::Limit => last_if_none(a.permille_of_limit(), b.permille_of_limit(), directed),
        Column::Absent => last_if_none(a.absent(), b.absent(), directed),
        Column::OnShift => last_if_none(a.offline_on_shift(), b.offline_on_shift(), directed),
    }
}

fn last_if_none<T: Ord>(a: Option<T>, b: Option<T>, directed: impl FnOnce(Ordering) -> Ordering) -> Ordering {
    missing_last(a, b, |a, b| directed(a.cmp(&b)))
}

/// Case-insensitive, without allocation.
fn by_letters(a: Option<&str>, b: Option<&str>, directed: impl FnOnce(Ordering) -> Ordering) -> Ordering {
    missing_last(a, b, |a, b| directed(lower_case(a).cmp(lower_case(b))))
}

fn lower_case(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn missing_last<T>(a: Option<T>, b: Option<T>, order: impl FnOnce(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
