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
use super::restore::{RestoredState, Unused, restore};
use crate::clock::{Clock, Monotonic};
use crate::config::{ServerKey, Tenant};
use crate::presence::Timestamp;
use crate::refresh::{Moment, Observer, Published, StorageOperation};
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
    folder: Arc<StateDirectory>,
    name: String,
    path: PathBuf,
    /// The file of the source's history.
    history_path: PathBuf,
    /// When the history was last saved.
    history_saved_at: Mutex<Option<Monotonic>>,
    /// The server of an intact file, to which attempts may be appended.
    whole: Mutex<Option<ServerKey>>,
    /// Held while writing, so that at most one thread waits for a hanging disk.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether the last write timed out and may still run.
    hanging: AtomicBool,
    reported_errors: Mutex<ReportedErrors>,
}

/// The last logged error of each operation, while it fails.
#[derive(Debug, Default)]
struct ReportedErrors([Option<String>; StorageOperation::ALL.len()]);

// === impl TenantStore ===

impl TenantStore {
    /// What an earlier process left, as far as it still holds at `now`.
    ///
    /// A file that cannot be read is renamed and logged.
    pub(crate) fn restore(&self, tenant: &Arc<Tenant>, now: Moment) -> Option<RestoredState> {
        self.observer.storage_used();
        if self.file.folder.lock().is_err() {
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
            Ok((memory, unused)) => {
                self.file.set_intact(Some(ServerKey::of(tenant)).filter(|_| unused != Some(Unused::OtherServer)));
                self.tell(&memory, unused);
                Some(memory)
            }
            Err(bad) => {
                self.quarantine(&self.file.path, &bad);
                None
            }
        }
    }

    /// Restores the history of `source`. A bad file is renamed and logged, one of another configuration is removed; then the next
    /// refresh is a full one.
    pub(crate) fn restore_history(&self, source: &dyn Source) {
        if self.file.folder.lock().is_err() {
            return;
        }
        let path = &self.file.history_path;
        let bytes = match file::read(path, MAX_FILE_BYTES) {
            Ok(None) => return,
            Ok(Some(bytes)) => bytes,
            Err(error) => return self.quarantine(path, &error),
        };
        let taken_up = match frame::unframe(&bytes) {
            Ok(contents) => source.restore_history(contents.body),
            Err(bad) => return self.quarantine(path, &bad),
        };
        let (tenant, path) = (&self.file.name, path.display());
        match taken_up {
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
    pub(crate) async fn record_attempt(&self, started: Timestamp, published: Arc<Published>, failures: u32) {
        let note = move |file: &TenantFile| file.write_attempt(started, &published, failures);
        self.run(StorageOperation::Attempt, ATTEMPT_TIMEOUT, note).await;
    }

    /// Saves what is published, after `failures` failed refreshes in a row, and every ten minutes the history.
    pub(crate) async fn save(&self, published: Arc<Published>, failures: u32) {
        let now = self.clock.monotonic();
        let write = move |file: &TenantFile| {
            file.replace(&published, failures, None)?;
            file.replace_history(&*published.source, now)
        };
        self.run(StorageOperation::Write, WRITE_TIMEOUT, write).await;
    }

    /// Runs `job` on a blocking thread, one at a time, and reports its outcome.
    async fn run(
        &self,
        operation: StorageOperation,
        timeout: Duration,
        job: impl FnOnce(&TenantFile) -> io::Result<()> + Send + 'static,
    ) {
        let given_up = || Err(io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"));
        let file = Arc::clone(&self.file);
        if file.hanging.swap(false, Ordering::AcqRel) && file.turn.try_lock().is_err() {
            // One refresh has already waited for this disk.
            file.hanging.store(true, Ordering::Release);
            return self.account(operation, given_up());
        }
        let deadline = self.clock.monotonic() + timeout;
        let done = async move {
            let turn = Arc::clone(&file.turn).lock_owned().await;
            let job = move || {
                let _turn = turn;
                job(&file)
            };
            tokio::task::spawn_blocking(job).await
        };
        let outcome = tokio::select! {
            // A job that ended in time counts, even where the runtime polls late.
            biased;
            outcome = done => outcome.unwrap_or_else(|aborted| Err(io::Error::other(aborted))),
            () = self.clock.sleep_until(deadline) => {
                self.file.hanging.store(true, Ordering::Release);
                given_up()
            }
        };
        self.account(operation, outcome);
    }

    /// Counts the outcome of an operation, and logs a change.
    fn account(&self, operation: StorageOperation, outcome: io::Result<()>) {
        let tenant = &self.file.name;
        let path = self.file.path.display();
        let mut reported_errors = self.file.reported_errors.lock().unwrap_or_else(PoisonError::into_inner);
        let said = reported_errors.of(operation);
        let operation_name = operation.label();
        match outcome {
            Ok(()) => {
                if operation == StorageOperation::Write {
                    self.observer.stored(self.clock.now());
                }
                if said.take().is_some() {
                    info!(tenant, %path, operation = operation_name, "tenant file usable again");
                }
            }
            Err(error) => {
                self.observer.storage_failed(operation);
                let message = error.to_string();
                if said.as_ref() != Some(&message) {
                    warn!(
                        tenant, %path, operation = operation_name, %error,
                        "tenant file unusable; a restart now loses its data and waits"
                    );
                    *said = Some(message);
                }
            }
        }
    }

    /// Renames a bad file and logs the reason.
    fn quarantine(&self, file: &Path, reason: &dyn std::fmt::Display) {
        self.observer.storage_failed(StorageOperation::Read);
        let (tenant, path) = (&self.file.name, file.display());
        match file::quarantine(file) {
            Ok(aside) => {
                let aside = aside.display();
                warn!(tenant, %path, %aside, %reason, "tenant file invalid; renamed");
            }
            Err(error) => {
                warn!(tenant, %path, %reason, %error, "tenant file invalid; rename failed");
            }
        }
    }

    fn tell(&self, memory: &RestoredState, unused: Option<Unused>) {
        let (tenant, path) = (&self.file.name, self.file.path.display());
        let agents = memory.snapshot.rows.iter().filter(|row| row.data.is_some()).count();
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
    let body: Body<'_> =
        serde_json::from_slice(contents.body).map_err(|error| FormatError::Contradiction(error.to_string()))?;
    restore(&body, contents.attempts, tenant, now, fastrand::f64())
}

// === impl TenantFile ===

impl TenantFile {
    pub(super) fn new(folder: Arc<StateDirectory>, name: &str) -> Self {
        let path = folder.path().join(format!("{name}.cxone"));
        let history_path = folder.path().join(format!("{name}.kept"));
        Self {
            folder,
            name: name.to_owned(),
            path,
            history_path,
            history_saved_at: Mutex::default(),
            whole: Mutex::default(),
            turn: Arc::default(),
            hanging: AtomicBool::new(false),
            reported_errors: Mutex::default(),
        }
    }

    fn set_intact(&self, about: Option<ServerKey>) {
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner) = about;
    }

    /// Waits until no write is under way.
    pub(super) async fn rest(&self) {
        drop(self.turn.lock().await);
    }

    /// Blocks writes, as a hanging disk does.
    #[cfg(test)]
    pub(super) async fn hang(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    fn write_attempt(&self, started: Timestamp, published: &Published, failures: u32) -> io::Result<()> {
        self.folder.lock()?;
        let line = frame::attempt(started);
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let server = ServerKey::of(&published.snapshot.tenant);
        if whole == Some(server) && file::append(&self.path, line.as_bytes()).is_ok() {
            return Ok(());
        }
        // Without an intact file a new one is written.
        self.replace(published, failures, Some(&line))
    }

    fn replace(&self, published: &Published, failures: u32, attempt: Option<&str>) -> io::Result<()> {
        self.folder.lock()?;
        let body = serde_json::to_vec(&Body::of(published, failures)).map_err(io::Error::other)?;
        let framed = framed(&body)?;
        drop(body);
        self.set_intact(None);
        file::replace(&self.path, &[&framed, attempt.unwrap_or_default().as_bytes()])?;
        self.set_intact(Some(ServerKey::of(&published.snapshot.tenant)));
        Ok(())
    }

    /// Saves the history of `source`, where there is one and the last save is ten minutes ago.
    fn replace_history(&self, source: &dyn Source, now: Monotonic) -> io::Result<()> {
        let mut history_saved_at = self.history_saved_at.lock().unwrap_or_else(PoisonError::into_inner);
        if history_saved_at.is_some_and(|history_saved_at| now < history_saved_at + HISTORY_INTERVAL) {
            return Ok(());
        }
        let Some(kept) = source.export_history() else { return Ok(()) };
        file::replace(&self.history_path, &[&framed(&kept)?])?;
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
    fn of(&mut self, operation: StorageOperation) -> &mut Option<String> {
        let [read, attempt, write] = &mut self.0;
        match operation {
            StorageOperation::Read => read,
            StorageOperation::Attempt => attempt,
            StorageOperation::Write => write,
        }
    }
}
