//! Serves scrapes of one tenant, and refreshes its data when a scrape needs it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::error;

use super::directory::AgentDirectory;
use super::filter_problem::FilterProblem;
use super::gate::Admission;
use super::observer::{Observer, Served};
use super::published::{Published, Render};
use super::snapshot::Moment;
use super::state::{Event, FetchedRefresh, Inputs, RefreshScope, State, next_published};
use super::store::StateStore;
use super::task::RefreshTask;
use crate::clock::{Clock, Monotonic};
use crate::config::Tenant;
use crate::upstream::{FetchResult, Source};

/// The parts of a [`Refresher`].
pub struct Parts {
    /// The tenant it serves.
    pub tenant: Arc<Tenant>,
    /// Where presence is read from.
    pub source: Arc<dyn Source>,
    /// The clock for every rule of time.
    pub clock: Arc<dyn Clock>,
    /// Counts refreshes and scrapes.
    pub observer: Arc<dyn Observer>,
    /// Renders a snapshot.
    pub render: Arc<Render>,
    /// Runs the refreshes, whichever thread the scrape is on.
    pub runtime: Handle,
}

/// Serves scrapes of one tenant, and refreshes its data when a scrape needs it.
pub struct Refresher {
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    render: Arc<Render>,
    runtime: Handle,
    published: ArcSwap<Published>,
    // A std mutex: it is held for a few instructions and never across an await. Scrapes of fresh data do not take it.
    state: Mutex<State>,
    store: Option<Box<dyn StateStore>>,
}

/// The answer to a scrape.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// The data to send.
    pub published: Arc<Published>,
    /// Where the data comes from.
    pub served: Served,
}

/// What a page shows.
#[derive(Debug)]
pub struct Visit {
    /// The data there is.
    pub published: Arc<Published>,
    /// Whether a refresh is in progress.
    pub is_refreshing: bool,
}

// === impl Refresher ===

impl Refresher {
    /// A refresher without data; the first scrape starts its first refresh.
    pub fn new(parts: Parts) -> Self {
        let Parts { tenant, source, clock, observer, render, runtime } = parts;
        Self {
            state: Mutex::new(State::new(tenant.limits.cooldown)),
            published: ArcSwap::from_pointee(Published::new(tenant, source, &*render)),
            clock,
            observer,
            render,
            runtime,
            store: None,
        }
    }

    /// Restores what an earlier process left in `store`, and saves there from now on.
    #[must_use]
    pub fn with_storage(mut self, store: impl StateStore) -> Self {
        let now = self.now();
        if let Some(restored) = store.restore(&self.configured(), now) {
            self.log_filter(&self.update(&Event::Restored(&restored), now));
        }
        store.restore_history(&*self.published.load().source);
        self.store = Some(Box::new(store));
        self
    }

    /// The tenant that is served, with the agents that are asked for.
    pub fn tenant(&self) -> Arc<Tenant> {
        Arc::clone(&self.published.load().snapshot.tenant)
    }

    /// The tenant as configured, without the agents and names of its own list.
    pub fn configured(&self) -> Arc<Tenant> {
        Arc::clone(&self.published.load().configured)
    }

    /// Serves the tenant as `configured`, read from `source`, from now on.
    ///
    /// Data that still answers stays, and so do the gate and the status. A refresh under way ends as it began; scrapes wait
    /// for it, and what it reads is used as far as it still answers. This renders, so it may take milliseconds.
    pub fn reconfigure(&self, configured: Arc<Tenant>, source: Arc<dyn Source>) {
        self.log_filter(&self.update(&Event::Reconfigured { configured, source }, self.now()));
    }

    /// What is served now. It starts no refresh.
    pub fn current(&self) -> Arc<Published> {
        let now = self.now();
        let published = self.published.load_full();
        if published.has_expired(now) { self.update(&Event::Expired, now) } else { published }
    }

    /// Answers a scrape: at once from data younger than the cooldown, else after the refresh that it starts or joins, and
    /// at `deadline` from the data there is, while the refresh carries on.
    pub async fn scrape(self: &Arc<Self>, deadline: Monotonic) -> Scrape {
        let now = self.now();
        let published = self.published.load();
        if published.is_fresh(now) && published.has_data() && !published.has_expired(now) {
            self.observer.scraped(Served::Cooldown);
            return Scrape { published: Arc::clone(&published), served: Served::Cooldown };
        }
        drop(published);

        let refreshed = match self.join_or_start(now) {
            Some(mut done) => tokio::select! {
                // Nothing is sent over the channel; the refresh ends by closing it.
                _ = done.changed() => true,
                () = self.clock.sleep_until(deadline) => false,
            },
            None => false,
        };

        let published = self.current();
        let served = match (published.has_data(), refreshed && published.status.up) {
            (false, _) => Served::None,
            (true, true) => Served::Fresh,
            (true, false) => Served::Stale,
        };
        self.observer.scraped(served);
        Scrape { published, served }
    }

    /// Answers a page: starts a refresh wherever a scrape would, and waits for it until `deadline` only without data.
    pub async fn visit(self: &Arc<Self>, deadline: Monotonic) -> Visit {
        let published = self.current();
        if published.is_fresh(self.now()) && published.has_data() {
            return Visit { published, is_refreshing: false };
        }
        let Some(mut done) = self.join_or_start(self.now()) else { return Visit { published, is_refreshing: false } };
        let is_refreshing = published.has_data()
            || tokio::select! {
                // Nothing is sent over the channel; the refresh ends by closing it.
                _ = done.changed() => false,
                () = self.clock.sleep_until(deadline) => true,
            };
        Visit { published: self.current(), is_refreshing }
    }

    /// Starts a refresh or joins the one under way; `None` when none may start yet.
    fn join_or_start(self: &Arc<Self>, now: Moment) -> Option<watch::Receiver<()>> {
        let floor = self.published.load().source.not_before();
        let mut state = self.state();
        // The refresh under way may have ended since this scrape read the published value.
        if self.published.load().is_fresh(now) {
            return Some(state.done_rx.clone());
        }
        match state.gate.admit(now.monotonic, floor) {
            Admission::Closed => None,
            Admission::Join => Some(state.done_rx.clone()),
            Admission::Start => {
                let (done_tx, done_rx) = watch::channel(());
                state.done_rx = done_rx.clone();
                let retry_agents = state.retry_agents.take();
                drop(state);
                self.runtime.spawn(RefreshTask::new(Arc::clone(self), done_tx).run(retry_agents));
                Some(done_rx)
            }
        }
    }

    /// Publishes what follows from `event` at `now`. It renders before it takes the mutex, and starts again where another
    /// event was published meanwhile, so that neither undoes the other.
    fn update(&self, event: &Event<'_>, now: Moment) -> Arc<Published> {
        loop {
            let last = self.published.load_full();
            if matches!(event, Event::Expired) && !last.has_expired(now) {
                return last;
            }
            let source = event.new_source().unwrap_or(&last.source);
            let inputs = Inputs {
                now,
                chance: fastrand::f64(),
                floor: source.not_before(),
                token_expiry: source.token_expiry(),
            };
            let mut next = next_published(&last, event, &inputs, &*self.render);
            let mut state = self.state();
            if Arc::ptr_eq(&last, &self.published.load()) {
                state.apply(event, &last, &mut next, &inputs);
                let next = Arc::new(next);
                self.published.store(Arc::clone(&next));
                drop(state);
                self.observer.status_changed();
                return next;
            }
        }
    }

    /// Serves the agents of a new directory from now on.
    pub(super) fn apply_directory(&self, directory: Arc<AgentDirectory>) {
        self.log_filter(&self.update(&Event::DirectoryRead(directory), self.now()));
    }

    /// Logs a filter that does not match the directory, when that begins, changes or ends.
    fn log_filter(&self, published: &Published) {
        let problem = FilterProblem::of(&published.configured, published.directory.as_deref());
        self.state().filter_log.log(&published.configured.name, problem);
    }

    /// Publishes and logs what a refresh of `scope` fetched.
    pub(super) fn apply(&self, scope: RefreshScope, fetched: FetchResult) {
        let rejections = fetched.rejections;
        let refresh = FetchedRefresh::new(scope, fetched, self.now());
        self.observer.refreshed(refresh.result, refresh.duration(), &rejections);
        let published = self.update(&Event::Fetched(&refresh), self.now());
        let mut state = self.state();
        let (entry, failures) = (state.log.entry(refresh.error.as_ref()), state.gate.failures());
        drop(state);
        let (tenant, not_before) = (&published.snapshot.tenant.name, published.status.not_before);
        entry.write(tenant, refresh.result, refresh.duration(), refresh.error.as_ref(), not_before, failures);
    }

    /// Counts a refresh that ended without a result as failed.
    pub(super) fn abort(&self) {
        let published = self.update(&Event::Aborted, self.now());
        error!(tenant = published.snapshot.tenant.name, "refresh aborted");
    }

    /// Records the start of a refresh in the store, for a process that starts after a crash.
    pub(super) async fn record_attempt(&self) {
        if let Some(store) = &self.store {
            let failures = self.state().gate.failures();
            store.record_attempt(self.clock.now(), self.published.load_full(), failures).await;
        }
    }

    /// Saves what is published for the next process.
    pub(super) async fn save(&self) {
        if let Some(store) = &self.store {
            let failures = self.state().gate.failures();
            store.save(self.published.load_full(), failures).await;
        }
    }

    pub(super) fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) fn now(&self) -> Moment {
        Moment { monotonic: self.clock.monotonic(), utc: self.clock.now() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").field("tenant", &self.tenant().name).finish_non_exhaustive()
    }
}
