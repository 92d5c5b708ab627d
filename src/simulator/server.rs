//! The HTTP server of the simulator.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::control;
use super::http_io::{Body, Closed, LimitedIo, WriteLimit, read_body};
use super::tenant::Tenant;

/// Maximum number of connections. More connections wait to be accepted, as at a load balancer.
const MAX_CONNECTIONS: usize = 512;
/// Idle timeout of a connection. Longer than clients keep connections for reuse, so that the client closes them.
const IDLE: Duration = Duration::from_secs(300);
/// Time for active requests at shutdown.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after a failed accept, such as when the process has too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server. Dropping it closes all connections.
#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

// === impl Server ===

impl Server {
    /// Serves `tenant` on `listener`.
    pub(super) fn start(tenant: Arc<Tenant>, listener: TcpListener) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop: Some(stop), task: tokio::spawn(serve(tenant, listener, stopped)) }
    }

    /// Accepts no more connections, waits for active requests, and returns.
    pub(super) async fn shutdown(mut self) {
        drop(self.stop.take());
        // The task ends by itself; a panic has been reported already.
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
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
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
                let (tenant, write_limit) = (Arc::clone(&tenant), WriteLimit::default());
                let io = LimitedIo::new(TokioIo::new(stream), write_limit.clone());
                let service = service_fn(move |request| {
                    let (tenant, write_limit) = (Arc::clone(&tenant), write_limit.clone());
                    async move { handle(&tenant, request, write_limit).await }
                });
                let connection = graceful.watch(wire.serve_connection(io, service));
                connections.spawn(async move {
                    // A connection ends early because of the client or a simulated fault.
                    let _ = connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::debug!(error = %error, "simulator: accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Dropping the set closes the remaining connections.
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

/// Answers a request to a control endpoint or to the tenant.
async fn handle(
    tenant: &Tenant,
    request: Request<Incoming>,
    write_limit: WriteLimit,
) -> Result<Response<Body>, Closed> {
    let Some(path) = request.uri().path().strip_prefix(control::PREFIX).map(str::to_owned) else {
        return tenant.serve(request, write_limit).await;
    };
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let answer = control::answer(tenant, &head.method, &path, query, &read_body(body).await?);
    Ok(answer.into_response(Body::whole))
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    // The semaphore is never closed, so this only waits.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}
