//! Reads the history of a range: of all agents at once if the tenant allows it, and in parts if the range is too long.
//!
//! What a tenant allows is not documented, so it is learnt from the responses and kept.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tracing::warn;
use url::Url;

use super::OfficialSource;
use super::error_hints;
use super::sync_cursor::SyncRange;
use super::wire::records::HistoryRecord;
use crate::presence::{AgentId, Rejections, Requested, Timestamp, Window};
use crate::upstream::ErrorKind;
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::fetch_context::FetchContext;

/// The path of the history of all agents.
pub(super) const PATH: &str = "/agents/state-history";

/// A refused range of at most this length was not refused for its length.
const SHORTEST_RANGE: Duration = Duration::from_secs(3600);

/// How many agents are requested alone to learn whether that is allowed where all at once is not.
const PROBED_AGENTS: usize = 3;

/// What is known of the tenant's history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct HistoryCapabilities {
    /// Whether the history of all agents can be read at once; `None` while unknown.
    pub(super) bulk: Option<bool>,
    /// The longest range to request, if a longer one was refused.
    pub(super) longest: Option<Duration>,
    /// Whether a row is returned for a range that it overlaps, and not only for one that it starts in.
    pub(super) by_overlap: bool,
    /// Whether a row is returned for a range in which it has not ended.
    pub(super) reaches_end: bool,
    /// Whether rows are cut at the end of the requested range.
    pub(super) cuts_rows: bool,
}

/// A part of the history, read to its last page.
pub(super) struct Part {
    pub(super) requested: Requested,
    pub(super) records: Vec<HistoryRecord>,
    pub(super) rejections: Rejections,
}

/// The history of a range.
#[derive(Default)]
pub(super) struct History {
    pub(super) parts: Vec<Part>,
    /// Whether all agents were requested at once.
    pub(super) in_bulk: bool,
    /// The agents whose history could not be read; only if each agent is requested separately.
    pub(super) failed: Vec<(AgentId, Failure)>,
    /// The agents whose history CXone refuses while it answers for others; likewise.
    pub(super) refused: Vec<(AgentId, Failure)>,
}

/// The wanted agents.
#[derive(Debug, Clone, Copy)]
pub(super) struct AgentList<'a> {
    /// All of them, those that the current states list first.
    pub(super) ids: &'a [AgentId],
    /// How many of them the current states list, so that CXone knows them.
    pub(super) listed: usize,
}

impl OfficialSource {
    /// Reads the history of `sync` of at least `agents`. Parts of the range overlap by the look-back.
    pub(super) async fn read_history(
        &self,
        sync: &SyncRange,
        agents: AgentList<'_>,
        context: &FetchContext,
    ) -> Result<History, Failure> {
        let mut capabilities = *self.capabilities();
        let mut probed = None;
        loop {
            let failure = match self.read_in(capabilities, sync, agents, probed.take(), context).await {
                Ok(history) => {
                    capabilities.record_success();
                    *self.capabilities() = capabilities;
                    return Ok(history);
                }
                Err(failure) if !is_capability_error(&failure) => return Err(failure),
                Err(failure) => failure,
            };
            if capabilities.bulk.is_none() {
                probed = self.probe_alone(capabilities, sync, agents, context).await;
            }
            if probed.is_some() {
                warn!(
                    tenant = self.tenant.name,
                    reason = %failure.error,
                    "history of all agents at once refused; requesting it agent by agent"
                );
                capabilities.bulk = Some(false);
                self.capabilities().bulk = Some(false);
                continue;
            }
            let range = match agents.ids.first() {
                Some(agent) if capabilities.bulk == Some(false) => sync.of(agent),
                _ => sync.of_all(),
            };
            let Some(longest) = capabilities.shorter_range(length(range), failure.error.kind) else {
                return Err(failure);
            };
            capabilities.longest = Some(longest);
        }
    }

    /// The history of one agent, if that can be read. In the same range, this shows whether bulk requests or the range are
    /// refused.
    async fn probe_alone(
        &self,
        capabilities: HistoryCapabilities,
        sync: &SyncRange,
        agents: AgentList<'_>,
        context: &FetchContext,
    ) -> Option<(AgentId, Vec<Part>)> {
        for (nth, agent) in agents.ids.iter().take(PROBED_AGENTS).enumerate() {
            match self.read_alone(capabilities, sync, agent, context).await {
                Ok(parts) => return Some((agent.clone(), parts)),
                // CXone knows the agent, so it is the range that is refused.
                Err(failure) if nth < agents.listed && is_range_error(&failure) => return None,
                Err(failure) if is_capability_error(&failure) => {}
                Err(_) => return None,
            }
        }
        None
    }

    async fn read_in(
        &self,
        capabilities: HistoryCapabilities,
        sync: &SyncRange,
        agents: AgentList<'_>,
        probed: Option<(AgentId, Vec<Part>)>,
        context: &FetchContext,
    ) -> Result<History, Failure> {
        if capabilities.bulk != Some(false) {
            let parts = self.parts(sync.of_all(), capabilities);
            let parts = self.read_parts(&parts, sync.all.end, None, context).await?;
            return Ok(History { parts, in_bulk: true, ..History::default() });
        }
        let mut history = History::default();
        let (known, parts) = probed.unzip();
        history.parts.extend(parts.into_iter().flatten());
        let unread: Vec<AgentId> = agents.ids.iter().filter(|agent| known.as_ref() != Some(*agent)).cloned().collect();
        let Some((first, others)) = unread.split_first() else { return Ok(history) };
        // The first agent alone shows whether the range is refused.
        match self.read_alone(capabilities, sync, first, context).await {
            Err(failure)
                if agents.listed > 0
                    && is_range_error(&failure)
                    && capabilities.shorter_range(length(sync.of(first)), failure.error.kind).is_some() =>
            {
                return Err(failure);
            }
            read => history.add(first.clone(), read, context),
        }
        let each = others.iter().cloned().map(|agent| async move {
            let read = self.read_alone(capabilities, sync, &agent, context).await;
            (agent, read)
        });
        let mut results = stream::iter(each).buffer_unordered(self.tenant.limits.max_concurrent_requests.max(1));
        while let Some((agent, read)) = results.next().await {
            history.add(agent, read, context);
        }
        match history.refused.first() {
            Some((_, failure)) if history.parts.is_empty() && history.failed.is_empty() => Err(failure.clone()),
            _ => Ok(history),
        }
    }

    async fn read_alone(
        &self,
        capabilities: HistoryCapabilities,
        sync: &SyncRange,
        agent: &AgentId,
        context: &FetchContext,
    ) -> Result<Vec<Part>, Failure> {
        self.read_parts(&self.parts(sync.of(agent), capabilities), sync.all.end, Some(agent), context).await
    }

    /// `range` in parts that the tenant is known to allow.
    pub(super) fn parts(&self, range: Window, capabilities: HistoryCapabilities) -> Vec<Window> {
        parts(range, capabilities.longest, self.official.history_lookback)
    }

    /// Reads `parts` of the history of all agents, or of one. `until` is the end of the range that they cover together.
    pub(super) async fn read_parts(
        &self,
        parts: &[Window],
        until: Timestamp,
        agent: Option<&AgentId>,
        context: &FetchContext,
    ) -> Result<Vec<Part>, Failure> {
        let mut read = Vec::with_capacity(parts.len());
        for &range in parts {
            let mut url = history_url(&self.url(PATH, context).await?, agent);
            url.query_pairs_mut()
                .append_pair("startDate", &range.start.to_string())
                .append_pair("endDate", &range.end.to_string());
            let mut records = Vec::new();
            let list = self.read_list(&error_hints::HISTORY, &url, agent, context, |page| records.extend(page));
            let rejections = list.await?;
            if let Some(agent) = agent {
                // The records of one agent may not repeat its id.
                records.iter_mut().for_each(|record: &mut HistoryRecord| record.agent_id = Some(agent.to_string()));
            }
            read.push(Part { requested: Requested { range, until, now: until }, records, rejections });
        }
        Ok(read)
    }
}

// === impl History ===

impl History {
    fn add(&mut self, agent: AgentId, read: Result<Vec<Part>, Failure>, context: &FetchContext) {
        match read {
            Ok(parts) => self.parts.extend(parts),
            Err(failure) if is_refusal(&failure) => self.refused.push((agent, failure)),
            Err(failure) => {
                if failure.scope == Scope::Tenant {
                    context.cancel(&failure);
                }
                self.failed.push((agent, failure));
            }
        }
    }
}

// === impl HistoryCapabilities ===

impl HistoryCapabilities {
    /// The minimum number of requests for the history of so many agents.
    pub(super) fn min_requests(self, agents: usize) -> u64 {
        if self.bulk == Some(false) { u64::try_from(agents).unwrap_or(u64::MAX) } else { 1 }
    }

    fn record_success(&mut self) {
        self.bulk = self.bulk.or(Some(true));
    }

    /// The limit to try after `range` was refused with `kind`; `None` if a shorter range would be refused as well.
    fn shorter_range(self, range: Duration, kind: ErrorKind) -> Option<Duration> {
        let refused = self.longest.unwrap_or(range).min(range);
        let by_length = matches!(kind, ErrorKind::BadRequest | ErrorKind::TooMuch) && refused > SHORTEST_RANGE;
        by_length.then(|| half(refused).max(SHORTEST_RANGE))
    }
}

/// The address of the history of `agent`, or of all agents, whose address is `all`.
pub(super) fn history_url(all: &Url, agent: Option<&AgentId>) -> Url {
    let mut url = all.clone();
    if let (Some(agent), Ok(mut segments)) = (agent, url.path_segments_mut()) {
        segments.pop().push(agent).push("state-history");
    }
    url
}

/// Whether another kind of request may succeed: a shorter range, or one agent.
pub(super) fn is_capability_error(failure: &Failure) -> bool {
    matches!(
        failure.error.kind,
        ErrorKind::BadRequest | ErrorKind::Forbidden | ErrorKind::UnexpectedStatus | ErrorKind::TooMuch
    )
}

/// Whether a shorter range may succeed.
fn is_range_error(failure: &Failure) -> bool {
    matches!(failure.error.kind, ErrorKind::BadRequest | ErrorKind::TooMuch)
}

/// Whether CXone refuses the history of an agent, which says nothing of other agents.
pub(super) fn is_refusal(failure: &Failure) -> bool {
    match failure.error.kind {
        ErrorKind::BadRequest | ErrorKind::Forbidden => true,
        // A redirect concerns the whole tenant.
        ErrorKind::UnexpectedStatus => failure.scope != Scope::Tenant,
        _ => false,
    }
}

/// Half of `span` in whole seconds, as the API documents no more than milliseconds.
const fn half(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs() / 2)
}

fn length(range: Window) -> Duration {
    Duration::from_micros(range.length().get())
}

/// Splits `range` into overlapping parts of at most `longest`.
///
/// A server may select rows by start and clip them at the end of the range; the rest of such a row is in no other part. So
/// parts overlap by the expected length of rows, or by half of `longest` if that is less, and a row that reaches the end of
/// its part lasts until the agent's next row.
fn parts(range: Window, longest: Option<Duration>, overlap: Duration) -> Vec<Window> {
    let Some(longest) = longest.filter(|longest| *longest < length(range)) else { return vec![range] };
    let step = Duration::from_secs((longest - overlap.min(half(longest))).as_secs()).max(Duration::from_secs(1));
    let mut parts = vec![Window::ending_at(range.end, longest)];
    // From the end backwards, so that the newest part has the full length.
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
    fn a_long_range_is_split_into_overlapping_parts() {
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
        fn parts_cover_exactly_the_range(whole in 1_u32..1000, longest in 1_u32..1000, overlap in 0_u32..100) {
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
    fn halved_ranges_begin_with_whole_seconds() {
        let whole = range(37);
        let mut capabilities = HistoryCapabilities::default();
        while let Some(longest) = capabilities.shorter_range(length(whole), ErrorKind::BadRequest) {
            capabilities.longest = Some(longest);
            for overlap in [Duration::ZERO, HOUR, Duration::from_millis(1_500), 12 * HOUR] {
                for part in parts(whole, capabilities.longest, overlap) {
                    let times = [part.start, part.end];
                    assert!(times.iter().all(|time| *time == time.whole_second()), "{longest:?} {overlap:?}: {part:?}");
                }
            }
        }
        assert_eq!(capabilities.longest, Some(SHORTEST_RANGE));
    }

    #[test]
    fn an_agent_id_is_one_encoded_path_segment() {
        let all: Url = "https://h/incontactapi/services/v30.0/agents/state-history".parse().unwrap();
        assert_eq!(history_url(&all, None), all);
        assert_eq!(
            history_url(&all, Some(&"4/7?x".into())).as_str(),
            "https://h/incontactapi/services/v30.0/agents/4%2F7%3Fx/state-history"
        );
    }

    #[test]
    fn shorter_range_halves_a_refused_range_down_to_an_hour() {
        use ErrorKind::{BadRequest, Forbidden, TooMuch, UnexpectedStatus};
        // Known limit, range, error, next limit; in minutes.
        let table = [
            (None, 36 * 60, BadRequest, Some(18 * 60)),
            (None, 36 * 60, TooMuch, Some(18 * 60)),
            (None, 36 * 60, Forbidden, None),
            (None, 36 * 60, UnexpectedStatus, None),
            (Some(18 * 60), 36 * 60, BadRequest, Some(9 * 60)),
            (Some(18 * 60), 4 * 60, BadRequest, Some(2 * 60)),
            (None, 90, BadRequest, Some(60)),
            (None, 61, BadRequest, Some(60)),
            (None, 60, BadRequest, None),
            (Some(60), 36 * 60, BadRequest, None),
            (None, 30, BadRequest, None),
        ];
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        for (longest, range, kind, expected) in table {
            let capabilities = HistoryCapabilities { longest: longest.map(minutes), ..HistoryCapabilities::default() };
            let next = capabilities.shorter_range(minutes(range), kind);
            assert_eq!(next, expected.map(minutes), "{longest:?} {range} {kind:?}");
        }
    }

    #[test]
    fn min_requests_is_one_unless_bulk_is_refused() {
        for (bulk, after_success, requests) in
            [(None, Some(true), 1), (Some(true), Some(true), 1), (Some(false), Some(false), 7)]
        {
            let mut capabilities = HistoryCapabilities { bulk, ..HistoryCapabilities::default() };
            assert_eq!(capabilities.min_requests(7), requests, "{bulk:?}");
            capabilities.record_success();
            assert_eq!(capabilities.bulk, after_success, "{bulk:?}");
        }
    }

    #[test]
    fn capability_errors_are_refusals_of_the_request() {
        use ErrorKind::{BadRequest, Decode, Forbidden, Server, Timeout, TooMuch, Unauthorized, UnexpectedStatus};
        let table = [
            (BadRequest, true),
            (Forbidden, true),
            (UnexpectedStatus, true),
            (TooMuch, true),
            (Unauthorized, false),
            (Server, false),
            (Timeout, false),
            (Decode, false),
            (ErrorKind::RateLimited { retry_after: None }, false),
        ];
        for (kind, expected) in table {
            let failure = Failure::new(crate::upstream::Endpoint::History, kind, "");
            assert_eq!(is_capability_error(&failure), expected, "{kind:?}");
        }
    }
}
