//! Prefix codes out of how often symbols occur ([RFC 1951, section 3.2.2][rfc]).
//!
//! [rfc]: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.2

use std::collections::VecDeque;

use super::bits::Bits;

/// The longest code that deflate has, in bits.
pub(super) const MAX_LENGTH: usize = 15;

/// The lengths of codes in bits for symbols that occur so often, none above `limit`; 0 for a symbol that does not occur.
///
/// There are always two codes at least, as some readers refuse a set of codes that leaves bits without meaning.
pub(super) fn lengths(counts: &[u32], limit: usize) -> Vec<u8> {
    let mut counts = counts.to_vec();
    let missing = 2_usize.saturating_sub(counts.iter().filter(|count| **count > 0).count());
    counts.iter_mut().filter(|count| **count == 0).take(missing).for_each(|count| *count = 1);
    loop {
        let lengths = unlimited(&counts);
        if lengths.iter().all(|length| usize::from(*length) <= limit) {
            return lengths;
        }
        // The nearer counts are to each other, the flatter is the tree. Codes as long as this are rare, and what is
        // lost against the best set of codes is a few bits in a block.
        counts.iter_mut().for_each(|count| *count = count.div_ceil(2));
    }
}

/// The lengths of Huffman's codes.
fn unlimited(counts: &[u32]) -> Vec<u8> {
    let used = counts.iter().zip(0_usize..).filter(|(count, _)| **count > 0);
    let mut leaves: Vec<(u32, usize)> = used.map(|(count, symbol)| (*count, symbol)).collect();
    leaves.sort_unstable();

    // Nodes are numbered as they come: first the leaves by their weight, then what is made of two, which comes in the
    // order of its weight by itself. So the lightest is at the front of one of the two.
    let mut light: VecDeque<(u32, usize)> = leaves.iter().zip(0..).map(|((count, _), node)| (*count, node)).collect();
    let mut merged: VecDeque<(u32, usize)> = VecDeque::with_capacity(leaves.len());
    let mut parents = vec![0; leaves.len().saturating_mul(2).saturating_sub(1)];
    for parent in leaves.len()..parents.len() {
        let mut weight = 0;
        for _ in 0..2 {
            let from_leaves = match (light.front(), merged.front()) {
                (Some((leaf, _)), Some((inner, _))) => leaf <= inner,
                (leaf, _) => leaf.is_some(),
            };
            let lightest = if from_leaves { light.pop_front() } else { merged.pop_front() };
            let Some((count, node)) = lightest else { continue };
            weight += count;
            if let Some(of_node) = parents.get_mut(node) {
                *of_node = parent;
            }
        }
        merged.push_back((weight, parent));
    }

    // A parent has a higher number than its children, so its depth is known before theirs.
    let mut depths = vec![0_u8; parents.len()];
    for (node, parent) in parents.iter().enumerate().rev().skip(1) {
        let depth = depths.get(*parent).map_or(0, |depth| depth.saturating_add(1));
        if let Some(of_node) = depths.get_mut(node) {
            *of_node = depth;
        }
    }
    let mut lengths = vec![0; counts.len()];
    for ((_, symbol), depth) in leaves.iter().zip(depths) {
        if let Some(length) = lengths.get_mut(*symbol) {
            *length = depth;
        }
    }
    lengths
}

/// The codes of symbols whose lengths are known, as they are written: the first bit lowest.
pub(super) fn codes(lengths: &[u8]) -> Vec<Bits> {
    let mut next = [0_u16; MAX_LENGTH + 1];
    let mut code = 0_u16;
    for (length, first) in next.iter_mut().enumerate().skip(1) {
        code <<= 1;
        *first = code;
        let many = lengths.iter().filter(|other| usize::from(**other) == length).count();
        code = code.wrapping_add(u16::try_from(many).unwrap_or_default());
    }
    let code = |length: &u8| match next.get_mut(usize::from(*length)) {
        Some(next) if *length > 0 => {
            let code = *next;
            *next = next.wrapping_add(1);
            let count = u32::from(*length);
            Bits::new(u32::from(code.reverse_bits()) >> (u16::BITS - count), count)
        }
        _ => Bits::default(),
    };
    lengths.iter().map(code).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The part of all bit strings that begin with a code, in 2¹⁵ths.
    fn taken(lengths: &[u8]) -> u32 {
        lengths.iter().filter(|length| **length > 0).map(|length| 1 << (15 - u32::from(*length))).sum()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // The example of RFC 1951, section 3.2.2.
        let codes = codes(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let expected = ["010", "011", "100", "101", "110", "00", "1110", "1111"];
        for (code, expected) in codes.into_iter().zip(expected) {
            let text: String = (0..code.count).map(|bit| if code.bits >> bit & 1 == 1 { '1' } else { '0' }).collect();
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn lengths_are_huffmans_where_they_may_be() {
        assert_eq!(lengths(&[45, 13, 12, 16, 9, 5], 15), [1, 3, 3, 3, 4, 4]);
        assert_eq!(lengths(&[1, 1, 1, 1], 15), [2, 2, 2, 2]);
        assert_eq!(lengths(&[0, 0, 7, 0], 15), [1, 0, 1, 0]);
        assert_eq!(lengths(&[0, 0, 0], 15), [1, 1, 0]);
    }

    #[test]
    fn no_length_is_above_the_limit_however_steep_the_counts_are() {
        let mut fibonacci = vec![1, 1];
        for next in 2..40 {
            fibonacci.push(fibonacci[next - 1] + fibonacci[next - 2]);
        }
        let lengths = lengths(&fibonacci, 15);
        assert_eq!(lengths.iter().max(), Some(&15));
        assert_eq!(taken(&lengths), 1 << 15);
    }

    proptest! {
        #[test]
        fn codes_use_up_all_bits_and_the_frequent_are_no_longer(counts in vec(0_u32..5_000, 2..288), limit in 9_usize..=15) {
            let lengths = lengths(&counts, limit);
            prop_assert!(lengths.iter().all(|length| usize::from(*length) <= limit));
            prop_assert_eq!(taken(&lengths), 1 << 15);
            prop_assert!(counts.iter().zip(&lengths).all(|(count, length)| *count == 0 || *length > 0));
            // What the limit flattens is no longer in the order of the counts.
            prop_assume!(unlimited(&counts).iter().all(|length| usize::from(*length) <= limit));
            let mut both: Vec<_> = counts.iter().zip(&lengths).filter(|(count, _)| **count > 0).collect();
            both.sort();
            prop_assert!(both.is_sorted_by(|(less, long), (more, short)| less == more || long >= short));
        }
    }
}
