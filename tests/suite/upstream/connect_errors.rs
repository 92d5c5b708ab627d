//! Connection failures: DNS, refused connections, TLS, redirects, timeouts.

use super::*;

async fn fetch(base_url: &str, change: impl FnOnce(&mut Tenant)) -> (FetchResult, Arc<RecordingObserver>) {
    let clock = clock();
    let harness = SourceHarness::new(&clock, base_url, change);
    (harness.fetch().await, harness.observer)
}

#[tokio::test]
async fn connection_refused_gets_three_attempts_and_ends_the_fetch() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (fetched, seen) = fetch(&format!("http://{unused}"), |_| ()).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Connect, 3));
    assert_eq!(seen.codes(Endpoint::Token), [ResponseCode::Connect; 3]);
}

#[tokio::test]
async fn dns_failure_has_its_own_kind() {
    // A label of more than 63 bytes never leaves the machine: there is no such query.
    let (fetched, seen) = fetch(&format!("http://{}.localdomain", "a".repeat(70)), |_| ()).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Dns, 3));
    assert_eq!(seen.codes(Endpoint::Token), [ResponseCode::Connect; 3]);
}

#[tokio::test]
async fn a_server_without_tls_is_not_retried() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let (fetched, seen) = fetch(&format!("https://{address}"), |_| ()).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Tls, 3));
    assert_eq!(seen.codes(Endpoint::Token), [ResponseCode::Connect]);
    server.await.unwrap();
}

#[tokio::test]
async fn an_untrusted_certificate_is_not_retried() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || self_signed(&listener));
    let (fetched, seen) = fetch(&format!("https://localhost:{}", address.port()), |_| ()).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Tls, 3));
    let message = fetched.error.unwrap().message;
    assert!(message.contains("self-signed") && message.contains("SSL_CERT_FILE"), "{message}");
    assert_eq!(seen.codes(Endpoint::Token), [ResponseCode::Connect]);
    assert!(server.join().unwrap(), "the client went on in spite of the certificate");
}

/// Runs one TLS handshake with an untrusted certificate. Returns whether the client aborted it.
fn self_signed(listener: &std::net::TcpListener) -> bool {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let certificate = CertificateDer::from_pem_slice(include_bytes!("untrusted.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("untrusted.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    loop {
        match tls.complete_io(&mut stream) {
            Ok((0, 0)) => return false,
            Ok(_) if !tls.is_handshaking() => return false,
            Ok(_) => (),
            Err(_) => return true,
        }
    }
}

#[tokio::test]
async fn redirects_are_never_followed() {
    let clock = clock();
    let elsewhere = ScriptedServer::start_raw(&clock, |_| Response::token("stolen", "3600")).await;
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/take?token=secret", elsewhere.base_url());
        let tokens = ScriptedServer::start_raw(&clock, {
            let target = target.clone();
            move |_| Response::status(status).header("Location", target.clone())
        })
        .await;
        let (fetched, _) = fetch(&tokens.base_url(), |_| ()).await;
        assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::UnexpectedStatus, 3));

        let pages =
            ScriptedServer::start(&clock, move |_| Response::status(status).header("Location", target.clone())).await;
        let (fetched, _) = fetch(&pages.base_url(), |_| ()).await;
        assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::UnexpectedStatus, 3));
        let message = fetched.error.unwrap().message;
        assert!(message.contains("redirects to 127.0.0.1 ") && !message.contains("take"), "{message}");
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn request_timeout_gets_three_attempts_and_fails_its_batch() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |_| Response::json("{\"data\":[]}").stall_after(60)).await;
    let (fetched, seen) = fetch(&upstream.base_url(), |tenant| {
        tenant.limits.request_timeout = Duration::from_millis(50);
        tenant.agents = agents(1);
    })
    .await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Timeout, 1));
    assert_eq!(seen.page_codes(), [ResponseCode::Timeout; 3]);
}

#[tokio::test]
async fn connect_timeout_is_told_from_request_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap());
    let (fetched, seen) = fetch(&base_url, |tenant| tenant.limits.request_timeout = Duration::from_millis(300)).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Timeout, 3));
    let message = fetched.error.unwrap().message;
    assert!(message.starts_with("No connection to") && message.contains("within 150 ms"), "{message}");
    assert_eq!(seen.codes(Endpoint::Token), [ResponseCode::Timeout; 3]);
}

#[tokio::test]
async fn a_server_without_http_is_a_connect_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        for banner in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"HTTP/9.9 200 OK\r\n\r\n", b"\0\0\0\0"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(banner).await;
        }
    });
    let (fetched, _) = fetch(&format!("http://{address}"), |_| ()).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Connect, 3));
    server.await.unwrap();
}
