//! Bits into bytes, the lowest first, as deflate packs them.

/// Collects bits behind the bytes that are there already.
#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// The bits that do not fill four bytes yet, the first of them lowest.
    held: u64,
    /// How many these are: fewer than 32 between calls.
    count: u32,
}

/// Some bits to be written at once: a code, or a code and the bits that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bits {
    /// The bits, the first of them lowest, and zeros above.
    pub(super) bits: u32,
    /// How many: 32 at most.
    pub(super) count: u32,
}

// === impl BitWriter ===

impl<'a> BitWriter<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, held: 0, count: 0 }
    }

    /// Makes room for so many bits.
    pub(super) fn reserve(&mut self, bits: u64) {
        let bytes = usize::try_from(bits / u64::from(u8::BITS)).unwrap_or_default();
        self.out.reserve(bytes.saturating_add(size_of_val(&self.held)));
    }

    #[inline]
    pub(super) fn put(&mut self, Bits { bits, count }: Bits) {
        self.held |= u64::from(bits) << self.count;
        self.count += count;
        if self.count >= u32::BITS {
            let [a, b, c, d, ..] = self.held.to_le_bytes();
            self.out.extend_from_slice(&[a, b, c, d]);
            self.held >>= u32::BITS;
            self.count -= u32::BITS;
        }
    }

    /// Fills up the byte that has begun with zeros, and hands out what follows it.
    pub(super) fn align(&mut self) -> &mut Vec<u8> {
        let full = self.held.to_le_bytes();
        let used = usize::try_from(self.count.div_ceil(u8::BITS)).unwrap_or_default();
        self.out.extend_from_slice(full.get(..used).unwrap_or_default());
        (self.held, self.count) = (0, 0);
        self.out
    }
}

// === impl Bits ===

impl Bits {
    pub(super) const fn new(bits: u32, count: u32) -> Self {
        Self { bits, count }
    }

    /// These bits with others behind them.
    #[must_use]
    pub(super) const fn then(self, next: Self) -> Self {
        Self { bits: self.bits | next.bits << self.count, count: self.count + next.count }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_come_out_as_they_went_in(parts in vec((any::<u32>(), 0_u32..=32), 0..100)) {
            let parts = parts.into_iter().map(|(bits, count)| {
                Bits::new(u32::try_from(u64::from(bits) & ((1 << count) - 1)).unwrap(), count)
            });
            let parts: Vec<Bits> = parts.collect();
            let mut out = vec![0xaa];
            let mut writer = BitWriter::new(&mut out);
            parts.iter().for_each(|part| writer.put(*part));
            writer.align().push(0xbb);

            let bits = |Bits { bits, count }: Bits| (0..count).map(move |bit| bits >> bit & 1 == 1);
            let expected: Vec<bool> = parts.into_iter().flat_map(bits).collect();
            let (first, rest) = out.split_first().unwrap();
            let (last, written) = rest.split_last().unwrap();
            prop_assert_eq!((*first, *last), (0xaa, 0xbb));
            prop_assert_eq!(written.len(), expected.len().div_ceil(8));
            let read = written.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
            let padding = std::iter::repeat(false);
            prop_assert!(read.zip(expected.into_iter().chain(padding)).all(|(read, expected)| read == expected));
        }
    }
}
