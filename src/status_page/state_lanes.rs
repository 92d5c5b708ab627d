//! The exact course of an agent's states: a line for each state, with the time in it as segments; and the same as a table.

use maud::{Markup, html};

use super::chart::{Column, Frame, Measure, in_words};
use super::format::{clock_time, epoch, moment, name};
use super::state_styles::{StateStyles, fill, swatch};
use super::summary::Summary;
use crate::presence::{AgentPresence, MAX_SEGMENTS_PER_AGENT, Micros, escape_text};

/// Height of a line with its label in pixels, and that of its segments.
const LANE: (u32, u32) = (32, 14);

/// The states of `segments`, in the order of their lines.
fn lanes_of(styles: &StateStyles, segments: &[Column]) -> Vec<usize> {
    let is_seen = |place: &usize| segments.iter().flat_map(|segment| &segment.shares).any(|(seen, _)| seen == place);
    (0..styles.states().len()).filter(is_seen).collect()
}

/// Height of the lines in pixels, with room for the schedule below them.
pub(super) fn height(styles: &StateStyles, segments: &[Column]) -> u32 {
    u32::try_from(lanes_of(styles, segments).len()).unwrap_or(u32::MAX).saturating_mul(LANE.0).saturating_add(8)
}

/// The lines, and the segments in the order of time.
pub(super) fn lanes(styles: &StateStyles, segments: &[Column], frame: Frame) -> Markup {
    let (lane, bar) = LANE;
    let order = lanes_of(styles, segments);
    let long = frame.window.length() > Micros::from_seconds(86_400);
    let tops = || (0_u32..).map(|at| at.saturating_mul(lane));
    let top_of = |place: usize| order.iter().zip(tops()).find(|(known, _)| **known == place).map(|(_, top)| top);
    html! {
        g.lanes aria-hidden="true" {
            @for (top, state) in tops().zip(order.iter().filter_map(|place| styles.states().get(*place))) {
                text x="2" y=(top.saturating_add(lane - bar - 6)) { (escape_text(&state.name)) }
                path d={ "M0 " (top.saturating_add(lane - 3)) "h" (frame.width) } {}
            }
        }
        @for segment in segments {
            @if let (Some((left, width)), Some((place, _))) = (frame.place(segment.span), segment.shares.first())
                && let (Some(top), Some(state)) = (top_of(*place), styles.states().get(*place)) {
                rect.cell fill=(fill(state.style)) x=(left) y=(top.saturating_add(lane - bar - 3)) width=(width.visible()) height=(bar)
                    data-from=(epoch(segment.span.start)) data-to=(epoch(segment.span.end)) {
                    title { (in_words(styles, segment, Measure::Time, long)) }
                }
            }
        }
    }
}

/// The segments as a table, the newest first.
pub(super) fn table(summary: &Summary, presence: &AgentPresence) -> Markup {
    let segments = summary.segments(presence);
    html! {
        @if !segments.is_empty() {
            section aria-labelledby="segments-title" {
                h2 #segments-title { "Changes of state, newest first" }
                @if segments.len() >= MAX_SEGMENTS_PER_AGENT { p.note { "Only the newest " (MAX_SEGMENTS_PER_AGENT) " are kept." } }
                div.scroll.tall tabindex="0" role="group" aria-label="Table of changes of state" {
                    table #segments {
                        thead {
                            tr {
                                th scope="col" { "From" }
                                th scope="col" { "To" }
                                th.number scope="col" { "Duration" }
                                th scope="col" { "State" }
                            }
                        }
                        tbody {
                            @for segment in segments.iter().rev() {
                                @let state = segment.shares.first().and_then(|(place, _)| summary.styles.states().get(*place));
                                tr {
                                    th scope="row" { (moment(segment.span.start)) }
                                    td { (moment(segment.span.end)) }
                                    td.number { (clock_time(segment.span.length())) }
                                    td { @if let Some(state) = state { (swatch(state.style)) " " (name(&state.name)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
