//! Tells the crate which revision and which compiler it is built from, for `--version` and `cxone_exporter_build_info`.

use std::env;
use std::path::Path;
use std::process::Command;

/// Sets the revision where there is no repository, in an image build for example.
const REVISION: &str = "CXONE_EXPORTER_REVISION";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={REVISION}");
    let revision = env::var(REVISION).ok().filter(|revision| !revision.is_empty()).or_else(git_revision);
    println!("cargo::rustc-env=BUILD_REVISION={}", revision.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=BUILD_RUSTC={}", rustc_version().as_deref().unwrap_or("unknown"));
}

/// The commit that is checked out, if this directory is the top of a repository. Cargo runs the script again when it changes.
fn git_revision() -> Option<String> {
    // In a directory below the top, the sources may be a copy within an unrelated repository.
    if !output("git", &["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    // Each commit and checkout writes to the log of HEAD. Without such a log, a commit changes the branch's own file.
    let branch = output("git", &["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        // Cargo would run the script each time for a file that does not exist.
        if let Some(path) = output("git", &["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    output("git", &["rev-parse", "HEAD"])
}

/// The version of the compiler, such as `1.95.0`.
fn rustc_version() -> Option<String> {
    output(&env::var("RUSTC").ok()?, &["--version"])?.split_whitespace().nth(1).map(str::to_owned)
}

/// What a command prints; `None` if it fails.
fn output(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
