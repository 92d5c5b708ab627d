//! The page of one agent: chart and table of its window, totals, limit, schedule, and PromQL queries.

use maud::{Markup, html};

use super::agent_table::{in_words, of_limit, state};
use super::chart::{Column, Frame, Measure, bars, cells};
use super::format::{self, at_least, clock_time, moment, seconds};
use super::hour_grid::HourGrid;
use super::listed_agent::ListedAgent;
use super::page_query::PageQuery;
use super::state_styles::swatch;
use super::summary::{Absence, Summary};
use super::{axis, promql, state_lanes};
use crate::config::Tenant;
use crate::presence::{AgentPresence, MAX_SHIFT, Micros, Schedule, Timestamp, Window};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 200;

/// Maximum number of columns of the chart, each 4 pixels wide. For longer windows, columns are merged in the chart but not
/// in the table below it.
const MAX_COLUMNS: u64 = 240;

/// The content of the page.
pub(super) fn content(
    tenant: &Tenant,
    summary: &Summary,
    line: &ListedAgent<'_>,
    hours: HourGrid,
    several: bool,
) -> Markup {
    html! {
        nav.trail aria-label="Breadcrumb" {
            a href=(PageQuery::of_tenant(&tenant.name).href()) { "All agents of " (tenant.name) }
        }
        h1 { @if let Some(name) = &line.agent.name { (format::name(name)) } @else { "Agent " (format::name(line.label)) } }
        (facts(tenant, summary, line))
        @if let (Some(presence), Some(data)) = (line.presence(), line.data) {
            (chart(summary, line, presence, data.window, hours))
            div.side {
                (totals(summary, presence))
                (promql::section(tenant, line.label, line.agent.offline_limit.is_some(), several))
            }
            (state_lanes::table(summary, presence))
            (self::hours(summary, presence, data.window, hours))
        } @else {
            p { "There is no data for this agent in the window." }
            (promql::section(tenant, line.label, line.agent.offline_limit.is_some(), several))
        }
    }
}

fn facts(tenant: &Tenant, summary: &Summary, line: &ListedAgent<'_>) -> Markup {
    let scheduled = line.presence().and_then(|presence| presence.scheduled);
    html! {
        dl {
            div { dt { "Agent" } dd { (format::name(line.label)) } }
            @if let Some(team) = &line.agent.team { div { dt { "Team" } dd { (format::name(team)) } } }
            @if let Some(presence) = line.presence() {
                div {
                    dt { "State now" }
                    dd {
                        (state(summary, line))
                        @match (line.since(), line.data) {
                            (Some(_), Some(data)) if line.is_since_window_start() => {
                                ", for " (at_least(data.window.length()))
                            },
                            (Some(since), _) => { ", since " (moment(since)) },
                            _ => {},
                        }
                    }
                }
                div { dt { "Newest data" } dd { (moment(presence.last_data)) } }
                div { dt { "Observed" } dd { (clock_time(presence.observed)) " of " (clock_time(tenant.query.window.into())) } }
            }
            @if let Some(offline) = line.offline {
                div {
                    dt { "Offline" }
                    dd { (clock_time(offline)) }
                }
            }
            @if let Some(scheduled) = scheduled {
                div {
                    dt { "Offline on shift" }
                    dd { (clock_time(scheduled.offline)) " of " (clock_time(scheduled.total)) }
                }
            }
            @if let Some(offline) = line.limited_offline.filter(|_| line.agent.offline_limit.is_some()) {
                div {
                    dt { "Offline limit" }
                    dd {
                        (clock_time(offline)) @if line.agent.schedule.is_some() { " on shift" } " is " (of_limit(line))
                    }
                }
            }
            @if let Some(absence) = line.absence { div { dt { "Shift" } dd { (shift(line, absence)) } } }
            @if let Some(schedule) = &line.agent.schedule { div { dt { "Schedule" } dd { (in_words_of(schedule)) } } }
        }
    }
}

/// The current shift or leave, and how long the agent is absent from it.
fn shift(line: &ListedAgent<'_>, absence: Absence) -> Markup {
    html! {
        @match absence {
            Absence { leave: Some(leave), .. } if leave.end == Timestamp::from_micros(i64::MAX) => { "on leave without an end" },
            Absence { leave: Some(leave), .. } => { "on leave until " (moment(leave.end)) },
            Absence { shift: None, .. } => { "off shift" },
            Absence { shift: Some(shift), absent, .. } => {
                @if line.data.is_some_and(|data| shift.end >= data.window.end + MAX_SHIFT) { "on shift, without an end within 31 days" }
                @else { "until " (moment(shift.end)) }
                @if let Some(absent) = absent.filter(|absent| *absent > Micros::ZERO) {
                    ", absent for " span.over[line.is_absent()] { (clock_time(absent)) }
                    @if let Some(limit) = line.agent.absent_limit { ", " (clock_time(limit.into())) " allowed" }
                }
            },
        }
    }
}

/// Days, hours and zone.
fn in_words_of(schedule: &Schedule) -> String {
    let holidays = match schedule.holidays.len() {
        0 => String::new(),
        1 => ", 1 holiday".to_owned(),
        many => format!(", {many} holidays"),
    };
    let (days, hours) = crate::config::describe_schedule(schedule);
    format!("{days}: {hours} ({}){holidays}", schedule.timezone.name())
}

fn chart(
    summary: &Summary,
    line: &ListedAgent<'_>,
    presence: &AgentPresence,
    window: Window,
    hours: HourGrid,
) -> Markup {
    let segments = summary.segments(presence);
    let is_exact = !segments.is_empty();
    let height = if is_exact { state_lanes::height(&summary.styles, &segments) } else { HEIGHT };
    let frame = Frame { width: WIDTH, height, window, hours };
    let columns = if is_exact { segments } else { summary.columns(presence, window, hours, MAX_COLUMNS) };
    let shifts = line.agent.schedule.as_ref().map(|schedule| schedule.within(window));
    html! {
        section aria-labelledby="day-title" {
            h2 #day-title { @if is_exact { "The window, state by state" } @else { "The window, hour by hour" } }
            @if columns.is_empty() {
                p { "The chart is available after the next refresh." }
            } @else {
                svg.day.chart viewBox=(axis::view_box(frame, if is_exact { 0 } else { axis::MARGIN })) role="img" tabindex="0"
                    aria-label=(in_words(line)) {
                    @if is_exact {
                        (axis::axis(frame))
                        (state_lanes::lanes(&summary.styles, &columns, frame))
                    } @else {
                        (bars(&summary.styles, &columns, frame))
                        (axis::axis(frame))
                        (axis::percentages(frame))
                        (cells(&summary.styles, &columns, frame, Measure::Time))
                    }
                    @if let Some(shifts) = &shifts { (axis::shifts(frame, shifts.shifts())) }
                }
                p.note {
                    @if is_exact { "A line for each state, from its start to its end" } @else { "Share of each state in the columns" }
                    "; hours in " span.zone-name { "UTC" } "."
                    @if shifts.is_some() { " The line at the bottom is the agent's schedule." }
                }
            }
        }
    }
}

/// The totals as h:mm:ss and in exact seconds, longest first.
fn totals(summary: &Summary, presence: &AgentPresence) -> Markup {
    let line = |name: Markup, time: Micros| {
        html! {
            tr { th scope="row" { (name) } td.number { (clock_time(time)) } td.number { (seconds(time)) } }
        }
    };
    html! {
        section aria-labelledby="totals-title" {
            h2 #totals-title { "Totals" }
            table #totals {
                thead {
                    tr {
                        th scope="col" { "State" }
                        th.number scope="col" { "Duration" }
                        th.number scope="col" { "Seconds" }
                    }
                }
                tbody {
                    @for (name, time) in presence.longest_first() {
                        @let style = summary.styles.place(&name).and_then(|place| summary.styles.states().get(place));
                        (line(html! { @if let Some(state) = style { (swatch(state.style)) " " } (format::name(&name)) }, time))
                    }
                }
                tfoot { (line(html! { "Total" }, presence.observed)) }
            }
        }
    }
}

/// The columns of the chart as a table.
fn hours(summary: &Summary, presence: &AgentPresence, window: Window, hours: HourGrid) -> Markup {
    let columns = summary.columns(presence, window, hours, u64::MAX);
    let is_seen = |place: &usize| columns.iter().flat_map(|column| &column.shares).any(|(seen, _)| seen == place);
    let places: Vec<usize> = (0..summary.styles.states().len()).filter(is_seen).collect();
    let time_in = |column: &Column, place: usize| {
        let share = column.shares.iter().find(|(known, _)| *known == place);
        share.map_or(Micros::ZERO, |(_, time)| Micros::new(*time))
    };
    html! {
        section aria-labelledby="hours-title" {
            h2 #hours-title { "Time in each state, hour by hour" }
            div.scroll tabindex="0" role="group" aria-label="Table of hours" {
                table #hours {
                    thead {
                        tr {
                            th scope="col" { "From" }
                            th scope="col" { "To" }
                            @for state in places.iter().filter_map(|place| summary.styles.states().get(*place)) {
                                th.number scope="col" { (format::name(&state.name)) }
                            }
                        }
                    }
                    tbody {
                        @for column in &columns {
                            tr {
                                th scope="row" { (moment(column.span.start)) }
                                td { (moment(column.span.end)) }
                                @for place in &places { td.number { (clock_time(time_in(column, *place))) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
