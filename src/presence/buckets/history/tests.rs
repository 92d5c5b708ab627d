//! Histories round trip, and their size.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::simulator::{Timeline, Workforce};

const STEP: i64 = 300;

type Drawn = Vec<(i64, Vec<(usize, u64)>)>;

fn names(count: usize) -> Vec<StateName> {
    (0..count).map(|nth| format!("state {nth}").into()).collect()
}

fn pack(buckets: &Drawn, until: i64) -> Option<BucketHistory> {
    let mut builder = HistoryBuilder::new(BucketBoundaries::new(Duration::from_secs(STEP.unsigned_abs())));
    for (cell, shares) in buckets {
        let share = |&(state, micros): &(usize, u64)| Share { state: StateIndex(state), time: Micros::new(micros) };
        builder.push(Timestamp::from_seconds(cell * STEP), &shares.iter().map(share).collect::<Vec<_>>());
    }
    builder.finish(Timestamp::from_seconds(until * STEP), &names(300))
}

fn unpack(history: &BucketHistory) -> Drawn {
    let (mut buckets, mut shares, mut read) = (history.read(), Vec::new(), Drawn::new());
    while let Some(span) = buckets.next(&mut shares) {
        assert_eq!(span.length(), Micros::from_seconds(STEP.unsigned_abs()));
        let state = |name: usize| history.names()[name].strip_prefix("state ").unwrap().parse().unwrap();
        let shares = shares.iter().map(|&(name, time)| (state(name), time.get())).collect();
        read.push((span.start.micros() / 1_000_000 / STEP, shares));
    }
    assert!(buckets.bytes.0.is_empty());
    read
}

proptest! {
    #[test]
    fn histories_round_trip(
        drawn in prop::collection::vec((1..50_i64, prop::collection::vec((0..200_usize, 0..u64::MAX >> 1), 1..5)), 0..50),
        from in -1000..1000_i64,
    ) {
        let mut cell = from;
        let buckets: Drawn = drawn.into_iter().map(|(gap, shares)| { cell += gap; (cell, shares) }).collect();
        let history = pack(&buckets, cell + 1).unwrap();
        prop_assert_eq!(history.buckets(), buckets.len());
        prop_assert_eq!(unpack(&history), buckets);
    }
}

#[test]
fn history_bytes_per_bucket() {
    // One or two states in five minutes, in whole seconds, and two more without time.
    let typical: Drawn = (0..288).map(|cell| (cell, vec![(0, 240_000_000), (1, 60_000_000)])).collect();
    let all_named: Drawn =
        (0..288).map(|cell| (cell, vec![(0, 240_000_000), (1, 60_000_000), (2, 0), (3, 0)])).collect();
    let fractions: Drawn =
        (0..288).map(|cell| (cell, vec![(0, 240_123_456), (1, 59_876_544), (2, 0), (3, 0)])).collect();
    for (buckets, most) in [(typical, 7), (all_named, 11), (fractions, 18)] {
        let history = pack(&buckets, 288).unwrap();
        assert!(history.packed.len() <= most * 288, "{} bytes", history.packed.len());
        assert!(history.bytes() <= most * 288 + 64 + 4 * 16 + size_of::<BucketHistory>());
    }
}

/// The figure of the documentation and of `check`.
#[test]
fn simulated_history_takes_seven_bytes_a_bucket() {
    let (roster, timeline) = (Workforce::new(7, 100), Timeline::new(1));
    for minutes in [5, 60] {
        let step = Duration::from_secs(minutes * 60);
        let boundaries = BucketBoundaries::new(step);
        let (mut bytes, mut buckets) = (0, 0);
        for agent in roster.agents() {
            let (mut builder, mut names, mut start) =
                (HistoryBuilder::new(boundaries), Vec::new(), Timestamp::from_seconds(1_772_582_400));
            let until = start + Duration::from_secs(86_400);
            while start < until {
                let times = timeline.seconds(agent, Window { start, end: boundaries.next(start) });
                let shares = times.into_iter().map(|(name, time)| {
                    let known = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                        names.push(name);
                        names.len() - 1
                    });
                    Share { state: StateIndex(known), time }
                });
                builder.push(start, &shares.collect::<Vec<_>>());
                start = boundaries.next(start);
            }
            let history = builder.finish(until, &names).unwrap();
            bytes += history.packed.len();
            buckets += history.buckets();
        }
        #[allow(clippy::cast_precision_loss, reason = "both are small")]
        let each = bytes as f64 / buckets as f64;
        println!("{minutes} minutes: {each:.2} bytes a bucket, {} an agent besides", size_of::<BucketHistory>());
        assert!(each <= 7.0, "{each}");
    }
}

#[test]
fn unreasonable_histories_are_not_kept() {
    let table: [(&str, Drawn); 3] = [
        ("too many names", (0..256).map(|cell| (cell as i64, vec![(cell, 1_000_000)])).collect()),
        ("too many states a bucket", vec![(0, (0..40).map(|state| (state, 1_000_000)).collect())]),
        ("more time than there is", vec![(0, vec![(0, u64::MAX)])]),
    ];
    for (name, buckets) in table {
        assert!(pack(&buckets, 300).is_none(), "{name}");
    }
    assert!(pack(&vec![(0, vec![(0, u64::MAX >> 1)])], 300).is_some());
}

#[test]
fn history_builder_restarts_after_a_failure() {
    let mut builder = HistoryBuilder::new(BucketBoundaries::new(Duration::from_secs(STEP.unsigned_abs())));
    let share = |micros| [Share { state: StateIndex(1), time: Micros::new(micros) }];
    builder.push(Timestamp::from_seconds(0), &share(u64::MAX));
    let until = Timestamp::from_seconds(STEP);
    assert_eq!(builder.finish(until, &names(2)), None);
    builder.push(Timestamp::from_seconds(STEP), &share(1));
    assert_eq!(unpack(&builder.finish(until, &names(2)).unwrap()), [(1, vec![(1, 1)])]);
    assert_eq!(builder.finish(until, &names(2)).unwrap().buckets(), 0);
}

#[test]
fn damaged_history_is_not_restored() {
    let known = names(50);
    let restore = |history: &BucketHistory| {
        let mut bytes = Vec::new();
        let number = |name: &StateName| known.iter().position(|known| known == name).unwrap() as u64;
        history.write_to(&mut bytes, number);
        let boundaries = BucketBoundaries::new(Duration::from_secs(STEP.unsigned_abs()));
        BucketHistory::read_from(&mut Bytes(&bytes), boundaries, &known)
    };
    let good = pack(&vec![(0, vec![(0, 1_000_000)]), (2, vec![(1, 5), (0, 7)])], 3).unwrap();
    assert_eq!(restore(&good), Some(good.clone()));

    let packed = |shares: usize| {
        let mut bytes = Vec::new();
        varint::push(&mut bytes, (shares as u64) << 1);
        (0..shares).for_each(|share| bytes.extend([u8::try_from(share % 2).unwrap(), 2]));
        bytes.into_boxed_slice()
    };
    let most = (MAX_BYTES_PER_BUCKET - 1) / 2;
    assert!(restore(&BucketHistory { packed: packed(most), ..good.clone() }).is_some());
    let at = |seconds| Timestamp::from_seconds(seconds);
    let table = [
        ("a first bucket off the boundaries", BucketHistory { first: at(1), ..good.clone() }),
        ("an end off the boundaries", BucketHistory { until: at(3 * STEP + 1), ..good.clone() }),
        ("a bucket after the end", BucketHistory { until: at(2 * STEP), ..good.clone() }),
        ("a name that is not there", BucketHistory { names: names(1).into(), ..good.clone() }),
        ("a bucket without states", BucketHistory { packed: packed(0), ..good.clone() }),
        ("too many bytes for its buckets", BucketHistory { packed: packed(most + 1), ..good.clone() }),
        ("a bucket cut off", BucketHistory { packed: good.packed[..good.packed.len() - 1].into(), ..good.clone() }),
        ("a bucket far in the future", BucketHistory { first: at(i64::MAX / 1_000_000 / STEP * STEP), ..good.clone() }),
    ];
    for (fault, history) in table {
        assert_eq!(restore(&history), None, "{fault}");
    }
}
