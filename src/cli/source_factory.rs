//! Builds the source of a tenant from its configuration.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Tenant;
use crate::upstream::{AnySource, BuildError, Observer, Source};

/// Builds the source of a tenant. Commands take it as an argument, so that tests pass a source of their own.
pub(super) type SourceFactory =
    dyn Fn(&Arc<Tenant>, Arc<dyn Clock>, Arc<dyn Observer>) -> Result<Arc<dyn Source>, BuildError> + Send + Sync;

/// Builds the source for the tenant's `api`.
pub(super) fn build_source(
    tenant: &Arc<Tenant>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Source>, BuildError> {
    Ok(AnySource::new(tenant, clock, observer)?.source())
}

/// Builds a source that never retries, so that a probe shows the first failure.
pub(super) fn build_probe_source(
    tenant: &Arc<Tenant>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Source>, BuildError> {
    Ok(AnySource::for_probe(tenant, clock, observer)?.source())
}
