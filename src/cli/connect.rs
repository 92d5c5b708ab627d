//! From a tenant's configuration to the source of its presence.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{Api, Tenant};
use crate::upstream::presence_api::PresenceSource;
use crate::upstream::{BuildError, Observer, Source};

/// Sets up the source of a tenant. The commands take it as an argument, so that a test hands them a source of its own.
pub(super) type Connect =
    dyn Fn(&Arc<Tenant>, Arc<dyn Clock>, Arc<dyn Observer>) -> Result<Arc<dyn Source>, BuildError> + Send + Sync;

/// The source of a tenant that is served. Only this file knows which API it asks through, which a reload has to know.
#[derive(Clone)]
pub(super) enum Connection {
    /// `api: presence`.
    Presence(Arc<PresenceSource>),
}

// === impl Connection ===

impl Connection {
    /// Sets up the source that the tenant's `api` asks for.
    pub(super) fn new(
        tenant: &Arc<Tenant>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        match tenant.api {
            Api::Presence => Ok(Self::Presence(Arc::new(PresenceSource::new(Arc::clone(tenant), clock, observer)?))),
            Api::Official => Err(BuildError::unknown_api(&tenant.name)),
        }
    }

    /// A source for the same tenant with other settings, which holds to every `Retry-After` there was and goes on with
    /// the token in hand, as far as server and client are the same.
    pub(super) fn reconfigured(&self, tenant: &Arc<Tenant>, observer: Arc<dyn Observer>) -> Result<Self, BuildError> {
        match (self, tenant.api) {
            (Self::Presence(source), Api::Presence) => {
                Ok(Self::Presence(Arc::new(source.reconfigured(Arc::clone(tenant), observer)?)))
            }
            (Self::Presence(_), Api::Official) => Err(BuildError::unknown_api(&tenant.name)),
        }
    }

    /// What a refresher asks.
    pub(super) fn source(&self) -> Arc<dyn Source> {
        match self {
            Self::Presence(source) => Arc::clone(source) as Arc<dyn Source>,
        }
    }
}

/// Sets up the source that the tenant's `api` asks for.
pub(super) fn connect(
    tenant: &Arc<Tenant>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Source>, BuildError> {
    Ok(Connection::new(tenant, clock, observer)?.source())
}

/// As [`connect`], but the source sends nothing again that failed: what is seen is how things stand.
pub(super) fn connect_for_probe(
    tenant: &Arc<Tenant>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Source>, BuildError> {
    match tenant.api {
        Api::Presence => Ok(Arc::new(PresenceSource::new(Arc::clone(tenant), clock, observer)?.without_repeats())),
        Api::Official => Err(BuildError::unknown_api(&tenant.name)),
    }
}
