//! Request log, control endpoints, connections and shutdown.

use std::net::TcpStream;

use cxone_exporter::simulator::{Endpoint, Fault, Rule, SimulatorOptions};
use serde_json::Value;

use super::{DAY, HOUR, Harness, NOW, Reply, Sums, last, micros, plain};

#[tokio::test]
async fn request_log_records_every_request() {
    let harness = Harness::start(SimulatorOptions { page_size: 20, ..Default::default() }).await;
    harness.simulator.faults().push(Rule::new(Fault::Status(503)).times(1).after(3));
    let query = harness.query(2, last(DAY), "PT1H");
    harness.pages(&query).await;
    harness.clock.advance(HOUR);
    let token = harness.token().await;
    harness.get(&token, &query).await.unwrap();

    let requests = harness.simulator.requests();
    let seen: Vec<_> = requests.iter().map(|one| (one.endpoint, one.page, one.rows, one.status, one.fault)).collect();
    let (token, presence) = (Endpoint::Token, Endpoint::Presence);
    let expected = [
        (token, 0, 0, Some(200), None),
        (presence, 0, 20, Some(200), None),
        (presence, 1, 20, Some(200), None),
        (presence, 2, 8, Some(200), None),
        (token, 0, 0, Some(200), None),
        (presence, 0, 0, Some(503), Some("status")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(requests[1].agents.iter().map(ToString::to_string).collect::<Vec<_>>(), harness.ids(2));
    assert_eq!((requests[1].at, requests[5].at), (NOW, NOW + HOUR));
    let counts = harness.simulator.counts();
    assert_eq!((counts.token, counts.presence, counts.rows), (2, 4, 48));
    harness.simulator.forget_requests();
    assert_eq!((harness.simulator.requests().len(), harness.simulator.counts().presence), (0, 0));
}

#[tokio::test]
async fn control_endpoints_set_faults_and_show_the_truth() {
    let harness = Harness::start(SimulatorOptions { agents: 3, ..Default::default() }).await;
    let control = async |method: &str, path: &str, body: &str| {
        harness.call(method, &format!("/-/control/{path}"), "", body).await.unwrap()
    };
    let text = |reply: Reply| String::from_utf8(reply.body).unwrap();
    assert_eq!(control("POST", "faults", "token:status=503@1\n\ncut\n").await.status, 204);
    assert_eq!(text(control("GET", "faults", "").await), "token:status=503@1\npresence:cut\n");
    assert_eq!(harness.post_token("").await.unwrap().status, 503);
    assert_eq!(text(control("GET", "faults", "").await), "presence:cut\n");
    let refused = control("POST", "faults", "slow=2s\nmagic").await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["message"].as_str().unwrap().contains("`magic`"));
    assert_eq!(control("DELETE", "faults", "").await.status, 204);
    assert!(harness.simulator.faults().pending().is_empty());

    let token = harness.token().await;
    assert_eq!(control("POST", "revoke", "").await.status, 204);
    assert_eq!(harness.get(&token, &harness.query(1, last(DAY), "PT1H")).await.unwrap().status, 401);
    let counts = control("GET", "requests", "").await.json();
    assert_eq!((&counts["token"], &counts["presence"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(control("DELETE", "requests", "").await.status, 204);
    assert_eq!(control("GET", "requests", "").await.json()["token"], 0);

    assert_eq!(control("GET", "agents", "").await.json().as_array().unwrap().len(), 3);
    let window = last(DAY);
    let target = format!("truth?start={}&end={}", window.start, window.end);
    let truth = control("GET", &target, "").await.json();
    assert_eq!(truth["agents"].as_object().unwrap().len(), 3);
    for id in harness.ids(3) {
        let one = control("GET", &format!("{target}&agent={id}"), "").await.json();
        assert_eq!(one["agents"][&id], truth["agents"][&id]);
        let states = one["agents"][&id].as_object().unwrap();
        let sums: Sums = states.iter().map(|(state, seconds)| (state.clone(), micros(seconds))).collect();
        assert_eq!(sums, plain(harness.simulator.truth(&id, window)));
    }
    assert_eq!(control("GET", "truth?start=now", "").await.status, 400);
    assert_eq!(control("PUT", "faults", "").await.headers["allow"], "DELETE, GET, POST");
    assert_eq!(control("GET", "magic", "").await.status, 404);
}

#[tokio::test]
async fn connections_are_kept_alive() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let two = "GET /-/control/faults HTTP/1.1\r\nHost: tenant\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: tenant\r\nConnection: close\r\n\r\n";
    let first = harness.send(two.to_owned()).await.unwrap();
    assert_eq!(first.status, 200);
    assert!(String::from_utf8(first.body).unwrap().contains("HTTP/1.1 404"));
}

#[tokio::test]
async fn shutdown_and_drop_close_all_connections() {
    for graceful in [true, false] {
        let harness = Harness::start(SimulatorOptions::default()).await;
        let address = harness.simulator.address();
        // An idle connection does not delay the shutdown.
        let idle = TcpStream::connect(address).unwrap();
        assert_eq!(harness.post_token("").await.unwrap().status, 400);
        if graceful {
            harness.simulator.shutdown().await;
        } else {
            drop(harness);
        }
        while TcpStream::connect(address).is_ok() {
            tokio::task::yield_now().await;
        }
        drop(idle);
    }
}

#[tokio::test]
async fn example_config_names_the_tenant_and_its_agents() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let config = harness.simulator.example_config(2);
    assert!(config.contains(&format!("base_url: {}\n", harness.simulator.base_url())));
    for id in harness.ids(2) {
        assert!(config.contains(&format!("id: \"{id}\"")));
    }
}
