//! Listeners and connections: accepting, limits, and a stop that lets answers in flight finish.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use rustls::ServerConfig;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::connection_pool::{Place, Places};
use super::limits::{ACCEPT_PAUSE, DRAIN_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_STREAMS, TLS_HANDSHAKE_TIMEOUT};
use super::socket::Wire;
use super::timeout_io::{Activity, Guarded};
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

/// Sockets that are bound already, so that a port in use is found out before anything is started.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<TcpListener>,
}

/// Where connections come in, whichever thread accepts them: the limit and the stop hold for all of them together.
#[derive(Clone)]
pub(super) struct Reception {
    app: Arc<App>,
    places: Arc<Places>,
    graceful: Arc<GracefulShutdown>,
}

// === impl Listeners ===

impl Listeners {
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

    /// Serves until `shutdown` ends, and then until the answers in flight are out or the drain time is over; all of it on
    /// the runtime that this is polled on. [`Threads`](super::Threads) does so on threads of its own.
    pub async fn serve(self, app: Arc<App>, shutdown: impl Future<Output = ()>) {
        let reception = Reception::new(app);
        let mut accepting = self.accept(&reception);
        shutdown.await;
        // Dropping the accept loops closes the listening sockets, so nobody new comes in.
        accepting.shutdown().await;
        reception.drain().await;
    }

    /// Accepts on the runtime that this is called on, for as long as what is returned lives.
    pub(super) fn accept(self, reception: &Reception) -> JoinSet<()> {
        let listeners = self.listeners.into_iter();
        listeners.map(|listener| accept(listener, reception.clone())).collect()
    }

    /// The same sockets, to be accepted on by others as well.
    pub(super) fn share(&self) -> io::Result<Vec<std::net::TcpListener>> {
        let duplicate = |listener: &TcpListener| listener.as_fd().try_clone_to_owned().map(Into::into);
        self.listeners.iter().map(duplicate).collect()
    }
}

// === impl Reception ===

impl Reception {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, places: Arc::new(Places::new(MAX_CONNECTIONS)), graceful: Arc::new(GracefulShutdown::new()) }
    }

    /// Waits until the answers in flight are out or the drain time is over. Nobody may be accepting any more.
    pub(super) async fn drain(self) {
        let Ok(graceful) = Arc::try_unwrap(self.graceful) else {
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

async fn accept(listener: TcpListener, reception: Reception) {
    let Reception { app, places, graceful } = reception;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "accept failed");
                pause(&*app.clock, ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Beyond the limit newcomers are turned away rather than left waiting, so that a health check sees it.
        let Some((place, shed)) = places.take() else {
            app.exporter.http_rejected(HttpRejection::MaxConnections);
            continue;
        };
        if shed {
            app.exporter.http_rejected(HttpRejection::MaxConnections);
        }
        let stream = Wire::new(stream, Arc::clone(&place.activity));
        tokio::spawn(attend(stream, Arc::clone(&app), place, graceful.watcher()));
    }
}

/// Sees to a connection until it ends, or has to make room for another.
async fn attend(stream: Wire, app: Arc<App>, place: Place, watcher: Watcher) {
    let activity = &place.activity;
    let answering = async {
        match app.web_config.as_ref().and_then(|access| access.served().tls.clone()) {
            Some(config) => encrypted(stream, config, &app, activity, watcher).await,
            None => watcher.watch(http1(stream, Arc::clone(&app), Arc::clone(activity))).await,
        }
    };
    let ended = tokio::select! {
        ended = answering => ended,
        () = activity.given_up() => return,
    };
    if let Err(error) = ended {
        note(&app, activity, &error);
    }
}

/// Answers on a connection that has to speak TLS.
async fn encrypted(
    stream: Wire,
    config: Arc<ServerConfig>,
    app: &Arc<App>,
    activity: &Arc<Activity>,
    watcher: Watcher,
) -> hyper::Result<()> {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = match tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            debug!(%error, "a TLS handshake failed");
            app.exporter.http_rejected(HttpRejection::Tls);
            return Ok(());
        }
        Err(_) => {
            app.exporter.http_rejected(HttpRejection::Timeout);
            return Ok(());
        }
    };
    let (app, activity) = (Arc::clone(app), Arc::clone(activity));
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        watcher.watch(http2(stream, app, activity)).await
    } else {
        watcher.watch(http1(stream, app, activity)).await
    }
}

/// Answers the requests on a connection, whatever carries it.
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
    activity: Arc<Activity>,
) -> impl GracefulConnection<Error = hyper::Error, Output = hyper::Result<()>> {
    let stream = Guarded::new(stream, Arc::clone(&activity), false);
    let service = service_fn(move |request| request::answer(Arc::clone(&app), Arc::clone(&activity), request));
    // It has no timer, and so no time-outs of its own: the stream has them.
    http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).serve_connection(TokioIo::new(stream), service)
}

fn http2<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    app: Arc<App>,
    activity: Arc<Activity>,
) -> impl GracefulConnection<Error = hyper::Error, Output = hyper::Result<()>> {
    let stream = Guarded::new(stream, Arc::clone(&activity), true);
    let service = service_fn(move |request| request::answer(Arc::clone(&app), Arc::clone(&activity), request));
    http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(stream), service)
}

/// Counts a connection that was ended for what the client sent, or did not send. Clients that merely go away are no
/// event of ours.
fn note(app: &App, activity: &Activity, error: &hyper::Error) {
    if let Some(reason) = activity.cut() {
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
