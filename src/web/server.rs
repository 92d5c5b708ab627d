//! Listeners and connections: accepting, limits, and a stop that lets answers in flight finish.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::limits::{ACCEPT_PAUSE, DRAIN_TIMEOUT, HEADER_READ_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD_BYTES};
use super::{App, router};
use crate::clock::Clock;
use crate::metrics::HttpRejection;

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}; give another --web.listen-address, or stop what uses this one")]
pub struct BindError {
    address: String,
    source: io::Error,
}

/// Sockets that are bound already, so that a port in use is found out before anything is started.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<TcpListener>,
}

// === impl Bound ===

impl Bound {
    /// Binds every one of `addresses`; `:10062` stands for every address of the machine.
    pub async fn bind(addresses: &[String]) -> Result<Self, BindError> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let listener = bind_one(address).await;
            listeners.push(listener.map_err(|source| BindError { address: address.clone(), source })?);
        }
        Ok(Self { listeners })
    }

    /// Serves on a socket that somebody else has bound.
    pub fn from_listener(listener: TcpListener) -> Self {
        Self { listeners: vec![listener] }
    }

    /// Serves on sockets that whoever started the process has bound and listens on.
    ///
    /// # Errors
    ///
    /// When one of them cannot be waited on.
    pub fn from_listeners(listeners: Vec<std::net::TcpListener>) -> io::Result<Self> {
        let take = |listener: std::net::TcpListener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        Ok(Self { listeners: listeners.into_iter().map(take).collect::<io::Result<_>>()? })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `shutdown` ends, and then until the answers in flight are out or the drain time is over.
    pub async fn serve(self, app: Arc<App>, shutdown: impl Future<Output = ()>) {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let graceful = Arc::new(GracefulShutdown::new());
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(listener, Arc::clone(&app), Arc::clone(&connections), Arc::clone(&graceful)));
        }
        shutdown.await;
        // Dropping the accept loops closes the listening sockets, so nobody new comes in.
        accepting.shutdown().await;
        let Ok(graceful) = Arc::try_unwrap(graceful) else {
            return;
        };
        let open = graceful.count();
        info!(connections = open, drain_seconds = DRAIN_TIMEOUT.as_secs(), "stopping; answers in flight are finished");
        if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
            warn!("some connections were still open when the drain time was over; they are cut");
        }
    }
}

async fn bind_one(address: &str) -> io::Result<TcpListener> {
    let Some(port) = address.strip_prefix(':') else {
        return TcpListener::bind(address).await;
    };
    let port = port.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the port is not a number"))?;
    // The IPv6 wildcard takes IPv4 as well, unless the machine has no IPv6 at all.
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

async fn accept(listener: TcpListener, app: Arc<App>, connections: Arc<Semaphore>, graceful: Arc<GracefulShutdown>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "accept failed");
                pause(&*app.clock, ACCEPT_PAUSE).await;
                continue;
            }
        };
        // An answer is written in few large pieces; waiting to merge them would only delay the last one.
        let _ = stream.set_nodelay(true);
        // Beyond the limit newcomers are turned away rather than left waiting, so that a health check sees it.
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            app.exporter.http_rejected(HttpRejection::MaxConnections);
            continue;
        };
        let connection = graceful.watch(connection(stream, Arc::clone(&app)));
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                note(&app, &error);
            }
            drop(permit);
        });
    }
}

/// Answers the requests on a connection, whatever carries it.
pub(super) fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    app: Arc<App>,
) -> impl GracefulConnection<Error = hyper::Error> {
    let service = service_fn(move |request| router::answer(Arc::clone(&app), request));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
}

/// Counts a connection that was ended for what the client sent, or did not send. Clients that merely go away are no
/// event of ours.
fn note(app: &App, error: &hyper::Error) {
    if error.is_timeout() {
        app.exporter.http_rejected(HttpRejection::Timeout);
    } else if error.is_parse() || error.is_parse_too_large() {
        app.exporter.http_rejected(HttpRejection::BadRequest);
    }
}

async fn pause(clock: &dyn Clock, span: Duration) {
    clock.sleep_until(clock.monotonic() + span).await;
}
