//! Stores each tenant's last good data, status and waits across restarts and crashes.
//!
//! Each tenant has a file, `NAME.cxone`, that is replaced after each refresh; a line is appended before a refresh sends
//! anything. A file is limited in size, checked, and compared with configuration and clock before it is used.

mod access;
mod file;
mod format;
mod frame;
mod restore;
mod stored_counters;
mod tenant_store;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tracing::warn;

pub use tenant_store::TenantStore;

use self::file::{LockError, StateDirectory};
use self::tenant_store::TenantFile;
use crate::clock::Clock;
use crate::refresh::Observer;

/// How long a shutdown waits for writes. A write takes well under a second; one that is cut off leaves the older file.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The directory of `--storage.path`, locked for this process.
pub struct Storage {
    directory: Arc<StateDirectory>,
    clock: Arc<dyn Clock>,
    /// By tenant name, so that the refreshers before and after a reload share a file.
    files: Mutex<HashMap<String, Arc<TenantFile>>>,
}

/// Another process uses the directory.
#[derive(Debug, Error)]
#[error(
    "--storage.path {}: another process uses this directory; stop that one, or give each exporter a directory of its own",
    path.display()
)]
pub struct StorageInUse {
    path: PathBuf,
}

// === impl Storage ===

impl Storage {
    /// Locks the directory at `path` for this process, and creates it where it is missing.
    ///
    /// A directory that cannot be created or written is logged and tried again with every use, because only a restart needs it.
    ///
    /// # Errors
    ///
    /// When another process has locked it.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StorageInUse> {
        let directory = Arc::new(StateDirectory::new(path.to_owned()));
        match directory.lock() {
            Ok(()) => {
                if let Some(reason) = directory.writable_by_others() {
                    let path = path.display();
                    warn!(%path, reason, "storage directory writable by other users; they could change what a restart serves");
                }
            }
            Err(LockError::InUse) => return Err(StorageInUse { path: path.to_owned() }),
            Err(LockError::Io(error)) => {
                warn!(path = %path.display(), %error, "storage directory unusable");
            }
        }
        Ok(Self { directory, clock, files: Mutex::default() })
    }

    /// The file of the tenant `name`; `observer` counts its writes and errors.
    pub fn tenant(&self, name: &str, observer: Arc<dyn Observer>) -> TenantStore {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(TenantFile::new(Arc::clone(&self.directory), name)));
        TenantStore { file: Arc::clone(file), clock: Arc::clone(&self.clock), observer }
    }

    /// Waits until no write is under way, for two seconds at most.
    pub async fn finish(&self) {
        let files: Vec<_> =
            self.files.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        let idle = async {
            for file in &files {
                file.wait_idle().await;
            }
        };
        tokio::select! {
            () = idle => {}
            () = self.clock.sleep_until(self.clock.monotonic() + SHUTDOWN_TIMEOUT) => {
                warn!("shutdown before a tenant's file was written");
            }
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("path", &self.directory.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
