//! The request budget: its limit in every minute, its spread, a 429, and a budget that runs out.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A source of `count` agents, a batch each, one request at a time: the clock is driven while requests are under way, so
/// the times of parallel requests would not be exact.
fn harness(
    clock: &DrivenClock,
    upstream: &ScriptedServer,
    count: usize,
    per_minute: u32,
    timeout: Duration,
) -> SourceHarness {
    SourceHarness::new(clock, &upstream.base_url(), |tenant| {
        tenant.agents = agents(count);
        tenant.limits.max_requests_per_minute = NonZeroU32::new(per_minute);
        tenant.limits.refresh_timeout = timeout;
    })
}

/// The times of all requests since the start of the clock.
fn arrivals(upstream: &ScriptedServer) -> Vec<Duration> {
    upstream.requests().iter().map(|request| request.at).collect()
}

fn most_in_a_minute(arrivals: &[Duration]) -> usize {
    let within = |start: Duration| arrivals.iter().filter(|at| (start..start + MINUTE).contains(*at)).count();
    arrivals.iter().map(|start| within(*start)).max().unwrap_or_default()
}

#[tokio::test]
async fn without_a_budget_nothing_waits() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(30));
    assert_exact(&harness.fetch().await, 30);
    assert_eq!(clock.monotonic(), Monotonic::default());
    assert_eq!((harness.observer.limits(), harness.observer.waited()), (Vec::new(), Duration::ZERO));
}

#[tokio::test]
async fn the_budget_spreads_requests_and_counts_tokens() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = harness(&clock, &upstream, 30, 60, Duration::from_secs(300));
    assert_exact(&harness.fetch().await, 30);
    let arrivals = arrivals(&upstream);
    assert_eq!((arrivals.len(), upstream.tokens()), (61, 1));
    assert_eq!(most_in_a_minute(&arrivals), 60);
    assert!(arrivals[..4].iter().all(Duration::is_zero), "a burst: {arrivals:?}");
    for pair in arrivals[3..].windows(2) {
        assert!((1_052..=1_053).contains(&(pair[1] - pair[0]).as_millis()), "not even: {arrivals:?}");
    }
    assert_eq!(harness.observer.waited(), arrivals[60], "all of the time is the budget's");
    assert!(harness.observer.limits().iter().all(|limit| *limit == Some(60)));
}

#[tokio::test]
async fn the_budget_is_shared_over_refreshes_and_reloads() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let mut harness = harness(&clock, &upstream, 5, 20, Duration::from_secs(120));
    assert_exact(&harness.fetch().await, 5);
    assert_exact(&harness.fetch().await, 5);
    harness.reconfigure(|tenant| tenant.limits.max_requests_per_minute = NonZeroU32::new(10));
    let reloaded = arrivals(&upstream).len();
    assert_exact(&harness.fetch().await, 5);
    let arrivals = arrivals(&upstream);
    assert!(most_in_a_minute(&arrivals) <= 20);
    assert!(most_in_a_minute(&arrivals[reloaded..]) <= 10);
    assert!(arrivals[reloaded] > arrivals[reloaded - 1], "nothing was saved up: {arrivals:?}");
    assert_eq!(harness.observer.limits().last(), Some(&Some(10)));
}

#[tokio::test]
async fn a_fetch_over_the_budget_fails_before_the_first_request() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = harness(&clock, &upstream, 21, 10, Duration::from_secs(120));
    let fetched = harness.fetch().await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Budget, 21));
    assert_eq!((upstream.requests().len(), clock.monotonic()), (0, Monotonic::default()));
    let message = fetched.error.unwrap().message;
    for words in ["10 requests a minute", "`max_requests_per_minute`", "the 21 requests", "2 min", "`refresh_timeout`"]
    {
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[tokio::test]
async fn a_budget_that_runs_out_fails_early_and_keeps_batches() {
    let clock = clock();
    // Two pages an agent, which the check before the first request cannot know.
    let upstream = ScriptedServer::start(&clock, honest).await;
    let harness = harness(&clock, &upstream, 12, 10, Duration::from_secs(100));
    let fetched = harness.fetch().await;
    let (endpoint, kind, failed) = failure(&fetched);
    assert_eq!((endpoint, kind), (Endpoint::Presence, ErrorKind::Budget));
    assert_eq!(failed + fetched.answered.len(), 12);
    assert!(!fetched.answered.is_empty(), "{fetched:?}");
    assert!(clock.monotonic() < Monotonic::from_start(Duration::from_secs(97)), "it did not wait in vain");
    assert!(fetched.error.unwrap().message.contains("Raise `max_requests_per_minute`"));
}

#[tokio::test]
async fn a_429_lowers_the_budget_and_minutes_raise_it() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| {
        if request.path() != "/oauth/token" && request.nth == 10 {
            Response::status(429).header("Retry-After", "30")
        } else {
            honest(request)
        }
    })
    .await;
    let harness = harness(&clock, &upstream, 60, 60, Duration::from_secs(900));
    assert_exact(&harness.fetch().await, 60);
    let arrivals = arrivals(&upstream);
    assert_eq!(arrivals.len(), 1 + 120 + 1);
    let mut limits: Vec<u32> = harness.observer.limits().into_iter().flatten().collect();
    limits.dedup();
    assert_eq!(limits[..5], [60, 30, 33, 36, 39], "down by half, up by a twentieth a minute");
    // No burst awaits the end of Retry-After: a request does, and the gate's jitter is too short for two more.
    let after = arrivals.iter().position(|at| *at > arrivals[11] + Duration::from_secs(29)).unwrap();
    for three in arrivals[after..].windows(3) {
        assert!((three[2] - three[0]).as_secs() >= 2, "{:?} after the 429", three[2] - three[0]);
    }
}

#[tokio::test]
async fn a_lowered_budget_reads_what_fits() {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, |request| {
        let is_early = request.path() != "/oauth/token" && request.nth == 0;
        if is_early { Response::status(429).header("Retry-After", "1") } else { honest(request) }
    })
    .await;
    // At 20 a minute, two pages each for 18 agents fit into two minutes; at 10 they do not.
    let harness = harness(&clock, &upstream, 18, 20, Duration::from_secs(120));
    let fetched = harness.fetch().await;
    let (_, kind, failed) = failure(&fetched);
    assert_eq!(kind, ErrorKind::Budget);
    assert!((1..18).contains(&failed), "{failed}");
    let message = fetched.error.unwrap().message;
    assert!(message.contains("after a 429, and not 20"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// No minute has more requests than the budget with any sequence of faults, and every request counts.
    #[test]
    fn no_minute_exceeds_the_budget_with_random_faults(
        per_minute in 1_u32..120,
        count in 1_usize..12,
        faults in proptest::collection::vec(0_u8..8, 40),
        retry_after in 0_u32..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = clock();
            let upstream = ScriptedServer::start(&clock, move |request| match faults[request.nth % faults.len()] {
                0 => Response::status(429).header("Retry-After", retry_after.to_string()),
                1 => Response::status(429),
                2 => Response::status(503),
                3 => Response::json("{").cut_after(20),
                4 => Response::status(401),
                _ => honest(request),
            })
            .await;
            let harness = harness(&clock, &upstream, count, per_minute, Duration::from_secs(600));
            for _ in 0..3 {
                harness.fetch().await;
                clock.advance(Duration::from_secs(7));
            }
            let arrivals = arrivals(&upstream);
            let most = most_in_a_minute(&arrivals);
            assert!(most <= usize::try_from(per_minute).unwrap(), "{most} in a minute of {per_minute}: {arrivals:?}");
            assert!(harness.observer.limits().iter().flatten().all(|limit| (1..=per_minute).contains(limit)));
        });
    }
}
