//! Where the configuration comes from, at the start and at each reload.

use std::path::{Path, PathBuf};

use super::args::Cli;
use crate::config::{Config, ConfigError};

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A file, with the files that it names.
    File(PathBuf),
    /// The process's environment and `.env` in the working directory, of which only the latter can change.
    Environment,
    /// The program itself: there is nothing that could be read again.
    Fixed(Config),
}

// === impl Origin ===

impl Origin {
    /// What the flags say.
    pub(super) fn of(cli: &Cli) -> Self {
        cli.config_file.clone().map_or(Self::Environment, Self::File)
    }

    /// The configuration as it is there now.
    ///
    /// # Errors
    ///
    /// Every fault that it has.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        match self {
            Self::File(path) => Config::from_file(path),
            Self::Environment => Config::from_environment(&|name| std::env::var(name).ok(), Path::new(".")),
            Self::Fixed(config) => Ok(config.clone()),
        }
    }
}
