//! The protocol of systemd: socket activation, readiness, reloads, the stop and the watchdog.
//!
//! Sources: `sd_listen_fds(3)`, `sd_notify(3)`, `sd_watchdog_enabled(3)`. Without `NOTIFY_SOCKET` nothing is sent.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::{debug, warn};

use crate::clock::Clock;

/// The variable with the socket for notifications.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

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

/// Sends a notification. A failure is logged when it begins, because the watchdog would repeat it.
fn notify(state: &[NotifyState<'_>]) {
    static FAILED: AtomicBool = AtomicBool::new(false);
    let Some(socket) = env::var_os(NOTIFY_SOCKET).filter(|socket| !socket.is_empty()) else { return };
    let outcome = send(&socket, state);
    let failed_before = FAILED.swap(outcome.is_err(), Ordering::Relaxed);
    if let Err(error) = outcome
        && !failed_before
    {
        warn!(%error, socket = %socket.display(), "systemd notification failed");
    }
}

/// Sends `state` to `socket`: a path, or after `@` a name of Linux's abstract namespace.
fn send(socket: &OsStr, state: &[NotifyState<'_>]) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => abstract_address(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let message: String = state.iter().map(|state| format!("{state}\n")).collect();
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

/// Other systems have no such namespace.
#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::DrivenClock;
    use crate::presence::Timestamp;

    #[test]
    fn notify_socket_is_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("cxone-exporter-test-{}", std::process::id());
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{name}").into(), {
                UnixDatagram::bind_addr(&abstract_address(name.as_bytes()).unwrap()).unwrap()
            }),
        ];
        for (variable, socket) in sockets {
            send(&variable, &[NotifyState::Ready, NotifyState::Watchdog]).unwrap();
            let mut message = [0; 64];
            let length = socket.recv(&mut message).unwrap();
            assert_eq!(&message[..length], b"READY=1\nWATCHDOG=1\n");
        }
        assert!(send(folder.path().join("missing").as_os_str(), &[NotifyState::Ready]).is_err());
    }

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
