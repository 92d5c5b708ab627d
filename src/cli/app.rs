//! Builds the app that the web server serves: a source and a refresher for each tenant.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::version;
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::metrics::{BuildInfo, ExporterInstruments, TenantInstruments};
use crate::refresh::{Parts, Refresher};
use crate::storage::Storage;
use crate::upstream::{AnySource, BuildError, Endpoint, Observer as _};
use crate::web::{App, Options, TenantHandle};

const BUILD: BuildInfo = BuildInfo { version: version::VERSION, revision: version::REVISION, rustc: version::RUSTC };

/// Builds the app, and the sources of its tenants by name.
///
/// # Errors
///
/// When the HTTP client of a tenant cannot be built.
pub fn build_app(
    config: Config,
    options: Options,
    storage: Option<&Storage>,
    clock: Arc<dyn Clock>,
) -> Result<(App, HashMap<String, AnySource>), BuildError> {
    let exporter = Arc::new(ExporterInstruments::new(Arc::clone(&clock), BUILD));
    exporter.config_loaded(true);
    let mut handles = Vec::with_capacity(config.tenants.len());
    let mut sources = HashMap::with_capacity(config.tenants.len());
    for tenant in &config.tenants {
        let (handle, source) = build_tenant(Arc::clone(tenant), storage, Arc::clone(&clock))?;
        handles.push(handle);
        sources.insert(tenant.name.clone(), source);
    }
    Ok((App::new(handles, exporter, clock, config, options), sources))
}

/// Builds the refresher and the source of a tenant that is not served yet.
///
/// # Errors
///
/// When its HTTP client cannot be built.
pub(super) fn build_tenant(
    tenant: Arc<Tenant>,
    storage: Option<&Storage>,
    clock: Arc<dyn Clock>,
) -> Result<(TenantHandle, AnySource), BuildError> {
    let instruments = Arc::new(TenantInstruments::new(Endpoint::of(tenant.api), Arc::clone(&clock)));
    instruments.of_shard(tenant.shard());
    instruments.budget(tenant.limits.max_requests_per_minute.map(NonZeroU32::get));
    let store = storage.map(|storage| storage.tenant(&tenant.name, instruments.clone()));
    let source = AnySource::new(&tenant, Arc::clone(&clock), instruments.clone())?;
    let rendering = Arc::clone(&instruments);
    let refresher = Refresher::new(Parts {
        tenant,
        source: source.source(),
        clock,
        observer: instruments.clone(),
        render: Arc::new(move |snapshot| rendering.agents(snapshot)),
        runtime: Handle::current(),
    });
    let refresher = match store {
        Some(store) => refresher.with_storage(store),
        None => refresher,
    };
    Ok((TenantHandle { refresher: Arc::new(refresher), instruments }, source))
}
