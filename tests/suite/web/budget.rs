//! The deadline of a scrape, and the limit of concurrent scrapes.

use std::sync::Arc;
use std::time::Duration;

use cxone_exporter::clock::Clock as _;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::*;
use crate::app::HOUR;
use crate::scripted::drive;

/// An app over a tenant whose responses wait for `tap`.
struct Slow {
    app: TestApp,
    upstream: ScriptedServer,
    tap: Arc<Semaphore>,
}

impl Slow {
    async fn new(change: impl FnOnce(TestAppBuilder) -> TestAppBuilder) -> Self {
        let clock = DrivenClock::new(NOW);
        let upstream = ScriptedServer::start(&clock, hour).await;
        let tap = Arc::new(Semaphore::new(0));
        // To the app, a proxy that delays connections is a slow tenant.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let target = upstream.base_url().trim_start_matches("http://").to_owned();
        tokio::spawn({
            let tap = Arc::clone(&tap);
            async move {
                while let Ok((mut from, _)) = listener.accept().await {
                    let (tap, target) = (Arc::clone(&tap), target.clone());
                    tokio::spawn(async move {
                        drop(tap.acquire().await);
                        let mut to = tokio::net::TcpStream::connect(target).await.unwrap();
                        let ((mut requests, mut client), (mut responses, mut server)) = (from.split(), to.split());
                        let forwarding = tokio::io::copy(&mut requests, &mut server);
                        let answering = async {
                            let mut piece = [0; 4096];
                            while let Ok(length @ 1..) = responses.read(&mut piece).await {
                                // A connection that is used again waits as well.
                                drop(tap.acquire().await);
                                let Ok(()) = client.write_all(&piece[..length]).await else { break };
                            }
                        };
                        tokio::select! {
                            _ = forwarding => (),
                            () = answering => (),
                        }
                    });
                }
            }
        });
        let app = change(TestAppBuilder::new(&base_url)).start(&clock).await;
        Self { app, upstream, tap }
    }

    /// Ends once the next sleeper of the clock waits until `until`.
    async fn until_sleeping(&self, until: Duration) {
        let deadline = cxone_exporter::clock::Monotonic::from_start(until);
        while self.app.clock.next_sleeper() != Some(deadline) {
            tokio::task::yield_now().await;
        }
    }

    async fn until_idle(&self) {
        while self.app.refresher().current().status.last_attempt.is_none() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn scrape_timeout_ends_the_wait_for_a_slow_tenant() {
    // The tenant takes 4 s. Each row: the timeout header, and the seconds until the response.
    for (budget, answered) in
        [("2", 1.5), ("3.25", 2.75), ("0.3", 0.0), ("0", 0.0), ("-1", 9.5), ("soon", 9.5), ("", 9.5)]
    {
        println!("{budget:?}");
        let slow = Slow::new(|builder| builder).await;
        let clock = slow.app.clock.clone();
        let answered = Duration::from_secs_f64(answered);
        let driving = async {
            if !answered.is_zero() {
                slow.until_sleeping(answered).await;
                clock.advance(answered - Duration::from_millis(1));
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                clock.advance(Duration::from_millis(1));
            }
        };
        let (scrape, ()) = tokio::join!(slow.app.scrape_within(budget), driving);
        assert_eq!(clock.monotonic().saturating_since(Default::default()), answered);
        assert_eq!((scrape.value("cxone_up"), scrape.seconds().len()), (Some(0.0), 0));
        assert_eq!(scrape.get("cxone_exporter_scrapes_total", &[("served", "none")]), Some(1.0));
        assert_eq!(slow.upstream.requests().len(), 0);

        clock.advance(Duration::from_secs(4).saturating_sub(answered));
        slow.tap.add_permits(1000);
        slow.until_idle().await;
        let later = slow.app.scrape().await;
        assert_eq!((later.value("cxone_up"), later.seconds().len()), (Some(1.0), 2));
        assert_eq!(later.get("cxone_exporter_scrapes_total", &[("served", "cooldown")]), Some(1.0));
        assert_eq!(
            (slow.upstream.pages().len(), slow.upstream.tokens()),
            (2, 1),
            "it is the data of that same refresh"
        );
    }
}

#[tokio::test]
async fn stale_data_is_served_at_the_scrape_deadline() {
    let slow = Slow::new(|builder| builder).await;
    slow.tap.add_permits(1000);
    let first = slow.app.scrape().await;
    slow.tap.forget_permits(1000);
    let clock = slow.app.clock.clone();
    clock.advance(Duration::from_secs(60));
    let scrape = slow.app.scrape_within("0.1").await;
    assert_eq!((scrape.served_since(&first), scrape.agents()), (vec!["stale".to_owned()], [2.0, 0.0, 0.0]));
    assert_eq!(scrape.seconds(), first.seconds());
}

#[tokio::test]
async fn max_requests_rejects_further_scrapes_at_once() {
    let slow = Slow::new(|mut builder| {
        builder.options.max_requests = 3;
        builder
    })
    .await;
    let scrapes = join_all((0..8).map(|_| slow.app.get("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 100\r\n")));
    let driving = async {
        slow.until_sleeping(Duration::from_millis(99_500)).await;
        // The page and the health checks are not limited.
        assert_eq!(slow.app.get("/-/healthy", "").await.status, 200);
        let deadline = slow.app.clock.monotonic() + Duration::from_secs(3);
        assert_eq!(drive(&slow.app.clock, deadline, slow.app.get("/", "")).await.status, 200);
        for _ in 0..5000 {
            tokio::task::yield_now().await;
        }
        slow.tap.add_permits(1000);
    };
    let (replies, ()) = tokio::join!(scrapes, driving);
    let refused: Vec<_> = replies.iter().filter(|response| response.status == 503).collect();
    assert_eq!((replies.len(), refused.len()), (8, 5));
    assert!(refused.iter().all(|response| response.text().contains("--web.max-requests")));
    slow.app.clock.advance(HOUR);
    let after = slow.app.scrape().await;
    let rejected = after.get("cxone_exporter_http_rejected_total", &[("reason", "max_requests")]);
    assert_eq!((rejected, slow.upstream.tokens()), (Some(5.0), 2));
}

#[tokio::test]
async fn max_requests_is_per_tenant() {
    let clock = DrivenClock::new(NOW);
    let quick = ScriptedServer::start(&clock, hour).await;
    let slow = Slow::new(|mut builder| {
        builder.options.max_requests = 3;
        builder.tenants.push(tenant(&quick.base_url()));
        builder
    })
    .await;
    let loaded = slow.app.web.loaded();
    let [slow_one, quick_one] =
        [0, 1].map(|at| format!("/probe?target={}", loaded.tenants[at].refresher.tenant().name));
    let patient = "X-Prometheus-Scrape-Timeout-Seconds: 100\r\n";
    let waiting = join_all((0..4).map(|_| slow.app.get(&slow_one, patient)));
    let driving = async {
        slow.until_sleeping(Duration::from_millis(99_500)).await;
        for _ in 0..3 {
            let response = slow.app.get(&quick_one, patient).await;
            assert_eq!(response.status, 200);
            assert!(response.text().contains("\ncxone_up 1\n"));
        }
        slow.tap.add_permits(1000);
    };
    let (replies, ()) = tokio::join!(waiting, driving);
    assert_eq!(replies.iter().filter(|response| response.status == 503).count(), 1);
}

#[tokio::test]
async fn max_requests_serves_the_last_good_data_at_once() {
    let slow = Slow::new(|mut builder| {
        builder.options.max_requests = 2;
        builder
    })
    .await;
    slow.tap.add_permits(1000);
    let first = slow.app.scrape().await;
    slow.tap.forget_permits(1000);
    let start = slow.app.now();
    slow.app.clock.advance(HOUR / 6);
    // The refresh waits for a connection that the tap holds back, or fails; either way the scrapes below the limit wait.
    let waiting = join_all((0..2).map(|_| slow.app.get("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 100\r\n")));
    let driving = async {
        while slow.app.clock.next_sleeper().is_none() {
            tokio::task::yield_now().await;
        }
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let before = slow.app.now();
        let at_once = slow.app.scrape_within("100").await;
        assert_eq!(at_once.seconds(), first.seconds());
        assert_eq!(at_once.served_since(&first), vec!["stale".to_owned()]);
        assert_eq!(slow.app.now(), before, "no time passed");
        slow.app.clock.advance(HOUR);
    };
    let (replies, ()) = tokio::join!(waiting, driving);
    assert!(replies.iter().all(|response| response.status == 200), "{start:?}");
}
