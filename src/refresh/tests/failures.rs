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

#[tokio::test]
async fn refresh_past_its_deadline_is_given_up() {
    let harness = Harness::slow(&[]);
    let limit = tenant().limits.refresh_timeout + Duration::from_secs(5);
    let refresher = Arc::clone(&harness.refresher);
    let patient = harness.clock.monotonic() + limit * 2;
    let scrape = tokio::spawn(async move { refresher.scrape(patient).await });
    harness.settle(limit).await;
    harness.clock.advance(limit);
    let status = scrape.await.unwrap().published.status.clone();
    assert_eq!(status.last_error.map(|error| error.kind), Some(ErrorKind::Timeout));
    assert_eq!(status.last_duration, Some(limit));
}

#[tokio::test]
async fn directory_error_fails_only_a_refresh_without_agents() {
    let harness = Harness::of(tenant_of_all(), &[]);
    *harness.source.people.lock().unwrap() = people(&["7"]);
    harness.source.directory_fails.store(true, Ordering::Relaxed);
    let failed = harness.scrape().await;
    assert_eq!(failed.published.status.last_error, Some(error(Endpoint::Agents)));
    assert_eq!(harness.asked().len(), 0);

    // It is read again by each refresh, because there is no agent to ask for without it.
    harness.source.directory_fails.store(false, Ordering::Relaxed);
    harness.clock.advance(COOLDOWN * 2);
    assert!(harness.scrape().await.published.status.up);

    harness.source.directory_fails.store(true, Ordering::Relaxed);
    harness.clock.advance(Duration::from_secs(6 * 3600));
    let refreshed = harness.scrape().await;
    assert!(refreshed.published.status.up, "the last good list is used");
    assert_eq!(harness.asked(), [["7"], ["7"]]);
    assert_eq!(harness.source.directory_reads.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn directory_is_read_only_where_it_is_needed() {
    let harness = Harness::new(&[]);
    *harness.source.people.lock().unwrap() = people(&["1", "7"]);
    harness.scrape().await;
    assert_eq!(harness.source.directory_reads.load(Ordering::Relaxed), 0);
    assert_eq!(harness.refresher.current().status.agents_dropped, None);
}

#[tokio::test]
async fn directory_is_kept_without_names_that_are_not_shown() {
    for show_names in [false, true] {
        let mut hidden = tenant_of_all();
        hidden.privacy.show_names = show_names;
        let harness = Harness::of(hidden, &[]);
        let named = people(&["7"])
            .map(|people| people.into_iter().map(|person| Person { name: Some("N".to_owned()), ..person }).collect());
        *harness.source.people.lock().unwrap() = named;
        harness.scrape().await;
        let published = harness.refresher.current();
        let directory = published.directory.as_ref().unwrap();
        assert_eq!(directory.people[0].name.is_some(), show_names);
    }
}

#[tokio::test]
async fn directory_is_not_used_after_a_reload_without_need() {
    let harness = Harness::of(tenant_of_all(), &[]);
    let teams = people(&["1"])
        .map(|people| people.into_iter().map(|person| Person { team: Some("T".to_owned()), ..person }).collect());
    *harness.source.people.lock().unwrap() = teams;
    harness.scrape().await;
    assert_eq!(harness.refresher.tenant().agents[0].team.as_deref(), Some("T"));
    let mut named = Tenant { agent_filter: None, agents: tenant().agents, ..tenant_of_all() };
    named.privacy.show_names = false;
    harness.refresher.reconfigure(Arc::new(named), harness.source.clone());
    assert_eq!(harness.refresher.tenant().agents[0].team, None);
}

#[tokio::test]
async fn observer_is_told_of_each_refresh() {
    let harness = Harness::new(&[Answer::Without(&["2"]), Answer::All, Answer::Nothing(None)]);
    for _ in 0..3 {
        harness.scrape().await;
        harness.clock.advance(COOLDOWN * 2);
    }
    let expected = [RefreshResult::Partial, RefreshResult::Success, RefreshResult::Failure];
    assert_eq!(*harness.served.2.lock().unwrap(), expected);
}
