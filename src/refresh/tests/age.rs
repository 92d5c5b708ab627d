//! The age of data: staleness, and clocks that stop or are set back.

use super::*;

#[tokio::test]
async fn data_past_max_staleness_is_not_exposed() {
    let harness = Harness::new(&[Answer::All, Answer::Nothing(Some(MAX_STALENESS * 3))]);
    harness.scrape().await;
    harness.clock.advance(COOLDOWN);
    harness.scrape().await;
    harness.clock.advance(MAX_STALENESS - COOLDOWN - Duration::from_nanos(1));
    assert_eq!(harness.scrape().await.published.status.agents, counts(0, 3, 0));
    harness.clock.advance(Duration::from_nanos(1));
    let expired = harness.scrape().await;
    assert_eq!(expired.served, Served::None);
    assert_eq!(expired.published.status.agents, counts(0, 0, 3));
    assert!(expired.published.snapshot.rows.iter().all(|row| row.data.is_none()));
}

#[tokio::test]
async fn data_expired_within_the_cooldown_is_not_served() {
    let mut patient = tenant();
    patient.limits.max_staleness = COOLDOWN / 2;
    let harness = Harness::of(patient, &[]);
    assert_eq!(harness.scrape().await.served, Served::Fresh);
    harness.clock.advance(COOLDOWN / 2);
    for _ in 0..2 {
        assert_eq!(harness.scrape().await.served, Served::None);
    }
    assert_eq!(harness.asked().len(), 1);
}

#[tokio::test]
async fn suspended_machine_does_not_serve_old_data_as_new() {
    let harness = Harness::new(&[]);
    harness.scrape().await;
    harness.clock.advance(COOLDOWN);
    harness.scrape().await;
    // Suspended for three hours: the time of day advances, the monotonic clock does not.
    harness.clock.step_to(START + Duration::from_secs(3 * 3600));
    let woken = harness.scrape().await;
    assert_eq!(woken.served, Served::None, "the data is too old, and the cooldown still holds");
    harness.clock.advance(COOLDOWN);
    assert_eq!(harness.scrape().await.served, Served::Fresh);
}

#[tokio::test]
async fn clock_set_back_does_not_make_data_younger() {
    let harness = Harness::new(&[]);
    harness.scrape().await;
    harness.clock.step_to(Timestamp::from_seconds(0));
    harness.clock.advance(COOLDOWN);
    assert_eq!(harness.scrape().await.served, Served::Fresh);
    assert_eq!(harness.asked().len(), 2);
}
