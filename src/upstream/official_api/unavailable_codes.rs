//! The codes of `Unavailable`, of which some are after-contact work: `/teams/{teamId}/unavailable-codes`.
//!
//! They are asked for rarely, and only while there is a code of which nobody has told. What is not known does no harm but
//! that time in wrap-up is shown as `Unavailable` until it is, so a failure here fails no refresh.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tracing::{info, warn};

use super::OfficialSource;
use super::error_hints;
use super::fetch::HistoryState;
use super::pagination::Paging;
use super::wire::records::CodeRecord;
use crate::clock::Monotonic;
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;

/// How long a team's codes are good for. Somebody edits them once in a while.
const LIFE: Duration = Duration::from_secs(6 * 3600);

/// How long after a failure codes are asked for again: often enough that wrap-up is soon called that, and seldom enough
/// for a tenant that never tells.
const RETRY: Duration = Duration::from_secs(10 * 60);

/// Which teams' codes are known.
#[derive(Debug, Clone, Default)]
pub(super) struct UnavailableCodes {
    /// When each team was asked last, and whether that was answered.
    asked: HashMap<String, (Monotonic, bool)>,
    /// Whether the last time failed, which has been told.
    failing: bool,
}

impl OfficialSource {
    /// Brings the codes of `teams` up to date, as far as that is due.
    pub(super) async fn read_codes(&self, state: &mut HistoryState, teams: &[String], context: &FetchContext) {
        if !state.states.has_codes() {
            return;
        }
        let now = self.clock.monotonic();
        // A code that no list has told of may have been made since. Which team's it is, is not known.
        let seeking = state.states.has_unlisted_codes();
        let due: Vec<String> = teams.iter().filter(|team| state.codes.is_due(team, seeking, now)).cloned().collect();
        let each = due.into_iter().map(|team| async move {
            let read = self.read_codes_of(&team, context).await;
            (team, read)
        });
        let mut ends = stream::iter(each).buffer_unordered(self.tenant.limits.max_concurrent_requests.max(1));
        while let Some((team, read)) = ends.next().await {
            state.codes.asked.insert(team, (now, read.is_ok()));
            match read {
                Ok(rows) => {
                    for row in rows {
                        if let Some(id) = &row.out_state_id.0 {
                            state.states.list_code(id, row.out_state_name.0.as_deref(), row.is_acw.0 == Some(true));
                        }
                    }
                }
                Err(failure) => state.codes.failed(&self.tenant.name, &failure),
            }
        }
        if teams.iter().all(|team| state.codes.is_known(team)) {
            // Whatever no list has is not to be found by asking again.
            state.states.stop_seeking_codes();
            if std::mem::take(&mut state.codes.failing) {
                info!(tenant = self.tenant.name, "unavailable codes can be read again");
            }
        }
    }

    async fn read_codes_of(&self, team: &str, context: &FetchContext) -> Result<Vec<CodeRecord>, Failure> {
        let mut url = self.url("/teams", context).await?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(team).push("unavailable-codes");
        }
        url.query_pairs_mut().append_pair("activeOnly", "false");
        let mut rows = Vec::new();
        self.read_list(&error_hints::CODES, &url, Paging::Whole, context, |page| rows.extend(page)).await?;
        Ok(rows)
    }
}

// === impl UnavailableCodes ===

impl UnavailableCodes {
    fn is_due(&self, team: &str, seeking: bool, now: Monotonic) -> bool {
        self.asked.get(team).is_none_or(|(asked, answered)| {
            let wait = if *answered && !seeking { LIFE } else { RETRY };
            *asked + wait <= now
        })
    }

    fn is_known(&self, team: &str) -> bool {
        self.asked.get(team).is_some_and(|(_, answered)| *answered)
    }

    /// Said once, until they can be read again.
    fn failed(&mut self, tenant: &str, failure: &Failure) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(tenant, error = %failure.error, "unavailable codes could not be read");
        }
    }
}
