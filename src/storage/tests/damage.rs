//! Damaged files, failing disks, and directories in use.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::refresh::Moment;
use crate::refresh::tests::COOLDOWN;
use crate::storage::file::MAX_FILE_BYTES;
use crate::storage::frame;
use crate::storage::tenant_store::restore_from;

const NONE_FAILED: [usize; 3] = [0; 3];

/// The body of a file, for tests that change it.
fn body(disk: &Disk) -> String {
    let file = disk.text("acme.cxone");
    file.split_once('\n').unwrap().1.trim_end().to_owned()
}

#[tokio::test]
async fn files_are_private_and_hold_no_secrets() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    process.scrape().await;
    assert_eq!((process.observed.used.load(Ordering::Relaxed), process.observed.failures()), (1, NONE_FAILED));
    assert_eq!(*process.observed.stored.lock().unwrap(), Some(START));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(disk.path()), mode(disk.file("acme.cxone")), mode(disk.file("lock"))), (0o700, 0o600, 0o600));
    let mut files: Vec<_> = fs::read_dir(disk.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["acme.cxone", "lock"]);
    let text = disk.text("acme.cxone");
    assert!(!text.contains("secret"), "{text}");
    let header = "cxone-exporter-state 3 ";
    assert!(text.starts_with(header) && text.contains("\"reads\":[{\"read_at\":1700000000000000,"), "{text}");
}

#[tokio::test]
async fn invalid_file_is_renamed_to_bad() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    let (good, body) = (disk.text("acme.cxone"), body(&disk));
    let framed = |from: &str, to: &str| {
        let changed = body.replacen(from, to, 1);
        assert_ne!(changed, body, "{from} is not in it");
        frame::frame(changed.as_bytes())
    };
    let long = format!("[\"{}\"]", "x".repeat(crate::presence::MAX_TEXT_BYTES + 1));
    let table: [(&str, Vec<u8>); 19] = [
        ("empty", vec![]),
        ("torn", good.as_bytes()[..good.len() / 2].to_vec()),
        ("foreign", b"tenants: []\n".to_vec()),
        ("binary", vec![0; 4096]),
        ("older", good.replacen("-state 3 ", "-state 2 ", 1).into_bytes()),
        ("newer", good.replacen("-state 3 ", "-state 4 ", 1).into_bytes()),
        ("a changed digit", good.replacen("86400000000", "86300000000", 1).into_bytes()),
        ("no JSON", frame::frame(b"{")),
        ("another JSON", frame::frame(b"[]")),
        ("deep", frame::frame("[".repeat(100_000).as_bytes())),
        ("a negative number of failures", framed("\"failures\":0", "\"failures\":-1")),
        ("an unknown state", framed("[[0,86400000000]]", "[[1,86400000000]]")),
        ("a state twice", framed("[[0,86400000000]]", "[[0,1],[0,2]]")),
        ("more time than the window", framed("[[0,86400000000]]", "[[0,86400000001]]")),
        ("more observed time than the window", framed("\"observed\":86400000000", "\"observed\":86400000001")),
        (
            "a longer window",
            framed(
                "\"window\":[1699913600000000,1700000000000000],\"agents\"",
                "\"window\":[0,1700000000000000],\"agents\"",
            ),
        ),
        ("a state with a name that is too long", framed("[\"Available\"]", &long)),
        ("an unknown current state", framed("\"observed\":86400000000", "\"observed\":86400000000,\"current\":[7,1]")),
        ("a state without a name", framed("[\"Available\"]", "[\"\"]")),
    ];
    for (what, contents) in table {
        let copy = disk.after_a_crash();
        fs::write(copy.file("acme.cxone"), &contents).unwrap();
        fs::write(copy.file("acme.cxone.bad"), "an earlier one").unwrap();
        let process = Process::start(&copy, START, &[]).await;
        assert_eq!(process.observed.failures(), [1, 0, 0], "{what}");
        assert_eq!(fs::read(copy.file("acme.cxone.bad")).unwrap(), contents, "{what}");
        assert!(!copy.file("acme.cxone").exists() && !process.refresher.current().has_data(), "{what}");
        assert_eq!((process.scrape().await.served, process.asked()), (Served::Fresh, 1), "{what}");
        assert_eq!(copy.text("acme.cxone"), good, "{what}");
    }
}

#[tokio::test]
async fn non_file_or_too_large_file_is_renamed_unread() {
    let makes: [fn(&Path); 4] = [
        make_pipe,
        |path| fs::create_dir(path).unwrap(),
        |path| fs::File::create(path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap(),
        |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
    ];
    for make in makes {
        let disk = Disk::new();
        fs::create_dir(disk.path()).unwrap();
        make(&disk.file("acme.cxone"));
        let process = Process::start(&disk, START, &[]).await;
        assert_eq!(process.observed.failures(), [1, 0, 0]);
        process.scrape().await;
        assert!(disk.file("acme.cxone.bad").symlink_metadata().is_ok() && disk.file("acme.cxone").is_file());
    }
}

fn make_pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[tokio::test]
async fn lock_that_is_no_regular_file_is_neither_followed_nor_waited_for() {
    let makes: [fn(&Path); 3] = [
        make_pipe,
        |path| std::os::unix::fs::symlink(path.with_file_name("target"), path).unwrap(),
        |path| fs::create_dir(path).unwrap(),
    ];
    for make in makes {
        let disk = Disk::new();
        fs::create_dir(disk.path()).unwrap();
        make(&disk.file("lock"));
        let process = Process::start(&disk, START, &[]).await;
        assert_eq!(process.scrape().await.served, Served::Fresh);
        assert_eq!(process.observed.failures(), [1, 1, 1], "the directory is not used");
        assert!(!disk.file("target").exists() && !disk.file("acme.cxone").exists());
    }
}

#[tokio::test]
async fn attempt_is_not_appended_through_a_link() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    process.scrape().await;
    let target = disk.file("target");
    fs::rename(disk.file("acme.cxone"), &target).unwrap();
    std::os::unix::fs::symlink(&target, disk.file("acme.cxone")).unwrap();
    let before = fs::read(&target).unwrap();
    process.clock.advance(COOLDOWN);
    process.scrape().await;
    assert_eq!(fs::read(&target).unwrap(), before);
    assert!(disk.file("acme.cxone").symlink_metadata().unwrap().is_file());
}

#[test]
fn errors_of_a_damaged_file_quote_nothing_of_it() {
    let now = Moment { monotonic: DrivenClock::new(START).monotonic(), utc: START };
    for body in
        [r#"{"Ada Lovelace":1}"#, r#"{"query_key":"Ada Lovelace"}"#, r#""Ada Lovelace""#, r#"[{"Ada": Lovelace}]"#]
    {
        let error = restore_from(&frame::frame(body.as_bytes()), &Arc::new(tenant()), now).unwrap_err().to_string();
        assert!(error.starts_with("it is invalid: line 1, column ") && !error.contains("Ada"), "{error}");
    }
}

#[tokio::test]
async fn file_cut_at_any_byte_is_refused_or_correct() {
    let disk = Disk::new();
    let published = Process::start(&disk, START, &[]).await.scrape().await.published;
    let file = [disk.text("acme.cxone"), frame::attempt(START + COOLDOWN)].concat();
    let now = Moment { monotonic: DrivenClock::new(START).monotonic(), utc: START + COOLDOWN };
    let tenant = &published.snapshot.tenant;
    let mut read = 0;
    for length in 0..=file.len() {
        let Ok((restored, unused)) = restore_from(&file.as_bytes()[..length], tenant, now) else { continue };
        read += 1;
        assert_eq!((restored.status.last_success, unused), (published.status.last_success, None), "{length}");
        for (row, original) in restored.snapshot.rows.iter().zip(&published.snapshot.rows) {
            let presence = |row: &crate::refresh::AgentRow| row.data.as_ref().unwrap().presence.clone();
            assert_eq!(presence(row), presence(original), "{length}");
        }
    }
    assert_eq!(read, frame::attempt(START + COOLDOWN).len() + 1, "as soon as the body is whole");
}

#[tokio::test]
async fn crash_before_rename_leaves_the_old_file() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    for left in ["", "cxone-exporter-state 3 99", "whatever"] {
        let copy = disk.after_a_crash();
        fs::write(copy.file("acme.cxone.tmp"), left).unwrap();
        fs::set_permissions(copy.file("acme.cxone.tmp"), fs::Permissions::from_mode(0o444)).unwrap();
        let process = Process::start(&copy, START + COOLDOWN / 2, &[]).await;
        assert_eq!(process.scrape().await.served, Served::Cooldown);
        process.clock.advance(COOLDOWN / 2);
        assert_eq!(process.scrape().await.served, Served::Fresh);
        assert_eq!(process.observed.failures(), NONE_FAILED);
        assert!(!copy.file("acme.cxone.tmp").exists());
        assert!(copy.text("acme.cxone").contains("\"read_at\":1700000060000000"));
    }
}

#[tokio::test]
async fn unusable_directory_is_a_metric_and_fails_no_scrape() {
    let disk = Disk::new();
    fs::write(disk.path(), "a file where the directory should be").unwrap();
    let process = Process::start(&disk, START, &[]).await;
    assert_eq!(process.scrape().await.served, Served::Fresh);
    assert_eq!(process.observed.failures(), [1, 1, 1]);
    // The directory is used as soon as it is usable.
    fs::remove_file(disk.path()).unwrap();
    process.clock.advance(COOLDOWN);
    assert_eq!(process.scrape().await.served, Served::Fresh);
    assert_eq!(process.observed.failures(), [1, 1, 1]);
    assert!(disk.text("acme.cxone").contains("\"read_at\":1700000060000000"));
}

#[tokio::test]
async fn removed_directory_is_a_metric_and_fails_no_scrape() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    process.scrape().await;
    fs::remove_dir_all(disk.path()).unwrap();
    fs::write(disk.path(), "").unwrap();
    process.clock.advance(COOLDOWN);
    assert_eq!(process.scrape().await.served, Served::Fresh);
    assert_eq!(process.observed.failures(), [0, 1, 1]);
    fs::remove_file(disk.path()).unwrap();
    fs::create_dir(disk.path()).unwrap();
    process.clock.advance(COOLDOWN);
    assert_eq!(process.scrape().await.served, Served::Fresh);
    assert_eq!(process.observed.failures(), [0, 1, 1]);
}

#[tokio::test]
async fn attempt_without_a_file_is_recorded_in_a_new_file() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    process.scrape().await;
    fs::remove_file(disk.file("acme.cxone")).unwrap();
    process.clock.advance(COOLDOWN);
    process.source.permits.forget_permits(1000);
    let _waiting = process.scrape_until_asked().await;
    let text = disk.text("acme.cxone");
    assert!(text.contains("\"read_at\":1700000000000000") && text.contains("\nattempt 1700000060000000 "), "{text}");
}

#[tokio::test]
async fn attempt_after_a_failed_write_replaces_the_file() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    process.scrape().await;
    // A directory at the temporary path makes the next write fail, while the old file can still be appended to.
    fs::create_dir(disk.file("acme.cxone.tmp")).unwrap();
    process.clock.advance(COOLDOWN);
    process.scrape().await;
    assert_eq!(process.observed.failures(), [0, 0, 1]);
    fs::remove_dir(disk.file("acme.cxone.tmp")).unwrap();
    process.clock.advance(COOLDOWN);
    process.source.permits.forget_permits(1000);
    let _waiting = process.scrape_until_asked().await;
    let text = disk.text("acme.cxone");
    assert!(text.contains("\"read_at\":1700000060000000"), "{text}");
    assert_eq!(text.matches("\nattempt ").count(), 1, "{text}");
}

#[tokio::test]
async fn history_that_the_source_refuses_is_removed() {
    let disk = Disk::new();
    Process::start(&disk, START, &[]).await.scrape().await;
    fs::write(disk.file("acme.kept"), frame::frame(b"of another query")).unwrap();
    let process = Process::start(&disk, START, &[]).await;
    assert_eq!((disk.file("acme.kept").exists(), process.observed.failures()), (false, NONE_FAILED));
}

#[tokio::test]
async fn hanging_disk_delays_one_refresh_by_five_seconds() {
    let disk = Disk::new();
    let process = Process::start(&disk, START, &[]).await;
    let hanging = process.refresher_file().hang().await;
    let scraping = process.scraping();
    let gives_up = process.clock.monotonic() + Duration::from_secs(5);
    while process.clock.next_sleeper() != Some(gives_up) {
        tokio::task::yield_now().await;
    }
    assert_eq!(process.asked(), 0);
    process.clock.advance(Duration::from_secs(5));
    assert_eq!(scraping.await.unwrap().served, Served::Fresh);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(process.observed.failures(), [0, 1, 1], "nothing more waits for the disk");
    process.clock.advance(COOLDOWN);
    assert_eq!(process.scraping().await.unwrap().served, Served::Fresh);
    drop(hanging);
    process.clock.advance(COOLDOWN);
    assert_eq!(process.scrape().await.served, Served::Fresh);
    assert_eq!(process.observed.failures(), [0, 2, 2]);
    assert!(disk.text("acme.cxone").contains("\"read_at\":1700000125000000"));
}

#[tokio::test]
async fn second_process_on_a_directory_is_refused() {
    let disk = Disk::new();
    let clock = Arc::new(DrivenClock::new(START));
    let first = Storage::open(&disk.path(), clock.clone()).unwrap();
    let refused = Storage::open(&disk.path(), clock.clone()).unwrap_err().to_string();
    assert!(refused.contains(disk.path().to_str().unwrap()) && refused.contains("another process uses"), "{refused}");
    drop(first);
    Storage::open(&disk.path(), clock).unwrap();
}

impl Process {
    fn refresher_file(&self) -> Arc<TenantFile> {
        self.storage.tenant("acme", self.observed.clone()).file
    }
}
