//! Who may come in and how: TLS, users, rate, headers, by the web configuration file.
//!
//! At each connection and each request it is looked whether the file, or one that it names, has changed. That costs a
//! few `stat` calls. A file with faults changes nothing; it is read again once a second until it is right.
//! As in the toolkit, `http2` and `rate_limit` hold from the start of the process; whether there is TLS does, too.

use std::fs;
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
use super::router::{Answer, text};
use super::tls;
use crate::clock::{Clock, Monotonic};
use crate::config::WebConfig;
use crate::metrics::{ExporterInstruments, HttpRejection};

/// A web configuration that cannot be used: every fault, a line each.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{0}")]
pub struct WebConfigError(String);

/// What the web configuration file says, now.
pub struct LiveWebConfig {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    exporter: Arc<ExporterInstruments>,
    auth: BasicAuth,
    bucket: Option<Bucket>,
    served: ArcSwap<Served>,
    looked: Mutex<Looked>,
}

/// One state of the file, ready for use.
pub(super) struct Served {
    config: WebConfig,
    pub(super) tls: Option<Arc<ServerConfig>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the last look saw.
struct Looked {
    stamps: Vec<Stamp>,
    fault: Option<(WebConfigError, Monotonic)>,
}

/// What tells that a file was written or replaced; `None` where there is none.
type Stamp = Option<(u64, u64, i64, i64, i64, i64)>;

// === impl LiveWebConfig ===

impl LiveWebConfig {
    /// Reads the web configuration file at `path`, and follows it from then on.
    ///
    /// # Errors
    ///
    /// Every fault of it.
    pub fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
        exporter: Arc<ExporterInstruments>,
    ) -> Result<Self, WebConfigError> {
        let before = stamps(path, &[]);
        let served = Served::read(path, None)?;
        // Taken again with what the file names: a file that changes in between is seen at the next look.
        let stamps = if before == stamps(path, &[]) { stamps(path, &served.config.files) } else { Vec::new() };
        exporter.web_config_loaded(true);
        Ok(Self {
            path: path.to_owned(),
            clock,
            exporter,
            auth: BasicAuth::new(),
            bucket: served.config.rate_limit.map(Bucket::new),
            served: ArcSwap::from_pointee(served),
            looked: Mutex::new(Looked { stamps, fault: None }),
        })
    }

    /// What deserves a look in the web configuration file at `path`, which is right.
    ///
    /// # Errors
    ///
    /// Every fault of it.
    pub fn check(path: &Path) -> Result<Vec<String>, WebConfigError> {
        Ok(Served::read(path, None)?.config.warnings)
    }

    /// What deserves a look in the file.
    pub fn warnings(&self) -> Vec<String> {
        self.served.load().config.warnings.clone()
    }

    /// Whether the front speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.served.load().tls.is_some()
    }

    /// What the file says now, or said when it last was right.
    pub(super) fn served(&self) -> Arc<Served> {
        let mut looked = match self.looked.try_lock() {
            Ok(looked) => looked,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody else is looking.
            Err(TryLockError::WouldBlock) => return self.served.load_full(),
        };
        let before = self.served.load_full();
        let now = self.clock.monotonic();
        let stamps = stamps(&self.path, &before.config.files);
        let is_due = looked.fault.as_ref().is_some_and(|(_, at)| now.saturating_since(*at) >= WEB_CONFIG_RETRY);
        if stamps == looked.stamps && !is_due {
            return before;
        }
        match Served::read(&self.path, Some(&before)) {
            Ok(after) => {
                // A file that it names only now is looked at from the next time on, and read once more then.
                looked.stamps = if after.config.files == before.config.files { stamps } else { Vec::new() };
                if looked.fault.take().is_some() || after.config != before.config {
                    info!(path = %self.path.display(), "the web configuration was read again");
                }
                self.exporter.web_config_loaded(true);
                self.served.store(Arc::new(after));
            }
            Err(fault) => {
                looked.stamps = stamps;
                if looked.fault.as_ref().is_none_or(|(known, _)| *known != fault) {
                    error!(faults = %fault, "the new web configuration was refused, and the old one stays in place");
                    self.exporter.web_config_loaded(false);
                }
                looked.fault = Some((fault, now));
            }
        }
        self.served.load_full()
    }

    /// Why a request is not answered, if it is not: too many came, or nobody knows who asks.
    pub(super) async fn refuse(&self, served: &Served, headers: &HeaderMap) -> Option<Answer> {
        if let Some(bucket) = &self.bucket
            && !bucket.take(self.clock.monotonic())
        {
            self.exporter.http_rejected(HttpRejection::RateLimit);
            return Some(text(StatusCode::TOO_MANY_REQUESTS, "too many requests came; rate_limit allows fewer\n"));
        }
        if served.config.users.is_empty() {
            return None;
        }
        match self.auth.check(&served.config.users, headers.get(AUTHORIZATION)).await {
            Verdict::Right => None,
            Verdict::Wrong => {
                self.exporter.http_rejected(HttpRejection::Unauthorized);
                let mut refusal = text(StatusCode::UNAUTHORIZED, "a user name and a password are needed\n");
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

// === impl Served ===

impl Served {
    /// Reads the file, and makes of it all that can fail; `before` is what it may not be too far from.
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

    /// Sets the headers of every answer. One that is configured takes the place of what a route sets by itself, so that
    /// an operator has the last word, and none is there twice.
    pub(super) fn dress(&self, answer: &mut Answer) {
        for (name, value) in &self.headers {
            answer.headers_mut().insert(name.clone(), value.clone());
        }
    }
}

fn stamps(path: &Path, files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()))
    };
    std::iter::once(path).chain(files.iter().map(PathBuf::as_path)).map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_header_takes_the_place_of_a_routes_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.yml");
        let headers =
            "{ Content-Security-Policy: \"default-src 'none'\", X-Frame-Options: deny, X-XSS-Protection: \" \" }";
        fs::write(&file, format!("http_server_config: {{ headers: {headers} }}")).unwrap();
        let served = Served::read(&file, None).unwrap();
        let mut answer = text(StatusCode::OK, "page");
        let own = [
            ("content-security-policy", "default-src 'self'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-xss-protection", "0"),
        ];
        for (name, value) in own {
            answer.headers_mut().append(name, HeaderValue::from_static(value));
        }
        served.dress(&mut answer);
        let expected = [
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "deny"),
            // A blank one sets nothing, and takes nothing away.
            ("x-xss-protection", "0"),
        ];
        for (name, value) in expected {
            let values: Vec<_> = answer.headers().get_all(name).iter().collect();
            assert_eq!(values, [value], "{name}");
        }
    }
}
