//! Arguments, logging, dispatch, exit codes. One file a command.

mod args;
mod check;
mod connect;
mod demo;
mod estimate;
mod exit;
#[cfg(test)]
mod fixture;
mod logging;
mod report;
mod serve;
mod simulate;
mod version;

pub use args::{Cli, Command, LogArgs, LogFormat, LogLevel, WebArgs};
pub use exit::run;
