//! Every limit of the web server, with its reason.

use std::time::Duration;

/// Open connections. Prometheus keeps one or two; the others are for browsers and health checks. Each takes about
/// 10 kB, and up to 150 kB over HTTP/2.
pub(super) const MAX_CONNECTIONS: usize = 512;

/// Bytes of a request head; that of a scrape has a few hundred. It also bounds the bytes queued for one write to the
/// socket, and a lower limit would mean more system calls per scrape.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Time for a TLS handshake: some round trips across a continent, with lost packets.
pub(super) const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a request head, from the start of the connection or its first byte. It fits in one packet.
pub(super) const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two requests on a connection: twice the usual scrape interval, so that Prometheus keeps its connection.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Time in which a client must read some of its response. Scrapers read as fast as they can.
pub(super) const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Unsent bytes in the kernel's send buffer. Without a limit it grows to megabytes per connection, and a few hundred clients
/// that read nothing exhaust the machine's TCP memory; packets of all connections are lost then. Bytes in flight do not
/// count, so the limit does not slow distant clients.
pub(super) const MAX_UNSENT_BYTES: u32 = 128 * 1024;

/// Time to read the whole response, from the first stall on: 100 MB, the largest one, at 14 Mbit/s. It ends clients that
/// read a few bytes at a time.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time without progress after which a response over HTTP/2 counts as stalled, and its connection is the first to be evicted.
/// Longer than some round trips across a continent.
pub(super) const EVICT_STALLED_AFTER: Duration = Duration::from_secs(1);

/// Concurrent streams of an HTTP/2 connection. Prometheus uses one.
pub(super) const MAX_STREAMS: u32 = 16;

/// Passwords that wait for verification. Each takes tens of milliseconds: more would wait longer than a scrape timeout.
pub(super) const MAX_PASSWORDS_WAITING: usize = 32;

/// Cached verdicts of passwords, right and wrong ones each: far more than scrapers exist.
pub(super) const MAX_PASSWORDS_REMEMBERED: usize = 1_000;

/// Interval at which a faulty web configuration is read again. A valid one is read when a file changes.
pub(super) const WEB_CONFIG_RETRY: Duration = Duration::from_secs(1);

/// Pause after a failed accept, without file descriptors for example, so that the loop does not spin.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time for pending responses to finish after a signal to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Time after a signal to stop in which a connection may still begin its first request: a round trip, and a busy machine.
pub(super) const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(250);

/// The default scrape timeout of Prometheus, for scrapes without the header.
pub(super) const DEFAULT_SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest wait of a scrape, whatever its header says; no refresh takes longer.
pub(super) const MAX_SCRAPE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Pages rendered at once. Each takes milliseconds of a processor that scrapes need as well.
pub(super) const PAGES_AT_ONCE: usize = 2;
