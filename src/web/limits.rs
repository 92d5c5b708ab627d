//! Every limit of the front, with its reason.

use std::time::Duration;

/// Connections open at once. Prometheus keeps one or two; the rest is room for people and health checks.
/// At about 10 kB each, even all of them cost little.
pub(super) const MAX_CONNECTIONS: usize = 512;

/// A scrape's request head is a few hundred bytes. This also bounds what is queued for one write to the
/// socket, for which less would mean more system calls a scrape.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// How long a connection may take to send a request's head, which is also how long it may stay idle:
/// twice the usual scrape interval, so that Prometheus keeps its connection.
pub(super) const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(120);

/// After a failed accept (no file descriptors left, say) the listener rests, so that it does not spin.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long answers in flight may take to finish once the process was asked to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What Prometheus waits for by default, for scrapers that do not say.
pub(super) const DEFAULT_SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// No scrape waits longer, whatever its header says: no refresh takes longer either.
pub(super) const MAX_SCRAPE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Agents shown on one page, so that tens of thousands neither freeze a browser nor cost a scrape.
pub(super) const PAGE_ROWS: usize = 200;
