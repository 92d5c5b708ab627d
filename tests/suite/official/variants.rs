//! Variants of real servers: the simulator's exact values under each, at first and by incremental refreshes.

use std::panic::AssertUnwindSafe;

use cxone_exporter::config::AgentFilter;
use cxone_exporter::simulator::{Fault, Rule};
use futures_util::FutureExt as _;

use super::*;

const VARIANTS: [&str; 19] = [
    "start-as-update",
    "start-as-update open-unlisted",
    "no-start",
    "pascal-case",
    "doubled-keys",
    "pascal-case wrapped strings nulls",
    "numeric-durations",
    "numeric-durations strings open-with-zero",
    "same-index",
    "same-index clipped kept-by-start",
    "same-index bulk-refused open-unlisted",
    "unit-codes-refused acw-by-codes",
    "unit-codes-refused team-codes-refused acw-by-flag",
    "states-after=20s",
    "states-after=20s open-unlisted kept-by-start",
    "half-emoji",
    "invalid-utf8 strings",
    "x-gzip bom",
    "gzip-members bom",
];

#[tokio::test]
async fn variants_of_real_servers_are_exact() {
    let mut failed = Vec::new();
    for (seed, variants) in (60..).zip(VARIANTS) {
        // The other variants are tried too, so that a failure names all that fail.
        if AssertUnwindSafe(exact_with(seed, variants)).catch_unwind().await.is_err() {
            failed.push(variants);
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

async fn exact_with(seed: u64, variants: &str) {
    let options = SimulatorOptions { seed, ..options(14, habits(variants)) };
    let harness = AppHarness::new(options, |tenant| {
        tenant.official.as_mut().unwrap().unavailable_codes = seed.is_multiple_of(2);
        tenant.agents.iter_mut().for_each(|agent| agent.name = None);
    })
    .await;
    harness.scrape_exactly(variants).await;
    for minutes in [1, 7, 31, 300] {
        harness.app.clock.advance(Duration::from_secs(minutes * 60));
        harness.scrape_exactly(&format!("{variants}, {minutes} minutes later")).await;
    }
}

#[tokio::test]
async fn stale_agent_id_is_one_agents_problem() {
    for position in [0, 1, 3] {
        let harness =
            AppHarness::new(options(6, habits("bulk-refused unknown-agent-refused described-errors")), |tenant| {
                let stale = cxone_exporter::config::Agent { id: "999".into(), ..tenant.agents[0].clone() };
                tenant.agents.insert(position, stale);
            })
            .await;
        let window = last_day(&harness.app.clock);
        for minutes in [0, 1, 31] {
            harness.app.clock.advance(Duration::from_secs(minutes * 60));
            let window = if minutes == 0 { window } else { last_day(&harness.app.clock) };
            let scrape = harness.app.scrape().await;
            let seen = scrape.seconds();
            for agent in harness.simulator.workforce().agents() {
                assert_close(
                    &seen[&*agent.id],
                    &harness.truth(&agent.id, window),
                    0.0,
                    &format!("{position}, {}", agent.id),
                );
            }
        }
    }
}

#[tokio::test]
async fn names_that_are_no_unicode_are_repaired() {
    for variant in ["half-emoji", "invalid-utf8"] {
        let harness = AppHarness::new(options(12, habits(variant)), |tenant| {
            tenant.agents.clear();
            tenant.agent_filter = Some(AgentFilter::default());
        })
        .await;
        let scrape = harness.scrape_exactly(variant).await;
        let names = scrape.labels("cxone_agent_info", ["name"]);
        assert_eq!(names.len(), 12);
        assert!(names.iter().all(|[name]| name.starts_with('\u{fffd}')), "{names:?}");
    }
}

#[tokio::test]
async fn answers_that_are_none_keep_the_data() {
    for endpoint in [Endpoint::States, Endpoint::History] {
        for fault in [Fault::NoBody, Fault::Blank, Fault::ErrorObject] {
            let harness = AppHarness::new(options(4, Vec::new()), |_| ()).await;
            let before = harness.scrape_exactly("before").await.seconds();
            harness.simulator.faults().push(Rule::new(fault.clone()).on(endpoint));
            harness.app.clock.advance(Duration::from_secs(120));
            let scrape = harness.app.scrape().await;
            assert_eq!(scrape.value("cxone_up"), Some(0.0), "{endpoint:?} {fault:?}");
            assert_eq!(scrape.seconds(), before, "{endpoint:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn rows_of_wrong_types_cost_one_record_each() {
    for endpoint in [Endpoint::States, Endpoint::History, Endpoint::Codes, Endpoint::Agents] {
        let harness = AppHarness::new(options(12, Vec::new()), |tenant| {
            tenant.agents.iter_mut().for_each(|agent| agent.name = None);
        })
        .await;
        harness.simulator.faults().push(Rule::new(Fault::WrongTypes).on(endpoint));
        harness.scrape_exactly(&format!("{endpoint:?}")).await;
    }
}
