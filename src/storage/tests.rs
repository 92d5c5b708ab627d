//! Restarts and crashes, with a driven clock, a scripted source and real files.

mod attempts;
mod damage;
mod restart;
mod round_trip;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::DrivenClock;
use crate::config::Tenant;
use crate::exposition::{BlockBuilder, Packing};
use crate::presence::{Rejections, Timestamp};
use crate::refresh::tests::{Answer, PATIENCE, START, ScriptedSource, tenant};
use crate::refresh::{Parts, RefreshResult, Refresher, Scrape, Served, StorageOperation};

/// Counts the events of files.
#[derive(Default)]
struct RecordingObserver {
    used: AtomicUsize,
    failed: [AtomicUsize; 3],
    stored: Mutex<Option<Timestamp>>,
}

/// A directory that outlives processes.
struct Disk(TempDir);

/// One run of the exporter, with a monotonic clock of its own.
struct Process {
    clock: DrivenClock,
    source: Arc<ScriptedSource>,
    observed: Arc<RecordingObserver>,
    storage: Storage,
    refresher: Arc<Refresher>,
}

// === impl RecordingObserver ===

impl RecordingObserver {
    fn failures(&self) -> [usize; 3] {
        self.failed.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

impl Observer for RecordingObserver {
    fn refreshed(&self, _: RefreshResult, _: Duration, _: &Rejections) {}
    fn scraped(&self, _: Served) {}
    fn status_changed(&self) {}
    fn storage_used(&self) {
        self.used.fetch_add(1, Ordering::Relaxed);
    }
    fn stored(&self, at: Timestamp) {
        *self.stored.lock().unwrap() = Some(at);
    }
    fn storage_failed(&self, operation: StorageOperation) {
        self.failed[operation as usize].fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Disk ===

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A copy of the directory, as a crash at this moment leaves it.
    fn after_a_crash(&self) -> Self {
        let copy = Self::new();
        std::fs::create_dir(copy.path()).unwrap();
        for entry in std::fs::read_dir(self.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }
}

// === impl Process ===

impl Process {
    async fn start(disk: &Disk, now: Timestamp, answers: &[Answer]) -> Self {
        Self::start_as(tenant(), &disk.path(), now, answers).await
    }

    async fn start_as(tenant: Tenant, path: &Path, now: Timestamp, answers: &[Answer]) -> Self {
        let clock = DrivenClock::new(now);
        let source = Arc::new(ScriptedSource::new(clock.clone(), answers));
        let observed = Arc::new(RecordingObserver::default());
        let storage = open(path, &clock).await;
        let store = storage.tenant(&tenant.name, observed.clone());
        let refresher = Refresher::new(Parts {
            tenant: Arc::new(tenant),
            source: source.clone(),
            clock: Arc::new(clock.clone()),
            observer: observed.clone(),
            render: Arc::new(|_| Arc::new(BlockBuilder::new().finish(Packing::Stored))),
            runtime: tokio::runtime::Handle::current(),
        });
        Self { clock, source, observed, storage, refresher: Arc::new(refresher.with_storage(store)) }
    }

    /// A run whose source never answers.
    async fn start_slow(disk: &Disk, now: Timestamp) -> Self {
        let process = Self::start(disk, now, &[]).await;
        process.source.permits.forget_permits(1000);
        process
    }

    fn scraping(&self) -> JoinHandle<Scrape> {
        let refresher = Arc::clone(&self.refresher);
        let deadline = self.clock.monotonic() + PATIENCE;
        tokio::spawn(async move { refresher.scrape(deadline).await })
    }

    /// Scrapes, and waits until the refresh is saved and counted.
    async fn scrape(&self) -> Scrape {
        let scrape = self.scraping().await.unwrap();
        // A refresh holds its refresher until it has ended.
        while Arc::strong_count(&self.refresher) > 1 {
            tokio::task::yield_now().await;
        }
        scrape
    }

    /// Scrapes until the source is asked, which is after the attempt is recorded, or until the scrape ends.
    async fn scrape_until_asked(&self) -> JoinHandle<Scrape> {
        let scraping = self.scraping();
        let before = self.asked();
        while self.asked() == before && !scraping.is_finished() {
            tokio::task::yield_now().await;
        }
        scraping
    }

    fn asked(&self) -> usize {
        self.source.asked.lock().unwrap().len()
    }
}

/// Opens the storage as soon as the tasks of the previous process have released it.
async fn open(path: &Path, clock: &DrivenClock) -> Storage {
    for _ in 0..10_000 {
        match Storage::open(path, Arc::new(clock.clone())) {
            Ok(storage) => return storage,
            Err(StorageInUse { .. }) => tokio::task::yield_now().await,
        }
    }
    panic!("the storage stays in use");
}

#[test]
fn lock_file_on_a_read_only_file_system_is_not_to_be_removed() {
    use super::file::lock_remedy;
    let table = [
        (std::io::ErrorKind::ReadOnlyFilesystem, "file system that can be written to"),
        (std::io::ErrorKind::PermissionDenied, "let the exporter's user write it"),
        (std::io::ErrorKind::StorageFull, "free some space"),
        (std::io::ErrorKind::IsADirectory, "remove it"),
    ];
    for (kind, expected) in table {
        assert!(lock_remedy(kind).contains(expected), "{kind}");
    }
}
