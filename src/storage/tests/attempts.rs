//! Refreshes that did not end before a restart.

use super::restart::{HOUR, REFRESH_TIMEOUT, SECOND};
use super::*;
use crate::refresh::tests::{COOLDOWN, counts};
use crate::storage::frame;

/// The tenant at another address.
fn moved() -> Tenant {
    let mut moved = tenant();
    moved.connection.base_url = "https://other.example.com".parse().unwrap();
    moved
}

#[tokio::test]
async fn refresh_cut_off_by_a_crash_counts_as_failed() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    process.scrape().await;
    process.clock.advance(COOLDOWN);
    process.source.permits.forget_permits(1000);
    let _waiting = process.scrape_until_asked().await;
    let crashed = disk.after_a_crash();

    let process = Process::start(&crashed, START + COOLDOWN + SECOND, &[]).await;
    let held = process.scrape().await;
    assert_eq!((held.served, process.asked()), (Served::Stale, 0));
    let status = &held.published.status;
    assert_eq!((status.up, status.last_attempt, status.last_success), (false, Some(START + COOLDOWN), Some(START)));
    assert_eq!(status.agents, counts(0, 3, 0));
    // A Retry-After within the refresh is not stored, but it ended within `refresh_timeout`.
    process.clock.advance(REFRESH_TIMEOUT - SECOND * 2);
    assert_eq!((process.scrape().await.served, process.asked()), (Served::Stale, 0));
    process.clock.advance(SECOND);
    assert_eq!((process.scrape().await.served, process.asked()), (Served::Fresh, 1));
}

#[tokio::test]
async fn crash_loop_does_not_multiply_refreshes() {
    let mut disk = Disk::new();
    let mut asked = 0;
    // Started every ten seconds for an hour, scraped, and killed as soon as a request is under way.
    for step in 0..360 {
        let process = Process::start_slow(&disk, START + SECOND * 10 * step).await;
        let _waiting = process.scrape_until_asked().await;
        asked += process.asked();
        disk = disk.after_a_crash();
    }
    // At 0, 120, 240 and 480 seconds or somewhat later, and from then on every five minutes.
    assert!((12..=14).contains(&asked), "{asked}");
}

#[tokio::test]
async fn torn_attempt_line_is_a_wait_and_loses_no_data() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let whole = disk.text("acme.cxone");
    let torn_after_whole = [frame::attempt(START + SECOND), "attempt 17".to_owned()].concat();
    let of_the_future = frame::attempt(START + HOUR * 5);
    for torn in [
        &torn_after_whole,
        &of_the_future,
        "a",
        "attempt 17000",
        "attempt 1700000001000000 00000000\n",
        "\n",
        "\0\0\0\0\0\0\0\0",
    ] {
        let copy = disk.after_a_crash();
        std::fs::write(copy.file("acme.cxone"), [whole.as_str(), torn].concat()).unwrap();
        let process = Process::start(&copy, START + HOUR / 6, &[]).await;
        assert_eq!((process.scrape().await.served, process.asked()), (Served::Stale, 0), "{torn:?}");
        process.clock.advance(REFRESH_TIMEOUT * 5 / 4);
        assert_eq!((process.scrape().await.served, process.asked()), (Served::Fresh, 1), "{torn:?}");
    }
}

#[tokio::test]
async fn attempt_after_a_change_of_server_is_of_the_new_one() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let process = Process::start_as(moved(), &disk.path(), START, &[]).await;
    process.source.permits.forget_permits(1000);
    let _waiting = process.scrape_until_asked().await;
    let crashed = disk.after_a_crash();
    let process = Process::start_as(moved(), &crashed.path(), START + SECOND, &[]).await;
    assert_eq!((process.scrape().await.served, process.asked()), (Served::None, 0));
}

#[tokio::test]
async fn attempt_is_not_appended_to_a_file_of_another_server() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    process.scrape().await;
    process.refresher.reconfigure(Arc::new(moved()), process.source.clone());
    process.clock.advance(COOLDOWN);
    process.source.permits.forget_permits(1000);
    let _waiting = process.scrape_until_asked().await;
    let crashed = disk.after_a_crash();
    let process = Process::start_as(moved(), &crashed.path(), START + COOLDOWN, &[]).await;
    assert_eq!((process.scrape().await.served, process.asked()), (Served::None, 0));
}

#[tokio::test]
async fn recorded_attempt_is_no_saved_state() {
    let disk = Disk::new();
    let process = Process::start_slow(&disk, START).await;
    let _waiting = process.scrape_until_asked().await;
    assert_eq!(*process.observed.stored.lock().unwrap(), None);
}
