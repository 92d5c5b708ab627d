//! Error messages: a golden file, and no secret in any of them.

use std::fmt::Write as _;

use base64::Engine as _;

use super::*;

/// Responses to page requests, one for each error.
fn page_faults() -> Vec<(&'static str, Response)> {
    let html = Response::status(200).header("Content-Type", "text/html; charset=utf-8").body("<html>Sign in</html>");
    vec![
        ("400", Response::status(400).body("{\"error\":\"interval PT1M is\r\n too small for the range\"}")),
        ("400 without a body", Response::status(400)),
        ("401", Response::status(401)),
        ("403", Response::status(403)),
        ("404", Response::status(404)),
        ("429 without Retry-After", Response::status(429)),
        ("429 for ten minutes", Response::status(429).header("Retry-After", "600")),
        ("503", Response::status(503)),
        ("503 for two hours", Response::status(503).header("Retry-After", "7200")),
        ("451", Response::status(451).body("Not in your country")),
        ("a redirect", Response::status(302).header("Location", "https://login.example.org/?back=%2F")),
        ("a redirect to nowhere", Response::status(302)),
        ("a login page", html),
        ("no JSON", Response::json("nonsense")),
        ("another shape", Response::json("{\"error\":\"Internal\"}")),
        ("an end too early", Response::json("{\"data\":[")),
        ("a strange encoding", Response::json("x").header("Content-Encoding", "br")),
        ("broken gzip", Response::json("nonsense").header("Content-Encoding", "gzip")),
        ("too large", Response::json(vec![b' '; 64 * 1024]).endless()),
        ("a connection cut", Response::json("{\"data\":[]}").cut_after(40)),
        ("too slow", Response::json("{}").stall_after(0)),
        ("pages that repeat", Response::json(r#"{"data":[],"nextPageToken":"again"}"#)),
        ("a page token too long", Response::json(format!(r#"{{"data":[],"nextPageToken":"{}"}}"#, "x".repeat(5000)))),
    ]
}

fn token_faults() -> Vec<(&'static str, Response)> {
    vec![
        ("400", Response::status(400).body("{\"error\":\"unsupported_grant_type\"}")),
        ("401", Response::status(401)),
        ("403", Response::status(403)),
        ("404", Response::status(404)),
        ("500", Response::status(500)),
        ("an empty token", Response::token("", "3600")),
        ("a token with a line break", Response::token("a\\nb", "3600")),
        ("no token", Response::json("{\"access_tokem\":\"x\"}")),
    ]
}

async fn message(upstream: &ScriptedServer, clock: &DrivenClock, name: &str) -> String {
    let harness = SourceHarness::new(clock, &upstream.base_url(), |tenant| {
        if name == "too slow" {
            tenant.limits.request_timeout = Duration::from_millis(150);
        }
    });
    let fetched = harness.fetch().await;
    let message = fetched.error.expect("it fails").to_string();
    let port = upstream.base_url().rsplit(':').next().unwrap().to_owned();
    message.replace(&format!("127.0.0.1:{port}"), "UPSTREAM")
}

#[tokio::test]
async fn error_messages_match_the_golden_file() {
    let mut all = String::new();
    for (name, answer) in token_faults() {
        let clock = clock();
        let upstream = ScriptedServer::start_raw(&clock, move |_| answer.clone()).await;
        writeln!(all, "token, {name}:\n    {}", message(&upstream, &clock, name).await).unwrap();
    }
    for (name, answer) in page_faults() {
        let clock = clock();
        let upstream = ScriptedServer::start(&clock, move |_| answer.clone()).await;
        writeln!(all, "page, {name}:\n    {}", message(&upstream, &clock, name).await).unwrap();
    }
    insta::with_settings!({ snapshot_path => "../../golden", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("upstream-messages", all);
    });
}

/// The server echoes every secret in each part of its responses.
#[tokio::test]
async fn errors_never_quote_a_secret_that_the_server_echoes() {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("my-client:{SECRET}"));
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let planted = format!("{SECRET} {encoded} {basic} token-1 Bearer token-1 ");
    for status in [200, 301, 400, 401, 402, 403, 404, 418, 429, 451, 500, 503] {
        for at_token in [false, true] {
            let clock = clock();
            let answer = Response::status(status)
                .header("Content-Type", format!("text/{planted}"))
                .header("Content-Encoding", if status == 200 { planted.clone() } else { "identity".into() })
                .header("Location", format!("https://token-1.{encoded}.example.org/{planted}"))
                .body(format!("{} {planted}", "{\"access_token\":\"token-1\", "));
            let upstream = ScriptedServer::start_raw(&clock, move |request| match request.path() {
                "/oauth/token" if !at_token => Response::token(&format!("token-{}", request.nth + 1), "3600"),
                _ => answer.clone(),
            })
            .await;
            let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
            let fetched = harness.fetch().await;
            let shown = format!("{fetched:?} {} {:?}", fetched.error.as_ref().unwrap(), harness.source);
            for secret in ["s3cr3t", basic.trim_end_matches('='), "Ada"] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            // Where no token was issued, text that looks like one is the server's own.
            assert!(at_token || !shown.contains("token-"), "{shown}");
        }
    }
}
