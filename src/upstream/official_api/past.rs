//! Past presence: the state history of any window, in pieces that follow each other.
//!
//! A piece needs the history from `history_lookback` before its window to as long after it, up to now. The history is read in
//! ranges without gaps and kept until the next piece, so neighbouring pieces request nothing twice. Where a piece begins anew on
//! a server that selects rows by their start, states may have begun before the look-back; for agents without any state at the
//! window's start, the history before it is read as well. On a server that selects rows by their end, the same holds for the
//! history after the window.
//!
//! The current states are read once, and again for windows that end after that: they show running states, which some servers
//! do not list in the history.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::OfficialSource;
use super::fetch::{CurrentStates, HistoryState, RefreshData, parse_time, teams_of};
use super::history_capabilities::{HistoryCapabilities, is_refusal};
use super::past_ranges::{ReadRanges, RequestLimits};
use super::state_history::AgentList;
use super::sync_cursor::SyncRange;
use super::wire::records::{HistoryRecord, StateRecord};
use crate::presence::{AgentId, StateLabels, Timestamp, WatchedAgent, Window};
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, FetchResult, PastLimits, PastQuery};

/// The length of a piece where all agents are read at once.
const BULK_LENGTH: Duration = Duration::from_secs(24 * 3600);

/// The length of a piece where agents are read one by one. Each request may then be for so long, at some 3,000 rows.
const ALONE_LENGTH: Duration = Duration::from_secs(14 * 24 * 3600);

/// The agents of a piece where they are read one by one: with slots of five minutes, what a caller has memory for.
const ALONE_AGENTS: usize = 12;

/// More agents than a tenant has.
const ALL_AGENTS: usize = 1_000_000;

/// The agents and hours of one range that is read in bulk. Its rows are in memory together, at some 300 bytes; an agent has
/// 5 rows an hour on average, and 25 at work.
const BULK_AGENT_HOURS: u64 = 5_000;

/// The shortest range that is read in bulk, however many agents there are.
const SHORTEST_RANGE: Duration = Duration::from_secs(3600);

/// How far beyond the look-back a state may begin or end: a weekend with a holiday at either end.
const FURTHER: Duration = Duration::from_secs(4 * 24 * 3600);

/// What has been read of the past.
#[derive(Default)]
pub(super) struct PastState {
    history: HistoryState,
    read: ReadRanges,
    observed: Option<ObservedStates>,
    /// Whether the history of any agent has been read, so that a refusal is of one agent only.
    has_answers: bool,
}

/// The current states, and when they were requested and answered.
struct ObservedStates {
    requested_at: Timestamp,
    answered_at: Timestamp,
    rows: Vec<StateRecord>,
}

/// The time of a piece.
#[derive(Debug, Clone, Copy)]
struct Piece {
    window: Window,
    slot: Duration,
    /// The history that the window needs.
    history: Window,
    /// When the piece is read.
    now: Timestamp,
}

/// Reads the history of a piece.
struct PieceReader<'a> {
    source: &'a OfficialSource,
    context: &'a FetchContext,
    piece: Piece,
    past: &'a mut PastState,
    data: &'a mut RefreshData,
    /// The agents that the current states list.
    listed: HashSet<AgentId>,
    /// The agents whose history can be read, those that are listed first.
    pending: Vec<AgentId>,
}

impl OfficialSource {
    pub(super) fn limits_of_past(&self) -> PastLimits {
        if self.capabilities().bulk == Some(false) {
            PastLimits { agents: ALONE_AGENTS, length: ALONE_LENGTH }
        } else {
            PastLimits { agents: ALL_AGENTS, length: BULK_LENGTH }
        }
    }

    pub(super) async fn read_piece(&self, query: PastQuery) -> FetchResult {
        let ids: Vec<AgentId> = query.agents.iter().map(|agent| Arc::clone(&agent.id)).collect();
        if ids.is_empty() || query.window.start >= query.window.end {
            return FetchResult { answered: ids.into_iter().map(|id| (id, None)).collect(), ..FetchResult::default() };
        }
        let deadline = query.deadline;
        let reading = async {
            let mut kept = self.past.lock().await;
            // A piece that is abandoned in the middle leaves nothing, and the next one begins anew.
            let mut past = std::mem::take(&mut *kept);
            let result = self.read_past(&mut past, query, &ids).await;
            *kept = past;
            result
        };
        let read = tokio::select! {
            biased;
            read = reading => read,
            () = self.clock.sleep_until(deadline) => Err(out_of_time()),
        };
        read.unwrap_or_else(|failure| FetchResult::without(ids, failure.error))
    }

    async fn read_past(&self, past: &mut PastState, query: PastQuery, ids: &[AgentId]) -> Result<FetchResult, Failure> {
        let PastQuery { window, agents, slot, deadline } = query;
        let (lookback, settle, now) = (self.official.history_lookback, self.official.settle, self.clock.now());
        let start = window.start.saturating_sub(lookback).whole_second();
        let end = (window.end + lookback).min(now.max(window.end));
        let piece = Piece { window, slot, history: Window { start, end }, now };
        self.observe_states(past, window.end, deadline).await?;

        for agent in past.read.begin(ids, start) {
            past.history.timeline.remove(&agent);
        }
        let wanted: HashSet<AgentId> = ids.iter().cloned().collect();
        let kept = past.read.agents().cloned().collect();
        let span = Duration::from(piece.history.length()) + FURTHER;
        let context = FetchContext::new(deadline).keeping(wanted.clone(), span).refusing_short_lists();
        let mut data = RefreshData::new(std::mem::take(&mut past.history), wanted.clone(), kept, start);
        data.state.timeline.begin_refresh(now, settle);
        past.read.drop_all_before(start);
        let mut teams = Vec::new();
        let mut states = &[][..];
        if let Some(observed) = &past.observed {
            // Rows after the history are not known, so a state that is only known to be running then says nothing.
            let says_nothing = |row: &&StateRecord| {
                let fallback = parse_time(row.last_update_time.as_deref()).unwrap_or(observed.answered_at);
                row.start_date.is_none() && fallback > end
            };
            states = &observed.rows;
            data.observe(observed.requested_at, observed.answered_at, states.iter().filter(|row| !says_nothing(row)));
            teams = teams_of(states, &wanted);
        }
        let AgentList { ids: pending, listed } = AgentList::new(ids, states);
        let listed = pending.iter().take(listed).cloned().collect();
        let tail = ids.iter().filter_map(|id| past.read.end(id)).min().unwrap_or(start);

        let reader = PieceReader { source: self, context: &context, piece, past, data: &mut data, listed, pending };
        let read = reader.read_history().await;
        data.compact();
        if let Err(failure) = read {
            past.history = data.state;
            return Err(failure);
        }
        if end + settle > now {
            let sync = SyncRange::tail(piece.history, tail.whole_second(), wanted);
            self.read_ended_states(&mut data, &sync, &agents, &context).await;
        }
        self.log_refused(&mut data);
        let HistoryState { states, codes, .. } = &mut data.state;
        let rejections = self.read_codes(states, codes, &teams, &context).await;
        data.rejections.merge(&rejections);
        Ok(self.sum_piece(past, data, piece, agents))
    }

    /// Reads the current states unless they are known for a time after `until`.
    async fn observe_states(
        &self,
        past: &mut PastState,
        until: Timestamp,
        deadline: crate::clock::Monotonic,
    ) -> Result<(), Failure> {
        let requested_at = self.clock.now();
        if past.observed.as_ref().is_some_and(|observed| until.min(requested_at) <= observed.requested_at) {
            return Ok(());
        }
        // The states of all agents, as other pieces are of others.
        let CurrentStates { rows, rejections } = self.read_states(&FetchContext::new(deadline)).await?;
        self.session.client.observe_rejections(&rejections);
        past.observed = Some(ObservedStates { requested_at, answered_at: self.clock.now(), rows });
        Ok(())
    }

    /// Sums the piece, and drops what the next one does not need.
    fn sum_piece(
        &self,
        past: &mut PastState,
        data: RefreshData,
        piece: Piece,
        mut agents: Vec<WatchedAgent>,
    ) -> FetchResult {
        let RefreshData { mut state, mut rejections, missing, .. } = data;
        let names = state.states.display_names(self.official.unavailable_codes, &self.tenant.states.map);
        let labels = StateLabels { names: &names, reserved: &self.reserved_states, offline: &self.offline_states };
        let unread = missing.agents();
        agents.retain(|agent| !unread.contains(&agent.id));
        let sums = state.timeline.sum_past(piece.window, piece.slot, &agents, &labels, &mut rejections);
        let cutoff = piece.window.end.saturating_sub(self.official.history_lookback).whole_second();
        let settled = piece.now.saturating_sub(self.official.settle);
        for agent in &agents {
            state.timeline.drop_before(&agent.id, cutoff);
            past.read.keep(&agent.id, cutoff, settled);
        }
        past.history = state;
        missing.into_result(agents.into_iter().map(|agent| agent.id).zip(sums), rejections)
    }
}

// === impl PieceReader ===

impl PieceReader<'_> {
    /// Reads what is missing of the history of the piece.
    async fn read_history(mut self) -> Result<(), Failure> {
        let mut end = self.piece.history.end;
        loop {
            let Some((range, agents)) = self.past.read.next(&self.pending, end, self.limits()) else {
                match self.further_end(end) {
                    Some(further) => end = further,
                    None => break,
                }
                continue;
            };
            let requested = self.read_range(range, &agents, None).await?;
            let missing = self.data.missing.agents();
            self.pending.retain(|agent| !missing.contains(agent));
            let source = self.source;
            let cuts = !source.capabilities().by_overlap && range.start + source.official.settle <= self.piece.now;
            let read = requested.and_then(|count| agents.get(..count)).unwrap_or(&self.pending);
            for agent in read.iter().filter(|agent| !missing.contains(*agent)) {
                if let Some(before) = self.past.read.advance(agent, range.end)
                    && cuts
                {
                    self.data.state.timeline.extend_cut(agent, before, range.end);
                }
            }
        }
        self.read_further_back().await
    }

    /// Where rows are selected by their end: up to when to read the history after `end`, for agents whose state at the window's
    /// end has not ended by then.
    fn further_end(&mut self, end: Timestamp) -> Option<Timestamp> {
        let HistoryCapabilities { by_overlap, reaches_end, .. } = *self.source.capabilities();
        let furthest = (self.piece.history.end + FURTHER).min(self.piece.now);
        if reaches_end || !by_overlap || end >= furthest {
            return None;
        }
        self.data.compact();
        let is_unknown = !self.data.timeline().unknown_from(self.piece.window.end, &self.pending).is_empty();
        is_unknown.then(|| (end + self.limits().length.min(FURTHER)).min(furthest))
    }

    /// Reads the history before that of the piece, for agents whose state at the window's start began before it.
    async fn read_further_back(mut self) -> Result<(), Failure> {
        let begun = self.past.read.without_start(&self.pending);
        let Window { start: mut end, end: until } = self.piece.history;
        let earliest = end.saturating_sub(FURTHER);
        while end > earliest && !self.source.capabilities().by_overlap {
            self.data.compact();
            let mut unknown = self.data.timeline().unknown_at(self.piece.window.start, &begun);
            let missing = self.data.missing.agents();
            unknown.retain(|agent| !missing.contains(agent));
            if unknown.is_empty() {
                break;
            }
            let range = Window { start: end.saturating_sub(self.limits().length).max(earliest), end };
            let mut rest = unknown.as_slice();
            while !rest.is_empty() {
                // How many are requested together may be learnt in between.
                let group = rest.get(..self.limits().agents.unwrap_or(rest.len())).unwrap_or(rest);
                let requested = self.read_range(range, group, Some(until)).await?;
                rest = requested.and_then(|count| rest.get(count..)).unwrap_or_default();
            }
            end = range.start;
        }
        self.past.read.set_start(&begun);
        Ok(())
    }

    /// Reads one range of all agents, or of the first of `agents`: returns of how many. `until` is the end of what has been read
    /// after the range, if any.
    async fn read_range(
        &mut self,
        range: Window,
        agents: &[AgentId],
        until: Option<Timestamp>,
    ) -> Result<Option<usize>, Failure> {
        let Self { source, context, piece, past, data, listed, .. } = self;
        let is_alone = || source.capabilities().bulk == Some(false);
        // In bulk, the agents only show whether one alone can be read.
        let probed = agents.get(..ALONE_AGENTS).unwrap_or(agents);
        let ids = if is_alone() { agents } else { probed }.to_vec();
        let listed = ids.iter().take_while(|agent| listed.contains(*agent)).count();
        let list = AgentList { ids, listed };
        let mut history = match source.read_history(&SyncRange::whole(range), &list, context).await {
            Ok(history) => history,
            Err(failure) if past.has_answers && is_alone() && is_refusal(&failure) => {
                list.ids.iter().for_each(|agent| data.missing.add(Arc::clone(agent), failure.clone()));
                return Ok(Some(list.ids.len()));
            }
            Err(failure) => return Err(failure),
        };
        context.check_cancelled()?;
        past.has_answers = true;
        let mut reaches_end = false;
        for part in &mut history.parts {
            part.requested.now = piece.now;
            part.requested.until = until.unwrap_or(part.requested.until);
            let end = part.requested.range.end;
            // Running states are listed anyway.
            let settled = piece.now.saturating_sub(source.official.settle);
            reaches_end |= part.records.iter().filter_map(row_end).any(|row_end| end <= row_end && row_end < settled);
        }
        source.capabilities().reaches_end |= reaches_end;
        let in_bulk = history.in_bulk;
        data.add_history(history);
        if data.by_overlap {
            source.capabilities().by_overlap = true;
        }
        Ok((!in_bulk).then_some(list.ids.len()))
    }

    /// What one request may be for. It changes as more is learnt of the tenant.
    fn limits(&self) -> RequestLimits {
        let capabilities = *self.source.capabilities();
        let longest = capabilities.longest.unwrap_or(Duration::MAX);
        if capabilities.bulk == Some(false) {
            let length = (ALONE_LENGTH + FURTHER + self.source.official.history_lookback * 2).min(longest);
            return RequestLimits { agents: Some(ALONE_AGENTS), length };
        }
        let hours = BULK_AGENT_HOURS / u64::try_from(self.pending.len()).unwrap_or(u64::MAX).max(1);
        RequestLimits { agents: None, length: Duration::from_secs(hours * 3600).max(SHORTEST_RANGE).min(longest) }
    }
}

/// When the state of `row` ended, or its row was cut.
fn row_end(row: &HistoryRecord) -> Option<Timestamp> {
    Some(parse_time(row.start_date.as_deref())? + row.duration?.ok()?.into())
}

fn out_of_time() -> Failure {
    let message = "The piece of past presence was not read in time. Raise `max_requests_per_minute` or \
        `max_concurrent_requests`, or ask for fewer agents.";
    Failure::new(Endpoint::History, ErrorKind::Timeout, message).with_scope(Scope::Tenant)
}
