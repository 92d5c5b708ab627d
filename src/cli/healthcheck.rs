//! Asking a running exporter whether it is healthy, for containers that have no tool for it.
//!
//! It needs nothing of the web configuration, whatever that says. Healthy is who answers as the exporter does: also who
//! wants a password or a client's certificate first, or has been asked too often. No secret lies around for it, and none
//! is sent, so it does not matter whose certificate the other side has. That it speaks TLS is found out.

mod tls;

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::args::HealthcheckArgs;
use crate::clock::Clock;

/// How long the whole exchange may take: health depends on nothing upstream, and a container's own
/// limit, which is 3 s in the Dockerfile, must not run out first and hide the reason.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most that is read of the answer: its first line is all that counts.
const MAX_STATUS_LINE_BYTES: usize = 256;

/// What the exporter answers who is no stranger; else that it wants a password, or fewer requests.
const ALIVE: [u16; 3] = [200, 401, 429];

/// Why the exporter does not count as healthy.
#[derive(Debug, Error)]
pub(super) enum HealthcheckError {
    /// There is no way to ask there.
    #[error("{0} cannot be asked: write an address such as http://127.0.0.1:10062/-/healthy")]
    Address(Url),
    /// The exchange failed.
    #[error("{url} cannot be reached: {source}")]
    Io { url: Url, source: io::Error },
    /// There was no answer in time.
    #[error("{url} did not answer within {} s", PATIENCE.as_secs())]
    Timeout { url: Url },
    /// What answers there is no HTTP server.
    #[error("{url} did not answer in HTTP/1")]
    Protocol { url: Url },
    /// It answered something else than a healthy exporter does.
    #[error("{url} answered {status}")]
    Status { url: Url, status: u16 },
}

/// Asks once; only an answer of a healthy exporter in time is healthy.
pub(super) async fn run(args: &HealthcheckArgs, clock: &dyn Clock) -> Result<(), HealthcheckError> {
    let url = &args.url;
    let is_tls = url.scheme() == "https";
    let (Some(host), Some(port), true) = (url.host(), url.port_or_known_default(), is_tls || url.scheme() == "http")
    else {
        return Err(HealthcheckError::Address(url.clone()));
    };
    let host = match host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let deadline = clock.monotonic() + PATIENCE;
    let answer = tokio::select! {
        answer = ask(&host, port, url, is_tls) => answer,
        () = clock.sleep_until(deadline) => return Err(HealthcheckError::Timeout { url: url.clone() }),
    };
    let line = match answer {
        Err(error) if tls::wants_certificate(&error) => return Ok(()),
        answer => answer.map_err(|source| HealthcheckError::Io { url: url.clone(), source })?,
    };
    match status(&line) {
        Some(status) if ALIVE.contains(&status) => Ok(()),
        Some(status) => Err(HealthcheckError::Status { url: url.clone(), status }),
        None => Err(HealthcheckError::Protocol { url: url.clone() }),
    }
}

/// How the answer begins. Who turns out to speak TLS is asked once more, by TLS.
async fn ask(host: &str, port: u16, url: &Url, is_tls: bool) -> io::Result<Vec<u8>> {
    if !is_tls {
        let start = exchange(TcpStream::connect((host, port)).await?, url).await?;
        if !tls::is_alert(&start) {
            return Ok(start);
        }
    }
    exchange(tls::over(TcpStream::connect((host, port)).await?, host).await?, url).await
}

/// Sends the request and gives back how the answer begins.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, url: &Url) -> io::Result<Vec<u8>> {
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: cxone-exporter/{version}\r\nConnection: close\r\n\r\n",
        version = super::version::VERSION,
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut start = Vec::new();
    while start.len() < MAX_STATUS_LINE_BYTES && !start.contains(&b'\n') {
        match stream.read_buf(&mut start).await {
            Ok(0) => break,
            // Who ends a connection roughly may have said all that counts.
            Err(_) if !start.is_empty() => break,
            outcome => outcome?,
        };
    }
    Ok(start)
}

/// The status in an answer's first line (RFC 9112, section 4).
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let (version, rest) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let digits = rest.get(..3)?;
    version.starts_with("HTTP/1.").then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::{DrivenClock, SystemClock};
    use crate::presence::Timestamp;

    /// The outcome where a server on loopback answers every request with `answer`, or keeps silent.
    async fn outcome(answer: Option<&'static str>) -> Result<(), HealthcheckError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let Some(answer) = answer else { return std::future::pending().await };
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let args = HealthcheckArgs { url: format!("http://{address}/-/healthy?a=b").parse().unwrap() };
        let result = if answer.is_some() {
            run(&args, &SystemClock::new()).await
        } else {
            let clock = DrivenClock::new(Timestamp::from_seconds(0));
            let asking = tokio::spawn({
                let clock = clock.clone();
                async move { run(&args, &clock).await }
            });
            while clock.next_sleeper().is_none() {
                tokio::task::yield_now().await;
            }
            clock.advance(PATIENCE);
            return asking.await.unwrap();
        };
        let request = server.await.unwrap();
        assert!(request.starts_with(&format!("GET /-/healthy?a=b HTTP/1.1\r\nHost: {address}\r\n")), "{request}");
        result
    }

    #[tokio::test]
    async fn only_what_a_healthy_exporter_answers_is_healthy() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhealthy\n",
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\n\r\n",
            "HTTP/1.1 429 Too Many Requests\r\n\r\n",
        ] {
            assert!(outcome(Some(answer)).await.is_ok(), "{answer}");
        }
        let table = [
            (Some("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "answered 503"),
            (Some("HTTP/1.1 204 No Content\r\n\r\n"), "answered 204"),
            (Some("SSH-2.0-OpenSSH_9.2\r\n"), "did not answer in HTTP/1"),
            (Some(""), "did not answer in HTTP/1"),
            (None, "did not answer within 2 s"),
        ];
        for (answer, message) in table {
            let error = outcome(answer).await.unwrap_err().to_string();
            assert!(error.ends_with(message), "{answer:?}: {error}");
        }
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_asked_is_refused() {
        for url in ["unix:/run/exporter", "ftp://127.0.0.1/"] {
            let args = HealthcheckArgs { url: url.parse().unwrap() };
            let error = run(&args, &SystemClock::new()).await.unwrap_err();
            assert!(matches!(error, HealthcheckError::Address(_)), "{url}: {error}");
        }
    }
}
