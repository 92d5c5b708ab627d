//! Lists without rows, or with fewer than they say: they are read again, and are not taken for data.

use cxone_exporter::config::AgentFilter;
use cxone_exporter::simulator::Rule;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

async fn all_agents(options: SimulatorOptions) -> AppHarness {
    AppHarness::new(options, |tenant| {
        tenant.agents.clear();
        tenant.agent_filter = Some(AgentFilter::default());
    })
    .await
}

fn fault(harness: &AppHarness, text: &str) {
    harness.simulator.faults().push(text.parse::<Rule>().unwrap());
}

#[tokio::test]
async fn first_agent_list_that_is_empty_fails_and_is_read_again() {
    for (fault_text, variants) in [
        ("agents:empty", ""),
        ("agents:null-data", ""),
        ("agents:empty", "empty-as-204"),
        ("agents:empty", "no-totals"),
        // The first page of three.
        ("agents:empty+1", ""),
    ] {
        let harness = all_agents(SimulatorOptions { page_size: 8, ..options(20, habits(variants)) }).await;
        fault(&harness, fault_text);
        let scrape = harness.app.scrape().await;
        let known = (scrape.value("cxone_up"), scrape.samples("cxone_agent_info").count());
        assert_eq!(known, (Some(0.0), 0), "{fault_text} {variants}");
        harness.simulator.faults().clear();
        harness.app.clock.advance(MINUTE * 10);
        harness.scrape_exactly(&format!("{fault_text} {variants}")).await;
    }
}

#[tokio::test]
async fn known_agents_outlast_any_number_of_empty_lists() {
    let harness = all_agents(options(20, Vec::new())).await;
    harness.scrape_exactly("at first").await;
    fault(&harness, "agents:empty");
    for hours in 1..=20 {
        harness.app.clock.advance(HOUR);
        harness.scrape_exactly(&format!("{hours} hours later")).await;
    }
    assert_eq!(harness.app.warnings().len(), 1, "{:?}", harness.app.warnings());
    harness.simulator.faults().clear();
    harness.app.clock.advance(HOUR);
    harness.scrape_exactly("recovered").await;
    let recoveries = harness.app.lines().into_iter().filter(|line| line.message == "agent directory recovered").count();
    assert_eq!(recoveries, 1);
}

#[tokio::test]
async fn history_without_rows_is_read_again_by_the_next_refresh() {
    for endpoint in ["history", "states"] {
        let harness = AppHarness::new(options(20, Vec::new()), |_| ()).await;
        for round in 0..3 {
            fault(&harness, &format!("{endpoint}:empty"));
            let scrape = harness.app.scrape().await;
            assert_eq!(scrape.value("cxone_up"), Some(0.0), "{endpoint}, {round}");
            harness.simulator.faults().clear();
            harness.app.clock.advance(MINUTE * 10);
            harness.scrape_exactly(&format!("{endpoint} after round {round}")).await;
            // Within the four hours between full syncs.
            harness.app.clock.advance(MINUTE * 20);
        }
    }
}

#[tokio::test]
async fn history_without_rows_is_accepted_where_totals_count_more() {
    let harness = AppHarness::new(SimulatorOptions { page_size: 50, ..options(20, Vec::new()) }, |_| ()).await;
    for (round, text) in ["history:empty+1", "history:empty", "history:empty"].into_iter().enumerate() {
        fault(&harness, text);
        assert_eq!(harness.app.scrape().await.value("cxone_up"), Some(1.0), "{round}: {text}");
        harness.simulator.faults().clear();
        harness.app.clock.advance(MINUTE * 10);
    }
    assert_eq!(harness.app.warnings().len(), 1, "{:?}", harness.app.warnings());
}
