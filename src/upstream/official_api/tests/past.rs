//! Pieces of past presence against a slow count of seconds, over random timelines with gaps and long states, servers, pieces
//! and failures.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::properties::{AGENTS, STATES, Server, after_now, failing, seconds_after_now, servers};
use super::*;
use crate::presence::timeline::model_server::{self, Segment, ServerVariant};
use crate::upstream::PastQuery;

/// The start of every timeline, and the start of the range.
const BEGIN: i64 = -24 * DAY;
const RANGE_START: i64 = -12 * DAY;
/// All times are multiples of this, and states change this much later, so that no change is at the end of a request.
const GRID: i64 = 100;
const OFFSET: i64 = 37;
const SLOT: Duration = Duration::from_secs(6 * 3_600);

#[derive(Debug, Clone, Copy)]
struct Piece {
    length: i64,
    /// Whether the first try fails.
    fails: bool,
    restarts: bool,
    /// Whether only the first agent is read, and the other later.
    apart: bool,
}

fn changes() -> impl Strategy<Value = Vec<(Option<usize>, i64)>> {
    let state = prop_oneof![4 => (0_usize..3).prop_map(Some), 1 => Just(None)];
    // Minutes, hours, and now and then a weekend.
    let length = prop_oneof![6 => 1_i64..9, 6 => 9_i64..180, 1 => 180_i64..2_300];
    prop::collection::vec((state, length.prop_map(|length| length * GRID)), 4..30)
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let length = prop_oneof![1 => 1_i64..40, 3 => 40_i64..900, 2 => 900_i64..3_000].prop_map(|length| length * GRID);
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    let piece = (length, flags);
    let piece = piece.prop_map(|(length, (fails, restarts, apart))| Piece { length, fails, restarts, apart });
    prop::collection::vec(piece, 8..30)
}

impl ApiTest {
    async fn fetch_past(&self, (start, end): (i64, i64), agents: &[&str]) -> FetchResult {
        let window = Window { start: after_now(start), end: after_now(end) };
        let agents = agents.iter().map(|id| WatchedAgent { id: (*id).into(), schedule: None }).collect();
        let deadline = self.clock.monotonic() + Duration::from_secs(3_600);
        self.source.fetch_past(PastQuery { window, agents, slot: SLOT, deadline }).await
    }
}

/// The least and the most seconds in a state that are right within `[start, end)`.
fn bounds(segments: &[Segment], server: Server, state: usize, (start, end): (i64, i64), now: i64) -> (i64, i64) {
    let ServerVariant { has_start, open, .. } = server.variant;
    let of = |segment: &&Segment| segment.state == Some(state);
    let inside = |segment: &Segment| segment.inside(start, end);
    let most: i64 = segments.iter().filter(of).map(inside).sum();
    let is_known = |segment: &&Segment| {
        segment.has_arrived(now) || (segment.is_current(now) && has_start && open != model_server::Open::WithZero)
    };
    let least = segments.iter().filter(of).filter(is_known).map(inside).sum();
    // What has not arrived counts as the state before.
    let pending: i64 = segments.iter().filter(|segment| !segment.has_arrived(now)).map(inside).sum();
    (least, most + pending)
}

async fn run(changes: Vec<Vec<(Option<usize>, i64)>>, server: Server, pieces: Vec<Piece>) -> Result<(), TestCaseError> {
    let ServerVariant { by_start, clips, late, open, has_start } = server.variant;
    // Such a server shows the end of a state only to a request for its start, and nothing says when the state before the
    // running one began.
    let hides_ended_state = by_start && clips && !has_start && open == model_server::Open::Not;
    let timelines = changes.into_iter().map(|mut changes| {
        // A gap after a row that is cut at the end of a range cannot be seen.
        changes.retain(|(state, _)| state.is_some() || !(by_start && clips));
        changes.push((Some(0), 6 * GRID));
        model_server::timeline(&changes, (BEGIN + OFFSET, 3 * DAY), late)
    });
    let timelines: Vec<_> = timelines.collect();
    let fails = Arc::new(AtomicBool::new(false));
    let mut test = ApiTest::new(|_| (), failing(timelines.clone(), server, Arc::clone(&fails))).await;
    let mut start = RANGE_START;
    for (nth, piece) in pieces.iter().enumerate() {
        let end = (start + piece.length).min(0);
        if start >= end {
            break;
        }
        if piece.restarts {
            test.restart();
        }
        if piece.fails {
            fails.store(true, Ordering::Relaxed);
            let result = test.fetch_past((start, end), &AGENTS).await;
            // Where all is known from the piece before, nothing is requested.
            prop_assert!(result.error.is_some() || result.failed.is_empty());
            fails.store(false, Ordering::Relaxed);
        }
        let groups = if piece.apart { vec![&AGENTS[..1], &AGENTS[1..]] } else { vec![&AGENTS[..]] };
        for group in groups {
            let result = test.fetch_past((start, end), group).await;
            prop_assert_eq!(&result.error, &None);
            let counted = seconds(&result);
            let now = seconds_after_now(test.clock.now());
            for (agent, segments) in AGENTS.iter().zip(&timelines).filter(|(agent, _)| group.contains(*agent)) {
                let states = counted.get(*agent).map(Vec::as_slice).unwrap_or_default();
                for (state, name) in STATES.iter().enumerate() {
                    let (least, most) = bounds(segments, server, state, (start, end), now);
                    let has_begun = |segment: &Segment| segment.is_current(now) && segment.start < end;
                    let least = if hides_ended_state && segments.iter().any(has_begun) { 0 } else { least };
                    let time = states.iter().find(|(known, _)| known == name).map_or(0, |(_, time)| time.cast_signed());
                    prop_assert!(
                        least - 1 <= time && time <= most + 1,
                        "piece {nth} from {start} to {end}, agent {agent}: {time} s in {name}, not {least} to {most}: \
                        {server:?}"
                    );
                }
            }
            for presence in result.answered.iter().filter_map(|(_, presence)| presence.as_ref()) {
                let parts = presence.parts.iter().flat_map(|part| &part.times);
                let times: u64 = parts.map(|(_, time)| time.get()).sum();
                prop_assert_eq!(times, presence.observed.get());
            }
        }
        start = end;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn past_pieces_are_exact_over_gaps_and_long_states(
        changes in prop::collection::vec(changes(), 2),
        server in servers(),
        pieces in pieces(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(changes, server, pieces))?;
    }
}
