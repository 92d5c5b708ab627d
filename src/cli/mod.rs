//! The command line: arguments, logging, dispatch and exit codes. Each command has its own file.

mod app;
mod args;
mod backfill;
mod check;
mod completions;
mod config_source;
mod demo;
mod directory;
mod dispatch;
mod estimate;
#[cfg(test)]
pub(crate) mod fixture;
mod healthcheck;
mod logging;
mod man;
mod past_estimate;
mod reload;
mod report;
mod serve;
mod shard;
mod simulate;
mod source_factory;
mod systemd;
mod version;
mod web_environment;

pub use app::build_app;
pub use args::{Cli, Command, LogArgs, LogFormat, LogLevel, ShardArgs, WebArgs};
pub use dispatch::run;
