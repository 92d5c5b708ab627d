//! Each fault behaves as documented.

use std::time::Duration;

use cxone_exporter::clock::Clock;
use cxone_exporter::simulator::{Endpoint, Fault, Rule, SimulatorOptions};
use serde_json::Value;

use super::{DAY, HOUR, Harness, last};

#[tokio::test]
async fn rate_limited_with_and_without_retry_after() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let (token, query) = (harness.token().await, harness.query(1, last(DAY), "PT1H"));
    let table = [
        ("rate-limited=30@1", Some("30")),
        // Rounded up to a second, so that the date is never too early.
        ("rate-limited-until=30@1", Some("Wed, 11 Mar 2026 15:18:02 GMT")),
        ("rate-limited@1", None),
    ];
    for (rule, retry_after) in table {
        harness.simulator.faults().push(rule.parse::<Rule>().unwrap());
        let reply = harness.get(&token, &query).await.unwrap();
        assert_eq!(reply.status, 429);
        assert_eq!(reply.headers.get("retry-after").map(String::as_str), retry_after);
        assert_eq!(harness.get(&token, &query).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn each_fault_behaves_as_documented() {
    let harness = Harness::start(SimulatorOptions { page_size: 20, ..Default::default() }).await;
    let (token, query) = (harness.token().await, harness.query(2, last(DAY), "PT1H"));
    let right = harness.get(&token, &query).await.unwrap();
    assert!(right.complete);
    let fault = async |fault: Fault| {
        harness.simulator.faults().push(Rule::new(fault).times(1));
        harness.get(&token, &query).await
    };

    assert!(fault(Fault::Cut).await.is_none());
    assert!(fault(Fault::CutHeaders).await.is_none());
    let cut = fault(Fault::CutBody).await.unwrap();
    assert!(!cut.complete && cut.status == 200 && !cut.body.is_empty());
    assert_eq!(cut.body, right.body[..cut.body.len()]);

    let truncated = fault(Fault::Truncated).await.unwrap();
    assert!(truncated.complete && serde_json::from_slice::<Value>(&truncated.body).is_err());
    let garbage = fault(Fault::Garbage).await.unwrap();
    assert_eq!((garbage.status, garbage.headers["content-type"].starts_with("text/html")), (200, true));
    let oversized = fault(Fault::Oversized(2)).await.unwrap();
    assert_eq!((oversized.status, oversized.body.len()), (200, 2 * 1024 * 1024));
    let redirect = fault(Fault::Redirect("http://127.0.0.1:9/".to_owned())).await.unwrap();
    assert_eq!((redirect.status, redirect.headers["location"].as_str()), (307, "http://127.0.0.1:9/"));
    for code in [400, 403, 500, 502, 503, 504] {
        let refused = fault(Fault::Status(code)).await.unwrap();
        assert_eq!((refused.status, &refused.json()["error"]), (code, &Value::from("simulated")));
    }

    assert_eq!(fault(Fault::Empty).await.unwrap().json(), serde_json::json!({ "data": [] }));
    assert_eq!(fault(Fault::NullData).await.unwrap().json(), serde_json::json!({ "data": null }));
    assert_eq!(fault(Fault::OddRows).await.unwrap().rows().len(), 23);
    assert_eq!(fault(Fault::Revoked).await.unwrap().status, 401);
    assert!(harness.simulator.faults().pending().is_empty());
}

#[tokio::test]
async fn page_faults_behave_as_documented() {
    let harness = Harness::start(SimulatorOptions { page_size: 20, ..Default::default() }).await;
    let (faults, query) = (harness.simulator.faults(), harness.query(2, last(DAY), "PT1H"));
    let lengths = |pages: Vec<Vec<Value>>| pages.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(harness.pages(&query).await), [20, 20, 8]);

    faults.push(Fault::RepeatedPage);
    assert_eq!(lengths(harness.pages(&query).await), [40, 40, 28]);
    faults.clear();

    faults.push(Rule::new(Fault::EndlessPages).times(5));
    assert_eq!(lengths(harness.pages(&query).await), [20, 20, 8, 0, 0, 0]);

    let token = harness.token().await;
    faults.push(Rule::new(Fault::RepeatedToken).times(1).after(1));
    let first = harness.get(&token, &query).await.unwrap().json();
    let page = format!("{query}&nextPageToken={}", first["nextPageToken"].as_str().unwrap());
    let second = harness.get(&token, &page).await.unwrap().json();
    assert_eq!(second["nextPageToken"], first["nextPageToken"]);
}

#[tokio::test]
async fn slow_answers_wait_on_the_driven_clock() {
    let harness = Harness::start(SimulatorOptions { latency: Duration::from_secs(1), ..Default::default() }).await;
    for (fault, waits) in [(None, 1), (Some(Fault::Slow(Duration::from_secs(4))), 5)] {
        harness.simulator.faults().clear();
        fault.into_iter().for_each(|fault| harness.simulator.faults().push(Rule::new(fault).on(Endpoint::Token)));
        let started = harness.clock.monotonic();
        let (answer, ()) = tokio::join!(harness.post_token("grant_type=x"), async {
            let deadline = loop {
                tokio::task::yield_now().await;
                if let Some(deadline) = harness.clock.next_sleeper() {
                    break deadline;
                }
            };
            assert_eq!(deadline.saturating_since(started), Duration::from_secs(waits));
            assert_eq!(harness.simulator.requests().last().unwrap().status, None);
            harness.clock.advance(Duration::from_secs(waits));
        });
        assert_eq!(answer.unwrap().status, 400);
        assert_eq!(harness.simulator.requests().last().unwrap().status, Some(400));
    }
}

#[tokio::test]
async fn slow_body_pauses_half_way() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    harness.simulator.faults().push(Rule::new(Fault::SlowBody(HOUR)).on(Endpoint::Token));
    let (answer, ()) = tokio::join!(harness.post_token("grant_type=x"), async {
        while harness.clock.next_sleeper().is_none() {
            tokio::task::yield_now().await;
        }
        harness.clock.advance(HOUR);
    });
    assert!(answer.unwrap().complete);
}
