//! From a tenant's configuration to the source of its presence.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Tenant;
use crate::upstream::{AnySource, BuildError, Observer, Source};

/// Sets up the source of a tenant. The commands take it as an argument, so that a test hands them a source of its own.
pub(super) type Connect =
    dyn Fn(&Arc<Tenant>, Arc<dyn Clock>, Arc<dyn Observer>) -> Result<Arc<dyn Source>, BuildError> + Send + Sync;

/// Sets up the source that the tenant's `api` asks for.
pub(super) fn connect(
    tenant: &Arc<Tenant>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Source>, BuildError> {
    Ok(AnySource::new(tenant, clock, observer)?.source())
}

/// As [`connect`], but the source sends nothing again that failed: what is seen is how things stand.
pub(super) fn connect_for_probe(
    tenant: &Arc<Tenant>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Source>, BuildError> {
    Ok(AnySource::for_probe(tenant, clock, observer)?.source())
}
