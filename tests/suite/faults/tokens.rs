//! Faults of tokens and of the token endpoint.

use super::*;

fn issued(token: &str, life: &str) -> Response {
    Response::token(token, life)
}

#[tokio::test]
async fn token_endpoint_statuses() {
    check(vec![
        ("400", token(Response::status(400)), failed("token:400=1", 0.0, &["may not be one for client credentials"])),
        ("401", token(Response::status(401)), failed("token:401=1", 0.0, &["client id or the client secret is wrong"])),
        ("403", token(Response::status(403)), failed("token:403=1", 0.0, &["is disabled or lacks permission"])),
        ("404", token(Response::status(404)), failed("token:404=1", 0.0, &["(404)"])),
        ("500 once", token_once(Response::status(500)), healed("200=4 token:200=1 token:500=1", 1.0)),
        ("500 always", token(Response::status(500)), failed("token:500=3", 2.0, &["(500)"])),
        ("cut always", token(issued("t", "60").cut_after(20)), failed("token:connect=3", 2.0, &["was cut"])),
        ("429 without Retry-After", token_once(Response::status(429)), healed("200=4 token:200=1 token:429=1", 1.0)),
    ])
    .await;
}

#[tokio::test]
async fn unusable_tokens() {
    let refused = |part: &'static [&'static str]| failed("token:decode=1", 0.0, part);
    check(vec![
        ("empty", token(issued("", "60")), refused(&["its `access_token` is empty"])),
        ("with a line break", token(issued(r"pl4nted\r\nX-Evil: 1", "60")), refused(&["holds spaces, line breaks"])),
        ("with a NUL", token(issued(r"pl4nted\u0000", "60")), refused(&["holds spaces, line breaks"])),
        ("too long", token(issued(&"x".repeat(17 * 1024), "60")), refused(&["is longer than 16 KiB"])),
        ("null", token(Response::json(r#"{"access_token":null}"#)), refused(&["no `access_token` could be read"])),
        ("missing", token(Response::json("{}")), refused(&["no `access_token` could be read"])),
        ("not JSON", token(Response::json("pl4nted")), refused(&["no `access_token` could be read"])),
        (
            "a login page",
            token(Response::status(200).header("Content-Type", "text/html").body("<html>")),
            refused(&["with text/html instead of JSON"]),
        ),
        ("no body", token(Response::status(204)), refused(&["no `access_token` could be read"])),
        ("empty 200", token(Response::status(200)), refused(&["it is empty"])),
        ("blank 200", token(Response::json("\u{feff} \n")), refused(&["it is empty"])),
        (
            "an error of RFC 6749",
            token(Response::json(r#"{"error":"invalid_client","error_description":"unknown\nclient"}"#)),
            refused(&["no `access_token` could be read from it; it reports the error invalid_client: unknown client."]),
        ),
        (
            "an error that quotes the secret",
            token(Response::json(r#"{"error":{"message":"not pl4nted/s3cret+of=the house"}}"#)),
            refused(&["it reports the error <secret>"]),
        ),
        ("an error that is a number", token(Response::json(r#"{"error":7}"#)), refused(&["could be read from it."])),
    ])
    .await;
}

#[tokio::test]
async fn token_responses_with_invalid_unicode_are_repaired() {
    let repaired = || healed("200=4 token:200=1", 0.0);
    let with = |scope: &[u8]| {
        let body = [br#"{"access_token":"pl4nted-t0ken","expires_in":60,"scope":""#, scope, br#""}"#].concat();
        token(Response::json(body))
    };
    let lone_surrogate_in =
        |field: &str| token(Response::json(format!(r#"{{"access_token":"pl4nted-t0ken","{field}":"\ud83d"}}"#)));
    check(vec![
        ("bytes that are not UTF-8", with(b"\xff\xc3"), repaired()),
        ("half a surrogate pair", with(br"\ud83d"), repaired()),
        ("half a surrogate pair in expires_in", lone_surrogate_in("expires_in"), repaired()),
        ("half a surrogate pair in a key", lone_surrogate_in(r"\udfff"), repaired()),
        (
            "in the token itself",
            token(issued(r"pl4nted\ud83d", "60")),
            failed("token:decode=1", 0.0, &["holds spaces, line breaks"]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn token_expires_in() {
    let lives = |life: &'static str| {
        Fault::new(Hits::EveryToken, move |request| issued(&format!("{TOKEN}-{}", request.nth), life))
    };
    check(vec![
        ("never expires", lives("1e300"), healed("200=4 token:200=1", 0.0)),
        ("of words", lives(r#""soon""#), healed("200=4 token:200=1", 0.0)),
        ("null", lives("null"), healed("200=4 token:200=1", 0.0)),
        ("of digits in quotes", lives(r#""60""#), healed("200=4 token:200=1", 0.0)),
        // It is used for one request only.
        ("expires at once", lives("0"), healed("200=4 token:200=4", 0.0)),
        ("expired before", lives("-5"), healed("200=4 token:200=4", 0.0)),
    ])
    .await;
}
