//! Every class of status, and redirects.

use super::*;

/// The first request fails, and cancels the refresh.
fn cancelled(warnings: &'static [&'static str], codes: &'static str) -> Outcome {
    failed(codes, 0.0, warnings)
}

#[tokio::test]
async fn server_errors() {
    check(vec![
        ("500 once", once(Response::status(500).body("oops")), healed("200=4 500=1", 1.0)),
        ("502 once", once(Response::status(502)), healed("200=4 502=1", 1.0)),
        ("503 once", once(Response::status(503)), healed("200=4 503=1", 1.0)),
        ("504 once", once(Response::status(504)), healed("200=4 504=1", 1.0)),
        ("599 once", once(Response::status(599)), healed("200=4 599=1", 1.0)),
        ("408 once", once(Response::status(408)), healed("200=4 408=1", 1.0)),
        ("500 always", every(Response::status(500)), failed("500=6", 4.0, &["server error (500)"])),
        ("501 always", every(Response::status(501)), failed("501=6", 4.0, &["(501)"])),
        ("503 on one page", last(Response::status(503)), partial("200=3 503=3", 2.0, &["result=partial"])),
        ("408 on one page", last(Response::status(408)), partial("200=3 408=3", 2.0, &["(408)"])),
    ])
    .await;
}

#[tokio::test]
async fn client_errors() {
    let echo = "no good: pl4nted/s3cret+of=the house, Bearer pl4nted-t0ken-0";
    check(vec![
        (
            "400",
            last(Response::status(400).body("the interval\r\nis wrong")),
            partial("200=3 400=1", 0.0, &["It said: the interval is wrong"]),
        ),
        ("400 without a body", every(Response::status(400)), cancelled(&["(400)"], "400=2")),
        (
            "400 that echoes",
            last(Response::status(400).body(echo.replace("Bearer ", ""))),
            partial("200=3 400=1", 0.0, &["It said: <secret>"]),
        ),
        ("402", every(Response::status(402)), cancelled(&["unexpected status (402)"], "402=2")),
        ("403", every(Response::status(403)), cancelled(&["reporting:read"], "403=1")),
        ("403 on one page", last(Response::status(403)), partial("200=3 403=1", 0.0, &["(403)"])),
        ("404", every(Response::status(404)), cancelled(&["does not know the presence API (404)"], "404=2")),
        ("405", every(Response::status(405)), cancelled(&["(405)"], "405=2")),
        ("410", last(Response::status(410)), partial("200=3 410=1", 0.0, &["(410)"])),
        ("413", last(Response::status(413)), partial("200=3 413=1", 0.0, &["(413)"])),
        (
            "418 of a proxy",
            last(Response::status(418).body("<h1>teapot</h1>")),
            partial("200=3 418=1", 0.0, &["teapot"]),
        ),
        ("431", last(Response::status(431)), partial("200=3 431=1", 0.0, &["(431)"])),
        ("451", last(Response::status(451)), partial("200=3 451=1", 0.0, &["(451)"])),
        ("a status of no class", last(Response::status(799)), partial("200=3 other=1", 0.0, &["(799)"])),
        ("304 though nothing was kept", last(Response::status(304)), partial("200=3 304=1", 0.0, &["(304)"])),
    ])
    .await;
}

#[tokio::test]
async fn unusual_2xx_statuses() {
    let nothing = [Data::New, Data::Only(&[("Available", 1200.0), ("Offline", 2400.0)])];
    check(vec![
        (
            "201",
            Fault::new(Hits::EveryPage, |request| Response::json(page(request, 1)).with_status(201)),
            healed("201=4", 0.0),
        ),
        ("204", last(Response::status(204)), healed("200=3 204=1", 0.0).serving(nothing)),
        ("200 without a body", last(Response::status(200)), partial("200=3 decode=1", 0.0, &["it is empty"])),
        ("200 with blanks", last(Response::json(" \r\n\t")), partial("200=3 decode=1", 0.0, &["it is empty"])),
        (
            "200 with a byte order mark",
            last(Response::json("\u{feff}")),
            partial("200=3 decode=1", 0.0, &["it is empty"]),
        ),
        (
            "200 without a body, compressed",
            last(Response::json("").gzip()),
            partial("200=3 decode=1", 0.0, &["it is empty"]),
        ),
        ("204 for everything", every(Response::status(204)), failed("204=2", 0.0, &["lacks buckets"])),
    ])
    .await;
}

#[tokio::test]
async fn redirects() {
    let elsewhere = ScriptedServer::start_raw(&DrivenClock::new(NOW), |_| panic!("a redirect was followed")).await;
    let target = format!("{}/take?token=pl4nted", elsewhere.base_url());
    let to = |status: u16| Response::status(status).header("Location", target.clone());
    let said: &[&str] = &["redirects to 127.0.0.1 "];
    check(vec![
        ("301", every(to(301)), cancelled(said, "301=1")),
        ("302 of a login page", every(to(302)), cancelled(said, "302=1")),
        ("303", every(to(303)), cancelled(said, "303=1")),
        ("307 for one page", last(to(307)), partial("200=3 307=1", 0.0, said)),
        (
            "308 without an address",
            every(Response::status(308)),
            cancelled(&["an address that cannot be read"], "308=1"),
        ),
        ("307 for the token", token(to(307)), cancelled(said, "token:307=1")),
        ("a redirect to itself", every(Response::status(302).header("Location", "?again")), cancelled(said, "302=1")),
    ])
    .await;
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn refused_tokens() {
    let not_the_first = |request: &Request, refused: &[&str]| {
        let token = request.header("Authorization").unwrap();
        let is_refused = refused.iter().any(|nth| token.ends_with(nth));
        if is_refused { Response::status(401) } else { Response::json(page(request, 1)) }
    };
    check(vec![
        (
            "a token revoked before a page",
            Fault::new(Hits::EveryPage, move |request| not_the_first(request, &["-0"])),
            healed("200=4 401=1 token:200=1", 1.0),
        ),
        (
            "a token revoked between pages",
            Fault::new(Hits::LastPage, move |request| not_the_first(request, &["-0"])),
            healed("200=4 401=1 token:200=1", 1.0),
        ),
        (
            "every token refused",
            every(Response::status(401)),
            failed("401=2 token:200=1", 1.0, &["A newly issued token was refused as well"]),
        ),
        (
            "every token refused for one page",
            last(Response::status(401)),
            partial("200=3 401=2 token:200=1", 1.0, &["(401)"]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn last_error_tells_refused_credentials_from_an_outage() {
    let revoked = |request: &Request| request.header("Authorization").unwrap().ends_with("-0");
    let outage = move |request: &Request| Response::status(if revoked(request) { 401 } else { 500 });
    let rows = [
        (every(Response::status(401)), "presence unauthorized"),
        (every(Response::status(403)), "presence forbidden"),
        (token(Response::status(400)), "token bad_request"),
        (token(Response::status(401)), "token unauthorized"),
        (Fault::new(Hits::EveryPage, outage), "presence server_error"),
        (token(Response::status(503)), "token server_error"),
        (every(Response::status(429).header("Retry-After", "3000")), "presence rate_limited"),
    ];
    for (fault, expected) in rows {
        let (clock, phase) = (DrivenClock::new(NOW), Arc::new(AtomicU8::new(0)));
        let upstream = upstream(&clock, fault, &phase).await;
        let app = TestAppBuilder::new(&upstream.base_url()).start(&clock).await;
        assert_eq!(last_error(&app.scrape().await), None);
        clock.advance(COOLDOWN);
        phase.store(1, Ordering::Relaxed);
        assert_eq!(last_error(&app.scrape().await).as_deref(), Some(expected));
    }
}
