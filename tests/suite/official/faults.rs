//! Failures of the official API: no data is lost, no server is flooded, and no secret goes to another host.

use cxone_exporter::simulator::{Fault, Rule};

use super::*;

/// A listener that must see no connection.
async fn stranger() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    (listener, address)
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_the_tenants() {
    for endpoint in [Endpoint::Discovery, Endpoint::Agents, Endpoint::States, Endpoint::History] {
        let (listener, address) = stranger().await;
        let addresses = [address, "https://api.example.com/x".to_owned(), "https://127.0.0.1@evil.example/".to_owned()];
        for address in addresses {
            let harness = AppHarness::new(options(3, Vec::new()), |tenant| {
                by_issuer(tenant, ClientAuth::Basic);
                tenant.agents.iter_mut().for_each(|agent| agent.name = None);
            })
            .await;
            harness.simulator.faults().push(Rule::new(Fault::ForeignLink(address.clone())).on(endpoint));
            let scrape = harness.app.scrape().await;
            let error = harness.app.refresher().current().status.last_error.clone();
            if endpoint == Endpoint::Discovery {
                assert_eq!(scrape.value("cxone_up"), Some(0.0));
                let message = error.unwrap().to_string();
                assert!(message.contains("nothing is sent there"), "{message}");
            } else {
                // Of a link to the next page, only the query is used.
                assert_eq!(scrape.value("cxone_up"), Some(1.0), "{error:?}");
            }
            harness.app.assert_no_secrets().await;
        }
        let knock = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(knock.is_err(), "{endpoint:?}: a connection arrived");
    }
}

#[tokio::test]
async fn what_heals_is_no_news_and_what_does_not_fails_the_refresh() {
    let heals = ["status=503@1", "cut@1", "cut-body@1", "truncated@1", "rate-limited=5@1", "revoked@1", "odd-rows"];
    let fails =
        ["status=503", "status=403", "garbage", "repeated-token", "rate-limited", "redirect=http://127.0.0.1:9/"];
    for endpoint in ["states", "history"] {
        for (faults, up) in [(&heals[..], 1.0), (&fails[..], 0.0)] {
            for fault in faults {
                let harness = AppHarness::new(SimulatorOptions { gzip: false, ..options(4, Vec::new()) }, |_| ()).await;
                let rule: Rule = format!("{endpoint}:{fault}").parse().unwrap();
                harness.simulator.faults().push(rule);
                let scrape = harness.app.scrape().await;
                let status = harness.app.refresher().current().status.clone();
                assert_eq!(scrape.value("cxone_up"), Some(up), "{endpoint}:{fault}: {status:?}");
                harness.simulator.faults().clear();
                harness.app.clock.advance(HOUR);
                harness.scrape_exactly(&format!("{endpoint}:{fault}, healed")).await;
                harness.app.assert_no_secrets().await;
            }
        }
    }
}

#[tokio::test]
async fn wrong_credentials_are_said_to_be_that_and_asked_once() {
    type Change = fn(&mut Tenant);
    let table: [(Change, &str); 3] = [
        (|tenant| tenant.official.as_mut().unwrap().access_key_secret = "wrong".into(), "The access key is wrong"),
        (
            |tenant| {
                by_issuer(tenant, ClientAuth::Basic);
                tenant.official.as_mut().unwrap().access_key_secret = "wrong".into();
            },
            "Most often the access key is wrong",
        ),
        (
            |tenant| {
                by_issuer(tenant, ClientAuth::Body);
                tenant.connection.client_secret = "wrong".into();
            },
            "The access key or the OAuth client is wrong",
        ),
    ];
    for (change, words) in table {
        let harness = AppHarness::new(options(3, Vec::new()), change).await;
        let scrape = harness.app.scrape().await;
        assert_eq!(scrape.value("cxone_up"), Some(0.0));
        let message = harness.app.refresher().current().status.last_error.clone().unwrap().to_string();
        assert!(message.contains(words), "{message}");
        assert_eq!((harness.counts()[0], harness.counts()[3]), (1, 0));
    }
}

#[tokio::test]
async fn rejected_rows_of_every_list_are_counted() {
    let rejected = |scrape: &Scraped| {
        let of = |reason| scrape.get("cxone_records_rejected_total", &[("reason", reason)]).unwrap_or_default();
        ["malformed", "unknown_agent"].map(of)
    };
    // Rows that are none, and rows without an id. Each list has one of both, a list of codes three of the first; there are four teams.
    let table = [
        ("agents", "", [1.0, 1.0]),
        ("states", "", [1.0, 1.0]),
        ("history", "", [1.0, 1.0]),
        ("codes", "", [3.0, 0.0]),
        ("codes", "unit-codes-refused", [12.0, 0.0]),
    ];
    for (endpoint, habit, expected) in table {
        let harness = AppHarness::new(options(4, habits(habit)), |tenant| {
            tenant.agents.iter_mut().for_each(|agent| agent.name = None);
        })
        .await;
        let rule: Rule = format!("{endpoint}:odd-rows").parse().unwrap();
        harness.simulator.faults().push(rule);
        let scrape = harness.app.scrape().await;
        assert_eq!(scrape.value("cxone_up"), Some(1.0));
        assert_eq!(rejected(&scrape), expected, "{endpoint} {habit}");
    }
}

#[tokio::test]
async fn codes_that_cannot_be_read_fail_no_refresh_and_are_asked_for_again() {
    let harness = AppHarness::new(options(12, habits("acw-by-codes")), |_| ()).await;
    harness.simulator.faults().push(Rule::new(Fault::Status(403)).on(Endpoint::Codes));
    let scrape = harness.app.scrape().await;
    assert_eq!(scrape.value("cxone_up"), Some(1.0));
    assert_eq!(harness.app.warnings().len(), 1);
    harness.simulator.faults().clear();
    harness.app.clock.advance(Duration::from_secs(11 * 60));
    harness.scrape_exactly("codes are known now").await;
}
