//! `check --probe` with the official API: the fewest requests, and a word on each step.

use cxone_exporter::clock::Clock as _;
use cxone_exporter::presence::WatchedAgent;
use cxone_exporter::simulator::Rule;
use cxone_exporter::upstream::{AnySource, NoopObserver, ProbeStep, Query, Verdict};

use super::*;

impl AppHarness {
    async fn probe(&self) -> Vec<ProbeStep> {
        let (tenant, clock) = (self.app.refresher().tenant(), self.app.clock.clone());
        let agents = tenant.agents.iter().map(|agent| WatchedAgent { id: agent.id.clone(), schedule: None });
        let (window, deadline) = (last_day(&clock), clock.monotonic() + HOUR);
        let query = Query { window, agents: agents.collect(), deadline };
        let connection = AnySource::for_probe(&tenant, Arc::new(clock), Arc::new(NoopObserver)).unwrap();
        connection.source().probe(query).unwrap().await
    }
}

fn verdicts(steps: &[ProbeStep]) -> Vec<(&str, Verdict)> {
    steps.iter().map(|step| (step.label, step.verdict)).collect()
}

#[tokio::test]
async fn a_probe_takes_a_page_of_each_list() {
    use Verdict::Right;
    for (issuer, discovery) in [(false, 1), (true, 2)] {
        let harness = AppHarness::new(options(30, Vec::new()), |tenant| {
            if issuer {
                by_issuer(tenant, ClientAuth::Basic);
            }
        })
        .await;
        let steps = harness.probe().await;
        let labels = ["login", "address", "agents", "states", "history"];
        assert_eq!(verdicts(&steps), labels.map(|label| (label, Right)), "{steps:?}");
        assert_eq!(harness.counts(), [1, discovery, 1, 1, 1, 0]);
        let said = steps.iter().map(|step| step.text.as_str()).collect::<Vec<_>>().join("\n");
        assert!(said.contains("30 rows") && said.contains("v30.0") && !said.contains(ACCESS_KEY_SECRET), "{said}");
    }
}

#[tokio::test]
async fn a_probe_says_what_is_wrong_and_stops_there() {
    use Verdict::{Failed, NotReached, Note, Right};
    let harness = AppHarness::new(options(3, Vec::new()), |tenant| {
        tenant.official.as_mut().unwrap().access_key_secret = "wrong".into();
    })
    .await;
    let steps = harness.probe().await;
    let [login, rest @ ..] = steps.as_slice() else { panic!("no steps") };
    assert_eq!((login.label, login.verdict), ("login", Failed));
    assert!(login.text.contains("Access Keys"), "{}", login.text);
    assert!(rest.iter().all(|step| step.verdict == NotReached));
    assert_eq!(harness.counts(), [1, 0, 0, 0, 0, 0]);

    let harness =
        AppHarness::new(options(3, habits("bulk-refused")), |tenant| tenant.agents[1].id = "4711".into()).await;
    let steps = harness.probe().await;
    assert_eq!(verdicts(&steps)[2..], [("agents", Right), ("states", Note), ("history", Note)]);
    assert!(steps[3].text.contains("1 of the 3 configured agents"), "{}", steps[3].text);
    assert!(steps[4].text.contains("agent by agent"), "{}", steps[4].text);

    // A failure that another try would heal is not tried again.
    let harness = AppHarness::new(options(3, Vec::new()), |_| ()).await;
    harness.simulator.faults().push("states:status=503@1".parse::<Rule>().unwrap());
    let steps = harness.probe().await;
    assert_eq!(verdicts(&steps)[2..], [("agents", Right), ("states", Failed), ("history", NotReached)]);
    assert_eq!(harness.counts()[3], 1);
}
