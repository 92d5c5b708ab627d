//! One tenant's file: read once, appended to as a refresh starts, and replaced as it ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::file::{self, MAX_FILE_BYTES, StateDirectory};
use super::format::Body;
use super::frame::{self, FormatError};
use super::restore::{Unused, restore};
use crate::clock::{Clock, Monotonic};
use crate::config::{ServerKey, Tenant};
use crate::presence::Timestamp;
use crate::refresh::{Moment, Observer, Published, RestoredState, StateStore, StorageOperation, StoreFuture};
use crate::upstream::Source;

/// How long a refresh waits for its attempt to be recorded. The write has some forty bytes; a disk that takes longer hangs,
/// and the refresh goes on without.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a write may take. No scrape waits for it, but a hanging disk is reported.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the bucket history is saved, because it may have many megabytes. After a crash this much more is read again.
const HISTORY_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The store of one tenant's state. Clones share the file.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) file: Arc<TenantFile>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
}

/// A tenant's file. There is one per process, so that writes do not overlap.
#[derive(Debug)]
pub(super) struct TenantFile {
    directory: Arc<StateDirectory>,
    name: String,
    path: PathBuf,
    /// The file of the source's history.
    history_path: PathBuf,
    /// When the history was last saved.
    history_saved_at: Mutex<Option<Monotonic>>,
    /// The server of an intact file, to which attempts may be appended.
    intact_for: Mutex<Option<ServerKey>>,
    /// Held while writing, so that at most one thread waits for a hanging disk.
    write_lock: Arc<tokio::sync::Mutex<()>>,
    /// Whether the last write timed out and may still run.
    hanging: AtomicBool,
    reported_errors: Mutex<ReportedErrors>,
}

/// The last logged error of each operation, while it fails.
#[derive(Debug, Default)]
struct ReportedErrors([Option<String>; StorageOperation::ALL.len()]);

// === impl TenantStore ===

impl StateStore for TenantStore {
    /// What an earlier process left, as far as it still holds at `now`.
    ///
    /// A file that cannot be read is renamed and logged.
    fn restore(&self, tenant: &Arc<Tenant>, now: Moment) -> Option<RestoredState> {
        self.observer.storage_used();
        if self.file.directory.lock().is_err() {
            // The reason was logged when the directory was opened.
            self.observer.storage_failed(StorageOperation::Read);
            return None;
        }
        let bytes = match file::read(&self.file.path, MAX_FILE_BYTES) {
            Ok(bytes) => bytes?,
            Err(error) => {
                self.quarantine(&self.file.path, &error);
                return None;
            }
        };
        match restore_from(&bytes, tenant, now) {
            Ok((restored, unused)) => {
                self.file.set_intact(Some(ServerKey::of(tenant)).filter(|_| unused != Some(Unused::OtherServer)));
                self.log_restored(&restored, unused);
                Some(restored)
            }
            Err(error) => {
                self.quarantine(&self.file.path, &error);
                None
            }
        }
    }

    /// Restores the history of `source`. A bad file is renamed and logged, one of another configuration is removed; then the next
    /// refresh is a full one.
    fn restore_history(&self, source: &dyn Source) {
        if self.file.directory.lock().is_err() {
            return;
        }
        let path = &self.file.history_path;
        let bytes = match file::read(path, MAX_FILE_BYTES) {
            Ok(None) => return,
            Ok(Some(bytes)) => bytes,
            Err(error) => return self.quarantine(path, &error),
        };
        let restored = match frame::unframe(&bytes) {
            Ok(contents) => source.restore_history(contents.body),
            Err(error) => return self.quarantine(path, &error),
        };
        let (tenant, path) = (&self.file.name, path.display());
        match restored {
            Some(agents) => info!(tenant, %path, agents, "history restored"),
            None => {
                info!(tenant, %path, "history does not match the configuration; full refresh");
                // Otherwise the next process finds it again.
                let _ = std::fs::remove_file(&self.file.history_path);
            }
        }
    }

    /// Records that a refresh starts, so that the next process knows of it after a crash. Ends within five seconds, recorded or
    /// not.
    fn record_attempt(&self, started: Timestamp, published: Arc<Published>, failures: u32) -> StoreFuture<'_> {
        let write = move |file: &TenantFile| file.write_attempt(started, &published, failures);
        Box::pin(self.run(StorageOperation::Attempt, ATTEMPT_TIMEOUT, write))
    }

    /// Saves what is published, after `failures` failed refreshes in a row, and every ten minutes the history.
    fn save(&self, published: Arc<Published>, failures: u32) -> StoreFuture<'_> {
        let now = self.clock.monotonic();
        let write = move |file: &TenantFile| {
            file.replace(&published, failures, None)?;
            file.replace_history(&*published.source, now)
        };
        Box::pin(self.run(StorageOperation::Write, WRITE_TIMEOUT, write))
    }
}

impl TenantStore {
    /// Runs `job` on a blocking thread, one at a time, and reports its outcome.
    async fn run(
        &self,
        operation: StorageOperation,
        timeout: Duration,
        job: impl FnOnce(&TenantFile) -> io::Result<()> + Send + 'static,
    ) {
        let timed_out = || Err(io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"));
        let file = Arc::clone(&self.file);
        if file.hanging.swap(false, Ordering::AcqRel) && file.write_lock.try_lock().is_err() {
            // An earlier operation has already waited for this disk.
            file.hanging.store(true, Ordering::Release);
            return self.account(operation, timed_out());
        }
        let deadline = self.clock.monotonic() + timeout;
        let job = async move {
            let guard = Arc::clone(&file.write_lock).lock_owned().await;
            let job = move || {
                let _guard = guard;
                job(&file)
            };
            tokio::task::spawn_blocking(job).await
        };
        let outcome = tokio::select! {
            // A job that ended in time counts, even where the runtime polls late.
            biased;
            outcome = job => outcome.unwrap_or_else(|aborted| Err(io::Error::other(aborted))),
            () = self.clock.sleep_until(deadline) => {
                self.file.hanging.store(true, Ordering::Release);
                timed_out()
            }
        };
        self.account(operation, outcome);
    }

    /// Counts the outcome of an operation, and logs a change.
    fn account(&self, operation: StorageOperation, outcome: io::Result<()>) {
        let (tenant, path, label) = (&self.file.name, self.file.path.display(), operation.label());
        let mut reported_errors = self.file.reported_errors.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => {
                if operation == StorageOperation::Write {
                    self.observer.stored(self.clock.now());
                }
                if reported_errors.succeeded(operation) {
                    info!(tenant, %path, operation = label, "tenant file usable again");
                }
            }
            Err(error) => {
                self.observer.storage_failed(operation);
                if reported_errors.failed(operation, error.to_string()) {
                    warn!(
                        tenant, %path, operation = label, %error,
                        "tenant file unusable; a restart now loses its data and waits"
                    );
                }
            }
        }
    }

    /// Renames a bad file and logs the reason.
    fn quarantine(&self, file: &Path, reason: &dyn std::fmt::Display) {
        self.observer.storage_failed(StorageOperation::Read);
        let (tenant, path) = (&self.file.name, file.display());
        match file::quarantine(file) {
            Ok(renamed_to) => {
                let renamed_to = renamed_to.display();
                warn!(tenant, %path, %renamed_to, %reason, "tenant file invalid; renamed");
            }
            Err(error) => {
                warn!(tenant, %path, %reason, %error, "tenant file invalid; rename failed");
            }
        }
    }

    fn log_restored(&self, restored: &RestoredState, unused: Option<Unused>) {
        let (tenant, path) = (&self.file.name, self.file.path.display());
        let agents = restored.snapshot.rows.iter().filter(|row| row.data.is_some()).count();
        match unused {
            Some(reason) => warn!(tenant, %path, agents, %reason, "state restored in part"),
            None => info!(tenant, %path, agents, "state restored"),
        }
    }
}

impl std::fmt::Debug for TenantStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantStore").field("path", &self.file.path).finish_non_exhaustive()
    }
}

pub(super) fn restore_from(
    bytes: &[u8],
    tenant: &Arc<Tenant>,
    now: Moment,
) -> Result<(RestoredState, Option<Unused>), FormatError> {
    let contents = frame::unframe(bytes)?;
    let body: Body<'_> = serde_json::from_slice(contents.body).map_err(|error| invalid_json(&error))?;
    restore(&body, contents.attempts, tenant, now, fastrand::f64())
}

/// Only the place of the error: its own text may quote the file.
fn invalid_json(error: &serde_json::Error) -> FormatError {
    FormatError::Invalid(format!("line {}, column {}", error.line(), error.column()))
}

// === impl TenantFile ===

impl TenantFile {
    pub(super) fn new(directory: Arc<StateDirectory>, name: &str) -> Self {
        let path = directory.path().join(format!("{name}.cxone"));
        let history_path = directory.path().join(format!("{name}.kept"));
        Self {
            directory,
            name: name.to_owned(),
            path,
            history_path,
            history_saved_at: Mutex::default(),
            intact_for: Mutex::default(),
            write_lock: Arc::default(),
            hanging: AtomicBool::new(false),
            reported_errors: Mutex::default(),
        }
    }

    fn set_intact(&self, server: Option<ServerKey>) {
        *self.intact_for.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    /// Waits until no write is under way.
    pub(super) async fn wait_idle(&self) {
        drop(self.write_lock.lock().await);
    }

    /// Blocks writes, as a hanging disk does.
    #[cfg(test)]
    pub(super) async fn hang(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.write_lock).lock_owned().await
    }

    fn write_attempt(&self, started: Timestamp, published: &Published, failures: u32) -> io::Result<()> {
        self.directory.lock()?;
        let line = frame::attempt(started);
        let intact_for = self.intact_for.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let server = ServerKey::of(&published.snapshot.tenant);
        if intact_for == Some(server) && file::append(&self.path, line.as_bytes()).is_ok() {
            return Ok(());
        }
        // Without an intact file a new one is written.
        self.replace(published, failures, Some(&line))
    }

    fn replace(&self, published: &Published, failures: u32, attempt: Option<&str>) -> io::Result<()> {
        self.directory.lock()?;
        let body = serde_json::to_vec(&Body::of(published, failures)).map_err(io::Error::other)?;
        let framed = framed(&body)?;
        drop(body);
        // Until the new file is there, nothing is appended to the old one, which may be damaged by then.
        self.set_intact(None);
        file::replace(&self.path, &[&framed, attempt.unwrap_or_default().as_bytes()])?;
        self.set_intact(Some(ServerKey::of(&published.snapshot.tenant)));
        Ok(())
    }

    /// Saves the history of `source`, where there is one and the last save is ten minutes ago.
    fn replace_history(&self, source: &dyn Source, now: Monotonic) -> io::Result<()> {
        let mut history_saved_at = self.history_saved_at.lock().unwrap_or_else(PoisonError::into_inner);
        if history_saved_at.is_some_and(|saved_at| now < saved_at + HISTORY_INTERVAL) {
            return Ok(());
        }
        let Some(history) = source.export_history() else { return Ok(()) };
        file::replace(&self.history_path, &[&framed(&history)?])?;
        *history_saved_at = Some(now);
        Ok(())
    }
}

/// `body` as a file. An error where the file would exceed the size limit.
fn framed(body: &[u8]) -> io::Result<Vec<u8>> {
    let framed = frame::frame(body);
    if u64::try_from(framed.len()).unwrap_or(u64::MAX) >= MAX_FILE_BYTES {
        let message = format!("it would be larger than {MAX_FILE_BYTES} bytes, the most that is read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(framed)
}

// === impl ReportedErrors ===

impl ReportedErrors {
    /// Records a success. Whether it is to be logged, because the last operation of its kind failed.
    fn succeeded(&mut self, operation: StorageOperation) -> bool {
        self.of(operation).take().is_some()
    }

    /// Records a failure. Whether it is to be logged, because the last operation of its kind did not fail in the same way.
    fn failed(&mut self, operation: StorageOperation, message: String) -> bool {
        let last = self.of(operation);
        let is_new = last.as_ref() != Some(&message);
        *last = Some(message);
        is_new
    }

    fn of(&mut self, operation: StorageOperation) -> &mut Option<String> {
        let [read, attempt, write] = &mut self.0;
        match operation {
            StorageOperation::Read => read,
            StorageOperation::Attempt => attempt,
            StorageOperation::Write => write,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_errors_are_logged_at_start_change_and_recovery() {
        let steps = [
            (StorageOperation::Write, Some("disk full"), true),
            (StorageOperation::Write, Some("disk full"), false),
            (StorageOperation::Attempt, Some("disk full"), true),
            (StorageOperation::Attempt, None, true),
            (StorageOperation::Write, Some("no such directory"), true),
            (StorageOperation::Write, Some("no such directory"), false),
            (StorageOperation::Write, None, true),
            (StorageOperation::Write, None, false),
            (StorageOperation::Write, Some("disk full"), true),
        ];
        let mut reported_errors = ReportedErrors::default();
        for (nth, (operation, error, logged)) in steps.into_iter().enumerate() {
            let is_logged = match error {
                Some(error) => reported_errors.failed(operation, error.to_owned()),
                None => reported_errors.succeeded(operation),
            };
            assert_eq!(is_logged, logged, "step {nth}");
        }
    }
}
