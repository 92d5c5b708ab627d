//! What the tenant was asked, for those who want to know whether it was asked too much.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::faults::Endpoint;
use crate::clock::Monotonic;
use crate::presence::{AgentId, Timestamp, Window};

/// How many requests are remembered one by one; a tenant that runs for days forgets the oldest. Counts go on.
const REMEMBERED: usize = 10_000;

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// What was asked for.
    pub endpoint: Endpoint,
    /// When, by the time of day.
    pub at: Timestamp,
    /// When, for measuring waits.
    pub monotonic: Monotonic,
    /// The agents asked for, as far as the tenant has them.
    pub agents: Vec<AgentId>,
    /// Which page of its query it asked for, from zero on.
    pub page: usize,
    /// The range of history that was asked for.
    pub range: Option<Window>,
    /// How many rows the answer had.
    pub rows: usize,
    /// The answer's status; `None` while there is none, or where the connection was closed without one.
    pub status: Option<u16>,
    /// What went wrong on purpose.
    pub fault: Option<&'static str>,
}

/// How many requests came in since the start, or since they were forgotten.
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
    /// How many records have been dropped from the front.
    dropped: usize,
}

/// Where a record is in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry(usize);

// === impl RequestLog ===

impl RequestLog {
    /// Notes a request that has come in.
    pub(super) fn begin(&self, record: RequestRecord) -> Entry {
        self.with(|inner| {
            match record.endpoint {
                Endpoint::Token => inner.counts.token += 1,
                Endpoint::Presence => inner.counts.presence += 1,
                Endpoint::Discovery | Endpoint::Agents | Endpoint::States | Endpoint::History | Endpoint::Codes => {
                    inner.counts.official += 1;
                }
            }
            if inner.records.len() == REMEMBERED {
                inner.records.pop_front();
                inner.dropped += 1;
            }
            inner.records.push_back(record);
            Entry(inner.dropped + inner.records.len() - 1)
        })
    }

    /// Changes what is noted of a request, if it is still remembered.
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
