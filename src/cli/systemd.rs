//! What a service manager hands over and wants to be told: sockets, readiness, reloads, the stop, signs of life.
//!
//! Sources: `sd_listen_fds(3)`, `sd_notify(3)`, `sd_watchdog_enabled(3)`. Where nobody manages the service, nothing is sent.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::runtime::Handle;
use tracing::{debug, warn};

use crate::clock::Clock;

/// The sockets that were handed over to this very process, in their order; empty where there are none.
///
/// # Errors
///
/// When one of them is not a listening TCP socket.
pub(super) fn sockets() -> io::Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    (0..handed.len()).filter_map(|index| handed.take_tcp_listener(index).transpose()).collect()
}

/// Says that the service serves, at its start or after a reload.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the configuration is being read again; [`ready`] says that this is over.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Says that the service is about to end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Sends signs of life for as long as it is polled, if they are wanted: twice in the time after which the manager gives up.
///
/// Each is sent only after this runtime and each of those that serve have run a new task, and their pools for blocking work
/// one too, which is all that answering scrapes needs. Where one is stuck none is sent, and the process is ended.
pub(super) async fn watchdog(clock: Arc<dyn Clock>, serving: Vec<Handle>) {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero()) else {
        return;
    };
    debug!(patience_seconds = patience.as_secs_f64(), "the service manager wants signs of life");
    let runtimes: Vec<Handle> = serving.into_iter().chain([Handle::current()]).collect();
    keep_alive(&*clock, patience / 2, &runtimes, || tell(&[NotifyState::Watchdog])).await;
}

async fn keep_alive(clock: &dyn Clock, interval: Duration, runtimes: &[Handle], beat: impl Fn()) {
    loop {
        let next = clock.monotonic() + interval;
        let mut alive = true;
        for runtime in runtimes {
            let task = runtime.spawn(async { tokio::task::spawn_blocking(|| ()).await });
            alive &= matches!(task.await, Ok(Ok(())));
        }
        if alive {
            beat();
        }
        clock.sleep_until(next).await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, state = ?state, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::DrivenClock;
    use crate::presence::Timestamp;

    #[tokio::test]
    async fn a_sign_of_life_comes_once_an_interval() {
        let clock = DrivenClock::new(Timestamp::from_seconds(0));
        let beats = Arc::new(AtomicUsize::new(0));
        let alive = tokio::spawn({
            let (clock, beats) = (clock.clone(), Arc::clone(&beats));
            async move {
                keep_alive(&clock, Duration::from_secs(2), &[Handle::current()], || {
                    beats.fetch_add(1, Ordering::Relaxed);
                })
                .await;
            }
        });
        for sent in 1..5 {
            while clock.next_sleeper().is_none() {
                tokio::task::yield_now().await;
            }
            assert_eq!(beats.load(Ordering::Relaxed), sent);
            clock.advance(Duration::from_secs(2));
        }
        alive.abort();
    }
}
