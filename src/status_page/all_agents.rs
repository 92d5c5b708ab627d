//! The selected agents of a tenant: number per state now, and share of each state over the window.

use maud::{Markup, html};

use super::axis;
use super::chart::{Frame, Measure, bars, cells};
use super::format::{self, percentage};
use super::hour_grid::HourGrid;
use super::page_query::PageQuery;
use super::selection::Agents;
use super::state_styles::swatch;
use super::summary::Summary;
use super::totals::Totals;

const WIDTH: u32 = 720;
const HEIGHT: u32 = 120;

/// The section on the agents that `query` selects, on all pages, which are those at the indices `chosen`.
pub(super) fn section(agents: &Agents<'_>, query: &PageQuery, chosen: &[usize]) -> Markup {
    let Agents { snapshot, summary, .. } = *agents;
    let links = snapshot.tenant.privacy.per_agent.then_some(query);
    let rows = chosen.iter().filter_map(|index| snapshot.rows.get(*index));
    let is_shifted = query.hours != HourGrid::default();
    let of_selection = (query.is_filtered() || is_shifted).then(|| summary.totals_of(rows, query.hours));
    let totals = of_selection.as_ref().unwrap_or(&summary.totals);
    let whole: u64 = totals.window_columns.iter().map(|column| column.whole).fold(0, u64::saturating_add);
    html! {
        section #all-agents aria-labelledby="all-agents-title" {
            h2 #all-agents-title {
                @if query.is_filtered() { "Selected agents: " (totals.agents) " of " (summary.totals.agents) }
                @else { "All agents" }
            }
            div.side {
                (now(links, summary, totals))
                @if let Some(window) = summary.window.filter(|_| whole > 0) {
                    @let frame = Frame { width: WIDTH, height: HEIGHT, window, hours: query.hours };
                    figure {
                        figcaption #day-title {
                            "Share of each state in the time of "
                            @if query.is_filtered() { "the selected" } @else { "all" }
                            " agents over the window, hours in " span.zone-name { "UTC" }
                        }
                        svg.all-agents.chart viewBox=(axis::view_box(frame, axis::MARGIN)) role="img" tabindex="0"
                            aria-labelledby="day-title" {
                            (bars(&summary.styles, &totals.window_columns, frame))
                            (axis::axis(frame))
                            (axis::percentages(frame))
                            (cells(&summary.styles, &totals.window_columns, frame, Measure::Share))
                        }
                    }
                }
            }
            @if totals.unclear > 0 {
                p.note { "Unclear: the newest data of the agent has several states, or none." }
            }
        }
    }
}

/// Number of agents per state, linked to the agents in it if there is a query; also the legend of all charts.
fn now(query: Option<&PageQuery>, summary: &Summary, totals: &Totals) -> Markup {
    let agents = totals.agents;
    html! {
        table #now {
            caption { "Agents by their state now" }
            thead { tr { th scope="col" { "State" } th.number scope="col" { "Agents" } th.number scope="col" { "Share" } } }
            tbody {
                @for (state, count) in summary.styles.states().iter().zip(&totals.current_counts) {
                    tr {
                        th scope="row" {
                            (swatch(state.style)) " "
                            @match query {
                                Some(query) => { a href=(query.in_state(&state.name).results_href()) { (format::name(&state.name)) } },
                                None => { (format::name(&state.name)) },
                            }
                        }
                        td.number { (count) }
                        td.number { (share(*count, agents)) }
                    }
                }
                @for (name, count) in [("unclear", totals.unclear), ("no data", totals.without_data)] {
                    @if count > 0 {
                        tr {
                            th scope="row" { (name) }
                            td.number { (count) }
                            td.number { (share(count, agents)) }
                        }
                    }
                }
            }
        }
    }
}

fn share(part: usize, whole: usize) -> String {
    let [part, whole] = [part, whole].map(|agents| u64::try_from(agents).unwrap_or(u64::MAX));
    percentage(part, whole)
}
