//! Retries, aborted refreshes, and the list of agents through both.

use super::*;

#[tokio::test]
async fn aborted_retry_is_followed_by_a_refresh_of_all_agents() {
    let harness = Harness::new(&[Answer::Without(&["2"]), Answer::Panic]);
    for _ in 0..3 {
        harness.scrape().await;
        harness.clock.advance(COOLDOWN * 3);
    }
    assert_eq!(harness.asked(), [vec!["1", "2", "3"], vec!["2"], vec!["1", "2", "3"]]);
}

#[tokio::test]
async fn partly_failed_retry_is_followed_by_a_refresh_of_all_agents() {
    let harness = Harness::new(&[Answer::Without(&["2", "3"]), Answer::Without(&["2"])]);
    for _ in 0..3 {
        harness.scrape().await;
        harness.clock.advance(COOLDOWN * 3);
    }
    assert_eq!(harness.asked(), [vec!["1", "2", "3"], vec!["2", "3"], vec!["1", "2", "3"]]);
}

#[tokio::test]
async fn aborted_refresh_is_a_failure_with_backoff() {
    let harness = Harness::new(&[Answer::All, Answer::Panic, Answer::Panic]);
    harness.scrape().await;
    harness.clock.advance(COOLDOWN);
    let aborted = harness.scrape().await;
    assert_eq!((aborted.served, aborted.published.status.up), (Served::Stale, false));
    assert_eq!(aborted.published.status.last_success, Some(START));
    harness.clock.advance(COOLDOWN * 2);
    harness.scrape().await;
    harness.clock.advance(COOLDOWN * 2 - Duration::from_secs(1));
    harness.scrape().await;
    assert_eq!(harness.asked().len(), 3, "the second failure waits for two cooldowns");
}

#[tokio::test]
async fn last_duration_is_from_start_to_end() {
    let harness = Harness::slow(&[]);
    let scrape = harness.scraping();
    harness.settle(PATIENCE).await;
    harness.clock.advance(Duration::from_secs(3));
    harness.source.permits.add_permits(1);
    assert_eq!(scrape.await.unwrap().published.status.last_duration, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn observer_is_told_of_each_published_value() {
    let harness = Harness::new(&[]);
    let changes = || harness.served.1.load(Ordering::Relaxed);
    harness.scrape().await;
    assert_eq!(changes(), 1);
    harness.refresher.reconfigure(harness.refresher.configured(), harness.source.clone());
    assert_eq!(changes(), 2);
    harness.clock.advance(MAX_STALENESS);
    harness.refresher.current();
    harness.refresher.current();
    assert_eq!(changes(), 3, "data expires once");
}

#[tokio::test]
async fn directory_survives_an_aborted_refresh_and_not_another_server() {
    let harness = Harness::of(tenant_of_all(), &[Answer::All, Answer::Panic]);
    *harness.source.people.lock().unwrap() = people(&["7", "8", "9"]);
    for _ in 0..3 {
        harness.scrape().await;
        harness.clock.advance(COOLDOWN * 2);
    }
    assert_eq!(harness.asked(), [["7", "8"]; 3]);
    assert_eq!(harness.refresher.current().status.agents_dropped, Some(1));
    assert_eq!(harness.source.directory_reads.load(Ordering::Relaxed), 1);

    let mut longer = tenant_of_all();
    longer.query.window = COOLDOWN;
    harness.refresher.reconfigure(Arc::new(longer), harness.source.clone());
    assert_eq!(harness.refresher.tenant().agents.len(), 2, "another window does not change the agents");
    let mut moved = tenant_of_all();
    moved.connection.base_url = "https://other.example.com".parse().unwrap();
    harness.refresher.reconfigure(Arc::new(moved), harness.source.clone());
    assert_eq!(harness.refresher.tenant().agents.len(), 0);
    harness.scrape().await;
    assert_eq!(harness.source.directory_reads.load(Ordering::Relaxed), 2);
}

#[test]
fn moment_of_an_earlier_process_is_as_old_as_its_time_of_day() {
    let at = |seconds: u64| Moment {
        monotonic: Monotonic::from_start(Duration::from_secs(1000 + seconds)),
        utc: START + Duration::from_secs(seconds),
    };
    assert_eq!(Moment::remembered(at(10).utc, at(100)), at(10));
    assert_eq!(Moment::remembered(at(200).utc, at(100)), at(100), "never in the future");
}

#[test]
fn oldest_data_of_a_snapshot_counts() {
    let mut snapshot = Snapshot::empty(Arc::new(tenant()));
    let at = |seconds| Moment { monotonic: Monotonic::from_start(Duration::from_secs(seconds)), utc: START };
    let window = crate::presence::Window::ending_at(START, COOLDOWN);
    for (row, seconds) in snapshot.rows.iter_mut().zip([20, 10, 30]) {
        row.data = Some(Arc::new(AgentData { presence: None, window, read_at: at(seconds) }));
    }
    assert_eq!(snapshot.oldest(), Some(at(10)));
}
