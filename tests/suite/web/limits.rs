//! Limits on the wire: bodies, handshakes and unread responses, and their counters.

use std::time::Duration;

use tokio::net::TcpSocket;

use super::tls::Site;
use super::*;

/// The number of rejections for this reason.
fn rejections(metrics: &str, reason: &str) -> usize {
    let series = format!("cxone_exporter_http_rejected_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

#[tokio::test]
async fn request_bodies_are_refused_unread() {
    let (app, _upstream) = app(|builder| builder).await;
    let bodies = [
        "Content-Length: 4\r\n\r\nbody",
        // The body never comes, and the server does not wait for it.
        "Content-Length: 1000000000000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        // No 100 Continue is sent.
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
        assert_eq!(rejections(&metrics, "body"), 2 * (nth + 1), "{body:?}");
    }
    // An empty body is none, and 404 and 405 come first.
    assert_eq!(app.get("/sd", "Content-Length: 0\r\n").await.status, 200);
    assert_eq!(app.get("/nowhere", "Content-Length: 0\r\n").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn tls_handshake_timeout_closes_the_connection() {
    let site = Site::new("");
    let (app, _upstream) = site.open().await;
    // No bytes, and an incomplete record.
    for bytes in [&b""[..], b"\x16\x03\x01\x40\x00\x01"] {
        let mut client = Client::connect(app.address).await;
        client.send(bytes).await;
        let mut closing = std::pin::pin!(client.closes());
        assert!(tokio::time::timeout(Duration::from_secs(9), &mut closing).await.is_err(), "closed too early");
        tokio::time::timeout(Duration::from_secs(2), closing).await.expect("not closed");
    }
    let mut client = Client::from_stream(site.caller().connect(&app).await.unwrap());
    let metrics = client.request("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap().text();
    assert_eq!((rejections(&metrics, "timeout"), rejections(&metrics, "tls")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn unread_response_is_aborted_with_a_reset() {
    let (app, _upstream) = app(|builder| {
        builder.configure(|tenant| {
            // Far more than the kernel's buffers.
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
    // Another scrape gets the whole response at once.
    assert!(app.get("/metrics", "").await.text().len() > 1_000_000);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let metrics = app.get("/metrics", "").await.text();
    assert_eq!(rejections(&metrics, "slow_reader"), 1);
    // The bytes received so far can be read; the rest is not sent.
    let mut taken = Vec::new();
    let error = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut taken).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(taken.len() < 500_000, "{}", taken.len());
}
