//! A scripted upstream on loopback: it sends the bytes that a script returns, breaks connections at a given byte, and records
//! each request with its time.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cxone_exporter::clock::{Clock, DrivenClock, Monotonic};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The size of an endless response, so that a client that never stops reading fails its test.
const ENDLESS_BYTES: usize = 256 * 1024 * 1024;

/// How often a response yields before it is sent, so that requests that may overlap do overlap.
const YIELDS_PER_RESPONSE: usize = 50;

/// A running scripted server. It stops when dropped.
pub(crate) struct ScriptedServer {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

/// A request as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The time of arrival, since the start of the clock.
    pub(crate) at: Duration,
    /// The number of earlier requests for the same path.
    pub(crate) nth: usize,
}

/// A response, with the faults of its transmission.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    length: Length,
    break_after: Option<(usize, Break)>,
    byte_by_byte: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Known,
    /// The end of the connection ends the body.
    UntilClose,
    /// Chunked, and the body is repeated up to [`ENDLESS_BYTES`].
    Endless,
}

#[derive(Debug, Clone, Copy)]
enum Break {
    Close,
    Stall,
}

#[derive(Debug, Default)]
struct Log {
    requests: Vec<Request>,
    in_flight: usize,
    peak: usize,
}

type Script = dyn Fn(&Request) -> Response + Send + Sync;

// === impl Scripted ===

impl ScriptedServer {
    /// Issues tokens `token-1`, `token-2`, … that last an hour; `script` responds to all other requests.
    pub(crate) async fn start(
        clock: &DrivenClock,
        script: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self::start_raw(clock, move |request| match request.path() {
            "/oauth/token" => Response::token(&format!("token-{}", request.nth + 1), "3600"),
            _ => script(request),
        })
        .await
    }

    /// `script` responds to all requests.
    pub(crate) async fn start_raw(
        clock: &DrivenClock,
        script: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let (clock, script): (_, Arc<Script>) = (clock.clone(), Arc::new(script));
        let task = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                // Dropping the set closes its connections.
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(serve(stream, Arc::clone(&script), Arc::clone(&log), clock.clone()));
                }
            }
        });
        Self { address, log, task }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().requests.clone()
    }

    /// The requests so far, without those for tokens.
    pub(crate) fn pages(&self) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path() != "/oauth/token").collect()
    }

    /// The number of token requests so far.
    pub(crate) fn tokens(&self) -> usize {
        self.requests().len() - self.pages().len()
    }

    /// The highest number of concurrent requests.
    pub(crate) fn peak(&self) -> usize {
        self.log.lock().unwrap().peak
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Asked ===

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

// === impl Answer ===

impl Response {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            length: Length::Known,
            break_after: None,
            byte_by_byte: false,
        }
    }

    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).header("Content-Type", "application/json").body(body)
    }

    /// A token with this `expires_in`, which is JSON.
    pub(crate) fn token(token: &str, expires_in: &str) -> Self {
        Self::json(format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{expires_in}}}"#))
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Compresses the body.
    pub(crate) fn gzip(self) -> Self {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&self.body).unwrap();
        self.header("Content-Encoding", "gzip").body(gzip.finish().unwrap())
    }

    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Sends no length; the end of the connection ends the body.
    pub(crate) fn until_close(mut self) -> Self {
        self.length = Length::UntilClose;
        self
    }

    /// Repeats the body without end.
    pub(crate) fn endless(mut self) -> Self {
        self.length = Length::Endless;
        self
    }

    /// Closes the connection once `bytes` of head and body are out.
    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.break_after = Some((bytes, Break::Close));
        self
    }

    /// Sends nothing more once `bytes` of head and body are out.
    pub(crate) fn stall_after(mut self, bytes: usize) -> Self {
        self.break_after = Some((bytes, Break::Stall));
        self
    }

    /// Sends each byte in its own segment.
    pub(crate) fn byte_by_byte(mut self) -> Self {
        self.byte_by_byte = true;
        self
    }

    /// The number of bytes before the body.
    pub(crate) fn head_length(&self) -> usize {
        self.head().len()
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        match self.length {
            Length::Known => head += &format!("Content-Length: {}\r\n", self.body.len()),
            Length::UntilClose => head += "Connection: close\r\n",
            Length::Endless => head += "Transfer-Encoding: chunked\r\n",
        }
        head + "\r\n"
    }

    /// Sends the response. Returns whether the connection can be used again.
    async fn send(&self, stream: &mut TcpStream) -> std::io::Result<bool> {
        let mut bytes = self.head().into_bytes();
        if self.length != Length::Endless {
            bytes.extend_from_slice(&self.body);
        }
        if let Some((after, how)) = self.break_after {
            bytes.truncate(after);
            stream.write_all(&bytes).await?;
            if matches!(how, Break::Stall) {
                // Waits until the client times out.
                let _ = stream.read(&mut [0; 64]).await;
            }
            return Ok(false);
        }
        if self.byte_by_byte {
            stream.set_nodelay(true)?;
            for byte in &bytes {
                stream.write_all(&[*byte]).await?;
                tokio::task::yield_now().await;
            }
        } else {
            stream.write_all(&bytes).await?;
        }
        if self.length == Length::Endless {
            let mut chunk = format!("{:x}\r\n", self.body.len()).into_bytes();
            chunk.extend_from_slice(&self.body);
            chunk.extend_from_slice(b"\r\n");
            for _ in 0..ENDLESS_BYTES / self.body.len().max(1) {
                stream.write_all(&chunk).await?;
            }
        }
        Ok(self.length == Length::Known)
    }
}

// === serving ===

async fn serve(mut stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Log>>, clock: DrivenClock) {
    let mut unread = Vec::new();
    while let Some(mut request) = receive(&mut stream, &mut unread).await {
        request.at = clock.monotonic().saturating_since(Monotonic::default());
        {
            let mut log = log.lock().unwrap();
            request.nth = log.requests.iter().filter(|earlier| earlier.path() == request.path()).count();
            log.requests.push(request.clone());
            log.in_flight += 1;
            log.peak = log.peak.max(log.in_flight);
        }
        let response = script(&request);
        for _ in 0..YIELDS_PER_RESPONSE {
            tokio::task::yield_now().await;
        }
        // Before the bytes go out: the client may have sent its next request before this task runs again.
        log.lock().unwrap().in_flight -= 1;
        if !response.send(&mut stream).await.unwrap_or(false) {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(unread.drain(..end + 4).collect()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut request_line = lines.next()?.split(' ');
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, value)| value.parse::<usize>().unwrap());
    while unread.len() < length {
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request {
        method: request_line.next()?.to_owned(),
        target: request_line.next()?.to_owned(),
        headers,
        body: String::from_utf8(unread.drain(..length).collect()).unwrap(),
        at: Duration::ZERO,
        nth: 0,
    })
}

// === driving ===

/// The longest real time of one call of [`drive`], far above what a slow machine needs.
const TEST_TIMEOUT: Duration = Duration::from_secs(600);

/// Runs `work` and advances `clock` to each time that it waits for, as long as that is before `deadline`.
pub(crate) async fn drive<T>(clock: &DrivenClock, deadline: Monotonic, work: impl Future<Output = T>) -> T {
    let driving = async {
        loop {
            tokio::task::yield_now().await;
            if let Some(next) = clock.next_sleeper().filter(|next| *next < deadline) {
                clock.advance(next.saturating_since(clock.monotonic()));
            }
        }
    };
    let driven = async {
        tokio::select! {
            biased;
            outcome = work => outcome,
            () = driving => unreachable!("the driver never ends"),
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, driven).await.expect("the work does not end")
}
