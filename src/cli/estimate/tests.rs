//! Series, requests and buckets by agents, states and settings.

use super::*;
use crate::cli::fixture;
use crate::clock::whole_seconds;

#[test]
fn series_are_agents_times_states_plus_seven_or_twelve() {
    let table = [
        // agents, scheduled ones, states: series
        (1, 0, 4, 11),
        (1, 1, 4, 16),
        (200, 0, 4, 2_200),
        (200, 50, 4, 2_450),
        (200, 200, 4, 3_200),
        (10_000, 0, 3, 100_000),
        (0, 0, 4, 0),
    ];
    for (agents, scheduled, states, series) in table {
        let mut tenant = fixture::tenant("acme", agents);
        tenant.states.declared.truncate(states);
        for agent in tenant.agents.iter_mut().take(scheduled) {
            agent.schedule = Some(fixture::schedule());
        }
        assert_eq!(Estimate::of(&tenant).agent_series, series, "{agents} agents, {scheduled}, {states} states");
    }
}

#[test]
fn series_of_teams_are_teams_times_states_plus_one_or_three() {
    // The team of each agent and whether it has a schedule, counters: teams, series
    type Row<'a> = (&'a [(Option<&'a str>, bool)], bool, u64, u64);
    let table: [Row<'_>; 5] = [
        (&[], false, 0, 0),
        (&[(None, false), (None, false)], false, 1, 9),
        (&[(None, false), (Some("Billing"), false), (Some("Billing"), false)], false, 2, 18),
        (&[(None, false), (Some("Billing"), true), (Some("Billing"), false)], false, 2, 20),
        (&[(Some("Billing"), true)], true, 1, 15),
    ];
    for (agents, counters, teams, series) in table {
        let mut tenant = fixture::tenant("acme", agents.len());
        tenant.query.incremental = counters.then(Incremental::default);
        for (agent, (team, is_scheduled)) in tenant.agents.iter_mut().zip(agents) {
            agent.team = team.map(str::to_owned);
            agent.schedule = is_scheduled.then(fixture::schedule);
        }
        let estimate = Estimate::of(&tenant);
        assert_eq!((estimate.teams, estimate.team_series), (teams, series), "{agents:?}");
    }
}

#[test]
fn requests_are_the_pages_of_all_batches() {
    let table = [
        // agents, agents_per_request, window in hours, interval in minutes: batches, buckets an agent, paged
        (1, 50, 24, 60, 1, 25, 1),
        (50, 50, 24, 60, 1, 25, 2),
        (51, 50, 24, 60, 2, 25, 3),
        (200, 50, 24, 60, 4, 25, 8),
        (40, 40, 24, 60, 1, 25, 1),
        (200, 1, 24, 60, 200, 25, 200),
        (200, 50, 24, 1, 4, 1_441, 292),
        (200, 50, 24, 1_440, 4, 2, 4),
        (10, 50, 25, 120, 1, 14, 1),
        (0, 50, 24, 60, 0, 25, 0),
    ];
    for (agents, batch, hours, minutes, batches, buckets, paged) in table {
        let mut tenant = fixture::tenant("acme", agents);
        tenant.limits.agents_per_request = batch;
        tenant.query.window = Duration::from_secs(hours * 3_600);
        tenant.query.interval.length = Duration::from_secs(minutes * 60);
        let estimate = Estimate::of(&tenant);
        assert_eq!(
            (estimate.batches, estimate.all.buckets_per_agent, estimate.all.paged_requests),
            (batches, buckets, paged),
            "{agents} agents by {batch}, {hours} h by {minutes} min"
        );
    }
}

#[test]
fn refreshes_per_day_follow_scrapes_and_cooldown() {
    let table = [
        (1, 1_440, 25),
        (50, 1_440, 25),
        (59, 1_440, 25),
        (60, 720, 25),
        (119, 720, 25),
        (7_200, 12, 12),
        (86_400, 1, 1),
    ];
    for (cooldown, refreshes, tokens) in table {
        let mut tenant = fixture::tenant("acme", 120);
        tenant.limits.cooldown = Duration::from_secs(cooldown);
        let estimate = Estimate::of(&tenant);
        assert_eq!((estimate.refreshes_per_day, estimate.tokens_per_day), (refreshes, tokens), "{cooldown} s");
        assert_eq!(estimate.requests_per_day(), (refreshes * 3, refreshes * 5));
    }
}

#[test]
fn budget_spreads_pages_and_token_request() {
    let table = [
        // agents, requests a minute: requests and seconds of full and of incremental refreshes
        (200, None, None, None),
        (200, Some(1_000), Some((61, 4)), Some((9, 1))),
        (200, Some(60), Some((61, 60)), Some((9, 6))),
        (200, Some(10), Some((61, 360)), Some((9, 48))),
        (10_000, Some(60), Some((3_001, 3_155)), Some((401, 418))),
    ];
    for (agents, per_minute, all, tails) in table {
        let mut tenant = fixture::tenant("acme", agents);
        tenant.query.interval.length = Duration::from_secs(300);
        tenant.limits.max_requests_per_minute = per_minute.and_then(std::num::NonZeroU32::new);
        let figures = |spread: Spread| (spread.requests, whole_seconds(spread.time).as_secs());
        let budget =
            |tenant: &Tenant| Estimate::of(tenant).budget.map(|budget| [budget.all, budget.usual].map(figures));
        assert_eq!(budget(&tenant), all.map(|all| [all, all]), "{agents} agents at {per_minute:?}");
        tenant.query.incremental = Some(Incremental::default());
        assert_eq!(budget(&tenant), all.zip(tails).map(|(all, tails)| [all, tails]), "{agents} at {per_minute:?}");
    }
}

#[test]
fn incremental_refreshes_and_full_ones_of_a_day() {
    let table = [
        // interval in minutes, settle in minutes, cooldown in seconds: buckets an agent, requests, all of a day
        (60, 30, 50, 2, 8, 4 * 8 + 1_436 * 8),
        (5, 30, 50, 8, 8, 4 * 60 + 1_436 * 8),
        (5, 120, 50, 26, 12, 4 * 60 + 1_436 * 12),
        (1, 0, 3_600, 62, 20, 4 * 292 + 20 * 20),
        (60, 0, 86_400, 25, 12, 8),
    ];
    for (minutes, settle, cooldown, buckets, requests, of_a_day) in table {
        let mut tenant = fixture::tenant("acme", 200);
        tenant.query.interval.length = Duration::from_secs(minutes * 60);
        tenant.limits.cooldown = Duration::from_secs(cooldown);
        tenant.query.incremental = Some(Incremental {
            settle: Duration::from_secs(settle * 60),
            full_refresh_interval: Duration::from_secs(6 * 3_600),
        });
        let estimate = Estimate::of(&tenant);
        let tails = estimate.tails.clone().unwrap();
        assert_eq!(
            (tails.cost.buckets_per_agent, tails.cost.paged_requests),
            (buckets, requests),
            "{minutes} min, {settle} min"
        );
        assert_eq!(estimate.requests_per_day().1, of_a_day, "{minutes} min, {settle} min");
    }
}

#[test]
fn bucket_bytes_match_the_documented_json() {
    let documented =
        r#"{"agentId":"","startTime":"2023-10-27T10:00:00Z","endTime":"2023-10-27T11:00:00Z","states":[]},"#;
    assert_eq!(documented.len(), usize::try_from(BUCKET_BYTES).unwrap());
    let state = r#"{"state":"Available","duration":3600,"percentage":100.0},"#;
    assert_eq!(state.len(), usize::try_from(STATE_BYTES).unwrap());
}
