//! The web configuration file: TLS, users, rate limit, headers. It is read again when it changes.
//!
//! Each connection and each request checks with a few `stat` calls whether the file or a file it names has changed. A
//! faulty file changes nothing and is read again once a second until it is valid. As in the exporter-toolkit, `http2` and
//! `rate_limit` are fixed at start-up; so is whether TLS is used.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, TryLockError};

use arc_swap::ArcSwap;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use rustls::ServerConfig;
use thiserror::Error;
use tracing::{error, info};

use super::basic_auth::{BasicAuth, Verdict};
use super::limits::WEB_CONFIG_RETRY;
use super::rate_limit::Bucket;
use super::response::{HttpResponse, text};
use super::tls;
use crate::clock::{Clock, Monotonic};
use crate::config::WebConfig;
use crate::metrics::{ExporterInstruments, HttpRejection};

/// The faults of a web configuration, one per line.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{0}")]
pub struct WebConfigError(String);

/// The web configuration file, kept up to date.
pub struct LiveWebConfig {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    exporter: Arc<ExporterInstruments>,
    auth: BasicAuth,
    bucket: Option<Bucket>,
    active: ArcSwap<ActiveConfig>,
    last_read: Mutex<LastRead>,
}

/// The content of the file, ready for use.
pub(super) struct ActiveConfig {
    config: WebConfig,
    pub(super) tls: Option<Arc<ServerConfig>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The result of the last read.
struct LastRead {
    versions: Vec<FileVersion>,
    fault: Option<(WebConfigError, Monotonic)>,
}

/// Identifies the content of a file: inode, length, mtime, ctime. `None` if there is no file.
type FileVersion = Option<(u64, u64, i64, i64, i64, i64)>;

// === impl LiveWebConfig ===

impl LiveWebConfig {
    /// Reads the web configuration file at `path`.
    ///
    /// # Errors
    ///
    /// All faults of the file.
    pub fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
        exporter: Arc<ExporterInstruments>,
    ) -> Result<Self, WebConfigError> {
        let before = versions(path, &[]);
        let active = ActiveConfig::read(path, None)?;
        // Without the versions of a file that changed meanwhile, the next request reads it again.
        let versions = if before == versions(path, &[]) { versions(path, &active.config.files) } else { Vec::new() };
        exporter.web_config_loaded(true);
        Ok(Self {
            path: path.to_owned(),
            clock,
            exporter,
            auth: BasicAuth::new(),
            bucket: active.config.rate_limit.map(Bucket::new),
            active: ArcSwap::from_pointee(active),
            last_read: Mutex::new(LastRead { versions, fault: None }),
        })
    }

    /// Validates the file at `path` and returns its warnings.
    ///
    /// # Errors
    ///
    /// All faults of the file.
    pub fn check(path: &Path) -> Result<Vec<String>, WebConfigError> {
        Ok(ActiveConfig::read(path, None)?.config.warnings)
    }

    /// The warnings of the file.
    pub fn warnings(&self) -> Vec<String> {
        self.active.load().config.warnings.clone()
    }

    /// True if the listeners use TLS.
    pub fn has_tls(&self) -> bool {
        self.active.load().tls.is_some()
    }

    /// The current content of the file, or the last valid one.
    pub(super) fn current(&self) -> Arc<ActiveConfig> {
        let mut last_read = match self.last_read.try_lock() {
            Ok(last_read) => last_read,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another request is reading the file.
            Err(TryLockError::WouldBlock) => return self.active.load_full(),
        };
        let before = self.active.load_full();
        let now = self.clock.monotonic();
        let versions = versions(&self.path, &before.config.files);
        let is_due = last_read.fault.as_ref().is_some_and(|(_, at)| now.saturating_since(*at) >= WEB_CONFIG_RETRY);
        if versions == last_read.versions && !is_due {
            return before;
        }
        match ActiveConfig::read(&self.path, Some(&before)) {
            Ok(after) => {
                // If it names other files, the next request reads it again and records their versions.
                last_read.versions = if after.config.files == before.config.files { versions } else { Vec::new() };
                if last_read.fault.take().is_some() || after.config != before.config {
                    info!(path = %self.path.display(), "web configuration reloaded");
                }
                self.exporter.web_config_loaded(true);
                self.active.store(Arc::new(after));
            }
            Err(fault) => {
                last_read.versions = versions;
                if last_read.fault.as_ref().is_none_or(|(known, _)| *known != fault) {
                    error!(faults = %fault, "web configuration refused, the previous one stays active");
                    self.exporter.web_config_loaded(false);
                }
                last_read.fault = Some((fault, now));
            }
        }
        self.active.load_full()
    }

    /// Rejects rate-limited or unauthenticated requests.
    pub(super) async fn refuse(
        &self,
        active: &ActiveConfig,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Option<HttpResponse> {
        if let Some(bucket) = &self.bucket
            && !bucket.take(self.clock.monotonic())
        {
            self.exporter.http_rejected(HttpRejection::RateLimit);
            return Some(text(StatusCode::TOO_MANY_REQUESTS, "more requests than rate_limit allows\n"));
        }
        if active.config.users.is_empty() {
            return None;
        }
        match self.auth.check(&active.config.users, headers.get(AUTHORIZATION), peer).await {
            Verdict::Right => None,
            Verdict::Wrong => {
                self.exporter.http_rejected(HttpRejection::Unauthorized);
                let mut refusal = text(StatusCode::UNAUTHORIZED, "user name and password required\n");
                refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
                Some(refusal)
            }
            Verdict::Busy => {
                self.exporter.http_rejected(HttpRejection::MaxRequests);
                Some(text(StatusCode::SERVICE_UNAVAILABLE, "too many passwords are being checked; try again\n"))
            }
        }
    }
}

// === impl ActiveConfig ===

impl ActiveConfig {
    /// Reads the file. Settings that are fixed at start-up are taken from `before` or must equal it.
    fn read(path: &Path, before: Option<&Self>) -> Result<Self, WebConfigError> {
        let config = WebConfig::from_file(path).map_err(|faults| WebConfigError(faults.to_string()))?;
        let fault = |problem: String| WebConfigError(format!("{}: tls_server_config: {problem}", path.display()));
        if before.is_some_and(|before| before.tls.is_some() != config.tls.is_some()) {
            return Err(fault("TLS cannot be switched on or off while running; restart the exporter".to_owned()));
        }
        let http2 = before.map_or(config.http2, |before| before.config.http2);
        let config = WebConfig { http2, ..config };
        let tls = config.tls.as_ref().map(|settings| tls::server_config(settings, http2)).transpose().map_err(fault)?;
        let headers = config
            .headers
            .iter()
            .filter_map(|(name, value)| Some((HeaderName::try_from(*name).ok()?, HeaderValue::try_from(value).ok()?)));
        let headers = headers.collect();
        Ok(Self { config, tls, headers })
    }

    /// Sets the configured headers. They replace headers of the same name that the handler has set.
    pub(super) fn apply_headers(&self, response: &mut HttpResponse) {
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
}

fn versions(path: &Path, files: &[PathBuf]) -> Vec<FileVersion> {
    let version = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()))
    };
    std::iter::once(path).chain(files.iter().map(PathBuf::as_path)).map(version).collect()
}

#[cfg(test)]
mod tests;
