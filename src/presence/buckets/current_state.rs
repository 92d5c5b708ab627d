//! The state an agent is in, as far as buckets can tell.

use super::store::{BucketStore, Entry, Share};
use crate::presence::state_names::{StateIndex, StateNames};
use crate::presence::{Micros, Timestamp};

/// The newest state and a lower bound of the unbroken time in it, from buckets in order that do not overlap.
///
/// The newest bucket must have time in one state only. Buckets before it are added while each touches the next,
/// holds nothing but that state and is full of it. The newest bucket itself may fall short of its length where it
/// reaches the window's end, since data lags; elsewhere nobody knows whether its missing time is at its start,
/// so nothing before it is added.
pub(super) fn current_state(
    store: &BucketStore,
    buckets: &[Entry],
    window_end: Timestamp,
) -> Option<(StateIndex, Micros)> {
    let (newest, earlier) = buckets.split_last()?;
    // The states behind this name are different ones.
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

/// The one state that has time, and its time; `None` where several do, or none.
fn only_state(shares: &[Share]) -> Option<(StateIndex, Micros)> {
    let mut with_time = shares.iter().filter(|share| share.time > Micros::ZERO);
    let first = with_time.next()?;
    with_time.try_fold((first.state, first.time), |(state, time), share| {
        (share.state == state).then_some((state, time + share.time))
    })
}
