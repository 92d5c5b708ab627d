//! 429 and `Retry-After` in every form, within and past `refresh_timeout`.

use super::*;

fn limited() -> Response {
    Response::status(429)
}

fn after(value: &str) -> Response {
    limited().header("Retry-After", value)
}

#[tokio::test]
async fn retry_after_within_refresh_timeout() {
    let healed = || healed("200=4 429=1", 1.0);
    check(vec![
        ("429 without Retry-After", once(limited()), healed()),
        ("seconds", once(after("30")), healed()),
        ("a fraction", once(after("29.2")), healed()),
        ("a date", once(after("Wed, 11 Mar 2026 15:01:30 GMT")), healed()),
        ("a date of the old form", once(after("Wednesday, 11-Mar-26 15:01:30 GMT")), healed()),
        ("zero", once(after("0")), healed()),
        ("negative", once(after("-20")), healed()),
        ("a past date", once(after("Wed, 11 Mar 2026 14:00:00 GMT")), healed()),
        ("the Unix epoch", once(after("Thu, 01 Jan 1970 00:00:00 GMT")), healed()),
        ("garbage", once(after("soon")), healed()),
        ("not a number", once(after("NaN")), healed()),
        ("hexadecimal", once(after("0xFFFF")), healed()),
        ("empty", once(after("")), healed()),
        ("several, the longest counts", once(after("1").header("Retry-After", "30")), healed()),
        ("several, one of them garbage", once(after("soon").header("Retry-After", "30")), healed()),
        ("joined by a proxy", once(after("5, 30")), healed()),
        ("on a 503", once(Response::status(503).header("Retry-After", "30")), super::healed("200=4 503=1", 1.0)),
        (
            "on a 200",
            Fault::new(Hits::FirstPage, |request| Response::json(page(request, 1)).header("Retry-After", "30")),
            super::healed("200=4", 0.0),
        ),
        ("429 of the token endpoint", token_once(after("30")), super::healed("200=4 token:200=1 token:429=1", 1.0)),
    ])
    .await;
}

#[tokio::test]
async fn retry_after_past_refresh_timeout() {
    let limit: &[&str] = &["which is longer than this refresh may take"];
    let capped: &[&str] = &["Retry-After capped", "The next request is allowed in 1 h"];
    let shut = |seconds: f64| failed("429=1", 0.0, limit).waiting(seconds..=seconds);
    let hour = || failed("429=1", 0.0, capped).waiting(3600.0..=3600.0);
    check(vec![
        ("ten minutes", every(after("599")), shut(599.0)),
        ("ten minutes as a date", every(after("Wed, 11 Mar 2026 15:10:59 GMT")), shut(599.0)),
        ("ten minutes on one page", last(after("599")), partial("200=3 429=1", 0.0, limit).waiting(599.0..=599.0)),
        (
            "ten minutes on a 503",
            every(Response::status(503).header("Retry-After", "599")),
            failed("503=1", 0.0, limit).waiting(599.0..=599.0),
        ),
        (
            "ten minutes on a 403",
            every(Response::status(403).header("Retry-After", "599")),
            failed("403=1", 0.0, &["(403)"]).waiting(599.0..=599.0),
        ),
        ("an hour and a second", every(after("3601")), hour()),
        ("a number over 64 bits", every(after("99999999999999999999999999")), hour()),
        ("the last year", every(after("Fri, 31 Dec 9999 23:59:59 GMT")), hour()),
        ("contradictory", every(after("0").header("Retry-After", "599")), shut(599.0)),
        ("of the token endpoint", token(after("599")), failed("token:429=1", 0.0, limit).waiting(599.0..=599.0)),
        ("429 always", every(limited()), failed("429=5", 4.0, &["rate-limited 5 times in a row"])),
        ("429 with Retry-After always", every(after("1")), failed("429=5", 4.0, &["rate-limited 5 times in a row"])),
    ])
    .await;
}

#[tokio::test]
async fn retry_after_dates_use_the_servers_clock() {
    let date = "Wed, 11 Mar 2026 16:01:00 GMT";
    let answer = after("Wed, 11 Mar 2026 16:01:30 GMT").header("Date", date);
    let past = after("Wed, 11 Mar 2026 16:00:30 GMT").header("Date", date);
    let skew: &[&str] = &["clock"];
    check(vec![
        ("an hour ahead", once(answer), healed("200=4 429=1", 1.0).warning(skew)),
        ("an hour ahead and past", once(past), healed("200=4 429=1", 1.0).warning(skew)),
    ])
    .await;
}
