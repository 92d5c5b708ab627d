//! Access tokens and refused requests.

use std::time::Duration;

use cxone_exporter::presence::Window;
use cxone_exporter::simulator::{CLIENT_ID, CLIENT_SECRET, Endpoint, Fault, Rule, SimulatorOptions};

use super::{DAY, HOUR, Harness, NOW, last};

#[tokio::test]
async fn token_needs_the_client_credentials() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let table = [
        (format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"), 200),
        (format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret=wrong"), 401),
        (format!("grant_type=client_credentials&client_id=wrong&client_secret={CLIENT_SECRET}"), 401),
        (format!("grant_type=client_credentials&client_id={CLIENT_ID}"), 400),
        (format!("grant_type=password&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"), 400),
        (String::new(), 400),
    ];
    for (form, status) in table {
        let reply = harness.post_token(&form).await.unwrap();
        assert_eq!(reply.status, status, "{form}");
        assert_eq!(reply.json()["expires_in"].as_u64(), (status == 200).then_some(3_600));
        assert!(!String::from_utf8_lossy(&reply.body).contains(CLIENT_SECRET));
    }
    let json = harness.call("POST", "/oauth/token", "Content-Type: application/json\r\n", "{}").await.unwrap();
    assert_eq!(json.status, 400);
    let get = harness.call("GET", "/oauth/token", "", "").await.unwrap();
    assert_eq!((get.status, get.headers["allow"].as_str()), (405, "POST"));

    harness.simulator.faults().push(Rule::new(Fault::Status(403)).on(Endpoint::Token));
    assert_eq!(harness.post_token("grant_type=client_credentials").await.unwrap().status, 403);
}

#[tokio::test]
async fn invalid_queries_are_refused_with_a_reason() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let token = harness.token().await;
    let day = last(DAY);
    let good = harness.query(2, day, "PT1H");
    let table = [
        (good.clone(), 200, ""),
        (harness.query(2, day, "1h"), 400, "invalid interval"),
        (harness.query(2, day, "PT0S"), 400, "invalid interval"),
        (harness.query(2, day, "PT1M"), 400, "too small"),
        (harness.query(2, day, "PT5M"), 200, ""),
        (harness.query(2, Window { start: day.end, end: day.start }, "PT1H"), 400, "after startTime"),
        (harness.query(2, Window::ending_at(NOW, 32 * DAY), "P1D"), 400, "31 days"),
        (good.replace("agentIds", "agents"), 400, "agentIds is needed"),
        (good.replace("01Z", "01"), 400, "ISO 8601"),
        (good.replace("01Z", "01%2B00:00"), 400, "ISO 8601"),
        (good.replace("&interval=PT1H", ""), 400, "interval is needed"),
        (format!("{good}&nextPageToken=abc"), 400, "nextPageToken"),
        (format!("agentIds={}&{good}", vec!["1"; 501].join(",")).replace("&agentIds=", "&x="), 400, "500 agents"),
    ];
    for (query, status, reason) in table {
        let reply = harness.get(&token, &query).await.unwrap();
        assert_eq!(reply.status, status, "{query}");
        assert_eq!(reply.headers["content-type"], "application/json");
        if status == 400 {
            assert!(reply.json()["message"].as_str().unwrap().contains(reason), "{reply:?}");
        }
    }
    assert_eq!(harness.get("made-up", &good).await.unwrap().status, 401);
    assert_eq!(harness.call("GET", "/nowhere", "", "").await.unwrap().status, 404);
    let post = harness.call("POST", "/api/v2/reporting/agent-presence", "", "").await.unwrap();
    assert_eq!((post.status, post.headers["allow"].as_str()), (405, "GET"));
}

#[tokio::test]
async fn token_needs_the_reporting_scope() {
    for (scope, status) in [("reporting:read", 200), ("users:read reporting:agent:read", 200), ("users:read", 403)] {
        let harness = Harness::start(SimulatorOptions { scope: scope.to_owned(), ..Default::default() }).await;
        let token = harness.token().await;
        let reply = harness.get(&token, &harness.query(1, last(DAY), "PT1H")).await.unwrap();
        assert_eq!(reply.status, status, "{scope}");
    }
}

#[tokio::test]
async fn token_expires_and_can_be_revoked() {
    let harness = Harness::start(SimulatorOptions { token_lifetime: HOUR, ..Default::default() }).await;
    let query = harness.query(1, last(DAY), "PT1H");
    let old = harness.token().await;
    harness.clock.advance(HOUR - Duration::from_secs(1));
    assert_eq!(harness.get(&old, &query).await.unwrap().status, 200);
    let new = harness.token().await;
    harness.clock.advance(Duration::from_secs(1));
    let expired = harness.get(&old, &query).await.unwrap();
    assert_eq!(expired.status, 401);
    assert!(expired.headers["www-authenticate"].contains("invalid_token"));
    assert_eq!(harness.get(&new, &query).await.unwrap().status, 200);

    harness.simulator.revoke_tokens();
    assert_eq!(harness.get(&new, &query).await.unwrap().status, 401);
    let newest = harness.token().await;
    assert_ne!(newest, new);
    assert_eq!(harness.get(&newest, &query).await.unwrap().status, 200);
}
