//! Every kind of server leads to the true sums, and a refresh of the tail to the same sums as a full one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::model_server::{ModelRow, Segment, ServerVariant};
use super::*;
use crate::presence::{AgentPresence, ChartSlot, StateName, WatchedAgent};

const AGENT: &str = "4711";
const DAY: i64 = 86_400;
/// The start of every timeline, well before the window.
const BEGIN: i64 = -2 * DAY;
/// The longest delay of a row after its end.
const SETTLE: i64 = 1_800;

/// A state and its length in seconds.
type Change = (Option<usize>, i64);

/// A server, and whether its rows have keys.
#[derive(Debug, Clone, Copy)]
struct Server {
    variant: ServerVariant,
    keys: bool,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

/// States without gaps, from [`BEGIN`] to after `end`.
fn truth(changes: &[Change], end: i64, late: i64) -> Vec<Segment> {
    model_server::timeline(changes, (BEGIN, end + DAY), late)
}

/// The rows returned at `now` for the range `[from, to)`.
fn answer(segments: &[Segment], server: Server, from: i64, to: i64, now: i64) -> Vec<HistoryRow> {
    let row = |row: ModelRow| {
        let index = i64::try_from(row.nth).unwrap();
        HistoryRow {
            agent: AGENT.into(),
            key: server.keys.then_some(RowKey { session: index / 7, index: index % 7 }),
            state: RawStateIndex(u32::try_from(row.state).unwrap()),
            start: at(row.start),
            length: row.length.map(|length| Micros::from_seconds(length.cast_unsigned())),
        }
    };
    model_server::rows(segments, server.variant, (from, to), now).into_iter().map(row).collect()
}

/// A refresh at `now` that requests the history from `from` on, in overlapping parts.
fn refresh(timeline: &mut StateTimeline, rows: &[Segment], server: Server, from: i64, now: i64, parts: i64) {
    timeline.begin_refresh(at(now), Duration::from_secs(SETTLE.cast_unsigned()));
    let part = ((now - from) / parts).max(1);
    for nth in 0..parts {
        let (start, end) =
            ((from + nth * part - part / 2).max(from), if nth + 1 == parts { now } else { from + (nth + 1) * part });
        let range = Window { start: at(start), end: at(end) };
        timeline.add(Requested { range, until: at(now), now: at(now) }, answer(rows, server, start, end, now));
    }
    if let Some(row) = rows.iter().find(|row| row.is_current(now)) {
        let start = server.variant.has_start.then_some(at(row.start));
        let state = RawStateIndex(u32::try_from(row.state.unwrap()).unwrap());
        timeline.observe(at(now), at(now), [Observation { agent: AGENT.into(), state, start, fallback: None }]);
    }
    compact(timeline, now);
    // The rows of states that have ended, from the start of the first of them on.
    let agents = [WatchedAgent { id: AGENT.into(), schedule: None }];
    let unanswered = timeline.unanswered(at(now), &agents);
    let seconds = |time: Timestamp| (time.micros() - at(0).micros()) / 1_000_000;
    if let Some(start) = unanswered.iter().map(|state| seconds(state.start)).filter(|start| *start < from).min() {
        let range = Window { start: at(start), end: at(now) };
        timeline.add(Requested { range, until: at(now), now: at(now) }, answer(rows, server, start, now, now));
        compact(timeline, now);
    }
}

fn compact(timeline: &mut StateTimeline, now: i64) {
    timeline.compact(at(now - 2 * DAY), &[AgentId::from(AGENT)].into(), &mut Rejections::default());
}

fn counted(timeline: &StateTimeline, now: i64) -> BTreeMap<u32, i64> {
    counted_and_unsettled(timeline, now).0
}

/// Seconds per state, and the start of the first unsettled gap.
fn counted_and_unsettled(timeline: &StateTimeline, now: i64) -> (BTreeMap<u32, i64>, Option<i64>) {
    let names = ["0", "1", "2", "3"].map(StateName::from);
    let labels = StateLabels { names: &names, reserved: &names, offline: &[] };
    let agents = [WatchedAgent { id: AGENT.into(), schedule: None }];
    let window = Window { start: at(now - DAY), end: at(now) };
    let mut counted = timeline.sum(window, at(now - SETTLE), &agents, &labels, &mut Rejections::default());
    let presence = counted.agents.remove(0);
    presence.iter().for_each(assert_strip_shows_states);
    presence.iter().for_each(|presence| assert_segments_show_states(presence, window));
    let states = presence.map(|presence| presence.states).unwrap_or_default();
    let seconds = |time: Micros| i64::try_from(time.get() / 1_000_000).unwrap();
    let sums = states.iter().map(|(name, time)| (name.parse().unwrap(), seconds(*time))).filter(|(_, time)| *time > 0);
    let unsettled = counted.unsettled.map(|moment| (moment.micros() - at(0).micros()) / 1_000_000);
    (sums.collect(), unsettled)
}

/// The strip has the same seconds, except for rounding to centiseconds in each cell.
fn assert_strip_shows_states(presence: &AgentPresence) {
    let cells = presence.chart.slots().count();
    for (place, (state, time)) in presence.states.iter().enumerate() {
        let shares =
            presence.chart.slots().flat_map(ChartSlot::shares).filter(|(share, _)| usize::from(*share) == place);
        let shown: u64 = shares.map(|(_, time)| time.get()).sum();
        assert!(time.get().abs_diff(shown) <= 5_000 * cells as u64, "{state}: {time:?} is shown as {shown} µs");
    }
}

/// The segments have exactly the time of each state, and are sorted, apart and within the window.
fn assert_segments_show_states(presence: &AgentPresence, window: Window) {
    let segments: Vec<_> = presence.timeline.as_ref().unwrap().segments().collect();
    for (place, (state, time)) in presence.states.iter().enumerate() {
        let shown = segments.iter().filter(|segment| usize::from(segment.place) == place);
        assert_eq!(shown.map(|segment| segment.time.length()).sum::<Micros>(), *time, "{state}");
    }
    assert!(segments.iter().all(|segment| segment.time.start >= window.start && segment.time.end <= window.end));
    assert!(segments.windows(2).all(|pair| pair[0].time.end <= pair[1].time.start));
}

/// The unbroken time in states 1 and 2, in seconds.
fn unbroken_offline(timeline: &StateTimeline, now: i64) -> Option<i64> {
    let names = ["0", "1", "2", "3"].map(StateName::from);
    let labels = StateLabels { names: &names, reserved: &names, offline: &names[1..3] };
    let agents = [WatchedAgent { id: AGENT.into(), schedule: None }];
    let window = Window { start: at(now - DAY), end: at(now) };
    let mut sums = timeline.sum(window, at(now - SETTLE), &agents, &labels, &mut Rejections::default());
    let offline = sums.agents.remove(0)?.unbroken_offline?;
    Some(i64::try_from(offline.get() / 1_000_000).unwrap())
}

/// The same, counted back second by second for a day at the most.
fn offline_seconds(rows: &[Segment], now: i64) -> i64 {
    let is_offline = |second: i64| {
        let row = rows.iter().find(|row| row.start <= second && second < row.end).unwrap();
        matches!(row.state, Some(1 | 2))
    };
    // A state that begins now is the current one.
    if is_offline(now) { (1..=DAY).take_while(|back| is_offline(now - back)).count() as i64 } else { 0 }
}

/// No state has more time than in truth, but for times up to a second apart, which are the same.
fn assert_lower_bounds(timeline: &StateTimeline, rows: &[Segment], now: i64) {
    let truth = expected(rows, now);
    for (state, time) in counted(timeline, now) {
        let truth = truth.get(&state).copied().unwrap_or_default();
        assert!(time <= truth + 1, "{state} at {now}: {time} s, not {truth}");
    }
}

fn expected(rows: &[Segment], now: i64) -> BTreeMap<u32, i64> {
    let mut sums = BTreeMap::new();
    for row in rows.iter().filter(|row| row.inside(now - DAY, now) > 0) {
        *sums.entry(u32::try_from(row.state.unwrap()).unwrap()).or_default() += row.inside(now - DAY, now);
    }
    sums
}

fn servers(late: impl Strategy<Value = i64>) -> impl Strategy<Value = Server> {
    (model_server::servers(late, Just(true)), any::<bool>()).prop_map(|(variant, keys)| Server { variant, keys })
}

/// States that are long enough not to be taken for an instant, and short enough to be within the look-back.
fn changes_of(length: impl Strategy<Value = i64>) -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(((0_usize..4).prop_map(Some), length), 1..40)
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    changes_of(10_i64..20_000)
}

proptest! {
    #[test]
    fn every_server_variant_leads_to_the_true_sums(changes in changes(), server in servers(Just(0)), parts in 1_i64..5, second in 0_i64..DAY) {
        let now = second;
        let rows = truth(&changes, now, 0);
        let mut timeline = StateTimeline::default();
        refresh(&mut timeline, &rows, server, now - 2 * DAY, now, parts);
        prop_assert_eq!(counted(&timeline, now), expected(&rows, now));
    }

    #[test]
    fn unbroken_offline_is_the_true_count_of_seconds(changes in changes(), server in servers(Just(0)), second in 0_i64..DAY) {
        let rows = truth(&changes, second, 0);
        let mut timeline = StateTimeline::default();
        refresh(&mut timeline, &rows, server, second - 2 * DAY, second, 1);
        let counted = unbroken_offline(&timeline, second).map(|seconds| seconds.min(DAY));
        prop_assert_eq!(counted, Some(offline_seconds(&rows, second)));
    }

    #[test]
    fn tail_refreshes_lead_to_the_sums_of_a_full_refresh(
        // Some are longer than parts overlap.
        changes in changes_of(prop_oneof![3 => 10_i64..20_000, 1 => 20_000_i64..60_000]),
        server in servers(0_i64..SETTLE),
        parts in 1_i64..5,
        steps in prop::collection::vec(1_i64..7_200, 1..12),
    ) {
        let end: i64 = steps.iter().sum();
        let rows = truth(&changes, end + 2 * SETTLE, server.variant.late);
        let mut tails = StateTimeline::default();
        let mut now = 0;
        refresh(&mut tails, &rows, server, -2 * DAY, now, parts);
        assert_lower_bounds(&tails, &rows, now);
        // After the last step, all late rows have arrived.
        for step in steps.into_iter().chain([SETTLE]) {
            let from = counted_and_unsettled(&tails, now).1.unwrap_or(now).min(now - SETTLE);
            now += step;
            refresh(&mut tails, &rows, server, from, now, 1);
            assert_lower_bounds(&tails, &rows, now);
        }
        let mut all = StateTimeline::default();
        refresh(&mut all, &rows, server, now - 2 * DAY, now, 1);
        // Rows that ended within the last half hour may be missing from both; only the tails have observed them.
        let prompt: Vec<Segment> = rows.iter().map(|row| Segment { late: 0, ..*row }).collect();
        let mut whole = StateTimeline::default();
        refresh(&mut whole, &prompt, server, now - 2 * DAY, now, 1);
        let (tails, all, truth) = (counted(&tails, now), counted(&all, now), expected(&rows, now));
        prop_assert_eq!(&counted(&whole, now), &truth);
        if server.variant.late == 0 {
            prop_assert_eq!(&all, &truth);
        }
        let pending: i64 = rows.iter().filter(|row| row.is_pending(now)).map(|row| row.end - row.start).sum();
        // Times up to a second apart are the same.
        let pending = pending + 1;
        // A row that is cut at the end of its part lasts until a next row that has settled, and until it was last observed.
        let may_be_cut = parts > 1 && server.variant.by_start && server.variant.clips;
        let pending = pending + if may_be_cut { SETTLE } else { 0 };
        for state in 0..4 {
            let [tail, truth] = [&tails, &truth].map(|sums| sums.get(&state).copied().unwrap_or_default());
            prop_assert!(truth - pending <= tail && tail <= truth + 1, "{state}: {tail} s, not {truth}");
        }
    }

    #[test]
    fn invalid_rows_never_exceed_the_window(
        rows in prop::collection::vec((any::<Option<(i8, i8)>>(), 0_u32..4, -DAY..DAY, any::<Option<u32>>()), 0..60),
        observations in prop::collection::vec((0_u32..4, any::<Option<i16>>(), 0_i64..DAY), 0..10),
        ranges in prop::collection::vec((-DAY..DAY, 0..DAY), 1..4),
    ) {
        let mut timeline = StateTimeline::default();
        for (nth, (start, length)) in ranges.iter().enumerate() {
            timeline.begin_refresh(at(DAY), Duration::from_secs(1_800));
            let rows = rows.iter().skip(nth).step_by(ranges.len()).map(|(key, state, start, length)| HistoryRow {
                agent: AGENT.into(),
                key: key.map(|(session, index)| RowKey { session: session.into(), index: index.into() }),
                state: RawStateIndex(*state),
                start: at(*start),
                length: length.map(|length| Micros::from_seconds(length.into())),
            });
            let range = Window { start: at(*start), end: at(start + length) };
            timeline.add(Requested { range, until: range.end, now: range.end }, rows);
            for (state, start, seen) in observations.iter().skip(nth).step_by(ranges.len()) {
                let start = start.map(|start| at(i64::from(start) * 3));
                let state = RawStateIndex(*state);
                timeline.observe(at(*seen), at(*seen), [Observation { agent: AGENT.into(), state, start, fallback: None }]);
            }
            timeline.compact(at(-DAY), &[AgentId::from(AGENT)].into(), &mut Rejections::default());
            prop_assert!(counted(&timeline, DAY).values().sum::<i64>() <= DAY);
        }
    }
}
