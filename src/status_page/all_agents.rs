//! Everybody together: how many are in each state now, and what the day was made of.

use maud::{Markup, html};

use super::axis;
use super::chart::{Frame, Measure, bars, cells};
use super::page_query::PageQuery;
use super::state_looks::swatch;
use super::summary::Summary;
use crate::config::Tenant;

const WIDTH: u32 = 720;
const HEIGHT: u32 = 120;

/// The section on all agents of a tenant.
pub(super) fn section(tenant: &Tenant, summary: &Summary) -> Markup {
    let whole: u64 = summary.day.iter().map(|column| column.whole).fold(0, u64::saturating_add);
    html! {
        section #fleet aria-labelledby="fleet-title" {
            h2 #fleet-title { "All agents" }
            div.side {
                (now(tenant, summary))
                @if let Some(window) = summary.window.filter(|_| whole > 0) {
                    @let frame = Frame { width: WIDTH, height: HEIGHT, window };
                    figure {
                        figcaption #day-title { "Share of each state in the time of all agents, over the window" }
                        svg.fleet.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT + axis::AXIS_HEIGHT) } role="img" tabindex="0"
                            aria-labelledby="day-title" {
                            (bars(&summary.palette, &summary.day, frame))
                            (axis::axis(frame))
                            (cells(&summary.palette, &summary.day, frame, Measure::Share))
                        }
                    }
                }
            }
        }
    }
}

/// How many agents are in each state, which is the legend of all the drawings too.
fn now(tenant: &Tenant, summary: &Summary) -> Markup {
    let agents = tenant.agents.len();
    html! {
        table #now {
            caption { "Agents by their state now" }
            thead { tr { th scope="col" { "State" } th.number scope="col" { "Agents" } th.number scope="col" { "Share" } } }
            tbody {
                @for (shade, count) in summary.palette.shades().iter().zip(&summary.now) {
                    tr {
                        th scope="row" {
                            (swatch(shade.look)) " "
                            a href=(PageQuery::in_state(&tenant.name, &shade.name).href()) { (shade.name) }
                        }
                        td.number { (count) }
                        td.number { (share(*count, agents)) }
                    }
                }
                @for (name, count) in [("not clear", summary.unclear), ("no data", summary.without_data)] {
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

/// A part in per cent, to a tenth.
fn share(part: usize, whole: usize) -> String {
    let permille = part.saturating_mul(1_000) / whole.max(1);
    format!("{}.{} %", permille / 10, permille % 10)
}
