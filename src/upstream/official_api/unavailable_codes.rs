//! The codes of `Unavailable`, some of which are after-contact work: `/unavailable-codes`, or
//! `/teams/{teamId}/unavailable-codes` where that is refused.
//!
//! They are read rarely, and only while agents use codes. Without them, after-contact work is shown as `Unavailable`, so a
//! failure here does not fail the refresh.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use tracing::{info, warn};
use url::Url;

use super::OfficialSource;
use super::error_hints;
use super::state_registry::StateRegistry;
use super::wire::records::CodeRecord;
use crate::clock::Monotonic;
use crate::presence::Rejections;
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{ErrorKind, METADATA_LIFETIME, METADATA_RETRY};

/// The path of the codes of all teams.
const PATH: &str = "/unavailable-codes";

/// Which codes have been read.
#[derive(Debug, Clone, Default)]
pub(super) struct UnavailableCodes {
    /// Whether the codes of all teams at once are refused.
    all_refused: bool,
    /// When the codes of each team were last requested, and whether that succeeded; [`PATH`] stands for all teams.
    requested: HashMap<String, (Monotonic, bool)>,
    /// Whether a failure has been logged since the last success.
    failing: bool,
}

impl OfficialSource {
    /// Reads the codes of those `teams` that are due into `states`. Returns the rows that were rejected.
    pub(super) async fn read_codes(
        &self,
        states: &mut StateRegistry,
        codes: &mut UnavailableCodes,
        teams: &[String],
        context: &FetchContext,
    ) -> Rejections {
        let mut rejections = Rejections::default();
        if !states.has_codes() {
            return rejections;
        }
        let now = self.clock.monotonic();
        // An unlisted code may be new. Its team is unknown, so all teams are read again.
        let has_unlisted = states.has_unlisted_codes();
        if !codes.all_refused {
            if !codes.is_due(PATH, has_unlisted, now) {
                return rejections;
            }
            match self.read_all_codes(context).await {
                Err(failure) if is_refusal(&failure) => codes.all_refused = true,
                read => {
                    codes.requested.insert(PATH.to_owned(), (now, read.is_ok()));
                    match read {
                        Ok((rows, rejected)) => {
                            list(states, &rows);
                            rejections.merge(&rejected);
                            states.mark_codes_listed();
                            codes.succeeded(&self.tenant.name);
                        }
                        Err(failure) => codes.failed(&self.tenant.name, &failure),
                    }
                    return rejections;
                }
            }
        }
        let due: Vec<String> = teams.iter().filter(|team| codes.is_due(team, has_unlisted, now)).cloned().collect();
        let each = due.into_iter().map(|team| async move {
            let read = self.read_codes_of(&team, context).await;
            (team, read)
        });
        let mut ends = stream::iter(each).buffer_unordered(self.tenant.limits.max_concurrent_requests.max(1));
        while let Some((team, read)) = ends.next().await {
            codes.requested.insert(team, (now, read.is_ok()));
            match read {
                Ok((rows, rejected)) => {
                    list(states, &rows);
                    rejections.merge(&rejected);
                }
                Err(failure) => codes.failed(&self.tenant.name, &failure),
            }
        }
        if teams.iter().all(|team| codes.is_known(team)) {
            // Codes that are in no list will not be found by reading the lists again.
            states.mark_codes_listed();
            codes.succeeded(&self.tenant.name);
        }
        rejections
    }

    async fn read_all_codes(&self, context: &FetchContext) -> Result<(Vec<CodeRecord>, Rejections), Failure> {
        self.read_code_list(self.url(PATH, context).await?, context).await
    }

    async fn read_codes_of(
        &self,
        team: &str,
        context: &FetchContext,
    ) -> Result<(Vec<CodeRecord>, Rejections), Failure> {
        let mut url = self.url("/teams", context).await?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(team).push("unavailable-codes");
        }
        self.read_code_list(url, context).await
    }

    async fn read_code_list(
        &self,
        mut url: Url,
        context: &FetchContext,
    ) -> Result<(Vec<CodeRecord>, Rejections), Failure> {
        url.query_pairs_mut().append_pair("activeOnly", "false");
        let mut rows = Vec::new();
        let reading = self.read_list(&error_hints::CODES, &url, None, context, |page| rows.extend(page));
        let rejections = reading.await?;
        Ok((rows, rejections))
    }
}

fn list(states: &mut StateRegistry, rows: &[CodeRecord]) {
    for row in rows {
        if let Some(id) = &row.id {
            states.list_code(id, row.name.as_deref(), row.is_acw == Some(true));
        }
    }
}

/// Whether the teams' lists may be readable where the list of all codes is not.
fn is_refusal(failure: &Failure) -> bool {
    use ErrorKind::{BadRequest, Decode, Forbidden, NotJson, UnexpectedStatus};
    matches!(failure.error.kind, BadRequest | Decode | Forbidden | NotJson | UnexpectedStatus)
}

// === impl UnavailableCodes ===

impl UnavailableCodes {
    fn is_due(&self, team: &str, has_unlisted: bool, now: Monotonic) -> bool {
        self.requested.get(team).is_none_or(|(requested, succeeded)| {
            let wait = if *succeeded && !has_unlisted { METADATA_LIFETIME } else { METADATA_RETRY };
            *requested + wait <= now
        })
    }

    fn is_known(&self, team: &str) -> bool {
        self.requested.get(team).is_some_and(|(_, succeeded)| *succeeded)
    }

    /// Logs the first success since the last failure.
    fn succeeded(&mut self, tenant: &str) {
        if std::mem::take(&mut self.failing) {
            info!(tenant, "unavailable codes readable again");
        }
    }

    /// Logs the first failure since the last success.
    fn failed(&mut self, tenant: &str, failure: &Failure) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(tenant, error = %failure.error, "unavailable codes not readable");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn codes_are_due_after_six_hours_or_ten_minutes() {
        let mut codes = UnavailableCodes::default();
        let at = |seconds| Monotonic::from_start(Duration::from_secs(seconds));
        codes.requested.insert("read".to_owned(), (at(0), true));
        codes.requested.insert("failed".to_owned(), (at(0), false));
        let table = [
            ("new", false, 0, true),
            ("read", false, 6 * 3_600 - 1, false),
            ("read", false, 6 * 3_600, true),
            ("read", true, 599, false),
            ("read", true, 600, true),
            ("failed", false, 599, false),
            ("failed", false, 600, true),
        ];
        for (team, has_unlisted, seconds, due) in table {
            assert_eq!(codes.is_due(team, has_unlisted, at(seconds)), due, "{team} {has_unlisted} {seconds}");
        }
        assert!(codes.is_known("read") && !codes.is_known("failed") && !codes.is_known("new"));
    }
}
