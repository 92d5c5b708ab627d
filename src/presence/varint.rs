//! Numbers of variable length (LEB128): seven bits a byte, the lowest first; the high bit is clear in the last byte.

/// Bytes to read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

/// Appends `number`.
pub(crate) fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

// === impl Bytes ===

impl<'a> Bytes<'a> {
    /// The next byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next number; `None` at the end, or if it has more than 64 bits.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if number >> shift != bits {
                return None;
            }
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn varints_are_short_and_bad_ones_are_refused() {
        let table: [(u64, &[u8]); 4] = [(0, &[0]), (127, &[127]), (128, &[0x80, 1]), (600, &[0xd8, 4])];
        for (number, bytes) in table {
            let mut packed = Vec::new();
            push(&mut packed, number);
            assert_eq!(packed, bytes, "{number}");
        }
        let too_large = [[0xff; 9].as_slice(), &[2]].concat();
        for bytes in [&[][..], &[0x80], &[0xff; 11], &too_large] {
            assert_eq!(Bytes(bytes).varint(), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn varints_round_trip(numbers in prop::collection::vec(any::<u64>().prop_flat_map(|number| (0..64_u32).prop_map(move |bits| number >> bits)), 0..20)) {
            let mut packed = Vec::new();
            numbers.iter().for_each(|number| push(&mut packed, *number));
            let mut bytes = Bytes(&packed);
            let read: Vec<_> = std::iter::from_fn(|| bytes.varint()).collect();
            prop_assert_eq!(read, numbers);
            prop_assert!(bytes.0.is_empty());
        }
    }
}
