//! The serving threads, separate from the runtime that refreshes.
//!
//! Each thread has its own runtime and keeps the connections it accepts. The thread that reads a request also writes the
//! response; waking another thread would cost more than a cached scrape. A busy refresh does not delay scrapes.

use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot, watch};

use super::App;
use super::limits::{BLOCKING_THREADS, MAX_SERVING_THREADS};
use super::server::{Acceptor, Listeners};

/// The serving threads, until [`Threads::stop`].
pub struct Threads {
    acceptor: Acceptor,
    runtimes: Vec<Handle>,
    phase: watch::Sender<Phase>,
    /// Closed once no thread accepts.
    accepting: mpsc::Receiver<()>,
}

/// The phase of the serving threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Accepting,
    /// No connections are accepted; pending responses are finished.
    Draining,
    Over,
}

// === impl Threads ===

impl Threads {
    /// The highest number of threads, including the blocking threads of each runtime.
    pub const MOST: usize = MAX_SERVING_THREADS * (1 + BLOCKING_THREADS);

    /// The number of processors, at most `MAX_SERVING_THREADS`.
    pub fn recommended() -> usize {
        thread::available_parallelism().map_or(1, NonZero::get).min(MAX_SERVING_THREADS)
    }

    /// Starts `count` threads that serve the listeners.
    ///
    /// # Errors
    ///
    /// If a thread, its runtime or a duplicate of a socket cannot be created. Threads that were started end.
    pub async fn start(listeners: Listeners, app: Arc<App>, count: usize) -> io::Result<Self> {
        let acceptor = Acceptor::new(app);
        let (phase, _) = watch::channel(Phase::Accepting);
        let (ended, accepting) = mpsc::channel(1);
        let mut runtimes = Vec::with_capacity(count);
        for number in 0..count {
            let sockets = listeners.share()?;
            let (acceptor, phase, ended) = (acceptor.clone(), phase.subscribe(), ended.clone());
            let (started, starting) = oneshot::channel();
            thread::Builder::new()
                .name(format!("serve-{number}"))
                .spawn(move || run(sockets, acceptor, phase, ended, started))?;
            // A thread that panics at start-up is an error.
            runtimes.push(starting.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?);
        }
        // The threads have duplicates; this runtime must not wake for new connections.
        drop(listeners);
        Ok(Self { acceptor, runtimes, phase, accepting })
    }

    /// The runtime of each thread, for the watchdog.
    pub fn runtimes(&self) -> &[Handle] {
        &self.runtimes
    }

    /// Stops accepting, waits until pending responses are sent or the drain timeout has passed, and ends the threads.
    pub async fn stop(self) {
        let Self { acceptor, phase, mut accepting, .. } = self;
        phase.send_replace(Phase::Draining);
        while accepting.recv().await.is_some() {}
        acceptor.drain().await;
        phase.send_replace(Phase::Over);
    }
}

/// The main function of a thread. It owns its runtime, because a runtime must not be dropped on a thread of another one.
fn run(
    sockets: Vec<TcpListener>,
    acceptor: Acceptor,
    phase: watch::Receiver<Phase>,
    ended: mpsc::Sender<()>,
    started: oneshot::Sender<io::Result<Handle>>,
) {
    let runtime = Builder::new_current_thread().max_blocking_threads(BLOCKING_THREADS).enable_all().build();
    let ready = runtime.and_then(|runtime| {
        let listeners = runtime.block_on(async { Listeners::from_listeners(sockets) })?;
        Ok((runtime, listeners))
    });
    let (runtime, listeners) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            // The receiver may be gone already.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(runtime.handle().clone()));
    runtime.block_on(serve(listeners, acceptor, phase, ended));
    // Connections beyond the drain timeout are closed, and blocking tasks are not awaited.
    runtime.shutdown_background();
}

/// Accepts until the draining phase. Connections are tasks of the runtime, which runs until this function returns.
async fn serve(listeners: Listeners, acceptor: Acceptor, mut phase: watch::Receiver<Phase>, ended: mpsc::Sender<()>) {
    // A dropped sender ends every phase.
    let mut reached = async |wanted| phase.wait_for(|phase| *phase >= wanted).await.is_ok();
    let mut accepting = listeners.accept(&acceptor);
    drop(acceptor);
    reached(Phase::Draining).await;
    accepting.shutdown().await;
    drop(ended);
    reached(Phase::Over).await;
}
