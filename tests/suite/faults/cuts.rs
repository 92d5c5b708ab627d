//! Connections that are cut or stall, at each phase of a response.

use super::*;

const BODY: &str = r#"{"data":[]}"#;

/// The length of the head of a response with [`BODY`].
fn head() -> usize {
    Response::json(BODY).head_length()
}

fn cut(bytes: usize) -> Response {
    Response::json(BODY).cut_after(bytes)
}

fn stall(bytes: usize) -> Response {
    Response::json(BODY).stall_after(bytes)
}

#[tokio::test]
async fn cut_connections() {
    let healed = || healed("200=4 connect=1", 1.0);
    check(vec![
        ("before the head", once(cut(0)), healed()),
        ("in the status line", once(cut(7)), healed()),
        ("in the headers", once(cut(30)), healed()),
        ("before the body", once(cut(head())), healed()),
        ("in the body", once(cut(head() + 5)), healed()),
        ("before the last byte", once(cut(head() + BODY.len() - 1)), healed()),
        (
            "of the token, in the body",
            token_once(Response::token("t", "60").cut_after(90)),
            super::healed("200=4 token:200=1 token:connect=1", 1.0),
        ),
        (
            "always, before the head",
            every(cut(0)),
            failed("connect=6", 4.0, &["was cut before its answer was complete"]),
        ),
        ("always, in the body", every(cut(head() + 3)), failed("connect=6", 4.0, &["was cut"])),
        ("one page, always", last(cut(head() + 3)), partial("200=3 connect=3", 2.0, &["was cut"])),
        ("chunks that end early", once(Response::json(BODY).endless().cut_after(200)), healed()),
        (
            "compression that ends early",
            once(Response::json("{}").gzip().body(&b"\x1f\x8b\x08\0\0\0\0\0"[..])),
            healed(),
        ),
        (
            "a body that ends early by its own length",
            once(Response::json(r#"{"data":["#)),
            super::healed("200=4 decode=1", 1.0),
        ),
        (
            "a body that ends early by the connection's end",
            once(Response::json(r#"{"data":["#).until_close()),
            super::healed("200=4 decode=1", 1.0),
        ),
    ])
    .await;
}

#[tokio::test]
async fn stalled_connections() {
    let healed = || healed("200=4 timeout=1", 1.0);
    check(vec![
        ("before the head", once(stall(0)).with_short_timeout(), healed()),
        ("in the head", once(stall(40)).with_short_timeout(), healed()),
        ("in the body", once(stall(head() + 4)).with_short_timeout(), healed()),
        (
            "of the token",
            token_once(Response::token("t", "60").stall_after(90)).with_short_timeout(),
            super::healed("200=4 token:200=1 token:timeout=1", 1.0),
        ),
    ])
    .await;
}

#[tokio::test]
async fn always_stalled_connections() {
    check(vec![
        (
            "one page",
            last(stall(0)).with_short_timeout(),
            partial("200=3 timeout=3", 2.0, &["did not answer in full within"]),
        ),
        (
            "the token",
            token(Response::token("t", "60").stall_after(0)).with_short_timeout(),
            failed("token:timeout=3", 2.0, &["did not answer in full"]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn slow_bodies() {
    let slowly = |request: &Request| Response::json(page(request, 1)).byte_by_byte();
    let compressed = |request: &Request| Response::json(page(request, 1)).gzip().byte_by_byte();
    let unannounced = |request: &Request| Response::json(page(request, 1)).until_close();
    check(vec![
        ("byte by byte", Fault::new(Hits::EveryPage, slowly), healed("200=4", 0.0)),
        ("compressed, byte by byte", Fault::new(Hits::EveryPage, compressed), healed("200=4", 0.0)),
        ("without a length", Fault::new(Hits::EveryPage, unannounced), healed("200=4", 0.0)),
    ])
    .await;
}
