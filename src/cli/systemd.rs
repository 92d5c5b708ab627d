//! The protocol of systemd: socket activation, readiness, reloads, the stop and the watchdog.
//!
//! Sources: `sd_listen_fds(3)`, `sd_notify(3)`, `sd_watchdog_enabled(3)`. Without `NOTIFY_SOCKET` nothing is sent.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::{debug, warn};

use crate::clock::Clock;

/// The sockets that systemd passed to this process, in order; empty if there are none.
///
/// # Errors
///
/// If one of them is not a listening TCP socket.
pub(super) fn sockets() -> io::Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    (0..handed.len()).filter_map(|index| handed.take_tcp_listener(index).transpose()).collect()
}

/// Notifies that the service is ready, after the start or a reload.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Notifies that a reload has begun. [`ready`] notifies its end.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// Notifies that the service stops.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Sends watchdog notifications while it is polled, twice in `WatchdogSec`, if systemd enabled them.
///
/// Each follows a task and a blocking task on this runtime, which is what a scrape needs. If one of them hangs, no
/// notification is sent and systemd restarts the process.
pub(super) async fn watchdog(clock: Arc<dyn Clock>) {
    let Some(timeout) = sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero()) else {
        return;
    };
    debug!(timeout_seconds = timeout.as_secs_f64(), "watchdog enabled");
    keep_alive(&*clock, timeout / 2, || notify(&[NotifyState::Watchdog])).await;
}

async fn keep_alive(clock: &dyn Clock, interval: Duration, send: impl Fn()) {
    loop {
        let next = clock.monotonic() + interval;
        let task = tokio::spawn(async { tokio::task::spawn_blocking(|| ()).await });
        if matches!(task.await, Ok(Ok(()))) {
            send();
        }
        clock.sleep_until(next).await;
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, state = ?state, "systemd notification failed");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::DrivenClock;
    use crate::presence::Timestamp;

    #[tokio::test]
    async fn watchdog_notifies_once_an_interval() {
        let clock = DrivenClock::new(Timestamp::from_seconds(0));
        let notifications = Arc::new(AtomicUsize::new(0));
        let alive = tokio::spawn({
            let (clock, notifications) = (clock.clone(), Arc::clone(&notifications));
            async move {
                keep_alive(&clock, Duration::from_secs(2), || {
                    notifications.fetch_add(1, Ordering::Relaxed);
                })
                .await;
            }
        });
        for sent in 1..5 {
            while clock.next_sleeper().is_none() {
                tokio::task::yield_now().await;
            }
            assert_eq!(notifications.load(Ordering::Relaxed), sent);
            clock.advance(Duration::from_secs(2));
        }
        alive.abort();
    }
}
