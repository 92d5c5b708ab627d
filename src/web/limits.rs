//! Every limit of the front, with its reason.

use std::time::Duration;

/// Connections open at once. Prometheus keeps one or two; the rest is room for people and health checks.
/// At about 10 kB each, even all of them cost little.
pub(super) const MAX_CONNECTIONS: usize = 512;

/// Threads that serve. Each answers some ten thousand scrapes a second, and has a stack and memory of its own.
pub(super) const MAX_SERVING_THREADS: usize = 4;

/// Threads for what blocks, for each of those that serve: pages and passwords.
pub(super) const BLOCKING_THREADS: usize = 2;

/// A scrape's request head is a few hundred bytes. This also bounds what is queued for one write to the
/// socket, for which less would mean more system calls a scrape.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// How long TLS may take to begin: some round trips, also across a continent and back for lost packets.
pub(super) const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request's head may take, from the connection's start or from its first byte: it fits in one packet.
pub(super) const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may stay idle between two requests: twice the usual scrape interval, so that Prometheus
/// keeps its own.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a client may take nothing of its answer. Scrapers read as fast as they can.
pub(super) const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an answer the kernel may keep that is not yet on its way. By itself it keeps some megabytes a connection, and
/// a few hundred readers that take nothing use up the machine's TCP memory; then packets of all connections are lost.
/// What is on its way does not count, so that clients far away are as quick.
pub(super) const MAX_UNSENT_BYTES: u32 = 128 * 1024;

/// How long a client may take for the whole of its answer, once it has kept it waiting: the largest one, of 100 MB, at
/// 14 Mbit/s. Who reads a few bytes at a time is cut by this.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Requests under way at once on one connection of HTTP/2. Prometheus has one.
pub(super) const MAX_STREAMS: u32 = 16;

/// Passwords that wait to be checked, each for tens of milliseconds: more would wait longer than a scrape may.
pub(super) const MAX_PASSWORDS_WAITING: usize = 32;

/// Passwords whose check is remembered, right and wrong ones each: far more than there are scrapers.
pub(super) const MAX_PASSWORDS_REMEMBERED: usize = 1_000;

/// How often a web configuration with faults is read again. Others are read when their files change.
pub(super) const WEB_CONFIG_RETRY: Duration = Duration::from_secs(1);

/// After a failed accept (no file descriptors left, say) the listener rests, so that it does not spin.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long answers in flight may take to finish once the process was asked to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What Prometheus waits for by default, for scrapers that do not say.
pub(super) const DEFAULT_SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// No scrape waits longer, whatever its header says: no refresh takes longer either.
pub(super) const MAX_SCRAPE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Pages made at once; others wait their turn. Each takes milliseconds of a processor that scrapes need as well.
pub(super) const PAGES_AT_ONCE: usize = 2;
