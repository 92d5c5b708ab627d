//! Files and the folder they are in: whole or not at all, for nobody else to read, and for one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Held locked for as long as a process uses the folder. No tenant's file is called so, for want of an ending.
const LOCK_FILE: &str = "lock";

/// What is kept says when people worked, which is nobody's business but the exporter's.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The most bytes that a file may have: 100,000 agents in ten states take some 30 MB, and in 64 states some 150 MB.
pub(super) const MAX_FILE_BYTES: u64 = 256 << 20;

/// The folder that files are in.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The lock, once it could be had.
    claim: Mutex<Option<File>>,
}

/// Why a folder cannot be used.
#[derive(Debug)]
pub(super) enum ClaimError {
    /// Another process uses it.
    InUse,
    /// It cannot be made, or its lock cannot.
    Io(io::Error),
}

// === impl Folder ===

impl Folder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, claim: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that the folder is there and is this process's, until the end of it.
    pub(super) fn claim(&self) -> Result<(), ClaimError> {
        let mut claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        if claim.is_some() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.path).map_err(ClaimError::Io)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(FILE_MODE).open(self.path.join(LOCK_FILE));
        let lock = lock.map_err(ClaimError::Io)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ClaimError::InUse,
            TryLockError::Error(error) => ClaimError::Io(error),
        })?;
        *claim = Some(lock);
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let lock = self.claim.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Closing the file is not enough: a child process holds a copy of the descriptor between fork and exec.
        let _ = lock.map(|lock| lock.unlock());
    }
}

impl From<ClaimError> for io::Error {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::InUse => Self::other("another process uses the directory"),
            ClaimError::Io(error) => error,
        }
    }
}

/// All of a file, `None` where there is none, and an error where it is larger than `limit` bytes or no file.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    // Opening a pipe would wait for somebody to write.
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes"));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // It may have grown since.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit { Err(too_large()) } else { Ok(Some(bytes)) }
}

/// Puts `contents` in the place of the file at `path`: after a crash at any point, there is all of the old one or all
/// of the new one.
pub(super) fn replace(path: &Path, contents: &[&[u8]]) -> io::Result<()> {
    let temporary = with_ending(path, ".tmp");
    // What a crash has left there, with whatever rights it had.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_new(&temporary, contents).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // On a full disk it takes up space that others need. That it is left is not worth more words.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // Only then does the rename outlast a loss of power.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn write_new(path: &Path, contents: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(FILE_MODE).open(path)?;
    for part in contents {
        file.write_all(part)?;
    }
    file.sync_all()
}

/// Adds `line` to the end of the file at `path`, which must be there.
pub(super) fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(line)?;
    file.sync_data()
}

/// Takes what is at `path` out of the way, in the place of what was put there before, and says where it is now.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = with_ending(path, ".bad");
    fs::rename(path, &aside)?;
    Ok(aside)
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
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::new(folder.path().to_owned());
        first.claim().unwrap();
        let held_by_child = first.claim.lock().unwrap().as_ref().unwrap().try_clone().unwrap();
        let second = Folder::new(folder.path().to_owned());
        assert!(matches!(second.claim(), Err(ClaimError::InUse)));
        drop(first);
        second.claim().unwrap();
        drop(held_by_child);
    }
}
