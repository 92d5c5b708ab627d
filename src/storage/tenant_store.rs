//! One tenant's file: read once, appended to as a refresh starts, and replaced as it ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::file::{self, Folder, MAX_FILE_BYTES};
use super::format::Body;
use super::frame::{self, BadFile};
use super::restore::{LeftOut, RestoredState, restore};
use crate::clock::{Clock, Monotonic};
use crate::config::{ServerKey, Tenant};
use crate::presence::Timestamp;
use crate::refresh::{Moment, Observer, Published, StorageOperation};
use crate::upstream::Source;

/// How long a refresh waits for its start to be noted. It is a write of some forty bytes; a disk that takes longer
/// hangs, and a refresh without a note is better than none.
const ATTEMPT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a file may take to be written. Nobody waits for it, but a disk that hangs should be known to.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// How often at the most what a source keeps is written down, as it may be many megabytes. After a crash as much more of each
/// agent is asked for again, which is less than what is asked for in any case.
const KEPT_EVERY: Duration = Duration::from_secs(10 * 60);

/// Where one tenant's last data and waits are kept. Clones are the same file.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) file: Arc<TenantFile>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
}

/// A tenant's file. There is one of these a process, so that nothing is written twice at once.
#[derive(Debug)]
pub(super) struct TenantFile {
    folder: Arc<Folder>,
    name: String,
    path: PathBuf,
    /// Where what its source keeps is.
    kept_path: PathBuf,
    /// When that was written last.
    kept_at: Mutex<Option<Monotonic>>,
    /// Whose address the file is about, as long as it is whole: attempts to ask there may be noted behind what it says.
    whole: Mutex<Option<ServerKey>>,
    /// Who may write. It is held while writing, so that no more than one thread waits for a disk that hangs.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether the last one to have the turn was given up, and may have it still.
    hangs: AtomicBool,
    complaints: Mutex<Complaints>,
}

/// What was said last of each operation, as long as it fails.
#[derive(Debug, Default)]
struct Complaints([Option<String>; StorageOperation::ALL.len()]);

// === impl TenantStore ===

impl TenantStore {
    /// What an earlier process left, as far as it is of use at `now`.
    ///
    /// What cannot be read is set aside and told; it is never an error.
    pub(crate) fn restore(&self, tenant: &Arc<Tenant>, now: Moment) -> Option<RestoredState> {
        self.observer.storage_used();
        if self.file.folder.claim().is_err() {
            // Why was said when the directory was opened.
            self.observer.storage_failed(StorageOperation::Read);
            return None;
        }
        let bytes = match file::read(&self.file.path, MAX_FILE_BYTES) {
            Ok(bytes) => bytes?,
            Err(error) => {
                self.set_aside(&self.file.path, &error);
                return None;
            }
        };
        match restore_from(&bytes, tenant, now) {
            Ok((memory, left_out)) => {
                self.file.is_whole(Some(ServerKey::of(tenant)).filter(|_| left_out != Some(LeftOut::OtherAddress)));
                self.tell(&memory, left_out);
                Some(memory)
            }
            Err(bad) => {
                self.set_aside(&self.file.path, &bad);
                None
            }
        }
    }

    /// Hands what an earlier process's source kept to `source`. What cannot be read is set aside and told, and what is of no
    /// use is removed; either costs a refresh that reads everything.
    pub(crate) fn restore_history(&self, source: &dyn Source) {
        if self.file.folder.claim().is_err() {
            return;
        }
        let path = &self.file.kept_path;
        let bytes = match file::read(path, MAX_FILE_BYTES) {
            Ok(None) => return,
            Ok(Some(bytes)) => bytes,
            Err(error) => return self.set_aside(path, &error),
        };
        let taken_up = match frame::unframe(&bytes) {
            Ok(contents) => source.restore_history(contents.body),
            Err(bad) => return self.set_aside(path, &bad),
        };
        let (tenant, path) = (&self.file.name, path.display());
        match taken_up {
            Some(agents) => info!(tenant, %path, agents, "refreshes go on from what an earlier run has read"),
            None => {
                info!(tenant, %path, "what an earlier run has read is part of another answer; everything is read again");
                // Should it stay, it is met with in the same way by the next run.
                let _ = std::fs::remove_file(&self.file.kept_path);
            }
        }
    }

    /// Notes that a refresh starts, before it sends anything, so that a process that does not live to see its end
    /// leaves word of it. Ends within five seconds, noted or not.
    pub(crate) async fn record_attempt(&self, started: Timestamp, published: Arc<Published>, failures: u32) {
        let note = move |file: &TenantFile| file.note_attempt(started, &published, failures);
        self.run(StorageOperation::Attempt, ATTEMPT_PATIENCE, note).await;
    }

    /// Puts what is published in the place of what was kept before, after `failures` failed refreshes in a row, and now and
    /// then what `source` keeps beside it.
    pub(crate) async fn save(&self, published: Arc<Published>, failures: u32) {
        let now = self.clock.monotonic();
        let write = move |file: &TenantFile| {
            file.replace(&published, failures, None)?;
            file.replace_kept(&*published.source, now)
        };
        self.run(StorageOperation::Write, WRITE_PATIENCE, write).await;
    }

    /// Runs `job` on a thread that may wait for a disk, one at a time, and accounts for how it ended.
    async fn run(
        &self,
        operation: StorageOperation,
        patience: Duration,
        job: impl FnOnce(&TenantFile) -> io::Result<()> + Send + 'static,
    ) {
        let given_up = || Err(io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"));
        let file = Arc::clone(&self.file);
        if file.hangs.swap(false, Ordering::AcqRel) && file.turn.try_lock().is_err() {
            // One refresh has waited for this disk already; the others need not.
            file.hangs.store(true, Ordering::Release);
            return self.account(operation, given_up());
        }
        let deadline = self.clock.monotonic() + patience;
        let done = async move {
            let turn = Arc::clone(&file.turn).lock_owned().await;
            let job = move || {
                let _turn = turn;
                job(&file)
            };
            tokio::task::spawn_blocking(job).await
        };
        let outcome = tokio::select! {
            // What is done in time is done, even where the runtime notices late.
            biased;
            outcome = done => outcome.unwrap_or_else(|broke_off| Err(io::Error::other(broke_off))),
            () = self.clock.sleep_until(deadline) => {
                self.file.hangs.store(true, Ordering::Release);
                given_up()
            }
        };
        self.account(operation, outcome);
    }

    /// Counts how an operation ended, and says so where it is news.
    fn account(&self, operation: StorageOperation, outcome: io::Result<()>) {
        let tenant = &self.file.name;
        let path = self.file.path.display();
        let mut complaints = self.file.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let said = complaints.of(operation);
        let operation_name = operation.label();
        match outcome {
            Ok(()) => {
                if operation == StorageOperation::Write {
                    self.observer.stored(self.clock.now());
                }
                if said.take().is_some() {
                    info!(tenant, %path, operation = operation_name, "the tenant's file can be used again");
                }
            }
            Err(error) => {
                self.observer.storage_failed(operation);
                let message = error.to_string();
                if said.as_ref() != Some(&message) {
                    warn!(
                        tenant, %path, operation = operation_name, %error,
                        "the tenant's file cannot be used; a restart now would forget its data and its waits"
                    );
                    *said = Some(message);
                }
            }
        }
    }

    /// Takes a file that is of no use out of the way, and says so.
    fn set_aside(&self, file: &Path, reason: &dyn std::fmt::Display) {
        self.observer.storage_failed(StorageOperation::Read);
        let (tenant, path) = (&self.file.name, file.display());
        match file::set_aside(file) {
            Ok(aside) => {
                let aside = aside.display();
                warn!(tenant, %path, %aside, %reason, "the tenant's file cannot be used and was set aside; starting without it");
            }
            Err(error) => {
                warn!(tenant, %path, %reason, %error, "the tenant's file can neither be used nor set aside; starting without it");
            }
        }
    }

    fn tell(&self, memory: &RestoredState, left_out: Option<LeftOut>) {
        let (tenant, path) = (&self.file.name, self.file.path.display());
        let agents = memory.snapshot.rows.iter().filter(|row| row.data.is_some()).count();
        match left_out {
            Some(reason) => warn!(tenant, %path, agents, "the tenant's file is of an earlier run: {reason}"),
            None => info!(tenant, %path, agents, "the data and waits of an earlier run are taken up again"),
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
) -> Result<(RestoredState, Option<LeftOut>), BadFile> {
    let contents = frame::unframe(bytes)?;
    let body: Body<'_> =
        serde_json::from_slice(contents.body).map_err(|error| BadFile::Contradiction(error.to_string()))?;
    restore(&body, contents.attempts, tenant, now, fastrand::f64())
}

// === impl TenantFile ===

impl TenantFile {
    pub(super) fn new(folder: Arc<Folder>, name: &str) -> Self {
        let path = folder.path().join(format!("{name}.cxone"));
        let kept_path = folder.path().join(format!("{name}.kept"));
        Self {
            folder,
            name: name.to_owned(),
            path,
            kept_path,
            kept_at: Mutex::default(),
            whole: Mutex::default(),
            turn: Arc::default(),
            hangs: AtomicBool::new(false),
            complaints: Mutex::default(),
        }
    }

    fn is_whole(&self, about: Option<ServerKey>) {
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner) = about;
    }

    /// Ends once nobody writes any more.
    pub(super) async fn rest(&self) {
        drop(self.turn.lock().await);
    }

    /// Has the turn, as somebody does whose disk hangs.
    #[cfg(test)]
    pub(super) async fn hang(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    fn note_attempt(&self, started: Timestamp, published: &Published, failures: u32) -> io::Result<()> {
        self.folder.claim()?;
        let line = frame::attempt(started);
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let server = ServerKey::of(&published.snapshot.tenant);
        if whole == Some(server) && file::append(&self.path, line.as_bytes()).is_ok() {
            return Ok(());
        }
        // Without a file to note it behind, or with one that a failed note may have spoilt, a new one is written.
        self.replace(published, failures, Some(&line))
    }

    fn replace(&self, published: &Published, failures: u32, attempt: Option<&str>) -> io::Result<()> {
        self.folder.claim()?;
        let body = serde_json::to_vec(&Body::of(published, failures)).map_err(io::Error::other)?;
        let framed = framed(&body)?;
        drop(body);
        self.is_whole(None);
        file::replace(&self.path, &[&framed, attempt.unwrap_or_default().as_bytes()])?;
        self.is_whole(Some(ServerKey::of(&published.snapshot.tenant)));
        Ok(())
    }

    /// Puts what `source` keeps in the place of what it kept before, where there is such and that is long enough ago.
    fn replace_kept(&self, source: &dyn Source, now: Monotonic) -> io::Result<()> {
        let mut kept_at = self.kept_at.lock().unwrap_or_else(PoisonError::into_inner);
        if kept_at.is_some_and(|kept_at| now < kept_at + KEPT_EVERY) {
            return Ok(());
        }
        let Some(kept) = source.export_history() else { return Ok(()) };
        file::replace(&self.kept_path, &[&framed(&kept)?])?;
        *kept_at = Some(now);
        Ok(())
    }
}

/// `body` as a file, unless that would be larger than what is read.
fn framed(body: &[u8]) -> io::Result<Vec<u8>> {
    let framed = frame::frame(body);
    if u64::try_from(framed.len()).unwrap_or(u64::MAX) >= MAX_FILE_BYTES {
        let message = format!("it would be larger than {MAX_FILE_BYTES} bytes, the most that is read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(framed)
}

// === impl Complaints ===

impl Complaints {
    fn of(&mut self, operation: StorageOperation) -> &mut Option<String> {
        let [read, attempt, write] = &mut self.0;
        match operation {
            StorageOperation::Read => read,
            StorageOperation::Attempt => attempt,
            StorageOperation::Write => write,
        }
    }
}
