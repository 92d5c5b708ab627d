//! The output of `--version`.

/// The version of the package.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The revision of the build, from `CXONE_EXPORTER_REVISION` at build time.
pub(super) const REVISION: &str = match option_env!("CXONE_EXPORTER_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Version, revision and platform, in the order of `prometheus --version`.
pub(super) fn long() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{VERSION} (revision: {REVISION})\n  platform: {os}/{arch}")
}
