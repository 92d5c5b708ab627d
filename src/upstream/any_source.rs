//! The source of a tenant, whichever API it is asked through.

use std::sync::Arc;

use super::official_api::OfficialSource;
use super::presence_api::PresenceSource;
use super::{BuildError, Observer, Source};
use crate::clock::Clock;
use crate::config::Tenant;

/// The source of a tenant that is served. Clones are the same source.
///
/// Only here is it known which API that is, as a reload may change it.
#[derive(Debug, Clone)]
pub enum AnySource {
    /// `api: presence`.
    Presence(Arc<PresenceSource>),
    /// `api: official`.
    Official(Arc<OfficialSource>),
}

// === impl AnySource ===

impl AnySource {
    /// Sets up the source that the tenant's `api` asks for.
    ///
    /// # Errors
    ///
    /// When the HTTP client cannot be built, for want of CA certificates above all.
    pub fn new(tenant: &Arc<Tenant>, clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        let owned = Arc::clone(tenant);
        Ok(match &tenant.official {
            None => Self::Presence(Arc::new(PresenceSource::new(owned, clock, observer)?)),
            Some(official) => Self::Official(Arc::new(OfficialSource::new(owned, official.clone(), clock, observer)?)),
        })
    }

    /// As [`AnySource::new`], but the source sends nothing again that failed: what is seen is how things stand.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn for_probe(
        tenant: &Arc<Tenant>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        let owned = Arc::clone(tenant);
        Ok(match &tenant.official {
            None => Self::Presence(Arc::new(PresenceSource::new(owned, clock, observer)?.without_repeats())),
            Some(official) => {
                let source = OfficialSource::new(owned, official.clone(), clock, observer)?;
                Self::Official(Arc::new(source.without_repeats()))
            }
        })
    }

    /// A source for the same tenant with other settings, which holds to every `Retry-After` there was and goes on with
    /// the token in hand, as far as server and client are the same.
    ///
    /// # Errors
    ///
    /// As for [`AnySource::new`].
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

    /// What a refresher asks.
    pub fn source(&self) -> Arc<dyn Source> {
        match self {
            Self::Presence(source) => Arc::clone(source) as Arc<dyn Source>,
            Self::Official(source) => Arc::clone(source) as Arc<dyn Source>,
        }
    }
}
