//! The exporter's process: its arguments in, its exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    cxone_exporter::cli::run(std::env::args_os())
}
