//! Connections that are not made: DNS, refusal, TLS, redirects, time.

use super::*;

async fn fetch(base_url: &str, change: impl FnOnce(&mut Tenant)) -> (FetchResult, Arc<RecordingObserver>) {
    let clock = clock();
    let harness = SourceHarness::new(&clock, base_url, change);
    (harness.fetch().await, harness.observer)
}

#[tokio::test]
async fn a_refused_connection_is_tried_three_times_and_speaks_for_all_batches() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (fetched, seen) = fetch(&format!("http://{unused}"), |_| ()).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Connect, 3));
    assert_eq!(seen.codes(Endpoint::Token), [ResponseCode::Connect; 3]);
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_told_apart() {
    // A label of more than 63 bytes never leaves the machine: there is no such query.
    let (fetched, seen) = fetch(&format!("http://{}.localdomain", "a".repeat(70)), |_| ()).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Dns, 3));
    assert_eq!(seen.codes(Endpoint::Token), [ResponseCode::Connect; 3]);
}

#[tokio::test]
async fn something_else_than_tls_is_told_apart_and_not_tried_again() {
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
async fn a_certificate_of_nobody_that_is_trusted_is_told_apart_and_not_tried_again() {
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

/// Shakes hands once with a certificate that nobody vouches for; whether the client broke off.
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
async fn a_redirect_is_never_followed() {
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
async fn a_slow_upstream_costs_request_timeout_each_time_and_fails_its_batches() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |_| Response::json("{\"data\":[]}").stall_after(60)).await;
    let (fetched, seen) = fetch(&upstream.base_url(), |tenant| {
        tenant.request_timeout = Duration::from_millis(50);
        tenant.agents = agents(1);
    })
    .await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Timeout, 1));
    assert_eq!(seen.page_codes(), [ResponseCode::Timeout; 3]);
}

#[tokio::test]
async fn a_host_that_never_shakes_hands_is_told_from_one_that_is_slow_to_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap());
    let (fetched, seen) = fetch(&base_url, |tenant| tenant.request_timeout = Duration::from_millis(300)).await;
    assert_eq!(failure(&fetched), (Endpoint::Token, ErrorKind::Timeout, 3));
    let message = fetched.error.unwrap().message;
    assert!(message.starts_with("No connection to") && message.contains("within 150 ms"), "{message}");
    assert_eq!(seen.codes(Endpoint::Token), [ResponseCode::Timeout; 3]);
}

#[tokio::test]
async fn what_is_not_http_is_a_broken_connection() {
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
