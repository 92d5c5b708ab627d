//! The teams of a tenant: agents by state now, and the offline share of the window.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::format::{self, percentage};
use super::state_styles::swatch;
use super::summary::Summary;
use crate::presence::{Micros, escape_text};
use crate::refresh::Snapshot;

/// The sums of one team.
#[derive(Default)]
struct Team {
    agents: usize,
    /// By the position of the state.
    agents_now: Vec<usize>,
    unknown_now: usize,
    observed: Micros,
    offline: Micros,
}

/// The section on all teams. Agents without a team are one.
pub(super) fn section(snapshot: &Snapshot, summary: &Summary) -> Markup {
    let teams = teams(snapshot, summary);
    // The documented API has a dozen states, and agents are in few of them at a time.
    let is_used = |place: usize| teams.values().any(|team| team.agents_in(place) > 0);
    let states = || summary.styles.states().iter().enumerate().filter(|(place, _)| is_used(*place));
    html! {
        section #teams-section aria-labelledby="teams-title" {
            h2 #teams-title { "Teams" }
            div.scroll tabindex="0" role="group" aria-label="Table of teams" {
                table #teams {
                    thead {
                        tr {
                            th scope="col" { "Team" }
                            th.number scope="col" { "Agents" }
                            @for (_, state) in states() { th.number scope="col" { (swatch(state.style)) " " (format::name(&state.name)) } }
                            th.number scope="col" { "Unknown" }
                            th.number scope="col" { "Offline share" }
                        }
                    }
                    tbody {
                        @for (name, team) in &teams {
                            tr {
                                th scope="row" { @if name.is_empty() { "(no team)" } @else { (format::name(name)) } }
                                td.number data-label="Agents" { (team.agents) }
                                @for (place, state) in states() {
                                    td.number data-label=(escape_text(&state.name)) { (team.agents_in(place)) }
                                }
                                td.number data-label="Unknown" { (team.unknown_now) }
                                td.number data-label="Offline share" { (percentage(team.offline.get(), team.observed.get())) }
                            }
                        }
                    }
                }
            }
            p.note {
                "Agents by their state now; unknown: without data, or the newest data has several states. Offline share: of the \
                 observed time of the window."
            }
        }
    }
}

impl Team {
    fn agents_in(&self, place: usize) -> usize {
        self.agents_now.get(place).copied().unwrap_or_default()
    }
}

fn teams<'a>(snapshot: &'a Snapshot, summary: &Summary) -> BTreeMap<&'a str, Team> {
    let mut teams: BTreeMap<&str, Team> = BTreeMap::new();
    let agents = snapshot.tenant.agents.iter().zip(&snapshot.rows).zip(&summary.offline);
    for ((agent, row), offline) in agents {
        let team = teams.entry(agent.team.as_deref().unwrap_or_default()).or_default();
        team.agents += 1;
        let presence = row.data.as_ref().and_then(|data| data.presence.as_ref());
        team.observed += presence.map_or(Micros::ZERO, |presence| presence.observed);
        team.offline += offline.unwrap_or(Micros::ZERO);
        let current = presence.and_then(|presence| presence.current.as_ref());
        match current.and_then(|(state, _)| summary.styles.place(state)) {
            Some(place) => {
                let length = team.agents_now.len().max(place + 1);
                team.agents_now.resize(length, 0);
                team.agents_now.iter_mut().skip(place).take(1).for_each(|agents| *agents += 1);
            }
            None => team.unknown_now += 1,
        }
    }
    teams
}
