//! Asks a running exporter whether it is healthy, for containers without an HTTP client.
//!
//! Without a URL it asks where a server with the same web flags or variables listens. It detects TLS; 401, 429 or a request for
//! a client certificate count as healthy, because only a running exporter sends them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use url::Url;

use super::args::{HealthcheckArgs, WebArgs};
use super::serve;
use crate::clock::Clock;
use crate::config::WebConfig;
use crate::upstream::{HealthRequestError, HealthResponse, request_health};

/// The limit of the whole check. It is shorter than the 3 s of the `HEALTHCHECK` in the Dockerfile, which would hide the
/// reason of a failure.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The statuses of a running exporter: the second requires a password, and the third limits the rate.
const HEALTHY_STATUSES: [u16; 3] = [200, 401, 429];

/// Why the exporter does not count as healthy.
#[derive(Debug, Error)]
pub(super) enum HealthcheckError {
    /// The URL has no host, or another scheme than HTTP.
    #[error("{0} cannot be asked: write an address such as http://127.0.0.1:10062/-/healthy")]
    Address(Url),
    /// The flags do not say where the server listens. This is a usage error.
    #[error("{0}")]
    Flags(String),
    /// The request has no response.
    #[error("{url} {source}")]
    Request { url: Url, source: HealthRequestError },
    /// The response took too long.
    #[error("{url} did not answer within {} s", TIMEOUT.as_secs())]
    Timeout { url: Url },
    /// The status is none of a running exporter.
    #[error("{url} answered {status}")]
    Status { url: Url, status: u16 },
}

/// Sends one request.
///
/// # Errors
///
/// See [`HealthcheckError`].
pub(super) async fn run(args: &HealthcheckArgs, clock: &dyn Clock) -> Result<(), HealthcheckError> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => server_url(&args.web)?,
    };
    if url.host().is_none() || !matches!(url.scheme(), "http" | "https") {
        return Err(HealthcheckError::Address(url));
    }
    let deadline = clock.monotonic() + TIMEOUT;
    let response = tokio::select! {
        response = request_health(&url) => response,
        () = clock.sleep_until(deadline) => return Err(HealthcheckError::Timeout { url }),
    };
    match response {
        Ok(HealthResponse::ClientCertificateRequired) => Ok(()),
        Ok(HealthResponse::Status(status)) if HEALTHY_STATUSES.contains(&status) => Ok(()),
        Ok(HealthResponse::Status(status)) => Err(HealthcheckError::Status { url, status }),
        Err(source) => Err(HealthcheckError::Request { url, source }),
    }
}

/// The URL of the health endpoint of a server with these flags.
fn server_url(web: &WebArgs) -> Result<Url, HealthcheckError> {
    let fail = |message: String| HealthcheckError::Flags(message);
    if web.systemd_socket {
        return Err(fail("--web.systemd-socket: the address is that of the socket unit; write the URL".to_owned()));
    }
    let address = web.listen_address.first().map_or("", String::as_str);
    let invalid =
        || fail(format!("--web.listen-address {address}: write the URL, or an address with a port, such as :10062"));
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0).ok_or_else(invalid)?;
    let authority = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(reachable(ip), port).to_string(),
        // `:10062` is all addresses of the machine.
        Err(_) if host.is_empty() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port).to_string(),
        Err(_) => address.to_owned(),
    };
    let prefix = serve::options(web).map_err(|error| fail(error.to_string()))?.route_prefix;
    let tls =
        web.config_file.as_deref().is_some_and(|path| WebConfig::from_file(path).is_ok_and(|web| web.tls.is_some()));
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{authority}{prefix}/-/healthy").parse().map_err(|_| invalid())
}

/// The address to connect to where a server listens on `ip`.
const fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::clock::{DrivenClock, SystemClock};
    use crate::presence::Timestamp;

    fn args(arguments: &[&str]) -> HealthcheckArgs {
        let cli = Cli::parse_from([&["cxone-exporter", "healthcheck"], arguments].concat());
        match cli.command {
            Some(Command::Healthcheck(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn healthcheck_asks_where_the_server_listens() {
        let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/configs/web/tls.good.yml");
        let table: [(&[&str], &str); 10] = [
            (&[], "http://127.0.0.1:10062/-/healthy"),
            (&["--web.listen-address=:9000"], "http://127.0.0.1:9000/-/healthy"),
            (&["--web.listen-address=0.0.0.0:9000"], "http://127.0.0.1:9000/-/healthy"),
            (&["--web.listen-address=[::]:9000"], "http://[::1]:9000/-/healthy"),
            (&["--web.listen-address=10.1.2.3:80"], "http://10.1.2.3/-/healthy"),
            (&["--web.listen-address=localhost:1", "--web.listen-address=:2"], "http://localhost:1/-/healthy"),
            (&["--web.route-prefix=/cxone/"], "http://127.0.0.1:10062/cxone/-/healthy"),
            (&["--web.external-url=https://example.com/cxone"], "http://127.0.0.1:10062/cxone/-/healthy"),
            (
                &["--web.external-url=https://example.com/cxone", "--web.route-prefix=/"],
                "http://127.0.0.1:10062/-/healthy",
            ),
            (&["--web.config.file", tls], "https://127.0.0.1:10062/-/healthy"),
        ];
        for (arguments, url) in table {
            assert_eq!(server_url(&args(arguments).web).unwrap().as_str(), url, "{arguments:?}");
        }
        for arguments in [&["--web.systemd-socket"], &["--web.listen-address=127.0.0.1:0"]] {
            assert!(matches!(server_url(&args(arguments).web), Err(HealthcheckError::Flags(_))), "{arguments:?}");
        }
    }

    /// The outcome of a check against a server that responds with these bytes, or not at all.
    async fn outcome(response: Option<&'static str>) -> Result<(), HealthcheckError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let Some(response) = response else { return std::future::pending().await };
            stream.write_all(response.as_bytes()).await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let args = args(&[&format!("http://{address}/-/healthy?a=b")]);
        if response.is_none() {
            let clock = DrivenClock::new(Timestamp::from_seconds(0));
            let check = tokio::spawn({
                let clock = clock.clone();
                async move { run(&args, &clock).await }
            });
            while clock.next_sleeper().is_none() {
                tokio::task::yield_now().await;
            }
            clock.advance(TIMEOUT);
            return check.await.unwrap();
        }
        let result = run(&args, &SystemClock::new()).await;
        let request = server.await.unwrap();
        assert!(request.starts_with("GET /-/healthy?a=b HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
        result
    }

    #[tokio::test]
    async fn only_200_401_and_429_are_healthy() {
        for response in [
            "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhealthy\n",
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\n\r\n",
            "HTTP/1.1 429 Too Many Requests\r\n\r\n",
        ] {
            assert!(outcome(Some(response)).await.is_ok(), "{response}");
        }
        let table = [
            (Some("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "answered 503"),
            (Some("HTTP/1.1 204 No Content\r\n\r\n"), "answered 204"),
            (Some("HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n"), "answered 302"),
            (Some("SSH-2.0-OpenSSH_9.2\r\n"), "did not answer in HTTP/1"),
            (Some(""), "did not answer in HTTP/1"),
            (None, "did not answer within 2 s"),
        ];
        for (response, message) in table {
            let error = outcome(response).await.unwrap_err().to_string();
            assert!(error.ends_with(message), "{response:?}: {error}");
        }
    }

    #[tokio::test]
    async fn url_of_another_scheme_is_refused() {
        for url in ["unix:/run/exporter", "ftp://127.0.0.1/"] {
            let args = args(&[url]);
            let error = run(&args, &SystemClock::new()).await.unwrap_err();
            assert!(matches!(error, HealthcheckError::Address(_)), "{url}: {error}");
        }
    }
}
