//! Where the configuration comes from, at the start and at each reload.

use std::path::{Path, PathBuf};

use super::args::Cli;
use crate::config::{Config, ConfigError, Shard};

/// Where the configuration comes from, and which part of it is this process's.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    place: Place,
    shard: Option<Shard>,
}

#[derive(Debug, Clone)]
enum Place {
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
    pub(super) fn of(cli: &Cli, shard: Option<Shard>) -> Self {
        Self { place: cli.config_file.clone().map_or(Place::Environment, Place::File), shard }
    }

    /// The program itself, of which every shard is told the same.
    pub(super) fn fixed(config: Config, shard: Option<Shard>) -> Self {
        Self { place: Place::Fixed(config), shard }
    }

    /// Which of several exporters this is.
    pub(super) const fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// The configuration as it is there now.
    ///
    /// # Errors
    ///
    /// Every fault that it has.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        let config = match &self.place {
            Place::File(path) => Config::from_file(path),
            Place::Environment => Config::from_environment(&|name| std::env::var(name).ok(), Path::new(".")),
            Place::Fixed(config) => Ok(config.clone()),
        }?;
        match self.shard {
            Some(shard) => config.of_shard(shard),
            None => Ok(config),
        }
    }
}
