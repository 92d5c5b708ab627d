//! Reads a response's body into a buffer: its encoding, and its limit after decompression.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::client::LARGE_BODY_BYTES;

/// How much compressed data is decompressed at once. Deflate expands a byte to 1,032 at most, so the buffer grows by about
/// a mebibyte before the caller looks at its size.
pub(super) const INPUT_STEP: usize = 1024;

/// The first two bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// None.
    Identity,
    /// `gzip` or `x-gzip`, which RFC 9110 (8.4.1.3) treats as the same.
    Gzip,
    /// Any other, which was not asked for.
    Unknown,
}

/// Why a body cannot be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It exceeds its limit.
    TooLarge,
    /// It is not compressed as its header says.
    Encoding(io::Error),
    /// Its compressed data ends early, or has a wrong checksum.
    Cut,
}

/// Decodes a body into a buffer.
pub(super) enum BodyReader<'b> {
    Identity(LimitedBuffer<'b>),
    Gzip {
        decoder: Box<MultiGzDecoder<LimitedBuffer<'b>>>,
        /// The first bytes of the body, as many as [`GZIP_MAGIC`] has.
        start: Vec<u8>,
    },
}

/// A buffer that refuses to grow over a limit.
pub(super) struct LimitedBuffer<'b> {
    bytes: &'b mut Vec<u8>,
    limit: usize,
    /// Bytes written so far, refused ones included.
    written: usize,
}

// === impl Encoding ===

impl Encoding {
    /// The encoding of a body with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(CONTENT_ENCODING).into_iter();
        let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let mut names = names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"));
        match (names.next(), names.next()) {
            (None, _) => Self::Identity,
            (Some(name), None) if [&b"gzip"[..], b"x-gzip"].iter().any(|gzip| name.eq_ignore_ascii_case(gzip)) => {
                Self::Gzip
            }
            _ => Self::Unknown,
        }
    }
}

// === impl BodyReader ===

impl<'b> BodyReader<'b> {
    /// Writes to `bytes`, which is empty, and never more than `limit`. A body of an unknown encoding is read as it is.
    pub(super) fn new(encoding: Encoding, bytes: &'b mut Vec<u8>, limit: usize) -> Self {
        let buffer = LimitedBuffer { bytes, limit, written: 0 };
        match encoding {
            Encoding::Identity | Encoding::Unknown => Self::Identity(buffer),
            Encoding::Gzip => Self::Gzip { decoder: Box::new(MultiGzDecoder::new(buffer)), start: Vec::new() },
        }
    }

    /// Decodes the next part, of at most [`INPUT_STEP`] bytes.
    pub(super) fn push(&mut self, part: &[u8]) -> Result<(), BodyError> {
        let written = match self {
            Self::Identity(buffer) => buffer.write_all(part),
            Self::Gzip { decoder, start } => {
                start.extend(part.iter().take(GZIP_MAGIC.len() - start.len()));
                decoder.write_all(part)
            }
        };
        written.map_err(|error| self.explain(BodyError::Encoding(error)))
    }

    /// Ends the body. Without a single byte it is empty, whatever its encoding.
    pub(super) fn finish(&mut self) -> Result<(), BodyError> {
        match self {
            Self::Identity(_) => Ok(()),
            Self::Gzip { start, .. } if start.is_empty() => Ok(()),
            Self::Gzip { decoder, start } => match decoder.try_finish() {
                Ok(()) => Ok(()),
                Err(_) if GZIP_MAGIC.starts_with(start) => Err(self.explain(BodyError::Cut)),
                // It is shorter than the header that the decoder waits for.
                Err(error) => Err(BodyError::Encoding(error)),
            },
        }
    }

    /// The bytes decoded so far; one that exceeded the limit is counted as well.
    pub(super) fn decoded(&self) -> usize {
        self.buffer().written
    }

    fn explain(&self, error: BodyError) -> BodyError {
        if self.buffer().written > self.buffer().limit { BodyError::TooLarge } else { error }
    }

    fn buffer(&self) -> &LimitedBuffer<'b> {
        match self {
            Self::Identity(buffer) => buffer,
            Self::Gzip { decoder, .. } => decoder.get_ref(),
        }
    }
}

// === impl LimitedBuffer ===

impl Write for LimitedBuffer<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.written = self.written.saturating_add(part.len());
        if self.written > self.limit {
            return Err(io::Error::other("the body exceeds its limit"));
        }
        if self.bytes.capacity() < self.written {
            // A small buffer doubles. A large one gets all that it may have at once: memory that is not written to is not used,
            // and no smaller buffers are left behind between which the allocator keeps gaps.
            let doubled = self.bytes.capacity().saturating_mul(2).clamp(self.written, self.limit);
            let capacity = if self.written > LARGE_BODY_BYTES { self.limit } else { doubled };
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    const LIMIT: usize = 10_000;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// The body that comes in parts of `step` bytes.
    fn read(encoding: Encoding, sent: &[u8], step: usize) -> Result<Vec<u8>, BodyError> {
        let mut bytes = Vec::new();
        let mut reader = BodyReader::new(encoding, &mut bytes, LIMIT);
        sent.chunks(step).try_for_each(|part| reader.push(part))?;
        reader.finish()?;
        drop(reader);
        Ok(bytes)
    }

    #[test]
    fn content_encoding_in_any_letters_and_lists() {
        let table: [(&[&'static str], Encoding); 13] = [
            (&[], Encoding::Identity),
            (&[""], Encoding::Identity),
            (&["identity"], Encoding::Identity),
            (&["gzip"], Encoding::Gzip),
            (&["GZip"], Encoding::Gzip),
            (&["x-gzip"], Encoding::Gzip),
            (&[" X-GZIP "], Encoding::Gzip),
            (&["Identity, gzip"], Encoding::Gzip),
            (&["gzip", "identity"], Encoding::Gzip),
            (&["gzip, gzip"], Encoding::Unknown),
            (&["gzip", "br"], Encoding::Unknown),
            (&["br"], Encoding::Unknown),
            (&["gzip;q=1"], Encoding::Unknown),
        ];
        for (values, encoding) in table {
            let headers = values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_static(value)));
            assert_eq!(Encoding::of(&headers.collect()), encoding, "{values:?}");
        }
    }

    #[test]
    fn gzip_of_several_members_is_read_in_parts_of_any_size() {
        let sent = [gzip(b"{\"data\""), gzip(b""), gzip(b":[]}")].concat();
        for step in 1..=sent.len() {
            assert_eq!(read(Encoding::Gzip, &sent, step).unwrap(), b"{\"data\":[]}", "{step}");
        }
        assert_eq!(read(Encoding::Gzip, b"", 1).unwrap(), b"");
    }

    #[test]
    fn gzip_cut_at_any_byte_is_no_body() {
        let sent = gzip(b"{\"data\":[1,2,3,4,5,6,7,8,9]}");
        for length in 1..sent.len() {
            assert!(matches!(read(Encoding::Gzip, &sent[..length], 7), Err(BodyError::Cut)), "{length}");
        }
        let mut damaged = sent.clone();
        let checksum = sent.len() - 8;
        damaged[checksum] ^= 1;
        assert!(matches!(read(Encoding::Gzip, &damaged, 7), Err(BodyError::Cut)));
        assert!(matches!(read(Encoding::Gzip, b"{}", 7), Err(BodyError::Encoding(_))));
        let foreign = [&sent[..], b"\0\0"].concat();
        assert!(matches!(read(Encoding::Gzip, &foreign, 7), Err(BodyError::Encoding(_) | BodyError::Cut)));
    }

    #[test]
    fn decompressed_bytes_never_exceed_the_limit() {
        for (length, fits) in [(LIMIT, true), (LIMIT + 1, false), (LIMIT * 1000, false)] {
            let plain = vec![b' '; length];
            for (encoding, sent) in [(Encoding::Identity, plain.clone()), (Encoding::Gzip, gzip(&plain))] {
                let mut bytes = Vec::new();
                let mut reader = BodyReader::new(encoding, &mut bytes, LIMIT);
                let pushed =
                    sent.chunks(INPUT_STEP).try_for_each(|part| reader.push(part)).and_then(|()| reader.finish());
                assert_eq!(matches!(pushed, Err(BodyError::TooLarge)), !fits, "{encoding:?} {length}");
                assert_eq!(reader.decoded() > LIMIT, !fits);
                drop(reader);
                assert!(bytes.len() <= LIMIT && bytes.capacity() <= LIMIT);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(sent in proptest::collection::vec(any::<u8>(), 0..400), step in 1_usize..50) {
            let _ = read(Encoding::Gzip, &sent, step);
            // With a valid header, more of the decoder is reached.
            let _ = read(Encoding::Gzip, &[&gzip(b"")[..10], &sent].concat(), step);
        }

        #[test]
        fn gzip_round_trip_in_random_members(
            members in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6),
            step in 1_usize..200,
        ) {
            let sent: Vec<u8> = members.iter().flat_map(|member| gzip(member)).collect();
            prop_assert_eq!(read(Encoding::Gzip, &sent, step).unwrap(), members.concat());
        }
    }
}
