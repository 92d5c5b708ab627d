//! The program `cxone-exporter`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cxone_exporter::cli::run(std::env::args_os())
}
