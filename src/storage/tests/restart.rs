//! A process that starts with the file of an earlier one.

use super::*;
use crate::config::Agent;
use crate::presence::{Schedule, TimeZone};
use crate::refresh::tests::{COOLDOWN, MAX_STALENESS, counts};
use crate::refresh::tests::{people, tenant_of_all};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const REFRESH_TIMEOUT: Duration = Duration::from_secs(120);

/// A change of a tenant's configuration.
type Change = fn(&mut Tenant);

#[tokio::test]
async fn restart_within_the_cooldown_serves_data_and_sends_nothing() {
    let disk = Disk::new();
    let before = Process::start(&disk, START, &[]).await.scrape().await;
    assert_eq!(before.served, Served::Fresh);

    let process = Process::start(&disk, START + (COOLDOWN - SECOND), &[]).await;
    let after = process.scrape().await;
    assert_eq!((after.served, process.asked()), (Served::Cooldown, 0));
    assert_eq!(after.published.status, before.published.status);
    let presence = |scrape: &Scrape| {
        let rows = scrape.published.snapshot.rows.iter();
        rows.map(|row| row.data.as_ref().map(|data| (data.presence.clone(), data.window))).collect::<Vec<_>>()
    };
    assert_eq!(presence(&after), presence(&before));

    process.clock.advance(SECOND);
    assert_eq!((process.scrape().await.served, process.asked()), (Served::Fresh, 1));
}

#[tokio::test]
async fn restored_data_past_max_staleness_is_not_served() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    for (age, served, shown) in
        [(MAX_STALENESS - SECOND, Served::Stale, counts(0, 3, 0)), (MAX_STALENESS, Served::None, counts(0, 0, 3))]
    {
        let copy = disk.after_a_crash();
        let process = Process::start(&copy, START + age, &[Answer::Nothing(None)]).await;
        let scrape = process.scrape().await;
        assert_eq!((scrape.served, scrape.published.status.agents), (served, shown), "{age:?}");
        assert_eq!(scrape.published.status.last_success, Some(START), "it is known nevertheless");
    }
}

#[tokio::test]
async fn backoff_continues_after_a_restart() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let failing = Process::start(&disk, START + COOLDOWN, &[Answer::Nothing(None)]).await;
    assert!(!failing.scrape().await.published.status.up);
    drop(failing);

    let process = Process::start(&disk, START + (COOLDOWN * 2 - SECOND), &[Answer::Nothing(None)]).await;
    let held = process.scrape().await;
    assert_eq!((held.served, process.asked()), (Served::Stale, 0), "back-off is never shorter than a cooldown");
    assert_eq!((held.published.status.up, held.published.status.agents), (false, counts(0, 3, 0)));
    // The second failure in a row, so the third try is two cooldowns later at the least.
    process.clock.advance(COOLDOWN / 4 + SECOND);
    process.scrape().await;
    assert_eq!(process.asked(), 1);
    process.clock.advance(COOLDOWN * 2 - SECOND);
    process.scrape().await;
    assert_eq!(process.asked(), 1);
}

#[tokio::test]
async fn retry_after_survives_restarts_capped_at_an_hour() {
    for (asked_for, kept) in [(HOUR / 2, HOUR / 2), (HOUR * 3, HOUR)] {
        let disk = Disk::new();
        Process::start(&disk, START, &[Answer::Nothing(Some(asked_for))]).await.scrape().await;
        let process = Process::start(&disk, START, &[]).await;
        assert_eq!(process.refresher.current().status.not_before, Some(START + kept));
        process.clock.advance(kept - SECOND);
        assert_eq!((process.scrape().await.served, process.asked()), (Served::None, 0));
        process.clock.advance(SECOND);
        assert_eq!((process.scrape().await.served, process.asked()), (Served::Fresh, 1));
    }
}

#[tokio::test]
async fn clock_set_back_drops_data_and_waits_one_cooldown() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let process = Process::start(&disk, START.saturating_sub(HOUR * 3), &[]).await;
    let status = process.refresher.current().status.clone();
    assert_eq!((status.up, status.window, status.last_success, status.last_attempt), (false, None, None, None));
    assert_eq!((process.scrape().await.served, process.asked()), (Served::None, 0));
    process.clock.advance(COOLDOWN - SECOND);
    assert_eq!((process.scrape().await.served, process.asked()), (Served::None, 0));
    process.clock.advance(SECOND);
    assert_eq!((process.scrape().await.served, process.asked()), (Served::Fresh, 1));
}

#[tokio::test]
async fn clock_correction_of_a_second_is_tolerated() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let process = Process::start(&disk, START.saturating_sub(SECOND), &[]).await;
    let scrape = process.scrape().await;
    assert_eq!((scrape.served, process.asked()), (Served::Cooldown, 0));
    assert_eq!(scrape.published.status.agents, counts(3, 0, 0));
    assert_eq!(scrape.published.status.last_success, Some(START.saturating_sub(SECOND)), "never in the future");
}

#[tokio::test]
async fn restart_after_a_day_starts_without_data() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let process = Process::start(&disk, START + HOUR * 24, &[]).await;
    assert_eq!(process.refresher.current().status.not_before, None);
    assert_eq!((process.scrape().await.served, process.asked()), (Served::Fresh, 1));
}

#[tokio::test]
async fn restored_data_follows_the_configured_agents() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let mut changed = tenant();
    let new = Agent { id: "9".into(), ..changed.agents[0].clone() };
    changed.agents = vec![new, changed.agents[2].clone()];
    let process = Process::start_as(changed, &disk.path(), START + SECOND, &[]).await;
    let published = process.refresher.current();
    assert_eq!(published.status.agents, counts(1, 0, 1));
    let rows: Vec<_> = published.snapshot.rows.iter().map(|row| row.data.is_some()).collect();
    assert_eq!(rows, [false, true]);
}

#[tokio::test]
async fn another_query_key_keeps_waits_and_drops_data() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let changes: [(&str, Change); 6] = [
        ("window", |tenant| tenant.query.window /= 2),
        ("interval", |tenant| tenant.query.interval.length /= 2),
        ("client_id", |tenant| tenant.connection.client_id.push('2')),
        ("states", |tenant| tenant.query.states = vec!["Busy".into()]),
        ("offline_states", |tenant| tenant.states.offline = vec!["Away".into()]),
        ("base_url", |tenant| tenant.connection.base_url = "https://other.example.com".parse().unwrap()),
    ];
    for (key, change) in changes {
        let copy = disk.after_a_crash();
        let mut changed = tenant();
        change(&mut changed);
        let process = Process::start_as(changed, &copy.path(), START + SECOND, &[]).await;
        let published = process.refresher.current();
        assert_eq!((published.has_data(), published.status.last_success), (false, None), "{key}");
        let held = (key != "base_url").then_some(START + COOLDOWN);
        assert_eq!(published.status.not_before, held, "{key}");
        let asked = usize::from(held.is_none());
        process.scrape().await;
        assert_eq!(process.asked(), asked, "{key}");
    }
}

#[tokio::test]
async fn file_of_another_shard_gives_data_and_no_success() {
    use crate::config::{Config, Shard};
    let of_shard = |index, total| {
        let config = Config { tenants: vec![Arc::new(tenant())], schedules: Default::default(), warnings: Vec::new() };
        let sharded = config.of_shard(Shard::new(index, total).unwrap()).unwrap();
        Tenant::clone(&sharded.tenants[0])
    };
    let disk = Disk::new();
    let whole = Process::start(&disk, START, &[]).await.scrape().await;
    assert_eq!(whole.published.status.agents, counts(3, 0, 0));
    let mut kept = Vec::new();
    for index in 0..2 {
        let copy = disk.after_a_crash();
        let part = of_shard(index, 2);
        let own = part.agents.len();
        let process = Process::start_as(part, &copy.path(), START + SECOND, &[]).await;
        let found = process.refresher.current();
        assert_eq!(
            (found.status.up, found.status.last_success),
            (false, None),
            "a success of all agents is none of this shard"
        );
        assert_eq!(found.status.not_before, Some(START + COOLDOWN), "the wait is the tenant's");
        assert_eq!(found.status.agents, counts(0, own, 0));
        kept.extend(found.snapshot.tenant.agents.iter().map(|agent| agent.id.clone()));
        let scrape = process.scrape().await;
        assert_eq!((scrape.served, process.asked()), (if own > 0 { Served::Stale } else { Served::None }, 0));
        process.clock.advance(COOLDOWN);
        assert_eq!(process.scrape().await.published.status.agents, counts(own, 0, 0));
        drop(process);

        // The file that this shard has written is restored in full.
        let process = Process::start_as(of_shard(index, 2), &copy.path(), START + SECOND + COOLDOWN, &[]).await;
        assert!(process.refresher.current().status.up);
        drop(process);
        let process = Process::start_as(of_shard(1 - index, 2), &copy.path(), START + SECOND + COOLDOWN, &[]).await;
        let other = process.refresher.current();
        assert_eq!((other.has_data(), other.status.up), (false, false), "it has only other agents");
    }
    kept.sort_unstable();
    assert_eq!(kept.len(), 3);
    kept.dedup();
    assert_eq!(kept.len(), 3);
    let alone = Process::start_as(of_shard(0, 1), &disk.path(), START + SECOND, &[]).await;
    assert!(alone.refresher.current().status.up, "one shard of one has all agents");
}

#[tokio::test]
async fn each_tenant_name_has_a_file_of_its_own() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let renamed = Tenant { name: "emca".to_owned(), ..tenant() };
    let process = Process::start_as(renamed, &disk.path(), START, &[]).await;
    assert_eq!((process.scrape().await.served, process.asked()), (Served::Fresh, 1));
    drop(process);
    assert!(disk.file("emca.cxone").exists());
    let process = Process::start(&disk, START, &[]).await;
    assert_eq!((process.scrape().await.served, process.asked()), (Served::Cooldown, 0));
}

#[tokio::test]
async fn scheduled_time_is_restored_for_the_same_schedule_only() {
    use crate::presence::{AgentPresence, Micros, PresenceChart, ScheduledTime, Window};
    use crate::refresh::{AgentData, AgentRow, Moment, Snapshot, Status};
    let schedule = |timezone| {
        Some(Arc::new(Schedule { timezone, days: [true; 7], hours: vec![], holidays: vec![], leave: vec![] }))
    };
    let with = |schedule: &Option<Arc<Schedule>>| {
        let mut tenant = tenant();
        tenant.agents.iter_mut().for_each(|agent| agent.schedule.clone_from(schedule));
        Arc::new(tenant)
    };
    let (berlin, utc) = (schedule(TimeZone::named("Europe/Berlin").unwrap()), schedule(TimeZone::UTC));
    let scheduled = ScheduledTime { total: Micros::from_seconds(9), offline: Micros::from_seconds(4) };
    let now = Moment { monotonic: DrivenClock::new(START).monotonic(), utc: START };
    let presence = AgentPresence {
        folded: Vec::new(),
        states: vec![],
        observed: Micros::ZERO,
        current: None,
        unbroken_offline: None,
        last_data: START,
        scheduled: Some(scheduled),
        chart: PresenceChart::default(),
        parts: Default::default(),
        timeline: None,
    };
    let window = Window::ending_at(START, HOUR);
    let data = AgentData { presence: Some(presence), window, read_at: now };
    let rows = vec![AgentRow { data: Some(Arc::new(data)) }; 3];
    let published = round_trip::published(
        Snapshot { tenant: with(&berlin), rows, counters: Arc::default() },
        Status::default(),
        None,
    );
    for (configured, expected) in [(&berlin, Some(scheduled)), (&utc, None), (&None, None)] {
        let restored = round_trip::restored_from(&published, &with(configured), now).unwrap();
        let found = restored.snapshot.rows[1].data.as_ref().and_then(|data| data.presence.as_ref()?.scheduled);
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn directory_survives_restarts_until_it_is_six_hours_old() {
    let disk = Disk::new();
    let path = disk.path();
    let start = |at| Process::start_as(tenant_of_all(), &path, at, &[]);
    let process = start(START).await;
    *process.source.people.lock().unwrap() = people(&["7", "8", "9"]);
    process.scrape().await;
    drop(process);

    let process = start(START + SECOND).await;
    *process.source.people.lock().unwrap() = people(&["8", "9"]);
    assert_eq!(process.refresher.tenant().agents.len(), 2);
    let status = process.refresher.current().status.clone();
    assert_eq!((status.agents, status.agents_dropped), (counts(2, 0, 0), Some(1)));
    process.clock.advance(COOLDOWN);
    process.scrape().await;
    assert_eq!(process.source.directory_reads.load(Ordering::Relaxed), 0);
    process.clock.advance(HOUR * 6);
    process.scrape().await;
    assert_eq!(process.source.directory_reads.load(Ordering::Relaxed), 1);
    assert_eq!(*process.refresher.tenant().agents[0].id, *"8");
}

#[tokio::test]
async fn halved_agent_list_stays_unconfirmed_over_restarts() {
    let disk = Disk::new();
    let path = disk.path();
    let mut at = START;
    // The time since the run before, the list, and the reads and agents of the run.
    let runs: [(Duration, &[&str], usize, usize); 5] = [
        (SECOND, &["1", "2", "3", "4"], 1, 2),
        (HOUR * 6, &["9"], 1, 2),
        (COOLDOWN, &["9"], 0, 2),
        (HOUR, &["9"], 1, 1),
        (HOUR * 6, &[], 1, 1),
    ];
    for (after, list, reads, agents) in runs {
        at = at + after;
        let process = Process::start_as(tenant_of_all(), &path, at, &[]).await;
        *process.source.people.lock().unwrap() = people(list);
        process.scrape().await;
        assert_eq!(process.source.directory_reads.load(Ordering::Relaxed), reads, "{list:?} at {at}");
        assert_eq!(process.refresher.tenant().agents.len(), agents, "{list:?} at {at}");
    }
}

#[tokio::test]
async fn partial_refresh_is_restored_as_fresh_data() {
    let disk = Disk::new();
    Process::start(&disk, START, &[Answer::Without(&["3"])]).await.scrape().await;
    let process = Process::start(&disk, START + SECOND, &[]).await;
    assert_eq!(process.refresher.current().status.agents, counts(2, 0, 1));
}

#[tokio::test]
async fn cooldown_over_an_hour_survives_a_restart() {
    let disk = Disk::new();
    let slow = || {
        let mut slow = tenant();
        slow.limits.cooldown = HOUR * 2;
        slow
    };
    Process::start_as(slow(), &disk.path(), START, &[]).await.scrape().await;
    let process = Process::start_as(slow(), &disk.path(), START, &[]).await;
    assert_eq!(process.refresher.current().status.not_before, Some(START + HOUR * 2));
}

#[tokio::test]
async fn history_is_saved_every_ten_minutes() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    let steps = [(b"a", Duration::ZERO, 'a'), (b"b", COOLDOWN, 'a'), (b"c", HOUR / 6, 'c'), (b"d", COOLDOWN, 'c')];
    for (history, wait, saved) in steps {
        *process.source.history.lock().unwrap() = Some(history.to_vec());
        process.clock.advance(wait);
        process.scrape().await;
        assert!(disk.text("acme.kept").ends_with(&format!("\n{saved}\n")), "{saved}");
    }
}

#[tokio::test]
async fn data_of_the_future_leaves_no_other_data_fresh() {
    let disk = Disk::new();
    let process = Process::start(&disk, START + HOUR * 3, &[Answer::All, Answer::Without(&["3"])]).await;
    process.scrape().await;
    // Set back between two refreshes.
    process.clock.step_to(START.saturating_sub(COOLDOWN));
    process.clock.advance(COOLDOWN);
    assert_eq!(process.scrape().await.published.status.agents, counts(2, 1, 0));
    drop(process);
    let process = Process::start(&disk, START + SECOND, &[]).await;
    let status = process.refresher.current().status.clone();
    assert_eq!((status.up, status.agents), (false, counts(0, 2, 1)));
}
