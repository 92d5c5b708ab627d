//! Reloading: the configuration is read again and taken over as a whole, or refused as a whole.
//!
//! One task does it, so reloads come one after the other. Everything that can fail is done before anything is changed.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::Signal;
use tracing::{error, info, warn};

use super::origin::Origin;
use super::serve::front;
use super::systemd;
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::metrics::TenantInstruments;
use crate::refresh::Refresher;
use crate::storage::Storage;
use crate::upstream::{AnySource, BuildError, Observer as _, Source};
use crate::web::{App, LoadedConfig, ReloadRequests, TenantHandle};

/// Why a reload is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// SIGHUP.
    Signal,
    /// `/-/reload`.
    Http,
    /// It is time to look whether something has changed.
    Watch,
}

/// Reads the configuration again and takes it over.
pub(super) struct Reloader {
    app: Arc<App>,
    origin: Origin,
    storage: Option<Arc<Storage>>,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
}

struct Memory {
    /// By the names of the tenants that are served.
    connections: HashMap<String, AnySource>,
    /// Why the last configuration was refused, if it was.
    refused: Option<String>,
}

/// A configuration that has been found good, and how to take it over.
struct Prepared {
    loaded: LoadedConfig,
    connections: HashMap<String, AnySource>,
    changed: Vec<Change>,
    added: usize,
    removed: usize,
}

/// A tenant whose settings are not what they were.
struct Change {
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
        origin: Origin,
        connections: HashMap<String, AnySource>,
        storage: Option<Arc<Storage>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { app, origin, storage, clock, memory: Mutex::new(Memory { connections, refused: None }) }
    }

    /// Reloads for as long as it is polled: at each request and signal, and at every `watch` if something has changed.
    pub(super) async fn run(self, mut requests: ReloadRequests, mut hangups: Signal, watch: Option<Duration>) {
        let this = Arc::new(self);
        let mut look_at = this.clock.monotonic() + watch.unwrap_or_default();
        loop {
            let time_to_look = async {
                match watch {
                    Some(_) => this.clock.sleep_until(look_at).await,
                    None => std::future::pending().await,
                }
            };
            let (trigger, first) = tokio::select! {
                Some(request) = requests.next() => (Trigger::Http, Some(request)),
                Some(()) = hangups.recv() => (Trigger::Signal, None),
                () = time_to_look => (Trigger::Watch, None),
            };
            let waiting = requests.waiting();
            // Files are read and tens of thousands of agents are rendered, which scrapes must not wait behind.
            let reloader = Arc::clone(&this);
            let done = tokio::task::spawn_blocking(move || reloader.reload(trigger)).await;
            let outcome = done.unwrap_or_else(|_| Err("the reload broke off".to_owned()));
            first.into_iter().chain(waiting).for_each(|request| request.done(outcome.clone()));
            look_at = this.clock.monotonic() + watch.unwrap_or_default();
        }
    }

    /// Reads the configuration and takes it over.
    ///
    /// # Errors
    ///
    /// Every fault of the configuration, which then has changed nothing.
    pub(super) fn reload(&self, trigger: Trigger) -> Result<(), String> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if trigger != Trigger::Watch {
            systemd::reloading();
        }
        let outcome = match self.origin.load() {
            Ok(config) if trigger == Trigger::Watch && memory.refused.is_none() && self.serves(&config) => {
                return Ok(());
            }
            Ok(config) => self.prepare(&config, &memory).map(|prepared| (config, prepared)).map_err(|e| e.to_string()),
            Err(faults) => Err(faults.to_string()),
        };
        let outcome = match outcome {
            Ok((config, prepared)) => {
                self.take_over(&config, prepared, trigger, &mut memory);
                Ok(())
            }
            Err(faults) => {
                self.refuse(&faults, trigger, &mut memory);
                Err(faults)
            }
        };
        if trigger != Trigger::Watch {
            systemd::ready();
        }
        outcome
    }

    /// Whether `config` is what is served already.
    fn serves(&self, config: &Config) -> bool {
        let loaded = self.app.loaded();
        let same = |(front, tenant): (&TenantHandle, &Arc<Tenant>)| *front.refresher.configured() == **tenant;
        loaded.tenants.len() == config.tenants.len()
            && loaded.tenants.iter().zip(&config.tenants).all(same)
            && loaded.config.schedules == config.schedules
    }

    /// Does everything that can fail, and changes nothing.
    fn prepare(&self, config: &Config, memory: &Memory) -> Result<Prepared, BuildError> {
        let served = self.app.loaded();
        let mut tenants = Vec::with_capacity(config.tenants.len());
        let mut connections = HashMap::with_capacity(config.tenants.len());
        let (mut changed, mut added) = (Vec::new(), 0);
        for tenant in &config.tenants {
            let known = served.tenant(&tenant.name).zip(memory.connections.get(&tenant.name));
            let (front, connection) = match known {
                // Where nothing has changed, nothing is touched.
                Some((front, connection)) if *front.refresher.configured() == **tenant => {
                    (front.clone(), connection.clone())
                }
                Some((front, connection)) => {
                    let connection =
                        connection.reconfigured(tenant, Arc::clone(&self.clock), front.instruments.clone())?;
                    let (refresher, tenant) = (Arc::clone(&front.refresher), Arc::clone(tenant));
                    let instruments = Arc::clone(&front.instruments);
                    changed.push(Change { refresher, instruments, tenant, source: connection.source() });
                    (front.clone(), connection)
                }
                None => {
                    added += 1;
                    front(Arc::clone(tenant), self.storage.as_deref(), Arc::clone(&self.clock))?
                }
            };
            tenants.push(front);
            connections.insert(tenant.name.clone(), connection);
        }
        let removed = (served.tenants.len() + added).saturating_sub(tenants.len());
        let loaded = LoadedConfig { tenants, config: config.clone() };
        Ok(Prepared { loaded, connections, changed, added, removed })
    }

    fn take_over(&self, config: &Config, prepared: Prepared, trigger: Trigger, memory: &mut Memory) {
        let Prepared { loaded, connections, changed, added, removed } = prepared;
        let (tenants, changed_count) = (loaded.tenants.len(), changed.len());
        for Change { refresher, instruments, tenant, source } in changed {
            instruments.budget(tenant.max_requests_per_minute.map(NonZeroU32::get));
            refresher.reconfigure(tenant, source);
        }
        self.app.load(loaded);
        self.app.exporter.config_loaded(true);
        *memory = Memory { connections, refused: None };
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let trigger = trigger.label();
        info!(trigger, tenants, added, removed, changed = changed_count, "the configuration was reloaded");
    }

    fn refuse(&self, faults: &str, trigger: Trigger, memory: &mut Memory) {
        // Looking again and again at the same fault is no news.
        if trigger == Trigger::Watch && memory.refused.as_deref() == Some(faults) {
            return;
        }
        self.app.exporter.config_loaded(false);
        memory.refused = Some(faults.to_owned());
        error!(trigger = trigger.label(), faults, "the new configuration was refused, and the old one stays in place");
    }
}
