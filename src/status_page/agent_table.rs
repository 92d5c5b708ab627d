//! The table of agents with filters and links to its pages.

use maud::{Markup, html};

use super::attention::Attention;
use super::chart::{Frame, Measure, bars, cells};
use super::format::{at_least, clock_time, name, short_moment};
use super::hour_grid::HourGrid;
use super::listed_agent::ListedAgent;
use super::page_query::{AgentQuery, Column, PageQuery};
use super::selection::{Agents, TablePage};
use super::state_styles::swatch;
use super::summary::{Absence, Summary};
use crate::config::{Api, Tenant};
use crate::presence::{AgentPresence, Micros, escape_text, isolate_text};

/// Width of the chart in a row in pixels: 7 per hour of a day.
const SPARKLINE_WIDTH: u32 = 168;

const SPARKLINE_HEIGHT: u32 = 28;

/// Maximum number of columns of the chart in a row. More columns would be too narrow to point at.
const SPARKLINE_COLUMNS: u64 = 48;

/// The section of agents.
pub(super) fn section(agents: &Agents<'_>, query: &PageQuery, page: &TablePage<'_>) -> Markup {
    let (tenant, summary) = (&*agents.snapshot.tenant, agents.summary);
    html! {
        section #agents-section aria-labelledby="agents-title" {
            h2 #agents-title { "Agents" }
            (filters(summary, query))
            (pager(query, page, "Pages, above the table"))
            @if page.lines.is_empty() {
                p.nothing {
                    @if query.is_filtered() {
                        "No agents match. " a href=(query.unfiltered().results_href()) { "Show all agents" } "."
                    } @else {
                        "There are no agents yet: the agent list has not been read, or the agent filter selects none of it."
                    }
                }
            } @else {
                div.scroll tabindex="0" role="group" aria-label="Table of agents" { (table(tenant, summary, query, page)) }
                (pager(query, page, "Pages, below the table"))
                @if tenant.api == Api::Presence {
                    p.note {
                        "The API reports the time in each state per bucket, but not the order of states. The states of a bucket are \
                         therefore stacked, the current state is unclear while the newest bucket has several states, \
                         and \u{201c}since\u{201d} is the latest possible time."
                    }
                }
            }
        }
    }
}

fn filters(summary: &Summary, query: &PageQuery) -> Markup {
    let option = |value: &str, chosen: Option<&str>| {
        html! { option value=(value) selected[chosen == Some(value)] { (escape_text(value)) } }
    };
    let attention = |attention: Attention| {
        html! {
            option value=(attention.key()) selected[query.attention == Some(attention)] { (attention.title()) }
        }
    };
    let hidden = query.pairs().into_iter().filter(|(key, _)| matches!(*key, "tenant" | "sort" | "order"));
    html! {
        form #filter method="get" action="./#agents-section" role="search" {
            @for (key, value) in hidden { input type="hidden" name=(key) value=(value); }
            label { "Search " input type="search" name="q" value=(query.search) maxlength="80" placeholder="id, name or team"; }
            label {
                "Team "
                select name="team" {
                    option value="" { "all" }
                    @for team in &summary.teams { (option(team, query.team.as_deref())) }
                }
            }
            label {
                "State now "
                select name="state" {
                    option value="" { "all" }
                    @for state in summary.styles.states() { (option(&state.name, query.state.as_deref())) }
                }
            }
            label {
                "Attention "
                select name="attention" {
                    option value="" { "all" }
                    @for reason in Attention::ALL { (attention(reason)) }
                }
            }
            button type="submit" { "Show" }
            @if query.is_filtered() { a href=(query.unfiltered().results_href()) { "Show all agents" } }
            a #csv href=(query.csv_href()) download="agents.csv" { "CSV of these agents" }
        }
    }
}

fn pager(query: &PageQuery, page: &TablePage<'_>, label: &str) -> Markup {
    let TablePage { total, range, number, pages, .. } = page;
    let (first, last) = (range.start.saturating_add(1).min(range.end), range.end);
    html! {
        nav.pages aria-label=(label) {
            span { (first) " to " (last) " of " (total) }
            @if *number > 0 {
                a href=(query.on_page(0).results_href()) { "First" }
                a rel="prev" href=(query.on_page(number - 1).results_href()) { "Previous" }
            }
            @if number + 1 < *pages {
                a rel="next" href=(query.on_page(number + 1).results_href()) { "Next" }
                a href=(query.on_page(pages - 1).results_href()) { "Last" }
            }
        }
    }
}

fn table(tenant: &Tenant, summary: &Summary, query: &PageQuery, page: &TablePage<'_>) -> Markup {
    let sortable = |column: Column, title: &str| {
        let (sort, mark) = match (query.sort == Some(column), query.descending) {
            (false, _) => (None, ""),
            (true, false) => (Some("ascending"), " \u{25b2}"),
            (true, true) => (Some("descending"), " \u{25bc}"),
        };
        html! {
            th scope="col" aria-sort=[sort] {
                a href=(query.sorted_by(column).results_href()) { (title) span aria-hidden="true" { (mark) } }
            }
        }
    };
    html! {
        table #agents {
            thead {
                tr {
                    (sortable(Column::Agent, "Agent"))
                    @if tenant.privacy.show_names { (sortable(Column::Name, "Name")) }
                    (sortable(Column::Team, "Team"))
                    (sortable(Column::State, "State now"))
                    (sortable(Column::Since, "Since"))
                    th scope="col" { "Window, " (clock_time(tenant.query.window.into())) }
                    (sortable(Column::Observed, "Observed"))
                    (sortable(Column::Offline, "Offline"))
                    (sortable(Column::Limit, "Of its limit"))
                    @if summary.has_schedules {
                        (sortable(Column::Absent, "Absent"))
                        (sortable(Column::OnShift, "Offline on shift"))
                    }
                }
            }
            tbody {
                @for line in &page.lines { (row(tenant, summary, query, line)) }
            }
        }
    }
}

fn row(tenant: &Tenant, summary: &Summary, query: &PageQuery, line: &ListedAgent<'_>) -> Markup {
    let time = |time: Option<Micros>| time.map(clock_time).unwrap_or_default();
    html! {
        tr data-agent=(line.label) {
            th scope="row" { a href=(AgentQuery::href(&tenant.name, line.label)) { (name(line.label)) } }
            @if tenant.privacy.show_names { td data-label="Name" { @if let Some(text) = &line.agent.name { (name(text)) } } }
            td data-label="Team" { @if let Some(team) = &line.agent.team { (name(team)) } }
            @match line.presence() {
                None => {
                    td.nothing colspan="3" {
                        @if line.data.is_some() { "nothing reported in the window" } @else { "no data" }
                    }
                }
                Some(_) => {
                    td.state data-label="State now" { (state(summary, line)) }
                    td data-label="Since" { (since(line)) }
                    td data-label="Window" { (sparkline(summary, line, query.hours)) }
                }
            }
            td.number data-label="Observed" { (time(line.observed())) }
            td.number data-label="Offline" { (time(line.offline)) }
            td.number data-label="Of its limit" { (of_limit(line)) }
            @if summary.has_schedules {
                td.number data-label="Absent" { (absent(line)) }
                td.number data-label="Offline on shift" { (time(line.offline_on_shift())) }
            }
        }
    }
}

/// Start of the current state, in the table; if it is before the window, its least duration.
fn since(line: &ListedAgent<'_>) -> Markup {
    html! {
        @match (line.since(), line.data) {
            (Some(_), Some(data)) if line.is_since_window_start() => { (at_least(data.window.length())) },
            (Some(since), _) => { (short_moment(since)) },
            _ => {},
        }
    }
}

/// The current state of an agent, and whether its data is stale.
pub(super) fn state(summary: &Summary, line: &ListedAgent<'_>) -> Markup {
    let current = line.presence().and_then(|presence| presence.current.as_ref());
    let state = current.and_then(|(state, _)| summary.styles.states().get(summary.styles.place(state)?));
    html! {
        @match state {
            Some(state) => { (swatch(state.style)) "\u{a0}" (name(&state.name)) },
            None => { "unclear" },
        }
        @if line.is_stale { " " span.stale { "(stale)" } }
    }
}

fn sparkline(summary: &Summary, line: &ListedAgent<'_>, hours: HourGrid) -> Markup {
    let (Some(presence), Some(data)) = (line.presence(), line.data) else { return html! {} };
    if presence.chart.is_empty() {
        return html! { span.nothing { "after the next refresh" } };
    }
    let frame = Frame { width: SPARKLINE_WIDTH, height: SPARKLINE_HEIGHT, window: data.window, hours };
    let columns = summary.columns(presence, data.window, hours, SPARKLINE_COLUMNS);
    let segments = summary.segments(presence);
    let drawn = if segments.is_empty() { &columns } else { &segments };
    html! {
        svg.sparkline width=(SPARKLINE_WIDTH) height=(SPARKLINE_HEIGHT) viewBox={ "0 0 " (SPARKLINE_WIDTH) " " (SPARKLINE_HEIGHT) }
            preserveAspectRatio="none" role="img" tabindex="0" aria-label=(in_words(line)) {
            (bars(&summary.styles, drawn, frame))
            (cells(&summary.styles, &columns, frame, Measure::Time))
        }
    }
}

/// Text alternative of the chart: time in each state, longest first.
pub(super) fn in_words(line: &ListedAgent<'_>) -> String {
    let states = line.presence().map(AgentPresence::longest_first).unwrap_or_default();
    let words = states.iter().map(|(name, time)| format!("{} {}", isolate_text(name), clock_time(*time)));
    format!("Agent {}, whole window: {}", isolate_text(line.label), words.collect::<Vec<_>>().join(", "))
}

/// Time absent from the current shift, or why the agent is not expected to work; nothing without a schedule.
fn absent(line: &ListedAgent<'_>) -> Markup {
    html! {
        @match line.absence {
            Some(Absence { leave: Some(_), .. }) => { span.nothing { "on leave" } },
            Some(Absence { shift: None, .. }) => { span.nothing { "off shift" } },
            Some(Absence { absent: Some(absent), .. }) => { (too_long(line.is_absent(), &clock_time(absent), "absent for too long")) },
            _ => {},
        }
    }
}

/// A text, marked where it is too long. A symbol and words for screen readers: colour alone is not accessible.
fn too_long(is_too_long: bool, text: &str, words: &str) -> Markup {
    html! {
        span.over[is_too_long] {
            @if is_too_long { span aria-hidden="true" { "\u{25b2} " } }
            (text)
        }
        @if is_too_long { span.sr { ", " (words) } }
    }
}

/// Offline time as a percentage of the agent's limit.
pub(super) fn of_limit(line: &ListedAgent<'_>) -> Markup {
    let Some((permille, limit)) = line.permille_of_limit().zip(line.agent.offline_limit) else { return html! {} };
    let percent = format!("{} %", permille / 10);
    html! { (too_long(line.is_over_limit(), &percent, "over its limit")) " of " (clock_time(limit.into())) }
}
