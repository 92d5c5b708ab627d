//! Reads the rows of states that have ended since they were last seen running.
//!
//! A server may return a row only for a range in which it starts. The row of a state that began before the tail is then in
//! no answer, and its end is not known. So the second in which the state began is requested; or, where rows are cut at the
//! end of the range, all from there on. A failure leaves the end unknown, and the next refresh requests it again.

use std::time::Duration;

use tracing::debug;

use super::OfficialSource;
use super::fetch::RefreshData;
use super::state_history::Part;
use super::sync_cursor::SyncRange;
use crate::presence::{AgentId, Timestamp, Unanswered, WatchedAgent, Window};
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;

/// How much is requested from the start of a state: the second in which it began, and one for rounding.
const START_RANGE: Duration = Duration::from_secs(2);

/// Starts this close are one request. The answer has the rows of this time for all agents.
const NEARBY: Duration = Duration::from_secs(60);

/// The most requests for starts in one refresh. Where more states have ended, all from the earliest start on is requested.
const MAX_START_REQUESTS: usize = 8;

impl OfficialSource {
    /// Reads the rows of ended states of `agents` into `data`, to which `sync` was added before.
    pub(super) async fn read_ended_states(
        &self,
        data: &mut RefreshData,
        sync: &SyncRange,
        agents: &[WatchedAgent],
        context: &FetchContext,
    ) {
        let now = sync.all.end;
        let mut from_start_on = self.capabilities().cuts_rows;
        // A server that selects rows by overlap has returned all that there are.
        while !self.capabilities().by_overlap {
            let unanswered = data.unanswered(now, sync, agents, self.capabilities().bulk == Some(false));
            if unanswered.is_empty() {
                return;
            }
            let requests = if from_start_on { None } else { start_requests(&unanswered) };
            let is_last = requests.is_none();
            let requests = requests.or_else(|| request_from_start_on(&unanswered, sync));
            let Some(requests) = requests else { return };
            match self.read_requests(&requests, &unanswered, now, context).await {
                Ok(parts) => data.add(parts),
                Err(failure) => {
                    debug!(tenant = self.tenant.name, error = %failure.error, "end of states not read");
                    return;
                }
            }
            data.compact();
            if is_last {
                return;
            }
            // The second round is for rows that were cut.
            if !data.timeline().unanswered(now, agents).iter().any(|state| state.is_cut) {
                return;
            }
            self.capabilities().cuts_rows = true;
            from_start_on = true;
        }
    }

    async fn read_requests(
        &self,
        ranges: &[Window],
        unanswered: &[Unanswered],
        now: Timestamp,
        context: &FetchContext,
    ) -> Result<Vec<Part>, Failure> {
        let capabilities = *self.capabilities();
        let mut read = Vec::new();
        for range in ranges {
            let parts = capabilities.parts(*range, self.official.history_lookback);
            let agents: Vec<Option<&AgentId>> = if capabilities.bulk == Some(false) {
                let starts_inside = |state: &&Unanswered| state.start >= range.start && state.start < range.end;
                unanswered.iter().filter(starts_inside).map(|state| Some(&state.agent)).collect()
            } else {
                vec![None]
            };
            for agent in agents {
                let mut parts = self.read_parts(&parts, range.end, agent, context).await?;
                parts.iter_mut().for_each(|part| part.requested.now = now);
                read.append(&mut parts);
            }
        }
        Ok(read)
    }
}

/// The ranges in which the states began; `None` if there are too many.
fn start_requests(unanswered: &[Unanswered]) -> Option<Vec<Window>> {
    let mut starts: Vec<Timestamp> = unanswered.iter().map(|state| state.start.whole_second()).collect();
    starts.sort_unstable();
    let mut ranges: Vec<Window> = Vec::new();
    for start in starts {
        let end = start + START_RANGE;
        match ranges.last_mut() {
            Some(last) if start <= last.end + NEARBY => last.end = end,
            _ => ranges.push(Window { start, end }),
        }
    }
    (ranges.len() <= MAX_START_REQUESTS).then_some(ranges)
}

/// All from the earliest start within the look-back on.
fn request_from_start_on(unanswered: &[Unanswered], sync: &SyncRange) -> Option<Vec<Window>> {
    let starts = unanswered.iter().map(|state| state.start.whole_second());
    let start = starts.filter(|start| *start >= sync.all.start).min()?;
    Some(vec![Window { start, end: sync.all.end }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearby_starts_are_one_request_and_too_many_are_none() {
        let at = |seconds: i64| Timestamp::from_seconds(1_700_000_000 + seconds);
        let state = |seconds| Unanswered { agent: "1".into(), start: at(seconds), is_cut: false };
        let range = |start, end| Window { start: at(start), end: at(end) };
        assert_eq!(
            start_requests(&[state(500), state(0), state(60), state(122)]),
            Some(vec![range(0, 124), range(500, 502)])
        );
        let many = |count: usize| (0..count).map(|nth| state(nth as i64 * 1_000)).collect::<Vec<_>>();
        assert_eq!(start_requests(&many(MAX_START_REQUESTS)).map(|ranges| ranges.len()), Some(MAX_START_REQUESTS));
        assert_eq!(start_requests(&many(MAX_START_REQUESTS + 1)), None);
    }
}
