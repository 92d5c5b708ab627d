//! The current state of an agent and its unbroken time, as far as buckets show it.

use super::store::{Bucket, BucketStore, Share};
use crate::presence::Micros;
use crate::presence::state_names::StateIndex;

/// The newest kind of state and a lower bound of its unbroken duration, from sorted buckets that do not overlap. `kind` is
/// `None` for a state that may be of any kind.
///
/// The newest bucket must have time in one kind only. Earlier buckets are added while each touches the next, and both are full
/// of that kind: time that no state accounts for may be anywhere in a bucket and breaks it.
pub(super) fn current<K: Copy + PartialEq>(
    store: &BucketStore,
    buckets: &[Bucket],
    kind: impl Fn(StateIndex) -> Option<K>,
) -> Option<(K, Micros)> {
    let (newest, earlier) = buckets.split_last()?;
    let (current, mut unbroken) = only_kind(store.shares(newest), &kind)?;
    if unbroken < newest.span.length() {
        return Some((current, unbroken));
    }
    let mut begins = newest.span.start;
    for bucket in earlier.iter().rev() {
        let full = Some((current, bucket.span.length()));
        if bucket.span.end != begins || only_kind(store.shares(bucket), &kind) != full {
            break;
        }
        unbroken += bucket.span.length();
        begins = bucket.span.start;
    }
    Some((current, unbroken))
}

/// The only kind that has time, and its time; `None` if there are several or none.
fn only_kind<K: PartialEq>(shares: &[Share], kind: impl Fn(StateIndex) -> Option<K>) -> Option<(K, Micros)> {
    let mut with_time = shares.iter().filter(|share| share.time > Micros::ZERO);
    let first = with_time.next()?;
    with_time.try_fold((kind(first.state)?, first.time), |(known, time), share| {
        (kind(share.state)? == known).then_some((known, time + share.time))
    })
}
