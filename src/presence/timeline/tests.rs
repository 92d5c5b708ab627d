//! The rules one by one, in seconds from the start of a window of 1,000 s.

mod observations;

use super::*;
use crate::presence::{AgentPresence, MAX_STATES_PER_AGENT, OTHER_STATE, StateName, WatchedAgent};

const AGENT: &str = "4711";
const NAMES: [&str; 4] = ["A", "B", "C", "Out"];
const WINDOW_END: i64 = 1_000;
const SETTLE: Duration = Duration::from_secs(1_800);

/// A returned row: key, state, start, length.
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
        timeline.begin_refresh(at(WINDOW_END), SETTLE);
        Self { timeline, rejections: Rejections::default() }
    }

    fn add(&mut self, requested: (i64, i64), rows: &[Row]) -> &mut Self {
        let row = |&(key, state, start, length): &Row| HistoryRow {
            agent: AGENT.into(),
            key: key.map(|(session, index)| RowKey { session, index }),
            state: RawStateIndex(state),
            start: at(start),
            length: length.map(Micros::from_seconds),
        };
        let range = range(requested.0, requested.1);
        let until = range.end.max(at(WINDOW_END));
        self.timeline.add(Requested { range, until, now: until }, rows.iter().map(row));
        self
    }

    fn observe(&mut self, now: i64, state: u32, start: Option<i64>) -> &mut Self {
        let (state, start) = (RawStateIndex(state), start.map(at));
        let observation = Observation { agent: AGENT.into(), state, start, fallback: None };
        self.timeline.observe(at(now), at(now), [observation]);
        self
    }

    fn compact(&mut self, from: i64) -> &mut Self {
        self.timeline.compact(at(from), &[AgentId::from(AGENT)].into(), &mut self.rejections);
        self
    }

    fn presence(&mut self, window: Window) -> Option<AgentPresence> {
        self.compact(-10_000);
        let names = NAMES.map(StateName::from);
        let labels = StateLabels { names: &names, reserved: &[], offline: &names[3..] };
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
fn rows_are_clipped_to_the_window() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, -500, Some(600)), (key(1), 1, 100, Some(200)), (key(2), 2, 300, Some(690))]);
    assert_eq!(test.seconds(), [100, 200, 690, 0]);
}

#[test]
fn pieces_and_repeats_of_a_row_are_merged() {
    // A row from 100 to 600, clipped at the ranges [0, 400) and [300, 1000).
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
fn an_open_row_lasts_until_the_next_row() {
    // Length of the row, the settled time, and how long it lasted. A row without length was running.
    let table = [
        (None, 699, 600),
        (None, 700, 600),
        (Some(300), 699, 300),
        (Some(300), 700, 600),
        (Some(299), 699, 299),
        (Some(299), 700, 600),
    ];
    for (length, settled, expected) in table {
        let mut test = TimelineTest::new();
        // The row from 100 may have been clipped at 400, the end of the requested range.
        test.add((0, 400), &[(key(0), 0, 100, length)]);
        test.add((400, 1_000), &[(key(1), 1, 700, Some(100))]);
        // Before the next row has settled, the row of a state in between may still arrive.
        test.timeline.begin_refresh(at(settled), Duration::ZERO);
        assert_eq!(test.seconds(), [expected, 100, 0, 0], "{length:?} {settled}");
    }
    let mut test = TimelineTest::new();
    test.add((0, 400), &[(key(0), 0, 100, Some(200))]).add((400, 1_000), &[(key(1), 1, 700, Some(100))]);
    assert_eq!(test.seconds(), [200, 100, 0, 0], "a known end leaves a gap");
}

#[test]
fn a_closed_piece_replaces_an_open_row() {
    for guess in [None, Some(100), Some(0), Some(900)] {
        let mut test = TimelineTest::new();
        test.add((0, 500), &[(key(0), 0, 400, guess)]).observe(500, 0, Some(400));
        test.timeline.begin_refresh(at(WINDOW_END), SETTLE);
        test.add((300, 1_000), &[(key(0), 0, 400, Some(250)), (key(1), 1, 650, Some(50))]);
        assert_eq!(test.seconds(), [250, 50, 0, 0], "{guess:?}");
    }
}

#[test]
fn an_overlap_is_cut_and_counted_once() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 0, Some(200)), (key(1), 1, 100, Some(100)), (key(2), 2, 199, Some(101))]);
    assert_eq!(test.seconds(), [100, 99, 101, 0]);
    assert_eq!(test.overlaps(), 1, "an overlap of 1 s is within the tolerance");
    test.timeline.begin_refresh(at(WINDOW_END), SETTLE);
    test.rejections = Rejections::default();
    assert_eq!((test.seconds(), test.overlaps()), ([100, 99, 101, 0], 0), "old rows are not counted again");
}

#[test]
fn the_current_state_ends_the_open_row_before_it() {
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
fn a_state_after_the_window_changes_nothing_within_it() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 100, None)]).observe(1_001, 1, Some(1_001));
    assert_eq!(test.seconds(), [900, 0, 0, 0]);
}

#[test]
fn a_state_after_the_window_does_not_extend_the_one_before() {
    // How the row of A is listed: not at all, without length, with none, with its length so far.
    for listed in [None, Some(None), Some(Some(0)), Some(Some(500))] {
        let mut test = TimelineTest::new();
        if let Some(length) = listed {
            test.timeline.add(
                Requested { range: range(-1_000, 500), until: at(500), now: at(500) },
                [HistoryRow {
                    agent: AGENT.into(),
                    key: None,
                    state: RawStateIndex(0),
                    start: at(0),
                    length: length.map(Micros::from_seconds),
                }],
            );
        }
        test.timeline.observe(
            at(501),
            at(501),
            [Observation { agent: AGENT.into(), state: RawStateIndex(0), start: Some(at(0)), fallback: None }],
        );
        test.timeline.begin_refresh(at(WINDOW_END), SETTLE);
        test.observe(1_001, 1, Some(1_003));
        assert_eq!(test.seconds(), [501, 0, 0, 0], "another state may have been in between: {listed:?}");
        test.add(ALL, &[(None, 0, 0, Some(700))]);
        assert_eq!(test.seconds(), [700, 0, 0, 0], "{listed:?}");
    }
}

#[test]
fn a_gap_after_a_state_that_has_ended_is_not_made_up() {
    for next in [None, Some(900)] {
        let mut test = TimelineTest::new();
        let row = |length| HistoryRow {
            agent: AGENT.into(),
            key: Some(RowKey { session: 1, index: 0 }),
            state: RawStateIndex(0),
            start: at(100),
            length: Some(Micros::from_seconds(length)),
        };
        test.timeline.add(Requested { range: range(-1_000, 500), until: at(500), now: at(500) }, [row(400)]);
        test.observe(500, 0, Some(100));
        test.timeline.begin_refresh(at(WINDOW_END), SETTLE);
        if let Some(start) = next {
            test.add((800, 1_000), &[(key(2), 1, start, None)]).observe(1_000, 1, next);
        }
        assert_eq!(test.seconds(), [400, if next.is_some() { 100 } else { 0 }, 0, 0]);
        let agents = [WatchedAgent { id: AGENT.into(), schedule: None }];
        let unanswered = Unanswered { agent: AGENT.into(), start: at(100), is_cut: false };
        assert_eq!(test.timeline.unanswered(at(WINDOW_END), &agents), std::slice::from_ref(&unanswered));
        // The row is cut where the request ends.
        let cut = Requested { range: range(100, 102), until: at(102), now: at(WINDOW_END) };
        test.timeline.add(cut, [row(2)]);
        assert_eq!(test.seconds()[0], 400);
        assert_eq!(test.timeline.unanswered(at(WINDOW_END), &agents), [Unanswered { is_cut: true, ..unanswered }]);
        test.timeline.add(cut, [row(550)]);
        assert_eq!(test.seconds()[0], 550);
        assert_eq!(test.timeline.unanswered(at(WINDOW_END), &agents), []);
    }
}

#[test]
fn keys_that_repeat_are_one_row_only_where_pieces_touch_in_one_state() {
    let mut test = TimelineTest::new();
    test.add(
        ALL,
        &[
            (key(0), 0, 0, Some(100)),
            (key(0), 1, 100, Some(50)),
            (key(0), 0, 150, Some(50)),
            (key(0), 0, 200, Some(50)),
            (key(0), 0, 300, Some(10)),
            (key(0), 2, 400, Some(100)),
        ],
    );
    assert_eq!((test.seconds(), test.overlaps()), ([210, 50, 100, 0], 0));
}

#[test]
fn the_current_state_spans_rows_of_one_name() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, -300, Some(200)), (key(1), 1, -100, Some(500)), (key(2), 1, 400, Some(300))]);
    test.observe(1_000, 1, Some(700));
    assert_eq!(test.current(), Some(("B".to_owned(), 1_100)));
}

#[test]
fn rows_without_key_are_identified_by_start() {
    let mut test = TimelineTest::new();
    test.add((0, 600), &[(None, 0, 100, Some(300)), (None, 1, 400, Some(200))]);
    test.add((500, 1_000), &[(None, 1, 500, Some(200)), (None, 1, 500, Some(200)), (None, 0, 700, Some(50))]);
    assert_eq!((test.seconds(), test.overlaps()), ([350, 300, 0, 0], 0));
}

#[test]
fn compact_drops_ended_rows_and_unwanted_agents() {
    let mut test = TimelineTest::new();
    test.add(
        ALL,
        &[(key(0), 0, -900, Some(100)), (key(1), 1, -800, None), (key(2), 2, 10, Some(5)), (key(3), 0, 15, None)],
    );
    test.compact(0);
    assert_eq!(test.timeline.rows(), 3);
    assert_eq!(test.seconds(), [0, 10, 5, 0]);
    test.timeline.compact(at(12), &HashSet::new(), &mut Rejections::default());
    assert_eq!(test.timeline.rows(), 0, "the agent is not wanted");
}

#[test]
fn rows_per_agent_are_limited() {
    let mut test = TimelineTest::new();
    let rows: Vec<Row> = (0..MAX_ROWS_PER_AGENT as i64 + 3).map(|row| (key(row), 0, row, Some(1))).collect();
    test.add((0, 1_000_000), &rows).compact(-10);
    assert_eq!(test.timeline.rows(), MAX_ROWS_PER_AGENT);
    assert_eq!(test.rejections.iter().find(|(reason, _)| *reason == Rejection::TooMany).unwrap().1, 3);
}

#[test]
fn last_data_and_states_are_sorted_and_end_at_the_last_span() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 2, 0, Some(100)), (key(1), 1, 100, Some(100)), (key(2), 0, 200, Some(300))]);
    let presence = test.presence(range(0, WINDOW_END)).unwrap();
    let names: Vec<&str> = presence.states.iter().map(|(name, _)| &**name).collect();
    assert_eq!((names, presence.last_data), (vec!["A", "B", "C"], at(500)));
}

#[test]
fn the_current_state_ends_at_a_gap_over_the_tolerance() {
    // The length of A before B, and the time in B; a gap of up to 1 s belongs to B.
    for (length, expected) in [(400, 600), (399, 600), (398, 200), (100, 200)] {
        let mut test = TimelineTest::new();
        test.add((-1_000, 2_000), &[(key(0), 1, 400, Some(length)), (key(1), 1, 800, Some(200))]);
        assert_eq!(test.current(), Some(("B".to_owned(), expected)), "{length}");
    }
}

#[test]
fn the_current_state_ends_with_the_window() {
    let mut test = TimelineTest::new();
    test.add((-1_000, 3_000), &[(key(0), 1, 400, Some(1_500))]);
    assert_eq!(test.current(), Some(("B".to_owned(), 600)));
}

#[test]
fn segments_and_parts_of_folded_states_are_those_of_other() {
    let count = MAX_STATES_PER_AGENT + 6;
    let mut test = TimelineTest::new();
    let rows: Vec<Row> =
        (0_u32..).take(count).map(|nth| (key(nth.into()), nth, i64::from(nth) * 10, Some(10))).collect();
    test.add(ALL, &rows).compact(-10_000);
    let names: Vec<StateName> = (0..count).map(|nth| format!("state {nth:02}").into()).collect();
    let labels = StateLabels { names: &names, reserved: &[], offline: &[] };
    let window = range(0, WINDOW_END);
    let agents = [WatchedAgent { id: AGENT.into(), schedule: None }];
    let mut sums = test.timeline.sum(window, window.start, &agents, &labels, &mut Rejections::default());
    let presence = sums.agents.remove(0).unwrap();
    let segments: Vec<Segment> = presence.timeline.unwrap().segments().collect();
    let name = |segment: &Segment| &*presence.states[usize::from(segment.place)].0;
    let known = segments.iter().filter(|segment| name(segment) != OTHER_STATE).count();
    // Those that were folded follow each other.
    assert_eq!((known, segments.len()), (MAX_STATES_PER_AGENT, MAX_STATES_PER_AGENT + 1));
    for (place, (state, time)) in presence.states.iter().enumerate() {
        let shown = segments.iter().filter(|segment| usize::from(segment.place) == place);
        assert_eq!(shown.map(|segment| segment.time.length()).sum::<Micros>(), *time, "{state}");
        let counted = presence.parts.iter().flat_map(|part| &part.times).filter(|(of, _)| *of == place);
        assert_eq!(counted.map(|(_, time)| *time).sum::<Micros>(), *time, "{state}");
    }
}

#[test]
fn a_current_state_of_other_is_not_reported() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 0, Some(999))]);
    test.compact(-10_000);
    let agents = [WatchedAgent { id: AGENT.into(), schedule: None }];
    for (name, expected) in [("A", Some("A")), (OTHER_STATE, None)] {
        let names = [StateName::from(name)];
        let labels = StateLabels { names: &names, reserved: &[], offline: &[] };
        let window = range(0, WINDOW_END);
        let sums = test.timeline.sum(window, window.start, &agents, &labels, &mut Rejections::default());
        let presence = sums.agents[0].clone().unwrap();
        assert_eq!(presence.observed, Micros::from_seconds(999));
        assert_eq!(presence.current.as_ref().map(|(name, _)| &**name), expected);
    }
}

#[test]
fn unsettled_is_the_first_gap_over_the_tolerance_after_settled() {
    // Gaps [100, 300), [400, 401), [500, 600) and [700, 900).
    let rows = [
        (key(0), 0, 0, Some(100)),
        (key(1), 1, 300, Some(100)),
        (key(2), 0, 401, Some(99)),
        (key(3), 1, 600, Some(100)),
        (key(4), 0, 900, Some(10)),
    ];
    let mut test = TimelineTest::new();
    test.add(ALL, &rows).compact(-10_000);
    let names = NAMES.map(StateName::from);
    let labels = StateLabels { names: &names, reserved: &[], offline: &[] };
    let agents = [WatchedAgent { id: AGENT.into(), schedule: None }];
    for (settled, expected) in [(0, Some(100)), (299, Some(100)), (300, Some(500)), (899, Some(700)), (900, None)] {
        let sums = test.timeline.sum(range(0, WINDOW_END), at(settled), &agents, &labels, &mut Rejections::default());
        assert_eq!(sums.unsettled, expected.map(at), "{settled}");
    }
}
