//! All agents of a tenant: number per state now, and share of each state over the window.

use maud::{Markup, html};

use super::axis;
use super::chart::{Frame, Measure, bars, cells};
use super::page_query::PageQuery;
use super::state_styles::swatch;
use super::summary::Summary;
use crate::config::Tenant;

const WIDTH: u32 = 720;
const HEIGHT: u32 = 120;

/// The section on all agents of a tenant.
pub(super) fn section(tenant: &Tenant, summary: &Summary) -> Markup {
    let whole: u64 = summary.window_columns.iter().map(|column| column.whole).fold(0, u64::saturating_add);
    html! {
        section #all-agents aria-labelledby="all-agents-title" {
            h2 #all-agents-title { "All agents" }
            div.side {
                (now(tenant, summary))
                @if let Some(window) = summary.window.filter(|_| whole > 0) {
                    @let frame = Frame { width: WIDTH, height: HEIGHT, window };
                    figure {
                        figcaption #day-title { "Share of each state in the time of all agents over the window" }
                        svg.all-agents.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT + axis::AXIS_HEIGHT) } role="img" tabindex="0"
                            aria-labelledby="day-title" {
                            (bars(&summary.styles, &summary.window_columns, frame))
                            (axis::axis(frame))
                            (cells(&summary.styles, &summary.window_columns, frame, Measure::Share))
                        }
                    }
                }
            }
        }
    }
}

/// Number of agents per state; also the legend of all charts.
fn now(tenant: &Tenant, summary: &Summary) -> Markup {
    let agents = tenant.agents.len();
    html! {
        table #now {
            caption { "Agents by their state now" }
            thead { tr { th scope="col" { "State" } th.number scope="col" { "Agents" } th.number scope="col" { "Share" } } }
            tbody {
                @for (state, count) in summary.styles.states().iter().zip(&summary.current_counts) {
                    tr {
                        th scope="row" {
                            (swatch(state.style)) " "
                            a href=(PageQuery::in_state(&tenant.name, &state.name).href()) { (state.name) }
                        }
                        td.number { (count) }
                        td.number { (share(*count, agents)) }
                    }
                }
                @for (name, count) in [("unclear", summary.unclear), ("no data", summary.without_data)] {
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

/// A percentage with one decimal.
fn share(part: usize, whole: usize) -> String {
    let permille = part.saturating_mul(1_000) / whole.max(1);
    format!("{}.{} %", permille / 10, permille % 10)
}
