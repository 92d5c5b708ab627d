//! Where the configuration is read from, at the start and at each reload.

use std::path::{Path, PathBuf};

use super::args::Cli;
use super::{shard, web_environment};
use crate::config::{Config, ConfigError, Shard, check_network_variables, unknown_variables};

/// Where the configuration is read from, and the shard of this process.
#[derive(Debug, Clone)]
pub(super) struct ConfigSource {
    origin: Origin,
    shard: Option<Shard>,
}

#[derive(Debug, Clone)]
enum Origin {
    /// A file, and the files that it names.
    File(PathBuf),
    /// The environment of the process, and `.env` in the working directory. Only the file can change.
    Environment,
    /// A configuration of the program itself, which never changes.
    BuiltIn(Config),
}

// === impl ConfigSource ===

impl ConfigSource {
    /// The file of `--config.file`, or else the environment.
    pub(super) fn new(cli: &Cli, shard: Option<Shard>) -> Self {
        Self { origin: cli.config_file.clone().map_or(Origin::Environment, Origin::File), shard }
    }

    /// A configuration of the program itself, which is the same for every shard.
    pub(super) fn built_in(config: Config, shard: Option<Shard>) -> Self {
        Self { origin: Origin::BuiltIn(config), shard }
    }

    /// The shard of this process, if there are several.
    pub(super) const fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// Reads the configuration and reduces it to the shard of this process.
    ///
    /// # Errors
    ///
    /// All problems of the configuration.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        let mut config = match &self.origin {
            Origin::File(path) => Config::from_file(path)?,
            Origin::Environment => Config::from_environment(&|name| std::env::var(name).ok(), Path::new("."))?,
            Origin::BuiltIn(config) => config.clone(),
        };
        if !matches!(self.origin, Origin::BuiltIn(_)) {
            let names: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
            let of_flags = web_environment::VARIABLES.iter().chain(&shard::VARIABLES);
            let of_flags: Vec<_> = of_flags.map(|variable| variable.name).collect();
            config.warnings.extend(check_network_variables(&|name| std::env::var_os(name))?);
            config.warnings.extend(unknown_variables(names.iter().map(String::as_str), &of_flags));
        }
        match self.shard {
            Some(shard) => config.of_shard(shard),
            None => Ok(config),
        }
    }
}
