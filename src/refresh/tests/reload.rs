//! Reloads: what stays and what is dropped.

use super::*;
use crate::presence::{Schedule, TimeZone};

impl Harness {
    /// Reloads the tenant with these agents and the same source.
    fn reconfigure(&self, agents: &[&str], change: impl FnOnce(&mut Tenant)) {
        let agent = |id: &&str| Agent {
            id: (*id).into(),
            name: None,
            team: None,
            offline_limit: None,
            absent_limit: None,
            schedule: None,
        };
        let mut tenant = Tenant { agents: agents.iter().map(agent).collect(), ..tenant() };
        change(&mut tenant);
        self.refresher.reconfigure(Arc::new(tenant), self.source.clone());
    }

    /// The agents with data after a scrape, and how it was served.
    async fn known(&self) -> (Vec<String>, Served) {
        let scrape = self.scrape().await;
        (with_data(&scrape.published), scrape.served)
    }
}

fn with_data(published: &Published) -> Vec<String> {
    let Snapshot { tenant, rows, .. } = &*published.snapshot;
    assert_eq!(tenant.agents.len(), rows.len());
    let agents = tenant.agents.iter().zip(rows).filter(|(_, row)| row.data.is_some());
    agents.map(|(agent, _)| agent.id.to_string()).collect()
}

#[tokio::test]
async fn reload_keeps_data_of_remaining_agents_and_the_cooldown() {
    let harness = Harness::new(&[]);
    harness.scrape().await;
    harness.reconfigure(&["3", "4", "1"], |_| ());
    assert_eq!(harness.known().await, (vec!["3".to_owned(), "1".to_owned()], Served::Cooldown));
    let status = harness.refresher.current().status.clone();
    assert_eq!((status.up, status.last_success, status.agents), (true, Some(START), counts(2, 0, 1)));

    harness.clock.advance(COOLDOWN);
    assert_eq!(harness.known().await.0, ["3", "4", "1"]);
    assert_eq!(harness.asked(), [["1", "2", "3"], ["3", "4", "1"]]);
}

#[tokio::test]
async fn reload_neither_loses_nor_repeats_a_running_refresh() {
    let harness = Harness::slow(&[]);
    let waiting = harness.scraping();
    harness.settle(PATIENCE).await;
    harness.reconfigure(&["2", "3", "4"], |_| ());
    let joining = harness.scraping();
    harness.settle(PATIENCE).await;
    harness.source.permits.add_permits(1);
    for scrape in [waiting, joining] {
        let scrape = scrape.await.unwrap();
        assert_eq!((with_data(&scrape.published), scrape.served), (vec!["2".into(), "3".into()], Served::Fresh));
        // Agent 4 was not asked for, so this is no full success.
        assert_eq!((scrape.published.status.up, scrape.published.status.last_success), (true, None));
    }
    assert_eq!(harness.known().await.1, Served::Stale);
    assert_eq!(harness.asked().len(), 1);

    harness.source.permits.add_permits(1);
    harness.clock.advance(COOLDOWN);
    assert_eq!(harness.known().await, (vec!["2".into(), "3".into(), "4".into()], Served::Fresh));
    assert_eq!(harness.asked().len(), 2);
}

#[tokio::test]
async fn reload_keeps_failures_and_not_before() {
    let harness = Harness::new(&[Answer::Nothing(Some(Duration::from_secs(500)))]);
    harness.scrape().await;
    let before = harness.refresher.current().status.clone();
    harness.reconfigure(&["1", "2"], |tenant| tenant.limits.cooldown = Duration::from_secs(1));
    let after = harness.refresher.current().status.clone();
    assert_eq!((after.not_before, &after.last_error), (before.not_before, &before.last_error));
    harness.clock.advance(Duration::from_secs(499));
    assert_eq!(harness.known().await, (vec![], Served::None));
    assert_eq!(harness.asked().len(), 1);
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(harness.known().await.1, Served::Fresh);
}

#[tokio::test]
async fn reload_retries_failed_and_new_agents_together() {
    let harness = Harness::new(&[Answer::Without(&["2", "3"])]);
    harness.scrape().await;
    harness.reconfigure(&["1", "3", "4"], |_| ());
    harness.clock.advance(COOLDOWN * 2);
    assert_eq!(harness.known().await.0, ["1", "3", "4"]);
    assert_eq!(harness.asked(), [vec!["1", "2", "3"], vec!["3", "4"]]);
}

#[tokio::test]
async fn reload_with_another_query_drops_data() {
    let changes: [fn(&mut Tenant); 3] = [
        |tenant| tenant.query.window = Duration::from_secs(3600),
        |tenant| tenant.query.states = vec!["Offline".into()],
        |tenant| tenant.connection.base_url = "https://other.example.com".parse().unwrap(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let harness = Harness::new(&[]);
        harness.scrape().await;
        harness.reconfigure(&["1", "2", "3"], change);
        let status = harness.refresher.current().status.clone();
        assert_eq!((status.up, status.window, status.agents), (false, None, counts(0, 0, 3)));
        // Only another server may be asked at once.
        let at_once = harness.known().await.0.len();
        assert_eq!(at_once, if index == 2 { 3 } else { 0 }, "change {index}");
        harness.clock.advance(COOLDOWN);
        assert_eq!(harness.known().await.0.len(), 3);
    }
}

#[tokio::test]
async fn result_of_an_older_query_is_dropped() {
    let harness = Harness::slow(&[]);
    let waiting = harness.scraping();
    harness.settle(PATIENCE).await;
    harness.reconfigure(&["1", "2", "3"], |tenant| tenant.query.window = Duration::from_secs(3600));
    harness.source.permits.add_permits(2);
    let scrape = waiting.await.unwrap();
    assert_eq!((scrape.served, scrape.published.status.up), (Served::None, false));
    harness.clock.advance(COOLDOWN);
    let published = harness.scrape().await.published;
    let window = published.status.window.unwrap();
    assert_eq!(window.length(), Micros::new(3_600_000_000));
    assert_eq!(published.snapshot.rows.iter().filter(|row| row.data.is_some()).count(), 3);
}

#[tokio::test]
async fn changed_schedule_drops_only_scheduled_time() {
    let schedule = |day| {
        let mut days = [false; 7];
        days[day] = true;
        let schedule =
            Schedule { timezone: TimeZone::UTC, days, hours: Vec::new(), holidays: Vec::new(), leave: Vec::new() };
        Some(Arc::new(schedule))
    };
    let scheduled = |published: &Published| {
        let rows = published.snapshot.rows.iter();
        let presences = rows.map(|row| row.data.as_ref().unwrap().presence.clone().unwrap());
        presences.map(|presence| presence.scheduled.is_some()).collect::<Vec<_>>()
    };
    let harness = Harness::new(&[]);
    harness.reconfigure(&["1", "2"], |tenant| tenant.agents.iter_mut().for_each(|agent| agent.schedule = schedule(1)));
    assert_eq!(scheduled(&harness.scrape().await.published), [true, true]);
    harness.reconfigure(&["1", "2"], |tenant| {
        for (agent, day) in tenant.agents.iter_mut().zip([1, 2]) {
            agent.schedule = schedule(day);
        }
    });
    assert_eq!(scheduled(&harness.refresher.current()), [true, false]);
    harness.reconfigure(&["1", "2"], |tenant| {
        tenant.states.offline = vec!["Break".into()];
        tenant.agents[0].schedule = schedule(1);
    });
    assert_eq!(with_data(&harness.refresher.current()), [""; 0], "scheduled offline time depends on it");
}

#[tokio::test]
async fn reload_takes_the_retry_after_of_the_new_source() {
    let harness = Harness::new(&[]);
    harness.scrape().await;
    let floor = Duration::from_secs(500);
    let source = Arc::new(ScriptedSource::new(harness.clock.clone(), &[]));
    *source.floor.lock().unwrap() = Some(harness.clock.monotonic() + floor);
    harness.refresher.reconfigure(Arc::new(tenant()), source);
    assert_eq!(harness.refresher.current().status.not_before, Some(START + floor));
}

#[tokio::test]
async fn reload_with_another_query_or_agents_drops_the_retry() {
    type Case<'a> = (&'a [&'a str], fn(&mut Tenant));
    let hour = |tenant: &mut Tenant| tenant.query.window = Duration::from_secs(3600);
    let cases: [Case<'_>; 2] = [(&["1", "2", "3"], hour), (&["1", "3"], |_| ())];
    for (agents, change) in cases {
        let harness = Harness::new(&[Answer::Without(&["2"])]);
        harness.scrape().await;
        harness.reconfigure(agents, change);
        harness.clock.advance(COOLDOWN * 2);
        harness.scrape().await;
        assert_eq!(harness.asked(), [&["1", "2", "3"], agents]);
    }
}

#[tokio::test]
async fn refresh_of_an_older_query_is_no_success_and_no_retry() {
    for answer in [Answer::All, Answer::Without(&["2"])] {
        let harness = Harness::slow(&[answer]);
        let waiting = harness.scraping();
        harness.settle(PATIENCE).await;
        harness.reconfigure(&["1", "2", "3"], |tenant| tenant.query.window = Duration::from_secs(3600));
        harness.source.permits.add_permits(2);
        let status = waiting.await.unwrap().published.status.clone();
        assert_eq!((status.up, status.last_success, status.window), (false, None, None));
        harness.clock.advance(COOLDOWN * 2);
        harness.scrape().await;
        assert_eq!(harness.asked(), [["1", "2", "3"]; 2]);
    }
}
