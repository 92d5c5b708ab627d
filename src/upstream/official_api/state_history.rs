//! Asking for the history of a range: of everybody at once where that is allowed, and in parts where the range is too
//! long.
//!
//! What a tenant allows is documented nowhere, so it is learnt from how it answers, and kept.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tracing::warn;
use url::Url;

use super::OfficialSource;
use super::error_hints;
use super::pagination::Paging;
use super::wire::records::HistoryRecord;
use crate::presence::{AgentId, Window};
use crate::upstream::ErrorKind;
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::fetch_context::FetchContext;

/// The history of everybody.
pub(super) const PATH: &str = "/agents/state-history";

/// A range that is refused and not longer than this is not refused for its length.
const SHORTEST_RANGE: Duration = Duration::from_secs(3600);

/// What has been learnt of how the history may be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct HistoryCapabilities {
    /// Whether asking for everybody has ever been answered (`Some(true)`), or is refused while one agent is not.
    bulk: Option<bool>,
    /// The longest range that is answered, where a longer one was refused.
    longest: Option<Duration>,
}

/// A part of the history, read to its end.
pub(super) struct Part {
    pub(super) asked: Window,
    pub(super) rows: Vec<HistoryRecord>,
}

/// What was read of a range.
#[derive(Default)]
pub(super) struct History {
    pub(super) parts: Vec<Part>,
    /// Whose history could not be read; only where agents are asked for one by one.
    pub(super) failed: Vec<(AgentId, Failure)>,
}

impl OfficialSource {
    /// Reads the history of `range`. `agents` are those it is wanted of; rows of others may come as well.
    ///
    /// `overlap` is how far parts of the range reach into each other.
    pub(super) async fn read_history(
        &self,
        range: Window,
        overlap: Duration,
        agents: &[AgentId],
        context: &FetchContext,
    ) -> Result<History, Failure> {
        loop {
            let capabilities = *self.capabilities();
            let failure = match self.read_in(capabilities, range, overlap, agents, context).await {
                Ok(history) => {
                    let mut learnt = self.capabilities();
                    learnt.bulk = learnt.bulk.or(Some(true));
                    return Ok(history);
                }
                Err(failure) if !is_capability_error(&failure) => return Err(failure),
                Err(failure) => failure,
            };
            // One agent's history of the same range tells whether it is everybody's or the range that is refused.
            if capabilities.bulk.is_none()
                && let Some(agent) = agents.first()
                && self.read_parts(&parts(range, capabilities.longest, overlap), Some(agent), context).await.is_ok()
            {
                warn!(
                    tenant = self.tenant.name,
                    reason = %failure.error,
                    "CXone refuses the history of all agents at once, so it is asked for agent by agent: a request each"
                );
                self.capabilities().bulk = Some(false);
                continue;
            }
            let refused = capabilities.longest.unwrap_or(length(range)).min(length(range));
            if !matches!(failure.error.kind, ErrorKind::BadRequest | ErrorKind::TooMuch) || refused <= SHORTEST_RANGE {
                return Err(failure);
            }
            self.capabilities().longest = Some((refused / 2).max(SHORTEST_RANGE));
        }
    }

    /// The fewest requests that the history of `agents` takes, as far as it is known how it may be asked for.
    pub(super) fn history_requests(&self, agents: &[AgentId]) -> u64 {
        if self.capabilities().bulk == Some(false) { u64::try_from(agents.len()).unwrap_or(u64::MAX) } else { 1 }
    }

    async fn read_in(
        &self,
        capabilities: HistoryCapabilities,
        range: Window,
        overlap: Duration,
        agents: &[AgentId],
        context: &FetchContext,
    ) -> Result<History, Failure> {
        let parts = parts(range, capabilities.longest, overlap);
        if capabilities.bulk != Some(false) {
            return Ok(History { parts: self.read_parts(&parts, None, context).await?, failed: Vec::new() });
        }
        let each = agents.iter().cloned().map(|agent| {
            let parts = &parts;
            async move {
                let read = self.read_parts(parts, Some(&agent), context).await;
                (agent, read)
            }
        });
        let mut ends = stream::iter(each).buffer_unordered(self.tenant.limits.max_concurrent_requests.max(1));
        let mut history = History::default();
        while let Some((agent, read)) = ends.next().await {
            match read {
                Ok(parts) => history.parts.extend(parts),
                Err(failure) if is_capability_error(&failure) && history.parts.is_empty() => return Err(failure),
                Err(failure) => {
                    if failure.scope == Scope::Tenant {
                        context.cancel(&failure);
                    }
                    history.failed.push((agent, failure));
                }
            }
        }
        Ok(history)
    }

    /// Reads each of `parts`, of everybody or of one agent.
    async fn read_parts(
        &self,
        parts: &[Window],
        agent: Option<&AgentId>,
        context: &FetchContext,
    ) -> Result<Vec<Part>, Failure> {
        let mut read = Vec::with_capacity(parts.len());
        for &asked in parts {
            context.check_cancelled()?;
            let mut url = of(&self.url(PATH, context).await?, agent);
            url.query_pairs_mut()
                .append_pair("startDate", &asked.start.to_string())
                .append_pair("endDate", &asked.end.to_string());
            let mut rows = Vec::new();
            self.read_list(&error_hints::HISTORY, &url, Paging::Paged, context, |page| rows.extend(page)).await?;
            if let Some(agent) = agent {
                // Whose history was asked for needs no saying.
                rows.iter_mut().for_each(|row: &mut HistoryRecord| row.agent_id.0 = Some(agent.to_string()));
            }
            read.push(Part { asked, rows });
        }
        Ok(read)
    }
}

/// The address of one agent's history, where that of everybody is `all`; `None` is everybody.
pub(super) fn of(all: &Url, agent: Option<&AgentId>) -> Url {
    let mut url = all.clone();
    if let (Some(agent), Ok(mut segments)) = (agent, url.path_segments_mut()) {
        segments.pop().push(agent).push("state-history");
    }
    url
}

/// Whether asking in another way may be answered where this was refused.
pub(super) fn is_capability_error(failure: &Failure) -> bool {
    matches!(
        failure.error.kind,
        ErrorKind::BadRequest | ErrorKind::Forbidden | ErrorKind::UnexpectedStatus | ErrorKind::TooMuch
    )
}

fn length(range: Window) -> Duration {
    Duration::from_micros(range.length().get())
}

/// `range` in parts of at most `longest`, each of which reaches back into the one before it.
///
/// Where rows are kept by their start and clipped at the range's end, the rest of a row is in no other part. So parts
/// overlap by as much as rows are expected to last, or by half of `longest` where that is less; and a row that still
/// reaches its part's end is taken to last until the agent's next one.
fn parts(range: Window, longest: Option<Duration>, overlap: Duration) -> Vec<Window> {
    let Some(longest) = longest.filter(|longest| *longest < length(range)) else { return vec![range] };
    let step = longest - overlap.min(longest / 2);
    let mut parts = vec![Window::ending_at(range.end, longest)];
    // From the end backwards, so that the newest part is the longest that can be had.
    while let Some(&Window { start, end }) = parts.last()
        && start > range.start
    {
        let (start, end) = (start.saturating_sub(step), end.saturating_sub(step));
        parts.push(Window { start: start.max(range.start), end });
    }
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::presence::Timestamp;

    const HOUR: Duration = Duration::from_secs(3600);

    fn range(hours: u32) -> Window {
        Window::ending_at(Timestamp::from_seconds(1_700_000_000), HOUR * hours)
    }

    fn hours(parts: &[Window]) -> Vec<(u64, u64)> {
        let begin = parts.first().unwrap().start;
        let hour = |moment: Timestamp| moment.saturating_since(begin).get() / 3_600_000_000;
        parts.iter().map(|part| (hour(part.start), hour(part.end))).collect()
    }

    #[test]
    fn a_range_that_is_too_long_comes_in_parts_that_overlap() {
        let table = [
            (None::<u32>, vec![(0, 36)]),
            (Some(36), vec![(0, 36)]),
            (Some(24), vec![(0, 24), (12, 36)]),
            (Some(18), vec![(0, 18), (9, 27), (18, 36)]),
        ];
        for (longest, expected) in table {
            assert_eq!(hours(&parts(range(36), longest.map(|hours| HOUR * hours), 12 * HOUR)), expected);
        }
    }

    proptest! {
        #[test]
        fn parts_cover_the_range_and_nothing_else(whole in 1_u32..1000, longest in 1_u32..1000, overlap in 0_u32..100) {
            let (range, longest, overlap) = (range(whole), HOUR * longest, HOUR * overlap);
            let parts = parts(range, Some(longest), overlap);
            prop_assert_eq!(parts[0].start, range.start);
            prop_assert_eq!(parts[parts.len() - 1].end, range.end);
            for part in &parts {
                prop_assert!(part.start < part.end && length(*part) <= longest.max(HOUR));
            }
            for (one, next) in parts.iter().zip(&parts[1..]) {
                prop_assert!(one.start < next.start && one.end < next.end && next.start <= one.end);
            }
        }
    }

    #[test]
    fn an_id_is_one_segment_whatever_is_in_it() {
        let all: Url = "https://h/incontactapi/services/v30.0/agents/state-history".parse().unwrap();
        assert_eq!(of(&all, None), all);
        assert_eq!(
            of(&all, Some(&"4/7?x".into())).as_str(),
            "https://h/incontactapi/services/v30.0/agents/4%2F7%3Fx/state-history"
        );
    }
}
