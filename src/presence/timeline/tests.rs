//! Each rule by itself, in seconds after the beginning of a window of 1,000.

use super::*;
use crate::presence::{AgentPresence, StateName, WatchedAgent};

const AGENT: &str = "4711";
const NAMES: [&str; 4] = ["A", "B", "C", "Out"];
const WINDOW_END: i64 = 1_000;

/// A row as an answer has it: key, state, start, length.
type Row = (Option<(i64, i64)>, u32, i64, Option<u64>);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

fn range(start: i64, end: i64) -> Window {
    Window { start: at(start), end: at(end) }
}

struct TimelineTest {
    timeline: StateTimeline,
    rejections: Rejections,
}

impl TimelineTest {
    fn new() -> Self {
        let mut timeline = StateTimeline::default();
        timeline.begin_refresh();
        Self { timeline, rejections: Rejections::default() }
    }

    fn add(&mut self, asked: (i64, i64), rows: &[Row]) -> &mut Self {
        let row = |&(key, state, start, length): &Row| HistoryRow {
            agent: AGENT.into(),
            key: key.map(|(session, index)| RowKey { session, index }),
            state: RawStateIndex(state),
            start: at(start),
            length: length.map(Micros::from_seconds),
        };
        self.timeline.add(range(asked.0, asked.1), rows.iter().map(row));
        self
    }

    fn observe(&mut self, seen: i64, state: u32, start: Option<i64>) -> &mut Self {
        let observation = Observation { agent: AGENT.into(), state: RawStateIndex(state), start: start.map(at) };
        self.timeline.observe(at(seen), [observation]);
        self
    }

    fn compact(&mut self, from: i64) -> &mut Self {
        self.timeline.compact(at(from), &[AgentId::from(AGENT)].into(), &mut self.rejections);
        self
    }

    fn presence(&mut self, window: Window) -> Option<AgentPresence> {
        self.compact(-10_000);
        let names = NAMES.map(StateName::from);
        let labels = StateLabels { shown: &names, known: &[], offline: &names[3..] };
        let agents = [WatchedAgent { id: AGENT.into(), schedule: None }];
        self.timeline.sum(window, window.start, &agents, &labels, &mut self.rejections).agents.remove(0)
    }

    /// Seconds in A, B, C and Out within the window.
    fn seconds(&mut self) -> [u64; 4] {
        let presence = self.presence(range(0, WINDOW_END));
        NAMES.map(|name| {
            let states = presence.iter().flat_map(|presence| &presence.states);
            states.filter(|(state, _)| **state == *name).map(|(_, time)| time.get() / 1_000_000).sum()
        })
    }

    fn current(&mut self) -> Option<(String, u64)> {
        let (name, time) = self.presence(range(0, WINDOW_END))?.current?;
        Some((name.to_string(), time.get() / 1_000_000))
    }

    fn overlaps(&self) -> u64 {
        self.rejections.iter().filter(|(reason, _)| *reason == Rejection::Overlap).map(|(_, count)| count).sum()
    }
}

const ALL: (i64, i64) = (-1_000, WINDOW_END);

fn key(index: i64) -> Option<(i64, i64)> {
    Some((1, index))
}

#[test]
fn rows_are_cut_to_the_window() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, -500, Some(600)), (key(1), 1, 100, Some(200)), (key(2), 2, 300, Some(690))]);
    assert_eq!(test.seconds(), [100, 200, 690, 0]);
}

#[test]
fn pieces_and_repeats_of_a_row_are_one() {
    // Clipped at both ranges: [0, 400) and [300, 700) of a row that lasted from 100 to 600.
    for order in [[0, 1], [1, 0]] {
        let mut test = TimelineTest::new();
        for piece in order {
            match piece {
                0 => test.add((0, 400), &[(key(0), 0, 100, Some(300)), (key(0), 0, 100, Some(300))]),
                _ => test.add((300, 1_000), &[(key(0), 0, 300, Some(300)), (key(1), 1, 600, Some(100))]),
            };
        }
        assert_eq!(test.seconds(), [500, 100, 0, 0], "{order:?}");
        assert_eq!((test.overlaps(), test.timeline.rows()), (0, 2));
    }
}

#[test]
fn a_row_without_a_known_end_lasts_until_the_next_one() {
    let lengths = [None, Some(300), Some(299)];
    for length in lengths {
        let mut test = TimelineTest::new();
        // The range asked for ends at 400, which is where a row that began at 100 seems to end.
        test.add((0, 400), &[(key(0), 0, 100, length)]);
        test.add((400, 1_000), &[(key(1), 1, 700, Some(100))]);
        assert_eq!(test.seconds(), [600, 100, 0, 0], "{length:?}");
    }
    let mut test = TimelineTest::new();
    test.add((0, 400), &[(key(0), 0, 100, Some(200))]).add((400, 1_000), &[(key(1), 1, 700, Some(100))]);
    assert_eq!(test.seconds(), [200, 100, 0, 0], "an end that is known leaves a gap");
}

#[test]
fn an_open_row_that_is_seen_closed_is_replaced() {
    for guess in [None, Some(100), Some(0), Some(900)] {
        let mut test = TimelineTest::new();
        test.add((0, 500), &[(key(0), 0, 400, guess)]).observe(500, 0, Some(400));
        test.timeline.begin_refresh();
        test.add((300, 1_000), &[(key(0), 0, 400, Some(250)), (key(1), 1, 650, Some(50))]);
        assert_eq!(test.seconds(), [250, 50, 0, 0], "{guess:?}");
    }
}

#[test]
fn a_later_start_ends_the_row_before_it_and_that_is_counted_once() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 0, Some(200)), (key(1), 1, 100, Some(100)), (key(2), 2, 199, Some(101))]);
    assert_eq!(test.seconds(), [100, 99, 101, 0]);
    assert_eq!(test.overlaps(), 1, "a second is within what rounding explains");
    test.timeline.begin_refresh();
    test.rejections = Rejections::default();
    assert_eq!((test.seconds(), test.overlaps()), ([100, 99, 101, 0], 0), "old rows are not counted anew");
}

#[test]
fn the_current_state_closes_the_open_one_however_it_is_listed() {
    // MergedRow with its length so far, without, with none, and not at all.
    let listed: [Option<Option<u64>>; 4] = [Some(Some(300)), Some(None), Some(Some(0)), None];
    for listed in listed {
        let mut test = TimelineTest::new();
        test.add(ALL, &[(key(0), 0, 0, Some(700))]);
        if let Some(length) = listed {
            test.add(ALL, &[(key(1), 1, 700, length)]);
        }
        test.observe(1_000, 1, Some(700));
        assert_eq!(test.seconds(), [700, 300, 0, 0], "{listed:?}");
        assert_eq!(test.current(), Some(("B".to_owned(), 300)));
        assert_eq!(test.overlaps(), 0);
    }
}

#[test]
fn a_state_that_began_after_the_window_ends_nothing_within_it() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 100, None)]).observe(1_001, 1, Some(1_001));
    assert_eq!(test.seconds(), [900, 0, 0, 0]);
}

#[test]
fn the_current_states_own_start_reaches_as_far_as_it_does() {
    let mut test = TimelineTest::new();
    test.observe(1_000, 3, Some(-200_000));
    assert_eq!((test.seconds(), test.current()), ([0, 0, 0, 1_000], Some(("Out".to_owned(), 201_000))));

    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 200, Some(300))]).observe(1_000, 3, Some(600));
    assert_eq!(test.seconds(), [300, 0, 0, 400], "what nobody knows stays unaccounted for");
}

#[test]
fn the_current_state_ends_a_row_that_claims_to_last_longer() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 0, Some(605))]).observe(1_000, 1, Some(600));
    assert_eq!((test.seconds(), test.overlaps()), ([600, 400, 0, 0], 1));
}

#[test]
fn a_row_that_began_before_all_that_was_asked_for_is_the_state_that_is_seen() {
    for length in [None, Some(0), Some(2_000)] {
        let mut test = TimelineTest::new();
        // Clipped at the beginning of the range, which is where it seems to begin.
        test.add(ALL, &[(key(0), 3, -1_000, length)]).observe(1_000, 3, Some(-200_000));
        assert_eq!(
            (test.seconds(), test.current()),
            ([0, 0, 0, 1_000], Some(("Out".to_owned(), 201_000))),
            "{length:?}"
        );
    }
}

#[test]
fn a_sighting_without_a_start_goes_on_with_an_open_row_only() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 200, None)]).observe(1_000, 0, None);
    assert_eq!(test.seconds(), [800, 0, 0, 0]);
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 200, Some(100))]).observe(1_000, 0, None);
    assert_eq!(test.seconds(), [100, 0, 0, 0]);
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 200, None)]).observe(1_000, 1, None);
    assert_eq!(test.seconds(), [0, 0, 0, 0]);
}

#[test]
fn what_was_seen_is_remembered_until_its_row_arrives() {
    let mut test = TimelineTest::new();
    test.add((-1_000, 500), &[(key(0), 0, 0, Some(100))]).observe(500, 3, Some(100));
    test.timeline.begin_refresh();
    // Out ended at 520, but no row says so yet.
    test.observe(1_000, 1, Some(520));
    assert_eq!(test.seconds(), [100, 480, 0, 420]);
    // Then rows arrive: C in between was never seen.
    test.timeline.begin_refresh();
    test.add((400, 1_000), &[(key(1), 3, 100, Some(405)), (key(2), 2, 505, Some(15))]).observe(1_000, 1, Some(520));
    assert_eq!(test.seconds(), [100, 480, 15, 405]);
    assert_eq!(test.overlaps(), 0);
}

#[test]
fn a_listed_row_wins_over_a_sighting() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 0, Some(600)), (key(1), 1, 600, Some(100))]);
    // B since 500, says the list of states, and A until 600 the history.
    test.observe(1_000, 1, Some(500));
    assert_eq!(test.seconds(), [600, 400, 0, 0]);
}

#[test]
fn the_current_state_reaches_over_rows_of_one_name() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, -300, Some(200)), (key(1), 1, -100, Some(500)), (key(2), 1, 400, Some(300))]);
    test.observe(1_000, 1, Some(700));
    assert_eq!(test.current(), Some(("B".to_owned(), 1_100)));
}

#[test]
fn rows_without_a_key_are_told_apart_by_their_start() {
    let mut test = TimelineTest::new();
    test.add((0, 600), &[(None, 0, 100, Some(300)), (None, 1, 400, Some(200))]);
    test.add((500, 1_000), &[(None, 1, 500, Some(200)), (None, 1, 500, Some(200)), (None, 0, 700, Some(50))]);
    assert_eq!((test.seconds(), test.overlaps()), ([350, 300, 0, 0], 0));
}

#[test]
fn what_is_over_is_dropped_and_what_reaches_over_the_moment_is_kept() {
    let mut test = TimelineTest::new();
    test.add(
        ALL,
        &[(key(0), 0, -900, Some(100)), (key(1), 1, -800, None), (key(2), 2, 10, Some(5)), (key(3), 0, 15, None)],
    );
    test.compact(0);
    assert_eq!(test.timeline.rows(), 3);
    assert_eq!(test.seconds(), [0, 10, 5, 0]);
    test.timeline.compact(at(12), &HashSet::new(), &mut Rejections::default());
    assert_eq!(test.timeline.rows(), 0, "nobody wants to know");
}

#[test]
fn rows_have_a_limit() {
    let mut test = TimelineTest::new();
    let rows: Vec<Row> = (0..MAX_ROWS_PER_AGENT as i64 + 3).map(|row| (key(row), 0, row, Some(1))).collect();
    test.add((0, 1_000_000), &rows).compact(-10);
    assert_eq!(test.timeline.rows(), MAX_ROWS_PER_AGENT);
    assert_eq!(test.rejections.iter().find(|(reason, _)| *reason == Rejection::TooMany).unwrap().1, 3);
}
