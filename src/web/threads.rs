//! The threads that serve, beside those that ask CXone.
//!
//! Each has a runtime of its own and keeps the connections that it accepts, so an answer is written by the thread that read
//! the request: none has to wake another, which would cost more than a scrape itself. And however busy a refresh keeps
//! the others, a scrape waits for the kernel to give these a turn and for nothing else.

use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot, watch};

use super::App;
use super::limits::{BLOCKING_THREADS, MAX_SERVING_THREADS};
use super::server::{Listeners, Reception};

/// The threads that serve, up to [`Threads::stop`].
pub struct Threads {
    reception: Reception,
    runtimes: Vec<Handle>,
    phase: watch::Sender<Phase>,
    /// Ends when no thread accepts any more.
    accepting: mpsc::Receiver<()>,
}

/// What the threads are at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Accepting,
    /// Nobody new comes in; answers in flight are finished.
    Draining,
    Over,
}

// === impl Threads ===

impl Threads {
    /// The most threads of [`Threads::recommended`], with those that they start for what blocks.
    pub const MOST: usize = MAX_SERVING_THREADS * (1 + BLOCKING_THREADS);

    /// As many as the machine has processors, within reason.
    pub fn recommended() -> usize {
        thread::available_parallelism().map_or(1, NonZero::get).min(MAX_SERVING_THREADS)
    }

    /// Starts `count` threads that serve what comes in at `bound`.
    ///
    /// # Errors
    ///
    /// When the system gives no thread, or no descriptors for its runtime and the sockets. What was started ends.
    pub async fn start(bound: Listeners, app: Arc<App>, count: usize) -> io::Result<Self> {
        let reception = Reception::new(app);
        let (phase, _) = watch::channel(Phase::Accepting);
        let (ended, accepting) = mpsc::channel(1);
        let mut runtimes = Vec::with_capacity(count);
        for number in 0..count {
            let sockets = bound.share()?;
            let (reception, phase, ended) = (reception.clone(), phase.subscribe(), ended.clone());
            let (started, starting) = oneshot::channel();
            thread::Builder::new()
                .name(format!("serve-{number}"))
                .spawn(move || run(sockets, reception, phase, ended, started))?;
            // A thread that ends without a word has no place in the count of those that serve.
            runtimes.push(starting.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?);
        }
        // The sockets are the threads' now; this runtime is not to be waked for newcomers.
        drop(bound);
        Ok(Self { reception, runtimes, phase, accepting })
    }

    /// The runtime of each thread, for whoever wants to know that it is alive.
    pub fn runtimes(&self) -> &[Handle] {
        &self.runtimes
    }

    /// Accepts no more, waits until the answers in flight are out or the drain time is over, and ends the threads.
    pub async fn stop(self) {
        let Self { reception, phase, mut accepting, .. } = self;
        phase.send_replace(Phase::Draining);
        while accepting.recv().await.is_some() {}
        reception.drain().await;
        phase.send_replace(Phase::Over);
    }
}

/// One thread, from its runtime on, of which it tells or why there is none. A runtime must not end on a thread of another.
fn run(
    sockets: Vec<TcpListener>,
    reception: Reception,
    phase: watch::Receiver<Phase>,
    ended: mpsc::Sender<()>,
    started: oneshot::Sender<io::Result<Handle>>,
) {
    let runtime = Builder::new_current_thread().max_blocking_threads(BLOCKING_THREADS).enable_all().build();
    let ready = runtime.and_then(|runtime| {
        let bound = runtime.block_on(async { Listeners::from_listeners(sockets) })?;
        Ok((runtime, bound))
    });
    let (runtime, bound) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            // Where nobody takes it, whoever asked has given up already.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(runtime.handle().clone()));
    runtime.block_on(serve(bound, reception, phase, ended));
    // Whoever was too slow for the drain is cut, and no page that is being made is waited for.
    runtime.shutdown_background();
}

/// One thread's work. Connections are tasks of its runtime, which runs for as long as this does.
async fn serve(bound: Listeners, reception: Reception, mut phase: watch::Receiver<Phase>, ended: mpsc::Sender<()>) {
    // A sender that is gone has nobody left to serve for, as one that says so.
    let mut reached = async |wanted| phase.wait_for(|phase| *phase >= wanted).await.is_ok();
    let mut accepting = bound.accept(&reception);
    drop(reception);
    reached(Phase::Draining).await;
    accepting.shutdown().await;
    drop(ended);
    reached(Phase::Over).await;
}
