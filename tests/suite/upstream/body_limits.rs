//! Sizes and encodings of bodies.

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
        ("not UTF-8", Response::json(&b"{\"nextPageToken\":\"\xff\"}"[..])),
        ("bad gzip", Response::json("{}").header("Content-Encoding", "gzip")),
        ("another encoding", Response::json("\x01\x02").header("Content-Encoding", "br")),
    ];
    for (name, answer) in cases {
        let (fetched, seen) = fetch(move |_| answer.clone()).await;
        let error = fetched.error.unwrap();
        assert_eq!((error.endpoint, error.kind), (Endpoint::Presence, ErrorKind::Decode), "{name}: {error}");
        assert!(seen.page_codes().iter().all(|code| *code == ResponseCode::Decode), "{name}");
    }
}
