//! The state directory and its files: atomic writes, owner-only permissions, one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::access::{self, open_regular};

/// Locked while a process uses the directory. No tenant's file has this name, because each has an ending.
const LOCK_FILE: &str = "lock";

/// The files say when people worked, so only the exporter's user may read them.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// The size limit of a file: 100,000 agents in ten states take some 30 MB, and in 64 states some 150 MB.
pub(super) const MAX_FILE_BYTES: u64 = 256 << 20;

/// The directory of `--storage.path`.
#[derive(Debug)]
pub(super) struct StateDirectory {
    path: PathBuf,
    /// The lock file, once it is locked.
    lock_file: Mutex<Option<File>>,
}

/// Why the directory cannot be used.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process uses it.
    InUse,
    /// The directory or its lock file cannot be created.
    Io(io::Error),
}

// === impl StateDirectory ===

impl StateDirectory {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, lock_file: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What lets other users write to the directory or its lock file, so that they could replace the stored state.
    pub(super) fn writable_by_others(&self) -> Option<String> {
        let lock_file = self.lock_file.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = fs::metadata(&self.path).ok().and_then(|metadata| access::writable_by_others(&metadata));
        let of_lock = || {
            let metadata = lock_file.as_ref()?.metadata().ok()?;
            access::writable_by_others(&metadata).map(|reason| format!("its lock file: {reason}"))
        };
        directory.or_else(of_lock)
    }

    /// Creates the directory where it is missing and locks it until this value is dropped.
    pub(super) fn lock(&self) -> Result<(), LockError> {
        let mut lock_file = self.lock_file.lock().unwrap_or_else(PoisonError::into_inner);
        if lock_file.is_some() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&self.path).map_err(LockError::Io)?;
        let lock_path = self.path.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(FILE_MODE);
        let lock = open_regular(&lock_path, &mut options).map_err(|error| {
            let message = format!("{}: {error}; {}", lock_path.display(), lock_remedy(error.kind()));
            LockError::Io(io::Error::new(error.kind(), message))
        })?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => LockError::InUse,
            TryLockError::Error(error) => LockError::Io(error),
        })?;
        *lock_file = Some(lock);
        Ok(())
    }
}

/// What to do about a lock file that cannot be opened.
pub(super) const fn lock_remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ReadOnlyFilesystem => "name a directory on a file system that can be written to",
        io::ErrorKind::PermissionDenied => "let the exporter's user write it, or name another directory",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space, or name another directory",
        _ => "remove it, or name another directory",
    }
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        let lock = self.lock_file.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Closing the file is not enough: a child process holds a copy of the descriptor between fork and exec.
        let _ = lock.map(|lock| lock.unlock());
    }
}

impl From<LockError> for io::Error {
    fn from(error: LockError) -> Self {
        match error {
            LockError::InUse => Self::other("another process uses the directory"),
            LockError::Io(error) => error,
        }
    }
}

/// The whole file, `None` where it is missing, an error where it has more than `limit` bytes or is no regular file.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open_regular(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let metadata = file.metadata()?;
    if let Some(reason) = access::writable_by_others(&metadata) {
        let path = path.display();
        tracing::warn!(%path, reason, "stored file writable by other users; they could change what a restart serves");
    }
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes"));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // It may have grown since.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit { Err(too_large()) } else { Ok(Some(bytes)) }
}

/// Replaces the file at `path`. A crash at any point leaves the whole old or the whole new file.
pub(super) fn replace(path: &Path, contents: &[&[u8]]) -> io::Result<()> {
    let temporary = with_ending(path, ".tmp");
    // A crash may have left a temporary file, with other permissions.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_new(&temporary, contents).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // On a full disk it takes space that is needed. A failure to remove it changes nothing.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // Without this, a power loss can undo the rename.
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn write_new(path: &Path, contents: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(FILE_MODE).open(path)?;
    for part in contents {
        file.write_all(part)?;
    }
    file.sync_all()
}

/// Appends `line` to the existing file at `path`.
pub(super) fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = open_regular(path, OpenOptions::new().append(true))?;
    file.write_all(line)?;
    file.sync_data()
}

/// Renames a bad file to `.bad`, replacing an earlier one, and returns the new path.
pub(super) fn quarantine(path: &Path) -> io::Result<PathBuf> {
    let renamed_to = with_ending(path, ".bad");
    fs::rename(path, &renamed_to)?;
    Ok(renamed_to)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_released_while_a_child_holds_the_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let first = StateDirectory::new(directory.path().to_owned());
        first.lock().unwrap();
        let held_by_child = first.lock_file.lock().unwrap().as_ref().unwrap().try_clone().unwrap();
        let second = StateDirectory::new(directory.path().to_owned());
        assert!(matches!(second.lock(), Err(LockError::InUse)));
        drop(first);
        second.lock().unwrap();
        drop(held_by_child);
    }
}
