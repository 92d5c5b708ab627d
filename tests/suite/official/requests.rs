//! What is asked, and how often.

use std::num::NonZeroU32;

use cxone_exporter::clock::Monotonic;
use cxone_exporter::config::AgentFilter;

use super::*;

#[tokio::test]
async fn the_first_refresh_asks_for_all_and_later_ones_for_the_tail() {
    let harness = AppHarness::new(options(200, Vec::new()), |tenant| {
        tenant.official.as_mut().unwrap().history_lookback = HOUR * 12;
    })
    .await;
    harness.app.scrape().await;
    let [token, discovery, agents, states, history, codes] = harness.counts();
    assert_eq!((token, discovery, agents, states), (1, 1, 0, 1));
    let first = harness.requests(Endpoint::History);
    let rows = |requests: &[RequestRecord]| requests.iter().map(|request| request.rows).sum::<usize>();
    assert_eq!(history, rows(&first).div_ceil(10_000));
    assert_eq!(codes, 1, "one for all teams");
    let range = first[0].range.unwrap();
    assert_eq!(range, Window { start: last_day(&harness.app.clock).start.saturating_sub(HOUR * 12), ..range });

    harness.simulator.forget_requests();
    harness.app.clock.advance(Duration::from_secs(60));
    harness.app.scrape().await;
    let later = harness.requests(Endpoint::History);
    assert_eq!(harness.counts(), [0, 0, 0, 1, later.len(), 0]);
    assert_eq!(later[0].range.unwrap().length(), (HOUR / 2 + Duration::from_secs(60)).into());
    assert!(rows(&later) * 10 < rows(&first), "{} rows after {}", rows(&later), rows(&first));

    // Four hours after the last one, all is read again.
    harness.simulator.forget_requests();
    harness.app.clock.advance(HOUR * 4);
    harness.app.scrape().await;
    assert_eq!(harness.requests(Endpoint::History)[0].range.unwrap().length(), (HOUR * 36).into());
}

#[tokio::test]
async fn both_ways_in_work_and_tokens_are_renewed() {
    for (client_auth, discovery) in [(None, 1), (Some(ClientAuth::Basic), 2), (Some(ClientAuth::Body), 2)] {
        let harness = AppHarness::new(options(3, Vec::new()), |tenant| {
            if let Some(client_auth) = client_auth {
                by_issuer(tenant, client_auth);
            }
        })
        .await;
        harness.scrape_exactly("login").await;
        assert_eq!(harness.counts()[..2], [1, discovery], "{client_auth:?}");
        harness.app.clock.advance(HOUR);
        harness.scrape_exactly("an hour later").await;
        assert_eq!(harness.counts()[..2], [2, 2 * discovery], "{client_auth:?}");
        harness.app.clock.advance(Duration::from_secs(60));
        harness.simulator.revoke_tokens();
        harness.scrape_exactly("a token that was revoked").await;
        assert_eq!(harness.counts()[0], 3, "{client_auth:?}");
        harness.app.assert_no_secrets().await;
    }
}

#[tokio::test]
async fn a_budget_spreads_tokens_discovery_lists_and_history() {
    let harness = AppHarness::new(options(40, Vec::new()), |tenant| {
        tenant.limits.max_concurrent_requests = 1;
        tenant.limits.max_requests_per_minute = NonZeroU32::new(12);
        tenant.agent_filter = Some(AgentFilter::default());
    })
    .await;
    let opened = harness.app.now();
    let scrape = harness.scrape_exactly("a budget").await;
    let sent = |harness: &AppHarness| -> Vec<Duration> {
        let requests = harness.simulator.requests().into_iter();
        requests.map(|request| request.monotonic.saturating_since(Monotonic::from_start(opened))).collect()
    };
    // A token, the discovery, the lists of agents, states and history, and codes of the teams.
    let times = sent(&harness);
    assert!(harness.counts().iter().all(|count| *count > 0), "{:?}", harness.counts());
    for (nth, at) in times.iter().enumerate() {
        assert_eq!(at.as_secs(), 5 * u64::try_from(nth).unwrap(), "{times:?}");
    }
    assert_eq!(scrape.value("cxone_api_requests_per_minute_limit"), Some(12.0));
    assert_eq!(scrape.value("cxone_api_budget_wait_seconds_total"), times.last().map(Duration::as_secs_f64));
}

#[tokio::test]
async fn a_budget_that_history_agent_by_agent_cannot_fit_is_said_before_it_is_asked() {
    let harness = AppHarness::new(options(30, habits("bulk-refused")), |tenant| {
        tenant.limits.max_requests_per_minute = NonZeroU32::new(12);
    })
    .await;
    // It takes a refresh to find out; the second one requests the agents that the first had no request left for.
    for _ in 0..2 {
        harness.app.scrape().await;
        harness.app.clock.advance(HOUR);
    }
    harness.simulator.forget_requests();
    harness.app.scrape().await;
    assert_eq!(harness.simulator.requests().len(), 0);
    let error = harness.app.refresher().current().status.last_error.clone().unwrap();
    assert!(error.to_string().contains("the 31 requests of this refresh take"), "{error}");
}

#[tokio::test]
async fn an_address_that_is_set_by_hand_spares_the_discovery() {
    let harness = AppHarness::new(options(3, Vec::new()), |tenant| {
        let endpoint = tenant.connection.base_url.clone();
        tenant.official.as_mut().unwrap().api_endpoint = Some(endpoint);
    })
    .await;
    harness.scrape_exactly("by hand").await;
    assert_eq!(harness.counts()[..2], [1, 0]);
}

#[tokio::test]
async fn a_range_that_is_refused_comes_in_parts_and_that_is_learnt() {
    let harness = AppHarness::new(options(5, habits("longest=30h kept-by-start clipped described-errors")), |tenant| {
        tenant.official.as_mut().unwrap().history_lookback = HOUR * 36;
    })
    .await;
    harness.app.scrape().await;
    let requests = harness.requests(Endpoint::History);
    let refused = requests.iter().filter(|request| request.status == Some(400)).count();
    // All agents and one agent, each of 60 hours; then 30 hours at a time, half of which is overlap.
    assert_eq!((refused, requests.len() - refused), (2, 3));
    harness.simulator.forget_requests();
    harness.app.clock.advance(HOUR * 4);
    harness.app.scrape().await;
    assert!(harness.requests(Endpoint::History).iter().all(|request| request.status == Some(200)));
}

#[tokio::test]
async fn where_bulk_is_refused_each_agent_is_asked_and_that_is_said_once() {
    let harness = AppHarness::new(options(6, habits("bulk-refused")), |_| ()).await;
    harness.scrape_exactly("agent by agent").await;
    let asked = |harness: &AppHarness| {
        harness.requests(Endpoint::History).iter().filter(|request| !request.agents.is_empty()).count()
    };
    // The one that is asked to find out is not asked again.
    assert_eq!(asked(&harness), 6);
    harness.simulator.forget_requests();
    harness.app.clock.advance(Duration::from_secs(60));
    harness.scrape_exactly("agent by agent, later").await;
    assert_eq!((asked(&harness), harness.requests(Endpoint::History).len()), (6, 6));
    let warnings = harness.app.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].to_string().contains("agent by agent"), "{warnings:?}");
}
