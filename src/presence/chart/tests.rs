//! Cells of every kind of bucket, what is summed, and the bound on bytes.

use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_seconds(1_773_154_800);

fn at(seconds: u64) -> Timestamp {
    START + std::time::Duration::from_secs(seconds)
}

fn between(start: u64, end: u64) -> Window {
    Window { start: at(start), end: at(end) }
}

/// A slot: its start, end and shares in seconds.
type Shown = (u64, u64, Vec<(u8, f64)>);

/// A span: its start, end and shares in seconds.
type Given<'a> = (u64, u64, &'a [(usize, u64)]);

fn slots(chart: &PresenceChart) -> Vec<Shown> {
    let since = |moment: Timestamp| moment.saturating_since(START).get() / 1_000_000;
    let shares = |slot: ChartSlot<'_>| slot.shares().map(|(place, time)| (place, time.seconds_f64())).collect();
    chart.slots().map(|slot| (since(slot.span.start), since(slot.span.end), shares(slot))).collect()
}

fn of(spans: &[Given<'_>]) -> PresenceChart {
    let mut builder = PresenceChartBuilder::default();
    for (start, end, shares) in spans {
        let shares = shares.iter().map(|&(place, seconds)| (place, Micros::from_seconds(seconds)));
        builder.add(between(*start, *end), shares);
    }
    builder.finish()
}

#[test]
fn buckets_of_every_length_become_cells_with_their_exact_seconds() {
    // Hours that the window cuts: the first is short. They are longer than a slot.
    let chart = of(&[(2_400, 3_600, &[(0, 1_200)]), (3_600, 7_200, &[(1, 600), (0, 3_000)])]);
    assert_eq!(slots(&chart), [(2_400, 3_600, vec![(0, 1_200.0)]), (3_600, 7_200, vec![(0, 3_000.0), (1, 600.0)])]);
    // Five minutes each: those of a half hour of UTC are a slot, the first of which the window cuts.
    let fives: Vec<Given<'_>> =
        (0..14).map(|nth| (1_200 + nth * 300, nth * 300 + 1_500, &[(0, 100), (2, 200)][..])).collect();
    assert_eq!(
        slots(&of(&fives)),
        [
            (1_200, 1_800, vec![(0, 200.0), (2, 400.0)]),
            (1_800, 3_600, vec![(0, 600.0), (2, 1_200.0)]),
            (3_600, 5_400, vec![(0, 600.0), (2, 1_200.0)])
        ]
    );
    // A day.
    assert_eq!(slots(&of(&[(0, 86_400, &[(3, 80_000)])])), [(0, 86_400, vec![(3, 80_000.0)])]);
    // More than a day is several slots, and no second is lost.
    assert_eq!(
        slots(&of(&[(0, 216_000, &[(1, 108_000)])])),
        [
            (0, 86_400, vec![(1, 43_200.0)]),
            (86_400, 172_800, vec![(1, 43_200.0)]),
            (172_800, 216_000, vec![(1, 21_600.0)])
        ]
    );
    // Exact spans with gaps, several in a half hour; one across a boundary is a slot of its own.
    let exact = of(&[
        (0, 100, &[(0, 100)]),
        (200, 1_000, &[(1, 800)]),
        (1_000, 4_000, &[(0, 3_000)]),
        (4_000, 5_400, &[(1, 1_400)]),
    ]);
    assert_eq!(
        slots(&exact),
        [
            (0, 1_000, vec![(0, 100.0), (1, 800.0)]),
            (1_000, 4_000, vec![(0, 3_000.0)]),
            (4_000, 5_400, vec![(1, 1_400.0)])
        ]
    );
    assert_eq!(of(&[]), PresenceChart::default());
}

#[test]
fn more_states_than_a_cell_takes_are_summed_from_the_smallest() {
    let shares: Vec<_> = (0..20).map(|place| (place, 100 + place as u64)).collect();
    let chart = of(&[(0, 3_600, &shares)]);
    let [(_, _, shares)] = &slots(&chart)[..] else { panic!("{chart:?}") };
    assert_eq!(shares.len(), PresenceChart::MAX_SHARES);
    assert_eq!(shares[0], (7, 107.0));
    assert_eq!(shares[13], (PresenceChart::OTHER, (100..107).sum::<u64>() as f64));
    // State indexes that do not fit into a byte are left out.
    assert_eq!(slots(&of(&[(0, 60, &[(300, 20), (255, 5)])])), [(0, 60, vec![(PresenceChart::OTHER, 25.0)])]);
}

#[test]
fn places_follow_the_states() {
    let mut chart = of(&[(0, 3_600, &[(0, 10), (1, 20), (2, 30), (400, 40)]), (3_600, 7_200, &[(2, 5)])]);
    chart.relocate(|old| [Some(1), None, Some(0)].get(old).copied().flatten());
    assert_eq!(
        slots(&chart),
        [
            (0, 3_600, vec![(1, 10.0), (PresenceChart::OTHER, 20.0), (0, 30.0), (PresenceChart::OTHER, 40.0)]),
            (3_600, 7_200, vec![(0, 5.0)])
        ]
    );
}

/// Spans in order, each a gap and a length in seconds, with shares of its time.
type DrawnSpans = Vec<(u64, u64, Vec<(usize, u64)>)>;

fn drawn() -> impl Strategy<Value = DrawnSpans> {
    let length = prop_oneof![1..4_000_u64, Just(3_600), Just(1_860), Just(300), Just(86_400), 1..200_000_u64];
    let shares = prop::collection::vec((0..40_usize, 0..400_u64), 0..30);
    prop::collection::vec((prop_oneof![Just(0), 0..5_000_u64], length, shares), 0..80)
}

proptest! {
    #[test]
    fn nothing_is_lost_and_the_bytes_are_bounded(drawn in drawn()) {
        let mut builder = PresenceChartBuilder::default();
        let (mut now, mut first, mut sums, mut count) = (0, None, [0_u64; 256], 0_u64);
        for (gap, length, shares) in &drawn {
            now += gap;
            first.get_or_insert(now);
            builder.add(between(now, now + length), shares.iter().map(|&(place, s)| (place, Micros::from_seconds(s))));
            now += length;
            for &(place, seconds) in shares {
                sums[place] += seconds;
                count += length / 86_400 + 1;
            }
        }
        let chart = builder.finish();
        let (mut found, mut end) = ([0_u64; 256], 0);
        for slot in chart.slots() {
            prop_assert!(slot.span.start.micros() >= end && slot.span.start < slot.span.end);
            end = slot.span.end.micros();
            prop_assert!(slot.shares().count() <= PresenceChart::MAX_SHARES);
            for (place, time) in slot.shares() {
                found[usize::from(place)] += time.get();
            }
        }
        let (all, kept): (u64, u64) = (sums.iter().sum(), found.iter().sum());
        prop_assert!(all * 1_000_000 <= kept + count * 5_000 && kept <= all * 1_000_000 + count * 5_000);
        for (place, seconds) in sums.iter().enumerate().take(255) {
            prop_assert!(found[place] <= seconds * 1_000_000 + count * 5_000, "{place}");
        }
        let seconds = now - first.unwrap_or(now);
        prop_assert!(chart.heap_bytes() as u64 <= 96 + 64 * seconds / 3_600, "{} of {seconds} s", chart.heap_bytes());
    }
}

/// What the charts of a large tenant take. Its figures are for people: `cargo test --lib strips_of_thirty -- --nocapture`.
#[test]
fn figures_of_the_strips_of_thirty_thousand_agents() {
    for states in [3, 14] {
        let bytes: usize = (0..30_000_u64)
            .map(|agent| {
                let hour = |nth: u64| {
                    let shares = (0..states).map(move |place| (place, Micros::new(200_000_000 + agent + nth)));
                    (between(nth * 3_600, nth * 3_600 + 3_600), shares)
                };
                let mut builder = PresenceChartBuilder::default();
                (0..24).map(hour).for_each(|(span, shares)| builder.add(span, shares));
                builder.finish().heap_bytes() + size_of::<PresenceChart>()
            })
            .sum();
        println!("{states} states an hour: {bytes} bytes for 30,000 agents × 24 h, {} an agent", bytes / 30_000);
        assert!(bytes <= 30_000 * (24 * 64 + size_of::<PresenceChart>()));
    }
}
