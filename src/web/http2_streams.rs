//! Bounds the time in which a client reads a response over HTTP/2.
//!
//! Over HTTP/2 the client decides how many bytes of each stream may be sent. A stream without such a window is not a pending
//! write, so the limits of [`TimeoutIo`](super::timeout_io::TimeoutIo) do not apply to it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::rt::Executor;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::App;
use super::connection_state::ConnectionState;
use super::limits::{EVICT_STALLED_AFTER, RESPONSE_TIMEOUT, WRITE_STALL_TIMEOUT};
use crate::metrics::HttpRejection;

tokio::task_local! {
    /// Notified when the response of the task's stream is ready, and then for each piece of it that was sent.
    static PROGRESS: Arc<Notify>;
}

/// Runs each stream of a connection as a task, until its response is sent or the client is too slow.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    app: Arc<App>,
    connection: Arc<ConnectionState>,
}

/// The sending of a response over HTTP/2, piece by piece.
#[derive(Debug)]
pub(super) struct Sending {
    progress: Arc<Notify>,
    /// Ends when the last piece was sent.
    last_piece: Option<oneshot::Receiver<()>>,
}

/// A piece of a response. hyper drops it once it is sent.
struct Piece {
    bytes: Bytes,
    // Held for its drop.
    _sent: oneshot::Sender<()>,
}

// === impl StreamExecutor ===

impl StreamExecutor {
    pub(super) fn new(app: Arc<App>, connection: Arc<ConnectionState>) -> Self {
        Self { app, connection }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        let Self { app, connection } = self.clone();
        tokio::spawn(async move {
            let progress = Arc::new(Notify::new());
            tokio::select! {
                () = PROGRESS.scope(Arc::clone(&progress), stream) => {}
                // Dropping the stream resets it and frees what it has not sent.
                () = too_slow(&progress, &connection) => app.exporter.http_rejected(HttpRejection::SlowReader),
            }
        });
    }
}

/// Ends when the client has read its response too slowly.
async fn too_slow(progress: &Notify, connection: &Arc<ConnectionState>) {
    progress.notified().await;
    let stalled_for_long = async {
        loop {
            if timeout(EVICT_STALLED_AFTER, progress.notified()).await.is_ok() {
                continue;
            }
            let _stalled = connection.stall();
            if timeout(WRITE_STALL_TIMEOUT.saturating_sub(EVICT_STALLED_AFTER), progress.notified()).await.is_err() {
                return;
            }
        }
    };
    let _ = timeout(RESPONSE_TIMEOUT, stalled_for_long).await;
}

// === impl Sending ===

impl Sending {
    /// The largest piece, in bytes. A client that reads a piece makes progress; smaller pieces take more time to send.
    pub(super) const PIECE_BYTES: usize = 64 * 1024;

    /// Starts sending a response that is ready. `None` if the current task is not a stream of HTTP/2.
    pub(super) fn start() -> Option<Self> {
        let progress = PROGRESS.try_with(Arc::clone).ok()?;
        progress.notify_one();
        Some(Self { progress, last_piece: None })
    }

    /// The piece to send; it is the last one until [`Sending::poll_sent`] is ready.
    pub(super) fn piece(&mut self, bytes: Bytes) -> Bytes {
        let (sent, receiver) = oneshot::channel();
        self.last_piece = Some(receiver);
        Bytes::from_owner(Piece { bytes, _sent: sent })
    }

    /// Ready once the last piece was sent. hyper accepts a piece before it can be sent, and a stream with its end.
    pub(super) fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(sent) = &mut self.last_piece {
            // Nothing is sent over the channel; the drop of the piece closes it.
            let _ = ready!(Pin::new(sent).poll(context));
            self.last_piece = None;
            self.progress.notify_one();
        }
        Poll::Ready(())
    }

    /// True if every piece was sent.
    pub(super) fn is_done(&self) -> bool {
        self.last_piece.is_none()
    }
}

// === impl Piece ===

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the time limits use tokio's clock, which is paused")]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn http2_stream_is_reset_after_a_stall_or_the_response_timeout() {
        let table = [
            // The seconds between two pieces, and the seconds until the client is too slow.
            (0.5, 60),
            (5.0, 60),
            (9.5, 60),
            (10.5, 10),
            (1_000.0, 10),
        ];
        for (pause, expected) in table {
            let (progress, connection) = (Notify::new(), Arc::new(ConnectionState::default()));
            sleep(100 * SECOND).await;
            progress.notify_one();
            let started = Instant::now();
            let reading = async {
                loop {
                    sleep(Duration::from_secs_f64(pause)).await;
                    progress.notify_one();
                }
            };
            tokio::select! {
                () = too_slow(&progress, &connection) => {}
                () = reading => unreachable!("endless"),
            }
            assert_eq!(started.elapsed().as_secs(), expected, "a piece every {pause} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn http2_stream_counts_as_stalled_until_the_next_piece() {
        let (progress, connection) = (Arc::new(Notify::new()), Arc::new(ConnectionState::default()));
        let limit = tokio::spawn({
            let (progress, connection) = (Arc::clone(&progress), Arc::clone(&connection));
            async move { too_slow(&progress, &connection).await }
        });
        let table = [(false, 20.0), (true, 0.9), (false, 0.2), (true, 0.0), (false, 1.1), (false, 5.0), (true, 0.0)];
        let mut stalled = [false, false, true, false, true, true, false].into_iter();
        for (notify, pause) in table {
            if notify {
                progress.notify_one();
            }
            sleep(Duration::from_secs_f64(pause) + Duration::from_millis(1)).await;
            assert_eq!(connection.lock().stalled_streams > 0, stalled.next().unwrap(), "{notify} {pause}");
        }
        limit.abort();
        let _ = limit.await;
        assert_eq!(connection.lock().stalled_streams, 0);
    }
}
