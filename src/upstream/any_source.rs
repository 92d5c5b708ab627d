//! The source of a tenant, for either API.

use std::sync::Arc;

use super::official_api::OfficialSource;
use super::presence_api::PresenceSource;
use super::{BuildError, Observer, Source};
use crate::clock::Clock;
use crate::config::Tenant;

/// The source of a tenant. Clones share it.
///
/// Only this type knows which API it is, because a reload may change it.
#[derive(Debug, Clone)]
pub enum AnySource {
    /// `api: presence`.
    Presence(Arc<PresenceSource>),
    /// `api: official`.
    Official(Arc<OfficialSource>),
}

// === impl AnySource ===

impl AnySource {
    /// Builds the source for the tenant's `api`.
    ///
    /// # Errors
    ///
    /// Fails if the HTTP client cannot be built, most often for lack of CA certificates.
    pub fn new(tenant: &Arc<Tenant>, clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        let owned = Arc::clone(tenant);
        Ok(match &tenant.official {
            None => Self::Presence(Arc::new(PresenceSource::new(owned, clock, observer)?)),
            Some(official) => Self::Official(Arc::new(OfficialSource::new(owned, official.clone(), clock, observer)?)),
        })
    }

    /// As [`AnySource::new`], without retries, so that a probe shows the first failure.
    ///
    /// # Errors
    ///
    /// As [`AnySource::new`].
    pub fn for_probe(
        tenant: &Arc<Tenant>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        let owned = Arc::clone(tenant);
        Ok(match &tenant.official {
            None => Self::Presence(Arc::new(PresenceSource::new(owned, clock, observer)?.without_retries())),
            Some(official) => {
                let source = OfficialSource::new(owned, official.clone(), clock, observer)?;
                Self::Official(Arc::new(source.without_retries()))
            }
        })
    }

    /// A source for the same tenant with other settings. It keeps `Retry-After`, budget and token if server and client are
    /// the same.
    ///
    /// # Errors
    ///
    /// As [`AnySource::new`].
    pub fn reconfigured(
        &self,
        tenant: &Arc<Tenant>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        let owned = Arc::clone(tenant);
        match (self, &tenant.official) {
            (Self::Presence(source), None) => Ok(Self::Presence(Arc::new(source.reconfigured(owned, observer)?))),
            (Self::Official(source), Some(official)) => {
                Ok(Self::Official(Arc::new(source.reconfigured(owned, official.clone(), observer)?)))
            }
            _ => Self::new(tenant, clock, observer),
        }
    }

    /// The source for a refresher.
    pub fn source(&self) -> Arc<dyn Source> {
        match self {
            Self::Presence(source) => Arc::clone(source) as Arc<dyn Source>,
            Self::Official(source) => Arc::clone(source) as Arc<dyn Source>,
        }
    }
}
