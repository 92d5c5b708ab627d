//! Reloads the configuration: all of it is applied, or none.
//!
//! One task runs all reloads, one after the other. Every step that can fail comes before the first change.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::Signal;
use tracing::{error, info, warn};

use super::app::build_tenant;
use super::config_source::ConfigSource;
use super::systemd;
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::metrics::TenantInstruments;
use crate::refresh::Refresher;
use crate::storage::Storage;
use crate::upstream::{AnySource, BuildError, Observer as _, Source};
use crate::web::{App, LoadedConfig, ReloadRequests, TenantHandle};

/// What started a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// SIGHUP.
    Signal,
    /// `/-/reload`.
    Http,
    /// The regular check for changes.
    Watch,
}

/// Reloads the configuration.
pub(super) struct Reloader {
    app: Arc<App>,
    config_source: ConfigSource,
    storage: Option<Arc<Storage>>,
    clock: Arc<dyn Clock>,
    state: Mutex<ReloadState>,
}

struct ReloadState {
    /// The sources of the tenants by name.
    sources: HashMap<String, AnySource>,
    /// The problems of the last configuration, if it was refused.
    problems: Option<String>,
}

/// A valid configuration that is ready to be applied.
struct PreparedReload {
    loaded: LoadedConfig,
    sources: HashMap<String, AnySource>,
    changed: Vec<TenantChange>,
    added: usize,
    removed: usize,
}

/// A tenant with changed settings.
struct TenantChange {
    refresher: Arc<Refresher>,
    instruments: Arc<TenantInstruments>,
    tenant: Arc<Tenant>,
    source: Arc<dyn Source>,
}

// === impl Trigger ===

impl Trigger {
    const fn label(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Http => "http",
            Self::Watch => "watch",
        }
    }
}

// === impl Reloader ===

impl Reloader {
    pub(super) fn new(
        app: Arc<App>,
        config_source: ConfigSource,
        sources: HashMap<String, AnySource>,
        storage: Option<Arc<Storage>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { app, config_source, storage, clock, state: Mutex::new(ReloadState { sources, problems: None }) }
    }

    /// Runs forever: reloads at each HTTP request and SIGHUP, and checks for changes after each `watch`.
    pub(super) async fn run(self, mut requests: ReloadRequests, mut hangups: Signal, watch: Option<Duration>) {
        let this = Arc::new(self);
        let mut next_check = this.clock.monotonic() + watch.unwrap_or_default();
        loop {
            let check_due = async {
                match watch {
                    Some(_) => this.clock.sleep_until(next_check).await,
                    None => std::future::pending().await,
                }
            };
            let (trigger, first) = tokio::select! {
                Some(request) = requests.next() => (Trigger::Http, Some(request)),
                Some(()) = hangups.recv() => (Trigger::Signal, None),
                () = check_due => (Trigger::Watch, None),
            };
            let waiting = requests.waiting();
            // Reading files and rendering tens of thousands of agents would block the scrapes on this runtime.
            let reloader = Arc::clone(&this);
            let done = tokio::task::spawn_blocking(move || reloader.reload(trigger)).await;
            let outcome = done.unwrap_or_else(|_| Err("the reload panicked".to_owned()));
            first.into_iter().chain(waiting).for_each(|request| request.done(outcome.clone()));
            next_check = this.clock.monotonic() + watch.unwrap_or_default();
        }
    }

    /// Reads the configuration and applies it.
    ///
    /// # Errors
    ///
    /// All problems of the configuration. Nothing has changed then.
    pub(super) fn reload(&self, trigger: Trigger) -> Result<(), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if trigger != Trigger::Watch {
            systemd::reloading();
        }
        let outcome = match self.config_source.load() {
            Ok(config) if trigger == Trigger::Watch && state.problems.is_none() && self.is_current(&config) => {
                return Ok(());
            }
            Ok(config) => self.prepare(&config, &state).map(|prepared| (config, prepared)).map_err(|e| e.to_string()),
            Err(problems) => Err(problems.to_string()),
        };
        let outcome = match outcome {
            Ok((config, prepared)) => {
                self.apply(&config, prepared, trigger, &mut state);
                Ok(())
            }
            Err(problems) => {
                self.refuse(&problems, trigger, &mut state);
                Err(problems)
            }
        };
        if trigger != Trigger::Watch {
            systemd::ready();
        }
        outcome
    }

    /// Whether `config` equals the configuration that is served.
    fn is_current(&self, config: &Config) -> bool {
        let loaded = self.app.loaded();
        let same = |(front, tenant): (&TenantHandle, &Arc<Tenant>)| *front.refresher.configured() == **tenant;
        loaded.tenants.len() == config.tenants.len()
            && loaded.tenants.iter().zip(&config.tenants).all(same)
            && loaded.config.schedules == config.schedules
    }

    /// Builds everything that can fail, and changes nothing.
    fn prepare(&self, config: &Config, state: &ReloadState) -> Result<PreparedReload, BuildError> {
        let served = self.app.loaded();
        let mut tenants = Vec::with_capacity(config.tenants.len());
        let mut sources = HashMap::with_capacity(config.tenants.len());
        let (mut changed, mut added) = (Vec::new(), 0);
        for tenant in &config.tenants {
            let current = served.tenant(&tenant.name).zip(state.sources.get(&tenant.name));
            let (front, source) = match current {
                // A tenant with the same settings is left alone.
                Some((front, source)) if *front.refresher.configured() == **tenant => (front.clone(), source.clone()),
                Some((front, source)) => {
                    let source = source.reconfigured(tenant, Arc::clone(&self.clock), front.instruments.clone())?;
                    let (refresher, tenant) = (Arc::clone(&front.refresher), Arc::clone(tenant));
                    let instruments = Arc::clone(&front.instruments);
                    changed.push(TenantChange { refresher, instruments, tenant, source: source.source() });
                    (front.clone(), source)
                }
                None => {
                    added += 1;
                    build_tenant(Arc::clone(tenant), self.storage.as_deref(), Arc::clone(&self.clock))?
                }
            };
            tenants.push(front);
            sources.insert(tenant.name.clone(), source);
        }
        let removed = (served.tenants.len() + added).saturating_sub(tenants.len());
        let loaded = LoadedConfig { tenants, config: config.clone() };
        Ok(PreparedReload { loaded, sources, changed, added, removed })
    }

    fn apply(&self, config: &Config, prepared: PreparedReload, trigger: Trigger, state: &mut ReloadState) {
        let PreparedReload { loaded, sources, changed, added, removed } = prepared;
        let (tenants, changed_count) = (loaded.tenants.len(), changed.len());
        for TenantChange { refresher, instruments, tenant, source } in changed {
            instruments.budget(tenant.limits.max_requests_per_minute.map(NonZeroU32::get));
            refresher.reconfigure(tenant, source);
        }
        self.app.load(loaded);
        self.app.exporter.config_loaded(true);
        *state = ReloadState { sources, problems: None };
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let trigger = trigger.label();
        info!(trigger, tenants, added, removed, changed = changed_count, "configuration reloaded");
    }

    fn refuse(&self, problems: &str, trigger: Trigger, state: &mut ReloadState) {
        // A regular check logs the same problems only once.
        if trigger == Trigger::Watch && state.problems.as_deref() == Some(problems) {
            return;
        }
        self.app.exporter.config_loaded(false);
        state.problems = Some(problems.to_owned());
        error!(
            trigger = trigger.label(),
            problems, "configuration reload failed; the previous configuration stays active"
        );
    }
}
