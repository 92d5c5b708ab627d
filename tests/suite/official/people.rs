//! The tenant's own list of people: names, and who is asked for at all.

use cxone_exporter::config::AgentFilter;
use cxone_exporter::simulator::{Fault, Rule};

use super::*;

/// Agent, name and team of each.
fn known(scrape: &Scraped) -> Vec<[String; 3]> {
    let mut known: Vec<_> = scrape.labels("cxone_agent_info", ["agent", "name", "team"]);
    known.sort();
    known
}

#[tokio::test]
async fn agents_all_takes_the_list_through_its_filter() {
    let harness = AppHarness::new(options(100, Vec::new()), |tenant| {
        tenant.agents.clear();
        tenant.agent_filter = Some(AgentFilter {
            teams: vec!["Support".to_owned(), "Billing".to_owned()],
            max: 10,
            ..AgentFilter::default()
        });
        tenant.offline_limits.teams = [("Billing".to_owned(), HOUR)].into();
    })
    .await;
    let scrape = harness.app.scrape().await;
    let roster = harness.simulator.workforce().agents();
    let matching =
        roster.iter().enumerate().filter(|(nth, agent)| nth % 80 != 79 && ["Support", "Billing"].contains(&agent.team));
    let found = known(&scrape);
    assert_eq!(found.len(), 10);
    assert_eq!(scrape.value("cxone_agents_dropped"), Some(matching.count() as f64 - 10.0));
    for [id, name, team] in &found {
        let agent = roster.iter().find(|agent| *agent.id == **id).unwrap();
        assert_eq!((name.as_str(), team.as_str()), (agent.name.as_str(), agent.team));
        let limit = scrape.get("cxone_agent_offline_limit_seconds", &[("agent", id)]);
        assert_eq!(limit, (agent.team == "Billing").then_some(3_600.0));
        assert!(scrape.get("cxone_agent_observed_seconds", &[("agent", id)]).unwrap() > 0.0);
    }
    assert_eq!(
        scrape.value("cxone_agents_selected"),
        scrape.value("cxone_agents_dropped").map(|dropped| dropped + 10.0)
    );
    assert!(scrape.value("cxone_agents_listed") >= Some(99.0));
    assert_eq!(harness.counts()[2], 1);
}

#[tokio::test]
async fn agent_filter_that_selects_no_agent_is_warned_of() {
    let harness = AppHarness::new(options(100, Vec::new()), |tenant| {
        tenant.agents.clear();
        tenant.agent_filter = Some(AgentFilter { teams: vec!["Biling".to_owned()], ..AgentFilter::default() });
    })
    .await;
    let scrape = harness.app.scrape().await;
    assert_eq!((scrape.value("cxone_agents_selected"), known(&scrape)), (Some(0.0), Vec::new()));
    harness.app.clock.advance(HOUR);
    harness.app.scrape().await;
    let warnings: Vec<String> = harness.app.warnings().iter().map(ToString::to_string).collect();
    let [warning] = &warnings[..] else { panic!("{warnings:#?}") };
    assert!(
        warning.contains("agent filter selects no agents") && warning.contains("nearest: \"Billing\""),
        "{warning}"
    );
}

#[tokio::test]
async fn the_list_is_read_rarely_and_stays_when_it_cannot_be_read() {
    let harness = AppHarness::new(options(20, Vec::new()), |tenant| {
        tenant.agents.iter_mut().for_each(|agent| agent.name = None);
        tenant.agents[0].name = Some("As configured".to_owned());
    })
    .await;
    let first = known(&harness.scrape_exactly("names").await);
    assert_eq!(first.iter().filter(|[_, name, _]| name.is_empty()).count(), 0);
    assert_eq!(first.iter().filter(|[_, name, _]| name == "As configured").count(), 1);
    harness.simulator.faults().push(Rule::new(Fault::Status(403)).on(Endpoint::Agents));
    for hours in 1..=8 {
        harness.app.clock.advance(HOUR);
        assert_eq!(known(&harness.scrape_exactly("later").await), first, "{hours} hours later");
    }
    // Once at the start; then after six hours, and again at each refresh, an hour apart.
    assert_eq!(harness.counts()[2], 1 + 3);
    assert_eq!(harness.app.warnings().len(), 1, "{:?}", harness.app.warnings());
    harness.app.assert_no_secrets().await;
}

#[tokio::test]
async fn without_any_list_there_is_nobody_to_ask_for() {
    let harness = AppHarness::new(options(5, Vec::new()), |tenant| {
        tenant.agents.clear();
        tenant.agent_filter = Some(AgentFilter::default());
    })
    .await;
    harness.simulator.faults().push(Rule::new(Fault::Status(403)).on(Endpoint::Agents));
    let scrape = harness.app.scrape().await;
    assert_eq!((scrape.value("cxone_up"), known(&scrape).len()), (Some(0.0), 0));
    let error = harness.app.refresher().current().status.last_error.clone().unwrap();
    assert!(error.to_string().contains("may not list agents"), "{error}");
    harness.simulator.faults().clear();
    harness.app.clock.advance(HOUR);
    let scrape = harness.app.scrape().await;
    assert_eq!((scrape.value("cxone_up"), known(&scrape).len()), (Some(1.0), 5));
}
