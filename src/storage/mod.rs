//! What survives a restart and a crash: each tenant's last good data, its status, and what it has to wait for.
//!
//! The only place in `refresh` that knows files and serde. There is one file a tenant, `NAME.cxone`, that is replaced
//! whole after each refresh and gets a line more before one sends anything. Nothing read from it is trusted: it is
//! bounded, checked, and held against the configuration and the clock before it is used.

mod file;
mod format;
mod frame;
mod restore;
mod tenant_store;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tracing::warn;

pub(crate) use restore::RestoredState;
pub use tenant_store::TenantStore;

use self::file::{ClaimError, Folder};
use self::tenant_store::TenantFile;
use crate::clock::Clock;
use crate::refresh::Observer;

/// How long the end of the process waits for files that are being written. It takes well under a second, and what is
/// cut off then is only the newest file, not the one before it.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// The directory of `--storage.path`, locked for this process.
pub struct Storage {
    folder: Arc<Folder>,
    clock: Arc<dyn Clock>,
    /// By tenant, so that after a reload the old and the new refresher of a tenant share one.
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
    /// Takes the directory at `path` for this process, and makes it where it is missing.
    ///
    /// A directory that cannot be made or written is logged and tried again with every use, since nothing but a restart
    /// needs it.
    ///
    /// # Errors
    ///
    /// Where another process has taken it: the two would undo each other's work, and both send.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StorageInUse> {
        let folder = Arc::new(Folder::new(path.to_owned()));
        match folder.claim() {
            Ok(()) => {}
            Err(ClaimError::InUse) => return Err(StorageInUse { path: path.to_owned() }),
            Err(ClaimError::Io(error)) => {
                warn!(path = %path.display(), %error, "the directory of --storage.path cannot be used; running without until it can");
            }
        }
        Ok(Self { folder, clock, files: Mutex::default() })
    }

    /// The file of the tenant `name`; `observer` is told how its use goes.
    pub fn tenant(&self, name: &str, observer: Arc<dyn Observer>) -> TenantStore {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file =
            files.entry(name.to_owned()).or_insert_with(|| Arc::new(TenantFile::new(Arc::clone(&self.folder), name)));
        TenantStore { file: Arc::clone(file), clock: Arc::clone(&self.clock), observer }
    }

    /// Ends once nothing is being written any more, and within two seconds.
    pub async fn finish(&self) {
        let files: Vec<_> =
            self.files.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        let rest = async {
            for file in &files {
                file.rest().await;
            }
        };
        tokio::select! {
            () = rest => {}
            () = self.clock.sleep_until(self.clock.monotonic() + LAST_PATIENCE) => {
                warn!("a tenant's file could not be written before the end of the process");
            }
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("path", &self.folder.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
