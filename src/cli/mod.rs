//! Arguments, logging, dispatch, exit codes. One file a command.

mod args;
mod check;
mod completions;
mod connect;
mod demo;
mod estimate;
mod exit;
#[cfg(test)]
pub(crate) mod fixture;
mod healthcheck;
mod logging;
mod man;
mod origin;
mod reload;
mod report;
mod serve;
mod shard;
mod simulate;
mod systemd;
mod version;

pub use args::{Cli, Command, LogArgs, LogFormat, LogLevel, ShardArgs, WebArgs};
pub use exit::run;
