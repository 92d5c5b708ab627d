//! The current state of an agent, as far as buckets show it.

use super::store::{Bucket, BucketStore, Share};
use crate::presence::Micros;
use crate::presence::state_names::{StateIndex, StateNames};

/// The newest state and a lower bound of its duration, from sorted buckets that do not overlap.
///
/// The newest bucket must have time in one state only. Earlier buckets are added while each touches the next, and both are full
/// of that state: time that no state accounts for may be anywhere in a bucket and ends the run.
pub(super) fn current_state(store: &BucketStore, buckets: &[Bucket]) -> Option<(StateIndex, Micros)> {
    let (newest, earlier) = buckets.split_last()?;
    // `OTHER` stands for several states.
    let (state, mut unbroken) = only_state(store.shares(newest)).filter(|(state, _)| *state != StateNames::OTHER)?;
    if unbroken < newest.span.length() {
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
