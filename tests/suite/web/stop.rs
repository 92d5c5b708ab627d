//! Stopping: answers in flight go out, idle connections are closed, new ones are refused.

use super::*;
use crate::app::http::Client;

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_flight_go_out_and_idle_connections_are_closed() {
    let clock = DrivenClock::new(NOW);
    let tap = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let upstream = ScriptedServer::start(&clock, {
        let tap = tap.clone();
        move |request| {
            if tap.load(std::sync::atomic::Ordering::Relaxed) { hour(request) } else { Response::status(503) }
        }
    })
    .await;
    let mut app = TestAppBuilder::new(&upstream.base_url()).start(&clock).await;
    let mut idle = Client::connect(app.address).await;
    assert_eq!(idle.request("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap().status, 200);
    let mut scraper = Client::connect(app.address).await;
    scraper.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 600\r\n\r\n").await;
    // The refresh waits to try again after the 503.
    while upstream.pages().is_empty()
        || clock
            .next_sleeper()
            .is_none_or(|next| next > cxone_exporter::clock::Monotonic::from_start(std::time::Duration::from_secs(1)))
    {
        tokio::task::yield_now().await;
    }
    app.stop();
    assert!(idle.is_closed().await);
    assert!(tokio::net::TcpStream::connect(app.address).await.is_err(), "the port is closed");

    tap.store(true, std::sync::atomic::Ordering::Relaxed);
    clock.advance(std::time::Duration::from_secs(1));
    let response = scraper.response(true).await.unwrap();
    assert!(response.text().contains("cxone_up 1\n"), "{}", response.text());
    assert!(scraper.is_closed().await);
    app.serving.take().unwrap().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn first_request_on_an_accepted_connection_is_answered() {
    let clock = DrivenClock::new(NOW);
    let upstream = ScriptedServer::start(&clock, hour).await;
    let mut app = TestAppBuilder::new(&upstream.base_url()).start(&clock).await;
    let mut fresh = Client::connect(app.address).await;
    // Connections are accepted in their order, so the first one is accepted once this one is answered.
    let mut later = Client::connect(app.address).await;
    assert_eq!(later.request("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap().status, 200);
    app.stop();
    while tokio::net::TcpStream::connect(app.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(fresh.request("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap().status, 200);
    app.serving.take().unwrap().await.unwrap();
}
