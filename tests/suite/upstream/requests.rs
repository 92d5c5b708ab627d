//! Which requests are sent, and how many at once.

use std::sync::Arc;

use cxone_exporter::upstream::{Endpoint, ErrorKind, FetchResult, ResponseCode, Source as _};

use super::*;

#[tokio::test]
async fn a_refresh_sends_exactly_the_documented_requests() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| {
        tenant.agents = agents(5);
        tenant.limits.agents_per_request = 2;
        tenant.query.states = vec!["Available".into(), "Offline".into()];
    });
    assert_exact(&harness.fetch().await, 5);

    let requests = upstream.requests();
    assert_eq!(requests.len(), 1 + 3 * 2, "one token, three batches of two pages");
    let token = &requests[0];
    assert_eq!((token.method.as_str(), token.target.as_str()), ("POST", "/oauth/token"));
    assert_eq!(token.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(token.body, "grant_type=client_credentials&client_id=my-client&client_secret=s3cr3t%2Fwith%2Bsigns%3D");
    for (nth, page) in requests[1..].iter().enumerate() {
        let batch = match nth / 2 {
            0 => "1000000000000000000,1000000000000000001",
            1 => "1000000000000000002,1000000000000000003",
            _ => "1000000000000000004",
        };
        assert_eq!((page.method.as_str(), page.path()), ("GET", "/api/v2/reporting/agent-presence"));
        let next = (nth % 2 == 1).then(|| "page-2".to_owned());
        let expected = [
            ("agentIds", Some(batch.to_owned())),
            ("startTime", Some("2023-11-13T22:00:00Z".to_owned())),
            ("endTime", Some("2023-11-14T22:00:00Z".to_owned())),
            ("interval", Some("PT1H".to_owned())),
            ("states", Some("Available,Offline".to_owned())),
            ("nextPageToken", next),
        ];
        for (name, value) in expected {
            assert_eq!(page.query(name), value, "{name} of page {nth}");
        }
        assert_eq!(page.header("authorization"), Some("Bearer token-1"));
        assert_eq!(page.header("accept"), Some("application/json"));
        assert_eq!(page.header("accept-encoding"), Some("gzip"));
        assert_eq!(page.header("user-agent"), Some(concat!("cxone-exporter/", env!("CARGO_PKG_VERSION"))));
    }
    assert_eq!(harness.observer.page_codes(), [ResponseCode::Status(200); 6]);
    assert_eq!(harness.observer.retries(), 0);
    assert_eq!(harness.source.not_before(), None);
}

#[tokio::test]
async fn no_states_without_a_filter_and_no_request_without_agents() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(0));
    assert_exact(&harness.fetch().await, 0);
    assert!(upstream.requests().is_empty());

    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(1));
    assert_exact(&harness.fetch().await, 1);
    assert_eq!(upstream.pages()[0].query("states"), None);
}

#[tokio::test]
async fn base_url_path_is_kept() {
    let clock = clock();
    let upstream = ScriptedServer::start_raw(&clock, |request| match request.path() {
        "/proxied/oauth/token" => Response::token("token-1", "3600"),
        "/proxied/api/v2/reporting/agent-presence" => honest(request),
        other => panic!("{other}"),
    })
    .await;
    let harness = SourceHarness::new(&clock, &format!("{}/proxied/", upstream.base_url()), |_| ());
    assert_exact(&harness.fetch().await, 3);
}

#[tokio::test]
async fn max_concurrent_requests_is_reached_and_never_exceeded() {
    for bound in [1, 3, 8] {
        let clock = clock();
        let upstream = ScriptedServer::start(&clock, honest).await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| {
            tenant.agents = agents(24);
            tenant.limits.max_concurrent_requests = bound;
        });
        assert_exact(&harness.fetch().await, 24);
        assert_eq!(upstream.peak(), bound);
        assert_eq!(upstream.pages().len(), 48);
    }
}

#[tokio::test]
async fn a_response_without_data_is_no_failure() {
    let bodies = [
        Response::status(204),
        Response::status(204),
        Response::status(205),
        Response::json("{}"),
        Response::json(r#"{"data":null}"#),
        Response::json(r#"{"data":[]}"#),
        Response::json(r#"{"data":[],"nextPageToken":""}"#),
        Response::json(r#"{"data":[],"nextPageToken":null}"#),
    ];
    for body in bodies {
        let clock = clock();
        let upstream = ScriptedServer::start(&clock, {
            let body = body.clone();
            move |_| body.clone()
        })
        .await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
        let fetched = harness.fetch().await;
        assert_eq!(fetched.error, None, "{body:?}");
        assert_eq!(fetched.answered.len(), 3);
        assert!(fetched.answered.iter().all(|(_, presence)| presence.is_none()));
        assert_eq!(upstream.pages().len(), 3, "one page a batch");
    }
}

#[tokio::test]
async fn a_dropped_fetch_sends_nothing_more() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| match request.nth {
        0 => honest(request),
        _ => Response::json("{}").stall_after(10),
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    let deadline = harness.deadline();
    let mut refresh = harness.source.fetch(harness.query(deadline));
    while upstream.pages().len() < 2 {
        tokio::select! {
            biased;
            _ = &mut refresh => panic!("it cannot end"),
            () = tokio::task::yield_now() => (),
        }
    }
    drop(refresh);
    assert_eq!(clock.next_sleeper(), None, "nothing waits");
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(upstream.requests().len(), 3);
    assert_eq!(harness.observer.page_codes(), [ResponseCode::Status(200), ResponseCode::Timeout]);

    // The source is still usable, and keeps its token.
    let upstream = upstream.tokens();
    assert_eq!(upstream, 1);
    assert!(harness.source.token_expiry().is_some());
}

#[tokio::test]
async fn at_its_deadline_a_fetch_keeps_complete_batches() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| {
        if request.query("agentIds").unwrap().ends_with('0') {
            honest(request)
        } else {
            Response::json("{}").stall_after(0)
        }
    })
    .await;
    let harness = Arc::new(SourceHarness::new(&clock, &upstream.base_url(), |_| ()));
    let refresh: tokio::task::JoinHandle<FetchResult> = tokio::spawn({
        let harness = Arc::clone(&harness);
        async move { harness.source.fetch(harness.query(harness.deadline())).await }
    });
    while upstream.pages().len() < 3 {
        tokio::task::yield_now().await;
    }
    clock.advance(REFRESH_TIMEOUT);
    let fetched = refresh.await.unwrap();
    assert_eq!(fetched.answered.len(), 1);
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Timeout, 2));
    let codes = harness.observer.page_codes();
    assert_eq!(codes, [ResponseCode::Status(200), ResponseCode::Status(200), ResponseCode::Timeout]);
}

#[tokio::test]
async fn a_fetch_past_its_deadline_sends_nothing() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    let fetched = harness.source.fetch(harness.query(clock.monotonic())).await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Timeout, 3));
    assert!(upstream.requests().is_empty() && harness.observer.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn clock_skew_is_reported_beyond_the_tolerance() {
    let table = [
        ("Tue, 14 Nov 2023 22:00:00 GMT", Some(0)),
        ("Tue, 14 Nov 2023 22:01:00 GMT", Some(0)),
        ("Tue, 14 Nov 2023 21:59:00 GMT", Some(0)),
        ("Tue, 14 Nov 2023 23:00:00 GMT", Some(3600)),
        ("Tue, 14 Nov 2023 21:58:59 GMT", Some(-61)),
        ("yesterday", None),
    ];
    for (date, skew) in table {
        let clock = clock();
        let upstream = ScriptedServer::start(&clock, move |_| Response::json("{}").header("Date", date)).await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(1));
        harness.fetch().await;
        assert_eq!(*harness.observer.skews.lock().unwrap(), Vec::from_iter(skew), "{date}");
    }
}

#[test]
fn debug_of_a_source_holds_no_secret() {
    let harness = SourceHarness::new(&clock(), "http://127.0.0.1:1", |_| ());
    let printed = format!("{:?}", harness.source);
    assert!(!printed.contains("s3cr3t") && !printed.contains("Ada"), "{printed}");
}
