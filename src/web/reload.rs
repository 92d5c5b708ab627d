//! The handler of `/-/reload`, and the channel between it and the reloader.
//!
//! The server does not know the source of the configuration. It sends a [`ReloadRequest`] to the reloader and answers
//! with the result.

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};
use tokio::sync::{mpsc, oneshot};

use super::App;
use super::response::{HttpResponse, text};
use crate::metrics::HttpRejection;

/// The relation of the page that sends a request. Source: W3C Fetch Metadata Request Headers.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Capacity of the channel. Further requests wait for room, each on its own connection, and connections are limited.
const CAPACITY: usize = 16;

/// Sends reload requests.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<ReloadRequest>);

/// Receives reload requests.
#[derive(Debug)]
pub struct ReloadRequests(mpsc::Receiver<ReloadRequest>);

/// A client that waits for a reload.
#[derive(Debug)]
pub struct ReloadRequest(oneshot::Sender<Result<(), String>>);

/// A channel for reload requests.
pub fn reload_channel() -> (ReloadHandle, ReloadRequests) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (ReloadHandle(sender), ReloadRequests(receiver))
}

/// `POST /-/reload` or `PUT /-/reload`.
pub(super) async fn answer(app: &App, headers: &HeaderMap) -> HttpResponse {
    // Browsers tell where a request comes from; a page of another site must not reload the exporter.
    if headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
        app.exporter.http_rejected(HttpRejection::CrossSite);
        return text(StatusCode::FORBIDDEN, "a page of another site cannot reload the exporter\n");
    }
    let Some(ReloadHandle(requests)) = &app.lifecycle else {
        return text(
            StatusCode::FORBIDDEN,
            "reloading over HTTP is not enabled; start the exporter with --web.enable-lifecycle, or send it SIGHUP\n",
        );
    };
    let (request, outcome) = oneshot::channel();
    let outcome = match requests.send(ReloadRequest(request)).await {
        Ok(()) => outcome.await.ok(),
        Err(_) => None,
    };
    match outcome {
        Some(Ok(())) => text(StatusCode::OK, "reloaded\n"),
        Some(Err(faults)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the new configuration was refused, and nothing has changed:\n{faults}\n"),
        ),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "the exporter is stopping\n"),
    }
}

// === impl ReloadRequests ===

impl ReloadRequests {
    /// The next request; `None` once every [`ReloadHandle`] is dropped.
    pub async fn next(&mut self) -> Option<ReloadRequest> {
        self.0.recv().await
    }

    /// All requests so far: one reload that begins after this call answers them all.
    pub fn waiting(&mut self) -> Vec<ReloadRequest> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

// === impl ReloadRequest ===

impl ReloadRequest {
    /// Answers with the result: the faults of the configuration if it was refused.
    pub fn done(self, outcome: Result<(), String>) {
        // The client may have disconnected.
        let _ = self.0.send(outcome);
    }
}
