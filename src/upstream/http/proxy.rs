//! The proxy of the environment, and why it refuses a tunnel.
//!
//! The HTTP client reports that a proxy refused a tunnel, and not with which status. The proxy is asked once more for it, without
//! anything of the tenant but its host, which the first request had as well.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::errors::causes;

/// The variables that name a proxy for https, in the order of the HTTP client.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// How long the second request may take: the proxy has just answered the first one.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The bytes of a status line up to the status: `HTTP/1.1 403`.
const STATUS_LINE_BYTES: usize = 12;

/// 407 Proxy Authentication Required.
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;

/// Whether the environment names a proxy for https.
pub(super) fn is_set() -> bool {
    variable().is_some()
}

/// The status with which the proxy refused a tunnel to `target`; `None` if `error` is another one, or the proxy does not tell.
pub(super) async fn refusal(error: &reqwest::Error, target: &Url) -> Option<u16> {
    // The type of the error is not public.
    match causes(error).last()?.to_string().strip_prefix("tunnel error: ")? {
        "proxy authorization required" => Some(PROXY_AUTHENTICATION_REQUIRED),
        "unsuccessful" => {
            // Real time, like the timeouts of the HTTP client.
            tokio::time::timeout(TIMEOUT, ask(&proxy()?, target)).await.ok()?
        }
        _ => None,
    }
}

fn variable() -> Option<String> {
    VARIABLES.into_iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty())
}

/// The proxy, if it is spoken to without TLS.
fn proxy() -> Option<Url> {
    let value = variable()?;
    let value = if value.contains("://") { value } else { format!("http://{value}") };
    Url::parse(&value).ok().filter(|url| url.scheme() == "http")
}

async fn ask(proxy: &Url, target: &Url) -> Option<u16> {
    let authority = format!("{}:{}", target.host_str()?, target.port_or_known_default()?);
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if !proxy.username().is_empty() {
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let (user, password) = (decoded(proxy.username()), decoded(proxy.password().unwrap_or_default()));
        let credentials = STANDARD.encode([&user[..], b":", &password].concat());
        request += &format!("Proxy-Authorization: Basic {credentials}\r\n");
    }
    let mut stream = TcpStream::connect((proxy.host_str()?, proxy.port_or_known_default()?)).await.ok()?;
    stream.write_all(format!("{request}\r\n").as_bytes()).await.ok()?;
    let mut status_line = [0; STATUS_LINE_BYTES];
    stream.read_exact(&mut status_line).await.ok()?;
    status(&status_line)
}

/// The status in the beginning of a status line.
fn status(status_line: &[u8]) -> Option<u16> {
    let (version, status) = std::str::from_utf8(status_line).ok()?.split_once(' ')?;
    version.starts_with("HTTP/1.").then(|| status.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_line_of_a_proxy() {
        let table: [(&[u8], Option<u16>); 5] = [
            (b"HTTP/1.1 403", Some(403)),
            (b"HTTP/1.0 502", Some(502)),
            (b"HTTP/2.0 200", None),
            (b"SSH-2.0-Open", None),
            (b"HTTP/1.1 \xff\xfe\xfd", None),
        ];
        for (line, expected) in table {
            assert_eq!(status(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
