//! Asking a running exporter whether it is healthy, for containers that have no tool for it.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::args::HealthcheckArgs;
use crate::clock::Clock;

/// How long the whole exchange may take: health depends on nothing upstream, and a container's own
/// limit, which is 3 s in the Dockerfile, must not run out first and hide the reason.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most that is read of the answer: its first line is all that counts.
const MAX_STATUS_LINE_BYTES: u64 = 256;

/// Why the exporter does not count as healthy.
#[derive(Debug, Error)]
pub(super) enum HealthcheckError {
    /// There is no way to ask there.
    #[error("{0} cannot be asked: write an http address, such as http://127.0.0.1:10062/-/healthy")]
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
    /// It answered something else than 200.
    #[error("{url} answered {status}")]
    Status { url: Url, status: u16 },
}

/// Asks once; only an answer of 200 in time is healthy.
pub(super) async fn run(args: &HealthcheckArgs, clock: &dyn Clock) -> Result<(), HealthcheckError> {
    let url = &args.url;
    let (Some(host), Some(port), "http") = (url.host(), url.port_or_known_default(), url.scheme()) else {
        return Err(HealthcheckError::Address(url.clone()));
    };
    let host = match host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let deadline = clock.monotonic() + PATIENCE;
    let line = tokio::select! {
        line = exchange(&host, port, url) => line.map_err(|source| HealthcheckError::Io { url: url.clone(), source })?,
        () = clock.sleep_until(deadline) => return Err(HealthcheckError::Timeout { url: url.clone() }),
    };
    match status(&line) {
        Some(200) => Ok(()),
        Some(status) => Err(HealthcheckError::Status { url: url.clone(), status }),
        None => Err(HealthcheckError::Protocol { url: url.clone() }),
    }
}

/// Sends the request and gives back how the answer begins.
async fn exchange(host: &str, port: u16, url: &Url) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((host, port)).await?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: cxone-exporter/{version}\r\nConnection: close\r\n\r\n",
        version = super::version::VERSION,
    );
    stream.write_all(request.as_bytes()).await?;
    let mut start = Vec::new();
    stream.take(MAX_STATUS_LINE_BYTES).read_to_end(&mut start).await?;
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
    async fn only_an_answer_of_200_is_healthy() {
        assert!(outcome(Some("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhealthy\n")).await.is_ok());
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
        for url in ["https://127.0.0.1:10062/-/healthy", "unix:/run/exporter", "ftp://127.0.0.1/"] {
            let args = HealthcheckArgs { url: url.parse().unwrap() };
            let error = run(&args, &SystemClock::new()).await.unwrap_err();
            assert!(matches!(error, HealthcheckError::Address(_)), "{url}: {error}");
        }
    }
}
