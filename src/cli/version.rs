//! The output of `--version`.

/// The version of the package.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of the build, or `CXONE_EXPORTER_REVISION` at build time; `unknown` where neither exists.
pub(super) const REVISION: &str = env!("BUILD_REVISION");

/// The version of the compiler.
pub(super) const RUSTC: &str = env!("BUILD_RUSTC");

/// Version, revision, compiler and platform, in the order of `prometheus --version`.
pub(super) fn long() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{VERSION} (revision: {REVISION})\n  rustc version: {RUSTC}\n  platform: {os}/{arch}")
}
