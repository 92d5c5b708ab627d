//! Reads a range of one tenant, piece by piece.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use tracing::{info, warn};

use super::periods::next_multiple;
use super::state_file::{StateFile, StateFileError};
use super::tally::{AbsentRun, PastAgent, PieceTally};
use crate::clock::{Clock, Monotonic, whole_seconds};
use crate::presence::{AgentId, AgentPresence, Micros, StateName, Timestamp, Window};
use crate::upstream::{ErrorKind, FetchResult, PastLimits, PastQuery, Source, UpstreamError};

/// The most slots of all agents of a piece. A slot takes about 110 bytes in memory, and as much again while it is summed and
/// written, so a piece takes 11 MB. Twice as many save one request in a hundred.
const MAX_SLOTS: u64 = 50_000;

const HOUR: Duration = Duration::from_secs(3_600);

/// How long a piece may take. `Retry-After`, which is an hour at the most, and the request budget are waited out within it.
const PIECE_TIMEOUT: Duration = Duration::from_secs(2 * 3_600);

/// The waits before an agent that failed is tried again. A server that restarts is back by then.
const RETRY_WAITS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(60)];

/// How often a run says how far it is while it waits, so that it is seen to run.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// Reads a range of one tenant into a state file.
pub struct RangeReader<'a> {
    /// The tenant's name.
    pub tenant: &'a str,
    /// The agents to read.
    pub agents: &'a [PastAgent],
    /// The states that are offline.
    pub offline_states: &'a [StateName],
    /// Where to read them.
    pub source: &'a dyn Source,
    /// Measures deadlines and waits.
    pub clock: &'a dyn Clock,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeProgress {
    /// The time that is read of all agents together.
    pub done: Micros,
    /// All of it.
    pub of: Micros,
}

/// What could not be read. The rest is in the state file.
#[derive(Debug, Default)]
pub struct Unread {
    /// The agents that are not read to the end of the range.
    pub agents: Vec<AgentId>,
    /// The last failure.
    pub error: Option<UpstreamError>,
}

/// An agent that is being read.
#[derive(Debug, Clone, Copy)]
struct AgentState {
    done_until: Timestamp,
    run: AbsentRun,
    /// Failures one after the other.
    failures: usize,
    /// Whether it is left out, because it failed too often or is refused.
    given_up: bool,
}

// === impl RangeReader ===

impl RangeReader<'_> {
    /// Reads what the file does not have yet. `progress` is told of each piece, and every 30 s meanwhile.
    ///
    /// An agent that fails is tried again a few times and then left out. Where nothing is read any more, the run ends. A failure
    /// that waiting does not mend ends it at once, but only before the first answer: later it is as likely to pass.
    ///
    /// # Errors
    ///
    /// The state file cannot be written.
    pub async fn read(
        &self,
        file: &mut StateFile,
        progress: &mut (dyn FnMut(RangeProgress) + Send),
    ) -> Result<Unread, StateFileError> {
        let mut agents = Vec::with_capacity(self.agents.len());
        for agent in self.agents {
            let (done_until, run) = file.progress(self.tenant, agent)?;
            agents.push(AgentState { done_until, run, failures: 0, given_up: false });
        }
        let (range, slot) = (file.question().range, file.question().slot);
        let mut unread = Unread::default();
        // Whether the last agents that were left out failed for a reason that others may have too.
        let mut is_down = false;
        let mut has_read = false;
        let mut told_until = None;
        progress(done(&agents, range));
        loop {
            let limits = self.source.past_limits();
            let Some((window, piece)) = next_piece(&agents, range, slot, limits) else { break };
            let watched = piece.iter().filter_map(|place| Some(self.agents.get(*place)?.watched.clone()));
            let deadline = self.clock.monotonic() + PIECE_TIMEOUT;
            let query = PastQuery { window, agents: watched.collect(), slot, deadline };
            let reading = self.source.fetch_past(query);
            let FetchResult { answered, error, refusal, .. } =
                self.telling(reading, &mut told_until, || progress(done(&agents, range))).await;

            let mut answered: HashMap<AgentId, Option<AgentPresence>> = answered.into_iter().collect();
            let has_answers = !answered.is_empty();
            has_read |= has_answers;
            let mut tally = PieceTally::new(window, slot, file.periods(), self.offline_states);
            let (mut records, mut failed) = (Vec::with_capacity(answered.len()), Vec::new());
            for place in piece {
                let (Some(agent), Some(state)) = (self.agents.get(place), agents.get_mut(place)) else { continue };
                match answered.remove(&agent.watched.id) {
                    Some(presence) => {
                        let record = tally.record(self.tenant, agent, presence.as_ref(), state.run);
                        *state = AgentState { done_until: window.end, run: record.run, failures: 0, given_up: false };
                        records.push(record);
                    }
                    None => failed.push(place),
                }
            }
            file.append(&records)?;
            progress(done(&agents, range));
            if failed.is_empty() {
                is_down = false;
                continue;
            }

            // CXone refuses these agents alone, and would again.
            let is_refused = error.is_none() && refusal.is_some();
            let limits_changed = self.source.past_limits() != limits;
            let is_permanent =
                !has_read && !limits_changed && error.as_ref().is_some_and(|error| is_permanent(error.kind));
            let wait = note_failures(&mut agents, &failed, !is_refused && !is_permanent);
            unread.error = error.or(refusal).or(unread.error);
            let all_failed = !has_answers && !is_refused;
            if all_failed && is_down {
                break;
            }
            match wait {
                // The source has learnt that another piece may be answered, and has said so.
                Some(_) if limits_changed => {}
                Some(wait) => {
                    let until = self.end_of(wait);
                    let reason = unread.error.as_ref().map(ToString::to_string).unwrap_or_default();
                    let wait_seconds = whole_seconds(until.saturating_since(self.clock.monotonic())).as_secs();
                    warn!(
                        tenant = self.tenant,
                        agents = failed.len(),
                        reason,
                        wait_seconds,
                        "reading a piece failed; it is tried again"
                    );
                    let waiting = self.clock.sleep_until(until);
                    self.telling(waiting, &mut told_until, || progress(done(&agents, range))).await;
                }
                None => is_down = all_failed,
            }
        }
        let unfinished = self.agents.iter().zip(&agents).filter(|(_, state)| state.done_until < range.end);
        unread.agents = unfinished.map(|(agent, _)| AgentId::clone(&agent.watched.id)).collect();
        if unread.agents.is_empty() {
            unread.error = None;
        }
        Ok(unread)
    }

    /// The end of a wait, and not before the source allows requests.
    fn end_of(&self, wait: Duration) -> Monotonic {
        let until = self.clock.monotonic() + wait;
        self.source.not_before().map_or(until, |not_before| not_before.max(until))
    }

    /// Waits for `future`, and calls `tell` every 30 s meanwhile. `told` is the last wait that was logged.
    async fn telling<T>(
        &self,
        future: impl Future<Output = T>,
        told: &mut Option<Monotonic>,
        mut tell: impl FnMut() + Send,
    ) -> T {
        let mut future = pin!(future);
        loop {
            // The block begins to wait when it is polled, after `future`.
            let due = async { self.clock.sleep_until(self.clock.monotonic() + TOLD_EVERY).await };
            tokio::select! {
                biased;
                output = &mut future => return output,
                () = due => {
                    self.tell_wait(told);
                    tell();
                }
            }
        }
    }

    /// Logs until when the source allows no requests, once for each such time. `told` is the last one.
    fn tell_wait(&self, told: &mut Option<Monotonic>) {
        let now = self.clock.monotonic();
        let Some(until) = self.source.not_before().filter(|until| *until > now && *told != Some(*until)) else {
            return;
        };
        *told = Some(until);
        let until = (self.clock.now() + until.saturating_since(now)).whole_second();
        info!(tenant = self.tenant, %until, "waiting until CXone allows requests again");
    }
}

/// Whether the same request fails again, however long it is waited. A body that is none of CXone's may come from a proxy on the
/// way, which passes.
const fn is_permanent(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BadRequest
            | ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::UnexpectedStatus
            | ErrorKind::ForeignAddress
    )
}

/// Notes that the agents at these places failed. Returns the wait before they are tried again; `None` if all are given up.
fn note_failures(agents: &mut [AgentState], failed: &[usize], may_retry: bool) -> Option<Duration> {
    let mut wait = None;
    for place in failed {
        let Some(state) = agents.get_mut(*place) else { continue };
        match RETRY_WAITS.get(state.failures).filter(|_| may_retry) {
            Some(next) => wait = wait.max(Some(*next)),
            None => state.given_up = true,
        }
        state.failures += 1;
    }
    wait
}

/// The agents that are furthest behind, and what to read of them: as many as the limits allow, and then as long as memory does.
fn next_piece(
    agents: &[AgentState],
    range: Window,
    slot: Duration,
    limits: PastLimits,
) -> Option<(Window, Vec<usize>)> {
    let unfinished = || agents.iter().enumerate().filter(|(_, agent)| !agent.given_up && agent.done_until < range.end);
    let start = unfinished().map(|(_, agent)| agent.done_until).min()?;
    let behind = unfinished().filter(|(_, agent)| agent.done_until == start).map(|(place, _)| place);
    let piece: Vec<usize> =
        behind.take(limits.agents.max(1)).take(usize::try_from(MAX_SLOTS).unwrap_or(usize::MAX)).collect();

    // Servers may begin their buckets at the start. On the grid no bucket of a later piece reaches into two periods.
    let next_slot = next_multiple(start, slot);
    if next_slot.saturating_sub(slot) < start {
        return Some((Window { start, end: next_slot.min(range.end) }, piece));
    }

    let slots = MAX_SLOTS / u64::try_from(piece.len()).unwrap_or(u64::MAX).max(1);
    let longest = slot.saturating_mul(u32::try_from(slots).unwrap_or(u32::MAX));
    let end = start + limits.length.min(longest);
    // Whole slots, so that no slot is read in two parts; at least one. Whole hours where there are some, so that buckets of an
    // hour are read once.
    let floor = |step| next_multiple(end, step).saturating_sub(step);
    let end = if floor(HOUR) > start { floor(HOUR) } else { floor(slot).max(next_slot) };
    Some((Window { start, end: end.min(range.end) }, piece))
}

/// How many pieces a range has, without a short first one: in agents, and one after the other.
pub fn pieces(agents: u64, range: Window, slot: Duration, limits: PastLimits) -> (u64, u64) {
    let batch = u64::try_from(limits.agents).unwrap_or(u64::MAX).clamp(1, MAX_SLOTS).min(agents.max(1));
    let longest = slot.saturating_mul(u32::try_from(MAX_SLOTS / batch).unwrap_or(u32::MAX));
    let length = Micros::from(limits.length.min(longest).max(slot)).get().max(1);
    (agents.div_ceil(batch), range.length().get().div_ceil(length))
}

fn done(agents: &[AgentState], range: Window) -> RangeProgress {
    let done = agents.iter().map(|agent| agent.done_until.saturating_since(range.start)).sum();
    RangeProgress { done, of: agents.iter().map(|_| range.length()).sum() }
}
