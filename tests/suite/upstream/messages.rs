//! What a person is told: golden texts, and no secret in any of them.

use std::fmt::Write as _;

use base64::Engine as _;

use super::*;

/// Every error that an answer to a request for a page can lead to.
fn page_faults() -> Vec<(&'static str, Answer)> {
    let html = Answer::status(200).header("Content-Type", "text/html; charset=utf-8").body("<html>Sign in</html>");
    vec![
        ("400", Answer::status(400).body("{\"error\":\"interval PT1M is\r\n too small for the range\"}")),
        ("400 without a body", Answer::status(400)),
        ("401", Answer::status(401)),
        ("403", Answer::status(403)),
        ("404", Answer::status(404)),
        ("429 without Retry-After", Answer::status(429)),
        ("429 for ten minutes", Answer::status(429).header("Retry-After", "600")),
        ("503", Answer::status(503)),
        ("503 for two hours", Answer::status(503).header("Retry-After", "7200")),
        ("451", Answer::status(451).body("Not in your country")),
        ("a redirect", Answer::status(302).header("Location", "https://login.example.org/?back=%2F")),
        ("a redirect to nowhere", Answer::status(302)),
        ("a login page", html),
        ("no JSON", Answer::json("nonsense")),
        ("another shape", Answer::json("{\"data\":[{\"agentId\":[]}]}")),
        ("an end too early", Answer::json("{\"data\":[")),
        ("a strange encoding", Answer::json("x").header("Content-Encoding", "br")),
        ("broken gzip", Answer::json("nonsense").header("Content-Encoding", "gzip")),
        ("too large", Answer::json(vec![b' '; 64 * 1024]).endless()),
        ("a connection cut", Answer::json("{\"data\":[]}").cut_after(40)),
        ("too slow", Answer::json("{}").stall_after(0)),
        ("pages that repeat", Answer::json(r#"{"data":[],"nextPageToken":"again"}"#)),
        ("a page token too long", Answer::json(format!(r#"{{"data":[],"nextPageToken":"{}"}}"#, "x".repeat(5000)))),
    ]
}

fn token_faults() -> Vec<(&'static str, Answer)> {
    vec![
        ("400", Answer::status(400).body("{\"error\":\"unsupported_grant_type\"}")),
        ("401", Answer::status(401)),
        ("403", Answer::status(403)),
        ("404", Answer::status(404)),
        ("500", Answer::status(500)),
        ("an empty token", Answer::token("", "3600")),
        ("a token with a line break", Answer::token("a\\nb", "3600")),
        ("no token", Answer::json("{\"access_tokem\":\"x\"}")),
    ]
}

async fn message(upstream: &Scripted, clock: &DrivenClock, name: &str) -> String {
    let bench = Bench::new(clock, &upstream.base_url(), |tenant| {
        if name == "too slow" {
            tenant.request_timeout = Duration::from_millis(150);
        }
    });
    let harvest = bench.fetch().await;
    let message = harvest.error.expect("it fails").to_string();
    let port = upstream.base_url().rsplit(':').next().unwrap().to_owned();
    message.replace(&format!("127.0.0.1:{port}"), "UPSTREAM")
}

#[tokio::test]
async fn every_failure_says_what_was_seen_and_what_to_do() {
    let mut all = String::new();
    for (name, answer) in token_faults() {
        let clock = clock();
        let upstream = Scripted::start_raw(&clock, move |_| answer.clone()).await;
        writeln!(all, "token, {name}:\n    {}", message(&upstream, &clock, name).await).unwrap();
    }
    for (name, answer) in page_faults() {
        let clock = clock();
        let upstream = Scripted::start(&clock, move |_| answer.clone()).await;
        writeln!(all, "page, {name}:\n    {}", message(&upstream, &clock, name).await).unwrap();
    }
    insta::with_settings!({ snapshot_path => "../../golden", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("upstream-messages", all);
    });
}

/// A server that puts everything it was sent into whatever it answers.
#[tokio::test]
async fn no_secret_comes_back_out_of_a_server_that_repeats_them() {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("my-client:{SECRET}"));
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let planted = format!("{SECRET} {encoded} {basic} token-1 Bearer token-1 ");
    for status in [200, 301, 400, 401, 402, 403, 404, 418, 429, 451, 500, 503] {
        for at_token in [false, true] {
            let clock = clock();
            let answer = Answer::status(status)
                .header("Content-Type", format!("text/{planted}"))
                .header("Content-Encoding", if status == 200 { planted.clone() } else { "identity".into() })
                .header("Location", format!("https://token-1.{encoded}.example.org/{planted}"))
                .body(format!("{} {planted}", "{\"access_token\":\"token-1\", "));
            let upstream = Scripted::start_raw(&clock, move |asked| match asked.path() {
                "/oauth/token" if !at_token => Answer::token(&format!("token-{}", asked.nth + 1), "3600"),
                _ => answer.clone(),
            })
            .await;
            let bench = Bench::new(&clock, &upstream.base_url(), |_| ());
            let harvest = bench.fetch().await;
            let shown = format!("{harvest:?} {} {:?}", harvest.error.as_ref().unwrap(), bench.source);
            for secret in ["s3cr3t", basic.trim_end_matches('='), "Ada"] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            // Where no token was issued, none is known, and what looks like one is the server's own text.
            assert!(at_token || !shown.contains("token-"), "{shown}");
        }
    }
}
