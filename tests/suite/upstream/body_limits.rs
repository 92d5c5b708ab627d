//! Sizes and encodings of bodies.

use proptest::prelude::*;

use super::*;

async fn fetch(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> (FetchResult, Arc<RecordingObserver>) {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, answer).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(1));
    (harness.fetch().await, harness.observer)
}

#[tokio::test]
async fn gzip_bodies_are_counted_decompressed() {
    let (fetched, seen) = fetch(|request| honest(request).gzip()).await;
    assert_exact(&fetched, 1);
    let plain = seen.requests.lock().unwrap().iter().map(|(_, _, bytes)| *bytes).max().unwrap();
    assert!(plain > 200, "{plain}");
}

#[tokio::test]
async fn slow_bodies_are_read_to_their_end() {
    let (fetched, _) = fetch(|request| honest(request).byte_by_byte()).await;
    assert_exact(&fetched, 1);
    let (fetched, _) = fetch(|request| honest(request).gzip().byte_by_byte()).await;
    assert_exact(&fetched, 1);
    let (fetched, _) = fetch(|request| honest(request).until_close()).await;
    assert_exact(&fetched, 1);
}

#[tokio::test]
async fn gzip_bombs_and_endless_bodies_stop_at_the_limit() {
    let bomb = Response::json(vec![b' '; 48 * 1024 * 1024]).gzip();
    let endless = Response::json(vec![b' '; 64 * 1024]).endless();
    for answer in [bomb, endless] {
        let (fetched, seen) = fetch(move |_| answer.clone()).await;
        assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::TooMuch, 1));
        assert_eq!(seen.page_codes(), [ResponseCode::Decode]);
        let read = seen.requests.lock().unwrap().last().unwrap().2;
        let limit = 32 * 1024 * 1024;
        assert!(read > limit && read < limit + 1024 * 1024, "{read}");
    }
}

#[tokio::test]
async fn a_content_length_over_the_limit_is_not_read() {
    let (fetched, seen) = fetch(|_| Response::status(200).body(vec![b' '; 33 * 1024 * 1024])).await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::TooMuch, 1));
    assert_eq!(seen.requests.lock().unwrap().last().unwrap().2, 0);
}

#[tokio::test]
async fn endless_token_and_error_bodies_stop_at_the_limit() {
    let clock = clock();
    let upstream = ScriptedServer::start_raw(&clock, |_| Response::json(vec![b' '; 16 * 1024]).endless()).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    assert_eq!(failure(&harness.fetch().await), (Endpoint::Token, ErrorKind::TooMuch, 3));

    let (fetched, seen) = fetch(|_| Response::status(400).body(vec![b'x'; 16 * 1024]).endless()).await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::BadRequest, 1));
    assert!(!fetched.error.unwrap().message.contains("xxx"));
    assert_eq!(seen.page_codes(), [ResponseCode::Status(400)]);
}

#[tokio::test]
async fn undocumented_bodies_count_as_decode() {
    let cases = [
        ("html", Response::status(200).header("Content-Type", "text/html").body("<html>login</html>")),
        ("no json", Response::json("nonsense")),
        ("another shape", Response::json("[1, 2]")),
        ("deep nesting", Response::json("[".repeat(100_000) + &"]".repeat(100_000))),
        ("a huge number", Response::json(r#"{"data":1e999}"#)),
        ("two values", Response::json("{} {}")),
        ("UTF-16", Response::json(&b"\xff\xfe{\0}\0"[..])),
        ("empty", Response::json("")),
        ("blank", Response::json("\u{feff} \r\n")),
        ("bad gzip", Response::json("{}").header("Content-Encoding", "gzip")),
        ("another encoding", Response::json("\x01\x02").header("Content-Encoding", "br")),
    ];
    for (name, answer) in cases {
        let (fetched, seen) = fetch(move |_| answer.clone()).await;
        let error = fetched.error.unwrap();
        let kind = if name == "html" { ErrorKind::NotJson } else { ErrorKind::Decode };
        assert_eq!((error.endpoint, error.kind), (Endpoint::Presence, kind), "{name}: {error}");
        assert!(seen.page_codes().iter().all(|code| *code == ResponseCode::Decode), "{name}");
    }
}

/// A body that is damaged somewhere, or random.
fn damaged_body() -> impl Strategy<Value = Vec<u8>> {
    let page = r#"{"data":[{"agentId":"1000000000000000000","startTime":"2023-11-14T21:00:00Z","endTime":"2023-11-14T22:00:00Z",
        "states":[{"state":"Avail\ud83d\ude00able","duration":1800}]}],"nextPageToken":""}"#;
    let flipped = proptest::collection::vec((0..page.len(), any::<u8>()), 0..4).prop_map(move |changes| {
        let mut bytes = page.as_bytes().to_vec();
        changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        bytes
    });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), flipped, "\\PC{0,60}".prop_map(String::into_bytes)]
}

/// How a body is sent: in how many members of gzip (none: as it is), cut after so many of a thousand parts.
fn sent(body: &[u8], members: usize, cut: usize) -> Vec<u8> {
    let parts = body.chunks(body.len() / members.max(1) + 1);
    let bytes = match members {
        0 => body.to_vec(),
        _ => parts.flat_map(|part| Response::json(part).gzip().into_body()).collect(),
    };
    bytes[..bytes.len() * cut / 1000].to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Any bytes with any headers are an answer or an error, for pages and tokens, and no error holds the secret.
    #[test]
    fn any_response_is_an_answer_or_an_error(
        body in damaged_body(),
        members in 0_usize..4,
        cut in prop_oneof![2 => Just(1000_usize), 1 => 0_usize..1000],
        encoding in prop_oneof![Just(""), Just("gzip"), Just("X-GZip"), Just("br"), Just("identity, gzip"), Just("\u{e9}")],
        status in prop_oneof![4 => Just(200_u16), 1 => Just(204), 1 => Just(400), 1 => Just(503)],
        broken_after in proptest::option::of(0_usize..400),
        is_token in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = clock();
            let mut response = Response::status(status).body(sent(&[&body, SECRET.as_bytes()].concat(), members, cut));
            if !encoding.is_empty() {
                response = response.header("Content-Encoding", encoding);
            }
            if let Some(bytes) = broken_after {
                response = response.cut_after(bytes);
            }
            let upstream = ScriptedServer::start_raw(&clock, move |request| match request.path() {
                "/oauth/token" if !is_token => Response::token("token-1", "3600"),
                _ => response.clone(),
            })
            .await;
            let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(1));
            let fetched = harness.fetch().await;
            assert_eq!((fetched.answered.len() + fetched.failed.len(), fetched.error.is_some()), (1, !fetched.failed.is_empty()));
            let message = fetched.error.map(|error| error.message).unwrap_or_default();
            // A body may be cut within the secret.
            assert!(!message.contains(SECRET), "{message}");
        });
    }
}
