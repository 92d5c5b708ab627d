//! Retries: how many, how soon, and which failures are final.

use std::ops::RangeInclusive;

use super::*;

/// The times of page requests, in seconds since the start of the test.
fn times(upstream: &ScriptedServer) -> Vec<f64> {
    upstream.pages().iter().map(|request| request.at.as_secs_f64()).collect()
}

fn assert_times(upstream: &ScriptedServer, expected: &[RangeInclusive<f64>]) {
    let times = times(upstream);
    assert_eq!(times.len(), expected.len(), "{times:?}");
    for (time, range) in times.iter().zip(expected) {
        assert!(range.contains(time), "{times:?} is not {expected:?}");
    }
}

#[tokio::test]
async fn transient_failures_cost_one_retry_and_no_data() {
    let cases: Vec<(&str, Response, ResponseCode)> = vec![
        ("503", Response::status(503), ResponseCode::Status(503)),
        ("500 with a body", Response::status(500).body("oops"), ResponseCode::Status(500)),
        ("408", Response::status(408), ResponseCode::Status(408)),
        ("cut before the head", Response::json("{}").cut_after(0), ResponseCode::Connect),
        ("cut in the status line", Response::json("{}").cut_after(7), ResponseCode::Connect),
        ("cut in the headers", Response::json("{}").cut_after(30), ResponseCode::Connect),
        (
            "cut before the body",
            Response::json("{\"data\":[]}").cut_after(Response::json("{\"data\":[]}").head_length()),
            ResponseCode::Connect,
        ),
        (
            "cut in the body",
            Response::json("{\"data\":[]}").cut_after(Response::json("{\"data\":[]}").head_length() + 5),
            ResponseCode::Connect,
        ),
        ("a body that ends early, by its own length", Response::json("{\"data\":["), ResponseCode::Decode),
        (
            "a body that ends early, by the end of the connection",
            Response::json("{\"data\":[").until_close(),
            ResponseCode::Decode,
        ),
        (
            "compression that ends early",
            Response::json("{}").gzip().body(&b"\x1f\x8b\x08\0\0\0\0\0"[..]),
            ResponseCode::Connect,
        ),
        ("slow headers", Response::json("{}").stall_after(0), ResponseCode::Timeout),
        ("slow body", Response::json("{\"data\":[]}").stall_after(70), ResponseCode::Timeout),
    ];
    for (name, fault, code) in cases {
        for faulty_page in [None, Some("page-2".to_owned())] {
            let clock = clock();
            let (fault, hit) = (fault.clone(), std::sync::atomic::AtomicBool::new(false));
            let upstream = ScriptedServer::start(&clock, {
                let faulty_page = faulty_page.clone();
                move |request| {
                    let is_due = request.query("nextPageToken") == faulty_page;
                    if is_due && !hit.swap(true, std::sync::atomic::Ordering::Relaxed) {
                        fault.clone()
                    } else {
                        honest(request)
                    }
                }
            })
            .await;
            let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| {
                if code == ResponseCode::Timeout {
                    tenant.limits.request_timeout = Duration::from_millis(300);
                }
            });
            let fetched = harness.fetch().await;
            assert_eq!(fetched.error, None, "{name}");
            assert_exact(&fetched, 3);
            assert_eq!(upstream.pages().len(), 7, "{name}");
            assert_eq!(harness.observer.retries(), 1, "{name}");
            assert_eq!(harness.observer.page_codes().iter().filter(|seen| **seen == code).count(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn persistent_failures_get_three_attempts_and_fail_one_batch() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| {
        if request.query("agentIds").unwrap().ends_with('1') { Response::status(502) } else { honest(request) }
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    let fetched = harness.fetch().await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Server, 1));
    assert_eq!(seconds(&fetched).len(), 2);
    assert_eq!(&*fetched.failed[0], "1000000000000000001");
    let (second, third) = (0.5..=0.75, 1.5..=2.25);
    assert_times(&upstream, &[0.0..=0.0, 0.0..=0.0, 0.0..=0.0, second, third.clone(), third.clone(), third]);
}

#[tokio::test]
async fn three_failed_batches_in_a_row_end_the_fetch() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |_| Response::status(500)).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(20));
    let fetched = harness.fetch().await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Server, 20));
    assert_eq!(upstream.pages().len(), 9);
}

#[tokio::test]
async fn failed_batches_between_good_ones_do_not_end_the_fetch() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| {
        let agent = request.query("agentIds").unwrap();
        if agent.ends_with(['1', '2', '4', '5', '7']) { Response::json("nonsense") } else { honest(request) }
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(10));
    let fetched = harness.fetch().await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Decode, 5));
    assert_eq!(seconds(&fetched).len(), 5);
}

#[tokio::test]
async fn retry_after_of_a_429_is_waited_out_in_both_forms() {
    let at_date = || Response::status(429).header("Date", "Tue, 14 Nov 2023 23:30:00 GMT");
    let cases = [
        ("seconds", Response::status(429).header("Retry-After", "30"), 30.0..=32.0),
        ("a fraction", Response::status(429).header("Retry-After", "29.2"), 30.0..=32.0),
        (
            "a date by our clock",
            Response::status(429).header("Retry-After", "Tue, 14 Nov 2023 22:00:30 GMT"),
            30.0..=32.0,
        ),
        ("a date by the server's", at_date().header("Retry-After", "Tue, 14 Nov 2023 23:30:30 GMT"), 30.0..=32.0),
        ("the longest", Response::status(429).header("Retry-After", "5").header("Retry-After", "30"), 30.0..=32.0),
        ("absent", Response::status(429), 2.0..=3.3),
        ("zero", Response::status(429).header("Retry-After", "0"), 2.0..=3.3),
        ("negative", Response::status(429).header("Retry-After", "-20"), 2.0..=3.3),
        ("garbage", Response::status(429).header("Retry-After", "soon"), 2.0..=3.3),
        ("past", at_date().header("Retry-After", "Tue, 14 Nov 2023 23:29:59 GMT"), 2.0..=3.3),
    ];
    for (name, limit, again) in cases {
        let clock = clock();
        let upstream = ScriptedServer::start(
            &clock,
            move |request| if request.nth == 1 { limit.clone() } else { honest(request) },
        )
        .await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(1));
        let fetched = harness.fetch().await;
        assert_exact(&fetched, 1);
        println!("{name}");
        assert_times(&upstream, &[0.0..=0.0, 0.0..=0.0, again]);
    }
}

#[tokio::test]
async fn retry_after_is_a_floor_for_every_batch_and_for_tokens() {
    for status in [503, 429, 200] {
        let clock = clock();
        let upstream = ScriptedServer::start(&clock, move |request| {
            if request.nth == 2 {
                honest(request).with_status(status).header("Retry-After", "40")
            } else {
                honest(request)
            }
        })
        .await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| {
            tenant.agents = agents(6);
            tenant.limits.max_concurrent_requests = 2;
        });
        assert_exact(&harness.fetch().await, 6);
        // Those that were under way when the answer came have been sent at zero.
        let times = times(&upstream);
        let early = times.iter().filter(|time| **time < 40.0).collect::<Vec<_>>();
        assert!(early.len() <= 4 && early.iter().all(|time| **time == 0.0), "{status}: {times:?}");
    }
}

#[tokio::test]
async fn retry_after_of_the_token_endpoint_counts_too() {
    let clock = clock();
    let upstream = ScriptedServer::start_raw(&clock, |request| match (request.path(), request.nth) {
        ("/oauth/token", 0) => Response::status(429).header("Retry-After", "30"),
        ("/oauth/token", _) => Response::token("t", "3600").header("Retry-After", "10"),
        _ => honest(request),
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(1));
    assert_exact(&harness.fetch().await, 1);
    let requests = upstream.requests();
    assert!(
        requests[1].at >= Duration::from_secs(30) && requests[2].at >= requests[1].at + Duration::from_secs(10),
        "{requests:?}"
    );
}

#[tokio::test]
async fn retry_after_past_the_deadline_ends_the_fetch_at_once() {
    for (name, answer) in [("429", Response::status(429)), ("503", Response::status(503))] {
        let clock = clock();
        let answer = answer.header("Retry-After", "600");
        let upstream = ScriptedServer::start(&clock, move |request| {
            if request.at < Duration::from_secs(600) { answer.clone() } else { honest(request) }
        })
        .await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
        let fetched = harness.fetch().await;
        let retry_after = Some(Duration::from_secs(600));
        assert_eq!(fetched.error.as_ref().unwrap().kind, ErrorKind::RateLimited { retry_after }, "{name}");
        assert_eq!(fetched.failed.len(), 3);
        assert_eq!(upstream.pages().len(), 1, "the other batches are not sent");
        assert_eq!(harness.source.not_before(), Some(Monotonic::from_start(Duration::from_secs(600))));

        // A refresh that comes too early sends nothing, and says how long it would have to wait.
        let before = clock.monotonic();
        clock.advance(Duration::from_secs(100) - before.saturating_since(Monotonic::default()));
        let fetched = harness.fetch().await;
        let retry_after = Some(Duration::from_secs(500));
        assert_eq!(fetched.error.as_ref().unwrap().kind, ErrorKind::RateLimited { retry_after });
        assert_eq!(upstream.pages().len(), 1);

        clock.advance(Duration::from_secs(500));
        assert_eq!(harness.source.not_before(), None);
        assert_exact(&harness.fetch().await, 3);
    }
}

#[tokio::test]
async fn retry_after_is_capped_at_an_hour_and_reported() {
    for value in ["3601", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let clock = clock();
        let upstream = ScriptedServer::start(&clock, move |_| Response::status(429).header("Retry-After", value)).await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
        harness.fetch().await;
        let hour = Duration::from_secs(3600);
        assert_eq!(harness.source.not_before(), Some(Monotonic::from_start(hour)));
        let capped = harness.observer.capped.lock().unwrap().clone();
        assert_eq!(capped.len(), 1);
        assert!(capped[0].0 > hour && capped[0].1 == hour, "{capped:?}");
    }
}

#[tokio::test]
async fn a_429_is_retried_at_most_five_times() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |_| Response::status(429).header("Retry-After", "1")).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    let fetched = harness.fetch().await;
    assert!(matches!(failure(&fetched), (Endpoint::Presence, ErrorKind::RateLimited { .. }, 3)), "{fetched:?}");
    assert_eq!(upstream.pages().len(), 5);
}

#[tokio::test]
async fn failures_of_the_tenant_end_the_fetch_at_once() {
    let cases: [(Response, ErrorKind); 5] = [
        (Response::status(400), ErrorKind::BadRequest),
        (Response::status(403), ErrorKind::Forbidden),
        (Response::status(404), ErrorKind::UnexpectedStatus),
        (Response::status(302).header("Location", "/login"), ErrorKind::UnexpectedStatus),
        (Response::status(418), ErrorKind::UnexpectedStatus),
    ];
    for (answer, kind) in cases {
        let clock = clock();
        let upstream = ScriptedServer::start(&clock, move |_| answer.clone()).await;
        let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(50));
        assert_eq!(failure(&harness.fetch().await), (Endpoint::Presence, kind, 50));
        assert_eq!((upstream.pages().len(), upstream.tokens()), (1, 1), "{kind:?}");
        assert_eq!(clock.monotonic(), Monotonic::default(), "nothing is waited for");
    }
}

#[tokio::test]
async fn a_400_among_good_batches_fails_one_batch() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| {
        if request.query("agentIds").unwrap().ends_with('1') { Response::status(400) } else { honest(request) }
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |_| ());
    let fetched = harness.fetch().await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::BadRequest, 1));
    assert_eq!(seconds(&fetched).len(), 2);
}

#[tokio::test]
async fn a_400_for_the_first_agent_is_asked_last_next_time() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| {
        if request.query("agentIds").unwrap().ends_with('0') { Response::status(400) } else { honest(request) }
    })
    .await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(9));
    assert_eq!(failure(&harness.fetch().await), (Endpoint::Presence, ErrorKind::BadRequest, 9));
    let fetched = harness.fetch().await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::BadRequest, 1));
    assert_eq!(seconds(&fetched).len(), 8);
}
