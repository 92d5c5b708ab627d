//! An HTTP client of the plainest kind, written from RFC 9112 and not from the code under test.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The real time that an answer may take, far above what it needs.
const PATIENCE: Duration = Duration::from_secs(600);

/// A connection that any number of requests go over.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

/// What a connection goes over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An answer, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) version: String,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

// === impl Client ===

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), unread: Vec::new() }
    }

    /// Sends `request` and reads one answer; `None` where the connection is closed without one.
    pub(crate) async fn ask(&mut self, request: &str) -> Option<Reply> {
        self.send(request.as_bytes()).await;
        self.reply(!request.starts_with("HEAD ")).await
    }

    /// Sends bytes, or a part of them where the other side does not listen any more.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub(crate) async fn reply(&mut self, with_body: bool) -> Option<Reply> {
        tokio::time::timeout(PATIENCE, self.read(with_body)).await.expect("no answer came")
    }

    /// Whether the other side closes the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.reply(true).await.is_none() && self.unread.is_empty()
    }

    /// Ends when the other side closes the connection, whatever it says before.
    pub(crate) async fn closes(&mut self) {
        while self.more().await.is_some() {}
    }

    async fn read(&mut self, with_body: bool) -> Option<Reply> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let (version, rest) = lines.next()?.split_once(' ')?;
        let status = rest.get(..3)?.parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut reply = Reply { version: version.to_owned(), status, headers, body: Vec::new() };
        let length = reply.header("content-length").map(|length| length.parse::<usize>().unwrap());
        match length {
            _ if !with_body => (),
            Some(length) => {
                while self.unread.len() < length {
                    self.more().await.expect("the body is cut");
                }
                reply.body = self.unread.drain(..length).collect();
            }
            None => {
                while self.more().await.is_some() {}
                reply.body = std::mem::take(&mut self.unread);
            }
        }
        Some(reply)
    }

    async fn more(&mut self) -> Option<()> {
        (self.stream.read_buf(&mut self.unread).await.ok()? > 0).then_some(())
    }
}

// === impl Reply ===

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body, decompressed where it says that it is compressed.
    pub(crate) fn text(&self) -> String {
        match self.header("content-encoding") {
            Some("gzip") => {
                let mut text = String::new();
                flate2::read::GzDecoder::new(self.body.as_slice()).read_to_string(&mut text).unwrap();
                text
            }
            None => String::from_utf8(self.body.clone()).unwrap(),
            Some(other) => panic!("an encoding nobody asked for: {other}"),
        }
    }
}
