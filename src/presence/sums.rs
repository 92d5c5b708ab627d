//! Sums by key in a short list, in the order of their first appearance.

use std::ops::AddAssign;

/// Adds `value` to the sum of `key`.
pub(crate) fn add_to<K: PartialEq, V: AddAssign>(sums: &mut Vec<(K, V)>, key: K, value: V) {
    match sums.iter_mut().find(|(known, _)| *known == key) {
        Some((_, sum)) => *sum += value,
        None => sums.push((key, value)),
    }
}
