//! What a tenant allows of requests for its history. Pure.
//!
//! It is not documented, so it is learnt from the responses and kept.

use std::time::Duration;

use crate::presence::Window;
use crate::upstream::ErrorKind;
use crate::upstream::failure::{Failure, Scope};

/// A refused range of at most this length was not refused for its length.
const SHORTEST_RANGE: Duration = Duration::from_secs(3600);

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

// === impl HistoryCapabilities ===

impl HistoryCapabilities {
    /// The minimum number of requests for the history of so many agents.
    pub(super) fn min_requests(self, agents: usize) -> u64 {
        if self.bulk == Some(false) { u64::try_from(agents).unwrap_or(u64::MAX) } else { 1 }
    }

    pub(super) fn record_success(&mut self) {
        self.bulk = self.bulk.or(Some(true));
    }

    /// The limit to try after `range` was refused with `kind`; `None` if a shorter range would be refused as well.
    pub(super) fn shorter_range(self, range: Duration, kind: ErrorKind) -> Option<Duration> {
        let refused = self.longest.unwrap_or(range).min(range);
        let by_length = matches!(kind, ErrorKind::BadRequest | ErrorKind::TooMuch) && refused > SHORTEST_RANGE;
        by_length.then(|| half(refused).max(SHORTEST_RANGE))
    }

    /// `range` in overlapping parts that the tenant is known to allow.
    ///
    /// A server may select rows by start and clip them at the end of the range; the rest of such a row is in no other part. So
    /// parts overlap by the expected length of rows, or by half of `longest` if that is less, and a row that reaches the end of
    /// its part lasts until the agent's next row.
    pub(super) fn parts(self, range: Window, overlap: Duration) -> Vec<Window> {
        let Some(longest) = self.longest.filter(|longest| *longest < Duration::from(range.length())) else {
            return vec![range];
        };
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
}

/// Whether another kind of request may succeed: a shorter range, or one agent.
pub(super) fn is_capability_error(failure: &Failure) -> bool {
    matches!(
        failure.error.kind,
        ErrorKind::BadRequest | ErrorKind::Forbidden | ErrorKind::UnexpectedStatus | ErrorKind::TooMuch
    )
}

/// Whether a shorter range may succeed.
pub(super) fn is_range_error(failure: &Failure) -> bool {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::presence::Timestamp;

    const HOUR: Duration = Duration::from_secs(3600);

    fn range(hours: u32) -> Window {
        Window::ending_at(Timestamp::from_seconds(1_700_000_000), HOUR * hours)
    }

    fn allowing(longest: Option<Duration>) -> HistoryCapabilities {
        HistoryCapabilities { longest, ..HistoryCapabilities::default() }
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
            assert_eq!(hours(&allowing(longest.map(|hours| HOUR * hours)).parts(range(36), 12 * HOUR)), expected);
        }
    }

    proptest! {
        #[test]
        fn parts_cover_exactly_the_range(whole in 1_u32..1000, longest in 1_u32..1000, overlap in 0_u32..100) {
            let (range, longest, overlap) = (range(whole), HOUR * longest, HOUR * overlap);
            let parts = allowing(Some(longest)).parts(range, overlap);
            prop_assert_eq!(parts[0].start, range.start);
            prop_assert_eq!(parts[parts.len() - 1].end, range.end);
            for part in &parts {
                prop_assert!(part.start < part.end && Duration::from(part.length()) <= longest.max(HOUR));
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
        while let Some(longest) = capabilities.shorter_range(whole.length().into(), ErrorKind::BadRequest) {
            capabilities.longest = Some(longest);
            for overlap in [Duration::ZERO, HOUR, Duration::from_millis(1_500), 12 * HOUR] {
                for part in capabilities.parts(whole, overlap) {
                    let times = [part.start, part.end];
                    assert!(times.iter().all(|time| *time == time.whole_second()), "{longest:?} {overlap:?}: {part:?}");
                }
            }
        }
        assert_eq!(capabilities.longest, Some(SHORTEST_RANGE));
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
            let next = allowing(longest.map(minutes)).shorter_range(minutes(range), kind);
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
