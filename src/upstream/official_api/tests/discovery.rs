//! The steps in which the address of the API is discovered.

use super::*;
use crate::upstream::official_api::discovery;

const TENANT: Option<&str> = Some("11ed");
const NO_TENANT: Option<&str> = None;

/// A request: whether it has a tenant id, and whether it has the token.
type Asked = (bool, bool);

/// An issuer whose answers are `answers`, one after the other, and the requests that it received.
async fn issuer(answers: Vec<(u16, String)>) -> (Url, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let (seen, own) = (Arc::clone(&asked), base.clone());
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            assert!(head.starts_with("GET /.well-known/cxone-configuration"), "{head}");
            let has_token = head.to_ascii_lowercase().contains("authorization: bearer token-1");
            seen.lock().unwrap().push((head.contains("tenantId=11ed"), has_token));
            let body = body.replace("OWN", own.as_str().trim_end_matches('/'));
            let length = body.len();
            let response =
                format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    });
    (base, asked)
}

/// The address that is found, or the kind of the failure; and the requests.
async fn discover(
    tenant_id: Option<&str>,
    fallback: Option<&str>,
    answers: Vec<(u16, String)>,
) -> (Result<String, ErrorKind>, Vec<Asked>) {
    let (base, asked) = issuer(answers).await;
    let clock = DrivenClock::new(NOW);
    let mut tenant = fixture::tenant("acme", 0);
    (tenant.api, tenant.connection.base_url) = (Api::Official, base.clone());
    tenant.official = Some(Official::by_access_key(base.join("/token").unwrap(), "key-id", "key-secret"));
    let source = ApiTest::source(&Arc::new(tenant), &clock);
    let trusted = TrustedHosts::new(&base, None, &[]);
    let context = FetchContext::new(clock.monotonic() + Duration::from_secs(30));
    let fallback: Option<Url> = fallback.map(|url| url.parse().unwrap());
    let client = &source.session.client;
    let found = discovery::api_endpoint(client, &trusted, tenant_id, "token-1", fallback.as_ref(), &context).await;
    let found = found.map(|url| url.path().to_owned()).map_err(|failure| failure.error.kind);
    let asked = asked.lock().unwrap().clone();
    (found, asked)
}

fn refusals(statuses: &[u16]) -> Vec<(u16, String)> {
    statuses.iter().map(|status| (*status, String::new())).collect()
}

fn document() -> (u16, String) {
    (200, r#"{"api_endpoint":"OWN/found"}"#.to_owned())
}

#[tokio::test]
async fn discovery_asks_without_token_then_with_it_then_without_tenant() {
    // The tenant id, the refusals before the document, and the requests.
    let all = [(true, false), (true, true), (false, true)];
    let table: [(Option<&str>, &[u16], &[Asked]); 8] = [
        (TENANT, &[], &all[..1]),
        (TENANT, &[401], &all[..2]),
        (TENANT, &[403], &all[..2]),
        (TENANT, &[404], &all[..2]),
        (TENANT, &[401, 404], &all),
        (TENANT, &[400, 400], &all),
        (NO_TENANT, &[], &[(false, false)]),
        (NO_TENANT, &[401], &[(false, false), (false, true)]),
    ];
    for (tenant_id, refused, asked) in table {
        let answers = [refusals(refused), vec![document()]].concat();
        let found = discover(tenant_id, Some("https://area.example/area"), answers).await;
        assert_eq!(found, (Ok("/found".to_owned()), asked.to_vec()), "{tenant_id:?} {refused:?}");
    }
}

#[tokio::test]
async fn discovery_falls_back_to_the_address_of_the_area() {
    for (tenant_id, refused) in [(TENANT, &[404, 404, 404][..]), (NO_TENANT, &[401, 403])] {
        let found = discover(tenant_id, Some("https://area.example/area"), refusals(refused)).await;
        assert_eq!((found.0, found.1.len()), (Ok("/area".to_owned()), refused.len()), "{tenant_id:?}");
        // Without an area, the first refusal is the reason.
        let found = discover(tenant_id, None, refusals(refused)).await;
        let reason = if refused[0] == 401 { ErrorKind::Unauthorized } else { ErrorKind::UnexpectedStatus };
        assert_eq!((found.0, found.1.len()), (Err(reason), refused.len()), "{tenant_id:?}");
    }
}

#[tokio::test]
async fn discovery_skips_a_document_without_an_address() {
    for body in ["{}", r#"{"api_endpoint":null}"#, "<html>"] {
        let found = discover(TENANT, None, vec![(200, body.to_owned()), document()]).await;
        assert_eq!((found.0, found.1.len()), (Ok("/found".to_owned()), 2), "{body}");
    }
}

#[tokio::test]
async fn discovery_ends_at_a_failure_that_is_no_refusal() {
    let foreign = (200, r#"{"api_endpoint":"https://evil.example"}"#.to_owned());
    let table = [
        ((500, String::new()), ErrorKind::Server),
        ((429, String::new()), ErrorKind::RateLimited { retry_after: None }),
        (foreign, ErrorKind::ForeignAddress),
    ];
    for (answer, kind) in table {
        for nth in 0..3 {
            let answers = [refusals(&vec![404; nth]), vec![answer.clone()]].concat();
            let found = discover(TENANT, Some("https://area.example/area"), answers).await;
            let is_kind = |error: &ErrorKind| std::mem::discriminant(error) == std::mem::discriminant(&kind);
            assert!(found.0.as_ref().is_err_and(is_kind), "{answer:?}: {found:?}");
            assert_eq!(found.1.len(), nth + 1, "{answer:?}");
        }
    }
}
