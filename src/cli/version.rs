//! What `--version` says.

/// The version of the package.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The revision it was built from, where the build said so in `CXONE_EXPORTER_REVISION`.
pub(super) const REVISION: &str = match option_env!("CXONE_EXPORTER_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The version with its revision and platform, in the order that Prometheus prints them.
pub(super) fn long() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{VERSION} (revision: {REVISION})\n  platform: {os}/{arch}")
}
