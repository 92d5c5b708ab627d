//! Observations: what they add to rows, and which of them wins.

use super::*;

#[test]
fn an_observation_fills_time_from_its_own_start() {
    let mut test = TimelineTest::new();
    test.observe(1_000, 3, Some(-200_000));
    assert_eq!((test.seconds(), test.current()), ([0, 0, 0, 1_000], Some(("Out".to_owned(), 201_000))));

    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 200, Some(300))]).observe(1_000, 3, Some(600));
    assert_eq!(test.seconds(), [300, 0, 0, 400], "time without data is not counted");
}

#[test]
fn an_observation_cuts_a_row_that_lasts_longer() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 0, Some(605))]).observe(1_000, 1, Some(600));
    assert_eq!((test.seconds(), test.overlaps()), ([600, 400, 0, 0], 1));
}

#[test]
fn a_clipped_row_is_merged_with_its_observation() {
    for length in [None, Some(0), Some(2_000)] {
        let mut test = TimelineTest::new();
        // Clipped at the start of the range.
        test.add(ALL, &[(key(0), 3, -1_000, length)]).observe(1_000, 3, Some(-200_000));
        assert_eq!(
            (test.seconds(), test.current()),
            ([0, 0, 0, 1_000], Some(("Out".to_owned(), 201_000))),
            "{length:?}"
        );
    }
}

#[test]
fn a_state_without_start_counts_once_settled() {
    let observe = |test: &mut TimelineTest, now, state, start: Option<i64>, fallback: Option<i64>| {
        let (state, start, fallback) = (RawStateIndex(state), start.map(at), fallback.map(at));
        test.timeline.begin_refresh(at(now), Duration::from_secs(300));
        test.timeline.observe(at(now), at(now + 1), [Observation { agent: AGENT.into(), state, start, fallback }]);
    };
    // The times of the last update, and the seconds that are known.
    let table = [
        ([None, None, None], 399),
        ([Some(200), Some(200), Some(200)], 800),
        ([Some(200), Some(500), Some(900)], 500),
        ([Some(200), Some(200), Some(900)], 500),
    ];
    for (fallbacks, expected) in table {
        let mut test = TimelineTest::new();
        test.add(ALL, &[(key(0), 1, -500, Some(100))]);
        for (now, fallback) in [200, 600, 1_000].into_iter().zip(fallbacks) {
            observe(&mut test, now, 0, None, fallback);
        }
        assert_eq!(test.seconds(), [expected, 0, 0, 0], "{fallbacks:?}");
        let unbroken =
            if expected == 800 { 800 } else { fallbacks[2].map_or(0, |fallback| 1_000 - fallback.unsigned_abs()) };
        assert_eq!(test.current(), Some(("A".to_owned(), unbroken)), "{fallbacks:?}");
        // No other state was in between.
        test.timeline.begin_refresh(at(1_301), Duration::from_secs(300));
        let since = fallbacks[0].unwrap_or(201).unsigned_abs();
        assert_eq!(test.seconds(), [1_000 - since, 0, 0, 0], "{fallbacks:?}");
        // The row of another state arrives.
        test.add(ALL, &[(key(1), 1, 400, Some(100))]);
        let last =
            fallbacks[2].filter(|fallback| *fallback >= 500).map_or(0, |fallback| 1_000 - fallback.unsigned_abs());
        assert_eq!(test.seconds(), [400 - since + last, 100, 0, 0], "{fallbacks:?}");
    }
    let mut test = TimelineTest::new();
    observe(&mut test, 940, 3, None, None);
    observe(&mut test, 1_000, 3, None, None);
    let known = ([0, 0, 0, 59], Some(("Out".to_owned(), 59)));
    assert_eq!((test.seconds(), test.current()), known, "an agent without rows has not changed the state");
}

#[test]
fn an_observation_without_start_extends_an_open_row_only() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 200, None)]).observe(1_000, 0, None);
    assert_eq!(test.seconds(), [800, 0, 0, 0]);
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 200, Some(100))]).observe(1_000, 0, None);
    assert_eq!(test.seconds(), [100, 0, 0, 0]);
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 200, None)]).observe(1_000, 1, None);
    assert_eq!(test.seconds(), [800, 0, 0, 0], "the row lasts until the state that begins now");
}

#[test]
fn a_row_listed_as_running_extends_to_an_observation_without_start() {
    // Length of the row when it was read at 500, and whether it was running then.
    for (length, extends) in [(Some(400), true), (None, true), (Some(0), true), (Some(300), false)] {
        let mut test = TimelineTest::new();
        let row = HistoryRow {
            agent: AGENT.into(),
            key: None,
            state: RawStateIndex(0),
            start: at(100),
            length: length.map(Micros::from_seconds),
        };
        test.timeline.add(Requested { range: range(-1_000, 500), until: at(500), now: at(500) }, [row]);
        test.observe(500, 0, None);
        test.timeline.begin_refresh(at(WINDOW_END), SETTLE);
        test.observe(1_000, 0, None);
        let expected = if extends { (900, 900) } else { (300, 0) };
        assert_eq!(test.seconds(), [expected.0, 0, 0, 0], "{length:?}");
        assert_eq!(test.current(), Some(("A".to_owned(), expected.1)), "{length:?}");
    }
}

#[test]
fn current_state_after_unknown_time_is_the_observed_one() {
    // The end of A before the window's end, and the start of B after it.
    for (end, start, expected) in [(1_000, 1_002, ("A", 900)), (700, 1_002, ("B", 0)), (700, 1_000, ("B", 0))] {
        let mut test = TimelineTest::new();
        test.add((-1_000, 2_000), &[(key(0), 0, 100, Some(end - 100))]);
        test.observe(1_001, 1, Some(start));
        assert_eq!(test.current(), Some((expected.0.to_owned(), expected.1)), "{end} {start}");
    }
}

#[test]
fn an_observation_is_kept_until_its_row_arrives() {
    let mut test = TimelineTest::new();
    test.add((-1_000, 500), &[(key(0), 0, 0, Some(100))]).observe(500, 3, Some(100));
    test.timeline.begin_refresh(at(WINDOW_END), SETTLE);
    // Out ended at 520, but its row has not arrived.
    test.observe(1_000, 1, Some(520));
    assert_eq!(test.seconds(), [100, 480, 0, 400], "Out was seen until 500");
    // The rows arrive; C was never observed.
    test.timeline.begin_refresh(at(WINDOW_END), SETTLE);
    test.add((400, 1_000), &[(key(1), 3, 100, Some(405)), (key(2), 2, 505, Some(15))]).observe(1_000, 1, Some(520));
    assert_eq!(test.seconds(), [100, 480, 15, 405]);
    assert_eq!(test.overlaps(), 0);
}

#[test]
fn a_row_takes_precedence_over_an_observation() {
    let mut test = TimelineTest::new();
    test.add(ALL, &[(key(0), 0, 0, Some(600)), (key(1), 1, 600, Some(100))]);
    // B since 500 according to the observation, A until 600 according to the history.
    test.observe(1_000, 1, Some(500));
    assert_eq!(test.seconds(), [600, 400, 0, 0]);
}
