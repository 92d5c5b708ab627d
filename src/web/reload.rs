//! `/-/reload`: the front asks for a reload, and answers with what came of it.
//!
//! The front does not know where a configuration comes from. It hands a [`ReloadRequest`] to whoever does, which takes
//! one after the other.

use hyper::StatusCode;
use tokio::sync::{mpsc, oneshot};

use super::App;
use super::router::{Answer, text};

/// How many requests may wait to be taken. More wait for room, each on a connection of its own, which are limited.
const WAITING: usize = 16;

/// Where the front asks for reloads.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<ReloadRequest>);

/// What the front has asked for.
#[derive(Debug)]
pub struct ReloadRequests(mpsc::Receiver<ReloadRequest>);

/// Somebody who waits for a reload.
#[derive(Debug)]
pub struct ReloadRequest(oneshot::Sender<Result<(), String>>);

/// A handle for the front, and the requests that come from it.
pub fn reload_channel() -> (ReloadHandle, ReloadRequests) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (ReloadHandle(sender), ReloadRequests(receiver))
}

/// `POST /-/reload` or `PUT /-/reload`.
pub(super) async fn answer(app: &App) -> Answer {
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
    /// The next request; `None` once nobody can ask any more.
    pub async fn next(&mut self) -> Option<ReloadRequest> {
        self.0.recv().await
    }

    /// Those who wait by now: one reload that begins after this is an answer to all of them.
    pub fn waiting(&mut self) -> Vec<ReloadRequest> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

// === impl ReloadRequest ===

impl ReloadRequest {
    /// Says what came of it: nothing to say, or every fault of the configuration that was refused.
    pub fn done(self, outcome: Result<(), String>) {
        // Whoever asked may have gone away.
        let _ = self.0.send(outcome);
    }
}
