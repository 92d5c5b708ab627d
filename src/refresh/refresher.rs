//! Serves scrapes of one tenant, and refreshes its data when one of them needs it.

mod task;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::error;

use self::task::Flight;
use super::directory::{People, Peopled, Turns};
use super::gate::{Admission, Gate};
use super::log::FailureLog;
use super::merge;
use super::observer::{Observer, RefreshResult, Served};
use super::published::Published;
use super::snapshot::{Moment, Snapshot, Status};
use crate::clock::{Clock, Monotonic};
use crate::config::Tenant;
use crate::exposition::Block;
use crate::presence::{AgentId, Timestamp, Window};
use crate::storage::{Memory, TenantStore};
use crate::upstream::{FetchResult, Source};

/// Renders the agents' series of a snapshot.
pub type Render = dyn Fn(&Snapshot) -> Arc<Block> + Send + Sync;

/// What a [`Refresher`] is put together from.
pub struct Parts {
    /// The tenant it serves.
    pub tenant: Arc<Tenant>,
    /// Where presence comes from.
    pub source: Arc<dyn Source>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Whom it tells what it did.
    pub observer: Arc<dyn Observer>,
    /// What renders a snapshot.
    pub render: Arc<Render>,
    /// Where refreshes run, whichever thread the scrapes that start them are on.
    pub runtime: Handle,
}

/// Serves scrapes of one tenant, and refreshes its data when one of them needs it.
pub struct Refresher {
    /// Who is asked and for what; a reload replaces it.
    subject: ArcSwap<Subject>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    render: Arc<Render>,
    runtime: Handle,
    published: ArcSwap<Published>,
    /// Held while a snapshot is made out of the last one, by a refresh that lands and by a reload, so that neither
    /// undoes the other. It guards no data, and no scrape takes it.
    rebuilding: Mutex<()>,
    /// When the list of people is asked for. A refresh alone uses it.
    turns: Mutex<Turns>,
    // A std mutex: it is held for a few instructions and never across an await. Scrapes that find fresh
    // data do not come near it.
    inner: Mutex<Inner>,
    store: Option<TenantStore>,
}

/// Who is asked and for what.
struct Subject {
    /// As the configuration says.
    configured: Arc<Tenant>,
    /// The same with the agents of the tenant's own list, as far as that is asked for and known.
    tenant: Arc<Tenant>,
    source: Arc<dyn Source>,
}

struct Inner {
    gate: Gate,
    /// Closes when the refresh under way ends.
    landing: watch::Receiver<()>,
    /// The agents that the last refresh failed to read, if it read others and was not itself a second try.
    again: Option<Vec<AgentId>>,
    log: FailureLog,
}

/// What a scrape is given.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// The data to send.
    pub published: Arc<Published>,
    /// How it came about.
    pub served: Served,
}

/// What a refresh brought.
struct Flown {
    fetched: FetchResult,
    /// As it was configured when the refresh started.
    tenant: Arc<Tenant>,
    window: Window,
    started: Moment,
    /// Whether only the agents of earlier failed batches were asked for.
    again: bool,
}

// === impl Refresher ===

impl Refresher {
    /// A refresher without data; the first scrape starts its first refresh.
    pub fn new(parts: Parts) -> Self {
        let Peopled { tenant, dropped } = Peopled::of(&parts.tenant, None);
        let snapshot = Snapshot::empty(Arc::clone(&tenant));
        let status = Status { agents: snapshot.counts(None), agents_dropped: dropped, ..Status::default() };
        let published = Published {
            block: (parts.render)(&snapshot),
            snapshot: Arc::new(snapshot),
            status,
            people: None,
            full_at: None,
            last_read: None,
            oldest: None,
        };
        let inner = Inner {
            gate: Gate::new(parts.tenant.cooldown),
            landing: watch::channel(()).1,
            again: None,
            log: FailureLog::default(),
        };
        let Parts { tenant: configured, source, clock, observer, render, runtime } = parts;
        Self {
            subject: ArcSwap::from_pointee(Subject { configured, tenant, source }),
            clock,
            observer,
            render,
            runtime,
            published: ArcSwap::from_pointee(published),
            rebuilding: Mutex::new(()),
            turns: Mutex::default(),
            inner: Mutex::new(inner),
            store: None,
        }
    }

    /// Takes up what an earlier process left in `store`, and keeps everything there from now on.
    #[must_use]
    pub fn with_storage(mut self, store: TenantStore) -> Self {
        let now = self.now();
        if let Some(memory) = store.recall(&self.tenant(), now) {
            self.take_up(memory, now);
        }
        store.recall_kept(&*self.subject.load().source);
        self.store = Some(store);
        self
    }

    fn take_up(&self, memory: Memory, now: Moment) {
        self.inner().gate.resume(memory.failures, memory.not_before);
        let snapshot = memory.snapshot.without_expired(now);
        let Subject { configured, source, .. } = &**self.subject.load();
        self.subject.store(Arc::new(Subject {
            configured: Arc::clone(configured),
            tenant: Arc::clone(&snapshot.tenant),
            source: Arc::clone(source),
        }));
        self.publish(Arc::new(Published {
            block: (self.render)(&snapshot),
            status: Status {
                not_before: memory.not_before.map(|not_before| now.utc_at(not_before)),
                agents: snapshot.counts(memory.last_read),
                agents_dropped: memory.agents_dropped,
                ..memory.status
            },
            people: memory.people.map(Arc::new),
            full_at: memory.full_at,
            last_read: memory.last_read,
            oldest: snapshot.oldest(),
            snapshot: Arc::new(snapshot),
        }));
    }

    /// The tenant that is served, its agents those that are asked for.
    pub fn tenant(&self) -> Arc<Tenant> {
        Arc::clone(&self.subject.load().tenant)
    }

    /// The tenant as it is configured, without what its own list of people adds.
    pub fn configured(&self) -> Arc<Tenant> {
        Arc::clone(&self.subject.load().configured)
    }

    /// Serves the tenant that is `configured` by `source` from now on, as after a reload.
    ///
    /// Data that is still an answer stays, and so do the gate and the status. A refresh under way goes on as it
    /// began; scrapes wait for it, and of what it brings that is taken which is still an answer. It renders, so it may
    /// take milliseconds.
    pub fn reconfigure(&self, configured: Arc<Tenant>, source: Arc<dyn Source>) {
        let _rebuilding = self.rebuilding();
        let old = self.published.load_full();
        let same_people = merge::asks_the_same_server(&old.snapshot.tenant, &configured);
        let people = old.people.clone().filter(|_| same_people);
        self.serve(configured, source, people);
    }

    /// Serves the agents of a new list of people from now on.
    fn meet(&self, people: Arc<People>) {
        let _rebuilding = self.rebuilding();
        let subject = self.subject.load_full();
        self.serve(Arc::clone(&subject.configured), Arc::clone(&subject.source), Some(people));
    }

    /// Takes all this over at once; the caller rebuilds.
    fn serve(&self, configured: Arc<Tenant>, source: Arc<dyn Source>, people: Option<Arc<People>>) {
        let now = self.now();
        let old = self.published.load_full();
        let before = Arc::clone(&old.snapshot.tenant);
        let Peopled { tenant, dropped } = Peopled::of(&configured, people.as_deref());
        // Where everything is as it was, whoever compares tenants by their address is right to find it so.
        let tenant = if *tenant == *before { Arc::clone(&before) } else { tenant };
        let stays = merge::asks_the_same(&before, &tenant);
        let snapshot = merge::inherit(&old.snapshot, &tenant).without_expired(now);
        let block = (self.render)(&snapshot);
        let full_at = old.full_at.filter(|_| stays);
        let last_read = old.last_read.filter(|_| stays);

        let mut guard = self.inner();
        let inner = &mut *guard;
        if !merge::asks_the_same_server(&before, &tenant) {
            inner.gate.forget();
        }
        inner.gate.reconfigure(tenant.cooldown, full_at.map(|full_at| full_at.monotonic), source.not_before());
        inner.again =
            inner.again.take().filter(|_| stays).and_then(|again| merge::still_to_ask(&again, &before, &tenant));
        let status = Status {
            not_before: inner.not_before(now),
            agents: snapshot.counts(last_read),
            agents_dropped: dropped,
            token_expiry: source.token_expiry(),
            ..if stays { old.status.clone() } else { Status::default() }
        };
        self.subject.store(Arc::new(Subject { configured, tenant, source }));
        self.publish(Arc::new(Published {
            status,
            people,
            full_at,
            last_read,
            oldest: snapshot.oldest(),
            snapshot: Arc::new(snapshot),
            block,
        }));
    }

    /// What is served now, without asking for anything newer.
    pub fn current(&self) -> Arc<Published> {
        let now = self.now();
        let published = self.published.load_full();
        if published.has_expired(now) { self.expire(now) } else { published }
    }

    /// Answers a scrape: at once from data younger than the cooldown, else after the refresh that it starts or
    /// joins, and at `deadline` from what there is, while the refresh carries on.
    pub async fn scrape(self: &Arc<Self>, deadline: Monotonic) -> Scrape {
        let now = self.now();
        let published = self.published.load();
        if published.is_fresh(now) && published.has_data() && !published.has_expired(now) {
            self.observer.scraped(Served::Cooldown);
            return Scrape { published: Arc::clone(&published), served: Served::Cooldown };
        }
        drop(published);

        let refreshed = match self.board(now) {
            Some(mut landing) => tokio::select! {
                // The channel carries nothing; that it closed is the news.
                _ = landing.changed() => true,
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

    /// Starts a refresh or joins the one under way; `None` when none may start yet.
    fn board(self: &Arc<Self>, now: Moment) -> Option<watch::Receiver<()>> {
        let floor = self.subject.load().source.not_before();
        let mut inner = self.inner();
        // The refresh that this scrape would have joined may have ended since it looked.
        if self.published.load().is_fresh(now) {
            return Some(inner.landing.clone());
        }
        match inner.gate.admit(now.monotonic, floor) {
            Admission::Closed => None,
            Admission::Join => Some(inner.landing.clone()),
            Admission::Start => {
                let (takeoff, landing) = watch::channel(());
                inner.landing = landing.clone();
                let again = inner.again.take();
                drop(inner);
                self.runtime.spawn(Flight::new(Arc::clone(self), takeoff).fly(again));
                Some(landing)
            }
        }
    }

    /// Takes data that is too old out of what is served.
    fn expire(&self, now: Moment) -> Arc<Published> {
        let old = self.published.load_full();
        if !old.has_expired(now) {
            return old;
        }
        let snapshot = old.snapshot.without_expired(now);
        let published = Arc::new(Published {
            block: (self.render)(&snapshot),
            status: Status { agents: snapshot.counts(old.last_read), ..old.status.clone() },
            people: old.people.clone(),
            full_at: old.full_at,
            last_read: old.last_read,
            oldest: snapshot.oldest(),
            snapshot: Arc::new(snapshot),
        });
        // Rendering takes milliseconds, so it was done before the lock is taken. Where a refresh, a reload or another
        // scrape has put something else in its place meanwhile, that is newer.
        let _inner = self.inner();
        let current = self.published.load_full();
        if !Arc::ptr_eq(&current, &old) {
            return current;
        }
        self.publish(Arc::clone(&published));
        published
    }

    fn publish(&self, published: Arc<Published>) {
        self.published.store(published);
        self.observer.status_changed();
    }

    /// Turns what a refresh brought into what is served from now on.
    fn land(&self, flown: Flown) {
        let _rebuilding = self.rebuilding();
        let now = self.now();
        let Flown { fetched, tenant: asked, window, started, again } = flown;
        let in_full = fetched.error.is_none();
        let result = match (in_full, fetched.answered.is_empty()) {
            (true, _) => RefreshResult::Success,
            (false, false) => RefreshResult::Partial,
            (false, true) => RefreshResult::Failure,
        };
        let took = now.monotonic.saturating_since(started.monotonic);
        self.observer.refreshed(result, took, &fetched.rejections);

        let Subject { tenant, source, .. } = &**self.subject.load();
        let stays = Arc::ptr_eq(&asked, tenant) || merge::asks_the_same(&asked, tenant);
        let asked_everybody = !again && stays && merge::covers(&asked, tenant);
        let old = self.published.load_full();
        let last_read = (result != RefreshResult::Failure).then_some(now);
        let brought = merge::inherit(&merge::brought(&asked, fetched.answered, window, now), tenant);
        let snapshot = merge::overlay(&old.snapshot, brought).without_expired(now);
        let block = (self.render)(&snapshot);

        let mut guard = self.inner();
        let inner = &mut *guard;
        inner.gate.ended(now.monotonic, in_full, source.not_before(), fastrand::f64());
        // One try for the failed batches alone; should that fail too, everybody is asked again, so that one
        // batch which can never succeed does not let the others grow old.
        inner.again = (result == RefreshResult::Partial && !again && stays).then_some(fetched.failed);
        let not_before = inner.not_before(now);
        inner.log.refreshed(&tenant.name, result, took, fetched.error.as_ref(), not_before, inner.gate.failures());

        let of_everybody = in_full && asked_everybody;
        self.publish(Arc::new(Published {
            status: Status {
                up: in_full && stays,
                window: if of_everybody { Some(window) } else { old.status.window },
                last_success: if of_everybody { Some(now.utc) } else { old.status.last_success },
                last_attempt: Some(now.utc),
                not_before,
                last_duration: Some(took),
                agents: snapshot.counts(last_read),
                agents_dropped: old.status.agents_dropped,
                token_expiry: source.token_expiry(),
                last_error: fetched.error,
            },
            people: old.people.clone(),
            full_at: of_everybody.then_some(now),
            last_read,
            oldest: snapshot.oldest(),
            snapshot: Arc::new(snapshot),
            block,
        }));
    }

    /// Accounts for a refresh that ended without landing.
    fn abandon(&self) {
        let now = self.now();
        let mut inner = self.inner();
        let Subject { tenant, source, .. } = &**self.subject.load();
        inner.gate.ended(now.monotonic, false, source.not_before(), fastrand::f64());
        let not_before = inner.not_before(now);
        let old = self.published.load_full();
        self.publish(Arc::new(Published {
            status: Status { up: false, last_attempt: Some(now.utc), not_before, ..old.status.clone() },
            snapshot: Arc::clone(&old.snapshot),
            block: Arc::clone(&old.block),
            people: old.people.clone(),
            full_at: None,
            last_read: None,
            oldest: old.oldest,
        }));
        error!(tenant = tenant.name, "the refresh broke off; the last good data stays in place");
    }

    /// Leaves word of a refresh that starts, for a process that starts after a crash.
    async fn note_attempt(&self) {
        if let Some(store) = &self.store {
            let failures = self.inner().gate.failures();
            store.attempt_starts(self.clock.now(), self.published.load_full(), failures).await;
        }
    }

    /// Keeps what is published for the next process.
    async fn keep(&self) {
        if let Some(store) = &self.store {
            let failures = self.inner().gate.failures();
            let source = Arc::clone(&self.subject.load().source);
            store.keep(self.published.load_full(), failures, source).await;
        }
    }

    fn now(&self) -> Moment {
        Moment { monotonic: self.clock.monotonic(), utc: self.clock.now() }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rebuilding(&self) -> MutexGuard<'_, ()> {
        self.rebuilding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").field("tenant", &self.tenant().name).finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    /// Before this time of day nothing is sent, as far as can be told at `now`.
    fn not_before(&self, now: Moment) -> Option<Timestamp> {
        self.gate.not_before().map(|not_before| now.utc_at(not_before))
    }
}
