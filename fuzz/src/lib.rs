//! Shared by several fuzz targets.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use cxone_exporter::config::{Config, ConfigError};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

/// A folder for the files of one fuzzing process.
pub struct Folder(TempDir);

thread_local! {
    static FOLDER: OnceCell<Folder> = const { OnceCell::new() };
}

/// Does something in the folder of this process.
pub fn in_folder<T>(act: impl FnOnce(&Folder) -> T) -> T {
    FOLDER.with(|folder| act(folder.get_or_init(|| Folder(folder_in_memory()))))
}

/// Files are written with each input, which a disk would make slow.
fn folder_in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

impl Folder {
    /// Writes a file.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Holds a configuration, or the reasons why there is none, against what both promise: there is at least one fault,
    /// no secret is told, and what is shown of the configuration is one itself.
    ///
    /// Of `secret` nothing else may hold the text. Without it, each tenant's own is looked for, if it is distinct enough.
    pub fn check(&self, outcome: &Result<Config, ConfigError>, input: &[u8], secret: Option<&str>) {
        let config = match outcome {
            Ok(config) => config,
            Err(error) => {
                assert!(!error.problems().is_empty());
                assert!(secret.is_none_or(|secret| !error.to_string().contains(secret)), "{error}");
                return;
            }
        };
        assert!(!config.tenants.is_empty());
        let shown = config.to_yaml_redacted();
        let own = config.tenants.iter().map(|tenant| tenant.connection.client_secret.expose_secret());
        let distinct = own.filter(|secret| secret.len() >= 8 && occurrences(input, secret.as_bytes()) == 1);
        for secret in distinct.chain(secret) {
            assert!(!format!("{config:?}{:?}{shown}", config.warnings).contains(secret), "{shown}");
        }
        if config.tenants.iter().any(|tenant| tenant.connection.client_secret.file.is_some()) {
            return;
        }
        match Config::from_file(&self.write("shown.yml", shown.as_bytes())) {
            Ok(again) => assert_eq!(again.to_yaml_redacted(), shown),
            Err(error) => panic!("what is shown cannot be read: {error}\n{shown}"),
        }
    }
}

/// How often `text` has `part`.
pub fn occurrences(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len()).filter(|window| *window == part).count()
}
