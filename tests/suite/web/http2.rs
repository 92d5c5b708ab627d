//! HTTP/2: responses arrive whole, and a client that does not open its window costs one stream for some seconds.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::tls::Site;
use super::*;

type Sender = http2::SendRequest<String>;

/// A client with this window for each stream, in bytes.
async fn client(site: &Site, app: &TestApp, window: u32) -> Sender {
    let mut caller = site.caller();
    caller.protocols = vec!["h2"];
    let stream = TokioIo::new(caller.connect(app).await.unwrap());
    let builder =
        http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).initial_stream_window_size(window).clone();
    let (sender, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: Method, path: &str) -> Request<String> {
    Request::builder().method(method).uri(format!("https://localhost{path}")).body(String::new()).unwrap()
}

async fn get(sender: &mut Sender, path: &str) -> String {
    let response = sender.send_request(request(Method::GET, path)).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn site_with_agents(count: usize) -> (Site, TestApp, ScriptedServer) {
    let site = Site::new("");
    let (app, upstream) = app(|mut builder| {
        builder.web_config = Some(site.file());
        builder.configure(|tenant| {
            tenant.agents = agents(count);
            tenant.limits.agents_per_request = 1_000;
        })
    })
    .await;
    (site, app, upstream)
}

#[tokio::test]
async fn http2_response_arrives_whole_through_any_window() {
    let (site, app, _upstream) = site_with_agents(2_000).await;
    let mut sender = client(&site, &app, 1 << 20).await;
    while !get(&mut sender, "/metrics").await.contains("\ncxone_up 1\n") {}
    for window in [1, 1_000, 65_535, 1 << 24] {
        let mut sender = client(&site, &app, window).await;
        assert_eq!(get(&mut sender, "/-/healthy").await, "healthy\n", "{window}");
        if window > 1 {
            let text = get(&mut sender, "/metrics").await;
            assert!(text.len() > 500_000 && text.ends_with('\n'), "{window}: {}", text.len());
        }
    }
}

#[tokio::test]
async fn http2_head_has_headers_and_no_body() {
    let (site, app, _upstream) = site_with_agents(1).await;
    let mut sender = client(&site, &app, 65_535).await;
    let response = sender.send_request(request(Method::HEAD, "/-/healthy")).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["content-length"]), (200, &"8".parse().unwrap()));
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    assert_eq!(get(&mut sender, "/-/healthy").await, "healthy\n", "the connection goes on");
}

#[tokio::test(start_paused = true)]
async fn http2_stream_without_window_is_reset() {
    let (site, app, _upstream) = site_with_agents(1).await;
    let mut sender = client(&site, &app, 0).await;
    let response = sender.send_request(request(Method::GET, "/-/healthy")).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let mut body = std::pin::pin!(response.into_body().collect());
    assert!(tokio::time::timeout(Duration::from_secs(9), &mut body).await.is_err(), "reset too early");
    let reset = tokio::time::timeout(Duration::from_secs(3), body).await.expect("not reset");
    assert!(reset.is_err(), "{reset:?}");
    let mut other = client(&site, &app, 65_535).await;
    let metrics = get(&mut other, "/metrics").await;
    assert!(metrics.contains("http_rejected_total{reason=\"slow_reader\"} 1\n"), "{metrics}");
    // The connection goes on, and so do its limits.
    assert!(sender.send_request(request(Method::HEAD, "/-/healthy")).await.is_ok());
}

#[tokio::test]
async fn http2_sd_address_is_the_authority() {
    let (site, app, _upstream) = site_with_agents(1).await;
    let mut sender = client(&site, &app, 65_535).await;
    let request = Request::get("https://exporter.example:8443/sd").body(String::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let groups = response.into_body().collect().await.unwrap().to_bytes();
    let groups: serde_json::Value = serde_json::from_slice(&groups).unwrap();
    assert_eq!(
        (&groups[0]["targets"][0], &groups[0]["labels"]["__scheme__"]),
        (&"exporter.example:8443".into(), &"https".into())
    );
}
