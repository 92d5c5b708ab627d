//! Listeners and connections: accepting, limits, graceful shutdown.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use rustls::ServerConfig;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::connection_pool::{ConnectionPool, PoolSlot};
use super::connection_state::ConnectionState;
use super::http2_streams::StreamExecutor;
use super::limits::{
    ACCEPT_PAUSE, DRAIN_TIMEOUT, FIRST_REQUEST_GRACE, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_STREAMS,
    TLS_HANDSHAKE_TIMEOUT,
};
use super::socket::Socket;
use super::timeout_io::TimeoutIo;
use super::{App, request};
use crate::clock::Clock;
use crate::metrics::HttpRejection;

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}; give another --web.listen-address, or stop what uses this one")]
pub struct BindError {
    address: String,
    source: io::Error,
}

/// Bound sockets. They are bound first, so that a port in use is an error at start-up.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<TcpListener>,
}

/// What all listeners share: the connection limit and the graceful shutdown.
#[derive(Clone)]
struct Acceptor {
    app: Arc<App>,
    pool: Arc<ConnectionPool>,
    graceful: Arc<GracefulShutdown>,
}

// === impl Listeners ===

impl Listeners {
    /// Binds each of `addresses`; `:10062` means all addresses of the machine.
    pub async fn bind(addresses: &[String]) -> Result<Self, BindError> {
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let listener = bind_one(address).await;
            listeners.push(listener.map_err(|source| BindError { address: address.clone(), source })?);
        }
        Ok(Self { listeners })
    }

    /// Serves on listening sockets inherited from the parent process.
    ///
    /// # Errors
    ///
    /// If one of them cannot be made non-blocking or registered with the runtime.
    pub fn from_listeners(listeners: Vec<std::net::TcpListener>) -> io::Result<Self> {
        let take = |listener: std::net::TcpListener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        Ok(Self { listeners: listeners.into_iter().map(take).collect::<io::Result<_>>()? })
    }

    /// The bound addresses.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves on the current runtime until `shutdown` ends, and then until pending responses are sent or the drain timeout
    /// has passed.
    pub async fn serve(self, app: Arc<App>, shutdown: impl Future<Output = ()>) {
        let acceptor = Acceptor::new(app);
        let listeners = self.listeners.into_iter();
        let mut accepting: JoinSet<()> = listeners.map(|listener| accept(listener, acceptor.clone())).collect();
        shutdown.await;
        // Ending the accept loops closes the listening sockets.
        accepting.shutdown().await;
        acceptor.drain().await;
    }
}

// === impl Acceptor ===

impl Acceptor {
    fn new(app: Arc<App>) -> Self {
        Self { app, pool: Arc::new(ConnectionPool::new(MAX_CONNECTIONS)), graceful: Arc::new(GracefulShutdown::new()) }
    }

    /// Waits until pending responses are sent or the drain timeout has passed. No acceptor may be running.
    async fn drain(self) {
        let Ok(graceful) = Arc::try_unwrap(self.graceful) else {
            return;
        };
        let open = graceful.count();
        info!(connections = open, drain_seconds = DRAIN_TIMEOUT.as_secs(), "stopping, pending responses are finished");
        let drained = async {
            // hyper closes a connection at once of which it has read nothing, even if a request has arrived.
            if open > 0 {
                tokio::time::sleep(FIRST_REQUEST_GRACE).await;
            }
            graceful.shutdown().await;
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            warn!("drain timeout passed, open connections are closed");
        }
    }
}

async fn bind_one(address: &str) -> io::Result<TcpListener> {
    let Some(port) = address.strip_prefix(':') else {
        return TcpListener::bind(address).await;
    };
    let port = port.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the port is not a number"))?;
    // The IPv6 wildcard accepts IPv4 as well, unless the machine has no IPv6.
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

async fn accept(listener: TcpListener, acceptor: Acceptor) {
    let Acceptor { app, pool, graceful } = acceptor;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "accept failed");
                pause(&*app.clock, ACCEPT_PAUSE).await;
                continue;
            }
        };
        // At the limit a new connection is closed rather than left waiting, so that a health check fails.
        let Some((slot, evicted)) = pool.acquire(peer.ip()) else {
            app.exporter.http_rejected(HttpRejection::MaxConnections);
            continue;
        };
        if evicted {
            app.exporter.http_rejected(HttpRejection::MaxConnections);
        }
        let stream = Socket::new(stream, Arc::clone(&slot.state));
        tokio::spawn(serve_connection(stream, Arc::clone(&app), slot, graceful.watcher()));
    }
}

/// Serves a connection until it ends or is evicted.
async fn serve_connection(stream: Socket, app: Arc<App>, slot: PoolSlot, watcher: Watcher) {
    let connection = &slot.state;
    let answering = async {
        match app.web_config.as_ref().and_then(|web_config| web_config.current().tls.clone()) {
            Some(config) => serve_tls(stream, config, &app, connection, watcher).await,
            None => watcher.watch(http1(stream, Arc::clone(&app), Arc::clone(connection))).await,
        }
    };
    let ended = tokio::select! {
        ended = answering => ended,
        () = connection.evicted() => return,
    };
    if let Err(error) = ended {
        count_rejection(&app, connection, &error);
    }
}

/// Serves a connection that starts with a TLS handshake.
async fn serve_tls(
    stream: Socket,
    config: Arc<ServerConfig>,
    app: &Arc<App>,
    connection: &Arc<ConnectionState>,
    watcher: Watcher,
) -> hyper::Result<()> {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = match tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            debug!(%error, "TLS handshake failed");
            app.exporter.http_rejected(HttpRejection::Tls);
            return Ok(());
        }
        Err(_) => {
            app.exporter.http_rejected(HttpRejection::Timeout);
            return Ok(());
        }
    };
    let (app, connection) = (Arc::clone(app), Arc::clone(connection));
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        watcher.watch(http2(stream, app, connection)).await
    } else {
        watcher.watch(http1(stream, app, connection)).await
    }
}

/// Serves a connection over any stream.
#[cfg(feature = "fuzzing")]
pub(super) fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    app: Arc<App>,
) -> impl GracefulConnection<Error = hyper::Error> {
    http1(stream, app, Arc::default())
}

fn http1<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    app: Arc<App>,
    connection: Arc<ConnectionState>,
) -> impl GracefulConnection<Error = hyper::Error, Output = hyper::Result<()>> {
    let stream = TimeoutIo::new(stream, Arc::clone(&connection), false);
    let service = service_fn(move |request| request::handle(Arc::clone(&app), Arc::clone(&connection), request));
    // Without a timer hyper has no timeouts; `TimeoutIo` has them.
    http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).serve_connection(TokioIo::new(stream), service)
}

fn http2<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    app: Arc<App>,
    connection: Arc<ConnectionState>,
) -> impl GracefulConnection<Error = hyper::Error, Output = hyper::Result<()>> {
    let stream = TimeoutIo::new(stream, Arc::clone(&connection), true);
    let executor = StreamExecutor::new(Arc::clone(&app), Arc::clone(&connection));
    let service = service_fn(move |request| request::handle(Arc::clone(&app), Arc::clone(&connection), request));
    http2::Builder::new(executor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(stream), service)
}

/// Counts a connection that was closed because of the client's data or silence. A disconnect of the client is not counted.
fn count_rejection(app: &App, connection: &ConnectionState, error: &hyper::Error) {
    if let Some(reason) = connection.rejection() {
        app.exporter.http_rejected(reason);
    } else if error.is_timeout() {
        app.exporter.http_rejected(HttpRejection::Timeout);
    } else if error.is_parse() || error.is_parse_too_large() {
        app.exporter.http_rejected(HttpRejection::BadRequest);
    }
}

async fn pause(clock: &dyn Clock, span: Duration) {
    clock.sleep_until(clock.monotonic() + span).await;
}
