//! The protocol of systemd, health checks and the stop.

use std::io::Write as _;
use std::net::TcpListener as StdListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::Duration;

use cxone_exporter::web::DRAIN_TIMEOUT;
use rustix::process::Signal;

use super::*;
use crate::process::exporter::TEST_TIMEOUT;

/// Passes standard input as descriptor 3, as systemd passes sockets, and executes its arguments.
const PASS_SOCKET: &str = r#"export LISTEN_FDS=1 LISTEN_PID=${PID:-$$}; exec "$@" 3<&0 0</dev/null"#;

/// The socket of `NOTIFY_SOCKET`.
struct NotifySocket(UnixDatagram);

impl NotifySocket {
    fn bind(harness: &ProcessHarness) -> Self {
        let socket = UnixDatagram::bind(harness.path("notify")).unwrap();
        socket.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        Self(socket)
    }

    /// The next notification.
    fn next(&self) -> String {
        let mut notification = [0; 4096];
        let length = self.0.recv(&mut notification).unwrap();
        String::from_utf8(notification[..length].to_vec()).unwrap()
    }
}

/// The command that starts the exporter with `listener` on descriptor 3.
pub(super) fn passing_socket(harness: &ProcessHarness, listener: StdListener) -> Command {
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", PASS_SOCKET, "sh", env!("CARGO_BIN_EXE_cxone-exporter")]);
    command.arg("--web.systemd-socket").arg("--config.file").arg(harness.config());
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn sd_notify_ready_reloading_stopping() {
    let harness = ProcessHarness::with_defaults().await;
    let notifications = NotifySocket::bind(&harness);
    let (config, socket) = (harness.config(), harness.path("notify"));
    let arguments = ["--config.file", config.to_str().unwrap(), "--web.listen-address", "127.0.0.1:0"];
    let mut exporter =
        Exporter::start(&arguments, harness.folder.path(), &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    assert_eq!(notifications.next(), "READY=1\n");
    assert_eq!(http(exporter.address, "GET", "/-/ready").status, 200);

    for good in [true, false] {
        if !good {
            harness.write("cxone.yml", "tenants: []\n");
        }
        exporter.signal(Signal::HUP);
        let notification = notifications.next();
        let micros = notification.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim().parse::<u64>();
        assert!(micros.is_ok(), "{notification}");
        assert_eq!(notifications.next(), "READY=1\n");
        assert_eq!(is_reload_successful(exporter.address), good);
    }
    exporter.signal(Signal::TERM);
    assert_eq!(notifications.next(), "STOPPING=1\n");
    assert_eq!(exporter.ended().code(), Some(0));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sd_notify_uses_abstract_sockets() {
    let harness = ProcessHarness::with_defaults().await;
    let name = format!("cxone-exporter-suite-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    let notifications = NotifySocket(socket);
    let (config, variable) = (harness.config(), format!("@{name}"));
    let arguments = ["--config.file", config.to_str().unwrap(), "--web.listen-address", "127.0.0.1:0"];
    let _exporter = Exporter::start(&arguments, harness.folder.path(), &[("NOTIFY_SOCKET", &variable)]);
    assert_eq!(notifications.next(), "READY=1\n");
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_notify_socket_is_logged_once() {
    let harness = ProcessHarness::with_defaults().await;
    let (config, socket) = (harness.config(), harness.path("missing"));
    let arguments = ["--config.file", config.to_str().unwrap(), "--web.listen-address", "127.0.0.1:0"];
    let mut exporter =
        Exporter::start(&arguments, harness.folder.path(), &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    exporter.logged("systemd notification failed");
    exporter.signal(Signal::TERM);
    exporter.ended();
    let later = exporter.remaining_log();
    assert!(!later.iter().any(|line| line.contains("notification")), "{later:#?}");
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchdog_notifications_are_sent() {
    let harness = ProcessHarness::with_defaults().await;
    let notifications = NotifySocket::bind(&harness);
    let (config, socket) = (harness.config(), harness.path("notify"));
    let arguments = ["--config.file", config.to_str().unwrap(), "--web.listen-address", "127.0.0.1:0"];
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let _exporter = Exporter::start(&arguments, harness.folder.path(), &environment);
    let mut received: Vec<_> = (0..4).map(|_| notifications.next()).collect();
    received.sort();
    assert_eq!(received, ["READY=1\n", "WATCHDOG=1\n", "WATCHDOG=1\n", "WATCHDOG=1\n"]);
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_socket_serves_early_scrapes() {
    let harness = ProcessHarness::with_defaults().await;
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let early = std::thread::spawn(move || scrape(address));
    let exporter = Exporter::spawn(passing_socket(&harness, listener));
    assert_eq!(exporter.address, address);
    assert_eq!(value(&early.join().unwrap(), "cxone_up"), Some(1.0));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_systemd_socket_is_a_usage_error() {
    let harness = ProcessHarness::with_defaults().await;
    let config = harness.config();
    let alone = run(&["--web.systemd-socket", "--config.file", config.to_str().unwrap()]);
    // A socket for another process.
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let foreign = passing_socket(&harness, listener).env("PID", "1").output().unwrap();
    for output in [alone, foreign] {
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("systemd passed no socket"), "{message}");
    }
    let both = run(&["--web.systemd-socket", "--web.listen-address", "127.0.0.1:0"]);
    assert_eq!(both.status.code(), Some(2));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_scrapes_in_flight() {
    let latency = Duration::from_millis(700);
    let harness = ProcessHarness::new(SimulatorOptions { latency, ..SimulatorOptions::default() }).await;
    harness.configure("1h", &[0, 1, 2]);
    let mut exporter = harness.start(&[]);
    let address = exporter.address;
    let scrapes: Vec<_> = (0..5).map(|_| std::thread::spawn(move || scrape(address))).collect();
    until("the refresh has started", || (harness.requests().0 > 0).then_some(()));
    // A request that does not wait shows that earlier requests have been read.
    assert_eq!(http(address, "GET", "/-/healthy").status, 200);
    exporter.signal(Signal::TERM);
    exporter.logged("stopping");
    assert!(std::net::TcpStream::connect(address).is_err());
    for scrape in scrapes {
        assert_eq!(value(&scrape.join().unwrap(), "cxone_up"), Some(1.0));
    }
    assert_eq!(exporter.ended().code(), Some(0));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_timeout_limits_the_stop() {
    let latency = Duration::from_secs(60);
    let harness = ProcessHarness::new(SimulatorOptions { latency, ..SimulatorOptions::default() }).await;
    harness.configure("1h", &[0]);
    let mut exporter = harness.start(&[]);
    let mut stream = std::net::TcpStream::connect(exporter.address).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 60\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    until("the refresh has started", || (harness.requests().0 > 0).then_some(()));
    exporter.signal(Signal::TERM);
    exporter.logged("stopping");
    // `TEST_TIMEOUT` is longer than the drain timeout and shorter than the scrape.
    exporter.logged("open connections are closed");
    assert_eq!(exporter.ended().code(), Some(0));
    assert!(DRAIN_TIMEOUT < TEST_TIMEOUT && TEST_TIMEOUT < latency);
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_exit_codes() {
    let harness = ProcessHarness::with_defaults().await;
    let exporter = harness.start(&[]);
    let base = format!("http://{}", exporter.address);
    let closed = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let table = [
        (format!("{base}/-/healthy"), 0, ""),
        (format!("{base}/-/nothing"), 1, "answered 404"),
        (format!("http://{closed}/-/healthy"), 1, "cannot be reached"),
        (format!("https://{}/-/healthy", exporter.address), 1, "cannot be reached"),
        ("ftp://127.0.0.1/".to_owned(), 1, "write an address such as http://"),
        ("healthy".to_owned(), 2, "relative URL without a base"),
    ];
    for (url, code, message) in table {
        let output = run(&["healthcheck", &url]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{url}: {stderr}");
        assert!(stderr.contains(message), "{url}: {stderr}");
    }
    assert_eq!(harness.requests(), (0, 0));
    harness.simulator.shutdown().await;
}
