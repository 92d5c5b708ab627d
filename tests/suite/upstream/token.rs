//! Access tokens: how often they are requested, renewed and rejected.

use cxone_exporter::config::{Api, Official, Secret};
use cxone_exporter::presence::{WatchedAgent, Window};
use cxone_exporter::upstream::Query;
use cxone_exporter::upstream::official_api::OfficialSource;

use crate::scripted::drive;

use super::*;

fn bearer(request: &Request) -> String {
    request.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

#[tokio::test]
async fn sixty_parallel_batches_request_one_token() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| {
        tenant.agents = agents(60);
        tenant.limits.max_concurrent_requests = 60;
    });
    assert_exact(&harness.fetch().await, 60);
    assert_eq!((upstream.tokens(), upstream.pages().len()), (1, 120));
    assert_exact(&harness.fetch().await, 60);
    assert_eq!(upstream.tokens(), 1);
}

#[tokio::test]
async fn wrong_credentials_cost_one_token_request() {
    let clock = clock();
    let upstream = ScriptedServer::start_raw(&clock, |_| Response::status(401)).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| {
        tenant.agents = agents(60);
        tenant.limits.max_concurrent_requests = 20;
    });
    let fetched = harness.fetch().await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Unauthorized, 60));
    assert_eq!(upstream.requests().len(), 1);
    assert_eq!(harness.source.token_expiry(), None);
}

#[tokio::test]
async fn a_401_between_pages_gets_one_new_token() {
    for concurrent in [1, 2, 20] {
        let clock = clock();
        let upstream = ScriptedServer::start(&clock, |request| {
            if request.query("nextPageToken").is_some() && bearer(request) == "token-1" {
                Response::status(401)
            } else {
                honest(request)
            }
        })
        .await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| {
            tenant.agents = agents(20);
            tenant.limits.max_concurrent_requests = concurrent;
        });
        assert_exact(&harness.fetch().await, 20);
        assert_eq!(upstream.tokens(), 2, "one to begin with and one instead");
        let refused = harness.observer.page_codes().iter().filter(|code| **code == ResponseCode::Status(401)).count();
        assert!((1..=concurrent).contains(&refused), "{refused} of {concurrent}");
        assert_eq!(upstream.pages().len(), 40 + refused);
        assert_eq!(harness.observer.retries(), u64::try_from(refused).unwrap());
    }
}

#[tokio::test]
async fn a_second_401_fails_all_batches() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |_| Response::status(401)).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    assert_eq!(failure(&harness.fetch().await), (Endpoint::Presence, ErrorKind::Unauthorized, 3));
    assert_eq!((upstream.tokens(), upstream.pages().len()), (2, 2));
}

#[tokio::test]
async fn each_page_may_renew_the_token_once() {
    let clock = clock();
    // Each token is valid for one page only, whatever its `expires_in`.
    let upstream = ScriptedServer::start(&clock, |request| {
        let expected = format!("token-{}", request.nth.div_ceil(2) + 1);
        if bearer(request) == expected { honest(request) } else { Response::status(401) }
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(2));
    assert_exact(&harness.fetch().await, 2);
    assert_eq!(upstream.tokens(), 4);
}

#[tokio::test]
async fn a_token_is_replaced_a_margin_before_expires_in() {
    let table = [
        // expires_in, used at, so many tokens in all
        ("3600", 3539, 1),
        ("3600", 3540, 2),
        ("\"3600\"", 3540, 2),
        ("100", 89, 1),
        ("100", 90, 2),
        ("10", 8, 1),
        ("10", 9, 2),
        ("null", 3539, 1),
        ("null", 3540, 2),
        ("1e18", 86_339, 1),
        ("1e18", 86_340, 2),
    ];
    for (expires_in, later, tokens) in table {
        let clock = clock();
        let upstream = ScriptedServer::start_raw(&clock, move |request| match request.path() {
            "/oauth/token" => Response::token(&format!("token-{}", request.nth + 1), expires_in),
            _ => honest(request),
        })
        .await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
        harness.fetch().await;
        clock.advance(Duration::from_secs(later));
        assert_exact(&harness.fetch().await, 3);
        assert_eq!(upstream.tokens(), tokens, "{expires_in} after {later} s");
    }
}

#[tokio::test]
async fn a_token_with_expires_in_zero_is_used_once() {
    for expires_in in ["0", "-5", "\"0\""] {
        let clock = clock();
        let upstream = ScriptedServer::start_raw(&clock, move |request| match request.path() {
            "/oauth/token" => Response::token(&format!("token-{}", request.nth + 1), expires_in),
            _ => honest(request),
        })
        .await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(2));
        assert_exact(&harness.fetch().await, 2);
        let used: Vec<_> = upstream.pages().iter().map(bearer).collect();
        assert_eq!(used, ["token-1", "token-2", "token-3", "token-4"]);
        assert_eq!(harness.source.token_expiry(), Some(NOW));
    }
}

#[tokio::test]
async fn token_expiry_is_a_timestamp() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    assert_eq!(harness.source.token_expiry(), None);
    harness.fetch().await;
    assert_eq!(harness.source.token_expiry(), Some(NOW + Duration::from_secs(3600)));
}

#[tokio::test]
async fn unusable_tokens_are_rejected() {
    let bodies = [
        r#"{"access_token":"","expires_in":3600}"#.to_owned(),
        r#"{"access_token":"line\r\nSet-Cookie: a=b","expires_in":3600}"#.to_owned(),
        r#"{"access_token":"with space","expires_in":3600}"#.to_owned(),
        r#"{"access_token":"nul\u0000","expires_in":3600}"#.to_owned(),
        r#"{"access_token":"ünïcode","expires_in":3600}"#.to_owned(),
        r#"{"access_token":7,"expires_in":3600}"#.to_owned(),
        r#"{"access_token":null}"#.to_owned(),
        r#"{"token":"t"}"#.to_owned(),
        r#"{"access_token":"a","access_token":"b"}"#.to_owned(),
        "[]".to_owned(),
        "<html>".to_owned(),
        String::new(),
        format!(r#"{{"access_token":"{}"}}"#, "x".repeat(17 * 1024)),
    ];
    for body in bodies {
        let clock = clock();
        let upstream = ScriptedServer::start_raw(&clock, {
            let body = body.clone();
            move |_| Response::json(body.clone())
        })
        .await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
        let fetched = harness.fetch().await;
        assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Decode, 3), "{body}");
        assert_eq!(upstream.requests().len(), 1);
        assert_eq!(harness.observer.codes(Endpoint::Token), [ResponseCode::Decode]);
    }
}

#[tokio::test]
async fn token_requests_are_retried() {
    let clock = clock();
    let upstream = ScriptedServer::start_raw(&clock, |request| match (request.path(), request.nth) {
        ("/oauth/token", 0) => Response::status(503),
        ("/oauth/token", 1) => Response::json("{}").cut_after(20),
        ("/oauth/token", _) => Response::token("t", "3600"),
        _ => honest(request),
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    assert_exact(&harness.fetch().await, 3);
    assert_eq!(upstream.tokens(), 3);
    let codes = harness.observer.codes(Endpoint::Token);
    assert_eq!(codes, [ResponseCode::Status(503), ResponseCode::Connect, ResponseCode::Status(200)]);
}

/// A secret in a file, which is written anew by tests.
fn secret_file(secret: &str) -> (tempfile::NamedTempFile, Secret) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), secret).unwrap();
    let secret = Secret { file: Some(file.path().to_owned()), ..Secret::from(secret) };
    (file, secret)
}

#[tokio::test]
async fn rotated_secret_file_is_read_for_each_token_request() {
    let clock = clock();
    let upstream = ScriptedServer::start_raw(&clock, |request| match request.path() {
        "/oauth/token" if request.body.ends_with("client_secret=rotated-secret") => Response::token("t", "60"),
        "/oauth/token" => Response::status(401).body("not rotated-secret"),
        _ => honest(request),
    })
    .await;
    let (file, secret) = secret_file("first-secret");
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.connection.client_secret = secret);
    assert_eq!(failure(&harness.fetch().await), (Endpoint::Token, ErrorKind::Unauthorized, 3));
    std::fs::write(file.path(), "rotated-secret\n").unwrap();
    assert_exact(&harness.fetch().await, 3);
    // While the file is being replaced, the last secret is used.
    for (contents, expected) in
        [(Some(""), "rotated-secret"), (None, "rotated-secret"), (Some("third-secret"), "third-secret")]
    {
        match contents {
            Some(contents) => std::fs::write(file.path(), contents).unwrap(),
            None => std::fs::remove_file(file.path()).unwrap(),
        }
        clock.advance(Duration::from_secs(60));
        let fetched = harness.fetch().await;
        let token = upstream.requests().into_iter().rfind(|request| request.path() == "/oauth/token").unwrap();
        assert!(token.body.ends_with(&format!("client_secret={expected}")), "{contents:?}: {}", token.body);
        assert!(!fetched.error.is_some_and(|error| error.message.contains("rotated")), "a rotated secret is redacted");
    }
}

#[tokio::test]
async fn rotated_access_key_file_is_read_for_each_token_request() {
    let clock = clock();
    let upstream = ScriptedServer::start_raw(&clock, |_| Response::status(401)).await;
    let (file, secret) = secret_file("first-secret");
    let token_url = format!("{}/token", upstream.base_url()).parse().unwrap();
    let mut official = Official::by_access_key(token_url, "key", "first-secret");
    official.access_key_secret = secret;
    let tenant = Tenant { api: Api::Official, official: Some(official.clone()), ..tenant(&upstream.base_url()) };
    let observer = Arc::new(RecordingObserver::default());
    let source = OfficialSource::new(Arc::new(tenant), official, Arc::new(clock.clone()), observer).unwrap();
    for secret in ["first-secret", "rotated-secret"] {
        std::fs::write(file.path(), secret).unwrap();
        let deadline = clock.monotonic() + REFRESH_TIMEOUT;
        let window = Window::ending_at(NOW, Duration::from_secs(3600));
        let agents = vec![WatchedAgent { id: "1".into(), schedule: None }];
        drive(&clock, deadline, source.fetch(Query { window, agents, deadline })).await;
        assert!(upstream.requests().last().unwrap().body.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_reload_keeps_the_gate_and_the_token() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| {
        if request.nth == 6 { Response::status(429).header("Retry-After", "600") } else { honest(request) }
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    assert_exact(&harness.fetch().await, 3);
    harness.fetch().await;
    let until = harness.source.not_before();
    assert_eq!(until, Some(Monotonic::from_start(Duration::from_secs(600))));

    let mut tenant = Tenant::clone(&harness.tenant);
    tenant.connection.client_secret = "rotated".into();
    let source = harness.source.reconfigured(Arc::new(tenant.clone()), Arc::new(RecordingObserver::default())).unwrap();
    assert_eq!(source.not_before(), until);
    assert_eq!(source.token_expiry(), harness.source.token_expiry());

    tenant.connection.client_id = "another".into();
    let source = harness.source.reconfigured(Arc::new(tenant.clone()), Arc::new(RecordingObserver::default())).unwrap();
    assert_eq!((source.not_before(), source.token_expiry()), (until, None));

    tenant.connection.base_url = "http://127.0.0.1:2".parse().unwrap();
    let source = harness.source.reconfigured(Arc::new(tenant), Arc::new(RecordingObserver::default())).unwrap();
    assert_eq!((source.not_before(), source.token_expiry()), (None, None));
}
