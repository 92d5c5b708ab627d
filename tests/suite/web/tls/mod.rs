//! TLS on the wire: client certificates, versions, suites, protocols, and changing certificates.

mod parties;

use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::SanType;
use rustls::crypto::ring::{cipher_suite as suites, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, HandshakeKind, NamedGroup, SupportedProtocolVersion};

pub(super) use self::parties::Site;
use self::parties::{Authority, BOTH, Identity};
use super::*;

const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

#[tokio::test]
async fn client_auth_type_admits_the_right_clients() {
    // Whether clients are admitted without a certificate, with one of the client CA, and with one of another CA.
    let policies = [
        ("NoClientCert", false, [true, true, true]),
        ("RequestClientCert", true, [true, true, true]),
        ("RequireAnyClientCert", true, [false, true, true]),
        ("RequireClientCert", false, [false, true, true]),
        ("VerifyClientCertIfGiven", true, [true, true, false]),
        ("RequireAndVerifyClientCert", true, [false, true, false]),
    ];
    let stranger = Authority::new("Another authority").localhost();
    for (policy, with_ca, expected) in policies {
        let ca = if with_ca { "  client_ca_file: ca.pem\n" } else { "" };
        let site = Site::new(&format!("  client_auth_type: {policy}\n{ca}"));
        let known = site.authority.localhost();
        let (app, _upstream) = site.open().await;
        for versions in [ONLY_12, ONLY_13] {
            let callers = [site.caller(), site.caller().showing(&known), site.caller().showing(&stranger)];
            for (caller, expected) in callers.into_iter().zip(expected) {
                let caller = caller.speaking(versions);
                assert_eq!(caller.is_admitted(&app).await, expected, "{policy} {versions:?}");
            }
        }
        let refused = expected.iter().filter(|is_admitted| !**is_admitted).count() * 2;
        assert_eq!(rejected(&site.caller().showing(&known), &app).await, refused, "{policy}");
    }
}

#[tokio::test]
async fn without_client_ca_the_system_roots_are_used() {
    let site = Site::new("  client_auth_type: VerifyClientCertIfGiven\n");
    let (app, _upstream) = site.open().await;
    assert!(site.caller().is_admitted(&app).await);
    let stranger = site.authority.localhost();
    assert!(!site.caller().showing(&stranger).is_admitted(&app).await, "the system does not trust this authority");
}

/// The number of refused handshakes, read by an admitted client.
async fn rejected(caller: &parties::Caller, app: &TestApp) -> usize {
    let mut client = Client::from_stream(caller.connect(app).await.unwrap());
    let metrics = client.request("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap().text();
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("cxone_exporter_http_rejected_total{reason=\"tls\"} "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn client_allowed_sans_admits_only_these_names() {
    let allowed =
        "  client_allowed_sans: [scraper.example, 192.0.2.7, 2001:db8::1, ada@example.com, spiffe://example/scraper]\n";
    let verified = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";
    let site = Site::new(&format!("{verified}{allowed}"));
    let (app, _upstream) = site.open().await;
    let (dns, mail, uri) = (
        |name: &str| SanType::DnsName(name.try_into().unwrap()),
        |name: &str| SanType::Rfc822Name(name.try_into().unwrap()),
        |name: &str| SanType::URI(name.try_into().unwrap()),
    );
    let ip = |address: &str| SanType::IpAddress(address.parse().unwrap());
    let table = [
        (vec![dns("scraper.example")], true),
        (vec![dns("other.example"), dns("scraper.example")], true),
        (vec![ip("192.0.2.7")], true),
        (vec![ip("2001:db8::1")], true),
        (vec![mail("ada@example.com")], true),
        (vec![uri("spiffe://example/scraper")], true),
        (vec![], false),
        (vec![dns("other.example")], false),
        // Names are compared letter by letter, as in the toolkit.
        (vec![dns("Scraper.example")], false),
        (vec![dns("*.example")], false),
        (vec![dns("192.0.2.7")], true),
        (vec![ip("192.0.2.8")], false),
        (vec![mail("bob@example.com")], false),
        (vec![uri("spiffe://example/other")], false),
    ];
    for (names, expected) in table {
        let shown = format!("{names:?}");
        let caller = site.caller().showing(&site.authority.sign(names.clone()));
        assert_eq!(caller.is_admitted(&app).await, expected, "{shown}");
        let stranger = Authority::new("Another authority").sign(names);
        assert!(!site.caller().showing(&stranger).is_admitted(&app).await, "{shown}, of another CA");
    }
    // An empty list refuses every client.
    let site = Site::new(&format!("{verified}  client_allowed_sans: []\n"));
    let (app, _upstream) = site.open().await;
    let known = site.authority.localhost();
    assert!(!site.caller().showing(&known).is_admitted(&app).await);
    // Without a request for certificates, names have no effect, as in the toolkit; `check` warns.
    let site = Site::new(allowed);
    let (app, _upstream) = site.open().await;
    assert!(site.caller().is_admitted(&app).await);
    // A required name requires a certificate, whatever the policy says.
    let site = Site::new(&format!("  client_auth_type: RequestClientCert\n{allowed}"));
    let (app, _upstream) = site.open().await;
    assert!(!site.caller().is_admitted(&app).await);
    let stranger = Authority::new("Another authority").sign(vec![dns("scraper.example")]);
    assert!(site.caller().showing(&stranger).is_admitted(&app).await);
}

#[tokio::test]
async fn tls_versions_are_between_min_and_max() {
    let table = [
        ("", [true, true, true]),
        ("  min_version: TLS13\n", [false, true, true]),
        ("  max_version: TLS12\n", [true, false, true]),
        ("  min_version: TLS12\n  max_version: TLS13\n", [true, true, true]),
        ("  min_version: TLS13\n  max_version: TLS13\n", [false, true, true]),
    ];
    for (settings, expected) in table {
        let site = Site::new(settings);
        let (app, _upstream) = site.open().await;
        for (versions, expected) in [ONLY_12, ONLY_13, BOTH].into_iter().zip(expected) {
            assert_eq!(site.caller().speaking(versions).is_admitted(&app).await, expected, "{settings} {versions:?}");
        }
    }
}

#[tokio::test]
async fn cipher_suites_and_curves_are_the_configured_ones() {
    let (small, large) = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    let table = [
        (format!("  cipher_suites: [{large}, {small}]\n"), CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        (format!("  cipher_suites: [{small}, {large}]\n"), CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        (
            format!("  cipher_suites: [{large}, {small}]\n  prefer_server_cipher_suites: false\n"),
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ),
    ];
    for (settings, expected) in table {
        let site = Site::new(&format!("  max_version: TLS12\n  curve_preferences: [CurveP384]\n{settings}"));
        let (app, _upstream) = site.open().await;
        let mut caller = site.caller();
        caller.provider.cipher_suites =
            vec![suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384];
        caller.versions = ONLY_12;
        let stream = caller.connect(&app).await.unwrap();
        let connection = stream.get_ref().1;
        assert_eq!(connection.negotiated_cipher_suite().unwrap().suite(), expected, "{settings}");
        assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), NamedGroup::secp384r1);
        caller.provider.cipher_suites = vec![suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];
        assert!(caller.connect(&app).await.is_none(), "a suite that was not chosen");
        let mut caller = site.caller();
        caller.provider.kx_groups = vec![kx_group::X25519];
        assert!(caller.connect(&app).await.is_none(), "a curve that was not chosen");
    }
}

#[tokio::test]
async fn http2_is_negotiated_by_alpn() {
    let table: [(&str, &[&str], Option<&str>); 6] = [
        ("", &["h2", "http/1.1"], Some("h2")),
        ("", &["http/1.1", "h2"], Some("h2")),
        ("", &["http/1.1"], Some("http/1.1")),
        ("", &[], None),
        ("http_server_config: { http2: false }\n", &["h2", "http/1.1"], Some("http/1.1")),
        ("http_server_config: { http2: true }\n", &["h2"], Some("h2")),
    ];
    for (settings, offered, expected) in table {
        let site = Site::new(settings);
        let (app, _upstream) = site.open().await;
        let mut caller = site.caller();
        caller.protocols = offered.to_vec();
        let stream = caller.connect(&app).await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap());
        assert_eq!(agreed.as_deref(), expected, "{settings} {offered:?}");
        if expected != Some("h2") {
            assert!(caller.is_admitted(&app).await);
            continue;
        }
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let driving = tokio::spawn(connection);
        // Several at once, and one with a body, which ends no other request.
        let get = |path: &str| Request::get(format!("https://localhost{path}")).body(String::new()).unwrap();
        let mut beside = sender.clone();
        let mut third = sender.clone();
        let with_body = Request::get("https://localhost/sd").body("body".to_owned()).unwrap();
        let (health, sd, refused) = tokio::join!(
            sender.send_request(get("/-/healthy")),
            beside.send_request(get("/sd")),
            third.send_request(with_body),
        );
        let statuses = [health, sd, refused].map(|answer| answer.unwrap().status().as_u16());
        assert_eq!(statuses, [200, 200, 413]);
        assert_eq!(sender.send_request(get("/nowhere")).await.unwrap().status().as_u16(), 404);
        driving.abort();
    }
    // With `http2: false` there is none, even for a client that offers nothing else.
    let site = Site::new("http_server_config: { http2: false }\n");
    let (app, _upstream) = site.open().await;
    let mut caller = site.caller();
    caller.protocols = vec!["h2"];
    assert!(caller.connect(&app).await.is_none());
}

#[tokio::test]
async fn changed_certificates_apply_and_broken_ones_do_not() {
    let site = Site::new("");
    let (app, _upstream) = site.open().await;
    let caller = site.caller();
    let first = caller.sees(&app).await;
    let open = caller.connect(&app).await.unwrap();
    let second: Identity = site.authority.localhost();
    site.install(&second);
    assert_eq!(caller.sees(&app).await, *second.certificate.der());
    assert_ne!(first, *second.certificate.der());
    // Open connections continue.
    let mut open = Client::from_stream(open);
    assert_eq!(open.request("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap().status, 200);

    let place = site.folder.path().to_str().unwrap();
    let told = |message: &str| app.lines_with(message).iter().filter(|line| line.to_string().contains(place)).count();
    let gauge = async || {
        let metrics = open_metrics(&caller, &app).await;
        let name = "cxone_exporter_web_config_last_reload_successful ";
        metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
    };
    assert_eq!((gauge().await.as_str(), told("web configuration reloaded")), ("1", 1));
    let third = site.authority.localhost();
    let (key, other_key) = (third.key.serialize_pem(), first_key(&site));
    for broken in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &other_key] {
        std::fs::write(site.folder.path().join("server.pem"), broken).unwrap();
        for _ in 0..3 {
            assert_eq!(caller.sees(&app).await, *second.certificate.der(), "the last good one stays");
            app.clock.advance(std::time::Duration::from_secs(2));
        }
        assert_eq!(gauge().await, "0");
    }
    // One line per fault, however often the file is read.
    let refused = told("web configuration refused");
    assert!((1..=3).contains(&refused), "{refused} lines");
    // A certificate without its key is refused; with its key the pair applies.
    std::fs::write(site.folder.path().join("server.pem"), third.certificate.pem()).unwrap();
    assert_eq!(caller.sees(&app).await, *second.certificate.der());
    assert_eq!(gauge().await, "0");
    std::fs::write(site.folder.path().join("server.key"), key).unwrap();
    assert_eq!(caller.sees(&app).await, *third.certificate.der());
    assert_eq!((gauge().await.as_str(), told("web configuration reloaded")), ("1", 2));
}

async fn open_metrics(caller: &parties::Caller, app: &TestApp) -> String {
    let mut client = Client::from_stream(caller.connect(app).await.unwrap());
    client.request("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap().text()
}

fn first_key(site: &Site) -> String {
    std::fs::read_to_string(site.folder.path().join("server.key")).unwrap()
}

#[tokio::test]
async fn tls_handshake_failures_are_counted() {
    let site = Site::new("");
    let (app, _upstream) = site.open().await;
    let noise: [&[u8]; 4] = [
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\x01\x02garbage\r\n\r\n",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for bytes in noise {
        let mut client = Client::connect(app.address).await;
        client.send(bytes).await;
        client.closes().await;
        assert!(site.caller().is_admitted(&app).await);
    }
    assert_eq!(rejected(&site.caller(), &app).await, noise.len());
}

#[tokio::test]
async fn tls_resumption_is_off_with_client_certificates() {
    let verified = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n";
    for (settings, expected) in [("", HandshakeKind::Resumed), (verified, HandshakeKind::Full)] {
        let site = Site::new(settings);
        let (app, _upstream) = site.open().await;
        for versions in [ONLY_12, ONLY_13] {
            let caller = site.caller().showing(&site.authority.localhost()).speaking(versions);
            let connector = caller.connector();
            let mut first = Client::from_stream(parties::Caller::connect_with(&connector, &app).await.unwrap());
            // With the response come the tickets of TLS 1.3.
            assert!(first.request("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_some());
            let stream = parties::Caller::connect_with(&connector, &app).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected), "{settings} {versions:?}");
        }
    }
}
