//! The web configuration as it changes, and what it refuses.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;
use crate::clock::DrivenClock;
use crate::exposition::{Negotiated, assemble};
use crate::metrics::BuildInfo;
use crate::presence::Timestamp;
use crate::web::limits::MAX_PASSWORDS_WAITING;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TLS: &str = "tls_server_config: { cert_file: server.pem, key_file: server.key }\n";
/// `correct horse`, at bcrypt's least cost.
const USERS: &str = "basic_auth_users: { alice: $2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e }\n";

/// A folder with certificates and a `web.yml`, as it is served.
struct Served {
    folder: tempfile::TempDir,
    clock: DrivenClock,
    live: LiveWebConfig,
}

impl Served {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["server.pem", "server.key"] {
            fs::copy(Path::new("tests/configs/web").join(name), folder.path().join(name)).unwrap();
        }
        let file = folder.path().join("web.yml");
        fs::write(&file, text).unwrap();
        let clock = DrivenClock::new(Timestamp::from_seconds(0));
        let build = BuildInfo { version: "0", revision: "0", rustc: "0" };
        let exporter = Arc::new(ExporterInstruments::new(Arc::new(clock.clone()), build));
        let live = LiveWebConfig::open(&file, Arc::new(clock.clone()), exporter).unwrap();
        Self { folder, clock, live }
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("web.yml"), text).unwrap();
    }

    fn rejected(&self, reason: HttpRejection) -> u64 {
        let text = assemble(&[self.live.exporter.block()], Negotiated::default()).chunks.concat();
        let series = format!("cxone_exporter_http_rejected_total{{reason=\"{}\"}} ", reason.label());
        let text = String::from_utf8(text).unwrap();
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    }
}

#[test]
fn faulty_web_config_is_read_again_after_a_second() {
    let served = Served::new(TLS);
    served.write(&format!("{}{USERS}", TLS.replace("server.pem", "new.pem")));
    assert!(served.live.current().config.users.is_empty(), "new.pem is missing");
    // The file is not one of those that are watched, as the active configuration does not name it.
    fs::copy(served.folder.path().join("server.pem"), served.folder.path().join("new.pem")).unwrap();
    served.clock.advance(WEB_CONFIG_RETRY - Duration::from_nanos(1));
    assert!(served.live.current().config.users.is_empty());
    served.clock.advance(Duration::from_nanos(1));
    assert_eq!(served.live.current().config.users.len(), 1);
}

#[test]
fn http2_is_fixed_at_start_up() {
    for (first, second, http2) in [(true, false, &[&b"h2"[..], b"http/1.1"][..]), (false, true, &[b"http/1.1"])] {
        let text = |http2: bool| format!("{TLS}http_server_config: {{ http2: {http2} }}\n");
        let served = Served::new(&text(first));
        served.write(&format!("{}{USERS}", text(second)));
        let active = served.live.current();
        assert_eq!((active.config.users.len(), active.config.http2), (1, first));
        assert_eq!(active.tls.as_ref().unwrap().alpn_protocols, http2);
    }
}

#[tokio::test]
async fn refusals_are_counted_by_reason() {
    let served = Served::new(&format!("{USERS}rate_limit: {{ interval: 1s, burst: 2 }}\n"));
    let refuse = async |status: StatusCode, reason: HttpRejection| {
        let refusal = served.live.refuse(&served.live.current(), &HeaderMap::new(), PEER).await.unwrap();
        assert_eq!((refusal.status(), served.rejected(reason)), (status, 1), "{reason:?}");
    };
    refuse(StatusCode::UNAUTHORIZED, HttpRejection::Unauthorized).await;
    let queue = &served.live.auth.queue;
    let _running = queue.turn(PEER).await.unwrap();
    let mut waiting: Vec<_> = (0..MAX_PASSWORDS_WAITING).map(|_| Box::pin(queue.turn(PEER))).collect();
    waiting.iter_mut().for_each(|turn| assert!(turn.now_or_never().is_none()));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic YWxpY2U6eA=="));
    let refusal = served.live.refuse(&served.live.current(), &headers, PEER).await.unwrap();
    assert_eq!((refusal.status(), served.rejected(HttpRejection::MaxRequests)), (StatusCode::SERVICE_UNAVAILABLE, 1));
    refuse(StatusCode::TOO_MANY_REQUESTS, HttpRejection::RateLimit).await;
}

#[test]
fn configured_header_replaces_that_of_the_handler() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let headers = "{ Content-Security-Policy: \"default-src 'none'\", X-Frame-Options: deny, X-XSS-Protection: \" \" }";
    fs::write(&file, format!("http_server_config: {{ headers: {headers} }}")).unwrap();
    let active = ActiveConfig::read(&file, None).unwrap();
    let mut response = text(StatusCode::OK, "page");
    let own = [
        ("content-security-policy", "default-src 'self'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-xss-protection", "0"),
    ];
    for (name, value) in own {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    active.apply_headers(&mut response);
    let expected = [
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "deny"),
        // A blank value neither sets nor removes a header.
        ("x-xss-protection", "0"),
    ];
    for (name, value) in expected {
        let values: Vec<_> = response.headers().get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
}
