//! The requests that the tenant received.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::faults::Endpoint;
use crate::clock::Monotonic;
use crate::presence::{AgentId, Timestamp, Window};

/// Maximum number of records; the oldest are dropped, which bounds memory. Counts include dropped requests.
const MAX_RECORDS: usize = 10_000;

/// A received request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// Requested endpoint.
    pub endpoint: Endpoint,
    /// Time of day of the request.
    pub at: Timestamp,
    /// Monotonic time of the request, for intervals.
    pub monotonic: Monotonic,
    /// Requested agents that exist.
    pub agents: Vec<AgentId>,
    /// Page number, from 0.
    pub page: usize,
    /// Requested range of history.
    pub range: Option<Window>,
    /// Number of rows in the answer.
    pub rows: usize,
    /// Status of the answer; `None` before the answer, or if the connection was closed without one.
    pub status: Option<u16>,
    /// The simulated fault.
    pub fault: Option<&'static str>,
}

/// Number of requests since the start or since the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestCounts {
    /// Requests for a token.
    pub token: u64,
    /// Requests for presence.
    pub presence: u64,
    /// Requests for documents and lists of the official API.
    pub official: u64,
    /// Rows answered.
    pub rows: u64,
    /// Bytes of bodies answered, as they were sent.
    pub bytes: u64,
}

/// The requests so far.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: RequestCounts,
    records: VecDeque<RequestRecord>,
    /// Number of dropped records.
    dropped: usize,
}

/// Position of a record in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry(usize);

// === impl RequestLog ===

impl RequestLog {
    /// Adds a record of a new request.
    pub(super) fn begin(&self, record: RequestRecord) -> Entry {
        self.with(|inner| {
            match record.endpoint {
                Endpoint::Token => inner.counts.token += 1,
                Endpoint::Presence => inner.counts.presence += 1,
                Endpoint::Discovery | Endpoint::Agents | Endpoint::States | Endpoint::History | Endpoint::Codes => {
                    inner.counts.official += 1;
                }
            }
            if inner.records.len() == MAX_RECORDS {
                inner.records.pop_front();
                inner.dropped += 1;
            }
            inner.records.push_back(record);
            Entry(inner.dropped + inner.records.len() - 1)
        })
    }

    /// Changes a record, unless it has been dropped.
    pub(super) fn amend(&self, entry: Entry, change: impl FnOnce(&mut RequestRecord)) {
        self.with(|inner| {
            let record = entry.0.checked_sub(inner.dropped).and_then(|index| inner.records.get_mut(index));
            if let Some(record) = record {
                change(record);
            }
        });
    }

    /// Counts an answer.
    pub(super) fn answered(&self, rows: usize, bytes: usize) {
        self.with(|inner| {
            inner.counts.rows += rows as u64;
            inner.counts.bytes += bytes as u64;
        });
    }

    pub(super) fn records(&self) -> Vec<RequestRecord> {
        self.with(|inner| inner.records.iter().cloned().collect())
    }

    pub(super) fn counts(&self) -> RequestCounts {
        self.with(|inner| inner.counts)
    }

    pub(super) fn forget(&self) {
        self.with(|inner| {
            inner.dropped += inner.records.len();
            inner.records.clear();
            inner.counts = RequestCounts::default();
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
