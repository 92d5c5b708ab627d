//! A minimal HTTP/1.1 client, written from RFC 9112 and independent of the code under test.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest real time to wait for a response, far above what a slow machine needs.
const TEST_TIMEOUT: Duration = Duration::from_secs(600);

/// A connection for any number of requests.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

/// The byte stream of a connection: plain TCP or TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A response as it was received.
#[derive(Debug, Clone)]
pub(crate) struct HttpResponse {
    pub(crate) version: String,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

// === impl Client ===

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::from_stream(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn from_stream(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), unread: Vec::new() }
    }

    /// Sends `request` and reads one response; `None` if the connection is closed without one.
    pub(crate) async fn request(&mut self, request: &str) -> Option<HttpResponse> {
        self.send(request.as_bytes()).await;
        self.response(!request.starts_with("HEAD ")).await
    }

    /// Sends bytes. An error is ignored: the server may have closed the connection.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub(crate) async fn response(&mut self, with_body: bool) -> Option<HttpResponse> {
        tokio::time::timeout(TEST_TIMEOUT, self.read(with_body)).await.expect("no response")
    }

    /// Whether the server closes the connection without sending another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.response(true).await.is_none() && self.unread.is_empty()
    }

    /// Waits until the server closes the connection, and discards what it sends before.
    pub(crate) async fn closes(&mut self) {
        while self.read_more().await.is_some() {}
    }

    async fn read(&mut self, with_body: bool) -> Option<HttpResponse> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.read_more().await?;
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let (version, rest) = lines.next()?.split_once(' ')?;
        let status = rest.get(..3)?.parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut response = HttpResponse { version: version.to_owned(), status, headers, body: Vec::new() };
        let length = response.header("content-length").map(|length| length.parse::<usize>().unwrap());
        match length {
            _ if !with_body || status == 204 => (),
            Some(length) => {
                while self.unread.len() < length {
                    self.read_more().await.expect("the body is cut");
                }
                response.body = self.unread.drain(..length).collect();
            }
            None => {
                while self.read_more().await.is_some() {}
                response.body = std::mem::take(&mut self.unread);
            }
        }
        Some(response)
    }

    async fn read_more(&mut self) -> Option<()> {
        (self.stream.read_buf(&mut self.unread).await.ok()? > 0).then_some(())
    }
}

// === impl HttpResponse ===

impl HttpResponse {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body, decompressed according to `Content-Encoding`.
    pub(crate) fn text(&self) -> String {
        match self.header("content-encoding") {
            Some("gzip") => {
                let mut text = String::new();
                flate2::read::GzDecoder::new(self.body.as_slice()).read_to_string(&mut text).unwrap();
                text
            }
            None => String::from_utf8(self.body.clone()).unwrap(),
            Some(other) => panic!("unexpected encoding {other}"),
        }
    }
}
