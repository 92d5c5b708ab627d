//! Misbehaving clients cost at most their own connection.

use std::time::Duration;

use super::*;

const HEALTHY: &str = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";

async fn assert_alive(app: &TestApp) {
    assert_eq!(Client::connect(app.address).await.request(HEALTHY).await.unwrap().status, 200);
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let (app, upstream) = app(|builder| builder).await;
    // The limit is checked between two reads, so bytes in one piece may exceed it a little.
    let long = "x".repeat(300_000);
    let flood: String = (0..300).map(|nth| format!("X-{nth}: x\r\n")).collect();
    // The request and the possible statuses; the connection may also be closed.
    let cases: [(&str, String, &[u16]); 14] = [
        ("garbage", "\0\u{1}\u{2}garbage\r\n\r\n".into(), &[400]),
        ("words", "hello there general\r\n\r\n".into(), &[400]),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{3}\u{3}\r\n\r\n".into(), &[400]),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), &[400, 505]),
        ("HTTP/3.7", "GET / HTTP/3.7\r\n\r\n".into(), &[400, 505]),
        ("no version", "GET /\r\n\r\n".into(), &[400]),
        ("a method of nonsense", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n".into(), &[400]),
        ("a header without a name", "GET / HTTP/1.1\r\n: x\r\n\r\n".into(), &[400]),
        ("a header with a line break", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n".into(), &[400]),
        ("two lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".into(), &[400]),
        ("a length of words", "POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n".into(), &[400]),
        ("a path without end", format!("GET /{long} HTTP/1.1\r\n\r\n"), &[400, 414, 431]),
        ("a header without end", format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n"), &[400, 431]),
        ("a flood of headers", format!("GET / HTTP/1.1\r\n{flood}\r\n"), &[400, 431]),
    ];
    for (name, request, statuses) in cases {
        let mut client = Client::connect(app.address).await;
        client.send(request.as_bytes()).await;
        if let Some(response) = client.response(true).await {
            assert!(statuses.contains(&response.status), "{name}: {response:?}");
            assert!(client.is_closed().await, "{name}");
        }
        assert_alive(&app).await;
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn pipelined_split_and_http10_requests() {
    let (app, _upstream) = app(|builder| builder).await;
    app.scrape().await;
    let mut client = Client::connect(app.address).await;
    let metrics = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    client.send([HEALTHY, metrics, "HEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", HEALTHY].concat().as_bytes()).await;
    for (status, with_body) in [(200, true), (200, true), (404, false), (200, true)] {
        assert_eq!(client.response(with_body).await.unwrap().status, status);
    }
    for byte in HEALTHY.bytes() {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.response(true).await.unwrap().text(), "healthy\n");

    let mut old = Client::connect(app.address).await;
    let response = old.request("GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!((response.status, &*response.version), (200, "HTTP/1.0"));
    assert!(response.header("content-length").is_some() && response.header("transfer-encoding").is_none());
    assert!(old.is_closed().await);

    // An unexpected body is not read as the next request.
    let mut poster = Client::connect(app.address).await;
    let smuggled = format!("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{HEALTHY}", HEALTHY.len());
    assert_eq!(poster.request(&smuggled).await.unwrap().status, 405);
    let next = poster.request(metrics).await;
    assert!(
        next.is_none_or(|response| response.status == 200 && response.header("vary").is_some()),
        "it was smuggled in"
    );
}

#[tokio::test(start_paused = true)]
async fn head_timeout_and_idle_timeout_close_connections() {
    let (app, _upstream) = app(|builder| builder).await;
    let mut slow = Client::connect(app.address).await;
    slow.send(b"GET /metrics HTTP/1.1\r\nX-Slow: ").await;
    let mut mute = Client::connect(app.address).await;
    let mut scraper = Client::connect(app.address).await;
    assert_eq!(scraper.request(HEALTHY).await.unwrap().status, 200);
    tokio::time::timeout(Duration::from_secs(15), async {
        slow.closes().await;
        mute.closes().await;
    })
    .await
    .expect("a connection without a request is closed");
    let mut closing = std::pin::pin!(scraper.closes());
    let early = tokio::time::timeout(Duration::from_secs(60), &mut closing).await;
    assert!(early.is_err(), "an idle connection stays open between scrapes");
    tokio::time::timeout(Duration::from_secs(600), closing).await.expect("it stays open");
}

#[tokio::test]
async fn disconnected_clients_do_not_stop_the_refresh() {
    let (app, upstream) = app(|builder| builder).await;
    for _ in 0..20 {
        let mut client = Client::connect(app.address).await;
        client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    }
    let scrape = app.scrape().await;
    assert_eq!((scrape.value("cxone_up"), scrape.seconds().len()), (Some(1.0), 2));
    assert_eq!(
        (upstream.pages().len(), upstream.tokens()),
        (2, 1),
        "their refresh was carried on, and was the only one"
    );
}
