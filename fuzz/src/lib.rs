//! What several fuzz targets need.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use cxone_exporter::config::{Config, ConfigError};
use tempfile::TempDir;

/// A folder for the files of one fuzzing process.
pub struct Folder(TempDir);

thread_local! {
    static FOLDER: OnceCell<Folder> = const { OnceCell::new() };
}

/// Does something in the folder of this process.
pub fn in_folder<T>(act: impl FnOnce(&Folder) -> T) -> T {
    FOLDER.with(|folder| act(folder.get_or_init(|| Folder(TempDir::new().unwrap()))))
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

    /// Holds a configuration, or the reasons why there is none, against what both promise: the secret is in neither,
    /// there is at least one fault and each is told, and what is shown of the configuration is one itself.
    pub fn check(&self, outcome: &Result<Config, ConfigError>, secret: &str) {
        let config = match outcome {
            Ok(config) => config,
            Err(error) => {
                assert!(!error.faults().is_empty());
                assert!(!error.to_string().contains(secret), "{error}");
                return;
            }
        };
        assert!(!config.tenants.is_empty());
        assert!(!format!("{config:?}{:?}", config.warnings).contains(secret));
        let shown = config.to_yaml_redacted();
        assert!(!shown.contains(secret), "{shown}");
        if config.tenants.iter().any(|tenant| tenant.client_secret_file.is_some()) {
            return;
        }
        match Config::from_file(&self.write("shown.yml", shown.as_bytes())) {
            Ok(again) => assert_eq!(again.to_yaml_redacted(), shown),
            Err(error) => panic!("what is shown cannot be read: {error}\n{shown}"),
        }
    }
}
