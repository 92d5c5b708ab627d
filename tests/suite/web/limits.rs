//! Limits on the wire: bodies, handshakes and answers that are not taken, and what is counted of them.

use std::time::Duration;

use tokio::net::TcpSocket;

use super::tls::Site;
use super::*;

/// How many were turned away for this reason.
fn turned_away(metrics: &str, reason: &str) -> usize {
    let series = format!("cxone_exporter_http_rejected_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

#[tokio::test]
async fn bodies_are_refused_unread() {
    let (app, _upstream) = app(|builder| builder).await;
    let bodies = [
        "Content-Length: 4\r\n\r\nbody",
        // It never comes, and the server does not wait for it.
        "Content-Length: 1000000000000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        // Nor is the client told to go on.
        "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    ];
    for (nth, body) in bodies.into_iter().enumerate() {
        for method in ["GET", "HEAD"] {
            let mut client = Client::connect(app.address).await;
            let response = client.request(&format!("{method} /sd HTTP/1.1\r\nHost: x\r\n{body}")).await.unwrap();
            assert_eq!((response.status, response.header("connection")), (413, Some("close")), "{body:?}");
            client.closes().await;
        }
        let metrics = app.get("/metrics", "").await.text();
        assert_eq!(turned_away(&metrics, "body"), 2 * (nth + 1), "{body:?}");
    }
    // One of no bytes is none, and what is not found or not allowed is told before.
    assert_eq!(app.get("/sd", "Content-Length: 0\r\n").await.status, 200);
    assert_eq!(app.get("/nowhere", "Content-Length: 0\r\n").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_go_on_is_ended() {
    let site = Site::new("");
    let (app, _upstream) = app(|mut builder| {
        builder.web_config = Some(site.file());
        builder
    })
    .await;
    // Nothing at all, and the beginning of a record that never ends.
    for bytes in [&b""[..], b"\x16\x03\x01\x40\x00\x01"] {
        let mut client = Client::connect(app.address).await;
        client.send(bytes).await;
        let mut closing = std::pin::pin!(client.closes());
        assert!(tokio::time::timeout(Duration::from_secs(9), &mut closing).await.is_err(), "it has its time");
        tokio::time::timeout(Duration::from_secs(2), closing).await.expect("and no more than that");
    }
    let mut client = Client::from_stream(site.caller().connect(&app).await.unwrap());
    let metrics = client.request("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap().text();
    assert_eq!((turned_away(&metrics, "timeout"), turned_away(&metrics, "tls")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_given_up_and_its_connection_reset() {
    let (app, _upstream) = app(|builder| {
        builder.configure(|tenant| {
            // Far more than the kernel keeps for a client.
            tenant.agents = agents(5_000);
            tenant.limits.agents_per_request = 1_000;
        })
    })
    .await;
    app.scrape().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(app.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // A proper scrape beside it has all of it at once.
    assert!(app.get("/metrics", "").await.text().len() > 1_000_000);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let metrics = app.get("/metrics", "").await.text();
    assert_eq!(turned_away(&metrics, "slow_reader"), 1);
    // What came so far can be read; the rest is not sent any more.
    let mut taken = Vec::new();
    let error = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut taken).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(taken.len() < 500_000, "{}", taken.len());
}
