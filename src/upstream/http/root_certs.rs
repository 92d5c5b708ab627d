//! Whom tenants' clients trust: the system's CA certificates, read once for all tenants that are set up together.
//!
//! Reading them takes some ten milliseconds and what they come to some hundred kilobytes: little for one tenant, and
//! with hundreds of them more than all the rest.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use crate::clock::{Clock, Monotonic};

/// How long certificates count as just read. All tenants of a configuration are set up within it; a reload later than that
/// sees certificates that were added meanwhile.
const MAX_AGE: Duration = Duration::from_secs(10);

/// What tenants share.
static SHARED: Shared = Shared::new();

/// The settings that were made last, and when.
struct Shared(Mutex<Option<(Monotonic, ClientConfig)>>);

/// A client cannot have TLS.
#[derive(Debug, Error)]
pub(crate) enum TrustError {
    /// There is nobody to trust.
    #[error("no CA certificates were found")]
    Nobody,
    /// There may be somebody, but they cannot be read.
    #[error("no CA certificate can be read: {0}")]
    Unreadable(rustls_native_certs::Error),
    /// The cryptography lacks something.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// The TLS settings of a client that trusts whom the system trusts, or whom `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
/// All that are made within some seconds share the certificates, and the sessions that can be resumed.
pub(crate) fn system(clock: &dyn Clock) -> Result<ClientConfig, TrustError> {
    SHARED.get(clock)
}

/// The TLS settings of a client that never speaks TLS: it trusts nobody.
pub(crate) fn nobody() -> Result<ClientConfig, TrustError> {
    trusting(RootCertStore::empty())
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system has odd ones among its own; those that can be read do.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(found.errors.into_iter().next().map_or(TrustError::Nobody, TrustError::Unreadable));
    }
    Ok(roots)
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, TrustError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

// === impl Shared ===

impl Shared {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn get(&self, clock: &dyn Clock) -> Result<ClientConfig, TrustError> {
        let now = clock.monotonic();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read_at, config)) = &*last
            && now.saturating_since(*read_at) < MAX_AGE
        {
            return Ok(config.clone());
        }
        let config = trusting(system_roots()?)?;
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
    fn certificates_are_read_once_for_all_that_are_set_up_together() {
        let clock = DrivenClock::new(Timestamp::from_seconds(1_700_000_000));
        let shared = Shared::new();
        let made = || Arc::clone(shared.get(&clock).unwrap().crypto_provider());
        let first = made();
        assert!(Arc::ptr_eq(&first, &made()));
        clock.advance(MAX_AGE);
        assert!(!Arc::ptr_eq(&first, &made()));
    }
}
