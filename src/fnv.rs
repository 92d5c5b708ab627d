//! The 64-bit FNV-1a hash: quick on short text, and the same on every machine, in every run and in every version.

/// The hash of no text.
const START: u64 = 0xcbf2_9ce4_8422_2325;

const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The hash of `text`, of its bytes in UTF-8.
pub(crate) fn hash(text: &str) -> u64 {
    followed_by(START, text)
}

/// The hash of a text whose hash is `hash`, followed by `text`.
pub(crate) fn followed_by(hash: u64, text: &str) -> u64 {
    text.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fnv_1a() {
        // From the algorithm's own list of test vectors.
        for (text, expected) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(hash(text), expected, "{text}");
        }
        assert_eq!(followed_by(hash("foo"), "bar"), hash("foobar"));
    }
}
