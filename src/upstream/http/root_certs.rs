//! System root certificates, read once for all tenants that are set up together.
//!
//! Reading them takes some ten milliseconds and a hundred kilobytes, which is too much for each of hundreds of tenants.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use crate::clock::{Clock, Monotonic};

/// How long certificates are reused. All tenants of a configuration are set up within this time, and a later reload
/// sees added certificates.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The settings that all tenants share.
static SHARED: Shared = Shared::new();

/// The last settings, and when they were read.
struct Shared(Mutex<Option<(Monotonic, ClientConfig)>>);

/// Why a client cannot use TLS.
#[derive(Debug, Error)]
pub(crate) enum RootCertsError {
    /// The system has no root certificates.
    #[error("no CA certificates were found")]
    Missing,
    /// No root certificate can be read.
    #[error("no CA certificate can be read: {0}")]
    Unreadable(rustls_native_certs::Error),
    /// rustls refuses the settings.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// TLS settings with the system's root certificates, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
/// Clients that are built within some seconds share certificates and resumable sessions.
pub(crate) fn system(clock: &dyn Clock) -> Result<ClientConfig, RootCertsError> {
    SHARED.get(clock)
}

/// TLS settings without root certificates, for a client that never uses TLS.
pub(crate) fn without_roots() -> Result<ClientConfig, RootCertsError> {
    with_roots(RootCertStore::empty())
}

fn system_roots() -> Result<RootCertStore, RootCertsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Unreadable certificates are skipped: most systems have some.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(found.errors.into_iter().next().map_or(RootCertsError::Missing, RootCertsError::Unreadable));
    }
    Ok(roots)
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig, RootCertsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

// === impl Shared ===

impl Shared {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn get(&self, clock: &dyn Clock) -> Result<ClientConfig, RootCertsError> {
        let now = clock.monotonic();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read_at, config)) = &*last
            && now.saturating_since(*read_at) < MAX_AGE
        {
            return Ok(config.clone());
        }
        let config = with_roots(system_roots()?)?;
        *last = Some((now, config.clone()));
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DrivenClock;
    use crate::presence::Timestamp;

    #[test]
    fn root_certificates_are_read_once_within_max_age() {
        let clock = DrivenClock::new(Timestamp::from_seconds(1_700_000_000));
        let shared = Shared::new();
        let made = || Arc::clone(shared.get(&clock).unwrap().crypto_provider());
        let first = made();
        assert!(Arc::ptr_eq(&first, &made()));
        clock.advance(MAX_AGE);
        assert!(!Arc::ptr_eq(&first, &made()));
    }
}
