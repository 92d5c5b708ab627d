//! The pretend tenant on the wire: connections, answers, and what goes wrong with them on purpose.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::tenant::Tenant;
use super::wire::{Leash, LeashedIo};

/// Connections at once. Beyond it new ones wait to be accepted, as they do at a real load balancer.
const MOST_CONNECTIONS: usize = 512;
/// How long a connection may stay without a request. Longer than clients keep theirs for reuse, so that it is
/// the client that closes it.
const IDLE: Duration = Duration::from_secs(300);
/// How long requests that are under way may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long to wait after an accept that failed, as it does when the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
pub(super) struct Closed;

// === impl Server ===

impl Server {
    /// Serves `tenant` to all who connect to `listener`.
    pub(super) fn start(tenant: Arc<Tenant>, listener: TcpListener) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop: Some(stop), task: tokio::spawn(serve(tenant, listener, stopped)) }
    }

    /// Takes no more connections, lets the answers that are under way end, and returns.
    pub(super) async fn shutdown(mut self) {
        drop(self.stop.take());
        // The task ends by itself; that it panicked would have been said already.
        let _ = (&mut self.task).await;
    }
}

/// Closes everything at once.
impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(tenant: Arc<Tenant>, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // Dropping the set, when this task is aborted, closes the connections.
    let mut connections = JoinSet::new();
    let mut wire = http1::Builder::new();
    wire.timer(TokioTimer::new()).header_read_timeout(IDLE);
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, slot)) => {
                let (tenant, leash) = (Arc::clone(&tenant), Leash::default());
                let io = LeashedIo::new(TokioIo::new(stream), leash.clone());
                let service = service_fn(move |request| {
                    let (tenant, leash) = (Arc::clone(&tenant), leash.clone());
                    async move { tenant.serve(request, leash).await }
                });
                let connection = graceful.watch(wire.serve_connection(io, service));
                connections.spawn(async move {
                    // What ends a connection early is the client's doing or a fault on purpose.
                    let _ = connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::debug!(error = %error, "the simulated tenant could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Whoever takes longer is cut off when the set is dropped.
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    // The semaphore is never closed, so there always is a permit in the end.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}
