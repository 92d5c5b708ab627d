//! The current state of an agent, as far as buckets show it.

use super::store::{Bucket, BucketStore, Share};
use crate::presence::state_names::{StateIndex, StateNames};
use crate::presence::{Micros, Timestamp};

/// The newest state and a lower bound of its duration, from sorted buckets that do not overlap.
///
/// The newest bucket must have time in one state only. Earlier buckets are added while each touches the next, has only that
/// state and is full of it. The newest bucket may have less time than its length if it reaches the end of the window, as data
/// lags. Elsewhere its missing time may be at its start, so no earlier bucket is added.
pub(super) fn current_state(
    store: &BucketStore,
    buckets: &[Bucket],
    window_end: Timestamp,
) -> Option<(StateIndex, Micros)> {
    let (newest, earlier) = buckets.split_last()?;
    // `OTHER` stands for several states.
    let (state, mut unbroken) = only_state(store.shares(newest)).filter(|(state, _)| *state != StateNames::OTHER)?;
    if unbroken < newest.span.length() && newest.span.end < window_end {
        return Some((state, unbroken));
    }
    let mut begins = newest.span.start;
    for bucket in earlier.iter().rev() {
        let full = Some((state, bucket.span.length()));
        if bucket.span.end != begins || only_state(store.shares(bucket)) != full {
            break;
        }
        unbroken = unbroken + bucket.span.length();
        begins = bucket.span.start;
    }
    Some((state, unbroken))
}

/// The only state that has time, and its time; `None` if there are several or none.
fn only_state(shares: &[Share]) -> Option<(StateIndex, Micros)> {
    let mut with_time = shares.iter().filter(|share| share.time > Micros::ZERO);
    let first = with_time.next()?;
    with_time.try_fold((first.state, first.time), |(state, time), share| {
        (share.state == state).then_some((state, time + share.time))
    })
}
