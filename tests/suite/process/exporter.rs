//! The exporter as a child process, asked over a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cxone_exporter::clock::{Clock, Monotonic, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The longest real time to wait, far above what a slow machine needs.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A running exporter. It is killed when dropped.
pub(crate) struct Exporter {
    child: Child,
    log: Receiver<String>,
    pub(crate) address: SocketAddr,
}

/// A response over HTTP.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Exporter {
    /// Starts it in `folder`, and waits until it listens.
    pub(crate) fn start(arguments: &[&str], folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxone-exporter"));
        command.env_clear().args(arguments).current_dir(folder).envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts a command that becomes the exporter, and waits until it listens.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        // All lines are read, because the exporter would block on a full pipe.
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut exporter = Self { child, log, address: ([0, 0, 0, 0], 0).into() };
        exporter.address = exporter.listening();
        exporter
    }

    /// The next address that it logs as listening.
    pub(crate) fn listening(&self) -> SocketAddr {
        let line = self.logged("message=listening");
        line.split("address=").nth(1).unwrap().split(' ').next().unwrap().trim_matches('"').parse().unwrap()
    }

    /// Waits for a log line that contains `part`.
    pub(crate) fn logged(&self, part: &str) -> String {
        let (clock, started) = started();
        let mut seen = Vec::new();
        while let Ok(line) =
            self.log.recv_timeout(TEST_TIMEOUT.saturating_sub(clock.monotonic().saturating_since(started)))
        {
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
        panic!("{part:?} was never logged, only:\n{}", seen.join("\n"));
    }

    /// The lines that were logged since, to the end of the process.
    pub(crate) fn remaining_log(&self) -> Vec<String> {
        self.log.iter().collect()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process ends.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the process ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request on a new connection.
pub(crate) fn http(address: SocketAddr, method: &str, path: &str) -> Response {
    exchange(connect(address), method, path)
}

/// Sends a GET request over TLS to a server with the certificate of tests/configs/web.
pub(crate) fn https(address: SocketAddr, path: &str) -> Response {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file("tests/configs/web/ca.pem").unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).unwrap();
    exchange(StreamOwned::new(session, connect(address)), "GET", path)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    stream
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str) -> Response {
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {response:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_owned(), body: body.to_owned() }
}

/// The first result of `condition`, which is polled because another process causes it.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let (clock, started) = started();
    while clock.monotonic().saturating_since(started) < TEST_TIMEOUT {
        if let Some(result) = condition() {
            return result;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("timeout: {what}");
}

/// A clock and its current time.
fn started() -> (SystemClock, Monotonic) {
    let clock = SystemClock::new();
    let now = clock.monotonic();
    (clock, now)
}
