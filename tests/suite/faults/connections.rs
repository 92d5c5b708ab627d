//! Connection failures before the first data: unreachable hosts, DNS, TLS, proxies.
//!
//! Root certificates and proxies come from the environment, so each case is a process of its own: this binary, which
//! runs only [`as_a_child`].

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// The `base_url` of the child process.
const BASE_URL: &str = "CXONE_TEST_BASE_URL";
/// Precedes the result in the output of the child.
const MARK: &str = "seen: ";

const PROXIES: [&str; 8] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];

/// An application with an unreachable tenant: what it serves, counts and logs, and its next request.
#[tokio::test]
#[ignore = "a part of the tests below, which set its environment"]
async fn as_a_child() {
    let Ok(base_url) = std::env::var(BASE_URL) else { return };
    let clock = DrivenClock::new(NOW);
    let builder =
        TestAppBuilder::new(&base_url).configure(|tenant| tenant.limits.request_timeout = Duration::from_secs(5));
    let app = builder.start(&clock).await;
    let met = app.scrape().await;
    assert!(met.seconds().is_empty());
    assert_eq!(met.samples("cxone_agent_info").count(), 2, "configured agents stay");
    assert_eq!((met.value("cxone_up"), met.agents()), (Some(0.0), [0.0, 0.0, 2.0]));
    assert_eq!(met.value("cxone_refresh_last_success_timestamp_seconds"), None);
    let not_before = met.value("cxone_refresh_not_before_timestamp_seconds").unwrap();
    let wait = not_before - met.value("cxone_refresh_last_attempt_timestamp_seconds").unwrap();
    assert!(BACK_OFF.contains(&wait), "{wait}");

    let lines = app.warnings();
    let again = app.scrape().await;
    assert_eq!(again.served_since(&met), ["none"]);
    assert_eq!(app.warnings().len(), lines.len(), "a failure was logged twice");
    app.assert_no_secrets().await;
    let codes = met.samples("cxone_api_requests_total").filter(|sample| sample.value > 0.0);
    let codes: Vec<_> = codes.map(|sample| format!("{}={}", sample.label("code").unwrap(), sample.value)).collect();
    let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
    println!("{MARK}{} {}", codes.join(" "), lines.join(" | "));
}

/// The result of a child process with `environment`.
async fn seen_by_child(base_url: &str, environment: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "faults::connections::as_a_child", "--ignored", "--nocapture"]);
    for name in PROXIES {
        child.env_remove(name);
    }
    child.env(BASE_URL, base_url).envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let output = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    output.split_once(MARK).expect(&output).1.lines().next().unwrap().to_owned()
}

/// Listens and runs `greet` on every connection until the test process ends.
fn listen(greet: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(greet));
    address
}

/// A TLS server with a certificate of `tls/`, signed by `tls/ca.pem`.
fn tls(certificate: &[u8]) -> SocketAddr {
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    listen(move |mut stream| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // It completes the handshake, reads the request, and closes without a response.
        while tls.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) && tls.is_handshaking() {}
    })
}

#[tokio::test]
async fn tls_failures() {
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/faults/tls/ca.pem");
    // Alert: fatal, protocol_version, in a record of TLS 1.0.
    let old = listen(|mut stream| {
        use std::io::{Read as _, Write as _};
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]);
    });
    let good: &[u8] = include_bytes!("tls/good.pem");
    let cases: [(&str, SocketAddr, &str, &str); 6] = [
        (
            "self-signed, with an untrusted CA",
            tls(good),
            "/dev/null",
            "the certificate is self-signed or issued by a CA",
        ),
        ("expired", tls(include_bytes!("tls/expired.pem")), ca, "the certificate expired on 2021-01-01"),
        ("not valid yet", tls(include_bytes!("tls/future.pem")), ca, "the certificate is valid only from 2120-01-01"),
        ("of another host", tls(include_bytes!("tls/elsewhere.pem")), ca, "the certificate is for another name"),
        ("of an old version", old, ca, "supports only versions of TLS that are no longer safe"),
        ("trusted, and cut after the handshake", tls(good), ca, "was cut before its answer was complete"),
    ];
    for (name, address, trusted, warning) in cases {
        let base_url = format!("https://localhost:{}", address.port());
        let seen = seen_by_child(&base_url, &[("SSL_CERT_FILE", trusted)]).await;
        // Only transient failures are retried.
        let tries = if warning.starts_with("was cut") { 3 } else { 1 };
        assert!(
            seen.starts_with(&format!("connect={tries} WARN refresh failed")) && seen.contains(warning),
            "{name}: {seen}"
        );
    }
}

#[tokio::test]
async fn unreachable_hosts() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let seen = seen_by_child(&format!("http://{unused}"), &[]).await;
    assert!(seen.starts_with("connect=3 WARN refresh failed") && seen.contains("No connection to 127.0.0.1"), "{seen}");
    // The label is too long for any name, so the attempt to resolve it stays on this machine.
    let seen = seen_by_child(&format!("http://{}.test", "a".repeat(70)), &[]).await;
    assert!(seen.starts_with("connect=3 WARN refresh failed") && seen.contains("could not be resolved"), "{seen}");
    let ssh = listen(|mut stream| drop(std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.2\r\n")));
    let seen = seen_by_child(&format!("http://{ssh}"), &[]).await;
    assert!(seen.starts_with("connect=3 WARN refresh failed"), "{seen}");
}

#[tokio::test]
async fn proxies() {
    let unused = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    for status in [407, 403, 502] {
        let proxy = ScriptedServer::start_raw(&DrivenClock::new(NOW), move |_| Response::status(status)).await;
        let seen = seen_by_child("https://acme.test", &[("HTTPS_PROXY", &proxy.base_url())]).await;
        assert!(seen.starts_with("connect=3 WARN refresh failed") && seen.contains("HTTPS_PROXY"), "{seen}");
        assert!(!format!("{:?}", proxy.requests()).contains("pl4nted"));
    }
    let seen = seen_by_child("https://acme.test", &[("HTTPS_PROXY", &unused)]).await;
    assert!(seen.starts_with("connect=3 WARN refresh failed") && seen.contains("HTTPS_PROXY"), "{seen}");
    // Hosts of NO_PROXY and loopback bypass the proxy.
    let host = format!("{}.test", "a".repeat(70));
    let seen = seen_by_child(&format!("http://{host}"), &[("HTTP_PROXY", &unused), ("NO_PROXY", ".test")]).await;
    assert!(seen.contains("could not be resolved"), "{seen}");
}
