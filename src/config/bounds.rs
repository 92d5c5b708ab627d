//! The bounds of configured values and file sizes, each with its reason.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The most bytes a configuration or agents file may have. 100,000 agents with every key take about 20 MB.
pub(crate) const MAX_FILE_BYTES: u64 = 32 << 20;

/// The most bytes a `.env` file may have: it holds a few settings and a list of ids.
pub(crate) const MAX_DOTENV_BYTES: u64 = 4 << 20;

/// The most bytes a secret file may have. CXone's secrets have under 100; a larger file is another file.
pub(crate) const MAX_SECRET_BYTES: u64 = 4 << 10;

/// The most bytes a web configuration file may have: a few certificates in place, and hundreds of users.
pub(crate) const MAX_WEB_FILE_BYTES: u64 = 4 << 20;

/// The most bytes a PEM file may have. A system's whole list of CAs takes about 250 kB.
pub(crate) const MAX_PEM_BYTES: u64 = 4 << 20;

/// The most bytes in a configured header's value: it goes out with every answer, and clients take 8 kB of head.
pub(crate) const MAX_WEB_HEADER_BYTES: usize = 4 << 10;

/// How deep YAML may nest. The deepest known key is at 6; more is a mistake, or meant to exhaust the stack.
pub(crate) const MAX_DEPTH: usize = 16;

/// The most YAML values in a file, those that aliases repeat included: 100,000 agents with every key take 1.1 million.
pub(crate) const MAX_NODES: usize = 2_000_000;

/// The most bytes of text in YAML values and keys, those that aliases repeat included: a file of the largest size, twice.
pub(crate) const MAX_TEXT_BYTES: usize = 64 << 20;

/// The most tenants: each has a client, a snapshot and a scrape job of its own.
pub(crate) const MAX_TENANTS: usize = 1_000;

/// The most agents of a tenant: they are about a million series, more than Prometheus likes to take in one scrape.
pub(crate) const MAX_AGENTS: usize = 100_000;

/// The most states in a list. An agent has series for at most 64 states.
pub(crate) const MAX_STATES: usize = 64;

/// The most bytes in the name of a state, a team or a person: each becomes a label value in every scrape.
pub(crate) const MAX_LABEL_BYTES: usize = 256;

/// The most bytes in an agent's id: room for six UUIDs, while a batch of ids still fits an address line.
pub(crate) const MAX_AGENT_ID_BYTES: usize = 128;

/// The most bytes in a tenant's or a schedule's name: it is typed into URLs and shown in tables.
pub(crate) const MAX_NAME_BYTES: usize = 64;

/// The most bytes in a client id; CXone's have under 100.
pub(crate) const MAX_CLIENT_ID_BYTES: usize = 1_024;

/// The most shifts in a day: with more than one an hour, it is no longer a list of shifts.
pub(crate) const MAX_SHIFTS: usize = 24;

/// The most holidays of a schedule: a hundred a year for ten years.
pub(crate) const MAX_HOLIDAYS: usize = 1_000;

/// The most entries of an agent's leave: one a week for ten years.
pub(crate) const MAX_LEAVE: usize = 520;

/// The most rows of a leave file: five for each of the most agents.
pub(crate) const MAX_LEAVE_ROWS: usize = 5 * MAX_AGENTS;

/// The most buckets of an agent in a window: those of 31 days in minutes, the finest interval documented.
pub(crate) const MAX_BUCKETS: u128 = 31 * 24 * 60;

/// The most buckets that a tenant's incremental refreshes keep: those of 30,000 agents in five minutes of a day. At
/// seven bytes a bucket they are 70 MB, and at the most that is kept of one, 640 MB.
pub(crate) const MAX_KEPT_BUCKETS: u64 = 10_000_000;

/// The most hosts that may be allowed besides NICE's own. A tenant's API has one or two.
pub(crate) const MAX_ALLOWED_HOSTS: usize = 64;

/// The most teams in a filter; contact centres have fewer.
pub(crate) const MAX_FILTER_TEAMS: usize = 1_000;

/// How large a regular expression may be when compiled. A name's takes a few kilobytes.
pub(crate) const MAX_REGEX_BYTES: usize = 1 << 20;

/// The most entries of a map of states: those that an agent may have, several times over.
pub(crate) const MAX_STATE_MAP: usize = 256;

/// The oldest version of the official API whose answers are of the documented shape: older ones have other names of keys.
pub(crate) const MIN_API_VERSION: u16 = 4;

/// How many agents one request may ask for. 500 ids of 8 digits, each with an encoded comma, take 5.5 kB of address.
pub(crate) const AGENTS_PER_REQUEST: RangeInclusive<usize> = 1..=500;

/// The address bytes that common servers and proxies take: 8 kB for the request line, less path and times.
pub(crate) const MAX_ADDRESS_BYTES: usize = 7_900;

/// The number of concurrent requests. More would exceed typical rate limits.
pub(crate) const CONCURRENT_REQUESTS: RangeInclusive<usize> = 1..=16;

/// The requests per minute of a budget. The maximum, 100 a second, is above the rate limits of known APIs.
pub(crate) const REQUESTS_PER_MINUTE: RangeInclusive<usize> = 1..=6_000;

/// The durations that a key takes.
pub(crate) struct DurationRange {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
    /// The reason for the maximum, as the end of a sentence.
    pub(crate) max_reason: &'static str,
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The length of the window; the interval is a further lower bound.
pub(crate) const WINDOW: DurationRange =
    DurationRange { min: SECOND, max: Duration::from_secs(31 * 86_400), max_reason: "a refresh reads all of it" };

/// How long data may be served from memory. Under a second the cooldown would protect nothing.
pub(crate) const COOLDOWN: DurationRange =
    DurationRange { min: SECOND, max: DAY, max_reason: "the values speak of about a day" };

/// How old data may become and still be exposed.
pub(crate) const MAX_STALENESS: DurationRange =
    DurationRange { min: SECOND, max: WINDOW.max, max_reason: "data older than any window says nothing of it" };

/// How long one request may take. Under 100 ms a TLS handshake across a continent fails.
pub(crate) const REQUEST_TIMEOUT: DurationRange = DurationRange {
    min: Duration::from_millis(100),
    max: Duration::from_secs(600),
    max_reason: "proxies cut a silent connection long before",
};

/// How long a refresh may take.
pub(crate) const REFRESH_TIMEOUT: DurationRange =
    DurationRange { min: SECOND, max: HOUR, max_reason: "a refresh that long holds back every one after it" };

/// How long an agent may be offline.
pub(crate) const OFFLINE_LIMIT: DurationRange =
    DurationRange { min: SECOND, max: WINDOW.max, max_reason: "no window is longer" };

/// How long an agent may be offline within a shift without a break.
pub(crate) const ABSENT_LIMIT: DurationRange =
    DurationRange { min: SECOND, max: DAY, max_reason: "a shift is shorter" };

/// How far before the window the history is requested.
pub(crate) const LOOKBACK: DurationRange =
    DurationRange { min: Duration::ZERO, max: WINDOW.max, max_reason: "a full read asks for all of it" };

/// How often incremental refreshes read everything. Much more often, they would hardly be incremental.
pub(crate) const FULL_REFRESH_INTERVAL: DurationRange = DurationRange {
    min: Duration::from_secs(600),
    max: DAY,
    max_reason: "what CXone corrects later than `settle` is found only then",
};

/// How late rows of the history may arrive, and how long after their end buckets may change.
pub(crate) const SETTLE: DurationRange = DurationRange {
    min: Duration::ZERO,
    max: Duration::from_secs(12 * 3_600),
    max_reason: "each refresh asks for that much again",
};
